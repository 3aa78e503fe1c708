"""Pinhole projection with OpenCV's distortion (k1 k2 p1 p2 k3), and its inverse."""

from __future__ import annotations

import numpy as np

FULL_FRAME_DIAGONAL_MM = 43.266615305567875
"""Diagonal of the 36 x 24 mm frame that "35 mm equivalent" refers to (CIPA DCG-001: equal diagonal angle of view)."""


def focal_px_of_35mm(focal_mm: float, size_px: tuple[int, int]) -> float:
    """Focal length in pixels of a 35 mm equivalent focal length, by the picture's diagonal."""
    return float(focal_mm * np.hypot(*size_px) / FULL_FRAME_DIAGONAL_MM)


def focal_px_of_fov(fov_deg: float, size_px: tuple[int, int]) -> float:
    """Focal length in pixels of a horizontal angle of view."""
    return float(size_px[0] / 2 / np.tan(np.radians(fov_deg) / 2))


def fov_deg_of(focal_px: np.ndarray | float, width_px: float) -> np.ndarray | float:
    """Horizontal angle of view, degrees, of focal lengths in pixels of a picture so wide."""
    return np.degrees(2 * np.arctan(width_px / 2 / focal_px))


def intrinsics(focal_px: float, size_px: tuple[int, int]) -> np.ndarray:
    """K (3, 3) with square pixels and the principal point in the middle of the picture."""
    return np.array([[focal_px, 0, size_px[0] / 2], [0, focal_px, size_px[1] / 2], [0, 0, 1.0]])


def distort(xy: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """Normalised ideal coordinates -> normalised distorted ones. xy: (..., 2); distortion: (5,) or (..., 5)."""
    k1, k2, p1, p2, k3 = np.moveaxis(np.asarray(distortion, dtype=float), -1, 0)
    x, y = xy[..., 0], xy[..., 1]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return np.stack([x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                     y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y], -1)


def project(points_c: np.ndarray, K: np.ndarray, distortion: np.ndarray | None = None) -> np.ndarray:
    """Pixels of points in camera axes. points_c: (..., 3) m; K: (3, 3) or (..., 3, 3). Returns (..., 2) px."""
    xy = points_c[..., :2] / points_c[..., 2:]
    if distortion is not None:
        xy = distort(xy, distortion)
    return np.stack([K[..., 0, 0] * xy[..., 0] + K[..., 0, 1] * xy[..., 1] + K[..., 0, 2],
                     K[..., 1, 1] * xy[..., 1] + K[..., 1, 2]], -1)


def undistort_px(px: np.ndarray, K: np.ndarray, distortion: np.ndarray, rounds: int = 20) -> np.ndarray:
    """Pixels as filmed -> pixels of the ideal pinhole camera with the same K, by fixed-point iteration.

    Args:
        px: (..., 2), NaN stays NaN.
        K: (3, 3) or (..., 3, 3).
        distortion: (5,) or (..., 5).
    """
    if not np.any(distortion):
        return np.asarray(px, dtype=float)
    y = (px[..., 1] - K[..., 1, 2]) / K[..., 1, 1]
    x = (px[..., 0] - K[..., 0, 2] - K[..., 0, 1] * y) / K[..., 0, 0]
    wanted = np.stack([x, y], -1)
    ideal = wanted.copy()
    for _ in range(rounds):
        ideal = ideal + wanted - distort(ideal, distortion)
    return np.stack([K[..., 0, 0] * ideal[..., 0] + K[..., 0, 1] * ideal[..., 1] + K[..., 0, 2],
                     K[..., 1, 1] * ideal[..., 1] + K[..., 1, 2]], -1)
