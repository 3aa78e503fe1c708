"""Left and right put right: the detector exchanges them, for a frame or for long stretches.

Legs, and everything above the hips, are exchanged separately, so a pose has four readings: as it is, legs exchanged,
arms and face exchanged, both. First the crops of one frame are brought to agree, then a Viterbi pass over the shot
finds the sequence of readings that moves most evenly.

Source: Viterbi 1967; what is exchanged and for how long was measured on balancing (the detector does it in 20 to 40 %
of the frames of cam02).
"""

from __future__ import annotations

from itertools import product

import numpy as np

from .crops import SWAP

LEGS = np.arange(23, 33)
UPPER = np.arange(0, 23)
READINGS = tuple(product((False, True), (False, True)))
"""(legs exchanged, upper body exchanged)."""

MOVE_WEIGHT = 1.0
"""Of displacement, per part of the person's size."""
BEND_WEIGHT = 0.15
"""Of the change of displacement: limbs that cross keep going, limbs that are exchanged turn back."""
REACH = 0.25
"""Displacement, in sizes, above which it costs no more: one wild point must not decide."""
VOTE_WEIGHT = 0.001
"""Of the share of crops that read the frame otherwise. Small: in long stretches most of them are wrong."""
TWIST_WEIGHT = 0.01
"""Of shoulders that face the other way than the hips."""


def exchanged(values: np.ndarray, legs: bool, upper: bool) -> np.ndarray:
    """Another reading of a pose. values: (..., 33, C)."""
    out = values.copy()
    for change, part in ((legs, LEGS), (upper, UPPER)):
        if change:
            out[..., part, :] = values[..., SWAP[part], :]
    return out


def _distance(a: np.ndarray, b: np.ndarray, weight: np.ndarray, part: np.ndarray) -> np.ndarray:
    gap = np.minimum(np.linalg.norm(a[..., part, :] - b[..., part, :], axis=-1), REACH)
    return (gap * weight[..., part]).sum(-1) / np.maximum(weight[..., part].sum(-1), 1e-9)


def agree(poses: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read the crops of one frame alike: the reading that most of them share.

    Args:
        poses: (P, 33, C), in sizes.
        weight: (P, 33).

    Returns:
        (P, 2) bool, whether to exchange each crop's legs and upper body, and (2,) votes for the reading, 0.5..1.
    """
    n = len(poses)
    flip = np.zeros((n, 2), bool)
    votes = np.ones(2)
    for g, part in enumerate((LEGS, UPPER)):
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
        votes: (N, 2), share of the frame's crops for the reading given, legs and upper body.
        time_s: (N,).

    Returns:
        (N, 2) bool: exchange the legs, exchange the upper body.

    A state is the readings of two frames in a row, so that the change of displacement can be charged. Staying in a
    reading that the crops contradict costs `VOTE_WEIGHT` a frame and a change costs what it makes the limbs jump: a
    stretch is exchanged as a whole or not at all, and of both labellings of the shot the one with more votes wins.
    """
    n = len(points)
    if n == 0:
        return np.zeros((0, 2), bool)
    pose = np.concatenate([points, landmarks_m], -1)
    read = np.stack([exchanged(pose, *r) for r in READINGS], 1)  # (N, 4, 33, 5)
    heed = np.stack([exchanged(weight[..., None], *r)[..., 0] for r in READINGS], 1)
    unary = np.zeros((n, 4))
    for s, (legs, upper) in enumerate(READINGS):
        unary[:, s] = VOTE_WEIGHT * sum(v if changed else 1 - v for v, changed in zip(votes.T, (legs, upper)))
        across = [read[:, s, left, 2:5] - read[:, s, left + 1, 2:5] for left in (11, 23)]
        length = np.linalg.norm(across[0], axis=-1) * np.linalg.norm(across[1], axis=-1)
        cosine = (across[0] * across[1]).sum(-1) / np.maximum(length, 1e-9)
        unary[:, s] += TWIST_WEIGHT * np.maximum(-cosine, 0.0)
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
    came = np.zeros((n, 4, 4), int)
    for t in range(2, n):
        ahead = read[t - 1][None] + (read[t - 1][None] - read[t - 2][:, None]) * (
            (time_s[t] - time_s[t - 1]) / (time_s[t - 1] - time_s[t - 2]))  # (i, j, 33, 5)
        three = np.cbrt(heed[t - 2][:, None, None] * heed[t - 1][None, :, None] * heed[t][None, None])
        bend = BEND_WEIGHT * min(fade[t - 1], fade[t - 2]) * jump(ahead[:, :, None], read[t][None, None], three)
        total = best[:, :, None] + bend + move[t - 1][None] + unary[t]
        came[t] = total.argmin(0)
        best = total.min(0)
    i, j = np.unravel_index(int(np.argmin(best)), (4, 4))
    states = [int(j), int(i)]
    for t in range(n - 1, 1, -1):
        states.append(int(came[t, states[-1], states[-2]]))
    return np.array([READINGS[s] for s in reversed(states)])
