"""A walk with known coordinates, and what a faultless detector would see of it. For tests of camera and motion."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from sinew.flow import People, Shot, Track, VideoInfo
from sinew.geometry import projection
from sinew.geometry import rotations as rot
from sinew.motion.kinematics import Pose, pose
from sinew.motion.model import DEPTH_BIAS_M, HIPS, make_model
from sinew_take import laws
from sinew_take import skeleton as sk

SIZE_PX = (1280, 720)


def walk_q(time_s: np.ndarray, speed: float = 1.0) -> np.ndarray:
    """Coordinates (T, 46), rad, of a plain walk: hips, knees and ankles swing, arms hang and swing against them."""
    q = np.zeros((len(time_s), 46))
    phase = 2 * np.pi * speed * np.asarray(time_s)
    for side, shift in (("r", 0.0), ("l", np.pi)):
        p = phase + shift
        sign = 1.0 if side == "r" else -1.0

        def put(name, value, s=side, sg=sign, mirrored=False):
            full = f"shoulder_{s}_{name[-1]}" if name.startswith("shoulder") else f"{name}_{s}"
            q[:, sk.DOF_INDEX[full]] = sg * value if mirrored else value

        put("hip_flexion", 0.15 + 0.35 * np.cos(p))
        put("knee_angle", 0.15 + 0.45 * (1 - np.cos(p + 1.9)))
        put("ankle_angle", 0.12 * np.sin(p + 0.6))
        put("shoulder_x", 1.25 + 0 * p, mirrored=True)
        put("shoulder_z", 0.3 * np.cos(p + np.pi))
        put("elbow_flexion", 0.45 + 0.15 * np.cos(p))
    q[:, sk.DOF_INDEX["lumbar_extension"]] = 0.03
    q[:, sk.DOF_INDEX["thorax_twist"]] = 0.08 * np.cos(phase)
    return q


def planted_root(model, shape: np.ndarray, pelvis: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Root path (T, 3), m, that keeps the lowest sole where it is and on the floor."""
    p = pose(model.skeleton, shape, pelvis, q, np.zeros((len(q), 3)))
    soles = model.soles.positions(p, shape)
    low = soles[..., 2].argmin(1)
    root = np.zeros((len(q), 3))
    for t in range(len(q)):
        root[t, 2] = -soles[t, low[t], 2]
        if t:
            root[t, :2] = root[t - 1, :2] - (soles[t, low[t], :2] - soles[t - 1, low[t], :2])
    return root


def walk(model, shape: np.ndarray, time_s: np.ndarray, heading: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates (T, 46), the pelvis' turn (T, 3, 3) and the root (T, 3), m, of a walk on the floor."""
    q = walk_q(time_s)
    pelvis = np.tile(rot.exp([0, 0, heading]), (len(q), 1, 1))
    root = planted_root(model, shape, pelvis, q)
    root[:, :2] -= root[:, :2].mean(0)
    return q, pelvis, root


class Filmed:
    """A walk (or another motion, in the form of `walk`), the camera that filmed it and the track of a detector faultless but
    for its depth: flattened, biased."""

    def __init__(self, body, n: int = 60, rate: float = 30.0, shape: np.ndarray | None = None, heading: float = 0.6,
                 pitch_deg: float = 10.0, focal_px: float = 1150.0, distance_m: float = 5.0, noise_px: float = 0.0,
                 depth_share: float = 0.7, time_s: np.ndarray | None = None, T_wc: np.ndarray | None = None,
                 motion=walk):
        self.model = make_model(body)
        self.shape = np.zeros(self.model.n_shape) if shape is None else np.asarray(shape, dtype=float)
        self.time_s = np.arange(n) / rate if time_s is None else np.asarray(time_s, dtype=float)
        n = len(self.time_s)
        self.q, self.pelvis, self.root_m = motion(self.model, self.shape, self.time_s, heading)
        frame = self.model.skeleton.frames[0]
        self.q[:, :3] = rot.euler_zxy(frame.T @ self.pelvis @ frame)
        p = pose(self.model.skeleton, self.shape, self.pelvis, self.q, self.root_m)
        self.joints_m = p.centre
        self.soles_m = self.model.soles.positions(p, self.shape)
        keypoints = self.model.keypoints.positions(p, self.shape)
        # The camera stands at -Y, looks to +Y and down by the pitch.
        tilt = np.radians(pitch_deg)
        ahead = np.array([0, np.cos(tilt), -np.sin(tilt)])
        down = np.array([0, -np.sin(tilt), -np.cos(tilt)])
        self.R_cw = np.stack([[1.0, 0, 0], down, ahead])
        eye = np.array([0.0, 0.0, 1.0]) - ahead * distance_m
        self.K = projection.intrinsics(focal_px, SIZE_PX)
        if T_wc is None:
            T_wc = np.tile(np.eye(4), (n, 1, 1))
            T_wc[:, :3, :3], T_wc[:, :3, 3] = self.R_cw.T, eye
        self.T_wc = np.asarray(T_wc, dtype=float)
        """(n, 4, 4) the camera: standing still unless given."""
        camera = (keypoints - self.T_wc[:, None, :3, 3]) @ self.T_wc[:, :3, :3]
        px = projection.project(camera, self.K)
        px = px + np.random.default_rng(5).normal(0, noise_px, px.shape) if noise_px else px
        middle = px.mean(1)
        ray = np.stack([(middle[:, 0] - SIZE_PX[0] / 2) / focal_px, (middle[:, 1] - SIZE_PX[1] / 2) / focal_px,
                        np.ones(n)], -1)
        turn = rot.between(np.broadcast_to([0.0, 0.0, 1.0], ray.shape), ray)
        landmarks = (camera - camera[:, list(HIPS)].mean(1, keepdims=True)) @ turn
        landmarks[..., 2] = depth_share * landmarks[..., 2] + DEPTH_BIAS_M
        keypoints_px = np.concatenate([px, np.full((n, 33, 1), 0.95)], -1)
        box = np.concatenate([px.min(1), px.max(1)], -1)
        self.track = Track("person_1", np.ones(n, dtype=bool), keypoints_px, np.zeros((n, 33)), landmarks, box, {})
        info = VideoInfo(Path("walk.mp4"), SIZE_PX, SIZE_PX, Fraction(30), n, float(self.time_s[-1]), 0, Fraction(1),
                         False, None)
        self.shot = Shot(info, np.arange(n, dtype=np.int32), self.time_s)
        self.people = People([self.track])

    def hide(self, frames) -> None:
        """Take the detections of some frames away, as the people stage leaves them: NaN and not present."""
        t = self.track
        t.present[frames] = False
        for array in (t.keypoints_px, t.spread_px, t.landmarks_m, t.box_px):
            array[frames] = np.nan


def pelvis_of(model, arrays: dict) -> np.ndarray:
    """The pelvis' turn (T, 3, 3), rest axes -> world, in a take's arrays of one person."""
    return arrays["T_wj"][:, 0, :3, :3].astype(float) @ model.skeleton.frames[0].T


def pose_of(model, motion) -> Pose:
    """The pose that a solved person was fitted in."""
    a = motion.arrays
    return pose(model.skeleton, np.asarray(motion.shape, dtype=float), pelvis_of(model, a), a["q"].astype(float),
                a["root_m"].astype(float))


def laws_agree(arrays: dict, body, shape: np.ndarray) -> float:
    """Largest distance, m, between the take's joints and those of its own coordinates by the joint laws."""
    present = arrays["present"]
    T = laws.forward_kinematics(arrays["q"][present].astype(float), arrays["root_m"][present].astype(float),
                                np.asarray(body.joints(shape), dtype=float), np.asarray(body.joint_frames, dtype=float))
    return float(np.abs(T[..., :3, 3] - arrays["joints_m"][present]).max())
