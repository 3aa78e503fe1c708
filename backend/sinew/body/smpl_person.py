"""A person on a body of the SMPL family: shape to match, our rest pose, our joints, skin, and what hangs beyond them.

The model's own rest pose differs from ours (arms droop, legs are spread), so its skin is posed into ours once; from then
on it follows our joints and laws like every other body, and a coordinate means the same on all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sinew.geometry import rotations as rot
from sinew_take import skeleton as sk

from .smpl_files import SmplModel, forward
from .smpl_joints import AXES, BODY, I
from .smplx_motion import CORRESPONDING, Pairing, pair

_J = sk.JOINT_INDEX
N_BETAS = 10
"""Shape directions that are solved."""
MOST_SKIN = 8
"""Joints a vertex may follow."""
_SEGMENTS = tuple((a, b) for s in "lr" for a, b in (
    (f"femur_{s}", f"tibia_{s}"), (f"tibia_{s}", f"talus_{s}"), (f"humerus_{s}", f"ulna_{s}"), (f"ulna_{s}", f"hand_{s}"),
    (f"talus_{s}", f"toes_{s}"))) + (("femur_l", "femur_r"), ("humerus_l", "humerus_r"))
_SHARES = {"pelvis": {"pelvis": 1}, "spine1": {"lumbar_body": .5, "thorax": .5}, "spine2": {"thorax": 1},
           "spine3": {"thorax": 1}, "neck": {"thorax": .5, "head": .5}, "head": {"head": 1}}
for _s in ("l", "r"):
    _SHARES |= {f"hip_{_s}": {f"femur_{_s}": 1}, f"knee_{_s}": {f"tibia_{_s}": 1}, f"ankle_{_s}": {f"calcn_{_s}": 1},
                f"foot_{_s}": {f"toes_{_s}": 1}, f"collar_{_s}": {f"scapula_{_s}": 1},
                f"shoulder_{_s}": {f"humerus_{_s}": 1}, f"elbow_{_s}": {f"ulna_{_s}": .5, f"radius_{_s}": .5},
                f"wrist_{_s}": {f"hand_{_s}": 1}}
"""SMPL's joint -> our joints that its skin follows; the shares are those of `smplx_motion.global_turns`."""
_HANGS_ON = {"wrist_l": "hand_l", "wrist_r": "hand_r", "head": "head"}


@dataclass(frozen=True)
class Rested:
    """A model's body in our rest pose, rest axes, soles at z = 0, hips at y = 0."""

    vertices_m: np.ndarray
    """(V, 3)"""
    joints_m: np.ndarray
    """(24, 3) our joints."""
    smpl_joints_m: np.ndarray
    """(J, 3) the model's joints."""
    pairing: Pairing
    """Of the model's rest joints with ours."""
    turn: np.ndarray
    """(V, 3, 3): SMPL's rest pose and axes -> ours, for displacements of the skin."""


def _lengths(smpl_m: np.ndarray) -> np.ndarray:
    ours = {c: smpl_m[I[a]] for a, c in CORRESPONDING.items()}
    return np.array([np.linalg.norm(ours[a] - ours[b]) for a, b in _SEGMENTS])


def fit_betas(model: SmplModel, rest_joints_m: np.ndarray, height_m: float) -> tuple[np.ndarray, float]:
    """Shape coefficients whose bone lengths and standing height match a person's.

    Args:
        model: The model.
        rest_joints_m: (24, 3) of the person in our rest pose.
        height_m: Of the person.

    Returns:
        betas (<= 10,), and the root mean square error of the bone lengths, m. Coefficients are held near 0 as by a
        standard normal prior against 5 mm of a bone and 10 mm of the height.
    """
    rest = np.asarray(rest_joints_m, float)
    wanted = np.array([np.linalg.norm(rest[_J[a]] - rest[_J[b]]) for a, b in _SEGMENTS])
    n = min(N_BETAS, model.shape_dirs_m.shape[2])
    joint_dirs = np.stack([model.regressor @ model.shape_dirs_m[:, :, b] for b in range(n)], -1)
    joints = model.regressor @ model.template_m
    top, bottom = model.template_m[:, 1].argmax(), model.template_m[:, 1].argmin()

    def residual(betas):
        height = np.diff([model.template_m[v, 1] + model.shape_dirs_m[v, 1, :n] @ betas for v in (bottom, top)])[0]
        return np.r_[(_lengths(joints + joint_dirs @ betas) - wanted) / 0.005, (height - height_m) / 0.010, betas]

    betas = np.zeros(n)
    for _ in range(20):
        r = residual(betas)
        jacobian = np.stack([(residual(betas + d) - residual(betas - d)) / 2e-4 for d in 1e-4 * np.eye(n)], 1)
        step = -np.linalg.lstsq(jacobian, r, rcond=None)[0]
        betas = betas + step
        if np.abs(step).max() < 1e-6:
            break
    off = _lengths(joints + joint_dirs @ betas) - wanted
    return betas, float(np.sqrt((off**2).mean()))


def into_rest(model: SmplModel, betas: np.ndarray, guide_m: np.ndarray, joint_frames: np.ndarray,
              shaped_m: tuple[np.ndarray, np.ndarray] | None = None) -> Rested:
    """Pose a shape of the model into our rest pose.

    Args:
        model: The model.
        betas: Its shape.
        guide_m: (24, 3) our joints on the free body of the person: directions of segments, and where the joints lie that
            SMPL does not have.
        joint_frames: (24, 3, 3).
        shaped_m: Vertices and joints of this shape, where something else has computed them.
    """
    vertices, joints = shaped_m if shaped_m is not None else (model.vertices(betas), model.joints(betas))
    p = pair(joints, guide_m, joint_frames)
    whole = np.tile(np.eye(3), (len(joints), 1, 1))
    whole[: len(BODY)] = p.align
    for j in range(len(BODY), len(joints)):
        whole[j] = whole[model.parents[j]]
    whole = whole @ AXES
    posed, smpl = forward(model, vertices, joints, whole)
    ours = _our_joints(smpl, np.asarray(guide_m, float))
    shift = -np.array([ours[[_J["femur_l"], _J["femur_r"]], 0].mean(), ours[_J["femur_l"], 1], posed[:, 2].min()])
    turn = np.einsum("vj,jab->vab", model.weight, whole)
    ours = ours + shift
    return Rested(posed + shift, ours, smpl + shift, pair(joints, ours, joint_frames), turn)


def _our_joints(smpl: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """Our 24 joints on a model posed into our rest: its own limb joints, the others carried over from the free body."""
    out = np.full((len(sk.JOINTS), 3), np.nan)
    for name, ours in CORRESPONDING.items():
        out[_J[ours]] = smpl[I[name]]

    def middle(points, name):
        return points[[_J[f"{name}_l"], _J[f"{name}_r"]]].mean(0)

    low, high = middle(guide, "femur"), middle(guide, "humerus")
    new_low, new_high = middle(out, "femur"), middle(out, "humerus")
    wide = (out[_J["humerus_l"], 0] - out[_J["humerus_r"], 0]) / (guide[_J["humerus_l"], 0] - guide[_J["humerus_r"], 0])
    tall = (new_high[2] - new_low[2]) / (high[2] - low[2])
    for name in ("pelvis", "lumbar_body", "thorax", "head", "scapula_l", "scapula_r"):
        at = guide[_J[name]]
        up = (at[2] - low[2]) / (high[2] - low[2])
        out[_J[name]] = [new_low[0] + wide * (at[0] - low[0]),
                         at[1] - low[1] + new_low[1] + up * ((new_high[1] - high[1]) - (new_low[1] - low[1])),
                         new_low[2] + tall * (at[2] - low[2])]
    for s in ("l", "r"):
        for name, start, end in ((f"radius_{s}", f"ulna_{s}", f"hand_{s}"), (f"calcn_{s}", f"talus_{s}", f"toes_{s}")):
            size = (np.linalg.norm(out[_J[end]] - out[_J[start]]) / np.linalg.norm(guide[_J[end]] - guide[_J[start]]))
            out[_J[name]] = out[_J[start]] + size * (guide[_J[name]] - guide[_J[start]])
    return out


def extra_names(model: SmplModel) -> tuple[list[str], list[str]]:
    """Names and parents of the joints beyond the body's 22, for take.json."""
    names, parents = [], []
    for j, name in enumerate(model.joint_names):
        if j >= len(BODY) and model.family != "smpl":
            up = model.joint_names[model.parents[j]]
            names.append(name)
            parents.append(_HANGS_ON.get(up, up))
    return names, parents


def skin(model: SmplModel) -> tuple[np.ndarray, np.ndarray]:
    """The model's weights on our 24 joints and the extra bones (24 and above): index (V, M) int16, weight (V, M)."""
    names, _ = extra_names(model)
    wide = np.zeros((len(model.weight), len(sk.JOINTS) + len(names)))
    for j, name in enumerate(model.joint_names):
        if name in _SHARES:
            for ours, share in _SHARES[name].items():
                wide[:, _J[ours]] += share * model.weight[:, j]
        elif name in names:
            wide[:, len(sk.JOINTS) + names.index(name)] += model.weight[:, j]
        else:  # SMPL's two hand joints, which nothing moves
            wide[:, _J[_HANGS_ON[model.joint_names[model.parents[j]]]]] += model.weight[:, j]
    width = int(min(MOST_SKIN, (wide > 1e-4).sum(1).max()))
    index = np.argsort(-wide, axis=1)[:, :width]
    weight = np.take_along_axis(wide, index, 1)
    weight[weight < 1e-4] = 0
    index[weight == 0] = 0
    return index.astype(np.int16), (weight / weight.sum(1, keepdims=True)).astype(np.float32)


def bone_frames(model: SmplModel, rested: Rested) -> np.ndarray:
    """(E, 3, 3) rest frames of the extra bones in rest axes: y along the bone (to its child, or on from its parent;
    jaw and eyes look forward), z up as far as that allows."""
    names, _ = extra_names(model)
    numbers = {n: j for j, n in enumerate(model.joint_names)}
    out = np.empty((len(names), 3, 3))
    for e, name in enumerate(names):
        j = numbers[name]
        child = next((k for k, up in enumerate(model.parents) if up == j), None)
        if name == "jaw" or name.startswith("eye"):
            way = np.array([0.0, -1.0, 0.0])
        elif child is not None:
            way = rested.smpl_joints_m[child] - rested.smpl_joints_m[j]
        else:
            way = rested.smpl_joints_m[j] - rested.smpl_joints_m[model.parents[j]]
        y = way / max(np.linalg.norm(way), 1e-9)
        z = np.array([0.0, 0.0, 1.0]) - y * y[2]
        z = np.array([0.0, 1.0, 0.0]) if np.linalg.norm(z) < 1e-3 else z / np.linalg.norm(z)
        out[e] = np.stack([np.cross(y, z), y, z], -1)
    return out


def bone_rotations(model: SmplModel, rested: Rested, frames: np.ndarray, local: np.ndarray) -> np.ndarray:
    """Turns of the extra bones in their own rest frames, (T, E, 3, 3).

    Args:
        model, rested: The person.
        frames: Of `bone_frames`.
        local: (T, E, 3, 3) the model's rotations of these joints against the parent, SMPL's axes.
    """
    # In our rest pose the segment stands at `whole` against SMPL's rest; its own turn is conjugated by that.
    names, _ = extra_names(model)
    whole = np.stack([_whole(model, rested, name) for name in names])
    change = np.swapaxes(frames, -1, -2) @ whole
    return change @ local @ np.swapaxes(change, -1, -2)


def _whole(model: SmplModel, rested: Rested, name: str) -> np.ndarray:
    j = model.joint_names.index(name)
    while j >= len(BODY):
        j = model.parents[j]
    return rested.pairing.align[j] @ AXES


def to_wxyz(R: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) of rotations, w not negative."""
    v = rot.log(R)
    angle = np.linalg.norm(v, axis=-1, keepdims=True)
    axis = v / np.maximum(angle, 1e-12)
    return np.concatenate([np.cos(angle / 2), np.sin(angle / 2) * axis], -1)
