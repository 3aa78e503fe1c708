"""Lenses: OpenCV's distortion, and Blender's lens settings as intrinsics in pixels, both ways. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ROUNDS = 30
_LEAST_SLOPE = 0.3
"""Of the distance from the middle as filmed over the true one: a longer step would go past where a lens folds back."""


def distorted(xy: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """Where a lens shows what a pinhole camera would see at xy.

    Args:
        xy: (..., 2) in focal lengths from the principal point.
        distortion: (..., 5), k1 k2 p1 p2 k3; leading dimensions broadcast against those of xy.

    Source: the model of OpenCV's calib3d, "Camera Calibration and 3D Reconstruction".
    """
    k1, k2, p1, p2, k3 = np.moveaxis(np.asarray(distortion, float), -1, 0)
    x, y = xy[..., 0], xy[..., 1]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return np.stack([x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                     y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y], -1)


def undistorted(xy: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """The inverse of `distorted`, by Newton's method along the rays from the middle; NaN where it does
    not settle (outside the lens's range)."""
    xy = np.asarray(xy, float)
    k1, k2, _, _, k3 = np.moveaxis(np.asarray(distortion, float), -1, 0)
    out = xy.copy()
    with np.errstate(invalid="ignore", over="ignore"):
        for _ in range(_ROUNDS):
            r2 = (out**2).sum(-1)
            slope = 1 + r2 * (3 * k1 + r2 * (5 * k2 + r2 * 7 * k3))
            out = out + (xy - distorted(out, distortion)) / np.maximum(slope, _LEAST_SLOPE)[..., None]
        settled = np.abs(distorted(out, distortion) - xy).max(-1, keepdims=True) < 1e-6
    return np.where(settled, out, np.nan)


def ideal_px(px: np.ndarray, K: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """Pixels of the picture as filmed where a camera without distortion would show them.

    Args:
        px: (T, N, 2).
        K: (T, 3, 3).
        distortion: (T, 5).
    """
    if not np.any(distortion):
        return np.asarray(px, float)
    focal, middle = _parts(K)
    return undistorted((px - middle) / focal, np.asarray(distortion, float)[:, None]) * focal + middle


def project(points_w_m: np.ndarray, T_wc: np.ndarray, K: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """World points (T, N, 3) in the picture as filmed, (T, N, 2) px; NaN behind the camera."""
    T_wc, K = np.asarray(T_wc, float), np.asarray(K, float)
    local = np.einsum("tji,tnj->tni", T_wc[:, :3, :3], points_w_m - T_wc[:, None, :3, 3])
    with np.errstate(divide="ignore", invalid="ignore"):
        xy = np.where(local[..., 2:] > 1e-3, local[..., :2] / local[..., 2:], np.nan)
    focal, middle = _parts(K)
    return distorted(xy, np.asarray(distortion, float)[:, None]) * focal + middle


def _parts(K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    K = np.asarray(K, float)
    return np.stack([K[:, 0, 0], K[:, 1, 1]], -1)[:, None], K[:, None, :2, 2]


@dataclass(frozen=True)
class BlenderLens:
    """Settings of a Blender camera and of the render that its frame depends on.

    Attributes:
        lens_mm: Focal length.
        sensor_mm: Width and height of the sensor.
        fit: Sensor fit: AUTO, HORIZONTAL or VERTICAL.
        shift: x and y, in widths of the fitted side.
    """

    lens_mm: float
    sensor_mm: tuple[float, float] = (36.0, 24.0)
    fit: str = "AUTO"
    shift: tuple[float, float] = (0.0, 0.0)


def intrinsics(lens: BlenderLens, size_px: tuple[int, int], pixel_aspect: float = 1.0) -> np.ndarray:
    """K (3, 3) of a Blender camera that renders pictures of `size_px`.

    Args:
        lens: Settings of the camera.
        size_px: Width and height of the picture, in its own pixels.
        pixel_aspect: Width over height of one pixel (the render's pixel aspect x / y).

    Source: Blender's manual, "Cameras": the sensor's fitted side spans the picture's; AUTO fits its width along the
    longer side of the picture; shifts count in that side.
    """
    width, height = size_px
    wide, tall = float(width), height / pixel_aspect  # in units of a pixel's width
    fit = lens.fit if lens.fit != "AUTO" else ("HORIZONTAL" if wide >= tall else "VERTICAL")
    sensor = lens.sensor_mm[1] if lens.fit == "VERTICAL" else lens.sensor_mm[0]
    side = wide if fit == "HORIZONTAL" else tall
    focal = lens.lens_mm / sensor * side
    return np.array([[focal, 0.0, wide / 2 - lens.shift[0] * side],
                     [0.0, focal * pixel_aspect, (tall / 2 + lens.shift[1] * side) * pixel_aspect],
                     [0.0, 0.0, 1.0]])


def opencv_pose(matrix_world: np.ndarray) -> np.ndarray:
    """OpenCV cameras to world, (T, 4, 4), of Blender camera objects' matrices; their scale is left out."""
    out = np.array(matrix_world, float)
    out[..., :3, :3] /= np.linalg.norm(out[..., :3, :3], axis=-2, keepdims=True)
    out[..., :3, 1:3] *= -1
    return out
