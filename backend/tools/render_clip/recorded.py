"""Recorded motions of xbpeng/DeepMimic (json) on Sinew's skeleton.

The recordings turn a 15-joint figure whose joints use OpenSim's axes (forward, up, right) and whose arms hang at zero.
Each of its rotations becomes coordinates of the joint that does the same here, in closed form: hips, knees, ankles and
elbows one to one, the chest shared between lumbar and thorax, the shoulder between blade and upper arm. The root is
scaled by the length of the legs; `feet.plant` does the rest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sinew_take import skeleton as sk

from . import angles, feet
from .gait import RawMotion

LEG_M = 0.421546 + 0.409870
"""Thigh and shank of the recorded figure (its skeleton.json)."""
FAR_M = 0.09
"""For `feet.plant`: `standing` guesses a landing too early by about this much."""
_LAYOUT = (("root", 4), ("chest", 4), ("neck", 4), ("hip_r", 4), ("knee_r", 1), ("ankle_r", 4), ("shoulder_r", 4),
           ("elbow_r", 1), ("hip_l", 4), ("knee_l", 1), ("ankle_l", 4), ("shoulder_l", 4), ("elbow_l", 1))


@dataclass
class Recording:
    """One recording as it is written. S frames at `time_s`."""

    time_s: np.ndarray
    root_m: np.ndarray
    """(S, 3) forward, up, right."""
    turns: dict[str, np.ndarray]
    """Quaternions (S, 4) wxyz or angles (S,) rad by joint."""
    loops: bool


def read(path: str | Path) -> Recording:
    """Read a recording.

    Raises:
        ValueError: The file is not one.
    """
    data = json.loads(Path(path).read_text(encoding="utf-8"))
    rows = np.asarray(data["Frames"], float)
    if rows.ndim != 2 or rows.shape[1] != 44:
        raise ValueError(f"{path} is not a recorded motion: its frames have {rows.shape[-1]} numbers, not 44")
    time_s = np.concatenate([[0], np.cumsum(rows[:-1, 0])])
    turns, at = {}, 4
    for name, n in _LAYOUT:
        values = rows[:, at: at + n]
        at += n
        turns[name] = values[:, 0] if n == 1 else _continuous(values)
    return Recording(time_s, rows[:, 1:4], turns, data.get("Loop") == "wrap")


def _continuous(wxyz: np.ndarray) -> np.ndarray:
    flips = np.cumprod(np.where((wxyz[1:] * wxyz[:-1]).sum(-1) < 0, -1, 1))
    out = wxyz.copy()
    out[1:] *= flips[:, None]
    return out


def repeat(recording: Recording, times: int) -> Recording:
    """A cyclic recording, several times on end: each round starts where the last one ended, in its direction."""
    if times <= 1:
        return recording
    period, shift = recording.time_s[-1], recording.root_m[-1] - recording.root_m[0]
    shift = shift * [1, 0, 1]
    n = len(recording.time_s) - 1
    rounds = np.repeat(np.arange(times), n)
    index = np.tile(np.arange(n), times)
    turns = {k: (_continuous(v[index]) if v.ndim == 2 else v[index]) for k, v in recording.turns.items()}
    return Recording(recording.time_s[index] + rounds * period, recording.root_m[index] + rounds[:, None] * shift,
                     turns, True)


def at_times(recording: Recording, time_s: np.ndarray) -> Recording:
    """Resample: normalised quaternions and everything else, straight between frames; ends are held."""
    def between(values):
        flat = values.reshape(len(values), -1)
        out = np.stack([np.interp(time_s, recording.time_s, c) for c in flat.T], -1)
        return out.reshape(len(time_s), *values.shape[1:])

    turns = {}
    for name, values in recording.turns.items():
        new = between(values)
        turns[name] = new / np.linalg.norm(new, axis=-1, keepdims=True) if new.ndim == 2 else new
    return Recording(np.asarray(time_s, float), between(recording.root_m), turns, recording.loops)


def retarget(recording: Recording, fig: feet.Figure, step_s: float, heading_rad: float = 0.0) -> RawMotion:
    """A resampled recording on our skeleton.

    Args:
        recording: Output of `at_times`, frames `step_s` apart.
        fig: The body.
        step_s: s.
        heading_rad: Direction of its first frame: 0 towards -Y, positive to the left.
    """
    d = sk.DOF_INDEX
    R = {k: angles.from_opensim(angles.from_quaternion(v)) for k, v in recording.turns.items() if v.ndim == 2}
    ahead = R["root"][0] @ np.array([0.0, -1.0, 0.0])
    turn_z = angles.turn(2, np.array(heading_rad - np.arctan2(ahead[0], -ahead[1])))
    q = np.zeros((len(recording.time_s), 46))
    pelvis = turn_z @ R["root"]
    angles.put(q, "pelvis", pelvis)
    angles.put_trunk(q, R["chest"])
    angles.put(q, "head", R["neck"])
    for side in ("r", "l"):
        angles.put(q, f"femur_{side}", R[f"hip_{side}"])
        q[:, d[f"knee_angle_{side}"]] = np.maximum(-recording.turns[f"knee_{side}"], 0)
        foot = angles.from_quaternion(recording.turns[f"ankle_{side}"])  # stays in OpenSim's axes: flexion about z
        q[:, d[f"ankle_angle_{side}"]] = np.arctan2(foot[:, 1, 0], foot[:, 0, 0])
        angles.put_arm(q, side, R[f"shoulder_{side}"])
        q[:, d[f"elbow_flexion_{side}"]] = np.maximum(recording.turns[f"elbow_{side}"], 0)
        sign = 1 if side == "r" else sk.DOFS[d["pro_sup_l"]].mirror_sign
        q[:, d[f"pro_sup_{side}"]] = np.radians(12) * sign
    scale = fig.leg_m / LEG_M
    hips = fig.joints_m[[sk.JOINT_INDEX["femur_l"], sk.JOINT_INDEX["femur_r"]]].mean(0)
    place = scale * (recording.root_m - recording.root_m[0] * [1, 0, 1]) @ sk.BODY.T @ turn_z.T
    root = place + np.einsum("tij,j->ti", pelvis, fig.joints_m[0] - hips)
    return RawMotion(q, root, standing(q, root, fig, step_s))


def standing(q: np.ndarray, root_m: np.ndarray, fig: feet.Figure, step_s: float) -> np.ndarray:
    """(T, 2) bool: which feet stand, from how low and how slow their soles are."""
    T = feet.fk(angles.clamp(q)[0], root_m, fig)
    points = feet.sole_points(T, fig).reshape(len(q), 2, 2, 3)
    height = points[..., 2].min(-1)
    floor = np.percentile(height, 8, axis=0)
    speed = np.linalg.norm(np.gradient(points, axis=0), axis=-1).min(-1) / step_s
    mask = (height < floor + 0.045) & (feet.smooth(speed, 1.0) < 0.55)
    for i in (0, 1):
        for a, b in feet._runs(~mask[:, i], 1):
            if 0 < a and b < len(mask) and b - a <= 2:
                mask[a:b, i] = True
        for a, b in feet._runs(mask[:, i], 1):
            if b - a < 3:
                mask[a:b, i] = False
    return mask
