"""GVHMR's `hmr4d_results.pt`: smpl_params_global and smpl_params_incam of SMPL-X, and K_fullimg.

Each holds body_pose (T,63), global_orient (T,3), transl (T,3), betas (T,10). The global world has y up (along gravity);
incam is OpenCV's camera. The demo works on a copy of the video at 30 frames a second. Source: `tools/demo/demo.py`.
"""

from __future__ import annotations

import numpy as np

from .result import Body, Result, array, check_length, check_lens, from_axis_angle

RATE = 30.0


def recognises(content) -> bool:
    return isinstance(content, dict) and {"smpl_params_global", "smpl_params_incam"} <= set(content)


def read(content: dict, name: str) -> Result:
    parts = {}
    for key in ("smpl_params_global", "smpl_params_incam"):
        part = content[key] if isinstance(content[key], dict) else {}
        where = f"{name}, {key},"
        body = array(part, "body_pose", where, (None, 63))
        check_length(len(body), where)
        n = len(body)
        parts[key] = (np.concatenate([array(part, "global_orient", where, (n, 3)), body], 1),
                      array(part, "transl", where, (n, 3)), array(part, "betas", where, (n, None)))
    pose, trans, betas = parts["smpl_params_global"]
    in_camera = parts["smpl_params_incam"]
    if len(in_camera[0]) != len(pose):
        from sinew_take.errors import InputError

        raise InputError(f"{name} has {len(pose)} frames in the world but {len(in_camera[0])} in the camera; write the "
                         "result again.")
    K = array(content, "K_fullimg", name, (len(pose), 3, 3))[0] if "K_fullimg" in content else None
    person = Body("GVHMR", np.arange(len(pose)), from_axis_angle(pose), trans, betas.mean(0),
                  camera_root=from_axis_angle(in_camera[0][:, :3])[:, 0], camera_trans_m=in_camera[1])
    result = Result("GVHMR", "smplx", [person], "y", RATE)
    if K is not None:
        result.focal_px, result.centre_px = float(K[0, 0]), (float(K[0, 2]), float(K[1, 2]))
        result.size_px = (round(2 * K[0, 2]), round(2 * K[1, 2]))
        check_lens(result.focal_px, result.size_px, f"{name}, K_fullimg,")
    return result
