"""The body stage: the take's arrays, consistent with the fit's joints and with the shared skinning."""

import numpy as np
import pytest

from sinew.body import build_body
from sinew_take import arrays, free_body, laws
from sinew_take import skeleton as sk

ASSET = free_body.load()


@pytest.mark.parametrize("scale", [0.0, 1.0, -2.0])
def test_arrays_are_the_takes(scale):
    shape = scale * np.random.default_rng(2).normal(size=ASSET.n_shape)
    body = build_body(ASSET, shape)
    arrays.check("body.npz", body, arrays.BODY, {})
    np.testing.assert_allclose(body["rest_joints_m"], ASSET.joints(shape), atol=1e-6)
    np.testing.assert_allclose(body["shape"], shape, atol=1e-6)


def test_skinning_at_rest_is_the_rest_mesh():
    body = build_body(ASSET, np.random.default_rng(5).normal(size=ASSET.n_shape))
    T = laws.forward_kinematics(np.zeros(46), body["rest_joints_m"][0], body["rest_joints_m"], body["joint_frames"])
    transforms = laws.skin_transforms(T, body["rest_joints_m"], body["joint_frames"])
    posed = laws.skin(body["rest_vertices_m"], body["skin_index"], body["skin_weight"], transforms)
    np.testing.assert_allclose(posed, body["rest_vertices_m"], atol=1e-5)  # 0.01 mm


def test_keypoints_stay_with_their_joints_in_every_pose():
    """What the fit sees is what the body does: a keypoint keeps its distance from the joint of its segment."""
    shape = np.random.default_rng(8).normal(size=ASSET.n_shape)
    joints, keypoints = ASSET.joints(shape).astype(float), ASSET.keypoints(shape).astype(float)
    q = np.random.default_rng(9).uniform(-0.4, 0.4, 46)
    T = laws.forward_kinematics(q, joints[0], joints, ASSET.joint_frames.astype(float))
    transforms = laws.skin_transforms(T, joints, ASSET.joint_frames.astype(float))
    posed = laws.skin(keypoints, ASSET.keypoint_index, ASSET.keypoint_weight, transforms)
    for keypoint, joint in {"wrist_r": "hand_r", "elbow_l": "ulna_l", "knee_r": "tibia_r", "shoulder_l": "scapula_l",
                            "nose": "head", "foot_index_r": "toes_r", "heel_l": "calcn_l"}.items():
        k, j = sk.MEDIAPIPE_KEYPOINTS.index(keypoint), sk.JOINT_INDEX[joint]
        at_rest = np.linalg.norm(keypoints[k] - joints[j])
        np.testing.assert_allclose(np.linalg.norm(posed[k] - T[j, :3, 3]), at_rest, atol=1e-4)


@pytest.mark.parametrize("shape", [np.full(ASSET.n_shape, np.nan), np.zeros(ASSET.n_shape + 1)])
def test_a_shape_that_is_none_is_refused(shape):
    with pytest.raises(ValueError):
        build_body(ASSET, shape)
