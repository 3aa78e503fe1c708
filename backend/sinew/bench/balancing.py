"""Measured truth on real footage: `balancing`, a man filmed by calibrated cameras (../shared/truth/balancing).

Nothing of the calibration goes into a solve; it only says afterwards how far off the solve's camera is.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import cv2
import numpy as np

VIEWS = ("cam01", "cam02")
_TRC_JOINTS = ("RHip", "LHip", "RKnee", "LKnee", "RAnkle", "LAnkle", "RShoulder", "LShoulder", "RElbow", "LElbow",
               "RWrist", "LWrist")
MOT_ANGLES = {"knee_angle_r": "knee_angle_r", "knee_angle_l": "knee_angle_l", "hip_flexion_r": "hip_flexion_r",
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
    """Limb joints (T, 12, 3) in the calibration's world (Z up), m; times; the angles of `MOT_ANGLES` (T, 8), rad."""
    names, time_s, points = read_trc(folder / "keypoints_3d.trc")
    joints = points[:, [names.index(n) for n in _TRC_JOINTS]][..., [2, 0, 1]]
    columns, values = read_mot(folder / "joint_angles.mot")
    return joints, time_s, values[:, [columns.index(n) for n in MOT_ANGLES]]


def calibrated(folder: Path, view: str, width_px: int) -> tuple[float, np.ndarray]:
    """A view's focal length, px in a picture so wide, and its rotation (3, 3) from the calibration's world."""
    calibration = tomllib.loads((folder / "calibration.toml").read_text(encoding="utf-8"))
    known = calibration[f"cam_{view[3:]}"]
    return known["matrix"][0][0] * width_px / known["size"][0], cv2.Rodrigues(np.array(known["rotation"]))[0]
