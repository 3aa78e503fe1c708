"""Results of finished stages on disk, found by their content, so that a stopped run resumes and a repeated one is quick.

An entry is named by a hash of everything that decides it: the source file, the stage's settings, the code of the engine
and the entries it was made from. Entries are `.npz` files (no pickles) written beside their place and renamed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import sinew_take

_META = "__meta__"
_ABANDONED_S = 24 * 3600
"""A file that was being written so long ago is of a run that was killed."""


def default_folder() -> Path:
    """Where entries go unless --cache or SINEW_CACHE says otherwise."""
    if own := os.environ.get("SINEW_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return Path(base or Path.home() / ".cache") / "sinew"


@lru_cache(maxsize=1)
def code_hash() -> str:
    """Hash of the engine's and the contract's source, so that entries of older code are never used."""
    digest = hashlib.sha256()
    for package in (Path(__file__).parent, Path(sinew_take.__file__).parent):
        for path in sorted(package.rglob("*")):
            inside = path.relative_to(package)  # folders above may be called anything
            if path.suffix in (".py", ".npz") and not {"bench", "preview", "export"} & set(inside.parts):
                digest.update(inside.as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def key(*parts: Any) -> str:
    """Name of an entry from JSON-able parts."""
    text = json.dumps([code_hash(), *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def pack(value: Any, arrays: dict[str, np.ndarray], name: str = "v") -> Any:
    """Split dataclasses, lists, dictionaries and arrays into JSON-able structure and arrays (added to `arrays`)."""
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            raise TypeError(f"{name} is an array of objects, which is never stored")
        arrays[name] = value
        return {"array": name}
    if dataclasses.is_dataclass(value):
        return {"dataclass": type(value).__name__,
                "fields": {f.name: pack(getattr(value, f.name), arrays, f"{name}.{f.name}")
                           for f in dataclasses.fields(value)}}
    if isinstance(value, (list, tuple)):
        return {"list" if isinstance(value, list) else "tuple":
                [pack(v, arrays, f"{name}.{i}") for i, v in enumerate(value)]}
    if isinstance(value, dict):
        return {"dict": {k: pack(v, arrays, f"{name}.{k}") for k, v in value.items()}}
    if isinstance(value, Path):
        return {"path": str(value)}
    if hasattr(value, "numerator") and hasattr(value, "denominator") and not isinstance(value, (int, np.generic)):
        return {"fraction": [int(value.numerator), int(value.denominator)]}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"plain": value}
    raise TypeError(f"{name} is a {type(value).__name__}, which is never stored")


def unpack(node: dict, arrays: dict[str, np.ndarray], types: dict[str, type]) -> Any:
    """The inverse of `pack`; `types` maps the names of the dataclasses that may occur."""
    from fractions import Fraction

    (kind, body), = ((k, v) for k, v in node.items() if k != "fields")
    if kind == "array":
        return arrays[body]
    if kind == "dataclass":
        return types[body](**{k: unpack(v, arrays, types) for k, v in node["fields"].items()})
    if kind in ("list", "tuple"):
        items = [unpack(v, arrays, types) for v in body]
        return items if kind == "list" else tuple(items)
    if kind == "dict":
        return {k: unpack(v, arrays, types) for k, v in body.items()}
    if kind == "path":
        return Path(body)
    if kind == "fraction":
        return Fraction(*body)
    return body


@dataclasses.dataclass(frozen=True)
class Cache:
    """A folder of entries. `types` are the dataclasses that entries may hold."""

    folder: Path
    types: dict[str, type]

    def get(self, stage: str, entry: str) -> Any | None:
        """The stored value, or None where there is none or it is damaged."""
        try:
            with np.load(self._path(stage, entry), allow_pickle=False) as data:
                arrays = {k: data[k] for k in data.files}
            return unpack(json.loads(str(arrays.pop(_META))), arrays, self.types)
        except Exception:  # a flipped bit may raise nearly anything, and the entry can always be made again
            return None

    def put(self, stage: str, entry: str, value: Any) -> None:
        """Store a value. A full or read-only disk costs the reuse, not the run."""
        arrays: dict[str, np.ndarray] = {}
        meta = json.dumps(pack(value, arrays))
        path = self._path(stage, entry)
        temporary = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _clear(path.parent)
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
                temporary = file.name
                np.savez_compressed(file, **{_META: np.array(meta)}, **arrays)
            os.replace(temporary, path)
        except OSError:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)

    def through(self, stage: str, entry: str, make: Callable[[], Any]) -> tuple[Any, bool]:
        """The stored value and True, or a newly made (and stored) one and False."""
        value = self.get(stage, entry)
        if value is not None:
            return value, True
        value = make()
        self.put(stage, entry, value)
        return value, False

    def _path(self, stage: str, entry: str) -> Path:
        return self.folder / stage / f"{entry[:40]}.npz"


def _clear(folder: Path) -> None:
    """Remove what runs that were killed while they wrote have left in a folder."""
    for left in folder.glob("*.tmp"):
        try:
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                left.unlink()
        except OSError:
            pass  # another run has removed it, or it is not ours


def files_sha256(files: list[Path], report: Callable[[], None] = lambda: None) -> str:
    """SHA-256 of a file, or of several files' names and contents."""
    digest = hashlib.sha256()
    for file in files:
        if len(files) > 1:
            digest.update(os.fsencode(file.name))  # which need not be text
        with open(file, "rb") as stream:
            while block := stream.read(1 << 22):
                digest.update(block)
                report()
    return digest.hexdigest()
