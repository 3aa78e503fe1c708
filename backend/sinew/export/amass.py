"""SMPL-X motion in the layout of AMASS: what Blender's, Unreal's and research tools for SMPL-X read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sinew_take.take import Subject, Take

from ..body.smplx_motion import q_to_smplx
from .even import even

N_BETAS = 16


def amass(take: Take, subject: Subject, file: Path) -> None:
    """Write `.npz`: poses (T, 165), trans (T, 3), betas (16), gender, rate.

    Only frames in which the person is there, from the first to the last; a frame missing between them holds the pose
    before it (AMASS has no gaps). Betas are the person's own where the take's body is SMPL-X, else zero: the motion is then
    for SMPL-X's mean body, and its size is in `height_m`. The gender is that of the person's SMPL-X model, else neutral.
    """
    rows = even(take, subject)
    body = subject.body
    found = q_to_smplx(rows.q, rows.root_m, body["rest_joints_m"].astype(float), body["joint_frames"].astype(float))
    known = np.flatnonzero(rows.present)
    span = np.arange(known[0], known[-1] + 1)
    pick = known[np.searchsorted(known, span, side="right") - 1]
    poses = found["poses"][pick].reshape(len(pick), -1).astype(np.float32)
    is_smplx = subject.info.get("body") == "smplx"
    betas, gender = np.zeros(N_BETAS, np.float32), "neutral"
    if is_smplx:
        said = (subject.info.get("model") or {}).get("gender")
        gender = said if said in ("male", "female") else gender
        own = np.asarray(body["shape"], np.float32)[:N_BETAS]
        betas[:len(own)] = own
    with open(file, "wb") as out:  # numpy would add an extension of its own
        np.savez_compressed(
            out, surface_model_type=np.array("smplx"), gender=np.array(gender), betas=betas,
            num_betas=np.array(N_BETAS), mocap_frame_rate=np.array(rows.rate_hz), mocap_time_length=np.array(
                len(pick) / rows.rate_hz), trans=found["trans"][pick].astype(np.float32), poses=poses,
            root_orient=poses[:, :3], pose_body=poses[:, 3:66], pose_jaw=poses[:, 66:69], pose_eye=poses[:, 69:75],
            pose_hand=poses[:, 75:165], is_filled=~np.isin(span, known),
            height_m=np.array(float(np.ptp(body["rest_vertices_m"][:, 2]))))
