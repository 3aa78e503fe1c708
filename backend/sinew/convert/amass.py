"""SMPL, SMPL-H and SMPL-X motion in the layout of AMASS: one .npz with `poses`, `trans`, `betas` and a frame rate.

Z up, metres; SMPL-H has 52 joints (156 numbers a frame), SMPL-X 55 (165), SMPL 24 (72). The frame rate is called
`mocap_framerate` (SMPL-H) or `mocap_frame_rate` (SMPL-X). Source: the AMASS data's own description.
"""

from __future__ import annotations

import numpy as np

from sinew.body.smpl_joints import COUNTS
from sinew_take.errors import InputError

from .result import Body, Result, array, check_length, from_axis_angle

_RATES = ("mocap_frame_rate", "mocap_framerate", "fps")


def recognises(content) -> bool:
    return isinstance(content, dict) and {"poses", "trans"} <= set(content)


def read(content: dict, name: str) -> Result:
    poses = array(content, "poses", name)
    if poses.ndim == 3 and poses.shape[2] == 3:
        poses = poses.reshape(len(poses), -1)
    if poses.ndim != 2 or poses.shape[1] % 3 or poses.shape[1] // 3 not in (*COUNTS, 22):
        raise InputError(f"{name} has poses of {' x '.join(map(str, poses.shape))} instead of frames x 72 (SMPL), 156 "
                         "(SMPL-H) or 165 (SMPL-X); this is not the AMASS layout.")
    check_length(len(poses), name)
    trans = array(content, "trans", name, (len(poses), 3))
    betas = array(content, "betas", name).ravel() if "betas" in content else np.zeros(10)
    if len(betas) > 400:
        betas = np.asarray(content["betas"], float).reshape(len(poses), -1).mean(0) if len(betas) % len(poses) == 0 else (
            betas[:10])
    key = next((k for k in _RATES if k in content), None)
    rate = None if key is None else float(array(content, key, name).ravel()[0])
    if rate is not None and not 1 <= rate <= 1000:
        raise InputError(f"{name} says {rate:g} frames a second, which no recording has; give the right one as {key}.")
    gender = str(np.asarray(content.get("gender", "neutral")).item() if np.ndim(content.get("gender", "")) == 0
                 else np.asarray(content["gender"]).ravel()[0])
    gender = gender.strip("b'\" ").lower()
    n_joints = poses.shape[1] // 3
    family = COUNTS.get(n_joints, "smplx")
    body = Body(name, np.arange(len(poses)), from_axis_angle(poses), trans, betas,
                gender if gender in ("male", "female") else "neutral")
    return Result("AMASS", family, [body], "z", rate)
