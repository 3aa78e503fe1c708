"""Whoever is in the air falls: their centre of mass keeps its velocity along the floor, and gravity bends its way down.

One view hardly shows how far away somebody is who turns over in the air: a body that is tucked in looks like one further
off. But nothing can push there. Between leaving the floor and landing on it the centre of mass goes along a parabola
(Newton), and what is known of the way before and after is known of it in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from .carried import ACCELERATION_SIGMA, HEIGHT_SIGMA_M
from .contact import runs
from .kinematics import Pose, pose
from .losses import softly
from .masses import GRAVITY
from .model import Model
from .normal import Normal

if TYPE_CHECKING:
    from .fit import State

SPREAD = np.array([1.0, 1.0, 2.0])
"""Of the centre of mass' acceleration in the air, m/s²: masses are those of the mean body, and limbs swing at 20 m/s². Up and
down more: the take's metres may be a fifth too long, where nobody's height is known."""
ROBUST = 3.0
"""Spreads beyond which it counts linearly: a landing that was not seen as one."""
LEAST_S = 0.2
"""A runner's flights are shorter, and whether a foot still stands in them, or already does, matters more than the fall."""
FALLS = (0.6, 1.6)
"""Times gravity's, the acceleration of what may be a fall: children are taken for adults."""
ROUGH = 0.5
"""Share of what bends the heights that may be something else than a parabola: depth that is off by a metre, seen from above,
is off in height too."""


@dataclass(frozen=True)
class Flight:
    """Frames in the air."""

    sure: np.ndarray
    """(T,) 0..1: nothing carries in this frame."""

    def take(self, frames: np.ndarray) -> Flight:
        """The same for some of the frames."""
        return Flight(self.sure[frames])


def flight_of(model: Model, state: State, time_s: np.ndarray, joined: np.ndarray, carries: np.ndarray) -> Flight:
    """When somebody is in the air, up to a better pose: nothing stands, and the centre of mass falls.

    Args:
        model: The body.
        state: T frames, z up.
        time_s, joined: (T,)
        carries: (T, C) 0..1: how surely soles stand, and other parts rest.
    """
    p = pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    return Flight(falling(model.mass.positions(p, state.shape)[:, 0, 2], np.asarray(time_s, dtype=float), joined,
                          carries.max(1) < 0.5))


def falling(height_m: np.ndarray, time_s: np.ndarray, joined: np.ndarray, loose: np.ndarray) -> np.ndarray:
    """(T,) 0..1: how surely somebody falls freely in a frame.

    Runs of frames in which nothing is seen to stand are judged as a whole, without their first and last one, in which
    something may. Unlike `carried.carried_odds`, which doubts what it cannot tell, this wants to be sure.

    Args:
        height_m: (T,) of the centre of mass.
        time_s: (T,)
        joined: (T,) bool: frame continues the one before.
        loose: (T,) bool: nothing is seen to stand.
    """
    out = np.zeros(len(height_m))
    for a, b in runs(loose, joined):
        inside = slice(a + 1, b - 1)
        if b - a < 5 or time_s[b - 2] - time_s[a + 1] < LEAST_S:
            continue
        # What of a parabola, and of the heights, is no straight line.
        away = time_s[inside] - time_s[inside].mean()
        straight = np.stack([np.ones(len(away)), away], 1)
        both = np.stack([away**2 / 2, height_m[inside]], 1)
        bend, bent = (both - straight @ (np.linalg.pinv(straight) @ both)).T
        acceleration = float(bend @ bent / (bend @ bend))
        rest = bent - acceleration * bend
        if not FALLS[0] < -acceleration / GRAVITY < FALLS[1] or rest @ rest > (ROUGH * acceleration) ** 2 * (bend @ bend):
            continue
        spread = HEIGHT_SIGMA_M**2 / (bend @ bend) + ACCELERATION_SIGMA**2
        out[inside] = expit((acceleration**2 - (acceleration + GRAVITY) ** 2) / (2 * spread))
    return out


def add(flight: Flight, model: Model, triple: np.ndarray, second: np.ndarray, share: np.ndarray, p: Pose, shape: np.ndarray,
        out: Normal | None = None) -> float:
    """Cost of a centre of mass that does not fall freely in the air.

    Args:
        flight: T frames.
        model: The body.
        triple: (N,) first of three joined frames.
        second: (3, N) factors on the three that make an acceleration, 1/s².
        share: (N,) how much each three count.
        p: The body's pose in T frames.
        shape: Its shape, taken as it is.
        out: Gets gradient and matrix by the per-frame unknowns.
    """
    sure = np.minimum(np.minimum(flight.sure[triple], flight.sure[triple + 1]), flight.sure[triple + 2])
    fall = sure > 0
    if not fall.any():
        return 0.0
    i, c, count = triple[fall], second[:, fall], (share * sure)[fall]
    mass, by_mass = model.mass.jacobian(p, shape) if out is not None else (model.mass.positions(p, shape), None)
    off = sum(c[k, :, None] * mass[i + k, 0] for k in range(3)) + [0.0, 0.0, GRAVITY]
    r = off / SPREAD
    loss, weight = softly(np.linalg.norm(r, axis=1), ROBUST)
    cost = float((count * loss).sum())
    if out is None:
        return cost
    j = [c[k, :, None, None] * by_mass[i + k, 0] / SPREAD[:, None] for k in range(3)]
    pull = [np.swapaxes(j[k], 1, 2) * (count * weight)[:, None, None] for k in range(3)]
    for k in range(3):
        out.gradient[i + k] += (pull[k] @ r[..., None])[..., 0]
        out.diagonal[i + k] += pull[k] @ j[k]
        for later in range(k + 1, 3):
            out.couple_all(i + k, later - k, pull[later] @ j[k])
    return cost
