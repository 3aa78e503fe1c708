"""Pins over the picture: from pixels of the plate to points before Blender's camera and back. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...backend.sinew_take import keypoints, skeleton
from ...backend.sinew_take.take import Subject, Take

SIDES = {"_l": ", left", "_r": ", right"}
_NAMES = {"eye_inner": "inner eye", "eye_outer": "outer eye", "foot_index": "big toe", "mouth": "corner of the mouth",
          "pinky": "little finger", "index": "index finger"}
_OF_JOINT = {"pelvis": "hip_l", "femur": "hip", "tibia": "knee", "talus": "ankle", "calcn": "heel", "toes": "foot_index",
             "lumbar_body": "hip_l", "thorax": "shoulder_l", "head": "nose", "scapula": "shoulder",
             "humerus": "shoulder", "ulna": "elbow", "radius": "wrist", "hand": "wrist"}
COMMON = ("wrist", "elbow", "shoulder", "hip", "knee", "ankle", "heel", "foot_index")
"""Keypoints that are pinned most, listed first."""


def label(keypoint: str) -> str:
    """A keypoint as people say it: wrist_l -> "Wrist, left"."""
    stem, side = (keypoint[:-2], SIDES[keypoint[-2:]]) if keypoint[-2:] in SIDES else (keypoint, "")
    name = _NAMES.get(stem, stem)
    return name[0].upper() + name[1:] + side


def ordered() -> list[str]:
    """All keypoints, those that are pinned most first."""
    first = [f"{stem}_{side}" for stem in COMMON for side in "lr"]
    return first + [name for name in skeleton.MEDIAPIPE_KEYPOINTS if name not in first]


def keypoint_of(joint: str) -> str:
    """The keypoint nearest to a joint: ulna_r -> elbow_r."""
    stem, side = (joint[:-2], joint[-2:]) if joint[-2:] in SIDES else (joint, "")
    name = _OF_JOINT[stem]
    return name + side if side else name


@dataclass(frozen=True)
class Frame:
    """What Blender's camera frames, and how the plate lies in it.

    Attributes:
        lens_mm: Focal length.
        sensor_mm: Width and height of the sensor.
        sensor_fit: "AUTO", "HORIZONTAL" or "VERTICAL".
        shift: As Blender has it.
        size: Width and height of the render, times the pixels' aspects.
        plate_px: Width and height of the plate's picture.
        method: How the plate is fitted: "FIT", "CROP" or "STRETCH".
    """

    lens_mm: float
    sensor_mm: tuple[float, float]
    sensor_fit: str
    shift: tuple[float, float]
    size: tuple[float, float]
    plate_px: tuple[int, int]
    method: str

    def window(self) -> tuple[np.ndarray, np.ndarray]:
        """Middle (2,) and half size (2,) of what is framed, at distance 1 before the camera, x right and y up."""
        size = np.array(self.size, float)
        fit = self.sensor_fit if self.sensor_fit != "AUTO" else "HORIZONTAL" if size[0] >= size[1] else "VERTICAL"
        # Blender's automatic fit measures the longer side by the sensor's width, whichever side that is.
        sensor = self.sensor_mm[1] if self.sensor_fit == "VERTICAL" else self.sensor_mm[0]
        unit = sensor / self.lens_mm / (size[0] if fit == "HORIZONTAL" else size[1])
        long = size[0] if fit == "HORIZONTAL" else size[1]
        return np.array(self.shift, float) * long * unit, size / 2 * unit

    def plate_half(self) -> np.ndarray:
        """Half size (2,) of the plate as shown, at distance 1."""
        _, half = self.window()
        plate = np.array(self.plate_px, float)
        ratio = half / plate
        if self.method == "STRETCH":
            return half
        return plate * (ratio.max() if self.method == "CROP" else ratio.min())


def to_camera(frame: Frame, px: np.ndarray, distance: float) -> np.ndarray:
    """The point (3,) in Blender's camera axes that covers a pixel (2,) of the plate, at a distance along the view."""
    middle, _ = frame.window()
    half = frame.plate_half()
    share = np.asarray(px, float) / np.array(frame.plate_px, float) * 2 - 1
    at = middle + half * share * [1, -1]
    return np.array([at[0] * distance, at[1] * distance, -distance])


def to_pixel(frame: Frame, point: np.ndarray) -> np.ndarray:
    """The pixel (2,) of the plate that a point (3,) in Blender's camera axes covers; NaN behind the camera."""
    if point[2] >= -1e-6:
        return np.full(2, np.nan)
    middle, _ = frame.window()
    at = np.asarray(point[:2], float) / -point[2]
    share = (at - middle) / frame.plate_half() * [1, -1]
    return (share + 1) / 2 * np.array(frame.plate_px, float)


@dataclass(frozen=True)
class Place:
    """Where a pin begins: px (2,) of the plate, and the person's distance from the camera, m."""

    px: np.ndarray
    distance_m: float


def begin(take: Take, subject: Subject, frame: int, keypoint: str) -> Place | None:
    """Where a keypoint is solved to be, else where it was detected; None where the person is not there."""
    if not bool(subject.motion["present"][frame]):
        return None
    k = skeleton.MEDIAPIPE_KEYPOINTS.index(keypoint)
    px = keypoints.solved_px(take, subject, frame)[k]
    if not np.isfinite(px).all():
        px = subject.motion["keypoints_px"][frame, k, :2].astype(float)
    if not np.isfinite(px).all():
        return None
    return Place(px, max(keypoints.depth_m(take, subject, frame), 0.1))
