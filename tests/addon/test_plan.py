"""Plans without Blender: times, limits, laws as driver expressions, curves, the conventional skeleton."""

import importlib
import math
from fractions import Fraction

import numpy as np
import pytest
import takes

from sinew_take import laws
from sinew_take import skeleton as sk

NAME = "bl_ext.test.sinew.addon.plan"
plan, bones, curves, limits, retime, slides = (
    importlib.import_module(NAME + part) for part in ("", ".bones", ".curves", ".limits", ".retime", ".slides"))

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(24000, 1001), NTSC, Fraction(25), Fraction(60000, 1001),
                                  Fraction(25, 2), Fraction(1, 2), Fraction(1000, 7), Fraction(240)])
def test_rates_survive_blenders_two_numbers(rate):
    fps, base = retime.blender_rate(rate)
    assert isinstance(fps, int) and fps >= 1
    assert retime.scene_rate(fps, float(np.float32(base))) == pytest.approx(rate, rel=1e-7)
    assert not retime.differs(rate, retime.scene_rate(fps, float(np.float32(base))))


def test_ntsc_is_exact_and_differs_from_30():
    assert retime.blender_rate(NTSC) == (30, 1.001)
    assert retime.scene_rate(30, float(np.float32(1.001))) == NTSC
    assert retime.differs(NTSC, Fraction(30)) and not retime.differs(NTSC, NTSC)


def test_times_stand_on_whole_frames_at_the_clips_own_rate():
    time_s = 7.5 + np.arange(10000) / float(NTSC)
    timing = retime.time_frames(time_s, NTSC, NTSC, first=101)
    np.testing.assert_array_equal(timing.frames, 101 + np.arange(10000))
    rounded = retime.time_frames(np.round(time_s, 3), NTSC, NTSC)  # a container that stores milliseconds
    assert np.abs(rounded.frames - 1 - np.arange(10000)).max() < 0.035
    assert timing.range == (101, 10100)


def test_another_rate_keeps_speed_and_the_offset_moves_people_only():
    time_s = np.arange(91) / 30
    timing = retime.time_frames(time_s, Fraction(24), Fraction(30), first=1, offset_frames=2.5)
    assert timing.frames[-1] - timing.frames[0] == pytest.approx(72)
    assert timing.frames[0] == pytest.approx(3.5) and timing.range == (1, 73)
    assert [timing.take_index(f) for f in (1, 2, 5, 73, -9, 900)] == [0, 1, 5, 90, 0, 90]


def test_variable_rate_keys_stay_apart_and_at_their_times():
    rng = np.random.default_rng(1)
    time_s = np.cumsum(rng.uniform(0.004, 0.09, 200))
    timing = retime.time_frames(time_s, Fraction(25), Fraction(25))
    assert (np.diff(timing.frames) > 0).all()
    assert np.abs(timing.frames - 1 - (time_s - time_s[0]) * 25).max() <= retime.SNAP_FRAMES


def test_resampling_is_straight_between_valid_neighbours():
    frames = np.array([1.0, 2.5, 4.0, 5.5])
    values = np.array([[0.0], [3.0], [np.nan], [6.0]])
    found, valid = retime.resample(frames, values, np.array([True, True, False, True]), np.arange(1.0, 7.0))
    np.testing.assert_array_equal(valid, [True, True, False, False, False, False])
    np.testing.assert_allclose(found[:2, 0], [0.0, 2.0])
    assert np.isnan(found[2:]).all()


def test_a_turn_past_a_full_circle_is_not_undone_by_resampling():
    frames, turn = np.arange(11) * 1.3, np.linspace(0, 4 * np.pi, 11)[:, None]
    found, valid = retime.resample(frames, turn, np.ones(11, bool), np.arange(0, 13.0))
    assert valid.all() and (np.diff(found[:, 0]) > 0).all()


def test_euler_solutions_rebuild_the_rotation():
    rng = np.random.default_rng(2)
    for joint in sk.JOINTS:
        q = np.zeros((20, 46))
        q[:, list(joint.dofs)] = rng.uniform(-1.4, 1.4, (20, len(joint.dofs)))
        matrix = laws.rotations(q)[:, joint.index]
        for angles in limits.euler_solutions(matrix, joint.order):
            again = np.tile(np.eye(3), (20, 1, 1))
            for letter in joint.order:
                axis = "XYZ".index(letter)
                c, s = np.cos(angles[:, axis]), np.sin(angles[:, axis])
                turn = np.tile(np.eye(3), (20, 1, 1))
                a, b = (axis + 1) % 3, (axis + 2) % 3
                turn[:, a, a], turn[:, a, b], turn[:, b, a], turn[:, b, b] = c, -s, s, c
                again = turn @ again
            np.testing.assert_allclose(again, matrix, atol=1e-9)


def test_only_pelvis_and_shoulders_have_no_constraint():
    assert {sk.JOINT_NAMES[j] for j in range(24) if j not in limits.CONSTRAINED} == {
        "pelvis", "humerus_r", "humerus_l"}


def evaluate(expression: str, a: float, b: float, is_on: bool) -> float:
    """What Blender's evaluator computes; the functions are all that simple expressions may use here."""
    known = {"a": a, "b": b, "on": float(is_on), "abs": abs, "sin": math.sin, "cos": math.cos,
             "clamp": lambda x, low, high: max(low, min(high, x))}
    return eval(expression, {"__builtins__": {}}, known)


def test_driver_expressions_are_the_joint_laws():
    rest_m = takes.rest_joints() * 1.0837291  # lengths with many digits
    rng = np.random.default_rng(4)
    assert {sk.JOINT_NAMES[s.joint] for s in slides.plan_slides(rest_m)} == {
        j.name for j in sk.JOINTS if j.law != "turn"}
    for slide in slides.plan_slides(rest_m):
        dofs = sk.JOINTS[slide.joint].dofs[:2]
        for reach in (0.0, 1e-6, 9e-4, 2e-3, 1.0):
            q = np.zeros(46)
            q[list(dofs)] = rng.uniform(sk.LOW[list(dofs)], sk.HIGH[list(dofs)]) * reach
            wanted_m = laws.slides(q, rest_m)[slide.joint]
            beyond = q + np.where(np.isin(np.arange(46), dofs), 0.5, 0)
            for axis, expression in enumerate(slide.expressions):
                assert "**" not in expression and len(expression) <= slides.LONGEST
                for is_on in (True, False):
                    assert evaluate(expression, *q[list(dofs)], is_on) == pytest.approx(wanted_m[axis], abs=2e-7)
                held = np.clip(beyond, sk.LOW, sk.HIGH)
                assert evaluate(expression, *beyond[list(dofs)], True) == pytest.approx(
                    laws.slides(held, rest_m)[slide.joint][axis], abs=5e-6)
                assert evaluate(expression, *beyond[list(dofs)], False) == pytest.approx(
                    laws.slides(beyond, rest_m)[slide.joint][axis], abs=2e-7)


def test_curves_hold_coordinates_by_name_and_leave_gaps():
    result = takes.make_take(20, body="box", absent=(5, 9))
    planned = plan.scene_plan(result, NTSC, first_frame=11)
    made = {(c.path, c.index): c for c in planned.subjects[0].curves}
    assert len(made) == 46 + 3 + 1 and planned.subjects[0].is_sometimes_absent
    present = result.subjects[0].motion["present"]
    for dof in sk.DOFS:
        curve = made[curves.dof_channel(dof.name)]
        np.testing.assert_array_equal(curve.frames, 11 + np.flatnonzero(present))
        np.testing.assert_array_equal(curve.values, result.subjects[0].motion["q"][present, dof.index])
        assert curve.is_held.nonzero()[0].tolist() == [4]
    absent = made[(f'["{curves.ABSENT_PROPERTY}"]', 0)]
    assert absent.frames.tolist() == [11, 16, 20] and absent.values.tolist() == [0, 1, 0]
    root = np.stack([made[('pose.bones["root"].location', axis)].values for axis in range(3)], 1)
    np.testing.assert_allclose(root + result.subjects[0].body["rest_joints_m"][0],
                               result.subjects[0].motion["root_m"][present], atol=1e-6)
    with pytest.raises(KeyError):
        curves.dof_channel("knee_angle")


def test_a_person_who_is_never_there_gets_no_keys():
    result = takes.make_take(6, body="box", absent=(0, 6))
    made = plan.scene_plan(result, NTSC).subjects[0].curves
    assert [c.path for c in made] == [f'["{curves.ABSENT_PROPERTY}"]']
    assert made[0].values.tolist() == [1]


def test_bone_names_are_unique_and_sided():
    names = bones.BONE_NAMES + bones.DEFORM_NAMES + bones.ORIGIN_NAMES
    assert len(set(names)) == 72 and bones.bone_name("femur_r") == "femur.R"
    assert bones.conventional_name("ulna_l") == "forearm.L" and bones.slide_name("scapula_l") == "slide_scapula.L"
    for j, parent in enumerate(bones.DEFORM_PARENTS):
        if parent >= 0 and bones.DEFORM_NAMES[parent][-2:] in (".L", ".R"):
            assert bones.DEFORM_NAMES[parent][-1] == bones.DEFORM_NAMES[j][-1]


def test_conventional_bones_bend_as_riggers_expect():
    """Positive X turns flex elbow and knee; feet point forward; each is a proper rotation."""
    body = takes.box_body()
    rest_m = body["rest_joints_m"].astype(float)
    tips = bones.segment_tips(body["rest_vertices_m"], body["skin_index"], body["skin_weight"], rest_m)
    matrices, lengths = bones.conventional_bones(rest_m, tips)
    np.testing.assert_allclose(np.linalg.det(matrices[:, :3, :3]), 1, atol=1e-9)
    assert (lengths > 0).all()
    for joint, dof, towards in (("ulna_l", "elbow_flexion_l", 1), ("ulna_r", "elbow_flexion_r", 1),
                                ("tibia_l", "knee_angle_l", 1), ("tibia_r", "knee_angle_r", 1)):
        index = sk.JOINT_INDEX[joint]
        axis = sk.REST_FRAMES[index][:, sk.DOFS[sk.DOF_INDEX[dof]].axis]
        assert towards * axis @ matrices[index, :3, 0] > 0.9, joint
    assert matrices[sk.JOINT_INDEX["calcn_l"], 1, 1] < -0.8
    assert matrices[sk.JOINT_INDEX["hand_l"], 0, 1] > 0.9 and matrices[sk.JOINT_INDEX["hand_r"], 0, 1] < -0.9
