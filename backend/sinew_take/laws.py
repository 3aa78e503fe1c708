"""Joint laws: where the joints are, given coordinates. NumPy only, so that both halves share them.

Law version "skel-1", from the published facts of SKEL (Keller et al. 2023) and OpenSim's scapulothoracic joint (Seth et
al. 2016). Every joint turns by its degrees of freedom about the positive axes of its own frame, first listed first
applied about the parent-side axes. Two kinds of joint also move their centre in the parent, by an offset in rest axes:

- "arc" (lumbar, thorax, head): the segment from the parent joint bends as an arc of constant curvature; bending and
  extension each give an arc of length |z| of the joint from its parent, and their displacements add. Twist only turns.
- "ellipsoid" (scapula): the centre slides on an ellipsoid around the thorax, with semi-axes a quarter of the shoulder
  width across and half the lumbar-to-thorax height up; upward rotation only turns.
"""

from __future__ import annotations

import numpy as np

from . import skeleton as sk

_SMALL = 1e-4  # rad; below this the arc's series is exact to float64


def rotations(q: np.ndarray) -> np.ndarray:
    """Turn of each joint in its own frame.

    Args:
        q: Coordinates in `skeleton.DOFS` order, (..., 46), rad.

    Returns:
        (..., 24, 3, 3), identity where q = 0.
    """
    q = np.asarray(q)
    out = np.broadcast_to(np.eye(3, dtype=q.dtype), (*q.shape[:-1], len(sk.JOINTS), 3, 3)).copy()
    for dof in sk.DOFS:
        c, s = np.cos(q[..., dof.index]), np.sin(q[..., dof.index])
        j, k = (dof.axis + 1) % 3, (dof.axis + 2) % 3
        matrix = out[..., dof.joint, :, :]
        row_j, row_k = matrix[..., j, :].copy(), matrix[..., k, :].copy()
        matrix[..., j, :] = c[..., None] * row_j - s[..., None] * row_k
        matrix[..., k, :] = s[..., None] * row_j + c[..., None] * row_k
    return out


def _arc(angle: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Sideways and lengthways displacement of an arc's end from the straight segment's end."""
    small = np.abs(angle) < _SMALL
    safe = np.where(small, 1.0, angle)
    side = np.where(small, length * angle / 2, length * (1 - np.cos(safe)) / safe)
    along = np.where(small, -length * angle**2 / 6, length * (np.sin(safe) / safe - 1))
    return side, along


def slide_lengths(rest_joints_m: np.ndarray) -> dict[int, tuple[float, float]]:
    """Constants of the sliding joints for one body: joint -> (arc length, 0) or (ellipsoid width / 4, height / 2), m."""
    rest = np.asarray(rest_joints_m)
    width = np.linalg.norm(rest[sk.JOINT_INDEX["scapula_l"]] - rest[sk.JOINT_INDEX["scapula_r"]])
    height = np.linalg.norm(rest[sk.JOINT_INDEX["thorax"]] - rest[sk.JOINT_INDEX["lumbar_body"]])
    out = {}
    for joint in sk.JOINTS:
        if joint.law == "arc":
            out[joint.index] = (float(abs(rest[joint.index, 2] - rest[joint.parent, 2])), 0.0)
        elif joint.law == "ellipsoid":
            out[joint.index] = (float(width) / 4, float(height) / 2)
    return out


def slides(q: np.ndarray, rest_joints_m: np.ndarray) -> np.ndarray:
    """Displacement of each joint's centre in its parent, in rest axes.

    Args:
        q: (..., 46) rad.
        rest_joints_m: (24, 3), m.

    Returns:
        (..., 24, 3), m; zero at q = 0 and for joints that only turn.
    """
    q = np.asarray(q)
    out = np.zeros((*q.shape[:-1], len(sk.JOINTS), 3), dtype=q.dtype)
    for j, (a, b) in slide_lengths(rest_joints_m).items():
        joint = sk.JOINTS[j]
        first, second = q[..., joint.dofs[0]], q[..., joint.dofs[1]]
        if joint.law == "arc":
            to_right, along_1 = _arc(first, a)
            to_back, along_2 = _arc(second, a)
            out[..., j, 0] = -to_right
            out[..., j, 1] = to_back
            out[..., j, 2] = along_1 + along_2
        else:
            side = -1.0 if joint.name.endswith("_l") else 1.0  # left coordinates carry the opposite sign
            abduction, elevation = side * first, side * second
            quarter = np.pi / 4
            out[..., j, 0] = -side * a * (np.cos(elevation - quarter) * np.cos(abduction) - np.cos(quarter))
            out[..., j, 1] = -a * np.sin(abduction)
            out[..., j, 2] = -b * (np.sin(elevation - quarter) + np.sin(quarter))
    return out


def rest_transforms(rest_joints_m: np.ndarray, joint_frames: np.ndarray) -> np.ndarray:
    """`rest_T` (24,4,4): `[joint_frames | rest_joints_m]` per joint."""
    out = np.zeros((len(rest_joints_m), 4, 4), dtype=np.asarray(rest_joints_m).dtype)
    out[:, :3, :3] = joint_frames
    out[:, :3, 3] = rest_joints_m
    out[:, 3, 3] = 1
    return out


def forward_kinematics(q: np.ndarray, root_m: np.ndarray, rest_joints_m: np.ndarray, joint_frames: np.ndarray
                       ) -> np.ndarray:
    """Place every joint frame in the world.

    Args:
        q: Coordinates, (..., 46), rad.
        root_m: Pelvis joint in the world, (..., 3), m.
        rest_joints_m: Joints in the rest pose, (24, 3), m, rest axes.
        joint_frames: Joint frames in rest axes, (24, 3, 3).

    Returns:
        T_wj, (..., 24, 4, 4): maps a point of joint frame j to the world. With q = 0 and the root at its rest place
        this is `rest_transforms`.

    Source: SKEL's published laws; signs are folded into `joint_frames` instead of the angles.
    """
    q = np.asarray(q)
    turn = rotations(q)
    move = slides(q, rest_joints_m)
    rest = np.asarray(rest_joints_m, dtype=q.dtype)
    frames = np.asarray(joint_frames, dtype=q.dtype)
    out = np.zeros((*q.shape[:-1], len(sk.JOINTS), 4, 4), dtype=q.dtype)
    out[..., 3, 3] = 1
    for j, parent in enumerate(sk.PARENTS):
        if parent < 0:
            out[..., j, :3, :3] = frames[j] @ turn[..., j, :, :]
            out[..., j, :3, 3] = root_m
            continue
        up = out[..., parent, :3, :3] @ frames[parent].T
        out[..., j, :3, :3] = up @ frames[j] @ turn[..., j, :, :]
        offset = rest[j] - rest[parent] + move[..., j, :]
        out[..., j, :3, 3] = out[..., parent, :3, 3] + np.einsum("...ij,...j->...i", up, offset)
    return out


def skin_transforms(T_wj: np.ndarray, rest_joints_m: np.ndarray, joint_frames: np.ndarray) -> np.ndarray:
    """`T_wj · rest_T⁻¹`, (..., 24, 4, 4): moves a point of the rest pose that belongs to joint j into the world."""
    return T_wj @ np.linalg.inv(rest_transforms(rest_joints_m, joint_frames)).astype(T_wj.dtype)


def skin(rest_points_m: np.ndarray, skin_index: np.ndarray, skin_weight: np.ndarray, transforms: np.ndarray
         ) -> np.ndarray:
    """Linear blend skinning of one pose.

    Args:
        rest_points_m: (V, 3), m.
        skin_index: (V, M) joints; entries with weight 0 are padding.
        skin_weight: (V, M), rows sum to 1.
        transforms: (24, 4, 4) of `skin_transforms`.

    Returns:
        (V, 3), m, in the world.
    """
    blended = np.einsum("vm,vmij->vij", skin_weight, transforms[skin_index, :3, :])
    return np.einsum("vij,vj->vi", blended[..., :3], rest_points_m) + blended[..., 3]
