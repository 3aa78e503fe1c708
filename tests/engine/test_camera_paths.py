"""Cameras that turn, zoom and move: known ways found again from corners of a background, made or followed."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from films import texture, write_film
from walks import Filmed

from sinew import video
from sinew.bench.world import ate, path_length, rotation_error_deg
from sinew.camera import bundle, kinds, structure, turning
from sinew.camera import solve as stage
from sinew.camera.follow import Tracks, follow
from sinew.flow import Camera, CameraOptions, People, Shot, VideoInfo
from sinew.geometry import floor as floors
from sinew.geometry import projection
from sinew.geometry import rotations as rot
from sinew.motion import solve_motion
from sinew_take import free_body

SIZE = (1280, 720)
FOCAL = 1100.0


def shot_of(n: int, size: tuple[int, int] = SIZE) -> Shot:
    info = VideoInfo(Path("made.mp4"), size, size, Fraction(30), n, n / 30, 0, Fraction(1), False, None)
    return Shot(info, np.arange(n, dtype=np.int32), np.arange(n) / 30)


def scene(n: int = 540, seed: int = 3) -> np.ndarray:
    """Points of a street: a floor 1.5 m under the camera, a wall, things between. World: Z up, the camera looks to +Y."""
    rng = np.random.default_rng(seed)
    floor = np.stack([rng.uniform(-8, 8, n // 3), rng.uniform(2, 12, n // 3), np.full(n // 3, -1.5)], 1)
    wall = np.stack([rng.uniform(-14, 14, n // 3), np.full(n // 3, 12.0), rng.uniform(-1.5, 6, n // 3)], 1)
    things = np.stack([rng.uniform(-9, 9, n // 3), rng.uniform(4, 11, n // 3), rng.uniform(-1.4, 2, n // 3)], 1)
    return np.concatenate([floor, wall, things])


CAMERA = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""Camera axes in a world with Z up when it looks to +Y: columns are right, down, ahead."""


def yawed(angles: np.ndarray) -> np.ndarray:
    return rot.exp(np.stack([0 * angles, 0 * angles, angles], -1)) @ CAMERA


def seen_by(R: np.ndarray, c: np.ndarray, focal: np.ndarray, points: np.ndarray, noise_px: float = 0.2,
            wrong: float = 0.0, blind: tuple = (), wander_px: float = 6.0) -> Tracks:
    """Tracks of points by cameras: noisy, a share of them wandering about, some frames without any."""
    rng = np.random.default_rng(1)
    rows = []
    wanders = rng.uniform(size=len(points)) < wrong
    walk = np.cumsum(rng.normal(0, wander_px, (len(R), len(points), 2)), 0)
    for t in range(len(R)):
        p = (points - c[t]) @ R[t]
        px = focal[t] * p[:, :2] / np.maximum(p[:, 2:], 1e-6) + np.array(SIZE) / 2
        px = px + rng.normal(0, noise_px, px.shape) + np.where(wanders[:, None], walk[t], 0)
        ok = (p[:, 2] > 0.5) & (px > 0).all(1) & (px < SIZE).all(1)
        if t in blind:
            ok[:] = False
        i = np.nonzero(ok)[0]
        rows.append((np.full(len(i), t, np.int32), i.astype(np.int32), px[i]))
    frame, track, px = (np.concatenate(x) for x in zip(*rows, strict=True))
    return Tracks(frame, track, px, np.zeros((len(points), 3)), np.ones(len(points)), 1.0, len(R))


def solved(tracks: Tracks, kind: str = "auto", focal: float = 0.92 * SIZE[0], known: bool = False) -> kinds.Path:
    return kinds._solve(shot_of(tracks.n_frames), tracks, CameraOptions(kind), focal, known)


def test_gradient_of_the_bundle_is_the_cost_s():
    rng = np.random.default_rng(0)
    R = yawed(np.array([0.0, 0.1, 0.2]))
    c = rng.normal(0, 0.3, (3, 3))
    tracks = seen_by(R, c, np.full(3, FOCAL), scene(60))
    px = turning.centred(tracks, np.array(SIZE) / 2)
    sight, _ = turning.select(tracks, px, np.arange(3))
    n = sight.point.max() + 1
    cameras = bundle.Cameras(R, c, np.log(FOCAL) + rng.normal(0, 0.05, 3))
    cloud = bundle.Cloud(turning.directions(sight, cameras, n), rng.uniform(0.05, 0.3, n))
    rules = bundle.Rules(True, "zoom", np.log(1000.0))
    _, g, _, _, h, tangents = bundle._normal(sight, cameras, cloud, rules)

    def cost(step, back):
        moved = bundle._moved(cameras, cloud, step, back, tangents, rules, 6)
        return bundle._total(sight, *moved, rules)[0]

    e = 1e-6
    for k in (0, 4, 8, 11, 16, 19, 20):  # turns, centres and focal lengths of several views
        step = np.zeros(len(g))
        step[k] = e
        numeric = (cost(step, np.zeros((n, 3))) - cost(-step, np.zeros((n, 3)))) / (2 * e)
        assert 2 * g[k] == pytest.approx(numeric, rel=1e-4, abs=1e-3)
    for k in range(3):
        back = np.zeros((n, 3))
        back[2, k] = e
        numeric = (cost(0 * g, back) - cost(0 * g, -back)) / (2 * e)
        assert 2 * h[2, k] == pytest.approx(numeric, rel=1e-4, abs=1e-3)


def test_bundle_is_the_same_dense_and_sparse(monkeypatch):
    R, c = orbit(12, 20)
    tracks = seen_by(R, c, np.full(12, FOCAL), scene(120))
    px = turning.centred(tracks, np.array(SIZE) / 2)
    sight, _ = turning.select(tracks, px, np.arange(12))
    n = sight.point.max() + 1
    cameras = bundle.Cameras(R, 0.9 * c, np.full(12, np.log(FOCAL)))
    cloud = bundle.Cloud(turning.directions(sight, cameras, n), np.full(n, 0.15))
    for focal in ("fixed", "shared", "zoom"):
        found = []
        for limit in (0, 10**9):
            monkeypatch.setattr(bundle, "MOST_DENSE", limit)
            found.append(bundle.adjust(sight, cameras, cloud, bundle.Rules(True, focal, np.log(1000.0)), 4))
        assert np.abs(found[0].cameras.c - found[1].cameras.c).max() < 1e-6
        assert found[0].log_f_sigma == pytest.approx(found[1].log_f_sigma, rel=1e-6)


def test_a_pan_is_a_camera_that_turns_and_tells_its_focal_length():
    R = yawed(np.radians(np.linspace(0, 30, 60)))
    path = solved(seen_by(R, np.zeros((60, 3)), np.full(60, FOCAL), scene(), wrong=0.15))
    assert path.kind == "rotating" and not path.zooms and path.focal_is_solved
    assert rotation_error_deg(path.R, R) < 0.03
    assert path.focal_px.mean() == pytest.approx(FOCAL, rel=0.01)
    assert np.abs(path.c).max() == 0
    assert "only turns" in path.reason


def test_a_pan_and_back_does_not_drift_and_a_blur_within_is_carried_over():
    R = yawed(np.radians(25 * np.sin(np.linspace(0, np.pi, 70))))
    path = solved(seen_by(R, np.zeros((70, 3)), np.full(70, FOCAL), scene(), blind=(20, 21, 22)), focal=FOCAL, known=True)
    assert rotation_error_deg(path.R, R) < 0.1
    assert np.degrees(np.linalg.norm(rot.log(path.R[-1]))) < 0.05
    off = np.degrees(np.linalg.norm(rot.log(np.swapaxes(R[0].T @ R, 1, 2) @ path.R), axis=1))
    assert off[[20, 21, 22]].max() < 0.5
    assert any("3 frame(s)" in note for note in path.notes)


def test_a_zoom_is_found_per_frame():
    focal = FOCAL * np.linspace(1, 1.4, 50)
    R = yawed(np.radians(np.linspace(0, 12, 50)))
    path = solved(seen_by(R, np.zeros((50, 3)), focal, scene()))
    assert path.kind == "rotating" and path.zooms
    assert path.focal_px[-1] / path.focal_px[0] == pytest.approx(1.4, rel=0.01)
    assert path.focal_px[25] / path.focal_px[0] == pytest.approx(1.2, rel=0.01)


def test_a_wobble_below_a_fraction_of_a_pixel_is_standing_still():
    R = np.tile(CAMERA, (30, 1, 1))
    path = solved(seen_by(R, np.zeros((30, 3)), np.full(30, FOCAL), scene(), noise_px=0.1))
    assert path.kind == "static" and np.ptp(path.R, axis=0).max() == 0 and np.abs(path.c).max() == 0


def orbit(n: int, degrees: float, far: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    angle = np.radians(np.linspace(-degrees / 2, degrees / 2, n))
    R = yawed(angle)
    middle = np.array([0, far, 0])
    return R, middle - far * R[:, :, 2]


def test_an_orbit_is_a_camera_that_moves():
    R, c = orbit(48, 30)
    path = solved(seen_by(R, c, np.full(48, FOCAL), scene(), wrong=0.1))
    assert path.kind == "moving" and "moves" in path.reason
    assert rotation_error_deg(path.R, R) < 0.1
    assert ate(path.c, c) < 0.003 * path_length(c)
    assert path.focal_px.mean() == pytest.approx(FOCAL, rel=0.03)
    # Its points are the scene's, but for the unit.
    true = (c - c[0]) @ R[0]
    _, _, scale = rot.align(path.c, true, with_scale=True)
    floor = floors.find_floor(path.points, np.array([0, -1.0, 0]), path.c, np.tile([0, 0.3, 1.0], (48, 1)))
    assert floor is not None and -floor.d * scale == pytest.approx(1.5, rel=0.02)
    assert np.degrees(np.arccos(floor.n @ [0, -1, 0])) < 0.5


def test_a_corner_that_wanders_is_heard_less_as_a_whole():
    rng = np.random.default_rng(2)
    point = np.repeat(np.arange(30), 20)
    residual = np.linalg.norm(rng.normal(0, 0.2, (600, 2)), axis=1) * np.where(point < 10, 5.0, 1.0)
    held = structure.steadiness(point, residual, 31)
    assert held[:10].max() < 0.4 and 0.5 < held[10:30].min() and held.max() <= 1
    # One wild sight of two says less than twenty of twenty; of a corner that was never seen nothing is said.
    few = structure.steadiness(np.r_[point, 30, 30], np.r_[residual, 1.0, 1.0], 31)[30]
    assert held[:10].max() < few < held[30] == pytest.approx(np.sqrt(0.5))
    assert np.isfinite(structure.steadiness(point, 0 * residual, 30)).all()


def test_corners_that_slide_bend_neither_the_lens_nor_the_floor(monkeypatch):
    angle = np.radians(np.linspace(0, 10, 60))
    R = rot.exp(np.stack([-angle, 0 * angle, 0 * angle], -1)) @ CAMERA
    c = np.stack([0 * angle, 0 * angle, np.linspace(0, 1.5, 60)], 1)

    def off() -> tuple[float, ...]:
        path = solved(seen_by(R, c, np.full(60, FOCAL), scene(), 0.1, wrong=0.5, wander_px=0.25))
        up = R[0].T @ [0, 0, 1.0]
        floor = floors.find_floor(path.points, up, path.c, np.tile([0, 0.3, 1.0], (60, 1)), path.depth_sigma)
        assert rotation_error_deg(path.R, R) < 0.02 and ate(path.c, c) < 0.001 * path_length(c)
        return abs(np.log(path.focal_px.mean() / FOCAL)), np.degrees(np.arccos(floor.n @ up))

    heard_less = off()
    monkeypatch.setattr(structure, "STEADY", np.inf)  # all alike
    for name, less, alike in zip(("focal length", "floor"), heard_less, off(), strict=True):
        assert less < 0.8 * alike, name


def test_a_camera_that_hardly_moves_is_solved_without_a_pair_to_begin_with():
    t = np.linspace(0, 4, 48)
    c = 0.1 * np.stack([np.sin(2.1 * t), 0.3 * np.sin(1.3 * t), 0.5 * np.cos(1.7 * t)], 1)
    R = yawed(np.radians(1.5 * np.sin(2.9 * t)))
    tracks = seen_by(R, c, np.full(48, FOCAL), scene(), noise_px=0.1)
    turn = turning.solve(tracks, np.array(SIZE) / 2, SIZE[0], t, FOCAL, True)
    found = structure.solve(tracks, SIZE, t, turn, FOCAL, True)
    assert found is not None
    assert ate(found.way.cameras.c, c) < 0.03 * path_length(c)
    assert found.way.misfit_px < 0.6 * turn.misfit_px


@pytest.mark.parametrize("way", ["orbit", "slide", "held in the hand"])
def test_a_zoom_during_a_move_is_found_per_frame(way):
    t = np.linspace(0, 1, 60)
    R, c = orbit(60, 30) if way == "orbit" else (np.tile(CAMERA, (60, 1, 1)), t[:, None] * [3.0, 0, 0])
    if way == "held in the hand":
        c = 0.1 * np.stack([np.sin(8 * t), 0.3 * np.sin(5 * t), 0.5 * np.cos(7 * t)], 1)
        R = yawed(np.radians(6 * np.sin(8 * t)))
    focal = FOCAL * np.linspace(1, 1.3, 60)
    path = solved(seen_by(R, c, focal, scene(), wrong=0.1))
    assert path.kind == "moving" and path.zooms and "It zooms by 30 %" in path.reason
    assert path.focal_px[-1] / path.focal_px[0] == pytest.approx(1.3, rel=0.01)
    assert path.focal_px[30] / path.focal_px[0] == pytest.approx(focal[30] / FOCAL, rel=0.01)
    assert ate(path.c, c) < 0.01 * path_length(c) and rotation_error_deg(path.R, R) < 0.1
    if way == "orbit":  # with its focal length given, it is held on average
        again = path.again(1.05 * focal.mean())
        assert again.zooms and again.focal_px.mean() == pytest.approx(1.05 * focal.mean(), rel=0.03)


def test_the_same_clip_gives_the_same_way_again():
    R, c = orbit(60, 40)
    one, two = (solved(seen_by(R, c, np.full(60, FOCAL), scene(), wrong=0.1)) for _ in range(2))
    assert one.kind == "moving" and (one.c == two.c).all() and (one.R == two.R).all() and (one.points == two.points).all()


def test_a_camera_that_goes_straight_ahead_does_not_zoom():
    c = np.linspace(0, 1, 60)[:, None] * [0.3, 3.0, 0]
    path = solved(seen_by(np.tile(CAMERA, (60, 1, 1)), c, np.full(60, FOCAL), scene(), wrong=0.1))
    assert path.kind == "moving" and not path.zooms and np.ptp(path.focal_px) < 1e-6 * FOCAL
    assert ate(path.c, c) < 0.002 * path_length(c)


@pytest.mark.parametrize("seed", [4, 5])
def test_a_way_ahead_before_a_wall_is_no_zoom_and_a_zoom_no_way(seed):
    """Most of the picture is a wall, before which going ahead and zooming look alike; the floor tells them apart."""
    rng = np.random.default_rng(seed)
    wall = np.stack([rng.uniform(-7, 7, 350), 10 + rng.normal(0, 0.1, 350), rng.uniform(-1.5, 4, 350)], 1)
    floor = np.stack([rng.uniform(-4, 4, 150), rng.uniform(2.5, 10, 150), np.full(150, -1.5)], 1)
    points, R, still = np.concatenate([wall, floor]), np.tile(CAMERA, (60, 1, 1)), np.zeros((60, 3))
    c = np.linspace(0, 1, 60)[:, None] * [0, 1.5, 0]
    path = solved(seen_by(R, c, np.full(60, FOCAL), points, noise_px=0.16, wrong=0.05))
    assert path.kind == "moving" and not path.zooms and ate(path.c, c) < 0.01 * path_length(c)
    path = solved(seen_by(R, still, FOCAL * np.linspace(1, 1.18, 60), points, noise_px=0.16, wrong=0.05))
    assert path.kind == "rotating" and path.zooms
    assert path.focal_px[-1] / path.focal_px[0] == pytest.approx(1.18, rel=0.01)


@pytest.mark.parametrize("zoom, parallax_deg, share, moves", [
    (0.037, 13.5, 0.617, True),  # an orbit round three people: so small a zoom does not turn any point by 13 degrees
    (0.4, 4.7, 0.6, False), (0.77, 5.0, 0.6, False),  # as zooms looked like ways forwards
    (0.4, 4.7, 0.45, True), (0.037, 13.5, 0.7, False), (0.0, 1.0, 0.6, True), (0.0, 0.1, 0.6, False)])
def test_what_a_zoom_may_explain_is_no_move(zoom, parallax_deg, share, moves):
    def way(log_f, misfit_px, zooms):
        cameras = bundle.Cameras(np.tile(np.eye(3), (5, 1, 1)), np.zeros((5, 3)), log_f)
        cloud = bundle.Cloud(np.zeros((0, 3)), np.zeros(0))
        return turning.Way(cameras, cloud, np.zeros(0, int), np.arange(5), misfit_px, 0.02, zooms, np.ones(5, int))
    turn = way(np.linspace(7, 7 + np.log1p(zoom), 5), 0.6, zoom > 0)
    far = way(np.full(5, 7.0), 0.6 * share, False)
    moved = structure.Structure(far, 0.0, np.radians(parallax_deg), "colmap", np.zeros(0))
    assert kinds._moves(turn, moved) == moves


def test_a_user_s_word_overrules_and_what_cannot_be_is_said():
    R = yawed(np.radians(np.linspace(0, 20, 40)))
    path = solved(seen_by(R, np.zeros((40, 3)), np.full(40, FOCAL), scene(240)), kind="rotating")
    assert path.kind == "rotating" and "user says" in path.reason
    few = seen_by(R[:6], np.zeros((6, 3)), np.full(6, FOCAL), scene(45))
    path = solved(few, kind="moving")
    assert path.kind in ("rotating", "moving")
    assert path.kind == "moving" or any("could not be solved" in note for note in path.notes)


def test_scale_of_a_path_by_feet():
    R, c = orbit(40, 40)
    feet = np.array([0.3, 6.0, -1.5]) - c  # one foot that stands, from the camera, in metres
    plane = floors.Plane(np.array([0, 0, 1.0]), -1.5 / 2.5, 100)
    scale, spread = floors.scale_on_floor(plane, feet, c / 2.5, np.ones(40))
    assert scale == pytest.approx(2.5, rel=1e-6) and spread < 1e-6
    rng = np.random.default_rng(2)
    soles = np.stack([feet + rng.normal(0, 0.01, feet.shape), feet + [0, 0, 0.2] + rng.normal(0, 0.2, feet.shape)], 1)
    joined = np.r_[False, np.ones(39, bool)]
    scale, spread = floors.scale_by_standing(soles, c / 2.5, joined, 1.6)
    assert scale == pytest.approx(2.5, rel=0.1) and spread < 0.3
    _, unknown = floors.scale_by_standing(soles, np.zeros_like(c), joined, 1.0)
    assert unknown > 0.5


def test_no_floor_among_points_that_show_none():
    rng = np.random.default_rng(0)
    wall = np.stack([rng.uniform(-5, 5, 300), np.full(300, 8.0), rng.uniform(-1, 3, 300)], 1)
    assert floors.find_floor(wall, np.array([0, 0, 1.0]), np.zeros((5, 3)), np.tile([0, 1.0, -0.3], (5, 1))) is None


def floor_points(rng, n: int, y: tuple[float, float], z: float) -> np.ndarray:
    return np.stack([rng.uniform(-3, 3, n), rng.uniform(*y, n), np.full(n, z)], 1)


def test_a_pavement_behind_the_people_does_not_tilt_the_floor():
    rng = np.random.default_rng(4)
    eye = np.array([0, 0, 1.5])
    points = np.concatenate([floor_points(rng, 200, (3, 8.5), 0.0), floor_points(rng, 200, (8.5, 11), 0.12)])
    points[:, 2] += rng.normal(0, 0.01, 400)  # m
    feet = np.stack([rng.uniform(-1, 1, 30), rng.uniform(5, 6, 30), np.zeros(30)], 1) - eye
    floor = floors.find_floor(points, np.array([0, 0.05, 1.0]), np.tile(eye, (30, 1)), feet)
    assert np.degrees(np.arccos(floor.n[2])) < 0.4
    assert floor.d == pytest.approx(0, abs=0.02)


def test_points_seen_from_nearly_one_direction_do_not_bend_the_floor_down():
    rng = np.random.default_rng(8)
    eye = np.array([0, 0, 1.5])
    away = floor_points(rng, 1500, (3, 10), 0.0) - eye
    distance = np.linalg.norm(away, axis=1)
    # The inverse of the distance errs evenly, so that far points err most and, on average, outwards.
    sigma = 0.012
    inverse = 1 / distance + rng.normal(0, sigma, len(distance))
    seen = inverse > 0.02
    points = eye + away[seen] / distance[seen, None] / inverse[seen, None]
    feet = floor_points(rng, 30, (5, 6.5), 0.0) - eye
    floor = floors.find_floor(points, np.array([0, 0.05, 1.0]), np.tile(eye, (30, 1)), feet, sigma / inverse[seen])
    assert np.degrees(np.arccos(floor.n[2])) < 1.0
    assert floor.sigma_deg < 3


def test_what_the_background_tells_of_the_focal_length():
    prior = bundle.Rules(False).log_f_sigma
    assert kinds.focal_sigma(prior, 30, True) == np.inf  # nothing but the prior
    assert kinds.focal_sigma(0.01, 30, False) == pytest.approx(np.hypot(0.01, kinds.FOCAL_LEAST_SIGMA), rel=0.01)
    assert kinds.focal_sigma(0.01, 2.5, True) == pytest.approx(np.hypot(0.01, 4 * kinds.FOCAL_LEAST_SIGMA), rel=0.01)
    assert kinds.focal_sigma(0.01, 2.5, False) == pytest.approx(np.hypot(0.01, 16 * kinds.FOCAL_LEAST_SIGMA), rel=0.01)


def test_focal_lengths_of_people_and_background_are_weighed():
    focal, sigma, source = stage._agreed(1000.0, 0.2, "people", (1100.0, 0.1))
    assert sigma == pytest.approx(1 / np.hypot(5, 10))
    assert source == "background" and np.log(focal / 1000) == pytest.approx(0.8 * np.log(1.1))
    assert stage._agreed(1000.0, 0.2, "assumed", None) == (1000.0, 0.2, "assumed")
    focal, _, source = stage._agreed(1000.0, 0.1, "people", (1100.0, 0.2))
    assert source == "people" and focal < 1030


def test_a_small_motion_needs_no_colmap_and_a_large_one_goes_to_it(monkeypatch):
    t = np.linspace(0, 4, 60)
    c = 0.05 * np.stack([np.sin(5.1 * t), 0.3 * np.sin(3.3 * t), 0.5 * np.cos(7.7 * t)], 1)
    tracks = seen_by(yawed(np.radians(1.5 * np.sin(2.9 * t))), c, np.full(60, FOCAL), scene(), noise_px=0.1)
    asked = []
    monkeypatch.setattr(structure, "_colmap", lambda *a: asked.append(1))
    turn = turning.solve(tracks, np.array(SIZE) / 2, SIZE[0], t, FOCAL, True)
    found = structure.solve(tracks, SIZE, t, turn, FOCAL, True)
    assert not asked and found.by == "small motion"
    assert ate(found.way.cameras.c, c) < 0.01 * path_length(c)
    # What COLMAP does not solve is tried as a small motion.
    R, c = orbit(48, 30)
    tracks = seen_by(R, c, np.full(48, FOCAL), scene())
    turn = turning.solve(tracks, np.array(SIZE) / 2, SIZE[0], t[:48], FOCAL, True)
    found = structure.solve(tracks, SIZE, t[:48], turn, FOCAL, True)
    assert asked and (found is None or found.by == "small motion")


def test_corners_of_the_whole_picture_are_adjusted():
    rng = np.random.default_rng(0)
    # Most corners are seen longest in the middle; the edges have fewer.
    middle = rng.uniform([500, 250], [780, 470], (900, 2))
    edge = rng.uniform([0, 0], [1280, 720], (120, 2))
    px = np.concatenate([middle, edge])
    n = len(px)
    both = Tracks(np.repeat([0, 1], n).astype(np.int32), np.tile(np.arange(n, dtype=np.int32), 2), np.tile(px, (2, 1)),
                  np.zeros((n, 3)), np.ones(n), 1.0, 2)
    _, point_of_track = turning.select(both, both.px, np.arange(2))
    assert (point_of_track >= 0).sum() <= 2 * turning.PER_KEY
    assert (point_of_track[900:] >= 0).mean() > 0.9


def test_people_before_a_moving_camera_fix_its_scale_and_stand_still():
    """A camera that goes round a walker, its way handed over in a wrong unit and a tilted world."""
    n = 36
    angle = np.radians(np.linspace(-12, 12, n))
    R = yawed(angle) @ rot.exp([np.radians(-8), 0, 0])
    c = np.array([0, 0, 1.0]) - 5 * R[:, :, 2]
    T = np.tile(np.eye(4), (n, 1, 1))
    T[:, :3, :3], T[:, :3, 3] = R, c
    body = free_body.load()
    film = Filmed(body, n=n, T_wc=T)
    tilt = rot.exp([0.05, 0.03, 0.4])
    given = T.copy()
    given[:, :3, :3] = tilt @ R
    given[:, :3, 3] = 0.8 * c @ tilt.T
    normal = tilt @ [0, 0, 1.0]
    camera = Camera(given, np.tile(film.K, (n, 1, 1)), np.zeros((n, 5)), "moving", "user", "assumed",
                    floor=np.r_[normal, 0.0, 0.3])
    solution, (motion,) = solve_motion(film.shot, film.people, camera, body)
    assert path_length(solution.T_wc[:, :3, 3]) == pytest.approx(path_length(c), rel=0.04)
    assert rotation_error_deg(solution.T_wc[:, :3, :3], R) < 0.01
    up = solution.T_wc[:, :3, :3] @ np.swapaxes(R, 1, 2) @ [0, 0, 1.0]
    assert np.degrees(np.arccos(up[:, 2])).max() < 1.0
    assert motion.arrays["root_m"][0, :2] == pytest.approx([0, 0], abs=1e-5)
    found, true = motion.arrays["joints_m"].astype(float), film.joints_m
    Ra, t, _ = rot.align(found.reshape(-1, 3), true.reshape(-1, 3))
    assert np.linalg.norm(found @ Ra.T + t - true, axis=-1).mean() < 0.06


def rendered(n: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Pictures of a textured wall behind a textured board, by a camera that slides and turns; its turns and centres."""
    size = (480, 270)
    K = projection.intrinsics(430.0, size)
    u = np.linspace(-0.5, 0.5, n)
    c = np.stack([1.6 * u, 0.2 * np.cos(3 * u), 0 * u], 1)
    R = yawed(np.radians(-8 * u))
    planes = [(texture(3, (900, 500), 9), np.array([-9.0, 10.0, 5.0]), 0.02),
              (texture(5, (300, 160), 7), np.array([-2.2, 5.0, 0.4]), 0.01),
              (texture(9, (200, 260), 7), np.array([0.9, 6.0, 1.4]), 0.01)]
    pictures = []
    for t in range(n):
        picture = np.zeros((size[1], size[0], 3), np.uint8)
        for image, corner, step in planes:
            # Pixel (i, j) of a board is the point corner + (i step, 0, -j step).
            P = K @ R[t].T
            H = np.stack([P @ [step, 0, 0], P @ [0, 0, -step], P @ (corner - c[t])], 1)
            # OpenCV counts from the middle of the first pixel.
            half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
            H = half @ H
            warped = cv2.warpPerspective(image, H, size, flags=cv2.INTER_LINEAR)
            inside = cv2.warpPerspective(np.full(image.shape[:2], 255, np.uint8), H, size)
            picture = np.where(inside[..., None] > 250, warped, picture)
        pictures.append(picture)
    return pictures, R, c


def test_a_film_of_boards_before_a_wall_from_pixels_to_the_camera(tmp_path):
    pictures, R, c = rendered(30)
    info = video.probe(write_film(tmp_path / "boards.mp4", pictures, options={"crf": "18"}))
    shot = Shot(info, np.arange(30, dtype=np.int32), np.arange(30) / 30)
    people = People([])
    tracks = follow(shot, people)
    assert np.bincount(tracks.frame, minlength=30).min() > 100
    path = kinds._solve(shot, tracks, CameraOptions(), 430.0, True)
    assert path.kind == "moving"
    assert rotation_error_deg(path.R, R) < 0.2
    assert ate(path.c, c) < 0.01 * path_length(c)
    assert len(path.points) > 80 and np.ptp(path.color) > 0.3
