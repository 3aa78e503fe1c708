"""BVH: hierarchy of the 24 joints and their motion.

Centimetres, Y up, the person of the rest pose faces +Z with its left at +X; rest pose is the T-pose; channels in the
order Z, X, Y. Spine, head and scapulae slide on the joint's surfaces, so they have position channels too (their place
against the parent, in place of the offset).
"""

from __future__ import annotations

import numpy as np

from sinew_take import laws, skeleton
from sinew_take.take import Subject, Take

from .even import even

TO_BVH = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Our axes (x left, y back, z up) -> BVH's (x left, y up, z front)."""
CM = 100.0
SLIDING = tuple(j.index for j in skeleton.JOINTS if j.law != "turn")
_TIPS = {"head": (0.0, 0.0, 1.0), "toes": (0.0, -1.0, 0.0), "hand": (1.0, 0.0, 0.0)}
"""Where segments without a next joint point in the rest pose, on the left side."""


def bvh(take: Take, subject: Subject) -> str:
    """One person as BVH. Frames in which the person is not there hold the pose next to them: BVH has no gaps."""
    rows = even(take, subject)
    known = np.flatnonzero(rows.present)
    nearest = known[np.clip(np.searchsorted(known, np.arange(len(rows.present)), side="right") - 1, 0, None)]
    q, root = rows.q[nearest], rows.root_m[nearest]
    rest = subject.body["rest_joints_m"].astype(float)
    frames = subject.body["joint_frames"].astype(float)
    T_wj = laws.forward_kinematics(q, root, rest, frames)
    lines = _hierarchy(subject, rest)
    values = np.concatenate(_channels(T_wj, frames), 1)
    lines += ["MOTION", f"Frames: {len(values)}", f"Frame Time: {1 / rows.rate_hz:.9f}"]
    lines += [" ".join(f"{v:.6f}" for v in row) for row in values]
    return "\n".join(lines) + "\n"


def _children(j: int) -> list[int]:
    return [i for i, parent in enumerate(skeleton.PARENTS) if parent == j]


def _order() -> list[int]:
    """Joints as they stand in the file: each before its children, depth first."""
    out, stack = [], [0]
    while stack:
        j = stack.pop()
        out.append(j)
        stack += reversed(_children(j))
    return out


def _hierarchy(subject: Subject, rest: np.ndarray) -> list[str]:
    lines = ["HIERARCHY"]

    def put(j: int, depth: int) -> None:
        pad, inner = "\t" * depth, "\t" * (depth + 1)
        offset = (rest[j] - (rest[skeleton.PARENTS[j]] if j else 0)) @ TO_BVH.T * CM
        lines.append(f"{pad}{'JOINT' if j else 'ROOT'} {skeleton.JOINT_NAMES[j]}")
        lines.append(f"{pad}{{")
        lines.append(f"{inner}OFFSET " + " ".join(f"{v:.6f}" for v in offset))
        place = "6 Xposition Yposition Zposition" if j == 0 or j in SLIDING else "3"
        lines.append(f"{inner}CHANNELS {place} Zrotation Xrotation Yrotation")
        below = _children(j)
        for child in below:
            put(child, depth + 1)
        if not below:
            tip = _tip(subject, rest, j) @ TO_BVH.T * CM
            lines.extend([f"{inner}End Site", f"{inner}{{", f"{inner}\tOFFSET " + " ".join(f"{v:.6f}" for v in tip),
                          f"{inner}}}"])
        lines.append(f"{pad}}}")

    put(0, 0)
    return lines


def _tip(subject: Subject, rest: np.ndarray, j: int) -> np.ndarray:
    """(3,) from a joint without children to the end of its segment: as far as the skin that moves with it reaches."""
    name = skeleton.JOINT_NAMES[j]
    stem = name[:-2] if name[-2:] in ("_l", "_r") else name
    direction = np.array(_TIPS[stem]) * (skeleton.MIRROR if name.endswith("_r") else 1.0)
    index, weight = subject.body["skin_index"], subject.body["skin_weight"]
    main = index[np.arange(len(index)), weight.argmax(1)] == j
    reach = subject.body["rest_vertices_m"][main].astype(float) - rest[j]
    return direction * max(float((reach @ direction).max()) if main.any() else 0.1, 0.02)


def _channels(T_wj: np.ndarray, frames: np.ndarray) -> list[np.ndarray]:
    """Per joint (T, 6) or (T, 3): cm and degrees."""
    turn = TO_BVH @ T_wj[:, :, :3, :3] @ np.swapaxes(frames, 1, 2) @ TO_BVH.T
    place = T_wj[:, :, :3, 3] @ TO_BVH.T * CM
    out = []
    for j in _order():
        parent = skeleton.PARENTS[j]
        if j == 0:
            local, at = turn[:, 0], place[:, 0]
        else:
            back = np.swapaxes(turn[:, parent], 1, 2)
            local = back @ turn[:, j]
            at = (back @ (place[:, j] - place[:, parent])[..., None])[..., 0]
        if j == 0 or j in SLIDING:
            out.append(at)
        out.append(np.degrees(zxy(local)))
    return out


def zxy(R: np.ndarray) -> np.ndarray:
    """Angles (T, 3) about z, x, y with R = Rz Rx Ry, rad, without jumps from frame to frame."""
    x = np.arcsin(np.clip(R[:, 2, 1], -1, 1))
    z = np.arctan2(-R[:, 0, 1], R[:, 1, 1])
    y = np.arctan2(-R[:, 2, 0], R[:, 2, 2])
    out = np.stack([z, x, y], 1)
    other = np.stack([z + np.pi, np.pi - x, y + np.pi], 1)
    locked = np.abs(R[:, 2, 1]) > 1 - 1e-9
    for t in range(len(R)):
        last = out[t - 1] if t else np.zeros(3)
        if locked[t]:  # only the sum or difference of z and y is seen: y stays
            c, s = np.cos(last[2]), np.sin(last[2])
            rest = R[t] @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])  # Ry(-y): what is left is Rz Rx
            out[t] = np.arctan2(rest[1, 0], rest[0, 0]), x[t], last[2]
            options = out[t][None]
        else:
            options = np.stack([out[t], other[t]]) if t else out[t][None]
        options = options + 2 * np.pi * np.round((last - options) / (2 * np.pi))
        out[t] = options[np.argmin(((options - last) ** 2).sum(1))]
    return out
