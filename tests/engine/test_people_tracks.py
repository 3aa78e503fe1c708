"""Crops, likeness, following and joining, on made-up people with known places."""

import numpy as np
import pytest

from sinew.people import crops, likeness, link
from sinew.people.combine import combine, disagreement, in_picture, robust_mean
from sinew.people.crops import MARGIN, Crop
from sinew.people.looks import Sighting
from sinew.people.tracker import Motion, Tracker, Tracklet, believable

TIME_S = np.arange(300) / 30.0
STILL = np.zeros((300, 2))
RED, BLUE = np.eye(8)[0], np.eye(8)[4]


def stick(x_px: float, y_px: float, size_px: float = 200.0) -> np.ndarray:
    """A standing person's keypoints, hips at x, y."""
    random = np.random.default_rng(3)
    out = random.uniform(-0.05, 0.05, (33, 2))
    out[:11] += (0, -0.42)
    out[11:23] += (0, -0.2)
    out[11:23:2, 0] += 0.12
    out[12:23:2, 0] -= 0.12
    out[25:27] += (0, 0.22)
    out[27:] += (0, 0.45)
    out[23::2, 0] += 0.06
    out[24::2, 0] -= 0.06
    return out * size_px + (x_px, y_px)


def sighting(x_px: float, y_px: float = 300.0, colour: np.ndarray = RED, size_px: float = 200.0) -> Sighting:
    points = stick(x_px, y_px, size_px)
    return Sighting(points[None], np.full((1, 33), 0.9), np.full((1, 33), 0.8), np.zeros((1, 33, 3)), np.array([0.95]),
                    Crop(x_px, y_px, size_px * MARGIN, 0.0), colour)


def tracklet(frames, place, colour=RED) -> Tracklet:
    frames = list(frames)
    out = Tracklet(frames, [sighting(place(f), colour=colour) for f in frames], None)
    out.motion = Motion(out.sightings[0].crop, TIME_S[frames[0]])
    return out


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_is_found_in_a_crop_lies_there_in_the_picture(mirrored):
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[200:203, 250:253] = 255
    crop = Crop(230.0, 180.0, 128.0, np.radians(25))
    pixels = crops.cut(picture, crop, mirrored).astype(float).sum(-1)
    y, x = (np.indices(pixels.shape) * pixels).sum((1, 2)) / pixels.sum()
    back = crops.to_picture(np.tile([[x, y]], (33, 1)), crop, mirrored)[0]
    assert back == pytest.approx([251.5, 201.5], abs=0.05)  # px


@pytest.mark.parametrize("mirrored", [False, True])
def test_landmarks_turn_back_with_their_crop(mirrored):
    """A pose seen through a turned, mirrored crop comes back as it stood before the camera."""
    pose = np.random.default_rng(1).normal(size=(33, 3))
    crop = Crop(10.0, 20.0, 100.0, np.radians(40))
    affine = crops.crop_to_picture(crop, mirrored, 100)[:, :2]
    seen = pose.copy()
    seen[:, :2] = pose[:, :2] @ np.linalg.inv(affine).T
    seen = seen[crops.SWAP] if mirrored else seen
    assert np.allclose(crops.to_camera(seen, crop, mirrored), pose, atol=1e-9)


def test_a_mask_is_pasted_where_its_crop_was():
    mask = np.zeros((256, 256), np.float32)
    mask[64:192, 96:160] = 1.0
    box, soft = crops.paste(mask, Crop(200.0, 120.0, 128.0, 0.0), False, 2.0, (200, 100))
    whole = np.zeros((100, 200))
    whole[box[1]:box[3], box[0]:box[2]] = soft
    rows, columns = np.nonzero(whole > 0.5)
    assert (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1) == (92, 108, 44, 76)


def test_a_crop_outside_the_picture_gives_no_mask():
    box, soft = crops.paste(np.ones((256, 256), np.float32), Crop(-500.0, 50.0, 100.0, 0.0), False, 1.0, (100, 100))
    assert soft.size == 0 and box == (0, 0, 0, 0)


@pytest.mark.parametrize("size", [(1768, 994), (720, 1280), (100, 100), (4000, 200)])
def test_tiles_cover_the_picture_with_overlap(size):
    seen = np.zeros(size[::-1], int)
    windows = crops.tiles(*size, 0.28 * max(size))
    for x0, y0, x1, y1 in windows:
        assert 0 <= x0 < x1 <= size[0] and 0 <= y0 < y1 <= size[1]
        seen[y0:y1, x0:x1] += 1
    assert seen.min() >= 1
    starts = sorted({w[0] for w in windows})
    assert all(b - a <= 0.61 * 0.28 * max(size) for a, b in zip(starts, starts[1:]))


def test_likeness_is_one_for_the_same_also_with_sides_exchanged_and_falls_with_distance():
    a, weight = stick(300, 300), np.ones(33)
    assert likeness.keypoint_likeness(a, a, 200, weight) == pytest.approx(1.0)
    assert likeness.keypoint_likeness(a, a[crops.SWAP], 200, weight) == pytest.approx(1.0)
    near, far = (likeness.keypoint_likeness(a, a + (d, 0), 200, weight) for d in (10, 120))
    assert near > 0.85 > likeness.SAME > far


@pytest.mark.parametrize(("hips_y_px", "size_px", "is_somebody"), [
    (300, 200, True), (490, 500, True), (560, 500, False), (-40, 200, False)], ids=["whole", "bust", "head", "legs"])
def test_whole_people_and_busts_are_believed_heads_and_legs_are_not(hips_y_px, size_px, is_somebody):
    seen = sighting(300, hips_y_px, size_px=size_px)
    assert believable(seen, seen.crop, (600, 400)) == is_somebody


def test_motion_predicts_a_steady_walk():
    motion = Motion(Crop(100.0, 300.0, 250.0, 0.0), 0.0)
    for k in range(1, 30):
        motion = motion.after(Crop(100.0 + 6 * k, 300.0, 250.0, 0.0), k / 30)
    ahead = motion.predict(40 / 30)
    assert ahead.x_px == pytest.approx(100 + 6 * 40, abs=6)  # px
    assert (ahead.y_px, ahead.side_px) == pytest.approx((300, 250), abs=1)


def test_motion_goes_along_with_a_picture_that_is_thrown_about():
    shake = 90 * np.random.default_rng(2).normal(size=(40, 2))
    motion = Motion(Crop(100.0 + shake[0, 0], 300.0 + shake[0, 1], 250.0, 0.0), 0.0)
    for k in range(1, 40):
        motion = motion.carried(shake[k] - shake[k - 1])
        expected = motion.predict(k / 30)
        seen = np.array([100.0 + 6 * k, 300.0]) + shake[k]
        assert k < 10 or np.hypot(*(seen - (expected.x_px, expected.y_px))) < 4  # px
        motion = motion.after(Crop(*seen, 250.0, 0.0), k / 30)


def test_who_was_hidden_while_the_camera_panned_is_looked_for_on_the_background():
    """Everybody stands; between frames 30 and 60 nobody is seen, and the picture moves by 400 px."""
    drift = np.zeros((300, 2))
    drift[30:60, 0], drift[60:, 0] = np.linspace(0, 400, 30), 400

    def places(way):
        pieces = [tracklet(range(a, b), lambda f, x=x: x + drift[f, 0])
                  for x in (300.0, 700.0) for a, b in ((0, 30), (60, 100))]
        people = link.linked(pieces, TIME_S, way)
        return [[s.crop.x_px - drift[f, 0] for f, s in zip(p.frames, p.sightings)] for p in people]

    assert [len(p) for p in places(drift)] == [70, 70] and max(np.ptp(p) for p in places(drift)) < 1  # px
    assert max(np.ptp(p) for p in places(STILL)) > 100 or len(places(STILL)) > 2


def test_a_person_hidden_for_a_second_stays_one_person():
    def walk(f):
        return 100.0 + 5 * f
    people = link.linked([tracklet(range(0, 60), walk), tracklet(range(90, 150), walk),
                          tracklet(range(0, 150), lambda f: 1500.0, BLUE)], TIME_S, STILL)
    assert sorted((p.frames[0], p.frames[-1], len(p.frames)) for p in people) == [(0, 149, 120), (0, 149, 150)]


def test_two_hidden_behind_each_other_come_out_as_themselves():
    """They walk through each other; neither is seen between frames 40 and 60."""
    def right(f):
        return 200.0 + 6 * f

    def left(f):
        return 800.0 - 6 * f
    pieces = [tracklet(range(0, 40), right, RED), tracklet(range(0, 40), left, BLUE),
              tracklet(range(60, 100), left, BLUE), tracklet(range(60, 100), right, RED)]
    people = link.linked(pieces, TIME_S, STILL)
    assert len(people) == 2
    for person in people:
        assert len({int(s.colour.argmax()) for s in person.sightings}) == 1 and len(person.frames) == 80


def test_trackers_that_went_over_to_the_other_person_are_exchanged():
    """Both follow on, but after meeting at frame 50 each holds the other's person."""
    def bounce(near, far):
        return lambda f: near + 6.0 * abs(50 - f) * (1 if far else -1) + (15 if far else -15)
    a = tracklet(range(0, 100), bounce(500, False), RED)
    b = tracklet(range(0, 100), bounce(500, True), BLUE)
    for f in range(50, 100):
        a.sightings[f].colour, b.sightings[f].colour = BLUE, RED
    people = link.linked([a, b], TIME_S, STILL)
    assert len(people) == 2
    for person in people:
        colours = [int(s.colour.argmax()) for s in person.sightings]
        assert colours.count(max(set(colours), key=colours.count)) >= 98


def test_nobody_is_joined_across_ten_seconds_or_to_somebody_else_s_place():
    apart = [tracklet(range(0, 30), lambda f: 100.0), tracklet(range(250, 290), lambda f: 100.0)]
    assert len(link.linked(apart, TIME_S, STILL)) == 2
    elsewhere = [tracklet(range(0, 30), lambda f: 100.0), tracklet(range(33, 60), lambda f: 1500.0)]
    assert len(link.linked(elsewhere, TIME_S, STILL)) == 2


def test_two_tracklets_on_one_person_leave_one():
    people = link.linked([tracklet(range(0, 60), lambda f: 300.0), tracklet(range(20, 40), lambda f: 304.0)], TIME_S, STILL)
    assert [len(p.frames) for p in people] == [60]


def test_of_two_tracklets_on_one_person_the_impostor_goes():
    tracker = Tracker(None, (1280, 720), TIME_S)
    own, other = tracklet(range(0, 30), lambda f: 500.0, RED), tracklet(range(0, 30), lambda f: 640.0, BLUE)
    own.colour, other.colour = RED, BLUE
    expected = [t.motion.predict(1.0) for t in (own, other)]
    kept = tracker._without_doubles([(own, expected[0], sighting(505.0)), (other, expected[1], sighting(510.0))])
    assert [t for t, _, _ in kept] == [own]


def test_detections_of_known_people_are_no_strangers():
    tracker = Tracker(None, (1280, 720), TIME_S)
    known = [Crop(300, 300, 250, 0.0), Crop(360, 300, 250, 0.0)]
    found = [Crop(310, 305, 240, 0.1), Crop(355, 295, 260, 0.0), Crop(303, 300, 255, 0.0), Crop(900, 300, 250, 0.0),
             Crop(905, 300, 245, 0.0)]
    assert tracker._strangers(0, found, known) == [found[3]]


def test_the_mean_of_crops_leaves_a_wild_one_out_and_tells_the_spread():
    points = np.tile(stick(300, 300), (5, 1, 1)) + np.random.default_rng(0).normal(0, 1.0, (5, 33, 2))
    wild = points.copy()
    wild[2, 15] += (150, 0)
    mean, spread, _ = robust_mean(wild, np.zeros((5, 33, 3)), np.ones((5, 33)), 200.0)
    assert np.abs(mean - stick(300, 300)).max() < 3.0  # px
    assert spread[15] > 30 and np.median(spread) == pytest.approx(1.0, abs=0.4)


def test_combined_frames_have_the_take_s_shapes_and_hips_at_the_origin():
    seen = [sighting(300.0 + f) for f in range(20)]
    for s in seen:
        s.landmarks_m = np.random.default_rng(2).normal(size=(1, 33, 3))
    out = combine(seen, TIME_S[:20], (1280, 720))
    assert out.keypoints_px.shape == (20, 33, 3) and out.spread_px.shape == (20, 33)
    assert np.allclose(out.landmarks_m[:, 23:25].mean(1), 0, atol=1e-9)
    assert disagreement(seen[0]) == 0


def test_a_limb_that_is_the_other_side_s_counts_for_little():
    seen = [sighting(300.0 + f) for f in range(20)]
    for s in seen:
        s.points_px[0, 27:29] = s.crop.x_px + np.array([[40.0, 100.0], [-40.0, 100.0]])
    seen[10].points_px[0, 27] = seen[10].points_px[0, 28]
    confidence = combine(seen, TIME_S[:20], (1280, 720)).keypoints_px[..., 2]
    wanted = np.full((20, 33), 0.9)
    wanted[10, 27] = 0.09
    assert confidence == pytest.approx(wanted)


def test_confidence_falls_outside_the_picture():
    factor = in_picture(np.array([[[50.0, 50.0], [-10.0, 50.0], [50.0, 400.0]]]), (100, 100), np.array([200.0]))
    assert factor[0] == pytest.approx([1.0, 0.5, 0.05])


def test_a_lost_person_is_searched_for_where_they_would_be_and_no_longer_than_needed():
    tracker = Tracker(None, (1280, 720), TIME_S)
    lost, followed = tracklet(range(0, 30), lambda f: 400.0), tracklet(range(0, 61), lambda f: 900.0, BLUE)
    tracker.done, tracker.active = [lost], [followed]
    crops_now = [followed.sightings[-1].crop]
    for frame in range(40, 46):
        windows = tracker._windows(frame, crops_now)
        assert len(windows) == 2  # the turn's, and one for the missed person
        x0, y0, x1, y1 = windows[1]
        assert x0 < 400 < x1 and y0 < 300 < y1 and 0 <= y0 and y1 <= 720 and x1 - x0 == pytest.approx(1.4 * 250, abs=2)
    assert len(tracker._windows(29 + 31, crops_now)) == 1  # after a second only in every fourth frame
    lost.found_again = True
    assert len(tracker._windows(41, crops_now)) == 1


def test_every_tile_is_looked_at_and_free_ones_more_often():
    tracker = Tracker(None, (1280, 720), TIME_S)
    followed = [Crop(200.0, 200.0, 500.0, 0.0)]
    seen = [w for frame in range(1, 300) for w in tracker._windows(frame, followed)]
    small = tracker._tiles[1]
    assert all(seen.count(w) >= 2 for w in (tracker._whole, *tracker._tiles[0], *small))
    assert seen.count(small[0]) < seen.count(small[-1])  # the first lies under the followed person


def test_a_tracker_that_went_over_while_the_other_was_lost_is_put_right():
    """Red stands, blue passes and is lost behind red at frame 40; red's tracker goes off with blue, red is found anew."""
    stands, passes = (lambda f: 500.0), (lambda f: 260.0 + 6.0 * f)
    red = tracklet(range(0, 100), lambda f: stands(f) if f < 45 else passes(f), RED)
    for f in range(45, 100):
        red.sightings[f].colour = BLUE
    people = link.linked([red, tracklet(range(0, 36), passes, BLUE), tracklet(range(42, 100), stands, RED)], TIME_S, STILL)
    assert len(people) == 2
    for person in people:
        assert len({int(s.colour.argmax()) for s in person.sightings}) == 1 and len(person.frames) >= 90
        assert len(set(person.frames)) == len(person.frames)


@pytest.mark.parametrize("shake_px", [0.0, 80.0])
def test_whoever_is_found_is_followed_back_through_a_short_loss_and_no_longer_one(shake_px):
    """Found in frame 40, seen back to 31, not in 28 to 30, seen from 27 to 20, not in 5 to 19 (half a second)."""
    shake = shake_px * np.random.default_rng(5).normal(size=300)

    def place(frame):
        return 200.0 + 4.0 * frame + shake[frame]

    class Recalling(Tracker):
        def _seen_before(self, frame, picture, crop):
            assert abs(crop.x_px - place(frame)) < 25  # px: the prediction goes along while nothing is seen
            return sighting(place(frame)) if frame < 5 or 20 <= frame < 28 or frame > 30 else None

        def _tell_apart(self, sightings):
            pass

    tracker = Recalling(None, (1280, 720), TIME_S)
    tracker._past.extend((frame, None) for frame in range(40))
    tracker.drift_px[:, 0] = shake
    person = tracklet([40], place)
    tracker._follow_back(person)
    assert person.frames == [*range(20, 28), *range(31, 41)]
    assert [s.crop.x_px for s in person.sightings] == [place(f) for f in person.frames]
