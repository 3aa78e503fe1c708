"""Rotations to coordinates: closed-form angles of every three-axis joint, and the directions arms and trunks take."""

from __future__ import annotations

import numpy as np

from sinew_take import skeleton as sk


def turn(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotation about x, y or z (0, 1, 2). angle: (...) rad. Returns (..., 3, 3)."""
    angle = np.asarray(angle, float)
    out = np.zeros((*angle.shape, 3, 3))
    j, k = (axis + 1) % 3, (axis + 2) % 3
    out[..., axis, axis] = 1
    out[..., j, j] = out[..., k, k] = np.cos(angle)
    out[..., k, j] = np.sin(angle)
    out[..., j, k] = -out[..., k, j]
    return out


def rotation_vector(R: np.ndarray) -> np.ndarray:
    """Axis times angle of rotations below half a turn. R: (..., 3, 3). Returns (..., 3) rad."""
    skew = np.stack([R[..., 2, 1] - R[..., 1, 2], R[..., 0, 2] - R[..., 2, 0], R[..., 1, 0] - R[..., 0, 1]], -1) / 2
    sine = np.linalg.norm(skew, axis=-1)
    angle = np.arctan2(sine, (np.trace(R, axis1=-2, axis2=-1) - 1) / 2)
    scale = np.where(sine > 1e-9, angle / np.where(sine > 1e-9, sine, 1), 1.0)
    return skew * scale[..., None]


def from_vector(vector: np.ndarray) -> np.ndarray:
    """Rotation of a rotation vector (Rodrigues). vector: (..., 3) rad. Returns (..., 3, 3)."""
    vector = np.asarray(vector, float)
    angle = np.linalg.norm(vector, axis=-1)
    x, y, z = np.moveaxis(vector / np.where(angle > 1e-12, angle, 1)[..., None], -1, 0)
    zero = np.zeros_like(x)
    K = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*angle.shape, 3, 3)
    s, c = np.sin(angle)[..., None, None], np.cos(angle)[..., None, None]
    return np.eye(3) + s * K + (1 - c) * (K @ K)


def from_quaternion(wxyz: np.ndarray) -> np.ndarray:
    """Rotation of unit quaternions. wxyz: (..., 4). Returns (..., 3, 3)."""
    w, x, y, z = np.moveaxis(wxyz / np.linalg.norm(wxyz, axis=-1, keepdims=True), -1, 0)
    return np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
                     2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
                     2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], -1).reshape(*w.shape, 3, 3)


def from_opensim(R: np.ndarray) -> np.ndarray:
    """A rotation written in OpenSim's axes (forward, up, right), rewritten in rest axes."""
    return sk.BODY @ R @ sk.BODY.T


def coordinates(joint: str, D: np.ndarray) -> np.ndarray:
    """Coordinates of a three-axis joint that turns its segment by `D` from the rest pose, relative to its parent.

    Of the two solutions the chain with the least excess over the limits and the least motion is taken; nothing is
    clamped.

    Args:
        joint: Name of a joint with three degrees of freedom.
        D: Rotation of the segment in its parent, in rest axes, (T, 3, 3).

    Returns:
        (T, 3) rad in the order of the joint's degrees of freedom, continuous in time.
    """
    j = sk.JOINTS[sk.JOINT_INDEX[joint]]
    if len(j.dofs) != 3:
        raise ValueError(f"{joint} has {len(j.dofs)} degrees of freedom, not 3")
    frame = sk.REST_FRAMES[j.index]
    R = frame.T @ D @ frame
    a, b, c = ("XYZ".index(letter) for letter in j.order)
    s = 1.0 if (b - a) % 3 == 1 else -1.0
    middle = np.arcsin(np.clip(-s * R[:, c, a], -1, 1))
    first = np.arctan2(s * R[:, c, b], R[:, c, c])
    last = np.arctan2(s * R[:, b, a], R[:, a, a])
    one = np.stack([first, middle, last], -1)
    two = np.stack([first + np.pi, np.pi - middle, last + np.pi], -1)
    two = (two + np.pi) % (2 * np.pi) - np.pi
    low, high = sk.LOW[list(j.dofs)], sk.HIGH[list(j.dofs)]

    both = np.stack([one, two], 1)
    excess = np.maximum(np.maximum(low - both, both - high), 0).sum(-1)
    best = _smoothest(both, 20 * excess, wraps=bool(np.isinf(high).any()))
    return np.unwrap(best, axis=0) if np.isinf(high).any() else best


def _smoothest(choices: np.ndarray, cost: np.ndarray, wraps: bool) -> np.ndarray:
    """Path through (T, C, D) choices with the least sum of (T, C) costs and steps (Viterbi). Returns (T, D)."""
    step = choices[1:, None, :, :] - choices[:-1, :, None, :]
    if wraps:
        step = (step + np.pi) % (2 * np.pi) - np.pi
    step = np.abs(step).sum(-1)
    total, back = cost[0], []
    for move, own in zip(step, cost[1:], strict=True):
        through = total[:, None] + move
        back.append(through.argmin(0))
        total = through.min(0) + own
    at = int(total.argmin())
    path = [at]
    for row in reversed(back):
        at = int(row[at])
        path.append(at)
    return choices[np.arange(len(choices)), path[::-1]]


def put(q: np.ndarray, joint: str, D: np.ndarray) -> None:
    """Write `coordinates` of a joint into q (T, 46)."""
    q[:, list(sk.JOINTS[sk.JOINT_INDEX[joint]].dofs)] = coordinates(joint, D)


def put_trunk(q: np.ndarray, D: np.ndarray) -> None:
    """Share a turn of the chest in the pelvis between lumbar and thorax, half each. D: (T, 3, 3), rest axes."""
    half = from_vector(rotation_vector(D) / 2)
    put(q, "lumbar_body", half)
    put(q, "thorax", half)


def put_arm(q: np.ndarray, side: str, D: np.ndarray) -> None:
    """Write shoulder blade and upper arm for an arm that turns by `D` from hanging, relative to the chest.

    The blade turns up with the arm (about a third of the elevation, within its limits, from slightly down while the arm
    hangs: the scapulohumeral rhythm of Inman et al. 1944 in its simplest form); the upper arm takes up the rest.

    Args:
        side: "r" or "l".
        D: Turn of the upper arm from hanging with the elbow's pit forward, in rest axes, (T, 3, 3).
    """
    sign = 1.0 if side == "r" else -1.0
    raise_side = turn(1, np.array(sign * np.pi / 2))  # about rest y (back): hanging arm -> out to its side
    along = D @ np.array([0.0, 0.0, -1.0])
    elevation = np.arccos(np.clip(-along[:, 2], -1, 1))
    upward = np.clip((elevation - np.pi / 2) / 3, -0.15, 0.3)
    q[:, sk.DOF_INDEX[f"scapula_upward_rot_{side}"]] = upward
    blade = sk.JOINTS[sk.JOINT_INDEX[f"scapula_{side}"]]
    frame = sk.REST_FRAMES[blade.index]
    axis = sk.DOFS[sk.DOF_INDEX[f"scapula_upward_rot_{side}"]].axis
    B = frame @ turn(axis, upward) @ frame.T
    put(q, f"humerus_{side}", np.swapaxes(B, -1, -2) @ D @ np.swapaxes(raise_side, -1, -2))


def clamp(q: np.ndarray, margin_deg: float = 0.2) -> tuple[np.ndarray, float]:
    """Coordinates inside their limits. Returns them and the largest change, degrees."""
    margin = np.where(np.isfinite(sk.HIGH), np.minimum(np.radians(margin_deg), (sk.HIGH - sk.LOW) / 2), 0)
    # Limits that the rest pose touches (straight knee, straight elbow) stay reachable.
    low = np.where(sk.LOW == 0, 0.0, sk.LOW + margin)
    high = sk.HIGH - margin
    inside = np.clip(q, low, high)
    return inside, float(np.degrees(np.abs(inside - q).max()))
