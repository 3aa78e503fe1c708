"""What the run hangs on its tracks, each through the cache: HSMR's poses and WHAM's contacts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sinew_take.free_body import FreeBody

from ..cache import key
from ..flow import Camera, People, Shot
from .hsmr import pose_priors
from .wham import identity, standing

Cached = Callable[..., object]
"""cached(stage, entry, make(report), extra) of the run."""


def attach_poses(shot: Shot, found: People, asset: FreeBody, checkpoint: Path | None, people_key: str, device: str,
                 mode: str, flip: bool, cached: Cached) -> tuple[str, list[str]]:
    """Hang HSMR's guess on every track, and put it into the place of the detector's landmarks where it looked.

    Returns:
        The key that stands for people with it, and sentences; the key as it was where there is no checkpoint.
    """
    if checkpoint is None:
        return people_key, []
    state = checkpoint.stat()
    entry = key("prior", people_key, state.st_size, state.st_mtime_ns, mode, flip, device)
    priors, said = cached("people", entry, lambda report: list(pose_priors(
        shot, found, checkpoint, device, mode, flip, report)), extra=True)
    from ..motion.from_prior import as_landmarks
    from ..motion.model import make_model

    model = make_model(asset)
    for track, own in zip(found.tracks, priors, strict=True):
        track.prior = own
        track.landmarks_m = as_landmarks(own, track.landmarks_m, model).astype(np.float32)
    return entry, list(said)


def attach_standing(shot: Shot, found: People, camera: Camera, asset: FreeBody, models: Path | None, mode: str,
                    camera_key: str, cached: Cached) -> tuple[str, list[str]]:
    """Hang WHAM's contacts on every track.

    Returns:
        The key that stands for the camera and people with them, and sentences.
    """
    if mode != "on":
        return camera_key, []
    entry = key("standing", camera_key, identity(models))
    said = cached("camera", entry, lambda report: standing(shot, found, camera, asset, models, report), extra=True)
    for track, own in zip(found.tracks, said, strict=True):
        track.standing = own
    return entry, ["WHAM's word on when feet stand was heard beside our own; its path, pose and shape were not used."]
