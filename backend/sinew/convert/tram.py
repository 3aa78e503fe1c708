"""TRAM's results folder: hps/hps_track_*.npy and camera.npy; or one hps_track file, in the camera's axes.

A track holds pred_rotmat (T,24,3,3), pred_shape (T,10), pred_trans (T,1,3) and frame (T), in OpenCV's camera; camera.npy
holds pred_cam_R (N,3,3), pred_cam_T (N,3) (camera to the first camera's axes), img_focal and img_center. Source:
`scripts/estimate_humans.py`, `lib/pipeline/visualization.py` (MIT).
"""

from __future__ import annotations

import numpy as np

from .prompthmr import _lens
from .result import Body, Result, array, check_length, checked_rotations, frames_of

FOLDER = "tram folder"
"""`files.read_any` gives a TRAM folder as {FOLDER: True, "tracks": {name: content}, "camera": content or None}."""


def recognises(content) -> bool:
    return isinstance(content, dict) and (FOLDER in content or {"pred_rotmat", "pred_trans", "frame"} <= set(content))


def read(content: dict, name: str) -> Result:
    tracks = content["tracks"] if FOLDER in content else {name: content}
    people = []
    for track, person in tracks.items():
        where = f"{track},"
        R = checked_rotations(array(person, "pred_rotmat", where, (None, 24, 3, 3)), where)
        check_length(len(R), where)
        n = len(R)
        trans = array(person, "pred_trans", where).reshape(n, -1)
        if trans.shape[1] != 3:
            trans = array(person, "pred_trans", where, (n, 3))
        shape = array(person, "pred_shape", where, (n, None)).mean(0)
        people.append(Body(f"TRAM {len(people) + 1}", frames_of(array(person, "frame", where), n, where), R, trans, shape))
    result = Result("TRAM", "smpl", people, "camera")
    camera = content.get("camera") if FOLDER in content else None
    if camera is None:
        result.notes.append("There is no camera.npy beside TRAM's track: the camera is taken to stand still.")
        return result
    where = "camera.npy,"
    R_wc = checked_rotations(array(camera, "pred_cam_R", where, (None, 3, 3)), where)
    T_wc = np.tile(np.eye(4), (len(R_wc), 1, 1))
    T_wc[:, :3, :3], T_wc[:, :3, 3] = R_wc, array(camera, "pred_cam_T", where, (len(R_wc), 3))
    result.T_wc = T_wc
    _lens(result, camera, name)
    for person in people:
        person.camera_root, person.camera_trans_m = person.local[:, 0].copy(), person.trans_m.copy()
    return result
