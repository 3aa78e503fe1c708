"""What a check of the solve shows: keypoints as detected and as solved, picture by picture, and how far apart they are.

NumPy only. Points are laid into a plane before the camera, in its own axes, so that they stand in its view exactly where
they are in the picture, whatever the lens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...backend.sinew_take import free_body, laws
from ...backend.sinew_take import skeleton as sk
from ...backend.sinew_take.take import Subject, Take
from . import lens
from .camera import blender_lens, picture_size
from .curves import CurvePlan
from .plate import nearest_pictures
from .retime import Timing

ERROR_PROPERTY = "sinew_pixel_error"
LEAST_CONFIDENCE = 0.1
_JOINT_OF = {"shoulder": "humerus", "elbow": "ulna", "wrist": "hand", "hip": "femur", "knee": "tibia", "ankle": "talus"}
_LIMBS = (("shoulder_l", "shoulder_r"), ("hip_l", "hip_r"), *(
    (f"{a}_{s}", f"{b}_{s}") for s in "lr" for a, b in (
        ("shoulder", "hip"), ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "index"), ("hip", "knee"),
        ("knee", "ankle"), ("ankle", "heel"), ("heel", "foot_index"))))


@dataclass(frozen=True)
class CheckPlan:
    """One person's points over the plate.

    Attributes:
        id, name: Of the subject.
        first: Scene frame of the first row.
        detected_m: (S, 33, 3) in the Blender camera's axes, a row per scene frame; NaN where there is none.
        solved_m: The same for the solved body.
        edges: (E, 2) pairs of keypoints joined by a line.
        pixel_m: Size of a pixel in that plane, m.
        error: Pixel error as a curve; None where the take holds none.
    """

    id: str
    name: str
    first: int
    detected_m: np.ndarray
    solved_m: np.ndarray
    edges: np.ndarray
    pixel_m: float
    error: CurvePlan | None


def solved_keypoints(subject: Subject) -> np.ndarray:
    """(T, 33, 3) world places of the detector's keypoints on the solved body, NaN where not present.

    Bodies other than the free one tell only the limbs' joints.
    """
    motion, body = subject.motion, subject.body
    out = np.full((len(motion["present"]), len(sk.MEDIAPIPE_KEYPOINTS), 3), np.nan)
    if subject.info.get("body") == "default":
        free = free_body.load()
        moves = laws.skin_transforms(motion["T_wj"].astype(float), body["rest_joints_m"].astype(float),
                                     body["joint_frames"].astype(float))
        rest = np.concatenate([free.keypoints(body["shape"]), np.ones((33, 1))], 1)
        blended = np.einsum("tkmij,km->tkij", moves[:, free.keypoint_index.astype(int)], free.keypoint_weight)
        return np.einsum("tkij,kj->tki", blended, rest)[..., :3]
    for k, name in enumerate(sk.MEDIAPIPE_KEYPOINTS):
        stem, _, side = name.rpartition("_")
        if stem in _JOINT_OF:
            out[:, k] = motion["joints_m"][:, sk.JOINT_INDEX[f"{_JOINT_OF[stem]}_{side}"]]
    return out


def plan_check(take: Take, timing: Timing, depth_m: float = 1.0, is_undistorted: bool = False) -> list[CheckPlan]:
    """Plan the check of everybody in a take.

    Args:
        take: The take.
        timing: Scene frames of the take frames.
        depth_m: Distance of the plane from the camera.
        is_undistorted: The plate is shown without the lens's distortion.
    """
    frames = timing.frames - timing.offset_frames
    first, last = timing.range
    index = nearest_pictures(frames, first, last)
    wanted = np.arange(first, last + 1, dtype=float)
    size_px = picture_size(take)
    # The lens as it stands on the scene's frame, between two keys where rates differ.
    lens_mm, shift = blender_lens(take.shot["K"], size_px)
    focal = np.interp(wanted, frames, lens_mm) / 36.0 * size_px[0]
    middle = np.stack([size_px[0] / 2 - np.interp(wanted, frames, shift[:, 0]) * size_px[0],
                       size_px[1] / 2 + np.interp(wanted, frames, shift[:, 1]) * size_px[0]], -1)

    def place(px: np.ndarray) -> np.ndarray:
        xy = (px[index] - middle[:, None]) / focal[:, None, None] * depth_m
        return np.concatenate([xy * [1.0, -1.0], np.full((*xy.shape[:2], 1), -depth_m)], -1)

    shot = take.shot
    bent = np.zeros_like(shot["distortion"]) if is_undistorted else shot["distortion"]
    plans = []
    for subject in take.subjects:
        seen = subject.motion["keypoints_px"].astype(float)
        detected = np.where(seen[..., 2:] >= LEAST_CONFIDENCE, seen[..., :2], np.nan)
        if is_undistorted:
            detected = lens.ideal_px(detected, shot["K"], shot["distortion"])
        solved = lens.project(solved_keypoints(subject), shot["T_wc"], shot["K"], bent)
        names = sk.MEDIAPIPE_KEYPOINTS
        edges = np.array([(names.index(a), names.index(b)) for a, b in _LIMBS])
        plans.append(CheckPlan(subject.id, str(subject.info.get("name") or subject.id), first, place(detected),
                               place(solved), edges, float(depth_m / np.median(focal)), _error(subject, frames)))
    return plans


def _error(subject: Subject, frames: np.ndarray) -> CurvePlan | None:
    error = subject.motion.get("pixel_error")
    known = np.zeros(0, int) if error is None else np.flatnonzero(np.isfinite(error))
    if not len(known):
        return None
    held = np.zeros(len(known), bool)
    held[:-1] = np.diff(known) > 1
    return CurvePlan(f'["{ERROR_PROPERTY}"]', 0, "check", frames[known], error[known].astype(np.float32), held)


def peaks(frames: np.ndarray, values: np.ndarray, apart: float) -> np.ndarray:
    """Frames of the highest values, the worst first, none nearer than `apart` frames to a higher one."""
    out: list[float] = []
    for i in np.argsort(-np.asarray(values), kind="stable"):
        if all(abs(frames[i] - f) >= apart for f in out):
            out.append(float(frames[i]))
    return np.array(out)
