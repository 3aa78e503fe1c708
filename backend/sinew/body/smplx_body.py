"""`--body smplx`: the SMPL-X body from the user's own model file, with fingers, jaw, eyes and expressions."""

from __future__ import annotations

import numpy as np

from sinew.flow import Motion
from sinew.geometry import rotations as rot
from sinew_take import model_files
from sinew_take.free_body import FreeBody

from . import smplx_package
from .carry import carry, place_motion
from .providers import Built
from .smpl_files import SmplModel, load
from .smpl_joints import AXES, BODY
from .smpl_person import Rested, bone_frames, bone_rotations, extra_names, fit_betas, into_rest, skin, to_wxyz
from .smplx_motion import q_to_smplx

N_CORRECTIVES = 8
"""Shape keys that stand for the model's pose correctives."""


def provide(free: FreeBody, motion: Motion, found: model_files.Found, gender: str | None = None) -> Built:
    """One solved person on the SMPL-X body (see `providers.Provider`).

    The shape is solved so that bone lengths and height are those of the person as solved on the free body; the motion is
    carried over, joints of the limbs in their places. Raises InputError where the model file is not what it should be.
    """
    model = load("smplx", found, gender)
    guide = free.joints(motion.shape).astype(float)
    height = float(np.ptp(free.vertices(motion.shape)[:, 2]))
    betas, off = fit_betas(model, guide, height)
    present = motion.arrays["present"]
    person = make(model, betas, free, guide)
    q, root, error = carry(motion.arrays["q"][present], motion.arrays["root_m"][present], guide, person.joints_m,
                           free.joint_frames)
    arrays = place_motion(motion.arrays, q, root, person.joints_m, free.joint_frames)
    built = assemble(model, betas, person, free, arrays)
    built.notes.append(
        f"{motion.track.id} is on the SMPL-X body ({model.gender}): its bones are {1e3 * off:.0f} mm off the solved ones "
        f"(root mean square), limb joints moved {1e3 * error.mean():.0f} mm on average; fingers hold the model's mean "
        "hand and the face is at rest, because neither is solved from the picture.")
    return built


def examine(found: model_files.Found, gender: str | None = None) -> None:
    """Raises InputError where the model file is not what it should be."""
    load("smplx", found, gender)


def make(model: SmplModel, betas: np.ndarray, free: FreeBody, guide_m: np.ndarray) -> Rested:
    """The model's shape in our rest pose, by the `smplx` package where the user has installed it."""
    shaped = None
    if smplx_package.is_installed() and not np.any(np.asarray(betas)[10:]):
        shaped = smplx_package.evaluate(model, betas[:10], np.zeros((len(model.parents), 3)))
    return into_rest(model, betas, guide_m, free.joint_frames, shaped)


def assemble(model: SmplModel, betas: np.ndarray, person: Rested, free: FreeBody, motion: dict[str, np.ndarray],
             fingers: np.ndarray | None = None, expression: np.ndarray | None = None) -> Built:
    """Arrays of the take.

    Args:
        model, betas, person: The body.
        free: For the joint frames.
        motion: Arrays of `arrays.MOTION` on this body.
        fingers: (T, E, 3, 3) rotations of the joints beyond the body's 22 against the parent, SMPL's axes; default the
            model's mean hand.
        expression: (T, X); default 0.
    """
    index, weight = skin(model)
    body = {"rest_vertices_m": person.vertices_m.astype(np.float32), "faces": model.faces,
            "uv": (np.zeros((len(model.faces), 3, 2)) if model.uv is None else model.uv).astype(np.float32),
            "rest_joints_m": person.joints_m.astype(np.float32), "joint_frames": free.joint_frames,
            "skin_index": index, "skin_weight": weight, "shape": np.asarray(betas, np.float32)}
    names, parents = extra_names(model)
    n = len(motion["present"])
    extra, described = {}, {}
    if names:
        if fingers is None:
            fingers = np.broadcast_to(_mean_hand(model), (n, len(names), 3, 3))
        frames = bone_frames(model, person)
        rest_T = np.tile(np.eye(4), (len(names), 1, 1))
        rest_T[:, :3, :3], rest_T[:, :3, 3] = frames, person.smpl_joints_m[len(BODY):]
        extra = {"bone_rest_T": rest_T.astype(np.float32),
                 "bone_rotation_wxyz": to_wxyz(bone_rotations(model, person, frames, fingers)).astype(np.float32)}
        described = {"bone_names": names, "parents": parents}
    n_expressions = model.expression_dirs_m.shape[2]
    if n_expressions:
        given = np.zeros((n, n_expressions), np.float32)
        if expression is not None:
            width = min(n_expressions, expression.shape[1])
            given[:, :width] = expression[:, :width]
        dirs = np.einsum("vab,vbx->xva", person.turn, model.expression_dirs_m)
        extra |= {"expression": given, "expression_dirs_m": dirs.astype(np.float32)}
        described["expression_names"] = [f"expression_{i + 1}" for i in range(n_expressions)]
    weights, dirs, share = correctives(model, person, free, motion, fingers)
    extra |= {"corrective_weight": weights, "corrective_dirs_m": dirs}
    info = {"extra": described, "model": {"file": model.name, "family": model.family, "gender": model.gender,
                                          "correctives_share": round(share, 4)}}
    return Built(body, motion, extra, info)


def _mean_hand(model: SmplModel) -> np.ndarray:
    names, _ = extra_names(model)
    out = np.tile(np.eye(3), (len(names), 1, 1))
    if model.hands_mean is not None:
        out[-30:] = rot.exp(model.hands_mean)
    return out


def correctives(model: SmplModel, person: Rested, free: FreeBody, motion: dict[str, np.ndarray],
                fingers: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, float]:
    """The model's pose correctives over the take, reduced to a few shape keys.

    Returns:
        corrective_weight (T, C), NaN-free; corrective_dirs_m (C, V, 3); and the share of the pose features' energy that
        they keep, 0..1.
    """
    present = motion["present"]
    n, joints = len(present), len(model.parents)
    features = np.zeros((n, joints - 1, 3, 3))
    poses = q_to_smplx(motion["q"], motion["root_m"], person.joints_m, free.joint_frames,
                       person.pairing.smpl_m @ AXES, n_joints=joints)["poses"]
    features[present] = rot.exp(np.nan_to_num(poses[present, 1:])) - np.eye(3)
    if fingers is not None and joints > len(BODY) + 2:
        features[:, len(BODY) - 1:] = np.where(present[:, None, None, None], fingers - np.eye(3), 0)
    flat = features.reshape(n, -1)
    u, s, vt = np.linalg.svd(flat, full_matrices=False)
    c = min(N_CORRECTIVES, len(s))
    share = float((s[:c] ** 2).sum() / max((s**2).sum(), 1e-12))
    # One unit of a key is its largest weight in the take, so that sliders run from -1 to 1.
    weights = u[:, :c] * s[:c]
    size = np.maximum(np.abs(weights).max(0), 1e-9)
    dirs = np.einsum("vab,vbc->cva", person.turn, model.pose_dirs_m @ (vt[:c] * size[:, None]).T)
    return (weights / size).astype(np.float32), dirs.astype(np.float32), share
