"""Accuracy on measured truth: `balancing`, a man filmed by calibrated cameras, solved from one view at a time.

Nothing of the calibration goes into the solve: focal length, up and scale are what the stages find by themselves. The
calibration only says afterwards how far off they are. Baseline: the detector's own 3D landmarks, one plain pass over
the same frames, as in the truth's README.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from sinew_take import free_body
from sinew_take import skeleton as sk

from ..flow import CameraOptions, Shot
from . import SHARED, metrics, need
from .tables import Row, row

VIEWS = ("cam01", "cam02")
_TRC_JOINTS = ("RHip", "LHip", "RKnee", "LKnee", "RAnkle", "LAnkle", "RShoulder", "LShoulder", "RElbow", "LElbow",
               "RWrist", "LWrist")
_MOT_ANGLES = {"knee_angle_r": "knee_angle_r", "knee_angle_l": "knee_angle_l", "hip_flexion_r": "hip_flexion_r",
               "hip_flexion_l": "hip_flexion_l", "ankle_angle_r": "ankle_angle_r", "ankle_angle_l": "ankle_angle_l",
               "elbow_flex_r": "elbow_flexion_r", "elbow_flex_l": "elbow_flexion_l"}
"""OpenSim's coordinate -> ours, where both mean the same."""


def read_trc(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Markers of a TRC file.

    Returns:
        Names, times (T,) s, positions (T, M, 3) in the file's axes, m.

    Raises:
        ValueError: The file is not what its header says.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) < 6 or not lines[0].startswith("PathFileType"):
        raise ValueError(f"{path.name} is no TRC file")
    facts = dict(zip(lines[1].split("\t"), lines[2].split("\t")))
    names = [n.strip() for n in lines[3].split("\t")[2:] if n.strip()]
    scale = {"m": 1.0, "mm": 1e-3}[facts["Units"].strip()]
    table = [[float(x) for x in line.split("\t") if x.strip()] for line in lines[5:] if line.strip()]
    n_markers = int(facts["NumMarkers"])
    fits = len(names) == n_markers and len(table) == int(facts["NumFrames"])
    if not fits or {len(r) for r in table} != {2 + 3 * n_markers}:
        raise ValueError(f"{path.name} does not hold the {n_markers} markers that its header says")
    data = np.array(table)
    return names, data[:, 1], data[:, 2:].reshape(len(data), n_markers, 3) * scale


def read_mot(path: Path) -> tuple[list[str], np.ndarray]:
    """Columns of an OpenSim motion file: names without time, and values (T, C) in rad or m.

    Raises:
        ValueError: The file is not what its header says.
    """
    head, _, body = path.read_text(encoding="utf-8").partition("endheader")
    facts = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
    lines = [line for line in body.splitlines() if line.strip()]
    names = lines[0].split()
    data = np.array([[float(x) for x in line.split()] for line in lines[1:]])
    if not names or names[0] != "time" or data.shape != (int(facts["nRows"]), int(facts["nColumns"])):
        raise ValueError(f"{path.name} does not hold the table that its header says")
    values = data[:, 1:]
    if facts.get("inDegrees", "no").strip() == "yes":
        angle = np.array([n[-3:] not in ("_tx", "_ty", "_tz") and not n.startswith("Abs_t") for n in names[1:]])
        values = np.where(angle, np.radians(values), values)
    return names[1:], values


def balancing_truth(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Limb joints (T, 12, 3) in the calibration's world (Z up), m; times; the angles of `_MOT_ANGLES` (T, 8), rad."""
    names, time_s, points = read_trc(folder / "keypoints_3d.trc")
    joints = points[:, [names.index(n) for n in _TRC_JOINTS]][..., [2, 0, 1]]
    columns, values = read_mot(folder / "joint_angles.mot")
    return joints, time_s, values[:, [columns.index(n) for n in _MOT_ANGLES]]


def plain_landmarks(shot: Shot) -> np.ndarray:
    """(T, 33, 3) the detector's 3D landmarks of one plain pass over the full pictures; NaN where it finds nobody."""
    import mediapipe
    from mediapipe.tasks import python as tasks
    from mediapipe.tasks.python import vision

    from ..people import models
    from ..video import frames

    options = vision.PoseLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_buffer=models.task_bundle()), num_poses=1)
    out = np.full((shot.n_frames, 33, 3), np.nan)
    with vision.PoseLandmarker.create_from_options(options) as detector:
        for t, picture in frames(shot):
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture))
            found = detector.detect(image).pose_world_landmarks
            if found:
                out[t] = [[p.x, p.y, p.z] for p in found[0]]
    return out


def balancing(shared_dir: Path) -> list[Row]:
    """Both views through the real stages, every figure beside the plain detector's in the same run."""
    from ..camera import solve_camera
    from ..motion import solve_motion
    from ..people import find_people
    from ..video import find_shots

    folder = shared_dir / "truth" / "balancing"
    truth, time_s, truth_angles = balancing_truth(folder)
    calibration = tomllib.loads((folder / "calibration.toml").read_text(encoding="utf-8"))
    body = free_body.load()
    limbs = [sk.JOINT_INDEX[n] for n in metrics.LIMB_JOINTS]
    keys = [sk.MEDIAPIPE_KEYPOINTS.index(n) for n in metrics.LIMB_KEYPOINTS]
    ours = [sk.DOF_INDEX[n] for n in _MOT_ANGLES.values()]
    rows = []
    for view in VIEWS:
        shot = find_shots(folder / f"{view}.mp4").shots[0]
        plain = plain_landmarks(shot)[:, keys]
        people = find_people(shot, most=1)
        camera, starts = solve_camera(shot, people, body, CameraOptions())
        camera, (motion,) = solve_motion(shot, people, camera, body, starts=starts)
        a = motion.arrays
        joints = a["joints_m"][:, limbs].astype(float)

        def add(name, measure, unit, target="", scale=1.0, v=view, j=joints, p=plain):
            rows.append(row(f"{v}: {name}", scale * measure(j), unit, scale * measure(p), target, "plain detector"))

        add("PA-MPJPE", lambda x: metrics.pa_mpjpe(x, truth), "mm", "70", 1e3)
        add("MPJPE, one alignment", lambda x: metrics.take_aligned_mpjpe(x, truth), "mm", "", 1e3)
        add("mean acceleration", lambda x: metrics.mean_acceleration(x, time_s), "m/s²",
            f"15, truth {metrics.mean_acceleration(truth, time_s):.1f}")
        rows.append(row(f"{view}: frames with a limit violated", float((~sk.within_limits(a["q"])).sum()), "", None,
                        "0"))
        errors = metrics.angle_rmse_deg(a["q"][:, ours], truth_angles)
        for name, value in zip(_MOT_ANGLES.values(), errors):
            rows.append(row(f"{view}: {name}, difference to OpenSim", float(value), "deg"))
        rows.append(row(f"{view}: pixel error of the fit", float(np.nanmean(motion.pixel_error)), "px"))
        known = calibration[f"cam_{view[3:]}"]
        scale = shot.info.size_px[0] / known["size"][0]
        rows.append(row(f"{view}: focal length over the calibrated one",
                        float(camera.K[0, 0, 0]) / (known["matrix"][0][0] * scale), ""))
        true_up = cv2.Rodrigues(np.array(known["rotation"]))[0][:, 2]
        rows.append(row(f"{view}: up direction off by",
                        metrics.angle_between_deg(camera.T_wc[0, 2, :3], true_up), "deg"))
    return rows


def run(say: Callable[[str], None]) -> list[Row]:
    need(SHARED / "truth" / "balancing", "The measured truth (../shared/truth/balancing)")
    return balancing(SHARED)
