"""Whoever walks or runs does the same again: each step mirrors the one before it, each stride repeats the last.

So half a stride later the other side shows what this side did, from where a mirror would see it: a second view of the same
pose, which tells of an arm behind the body and of depth what one view cannot. Nothing is made periodic: the last fits feel,
softly, where the limbs were one step and one stride before and after, and how the pelvis was turned about the way. Mirrored,
a pelvis that faces off the way faces off it to the other side, so on the whole it faces the way.

Source of the idea: Ribnick and Papanikolopoulos, "3D reconstruction of periodic motion from a single view", IJCV 2010, there
for points and whole periods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sinew_take import skeleton as sk

from ..geometry import rotations as rot
from .contact import nearest
from .losses import fading
from .normal import Normal

LEGS = [sk.DOF_INDEX[f"{name}_{side}"] for side in "rl" for name in ("hip_flexion", "knee_angle")]
"""What tells steps: it swings most, and is seen best. First the right leg's."""
SHORTEST_S, LONGEST_S, STEP_S = 0.25, 0.9, 0.01
"""Times of a step that are tried: from sprinting to ambling."""
WINDOW_S = 1.5
"""Frames so near speak for how somebody walks about a frame."""
LEAST_S = 0.3
"""So much of the film must have its other step in it."""
LIKE = 0.6
"""Of the swing of one leg against the other, how far one step may be from the mirrored other one, and a stride from the next:
0.06 to 0.24 for walkers and runners, 0.42 to 0.53 for one who is hidden behind others for a third of the time, 0.74 and more
for everybody else."""
ON_S = 1.0
"""Whoever is hidden so shortly after or before they walked is taken to walk."""
GAP_S = 0.2
"""What lies between two sightings so near to each other follows from them better than from other steps."""
LEAST_SWING = 0.12
"""rad, of one leg against the other: whoever hardly moves repeats themselves too, and so do squats and hops on both feet."""
MIRRORED, AGAIN = 0.3, 0.2
"""Spreads, rad: from a step to the mirrored next one, and from a stride to the next. People's strides differ by 2 to 5
degrees and their sides by as much; what was fitted elsewhere errs too, and for many frames alike."""
TRUNK, TRUNK_SHARE = slice(sk.DOF_INDEX["lumbar_bending"], sk.DOF_INDEX["thorax_twist"] + 1), 0.5
"""The trunk differs by so much less than the limbs do."""
TURN = 0.1
"""Spread of the pelvis' turn, rad, about the way: on the whole people face where they go."""
STEPS = (-2, -1, 1, 2)
"""Other steps that a frame is told by, from its own."""
OTHER_FOOT = [2, 3, 0, 1]
"""Soles as a mirror shows them."""
MIRROR = np.diag([-1.0, 1.0, 1.0])
"""Of the rest axes, whose x is sideways."""
LEAST_WAY_M = 0.3
"""In a stride. Whoever goes nowhere may face anywhere."""
ODD = 2.0
"""Spreads beyond which another step is taken to be different (a phone at the ear, a hand in a pocket) and fades."""
TURN_ODD = 4.0
"""The same of the pelvis' turn: whoever is fitted 12 degrees off the way, so 24 off the mirrored step, is pulled a quarter as
hard; one who does go 30 degrees from where they face is left so to 2 degrees."""


@dataclass(frozen=True)
class Gait:
    """Where the steps before and after, S of them, would have the body."""

    q: np.ndarray
    """(T, S, 46) rad."""
    inverse: np.ndarray
    """(T, S, 46) 1/rad: one over the spread; 0 where there is no such step, and for the pelvis' turn."""
    pelvis: np.ndarray
    """(T, S, 3, 3) rest axes -> world, turned with the way."""
    turn_inverse: np.ndarray
    """(T, S) 1/rad: one over the spread of the pelvis' turn; 0 where there is no such step, or no way."""
    step_s: np.ndarray
    """(T,) time from one step to the next, s; 0 where nobody walks or runs."""

    def take(self, frames: np.ndarray) -> Gait:
        return Gait(self.q[frames], self.inverse[frames], self.pelvis[frames], self.turn_inverse[frames], self.step_s[frames])


def gait(q: np.ndarray, pelvis: np.ndarray, root_m: np.ndarray, time_s: np.ndarray, joined: np.ndarray, seen: np.ndarray
         ) -> Gait | None:
    """What the other steps say of each frame, or None where nobody walks or runs.

    Args:
        q: (T, 46) rad, as fitted so far.
        pelvis: (T, 3, 3) rest axes -> world, as fitted so far.
        root_m: (T, 3) in the world, its z up.
        time_s: (T,)
        joined: (T,) bool: the frame continues the one before it.
        seen: (T,) bool: detected. Other frames are told, and tell nothing.
    """
    step_s = step_times(q, time_s, joined, seen)
    if not np.isfinite(step_s).any():
        return None
    step_s = filled(step_s, time_s, ~seen)  # who is hidden goes on as before, or as after it
    walks = np.isfinite(step_s)
    step_s = np.where(walks, step_s, 0.0)
    along = rot.exp(ways(root_m, time_s, joined, step_s)[:, None] * [0.0, 0.0, 1.0])
    turn = np.swapaxes(along, 1, 2) @ pelvis
    told, told_turn = (np.where(seen[:, None], x, np.nan) for x in (q, turn.reshape(-1, 9)))
    found = others(told, time_s, joined, step_s)
    turns = along[:, None] @ others(told_turn, time_s, joined, step_s, _mirrored_turn).reshape(-1, len(STEPS), 3, 3)
    known = walks[:, None] & np.isfinite(found).all(2)
    turned = known & np.isfinite(turns).all((2, 3))
    spread = np.array([MIRRORED if steps % 2 else AGAIN for steps in STEPS])[:, None] * np.ones(q.shape[1])
    spread[:, TRUNK] *= TRUNK_SHARE
    q_inverse = np.where(known[..., None] & (np.arange(q.shape[1]) > 2), 1 / spread, 0.0)
    turns = rot.nearest(np.where(turned[..., None, None], turns, np.eye(3)))  # straight between frames is not quite a turn
    return Gait(np.where(known[..., None], found, q[:, None]), q_inverse, turns, np.where(turned, 1 / TURN, 0.0), step_s)


def _mirrored_turn(turn: np.ndarray) -> np.ndarray:
    return (MIRROR @ turn.reshape(-1, 3, 3) @ MIRROR).reshape(-1, 9)


def others(values: np.ndarray, time_s: np.ndarray, joined: np.ndarray, step_s: np.ndarray,
           mirrored: Callable[[np.ndarray], np.ndarray] = sk.mirror_q) -> np.ndarray:
    """(T, S, D) values (T, D) in the other `STEPS` of each frame, every second one mirrored; NaN where there is none.

    Args:
        values: NaN in frames that tell nothing.
        time_s, joined: As for `gait`.
        step_s: (T,)
        mirrored: Turns values (T, D) into those of the mirrored pose.
    """
    found = [at(values, time_s, joined, time_s + ahead * step_s) for ahead in STEPS]
    return np.stack([mirrored(x) if ahead % 2 else x for x, ahead in zip(found, STEPS, strict=True)], 1)


def filled(step_s: np.ndarray, time_s: np.ndarray, where: np.ndarray, within_s: float = ON_S) -> np.ndarray:
    """Times of a step (T,) with those of somebody who walks so shortly before or after put in, where asked for (T,)."""
    walks = np.isfinite(step_s)
    own, away = nearest(time_s[walks], time_s)
    return np.where(~walks & where & (away <= within_s), step_s[walks][own], step_s)


def gone_on(q: np.ndarray, root_m: np.ndarray, steps: Gait, time_s: np.ndarray, seen: np.ndarray
            ) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (T, 46) and places (T, 3) to begin from: in frames of a gap, where other steps tell, their mean on an
    even way.

    What was put between the frames beside a gap may be a whole step short of what happened in it, and no small step leads
    from one to the other. Arguments as for `gait`.
    """
    told = steps.inverse.any(2) & hidden(time_s, seen)[:, None]
    known = told.any(1)
    mean = (steps.q * told[..., None]).sum(1) / np.maximum(told.sum(1), 1)[:, None]
    way = np.stack([np.interp(time_s, time_s[seen], x) for x in root_m[seen].T], 1)
    return np.where(known[:, None], mean, q), np.where(known[:, None], way, root_m)


def stood(chance: np.ndarray, steps: Gait, time_s: np.ndarray, joined: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """How surely soles stand (T, 4), left and right: in frames of a gap as in the other steps, where any tells."""
    told = np.where(seen[:, None], chance, np.nan)
    found = others(told, time_s, joined, steps.step_s, lambda soles: soles[:, OTHER_FOOT])
    known = np.isfinite(found).all(2) & (steps.step_s > 0)[:, None]
    mean = np.where(known[..., None], found, 0.0).sum(1) / np.maximum(known.sum(1), 1)[:, None]
    return np.where((known.any(1) & hidden(time_s, seen))[:, None], mean, chance)


def hidden(time_s: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(T,) bool: not seen, nor shortly before and after. Arguments as for `gait`."""
    own = np.r_[-np.inf, time_s[seen], np.inf]
    after = np.searchsorted(own, time_s)
    return ~seen & (own[after] - own[after - 1] > GAP_S)


def add(steps: Gait, share: np.ndarray, q: np.ndarray, pelvis: np.ndarray, out: Normal | None = None) -> float:
    """The cost of not moving as in the other steps. Adds to `out` where given.

    Args:
        steps: Of the same T frames.
        share: (T,) how much each frame counts.
        q: (T, 46) rad.
        pelvis: (T, 3, 3) rest axes -> world.
        out: Gauss-Newton matrix and gradient.
    """
    off = (q[:, None] - steps.q) * steps.inverse
    loss, weight = fading(off, ODD)
    turn = rot.log(pelvis[:, None] @ np.swapaxes(steps.pelvis, 2, 3))
    turn_loss, turn_weight = fading(np.linalg.norm(turn, axis=2) * steps.turn_inverse, TURN_ODD)
    if out is not None:
        own, pull = np.arange(q.shape[1]), share[:, None, None] * weight * steps.inverse
        out.diagonal[:, own, own] += (pull * steps.inverse).sum(1)
        out.gradient[:, own] += (pull * off).sum(1)
        by_turn = rot.left_jacobian_inverse(turn)
        pull = (share[:, None] * turn_weight * steps.turn_inverse**2)[..., None, None] * np.swapaxes(by_turn, 2, 3)
        out.diagonal[:, :3, :3] += (pull @ by_turn).sum(1)
        out.gradient[:, :3] += (pull @ turn[..., None])[..., 0].sum(1)
    return float((share[:, None, None] * loss).sum() + (share[:, None] * turn_loss).sum())


def ways(root_m: np.ndarray, time_s: np.ndarray, joined: np.ndarray, step_s: np.ndarray) -> np.ndarray:
    """(T,) the turn about z from the rest pose's front (-y) to where somebody goes, rad; NaN where they hardly go anywhere.

    Over a whole stride, so that swaying from foot to foot leaves no trace: the one about a frame, and of the first and last
    steps the one beside it. (Going on as the way curves was tried: a slope is too rough to be carried so far.)
    step_s: (T,); the rest as for `gait`.
    """
    far = np.full((len(root_m), 2), np.nan)
    for before, after in ((1, 1), (0, 2), (2, 0)):
        first, last = (at(root_m[:, :2], time_s, joined, time_s + steps * step_s) for steps in (-before, after))
        far = np.where(np.isfinite(far), far, last - first)
    return np.where(np.linalg.norm(far, axis=1) > LEAST_WAY_M, np.arctan2(far[:, 0], -far[:, 1]), np.nan)


def step_times(q: np.ndarray, time_s: np.ndarray, joined: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(T,) time from one step to the next about each frame, s; NaN where nobody walks or runs. Arguments as for `gait`."""
    out = np.full(len(q), np.nan)
    legs, mirrored = (np.where(seen[:, None], x[:, LEGS], np.nan) for x in (q, sk.mirror_q(q)))
    against = (legs[:, :2] - legs[:, 2:])[seen] / np.sqrt(2)
    mean, square = (_about(time_s, time_s[seen], x) for x in (against, against**2))
    swing = np.sqrt(np.maximum(square - mean**2, 0.0).mean(1))
    usual_s = float(np.median(np.diff(time_s))) if len(q) > 1 else 0.0
    best = np.full(len(q), LIKE)
    for step_s in np.arange(SHORTEST_S, LONGEST_S, STEP_S):
        # The next step is mirrored, and the one after it the same again: whoever is hidden every other step has few pairs
        # of the first kind.
        pairs = [_pairs(legs, at(other, time_s, joined, time_s + ahead), time_s + ahead / 2)
                 for other, ahead in ((mirrored, step_s), (legs, 2 * step_s))]
        if len(pairs[0][0]) * usual_s < LEAST_S:
            continue
        middle_s, off = (np.concatenate(column) for column in zip(*pairs, strict=True))
        order = np.argsort(middle_s, kind="stable")
        apart = np.sqrt(_about(time_s, middle_s[order], off[order])[:, 0] / 2) / np.maximum(swing, 1e-9)
        better = (apart < best) & (swing > LEAST_SWING)  # NaN where no pair is near
        best, out = np.where(better, apart, best), np.where(better, step_s, out)
    return out


def _pairs(legs: np.ndarray, other: np.ndarray, middle_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times (P,) between the frames of each pair, for which it speaks, and mean squares (P, 1) of how far its legs differ."""
    pair = np.isfinite(other + legs).all(1)
    return middle_s[pair], ((other - legs)[pair] ** 2).mean(1, keepdims=True)


def at(q: np.ndarray, time_s: np.ndarray, joined: np.ndarray, when_s: np.ndarray) -> np.ndarray:
    """(N, D) of q (T, D) at other times (N,), straight between frames; NaN outside, and where the take is broken."""
    if len(time_s) < 2:
        return np.full((len(when_s), q.shape[1]), np.nan)
    k = np.clip(np.searchsorted(time_s, when_s, side="right") - 1, 0, len(time_s) - 2)
    share = (when_s - time_s[k]) / (time_s[k + 1] - time_s[k])
    inside = (share > -1e-6) & (share < 1 + 1e-6) & joined[k + 1]
    return np.where(inside[:, None], q[k] + share[:, None] * (q[k + 1] - q[k]), np.nan)


def _about(time_s: np.ndarray, own_s: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(T, D) means of values (N, D) within `WINDOW_S` of each time (T,); NaN where there are none. own_s: (N,), in order."""
    low, high = np.searchsorted(own_s, time_s - WINDOW_S), np.searchsorted(own_s, time_s + WINDOW_S, side="right")
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, 0)])
    count = (high - low)[:, None]
    return np.where(count > 0, (sums[high] - sums[low]) / np.maximum(count, 1), np.nan)
