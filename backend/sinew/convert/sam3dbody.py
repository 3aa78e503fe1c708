"""SAM 3D Body's people (Momentum Human Rig): what `process_one_image` returns, saved per frame as .npy, .npz or pickle.

A person holds pred_keypoints_2d (70,2) px of the whole picture, pred_keypoints_3d (70,3) in OpenCV's camera axes before
pred_cam_t (3) is added, and focal_length. Its rig is not read: the 70 keypoints feed our own fit, with their depth as its
start. Source: `sam_3d_body/sam_3d_body_estimator.py`, `metadata/mhr70.py`.
"""

from __future__ import annotations

import re

import numpy as np

from sinew.geometry import rotations as rot
from sinew.motion.model import DEPTH_BIAS_M
from sinew_take.errors import InputError

from .points import KEYPOINTS, ORDERS, Detections, K, Seen, lift, ours
from .result import MOST_FRAMES, array, check_lens

_NEEDED = {"pred_keypoints_2d", "pred_keypoints_3d", "pred_cam_t"}


def _is_person(value) -> bool:
    return isinstance(value, dict) and set(value) >= _NEEDED


def _frames(content) -> list[tuple[int, list]] | None:
    """(frame number, people) of the layouts that the result is saved in: a list a frame, or a dictionary by frame."""
    if _is_person(content):
        first = np.ndim(content["pred_keypoints_2d"])
        if first == 3:  # arrays stacked over frames
            n = len(content["pred_keypoints_2d"])
            keys = [*_NEEDED, *(["focal_length"] if "focal_length" in content else [])]
            return [(t, [{k: np.asarray(content[k])[t] if np.ndim(content[k]) else content[k] for k in keys}])
                    for t in range(n)]
        return [(0, [content])]
    if isinstance(content, np.ndarray) and content.dtype == object:
        content = content.tolist()
    if isinstance(content, list) and content:
        if all(_is_person(p) for p in content):
            return [(0, content)]
        if all(isinstance(f, list) and all(_is_person(p) for p in f) for f in content) and any(content):
            return list(enumerate(content))
    if isinstance(content, dict) and content:
        rows = []
        for key, value in content.items():
            number = re.findall(r"\d+", str(key))
            people = [value] if _is_person(value) else value
            if not number or not isinstance(people, list) or not all(_is_person(p) for p in people):
                return None
            rows.append((int(number[-1]), people))
        return sorted(rows, key=lambda row: row[0]) if any(people for _, people in rows) else None
    return None


def recognises(content) -> bool:
    try:
        return _frames(content) is not None
    except (IndexError, TypeError, ValueError):
        return True  # its people, in arrays that disagree: `read` fails there again, where that is said


def read(content, name: str) -> Detections:
    frames = _frames(content)
    if len(frames) > MOST_FRAMES:
        raise InputError(f"{name} has {len(frames)} frames, more than the {MOST_FRAMES} that one take can hold; convert a "
                         "shorter range.")
    if len(frames) < 2:
        raise InputError(f"{name} holds a single picture; a take needs the people of two frames or more in one file.")
    seen = [_person(frame, person, f"{name}, frame {frame},") for frame, people in frames for person in people]
    return Detections("SAM 3D Body", seen, notes=[
        "SAM 3D Body's own rig (MHR) is not read: its 70 keypoints and their depth were fitted by our skeleton."])


def _person(frame: int, person: dict, where: str) -> Seen:
    flat = array(person, "pred_keypoints_2d", where, (70, 2))
    solid = array(person, "pred_keypoints_3d", where, (70, 3))
    place = array(person, "pred_cam_t", where, (3,))
    px = ours(np.concatenate([flat, np.ones((70, 1))], 1))
    focal = float(array(person, "focal_length", where).ravel()[0]) if "focal_length" in person else None
    check_lens(focal, None, where)
    landmarks = lift(px[None], np.ones(1, bool))[0]
    if not np.isfinite(landmarks).all():  # every keypoint on one spot is no person
        return Seen(frame, np.zeros_like(px))
    landmarks[:, 2] -= DEPTH_BIAS_M
    known = [name for name in KEYPOINTS if name in ORDERS[70]]
    index, own = [K[n] for n in known], solid[[ORDERS[70][n] for n in known]]
    hips = solid[[ORDERS[70]["hip_l"], ORDERS[70]["hip_r"]]].mean(0)
    # What MHR lacks (mouth, corners of the eyes) is carried along with the head.
    R, t, _ = rot.align(landmarks[index], own - hips)
    landmarks = landmarks @ R.T + t
    landmarks[index] = own - hips
    # From the camera's axes into those of a crop round the person, as `flow.Track.landmarks_m` has them.
    ahead = own + place
    ray = np.r_[(ahead[:, :2] / np.maximum(ahead[:, 2:], 1e-3)).mean(0), 1.0]
    landmarks = landmarks @ rot.between(np.array([0.0, 0.0, 1.0]), ray)
    landmarks[:, 2] += DEPTH_BIAS_M
    return Seen(frame, px, None, landmarks, focal)
