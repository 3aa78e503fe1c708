"""HSMR's continuous representation of a pose, and back: 24 joints of six numbers each.

Joints with three degrees of freedom carry the first two rows of their rotation matrix in the published (OpenSim) axes,
made orthonormal by Gram-Schmidt on the way back; joints with one carry (cos, -sin), of any length; the hands carry their
two angles as they are. What is left over is zero on the way out and ignored on the way in. Published facts: Xia et al.
2025 (HSMR). Axes, signs and order are those of `sinew_take.skeleton`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sinew_take import skeleton as sk


def turn_about(axis: int, angle: Tensor) -> Tensor:
    """Rotation matrices about a coordinate axis. angle: (...) rad. Returns (..., 3, 3)."""
    c, s = torch.cos(angle), torch.sin(angle)
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    j, k = (axis + 1) % 3, (axis + 2) % 3
    rows = [[zero] * 3 for _ in range(3)]
    rows[axis][axis] = one
    rows[j][j], rows[j][k] = c, -s
    rows[k][j], rows[k][k] = s, c
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def joint_turn(joint: sk.Joint, q: Tensor) -> Tensor:
    """Turn of one joint in its own frame, (..., 3, 3), from coordinates (..., 46): the first listed innermost."""
    out = None
    for d in joint.dofs:
        turn = turn_about(sk.DOFS[d].axis, q[..., d])
        out = turn if out is None else turn @ out
    return out


def joint_angles(joint: sk.Joint, turn: Tensor) -> Tensor:
    """The coordinates of a joint of three, (..., 3), from its turn in its own frame; the middle one within ±pi/2."""
    first, second, third = (sk.DOFS[d].axis for d in joint.dofs)
    i, j, k = third, second, first  # turn = R_i(third) R_j(second) R_k(first)
    sign = 1.0 if (i + 1) % 3 == j else -1.0
    across = (turn[..., i, i] ** 2 + turn[..., i, j] ** 2).clamp_min(1e-30).sqrt()
    return torch.stack([torch.atan2(-sign * turn[..., i, j], turn[..., i, i]),
                        torch.atan2(sign * turn[..., i, k], across),
                        torch.atan2(-sign * turn[..., j, k], turn[..., k, k])], -1)


def _axes(joint: sk.Joint, like: Tensor) -> Tensor:
    return torch.as_tensor(sk.PUBLISHED_AXES[joint.index].copy(), dtype=like.dtype, device=like.device)


def _orthonormal(rows: Tensor) -> Tensor:
    """(..., 6) -> (..., 3, 3), the six numbers being the first two rows."""
    first = torch.nn.functional.normalize(rows[..., :3], dim=-1)
    second = rows[..., 3:] - (first * rows[..., 3:]).sum(-1, keepdim=True) * first
    second = torch.nn.functional.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -2)


def q_to_rep(q: Tensor) -> Tensor:
    """Coordinates to the continuous representation.

    Args:
        q: (..., 46) rad, in `skeleton.DOFS` order.

    Returns:
        (..., 24, 6).
    """
    out = [None] * len(sk.JOINTS)
    for joint in sk.JOINTS:
        zero = torch.zeros_like(q[..., 0])
        if len(joint.dofs) == 3:
            axes = _axes(joint, q)
            turn = axes @ joint_turn(joint, q) @ axes.T
            out[joint.index] = turn[..., :2, :].flatten(-2)
        elif len(joint.dofs) == 1:
            angle = q[..., joint.dofs[0]]
            out[joint.index] = torch.stack([torch.cos(angle), -torch.sin(angle), zero, zero, zero, zero], -1)
        else:
            angles = [q[..., d] for d in joint.dofs]
            out[joint.index] = torch.stack([*angles, zero, zero, zero, zero], -1)
    return torch.stack(out, -2)


def rep_to_q(rep: Tensor) -> Tensor:
    """The continuous representation to coordinates.

    Args:
        rep: (..., 24, 6), any numbers.

    Returns:
        (..., 46) rad; angles within ±pi, the middle one of a joint of three within ±pi/2, the hands' as given.
    """
    out = [None] * len(sk.DOFS)
    for joint in sk.JOINTS:
        six = rep[..., joint.index, :]
        if len(joint.dofs) == 3:
            axes = _axes(joint, rep)
            angles = joint_angles(joint, axes.T @ _orthonormal(six) @ axes)
            for n, d in enumerate(joint.dofs):
                out[d] = angles[..., n]
        elif len(joint.dofs) == 1:
            out[joint.dofs[0]] = torch.atan2(-six[..., 1], six[..., 0])
        else:
            for n, d in enumerate(joint.dofs):
                out[d] = six[..., n]
    return torch.stack(out, -1)
