"""Looking once more where somebody was lost: which frames, where, from both ends, and never somebody else."""

from pathlib import Path

import numpy as np
import pytest

from sinew import video
from sinew.people import gaps
from sinew.people.apart import take_the_rest, tell_apart
from sinew.people.crops import MARGIN, Crop
from sinew.people.link import linked
from sinew.people.looks import Eyes, Sighting
from sinew.people.tracker import Motion, Tracker, Tracklet, alike, follow
from sinew_take.errors import Stopped

TIME_S = np.arange(100) / 25.0
STILL = np.zeros((100, 2))


def sighting(x_px: float, side_px: float = 250.0, turn: float = 0.0) -> Sighting:
    return Sighting(np.zeros((1, 33, 2)), np.ones((1, 33)), np.ones((1, 33)), np.zeros((1, 33, 3)), np.ones(1),
                    Crop(x_px, 300.0, side_px, turn), np.zeros(0))


def person(frames, place) -> Tracklet:
    sightings = [sighting(place(f)) for f in frames]
    return Tracklet(list(frames), sightings, Motion(sightings[0].crop, 0.0))


def test_only_gaps_that_the_tracker_gave_up_are_looked_at_again():
    who = person([0, 1, 5, 6, 13, 14], lambda f: 100.0)  # 4 frames are 0.16 s, 7 are 0.28 s
    assert gaps.gap_frames(who, TIME_S) == [7, 8, 9, 10, 11, 12]


def test_between_two_sightings_the_crop_goes_straight_over_a_background_that_moves():
    who = Tracklet([10, 30], [sighting(100.0, 200.0, np.radians(170)), sighting(500.0, 288.0, np.radians(-170))],
                   Motion(sighting(0.0).crop, 0.0))
    drift = np.zeros((100, 2))
    drift[15:] = (80.0, -20.0)
    crop = gaps.between(who, 20, TIME_S, drift)
    assert (crop.x_px, crop.y_px) == pytest.approx((100 + (420 - 100) / 2 + 80, 300 + 20 / 2 - 20))
    assert crop.side_px == pytest.approx(240.0) and np.degrees(crop.turn) % 360 == pytest.approx(180.0)  # the shorter way


def swept(shows, place, wanted=None):
    """Sweep over the gap 20 to 59 of somebody who is where `place` says; they are seen where `shows`, near the crop."""
    who = person([*range(20), *range(60, 80)], place)
    looks = []

    def see(_, frame, picture, crop):
        assert picture == f"picture {frame}"
        looks.append(frame)
        return sighting(place(frame)) if shows(frame) and abs(crop.x_px - place(frame)) < 60 else None

    gap = wanted or gaps.gap_frames(who, TIME_S)
    gaps.sweep([(f, f"picture {f}") for f in gap], {f: [who] for f in gap}, TIME_S, STILL, see)
    assert who.frames == sorted(set(who.frames))
    assert [s.crop.x_px for s in who.sightings] == [place(f) for f in who.frames]
    return [f for f in who.frames if 20 <= f < 60], looks


def test_whoever_comes_out_in_the_middle_of_a_gap_is_found_and_nothing_looked_at_twice_for_nothing():
    found, looks = swept(lambda f: 35 <= f < 45, lambda f: 4.0 * f)
    assert found == [*range(35, 45)]
    assert len(looks) == 40  # backwards nothing has moved the crops of those who were not there


def test_whoever_turned_back_within_the_gap_is_followed_from_both_ends():
    """Out to the right until frame 40 and back: straight between both ends is up to 160 px off."""
    found, _ = swept(lambda f: True, lambda f: 8.0 * min(f, 80 - f))
    assert found == [*range(20, 60)]


def test_a_stop_goes_through():
    def stop():
        raise Stopped("stopped")
    with pytest.raises(Stopped):
        gaps.sweep([(5, None)], {5: []}, TIME_S, STILL, lambda *_: None, stop)


def test_whose_mask_is_strongest_takes_a_cell_and_whoever_comes_later_the_rest():
    def soft(x0, values):
        out = sighting(0.0)
        out.soft = ((x0, 0, x0 + len(values), 1), np.array([values]))
        return out
    one, two, late = soft(0, [0.9, 0.8, 0.6]), soft(1, [0.7, 0.9, 0.4]), soft(-1, [0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    tell_apart([one, two])
    take_the_rest(late, [one, two])
    assert all(s.soft is None for s in (one, two, late))
    for s, columns in ((one, [0, 1]), (two, [2]), (late, [-1, 3, 4])):
        (x0, _, _, _), bits = s.mask
        assert [x0 + int(k) for k in np.flatnonzero(bits[0])] == columns
    nothing = soft(0, [0.1, 0.2])
    tell_apart([nothing])
    assert nothing.mask is None


def test_what_was_lost_of_the_sample_s_walker_is_found_again_but_not_where_somebody_else_is():
    """20 frames are taken from her; in 5 of them her sightings are another one's, whom she must not be taken for."""
    shot = video.find_shots(Path(__file__).parents[2] / "docs" / "sample" / "walk.mp4", 0.0, 1.6).shots[0]
    width, height = shot.info.size_px
    with Eyes(1.0, (width, height)) as eyes:
        tracker = Tracker(eyes, (width, height), shot.time_s)
        pieces = follow(video.frames(shot), tracker, lambda *_: None, shot.n_frames)
        (walker,) = linked(pieces, shot.time_s, tracker.drift_px)
        every = [*range(shot.n_frames)]
        assert walker.frames == every and len(every) > 35
        lost = dict(zip(walker.frames[10:30], walker.sightings[10:30]))
        del walker.frames[10:30], walker.sightings[10:30]
        other = Tracklet([*range(15, 20)], [lost[f] for f in range(15, 20)], walker.motion)
        gaps.fill([walker, other], tracker, lambda wanted: video.frames(shot, wanted))
    assert [f for f in every if f not in walker.frames] == [*range(15, 20)] and other.frames == [*range(15, 20)]
    for frame in (*range(10, 15), *range(20, 30)):
        again, before = walker.at(frame), lost[frame]
        assert alike(again, before) > 0.9
        assert np.linalg.norm(again.middle_px - before.middle_px, axis=1).max() < 0.05 * before.crop.side_px / MARGIN
        assert again.mask is not None and again.soft is None
