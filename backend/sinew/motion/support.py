"""Balance as evidence for depth: whoever is on their feet has their centre of mass over what carries them, roughly.

One view hardly shows how far a foot is in front of the body or behind it, and whoever is read with a leg half a metre off
along the line of sight would fall at once. True people keep their centre of mass within a few centimetres of the sole that
is down while they stand, dance or kick; along their way it swings with the stride.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .balance import lowest, on_feet
from .contact import around
from .kinematics import Pose, pose
from .losses import softly
from .model import Model
from .normal import Normal

if TYPE_CHECKING:
    from .fit import State

SPREAD_M = 0.08
"""Of the centre of mass about what carries it, in each direction of the floor ..."""
STRIDE_S = 0.12
"""... and along the way so many metres more per m/s: about half of the time that a foot stands."""
ROBUST = 2.0
"""Spreads beyond which it counts by its distance only: cartwheels are off by 0.8 m."""
AROUND_S = 0.15
"""Time before and after a frame over which a way is looked at."""
_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Support:
    """What carries somebody."""

    carries: np.ndarray
    """(T, 4) each sole's share; rows sum to 1."""
    per_spread: np.ndarray
    """(T, 2, 3) two directions of the floor, each over the spread in it, 1/m."""
    sure: np.ndarray
    """(T,) 0..1: that nothing but the soles carries."""

    def take(self, frames: np.ndarray) -> Support:
        """The same for some of the frames."""
        return Support(self.carries[frames], self.per_spread[frames], self.sure[frames])

    def in_air(self, sure: np.ndarray) -> Support:
        """The same, less what is surely (T,), 0..1, carried by nothing."""
        return replace(self, sure=(1 - sure) * self.sure)


def support_of(model: Model, state: State, time_s: np.ndarray, joined: np.ndarray) -> Support:
    """What carries somebody in a pose, up to a better one: whichever soles are lowest.

    Args:
        model: The body.
        state: T frames, z up.
        time_s, joined: (T,)
    """
    p = pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    soles = model.soles.positions(p, state.shape)
    down = lowest(soles, _UP)
    way = _velocity(model.mass.positions(p, state.shape)[:, 0, :2], np.asarray(time_s, dtype=float), joined)
    speed = np.linalg.norm(way, axis=1, keepdims=True)
    along = np.where(speed > 1e-3, way / np.maximum(speed, 1e-3), [1.0, 0.0])
    directions = np.zeros((len(along), 2, 3))
    directions[:, 0, :2] = along / np.hypot(SPREAD_M, STRIDE_S * speed)
    directions[:, 1, 0], directions[:, 1, 1] = -along[:, 1] / SPREAD_M, along[:, 0] / SPREAD_M
    return Support(down / down.sum(1, keepdims=True), directions, on_feet(p.centre, soles, _UP))


def _velocity(x: np.ndarray, time_s: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """(T, 2) mean velocity of places (T, 2) about each frame, within its run; 0 for a frame alone."""
    a, b = around(time_s, joined, AROUND_S)
    return (x[b] - x[a]) / np.maximum(time_s[b] - time_s[a], 1e-3)[:, None]


def add(support: Support, model: Model, share: np.ndarray, p: Pose, shape: np.ndarray, soles_m: np.ndarray,
        by_soles: np.ndarray | None = None, out: Normal | None = None) -> float:
    """Cost of a centre of mass that is not over what carries it.

    Args:
        support: T frames.
        model: The body.
        share: (T,) how much each frame counts.
        p: The body's pose.
        shape: Its shape, taken as it is.
        soles_m: (T, 4, 3) places of the soles.
        by_soles: (T, 4, 3, 49) their Jacobian; for `out`.
        out: Gets gradient and matrix by the per-frame unknowns.
    """
    carries, directions = support.carries[:, None], support.per_spread
    mass, by_mass = model.mass.jacobian(p, shape) if out is not None else (model.mass.positions(p, shape), None)
    r = (directions @ np.swapaxes(mass - carries @ soles_m, 1, 2))[..., 0]
    loss, weight = softly(np.linalg.norm(r, axis=1), ROBUST)
    count = share * support.sure
    cost = float((count * loss).sum())
    if out is None:
        return cost
    n, columns = len(r), by_mass.shape[-1]
    j = directions @ (by_mass[:, 0] - (carries @ by_soles.reshape(n, -1, 3 * columns)).reshape(n, 3, columns))
    jt = np.swapaxes(j, 1, 2) * (count * weight)[:, None, None]
    out.diagonal += jt @ j
    out.gradient += (jt @ r[..., None])[..., 0]
    return cost
