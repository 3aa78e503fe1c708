"""Checkpoints of trained networks: tensors by name, whatever else a training framework left in the file.

PyTorch's own restricted loader (`weights_only=True`) reads the tensors. Names of classes that it does not know (callbacks,
configuration objects, NumPy scalars) become inert stand-ins, which remember nothing and do nothing; names that reach
into the operating system are refused by PyTorch whatever stands in for them.
"""

from __future__ import annotations

import gzip
import pickle
import zipfile
from pathlib import Path

import torch

from sinew_take.errors import InputError, RequestError

_INSIDE = ("state_dict", "model")
"""Where frameworks put the tensors: Lightning and WHAM."""


class _Nothing:
    """Stands for anything that is no tensor: can be made, filled and ignored."""

    def __new__(cls, *args, **kwargs):
        return object.__new__(cls)

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass

    def __reduce__(self):
        raise TypeError("A stand-in cannot be stored.")

    def __hash__(self):
        return id(self)


def _nothing(name: str) -> type:
    return type("Nothing", (_Nothing,), {"__qualname__": name})


def _dictionary(*args) -> dict:
    """Stands for dictionaries of other kinds (`defaultdict`), whose entries the stream fills in."""
    return {}


_DICTIONARIES = ("collections.defaultdict",)


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """Read a checkpoint's tensors without executing anything of it.

    Args:
        path: A file of `torch.save`: a dictionary of tensors, or one that holds it as `state_dict` or `model`.

    Returns:
        Tensors by name, on the CPU, mapped from the file where its format allows (so they cost memory only when used).

    Raises:
        RequestError: There is no such file.
        InputError: It is no checkpoint, it is cut off, or it tries to run code.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            head = file.read(512)
            file.seek(0, 2)
            size = file.tell()
    except OSError as error:
        raise RequestError(f"The checkpoint {path} cannot be read ({error.strerror or error}); check its path and its "
                           "rights.") from None
    if _is_packed(path, head):
        raise InputError(f"{path.name} is a packed archive; unpack it (tar -xf {path.name}) and use the checkpoint that "
                         "is inside.")
    content = _load(path, head, size)
    return _tensors(path, content)


def _is_packed(path: Path, head: bytes) -> bool:
    if head[:2] == b"\x1f\x8b":
        try:
            with gzip.open(path) as file:
                file.read(1)
            return True
        except (OSError, EOFError):
            return True
    if head[:4] == b"PK\x03\x04":
        return False
    return head[257:262] == b"ustar" or head[:3] == b"BZh" or head[:6] == b"\xfd7zXZ\x00"


def _load(path: Path, head: bytes, size: int) -> object:
    is_zip = head[:4] == b"PK\x03\x04"
    if not is_zip and head[:1] not in (b"\x80", b"}", b"("):
        raise InputError(f"{path.name} is no PyTorch checkpoint; choose the file that its authors released.")
    if is_zip and not zipfile.is_zipfile(path):
        raise InputError(f"{path.name} is cut off after {size / 1e6:.1f} MB; download it again.")
    names: list[str] = []
    try:
        if is_zip:
            names = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
        stand_ins = [(_dictionary if name in _DICTIONARIES else _nothing(name), name) for name in names]
        with torch.serialization.safe_globals(stand_ins):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        raise _refused(path, str(error), names) from None
    except MemoryError:
        raise
    except (RuntimeError, ValueError, EOFError, KeyError, IndexError, AttributeError, TypeError, AssertionError,
            UnicodeDecodeError, OverflowError, OSError, zipfile.BadZipFile) as error:
        if "torchscript" in str(error).lower():
            raise InputError(f"{path.name} is a TorchScript program, which is never run; choose the checkpoint with the "
                             "weights.") from None
        raise InputError(f"{path.name} is damaged or no PyTorch checkpoint; download it again.") from None


def _refused(path: Path, text: str, names: list[str]) -> InputError:
    if "is blocked" in text:
        name = next((word for word in text.split() if word.split(".")[0] in ("os", "posix", "nt", "sys")), "a command")
        return InputError(f"{path.name} tries to run code ({name}) and was refused; get the file from its authors.")
    if "Unsupported global" in text and not names:
        return InputError(f"{path.name} is an old-format checkpoint that holds more than tensors, which is not read; "
                          "save its weights alone with torch.save.")
    return InputError(f"{path.name} holds something that is no weights and cannot be read without running it; get the "
                      "file from its authors.")


def _tensors(path: Path, content: object) -> dict[str, torch.Tensor]:
    inner = content
    if isinstance(content, dict):
        inner = next((content[key] for key in _INSIDE if isinstance(content.get(key), dict)), content)
    found = {str(k): v for k, v in inner.items() if isinstance(v, torch.Tensor)} if isinstance(inner, dict) else {}
    if not found:
        raise InputError(f"{path.name} holds no weights; choose the file that its authors released.")
    return found
