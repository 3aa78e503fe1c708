"""HSMR's speed and memory at the released size, beside its matrix products alone, with random weights."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from ..networks.hsmr import network as net
from ..networks.hsmr import run as hsmr
from ..networks.memory import GB, free_bytes
from ..networks.threads import all_cores, cores
from . import Unavailable
from .tables import Row, row

CPU_BATCHES = (1, 4)
"""Crops at once; the larger one is the figure."""
ROUNDS = 2


def run(say: Callable[[str], None]) -> list[Row]:
    """Rows for the processor, and for a GPU where there is one."""
    device = torch.device("cpu")
    model = net.empty()
    wanted = hsmr.weight_bytes(model, torch.float32) * 1.3
    free = free_bytes(device)
    if free is not None and free < wanted:
        raise Unavailable(f"HSMR's {wanted / GB:.1f} GB do not fit into the {free / GB:.1f} GB of free memory.")
    before = _peak()
    model = filled(model)
    rows = _processor(model, before, say)
    if torch.cuda.is_available():
        rows += _gpu(model)
    return rows


def filled(model: net.Network) -> net.Network:
    """Random weights of the right size, so that nothing overflows."""
    model = model.to_empty(device="cpu")
    for name, p in [*model.named_parameters(), *model.named_buffers()]:
        if "norm" in name and name.endswith("weight"):
            p.data.fill_(1.0)
        else:
            p.data.normal_(0.0, 0.02)
    return model


def _crops(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (n, 256, 256, 3), dtype=np.uint8)


def _processor(model: net.Network, before: float, say: Callable[[str], None]) -> list[Row]:
    say("  float32 …")
    threads = cores()
    runner = hsmr.Runner(model, torch.device("cpu"))
    rows, network_s, products_s = [], {}, {}
    for n in CPU_BATCHES:
        # Interleaved, so that what else the machine does meets both.
        network_s[n], products_s[n] = _pair(lambda n=n: runner.predict(_crops(n)),
                                            lambda n=n: products(model, n, torch.float32))
    most = max(CPU_BATCHES)
    for n in CPU_BATCHES:
        name = f"float32, {threads} thread{'s' * (threads > 1)}, {n} crop{'s' * (n > 1)} at once"
        rows.append(row(name, n / network_s[n], "crops/s", n / products_s[n], baseline_name="matrix products alone"))
    used = _peak() - before
    planned = hsmr.weight_bytes(model, torch.float32) + most * hsmr.crop_bytes(model, torch.float32)
    rows.append(row(f"peak memory, {most} crops at once", used / GB, "GB", planned / GB, baseline_name="said beforehand"))
    # One crop, once: without bfloat16 in the hardware this takes long, which is what the figure is to tell.
    say("  bfloat16 …")
    single = runner.predict(_crops(1))
    backbone = model.backbone.to(torch.bfloat16)
    half = hsmr.Runner(model, torch.device("cpu"), torch.bfloat16)
    start = time.perf_counter()
    other = half.predict(_crops(1))
    half_s = time.perf_counter() - start
    change = np.abs((other.q - single.q + np.pi) % (2 * np.pi) - np.pi).max()
    rows.append(row("bfloat16, 1 crop", 1 / half_s, "crops/s", 1 / network_s[1], baseline_name="float32"))
    rows.append(row("bfloat16, largest change of an angle (random weights)", float(np.degrees(change)), "deg"))
    backbone.to(torch.float32)
    say(f"  precision used on this processor: {hsmr.precision(torch.device('cpu'))}")
    return rows


def _gpu(model: net.Network) -> list[Row]:
    device = torch.device("cuda")
    torch.cuda.reset_peak_memory_stats()
    runner = hsmr.Runner(model, device)
    n = runner.batch
    crops = _crops(n)
    dtype = runner.dtype
    network_s, products_s = _pair(lambda: (runner.predict(crops), torch.cuda.synchronize()),
                                  lambda: (products(model, n, dtype, device), torch.cuda.synchronize()))
    return [row(f"{torch.cuda.get_device_name(0)}, {str(dtype).split('.')[1]}, {n} crops at once", n / network_s, "crops/s",
                n / products_s, baseline_name="matrix products alone"),
            row(f"{torch.cuda.get_device_name(0)}, peak memory", torch.cuda.max_memory_allocated() / GB, "GB",
                (hsmr.weight_bytes(model, dtype) + n * hsmr.crop_bytes(model, dtype)) / GB,
                baseline_name="said beforehand")]


def _pair(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Shortest time of each, taken in turns; the first round only warms up."""
    best = [np.inf, np.inf]
    for turn in range(ROUNDS + 1):
        for i, work in enumerate((one, other)):
            start = time.perf_counter()
            work()
            if turn:
                best[i] = min(best[i], time.perf_counter() - start)
    return best[0], best[1]


@torch.inference_mode()
def products(model: net.Network, n: int, dtype: torch.dtype, device: torch.device | str = "cpu") -> None:
    """The network's matrix products and nothing else: the same shapes, the network's own matrices."""
    backbone, head = model.backbone, model.head
    tokens, dim = 192, backbone.last_norm.weight.shape[0]
    heads = backbone.blocks[0].attn.heads
    x = torch.randn(n * tokens, dim, dtype=dtype, device=device)
    patch = torch.randn(n * tokens, 3 * 16 * 16, dtype=dtype, device=device)
    wide = torch.randn(n * tokens, backbone.blocks[0].mlp.fc1.weight.shape[0], dtype=dtype, device=device)
    q = torch.randn(n * heads, tokens, dim // heads, dtype=dtype, device=device)
    weight = torch.randn(n * heads, tokens, tokens, dtype=dtype, device=device)
    with all_cores():
        patch @ backbone.patch_embed.proj.weight.flatten(1).T
        for block in backbone.blocks:
            x @ block.attn.qkv.weight.T
            torch.bmm(q, q.mT)
            torch.bmm(weight, q)
            x @ block.attn.proj.weight.T
            x @ block.mlp.fc1.weight.T
            wide @ block.mlp.fc2.weight.T
        x = x.to(head.poses_decoder.weight.dtype)
        for _, cross, _ in head.transformer.transformer.layers:
            x @ cross.fn.to_kv.weight.T


def _peak() -> float:
    """Bytes, the most that this process ever held; not told on Windows."""
    try:
        import resource
    except ImportError:
        return float("nan")
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
