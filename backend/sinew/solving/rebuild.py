"""From a take back to what the motion stage works with: shot, camera, one person's detections, body and state."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from sinew_take import laws
from sinew_take import skeleton as sk
from sinew_take.keypoints import rest_keypoints
from sinew_take.take import Subject, Take

from ..flow import Camera, Shot, Track, VideoInfo
from ..geometry import rotations as rot
from ..motion import fit
from ..motion.contact import FLOOR_SHARE
from ..motion.kinematics import Mover, Points, Skeleton
from ..motion.model import CONTACT_KEYPOINTS, KEYPOINT_SIGMA_M, KEYPOINTS, Model, flesh
from ..motion.start import observations, with_outline
from ..motion.subject import view_of
from ..people.edits import track_of
from ..people.overlaps import mark_overlaps


def shot_of(take: Take) -> Shot:
    """The shot, with as much of the video's facts as the take keeps."""
    source = take.meta["source"]
    size = tuple(int(v) for v in source["size_px"])
    time_s = take.shot["time_s"].astype(float)
    info = VideoInfo(Path(source["name"]), size, size, Fraction(*source["rate"]), take.n_frames,
                     float(time_s[-1] - time_s[0]), 0, Fraction(1), bool(source.get("variable_rate")), None)
    return Shot(info, take.shot["frame"], time_s)


def camera_of(take: Take) -> Camera:
    """The solved camera, exactly as it is."""
    facts = take.meta.get("camera") or {}
    return Camera(take.shot["T_wc"].astype(float), take.shot["K"].astype(float), take.shot["distortion"].astype(float),
                  facts.get("kind", "static"), facts.get("focal_source", "assumed"), facts.get("scale_source", "assumed"))


def tracks_of(take: Take) -> dict[str, Track]:
    """Everybody's detections by the subject's id, with what of them may be somebody else's; who has none is left out."""
    out = {s.id: track_of(s) for s in take.subjects if s.track is not None}
    mark_overlaps(list(out.values()), tuple(take.meta["source"]["size_px"]), take.shot["time_s"])
    return out


def model_of(subject: Subject) -> Model:
    """The person's own body as a model without a shape to solve.

    Keypoints are `sinew_take.keypoints`'s.
    """
    rest = subject.body["rest_joints_m"].astype(float)
    points, index, weight = rest_keypoints(subject)
    none = np.zeros((0, *points.shape))
    skeleton = Skeleton(rest, np.zeros((0, *rest.shape)), rot.nearest(subject.body["joint_frames"]))
    which = list(CONTACT_KEYPOINTS)
    soles = Points.bind(points[which] * [1.0, 1.0, 0.0], none[:, which], index[which], weight[which])
    sigma = np.array([KEYPOINT_SIGMA_M[name.split("_")[0]] for name in KEYPOINTS])
    vertices = subject.body["rest_vertices_m"].astype(float)
    return Model(skeleton, Mover(skeleton, Points.bind(points, none, index, weight)), Mover(skeleton, soles),
                 *flesh(skeleton, vertices), sigma, 0, float(np.ptp(vertices[:, 2])), np.zeros(0))


@dataclass
class Person:
    """One person of a take, ready to be solved again."""

    subject: Subject
    track: Track
    model: Model
    frames: np.ndarray
    """(N,) frames in which the person is present; every other array here has their number of rows."""
    joined: np.ndarray
    """(N,) bool: continues the frame before."""
    view: fit.View
    distortion: np.ndarray
    state: fit.State
    seen: fit.Observations
    contact: np.ndarray
    """(N, 4) 0..1."""
    on_floor: bool

    def row(self, frame: int) -> int:
        """Row of a frame of the take. Raises ValueError where the person is not present: another row would be silent."""
        row = int(np.searchsorted(self.frames, frame))
        if row == len(self.frames) or self.frames[row] != frame:
            raise ValueError(f"{self.subject.id} is not present in frame {frame}")
        return row


_FLOOR_M = 0.1
"""Planted soles nearer than this to z = 0 stand on the floor."""


def person_of(take: Take, subject: Subject, tracks: dict[str, Track] | None = None) -> Person:
    """Rebuild one person.

    Args:
        tracks: Of `tracks_of`, where several people are rebuilt; found again by default.

    Raises:
        RequestError: The take has no detections.
    """
    tracks = tracks_of(take) if tracks is None else tracks
    track, model = tracks.get(subject.id) or track_of(subject), model_of(subject)
    frames = np.flatnonzero(subject.motion["present"])
    joined = np.r_[False, np.diff(frames) == 1]
    camera = camera_of(take)
    view, distortion = view_of(camera, frames), camera.distortion[frames]
    q = subject.motion["q"][frames].astype(float)
    root = subject.motion["root_m"][frames].astype(float)
    axes = model.skeleton.frames[0]
    state = fit.State(axes @ laws.rotations(q)[:, 0] @ axes.T, q, root, np.zeros(0))
    distance = (root[:, None] @ np.swapaxes(view.R_cw, 1, 2))[:, 0, 2] + view.t_cw[:, 2]
    shot = shot_of(take)
    seen = observations(shot, track, frames, view.K, distortion, model, distance, joined)
    seen = with_outline(seen, shot, track, frames, view.K, distortion)
    contact = np.nan_to_num(subject.motion["contact"][frames].astype(float))
    p = fit.pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    heights = model.soles.positions(p, state.shape)[..., 2][contact > 0.5]
    on_floor = len(heights) > 0 and float(np.mean(np.abs(heights) < _FLOOR_M)) >= FLOOR_SHARE
    return Person(subject, track, model, frames, joined, view, distortion, state, seen, contact, on_floor)


def pelvis_angles(model: Model, pelvis: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Coordinates (N, 3) of turns (N, 3, 3), each of the equal sets and whole turns the one nearest to `near` (N, 3)."""
    axes = model.skeleton.frames[0]
    R = axes.T @ pelvis @ axes
    return np.stack([rot.euler_zxy(R[t:t + 1], near[t])[0] for t in range(len(R))]) if len(R) else near.copy()


LIMB = {
    "arm_l": ("humerus_l", "ulna_l", "hand_l", ("shoulder_l", "elbow_l", "wrist_l")),
    "arm_r": ("humerus_r", "ulna_r", "hand_r", ("shoulder_r", "elbow_r", "wrist_r")),
    "leg_l": ("femur_l", "tibia_l", "talus_l", ("hip_l", "knee_l", "ankle_l")),
    "leg_r": ("femur_r", "tibia_r", "talus_r", ("hip_r", "knee_r", "ankle_r")),
}
"""Limb -> its ball joint, its hinge, its end, and the keypoints there."""
LIMB_KEYPOINTS = {
    limb: tuple(i for i, name in enumerate(sk.MEDIAPIPE_KEYPOINTS)
                if name.endswith(limb[-2:]) and name[:-2] in (
                    ("elbow", "wrist", "pinky", "index", "thumb") if limb.startswith("arm")
                    else ("knee", "ankle", "heel", "foot_index")))
    for limb in LIMB}
"""Limb -> the keypoints that its depth moves."""
