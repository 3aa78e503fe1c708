"""How each joint's limits are held in Blender: by a Limit Rotation constraint where that alters no pose inside the limits,
else by a guard bone.

The constraint does not see channels. It takes the bone's matrix apart into Euler angles anew, choosing of the two
solutions the one with the smaller sum of absolute angles, clamps those and puts the matrix together again. Where a
pose inside the range has its other solution chosen, and that one is outside the range, the pose changes. (The choice
does not depend on the order: an arm that is turned by 170 about both outer axes is found as -10, 180, -10 in every
order that its channels could have.)

A guard bone has the joint's rest pose, and the joint's channels clamped by drivers as its own; the joint copies its local
transform. Channels have one meaning only, so a pose inside the range is copied as it is.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from ...backend.sinew_take import laws
from ...backend.sinew_take import skeleton as sk

_STEPS = 13
_MARGIN = 1e-4
"""How much smaller the right solution's sum must be for single precision to find it too, rad."""


def euler_solutions(matrix: np.ndarray, order: str) -> tuple[np.ndarray, np.ndarray]:
    """Both sets of Euler angles of a rotation.

    Args:
        matrix: (..., 3, 3), of turns about the axes of `order`, first listed first applied.
        order: E.g. "ZXY".

    Returns:
        Two arrays (..., 3), rad, by axis X, Y, Z.
    """
    i, j, k = ("XYZ".index(letter) for letter in order)
    parity = 1.0 if (j - i) % 3 == 1 else -1.0
    # R = R_k R_j R_i: its row k holds the middle angle alone.
    cos_middle = np.hypot(matrix[..., i, i], matrix[..., j, i])
    out = []
    for sign in (1.0, -1.0):
        angles = np.empty(matrix.shape[:-2] + (3,))
        angles[..., i] = np.arctan2(parity * sign * matrix[..., k, j], sign * matrix[..., k, k])
        angles[..., j] = np.arctan2(-parity * matrix[..., k, i], sign * cos_middle)
        angles[..., k] = np.arctan2(parity * sign * matrix[..., j, i], sign * matrix[..., i, i])
        out.append(angles)
    return out[0], out[1]


def is_exact(joint: sk.Joint) -> bool:
    """True where the constraint leaves every pose inside the joint's limits as it is (a grid over the range is tried)."""
    dofs = [sk.DOFS[d] for d in joint.dofs]
    if not all(np.isfinite([d.low, d.high]).all() for d in dofs):
        return False
    grid = np.array(list(product(*(np.linspace(d.low, d.high, _STEPS) for d in dofs))))
    q = np.zeros((len(grid), len(sk.DOFS)))
    q[:, list(joint.dofs)] = grid
    wanted = np.zeros((len(grid), 3))
    for column, dof in enumerate(dofs):
        wanted[:, dof.axis] = grid[:, column]
    first, second = euler_solutions(laws.rotations(q)[:, joint.index], joint.order)
    is_first = np.abs(first - wanted).max(1) < np.abs(second - wanted).max(1)
    right, other = np.where(is_first[:, None], first, second), np.where(is_first[:, None], second, first)
    found = np.abs(right - wanted).max(1) < 1e-6
    chosen = np.abs(right).sum(1) < np.abs(other).sum(1) - _MARGIN
    return bool((found & chosen).all())


CONSTRAINED = tuple(joint.index for joint in sk.JOINTS if is_exact(joint))
"""Joints with a Limit Rotation constraint."""
GUARDED = tuple(joint.index for joint in sk.JOINTS if joint.index not in CONSTRAINED
                and all(np.isfinite([sk.DOFS[d].low, sk.DOFS[d].high]).all() for d in joint.dofs))
"""Joints with a guard bone: the shoulders. The pelvis has no limits."""


def clamp_expression(dof: sk.Dof) -> str:
    """Driver expression of a guard's channel; `a` is the joint's own."""
    return f"clamp(a,{dof.low:.7g},{dof.high:.7g})"


def excess(q: np.ndarray) -> np.ndarray:
    """How far each coordinate is outside its limits, signed. q: (..., 46) rad; the pelvis has none. Same shape."""
    return q - np.clip(q, sk.LOW, sk.HIGH)
