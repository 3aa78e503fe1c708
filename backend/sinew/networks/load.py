"""Strict loading: every key of a network has its tensor, and every tensor its key."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from sinew_take.errors import InputError

_SHOWN = 3


def strictly(module: nn.Module, weights: dict[str, torch.Tensor], drop: tuple[str, ...], what: str, path: Path) -> int:
    """Put a checkpoint's tensors into a network, all or none.

    Args:
        module: May be on the meta device: tensors are taken over, not copied.
        weights: From `read_checkpoint`.
        drop: Prefixes of keys that belong to something else in the file.
        what: Name of the network for sentences.
        path: The file, for sentences.

    Returns:
        How many tensors were dropped by `drop`.

    Raises:
        InputError: Keys are missing or left over, shapes differ, or a tensor holds no floating-point numbers.
    """
    given = {k: v for k, v in weights.items() if not k.startswith(drop)} if drop else dict(weights)
    wanted = dict(module.state_dict())
    missing = [k for k in wanted if k not in given]
    extra = [k for k in given if k not in wanted]
    if len(missing) > len(wanted) // 2:
        raise InputError(f"{path.name} is a checkpoint of another network than {what} (its keys are {_some(list(given))}); "
                         f"choose the one of {what}.")
    if missing:
        raise InputError(f"{path.name} lacks {len(missing)} of {what}'s {len(wanted)} tensors ({_some(missing)}); "
                         "get the file from its authors again.")
    if extra:
        raise InputError(f"{path.name} holds {len(extra)} tensors that {what} does not have ({_some(extra)}); it is of "
                         f"another version, choose the released one.")
    for key, tensor in wanted.items():
        if tuple(given[key].shape) != tuple(tensor.shape):
            raise InputError(f"{path.name}: {key} has the shape {_shape(given[key])}, and {what} needs {_shape(tensor)}; "
                             "it is of another version, choose the released one.")
        if not given[key].is_floating_point():
            raise InputError(f"{path.name}: {key} holds {given[key].dtype}, no weights; get the file from its authors.")
    module.load_state_dict(given, strict=True, assign=True)
    return len(weights) - len(given)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", …" if len(keys) > _SHOWN else "")


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(str(n) for n in tensor.shape) or "a single number"
