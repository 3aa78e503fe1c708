"""The joint laws while curves are edited: every degree of freedom alone and together, no scripts, no cycles."""

import ctypes

import numpy as np
import pytest
import takes
from test_rig import build, errors

from sinew_take import laws
from sinew_take import skeleton as sk

bpy = pytest.importorskip("bpy")

CYCLE = "ependency cycle"


def edit_curves(extension, armature, q: np.ndarray) -> None:
    """Move the keys of the imported curves to other coordinates, q (T, 46) rad, as the graph editor does."""
    curves, plan = extension("addon.scene.curves"), extension("addon.plan.curves")
    action = curves.base_action(armature)
    for dof in sk.DOFS:
        curve = curves.find_curve(action, armature, *plan.dof_channel(dof.name))
        _, values = curves.read_keys(curve)
        curves.shift_keys(curve, q[:, dof.index] - values)
    action.update_tag()


def printed(capfd) -> str:
    """What Blender itself has printed."""
    ctypes.CDLL(None).fflush(None)
    out, err = capfd.readouterr()
    return out + err


def test_every_degree_of_freedom_obeys_the_laws_while_its_curve_is_edited(extension, golden, read_pose, capfd):
    assert not bpy.context.preferences.filepaths.use_scripts_auto_execute
    low, high = np.where(np.isfinite(sk.LOW), sk.LOW, -4.0), np.where(np.isfinite(sk.HIGH), sk.HIGH, 4.0)
    alone = np.concatenate([np.diag(low), np.diag(high)])
    together = np.random.default_rng(11).uniform(low, high, (20, 46))
    q = np.concatenate([alone, together]).astype(np.float32)
    folder = golden(n_frames=len(q), body="box")
    body, motion = (getattr(takes.take.read(folder).subjects[0], name) for name in ("body", "motion"))
    armature = build(extension, folder).armatures[0]
    edit_curves(extension, armature, q)
    wanted = laws.forward_kinematics(q.astype(float), motion["root_m"].astype(float),
                                     body["rest_joints_m"].astype(float), body["joint_frames"].astype(float))
    for t in range(len(q)):
        bpy.context.scene.frame_set(1 + t)
        distance_mm, turn_deg = errors(read_pose(armature), wanted[t])
        assert distance_mm < 0.5 and turn_deg < 0.1, f"frame {t}: {distance_mm:.3f} mm, {turn_deg:.3f} deg"
    assert CYCLE not in printed(capfd)
    # What a cycle would have looked like.
    for own, other in (("root", "ORG-head"), ("ORG-head", "root")):
        copy = armature.pose.bones[own].constraints.new("COPY_TRANSFORMS")
        copy.target, copy.subtarget = armature, other
    bpy.context.view_layer.update()
    assert CYCLE in printed(capfd)


@pytest.mark.parametrize("far", [0.4, 2.0])
def test_shoulders_stop_at_their_limits_and_slide_on_where_inside(extension, golden, read_pose, far):
    folder = golden(n_frames=2, body="box")
    body = takes.take.read(folder).subjects[0].body
    rest = body["rest_joints_m"].astype(float), body["joint_frames"].astype(float)
    armature = build(extension, folder).armatures[0]
    names, joints = extension("addon.plan.bones").BONE_NAMES, [sk.JOINT_INDEX[f"humerus_{s}"] for s in "rl"]
    own = [d for d in sk.DOFS if d.joint in joints]
    rng = np.random.default_rng(2)
    for _ in range(12):
        q = np.zeros(46)
        for dof in own:
            q[dof.index] = rng.uniform(dof.low - far, dof.high + far)
        edit_curves(extension, armature, np.tile(q, (2, 1)))
        bpy.context.scene.frame_set(2)
        pelvis = read_pose(armature)[0, :3, 3]
        wanted = laws.forward_kinematics(np.clip(q, sk.LOW, sk.HIGH), pelvis, *rest)
        distance_mm, turn_deg = errors(read_pose(armature), wanted)
        assert distance_mm < 0.5 and turn_deg < 0.1
        for dof in own:  # the channel stays what the artist keyed
            assert armature.pose.bones[names[dof.joint]].rotation_euler[dof.axis] == pytest.approx(q[dof.index], abs=1e-5)


def test_inverse_kinematics_turns_joints_only_and_waits_for_nothing(extension, golden, read_pose, capfd):
    folder = golden(n_frames=2, body="box")
    body = takes.take.read(folder).subjects[0].body
    armature = build(extension, folder).armatures[0]
    aim = bpy.data.objects.new("aim", None)
    bpy.context.scene.collection.objects.link(aim)
    aim.location = (-0.3, -0.4, 1.5)
    solve = armature.pose.bones["radius.R"].constraints.new("IK")
    solve.target, solve.chain_count = aim, 9  # through the shoulder, down to the slide of the lumbar spine
    bpy.context.view_layer.update()
    assert CYCLE not in printed(capfd)
    turned = read_pose(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="POSE")
    for pose in armature.pose.bones:
        (pose if hasattr(pose, "select") else pose.bone).select = True
    bpy.ops.pose.visual_transform_apply()
    solve.mute = True
    bpy.context.view_layer.update()
    q, names = np.zeros(46), extension("addon.plan.bones").BONE_NAMES
    for dof in sk.DOFS:
        q[dof.index] = armature.pose.bones[names[dof.joint]].rotation_euler[dof.axis]
    found = read_pose(armature)
    wanted = laws.forward_kinematics(q, found[0, :3, 3], body["rest_joints_m"].astype(float),
                                     body["joint_frames"].astype(float))
    distance_mm, turn_deg = errors(found, wanted)
    assert distance_mm < 0.5 and turn_deg < 0.1, "written into the channels, the laws hold again"
    assert errors(found[:, :3], turned[:, :3])[1] < 0.1, "and every segment is turned as it was solved"
    bpy.ops.object.mode_set(mode="OBJECT")
