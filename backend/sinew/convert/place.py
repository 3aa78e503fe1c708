"""From a result's own world into a take's: Z up, the floor at 0, the first camera looking along +Y."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sinew.body.smpl_joints import AXES
from sinew.geometry.ground import NOBODY, find_up, world_of

from .result import Result

CAMERA = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""OpenCV's camera held level -> Z up, looking along +Y."""
_FAR_M, _EYE_M, _HALF_VIEW = 4.0, 1.4, 0.5
"""A camera made up: so far before everybody, so high over a floor 0.9 m under the pelvis, and half its picture's width at
a metre."""


@dataclass
class Placed:
    """People and camera in one Z-up world; the floor is not settled yet."""

    root: list[np.ndarray]
    """Per person (T, 3, 3): SMPL's axes -> the world."""
    pelvis_m: list[np.ndarray]
    """Per person (T, 3)"""
    T_wc: np.ndarray
    """(N, 4, 4) for each frame of the take."""
    camera_known: bool
    moves: bool


def place(result: Result, pelvis_rest_m: list[np.ndarray], frames: np.ndarray) -> Placed:
    """Bring a result's people and camera into one world.

    Args:
        result: What was read.
        pelvis_rest_m: Per person (3,), SMPL's pelvis in its rest pose.
        frames: (N,) frames of the result that the take holds.
    """
    to_world = {"z": np.eye(3), "y": AXES, "camera": CAMERA}[result.up]
    roots, places = [], []
    for body, rest in zip(result.people, pelvis_rest_m, strict=True):
        roots.append(to_world @ body.local[:, 0])
        places.append((body.trans_m + rest) @ to_world.T)
    T_wc, known = _camera(result, to_world, roots, places, pelvis_rest_m, frames)
    if known:
        _others_by_camera(result, T_wc, frames, roots, places, pelvis_rest_m)
    if result.up == "camera":
        level = _level(roots, T_wc if known else None)
        roots, places = [level @ r for r in roots], [p @ level.T for p in places]
        T_wc[:, :3] = level @ T_wc[:, :3]
    if not known and result.up != "camera":
        T_wc = np.tile(_in_front_of(np.concatenate(places)), (len(frames), 1, 1))
    turn, origin = _heading(T_wc[0]), places[0][0] * [1, 1, 0]
    move = np.eye(4)
    move[:3, :3], move[:3, 3] = turn, -turn @ origin
    T_wc = move @ T_wc
    return Placed([turn @ r for r in roots], [(p - origin) @ turn.T for p in places], T_wc,
                  known or result.up == "camera", bool(np.ptp(T_wc, axis=0).max() > 1e-6))


def _camera(result, to_world, roots, places, rests, frames):
    """(N, 4, 4) camera to the world, and whether the result says it."""
    T_wc = np.tile(np.eye(4), (len(frames), 1, 1))
    T_wc[:, :3, :3] = CAMERA
    if result.T_wc is not None:
        own = result.T_wc[np.clip(frames, 0, len(result.T_wc) - 1)]
        T_wc[:, :3, :3] = to_world @ own[:, :3, :3]
        T_wc[:, :3, 3] = own[:, :3, 3] @ to_world.T
        return T_wc, True
    first = next((i for i, p in enumerate(result.people) if p.camera_root is not None), None)
    if first is None:
        return T_wc, False
    body = result.people[first]
    R = roots[first] @ np.swapaxes(body.camera_root, 1, 2)
    t = places[first] - np.einsum("tij,tj->ti", R, body.camera_trans_m + rests[first])
    nearest = np.abs(frames[:, None] - body.frames[None]).argmin(1)
    T_wc[:, :3, :3], T_wc[:, :3, 3] = R[nearest], t[nearest]
    return T_wc, True


def _others_by_camera(result: Result, T_wc: np.ndarray, frames: np.ndarray, roots, places, rests) -> None:
    """Everybody whose place in the camera is known goes where the camera sees them: results of WHAM give each person a
    world of their own, and TRAM's know the camera's only."""
    slot = {int(f): t for t, f in enumerate(frames)}
    first = next((i for i, p in enumerate(result.people) if p.camera_root is not None), None)
    for i, body in enumerate(result.people):
        if body.camera_root is None or (i == first and result.T_wc is None):
            continue
        T = np.stack([T_wc[slot[int(f)]] if int(f) in slot else T_wc[0] for f in body.frames])
        roots[i] = T[:, :3, :3] @ body.camera_root
        places[i] = np.einsum("tij,tj->ti", T[:, :3, :3], body.camera_trans_m + rests[i]) + T[:, :3, 3]


def _level(roots: list[np.ndarray], T_wc: np.ndarray | None) -> np.ndarray:
    """Turn (3, 3) that makes the world of a camera upright: bodies stand upright on average, cameras are held level."""
    axes = np.concatenate([r[:, :, 1] for r in roots]) @ CAMERA  # body's up, in the first camera's axes
    looks = max(len(axes) / 30, 1.0)
    sides = None if T_wc is None else (T_wc[:, :3, 0] @ CAMERA)
    up, _ = find_up(axes, looks, *NOBODY, sides_c=sides)
    return world_of(up, 0.0, np.zeros(3))[:3, :3] @ CAMERA.T


def _heading(T_wc: np.ndarray) -> np.ndarray:
    """Turn about Z that makes the camera look along +Y."""
    ahead = T_wc[:2, 2]
    if np.linalg.norm(ahead) < 1e-6:
        return np.eye(3)
    x, y = ahead / np.linalg.norm(ahead)
    return np.array([[y, -x, 0.0], [x, y, 0.0], [0.0, 0.0, 1.0]])


def _in_front_of(pelvis_m: np.ndarray) -> np.ndarray:
    """A camera held level that sees the whole way of everybody, (4, 4)."""
    low, high = pelvis_m.min(0), pelvis_m.max(0)
    middle = (low + high) / 2
    wide = (high - low)[0] / 2 + 1.0
    T = np.eye(4)
    T[:3, :3] = CAMERA
    T[:3, 3] = [middle[0], low[1] - max(_FAR_M, wide / _HALF_VIEW), middle[2] + _EYE_M - 0.9]
    return T
