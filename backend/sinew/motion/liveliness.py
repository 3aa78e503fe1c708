"""How lively somebody moves, from the film itself: by how much the accelerations' spreads are theirs, part by part.

The general spreads (`model.TURN_SIGMA`, `ROOT_SIGMA`) hold for dancers. A walker's trunk is ten times calmer, and under a
dancer's spread the detector's tremble is let through. How large a spread is, the evidence of a linear model says: the
accelerations that were found, squared, over how many of them the film determines (MacKay 1992, Bayesian interpolation,
section 4; that count is the trace of a matrix, estimated by random signs: Hutchinson 1990). The fit goes part of the way
(`fit.Weights.lively`): a detector errs the same way for many frames, which looks like motion.
"""

from __future__ import annotations

import numpy as np

from sinew_take import skeleton as sk

from . import fit
from .kinematics import N_COLUMNS
from .model import Model
from .normal import answers

PARTS = {"turn": ("pelvis_",), "place": (), "trunk": ("lumbar_", "thorax_", "head_"),
         "arms": ("scapula_", "shoulder_", "elbow_", "pro_sup", "wrist_")}
"""Part -> its coordinates' names begin so; the pelvis' place has none. Legs keep the general spreads: a foot that strikes
the floor turns a calm walker's ankle and knee as fast as a dancer's (measured: docs/fit.md)."""
WINDOW_S = 1.0
"""Spread of the time about a frame that speaks for it: somebody stands, then jumps."""
CALMEST, LIVELIEST = 0.4, 1.3
"""No spread is taken to be further from the general one."""
PROBES = 3
PIECE = 400
"""So many frames are looked at together, and up to twice as many at the end."""
_LEAST_TOLD = 0.05
_DAMPING = 1e-6


def _part_of(name: str) -> int:
    for number, begins in enumerate(PARTS.values()):
        if name.startswith(begins):
            return number
    return -1


_PART = np.array([*map(_part_of, sk.DOF_NAMES), *[list(PARTS).index("place")] * 3])
_MEMBERS = (_PART[:, None] == np.arange(len(PARTS))).astype(float)
"""(49, P)"""


def factors(model: Model, seen: fit.Observations, view: fit.View, weights: fit.Weights, state: fit.State) -> np.ndarray:
    """Factor on the spread of each coordinate's acceleration about each frame.

    Args:
        model: The body.
        seen: T frames.
        view: The camera in them.
        weights: Of the fit's terms.
        state: What was fitted to them.

    Returns:
        (T, 49), `CALMEST` to `LIVELIEST`; 1 for the legs, and where no three frames are joined.
    """
    n = len(seen.time_s)
    out = np.ones((n, N_COLUMNS))
    for which in np.array_split(np.arange(n), max(1, n // PIECE)):
        piece = fit.Problem(model, seen.take(which), view.take(which), weights, solve_shape=False)
        if len(piece.triple):
            out[which] = _of_piece(piece, state.take(which))
    return out


def _of_piece(problem: fit.Problem, state: fit.State) -> np.ndarray:
    square, told = _accelerations(problem, state)
    at, frames = problem.seen.time_s[problem.triple + 1], problem.seen.time_s
    near = np.exp(-0.5 * ((frames[:, None] - at) / WINDOW_S) ** 2) + 1e-12
    count = near @ (problem.triple_share[:, None] * _MEMBERS.sum(0))
    ratio = near @ square @ _MEMBERS / np.maximum(near @ told @ _MEMBERS, _LEAST_TOLD * count)
    found = np.clip(ratio ** (problem.weights.lively / 2), CALMEST, LIVELIEST)
    return np.where(_PART >= 0, found[:, _PART], 1.0)


def _accelerations(problem: fit.Problem, state: fit.State, probes: int = PROBES) -> tuple[np.ndarray, np.ndarray]:
    """(N, 49) of the triples: squared accelerations in spreads, and how far the film determines each; both times what a
    triple counts. Of the second only sums mean anything."""
    r, share = problem.accelerations(state), problem.triple_share[:, None]
    normal = problem.normal(state)
    fixed = fit.pressed(state, normal.gradient, problem.frozen)
    blocks = normal.blocks(fixed)
    by_frame = problem.second[:, :, None] * problem.inverse_accel
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(probes, *r.shape)) * np.sqrt(share)
    push = np.zeros((probes, *normal.gradient.shape))
    for ahead in range(3):
        push[:, problem.triple + ahead] += by_frame[ahead] * signs
    moved = answers(blocks, np.where(fixed, 0.0, push), _DAMPING)
    answer = sum(by_frame[ahead] * moved[:, problem.triple + ahead] for ahead in range(3))
    return share * r**2, share - (signs * answer).mean(0)
