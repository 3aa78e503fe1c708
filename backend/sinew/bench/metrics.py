"""Figures of merit of a solved motion against a truth. Pure functions of arrays."""

from __future__ import annotations

import numpy as np

from ..geometry import rotations as rot

LIMB_JOINTS = ("femur_r", "femur_l", "tibia_r", "tibia_l", "talus_r", "talus_l", "humerus_r", "humerus_l", "ulna_r",
               "ulna_l", "hand_r", "hand_l")
"""The twelve limb joints (hips, knees, ankles, shoulders, elbows, wrists) by the skeleton's names."""
LIMB_KEYPOINTS = ("hip_r", "hip_l", "knee_r", "knee_l", "ankle_r", "ankle_l", "shoulder_r", "shoulder_l", "elbow_r",
                  "elbow_l", "wrist_r", "wrist_l")
"""The same by the detector's names."""
HIPS = [0, 1]


def _distances(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(T, J) m; frames with a missing joint in either are left out."""
    return np.linalg.norm(found - truth, axis=-1)


def _both(found: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found, truth = np.asarray(found, dtype=float), np.asarray(truth, dtype=float)
    if found.shape != truth.shape:
        raise ValueError(f"found has the size {found.shape} and truth {truth.shape}")
    ok = np.isfinite(found).all((1, 2)) & np.isfinite(truth).all((1, 2))
    if not ok.any():
        raise ValueError("no frame has both a result and a truth")
    return found[ok], truth[ok]


def mpjpe(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean joint distance as it stands, m. found, truth: (T, J, 3)."""
    return float(_distances(*_both(found, truth)).mean())


def pa_mpjpe(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean joint distance after the best similarity transform of each frame, m. found, truth: (T, J, 3)."""
    found, truth = _both(found, truth)
    R, t, s = rot.align(found, truth, with_scale=True)
    moved = s[:, None, None] * (found @ np.swapaxes(R, 1, 2)) + t[:, None]
    return float(_distances(moved, truth).mean())


def take_aligned_mpjpe(found: np.ndarray, truth: np.ndarray, hips: list[int] = HIPS) -> float:
    """Mean joint distance, m, after both are centred on the mid-hip per frame and one similarity over all frames."""
    found, truth = _both(found, truth)
    found = found - found[:, hips].mean(1, keepdims=True)
    truth = truth - truth[:, hips].mean(1, keepdims=True)
    R, t, s = rot.align(found.reshape(-1, 3), truth.reshape(-1, 3), with_scale=True)
    return float(_distances(s * (found @ R.T) + t, truth).mean())


def world_mpjpe(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean joint distance, m, after one similarity transform of the whole take: drift of the root counts."""
    found, truth = _both(found, truth)
    R, t, s = rot.align(found.reshape(-1, 3), truth.reshape(-1, 3), with_scale=True)
    return float(_distances(s * (found @ R.T) + t, truth).mean())


def mean_acceleration(points: np.ndarray, time_s: np.ndarray) -> float:
    """Mean length of the acceleration, m/s². points: (T, J, 3); time_s: (T,), any spacing. NaN frames are left out."""
    points, time_s = np.asarray(points, dtype=float), np.asarray(time_s, dtype=float)
    if len(points) < 3:
        return float("nan")
    h1, h2 = np.diff(time_s)[:-1, None, None], np.diff(time_s)[1:, None, None]
    velocity = np.diff(points, axis=0)
    acceleration = 2 * (velocity[1:] / h2 - velocity[:-1] / h1) / (h1 + h2)
    return float(np.nanmean(np.linalg.norm(acceleration, axis=-1)))


def angle_rmse_deg(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Root mean square difference per coordinate, degrees, whole turns ignored. found, truth: (T, ...) rad."""
    off = np.asarray(found, dtype=float) - np.asarray(truth, dtype=float)
    off = (off + np.pi) % (2 * np.pi) - np.pi
    return np.degrees(np.sqrt(np.nanmean(off**2, axis=0)))


def angle_between_deg(a: np.ndarray, b: np.ndarray) -> float:
    """Angle between two directions, degrees."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


def planted_slide(points: np.ndarray, contact: np.ndarray) -> np.ndarray:
    """Movement of planted points from frame to frame, m: one number per pair of frames in which both are planted.

    Args:
        points: (T, C, 3) one per contact.
        contact: (T, C) probability or truth; over one half is planted.
    """
    with np.errstate(invalid="ignore"):
        on = (contact[1:] > 0.5) & (contact[:-1] > 0.5)
    return np.linalg.norm(np.diff(np.asarray(points, dtype=float), axis=0), axis=-1)[on]
