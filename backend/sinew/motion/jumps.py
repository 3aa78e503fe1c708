"""Forearms and shanks turned over: of the two places in depth that look alike, the one that fits the take better.

Seen from one place, a forearm that points away from the camera and one that points towards it, mirrored about the sphere
round the elbow, have the same keypoints. The fit begins from what the detector says of depth, which is wrong for a
forearm in a fifth to a half of the frames, and no small step leads from one to the other. So each stretch between two
moments at which both coincide is mirrored, solved in its neighbourhood, and kept where the whole cost falls.

Source: Sminchisescu and Triggs, "Kinematic jump processes for monocular 3D human tracking", CVPR 2003, there for one
frame at a time and all segments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sinew_take import skeleton as sk

from . import fit
from .kinematics import pose
from .model import Model
from .start import LIMBS, limb_angles

LEAST_MOVE_M = 0.15
"""A stretch in which both places lie no farther apart is left as it is."""
MEET = 0.6
"""Share of the lower of two peaks of their distance, at which they part two stretches."""
LONGEST = 300
"""Frames of a stretch: longer ones, which would take as much time and memory at once, are left as they are."""
AROUND_S = 0.251
"""Time on each side of a stretch that may follow it."""
DEPTH_SPREAD = 2.0
"""Times the spread of the detector's depth meanwhile: it is what has led there."""
ITERATIONS = 6
GAIN = 5.0
"""Of the cost, in squared spreads, for which a stretch is turned over. Mirrored limbs that differ by less are as often
wrong as right."""
HOPELESS, FAR = 6.0, (12.0, 4.0, 0.0)
"""What keypoints, depth and resting poses may cost more before anything is solved, a frame, and the whole after each of the
first steps. Of the forearms and shanks that gained on twenty clips one began with 5 more a frame, the others with 4 and less;
all but two were below these after their steps."""


def turned_over(model: Model, seen: fit.Observations, view: fit.View, weights: fit.Weights, state: fit.State,
                tick: Callable[[], None]) -> fit.State:
    """The state with those stretches of forearms and shanks mirrored that fit better so.

    Args:
        model: The body.
        seen: N frames.
        view: The camera in them.
        weights: Of the terms.
        state: Solved from them.
        tick: Called after each limb.
    """
    weights = replace(weights, depth_sigma_m=DEPTH_SPREAD * weights.depth_sigma_m)
    problem = fit.Problem(model, seen, view, weights, solve_shape=False)
    for limb in LIMBS:
        state = _limb(problem, state, limb)
        tick()
    return state


def _limb(problem: fit.Problem, state: fit.State, limb: tuple) -> fit.State:
    model, view = problem.model, problem.view
    body = pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    x = model.keypoints.positions(body, state.shape)
    eye = -np.einsum("tji,tj->ti", view.R_cw, view.t_cw)
    top, middle, end = (x[:, k] - eye for k in limb[3])
    other = mirrored(middle, end)
    apart = np.linalg.norm(other - end, axis=-1)
    parent = body.turn[:, sk.JOINTS[sk.JOINT_INDEX[limb[0]]].parent]
    dofs, angles = limb_angles(limb, parent, middle - top, other - middle, body.rest, model.skeleton.frames)
    for a, b in stretches(apart, problem.seen.joined):
        if apart[a:b].max() >= LEAST_MOVE_M and b - a <= LONGEST:
            state = _tried(problem, state, slice(a, b), dofs, angles[a:b])
    return state


def _tried(problem: fit.Problem, state: fit.State, stretch: slice, dofs: Sequence[int], angles: np.ndarray
           ) -> fit.State:
    """The state with a stretch of a limb at other angles and solved from there, if that fits better; else as it was."""
    n, time_s = problem.n, problem.seen.time_s
    which = np.arange(*np.searchsorted(time_s, (time_s[stretch.start] - AROUND_S, time_s[stretch.stop - 1] + AROUND_S)))
    # Two frames at each end, which the rest of the take is joined to, stay as they are.
    frozen = (which < which[0] + 2) & (which[0] > 0) | (which > which[-1] - 2) & (which[-1] < n - 1)
    before = state.take(which)
    q = before.q.copy()
    q[stretch.start - which[0]:stretch.stop - which[0], dofs] = angles
    after = _solved(problem.piece(which, frozen), before, replace(before, q=q))
    if after is None:
        return state
    pelvis, q, root = state.pelvis.copy(), state.q.copy(), state.root_m.copy()
    pelvis[which], q[which], root[which] = after.pelvis, after.q, after.root_m
    return replace(state, pelvis=pelvis, q=q, root_m=root)


def _solved(problem: fit.Problem, before: fit.State, trial: fit.State) -> fit.State | None:
    """The trial, solved, if that costs less than before; None otherwise."""
    cost, old, _ = problem.cost(before)
    new = problem.cost(trial)[1]
    if sum(new[term] - old[term] for term in ("pixel", "depth", "rest")) > HOPELESS * problem.n:
        return None
    out = fit.minimise(problem, trial, 2, 1e-3, most=[cost + far for far in FAR[:2]])
    # Most fall back to where they were.
    if out.cost > cost + FAR[1] or np.abs(out.state.q - before.q).sum() < np.abs(out.state.q - trial.q).sum():
        return None
    out = fit.minimise(problem, out.state, ITERATIONS - 2, 1e-3, most=[cost + FAR[2]])
    if out.cost > cost - GAIN:
        return None
    # The first fits end early: part of that may be had without a jump.
    stayed = fit.minimise(problem, before, ITERATIONS, 1e-3).cost
    return out.state if out.cost < stayed - GAIN else None


def mirrored(middle: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Where the end of a segment would be seen at the same place, as far from its middle. About the eye, (N, 3) each.

    A sphere round the middle is met twice by the ray to the end.
    """
    ray = end / np.maximum(np.linalg.norm(end, axis=-1, keepdims=True), 1e-9)
    along = (ray * middle).sum(-1)
    return np.maximum(2 * along - (ray * end).sum(-1), 0.0)[:, None] * ray


def stretches(apart: np.ndarray, joined: np.ndarray) -> list[tuple[int, int]]:
    """First frame and the one after the last, between frames at which both places nearly meet and where the take is broken.

    They nearly meet where their distance (N,) is at most `MEET` of what it rises to on either side.
    """
    edges = np.unique(np.r_[0, np.flatnonzero(~joined), len(apart)]).tolist()
    cuts = edges + [a + t for a, b in zip(edges[:-1], edges[1:], strict=True) for t in _valleys(apart[a:b])]
    cuts.sort()
    return list(zip(cuts[:-1], cuts[1:], strict=True))


def _valleys(height: np.ndarray) -> list[int]:
    """Where a row is lowest between two peaks, and at most `MEET` of the lower one."""
    out: list[int] = []
    top = low = 0  # the highest since the last valley, and the lowest since then
    for t in range(1, len(height)):
        low = t if height[t] < height[low] else low
        if top < low < t and height[low] < height[t] and height[low] <= MEET * min(height[top], height[t]):
            out.append(low)
            top = low = t
        elif height[t] >= height[top]:
            top = low = t
    return out
