"""Dense kernels of the BLAS and LAPACK inside SciPy, called without the interpreter's lock.

SciPy's own wrappers hold that lock while they compute, so two threads of them take as long as one. It also gives the same
routines out as C functions, for Cython (`scipy.linalg.cython_blas`, `cython_lapack`: public and documented); called through
ctypes, they let go of it. Results are the same to the last bit.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.linalg import cython_blas, cython_lapack

_ARGUMENTS = {"dpotrf": 5, "dtrsm": 11, "dsyrk": 10, "dgemm": 13}
"""How many each routine takes, all of them pointers."""
_WORDS = {letter: ctypes.c_char(letter.encode()) for letter in "LRTN"}
_LETTER = {letter: ctypes.addressof(word) for letter, word in _WORDS.items()}
_ONE, _MINUS = ctypes.c_double(1.0), ctypes.c_double(-1.0)
_PLUS, _NEGATIVE = ctypes.addressof(_ONE), ctypes.addressof(_MINUS)


@cache
def _routine(name: str) -> Callable[..., None]:
    """A routine of SciPy's as a C function.

    Raises:
        ImportError: SciPy gives it out in another form than the one known here.
    """
    module = cython_lapack if name == "dpotrf" else cython_blas
    capsule = module.__pyx_capi__[name]
    python = ctypes.pythonapi
    python.PyCapsule_GetName.restype, python.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    form = python.PyCapsule_GetName(capsule)
    types = [t.strip() for t in form.decode().partition("(")[2].rstrip(")").split(",")]
    if len(types) != _ARGUMENTS[name] or not all(t in ("char *", "int *") or t.endswith("_d *") for t in types):
        raise ImportError(f"SciPy gives {name} out as {form.decode()}, which this version of Sinew does not know.")
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(types))(python.PyCapsule_GetPointer(capsule, form))


class Dense:
    """Kernels on column-major blocks of doubles, each n rows high and given by its address; for any thread.

    Args:
        n: Rows of every block, and columns of the square ones.
        many: Columns of right-hand sides.
    """

    def __init__(self, n: int, many: int) -> None:
        self._sizes = ctypes.c_int(n), ctypes.c_int(many)
        self._n, self._many = (ctypes.addressof(size) for size in self._sizes)
        self._potrf, self._trsm, self._syrk, self._gemm = (_routine(name) for name in _ARGUMENTS)

    def factor(self, a: int) -> None:
        """Cholesky's factor in place of the lower triangle. Raises LinAlgError where a is not positive definite."""
        info = ctypes.c_int(0)
        self._potrf(_LETTER["L"], self._n, a, self._n, ctypes.addressof(info))
        if info.value != 0:
            raise np.linalg.LinAlgError("not positive definite")

    def solve(self, factor: int, x: int, transposed: bool = False, square: bool = False) -> None:
        """x becomes L⁻¹ x, or L⁻ᵀ x; x has `many` columns, or n where it is square."""
        self._trsm(_LETTER["L"], _LETTER["L"], _LETTER["T" if transposed else "N"], _LETTER["N"], self._n,
                   self._n if square else self._many, _PLUS, factor, self._n, x, self._n)

    def solve_right(self, factor: int, x: int) -> None:
        """The square x becomes x L⁻ᵀ."""
        self._trsm(_LETTER["R"], _LETTER["L"], _LETTER["T"], _LETTER["N"], self._n, self._n, _PLUS, factor, self._n, x,
                   self._n)

    def take_square(self, a: int, c: int, transposed: bool = False) -> None:
        """The lower triangle of c becomes that of c - a aᵀ, or c - aᵀ a."""
        self._syrk(_LETTER["L"], _LETTER["T" if transposed else "N"], self._n, self._n, _NEGATIVE, a, self._n, _PLUS, c,
                   self._n)

    def take(self, a: int, x: int, y: int, transposed: bool = False) -> None:
        """y becomes y - a x, or y - aᵀ x; both have `many` columns."""
        self._gemm(_LETTER["T" if transposed else "N"], _LETTER["N"], self._n, self._many, self._n, _NEGATIVE, a, self._n, x,
                   self._n, _PLUS, y, self._n)
