"""The take that both ways of converting end in."""

from __future__ import annotations

import uuid

import numpy as np

from sinew import flow
from sinew.body import Built
from sinew.report import person_row
from sinew_take import skeleton
from sinew_take import take as take_format
from sinew_take.version import LAWS, TAKE_VERSION, VERSION


def take_of(system: str, shot: flow.Shot, camera: flow.Camera, built: list[Built], body_names: list[str],
            names: list[str], motions: list[flow.Motion] | None, notes: list[str], settings: dict) -> take_format.Take:
    """A take of solved people without splats.

    Args:
        system: The other system's name.
        shot: Its frames.
        camera: In the take's world.
        built: Per person.
        body_names: Per person, as take.json names bodies.
        names: Per person.
        motions: Where our own fit was run: for masks, detections and pixel errors.
        notes: Sentences for the user.
        settings: What was asked for.
    """
    subjects, rows = [], []
    for i, own in enumerate(built):
        info = {"id": f"s{i + 1}", "name": names[i], "body": body_names[i], "joint_names": list(skeleton.JOINT_NAMES),
                "dof_names": list(skeleton.DOF_NAMES), "keypoint_names": list(skeleton.MEDIAPIPE_KEYPOINTS),
                "height_m": round(float(np.ptp(own.body["rest_vertices_m"][:, 2])), 3), **own.info}
        arrays, masks, track = dict(own.motion), None, None
        error, box = np.zeros(0), np.zeros((0, 4))
        if motions is not None:
            m = motions[i]
            arrays["pixel_error"] = m.pixel_error.astype(np.float32)
            masks, track = m.track.masks, _detections(m.track)
            error, box = m.pixel_error, m.track.box_px
        subjects.append(take_format.Subject(info, arrays, own.body, None, masks, track, own.extra))
        rows.append(person_row(info["id"], own.motion, error, box, info["height_m"]))
    rate = shot.info.rate
    meta = {
        "format": take_format.FORMAT, "version": list(TAKE_VERSION), "laws": LAWS, "id": str(uuid.uuid4()), "shot_id": "",
        "source": {"name": shot.info.path.name, "sha256": "", "size_px": list(shot.info.size_px),
                   "rate": [rate.numerator, rate.denominator], "rotation_deg": shot.info.rotation_deg,
                   "variable_rate": shot.info.is_variable_rate},
        "producer": {"version": VERSION, "device": "cpu",
                     "providers": {"people": system, "camera": system if motions is None else "sinew",
                                   "motion": system if motions is None else "sinew", "body": body_names[0]},
                     "settings": settings},
        "camera": {"kind": camera.kind, "reason": camera.reason, "focal_source": camera.focal_source,
                   "scale_source": camera.scale_source, "focal_px": round(float(camera.K[0, 0, 0]), 2)},
        "subjects": [s.info for s in subjects],
        "report": {"people": rows, "frames": shot.n_frames, "seconds": {}},
        "notes": list(dict.fromkeys(notes)),
    }
    arrays = {"time_s": shot.time_s.astype(np.float64), "frame": shot.frame.astype(np.int32),
              "T_wc": camera.T_wc.astype(np.float32), "K": camera.K.astype(np.float32),
              "distortion": camera.distortion.astype(np.float32)}
    return take_format.Take(meta, arrays, subjects)


def _detections(track: flow.Track) -> dict[str, np.ndarray]:
    detected = np.asarray(track.present, bool)
    out = {"detected": detected}
    for name in ("landmarks_m", "spread_px", "box_px"):
        values = np.array(getattr(track, name), np.float32)
        values[~detected] = np.nan
        out[name] = values
    return out
