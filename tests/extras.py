"""Golden takes on a body that has more than the 24 joints: fingers, a jaw, expressions, a corrective, bone surfaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import takes

from sinew_take import laws, take
from sinew_take import skeleton as sk

BONES = (("index1_r", "hand_r"), ("index2_r", "index1_r"), ("left_index1", "hand_l"), ("left_index2", "left_index1"),
         ("jaw", "head"))
"""Name and parent."""
EXPRESSIONS = ("smile", "brow")


def make_take(n_frames: int = 24, *, seed: int = 7, **options) -> take.Take:
    """A take of `takes.make_take` whose people have what `add_extra` gives them."""
    made = takes.make_take(n_frames, seed=seed, **options)
    for subject in made.subjects:
        add_extra(subject, np.random.default_rng(seed))
    return made


def write_take(folder: str | Path, **options) -> Path:
    """Write `make_take(**options)` at `folder`, which must not exist; returns it."""
    return take.write(make_take(**options), folder)


def add_extra(subject: take.Subject, rng: np.random.Generator) -> None:
    """Let a subject have fingers and a jaw that move skin and splats, two expressions, one pose corrective and a bone
    surface."""
    joints, body, n_frames = subject.body["rest_joints_m"].astype(float), subject.body, len(subject.motion["q"])
    names = [name for name, _ in BONES]
    rest_T = np.tile(np.eye(4), (len(names), 1, 1))
    for e, (name, parent) in enumerate(BONES):
        side = 1.0 if "left" in name else -1.0
        start = rest_T[names.index(parent), :3, 3] if parent in names else joints[sk.JOINT_INDEX[parent]]
        rest_T[e, :3, 3] = start + ([0.0, -0.05, -0.02] if name == "jaw" else [side * 0.05, -0.02, 0.0])
        rest_T[e, :3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        rest_T[e, :3, 0] *= np.linalg.det(rest_T[e, :3, :3])
    angle = 1.2 * takes.smooth_noise(n_frames, len(names), rng)
    axis = rng.normal(size=(len(names), 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    quaternion = np.concatenate([np.cos(angle / 2)[..., None], np.sin(angle / 2)[..., None] * axis], -1)
    quaternion[n_frames // 2] *= -1.0  # the same turn
    n_vertices = len(body["rest_vertices_m"])
    for hand, bone in (("hand_r", 1), ("hand_l", 3)):
        for skinned in (body, subject.avatar):
            if skinned is not None:
                own = np.flatnonzero(skinned["skin_index"][:, 0] == sk.JOINT_INDEX[hand])
                skinned["skin_index"][own[::2], 0] = 24 + bone
    box = takes.box_body(joints)
    extra = {
        "bone_rest_T": rest_T, "bone_rotation_wxyz": quaternion, "expression": takes.smooth_noise(n_frames, 2, rng),
        "expression_dirs_m": rng.normal(scale=0.005, size=(2, n_vertices, 3)),
        "corrective_weight": takes.smooth_noise(n_frames, 1, rng),
        "corrective_dirs_m": rng.normal(scale=0.005, size=(1, n_vertices, 3)),
        "surface_vertices_m": box["rest_vertices_m"], "surface_faces": box["faces"],
        "surface_skin_index": box["skin_index"], "surface_skin_weight": box["skin_weight"]}
    subject.extra = {name: a if a.dtype.kind == "i" else a.astype(np.float32) for name, a in extra.items()}
    present = subject.motion["present"]
    for name in ("bone_rotation_wxyz", "expression", "corrective_weight"):
        subject.extra[name][~present] = np.nan
    subject.info.update(body="smplx", extra={"bone_names": names, "parents": [parent for _, parent in BONES],
                                             "expression_names": list(EXPRESSIONS)})


def transforms(subject: take.Subject, t: int) -> np.ndarray:
    """Skin transforms of the 24 joints and the extra bones at a frame, (24 + E, 4, 4)."""
    body, described, extra = subject.body, subject.info["extra"], subject.extra
    rest = [*laws.rest_transforms(body["rest_joints_m"].astype(float), body["joint_frames"].astype(float)),
            *extra["bone_rest_T"].astype(float)]
    world = list(subject.motion["T_wj"][t].astype(float))
    names = list(sk.JOINT_NAMES) + described["bone_names"]
    for e, parent in enumerate(described["parents"]):
        w, x, y, z = extra["bone_rotation_wxyz"][t, e].astype(float)
        turn = np.eye(4)
        turn[:3, :3] = [[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]]
        up = names.index(parent)
        world.append(world[up] @ np.linalg.inv(rest[up]) @ rest[24 + e] @ turn)
    return np.array(world) @ np.linalg.inv(np.array(rest))
