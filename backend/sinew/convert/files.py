"""Foreign files as plain values: .npz, .npy, .pkl (pickle, joblib), .pt/.pth, .json and folders. Nothing is executed."""

from __future__ import annotations

import io
import json
import pickle
import re
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np

from sinew.files.inert import Inert
from sinew.files.pickles import read_pickle
from sinew_take.errors import UNREADABLE, InputError, RequestError

from . import keypoints, tram
from .result import MOST_FRAMES

LARGEST_JSON = 2 << 30
MOST_PARTS = 50_000_000
"""Values in lists and dictionaries, each counted as often as it is reached: a tiny file may share one in many places."""
_NUMBERED = re.compile(r"(\d+)(?:_keypoints)?\.json$", re.IGNORECASE)


def read_any(path: Path):
    """A foreign result as plain values.

    Raises:
        RequestError: There is nothing.
        InputError: It cannot be read, or is of a kind that no known system writes.
    """
    path = Path(path)
    if not path.exists():
        raise RequestError(f"There is no result at {path}; check the path.")
    if path.is_dir():
        return _folder(path)
    kind = path.suffix.lower()
    if kind == ".npz":
        return _npz(path)
    if kind == ".npy":
        return _npy(path)
    if kind in (".pkl", ".pickle", ".joblib"):
        return plain(read_pickle(path), path.name)
    if kind in (".pt", ".pth"):
        return _torch(path)
    if kind == ".json":
        return _json(path)
    raise InputError(f"{path.name} has the ending {kind or '(none)'}, which no known system writes; give a .npz, .npy, .pkl, "
                     ".pt or .json file, OpenPose's folder or TRAM's.")


def _folder(path: Path):
    tracks = sorted((path / "hps").glob("hps_track_*.npy")) or sorted(path.glob("hps_track_*.npy"))
    if tracks:
        camera = next((p for p in (path / "camera.npy", path.parent / "camera.npy") if p.exists()), None)
        return {tram.FOLDER: True, "tracks": {t.name: _npy(t) for t in tracks},
                "camera": None if camera is None else _npy(camera)}
    files = [p for p in path.iterdir() if p.suffix.lower() == ".json"]
    if not files:
        raise InputError(f"The folder {path.name} holds neither OpenPose's .json files nor TRAM's hps_track files; give the "
                         "folder that the system wrote.")
    numbered = [(int(found[1]), p) for p in files if (found := _NUMBERED.search(p.name))]
    if len(numbered) < len(files):
        raise InputError(f"The folder {path.name} holds .json files without a frame number, such as "
                         f"{next(p.name for p in files if not _NUMBERED.search(p.name))}; give OpenPose's folder.")
    if len(numbered) > MOST_FRAMES:
        raise InputError(f"The folder {path.name} has {len(numbered)} frames, more than the {MOST_FRAMES} that one take can "
                         "hold; convert a shorter range.")
    return {keypoints.FOLDER: [(number, _json(p)) for number, p in sorted(numbered)]}


def _json(path: Path):
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise InputError(f"{path.name} is larger than {LARGEST_JSON >> 30} GB; no result of this kind is.")
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise InputError(f"{path.name} is no JSON file, or is damaged; write the result again.") from None
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror}); check the path and its permissions.") from None


def _npz(path: Path) -> dict:
    out = {}
    try:
        with np.load(path, allow_pickle=False) as data:
            for key in data.files:
                try:
                    out[key] = data[key]
                except ValueError as error:
                    if "pickle" not in str(error).lower():
                        raise
                    with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as member:
                        out[key] = _object_array(member.read(), f"{path.name} ({key})")
    except InputError:
        raise
    except UNREADABLE:
        raise InputError(f"{path.name} is no .npz archive, or is damaged; write the result again.") from None
    except MemoryError:
        raise InputError(f"{path.name} does not fit into memory; convert a shorter range.") from None
    return out


def _npy(path: Path):
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror}); check the path and its permissions.") from None
    try:
        value = np.load(io.BytesIO(data), allow_pickle=False)
    except UNREADABLE as error:
        if isinstance(error, ValueError) and "pickle" in str(error).lower():
            return _object_array(data, path.name)
        raise InputError(f"{path.name} is no .npy file, or is damaged; write the result again.") from None
    except MemoryError:
        raise InputError(f"{path.name} does not fit into memory; convert a shorter range.") from None
    if not isinstance(value, np.ndarray):
        raise InputError(f"{path.name} is an .npz archive; give it under that ending.")
    return value


def _object_array(data: bytes, name: str):
    """The content of an array of Python objects, through the restricted reader."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        read_header(stream)
    except UNREADABLE:
        raise InputError(f"{name} is no .npy file, or is damaged; write the result again.") from None
    with tempfile.TemporaryDirectory() as folder:
        rest = Path(folder) / re.sub(r"[^\w.() -]", "_", name)
        rest.write_bytes(stream.read())
        value = read_pickle(rest)
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.ravel()[0] if value.size == 1 else value.tolist()
    return plain(value, name)


def _torch(path: Path):
    import torch

    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # joblib files are often called .pth too (WHAM's).
        with open(path, "rb") as file:
            is_zip = file.read(2) == b"PK"
        if is_zip:
            raise InputError(f"{path.name} holds more than tensors, and nothing of it was run; save its content as plain "
                             "tensors.") from None
        return plain(read_pickle(path), path.name)
    except UNREADABLE:
        raise InputError(f"{path.name} is no PyTorch file, or is damaged; write the result again.") from None
    except MemoryError:
        raise InputError(f"{path.name} does not fit into memory; convert a shorter range.") from None
    return plain(value, path.name)


def plain(value, name: str):
    """Tensors as arrays, all the way down; inert things that are no tensors are refused at the top and kept below.

    Raises:
        InputError: The file is something else than data.
    """
    out = _plain(value, name, 0, {})[0]
    if isinstance(out, Inert):
        raise InputError(f"{name} names {out.kind()} instead of holding a result, and nothing of it was run; get it from its "
                         "authors.")
    return out


def _plain(value, name: str, depth: int, done: dict) -> tuple[object, int]:
    """A plain value and how many parts it has. `done`: containers already turned, by identity, and the originals, which
    must live as long as their identities are asked for."""
    if depth > 40:
        raise InputError(f"{name} is nested deeper than any result; write it again.")
    if isinstance(value, Inert):
        tensor = _pickled_tensor(value)
        return (value if tensor is None else tensor), 1
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        return _tensor(value, name), 1
    if not isinstance(value, (dict, list, tuple)):
        return value, 1
    if id(value) not in done:
        turned = [_plain(v, name, depth + 1, done) for v in (value.values() if isinstance(value, dict) else value)]
        parts = 1 + sum(n for _, n in turned)
        if parts > MOST_PARTS:
            raise InputError(f"{name} has more than {MOST_PARTS} parts, which no result has; write it again as arrays.")
        out = [v for v, _ in turned]
        done[id(value)] = (dict(zip(value, out, strict=True)) if isinstance(value, dict) else out), parts, value
    return done[id(value)][:2]


def _tensor(value, name: str) -> np.ndarray:
    try:
        value = value.detach().cpu()
        return value.float().numpy() if value.is_floating_point() else value.numpy()
    except (TypeError, RuntimeError):  # sparse, quantised, conjugated and the like
        raise InputError(f"{name} holds a tensor that is no plain table of numbers; save it as a plain tensor.") from None


def _pickled_tensor(value: Inert) -> np.ndarray | None:
    """A torch tensor inside a pickle (TRAM's .npy): its storage is a PyTorch file of its own, read with weights_only."""
    if not value.kind().endswith("_rebuild_tensor_v2") or len(value.args) < 4:
        return None
    storage, offset, size, stride = value.args[:4]
    if not (isinstance(storage, Inert) and storage.kind().endswith("_load_from_bytes") and storage.args):
        return None
    import torch

    try:
        held = torch.load(io.BytesIO(bytes(storage.args[0])), map_location="cpu", weights_only=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # PyTorch's own file format still uses typed storages
            flat = torch.tensor([], dtype=held.dtype).set_(held.untyped())
        return torch.as_strided(flat, tuple(size), tuple(stride), int(offset)).clone().numpy()
    except (pickle.UnpicklingError, RuntimeError, ValueError, TypeError, AttributeError, EOFError, KeyError, IndexError,
            OverflowError):
        return None  # it stays inert, and whoever needs it says so
