"""Steps across a straight way, put between the footfalls of somebody who walks over them. Pure NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RISE_M = 0.15
LEVELS = (0, 0, 1, 2, 2, 1, 0, 0)
"""Level of the footfalls round the middle of the way: up two steps, over the top, and down again."""
WIDTH_M = 1.2


@dataclass(frozen=True)
class Steps:
    """How high the ground is along a straight way."""

    origin_m: np.ndarray
    """(2,) a point of the way."""
    ahead: np.ndarray
    """(2,) unit vector along it."""
    edges_m: np.ndarray
    """(E,) increasing: where the height changes, along the way from the origin."""
    level_m: np.ndarray
    """(E + 1,) heights before, between and behind them."""

    def height(self, points_m: np.ndarray) -> np.ndarray:
        """Of the ground under points (..., 2 or 3), m."""
        along = (np.asarray(points_m)[..., :2] - self.origin_m) @ self.ahead
        return self.level_m[np.searchsorted(self.edges_m, along)]

    def moved(self, shift_m: np.ndarray) -> Steps:
        """The same steps elsewhere."""
        return Steps(self.origin_m + shift_m, self.ahead, self.edges_m, self.level_m)

    def blocks(self) -> list[dict]:
        """One box per raised tread: its middle (3,) and size (3,), m, and its turn about the vertical, rad."""
        out = []
        for a, b, high in zip(self.edges_m[:-1], self.edges_m[1:], self.level_m[1:-1], strict=True):
            if high > 0:
                middle = self.origin_m + self.ahead * (a + b) / 2
                out.append({"middle_m": [*middle.tolist(), float(high) / 2], "size_m": [float(b - a), WIDTH_M, float(high)],
                            "turn_rad": float(np.arctan2(self.ahead[1], self.ahead[0]))})
        return out


def under(falls_m: np.ndarray, middle: int, ahead: np.ndarray, toe_m: float, heel_m: float) -> Steps:
    """Steps for footfalls, each on a tread of its own.

    Args:
        falls_m: (N, 2) where the balls of the feet come down, in order.
        middle: The footfall in the middle of the steps.
        ahead: (2,) unit vector along the way.
        toe_m: The tip of the toes before the ball.
        heel_m: The heel behind it.
    """
    origin = falls_m[middle]
    along = (falls_m - origin) @ ahead
    first = middle - (len(LEVELS) - 1) // 2
    level = np.zeros(len(falls_m), dtype=int)
    for i, value in enumerate(LEVELS):
        if 0 <= first + i < len(falls_m):
            level[first + i] = value
    change = np.flatnonzero(np.diff(level))
    # The edge lies in the middle between the toes of the foot behind it and the heel of the one before.
    edges = (along[change] + toe_m + along[change + 1] - heel_m) / 2
    return Steps(origin, ahead, edges, RISE_M * np.r_[level[change], level[change[-1] + 1]].astype(float))
