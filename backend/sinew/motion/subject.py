"""One person while the motion stage works, and what its feet do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..flow import Camera, Track
from . import contact, fit
from .frames import Frames
from .gait import Gait
from .model import CONTACT_KEYPOINTS, PARTS, Model
from .start import believed


@dataclass
class Subject:
    """A track, what is fitted to it, and how it stands."""

    track: Track
    frames: Frames
    seen: fit.Observations
    state: fit.State
    stature_m: float | None
    lively: np.ndarray
    """(N, 49) of `liveliness.factors`."""
    ground: fit.Ground | None = None
    residual_px: np.ndarray | None = None
    on_floor: bool = True
    shape_is_known: bool = False
    """The shape is given and kept."""
    glides: bool = False
    """The feet hardly ever stand but move along the floor, where they are lowest."""
    exchanged: np.ndarray | None = None
    """(N,) bool: the legs are read the other way than they were found; None: nowhere."""
    steps: Gait | None = None
    """What the other steps of somebody who walks or runs said of each at the last fit; None: nothing, or nobody walks."""


PARTS_NEAR_M = 0.2
"""Nothing but soles touches the floor where everything else stays so far above it."""
SEEN_CONFIDENCE = 0.3
"""Of a keypoint, from which it was seen."""


def soles_seen(track: Track, frames: np.ndarray) -> np.ndarray:
    """(N, 4) bool: the keypoint over the sole was seen in a frame of (N,), and is surely this person's.

    All of them where none ever was: then all are guesses alike.
    """
    out = believed(track)[1][frames][:, list(CONTACT_KEYPOINTS)] >= SEEN_CONFIDENCE
    return out if out.any() else np.ones_like(out)


def view_of(camera: Camera, frames: np.ndarray) -> fit.View:
    """What a camera sees people by in some of its frames (N,)."""
    T_wc = np.asarray(camera.T_wc, dtype=float)[frames]
    R_cw = np.swapaxes(T_wc[:, :3, :3], 1, 2)
    return fit.View(np.asarray(camera.K, dtype=float)[frames], R_cw, -(R_cw @ T_wc[:, :3, 3:])[..., 0])


def soles_of(model: Model, state: fit.State) -> np.ndarray:
    """(N, 4, 3) points under heels and toes in the world, m."""
    p = fit.pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    return model.soles.positions(p, state.shape)


def parts_of(model: Model, state: fit.State) -> np.ndarray:
    """(N, P, 3) centres of the joints of `model.PARTS` in the world, m."""
    p = fit.pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    return model.parts.positions(p, state.shape)


def parts_seen(track: Track, frames: np.ndarray) -> np.ndarray:
    """(N, P) bool: the keypoints at the joint were seen in a frame of (N,), and are surely this person's."""
    confidence = believed(track)[1][frames]
    return np.stack([confidence[:, list(keys)].min(1) >= SEEN_CONFIDENCE for keys in PARTS.values()], 1)


def resting(model: Model, state: fit.State, time_s: np.ndarray, joined: np.ndarray, eye_m: np.ndarray, seen: np.ndarray
            ) -> np.ndarray | None:
    """How surely each of the model's `parts` rests on the floor, z = 0.

    Args:
        model: The body.
        state: N frames.
        time_s, joined: (N,)
        eye_m: (N, 3) the camera's place.
        seen: (N, P) bool of `parts_seen`: what is hidden is where the fit put it.

    Returns:
        (N, P) 0..1; None for somebody who comes down on nothing but soles, of whom these points need not be looked at.
    """
    x = parts_of(model, state)
    height = x[..., 2] - model.parts_radius_m
    if height.min() > PARTS_NEAR_M:
        return None
    return contact.planted(contact.sole_speed(x, time_s, joined, eye_m), height) * seen


def speed_of(camera: Camera, s: Subject, soles: np.ndarray) -> np.ndarray:
    """(N, 4) speed of the soles, m/s, what is along the line of sight believed less."""
    eye = np.asarray(camera.T_wc, dtype=float)[s.frames.index][:, :3, 3]
    return contact.sole_speed(soles, s.seen.time_s, s.frames.joined, eye)


def seen_to_stand(camera: Camera, s: Subject, soles: np.ndarray) -> np.ndarray:
    """(N, 4) how surely each sole stands still, 0..1; 0 for hidden feet, which are where the fit put them."""
    return contact.standing(speed_of(camera, s, soles)) * soles_seen(s.track, s.frames.index)
