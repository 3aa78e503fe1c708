"""The floor that a moving camera's points show and the one on which feet stand become one."""

from types import SimpleNamespace

import numpy as np
import pytest

from sinew.flow import Camera, Points
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
