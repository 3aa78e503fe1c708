"""HSMR (Xia et al. 2025): one picture of a person to the pose and shape of the SKEL body, and a weak camera.

Written from the published facts. The released checkpoint has 32 blocks; the depth is read from the keys.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import nn

from sinew_take.errors import InputError

from ...files.checkpoints import read_checkpoint
from ..load import strictly
from .head import Head
from .vit import ViT

FOCAL_PX = 5000.0
"""Focal length that the network's camera is told in, for the crop and for the picture; it is nobody's real one."""
CROP_PX = 256
RELEASED_DEPTH = 32
_BLOCK = re.compile(r"backbone\.blocks\.(\d+)\.")


class Network(nn.Module):
    """Backbone and head. Args: depth of the backbone; the rest as released."""

    def __init__(self, depth: int = RELEASED_DEPTH):
        super().__init__()
        self.backbone = ViT(depth=depth)
        self.head = Head()

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Normalised crops (B, 3, 256, 256) -> continuous pose (B, 24, 6), shape (B, 10), camera (B, 3): s, tx, ty.

        The outer 32 columns on both sides are not looked at. The head works in its own precision.
        """
        middle = crops[..., 32:-32].to(self.backbone.last_norm.weight.dtype)
        return self.head(self.backbone(middle).to(self.head.poses_decoder.weight.dtype))


def empty(depth: int = RELEASED_DEPTH) -> Network:
    """A network without weights (meta device), ready for loading."""
    with torch.device("meta"):
        return Network(depth).eval().requires_grad_(False)


def depth_of(weights: dict[str, torch.Tensor]) -> int:
    """Blocks of a checkpoint's backbone; 0 where it has none."""
    found = [int(m[1]) for m in map(_BLOCK.match, weights) if m]
    return max(found) + 1 if found else 0


def load(path: Path) -> tuple[Network, int]:
    """Load a checkpoint, strictly: every key of backbone and head.

    Args:
        path: `hsmr.ckpt`.

    Returns:
        The network (on the CPU, tensors mapped from the file) and how many tensors of the body model inside the file
        were dropped.

    Raises:
        RequestError, InputError: One sentence each.
    """
    weights = read_checkpoint(path)
    depth = depth_of(weights)
    if depth == 0 or depth > 4 * RELEASED_DEPTH:
        keys = ", ".join(list(weights)[:3])
        raise InputError(f"{Path(path).name} is a checkpoint of another network than HSMR (its keys are {keys}, …); choose "
                         "the one of HSMR.")
    network = empty(depth)
    dropped = strictly(network, weights, ("skel_model.",), "HSMR", Path(path))
    return network, dropped


def crop_translation(camera: torch.Tensor) -> torch.Tensor:
    """Where the body stands in the crop's camera: camera (..., 3) s, tx, ty -> (..., 3) m, focal length `FOCAL_PX`."""
    s, tx, ty = camera.unbind(-1)
    return torch.stack([tx, ty, 2 * FOCAL_PX / (CROP_PX * s + 1e-9)], -1)


def picture_translation(camera: torch.Tensor, box: torch.Tensor, size_px: torch.Tensor) -> torch.Tensor:
    """The same in the whole picture, still with `FOCAL_PX`, which is not the picture's own focal length.

    Args:
        camera: (..., 3).
        box: (..., 3) centre x, y and side of the crop, px.
        size_px: (2,) width and height.
    """
    x, y, z = crop_translation(camera).unbind(-1)
    z = z * CROP_PX / box[..., 2]
    return torch.stack([x + (box[..., 0] - size_px[0] / 2) / FOCAL_PX * z,
                        y + (box[..., 1] - size_px[1] / 2) / FOCAL_PX * z, z], -1)
