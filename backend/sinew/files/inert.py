"""What a foreign pickle names, as inert objects; and the few kinds that become plain values.

A pickle is a program that names functions and classes to call. Here every such name becomes a subclass of `Inert` that
only remembers what it was given. `resolve` then turns the kinds we know (NumPy arrays, scalars and types, SciPy sparse
matrices, chumpy arrays, plain containers) into values by rules of our own, with every size checked before memory is
taken. Nothing else is looked up, imported or called.
"""

from __future__ import annotations

from collections import OrderedDict
from math import prod

import numpy as np
import scipy.sparse

DEEPEST = 100
"""Levels of nesting that a result or model file may have; real ones stay below 20."""


class Malformed(ValueError):
    """A file's content contradicts itself; the text completes "..., because"."""


class Inert:
    """Something a pickle names and that stays what it is: a name, the arguments and the state it was given."""

    name = ""

    def __new__(cls, *args, **kwargs):
        self = object.__new__(cls)
        self.args = args
        self.kwargs = kwargs
        self.state = None
        self.items = []
        self.pairs = []
        self.raw = None
        return self

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        self.state = state

    # What the stream's container instructions call on subclasses of list, dict and set.
    def append(self, item):
        self.items.append(item)

    def extend(self, items):
        self.items.extend(items)

    add = append

    def __setitem__(self, key, value):
        self.pairs.append((key, value))

    def __repr__(self):
        return f"Inert({self.kind()})"

    def kind(self) -> str:
        """Full name of the class that the file says it is of."""
        if self.name in ("copy_reg._reconstructor", "copyreg._reconstructor", "copyreg.__newobj__",
                         "copy_reg.__newobj__") and self.args:
            first = self.args[0]
            if isinstance(first, type) and issubclass(first, Inert):
                return first.name
        return self.name


def named(module: str, name: str, known: dict[str, type]) -> type:
    """The inert class for a name; the same name gives the same class within one file."""
    full = f"{module}.{name}"
    if full not in known:
        known[full] = type("Inert", (Inert,), {"name": full})
    return known[full]


def resolve(value, done: dict | None = None, depth: int = 0):
    """Turn inert arrays, matrices and containers into plain values, all the way down.

    Args:
        value: What the stream left.
        done: Values already turned, by identity, so that shared parts stay shared.
        depth: Levels above this value.

    Returns:
        Plain values; an `Inert` for anything that has no rule.

    Raises:
        Malformed: Sizes contradict each other, or the nesting is deeper than `DEEPEST`.
    """
    if value is None or isinstance(value, (str, bytes, bytearray, int, float, complex, np.ndarray)):
        return value
    if depth > DEEPEST:
        raise Malformed("it is nested deeper than any such file")
    done = {} if done is None else done
    if id(value) in done:
        return done[id(value)][0]

    def deeper(inner):
        return resolve(inner, done, depth + 1)

    if isinstance(value, list):
        out = []
        done[id(value)] = (out, value)
        out.extend(deeper(v) for v in value)
        return out
    if isinstance(value, dict):
        out = {}
        done[id(value)] = (out, value)
        out.update(_pairs(value.items(), deeper))
        return out
    if isinstance(value, tuple):
        out = tuple(deeper(v) for v in value)
    elif isinstance(value, (set, frozenset)):
        out = type(value)(deeper(v) for v in value)
    elif isinstance(value, Inert):
        done[id(value)] = (value, value)  # a cycle through it sees it inert
        out = _known(value, deeper)
    else:
        out = value
    done[id(value)] = (out, value)
    return out


def _pairs(pairs, deeper):
    for key, value in pairs:
        key = deeper(key)
        if isinstance(key, (np.ndarray, list, dict)):
            raise Malformed("a dictionary in it has a key that cannot be one")
        yield key, deeper(value)


def _known(value: Inert, deeper):
    """The plain value of an inert one, or itself."""
    kind = value.kind()
    module, _, name = kind.rpartition(".")
    if value.raw is not None:
        return value.raw
    if module.startswith("numpy"):
        return _numpy(value, module, name, deeper)
    if module.startswith("scipy.sparse") and name in _SPARSE:
        return _sparse(_state(value, deeper), _SPARSE[name])
    if module.startswith("chumpy"):
        return _chumpy(value, name, deeper)
    if kind in ("_codecs.encode", "codecs.encode"):
        return _text_as_bytes(value.args)
    if module in ("builtins", "__builtin__"):
        return _builtin(value, name, deeper)
    if kind in ("collections.OrderedDict", "collections.defaultdict"):
        made = OrderedDict() if name == "OrderedDict" else {}
        start = deeper(value.args[0]) if name == "OrderedDict" and value.args else []
        try:
            made.update(start)
        except (TypeError, ValueError) as error:
            raise Malformed("an ordered dictionary in it is damaged") from error
        made.update(_pairs(value.pairs, deeper))
        return made
    value.args = tuple(deeper(a) for a in value.args)
    value.state = deeper(value.state)
    return value


def _state(value: Inert, deeper) -> dict:
    state = deeper(value.state)
    if isinstance(state, tuple) and state and isinstance(state[-1], dict):
        state = {**(state[0] or {}), **state[-1]} if isinstance(state[0], (dict, type(None))) else state[-1]
    return state if isinstance(state, dict) else {}


def _text_as_bytes(args) -> bytes:
    if len(args) < 1 or not isinstance(args[0], str):
        raise Malformed("a piece of its bytes is damaged")
    try:
        return args[0].encode("latin1")
    except UnicodeEncodeError as error:
        raise Malformed("a piece of its bytes is damaged") from error


def _builtin(value: Inert, name: str, deeper):
    args = tuple(deeper(a) for a in value.args)
    if name in ("set", "frozenset", "list", "tuple") and len(args) <= 1:
        items = list(args[0]) if args and isinstance(args[0], (list, tuple, set, frozenset)) else []
        items += [deeper(i) for i in value.items]
        try:
            return {"set": set, "frozenset": frozenset, "list": list, "tuple": tuple}[name](items)
        except TypeError as error:
            raise Malformed("a set in it holds what cannot be in one") from error
    if name == "dict":
        return dict(_pairs(value.pairs, deeper))
    if name in ("bytes", "bytearray") and len(args) <= 2:
        if not args:
            return b""
        if isinstance(args[0], str):
            return _text_as_bytes(args)
        if isinstance(args[0], (bytes, bytearray)):
            return bytes(args[0])
    if name == "complex" and len(args) == 2 and all(isinstance(a, (int, float)) for a in args):
        return complex(*args)
    value.args = args
    return value


# --- NumPy ---------------------------------------------------------------------------------------------------------
def _numpy(value: Inert, module: str, name: str, deeper):
    if name == "dtype":
        return dtype_of(value)
    if name == "_reconstruct":
        state = deeper(value.state)
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise Malformed("an array in it has no content")
        shape, kind, fortran, content = state[-4:]
        return array_of(shape, kind, "F" if fortran else "C", content)
    if name == "_frombuffer" and len(value.args) >= 3:
        content, kind, shape = (deeper(a) for a in value.args[:3])
        order = value.args[3] if len(value.args) > 3 else "C"
        return array_of(shape, kind, order, content)
    if name == "scalar" and value.args:
        kind = deeper(value.args[0])
        content = deeper(value.args[1]) if len(value.args) > 1 else b""
        if isinstance(kind, np.dtype) and kind.hasobject:
            return content
        return array_of((), kind, "C", content)[()]
    value.args = tuple(deeper(a) for a in value.args)
    value.state = deeper(value.state)
    return value


def dtype_of(value) -> np.dtype:
    """The array type that a file describes, built from its parts by name.

    Raises:
        Malformed: It is none of NumPy's plain types, or its parts contradict each other.
    """
    if isinstance(value, np.dtype):
        return value
    if not isinstance(value, Inert) or not value.args:
        raise Malformed("an array in it has no type")
    code = value.args[0]
    if isinstance(code, bytes):
        code = code.decode("latin1")
    if isinstance(code, type) and issubclass(code, Inert):
        code = code.name.rpartition(".")[2]
    if not isinstance(code, str) or len(code) > 32:
        raise Malformed("an array in it has an unknown type")
    state = value.state
    try:
        if isinstance(state, tuple) and len(state) >= 5 and code[:1] == "V":
            return _compound(code, state)
        kind = np.dtype(code)
        if kind.fields or kind.subdtype or kind.kind in "mM" or kind.itemsize > 1 << 20:
            raise Malformed("an array in it has an unknown type")
        if isinstance(state, tuple) and len(state) > 1 and state[1] in (">", b">"):
            kind = kind.newbyteorder(">")
        return kind
    except (TypeError, ValueError) as error:
        raise Malformed("an array in it has an unknown type") from error


def _compound(code: str, state: tuple) -> np.dtype:
    subtype, names, fields = state[2], state[3], state[4]
    if subtype is not None:
        raise Malformed("an array in it has an unknown type")
    if not names or not isinstance(fields, dict):
        return np.dtype(code)
    parts = []
    for name in names:
        inner = dtype_of(fields[name][0])
        if inner.hasobject or inner.fields:
            raise Malformed("an array in it has an unknown type")
        parts.append((name, inner, int(fields[name][1])))
    size = int(code[1:] or 0)
    if any(at < 0 or at + kind.itemsize > size for _, kind, at in parts) or size > 1 << 16:
        raise Malformed("an array in it has an unknown type")
    return np.dtype({"names": [p[0] for p in parts], "formats": [p[1] for p in parts],
                     "offsets": [p[2] for p in parts], "itemsize": size})


def size_of(shape, kind: np.dtype) -> tuple[tuple[int, ...], int]:
    """Checked shape and number of bytes. Raises `Malformed` for a shape that no array has."""
    if isinstance(shape, (int, np.integer)):
        shape = (shape,)
    if not isinstance(shape, (tuple, list)) or len(shape) > 32 or not all(
            isinstance(n, (int, np.integer)) and 0 <= n < 1 << 40 for n in shape):
        raise Malformed("an array in it has an impossible size")
    shape = tuple(int(n) for n in shape)
    if kind.itemsize == 0 and prod(shape) > 1 << 20:
        raise Malformed("an array in it has an impossible size")
    return shape, prod(shape) * kind.itemsize


def array_of(shape, kind, order, content) -> np.ndarray:
    """An array from its parts.

    Args:
        shape: Lengths.
        kind: dtype, or what `dtype_of` understands.
        order: "C" or "F", how the content lies.
        content: Bytes, or the list of an object array's members.

    Raises:
        Malformed: The parts contradict each other; said before memory is taken.
    """
    kind = dtype_of(kind)
    shape, size = size_of(shape, kind)
    order = "F" if order in ("F", b"F") else "C"
    if kind.hasobject:
        if not isinstance(content, list) or len(content) != prod(shape):
            raise Malformed("an array in it does not have the size that it claims")
        flat = np.empty(len(content), dtype=object)
        for i, member in enumerate(content):
            flat[i] = member
        return flat.reshape(shape, order=order)
    if isinstance(content, str):  # Python 2's strings are its bytes, read as latin1
        content = _text_as_bytes((content,))
    if not isinstance(content, (bytes, bytearray)) or len(content) != size:
        raise Malformed("an array in it does not have the size that it claims")
    if size == 0:
        return np.zeros(shape, kind)
    flat = np.frombuffer(content, kind).copy()
    return flat.reshape(shape, order=order)


# --- SciPy and chumpy ----------------------------------------------------------------------------------------------
_SPARSE = {f"{kind}_{suffix}": kind for kind in ("coo", "csr", "csc") for suffix in ("matrix", "array")}


def _sparse(state: dict, kind: str):
    """A sparse matrix from its members, by today's and older SciPy's names for them."""
    shape = state.get("_shape", state.get("shape"))
    data = state.get("data")
    if kind == "coo":
        row, col = state.get("coords") or (state.get("row"), state.get("col"))
        members = (data, row, col)
    else:
        members = (data, state.get("indices"), state.get("indptr"))
    if not all(isinstance(m, np.ndarray) and m.ndim == 1 for m in members) or data.dtype.kind not in "fiub":
        raise Malformed("a sparse matrix in it lacks its entries")
    shape, _ = size_of(shape, np.dtype("u1"))
    if len(shape) != 2 or any(m.dtype.kind not in "iu" for m in members[1:]):
        raise Malformed("a sparse matrix in it is damaged")
    try:
        if kind == "coo":
            if not len(data) == len(row) == len(col):
                raise Malformed("a sparse matrix in it is damaged")
            if len(data) and (min(row.min(), col.min()) < 0 or row.max() >= shape[0] or col.max() >= shape[1]):
                raise Malformed("a sparse matrix in it has an entry outside itself")
            return scipy.sparse.coo_matrix((data, (row, col)), shape=shape)
        made = {"csr": scipy.sparse.csr_matrix, "csc": scipy.sparse.csc_matrix}[kind](members, shape=shape)
        made.check_format(full_check=True)
        return made
    except (ValueError, TypeError, IndexError) as error:
        if isinstance(error, Malformed):
            raise
        raise Malformed("a sparse matrix in it is damaged") from error


def _chumpy(value: Inert, name: str, deeper):
    """chumpy arrays of old SMPL files: a plain one keeps its numbers in `x`; a selection in an array and indices."""
    state = _state(value, deeper)
    if name == "Ch" and isinstance(state.get("x"), np.ndarray):
        return state["x"]
    if name == "Select" and isinstance(state.get("a"), np.ndarray) and isinstance(state.get("idxs"), np.ndarray):
        try:
            return state["a"].ravel()[state["idxs"]].reshape(state.get("preferred_shape", -1))
        except (IndexError, ValueError, TypeError) as error:
            raise Malformed("a selection in it is damaged") from error
    value.args = ()
    value.state = state
    return value
