"""The floor that a moving camera's points show and the one on which feet stand become one."""

from types import SimpleNamespace

import numpy as np
import pytest

from sinew.flow import Camera, Points
from sinew.geometry.ground import fit_up
from sinew.motion import world
from sinew.motion.fit import State


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
        return lambda place, weight, owner, away=0.0: fit_up(own, 8.0 * len(who), place, weight, owner,
                                                                      planted_away=away)

    found, levels = world._together(find, places, [np.ones(12)] * 2, [np.zeros((40, 3))] * 2)
    alone, (level,) = world._together(lambda who: find([0]), places[:1], [np.ones(12)], [np.zeros((40, 3))])
    np.testing.assert_allclose(found, alone, atol=1e-9)
    assert levels[0] == pytest.approx(level) and level == pytest.approx(-1.5, abs=0.08)
    assert levels[1] > -1.0
