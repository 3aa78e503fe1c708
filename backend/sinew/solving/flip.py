"""A limb mirrored in depth: the other pose that looks the same from the camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sinew_take import skeleton as sk

from ..geometry import rotations as rot
from ..motion import fit
from ..motion.model import Model
from ..motion.start import ball_angles
from .rebuild import LIMB

_TWIST = 0.05
"""A straight limb does not show its turn about itself: the one nearest to what it was counts this little."""


def other_side(start: np.ndarray, end: np.ndarray, eye: np.ndarray, through: np.ndarray) -> np.ndarray:
    """The other point of a line of sight that is as far from `start` as `end` is.

    Args:
        start: (T, 3) where the segment begins.
        end: (T, 3) where it ended: gives the length and the side that is left.
        eye: (T, 3) the camera's place.
        through: (T, 3) a point on the line of sight.

    Returns:
        (T, 3): of the two crossings of the line with the sphere round `start`, the one on the other side of the plane
        through `start` square to the line. Where the line misses the sphere, its nearest point on it.
    """
    ray = through - eye
    ray = ray / np.maximum(np.linalg.norm(ray, axis=-1, keepdims=True), 1e-9)
    to = start - eye
    along = (to * ray).sum(-1, keepdims=True)
    across = along * ray - to  # from start to the nearest point of the line
    length = np.linalg.norm(end - start, axis=-1, keepdims=True)
    square = length**2 - (across**2).sum(-1, keepdims=True)
    side = -np.sign(((end - start) * ray).sum(-1, keepdims=True))
    out = across + side * np.sqrt(np.maximum(square, 0.0)) * ray
    return start + out * length / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-9)


def mirrored(model: Model, view: fit.View, state: fit.State, limb: str, rows: np.ndarray) -> fit.State:
    """The state with one limb flipped in some of its rows, as far as the limits allow."""
    ball, hinge, end, _ = LIMB[limb]
    j, h, e = (sk.JOINT_INDEX[name] for name in (ball, hinge, end))
    part, eye = state.take(rows), -(np.swapaxes(view.R_cw, 1, 2) @ view.t_cw[..., None])[rows, :, 0]
    p = fit.pose(model.skeleton, part.shape, part.pelvis, part.q, part.root_m)
    top, middle, bottom = p.centre[:, j], p.centre[:, h], p.centre[:, e]
    new_middle = other_side(top, middle, eye, middle)
    # The lower segment is mirrored about the picture plane through the middle joint as it was, at its new place.
    new_bottom = other_side(new_middle, new_middle + bottom - middle, eye, bottom)
    up = p.turn[:, sk.PARENTS[j]]
    upper = _unit(np.einsum("tji,tj->ti", up, new_middle - top))
    lower = _unit(np.einsum("tji,tj->ti", up, new_bottom - new_middle))
    frames, rest = model.skeleton.frames, p.rest
    bend = sk.DOFS[sk.JOINTS[h].dofs[0]]
    rest_upper, rest_lower = _unit(rest[h] - rest[j]), _unit(rest[e] - rest[h])
    side = frames[h][:, bend.axis]
    angle = np.clip(hinge_angle(rest_upper, rest_lower, side, (upper * lower).sum(-1)), bend.low, bend.high)
    bent = rot.exp(angle[:, None] * side) @ rest_lower
    was = np.swapaxes(up, 1, 2) @ p.turn[:, j] @ side
    source = np.stack([np.broadcast_to(rest_upper, bent.shape), bent, np.broadcast_to(side, bent.shape)], 1)
    target = np.stack([upper, lower, was], 1)
    weight = np.tile([1.0, 1.0, _TWIST] * 2, (len(rows), 1))
    # Directions, not points: adding their opposites takes the shift out of the alignment.
    turn, _, _ = rot.align(np.concatenate([source, -source], 1), np.concatenate([target, -target], 1), weight)
    q = state.q.copy()
    q[np.ix_(rows, sk.JOINTS[j].dofs)] = ball_angles(frames[j].T @ turn @ frames[j], sk.JOINTS[j])
    q[rows, bend.index] = angle
    return replace(state, q=q)


def hinge_angle(upper: np.ndarray, lower: np.ndarray, axis: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """Turns (T,) of `lower` about `axis` (3,) after which its cosine with `upper` (3,) is `cosine` (T,), or as near as
    it gets; of the two, the one with the larger turn, since hinges bend away from straight."""
    along = (axis @ lower) * (axis @ upper)
    b, c = upper @ lower - along, upper @ np.cross(axis, lower)
    half = np.arccos(np.clip((cosine - along) / np.hypot(b, c), -1, 1))
    return np.arctan2(c, b) + half


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)
