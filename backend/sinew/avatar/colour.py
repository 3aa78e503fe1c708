"""Colours of the splats: a robust average of what the frames showed, and what to give the splats that none showed."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from sinew_take import skeleton as sk

NEAR_M = 0.05
MIRROR_M = 0.03
LEAST_IN_REGION = 50
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


def borrow(colours: np.ndarray, seen: np.ndarray, places_m: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Colours for splats that no frame showed, from those that some frame did.

    In this order: seen splats of the same region close by; the mirror image's; the region's median; the nearest ones'.

    Args:
        colours: (N, 3), NaN where not seen.
        seen: (N,) bool.
        places_m: (N, 3) in the rest pose.
        region: (N,) material region.

    Returns:
        (N, 3) without NaN; mid-grey (127.5) everywhere if nothing was seen.
    """
    out = colours.copy()
    if not seen.any():
        out[:] = 127.5
        return out
    # Another region is as good as far away.
    apart = np.concatenate([places_m, 10.0 * region[:, None]], 1)
    tree, known = cKDTree(apart[seen]), colours[seen]
    missing = np.flatnonzero(~seen)
    k = int(min(8, len(known)))

    def nearby(points: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
        distance, index = tree.query(points, k=k)
        distance, index = distance.reshape(len(points), k), index.reshape(len(points), k)
        weight = 1 / np.maximum(distance, 1e-3) ** 2
        mixed = (known[index] * weight[..., None]).sum(1) / weight.sum(1, keepdims=True)
        return mixed, distance[:, 0] < reach

    def fill(values: np.ndarray, fits: np.ndarray) -> None:
        nonlocal missing
        out[missing[fits]] = values[fits]
        missing = missing[~fits]

    fill(*nearby(apart[missing], NEAR_M))
    if len(missing):
        fill(*nearby(apart[missing] * [*sk.MIRROR, 1.0], MIRROR_M))
    for name in np.unique(region[missing]):
        pool = seen & (region == name)
        if pool.sum() >= LEAST_IN_REGION:
            out[missing[region[missing] == name]] = np.median(colours[pool], 0)
    missing = missing[np.isnan(out[missing, 0])]
    if len(missing):
        tree = cKDTree(places_m[seen])
        fill(*nearby(places_m[missing], np.inf))
    return out
