"""Keypoint JSON: OpenPose's folder, COCO results, AlphaPose, MMPose (RTMW, COCO-WholeBody). They feed our own fit.

OpenPose: one file a frame, `people[].pose_keypoints_2d`. COCO and AlphaPose: one list of `image_id`, `keypoints`. MMPose:
`instance_info[]` (or a list) of `frame_id`, `instances[].keypoints`, `keypoint_scores`. Sources: the projects' output
pages.
"""

from __future__ import annotations

import re

import numpy as np

from sinew_take.errors import InputError

from .points import ORDERS, Detections, Seen, ours
from .result import MOST_FRAMES

FOLDER = "openpose folder"
"""`files.read_any` gives OpenPose's folder as {FOLDER: [(frame number, content)]}."""


def recognises(content) -> bool:
    if isinstance(content, dict):
        return FOLDER in content or "instance_info" in content or (
            "people" in content and "version" in content and "camera" not in content)
    return isinstance(content, list) and bool(content) and isinstance(content[0], dict) and (
        {"image_id", "keypoints"} <= set(content[0]) or "instances" in content[0])


def read(content, name: str) -> Detections:
    if isinstance(content, dict) and FOLDER in content:
        frames = content[FOLDER]
        _check_count(len(frames), name)
        seen = [s for frame, one in frames for s in _openpose(frame, one, name)]
        return _checked(Detections("OpenPose", seen), name)
    if isinstance(content, dict) and "people" in content:
        raise InputError(f"{name} is one frame of OpenPose; give the folder that holds the files of all frames.")
    if isinstance(content, dict):
        return _checked(Detections("MMPose", _mmpose(content["instance_info"], name, first=1)), name)
    if "instances" in content[0]:
        return _checked(Detections("MMPose", _mmpose(content, name)), name)
    return _checked(Detections("COCO keypoints", _coco(content, name)), name)


def _checked(found: Detections, name: str) -> Detections:
    if not found.seen:
        raise InputError(f"{name} holds nobody; convert a result in which somebody was found.")
    frames = [s.frame for s in found.seen]
    _check_count(max(frames) - min(frames) + 1, name)
    if min(frames) < 0:
        raise InputError(f"{name} has a negative frame number; write the result again.")
    found.notes.append(f"{found.system} gives flat keypoints: depth comes from our own fit and its joint limits alone, so "
                       "which limb is in front is a guess where the picture does not tell.")
    return found


def _check_count(n: int, name: str) -> None:
    if n < 1:
        raise InputError(f"{name} has no frames; convert a result in which somebody was found.")
    if n > MOST_FRAMES:
        raise InputError(f"{name} spans {n} frames, more than the {MOST_FRAMES} that one take can hold; convert a shorter "
                         "range.")


def _points(values, where: str) -> np.ndarray:
    """(33, 3) from a flat list of x, y, confidence."""
    try:
        flat = np.asarray(values, float).ravel()
    except (TypeError, ValueError):
        raise InputError(f"{where} has keypoints that are no numbers; write the result again.") from None
    if len(flat) % 3 or len(flat) // 3 not in ORDERS:
        counts = ", ".join(map(str, sorted(ORDERS)))
        raise InputError(f"{where} has keypoints of {len(flat)} numbers; known are x, y and confidence of {counts} "
                         "keypoints, so write the result again with one of these.")
    return ours(flat.reshape(-1, 3))


def _openpose(frame: int, content, name: str) -> list[Seen]:
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise InputError(f"Frame {frame} of {name} has no people list; this is not OpenPose's layout.")
    out = []
    for person in people:
        if not isinstance(person, dict) or "pose_keypoints_2d" not in person:
            raise InputError(f"Frame {frame} of {name} has a person without pose_keypoints_2d; write the result again with "
                             "OpenPose's --write_json.")
        px = _points(person["pose_keypoints_2d"], f"Frame {frame} of {name}")
        ident = np.asarray(person.get("person_id", [-1])).ravel()
        out.append(Seen(frame, px, int(ident[0]) if len(ident) and ident[0] >= 0 else None))
    return out


def _coco(content: list, name: str) -> list[Seen]:
    out = []
    for one in content:
        if not isinstance(one, dict) or not {"image_id", "keypoints"} <= set(one):
            raise InputError(f"{name} has an entry without image_id and keypoints; this is not the layout of COCO results.")
        ident = one.get("idx", one.get("track_id"))
        ident = None if ident is None or isinstance(ident, (list, dict)) else int(ident)
        out.append(Seen(_frame_number(one["image_id"], name), _points(one["keypoints"], name), ident))
    return out


def _frame_number(image_id, name: str) -> int:
    if isinstance(image_id, (int, float)):
        return int(image_id)
    numbers = re.findall(r"\d+", str(image_id))
    if not numbers:
        raise InputError(f"{name} names a picture {str(image_id)[:40]!r} without a number, so its place in time is "
                         "unknown; number the pictures.")
    return int(numbers[-1])


def _mmpose(frames, name: str, first: int = 0) -> list[Seen]:
    """`first`: MMPose's demo numbers its frames from 1."""
    if not isinstance(frames, list):
        raise InputError(f"{name} has an instance_info that is no list; this is not MMPose's layout.")
    _check_count(len(frames), name)
    out = []
    for number, frame in enumerate(frames):
        if not isinstance(frame, dict) or not isinstance(frame.get("instances"), list):
            raise InputError(f"{name} has a frame without instances; this is not MMPose's layout.")
        for one in frame["instances"]:
            if not isinstance(one, dict) or not {"keypoints", "keypoint_scores"} <= set(one):
                raise InputError(f"{name} has a person without keypoints and keypoint_scores; this is not MMPose's layout.")
            try:
                px = np.asarray(one["keypoints"], float)
                scores = np.asarray(one["keypoint_scores"], float)
                flat = np.concatenate([px[:, :2], np.clip(scores.reshape(-1, 1), 0, 1)], 1)
            except (TypeError, ValueError, IndexError):
                raise InputError(f"{name} has keypoints that are no numbers; write the result again.") from None
            ident = one.get("track_id")
            out.append(Seen(int(frame.get("frame_id", number + first)) - first, _points(flat, name),
                            int(ident) if isinstance(ident, int) else None))
    return out
