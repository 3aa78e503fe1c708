"""The plate without the lens's distortion, wide enough to hold all that was filmed: what renders must match."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ..geometry import projection

UNDISTORTED_PATTERN = "plate_undistorted/{:06d}.jpg"
MOST = 1.5
"""The most that a side grows; a wider lens loses its corners."""
LEAST = 1e-6
_ALONG = 33


def is_distorted(distortion: np.ndarray) -> bool:
    """True where any frame's lens bends lines. distortion: (T, 5)."""
    return bool(np.abs(distortion).max() > LEAST)


def overscan(K: np.ndarray, distortion: np.ndarray, size_px: tuple[int, int]) -> float:
    """How many times wider and higher, about the same middle, the undistorted picture must be; 1 to `MOST`.

    Args:
        K: (T, 3, 3) px.
        distortion: (T, 5).
        size_px: Width and height of the picture as filmed.
    """
    width, height = size_px
    u = np.linspace(0, 1, _ALONG)
    border = np.concatenate([np.stack(p, -1) for p in ((u, 0 * u), (u, 0 * u + 1), (0 * u, u), (0 * u + 1, u))]) * size_px
    most = 1.0
    for k, d in _distinct(K, distortion):
        ideal = projection.undistort_px(border, k, d)
        away = np.abs(ideal - np.array(size_px) / 2) / (np.array(size_px) / 2)
        known = np.isfinite(away).all(1)
        most = max(most, float(away[known].max()) if known.any() else MOST)
    factor = min(most, MOST)
    # Both sides grow by the same share, to whole pixels on each side.
    grow = 0 if factor <= 1 else 1 + int(np.ceil((factor - 1) * width / 2))
    return 1 + 2 * grow / width


def size_of(factor: float, size_px: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the undistorted picture."""
    return round(size_px[0] * factor), round(size_px[1] * factor)


def _distinct(K: np.ndarray, distortion: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rows = np.unique(np.concatenate([np.asarray(K, float).reshape(len(K), 9), np.asarray(distortion, float)], 1), axis=0)
    for row in rows[np.unique(np.linspace(0, len(rows) - 1, 20).astype(int))]:
        yield row[:9].reshape(3, 3), row[9:]


def maps(K: np.ndarray, distortion: np.ndarray, size_px: tuple[int, int], factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the undistorted picture lies in the one as filmed, for `cv2.remap`."""
    width, height = size_of(factor, size_px)
    shift = (np.array([width, height]) - size_px) / 2
    u, v = np.meshgrid(np.arange(width) + 0.5 - shift[0], np.arange(height) + 0.5 - shift[1])
    K = np.asarray(K, float)
    xy = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]], -1)
    bent = projection.distort(xy, np.asarray(distortion, float))
    # A pixel's middle is at half a pixel for us and at its index for OpenCV.
    x, y = bent[..., 0] * K[0, 0] + K[0, 2] - 0.5, bent[..., 1] * K[1, 1] + K[1, 2] - 0.5
    # Far outside, a polynomial may bend back into the picture: what it shows there was never filmed.
    radius = np.hypot(*np.moveaxis(xy, -1, 0))
    step = np.hypot(*np.moveaxis(projection.distort(xy * 1.01, np.asarray(distortion, float)), -1, 0))
    folded = step <= np.hypot(*np.moveaxis(bent, -1, 0))
    x[folded & (radius > 0)] = -10.0 * size_px[0]
    return x.astype(np.float32), y.astype(np.float32)


class Undistorter:
    """Writes undistorted pictures of a shot into a take's folder.

    Args:
        K, distortion: Of every frame.
        size_px: Of the picture as filmed.
    """

    def __init__(self, K: np.ndarray, distortion: np.ndarray, size_px: tuple[int, int]) -> None:
        self.K, self.distortion, self.size_px = K, distortion, size_px
        self.factor = overscan(K, distortion, size_px)
        self._held: tuple[bytes, tuple[np.ndarray, np.ndarray]] | None = None

    @property
    def entry(self) -> dict:
        """What `take.json` says of it under "plate", "undistorted"."""
        return {"pattern": UNDISTORTED_PATTERN, "size_px": list(size_of(self.factor, self.size_px)),
                "overscan": self.factor}

    def picture(self, frame: int, rgb: np.ndarray) -> np.ndarray:
        """The undistorted picture of a frame, black where nothing was filmed."""
        key = self.K[frame].tobytes() + self.distortion[frame].tobytes()
        if self._held is None or self._held[0] != key:
            self._held = (key, maps(self.K[frame], self.distortion[frame], self.size_px, self.factor))
        return cv2.remap(rgb, *self._held[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)

    def make_folder(self, folder: Path) -> None:
        """The folder that the pictures go to."""
        (folder / UNDISTORTED_PATTERN).parent.mkdir(parents=True, exist_ok=True)
