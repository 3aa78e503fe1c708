"""The free body in torch: a batch of poses forward and backward, for whoever fits it by gradients.

Same laws as `sinew_take.laws` (a test holds them together). Kinematics runs over the levels of the joint tree, all joints
of a level at once. Skinning is one product of a sparse matrix: a vertex hangs on 1.7 joints on average, so of a dense
(V, 24) blend nine tenths would be multiplications by zero.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch

from sinew_take import laws
from sinew_take import skeleton as sk
from sinew_take.free_body import FreeBody

_N = len(sk.JOINTS)
_PARENT = np.array(sk.PARENTS)


def _levels() -> list[list[int]]:
    depth = np.zeros(_N, dtype=int)
    for j in range(1, _N):
        depth[j] = depth[_PARENT[j]] + 1
    return [np.nonzero(depth == d)[0].tolist() for d in range(1, depth.max() + 1)]


class _Blend(torch.autograd.Function):
    """vertices (V, 3T) = A (V, 96) · M (96, 3T), where row (j, c) of A holds weight_vj · (rest vertex, 1)_c."""

    @staticmethod
    def forward(ctx, body: TorchBody, rest: torch.Tensor, transforms: torch.Tensor) -> torch.Tensor:
        ctx.body = body
        ctx.save_for_backward(rest, transforms)
        return body._blend(rest.detach()) @ transforms

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        rest, transforms = ctx.saved_tensors
        body: TorchBody = ctx.body
        grad = grad.contiguous()
        by_transform = body._blend(rest, transposed=True) @ grad if ctx.needs_input_grad[2] else None
        by_rest = None
        if ctx.needs_input_grad[1]:
            by_rest = torch.zeros_like(rest)
            for j, (vertices, weight) in enumerate(body._groups):
                if len(vertices):
                    turn = transforms[4 * j:4 * j + 3]  # (3 of the rest axes, 3T)
                    by_rest.index_add_(0, vertices, weight[:, None] * (grad[vertices] @ turn.T))
        return None, by_rest, by_transform


class TorchBody:
    """A free body ready for torch.

    Args:
        body: The free body.
        dtype: float32 or float64.
    """

    def __init__(self, body: FreeBody, dtype: torch.dtype = torch.float32):
        def tensor(x):
            return torch.as_tensor(np.asarray(x, dtype=float), dtype=dtype)

        self.dtype = dtype
        self.template, self.shape_dirs = tensor(body.template_m), tensor(body.shape_dirs)
        self.joints, self.joint_dirs = tensor(body.joints_m), tensor(body.joint_dirs)
        self.frames = tensor(body.joint_frames)
        axes = np.zeros((len(sk.DOFS), 3, 3))
        for d in sk.DOFS:
            j, k = (d.axis + 1) % 3, (d.axis + 2) % 3
            axes[d.index, j, k], axes[d.index, k, j] = -1.0, 1.0
        self._cross, self._cross2 = tensor(axes), tensor(axes @ axes)
        # Up to three turns of a joint; the last index stands for none.
        slots = np.full((_N, 3), len(sk.DOFS))
        for joint in sk.JOINTS:
            slots[joint.index, :len(joint.dofs)] = joint.dofs
        self._slots = torch.as_tensor(slots)
        self._levels = [(torch.as_tensor(level), torch.as_tensor(_PARENT[level])) for level in _levels()]
        index, weight = np.asarray(body.skin_index, dtype=int), np.asarray(body.skin_weight, dtype=float)
        vertex, slot = np.nonzero(weight > 0)
        joint, share = index[vertex, slot], weight[vertex, slot] / weight.sum(1)[vertex]
        self._groups = [(torch.as_tensor(vertex[joint == j]), tensor(share[joint == j])) for j in range(_N)]
        # Rows of the sparse matrix: four entries for each joint of a vertex, sorted for CSR; and its transpose.
        rows = np.repeat(vertex, 4)
        columns = (4 * joint[:, None] + np.arange(4)).ravel()
        entry = np.stack([np.repeat(vertex, 4), np.tile(np.arange(4), len(vertex))])
        values = np.repeat(share, 4)
        self._sparse = []
        for first, second, n_first, n_second in ((rows, columns, len(weight), 4 * _N),
                                                 (columns, rows, 4 * _N, len(weight))):
            order = np.lexsort((second, first))
            pointer = np.r_[0, np.cumsum(np.bincount(first, minlength=n_first))]
            self._sparse.append((torch.as_tensor(pointer), torch.as_tensor(second[order]),
                                 torch.as_tensor(entry[0][order] * 4 + entry[1][order]), tensor(values[order]),
                                 (n_first, n_second)))
        with warnings.catch_warnings():  # torch says once that this layout is in beta
            warnings.simplefilter("ignore")
            self._blend(self.template)

    def _blend(self, rest: torch.Tensor, transposed: bool = False) -> torch.Tensor:
        pointer, columns, entry, weight, size = self._sparse[int(transposed)]
        flat = torch.cat([rest, torch.ones_like(rest[:, :1])], 1).reshape(-1)
        return torch.sparse_csr_tensor(pointer, columns, flat[entry] * weight, size, check_invariants=False)

    def forward_kinematics(self, q: torch.Tensor, root_m: torch.Tensor, rest: torch.Tensor
                           ) -> tuple[torch.Tensor, torch.Tensor]:
        """Turn from rest axes (T, 24, 3, 3) and place (T, 24, 3) of every joint.

        Args:
            q: (T, 46) rad.
            root_m: (T, 3).
            rest: (24, 3) joints of the rest pose.
        """
        n = len(q)
        eye = torch.eye(3, dtype=q.dtype)
        single = eye + torch.sin(q)[..., None, None] * self._cross + (1 - torch.cos(q))[..., None, None] * self._cross2
        single = torch.cat([single, eye.expand(n, 1, 3, 3)], 1)
        first, second, third = (single[:, self._slots[:, i]] for i in range(3))
        local = self.frames @ (third @ second @ first) @ self.frames.transpose(1, 2)
        offset = torch.zeros_like(rest)
        offset[1:] = rest[1:] - rest[torch.as_tensor(_PARENT[1:])]
        offset = offset + self._slides(q, rest)
        turns: list[torch.Tensor] = [None] * _N
        places: list[torch.Tensor] = [None] * _N
        turns[0], places[0] = local[:, 0], root_m
        for joints, parents in self._levels:
            up = torch.stack([turns[p] for p in parents.tolist()], 1)
            turn = up @ local[:, joints]
            place = torch.stack([places[p] for p in parents.tolist()], 1) + (up @ offset[:, joints, :, None])[..., 0]
            for i, j in enumerate(joints.tolist()):
                turns[j], places[j] = turn[:, i], place[:, i]
        return torch.stack(turns, 1), torch.stack(places, 1)

    def _slides(self, q: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
        """(T, 24, 3) displacement of sliding joints, as `laws.slides`."""
        i = sk.JOINT_INDEX
        width = torch.linalg.norm(rest[i["scapula_l"]] - rest[i["scapula_r"]])
        height = torch.linalg.norm(rest[i["thorax"]] - rest[i["lumbar_body"]])
        zero = torch.zeros_like(q[:, 0])
        out = [torch.stack([zero, zero, zero], -1)] * _N
        quarter = float(np.pi / 4)
        for joint in sk.JOINTS:
            if joint.law == "turn":
                continue
            a, b = q[:, joint.dofs[0]], q[:, joint.dofs[1]]
            if joint.law == "arc":
                length = torch.abs(rest[joint.index, 2] - rest[joint.parent, 2])
                (side_a, along_a), (side_b, along_b) = _arc(a), _arc(b)
                out[joint.index] = length * torch.stack([-side_a, side_b, along_a + along_b], -1)
            else:
                side = -1.0 if joint.name.endswith("_l") else 1.0
                a, b = side * a, side * b - quarter
                across = -side * width / 4 * (torch.cos(b) * torch.cos(a) - float(np.cos(quarter)))
                out[joint.index] = torch.stack([across, -width / 4 * torch.sin(a),
                                                -height / 2 * (torch.sin(b) + float(np.sin(quarter)))], -1)
        return torch.stack(out, 1)

    def __call__(self, q: torch.Tensor, root_m: torch.Tensor, shape: torch.Tensor
                 ) -> tuple[torch.Tensor, torch.Tensor]:
        """Vertices (T, V, 3) and joints (T, 24, 3) of one person in T poses, m.

        Args:
            q: (T, 46) rad.
            root_m: (T, 3) the pelvis joint.
            shape: (B,), one for all poses.
        """
        rest_joints = self.joints + torch.tensordot(shape, self.joint_dirs, 1)
        rest = self.template + torch.tensordot(shape, self.shape_dirs, 1)
        turn, place = self.forward_kinematics(q, root_m, rest_joints)
        shift = place - (turn @ rest_joints[..., None])[..., 0]
        # (T, 24, 3, 4) -> rows (joint, rest axis or 1), columns (T, world axis).
        matrix = torch.cat([turn, shift[..., None]], -1).permute(1, 3, 0, 2).reshape(4 * _N, -1)
        return _Blend.apply(self, rest, matrix).view(len(rest), len(q), 3).transpose(0, 1), place


def _arc(angle: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Displacements of an arc of length 1, sideways and lengthways; series where the angle is small."""
    small = torch.abs(angle) < laws._SMALL
    safe = torch.where(small, torch.ones_like(angle), angle)
    side = torch.where(small, angle / 2, (1 - torch.cos(safe)) / safe)
    return side, torch.where(small, -angle**2 / 6, torch.sin(safe) / safe - 1)
