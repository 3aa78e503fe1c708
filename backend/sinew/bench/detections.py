"""Detection of a benchmark's clips, once: the fit can then be measured again and again in seconds.

What is kept depends on the clip, on which landmark models look and on the code of the stages before the fit only, so that
work on the fit finds it again. The plain detector, the baseline of every accuracy figure, is kept the same way: always
mediapipe's own model alone.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sinew_take import skeleton as sk

from .. import flow
from ..cache import Cache, default_folder, files_sha256
from . import detector, metrics

FOLDER = Path(os.environ.get("SINEW_BENCH_CACHE", default_folder() / "bench"))
_TYPES = {t.__name__: t for t in (flow.VideoInfo, flow.Shot, flow.Track, flow.People)}
_BEFORE_THE_FIT = ("people", "video")
_KEYS = [sk.MEDIAPIPE_KEYPOINTS.index(n) for n in metrics.LIMB_KEYPOINTS]


@dataclass(frozen=True)
class Detected:
    """A clip as the fit and its baseline see it."""

    shot: flow.Shot
    people: flow.People
    plain_m: np.ndarray
    """(T, 33, 3) the plain detector's 3D landmarks; NaN where it finds nobody."""
    plain_px: np.ndarray
    """(T, 33, 2) its landmarks in the picture."""


def _code() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    package = Path(__file__).resolve().parents[1]
    for part in _BEFORE_THE_FIT:
        for path in sorted((package / part).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def plain_landmarks(shot: flow.Shot) -> tuple[np.ndarray, np.ndarray]:
    """One plain pass of the detector over the full pictures, NaN where it finds nobody.

    Returns:
        3D landmarks (T, 33, 3) m, and the landmarks in the picture (T, 33, 2) px.
    """
    import mediapipe
    from mediapipe.tasks import python as tasks
    from mediapipe.tasks.python import vision

    from ..people import models
    from ..video import frames

    options = vision.PoseLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_buffer=models.task_bundle()), num_poses=1)
    out, out_px = np.full((shot.n_frames, 33, 3), np.nan), np.full((shot.n_frames, 33, 2), np.nan)
    with vision.PoseLandmarker.create_from_options(options) as detector:
        for t, picture in frames(shot):
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture))
            found = detector.detect(image)
            if found.pose_world_landmarks:
                out[t] = [[p.x, p.y, p.z] for p in found.pose_world_landmarks[0]]
                out_px[t] = [[p.x * picture.shape[1], p.y * picture.shape[0]] for p in found.pose_landmarks[0]]
    return out, out_px


def detect(clip: Path, most: int = 1) -> Detected:
    """Shot, people and plain landmarks of a clip, from the cache where it was looked at before.

    Args:
        clip: The video.
        most: The most people to keep.

    Raises:
        SinewError: The clip cannot be read.
    """
    from ..people import find_people
    from ..video import find_shots

    cache = Cache(FOLDER, _TYPES)
    who = detector()
    entry = hashlib.sha256(f"{files_sha256([clip])} {most} {who.name} {_code()}".encode()).hexdigest()

    def make() -> list:
        shot = find_shots(clip).shots[0]
        return [shot, find_people(shot, most=most, landmarks=who.strong), *plain_landmarks(shot)]

    (shot, people, plain_m, plain_px), _ = cache.through("bench", entry, make)
    return Detected(shot, people, plain_m, plain_px)


def plain_joints(plain_m: np.ndarray) -> np.ndarray:
    """(T, 12, 3): the limb joints of the plain landmarks, in the order of `metrics.LIMB_JOINTS`."""
    return plain_m[:, _KEYS]


def plain_px(detected: Detected) -> np.ndarray:
    """(T, 12, 2): the same in the picture."""
    return detected.plain_px[:, _KEYS]


def plain_angles(plain_m: np.ndarray) -> dict[str, np.ndarray]:
    """Joint angles that the plain landmarks show by themselves, rad, (T,) each, by our coordinates' names.

    Knee and elbow: the angle between the two segments, 0 when straight. Hip: the thigh against the trunk in the plane
    across the hips, forward positive. Ankle: the foot (heel to toe) against the shank, 0 at a right angle, toes up
    positive. Directions only, so the landmarks' size does not matter.
    """
    at = {n: plain_m[:, i] for i, n in enumerate(sk.MEDIAPIPE_KEYPOINTS)}

    def unit(v: np.ndarray) -> np.ndarray:
        return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)

    def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.arccos(np.clip((unit(a) * unit(b)).sum(-1), -1, 1))

    left = unit(at["hip_l"] - at["hip_r"])
    down = (at["hip_l"] + at["hip_r"] - at["shoulder_l"] - at["shoulder_r"]) / 2
    down = unit(down - (down * left).sum(-1, keepdims=True) * left)
    # Landmarks' frame is right-handed (x right, y down, z away): somebody who faces the camera has left at x.
    forward = np.cross(down, left)
    out = {}
    for s in "rl":
        thigh, shank = at[f"knee_{s}"] - at[f"hip_{s}"], at[f"ankle_{s}"] - at[f"knee_{s}"]
        upper, fore = at[f"elbow_{s}"] - at[f"shoulder_{s}"], at[f"wrist_{s}"] - at[f"elbow_{s}"]
        foot = at[f"foot_index_{s}"] - at[f"heel_{s}"]
        out[f"hip_flexion_{s}"] = np.arctan2((thigh * forward).sum(-1), (thigh * down).sum(-1))
        out[f"knee_angle_{s}"] = between(thigh, shank)
        out[f"ankle_angle_{s}"] = between(foot, shank) - np.pi / 2
        out[f"elbow_flexion_{s}"] = between(upper, fore)
    return out
