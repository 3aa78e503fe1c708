"""Legs that the detector gave to each other, told by the other steps of whoever walks.

Where legs cross in a side view the detector may go on with the wrong ones, until they cross again. Both readings move evenly
(`people.swaps` looks for the evener one); but half a stride before and after, the other leg did what this one does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sinew_take import skeleton as sk

from ..flow import Track
from . import fit
from .contact import runs
from .gait import LEGS, filled, others, step_times
from .model import KEYPOINT

DOFS = [i for i, name in enumerate(sk.DOF_NAMES) if name.startswith(("hip_", "knee_", "ankle_", "subtalar_", "mtp_"))]
KEYS = {side: [KEYPOINT[f"{name}_{side}"] for name in ("knee", "ankle", "heel", "foot_index")] for side in "lr"}
WITHIN_S = 3.0
"""So near to frames in which somebody walks, the time of their steps is tried."""
LEAST_S = 0.15
"""So long at least: a crossing itself looks alike both ways."""
OFF, BETTER = 0.25, 0.5
"""rad from what the other steps say, as read, on the mean of such a stretch; and the share of it that the other reading may
leave. Walkers whose legs are read rightly have no frame above 0.15 where the other reading is better."""
MOST = 1 / 3
"""Of the frames that can be judged: where more of them seem exchanged, which reading is right is not known."""


def exchanged(q: np.ndarray, time_s: np.ndarray, joined: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(T,) bool: the legs fit the other steps far better the other way round. Arguments as for `gait.gait`."""
    out = np.zeros(len(q), dtype=bool)
    step_s = step_times(q, time_s, joined, seen)
    if not np.isfinite(step_s).any():
        return out
    # With half of its legs exchanged a step is like no other, so it has the time of those beside it.
    step_s = filled(step_s, time_s, np.ones(len(q), dtype=bool), WITHIN_S)
    told = others(np.where(seen[:, None], q, np.nan), time_s, joined, np.nan_to_num(step_s))[..., LEGS]
    told[~np.isfinite(step_s)] = np.nan
    known = np.isfinite(told).all(2) & seen[:, None]
    judged = known.any(1)
    usual = np.zeros((len(q), len(LEGS)))
    for count in np.unique(known.sum(1)[judged]):
        rows = judged & (known.sum(1) == count)
        usual[rows] = np.median(told[rows][known[rows]].reshape(-1, count, len(LEGS)), axis=1)
    own, other = (np.sqrt(((q[:, columns] - usual) ** 2).mean(1)) for columns in (LEGS, LEGS[2:] + LEGS[:2]))
    for a, b in runs(judged & (other < own), joined):
        if time_s[b - 1] - time_s[a] >= LEAST_S and own[a:b].mean() > OFF and other[a:b].mean() < BETTER * own[a:b].mean():
            out[a:b] = True
    return out if out.sum() <= MOST * judged.sum() else np.zeros_like(out)


def put_right(track: Track, seen: fit.Observations, q: np.ndarray, frames: np.ndarray, which: np.ndarray
              ) -> tuple[Track, fit.Observations, np.ndarray]:
    """A track, what the fit sees of it and the pose, legs exchanged in some frames.

    Args:
        track: Of the shot; its keypoints, spreads, landmarks and doubts are.
        seen: N of its frames.
        q: (N, 46) rad.
        frames: (N,) which.
        which: (N,) bool.
    """
    rows = np.flatnonzero(which)

    def swapped(values: np.ndarray | None, own: np.ndarray) -> np.ndarray | None:
        if values is None:
            return None
        out = values.copy()
        for here, there in (("l", "r"), ("r", "l")):
            out[np.ix_(own, KEYS[here])] = values[np.ix_(own, KEYS[there])]
        return out

    track = replace(track, **{name: swapped(getattr(track, name), frames[rows])
                              for name in ("keypoints_px", "spread_px", "landmarks_m", "doubtful")})
    seen = replace(seen, **{name: swapped(getattr(seen, name), rows)
                            for name in ("px", "sigma_px", "depth_m", "depth_weight")})
    out = q.copy()
    out[np.ix_(rows, DOFS)] = sk.mirror_q(q)[np.ix_(rows, DOFS)]
    return track, seen, out
