"""How alike two sightings are: place, keypoints, colours; and duplicates among them."""

from __future__ import annotations

import numpy as np

from .crops import SWAP, Crop

FALLOFF = np.full(33, 0.10)
"""Per keypoint: the distance, as a part of the person's size, at which likeness has fallen to 0.61."""
FALLOFF[[23, 24, 11, 12]] = 0.08
FALLOFF[[15, 16, 17, 18, 19, 20, 21, 22, 27, 28, 29, 30, 31, 32]] = 0.14

SAME = 0.5
"""Keypoint likeness from which two sightings of one frame are one person."""
SAME_COLOURS = 0.4
"""Distance of two colour descriptions under which it may be one person in the same light (the shared clips: one child
before and after 0.32, two children 0.45 and 0.60)."""


def overlap(a: Crop, b: Crop) -> float:
    """Intersection over union of two crops' upright squares."""
    def span(c: Crop, middle: float) -> tuple[float, float]:
        return middle - c.side_px / 2, middle + c.side_px / 2
    both = 1.0
    for name in ("x_px", "y_px"):
        (a0, a1), (b0, b1) = span(a, getattr(a, name)), span(b, getattr(b, name))
        both *= max(0.0, min(a1, b1) - max(a0, b0))
    return both / (a.side_px**2 + b.side_px**2 - both)


def keypoint_likeness(a_px: np.ndarray, b_px: np.ndarray, size_px: float, weight: np.ndarray) -> float:
    """Object keypoint similarity of two poses, 0..1; sides do not matter, because the detector swaps them.

    Args:
        a_px, b_px: (33, 2).
        size_px: The person's size (a crop's side over its margin).
        weight: (33,) of each keypoint.

    Source: the COCO keypoint challenge's measure (cocodataset.org, "Keypoint Evaluation"). Differs: falloffs of our own
    for MediaPipe's points, weights instead of a visibility flag, and pairs of sides are compared as they fit best.
    """
    def likeness(a: np.ndarray) -> np.ndarray:
        return np.exp(-((a - b_px) ** 2).sum(-1) / (2 * (size_px * FALLOFF) ** 2))
    best = likeness(a_px)
    other = likeness(a_px[SWAP])
    # Legs and the upper body are swapped separately.
    for part in (np.arange(23, 33), np.arange(23)):
        if other[part] @ weight[part] > best[part] @ weight[part]:
            best[part] = other[part]
    return float(best @ weight / max(weight.sum(), 1e-9))


def colour_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Hellinger distance of two colour descriptions, 0 (the same) to 1. 0.5 where one is missing: says nothing."""
    if a.size == 0 or b.size == 0:
        return 0.5
    return float(np.sqrt(max(0.0, 1.0 - a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-9))))
