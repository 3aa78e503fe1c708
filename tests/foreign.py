"""Results in other systems' layouts, made by ourselves from a known motion: every number of the truth is known.

The known motion is the sample clip's (docs/sample/walk.npz), turned into SMPL's rotations for a synthetic model of
`smpl_models`.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from sinew.body import smpl_files, smplx_motion
from sinew.body.smpl_joints import AXES
from sinew.geometry import rotations as rot
from sinew_take import free_body, laws
from sinew_take import skeleton as sk

SAMPLE = Path(__file__).parents[1] / "docs" / "sample" / "walk.npz"
CAMERA = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


@dataclass
class Truth:
    """One person of the sample clip, every second frame, as SMPL sees it."""

    joints_m: np.ndarray
    """(T, 24, 3) in the take's world."""
    q: np.ndarray
    poses: np.ndarray
    """(T, J, 3) in the take's Z-up world."""
    trans: np.ndarray
    """(T, 3)"""
    pelvis_rest: np.ndarray
    T_wc: np.ndarray
    K: np.ndarray
    keypoints_px: np.ndarray
    """(T, 33, 2)"""
    size_px: tuple[int, int]
    rate: float

    def __len__(self) -> int:
        return len(self.q)

    def in_world(self, to_world: np.ndarray, move: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Poses (T, J, 3) and translations in another world; `move` adds to every place."""
        poses = self.poses.copy()
        poses[:, 0] = rot.log(to_world @ rot.exp(poses[:, 0]))
        pelvis = (self.trans + self.pelvis_rest) @ to_world.T + (0 if move is None else move)
        return poses, pelvis - self.pelvis_rest

    def in_camera(self) -> tuple[np.ndarray, np.ndarray]:
        """Root rotation (T, 3) and translation in OpenCV's camera."""
        R = np.swapaxes(self.T_wc[:, :3, :3], 1, 2)
        root = rot.log(R @ rot.exp(self.poses[:, 0]))
        pelvis = np.einsum("tij,tj->ti", R, self.trans + self.pelvis_rest - self.T_wc[:, :3, 3])
        return root, pelvis - self.pelvis_rest


@lru_cache(maxsize=4)
def truth(model_file: Path | None = None, family: str = "smpl", step: int = 2) -> Truth:
    """The sample's person on a model file (betas 0), or on a skeleton like our own without one."""
    with np.load(SAMPLE) as data:
        q, root = data["q"][::step].astype(float), data["root_m"][::step].astype(float)
        T_wc, K = data["T_wc"][::step].astype(float), data["K"][::step].astype(float)
        px, size = data["keypoints_px"][::step].astype(float), tuple(int(v) for v in data["size_px"])
    free = free_body.load()
    frames = free.joint_frames.astype(float)
    n_joints = {"smpl": 24, "smplh": 52, "smplx": 55}[family]
    if model_file is None:
        rest = free.joints(np.zeros(free.n_shape)).astype(float)
        smpl_rest, pelvis_rest = None, np.array(smplx_motion.MEAN_PELVIS_M[n_joints])
    else:
        model = smpl_files.read(model_file, family)
        smpl_rest = model.joints(np.zeros(10))
        from sinew.body.smpl_person import into_rest
        from sinew_take import measures
        del measures
        rest = into_rest(model, np.zeros(10), free.joints(np.zeros(free.n_shape)).astype(float), frames).joints_m
        pelvis_rest = smpl_rest[0]
    smpl = smplx_motion.q_to_smplx(q, root, rest, frames, smpl_rest, n_joints)
    T_wj = laws.forward_kinematics(q, root, rest, frames)
    return Truth(T_wj[..., :3, 3], q, smpl["poses"], smpl["trans"], pelvis_rest, T_wc, K, px, size, 24 / step)


def write_amass(path: Path, t: Truth, **more) -> Path:
    np.savez(path, poses=t.poses.reshape(len(t), -1), trans=t.trans, betas=np.zeros(16), gender="neutral",
             **{"mocap_frame_rate": t.rate, **more})
    return path


def write_wham(path: Path, t: Truth, people: int = 1) -> Path:
    """Each further person is the first, walking beside them in the camera, with a world of their own."""
    world, trans = t.in_world(AXES.T, np.array([3.0, 0.4, -2.0]))
    root, in_camera = t.in_camera()
    content = {}
    for i in range(people):
        pose = world.copy()
        pose[:, 0] = root
        content[i] = {"pose": pose.reshape(len(t), -1).astype(np.float32), "trans": in_camera + [0.8 * i, 0, 0],
                      "pose_world": world.reshape(len(t), -1).astype(np.float32), "trans_world": trans + [7.0 * i, 0, 0],
                      "betas": np.zeros((len(t), 10)), "verts": np.zeros((len(t), 4, 3)),
                      "frame_ids": np.arange(len(t))}
    path.write_bytes(pickle.dumps(content))
    return path


def write_gvhmr(path: Path, t: Truth) -> Path:
    import torch

    world, trans = t.in_world(AXES.T)
    root, in_camera = t.in_camera()

    def part(poses, orient, places):
        return {"body_pose": torch.tensor(poses[:, 1:22].reshape(len(t), -1)), "betas": torch.zeros(len(t), 10),
                "global_orient": torch.tensor(orient), "transl": torch.tensor(places)}

    torch.save({"smpl_params_global": part(world, world[:, 0], trans), "smpl_params_incam": part(world, root, in_camera),
                "K_fullimg": torch.tensor(t.K), "net_outputs": {}}, path)
    return path


def write_prompthmr(path: Path, t: Truth) -> Path:
    world, trans = t.in_world(AXES.T)
    Rwc = np.einsum("ij,tjk->tik", AXES.T, t.T_wc[:, :3, :3])
    content = {"camera": {}, "has_hps_world": True, "timings": {}, "camera_world": {
        "Rwc": Rwc, "Twc": t.T_wc[:, :3, 3] @ AXES, "img_focal": t.K[0, 0, 0], "img_center": t.K[0, :2, 2]},
        "people": {"1": {"frames": np.arange(len(t)), "track_id": 1, "smplx_world": {
            "pose": world.reshape(len(t), -1), "shape": np.zeros((len(t), 10)), "trans": trans}}}}
    path.write_bytes(pickle.dumps(content))
    return path


def write_tram(folder: Path, t: Truth) -> Path:
    """With torch tensors inside .npy, as TRAM saves them."""
    import torch

    (folder / "hps").mkdir(parents=True)
    root, in_camera = t.in_camera()
    R = rot.exp(t.poses)
    R[:, 0] = rot.exp(root)
    np.save(folder / "hps" / "hps_track_0.npy", {
        "pred_cam": torch.zeros(len(t), 3), "pred_rotmat": torch.tensor(R, dtype=torch.float32),
        "pred_shape": torch.zeros(len(t), 10), "pred_trans": torch.tensor(in_camera[:, None], dtype=torch.float32),
        "frame": torch.arange(len(t))})
    first = t.T_wc[0]
    R_first = np.einsum("ji,tjk->tik", first[:3, :3], t.T_wc[:, :3, :3])
    T_first = (t.T_wc[:, :3, 3] - first[:3, 3]) @ first[:3, :3]
    np.save(folder / "camera.npy", {"pred_cam_R": R_first, "pred_cam_T": T_first, "img_focal": np.array(t.K[0, 0, 0]),
                                    "img_center": t.K[0, :2, 2]})
    return folder


def write_phalp(path: Path, t: Truth) -> Path:
    root, in_camera = t.in_camera()
    R = rot.exp(t.poses)
    R[:, 0] = rot.exp(root)
    own = 5000 * max(t.size_px) / 256
    content = {}
    for i in range(len(t)):
        place = in_camera[i] * [1, 1, own / t.K[0, 0, 0]]
        content[f"frames/{i:06d}.jpg"] = {
            "time": i, "shot": 0, "tid": [4], "tracked_ids": [4], "tracked_time": [0], "bbox": [np.zeros(4)],
            "smpl": [{"global_orient": R[i, :1], "body_pose": R[i, 1:24], "betas": np.zeros(10)}],
            "camera": [place], "size": [[t.size_px[1], t.size_px[0]]]}
    path.write_bytes(pickle.dumps(content))
    return path


_TO = {"nose": "nose", "l_eye": "eye_l", "r_eye": "eye_r", "l_ear": "ear_l", "r_ear": "ear_r"} | {
    f"{s}_{n}": f"{n}_{s}" for s in "lr" for n in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")}
_BODY25 = ["nose", None, "r_shoulder", "r_elbow", "r_wrist", "l_shoulder", "l_elbow", "l_wrist", None, "r_hip", "r_knee",
           "r_ankle", "l_hip", "l_knee", "l_ankle", "r_eye", "l_eye", "r_ear", "l_ear", "foot_index_l", None, "heel_l",
           "foot_index_r", None, "heel_r"]
_COCO = ["nose", "l_eye", "r_eye", "l_ear", "r_ear", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist",
         "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle"]


def _named(t: Truth, i: int, order: list[str | None]) -> np.ndarray:
    out = np.zeros((len(order), 3))
    for k, name in enumerate(order):
        if name is not None:
            out[k, :2] = t.keypoints_px[i, sk.MEDIAPIPE_KEYPOINTS.index(_TO.get(name, name))]
            out[k, 2] = 0.9
    return out


def write_openpose(folder: Path, t: Truth) -> Path:
    folder.mkdir(parents=True)
    for i in range(len(t)):
        people = [{"person_id": [-1], "pose_keypoints_2d": _named(t, i, _BODY25).ravel().tolist(),
                   "face_keypoints_2d": [], "hand_left_keypoints_2d": [], "hand_right_keypoints_2d": []}]
        (folder / f"walk_{i:012d}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": people}))
    return folder


def write_coco(path: Path, t: Truth) -> Path:
    rows = [{"image_id": f"{i}.jpg", "category_id": 1, "idx": 3, "score": 2.9,
             "keypoints": _named(t, i, _COCO).ravel().tolist()} for i in range(len(t))]
    path.write_text(json.dumps(rows))
    return path


def write_mmpose(path: Path, t: Truth) -> Path:
    """RTMW's 133 keypoints; face and hands have no confidence here."""
    order = _COCO + ["foot_index_l", None, "heel_l", "foot_index_r", None, "heel_r"] + [None] * 110
    rows = []
    for i in range(len(t)):
        points = _named(t, i, order)
        rows.append({"frame_id": i + 1, "instances": [{"keypoints": points[:, :2].tolist(),
                                                       "keypoint_scores": points[:, 2].tolist()}]})
    path.write_text(json.dumps({"meta_info": {}, "instance_info": rows}))
    return path


def write_sam3dbody(path: Path, t: Truth) -> Path:
    """A list a frame of people, as process_one_image returns them, in one .npy."""
    free = free_body.load()
    with np.load(SAMPLE) as data:
        solid = data["keypoints_m"][::2].astype(float)
    del free
    from sinew.convert.points import ORDERS
    frames = []
    for i in range(len(t)):
        R = t.T_wc[i, :3, :3]
        camera = (solid[i] - t.T_wc[i, :3, 3]) @ R
        flat, local = np.zeros((70, 2)), np.zeros((70, 3))
        place = camera.mean(0)
        for name, k in ORDERS[70].items():
            j = sk.MEDIAPIPE_KEYPOINTS.index(name)
            flat[k], local[k] = t.keypoints_px[i, j], camera[j] - place
        frames.append([{"bbox": np.zeros(4), "focal_length": np.float32(t.K[0, 0, 0]), "pred_keypoints_2d": flat,
                        "pred_keypoints_3d": local, "pred_cam_t": place, "mask": None}])
    box = np.empty(len(frames), dtype=object)
    box[:] = frames
    np.save(path, box, allow_pickle=True)
    return path
