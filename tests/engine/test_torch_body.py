"""The free body in torch against the joint laws and against differences."""

import numpy as np
import pytest

from sinew_take import free_body, laws
from sinew_take import skeleton as sk

torch = pytest.importorskip("torch")

from sinew.body.torch_body import TorchBody  # noqa: E402


@pytest.fixture(scope="module")
def setting():
    body = free_body.load()
    rng = np.random.default_rng(2)
    q = rng.uniform(np.maximum(sk.LOW, -1.5), np.minimum(sk.HIGH, 1.5), (3, 46))
    q[0, 6:12] = 0  # the series of small angles too
    return body, TorchBody(body, torch.float64), q, rng.normal(size=(3, 3)), rng.normal(0, .5, body.n_shape)


def test_agrees_with_the_joint_laws(setting):
    body, ours, q, root, shape = setting
    vertices, joints = ours(*(torch.as_tensor(x) for x in (q, root, shape)))
    rest = body.joints_m + np.tensordot(shape, np.asarray(body.joint_dirs, float), 1)
    frames = np.asarray(body.joint_frames, float)
    skin = np.asarray(body.template_m, float) + np.tensordot(shape, np.asarray(body.shape_dirs, float), 1)
    weight = np.asarray(body.skin_weight, float)
    for t in range(3):
        T_wj = laws.forward_kinematics(q[t], root[t], rest, frames)
        assert np.abs(T_wj[:, :3, 3] - joints[t].numpy()).max() < 1e-9  # m
        wanted = laws.skin(skin, body.skin_index, weight / weight.sum(1, keepdims=True),
                           laws.skin_transforms(T_wj, rest, frames))
        assert np.abs(wanted - vertices[t].numpy()).max() < 1e-6  # m; frames are stored as float32


def test_gradients_against_differences(setting):
    _, ours, q, root, shape = setting
    rng = np.random.default_rng(7)
    start = [torch.tensor(x, requires_grad=True) for x in (q, root, shape)]
    push = torch.as_tensor(rng.normal(size=(3, len(ours.template), 3)))
    pull = torch.as_tensor(rng.normal(size=(3, 24, 3)))

    def value(*x):
        vertices, joints = ours(*x)
        return (vertices * push).sum() + (joints * pull).sum()

    value(*start).backward()
    for i, x in enumerate(start):
        way = torch.as_tensor(rng.normal(size=tuple(x.shape)))
        step = 1e-6
        with torch.no_grad():
            ends = [value(*(y + sign * step * way if k == i else y for k, y in enumerate(start))) for sign in (1, -1)]
        slope = float(ends[0] - ends[1]) / (2 * step)
        assert float((x.grad * way).sum()) == pytest.approx(slope, rel=1e-6)
