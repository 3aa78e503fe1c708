"""A user's own camera against the background: its own clip's is believed, another's is said, noise says nothing."""

import numpy as np
import pytest
from films import texture, write_film
from test_camera_paths import CAMERA, FOCAL, SIZE, orbit, scene, seen_by, yawed

from sinew import video
from sinew.camera import agree, background, follow, kinds
from sinew.camera.given import Given
from sinew.flow import CameraOptions, People
from sinew.geometry import projection

N = 48
STILL = np.tile(CAMERA, (N, 1, 1)), np.zeros((N, 3))
PAN = yawed(np.radians(np.linspace(0, 25, N))), np.zeros((N, 3))
DOLLY = np.tile(CAMERA, (N, 1, 1)), np.linspace(0, 1.5, N)[:, None] * [1.0, 0, 0]
HANDHELD = (yawed(np.radians(2 * np.sin(np.linspace(0, 9, N)))),
            0.05 * np.stack([np.sin(np.linspace(0, 7, N)), 0 * np.arange(N), np.cos(np.linspace(0, 5, N))], 1))
WAYS = {"still": STILL, "pan": PAN, "dolly": DOLLY, "orbit": orbit(N, 30), "handheld": HANDHELD}


def path_of(R: np.ndarray, c: np.ndarray, focal: float = FOCAL, size: tuple[int, int] = SIZE) -> kinds.Path:
    T = np.tile(np.eye(4), (len(R), 1, 1))
    T[:, :3, :3], T[:, :3, 3] = R, 3 * c  # in whatever unit
    K = np.tile(projection.intrinsics(focal, size), (len(R), 1, 1))
    return kinds.from_file(Given(T, K, np.zeros(5), None, np.zeros((0, 3)), np.zeros((0, 3))), "camera.json")


def is_off(tracks: follow.Tracks, path: kinds.Path) -> bool:
    off, moved, corners = agree.misfit(tracks, path, max(SIZE))
    assert corners >= agree.LEAST_CORNERS and np.isfinite([off, moved]).all()
    return off >= agree.OFF_PX and off >= agree.OFF_SHARE * moved


@pytest.mark.parametrize("true", WAYS)
def test_a_clip_s_own_camera_is_believed_and_another_is_not(true):
    R, c = WAYS[true]
    tracks = seen_by(R, c, np.full(N, FOCAL), scene(), wrong=0.2)
    off, _, _ = agree.misfit(tracks, path_of(R, c), max(SIZE))
    assert off < 1.0 and not is_off(tracks, path_of(R, c))
    for other, (R2, c2) in WAYS.items():
        # A slide agrees with a still picture of something infinitely far away, an orbit nearly with a pan over a wall.
        if other != true and (true, other) not in (("still", "dolly"), ("pan", "orbit")):
            assert is_off(tracks, path_of(R2, c2)), other


def test_three_frames_late_is_off():
    R, c = HANDHELD
    late = np.clip(np.arange(N) + 3, 0, N - 1)
    assert is_off(seen_by(R, c, np.full(N, FOCAL), scene()), path_of(R[late], c[late]))


def test_a_slide_over_a_still_background_is_said_by_its_size():
    assert agree.doubt_still(0.05, 5.0, "a.json") == []
    assert agree.doubt_still(1.5, 5.0, "a.json") == [
        "The background stands still, and the camera of a.json moves by 1.50 m: the file may be another clip's."]


def panned(n: int, start: int = 0, speed: int = 3) -> list[np.ndarray]:
    wide = texture(5, (start + speed * n + 320, 180), grain_px=16)
    return [wide[:, start + speed * k:start + speed * k + 320] for k in range(n)]


def shot_of(path):
    return video.find_shots(path).shots[0]


def test_pictures_speak_against_another_clip_s_camera(tmp_path):
    shot = shot_of(write_film(tmp_path / "pan.mp4", panned(20)))
    focal = 3000.0  # px: so long a lens pans by shifting the picture
    right = path_of(yawed(-np.radians(np.linspace(0, np.degrees(57 / focal), 20))), np.zeros((20, 3)), focal, (320, 180))
    assert agree.doubt(shot, People([]), right, "own.json") == []
    R, _ = STILL
    said = agree.doubt(shot, People([]), path_of(R[:20], np.zeros((20, 3)), focal, (320, 180)), "other.json")
    assert len(said) == 1 and said[0].startswith("The background lies ")
    assert said[0].endswith("px off where the camera of other.json would see it: the file may be another clip's, or count "
                            "frames from another one, unless most of the background moves by itself.")


def test_noise_is_no_background(tmp_path):
    rng = np.random.default_rng(0)
    grain = [np.clip(128 + rng.normal(0, 25, (180, 320, 1)), 0, 255).astype(np.uint8).repeat(3, 2) for _ in range(12)]
    shot = shot_of(write_film(tmp_path / "noise.mp4", grain, options={"crf": "4"}))
    assert follow.is_noise(follow.follow(shot, People([])))
    path = kinds.find_path(shot, People([]), CameraOptions(), background.look(shot, People([])), 300.0, False)
    assert path.kind == "static" and "nothing that stays from one frame to the next" in path.notes[0]
    assert "if it moved, people drift." in path.notes[0]
    R, c = PAN
    assert agree.doubt(shot, People([]), path_of(R[:12], c[:12], 300.0, (320, 180)), "own.json") == []


def test_a_plain_wall_is_said_to_tell_nothing(tmp_path):
    shot = shot_of(write_film(tmp_path / "wall.mp4", [np.full((180, 320, 3), 170, np.uint8)] * 12))
    path = kinds.find_path(shot, People([]), CameraOptions(), background.look(shot, People([])), 300.0, False)
    assert path.kind == "static" and path.notes == [path.reason]
    assert path.reason == ("The background shows too little to tell whether the camera moves; it is taken to stand still, "
                           "and if it moved, people drift.")


def test_a_jump_is_a_step_that_loses_corners_as_none_beside_it():
    def tracks(held: dict[int, float]) -> follow.Tracks:
        """100 corners in 20 frames, of which a frame's step keeps a share, 0.95 elsewhere; the lost ones are replaced."""
        ids, count, rows = np.arange(100), 100, []
        for t in range(20):
            if t:
                lost = 100 - round(100 * held.get(t, 0.95))
                ids = np.r_[ids[lost:], np.arange(count, count + lost)]
                count += lost
            rows.append(ids)
        return follow.Tracks(np.repeat(np.arange(20), 100), np.concatenate(rows), np.zeros((2000, 2)), np.zeros((count, 3)),
                             np.ones(count), 1.0, 20)

    assert follow.jumps(tracks({12: 0.4})).tolist() == [12]
    assert follow.jumps(tracks({})).tolist() == []
    assert follow.jumps(tracks({k: 0.7 for k in range(8, 20)})).tolist() == []  # a pan that begins


def test_few_corners_that_go_along_are_no_noise():
    rng = np.random.default_rng(1)
    begin = rng.uniform(0, 300, (80, 2))
    # Of each frame's 80 corners the next one shows 32 again, all moved by (40, 3) px, or each somewhere else.
    frame, track = np.repeat(np.arange(12), 80), np.concatenate([np.arange(80) + 48 * t for t in range(12)])
    place = rng.uniform(0, 300, (48 * 12 + 32, 2))
    place[:80] = begin
    along = place[track] + frame[:, None] * [40.0, 3.0]
    scattered = along + rng.normal(0, 5, along.shape)
    for px, noise in ((along, False), (scattered, True)):
        tracks = follow.Tracks(frame, track, px, np.zeros((len(place), 3)), np.ones(len(place)), 1.0, 12)
        assert follow.is_noise(tracks) is noise
