"""The fit's banded equations: kernels against SciPy's own wrappers, solutions against NumPy's dense solve."""

import sys
import threading

import numpy as np
import pytest
from scipy.linalg.blas import dgemm, dsyrk, dtrsm
from scipy.linalg.lapack import dpotrf

from sinew.motion import normal
from sinew.motion.dense import Dense

N, MANY = 7, 3


def positive(rng, n: int) -> np.ndarray:
    a = rng.normal(size=(n, n))
    return np.asfortranarray(a @ a.T + n * np.eye(n))


def columns(rng, shape) -> np.ndarray:
    return np.asfortranarray(rng.normal(size=shape))


def at(array: np.ndarray) -> int:
    return array.ctypes.data


def test_kernels_are_scipys():
    rng = np.random.default_rng(0)
    work = Dense(N, MANY)
    a, square, x, y = positive(rng, N), columns(rng, (N, N)), columns(rng, (N, MANY)), columns(rng, (N, MANY))
    factor = a.copy(order="F")
    work.factor(at(factor))
    assert np.array_equal(np.tril(factor), np.tril(dpotrf(a, lower=1)[0]))
    for transposed in (False, True):
        for rows, is_square in ((x, False), (square, True)):
            own = rows.copy(order="F")
            work.solve(at(factor), at(own), transposed, is_square)
            assert np.array_equal(own, dtrsm(1.0, factor, rows, lower=1, trans_a=transposed))
        own = a.copy(order="F")
        work.take_square(at(square), at(own), transposed)
        assert np.array_equal(np.tril(own), np.tril(dsyrk(-1.0, square, beta=1.0, c=a, lower=1, trans=transposed)))
        own = y.copy(order="F")
        work.take(at(square), at(x), at(own), transposed)
        assert np.array_equal(own, dgemm(-1.0, square, x, beta=1.0, c=y, trans_a=transposed))
    own = square.copy(order="F")
    work.solve_right(at(factor), at(own))
    assert np.array_equal(own, dtrsm(1.0, factor, square, side=1, lower=1, trans_a=1))


def test_what_has_no_factor():
    a = np.asfortranarray(-np.eye(N))
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        Dense(N, MANY).factor(at(a))


def ended_meanwhile(kernel) -> bool:
    """Whether a kernel on another thread was over before this one got the interpreter back, of threads that never give it up
    by themselves."""
    begun, ended = threading.Lock(), []
    begun.acquire()

    def compute() -> None:
        begun.release()
        kernel()
        ended.append(True)

    thread, interval = threading.Thread(target=compute), sys.getswitchinterval()
    sys.setswitchinterval(1000.0)
    try:
        thread.start()
        begun.acquire()
        was_over = bool(ended)
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    return was_over


def test_kernels_let_other_threads_go_on():
    """That is what they are here for: SciPy's wrappers do not."""
    n = 1500
    own = positive(np.random.default_rng(0), n)
    scipys = own.copy(order="F")
    work = Dense(n, 1)
    assert ended_meanwhile(lambda: dpotrf(scipys, lower=1, overwrite_a=1, clean=0))
    assert not ended_meanwhile(lambda: work.factor(at(own)))


def band(rng, pairs: int, many: int) -> tuple[normal.Blocks, np.ndarray, np.ndarray]:
    """A positive definite band, right-hand sides (R, T, 49), and the band as one dense matrix."""
    side = 2 * normal.N_COLUMNS
    diagonal = np.stack([positive(rng, side) for _ in range(pairs)])
    following = rng.normal(size=(pairs - 1, side, side))
    whole = np.zeros((pairs * side, pairs * side))
    for p in range(pairs):
        here, there = slice(p * side, (p + 1) * side), slice((p + 1) * side, (p + 2) * side)
        whole[here, here] = diagonal[p]
        if p + 1 < pairs:
            whole[here, there], whole[there, here] = following[p], following[p].T
    return normal.Blocks(diagonal, following), rng.normal(size=(many, 2 * pairs, normal.N_COLUMNS)), whole


@pytest.mark.parametrize("pairs", [1, 2, normal._LEAST_SPLIT, normal._LEAST_SPLIT + 1, normal._LEAST_SPLIT + 2])
def test_the_band_is_solved(pairs):
    """Short ones from one end to the other; from `_LEAST_SPLIT` + 1 pairs on from both ends to the middle."""
    blocks, right, whole = band(np.random.default_rng(pairs), pairs, 3)
    before = blocks.diagonal.copy(), blocks.next.copy(), right.copy()
    found = normal.answers(blocks, right, 0.0)
    index = np.arange(len(whole))
    whole[index, index] += 1e-9
    expected = np.linalg.solve(whole, right.reshape(3, -1).T).T.reshape(right.shape)
    assert np.abs(found - expected).max() < 1e-10 * np.abs(expected).max()
    assert all(np.array_equal(a, b) for a, b in zip(before, (blocks.diagonal, blocks.next, right)))
    assert np.array_equal(found, normal.answers(blocks, right, 0.0))


@pytest.mark.parametrize("bad", [0, 9, 19])
def test_a_band_that_is_not_positive_definite(bad):
    """Said whichever thread finds it."""
    blocks, right, _ = band(np.random.default_rng(0), 20, 2)
    blocks.diagonal[bad] *= -1
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        normal.answers(blocks, right, 0.0)
