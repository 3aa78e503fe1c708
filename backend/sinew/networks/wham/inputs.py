"""What WHAM is given of a track: COCO keypoints in crops at 30 frames a second, and how the camera turned.

Facts of the public pipeline: the crop's side is 1.2 times the keypoints' longer extent, smoothed by a median over half a
second; keypoints go from -1 to 1 over the crop, crop centres over the picture's longer side; keypoints less sure than
0.3 are masked; the camera's turning is R_t R_t+1^T of the world-to-camera rotations, 6D less the identity's, times 30.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from sinew_take.skeleton import MEDIAPIPE_KEYPOINTS

from ...geometry import rotations as rot
from .network import NORMAL_RATE

COCO = ("nose", "eye_l", "eye_r", "ear_l", "ear_r", "shoulder_l", "shoulder_r", "elbow_l", "elbow_r", "wrist_l", "wrist_r",
        "hip_l", "hip_r", "knee_l", "knee_r", "ankle_l", "ankle_r")
_WHICH = [MEDIAPIPE_KEYPOINTS.index(name) for name in COCO]
LEAST_CONFIDENCE = 0.3
MARGIN = 1.2
MEDIAN_FRAMES = 15
MOST_GAP_S = 0.2


@dataclass(frozen=True)
class Inputs:
    """F frames at 30 a second."""

    time_s: np.ndarray
    """(F,)"""
    keypoints: np.ndarray
    """(F, 37)"""
    hidden: np.ndarray
    """(F, 17) bool"""
    box: np.ndarray
    """(F, 3) centre px and side / 200."""
    camera_turning: np.ndarray
    """(F, 6)"""
    K: np.ndarray
    """(F, 3, 3)"""
    R_cw: np.ndarray
    """(F, 3, 3)"""


def prepare(time_s: np.ndarray, keypoints_px: np.ndarray, T_wc: np.ndarray, K: np.ndarray,
            size_px: tuple[int, int]) -> Inputs | None:
    """Resample a track.

    Args:
        time_s: (T,)
        keypoints_px: (T, 33, 3), NaN where there is nobody.
        T_wc: (T, 4, 4).
        K: (T, 3, 3).
        size_px: Width and height.

    Returns:
        None where the person is seen for less than two frames of 30.
    """
    points = np.asarray(keypoints_px, dtype=float)[:, _WHICH]
    seen = np.isfinite(points).all((1, 2))
    known = np.nonzero(seen)[0]
    if len(known) < 2 or time_s[known[-1]] - time_s[known[0]] < 1.5 / NORMAL_RATE:
        return None
    grid = np.arange(time_s[known[0]], time_s[known[-1]] + 1e-6, 1 / NORMAL_RATE)
    after = np.clip(np.searchsorted(time_s[known], grid), 1, len(known) - 1)
    a, b = known[after - 1], known[after]
    u = np.clip((grid - time_s[a]) / (time_s[b] - time_s[a]), 0, 1)
    between = points[a] + u[:, None, None] * (points[b] - points[a])
    sure = np.minimum(points[a, :, 2], points[b, :, 2])
    gap = (time_s[b] - time_s[a] > MOST_GAP_S) & (u > .01) & (u < .99)
    hidden = (sure < LEAST_CONFIDENCE) | gap[:, None]
    px = between[..., :2]
    box = _boxes(px, hidden)
    side = 200 * box[:, None, 2:]
    in_crop = 2 * (px - box[:, None, :2]) / side
    longest = max(size_px)
    centre = (2 * box[:, :2] - np.array(size_px)) / longest
    inputs = np.concatenate([in_crop.reshape(len(grid), -1), centre, 200 * box[:, 2:] / longest], -1)

    n = np.arange(len(time_s))
    place = np.interp(grid, time_s, n)
    low = np.minimum(place.astype(int), len(time_s) - 2)
    part = (place - low)[:, None]
    R_wc = np.asarray(T_wc, dtype=float)[:, :3, :3]
    turned = rot.exp(part * rot.log(R_wc[low + 1] @ np.swapaxes(R_wc[low], 1, 2))) @ R_wc[low]
    R_cw = np.swapaxes(turned, 1, 2)
    step = R_cw[:-1] @ np.swapaxes(R_cw[1:], 1, 2)
    rate = (step[:, :2].reshape(-1, 6) - [1, 0, 0, 0, 1, 0]) * NORMAL_RATE
    nearest = np.clip(np.round(place).astype(int), 0, len(time_s) - 1)
    return Inputs(grid, inputs, hidden, box, np.concatenate([rate, rate[-1:]]), np.asarray(K, dtype=float)[nearest], R_cw)


def _boxes(px: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """(F, 3) centre px and side / 200, smoothed."""
    # Where hardly anything is seen, what was interpolated still tells the place.
    use = ~hidden | ((~hidden).sum(1, keepdims=True) < 7)
    low = np.where(use[..., None], px, np.inf).min(1)
    high = np.where(use[..., None], px, -np.inf).max(1)
    side = MARGIN * np.maximum((high - low).max(1), 1.0)
    box = np.concatenate([(low + high) / 2, side[:, None] / 200], -1)
    return median_filter(box, size=(MEDIAN_FRAMES, 1), mode="nearest")
