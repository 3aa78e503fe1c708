"""Limbs seen twice: the landmark model gives both sides the one limb that it sees, and is as sure of either.

It does so where one side hides the other, where somebody else stands before it, and where it moves too fast to be seen. A
quarter of all limb points that are far off lie on the same limb of the other side. That both sides lie at one place says
little, for limbs do cross in the picture; that one of them was elsewhere a moment before and after, and the other was not,
says nearly all (docs/fit.md, "Limbs seen twice").
"""

from __future__ import annotations

import numpy as np

from .crops import SWAP
from .swaps import HIPS

LEFT = np.array([13, 15, 17, 19, 21, 25, 27, 29, 31])
"""Elbow, wrist, hand, knee, ankle, heel and toe. Shoulders and hips are too near each other for it."""
NEAR = 0.05
"""Distance of both sides, in the person's sizes, below which one of them may be the other."""
AWAY = 0.08
"""Distance from where a point was expected, in sizes, from which it is doubled, ..."""
TIMES = 1.5
"""... if that is so many times as far as the other side's."""
NEAREST_S = 0.09
"""A frame that shows the sides apart must be so near in time: farther from one, walkers' legs that cross look doubled."""
REACH_S, DECAY_S = 0.26, 0.06
"""How far away in time others have a say in where a point is expected, and how fast it falls off."""
SLOWNESS_S2 = 4e-4
"""Of the straight line through those frames: keeps its speed low where they are few or all on one side."""


def expected(points: np.ndarray, time_s: np.ndarray, at_s: float) -> np.ndarray:
    """Where points are at a time, by a weighted straight line through other frames.

    Args:
        points: (M, ..., 2) of those frames.
        time_s: (M,)
        at_s: The time asked for.
    """
    dt = np.asarray(time_s) - at_s
    weight = np.exp(-np.abs(dt) / DECAY_S)
    zeroth, first, second = weight.sum(), (weight * dt).sum(), (weight * dt**2).sum() + SLOWNESS_S2
    share = weight * (second - first * dt) / (zeroth * second - first**2)
    return np.tensordot(share, points, 1)


def doubled(points_px: np.ndarray, sizes_px: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Which keypoints of a person are the other side's.

    Args:
        points_px: (N, 33, 2), sides put right.
        sizes_px: (N,) the person's size.
        time_s: (N,)

    Returns:
        (N, 33) bool, never both sides of one limb; none where no frame near enough shows the sides apart.
    """
    points = (points_px - points_px[:, HIPS].mean(1, keepdims=True)) / sizes_px[:, None, None]
    out = np.zeros(points.shape[:2], bool)
    for pair in zip(LEFT, SWAP[LEFT]):
        both = points[:, pair]
        near = np.linalg.norm(both[:, 0] - both[:, 1], axis=-1) < NEAR
        for t in np.flatnonzero(near):
            first, last = np.searchsorted(time_s, [time_s[t] - REACH_S, time_s[t] + REACH_S])
            apart = np.arange(first, last)[~near[first:last]]
            if len(apart) < 2 or np.abs(time_s[apart] - time_s[t]).min() > NEAREST_S:
                continue
            away = np.linalg.norm(both[t] - expected(both[apart], time_s[apart], time_s[t]), axis=-1)
            worse = int(away.argmax())
            out[t, pair[worse]] = away[worse] > max(AWAY, TIMES * away[1 - worse])
    return out
