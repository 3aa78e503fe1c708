"""The floor that a moving camera's points show and the one on which feet stand become one."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from walks import SIZE_PX, Filmed, planted_root

from sinew.bench.world import soles_m
from sinew.camera import solve_camera
from sinew.flow import Camera, CameraOptions, Points
from sinew.geometry import projection
from sinew.geometry import rotations as rot
from sinew.geometry.ground import fit_up
from sinew.motion import contact, glide, measured, solve_motion, world
from sinew.motion.fit import State
from sinew_take import free_body
from sinew_take import skeleton as sk
from sinew_take.distance import Distance


def scene(height: float):
    """A camera that moves 1.5 m over the feet's floor, and points whose floor lies `height` above that."""
    T = np.tile(np.eye(4), (5, 1, 1))
    T[:, 0, 3], T[:, 2, 3] = np.linspace(0, 1, 5), 1.5
    points = Points(np.array([[0.0, 4.0, height], [1.0, 3.0, height]]), np.ones((2, 3)), np.ones(2))
    camera = Camera(T, np.tile(np.eye(3), (5, 1, 1)), np.zeros((5, 5)), "moving", "user", "assumed", points=points,
                    floor=np.array([0, 0, 1.0, height, 0.4]))
    state = State(np.tile(np.eye(3), (5, 1, 1)), np.zeros((5, 46)), np.tile([0.5, 3.0, 0.9], (5, 1)), np.zeros(3))
    return camera, SimpleNamespace(state=state, frames=SimpleNamespace(index=np.arange(5)))


def test_the_points_floor_comes_to_the_feet():
    camera, person = scene(0.05)
    before = person.state.root_m - camera.T_wc[:, :3, 3]
    new = world._onto_points(camera, [person])
    factor = 1.5 / 1.45
    np.testing.assert_allclose(new.points.position_m[:, 2], 0, atol=1e-12)
    assert new.floor[3] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(new.T_wc[:, 0, 3], factor * np.linspace(0, 1, 5))
    np.testing.assert_allclose(person.state.root_m - new.T_wc[:, :3, 3], before, atol=1e-12)  # what the picture shows


@pytest.mark.parametrize("height", [0.4, -0.4])
def test_another_floor_is_left_alone(height):
    camera, person = scene(height)
    assert world._onto_points(camera, [person]) is camera


def test_size_on_the_floor():
    assert world._size_on_floor(1.5, 0.05) == 1.0
    assert world._size_on_floor(1.5, 0.25) == pytest.approx(1.2)  # seen as 1.25 m under the camera, is 1.5 m under it
    assert world._size_on_floor(1.5, 0.5) is None and world._size_on_floor(1.5, 1.6) is None
    assert world._size_on_floor(1.5, 0.5, own=0.75) == pytest.approx(1.5)  # who began too small may grow by more


def test_somebody_on_a_screen_has_no_say_in_which_way_is_up():
    """One person walks on a floor 1.5 m under the camera; another, seen in a tilted picture, 0.6 m under it."""
    rng = np.random.default_rng(0)
    up, tilted = np.array([0.0, -np.cos(0.2), -np.sin(0.2)]), np.array([0.35, -np.cos(0.2), -np.sin(0.2)])
    tilted /= np.linalg.norm(tilted)
    axes, places = [], []
    for own, depth in ((up, 1.5), (tilted, 0.6)):
        noisy = own + rng.normal(0, 0.05, (40, 3))
        axes.append(noisy / np.linalg.norm(noisy, axis=1, keepdims=True))
        spot = np.stack([rng.uniform(-1, 1, 12), np.zeros(12), rng.uniform(3, 6, 12)], 1)
        places.append(spot - (spot @ own + depth)[:, None] * own)

    def find(who):
        own = np.concatenate([axes[i] for i in who])
        return lambda place, weight, owner, sigma_m=0.06: fit_up(own, 8.0 * len(who), place, weight, owner,
                                                                 planted_sigma_m=sigma_m)

    stances = [contact.Stances(p, np.ones(12), np.ones(12)) for p in places]
    found, levels = world._together(find, stances, [np.zeros((40, 3))] * 2)
    alone, (level,) = world._together(lambda who: find([0]), stances[:1], [np.zeros((40, 3))])
    np.testing.assert_allclose(found, alone, atol=1e-9)
    assert levels[0] == pytest.approx(level) and level == pytest.approx(-1.5, abs=0.08)
    assert levels[1] > -1.0


@pytest.mark.parametrize("afoot, split", [(1.0, True), (0.1, False)])
def test_only_who_stands_on_their_feet_stands_on_steps(afoot, split):
    """Places on two levels 0.4 m apart, the higher ones farther away: steps of somebody who walks, one tilted floor of
    somebody on hands and knees, whose places are too rough to tell more."""
    up = np.array([0.0, -1.0, 0.0])
    x, ahead = np.tile(np.linspace(-1, 1, 6), 2), np.repeat([3.0, 5.0], 6)
    places = np.stack([x, np.where(ahead > 4, 1.1, 1.5), ahead], 1)
    axes = np.tile(up, (40, 1))

    def find(place, weight, owner, sigma_m=0.06):
        return fit_up(axes, 20.0, place, weight, owner, planted_sigma_m=sigma_m)

    stances = [contact.Stances(places, np.ones(12), np.full(12, afoot))]
    found, (level,) = world._stand(find, stances)
    off_deg = np.degrees(np.arccos(found @ up))
    assert (off_deg < 0.5) == split
    assert level == pytest.approx(-1.5, abs=0.03)  # m: the lower one is the floor either way


def skating(model, shape, time_s, heading):
    """The feet glide: legs bend in turn, the lower sole on the floor, 2 m/s the way that the body faces."""
    q, phase = np.zeros((len(time_s), 46)), 2 * np.pi * 0.8 * time_s
    for side, sign, shift in (("r", 1, 0.0), ("l", -1, np.pi)):
        q[:, sk.DOF_INDEX[f"hip_flexion_{side}"]] = 0.3 + 0.2 * np.sin(phase + shift)
        q[:, sk.DOF_INDEX[f"knee_angle_{side}"]] = 0.6 + 0.3 * np.sin(phase + shift)
        q[:, sk.DOF_INDEX[f"ankle_angle_{side}"]] = 0.3 + 0.1 * np.sin(phase + shift)
        q[:, sk.DOF_INDEX[f"shoulder_{side}_x"]] = sign * 1.1
    pelvis = np.tile(rot.exp([0, 0, heading]), (len(q), 1, 1))
    root = planted_root(model, shape, pelvis, q)
    root[:, :2] = 2.0 * (time_s - time_s.mean())[:, None] * [np.sin(heading), -np.cos(heading)]
    return q, pelvis, root


def solved(body, film):
    fov_deg = float(np.degrees(2 * np.arctan(SIZE_PX[0] / 2 / film.K[0, 0])))
    camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(
        fov_deg=fov_deg, height_m=film.model.stature(film.shape)), look=False)
    return solve_motion(film.shot, film.people, camera, body, starts=starts)


@pytest.mark.parametrize("heading", [1.2, 0.5])
def test_feet_that_glide_show_the_floor(heading):
    """No sole ever stands still; before they were heard, up was 10 degrees off and the skates rose by 0.2 to 0.6 m."""
    body = free_body.load()
    film = Filmed(body, n=60, heading=heading, distance_m=7.0, noise_px=2, motion=skating)
    camera, (motion,) = solved(body, film)
    up = np.degrees(np.arccos(camera.T_wc[0, 2, :3] @ film.T_wc[0, 2, :3]))
    assert up < 4
    lowest = soles_m(motion)[..., 2].min(1)
    assert np.abs(lowest).max() < 0.03  # m
    assert any("glide" in note for note in motion.notes)
    assert np.linalg.norm(np.diff(motion.arrays["root_m"], axis=0), axis=1).mean() * 30 == pytest.approx(2.0, rel=0.15)  # m/s


def test_feet_that_glide_still_do_once_a_distance_has_scaled_the_world():
    body = free_body.load()
    film = Filmed(body, n=45, distance_m=7.0, noise_px=2, motion=skating)
    camera, motions = solved(body, film)
    T_cw = np.linalg.inv(camera.T_wc[0])
    ends = np.array([[-0.5, 0.2, 0.0], [0.6, 0.4, 0.0]])
    px = projection.project(ends @ T_cw[:3, :3].T + T_cw[:3, 3], camera.K[0])
    length = 1.1 * float(np.linalg.norm(ends[1] - ends[0]))
    _, (motion,), _ = measured.to_measure(Distance(0, tuple(px[0]), tuple(px[1]), length), film.shot,
                                          replace(camera, scale_source="assumed"), motions, body)
    assert any("glide" in note for note in motion.notes)
    assert np.abs(soles_m(motion)[..., 2].min(1)).max() < 0.03  # m


def test_jumps_and_walks_do_not_glide():
    n = 60
    time_s, joined = np.arange(n) / 30, np.r_[False, np.ones(n - 1, dtype=bool)]
    way = np.stack([2.0 * time_s, np.zeros(n), np.zeros(n)], 1)
    assert glide.along(way, time_s, joined)
    assert not glide.along(way + np.abs(np.sin(4 * time_s))[:, None] * [0, 0, 1], time_s, joined)  # bounces
    assert not glide.along(0.1 * way, time_s, joined)  # stands
    assert not glide.along(way[:1], time_s[:1], joined[:1])
    assert not glide.along(way[:4], time_s[:4], joined[:4])  # a step may move like that for a tenth of a second


def test_a_way_that_rises_is_no_floor():
    level = np.zeros(10)
    assert glide.on_one_level(level) and not glide.on_one_level(np.linspace(0, 0.7, 10))
    assert glide.on_one_level(level + 0.3) and not glide.on_one_level(level + 0.3, 0.0)
    assert not glide.on_one_level(level[:0])
