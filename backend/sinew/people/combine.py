"""Several looks at one person in one frame made into one: sides put right, then a robust mean and its spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .crops import MARGIN
from .doubled import doubled
from .looks import Sighting
from .swaps import GROUPS, agree, exchanged, read_sides

LIMBS = np.arange(11, 33)
OUTLIER = 0.03
"""Distance from the median, in sizes, at which a crop's say is halved."""
SPREAD, FALL = 0.55, 6.0
"""How far off a keypoint may be, per axis and in sizes: SPREAD * exp(-FALL * its heatmap's height). Chosen on the clips of
`bench accuracy` and `bench world`; the height tells errors apart better than anything else that the models say, looks that
disagree included (docs/fit.md, "Heatmaps")."""

DOUBLED = 0.1
"""Factor on the confidence of a point that is the other side's."""


@dataclass(frozen=True)
class Combined:
    """One person in N frames."""

    keypoints_px: np.ndarray
    """(N, 33, 3): x, y, confidence."""
    spread_px: np.ndarray
    """(N, 33) how far off the points may be by their heatmaps, per axis."""
    apart_px: np.ndarray
    """(N, 33) how far the looks lie apart, standard deviation per axis."""
    landmarks_m: np.ndarray
    """(N, 33, 3)."""
    presence: np.ndarray
    """(N,)."""
    exchanged: np.ndarray
    """(N, 3) bool: hips, legs and upper body were read the other way than most crops of the frame did."""


def robust_mean(points: np.ndarray, landmarks_m: np.ndarray, confidence: np.ndarray, size_px: float
                ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of P looks, weighted by confidence and by nearness to their median.

    Args:
        points: (P, 33, 2) px.
        landmarks_m: (P, 33, 3).
        confidence: (P, 33).
        size_px: The person's size.

    Returns:
        Points (33, 2), their standard deviation per axis (33,) px, landmarks (33, 3).
    """
    away = np.linalg.norm(points - np.median(points, 0), axis=-1) / (OUTLIER * size_px)
    weight = (confidence + 0.02) / (1.0 + away**2)
    weight = weight / weight.sum(0)
    mean = (weight[..., None] * points).sum(0)
    # The plain spread, not the weighted one: looks that disagree are doubt, also where most of them agree.
    spread = np.sqrt((np.linalg.norm(points - mean, axis=-1) ** 2).mean(0) / 2)
    return mean, spread, (weight[..., None] * landmarks_m).sum(0)


def disagreement(sighting: Sighting) -> float:
    """How far the crops of one frame lie apart once they are read alike: median over the limbs, in the person's sizes.

    Real people stay under 0.02 in most frames and under 0.05 in their worst; what the landmark model makes of cushions,
    chairs or a part of somebody lies above 0.05 (the shared clips).
    """
    size = sighting.crop.side_px / MARGIN
    points = sighting.points_px / size
    flip, _ = agree(points, sighting.confidence + 0.02)
    points = np.stack([exchanged(p, *f) for p, f in zip(points, flip)])
    spread = np.sqrt((np.linalg.norm(points - points.mean(0), axis=-1) ** 2).mean(0) / 2)
    return float(np.median(spread[LIMBS]))


def combine(sightings: list[Sighting], time_s: np.ndarray, size_px: tuple[int, int]) -> Combined:
    """One person's keypoints over the frames with sightings.

    Args:
        sightings: N of them, in order.
        time_s: (N,).
        size_px: Width and height of the picture.
    """
    n = len(sightings)
    sizes = np.array([s.crop.side_px / MARGIN for s in sightings])
    flips, votes = [], np.ones((n, len(GROUPS)))
    for t, s in enumerate(sightings):
        flip, votes[t] = agree(np.concatenate([s.points_px / sizes[t], s.landmarks_m], -1), s.confidence + 0.02)
        flips.append(flip)
    points, apart, height = np.zeros((n, 33, 2)), np.zeros((n, 33)), np.zeros((n, 33))
    landmarks, confidence = np.zeros((n, 33, 3)), np.zeros((n, 33))

    def merge(t: int) -> None:
        s = sightings[t]
        p, w, c, h = (np.stack([exchanged(v, *f) for v, f in zip(values, flips[t])])
                      for values in (s.points_px, s.landmarks_m, s.confidence[..., None], s.height[..., None]))
        points[t], apart[t], landmarks[t] = robust_mean(p, w, c[..., 0], sizes[t])
        confidence[t], height[t] = np.median(c[..., 0], axis=0), np.median(h[..., 0], axis=0)

    for t in range(n):
        merge(t)
    # One size for the shot's neighbourhood, so that a crop that breathes does not look like motion.
    smooth = np.array([np.median(sizes[max(t - 7, 0):t + 8]) for t in range(n)])
    readings = read_sides(points / smooth[:, None, None], landmarks, confidence + 0.02, votes, time_s)
    for t in np.flatnonzero(readings.any(1)):
        flips[t] = flips[t] ^ readings[t]
        merge(t)
    landmarks -= landmarks[:, 23:25].mean(1, keepdims=True)
    confidence = confidence * in_picture(points, size_px, sizes)
    confidence = np.where(doubled(points, smooth, time_s), DOUBLED * confidence, confidence)
    spread = SPREAD * np.exp(-FALL * height) * smooth[:, None]
    return Combined(np.concatenate([points, confidence[..., None]], -1), spread, apart, landmarks,
                    np.array([np.median(s.presence) for s in sightings]), readings)


def in_picture(points_px: np.ndarray, size_px: tuple[int, int], sizes_px: np.ndarray) -> np.ndarray:
    """Factor on confidence: 1 in the picture, falling to 0.05 within a tenth of the person's size outside it."""
    outside = np.maximum(np.maximum(-points_px, points_px - np.array(size_px)), 0.0).max(-1)
    return np.clip(1.0 - outside / (0.1 * sizes_px[:, None]), 0.05, 1.0)
