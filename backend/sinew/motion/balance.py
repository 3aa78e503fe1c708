"""Which way is up, told by people's balance: over time, what carries somebody lies under their centre of mass.

Dancers lean, runners and lifters stoop: the line from ankles to shoulders does not stand upright even on average. The
forces on a body do (Euler's laws): over any time after which somebody is no faster than before, the ground carries them
under their centre of mass, however they bend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from sinew_take import skeleton as sk

from .contact import body_axes
from .kinematics import pose
from .masses import MASS
from .model import Model

if TYPE_CHECKING:
    from .fit import State

LOWEST_M, LOWEST_SPREAD_M = 0.07, 0.02
"""A sole so much above the lowest one hardly carries."""
EXTENDED, EXTENDED_SPREAD = 0.82, 0.03
"""Share of a leg's length between hip and ankle (a knee bent by 70 degrees) from which a leg may carry its body upright:
who bends both legs further sits, kneels, crawls or squats."""
OTHERS_M, OTHERS_SPREAD_M = 0.18, 0.03
"""Where a knee, a hand, an elbow, the head or the pelvis comes so near to the lowest sole's height, it carries too."""


_OTHERS = [sk.JOINT_INDEX[name] for name in ("pelvis", "tibia_r", "tibia_l", "hand_r", "hand_l", "ulna_r", "ulna_l", "head")]


def lowest(soles_m: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(N, 4) 0..1: how surely each sole (N, 4, 3) is down, by its height along `up` (3,) over the lowest one's."""
    height = soles_m @ up
    return expit((LOWEST_M - (height - height.min(1, keepdims=True))) / LOWEST_SPREAD_M)


def extended(joints_m: np.ndarray) -> np.ndarray:
    """(N,) 0..1: how surely one leg at least of somebody with these joints (N, 24, 3) is long enough to stand on."""
    hip, knee, ankle = (joints_m[:, [sk.JOINT_INDEX[f"{name}_{side}"] for side in "rl"]]
                        for name in ("femur", "tibia", "talus"))
    length = np.linalg.norm(knee - hip, axis=-1) + np.linalg.norm(ankle - knee, axis=-1)
    share = np.linalg.norm(ankle - hip, axis=-1) / np.maximum(length, 1e-9)
    return expit((share.max(1) - EXTENDED) / EXTENDED_SPREAD)


def on_feet(joints_m: np.ndarray, soles_m: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(N,) 0..1: how surely nothing but the soles (N, 4, 3) carries somebody with these joints (N, 24, 3)."""
    others = (joints_m[:, _OTHERS] @ up).min(1) - (soles_m @ up).min(1)
    return expit((others - OTHERS_M) / OTHERS_SPREAD_M) * extended(joints_m)


def support_axes(model: Model, state: State, carries: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From what carries somebody to their centre of mass, frame by frame.

    Args:
        model: The body.
        state: N frames in any axes.
        carries: (N, 4) how surely each sole carries, 0..1.
        up: (3,) about upwards in these axes.

    Returns:
        (N, 3) unit vectors, and (N,) how much each says: nothing where no sole carries, or not the soles alone. On all
        fours or lying, the centre of mass may be anywhere over what carries.
    """
    p = pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    soles = model.soles.positions(p, state.shape)
    under = (carries[..., None] * soles).sum(1) / np.maximum(carries.sum(1), 1e-9)[:, None]
    axis = np.einsum("j,njk->nk", MASS, p.centre) - under
    return (axis / np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-9),
            carries.max(1) * on_feet(p.centre, soles, up))


def upright(model: Model, states: list[State]) -> tuple[np.ndarray, np.ndarray]:
    """`support_axes` of people of whom nothing is known yet: which foot is down tells the way that their bodies point.

    Args:
        model: The body.
        states: One per person, all in the same axes.

    Returns:
        (N, 3) axes and (N,) weights, all people after each other.
    """
    up = np.median(np.concatenate([body_axes(model, s) for s in states]), axis=0)
    up /= max(float(np.linalg.norm(up)), 1e-9)
    for _ in range(2):
        found = []
        for s in states:
            soles = model.soles.positions(pose(model.skeleton, s.shape, s.pelvis, s.q, s.root_m), s.shape)
            found.append(support_axes(model, s, lowest(soles, up), up))
        axes, weight = (np.concatenate(column) for column in zip(*found, strict=True))
        up = (weight[:, None] * axes).sum(0)
        up /= max(float(np.linalg.norm(up)), 1e-9)
    return axes, weight
