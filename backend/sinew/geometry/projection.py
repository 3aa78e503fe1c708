"""Pinhole projection with OpenCV's distortion (k1 k2 p1 p2 k3), and its inverse."""

from __future__ import annotations

import numpy as np

FULL_FRAME_DIAGONAL_MM = 43.266615305567875
"""Diagonal of the 36 x 24 mm frame that "35 mm equivalent" refers to (CIPA DCG-001: equal diagonal angle of view)."""
COVERS = 0.9
"""Of the way to the picture's corner: a lens that folds back sooner is not this picture's."""
_ROUNDS = 100
_DONE = 1e-12
"""Focal lengths: nearer than this a point is found."""
_LEAST_STEP = 1e-9
"""Share of Newton's step that does not help either where there is nothing to find."""


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


def undistort_px(px: np.ndarray, K: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """Pixels as filmed -> pixels of the ideal pinhole camera with the same K.

    Exact wherever the lens shows a pixel, up to where its polynomial folds back. A pixel beyond that, outside the picture,
    becomes about the nearest that is shown; but NaN where the lens does not cover the picture (`COVERS`).

    Args:
        px: (..., 2), NaN stays NaN.
        K: (3, 3) or (..., 3, 3).
        distortion: (5,) or (..., 5).
    """
    if not np.any(distortion):
        return np.asarray(px, dtype=float)
    y = (px[..., 1] - K[..., 1, 2]) / K[..., 1, 1]
    x = (px[..., 0] - K[..., 0, 2] - K[..., 0, 1] * y) / K[..., 0, 0]
    lens = np.asarray(distortion, dtype=float)
    if (lens == lens.reshape(-1, 5)[0]).all():  # as in nearly every shot, and much less to compute
        lens = lens.reshape(-1, 5)[0]
    x, y = np.broadcast_arrays(x, y, lens[..., 0])[:2]
    every = np.broadcast_to(lens, (*x.shape, 5)).reshape(-1, 5) if lens.ndim > 1 else lens[None]
    found, shown, off = _undistort(np.stack([x.ravel(), y.ravel()]), every.T)
    corner = np.hypot(K[..., 0, 2] / K[..., 0, 0], K[..., 1, 2] / K[..., 1, 1])  # the first one, far enough
    unknown = (off.reshape(x.shape) > 1e-6) & (shown.reshape(x.shape) < COVERS * corner)
    x, y = np.where(unknown, np.nan, found.reshape(2, *x.shape))
    return np.stack([K[..., 0, 0] * x + K[..., 0, 1] * y + K[..., 0, 2], K[..., 1, 1] * y + K[..., 1, 2]], -1)


def _undistort(wanted: np.ndarray, lens: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(2, N) whose `distort` is wanted (2, N), how far that is from the middle, and from wanted. lens: (5, N) or (5, 1).

    Newton's method from the middle outwards. A step that does not bring a point nearer is halved, and none goes past the
    fold: beyond it a polynomial may meet the same pixel once more, in a place that was never filmed.
    """
    found = np.full((4, wanted.shape[1]), np.nan)
    rows = np.flatnonzero(np.isfinite(wanted).all(0))
    reach = _reach(lens)
    with np.errstate(all="ignore"):  # a step too far may be endless: it does not help
        # Of each point that is not found: its place, what the lens makes of it, that one's slopes, and how far off it is.
        now = np.concatenate([np.zeros((4, len(rows))), np.ones((1, len(rows))), np.zeros((1, len(rows))),
                              np.ones((1, len(rows))), np.hypot(*wanted[:, rows])[None]])
        share = np.ones(len(rows))
        for _ in range(_ROUNDS):
            if not len(rows):
                break
            x, y, bent_x, bent_y, xx, xy, yy, off = now
            dx, dy = wanted[0, rows] - bent_x, wanted[1, rows] - bent_y
            scale = share / (xx * yy - xy * xy)
            x, y = x + scale * (yy * dx - xy * dy), y + scale * (xx * dy - xy * dx)
            one = lens if lens.shape[1] == 1 else lens[:, rows]
            within = np.minimum(1, (reach if len(reach) == 1 else reach[rows]) / np.sqrt(x * x + y * y))
            new = _bend(x * within, y * within, one, wanted[:, rows])
            better = (new[7] < off) & (new[4] * new[6] > new[5] ** 2) & (new[4] > 0)
            now = np.where(better, new, now)
            share = np.where(better, np.minimum(1, 2 * share), share / 2)
            found[:, rows] = now[0], now[1], np.sqrt(now[2] ** 2 + now[3] ** 2), now[7]
            left = (now[7] > _DONE) & (share > _LEAST_STEP)
            if not left.all():
                rows, now, share = rows[left], now[:, left], share[left]
    return found[:2], found[2], found[3]


def _bend(x: np.ndarray, y: np.ndarray, lens: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(8, N): x, y, their `distort`, its slopes dx/dx, dx/dy = dy/dx and dy/dy, and how far it is from wanted (2, N)."""
    k1, k2, p1, p2, k3 = lens
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    slope = 2 * (k1 + r2 * (2 * k2 + r2 * (3 * k3)))
    bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return np.stack([x, y, bent_x, bent_y, radial + slope * x * x + 2 * p1 * y + 6 * p2 * x,
                     slope * x * y + 2 * (p1 * x + p2 * y), radial + slope * y * y + 6 * p1 * y + 2 * p2 * x,
                     np.sqrt((bent_x - wanted[0]) ** 2 + (bent_y - wanted[1]) ** 2)])


def _reach(lens: np.ndarray) -> np.ndarray:
    """(N,) radius up to which lenses (5, N) bend lines without folding back, inf where they never do.

    The slope of r (1 + k1 r^2 + k2 r^4 + k3 r^6) is 0 there: of 1 / r^2 a polynomial that begins with 1, whose roots are
    those of its companion matrix.
    """
    k1, k2, _, _, k3 = lens
    companion = np.zeros((lens.shape[1], 3, 3))
    companion[:, 0] = np.stack([-3 * k1, -5 * k2, -7 * k3], -1)
    companion[:, 1, 0] = companion[:, 2, 1] = 1
    known = np.isfinite(companion).all((1, 2))
    roots = np.linalg.eigvals(np.where(known[:, None, None], companion, 0.0))
    first = np.where(np.isreal(roots), roots.real, 0.0).max(1).clip(0)
    with np.errstate(divide="ignore"):
        return (1 - 1e-7) / np.sqrt(first)  # at the fold itself there is no slope to follow
