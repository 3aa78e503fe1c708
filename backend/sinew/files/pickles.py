"""Reading pickles that others made (body models, other systems' results) without executing anything in them.

The stream is walked by Python's own pure-Python reader; every class or function that it names is replaced by an inert
stand-in (see `inert`), and the known kinds become plain values afterwards. Files of `joblib.dump` (WHAM, 4D-Humans,
GVHMR), where the arrays' bytes stand between the instructions, are read the same way.
"""

from __future__ import annotations

import bz2
import io
import lzma
import pickle
import struct
import zlib
from pathlib import Path

from sinew_take.errors import InputError

from .inert import Inert, Malformed, array_of, dtype_of, named, resolve, size_of

LARGEST_BYTES = 4 << 30
"""Largest file, and largest content of a compressed one."""

_SQUEEZED = ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ", "xz"),
             (b"x\x01", "zlib"), (b"x\x5e", "zlib"), (b"x\x9c", "zlib"), (b"x\xda", "zlib"))


class _CutShort(Exception):
    """The stream ends in the middle."""


class _Stream(pickle._Unpickler):
    """The reader. Every name is inert; everything that could take memory out of proportion is refused."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, content: io.BytesIO):
        super().__init__(content, encoding="latin1")
        start = content.tell()
        self.content = content
        self.length = content.seek(0, io.SEEK_END)
        content.seek(start)
        self.known: dict[str, type] = {}

    def find_class(self, module, name):
        return named(str(module), str(name), self.known)

    def persistent_load(self, pid):
        raise Malformed("it points to data in another file (is it a PyTorch checkpoint?)")

    def get_extension(self, code):
        raise Malformed("it uses a private code of the program that wrote it")

    def left_bytes(self) -> int:
        return self.length - self.content.tell()

    def load_bytearray8(self):
        size, = struct.unpack("<Q", self.read(8))
        if size > self.length:
            raise _CutShort
        self.append(bytearray(self.read(size)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

    def load_build(self):
        """State is kept, never applied; joblib's arrays follow their wrapper in the stream."""
        state = self.stack.pop()
        made = self.stack[-1]
        if not isinstance(made, Inert):
            raise Malformed("it gives a state to something that has none")
        made.__setstate__(state)
        name = made.kind().rpartition(".")[2]
        if "joblib" in made.kind() and name == "NumpyArrayWrapper":
            made.raw = self._joblib_array(state)
        elif "joblib" in made.kind() and name in ("NDArrayWrapper", "ZNDArrayWrapper"):
            raise Malformed("its arrays are in other files beside it, as joblib before 0.10 wrote them")

    dispatch[pickle.BUILD[0]] = load_build

    def _joblib_array(self, state):
        if not isinstance(state, dict) or "dtype" not in state or "shape" not in state:
            raise Malformed("an array in it has no content")
        kind = dtype_of(state["dtype"])
        if kind.hasobject:
            return resolve(_Stream(self.content).load())
        if state.get("numpy_array_alignment_bytes") is not None:
            padding = self.content.read(1)
            self.content.read(padding[0] if padding else 0)
        shape, size = size_of(state["shape"], kind)
        if size > self.left_bytes():
            raise _CutShort
        return array_of(shape, kind, state.get("order", "C"), self.content.read(size))

    def _check_keys(self, keys):
        for key in keys:
            _check_key(key)

    def load_setitem(self):
        _check_key(self.stack[-2])
        super().load_setitem()

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_setitems(self):
        self._check_keys(self.stack[::2])
        super().load_setitems()

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def load_dict(self):
        self._check_keys(self.stack[::2])
        super().load_dict()

    dispatch[pickle.DICT[0]] = load_dict

    def load_additems(self):
        self._check_keys(self.stack)
        super().load_additems()

    dispatch[pickle.ADDITEMS[0]] = load_additems

    def load_frozenset(self):
        self._check_keys(self.stack)
        super().load_frozenset()

    dispatch[pickle.FROZENSET[0]] = load_frozenset


def _check_key(key, depth: int = 0) -> None:
    """A key must be cheap to hash: hashing is recursive in C and would take the process down when nested deeply."""
    if isinstance(key, tuple):
        if depth > 4 or len(key) > 64:
            raise Malformed("a dictionary in it has a key that cannot be one")
        for part in key:
            _check_key(part, depth + 1)
    elif isinstance(key, int) and key.bit_length() > 256:
        raise Malformed("a dictionary in it has a key that cannot be one")


def read_pickle(path: Path | str):
    """Read a foreign pickle or joblib file; nothing in it is executed.

    Args:
        path: The file. Uncompressed, or squeezed with zlib, gzip, bz2 or xz.

    Returns:
        Plain values: containers, numbers, text, NumPy arrays, SciPy coo, csr and csc matrices; an `Inert` for anything
        else that the file names. Python 2's strings are read as latin1.

    Raises:
        InputError: The file cannot be read, is no pickle, is cut short or contradicts itself.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(f"{path.name} is larger than {LARGEST_BYTES >> 30} GB; no file of this kind is.")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror}); check the path and its permissions.") from error
    if not content:
        raise InputError(f"{path.name} is empty; get it again.")
    if content[:2] == b"PK":
        raise InputError(f"{path.name} is a zip archive (PyTorch or NumPy wrote it), not a pickle; give it under its "
                         "own ending.")
    content = _unsqueezed(path, content)
    stream = _Stream(io.BytesIO(content))
    try:
        return resolve(stream.load())
    except (EOFError, _CutShort, struct.error) as error:
        raise InputError(f"{path.name} is cut short; copy or download it again.") from error
    except Malformed as error:
        raise InputError(f"{path.name} cannot be used, because {error}.") from error
    except MemoryError as error:
        raise InputError(f"{path.name} does not fit into memory.") from error
    except pickle.UnpicklingError as error:
        if "truncated" in str(error) or "exhausted" in str(error):
            raise InputError(f"{path.name} is cut short; copy or download it again.") from error
        raise _no_pickle(path) from error
    except (AttributeError, AssertionError, IndexError, KeyError, TypeError, ValueError, OverflowError,
            RecursionError) as error:
        if content[0] == pickle.PROTO[0] and stream.left_bytes() == 0:
            raise InputError(f"{path.name} is cut short; copy or download it again.") from error
        raise _no_pickle(path) from error


def _no_pickle(path: Path) -> InputError:
    return InputError(f"{path.name} is not a pickle, or is damaged; get it again from its own page.")


def _unsqueezed(path: Path, content: bytes) -> bytes:
    kind = next((name for start, name in _SQUEEZED if content.startswith(start)), None)
    if content.startswith(b"\x04\x22\x4d\x18"):
        raise InputError(f"{path.name} is squeezed with lz4, which is not read here; write it again with "
                         "joblib.dump(..., compress=3).")
    if kind is None:
        return content
    squeezer = {"zlib": lambda: zlib.decompressobj(), "gzip": lambda: zlib.decompressobj(31),
                "bz2": bz2.BZ2Decompressor, "xz": lzma.LZMADecompressor}[kind]()
    try:
        out = squeezer.decompress(content, LARGEST_BYTES + 1)
    except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
        raise _no_pickle(path) from error
    if len(out) > LARGEST_BYTES:
        raise InputError(f"{path.name} unpacks to more than {LARGEST_BYTES >> 30} GB; no file of this kind does.")
    if not squeezer.eof:
        raise InputError(f"{path.name} is cut short; copy or download it again.")
    return out
