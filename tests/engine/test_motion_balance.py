"""Balance: the centre of mass, and what carries it."""

import numpy as np
import pytest

from sinew.geometry import rotations as rot
from sinew.motion import balance, fit
from sinew.motion.model import make_model
from sinew_take import free_body
from sinew_take import skeleton as sk

UP = np.array([0.0, 0.0, 1.0])


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
    axis, weight = balance.support_axes(model, state, np.ones((1, 4)), UP)
    assert weight[0] > 0.95 and np.degrees(np.arccos(axis[0, 2])) < 4


def test_only_the_foot_that_is_down_carries(model):
    state = standing(model, hip_flexion_r=70, knee_angle_r=60)
    soles = model.soles.positions(fit.pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m), state.shape)
    down = balance.lowest(soles, UP)
    assert down[0, :2].min() > 0.9 and down[0, 2:].max() < 0.01
    axis, weight = balance.upright(model, [state, state])
    assert axis.shape == (2, 3) and weight.min() > 0.9
    # The centre stays near the middle, the left foot is half the hips' width (and a little more) beside it.
    assert np.degrees(np.arctan2(-axis[0, 0], axis[0, 2])) == pytest.approx(6, abs=3)


def test_nothing_is_said_in_the_air(model):
    _, weight = balance.support_axes(model, standing(model), np.zeros((1, 4)), UP)
    assert weight[0] == 0


def both(**angles_deg) -> dict[str, float]:
    return {f"{name}_{side}": angle for name, angle in angles_deg.items() for side in "rl"}


@pytest.mark.parametrize("pitch_deg", [0, 75, 90])
def test_who_kneels_sits_or_crawls_does_not_say_what_is_upright(model, pitch_deg):
    bent = standing(model, **both(hip_flexion=95, knee_angle=95))
    turn = rot.exp(np.radians(pitch_deg) * np.array([[1.0, 0, 0]]))
    state = fit.State(turn, bent.q, bent.root_m, bent.shape)
    _, weight = balance.upright(model, [state])
    assert weight.max() < 0.05


def test_who_stands_stooped_on_one_straight_leg_still_does(model):
    _, weight = balance.upright(model, [standing(model, hip_flexion_r=90, knee_angle_r=90, lumbar_extension=-20)])
    assert weight.min() > 0.9


def test_who_touches_the_floor_with_a_hand_is_carried_by_it_too(model):
    state = standing(model)
    p = fit.pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    soles = model.soles.positions(p, state.shape)
    joints = p.centre.copy()
    assert balance.on_feet(joints, soles, UP)[0] > 0.95
    joints[0, sk.JOINT_INDEX["hand_l"], 2] = 0.08  # m over the soles: the wrist of a hand that stands on the floor
    assert balance.on_feet(joints, soles, UP)[0] < 0.05
