"""Checkpoints of our own making, in the layouts of the released ones: random weights, a backbone of one block."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch


def drawn(shapes: dict[str, tuple[int, ...]], scale: float = 0.02) -> dict[str, torch.Tensor]:
    """Random weights whose names decide them; norms about 1."""
    out = {}
    for name, shape in shapes.items():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        w = torch.randn(shape, generator=generator) * scale
        out[name] = w + 1 if "norm" in name and name.endswith("weight") else w
    return out


def standing_q() -> np.ndarray:
    """(46,) a person who stands upright and faces the camera, as the network says it."""
    from sinew_take import skeleton as sk

    q = np.zeros(46)
    q[sk.DOF_INDEX["pelvis_tilt"]] = np.pi
    for name, value in (("shoulder_r_x", -1.0), ("shoulder_l_x", 1.0), ("elbow_flexion_r", .3), ("elbow_flexion_l", .3),
                        ("knee_angle_r", .2), ("knee_angle_l", .2)):
        q[sk.DOF_INDEX[name]] = value
    return q


def hsmr_weights(depth: int = 1) -> dict[str, torch.Tensor]:
    """State dictionary of a small HSMR that always sees somebody standing, a little differently for each picture."""
    from sinew.body.skel.representation import q_to_rep
    from sinew.networks.hsmr import network as net

    shapes = {k: tuple(v.shape) for k, v in net.empty(depth).state_dict().items()}
    weights = drawn(shapes)
    weights["head.init_poses"] = q_to_rep(torch.from_numpy(standing_q())).float().reshape(1, 144)
    weights["head.init_betas"] = torch.zeros(1, 10)
    weights["head.init_cam"] = torch.tensor([[0.9, 0.0, 0.0]])
    for name in ("poses", "betas", "cam"):
        weights[f"head.{name}_decoder.weight"] *= 0.05
    return weights


def write_hsmr(path: Path, weights: dict[str, torch.Tensor] | None = None, **more) -> Path:
    """A Lightning-like file: half precision, the body model's tensors and a framework's leftovers beside the weights."""
    weights = hsmr_weights() if weights is None else weights
    state = {k: v.half() for k, v in weights.items()}
    state["skel_model.J_regressor"] = torch.zeros(24, 10)
    torch.save({"epoch": 3, "pytorch-lightning_version": "2.1", "state_dict": state, **more}, path)
    return path
