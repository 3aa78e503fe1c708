"""The fit's normal equations and their solution: a band over the frames, with the shape as an arrowhead.

Accelerations couple a frame with the next two, so frames taken two by two couple only with their neighbours: the matrix
is block-tridiagonal with blocks of 98, and its Cholesky factor is found block by block (Golub & Van Loan, Matrix
Computations, 4.5.1) with dense, fast kernels. Time and memory are linear in the number of frames.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .dense import Dense
from .kinematics import N_COLUMNS

_PAIR = 2 * N_COLUMNS
_LEAST_SPLIT = 16
"""Pairs of frames from which two threads gain more than they cost."""


@dataclass(frozen=True)
class Blocks:
    """The band: pairs of frames on the diagonal, and what couples a pair with the next. Symmetric; padded by identity."""

    diagonal: np.ndarray
    """(P, 98, 98): only [j, i] with i >= j is set, so that its transpose is the lower triangle in Fortran's order."""
    next: np.ndarray
    """(P - 1, 98, 98), transposed: [column of pair p, row of pair p + 1]."""


@dataclass
class Normal:
    """Normal equations: band over the frames, arrowhead of the shape."""

    diagonal: np.ndarray
    """(T, 49, 49)"""
    next_block: np.ndarray
    """(T, 49, 49): rows of frame t + 1, columns of frame t."""
    next_diagonal: np.ndarray
    """(T, 49): its part that only couples equal coordinates."""
    after_diagonal: np.ndarray
    """(T, 49): the same for frame t + 2."""
    next_pelvis: np.ndarray
    after_pelvis: np.ndarray
    """(T, 3, 3): rows of the later frame."""
    gradient: np.ndarray
    """(T, 49)"""
    after_block: np.ndarray | None
    """(T, 49, 49): what couples a frame with the next but one otherwise: rows of frame t + 2. Few takes have any."""
    side: np.ndarray
    """(T, 49, B)"""
    corner: np.ndarray
    """(B, B)"""
    corner_gradient: np.ndarray
    """(B,)"""

    @staticmethod
    def empty(n: int, b: int) -> Normal:
        c = N_COLUMNS
        return Normal(np.zeros((n, c, c)), np.zeros((n, c, c)), np.zeros((n, c)), np.zeros((n, c)),
                      np.zeros((n, 3, 3)), np.zeros((n, 3, 3)), np.zeros((n, c)), None, np.zeros((n, c, b)),
                      np.zeros((b, b)), np.zeros(b))

    def couple(self, frames: np.ndarray, ahead: int, value: np.ndarray, columns: slice) -> None:
        """Add (N, C) to the equal coordinates of frames and those `ahead` of them; frames must differ."""
        target = self.next_diagonal if ahead == 1 else self.after_diagonal
        target[frames, columns] += value

    def couple_pelvis(self, frames: np.ndarray, ahead: int, value: np.ndarray) -> None:
        target = self.next_pelvis if ahead == 1 else self.after_pelvis
        target[frames] += value

    def couple_all(self, frames: np.ndarray, ahead: int, value: np.ndarray) -> None:
        """Add (N, 49, 49), rows of the later frame, to frames and those `ahead` of them; frames must differ."""
        if ahead == 2 and self.after_block is None:
            self.after_block = np.zeros_like(self.next_block)
        target = self.next_block if ahead == 1 else self.after_block
        target[frames] += value

    def blocks(self, fixed: np.ndarray) -> Blocks:
        """The band, rows and columns of the fixed unknowns (T, 49) replaced by the identity."""
        n, c = self.gradient.shape
        pairs = -(-n // 2)
        free = (~fixed).astype(float)
        index = np.arange(c)
        block = self.diagonal * free[:, :, None] * free[:, None, :]
        block[:, index, index] += fixed
        ahead = self.next_block[:-1].copy()
        ahead[:, index, index] += self.next_diagonal[:-1]
        ahead[:, :3, :3] += self.next_pelvis[:-1]
        ahead *= free[1:, :, None] * free[:-1, None, :]
        ahead = np.swapaxes(ahead, 1, 2)
        after = np.zeros((max(n - 2, 0), c, c))
        after[:, index, index] = self.after_diagonal[:-2]
        after[:, :3, :3] += np.swapaxes(self.after_pelvis[:-2], 1, 2)
        if self.after_block is not None:
            after += np.swapaxes(self.after_block[:-2], 1, 2)
        after *= free[:-2, :, None] * free[2:, None, :]
        diagonal = np.zeros((pairs, _PAIR, _PAIR))
        following = np.zeros((max(pairs - 1, 0), _PAIR, _PAIR))
        odd = n // 2
        diagonal[:, :c, :c] = block[0::2]
        diagonal[:odd, c:, c:] = block[1::2]
        diagonal[odd:, c + index, c + index] = 1.0
        diagonal[:odd, :c, c:] = ahead[0::2]
        following[:, :c, :c] = after[0::2]
        following[:len(after[1::2]), c:, c:] = after[1::2]
        following[:, c:, :c] = ahead[1::2]
        return Blocks(diagonal, following)

    def solve(self, blocks: Blocks, fixed: np.ndarray, fixed_shape: np.ndarray, damping: float
              ) -> tuple[np.ndarray, np.ndarray]:
        """Step (T, 49) and (B,) of the damped equations. Raises LinAlgError where they are not positive definite."""
        b = len(self.corner_gradient)
        right = np.where(fixed, 0.0, np.concatenate([-self.gradient[None], np.moveaxis(self.side, 2, 0)]))
        found = answers(blocks, right, damping)
        step, spread = found[0], found[1:]
        if b == 0:
            return step, np.zeros(0)
        flat, flat_spread = right[1:].reshape(b, -1), spread.reshape(b, -1)
        corner = self.corner + damping * np.diag(np.diag(self.corner)) - flat @ flat_spread.T
        right_corner = -self.corner_gradient - flat @ step.ravel()
        corner[fixed_shape], corner[:, fixed_shape], right_corner[fixed_shape] = 0.0, 0.0, 0.0
        corner[fixed_shape, fixed_shape] = 1.0
        shape = np.linalg.solve(corner, right_corner)
        return step - np.tensordot(shape, spread, 1), shape


def answers(blocks: Blocks, right: np.ndarray, damping: float) -> np.ndarray:
    """Solutions of the damped band alone, without the shape, for R right-hand sides at once; both (R, T, 49).

    Raises LinAlgError where it is not positive definite.
    """
    many, n, c = right.shape
    pairs = len(blocks.diagonal)
    damped, coupling = blocks.diagonal.copy(), blocks.next.copy()
    index = np.arange(_PAIR)
    # Damping by a unit of curvature too, so that unknowns that nothing sees stay where they are.
    damped[:, index, index] += damping * (damped[:, index, index] + 1e-3) + 1e-9
    padded = np.zeros((many, 2 * pairs, c))
    padded[:, :n] = right
    by_pair = np.ascontiguousarray(np.moveaxis(padded.reshape(many, pairs, _PAIR), 0, 1))
    _solve_blocks(damped, coupling, by_pair)
    return np.moveaxis(by_pair, 1, 0).reshape(many, 2 * pairs, c)[:, :n]


def _solve_blocks(diagonal: np.ndarray, following: np.ndarray, right: np.ndarray) -> None:
    """Solve the block-tridiagonal equations in place: `right` (P, R, 98) becomes the solution; the rest is overwritten.

    Eliminated from both ends towards the middle, and solved from there outwards again, so that two threads share the work
    (twisted factorisation: van der Vorst, Parallel Computing 5, 1987). Short ones are not split; whether they are depends on
    nothing but P, so that every machine finds the same.

    The transposes of the C-ordered arrays are what LAPACK wants: factors are lower triangles, right sides columns.
    """
    many = right.shape[1]
    work = Dense(_PAIR, many)
    d, f, r = ([a.ctypes.data + p * a.strides[0] for p in range(len(a))] for a in (diagonal, following, right))
    last = len(diagonal) - 1
    middle = last // 2 if last >= _LEAST_SPLIT else last
    # Both halves end at the middle: what the later one takes from it is kept apart until both are done.
    met, met_right = np.zeros((_PAIR, _PAIR)), np.zeros((many, _PAIR))

    def down() -> None:
        for p in range(middle):
            work.factor(d[p])
            work.solve(d[p], r[p])
            work.solve_right(d[p], f[p])
            work.take_square(f[p], d[p + 1])
            work.take(f[p], r[p], r[p + 1])

    def up() -> None:
        for p in range(last, middle, -1):
            work.factor(d[p])
            work.solve(d[p], r[p])
            work.solve(d[p], f[p - 1], square=True)
            to, to_right = (met.ctypes.data, met_right.ctypes.data) if p == middle + 1 else (d[p - 1], r[p - 1])
            work.take_square(f[p - 1], to, transposed=True)
            work.take(f[p - 1], r[p], to_right, transposed=True)

    def back_up() -> None:
        for p in range(middle - 1, -1, -1):
            work.take(f[p], r[p + 1], r[p], transposed=True)
            work.solve(d[p], r[p], transposed=True)

    def back_down() -> None:
        for p in range(middle + 1, last + 1):
            work.take(f[p - 1], r[p - 1], r[p])
            work.solve(d[p], r[p], transposed=True)

    with ThreadPoolExecutor(1) as other:
        def both(one: Callable[[], None], two: Callable[[], None]) -> None:
            beside = other.submit(two) if middle < last else None
            one()
            if beside is not None:
                beside.result()

        both(down, up)
        diagonal[middle] += met
        right[middle] += met_right
        work.factor(d[middle])
        work.solve(d[middle], r[middle])
        work.solve(d[middle], r[middle], transposed=True)
        both(back_up, back_down)
