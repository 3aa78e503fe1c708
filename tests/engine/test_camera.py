"""The camera stage: what the user gives, what the people show, and what cannot be done."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from films import texture, write_film
from walks import SIZE_PX, Filmed

from sinew import video
from sinew.bench import metrics
from sinew.camera import background, quick, solve_camera, structure
from sinew.flow import CameraOptions, People, Shot
from sinew.geometry import projection
from sinew.geometry import rotations as rot
from sinew.motion.frames import Frames
from sinew_take import free_body
from sinew_take.errors import RequestError


@pytest.fixture(scope="module")
def body():
    return free_body.load()


@pytest.fixture(scope="module")
def film(body):
    return Filmed(body, n=30)


def test_focal_length_from_the_user(film, body):
    camera, _ = solve_camera(film.shot, film.people, body, CameraOptions(focal_mm=35), look=False)
    assert camera.focal_source == "user"
    assert camera.K[0, 0, 0] == pytest.approx(projection.focal_px_of_35mm(35, SIZE_PX))
    camera, _ = solve_camera(film.shot, film.people, body, CameraOptions(fov_deg=50), look=False)
    assert np.degrees(2 * np.arctan(SIZE_PX[0] / 2 / camera.K[0, 0, 0])) == pytest.approx(50)


def test_focal_length_from_the_file(film, body):
    shot = replace(film.shot, info=replace(film.shot.info, focal_35mm=28.0))
    camera, _ = solve_camera(shot, film.people, body, look=False)
    assert camera.focal_source == "metadata"
    assert camera.K[0, 0, 0] == pytest.approx(projection.focal_px_of_35mm(28, SIZE_PX))


def test_unknown_focal_length_is_plausible_and_said(film, body):
    camera, _ = solve_camera(film.shot, film.people, body, look=False)
    assert camera.focal_source in ("people", "assumed")
    assert 0.6 < camera.K[0, 0, 0] / film.K[0, 0] < 1.6
    assert any("angle of view" in note for note in camera.notes)


def test_static_camera_of_every_frame(film, body):
    camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(kind="static"), look=False)
    assert camera.kind == "static" and len(starts) == 1
    assert camera.T_wc.shape == (30, 4, 4) and camera.K.shape == (30, 3, 3) and camera.distortion.shape == (30, 5)
    assert np.ptp(camera.T_wc, axis=0).max() == 0


def test_up_is_the_people_s(film, body):
    fov = float(np.degrees(2 * np.arctan(SIZE_PX[0] / 2 / film.K[0, 0])))
    camera, _ = solve_camera(film.shot, film.people, body, CameraOptions(fov_deg=fov), look=False)
    up = camera.T_wc[0, :3, :3] @ film.R_cw @ [0, 0, 1.0]
    assert metrics.angle_between_deg(up, np.array([0, 0, 1.0])) < 6


def turned(film: Filmed, times: int) -> tuple[Shot, People]:
    """The same film played some quarter turns clockwise, and nothing in the file that says so."""
    shot, people = film.shot, film.people
    for _ in range(times):
        shot, people = _turned(shot, people)
    return shot, people


def _turned(shot: Shot, people: People) -> tuple[Shot, People]:
    track, (width, height) = people.tracks[0], shot.info.size_px
    px, lm = track.keypoints_px.astype(float), track.landmarks_m.astype(float)
    px[..., 0], px[..., 1] = height - track.keypoints_px[..., 1], track.keypoints_px[..., 0]
    lm[..., 0], lm[..., 1] = -track.landmarks_m[..., 1], track.landmarks_m[..., 0]
    box = track.box_px.astype(float)
    box = np.stack([height - box[:, 3], box[:, 0], height - box[:, 1], box[:, 2]], 1)
    return (replace(shot, info=replace(shot.info, size_px=(height, width))),
            People([replace(track, keypoints_px=px, landmarks_m=lm, box_px=box)], []))


@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_a_video_that_is_turned_is_said_and_an_upright_one_is_not(film, body, times):
    shot, people = turned(film, times)
    camera, _ = solve_camera(shot, people, body, CameraOptions(fov_deg=58), look=False)
    found = [note for note in camera.notes if note.startswith("People lie across the picture")]
    assert found == ([] if not times else [
        "People lie across the picture instead of standing in it; if the video itself is turned, give --turn "
        f"{360 - 90 * times}."])


@pytest.mark.parametrize("seconds", [3, 10, 16, 30, 120])
def test_samples_say_what_stands_still_in_shots_of_any_length(film, seconds):
    n = 30 * seconds
    shot = replace(film.shot, frame=np.arange(n, dtype=np.int32), time_s=np.arange(n) / 30)
    found = quick.sampled(shot, Frames(np.arange(n), np.ones(n, bool), np.r_[False, np.ones(n - 1, bool)]))
    step = np.diff(shot.time_s[found.index])
    assert len(found.index) <= 91 and found.joined.mean() > 0.6 and not found.joined[0]
    assert (found.joined[1:] == (step < quick.JOINED_S)).all() and step.max() < max(0.3, seconds / 25)
    assert shot.time_s[found.index[-1]] > 0.9 * seconds


def test_the_height_of_somebody_who_is_not_seen_says_nothing_of_the_others(film, body):
    unseen = Filmed(body, n=30)
    unseen.hide(range(30))
    people = People([unseen.track, replace(film.track, id="person_2")])
    camera, starts = solve_camera(film.shot, people, body, CameraOptions(height_m=2.0), look=False)
    free, (alone,) = solve_camera(film.shot, film.people, body, look=False)
    assert camera.scale_source == "assumed" and starts[0] is None
    assert camera.K[0, 0, 0] == free.K[0, 0, 0] and (starts[1].shape == alone.shape).all()
    assert any(note.startswith("The first person, whose height was given, is hardly seen, so the height says nothing")
               for note in camera.notes)


@pytest.mark.parametrize("height", [1.5, 1.9])
def test_scale_from_a_given_height(film, body, height):
    camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(height_m=height), look=False)
    assert camera.scale_source == "height"
    assert film.model.stature(starts[0].shape) == pytest.approx(height, abs=0.02)  # m
    assert not any("--height-m" in note for note in camera.notes)


def test_assumed_scale_is_marked(film, body):
    """The sentence with the height is the pipeline's, once the body is solved (test_hsmr, through the whole run)."""
    camera, _ = solve_camera(film.shot, film.people, body, look=False)
    assert camera.scale_source == "assumed"


@pytest.mark.parametrize("options, said", [
    (CameraOptions(kind="wobbly"), "--camera wobbly is not a kind of camera; use auto, static, rotating or moving."),
    (CameraOptions(focal_mm=0.1), "--focal-mm 0.1 is not a lens's 35 mm equivalent; give millimetres between 4 and 2000."),
    (CameraOptions(fov_deg=300), "--fov-deg 300 is not a horizontal field of view; give degrees between 1 and 170."),
    (CameraOptions(height_m=17), "--height-m 17 is not a person's height; give metres between 0.4 and 2.6."),
    (CameraOptions(file="c.json", fov_deg=50),
     "--camera-file holds the focal length already; leave --focal-mm and --fov-deg out."),
    (CameraOptions(focal_mm=35, fov_deg=50), "--focal-mm and --fov-deg say the same thing; give one of them.")])
def test_what_cannot_be_done_is_one_sentence(film, body, options, said):
    with pytest.raises(RequestError) as error:
        solve_camera(film.shot, film.people, body, options, look=False)
    assert str(error.value) == said


def picture(shift: int = 0) -> np.ndarray:
    """A wall with windows and posters: corners and uprights."""
    rng = np.random.default_rng(12)
    wall = np.full((540, 1400), 180, dtype=np.uint8)
    for _ in range(60):
        x, y = rng.integers(0, 1300), rng.integers(0, 440)
        wall[y:y + rng.integers(30, 200), x:x + rng.integers(20, 90)] = rng.integers(0, 255)
    return np.ascontiguousarray(wall[:, 100 + shift:1060 + shift])


def looked_at(path: Path, pictures: list[np.ndarray]) -> background.Background:
    """What a film of grey pictures, without people, says of its camera."""
    info = video.probe(write_film(path, [np.repeat(p[..., None], 3, -1) for p in pictures]))
    n = len(pictures)
    return background.look(Shot(info, np.arange(n, dtype=np.int32), np.arange(n) / 30), People([]))


def test_a_camera_that_moves_is_noticed(tmp_path):
    still = looked_at(tmp_path / "still.mp4", [picture()] * 9)
    assert still.moved_px < 0.3 and not still.is_lost
    pan = looked_at(tmp_path / "pan.mp4", [picture(2 * k) for k in range(9)])
    assert pan.moved_px == pytest.approx(16, abs=0.5) and not pan.is_lost


def test_a_background_that_is_hidden_at_first_is_looked_at_where_it_shows(tmp_path):
    """Somebody stands before the lens, or the shot fades in: that first picture had made a pan "static"."""
    hidden = np.full((540, 960), 120, np.uint8)
    pan = looked_at(tmp_path / "pan.mp4", [hidden, hidden, *(picture(2 * k) for k in range(7))])
    assert pan.moved_px == pytest.approx(12, abs=0.5) and not pan.is_lost
    still = looked_at(tmp_path / "still.mp4", [hidden, *[picture()] * 8])
    assert still.moved_px < 0.3 and not still.is_lost


def test_a_background_that_is_not_found_again_is_said_and_an_empty_one_is_not(tmp_path):
    lost = looked_at(tmp_path / "lost.mp4", [texture(k, (960, 540), 4)[..., 0] for k in range(9)])
    assert lost.moved_px is None and lost.is_lost
    empty = looked_at(tmp_path / "empty.mp4", [np.full((540, 960), 120, np.uint8)] * 9)
    assert empty.moved_px is None and not empty.is_lost


def test_upright_lines_are_found_and_their_planes_hold_up():
    lines = background._lines(picture(), np.full((540, 960), 255, dtype=np.uint8))
    assert len(lines) > 20
    planes, share = background.line_planes(lines, projection.intrinsics(900, (960, 540)))
    assert share.sum() == pytest.approx(1)
    upright = np.abs(planes @ [0, -1, 0]) < np.sin(np.radians(0.5))
    assert upright.sum() > 10
    assert (np.abs(lines[upright, 0, 0] - lines[upright, 1, 0]) < 2).all()  # px


def test_lines_of_all_pictures_stand_upright_in_the_first_camera_s_axes():
    K = np.tile(projection.intrinsics(900, (960, 540)), (3, 1, 1))
    R = rot.exp(np.radians([[0, 0, 0], [0, 10, 0], [4, 0, 0.0]]))
    lines, frame = [], []
    for t in range(3):
        for x in (-1.5, 0.2, 1.0):
            ends = np.array([[x, -1.0, 6.0], [x, 1.0, 6.0]]) @ R[t]
            lines.append(900 * ends[:, :2] / ends[:, 2:] + K[t, :2, 2])
            frame.append(t)
    seen = background.Background(20.0, False, np.array(lines), np.array(frame))
    planes, share = background.upright_looks(seen, K, R)
    assert np.abs(planes @ [0, 1, 0]).max() < 1e-9
    assert share.sum() == pytest.approx(np.sqrt(3))
    planes, share = background.upright_looks(seen, K, np.tile(np.eye(3), (3, 1, 1)))
    assert len(planes) == 3 and share.sum() == pytest.approx(1)


def test_a_stop_while_colmap_works_cancels_it():
    class Stop(Exception):
        pass

    tokens = []

    def work(token):
        tokens.append(token)
        until = time.monotonic() + 20
        while not token.is_cancelled and time.monotonic() < until:
            time.sleep(0.02)

    def tick():
        raise Stop

    with pytest.raises(Stop):
        structure.stoppable(work, tick)
    assert tokens[0].is_cancelled
    assert structure.stoppable(lambda token: 7, None) == 7


def test_looking_at_a_real_shot(shared, body):
    from sinew import video

    shot = video.find_shots(shared / "clips" / "skater_moving_camera.mp4").shots[0]
    moving = background.look(shot, People([]))
    assert moving.moved_px is None or moving.moved_px > background.STILL_SHARE * max(shot.info.size_px)
    still = background.look(video.find_shots(shared / "truth" / "balancing" / "cam02.mp4").shots[0], People([]))
    assert still.moved_px < 1.0
