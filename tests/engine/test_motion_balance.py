"""Balance: the centre of mass, and what carries it."""

import numpy as np
import pytest

from sinew.motion import balance, fit
from sinew.motion.model import make_model
from sinew_take import free_body
from sinew_take import skeleton as sk


@pytest.fixture(scope="module")
def model():
    return make_model(free_body.load())


def standing(model, **angles_deg) -> fit.State:
    """One frame: upright, arms hanging, soles at z = 0 but for what the angles do."""
    q = np.zeros((1, 46))
    for side, sign in (("r", 1), ("l", -1)):
        q[0, sk.DOF_INDEX[f"shoulder_{side}_x"]] = sign * np.radians(80)
    for name, angle in angles_deg.items():
        q[0, sk.DOF_INDEX[name]] = np.radians(angle)
    shape = np.zeros(model.n_shape)
    return fit.State(np.eye(3)[None], q, model.skeleton.rest(shape)[:1], shape)


def test_centre_of_mass_of_somebody_who_stands(model):
    state = standing(model)
    p = fit.pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    centre = balance.MASS @ p.centre[0]
    assert balance.MASS.sum() == pytest.approx(1)
    assert 0.54 < centre[2] / model.stature(state.shape) < 0.59  # anatomy: 0.55 to 0.57 with the arms down
    assert abs(centre[0]) < 0.005  # m
    axis, weight = balance.support_axes(model, state, np.ones((1, 4)))
    assert weight[0] == 1 and np.degrees(np.arccos(axis[0, 2])) < 4


def test_only_the_foot_that_is_down_carries(model):
    state = standing(model, hip_flexion_r=70, knee_angle_r=60)
    soles = model.soles.positions(fit.pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m), state.shape)
    down = balance.lowest(soles, np.array([0, 0, 1.0]))
    assert down[0, :2].min() > 0.9 and down[0, 2:].max() < 0.01
    axis, weight = balance.upright(model, [state, state])
    assert axis.shape == (2, 3) and weight.min() > 0.9
    # The centre stays near the middle, the left foot is half the hips' width (and a little more) beside it.
    assert np.degrees(np.arctan2(-axis[0, 0], axis[0, 2])) == pytest.approx(6, abs=3)


def test_nothing_is_said_in_the_air(model):
    _, weight = balance.support_axes(model, standing(model), np.zeros((1, 4)))
    assert weight[0] == 0
