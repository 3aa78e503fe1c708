"""Who does not fall is carried: a sole must be down, also where none is seen to stand.

A detector that lifts a foot too early, or a foot that comes towards the camera, leaves somebody in the air in the middle
of a step. But whoever is in the air falls: their centre of mass is accelerated by gravity and by nothing else. Where it
goes along evenly instead, the lowest sole carries them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from .balance import lowest, on_feet
from .contact import around, nearest, runs
from .kinematics import pose
from .masses import GRAVITY
from .model import Model

if TYPE_CHECKING:
    from .fit import State

AROUND_S = 0.125
"""Time before and after a frame over which the centre of mass is looked at, as far as nothing is planted."""
HEIGHT_SIGMA_M, ACCELERATION_SIGMA = 0.005, 2.0
"""Spread of the centre of mass' height in a frame, and of what a fit makes of its acceleration, m/s²."""
UNLIKELY = 1.0
"""Log odds against: the eye is believed first."""
NEAR_M, NEAR_SPREAD_M = 0.15, 0.02
"""Height over the floor below which a sole may be down that is not seen to be."""
SEEN_WITHIN_S = 0.1
"""The foot must have been seen so shortly before or after: one that nobody sees may be anywhere."""
_UP = np.array([0.0, 0.0, 1.0])


def carried_odds(height_m: np.ndarray, time_s: np.ndarray, joined: np.ndarray, loose: np.ndarray) -> np.ndarray:
    """Log odds (T,) that somebody is carried while nothing of them is seen to stand.

    The acceleration about a frame, by a parabola through the heights, is nearer to nothing or nearer to gravity's, for its
    spread: one frame hardly tells, and then nobody is carried.

    Args:
        height_m: (T,) of the centre of mass.
        time_s: (T,)
        joined: (T,) bool: frame continues the one before.
        loose: (T,) bool: nothing is seen to stand. The odds of other frames are -inf.
    """
    out = np.full(len(height_m), -np.inf)
    first, last = around(time_s, joined, AROUND_S + 1e-6)
    for a, b in runs(loose, joined):
        for t in range(a, b):
            # With the frames just before and after, in which something stands.
            i = np.arange(max(first[t], a - 1), min(last[t], b) + 1)
            if len(i) < 3:
                continue
            away = time_s[i] - time_s[t]
            to_parabola = np.linalg.pinv(np.stack([np.ones(len(i)), away, away**2 / 2], 1))[2]
            acceleration = float(to_parabola @ height_m[i])
            spread = (HEIGHT_SIGMA_M * np.linalg.norm(to_parabola)) ** 2 + ACCELERATION_SIGMA**2
            out[t] = ((acceleration + GRAVITY) ** 2 - acceleration**2) / (2 * spread) - UNLIKELY
    return out


def soles_that_carry(model: Model, state: State, time_s: np.ndarray, joined: np.ndarray, planted: np.ndarray,
                     seen: np.ndarray) -> np.ndarray:
    """How surely each sole must be down though none is seen to stand.

    Args:
        model: The body.
        state: T frames, on the floor z = 0.
        time_s, joined: (T,)
        planted: (T, 4) 0..1, by what is seen.
        seen: (T, 4) bool of `subject.soles_seen`.

    Returns:
        (T, 4) 0..1; 0 where something is seen to stand, and for whoever knees, hands or a seat may carry.
    """
    p = pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    soles = model.soles.positions(p, state.shape)
    loose = planted.max(1) < 0.5
    odds = carried_odds(model.mass.positions(p, state.shape)[:, 0, 2], time_s, joined, loose)
    low = expit((NEAR_M - soles[..., 2].min(1)) / NEAR_SPREAD_M)
    sure = expit(odds) * on_feet(p.centre, soles, _UP) * low
    return sure[:, None] * lowest(soles, _UP) * _lately(time_s, seen)


def _lately(time_s: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(T, 4) bool: heel or toes of this sole's foot were seen (T, 4) shortly before or after."""
    feet = seen.reshape(-1, 2, 2).any(2)
    near = np.zeros_like(feet)
    for foot in (0, 1):
        at = time_s[feet[:, foot]]
        if len(at):
            near[:, foot] = nearest(at, time_s)[1] <= SEEN_WITHIN_S + 1e-6
    return np.repeat(near, 2, axis=1)
