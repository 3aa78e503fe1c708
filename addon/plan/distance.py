"""Two points of the floor over a picture: where they begin, and how far apart they are in the take. NumPy only."""

from __future__ import annotations

import numpy as np

from ...backend.sinew_take.take import Take
from . import lens
from .camera import picture_size

_HALF_M = 0.5
_EDGE = 0.04
_LEAST_APART = 0.1
"""Shares of the picture's width."""


def begin(take: Take, frame: int) -> tuple[np.ndarray, float]:
    """Where two points begin in one picture as filmed: beside the feet of the first person who is there.

    Returns:
        (2, 2) px, inside the picture, and how far from the camera that is, m.
    """
    size = np.array(picture_size(take), float)
    T_wc = take.shot["T_wc"][frame].astype(float)
    there = next((s for s in take.subjects if bool(s.motion["present"][frame])), None)
    plain = size * [[0.3, 0.85], [0.7, 0.85]]
    if there is None:
        return plain, 3.0
    root = there.motion["root_m"][frame].astype(float)
    side = T_wc[:3, 0] * [1, 1, 0]
    side = side / max(np.linalg.norm(side), 1e-6)
    places = root * [1, 1, 0] + np.array([[-_HALF_M], [_HALF_M]]) * side
    shot = {name: take.shot[name][frame:frame + 1].astype(float) for name in ("T_wc", "K", "distortion")}
    px = lens.project(places[None], **shot)[0]
    distance = max(float((root - T_wc[:3, 3]) @ T_wc[:3, 2]), 0.3)
    if not np.isfinite(px).all():
        return plain, distance
    px = np.clip(px, _EDGE * size, (1 - _EDGE) * size)
    return (px if np.linalg.norm(px[1] - px[0]) > _LEAST_APART * size[0] else plain), distance


def solved_m(take: Take, frame: int, px: np.ndarray) -> float:
    """How far apart two points (2, 2) px of a picture as filmed are on the take's floor, m; NaN where one is not on it."""
    T_wc, K = take.shot["T_wc"][frame].astype(float), take.shot["K"][frame].astype(float)
    ideal = lens.ideal_px(np.asarray(px, float)[None], K[None], take.shot["distortion"][frame].astype(float)[None])[0]
    ray = np.concatenate([ideal, np.ones((2, 1))], 1) @ np.linalg.inv(K).T @ T_wc[:3, :3].T
    if not (ray[:, 2] < -1e-6).all():
        return float("nan")
    places = T_wc[:3, 3] - ray * (T_wc[2, 3] / ray[:, 2])[:, None]
    return float(np.linalg.norm(places[1] - places[0]))
