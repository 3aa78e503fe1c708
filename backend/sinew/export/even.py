"""A person's motion on even times, for formats that know a rate instead of times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sinew_take.take import Subject, Take

_EVEN = 0.1
"""Steps that differ from the mean by less than this share are even: containers round times to milliseconds."""
_ASTRAY = 0.25
"""No frame may lie farther than this share of a step from where counting steps puts it: small differences add up."""


@dataclass(frozen=True)
class Even:
    """Rows at the clip's rate. `present` says in which the person is there; elsewhere q and root_m are NaN."""

    time_s: np.ndarray
    rate_hz: float
    q: np.ndarray
    root_m: np.ndarray
    present: np.ndarray
    is_resampled: bool


def even(take: Take, subject: Subject) -> Even:
    """The take's own frames where their times are even; else the motion between them, straight in the coordinates, at the
    clip's mean rate."""
    time_s = take.shot["time_s"].astype(float)
    rate = take.meta["source"]["rate"]
    hz = float(rate[0]) / float(rate[1])
    motion = subject.motion
    q, root, present = motion["q"].astype(float), motion["root_m"].astype(float), motion["present"]
    step = np.diff(time_s)
    off = (time_s - time_s[0]) * hz - np.arange(len(time_s))
    if len(step) == 0 or (np.abs(step * hz - 1).max() < _EVEN and np.abs(off).max() < _ASTRAY):
        return Even(time_s, hz, q, root, present.copy(), False)
    new = np.arange(time_s[0], time_s[-1] + 1e-6, 1 / hz)
    after = np.clip(np.searchsorted(time_s, new - 1e-6), 1, len(time_s) - 1)
    before = after - 1
    share = np.clip((new - time_s[before]) / (time_s[after] - time_s[before]), 0, 1)[:, None]
    ok = (present[before] | (share[:, 0] > 1 - 1e-6)) & (present[after] | (share[:, 0] < 1e-6))

    def between(values: np.ndarray) -> np.ndarray:
        known = np.nan_to_num(values)
        out = known[before] * (1 - share) + known[after] * share
        out[~ok] = np.nan
        return out

    return Even(new, hz, between(q), between(root), ok, True)
