"""WHAM with the user's weights as evidence: when the feet stand, how the body moves, which pose it has.

It runs on keypoints alone: the picture features that the public pipeline adds (HMR 2, another checkpoint) are left out,
as the network allows, and its first pose is handed in by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sinew_take.errors import InputError, RequestError
from sinew_take.model_files import Found

from . import network as net
from .inputs import prepare
from .smpl import SmplPoints

N_JOINTS, N_FEET = 31, 4


@dataclass(frozen=True)
class Wham:
    """The network and its body, ready to run."""

    network: net.Network
    body: SmplPoints
    feet: np.ndarray
    """(4,) which of the network's contacts is the take's left heel, left toe, right heel, right toe."""


@dataclass(frozen=True)
class Evidence:
    """What WHAM says of a track, at the shot's own frames; NaN where the person is not there."""

    contact: np.ndarray
    """(T, 4) 0..1, left heel, left toe, right heel, right toe."""
    velocity_m_s: np.ndarray
    """(T, 3) of the pelvis, in SMPL's axes of the pelvis (x left, y up, z forward)."""
    pose: np.ndarray
    """(T, 24, 3, 3) SMPL's rotations against the parent; the first from SMPL's axes to the camera's."""


def load(wham: Found, smpl: Found) -> Wham:
    """Load the user's files.

    Args:
        wham, smpl: Of `model_files.look`.

    Raises:
        RequestError: A file is not there.
        InputError: A file is not what it should be.
    """
    from ...body import smpl_files

    lacking = [f.names[0] for f in (*wham.set.needed, *wham.set.optional) if f.key not in wham.paths]
    if lacking:
        raise RequestError(f"WHAM as evidence needs {', '.join(lacking)}; get them from {wham.set.page} "
                           f"({wham.set.licence}) and put them into the folder of model files.")
    model = smpl_files.load("smpl", smpl)
    joints = regressor(wham.paths["wham_joints"], N_JOINTS, len(model.template_m))
    feet = regressor(wham.paths["feet_joints"], N_FEET, len(model.template_m))
    arrays = {"v_template": model.template_m, "shapedirs": model.shape_dirs_m, "posedirs": model.pose_dirs_m,
              "weights": model.weight, "J_regressor": model.regressor,
              "kintree_table": np.stack([model.parents, np.arange(len(model.parents))])}
    network, _ = net.load(wham.paths["wham_checkpoint"])
    network.float()
    return Wham(network, SmplPoints(arrays, {"joints": joints, "feet": feet}), order_of_feet(feet @ model.template_m))


def regressor(path: Path, rows: int, vertices: int) -> np.ndarray:
    """(rows, vertices) from an .npy file; raises InputError."""
    try:
        value = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise InputError(f"{path.name} is no array file; get it from WHAM's authors again.") from None
    if not isinstance(value, np.ndarray) or value.shape != (rows, vertices) or value.dtype.kind != "f":
        shape = "x".join(map(str, getattr(value, "shape", ())))
        raise InputError(f"{path.name} holds {shape or 'no'} numbers, and WHAM needs {rows}x{vertices}; get it from WHAM's "
                         "authors again.")
    return value.astype(np.float64)


def order_of_feet(places_m: np.ndarray) -> np.ndarray:
    """Which of four points (4, 3) in SMPL's axes is the left heel, left toe, right heel, right toe: by where they are."""
    left = np.argsort(-places_m[:, 0])[:2]
    right = np.setdiff1d(np.arange(4), left)
    return np.concatenate([side[np.argsort(places_m[side, 2])] for side in (left, right)])


def evidence(wham: Wham, time_s: np.ndarray, keypoints_px: np.ndarray, T_wc: np.ndarray, K: np.ndarray,
             size_px: tuple[int, int], first_pose: np.ndarray) -> Evidence | None:
    """Run the network over one track.

    Args:
        wham: Of `load`.
        time_s: (T,)
        keypoints_px: (T, 33, 3), NaN where there is nobody.
        T_wc, K: The camera, (T, 4, 4) and (T, 3, 3).
        size_px: Width and height.
        first_pose: (24, 3, 3) of the first frame with the person, as `Evidence.pose`.

    Returns:
        None where the track is too short to run on.
    """
    given = prepare(time_s, keypoints_px, T_wc, K, size_px)
    if given is None:
        return None

    def batch(value: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(value, dtype=np.float32))[None]

    x, turns = batch(given.keypoints), torch.from_numpy(np.asarray(first_pose, dtype=np.float32))
    with torch.inference_mode():
        shown = wham.body(turns[None], torch.zeros(1, 10))["joints"][0]
    points = shown[:17] - shown[list(net.HIPS)].mean(0)
    first = torch.cat([points.flatten(), x[0, 0]])[None, None]
    six = net.to_6d(turns)
    out = net.run(wham.network, wham.body, x, torch.from_numpy(given.hidden)[None], first, six[None, None], six[None, :1],
                  batch(given.camera_turning), batch(given.K), batch(given.box),
                  torch.tensor([size_px], dtype=torch.float32))
    contact = np.clip(out["contact"][0].numpy()[:, wham.feet], 0, 1)
    velocity = out["vel_root_refined"][0].numpy() * net.NORMAL_RATE
    pose = net.from_6d(out["pose"].view(-1, 24, 6)).numpy()
    present = np.isfinite(keypoints_px).all((1, 2))
    nearest = np.clip(np.searchsorted(given.time_s, time_s + .5 / net.NORMAL_RATE) - 1, 0, len(pose) - 1)

    def resampled(value: np.ndarray) -> np.ndarray:
        out = np.stack([np.interp(time_s, given.time_s, v) for v in value.T], -1)
        return np.where(present[:, None], out, np.nan)

    return Evidence(resampled(contact), resampled(velocity), np.where(present[:, None, None, None], pose[nearest], np.nan))
