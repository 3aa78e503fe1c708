"""4D-Humans' (PHALP's) tracks, `results/*.pkl` (joblib): frame name -> time, tid, tracked_ids, smpl, camera, size.

Per person of a frame, `smpl` holds global_orient (1,3,3), body_pose (23,3,3), betas (10), and `camera` (3) the place of
the body for a focal length of 5000 pixels in a picture of 256 pixels (the longer side, squared). Source: PHALP's
`trackers/PHALP.py` (MIT), 4D-Humans.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sinew_take.errors import InputError

from .result import MOST_FRAMES, MOST_PEOPLE, Body, Result, array, check_lens, checked_rotations, frames_of

FOCAL_OF_256 = 5000.0
_NEEDED = {"tid", "smpl", "camera", "time"}


def recognises(content) -> bool:
    values = list(content.values()) if isinstance(content, dict) else []
    return bool(values) and all(isinstance(v, dict) for v in values[:5]) and any(_NEEDED <= set(v) for v in values[:5])


def read(content: dict, name: str, focal_of: Callable[[tuple[int, int]], float] | None = None) -> Result:
    """Args: focal_of: focal length in pixels of the camera that is assumed for a picture's size; depth is scaled so that
    people keep their size in the picture. Default: 4D-Humans' own, twenty times the picture's longer side."""
    if len(content) > MOST_FRAMES:
        raise InputError(f"{name} has {len(content)} frames, more than the {MOST_FRAMES} that one take can hold; convert a "
                         "shorter range.")
    rows: dict[object, list] = {}
    size = None
    for frame in content.values():
        if not isinstance(frame, dict) or not _NEEDED <= set(frame):
            raise InputError(f"{name} has a frame without {', '.join(sorted(_NEEDED))}; this is not the layout that is "
                             "known of 4D-Humans.")
        seen = {_number(t) for t in frame.get("tracked_ids", frame["tid"])}
        if size is None and len(frame.get("size", [])):
            size = np.asarray(frame["size"][0], float).ravel()
        if not len(frame["tid"]) == len(frame["smpl"]) == len(frame["camera"]):
            raise InputError(f"{name} has a frame with {len(frame['tid'])} people but {len(frame['smpl'])} poses; write the "
                             "result again.")
        for ident, pose, camera in zip(frame["tid"], frame["smpl"], frame["camera"]):
            if _number(ident) in seen:
                rows.setdefault(_number(ident), []).append((frame["time"], pose, camera))
    if not rows:
        raise InputError(f"{name} holds nobody; convert a result in which somebody was found.")
    if len(rows) > MOST_PEOPLE:
        raise InputError(f"{name} has {len(rows)} people, more than one take can hold; convert fewer.")
    if size is None or len(size) != 2:
        raise InputError(f"{name} does not say the size of its pictures; write the result again with 4D-Humans' demo.")
    size_px = (int(size[1]), int(size[0]))
    check_lens(None, size_px, name)
    own_focal = FOCAL_OF_256 * max(size) / 256
    people = []
    for ident, row in sorted(rows.items(), key=lambda item: -len(item[1])):
        row.sort(key=lambda r: r[0])
        people.append(_person(ident, row, f"{name}, person {ident},"))
    result = Result("4D-Humans", "smpl", people, "camera", size_px=size_px)
    result.focal_px = own_focal if focal_of is None else focal_of(result.size_px)
    result.centre_px = (size[1] / 2, size[0] / 2)
    for person in people:
        person.trans_m[:, 2] *= result.focal_px / own_focal
    return result


def _number(ident) -> int:
    return int(np.asarray(ident).ravel()[0])


def _person(ident: int, row: list, where: str) -> Body:
    R, betas, places = [], [], []
    for _, pose, camera in row:
        if not isinstance(pose, dict):
            raise InputError(f"{where} has a frame without a pose; this is not the layout that is known of 4D-Humans.")
        root = array(pose, "global_orient", where).reshape(-1, 3, 3)
        body = array(pose, "body_pose", where).reshape(-1, 3, 3)
        if len(root) != 1 or len(body) != 23:
            raise InputError(f"{where} has {len(root)} + {len(body)} rotations instead of 1 + 23; this is not the layout "
                             "that is known of 4D-Humans.")
        R.append(np.concatenate([root, body]))
        betas.append(array(pose, "betas", where).ravel())
        places.append(array({"camera": camera}, "camera", where).ravel())
    if {len(p) for p in places} != {3} or len({len(b) for b in betas}) != 1:
        raise InputError(f"{where} has places or shapes of changing size; this is not the layout that is known of "
                         "4D-Humans.")
    frames = frames_of([t for t, *_ in row], len(row), where)
    return Body(f"4D-Humans {ident}", frames, checked_rotations(np.stack(R), where), np.stack(places), np.mean(betas, 0))
