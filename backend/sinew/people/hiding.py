"""Who hides whom: frames in which a person is behind another one, and the order in depth that their masks show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sinew_take import masks

from ..flow import Track
from .combine import LIMBS

COVERED = 0.25
"""Share of a lost person's expected box under another one's from which that one may hide them."""
LEAST_POINTS = 30
"""Keypoints of one person on the mask of another, over all frames together, that tell who is in front."""
CLEAR = 2.0
"""So many times more of one's keypoints must lie on the other's mask than the other way round."""


@dataclass(frozen=True)
class Hiding:
    """Two people who overlap in the picture; numbers are those of the tracks."""

    front: int
    back: int
    frames: np.ndarray
    """(T,) bool: the back one's keypoints lie on the front one's mask, or the back one is lost behind the front one."""


def expected_boxes(track: Track) -> np.ndarray:
    """(T, 4) boxes, those of frames between two detections straight between; NaN before the first and after the last."""
    known = np.flatnonzero(track.present & np.isfinite(track.box_px).all(1))
    out = np.full(track.box_px.shape, np.nan)
    if len(known):
        t = np.arange(known[0], known[-1] + 1)
        out[t] = np.stack([np.interp(t, known, track.box_px[known, i]) for i in range(4)], -1)
    return out


def covered(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(T,) share of boxes (T, 4) that lies under others (T, 4); 0 where one is missing."""
    low, high = np.maximum(own[:, :2], other[:, :2]), np.minimum(own[:, 2:], other[:, 2:])
    both = np.prod(np.clip(high - low, 0, None), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = both / np.prod(own[:, 2:] - own[:, :2], 1)
    return np.where(np.isfinite(share), share, 0.0)


def mark_hidden(tracks: Sequence[Track]) -> None:
    """Set `hidden` of every track: not detected, between two detections, and where somebody else is. In place."""
    boxes = [expected_boxes(t) for t in tracks]
    for i, track in enumerate(tracks):
        hidden = np.zeros(len(track.present), bool)
        for k, other in enumerate(tracks):
            if k != i:
                hidden |= other.present & (covered(boxes[i], boxes[k]) >= COVERED)
        track.hidden = hidden & ~track.present & np.isfinite(boxes[i]).all(1)


def points_on_mask(track: Track, other: Track, frames: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """(T, 33) bool: a person's keypoints that lie on a mask, their own or another one's, in frames (T,) bool."""
    out = np.zeros(track.keypoints_px.shape[:2], bool)
    grid = other.masks["size_px"]
    for t in np.flatnonzero(frames):
        bits = masks.unpack(other.masks, int(t))
        cell = np.floor(track.keypoints_px[t, :, :2] * grid / size_px).astype(int)
        inside = ((cell >= 0) & (cell < grid)).all(1)
        out[t, inside] = bits[cell[inside, 1], cell[inside, 0]]
    return out


def on_mask(track: Track, other: Track, size_px: tuple[int, int]) -> np.ndarray:
    """(T,) how many of a person's limb keypoints lie on another one's mask, where both are detected."""
    near = track.present & other.present & (covered(track.box_px.astype(float), other.box_px.astype(float)) > 0)
    return points_on_mask(track, other, near, size_px)[:, LIMBS].sum(1)


def orders(tracks: Sequence[Track], size_px: tuple[int, int]) -> list[Hiding]:
    """Pairs of whom one is clearly in front of the other while they overlap.

    Masks are exclusive: where two people overlap, a cell belongs to the one whose mask is stronger there, the one who is
    seen. So keypoints of the hidden one lie on the mask of the one in front; and who is lost behind somebody is behind.
    """
    boxes = [expected_boxes(t) for t in tracks]
    out = []
    for i, a in enumerate(tracks):
        for k in range(i + 1, len(tracks)):
            b = tracks[k]
            a_on_b, b_on_a = on_mask(a, b, size_px), on_mask(b, a, size_px)
            lost = [_lost(x, y, boxes[p], boxes[q]) for x, y, p, q in ((a, b, i, k), (b, a, k, i))]
            # A frame in which all limbs are out of sight weighs as much as one with half of them on the other's mask.
            weight = [on.sum() + len(LIMBS) // 2 * gone.sum() for on, gone in zip((a_on_b, b_on_a), lost)]
            if max(weight) < LEAST_POINTS or max(weight) < CLEAR * min(weight):
                continue
            back, front = (i, k) if weight[0] > weight[1] else (k, i)
            on, gone = (a_on_b, lost[0]) if back == i else (b_on_a, lost[1])
            out.append(Hiding(front, back, (on >= 3) | gone))
    return out


def _lost(track: Track, other: Track, own: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return ~track.present & other.present & (covered(own, theirs) >= COVERED)


def against_depth(found: Sequence[Hiding], distance_m: Sequence[np.ndarray], margin_m: float = 0.1
                  ) -> list[tuple[Hiding, float]]:
    """Which orders a solve contradicts.

    Args:
        found: From `orders`.
        distance_m: Per track (T,) distance from the camera, NaN where not solved.
        margin_m: So much nearer may the back one be by chance.

    Returns:
        Orders with the share of their frames in which the one behind was solved nearer, where that is most of them.
    """
    out = []
    for hiding in found:
        front, back = distance_m[hiding.front], distance_m[hiding.back]
        known = hiding.frames & np.isfinite(front) & np.isfinite(back)
        if known.any():
            wrong = float((back[known] < front[known] - margin_m).mean())
            if wrong > 0.5:
                out.append((hiding, wrong))
    return out


def compared(tracks: Sequence[Track], eye_m: np.ndarray, roots_m: Sequence[np.ndarray], size_px: tuple[int, int]
             ) -> tuple[list[dict], list[str]]:
    """Who hides whom, beside how far away they were solved.

    Args:
        tracks: Of solved people.
        eye_m: (T, 3) the camera's place.
        roots_m: Per person (T, 3), NaN where not solved.
        size_px: Of the picture.

    Returns:
        Rows for the take's report (numbers of `front` and `back`, `frames`, `agrees` 0..1), and sentences, by the tracks'
        ids, on those who were solved in the wrong order.
    """
    found = orders(tracks, size_px)
    distance = [np.linalg.norm(np.asarray(r, float) - eye_m, axis=1) for r in roots_m]
    wrong = {id(h): share for h, share in against_depth(found, distance)}
    rows, notes = [], []
    for h in found:
        known = h.frames & np.isfinite(distance[h.front]) & np.isfinite(distance[h.back])
        if not known.any():
            continue
        agrees = float((distance[h.front] < distance[h.back])[known].mean())
        rows.append({"front": h.front, "back": h.back, "frames": int(h.frames.sum()), "agrees": round(agrees, 3)})
        if id(h) in wrong:
            notes.append(f"{tracks[h.front].id} hides {tracks[h.back].id} in {int(h.frames.sum())} frames and was solved "
                         f"farther away in {wrong[id(h)]:.0%} of them; a known height of the first person tells distances "
                         "apart.")
    return rows, notes
