"""The free body: a human surface on the skeleton's 24 joints, linear in a compact shape vector. NumPy only.

The asset beside this file is made by `backend/tools/build_free_body.py` from CC0 data and read by both halves. Its
right half is stored as the mirror of the left one, so that bodies are exactly symmetric.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from . import skeleton as sk
from .errors import RequestError

ASSET = Path(__file__).with_name("free_body.npz")


@dataclass(frozen=True)
class FreeBody:
    """A body in the rest pose (T-pose, palms down, facing -Y, Z up, soles at z = 0, hips at y = 0); metres, rest axes.

    Everything is linear in the shape: coefficients in standard deviations, prior N(0, 1), all zero for the mean adult.
    """

    template_m: np.ndarray
    """(V, 3)."""
    shape_dirs: np.ndarray
    """(B, V, 3), m per standard deviation."""
    shape_names: tuple[str, ...]
    """(B): phenotype components, then bone-length components."""
    joints_m: np.ndarray
    """(24, 3)."""
    joint_dirs: np.ndarray
    """(B, 24, 3)."""
    joint_frames: np.ndarray
    """(24, 3, 3), `skeleton.REST_FRAMES`."""
    faces: np.ndarray
    """(F, 3) int32, counter-clockwise from outside."""
    uv: np.ndarray
    """(F, 3, 2), 0..1, per face corner."""
    region: np.ndarray
    """(F) uint8, index into `region_names`."""
    region_names: tuple[str, ...]
    skin_index: np.ndarray
    """(V, 4) int16."""
    skin_weight: np.ndarray
    """(V, 4), rows sum to 1; entries with weight 0 are padding."""
    keypoint_names: tuple[str, ...]
    """(33), `skeleton.MEDIAPIPE_KEYPOINTS`."""
    keypoint_m: np.ndarray
    """(33, 3): where the detector sees them on this body, not the bare anatomy (measured; see the build step)."""
    keypoint_dirs: np.ndarray
    """(B, 33, 3)."""
    keypoint_index: np.ndarray
    """(33, 2) int16."""
    keypoint_weight: np.ndarray
    """(33, 2)."""
    mirror: np.ndarray
    """(V) index of each vertex's mirror image."""
    meta: dict
    """How the asset was made and the error it leaves; see `docs`."""

    @property
    def n_shape(self) -> int:
        return len(self.shape_dirs)

    def vertices(self, shape: np.ndarray) -> np.ndarray:
        """Skin of a shape (B,), (V, 3) m."""
        return self.template_m + np.tensordot(self._checked(shape), self.shape_dirs, 1)

    def joints(self, shape: np.ndarray) -> np.ndarray:
        """Joints of a shape (B,), (24, 3) m."""
        return self.joints_m + np.tensordot(self._checked(shape), self.joint_dirs, 1)

    def keypoints(self, shape: np.ndarray) -> np.ndarray:
        """Detector keypoints of a shape (B,) in the rest pose, (33, 3) m."""
        return self.keypoint_m + np.tensordot(self._checked(shape), self.keypoint_dirs, 1)

    def _checked(self, shape: np.ndarray) -> np.ndarray:
        shape = np.asarray(shape, np.float32)
        if shape.shape != (self.n_shape,):
            raise ValueError(f"A shape of the free body has {self.n_shape} coefficients, not {shape.shape}.")
        return shape


def _whole(half: np.ndarray, n_middle: int, sign: np.ndarray | None = None) -> np.ndarray:
    """Append the right half, (…, V, …) on the axis before the last."""
    right = half[..., n_middle:, :]
    return np.concatenate([half, right if sign is None else right * sign], -2)


@lru_cache(maxsize=1)
def load() -> FreeBody:
    """Read the asset.

    Raises:
        RequestError: The asset is missing or damaged; the installation must be repaired.
    """
    try:
        with np.load(ASSET, allow_pickle=False) as file:
            raw = {name: file[name] for name in file.files}
        return _unpack(raw)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RequestError(f"The body file {ASSET.name} is missing or damaged; install Sinew again.") from error


def _unpack(raw: dict[str, np.ndarray]) -> FreeBody:
    n_middle = int(raw["n_middle"])
    swap = np.array([sk.JOINT_INDEX[_other_side(name)] for name in sk.JOINT_NAMES], np.int16)
    index = raw["skin_index"].astype(np.int16)
    n_half, sign = len(index), sk.MIRROR.astype(np.float32)
    n_left = n_half - n_middle
    dirs = raw["dirs"].astype(np.float32) * raw["dirs_step"][:, None, None]
    left = np.arange(n_middle, n_half)
    body = FreeBody(
        template_m=_whole(raw["template_m"], n_middle, sign), shape_dirs=_whole(dirs, n_middle, sign),
        shape_names=tuple(str(n) for n in raw["shape_names"]), joints_m=raw["joints_m"], joint_dirs=raw["joint_dirs"],
        joint_frames=sk.REST_FRAMES.astype(np.float32), faces=raw["faces"].astype(np.int32),
        uv=raw["uv"].astype(np.float32) / 65535, region=raw["region"],
        region_names=tuple(str(n) for n in raw["region_names"]),
        skin_index=np.concatenate([index, swap[index[n_middle:]]]),
        skin_weight=_whole(raw["skin_weight"].astype(np.float32) / 255, n_middle),
        keypoint_names=tuple(str(n) for n in raw["keypoint_names"]), keypoint_m=raw["keypoint_m"],
        keypoint_dirs=raw["keypoint_dirs"], keypoint_index=raw["keypoint_index"],
        keypoint_weight=raw["keypoint_weight"],
        mirror=np.concatenate([np.arange(n_middle), left + n_left, left]), meta=json.loads(str(raw["meta"])))
    _check(body)
    return body


def _other_side(name: str) -> str:
    return name[:-2] + {"_l": "_r", "_r": "_l"}[name[-2:]] if name[-2:] in ("_l", "_r") else name


def _check(body: FreeBody) -> None:
    B, V, F = len(body.shape_dirs), len(body.template_m), len(body.faces)
    wanted = {"template_m": (V, 3), "shape_dirs": (B, V, 3), "joints_m": (24, 3), "joint_dirs": (B, 24, 3),
              "faces": (F, 3), "uv": (F, 3, 2), "region": (F,), "skin_index": (V, 4), "skin_weight": (V, 4),
              "keypoint_m": (33, 3), "keypoint_dirs": (B, 33, 3), "keypoint_index": (33, 2), "keypoint_weight": (33, 2)}
    for name, shape in wanted.items():
        if getattr(body, name).shape != shape:
            raise ValueError(f"{name} has the size {getattr(body, name).shape} instead of {shape}")
    if len(body.shape_names) != B or body.keypoint_names != sk.MEDIAPIPE_KEYPOINTS or body.faces.max() >= V:
        raise ValueError("names or faces do not fit")
