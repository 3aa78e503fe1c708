"""The fit's kinematics: the joint laws themselves, and derivatives against differences."""

import numpy as np
import pytest

from sinew.geometry import rotations as rot
from sinew.motion import kinematics as kin
from sinew_take import free_body, laws
from sinew_take import skeleton as sk

STEP = 1e-6


@pytest.fixture(scope="module")
def setting():
    body = free_body.load()
    rng = np.random.default_rng(1)
    skeleton = kin.Skeleton(body.joints_m.astype(float), body.joint_dirs.astype(float), sk.REST_FRAMES)
    # Points bound to two joints each, anywhere on the skeleton: harder than any real keypoint.
    points = kin.Points.bind(rng.normal(0, .3, (12, 3)), rng.normal(0, .05, (len(body.joint_dirs), 12, 3)),
                             rng.integers(0, 24, (12, 2)), rng.dirichlet([1, 1], 12))
    n = 3
    q = rng.uniform(np.maximum(sk.LOW, -1.5), np.minimum(sk.HIGH, 1.5), (n, 46))
    q[0, 23:] = 0  # the arcs' series at zero
    frame = sk.REST_FRAMES[0]
    pelvis = frame @ laws.rotations(q)[:, 0] @ frame.T
    shape, root = rng.normal(0, .5, len(body.joint_dirs)), rng.normal(size=(n, 3))
    return skeleton, kin.Mover(skeleton, points), shape, pelvis, q, root


def test_agrees_with_the_joint_laws(setting):
    skeleton, _, shape, pelvis, q, root = setting
    p = kin.pose(skeleton, shape, pelvis, q, root)
    T = laws.forward_kinematics(q, root, skeleton.rest(shape), skeleton.frames)
    assert np.abs(T[..., :3, 3] - p.centre).max() < 1e-12
    assert np.abs(T[..., :3, :3] @ np.swapaxes(skeleton.frames, 1, 2) - p.turn).max() < 1e-12


def test_jacobian_against_differences(setting):
    skeleton, mover, shape, pelvis, q, root = setting

    def at(d):
        dq = np.concatenate([np.zeros((len(q), 3)), d[:, 3:46]], 1)
        return mover.positions(kin.pose(skeleton, shape, rot.exp(d[:, :3]) @ pelvis, q + dq, root + d[:, 46:]), shape)

    x, jac = mover.jacobian(kin.pose(skeleton, shape, pelvis, q, root), shape)
    assert np.abs(x - at(np.zeros((len(q), 49)))).max() < 1e-12
    for i in range(kin.N_COLUMNS):
        d = np.zeros((len(q), 49))
        d[:, i] = STEP
        assert np.abs((at(d) - at(-d)) / (2 * STEP) - jac[..., i]).max() < 1e-8


def test_shape_jacobian_against_differences(setting):
    skeleton, mover, shape, pelvis, q, root = setting
    jac = mover.shape_jacobian(kin.pose(skeleton, shape, pelvis, q, root), q)
    for b in range(len(shape)):
        d = np.zeros(len(shape))
        d[b] = STEP
        ends = [mover.positions(kin.pose(skeleton, s, pelvis, q, root), s) for s in (shape + d, shape - d)]
        assert np.abs((ends[0] - ends[1]) / (2 * STEP) - jac[..., b]).max() < 1e-8


def test_points_of_the_rest_pose_stay(setting):
    skeleton, mover, shape, *_ = setting
    p = mover.points
    pose = kin.pose(skeleton, shape, np.eye(3)[None], np.zeros((1, 46)), skeleton.rest(shape)[:1])
    rest = np.zeros((p.n_points, 3))
    np.add.at(rest, p.point, p.weight[:, None] * (p.rest_m + np.tensordot(shape, p.rest_dirs, 1)))
    assert np.abs(mover.positions(pose, shape)[0] - rest).max() < 1e-12
