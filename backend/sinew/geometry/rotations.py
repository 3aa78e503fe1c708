"""Rotations: exponential and logarithm, their derivatives, Euler angles of the pelvis, best rigid alignment.

Sources: Sola et al., A micro Lie theory for state estimation in robotics (2018), for exp, log and the Jacobians;
Umeyama, Least-squares estimation of transformation parameters (1991), for the alignment.
"""

from __future__ import annotations

import numpy as np

_SMALL = 1e-6


def cross_matrix(v: np.ndarray) -> np.ndarray:
    """(..., 3) -> (..., 3, 3) with `cross_matrix(v) @ x = v x x`."""
    v = np.asarray(v, dtype=float)
    out = np.zeros((*v.shape[:-1], 3, 3))
    out[..., 0, 1], out[..., 0, 2] = -v[..., 2], v[..., 1]
    out[..., 1, 0], out[..., 1, 2] = v[..., 2], -v[..., 0]
    out[..., 2, 0], out[..., 2, 1] = -v[..., 1], v[..., 0]
    return out


def exp(v: np.ndarray) -> np.ndarray:
    """Rotation about `v` by its length. v: (..., 3) rad. Returns (..., 3, 3)."""
    v = np.asarray(v, dtype=float)
    angle = np.linalg.norm(v, axis=-1)[..., None, None]
    small = angle < _SMALL
    safe = np.where(small, 1.0, angle)
    a = np.where(small, 1 - angle**2 / 6, np.sin(safe) / safe)
    b = np.where(small, 0.5 - angle**2 / 24, (1 - np.cos(safe)) / safe**2)
    k = cross_matrix(v)
    return np.eye(3) + a * k + b * (k @ k)


def log(R: np.ndarray) -> np.ndarray:
    """Rotation vector of a rotation, angle in [0, pi]. R: (..., 3, 3). Returns (..., 3) rad.

    Through the quaternion with the largest component, so that turns near half a circle keep their precision.
    """
    R = np.asarray(R, dtype=float)
    xx, yy, zz = R[..., 0, 0], R[..., 1, 1], R[..., 2, 2]
    # Four times q q^T of the quaternion (w, x, y, z); its row with the largest diagonal is the best conditioned.
    outer = np.empty((*R.shape[:-2], 4, 4))
    outer[..., 0, 0] = 1 + xx + yy + zz
    outer[..., 1, 1] = 1 + xx - yy - zz
    outer[..., 2, 2] = 1 - xx + yy - zz
    outer[..., 3, 3] = 1 - xx - yy + zz
    for i, value in ((1, R[..., 2, 1] - R[..., 1, 2]), (2, R[..., 0, 2] - R[..., 2, 0]),
                     (3, R[..., 1, 0] - R[..., 0, 1])):
        outer[..., 0, i] = outer[..., i, 0] = value
    for i, j in ((1, 2), (1, 3), (2, 3)):
        outer[..., i, j] = outer[..., j, i] = R[..., i - 1, j - 1] + R[..., j - 1, i - 1]
    best = np.argmax(np.diagonal(outer, axis1=-2, axis2=-1), axis=-1)
    q = np.take_along_axis(outer, best[..., None, None], axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    q = q * np.where(q[..., :1] < 0, -1.0, 1.0)
    length = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(length, q[..., :1])
    small = length < _SMALL
    return q[..., 1:] * np.where(small, 2.0, angle / np.where(small, 1.0, length))


def nearest(M: np.ndarray) -> np.ndarray:
    """The rotation nearest to a matrix that is almost one. M: (..., 3, 3). Returns (..., 3, 3)."""
    u, _, vt = np.linalg.svd(np.asarray(M, dtype=float))
    return u @ vt


def left_jacobian_inverse(v: np.ndarray) -> np.ndarray:
    """J with log(exp(d) exp(v)) = v + J d + O(d^2). v: (..., 3) rad, shorter than 2 pi. Returns (..., 3, 3).

    The right one, for log(exp(v) exp(d)), is its transpose.
    """
    v = np.asarray(v, dtype=float)
    angle = np.linalg.norm(v, axis=-1)[..., None, None]
    small = angle < 1e-3
    safe = np.where(small, 1.0, angle)
    c = np.where(small, 1 / 12 + angle**2 / 720, 1 / safe**2 - (1 + np.cos(safe)) / (2 * safe * np.sin(safe) + 1e-300))
    k = cross_matrix(v)
    return np.eye(3) - 0.5 * k + c * (k @ k)


def align(source: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None, with_scale: bool = False
          ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best rotation, shift and scale of points onto others in the least-squares sense, never a reflection.

    Args:
        source, target: (..., N, 3).
        weight: (..., N), not negative; default equal.
        with_scale: Also fit a scale.

    Returns:
        R (..., 3, 3), t (..., 3), s (...): target is about s R source + t.

    Source: Umeyama 1991.
    """
    source, target = np.asarray(source, dtype=float), np.asarray(target, dtype=float)
    w = np.ones(source.shape[:-1]) if weight is None else np.asarray(weight, dtype=float)
    w = (w / np.maximum(w.sum(-1, keepdims=True), 1e-12))[..., None]
    mean_s, mean_t = (w * source).sum(-2), (w * target).sum(-2)
    a, b = source - mean_s[..., None, :], target - mean_t[..., None, :]
    u, d, vt = np.linalg.svd(np.swapaxes(w * b, -1, -2) @ a)
    sign = np.ones_like(d)
    sign[..., 2] = np.where(np.linalg.det(u) * np.linalg.det(vt) < 0, -1.0, 1.0)
    R = (u * sign[..., None, :]) @ vt
    scale = (d * sign).sum(-1) / np.maximum((w * a**2).sum((-1, -2)), 1e-12) if with_scale else np.ones(d.shape[:-1])
    t = mean_t - scale[..., None] * np.einsum("...ij,...j->...i", R, mean_s)
    return R, t, scale


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation that takes direction `a` to direction `b`. (..., 3) each. Returns (..., 3, 3)."""
    a = a / np.linalg.norm(a, axis=-1, keepdims=True)
    b = b / np.linalg.norm(b, axis=-1, keepdims=True)
    axis = np.cross(a, b)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    cosine = (a * b).sum(-1, keepdims=True)
    other = np.cross(a, np.eye(3)[np.argmin(np.abs(a), axis=-1)])
    other = other / np.linalg.norm(other, axis=-1, keepdims=True)
    unit = np.where(sine > 1e-9, axis / np.maximum(sine, 1e-300), other)
    return exp(unit * np.arctan2(sine, cosine))


def euler_zxy(R: np.ndarray, previous: np.ndarray | None = None) -> np.ndarray:
    """Angles (z, x, y) with R = Ry(y) Rx(x) Rz(z): the pelvis' coordinates (tilt, list, rotation) in its joint frame.

    Args:
        R: (T, 3, 3), in time order.
        previous: (3,) angles before the first frame, if any.

    Returns:
        (T, 3) rad, continuous over time: of the two sets of angles, and of their whole turns, the one nearest the frame
        before. Without a frame before, the set with |x| at most a quarter turn.
    """
    R = np.asarray(R, dtype=float)
    out = np.empty((len(R), 3))
    x = np.arcsin(np.clip(-R[:, 1, 2], -1, 1))
    z = np.arctan2(R[:, 1, 0], R[:, 1, 1])
    y = np.arctan2(R[:, 0, 2], R[:, 2, 2])
    locked = np.hypot(R[:, 1, 0], R[:, 1, 1]) < 1e-6
    last = previous
    for t in range(len(R)):
        if locked[t]:
            # Only z - y (or z + y) is seen here: keep y as it was and put the rest into z.
            keep = 0.0 if last is None else last[2]
            c, s = np.cos(keep), np.sin(keep)
            rest = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]) @ R[t]
            angles = np.array([np.arctan2(-rest[0, 1], rest[0, 0]), x[t], keep])
            options = angles[None]
        else:
            angles = np.array([z[t], x[t], y[t]])
            options = np.stack([angles, [z[t] + np.pi, np.pi - x[t], y[t] + np.pi]])
        if last is not None:
            options = options + 2 * np.pi * np.round((last - options) / (2 * np.pi))
            angles = options[np.argmin(((options - last) ** 2).sum(-1))]
        out[t] = last = angles
    return out
