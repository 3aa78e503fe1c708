"""PromptHMR-Vid's `results.pkl` (joblib): people -> frames, smplx_world; camera_world.

`smplx_world` holds pose (T,165), shape (T,10), trans (T,3) in a world with y up and the floor at 0; `camera_world` holds
Rwc (N,3,3), Twc (N,3) of an OpenCV camera, img_focal and img_center. Source: `pipeline/world.py`, `pipeline/pipeline.py`.
"""

from __future__ import annotations

import numpy as np

from sinew_take.errors import InputError

from .result import (
    MOST_PEOPLE,
    Body,
    Result,
    array,
    check_length,
    check_lens,
    checked_rotations,
    frames_of,
    from_axis_angle,
)


def recognises(content) -> bool:
    return isinstance(content, dict) and {"people", "camera"} <= set(content) and (
        "camera_world" in content or "has_hps_world" in content)


def read(content: dict, name: str) -> Result:
    people = content["people"]
    if not isinstance(people, dict) or not people:
        raise InputError(f"{name} holds no people; convert a result in which somebody was found.")
    if len(people) > MOST_PEOPLE:
        raise InputError(f"{name} has {len(people)} people, more than one take can hold; convert fewer.")
    bodies = []
    for ident, person in people.items():
        where = f"{name}, person {ident},"
        world = person.get("smplx_world") if isinstance(person, dict) else None
        if not isinstance(world, dict):
            raise InputError(f"{where} lacks smplx_world; let PromptHMR finish its world step and write the result again.")
        pose = array(world, "pose", where, (None, 165))
        check_length(len(pose), where)
        n = len(pose)
        shape = array(world, "shape", where, (n, None))
        bodies.append(Body(f"PromptHMR {ident}", frames_of(person.get("frames", np.arange(n)), n, where),
                           from_axis_angle(pose), array(world, "trans", where, (n, 3)), shape.mean(0)))
    result = Result("PromptHMR", "smplx", bodies, "y")
    camera = content.get("camera_world")
    if isinstance(camera, dict):
        R = checked_rotations(array(camera, "Rwc", f"{name}, camera_world,", (None, 3, 3)), f"{name}, camera_world,")
        result.T_wc = np.tile(np.eye(4), (len(R), 1, 1))
        result.T_wc[:, :3, :3] = R
        result.T_wc[:, :3, 3] = array(camera, "Twc", f"{name}, camera_world,", (len(R), 3))
        _lens(result, camera, name)
    return result


def _lens(result: Result, camera: dict, name: str) -> None:
    if "img_focal" in camera and "img_center" in camera:
        where = f"{name}, camera,"
        result.focal_px = float(array(camera, "img_focal", where).ravel()[0])
        centre = array(camera, "img_center", where).ravel()
        if len(centre) == 2:
            result.centre_px = (float(centre[0]), float(centre[1]))
            result.size_px = (round(2 * centre[0]), round(2 * centre[1]))
        check_lens(result.focal_px, result.size_px, where)
