"""Whether people keep their identity: IDF1 and identity switches of tracks against known people. Pure functions.

Sources: Ristani et al. 2016 (IDF1: one track per person over the whole clip, the pairing with the most frames in common)
and Bernardin and Stiefelhagen 2008 (switches: a person's track of this frame is another than that of the last one).
Differs: boxes are drawn around the same keypoints on both sides, so that no two ways of drawing a box are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from sinew_take import skeleton as sk

from .metrics import LIMB_KEYPOINTS
from .tables import Row, row

LEAST_OVERLAP = 0.5
"""Of two boxes, intersection over union, from which they are one person's."""
LEAST_INSIDE = 0.5
"""Share of the keypoints inside the picture from which a true person counts as in the shot."""
LIMBS = [sk.MEDIAPIPE_KEYPOINTS.index(n) for n in LIMB_KEYPOINTS]


@dataclass(frozen=True)
class Identity:
    """Counts are of boxes: one person in one frame."""

    idf1: float
    switches: int
    kept: int
    """Boxes of true people under the track that is theirs."""
    missed: int
    """Boxes of true people without it."""
    strange: int
    """Boxes of tracks that are not at the person whose track it is."""
    track_of: tuple[int | None, ...]
    """For every true person the number of its track."""


def boxes_of(points_px: np.ndarray) -> np.ndarray:
    """(T, 4) x0 y0 x1 y1 around points (T, K, 2) px; NaN where any point is missing."""
    points = np.asarray(points_px, float)
    return np.concatenate([points.min(1), points.max(1)], -1)


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (..., 4), 0 where one is missing."""
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    both = np.prod(np.clip(high - low, 0, None), -1)
    either = np.prod(a[..., 2:] - a[..., :2], -1) + np.prod(b[..., 2:] - b[..., :2], -1) - both
    with np.errstate(invalid="ignore", divide="ignore"):
        share = both / either
    return np.where(np.isfinite(share), share, 0.0)


def inside(points_px: np.ndarray, size_px: Sequence[int]) -> np.ndarray:
    """(T,) bool: enough of the points (T, K, 2) lie in the picture."""
    points = np.asarray(points_px, float)
    return ((points >= 0) & (points < np.asarray(size_px))).all(-1).mean(1) >= LEAST_INSIDE


def compare(found: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> Identity:
    """Compare tracks with true people.

    Args:
        found: Per track boxes (T, 4), NaN where it has none.
        truth: Per person the same; NaN where the person is not to be counted.
    """
    n_found, n_truth = len(found), len(truth)
    match = np.zeros((n_truth, n_found, 0), bool)
    if n_found and n_truth:
        match = np.array([[overlaps(np.asarray(f, float), np.asarray(t, float)) >= LEAST_OVERLAP for f in found]
                          for t in truth])
    common = match.sum(2)
    rows, columns = linear_sum_assignment(-common) if common.size else ((), ())
    kept = int(sum(common[i, k] for i, k in zip(rows, columns)))
    n_true = int(sum(np.isfinite(t).all(1).sum() for t in truth))
    n_tracked = int(sum(np.isfinite(f).all(1).sum() for f in found))
    track_of: list[int | None] = [None] * n_truth
    for i, k in zip(rows, columns):
        if common[i, k]:
            track_of[i] = int(k)
    idf1 = 2 * kept / max(n_true + n_tracked, 1)
    return Identity(idf1, _switches(match, found, truth), kept, n_true - kept, n_tracked - kept, tuple(track_of))


def _switches(match: np.ndarray, found: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> int:
    """Frames in which a true person is under another track than when last seen."""
    held: dict[int, int] = {}
    count = 0
    for t in range(match.shape[2]):
        free_people, free_tracks = set(range(len(truth))), set(range(len(found)))
        for i, k in list(held.items()):  # who fits as before stays, also where somebody else would fit better
            if match[i, k, t] and k in free_tracks:
                free_people.discard(i)
                free_tracks.discard(k)
        people, tracks = sorted(free_people), sorted(free_tracks)
        if not people or not tracks:
            continue
        share = np.array([[overlaps(truth[i][t], found[k][t]) for k in tracks] for i in people])
        for r, c in zip(*linear_sum_assignment(-share)):
            if share[r, c] >= LEAST_OVERLAP:
                i, k = people[r], tracks[c]
                count += i in held and held[i] != k
                held[i] = k
    return count


_SEGMENTS = [(LIMB_KEYPOINTS.index(a), LIMB_KEYPOINTS.index(b), r) for s in "lr" for a, b, r in (
    (f"hip_{s}", f"knee_{s}", 0.05), (f"knee_{s}", f"ankle_{s}", 0.035), (f"shoulder_{s}", f"elbow_{s}", 0.03),
    (f"elbow_{s}", f"wrist_{s}", 0.025), (f"shoulder_{s}", f"hip_{s}", 0.07))]
"""Of a body as seen: two limb points and the radius of what is between them, in heights of the person."""


def visible(points_px: np.ndarray, distance_m: np.ndarray, others: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """(T,) share of a true person's twelve limb points that no nearer person covers.

    Args:
        points_px: (T, 12, 2), in the order of `metrics.LIMB_KEYPOINTS`.
        distance_m: (T,) from the camera.
        others: The same two of everybody else; they are taken for tubes of a body's usual thickness along their limbs.
    """
    points = np.asarray(points_px, float)
    covered = np.zeros(points.shape[:2], bool)
    for other, away in others:
        other = np.asarray(other, float)
        height = 1.25 * np.ptp(other[..., 1], axis=1)  # ankles to shoulders, and the head above
        for a, b, radius in _SEGMENTS:
            start, along = other[:, None, a], other[:, None, b] - other[:, None, a]
            share = np.clip(((points - start) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-9), 0, 1)
            off = np.linalg.norm(points - start - share[..., None] * along, axis=-1)
            covered |= (off < (radius * height)[:, None]) & (away < distance_m)[:, None]
    return 1.0 - covered.mean(1)


def of_points(found_px: Sequence[np.ndarray], truth_px: Sequence[np.ndarray], size_px: Sequence[int],
              in_sight: Sequence[np.ndarray] | None = None) -> Identity:
    """Compare people by the same K points of each.

    Args:
        found_px: Per track (T, K, 2) px, NaN where it is not present.
        truth_px: Per person (T, K, 2) px; frames in which most of them lie outside the picture do not count.
        size_px: Width and height of the picture.
        in_sight: Per person (T,) bool; where false, the person is hidden and does not count either.
    """
    counted, left_out = [], []
    for i, points in enumerate(truth_px):
        boxes, is_in = boxes_of(points), inside(points, size_px)
        if in_sight is not None:
            is_in = is_in & in_sight[i]
        counted.append(np.where(is_in[:, None], boxes, np.nan))
        left_out.append(np.where(is_in[:, None], np.nan, boxes))
    found = []
    for points in found_px:
        boxes = boxes_of(points)
        # Who half left the picture, or is out of sight, is neither asked for nor held against the track; but whoever
        # stands in front of them is.
        on_them, on_others = (np.any([overlaps(boxes, b) >= LEAST_OVERLAP for b in some] or [np.zeros(len(boxes))], axis=0)
                              for some in (left_out, counted))
        on_them &= ~on_others
        found.append(np.where((inside(points, size_px) & ~on_them)[:, None], boxes, np.nan))
    return compare(found, counted)


LEAST_VISIBLE = 0.5
"""Share of a true person's limb points that nobody nearer covers, from which the person counts as in sight."""


def sights(points_px: Sequence[np.ndarray], distance_m: Sequence[np.ndarray]) -> list[np.ndarray]:
    """For every true person (T,) bool: enough of them is not hidden behind somebody nearer; for `of_points`.

    Args:
        points_px: Per person (T, 12, 2), in the order of `metrics.LIMB_KEYPOINTS`.
        distance_m: Per person (T,) from the camera.
    """
    everybody = list(zip(points_px, distance_m, strict=True))
    return [visible(points, away, everybody[:i] + everybody[i + 1:]) >= LEAST_VISIBLE
            for i, (points, away) in enumerate(everybody)]


def rows(identity: Identity, name: str, what: str = "") -> list[Row]:
    """Rows of a benchmark's table. what: says which tracks, put behind the figures' names."""
    return [row(f"{name}: IDF1{what}", identity.idf1, "", target="0.97"),
            row(f"{name}: identity switches{what}", identity.switches, "", target="0")]
