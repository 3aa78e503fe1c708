"""What the fit takes from a network's guess of the pose: its start, and how its limbs slope along the line of sight.

The network looks at a crop as if the camera pointed at the person, and knows no true focal length: its distance is
dropped, its turn is brought from the crop's line of sight into the camera's axes, and the keypoints place the body with
the true camera. A start alone would change little, because the fit leaves it for what the detector's landmarks say of
depth; so where the network looked, its guess stands in the landmarks' place. With a simulated guess that is 55 mm wrong
(PA), four rendered clips went from 34, 63, 100 and 118 mm to 30, 37, 76 and 83 mm; with the start alone to 34, 44, 96 and
107 mm.
"""

from __future__ import annotations

import numpy as np

from sinew_take import skeleton as sk

from ..flow import PosePrior
from ..prior.axes import pelvis_in_camera
from .fit import State, View
from .kinematics import pose
from .model import DEPTH_BIAS_M, HIPS, Model


def with_prior(state: State, prior: PosePrior | None, frames: np.ndarray, usable: np.ndarray, to_camera: np.ndarray,
               view: View, model: Model, place) -> State:
    """Replace what the prior knows better.

    Args:
        state: The start without it.
        prior: Of the whole shot, or None.
        frames: (N,) frames of the fit.
        usable: (N,) bool: enough keypoints to place the body.
        to_camera: (N, 3, 3), from a crop's axes to the camera's.
        view: The camera.
        model: The body.
        place: place(which frames (N,) bool, points about the root (M, 33, 3) in camera axes) -> root (M, 3) in them.
    """
    if prior is None:
        return state
    use = np.asarray(prior.ok, dtype=bool)[frames] & usable
    if not use.any():
        return state
    q = within_limits(np.asarray(prior.q, dtype=float)[frames][use])
    turn = to_camera[use] @ pelvis_in_camera(q)
    bent = pose(model.skeleton, state.shape, turn, q, np.zeros((len(q), 3)))
    root = place(use, model.keypoints.positions(bent, state.shape))
    out = State(state.pelvis.copy(), state.q.copy(), state.root_m.copy(), state.shape)
    out.pelvis[use] = np.swapaxes(view.R_cw[use], 1, 2) @ turn
    out.q[use, 3:] = q[:, 3:]
    out.root_m[use] = np.einsum("tji,tj->ti", view.R_cw[use], root - view.t_cw[use])
    return out


def as_landmarks(prior: PosePrior, landmarks_m: np.ndarray, model: Model) -> np.ndarray:
    """The detector's landmarks (T, 33, 3) with the network's where it looked: the mean body's keypoints in its pose.

    What the fit takes off the detector's depth for its usual error is put on beforehand.
    """
    use = np.asarray(prior.looked, dtype=bool) & np.asarray(prior.ok, dtype=bool)
    out = np.array(landmarks_m)
    if not use.any():
        return out
    q = within_limits(np.asarray(prior.q, dtype=float)[use])
    shape = np.zeros(model.n_shape)
    x = model.keypoints.positions(pose(model.skeleton, shape, pelvis_in_camera(q), q, np.zeros((len(q), 3))), shape)
    x = x - x[:, list(HIPS)].mean(1, keepdims=True)
    x[..., 2] += DEPTH_BIAS_M
    out[use] = x
    return out


def within_limits(q: np.ndarray) -> np.ndarray:
    """Coordinates (N, 46) on the whole turn that lies nearest their limits, and inside them."""
    limited = np.isfinite(sk.LOW) & np.isfinite(sk.HIGH)
    middle = np.where(limited, (np.where(limited, sk.LOW, 0) + np.where(limited, sk.HIGH, 0)) / 2, 0)
    turned = q + 2 * np.pi * np.round((middle - q) / (2 * np.pi))
    return np.clip(np.where(limited, turned, q), sk.LOW, sk.HIGH)
