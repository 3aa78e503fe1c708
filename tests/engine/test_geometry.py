"""Rotations, projection and the ground: laws and known answers."""

from dataclasses import replace

import numpy as np
import pytest

from sinew.geometry import ground, projection
from sinew.geometry import rotations as rot

RNG = np.random.default_rng(0)


def test_log_undoes_exp_even_near_half_a_turn():
    v = rot.log(rot.exp(RNG.normal(0, 2, (200, 3))))
    near = RNG.normal(size=(50, 3))
    near *= (np.pi - 1e-7) / np.linalg.norm(near, axis=1, keepdims=True)
    for vectors in (v, near, 1e-9 * near, np.zeros((1, 3))):
        assert np.abs(rot.log(rot.exp(vectors)) - vectors).max() < 1e-8


def test_exp_is_a_rotation():
    R = rot.exp(RNG.normal(0, 3, (100, 3)))
    assert np.abs(R @ np.swapaxes(R, 1, 2) - np.eye(3)).max() < 1e-12
    assert np.abs(np.linalg.det(R) - 1).max() < 1e-12


def test_left_jacobian_inverse_against_differences():
    v = rot.log(rot.exp(np.concatenate([RNG.normal(0, 1, (50, 3)), 1e-4 * RNG.normal(size=(5, 3))])))
    v = v[np.linalg.norm(v, axis=1) < 3]  # differences must not step over half a turn
    step = 1e-6
    J = rot.left_jacobian_inverse(v)
    for i in range(3):
        d = np.zeros(3)
        d[i] = step
        left = (rot.log(rot.exp(d) @ rot.exp(v)) - rot.log(rot.exp(-d) @ rot.exp(v))) / (2 * step)
        right = (rot.log(rot.exp(v) @ rot.exp(d)) - rot.log(rot.exp(v) @ rot.exp(-d))) / (2 * step)
        assert np.abs(J[..., i] - left).max() < 1e-6
        assert np.abs(np.swapaxes(J, 1, 2)[..., i] - right).max() < 1e-6


def test_align_finds_a_known_similarity_and_never_mirrors():
    points = RNG.normal(size=(4, 10, 3))
    R, t, s = rot.exp(RNG.normal(size=(4, 3))), RNG.normal(size=(4, 3)), RNG.uniform(.5, 2, 4)
    moved = s[:, None, None] * points @ np.swapaxes(R, 1, 2) + t[:, None]
    found = rot.align(points, moved, with_scale=True)
    for got, wanted in zip(found, (R, t, s)):
        assert np.abs(got - wanted).max() < 1e-10
    R, _, _ = rot.align(points, points * [1, 1, -1])
    assert np.abs(np.linalg.det(R) - 1).max() < 1e-10


def test_between_takes_one_direction_to_the_other():
    a, b = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 3))
    b[0] = -a[0]
    turned = np.einsum("tij,tj->ti", rot.between(a, b), a)
    assert np.abs(turned / np.linalg.norm(turned, axis=1, keepdims=True)
                  - b / np.linalg.norm(b, axis=1, keepdims=True)).max() < 1e-9


def test_pelvis_angles_are_continuous_over_whole_turns_and_somersaults():
    time = np.linspace(0, 4, 241)
    z, x, y = 3.0 * time, 0.4 * np.sin(time), -2.5 * time  # a somersault while turning round
    R = (rot.exp(np.stack([0 * y, y, 0 * y], -1)) @ rot.exp(np.stack([x, 0 * x, 0 * x], -1))
         @ rot.exp(np.stack([0 * z, 0 * z, z], -1)))
    found = rot.euler_zxy(R)
    assert np.abs(found - np.stack([z, x, y], -1)).max() < 1e-9
    # Through the pole: continuous angles need not come back, but the attitude must, and no number may be missing.
    x = np.linspace(0, np.pi, 101)
    R = rot.exp(np.stack([x, 0 * x, 0 * x], -1))
    found = rot.euler_zxy(R)
    back = (rot.exp(found[:, 2:] * [0, 1, 0]) @ rot.exp(found[:, 1:2] * [1, 0, 0]) @ rot.exp(found[:, :1] * [0, 0, 1]))
    assert np.abs(back - R).max() < 1e-6
    assert np.abs(np.diff(found, axis=0)).max() < 0.1


def test_focal_length_by_known_lenses():
    assert projection.focal_px_of_35mm(50, (3600, 2400)) == pytest.approx(5000)
    assert projection.focal_px_of_fov(90, (1000, 500)) == pytest.approx(500)


def test_projection_and_its_inverse():
    K = projection.intrinsics(1000, (1280, 720))
    assert np.allclose(projection.project(np.array([[0, 0, 2.0], [1, -1, 2.0]]), K), [[640, 360], [1140, -140]])
    distortion = np.array([-0.2, 0.05, 1e-3, -1e-3, 0.0])
    points = np.c_[RNG.uniform(-.6, .6, 100), RNG.uniform(-.35, .35, 100), np.ones(100)]
    px = projection.project(points, K, distortion)
    back = projection.undistort_px(px, K, distortion)
    assert np.abs(back - projection.project(points, K)).max() < 1e-3  # px
    assert np.isnan(projection.undistort_px(np.full((1, 2), np.nan), K, distortion)).all()


@pytest.mark.parametrize("distortion", [
    [0.25, 0, 0, 0, 0], [0.35, 0, 0, 0, 0], [0.8, 0.2, 0.01, -0.01, 0.1], [-0.2, 0.05, 1e-3, -1e-3, 0],
    [-0.25, 0, 0, 0, 0.06], [-0.4, 0.3, 0, 0, -0.06]])
def test_what_a_lens_shows_is_found_wherever_it_bends_it_to(distortion):
    """In the whole picture of a wide lens, to a millionth of a pixel, and on this side of the fold where there is one."""
    K, distortion = projection.intrinsics(640, (1280, 720)), np.array(distortion, dtype=float)  # 90 degrees wide
    ideal = np.stack(np.meshgrid(np.linspace(-1.1, 1.1, 23), np.linspace(-0.6, 0.6, 13)), -1)
    slope = np.diff([projection.distort(ideal * s, distortion) for s in (1, 1 + 1e-6)], axis=0)[0]
    assert ((slope * ideal).sum(-1) >= 0).all(), "no fold here"
    filmed = projection.project(np.concatenate([ideal, np.ones((13, 23, 1))], -1), K, distortion)
    back = projection.undistort_px(filmed, K, distortion)
    assert np.abs(back - (ideal * 640 + (640, 360))).max() < 1e-4  # px, where the lens squeezes most
    rays = np.concatenate([(back - (640, 360)) / 640, np.ones((13, 23, 1))], -1)
    assert np.abs(projection.project(rays, K, distortion) - filmed).max() < 1e-6  # px
    per_frame = np.stack([distortion, 0.5 * distortion, np.zeros(5)])[:, None]
    each = projection.undistort_px(np.stack([filmed.reshape(-1, 2)] * 3), np.tile(K, (3, 1, 1))[:, None], per_frame)
    for place, lens in zip(each, per_frame[:, 0]):
        assert np.abs(place - projection.undistort_px(filmed.reshape(-1, 2), K, lens)).max() < 1e-6  # px


def test_beyond_what_a_lens_shows_is_the_nearest_if_it_covers_the_picture_at_all():
    K, fold = projection.intrinsics(640, (1280, 400)), np.sqrt(1 / 0.36)  # it shows nothing beyond 2/3 of that

    def ideal(r: float, k1: float = -0.12) -> np.ndarray:
        return (projection.undistort_px(np.array([640 + 640 * r, 200.0]), K, np.array([k1, 0, 0, 0, 0])) - (640, 200)) / 640

    for r in (0.1, 0.6, 0.66):
        x, y = ideal(r * fold)
        assert x < fold and x - 0.12 * x**3 == pytest.approx(r * fold, abs=1e-9) and abs(y) < 1e-12
    for r in (0.67, 0.8, 1.5, 10.0):  # 1.048 is the picture's corner, 1.11 all that is shown
        assert ideal(r * fold) == pytest.approx([fold, 0], abs=1e-3)
    assert np.isnan(ideal(0.9, -0.5)).all(), "a lens that shows nothing beyond 0.54, half way to the corner"


def test_distortion_is_opencv_s():
    cv2 = pytest.importorskip("cv2")
    K, d = projection.intrinsics(900, (1280, 720)), np.array([-0.2, 0.05, 1e-3, -1e-3, 0.01])
    points = np.c_[RNG.uniform(-1, 1, (20, 2)), RNG.uniform(2, 4, 20)]
    theirs = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, d)[0][:, 0]
    assert np.abs(projection.project(points, K, d) - theirs).max() < 1e-6


def test_up_and_level_from_upright_people_and_planted_feet():
    up = ground.up_in_camera(np.radians(4), np.radians(18))
    ahead = np.array([0, 0, 1.0])
    y = ahead - up * (up @ ahead)
    y /= np.linalg.norm(y)
    x = np.cross(y, up)
    feet = np.concatenate([[a * x + b * y - 1.5 * up] for a in np.linspace(-1, 1, 5) for b in np.linspace(4, 8, 5)])
    axes = up + 0.05 * RNG.normal(size=(200, 3))
    axes[:40] = x  # somebody lies down for a fifth of the time
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    found, levels = ground.find_up(axes, 10.0, feet, np.ones(len(feet)), np.zeros(len(feet), dtype=int))
    assert np.degrees(np.arccos(found @ up)) < 0.6
    assert levels[0] == pytest.approx(-1.5, abs=0.02)  # m


def test_feet_that_only_seem_to_come_and_go_hardly_tilt_the_floor():
    """Eight people step on the spot 4 m away; each stance's distance is wrong by 6 % of it, along its line of sight."""
    random = np.random.default_rng(8)
    up = ground.up_in_camera(0.0, np.radians(15))
    ahead = np.array([0, 0, 1.0]) - up * up[2]
    ahead /= np.linalg.norm(ahead)
    side = np.cross(ahead, up)
    true = np.array([4 * ahead - 1.6 * up + x * side + random.uniform(-0.15, 0.15) * ahead
                     for x in np.linspace(-2, 2, 8) for _ in range(6)])
    feet = true * (1 + 0.06 * random.normal(size=(len(true), 1)))
    axes = up + 0.1 * random.normal(size=(80, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)

    def off_deg(**spread) -> float:
        found, _, _ = ground.fit_up(axes, 8.0, feet, np.ones(len(feet)), np.repeat(np.arange(8), 6), **spread)
        return float(np.degrees(np.arccos(found @ up)))

    unbent, _ = ground.find_up(axes, 8.0, *ground.NOBODY)
    sigma = ground.planted_sigma(feet, unbent)
    assert sigma == pytest.approx(np.hypot(0.06, 0.1 * 1.6), abs=0.04)  # m
    assert off_deg() > 10 and off_deg(planted_sigma_m=sigma) < 6


def test_up_without_any_evidence_is_a_level_camera():
    up, levels = ground.find_up(np.zeros((0, 3)), 0.0, *ground.NOBODY)
    assert np.allclose(up, [0, -1, 0], atol=1e-6)
    assert len(levels) == 0


@pytest.mark.parametrize("up", [(0, -1, 0), (0.1, -0.9, -0.3), (0, 0, -1.0)])
def test_world_stands_on_the_floor_and_looks_ahead(up):
    up = np.array(up, dtype=float) / np.linalg.norm(up)
    T = ground.world_of(up, -1.2, np.array([0.3, 0.1, 4.0]))
    assert np.abs(T[:3, :3] @ T[:3, :3].T - np.eye(3)).max() < 1e-12
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1)
    assert np.allclose(T[:3, :3] @ up, [0, 0, 1])
    assert (T[:3, :3] @ [0, 0, 1])[0] == pytest.approx(0, abs=1e-9)
    assert (T @ [*(-1.2 * up), 1])[2] == pytest.approx(0, abs=1e-12)
    assert np.allclose((T @ [0.3, 0.1, 4.0, 1])[:2], 0)


def upright_lines(up):
    """60 lines, 15 of them upright."""
    rng = np.random.default_rng(6)
    upright = np.cross(rng.normal(size=(15, 3)), up)
    others = rng.normal(size=(45, 3))
    planes = np.concatenate([upright, others])
    planes /= np.linalg.norm(planes, axis=1, keepdims=True)
    return ground.Straight(planes, np.full(60, 1 / 60), np.zeros((0, 3)), np.zeros(0))


def test_upright_lines_refine_what_the_people_say():
    up = ground.up_in_camera(np.radians(12), np.radians(20))
    axes = np.tile(ground.up_in_camera(np.radians(5), np.radians(26)), (50, 1))  # everybody leans
    without, _ = ground.find_up(axes, 4.0, *ground.NOBODY)
    found, _ = ground.find_up(axes, 4.0, *ground.NOBODY, upright_lines(up))
    assert np.degrees(np.arccos(without @ up)) > 5
    assert np.degrees(np.arccos(found @ up)) < 1


def test_level_directions_tell_how_far_the_camera_looks_down():
    up = ground.up_in_camera(0.0, np.radians(20))
    axes = np.tile(ground.up_in_camera(0.0, np.radians(26)), (50, 1))  # everybody leans to the camera
    ahead = np.cross([1.0, 0, 0], up)
    straight = replace(ground.NOTHING_STRAIGHT, level=ahead[None], level_sigma_deg=np.array([0.3]))
    found, _ = ground.find_up(axes, 4.0, *ground.NOBODY, straight)
    assert np.degrees(np.arccos(found @ up)) < 0.5
    # Robust: a ramp that people contradict by far bends little.
    ramp = rot.exp(np.radians([25.0, 0, 0])) @ ahead
    bent, _ = ground.find_up(axes, 4.0, *ground.NOBODY, replace(straight, level=ramp[None]))
    without, _ = ground.find_up(axes, 4.0, *ground.NOBODY)
    assert np.degrees(np.arccos(bent @ without)) < 1.5


@pytest.mark.parametrize(("looks", "upright"), [(0.5, True), (8.0, False)])
def test_lines_are_looked_for_as_far_as_people_leave_room(looks, upright):
    """People lean by 24 degrees: half a look at them leaves room for the lines there, eight do not."""
    up = ground.up_in_camera(0.0, np.radians(20))
    axes = np.tile(ground.up_in_camera(0.0, np.radians(44)), (50, 1))
    found, _ = ground.find_up(axes, looks, *ground.NOBODY, upright_lines(up))
    assert (np.degrees(np.arccos(found @ up)) < 1) == upright
