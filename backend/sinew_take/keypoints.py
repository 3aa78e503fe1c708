"""Where the detector's keypoints are on a person of a take: in the rest pose, and in the pictures. NumPy only."""

from __future__ import annotations

import numpy as np

from . import free_body, laws
from .take import Subject, Take


def rest_keypoints(subject: Subject) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keypoints of a person's own body in the rest pose.

    The free body has its own. Another body carries them at their free-body place beside the joints that move them.

    Returns:
        (33, 3) m; joints (33, 2) that carry them; weights (33, 2), rows sum to 1.
    """
    free = free_body.load()
    index, weight = np.asarray(free.keypoint_index).astype(int), np.asarray(free.keypoint_weight, dtype=float)
    if subject.info.get("body") == "default":
        return np.asarray(free.keypoints(subject.body["shape"]), dtype=float), index, weight
    shift = subject.body["rest_joints_m"].astype(float) - np.asarray(free.joints_m, dtype=float)
    return np.asarray(free.keypoint_m, dtype=float) + (weight[..., None] * shift[index]).sum(1), index, weight


def solved_px(take: Take, subject: Subject, frame: int) -> np.ndarray:
    """Keypoints of the solved body in one frame's picture as filmed, (33, 2) px; NaN where the person is not present
    or the keypoint is behind the camera."""
    points, index, weight = rest_keypoints(subject)
    body = subject.body
    moves = laws.skin_transforms(subject.motion["T_wj"][frame].astype(float), body["rest_joints_m"].astype(float),
                                 body["joint_frames"].astype(float))
    world = laws.skin(points, index, weight, moves)
    T_wc = take.shot["T_wc"][frame].astype(float)
    local = (world - T_wc[:3, 3]) @ T_wc[:3, :3]
    z = np.where(local[:, 2] > 0.01, local[:, 2], np.nan)
    x, y = local[:, 0] / z, local[:, 1] / z
    k1, k2, p1, p2, k3 = take.shot["distortion"][frame].astype(float)
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    bent = np.stack([x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                     y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y, np.ones_like(x)], -1)
    return (bent @ take.shot["K"][frame].astype(float).T)[:, :2]


def depth_m(take: Take, subject: Subject, frame: int) -> float:
    """Distance of a person's pelvis along the camera's line of sight, m; NaN where not present."""
    T_wc = take.shot["T_wc"][frame].astype(float)
    return float((subject.motion["root_m"][frame].astype(float) - T_wc[:3, 3]) @ T_wc[:3, 2])
