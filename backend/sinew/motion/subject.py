"""One person while the motion stage works, and what its feet do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..flow import Camera, Track
from . import contact, fit
from .frames import Frames
from .model import CONTACT_KEYPOINTS, Model
from .start import believed


@dataclass
class Subject:
    """A track, what is fitted to it, and how it stands."""

    track: Track
    frames: Frames
    seen: fit.Observations
    state: fit.State
    stature_m: float | None
    ground: fit.Ground | None = None
    residual_px: np.ndarray | None = None
    on_floor: bool = True
    shape_is_known: bool = False
    """The shape is given and kept."""


SEEN_CONFIDENCE = 0.3
"""Of a keypoint, from which it was seen."""


def soles_seen(track: Track, frames: np.ndarray) -> np.ndarray:
    """(N, 4) bool: the keypoint over the sole was seen in a frame of (N,), and is surely this person's.

    All of them where none ever was: then all are guesses alike.
    """
    out = believed(track)[1][frames][:, list(CONTACT_KEYPOINTS)] >= SEEN_CONFIDENCE
    return out if out.any() else np.ones_like(out)


def soles_of(model: Model, state: fit.State) -> np.ndarray:
    """(N, 4, 3) points under heels and toes in the world, m."""
    p = fit.pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    return model.soles.positions(p, state.shape)


def speed_of(camera: Camera, s: Subject, soles: np.ndarray) -> np.ndarray:
    """(N, 4) speed of the soles, m/s, what is along the line of sight believed less."""
    eye = np.asarray(camera.T_wc, dtype=float)[s.frames.index][:, :3, 3]
    return contact.sole_speed(soles, s.seen.time_s, s.frames.joined, eye)


def seen_to_stand(camera: Camera, s: Subject, soles: np.ndarray) -> np.ndarray:
    """(N, 4) how surely each sole stands still, 0..1; 0 for hidden feet, which are where the fit put them."""
    return contact.standing(speed_of(camera, s, soles)) * soles_seen(s.track, s.frames.index)
