"""Which frames of a track are solved, and in which the track is broken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..flow import Shot, Track
from .start import finite_track

LONGEST_GAP_S = 0.5
"""A gap up to this long is filled by smoothness; over a longer one the person is not present."""
LONGEST_HIDDEN_S = 1.5
"""The same where somebody else stands in front: the person is there, only not seen."""
MOSTLY = 0.6
"""Share of a gap's frames in which the person must be hidden."""
LEAST_KEYPOINTS = 6


@dataclass(frozen=True)
class Frames:
    """Frames of one track's fit."""

    index: np.ndarray
    """(N,) frames of the shot, ascending."""
    seen: np.ndarray
    """(N,) bool: detected; the others are filled."""
    joined: np.ndarray
    """(N,) bool: continues the frame before it in `index`."""


def solved_frames(shot: Shot, track: Track) -> Frames:
    """Frames with a usable detection and the short gaps between them. Empty where nothing is usable."""
    px, confidence, landmarks = finite_track(track)
    time = np.asarray(shot.time_s, dtype=float)
    usable = ((confidence > 0.1).sum(1) >= LEAST_KEYPOINTS) & np.isfinite(landmarks).all((1, 2))
    # All keypoints on one spot is no person.
    with np.errstate(invalid="ignore"):
        usable &= np.ptp(np.where(confidence[..., None] > 0.1, px, np.nan_to_num(px[:, :1])), axis=1).max(1) > 4.0
    known = np.nonzero(usable)[0]
    if len(known) == 0:
        empty = np.zeros(0, dtype=int)
        return Frames(empty, empty.astype(bool), empty.astype(bool))
    index, joined = [known[0]], [False]
    for a, b in zip(known[:-1], known[1:], strict=True):
        whole = time[b] - time[a] <= LONGEST_GAP_S or b == a + 1 or (
            track.hidden is not None and time[b] - time[a] <= LONGEST_HIDDEN_S and track.hidden[a + 1:b].mean() >= MOSTLY)
        span = range(a + 1, b + 1) if whole else [b]
        index.extend(span)
        joined.extend([whole] * len(span))
    index = np.array(index)
    return Frames(index, usable[index], np.array(joined))
