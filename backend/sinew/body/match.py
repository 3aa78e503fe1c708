"""Coordinates under our laws and limits that reach given joint places and segment attitudes, frame by frame.

Damped least squares with the limits as an active set (Bertsekas 1982), all frames at once. For motion that came from
another skeleton, whose joints turn in ways that ours do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sinew.geometry import rotations as rot
from sinew.motion.kinematics import BELOW, N_COLUMNS, ROOT, Skeleton, pose
from sinew_take import skeleton as sk

CHUNK = 250
"""Frames at once; a frame's Jacobian takes some 60 kB."""
_JOINT_OF = np.array([d.joint for d in sk.DOFS])


@dataclass(frozen=True)
class Targets:
    """What to reach, T frames; spreads that are infinite mean that nothing is asked."""

    place_m: np.ndarray
    """(T, 24, 3) joints in the world; read where `place_sigma_m` is finite."""
    place_sigma_m: np.ndarray
    """(24,)"""
    turn: np.ndarray
    """(T, 24, 3, 3): rest axes -> world of what rides on the joint; read where `turn_sigma` is finite."""
    turn_sigma: np.ndarray
    """(24,) rad."""
    q_sigma: np.ndarray
    """(46,) rad: how far a coordinate may be from where it begins."""


def match(skeleton: Skeleton, pelvis: np.ndarray, q: np.ndarray, root_m: np.ndarray, targets: Targets,
          rounds: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Move a begun motion onto its targets.

    Args:
        skeleton: Rest joints and frames; the shape is not changed (its `rest_m` is used).
        pelvis: (T, 3, 3), rest axes -> world, to begin with.
        q: (T, 46) rad; the first three are not read.
        root_m: (T, 3).
        targets: What to reach.
        rounds: Iterations at most.

    Returns:
        pelvis (T, 3, 3), q (T, 46) inside the limits with the first three untouched, root_m (T, 3).
    """
    parts = []
    for a in range(0, len(q), CHUNK):
        b = slice(a, a + CHUNK)
        own = Targets(targets.place_m[b], targets.place_sigma_m, targets.turn[b], targets.turn_sigma, targets.q_sigma)
        parts.append(_match(skeleton, pelvis[b], q[b], root_m[b], own, rounds))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _match(skeleton, pelvis, q, root, targets, rounds):
    low, high = np.full(N_COLUMNS, -np.inf), np.full(N_COLUMNS, np.inf)
    low[3:46], high[3:46] = sk.LOW[3:], sk.HIGH[3:]
    q = q.copy()
    q[:, 3:] = np.clip(q[:, 3:], low[3:46], high[3:46])
    start = q.copy()
    n = len(q)
    places, turns = np.isfinite(targets.place_sigma_m), np.isfinite(targets.turn_sigma)
    damping = np.full(n, 1e-4)
    residual, jacobian = _equations(skeleton, pelvis, q, root, targets, start, places, turns)
    cost = (residual**2).sum(1)
    for _ in range(rounds):
        gradient = np.einsum("trc,tr->tc", jacobian, residual)
        normal = np.swapaxes(jacobian, 1, 2) @ jacobian
        now = np.zeros((n, N_COLUMNS))
        now[:, 3:46] = q[:, 3:]
        held = ((now <= low + 1e-9) & (gradient > 0)) | ((now >= high - 1e-9) & (gradient < 0))
        free = (~held).astype(float)
        diagonal = np.arange(N_COLUMNS)
        normal = normal * free[:, :, None] * free[:, None, :]
        normal[:, diagonal, diagonal] += damping[:, None] * (1 + normal[:, diagonal, diagonal]) + (1 - free)
        step = -np.linalg.solve(normal, (gradient * free)[..., None])[..., 0]
        step[:, :3] = np.clip(step[:, :3], -1, 1)
        step[:, 3:46] = np.clip(now[:, 3:46] + np.clip(step[:, 3:46], -1, 1), low[3:46], high[3:46]) - now[:, 3:46]
        new_pelvis, new_q, new_root = rot.exp(step[:, :3]) @ pelvis, q.copy(), root + step[:, ROOT]
        new_q[:, 3:] += step[:, 3:46]
        new_residual, new_jacobian = _equations(skeleton, new_pelvis, new_q, new_root, targets, start, places, turns)
        new_cost = (new_residual**2).sum(1)
        better = new_cost < cost
        gain = np.where(better, (cost - new_cost) / np.maximum(cost, 1e-12), 0)
        pelvis, q, root = (np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)
                           for new, old in ((new_pelvis, pelvis), (new_q, q), (new_root, root)))
        residual = np.where(better[:, None], new_residual, residual)
        jacobian = np.where(better[:, None, None], new_jacobian, jacobian)
        cost = np.where(better, new_cost, cost)
        damping = np.clip(np.where(better, damping / 4, damping * 8), 1e-8, 1e6)
        if gain.max(initial=0) < 1e-4 and better.any():
            break
    return pelvis, q, root


def _equations(skeleton, pelvis, q, root, targets, start, places, turns):
    """Residuals (T, R) in spreads and their Jacobian (T, R, 49)."""
    p = pose(skeleton, np.zeros(len(skeleton.rest_dirs)), pelvis, q, root)
    n = len(q)
    axis = p.axis[:, 3:]
    joint = _JOINT_OF[3:]
    residuals, jacobians = [], []
    if places.any():
        which = np.nonzero(places)[0]
        weight = 1 / targets.place_sigma_m[which]
        out = np.zeros((n, len(which), 3, N_COLUMNS))
        below = BELOW[joint][:, which].astype(float)  # (43, W)
        arm = p.centre[:, None, which] - p.centre[:, joint, None]  # (T, 43, W, 3)
        column = np.cross(axis[:, :, None], arm) + p.shift[:, 3:, None]
        out[..., 3:46] = np.moveaxis(column * below[..., None], 1, -1)
        from_root = p.centre[:, which] - p.centre[:, :1]
        out[..., :3] = -rot.cross_matrix(from_root)
        out[..., ROOT] = np.eye(3)
        residuals.append(((p.centre[:, which] - targets.place_m[:, which]) * weight[:, None]).reshape(n, -1))
        jacobians.append((out * weight[:, None, None]).reshape(n, -1, N_COLUMNS))
    if turns.any():
        which = np.nonzero(turns)[0]
        weight = 1 / targets.turn_sigma[which]
        difference = rot.log(p.turn[:, which] @ np.swapaxes(targets.turn[:, which], -1, -2))
        out = np.zeros((n, len(which), 3, N_COLUMNS))
        below = BELOW[joint][:, which].astype(float)
        out[..., 3:46] = np.moveaxis(axis[:, :, None] * below[..., None], 1, -1)
        out[..., :3] = np.eye(3)
        out = rot.left_jacobian_inverse(difference) @ out
        residuals.append((difference * weight[:, None]).reshape(n, -1))
        jacobians.append((out * weight[:, None, None]).reshape(n, -1, N_COLUMNS))
    weight = 1 / targets.q_sigma[3:]
    prior = np.zeros((n, 43, N_COLUMNS))
    prior[:, np.arange(43), np.arange(3, 46)] = weight
    residuals.append((q[:, 3:] - start[:, 3:]) * weight)
    jacobians.append(prior)
    return np.concatenate(residuals, 1), np.concatenate(jacobians, 1)
