"""The skeleton table and the joint laws: structure, mirror symmetry, published numbers."""

import numpy as np
import pytest

from sinew_take import laws
from sinew_take import skeleton as sk


def test_names_and_counts_are_skels():
    assert len(sk.JOINTS) == 24
    assert len(sk.DOFS) == 46
    assert sk.PARENTS == (-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 12, 14, 15, 16, 17, 12, 19, 20, 21, 22)
    assert sk.DOF_NAMES[:3] == ("pelvis_tilt", "pelvis_list", "pelvis_rotation")
    assert sk.DOF_NAMES[29:32] == ("shoulder_r_x", "shoulder_r_y", "shoulder_r_z")
    assert sk.DOF_NAMES[45] == "wrist_deviation_l"
    assert len(set(sk.DOF_NAMES)) == 46


def test_names_match_the_published_implementation(shared):
    with np.load(shared / "truth" / "parity" / "skel.npz", allow_pickle=False) as data:
        assert tuple(data["joints_name"]) == sk.JOINT_NAMES
        assert tuple(data["pose_params_name"]) == sk.DOF_NAMES


def test_limits_are_ordered_and_hold_the_rest_pose():
    assert (sk.LOW < sk.HIGH).all()
    assert (sk.LOW <= 0).all() and (sk.HIGH >= 0).all()
    assert np.isinf(sk.LOW[:3]).all() and np.isfinite(sk.LOW[3:]).all()


def test_left_limits_mirror_the_right():
    low, high = sk.mirror_q(sk.LOW), sk.mirror_q(sk.HIGH)
    np.testing.assert_allclose(np.minimum(low, high)[3:], sk.LOW[3:])
    np.testing.assert_allclose(np.maximum(low, high)[3:], sk.HIGH[3:])


def test_every_dof_has_a_source():
    assert all(len(dof.source) > 5 for dof in sk.DOFS)


def test_joint_frames_are_rotations():
    frames = sk.REST_FRAMES
    np.testing.assert_allclose(frames @ frames.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (24, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(frames), 1, atol=1e-12)


@pytest.mark.parametrize(("name", "axis"), [
    # Published axes in rest axes (x left, y back, z up): forward is -y, right is -x.
    ("pelvis_tilt", (-1, 0, 0)), ("pelvis_list", (0, -1, 0)), ("pelvis_rotation", (0, 0, 1)),
    ("hip_flexion_r", (-1, 0, 0)), ("hip_adduction_l", (0, 1, 0)), ("hip_rotation_l", (0, 0, -1)),
    ("knee_angle_r", (1, 0, 0)), ("knee_angle_l", (1, 0, 0)),
    ("lumbar_bending", (0, -1, 0)), ("scapula_elevation_r", (1, 0, 0)), ("scapula_elevation_l", (-1, 0, 0)),
    ("shoulder_r_x", (0, -1, 0)), ("shoulder_l_x", (0, -1, 0)), ("wrist_flexion_r", (0, -1, 0)),
    ("wrist_flexion_l", (0, 1, 0))])
def test_axes_carry_the_published_signs(name, axis):
    dof = sk.DOFS[sk.DOF_INDEX[name]]
    np.testing.assert_allclose(sk.REST_FRAMES[dof.joint][:, dof.axis], axis, atol=1e-12)


def test_rest_pose_is_the_identity(rest):
    T = laws.forward_kinematics(np.zeros(46), rest[0], rest, sk.REST_FRAMES)
    np.testing.assert_allclose(T, laws.rest_transforms(rest, sk.REST_FRAMES), atol=1e-12)


def test_mirrored_coordinates_give_the_mirrored_body(rest):
    rng = np.random.default_rng(0)
    q = rng.uniform(np.maximum(sk.LOW, -1), np.minimum(sk.HIGH, 1), (20, 46))
    other = [sk.JOINT_NAMES.index(n[:-1] + {"r": "l", "l": "r"}[n[-1]]) if n[-2:] in ("_r", "_l") else i
             for i, n in enumerate(sk.JOINT_NAMES)]
    T = laws.forward_kinematics(q, np.broadcast_to(rest[0], (20, 3)), rest, sk.REST_FRAMES)
    M = laws.forward_kinematics(sk.mirror_q(q), np.broadcast_to(rest[0], (20, 3)), rest, sk.REST_FRAMES)
    np.testing.assert_allclose(M[:, other][..., :3, 3] * sk.MIRROR, T[:, :, :3, 3], atol=1e-12)
    np.testing.assert_allclose(sk.mirror_q(sk.mirror_q(q)), q)


@pytest.mark.parametrize(("name", "joint", "direction"), [
    ("hip_flexion_r", "talus_r", (0, -1, 0)), ("knee_angle_l", "talus_l", (0, 1, 0)),
    ("hip_adduction_r", "talus_r", (1, 0, 0)), ("elbow_flexion_r", "hand_r", (0, -1, 0)),
    ("elbow_flexion_l", "hand_l", (0, -1, 0)), ("shoulder_r_x", "hand_r", (0, 0, -1)),
    ("lumbar_bending", "head", (-1, 0, 0)), ("lumbar_extension", "head", (0, 1, 0)),
    ("scapula_upward_rot_l", "hand_l", (0, 0, 1))])
def test_positive_coordinates_move_the_anatomical_way(rest, name, joint, direction):
    q = np.zeros(46)
    q[sk.DOF_INDEX[name]] = 0.3
    move = laws.forward_kinematics(q, rest[0], rest, sk.REST_FRAMES)[sk.JOINT_INDEX[joint], :3, 3] - rest[
        sk.JOINT_INDEX[joint]]
    assert move @ direction > 0.5 * np.linalg.norm(move) > 0.005


def test_slides_match_the_published_implementation(shared):
    """Displacement of the sliding joints, each coordinate alone at 0.3 rad, 1e-7 m."""
    with np.load(shared / "truth" / "parity" / "skel.npz", allow_pickle=False) as data:
        rest, posed = data["out_dof_joints_tpose"], data["out_dof_joints"]
    to_rest_axes = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # theirs: x left, y up, z forward
    sliding = [d for d in sk.DOFS if sk.JOINTS[d.joint].law != "turn"]
    assert len(sliding) == 15
    for dof in sliding:
        parent = sk.PARENTS[dof.joint]
        i = dof.index
        q = np.zeros(46)
        q[i] = 0.3
        published = (posed[i, dof.joint] - posed[i, parent]) - (rest[i, dof.joint] - rest[i, parent])
        ours = laws.slides(q, rest[i] @ to_rest_axes.T)[dof.joint]
        np.testing.assert_allclose(ours, to_rest_axes @ published, atol=1e-7, err_msg=dof.name)


def test_an_arc_keeps_its_length(rest):
    """A pure bend's end lies on a circle: the chord of an arc of length l and angle a is 2 l/a sin(a/2)."""
    j = sk.JOINT_INDEX["lumbar_body"]
    length = abs(rest[j, 2] - rest[0, 2])
    for angle in (1e-6, 1e-3, 0.2, 0.7):
        q = np.zeros(46)
        q[sk.JOINTS[j].dofs[1]] = angle
        end = laws.slides(q, rest)[j] + (0, 0, length)
        assert np.linalg.norm(end) == pytest.approx(2 * length / angle * np.sin(angle / 2), abs=1e-12)


def test_skinning_moves_with_the_joint(rest):
    rng = np.random.default_rng(1)
    q, root = rng.uniform(-0.5, 0.5, 46), np.array([1.0, 2.0, 3.0])
    T = laws.forward_kinematics(q, root, rest, sk.REST_FRAMES)
    transforms = laws.skin_transforms(T, rest, sk.REST_FRAMES)
    points = laws.skin(rest, np.arange(24)[:, None], np.ones((24, 1)), transforms)
    np.testing.assert_allclose(points, T[:, :3, 3], atol=1e-12)


def test_float32_agrees_with_float64(rest):
    rng = np.random.default_rng(2)
    q = rng.uniform(-0.8, 0.8, (5, 46))
    root = np.zeros((5, 3))
    wide = laws.forward_kinematics(q, root, rest, sk.REST_FRAMES)
    narrow = laws.forward_kinematics(q.astype(np.float32), root.astype(np.float32), rest, sk.REST_FRAMES)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, wide, atol=2e-6)


def test_limits_that_differ_from_the_published_ones_say_so(shared):
    """HSMR's public table, row by row: equal, or the source names the published numbers or the side that was taken."""
    data = np.load(shared / "truth" / "parity" / "hsmr.npz", allow_pickle=False)
    for index, low, high in zip(data["limit_qid"], data["limit_low"], data["limit_up"]):
        dof = sk.DOFS[index]
        if abs(dof.low - low) < 1e-3 and abs(dof.high - high) < 1e-3:
            continue
        low, high = np.degrees([low, high])
        said = [f"{low:.0f}..{high:.0f}", f"{low:.1f}..{high:.1f}", "side on both"]
        assert any(text in dof.source for text in said), (dof.name, low, high, dof.source)
    assert set(data["limit_qid"]) == set(range(3, 46))


def test_every_row_has_what_a_definition_needs():
    for dof in sk.DOFS:
        joint = sk.JOINTS[dof.joint]
        assert dof.source and len(joint.order) == 3 and sorted(joint.order) == ["X", "Y", "Z"]
        assert joint.order[joint.dofs.index(dof.index)] == "XYZ"[dof.axis]
        assert joint.parent < joint.index and joint.law in ("turn", "arc", "ellipsoid")
