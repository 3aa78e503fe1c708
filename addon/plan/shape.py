"""The free body's shape in terms that people have: nine bone lengths and twelve sliders of flesh, apart from each other.

Both together are the shape vector in other coordinates. A bone's length is measured between joint centres; changing it
leaves the other bones and all flesh sliders where they are. The flesh sliders turn the phenotype components (which mix
everything) so that the first ones each mean something: weight first, then what can still change of waist, chest, hips,
arms, legs and head without changing those before it. Moving one keeps every bone's length. A turn keeps the components'
prior, so that one unit is one standard deviation.

Source: separate control of bones and flesh as in ATLAS (Park et al. 2025) and A2B.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...backend.sinew_take import free_body, laws
from ...backend.sinew_take import skeleton as sk

N_FLESH = 12
SHAPE, TAKE_SHAPE = "sinew_shape", "sinew_take_shape"
"""Properties of the armature: coefficients of the body as it stands, and as the take solved it."""


@dataclass(frozen=True)
class Bone:
    """A length between two joints; `is_upright` takes the difference in height alone."""

    key: str
    title: str
    first: str
    second: str
    is_upright: bool
    mean_m: float
    """Of the mean adult, for the sliders' ranges."""


BONES = (
    Bone("thigh", "Thigh", "femur_l", "tibia_l", False, 0.388),
    Bone("shank", "Shin", "tibia_l", "talus_l", False, 0.408),
    Bone("upper_arm", "Upper Arm", "humerus_l", "ulna_l", False, 0.270),
    Bone("forearm", "Forearm", "ulna_l", "hand_l", False, 0.246),
    Bone("trunk", "Trunk", "femur_l", "humerus_l", True, 0.475),
    Bone("head_neck", "Neck", "humerus_l", "head", True, 0.190),
    Bone("shoulder_width", "Shoulders", "humerus_l", "humerus_r", False, 0.340),
    Bone("hip_width", "Hip Joints", "femur_l", "femur_r", False, 0.177),
    Bone("foot", "Foot", "calcn_l", "toes_l", False, 0.189),
)
"""In the order of the body's length components."""
FLESH = (("Weight", ()), ("Waist", ("lumbar_body",)), ("Chest", ("thorax",)), ("Hips", ("pelvis",)),
         ("Arms", ("humerus", "ulna", "radius")), ("Legs", ("femur", "tibia")), ("Head", ("head",)),
         ("Detail 1", None), ("Detail 2", None), ("Detail 3", None), ("Detail 4", None), ("Detail 5", None))
"""Title and the segments whose skin it moves outwards; none: the whole skin."""
N_NAMED = 7
_FIRST, _SECOND = ([sk.JOINT_INDEX[getattr(b, end)] for b in BONES] for end in ("first", "second"))
_UPRIGHT = np.array([b.is_upright for b in BONES])


def lengths(joints_m: np.ndarray) -> np.ndarray:
    """Bone lengths (9,) of joints (24, 3) in the rest pose, m."""
    way = joints_m[_SECOND] - joints_m[_FIRST]
    return np.where(_UPRIGHT, way[:, 2], np.linalg.norm(way, axis=1))


def _jacobian(body: free_body.FreeBody, joints_m: np.ndarray) -> np.ndarray:
    """Change of the lengths per coefficient, (9, B)."""
    way = joints_m[_SECOND] - joints_m[_FIRST]
    unit = way / np.linalg.norm(way, axis=1, keepdims=True)
    unit[_UPRIGHT] = [0.0, 0.0, 1.0]
    turns = body.joint_dirs[:, _SECOND] - body.joint_dirs[:, _FIRST]
    return np.einsum("bkx,kx->kb", turns.astype(float), unit)


@lru_cache(maxsize=1)
def flesh_axes() -> np.ndarray:
    """Rows are the flesh sliders in phenotype components, (12, 12), orthonormal."""
    body = free_body.load()
    jacobian = _jacobian(body, body.joints_m.astype(float))
    hold = -np.linalg.solve(jacobian[:, N_FLESH:], jacobian[:, :N_FLESH])
    moves = body.shape_dirs[:N_FLESH] + np.tensordot(hold.T, body.shape_dirs[N_FLESH:], 1)
    corners = body.template_m[body.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = np.zeros((len(body.template_m), 3))
    for corner in range(3):
        np.add.at(outward, body.faces[:, corner], normal)
    main = body.skin_index[np.arange(len(body.skin_index)), body.skin_weight.argmax(1)]
    stem = np.array([name[:-2] if name[-2:] in ("_l", "_r") else name for name in sk.JOINT_NAMES])
    wanted = []
    for _, segments in FLESH[:N_NAMED]:
        own = np.isin(stem[main], segments) if segments else np.ones(len(main), bool)
        wanted.append(np.einsum("bvx,vx->b", moves[:, own], outward[own]))
    rows: list[np.ndarray] = []
    for way in [*wanted, *np.eye(N_FLESH)]:
        left = way / np.linalg.norm(way)
        for row in rows:
            left = left - row * (row @ left)
        if np.linalg.norm(left) > 0.05 and len(rows) < N_FLESH:
            rows.append(left / np.linalg.norm(left))
    return np.array(rows)


def bone_lengths(shape: np.ndarray) -> np.ndarray:
    """Bone lengths (9,) of a shape, m."""
    return lengths(free_body.load().joints(shape).astype(float))


def flesh(shape: np.ndarray) -> np.ndarray:
    """Flesh sliders (12,) of a shape, standard deviations."""
    return flesh_axes() @ np.asarray(shape, float)[:N_FLESH]


def with_bone_lengths(shape: np.ndarray, wanted_m: np.ndarray) -> np.ndarray:
    """The shape with other bone lengths (9,), m, and the same flesh."""
    body, out = free_body.load(), np.array(shape, float)
    for _ in range(8):
        joints = (body.joints_m + np.tensordot(out, body.joint_dirs, 1)).astype(float)
        off = np.asarray(wanted_m, float) - lengths(joints)
        if np.abs(off).max() < 1e-7:
            break
        out[N_FLESH:] += np.linalg.solve(_jacobian(body, joints)[:, N_FLESH:], off)
    return out


def with_bone(shape: np.ndarray, bone: int, length_m: float) -> np.ndarray:
    """The shape with one bone of another length."""
    wanted = bone_lengths(shape)
    wanted[bone] = length_m
    return with_bone_lengths(shape, wanted)


def with_flesh(shape: np.ndarray, slider: int, value: float) -> np.ndarray:
    """The shape with one flesh slider elsewhere, its bones as they were."""
    out, held = np.array(shape, float), bone_lengths(shape)
    out[:N_FLESH] += flesh_axes()[slider] * (value - flesh(shape)[slider])
    return with_bone_lengths(out, held)


_SOLE_JOINTS = [sk.JOINT_INDEX[name] for name in ("calcn_r", "toes_r", "calcn_l", "toes_l")]
_PER_JOINT = 16
_SOFT_M = 0.004
"""How far apart two points of the soles count as equally low, so that nothing jumps where one foot takes over."""


@lru_cache(maxsize=1)
def _sole() -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the soles, and the joint that carries each."""
    body = free_body.load()
    main = body.skin_index[np.arange(len(body.skin_index)), body.skin_weight.argmax(1)]
    vertices, joints = [], []
    for joint in _SOLE_JOINTS:
        own = np.flatnonzero((main == joint) & (body.template_m[:, 2] < 0.012))
        own = own[np.argsort(body.template_m[own, 1])][:: max(len(own) // _PER_JOINT, 1)]
        vertices.append(own)
        joints.append(np.full(len(own), joint))
    return np.concatenate(vertices), np.concatenate(joints)


def lowest_m(q: np.ndarray, rest_joints_m: np.ndarray, joint_frames: np.ndarray, rest_vertices_m: np.ndarray
             ) -> np.ndarray:
    """How far the lowest point of the soles is above the pelvis joint, per pose.

    Args:
        q: (T, 46), rad.
        rest_joints_m: (24, 3), m.
        joint_frames: (24, 3, 3).
        rest_vertices_m: (V, 3) of the free body, m.

    Returns:
        (T,), m, negative; smooth where one foot takes over from the other.
    """
    vertices, joints = _sole()
    T_wj = laws.forward_kinematics(q, np.zeros((len(q), 3)), rest_joints_m, joint_frames)[:, _SOLE_JOINTS]
    moves = T_wj @ np.linalg.inv(laws.rest_transforms(rest_joints_m, joint_frames)[_SOLE_JOINTS])
    carrier = np.searchsorted(np.sort(_SOLE_JOINTS), joints)
    carrier = np.argsort(_SOLE_JOINTS)[carrier]
    rows = moves[:, carrier, 2]
    height = np.einsum("tvx,vx->tv", rows[..., :3], rest_vertices_m[vertices]) + rows[..., 3]
    low = height.min(1)
    return low - _SOFT_M * np.log(np.exp(-(height - low[:, None]) / _SOFT_M).mean(1))
