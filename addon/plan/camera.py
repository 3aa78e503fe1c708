"""Solved camera of a take -> Blender's camera: place, turn and lens, as curves where they move. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...backend.sinew_take.take import Take
from .curves import CurvePlan
from .retime import Timing, resample

SENSOR_MM = 36.0
_SAME_PLACE_M = 1e-5
_SAME_TURN_RAD = 1e-5
_SAME_PIXEL = 1e-3
FLIP_YZ = np.diag([1.0, -1.0, -1.0, 1.0])
"""Blender's camera axes (x right, y up, looking along -z) in OpenCV's (x right, y down, looking along z), and back."""


@dataclass(frozen=True)
class CameraPlan:
    """A camera under the take's root.

    Attributes:
        location_m: At the first frame, (3,), m, in the take's world.
        rotation_rad: Euler angles, XYZ order, at the first frame, (3,).
        lens_mm: At the first frame, for a sensor of `SENSOR_MM` across the picture's width.
        shift: (2,) x and y at the first frame, in widths of the picture.
        object_curves: Of place and turn; none for a static camera.
        data_curves: Of the lens and its shift; none where they stay.
        size_px: Width and height of the upright picture, square pixels.
        notes: Sentences on what Blender's camera cannot show.
    """

    location_m: np.ndarray
    rotation_rad: np.ndarray
    lens_mm: float
    shift: np.ndarray
    object_curves: tuple[CurvePlan, ...]
    data_curves: tuple[CurvePlan, ...]
    size_px: tuple[int, int]
    notes: tuple[str, ...] = ()


def blender_pose(T_wc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """OpenCV cameras as Blender objects: the one place where the axes change.

    Args:
        T_wc: (T, 4, 4), OpenCV camera to world.

    Returns:
        Locations (T, 3), m, and XYZ Euler angles (T, 3), rad, of objects that look along -z with y up; without jumps
        between frames.
    """
    turned = np.asarray(T_wc, np.float64) @ FLIP_YZ
    return turned[:, :3, 3], _euler_xyz(turned[:, :3, :3])


def _euler_xyz(rotation: np.ndarray) -> np.ndarray:
    """Angles of R = Rz · Ry · Rx, (T, 3), each frame's solution the one nearest to the frame before."""
    out = np.empty((len(rotation), 3))
    before = np.zeros(3)
    for t, matrix in enumerate(rotation):
        level = np.hypot(matrix[0, 0], matrix[1, 0])
        if level > 1e-6:
            first = np.array([np.arctan2(matrix[2, 1], matrix[2, 2]), np.arctan2(-matrix[2, 0], level),
                              np.arctan2(matrix[1, 0], matrix[0, 0])])
        else:  # looking straight along x: z takes what it had, x the rest
            z = before[2]
            side = np.cos(z) * matrix[1, 1] - np.sin(z) * matrix[0, 1]
            other = np.cos(z) * matrix[1, 2] - np.sin(z) * matrix[0, 2]
            first = np.array([np.arctan2(-other, side), np.arctan2(-matrix[2, 0], level), z])
        second = np.array([first[0] + np.pi, np.pi - first[1], first[2] + np.pi])
        near = [c + 2 * np.pi * np.round((before - c) / (2 * np.pi)) for c in (first, second)]
        out[t] = before = min(near, key=lambda c: np.abs(c - before).sum()) if t else near[0]
    return out


def blender_lens(K: np.ndarray, size_px: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Intrinsics as a lens on a sensor of `SENSOR_MM` fitted to the picture's width.

    Args:
        K: (T, 3, 3), px; the focal length is the mean of fx and fy.
        size_px: Width and height.

    Returns:
        Focal lengths (T,), mm; shifts (T, 2), in widths of the picture: positive moves the view right and up, so the
        principal point left and down.
    """
    width, height = size_px
    K = np.asarray(K, np.float64)
    lens = (K[:, 0, 0] + K[:, 1, 1]) / 2 * SENSOR_MM / width
    return lens, np.stack([(width / 2 - K[:, 0, 2]) / width, (K[:, 1, 2] - height / 2) / width], 1)


def picture_size(take: Take) -> tuple[int, int]:
    """Width and height of the upright picture that K refers to, px."""
    size = take.meta.get("plate", {}).get("size_px") or take.meta["source"].get("size_px")
    if size is None:
        return tuple(int(round(2 * c)) for c in take.shot["K"][0, :2, 2])
    return int(size[0]), int(size[1])


def plan_camera(take: Take, timing: Timing, is_resampled: bool = False) -> CameraPlan:
    """Plan the camera of a take.

    Keys stand at the take's own times without the people's offset: the camera belongs to the plate.

    Args:
        take: The take.
        timing: Scene frames of the take frames.
        is_resampled: Keys on whole scene frames.
    """
    size_px = picture_size(take)
    location, rotation = blender_pose(take.shot["T_wc"])
    lens, shift = blender_lens(take.shot["K"], size_px)
    frames = timing.frames - timing.offset_frames

    def curves(group, channels, smallest):
        out = []
        for path, index, values in channels:
            if np.ptp(values) <= smallest:
                continue
            at, keys = frames, values
            if is_resampled:
                at = np.arange(np.ceil(frames[0] - 1e-6), np.floor(frames[-1] + 1e-6) + 1)
                keys = resample(frames, values[:, None], np.ones(len(frames), bool), at)[0][:, 0]
            out.append(CurvePlan(path, index, group, at, keys.astype(np.float32), np.zeros(len(at), bool)))
        return out

    width = size_px[0]
    place = curves("Place", [("location", i, location[:, i]) for i in range(3)], _SAME_PLACE_M)
    turn = curves("Turn", [("rotation_euler", i, rotation[:, i]) for i in range(3)], _SAME_TURN_RAD)
    data = (curves("Lens", [("lens", 0, lens)], _SAME_PIXEL * SENSOR_MM / width)
            + curves("Lens", [("shift_x", 0, shift[:, 0]), ("shift_y", 0, shift[:, 1])], _SAME_PIXEL / width))
    return CameraPlan(location[0], rotation[0], float(lens[0]), shift[0], tuple(place + turn), tuple(data), size_px,
                      tuple(_notes(take)))


def _notes(take: Take) -> list[str]:
    notes = []
    K, distortion = take.shot["K"], take.shot["distortion"]
    if np.abs(K[:, 0, 0] / K[:, 1, 1] - 1).max() > 1e-3:
        notes.append("The solved camera has two focal lengths; Blender's has their mean.")
    if np.abs(distortion).max() > 1e-6:
        notes.append("The lens distorts and Blender's camera does not: the plate shown is the one without distortion, "
                     "with overscan; plate/ in the take holds it as filmed."
                     if (take.meta.get("plate") or {}).get("undistorted") else
                     "The lens distorts and Blender's camera does not: towards the picture's edges the people stand "
                     "beside the plate.")
    return notes
