"""Left and right put right: the detector exchanges them, for a frame or for long stretches.

Three groups are exchanged: the hips, the legs below them, and everything above. Hips are never exchanged alone, but legs
are: where they cross in a side view, the detector keeps the hips and gives each the other's leg. So a pose has six
readings. First the crops of one frame are brought to agree, then a Viterbi pass over the shot finds the sequence of
readings that moves most evenly.

Source: Viterbi 1967; what is exchanged and for how long was measured on balancing (the detector does it in 20 to 40 %
of the frames of cam02).
"""

from __future__ import annotations

from itertools import product

import numpy as np

from .crops import SWAP

HIPS = np.arange(23, 25)
LEGS = np.arange(25, 33)
UPPER = np.arange(0, 23)
GROUPS = (HIPS, LEGS, UPPER)
READINGS = tuple((hips, legs, upper) for (hips, legs), upper in product(
    ((False, False), (True, True), (False, True)), (False, True)))
"""Which of the three groups are exchanged."""

MOVE_WEIGHT = 1.0
"""Of displacement, per part of the person's size."""
BEND_WEIGHT = 0.15
"""Of the change of displacement: limbs that cross keep going, limbs that are exchanged turn back."""
REACH = 0.25
"""Displacement, in sizes, above which it costs no more: one wild point must not decide."""
VOTE_WEIGHT = 0.0015
"""Of the share of crops that read the frame otherwise. Small: in long stretches most of them are wrong."""
TWIST_WEIGHT = 0.01
"""Of shoulders that face the other way than the hips."""
CROSS_WEIGHT = 0.002
"""Of knees that lie the other way round than the hips: legs do cross, but seldom for long."""


def exchanged(values: np.ndarray, hips: bool, legs: bool, upper: bool) -> np.ndarray:
    """Another reading of a pose. values: (..., 33, C)."""
    out = values.copy()
    for change, part in zip((hips, legs, upper), GROUPS):
        if change:
            out[..., part, :] = values[..., SWAP[part], :]
    return out


def _distance(a: np.ndarray, b: np.ndarray, weight: np.ndarray, part: np.ndarray) -> np.ndarray:
    gap = np.minimum(np.linalg.norm(a[..., part, :] - b[..., part, :], axis=-1), REACH)
    return (gap * weight[..., part]).sum(-1) / np.maximum(weight[..., part].sum(-1), 1e-9)


def _against(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How far two vectors (..., 3) point against each other: 0 within a right angle, 1 opposite."""
    length = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return np.maximum(-(a * b).sum(-1) / np.maximum(length, 1e-9), 0.0)


def agree(poses: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read the crops of one frame alike: the reading that most of them share.

    Args:
        poses: (P, 33, C), in sizes.
        weight: (P, 33).

    Returns:
        (P, 3) bool, which groups of each crop to exchange, and (3,) votes for the reading, 0.5..1.
    """
    n = len(poses)
    flip = np.zeros((n, len(GROUPS)), bool)
    votes = np.ones(len(GROUPS))
    for g, part in enumerate(GROUPS):
        other = poses[:, SWAP]
        both = np.sqrt(weight[:, None] * weight[None])
        same = _distance(poses[:, None], poses[None], both, part)
        cross = _distance(poses[:, None], other[None], np.sqrt(weight[:, None] * weight[None, :, SWAP]), part)
        # The crop that fits the others best, whichever way they are read, is the reference.
        reference = int(np.argmin(np.minimum(same, cross).sum(1)))
        flip[:, g] = cross[reference] < same[reference]
        votes[g] = 1.0 - flip[:, g].mean()
        if votes[g] < 0.5:
            flip[:, g] = ~flip[:, g]
            votes[g] = 1.0 - votes[g]
    return flip, votes


def read_sides(points: np.ndarray, landmarks_m: np.ndarray, weight: np.ndarray, votes: np.ndarray,
               time_s: np.ndarray) -> np.ndarray:
    """The sequence of readings that moves most evenly.

    Args:
        points: (N, 33, 2), in sizes (px over the person's size), of the N frames that have any, in order.
        landmarks_m: (N, 33, 3).
        weight: (N, 33), each keypoint's confidence.
        votes: (N, 3), share of the frame's crops for the reading given, one per group.
        time_s: (N,).

    Returns:
        (N, 3) bool: which groups to exchange.

    A state is the readings of two frames in a row, so that the change of displacement can be charged. Staying in a
    reading that the crops contradict costs `VOTE_WEIGHT` a frame and a change costs what it makes the limbs jump: a
    stretch is exchanged as a whole or not at all, and of both labellings of the shot the one with more votes wins.
    """
    n = len(points)
    if n == 0:
        return np.zeros((0, len(GROUPS)), bool)
    pose = np.concatenate([points, landmarks_m], -1)
    read = np.stack([exchanged(pose, *r) for r in READINGS], 1)  # (N, R, 33, 5)
    heed = np.stack([exchanged(weight[..., None], *r)[..., 0] for r in READINGS], 1)
    n_readings = len(READINGS)
    unary = np.zeros((n, n_readings))
    for s, changes in enumerate(READINGS):
        unary[:, s] = VOTE_WEIGHT * sum(v if changed else 1 - v for v, changed in zip(votes.T, changes))
        shoulders, hips, knees = (read[:, s, left, 2:5] - read[:, s, left + 1, 2:5] for left in (11, 23, 25))
        unary[:, s] += TWIST_WEIGHT * _against(shoulders, hips) + CROSS_WEIGHT * _against(hips, knees)
    if n == 1:
        return np.array([READINGS[int(np.argmin(unary[0]))]])
    usual = np.median(np.diff(time_s))

    def jump(a: np.ndarray, b: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Displacement in the picture and, with half the say, in space."""
        flat = np.minimum(np.linalg.norm(a[..., :2] - b[..., :2], axis=-1), REACH)
        deep = np.minimum(np.linalg.norm(a[..., 2:] - b[..., 2:], axis=-1), REACH)
        return ((flat + 0.5 * deep) * w).sum(-1) / np.maximum(w.sum(-1), 1e-9)

    # move[t, i, j]: from reading i in frame t - 1 to j in frame t. A gap weakens what a jump says.
    fade = np.minimum(usual / np.diff(time_s), 1.0)
    both = np.sqrt(heed[:-1, :, None] * heed[1:, None])
    move = MOVE_WEIGHT * fade[:, None, None] * jump(read[:-1, :, None], read[1:, None], both)
    best = unary[0][:, None] + unary[1][None] + move[0]
    came = np.zeros((n, n_readings, n_readings), int)
    for t in range(2, n):
        ahead = read[t - 1][None] + (read[t - 1][None] - read[t - 2][:, None]) * (
            (time_s[t] - time_s[t - 1]) / (time_s[t - 1] - time_s[t - 2]))  # (i, j, 33, 5)
        three = np.cbrt(heed[t - 2][:, None, None] * heed[t - 1][None, :, None] * heed[t][None, None])
        bend = BEND_WEIGHT * min(fade[t - 1], fade[t - 2]) * jump(ahead[:, :, None], read[t][None, None], three)
        total = best[:, :, None] + bend + move[t - 1][None] + unary[t]
        came[t] = total.argmin(0)
        best = total.min(0)
    i, j = np.unravel_index(int(np.argmin(best)), best.shape)
    states = [int(j), int(i)]
    for t in range(n - 1, 1, -1):
        states.append(int(came[t, states[-1], states[-2]]))
    return np.array([READINGS[s] for s in reversed(states)])
