"""How a solved body stands: when a sole is planted, and which way the body points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit

from sinew_take import skeleton as sk

from ..geometry.ground import LOOK_S
from .kinematics import pose
from .model import Model

if TYPE_CHECKING:
    from .fit import State

SLOW, SLOW_MOST = 0.30, 0.50
"""m/s: below this a sole counts as standing; the most that is for somebody fast. ..."""
SWING_SHARE, SLOW_SPREAD = 1 / 6, 0.25
"""... It is this share of the speed at which somebody's feet swing, since smoothing and short stances leave a runner's foot
as much more speed; its spread is a share of itself."""
NEAR_M, NEAR_SPREAD_M = 0.07, 0.02
ALONG_SIGHT = 0.3
"""Share of the speed along the line of sight that is believed: one view sees depth badly."""
WINDOW_S = 0.1
RAISED_M = 0.09
"""A sole that stands still higher than this over the floor stands on something else."""
RAISED_S = 0.2
"""So long at least: in the air a foot is still for less."""
CARRIES = 0.3
"""Share of that time in which no sole stands still lower down: a foot held up beside the standing one carries nothing."""
UNDER_PELVIS_M = 0.35
SELDOM = 0.2
"""Share of frames with something planted below which stances tell nothing of the floor: skates, a swing, a bed."""
LEVEL_SIGMA_M = 0.06
LEVEL_COST = 4.0
"""For `levels`: spread of one stance's height, and what a level more must gain."""


def sole_speed(soles_m: np.ndarray, time_s: np.ndarray, joined: np.ndarray, eye_m: np.ndarray) -> np.ndarray:
    """Speed of each sole point (T, 4), m/s, over about a tenth of a second.

    Args:
        soles_m: (T, 4, 3).
        time_s: (T,)
        joined: (T,) bool: frame continues the one before.
        eye_m: (T, 3) the camera's place.
    """
    n = len(time_s)
    out = np.full(soles_m.shape[:2], np.inf)
    for t, (a, b) in enumerate(zip(*around(time_s, joined, WINDOW_S / 2 + 1e-6))):
        if a == b:
            a = a - 1 if a > 0 and joined[a] else a
            b = b + 1 if b < n - 1 and joined[b + 1] else b
        if a == b:
            out[t] = 0.0  # a frame on its own: only the height can tell
            continue
        velocity = (soles_m[b] - soles_m[a]) / (time_s[b] - time_s[a])
        sight = soles_m[t] - eye_m[t]
        sight = sight / np.linalg.norm(sight, axis=-1, keepdims=True)
        along = (velocity * sight).sum(-1, keepdims=True)
        out[t] = np.linalg.norm(velocity - (1 - ALONG_SIGHT) * along * sight, axis=-1)
    return out


def slow_of(speed: np.ndarray) -> float:
    """Speed, m/s, below which the soles of one person stand, whose soles have these speeds (any shape) over time."""
    known = speed[np.isfinite(speed)]
    swing = float(np.percentile(known, 95)) if known.size else 0.0
    return float(np.clip(SWING_SHARE * swing, SLOW, SLOW_MOST))


def standing(speed: np.ndarray) -> np.ndarray:
    """Probability by speed alone, of one person's soles (any shape), m/s."""
    slow = slow_of(speed)
    return expit((slow - speed) / (SLOW_SPREAD * slow))


def planted(speed: np.ndarray, height_m: np.ndarray) -> np.ndarray:
    """Probability that a sole stands on the floor."""
    return standing(speed) * expit((NEAR_M - height_m) / NEAR_SPREAD_M)


def with_parts(soles: np.ndarray, parts: np.ndarray | None) -> np.ndarray:
    """(T, 4 + P) how surely each sole (T, 4) stands and each other part (T, P) rests; None: none of these does."""
    return soles if parts is None else np.concatenate([soles, parts], 1)


def with_evidence(chance: np.ndarray, evidence: np.ndarray | None) -> np.ndarray:
    """Probabilities (T, 4) with a network's word (T, 4) heard at equal weight, in log odds; NaN says nothing."""
    if evidence is None:
        return chance
    limit = 0.02  # nobody's word is certain
    both = expit((logit(np.clip(chance, limit, 1 - limit)) + logit(np.clip(evidence, limit, 1 - limit))) / 2)
    return np.where(np.isfinite(evidence), both, chance)


@dataclass(frozen=True)
class Stances:
    """Where somebody's soles, or whatever carried them, stood still: M of them."""

    place: np.ndarray
    """(M, 3) median places, m."""
    weight: np.ndarray
    """(M,) how much each says."""
    afoot: np.ndarray
    """(M,) 0..1, for how much of it the body stood on its feet and on nothing else."""


def events(chance: np.ndarray, points_m: np.ndarray, joined: np.ndarray, afoot: np.ndarray | None = None) -> Stances:
    """One stance per unbroken time over one half, so that long stands do not outweigh steps.

    Its weight is the mean probability, halved because heel and toe are one foot.

    Args:
        chance: (N, P) probability that each point stands still.
        points_m: (N, P, 3)
        joined: (N,) bool: frame continues the one before.
        afoot: (N,) how surely the soles alone carry, of `balance.support_axes`; None: always.
    """
    afoot = np.ones(len(chance)) if afoot is None else afoot
    stands = [(s, a, b) for s in range(chance.shape[1]) for a, b in runs(chance[:, s] > 0.5, joined)]
    return Stances(np.array([np.median(points_m[a:b, s], axis=0) for s, a, b in stands]).reshape(-1, 3),
                   np.array([0.5 * chance[a:b, s].mean() for s, a, b in stands]),
                   np.array([afoot[a:b].mean() for _, a, b in stands]))


def seldom(planted: np.ndarray) -> bool:
    """Whether hardly any of the points (N, P) that may touch the floor is seen planted on it, 0..1."""
    return float((planted > 0.5).any(1).mean()) < SELDOM


def heeded(weight: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Weights (M,) of somebody's `events` over the frames at time_s (T,): however often the same feet are put down, one
    look shows little more than two of them."""
    most = 2.0 * (np.ptp(time_s) / LOOK_S + 1)
    return weight * min(1.0, most / max(float(weight.sum()), 1e-9))


def raised(still: np.ndarray, soles_m: np.ndarray, pelvis_m: np.ndarray, time_s: np.ndarray, joined: np.ndarray,
           seen: np.ndarray) -> np.ndarray:
    """Which soles stand on something that is not the floor: steps, a box, a seat.

    Args:
        still: (T, 4) of `standing`.
        soles_m: (T, 4, 3) in the world, the floor at z = 0.
        pelvis_m: (T, 3)
        time_s: (T,)
        joined: (T,) bool.
        seen: (T, 4) bool of `subject.soles_seen`.

    Returns:
        (T, 4) bool: the sole stands still over the floor, below the pelvis, for a while nothing lower carries the body,
        and it was seen for most of that time.
    """
    out = np.zeros(still.shape, dtype=bool)
    height = soles_m[..., 2]
    on = still > 0.5
    for s in range(still.shape[1]):
        for a, b in runs(on[:, s], joined):
            z = height[a:b, s]
            long = b - a > 1 and time_s[b - 1] - time_s[a] >= RAISED_S
            under_pelvis = np.median(pelvis_m[a:b, 2] - z) >= UNDER_PELVIS_M
            if not long or seen[a:b, s].mean() < 0.5 or np.median(z) < RAISED_M or not under_pelvis:
                continue
            lower = (on[a:b] & (height[a:b] < z[:, None] - RAISED_M / 2)).any(1)
            out[a:b, s] = np.mean(~lower) >= CARRIES
    return out


def on_floor_or_raised(speed: np.ndarray, soles_m: np.ndarray, pelvis_m: np.ndarray, time_s: np.ndarray,
                       joined: np.ndarray, seen: np.ndarray, said: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Probability (T, 4) that a sole stands, on the floor or on something else, and whether it is something else (T, 4).

    Args as of `raised`; speed: (T, 4) m/s; said: (T, 4) a network's word, or None.
    """
    still = with_evidence(standing(speed), said)
    floor = with_evidence(planted(speed, soles_m[..., 2]), said)
    higher = raised(still, soles_m, pelvis_m, time_s, joined, seen)
    return np.where(higher, still, floor), higher


def around(time_s: np.ndarray, joined: np.ndarray, within_s: float) -> tuple[np.ndarray, np.ndarray]:
    """(T,) first and last frame within a time of each frame (T,) s, in its own unbroken run."""
    run = np.cumsum(~np.asarray(joined, dtype=bool))
    first, last = np.searchsorted(run, run), np.searchsorted(run, run, side="right") - 1
    return (np.maximum(np.searchsorted(time_s, time_s - within_s), first),
            np.minimum(np.searchsorted(time_s, time_s + within_s, side="right") - 1, last))


def runs(on: np.ndarray, joined: np.ndarray) -> list[tuple[int, int]]:
    """Half-open runs of True (T,), broken where the frames are."""
    run = np.cumsum(~joined)
    start = np.flatnonzero(on & ~np.r_[False, on[:-1] & (run[1:] == run[:-1])])
    end = np.flatnonzero(on & ~np.r_[on[1:] & (run[1:] == run[:-1]), False]) + 1
    return list(zip(start.tolist(), end.tolist(), strict=True))


def nearest(known_s: np.ndarray, time_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of known times, in order and at least one, the nearest to each of others (T,): its number, and how far away, s."""
    following = np.searchsorted(known_s, time_s)
    beside = np.stack([following, following - 1]).clip(0, len(known_s) - 1)
    away = np.abs(known_s[beside] - time_s)
    return np.where(away[1] < away[0], beside[1], beside[0]), away.min(0)


def levels(height: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Sort stances by the level that they stand on, the lowest first: as few levels as explain their heights.

    Args:
        height: (M,) m.
        weight: (M,)

    Returns:
        (M,) int from 0. Found by the best division of the sorted heights (dynamic programming).
    """
    order = np.argsort(height)
    h, w = height[order], np.maximum(weight[order], 1e-9)
    total = np.concatenate([np.zeros((3, 1)), np.cumsum([w, w * h, w * h * h], axis=1)], 1)
    best, begin = np.zeros(len(h) + 1), np.zeros(len(h) + 1, dtype=int)
    for b in range(1, len(h) + 1):
        part = total[:, b, None] - total[:, :b]
        cost = best[:b] + (part[2] - part[1] ** 2 / part[0]) / LEVEL_SIGMA_M**2 + LEVEL_COST
        begin[b] = int(cost.argmin())
        best[b] = cost[begin[b]]
    out = np.zeros(len(h), dtype=int)
    edges, b = [], len(h)
    while b > 0:
        edges.append(begin[b])
        b = begin[b]
    for level, a in enumerate(edges[::-1]):
        out[order[a:]] = level
    return out


FLOOR_SHARE = 0.15
"""Of somebody's stances, so many must be on the lowest level for it to be their floor."""
AFOOT_LEAST, AFOOT_SHARE = 0.25, 0.2
"""Of somebody's stances, by their weight, so many must carry a body that stands on its feet for these alone to tell the
floor; and of these, so many must be on the lowest level. (Somebody who rolled had 0.03 and 0.13 of them there, since a
crouch misread in depth seems to stand lower; somebody who went over steps 0.5.)"""

AT_SHOWN_M, STEP_M = 0.05, 0.15
"""Of somebody who stands at the floor that the background shows, to within the first, a level that is lower by less than the
second is that floor too, misread in depth, unless they stand on it more often; steps are higher."""


def stands_on_feet(stances: Stances) -> bool:
    """Whether somebody stands on their feet and on nothing else often enough for their levels to tell steps."""
    return bool((stances.weight * stances.afoot).sum() >= AFOOT_LEAST * stances.weight.sum())


def floor_of(level: np.ndarray, stances: Stances, height: np.ndarray, shown: float | None = None) -> int:
    """Which level (M,) of somebody's stances is their floor: the lowest on which they stand more than once in a while, or one
    hardly higher that is at the floor shown by the background.

    Args:
        level: (M,) int.
        stances: M of them.
        height: (M,) m, theirs.
        shown: Height, m, of the floor that the background's points show: of somebody who is hardly on their feet it is
            the level nearest to it, of others if it is at it, and none is lower by a step. None: the lowest.
    """
    names = np.unique(level)
    afoot, stands = stances.weight * stances.afoot, stands_on_feet(stances)
    weight, least = (afoot, AFOOT_SHARE) if stands else (stances.weight, FLOOR_SHARE)
    share = np.array([weight[level == g].sum() for g in names]) / max(float(weight.sum()), 1e-9)
    often = share >= min(least, share.max())
    usual, share = names[often], share[often]
    own = np.array([np.median(height[level == g]) for g in usual])
    if shown is not None:
        off = np.abs(own - shown)
        near, low = int(off.argmin()), int(own.argmin())
        # The floor that is shown was scaled by the same feet: of somebody who is on steps for long it lies too high.
        misread = off[near] < AT_SHOWN_M and shown - own[low] < STEP_M and share[near] >= share[low]
        if not stands or misread:
            return int(usual[near])
    return int(usual[own.argmin()])


def body_axes(model: Model, state: State) -> np.ndarray:
    """(T, 3) unit vectors from the middle of the ankles to the middle of the shoulders."""
    p = pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    i = sk.JOINT_INDEX
    axis = (p.centre[:, [i["humerus_l"], i["humerus_r"]]].mean(1) - p.centre[:, [i["talus_l"], i["talus_r"]]].mean(1))
    return axis / np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-6)
