"""Where people overlap in the picture: which of somebody's keypoints may be another one's.

The landmark model looks at one person at a time, and takes the nearest limb for theirs: a walker in front of somebody gets
that one's legs, confidently and for many frames. What tells: the keypoint lies on the other one's mask or off the person's
own; or somebody is lost there, whom nobody could set it against.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..flow import Track
from .hiding import covered, expected_boxes, mark_hidden, points_on_mask

LOST_MARGIN = 0.1
"""Of the height of the box in which a lost person is expected: it is put straight between two detections, and nobody
moves quite so."""
LOST_S = 0.75
"""So long after or before a detection a lost person is reckoned with; then they may be anywhere."""


def mark_overlaps(tracks: Sequence[Track], size_px: tuple[int, int], time_s: np.ndarray) -> None:
    """Set `hidden`, `overlaps` and `doubtful` of every track, in place.

    Args:
        tracks: Everybody in the shot.
        size_px: Width and height of the picture.
        time_s: (T,)
    """
    mark_hidden(tracks)
    boxes = [_boxes(t, np.asarray(time_s)) for t in tracks]
    for i, track in enumerate(tracks):
        track.overlaps = np.zeros(len(track.present), bool)
        track.doubtful = np.zeros(track.keypoints_px.shape[:2], bool)
        beside = np.zeros(len(track.present), bool)
        for k, other in enumerate(tracks):
            if k == i:
                continue
            over = track.present & (covered(boxes[i], boxes[k]) > 0)
            seen, lost = over & other.present, over & ~other.present
            track.overlaps |= over
            beside |= seen
            track.doubtful |= points_on_mask(track, other, seen, size_px)
            track.doubtful |= lost[:, None] & _inside(track.keypoints_px[..., :2], boxes[k])
        beside &= np.diff(track.masks["offset"]) > 0  # a frame without a mask says nothing
        track.doubtful |= beside[:, None] & ~points_on_mask(track, track, beside, size_px)


def _boxes(track: Track, time_s: np.ndarray) -> np.ndarray:
    """(T, 4) where somebody is, or was or will be a moment ago or later; NaN elsewhere."""
    boxes = expected_boxes(track)
    seen_s = time_s[track.present]
    if len(seen_s):
        following = np.searchsorted(seen_s, time_s).clip(0, len(seen_s) - 1)
        away = np.minimum(np.abs(seen_s[following] - time_s), np.abs(time_s - seen_s[(following - 1).clip(0)]))
        boxes[away > LOST_S] = np.nan
    return boxes


def _inside(points_px: np.ndarray, box_px: np.ndarray) -> np.ndarray:
    """(T, K) bool: points (T, K, 2) in or beside boxes (T, 4); nothing is in a box that is not known."""
    margin = LOST_MARGIN * (box_px[:, 3] - box_px[:, 1])[:, None, None]
    low, high = box_px[:, None, :2] - margin, box_px[:, None, 2:] + margin
    return ((points_px >= low) & (points_px <= high)).all(-1)
