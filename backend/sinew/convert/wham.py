"""WHAM's `wham_output.pkl` (joblib): person -> pose (T,72), trans (T,3), pose_world, trans_world, betas, frame_ids.

`pose`/`trans` are in the camera's axes (OpenCV), the others in a world with y up whose origin is each person's own start.
Source: `demo.py` of the public repository (MIT).
"""

from __future__ import annotations

import numpy as np

from sinew_take.errors import InputError

from .result import MOST_PEOPLE, Body, Result, array, check_length, frames_of, from_axis_angle

_NEEDED = {"pose", "trans", "pose_world", "trans_world", "betas", "frame_ids"}


def recognises(content) -> bool:
    people = list(content.values()) if isinstance(content, dict) else []
    return bool(people) and all(isinstance(p, dict) for p in people) and any(
        {"pose_world", "trans_world"} <= set(p) for p in people)


def read(content: dict, name: str) -> Result:
    if len(content) > MOST_PEOPLE:
        raise InputError(f"{name} has {len(content)} people, more than one take can hold; convert fewer.")
    people = []
    for ident, person in content.items():
        where = f"{name}, person {ident},"
        world = array(person, "pose_world", where, (None, 72))
        check_length(len(world), where)
        n = len(world)
        pose = array(person, "pose", where, (n, 72))
        betas = array(person, "betas", where)
        betas = betas.reshape(-1, betas.shape[-1]).mean(0) if betas.ndim else np.zeros(10)
        frames = frames_of(person.get("frame_ids", np.arange(n)), n, where)
        people.append(Body(f"WHAM {ident}", frames, from_axis_angle(world), array(person, "trans_world", where, (n, 3)),
                           betas, camera_root=from_axis_angle(pose[:, :3])[:, 0],
                           camera_trans_m=array(person, "trans", where, (n, 3))))
    return Result("WHAM", "smpl", people, "y")
