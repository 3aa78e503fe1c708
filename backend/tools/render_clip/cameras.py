"""Cameras of rendered clips: intrinsics from a focal length, and paths as camera-to-world arrays (OpenCV axes)."""

from __future__ import annotations

import numpy as np

from . import angles

KINDS = ("static", "pan", "dolly", "push", "crane", "orbit", "handheld")


def intrinsics(size_px: tuple[int, int], focal_mm: float) -> np.ndarray:
    """K (3, 3) px for a focal length on a 36 mm wide frame, principal point in the middle, square pixels."""
    width, height = size_px
    f = focal_mm / 36 * width
    return np.array([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1.0]])


def look_at(eye_m: np.ndarray, target_m: np.ndarray) -> np.ndarray:
    """T_wc (..., 4, 4) of level cameras at `eye_m` that look at `target_m` (..., 3)."""
    ahead = np.asarray(target_m, float) - eye_m
    ahead = ahead / np.linalg.norm(ahead, axis=-1, keepdims=True)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right = right / np.linalg.norm(right, axis=-1, keepdims=True)
    T = np.zeros((*ahead.shape[:-1], 4, 4))
    T[..., :3, 0], T[..., :3, 1], T[..., :3, 2] = right, np.cross(ahead, right), ahead
    T[..., :3, 3], T[..., 3, 3] = eye_m, 1
    return T


def _noise(rng: np.random.Generator, time_s: np.ndarray, hertz: tuple[float, ...]) -> np.ndarray:
    """Smooth unit-size wander (T, 3): a few sines of random phase per axis."""
    phase = rng.uniform(0, 2 * np.pi, (3, len(hertz)))
    weight = 1 / np.sqrt(np.arange(1, len(hertz) + 1))
    waves = np.sin(2 * np.pi * np.asarray(hertz) * time_s[:, None, None] + phase)
    return (weight * waves).sum(-1) / np.sqrt(weight.sum())


def path(kind: str, time_s: np.ndarray, eye_m: np.ndarray, target_m: np.ndarray, amount: float = 1.0, seed: int = 0
         ) -> np.ndarray:
    """A camera's way.

    Args:
        kind: static; pan (turns across the scene, 25 degrees); dolly (moves 1 m to the side, looking straight on); push
            (goes 1 m ahead on the level, looking the same way); crane (rises by 0.6 m, looking at the target); orbit (goes
            40 degrees round the target); handheld (wanders by about 2 cm and 1 degree and breathes).
        time_s: (T,) s.
        eye_m: (3,) where it stands in the middle of the clip.
        target_m: (3,) what it looks at then.
        amount: Factor of the movement.
        seed: Of handheld's wander.

    Returns:
        T_wc (T, 4, 4).
    """
    if kind not in KINDS:
        raise ValueError(f"no camera moves like {kind!r}; choose one of {', '.join(KINDS)}")
    eye = np.broadcast_to(np.asarray(eye_m, float), (len(time_s), 3)).copy()
    target = np.broadcast_to(np.asarray(target_m, float), (len(time_s), 3)).copy()
    span = max(time_s[-1] - time_s[0], 1e-9)
    u = (time_s - time_s[0]) / span
    s = (u * u * (3 - 2 * u) - 0.5)[:, None] * amount
    if kind == "pan":
        spin = angles.turn(2, np.radians(-25 * s[:, 0]))
        target = eye + np.einsum("tij,tj->ti", spin, target - eye)
    elif kind == "dolly":
        side = np.cross(target[0] - eye[0], [0.0, 0.0, 1.0])
        move = side / np.linalg.norm(side) * s
        eye, target = eye + move, target + move
    elif kind == "push":
        ahead = (target[0] - eye[0]) * [1.0, 1.0, 0.0]
        move = ahead / np.linalg.norm(ahead) * s
        eye, target = eye + move, target + move
    elif kind == "crane":
        eye = eye + 0.6 * s * [0.0, 0.0, 1.0]
    elif kind == "orbit":
        spin = angles.turn(2, np.radians(40 * s[:, 0]))
        eye = target + np.einsum("tij,tj->ti", spin, eye - target)
    elif kind == "handheld":
        rng = np.random.default_rng(seed)
        far = np.linalg.norm(target[0] - eye[0])
        eye = eye + 0.02 * amount * _noise(rng, time_s, (0.4, 1.1, 2.3))
        target = target + 0.017 * far * amount * _noise(rng, time_s, (0.3, 0.9, 2.9))
    T = look_at(eye, target)
    if kind == "handheld":
        roll = np.radians(0.5) * amount * _noise(np.random.default_rng(seed + 1), time_s, (0.5, 1.3))[:, 0]
        T[:, :3, :3] = T[:, :3, :3] @ angles.turn(2, roll)
    return T


def project(points_m: np.ndarray, T_wc: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Pixels of world points. points_m (T, N, 3), T_wc (T, 4, 4), K (3, 3) or (T, 3, 3). Returns (T, N, 2)."""
    local = np.einsum("tji,tnj->tni", T_wc[:, :3, :3], points_m - T_wc[:, None, :3, 3])
    K = np.broadcast_to(K, (len(T_wc), 3, 3))
    flat = np.einsum("tij,tnj->tni", K, local)
    return flat[..., :2] / flat[..., 2:]
