"""HSMR over many crops: device, precision, batches, memory, and the mirrored second look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from sinew_take import skeleton as sk
from sinew_take.errors import RequestError

from ...body.skel.representation import q_to_rep, rep_to_q
from ..memory import GB, free_bytes
from ..threads import all_cores
from .crops import normalised
from .network import Network
from .vit import GRID

MOST = {"cpu": 8, "cuda": 64}
"""Crops in a batch. Larger ones are no faster on the processor (docs/benchmarks.md)."""


@dataclass(frozen=True)
class Prediction:
    """What the network says of N crops."""

    q: np.ndarray
    """(N, 46) rad, within ±pi; the pelvis turns the published axes against a camera whose y points down."""
    betas: np.ndarray
    """(N, 10) of the SKEL body."""
    camera: np.ndarray
    """(N, 3) s, tx, ty of the crop's weak camera."""
    is_finite: np.ndarray
    """(N,) bool: half precision can overflow where single does not."""


def precision(device: torch.device) -> torch.dtype:
    """Of the backbone: half on a GPU; on the processor bfloat16 is slower than single where it is not in hardware."""
    return torch.float16 if device.type == "cuda" else torch.float32


def crop_bytes(network: Network, dtype: torch.dtype) -> int:
    """Working memory for one crop in the widest moment of the backbone: the perceptron, and what is kept beside it."""
    block = network.backbone.blocks[0]
    hidden, dim = block.mlp.fc1.weight.shape
    size = torch.finfo(dtype).bits // 8
    return GRID[0] * GRID[1] * (2 * hidden + 4 * dim) * size + 3 * 256 * 256 * (4 + size)


def weight_bytes(network: Network, dtype: torch.dtype) -> int:
    """Memory of the weights in the precisions they are used in."""
    backbone = sum(p.numel() for p in network.backbone.parameters()) * (torch.finfo(dtype).bits // 8)
    return backbone + sum(p.numel() for p in network.head.parameters()) * 4


def device_of(wanted: str) -> torch.device:
    """auto, cpu or cuda -> the device; "auto" takes a GPU where there is one."""
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def plan(network: Network, device: torch.device, dtype: torch.dtype | None = None, free: int | None = None) -> int:
    """Crops in a batch that fit.

    Args:
        network: Loaded or empty.
        device: Where it is to run.
        dtype: Of the backbone; None takes `precision(device)`.
        free: Bytes that may be taken; None asks the system.

    Raises:
        RequestError: Not even one fits.
    """
    dtype = dtype or precision(device)
    weights, crop = weight_bytes(network, dtype), crop_bytes(network, dtype)
    free = free_bytes(device) if free is None else free
    if free is not None and weights + crop > free:
        raise RequestError(_too_large(device, weights + crop, free))
    most = MOST.get(device.type, 8)
    return most if free is None else int(min(most, max((free - weights) // (2 * crop), 1)))


class Runner:
    """A network on its device.

    Args:
        network: Loaded.
        device: Where it runs.
        dtype: Of the backbone; None takes `precision(device)`. The head stays in float32: it is one token.
        free: Bytes that may be taken; None asks the system.

    Raises:
        RequestError: It will not fit.
    """

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype | None = None, free: int | None = None):
        self.device, self.dtype = device, dtype or precision(device)
        self.batch = plan(network, device, self.dtype, free)
        try:
            network.backbone.to(device, self.dtype)
            network.head.to(device, torch.float32)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _is_memory(error):
                raise
            raise RequestError(_too_large(device, weight_bytes(network, self.dtype), None)) from None
        self.network = network

    @torch.inference_mode()
    def predict(self, crops: np.ndarray, flip: bool = False,
                report: Callable[[int], None] = lambda done: None) -> Prediction:
        """Look at crops.

        Args:
            crops: (N, 256, 256, 3) uint8 RGB.
            flip: Look at the mirrored crops too and take the middle of both: twice the time.
            report: Told how many crops are done.
        """
        reps, betas, cameras = [], [], []
        start = 0
        while start < len(crops):
            part = crops[start:start + self.batch]
            try:
                rep, beta, camera = self._look(part)
                if flip:
                    other, beta2, camera2 = self._look(part[:, :, ::-1])
                    rep = (_again(rep) + _again(other, mirrored=True)) / 2
                    beta = (beta + beta2) / 2
                    camera = (camera + camera2 * camera.new_tensor([1.0, -1.0, 1.0])) / 2
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_memory(error):
                    raise
                if self.batch == 1:
                    raise RequestError(_too_large(self.device, crop_bytes(self.network, self.dtype), None)) from None
                self.batch = max(self.batch // 2, 1)
                continue
            reps.append(rep)
            betas.append(beta)
            cameras.append(camera)
            start += len(part)
            report(start)
        if not reps:
            return Prediction(np.zeros((0, 46)), np.zeros((0, 10)), np.zeros((0, 3)), np.zeros(0, bool))
        q = rep_to_q(torch.cat(reps)).numpy()
        betas, camera = torch.cat(betas).numpy(), torch.cat(cameras).numpy()
        return Prediction(q, betas, camera, np.isfinite(q).all(1) & np.isfinite(betas).all(1) & np.isfinite(camera).all(1))

    def _look(self, crops: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        with all_cores():
            return tuple(t.double().cpu() for t in self.network(normalised(crops, self.device)))


def _again(rep: torch.Tensor, mirrored: bool = False) -> torch.Tensor:
    """The representation of the same (or the mirrored) pose in unit vectors, so that two can be averaged."""
    q = rep_to_q(rep).numpy()
    return q_to_rep(torch.from_numpy(sk.mirror_q(q) if mirrored else q))


def _is_memory(error: BaseException) -> bool:
    return (isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "out of memory" in str(error).lower()
            or "can't allocate memory" in str(error).lower())


def _too_large(device: torch.device, wanted: int, free: int | None) -> str:
    where = "GPU memory" if device.type == "cuda" else "memory"
    there = "" if free is None else f" and {free / GB:.1f} GB are free"
    other = "use --device cpu, " if device.type == "cuda" else ""
    return (f"HSMR needs {wanted / GB:.1f} GB of {where}{there}; close other programs, {other}or leave it out with "
            "--hsmr off.")
