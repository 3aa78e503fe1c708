"""Colours of the splats: a robust average of what the frames showed, and what to give the splats that none showed."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

LEAST_IN_PART = 30
NEIGHBOURS = 16
SIDE_M = 0.015
"""Half the extra distance to a splat on the other side of the body."""
KEPT_SHARE = 0.25
"""Samples of a splat with less than this share of its best weight are left out: few sharp views beat many poor ones."""
LEAST_SPREAD = 12.0
"""Grey levels within which samples agree, whatever their spread."""


def average(samples: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted median per channel, then a mean in which samples far from it count less (Huber 1964).

    Args:
        samples: (S, N, 3) uint8.
        weights: (S, N), 0 where a frame does not show a splat.

    Returns:
        Colours (N, 3) 0..255, NaN where no sample has weight; (N,) bool, where any has.
    """
    best = weights.max(0, initial=0.0)
    weights = np.where(weights >= KEPT_SHARE * best, weights, 0).astype(np.float32)
    seen = best > 0
    out = np.full((samples.shape[1], 3), np.nan, np.float32)
    if not seen.any():
        return out, seen
    values, weights = samples[:, seen].astype(np.float32), weights[:, seen]
    middle = np.stack([_weighted_median(values[..., c], weights) for c in range(3)], -1)
    distance = np.abs(values - middle).max(-1)
    spread = np.maximum(1.5 * _weighted_median(distance, weights), LEAST_SPREAD)
    weights = weights * np.minimum(1, spread / np.maximum(distance, 1e-6))
    out[seen] = np.einsum("sn,snc->nc", weights, values) / weights.sum(0)[:, None]
    return out, seen


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(S, N) -> (N,)."""
    order = np.argsort(values, 0)
    total = np.cumsum(np.take_along_axis(weights, order, 0), 0)
    at = (total < 0.5 * total[-1]).sum(0)
    return np.take_along_axis(values, np.take_along_axis(order, at[None], 0), 0)[0]


def borrow(colours: np.ndarray, seen: np.ndarray, places_m: np.ndarray, part: np.ndarray, along: np.ndarray
           ) -> np.ndarray:
    """Colours for splats that no frame showed, from those of the same part of the body that some frame did.

    Distance counts fully along the part and little around it: clothes change from top to bottom more than from front
    to back. Left and right are folded together, at a small price.

    Args:
        colours: (N, 3), NaN where not seen.
        seen: (N,) bool.
        places_m: (N, 3) in the rest pose.
        part: (N,) part of the body, the same number for its mirror image.
        along: (N, 3) how much distance counts in x, y and z.

    Returns:
        (N, 3) without NaN; mid-grey (127.5) everywhere if nothing was seen.
    """
    out = colours.copy()
    if not seen.any():
        out[:] = 127.5
        return out
    folded = np.abs(places_m * [1, 0, 0]) + places_m * [0, 1, 1]
    apart = np.concatenate([folded * along, SIDE_M * np.sign(places_m[:, :1]), 10.0 * part[:, None]], 1)
    known = colours[seen]
    enough = np.isin(part, [name for name in np.unique(part) if (seen & (part == name)).sum() >= LEAST_IN_PART])

    def fill(missing: np.ndarray, points: np.ndarray) -> None:
        k = np.arange(1, min(NEIGHBOURS, len(known)) + 1)
        distance, index = cKDTree(points[seen]).query(points[missing], k=k)
        weight = 1 / np.maximum(distance, 1e-3) ** 2
        out[missing] = (known[index] * weight[..., None]).sum(1) / weight.sum(1, keepdims=True)

    for missing, points in ((~seen & enough, apart), (~seen & ~enough, places_m)):
        if missing.any():
            fill(missing, points)
    return out
