"""The one definition of the skeleton: 24 joints, 46 degrees of freedom, their axes, order, limits and sources.

Everything that needs the skeleton reads this table: the fit, the free body, the armature builder, the exporters
and the documentation.

Frames. *Rest axes*: x to the body's left, y to its back, z up (the person of the rest pose faces -Y in a Z-up world).
Published axes are written in OpenSim's axes (X forward, Y up, Z to the right); `BODY`, `ARM_R` and `ARM_L` map those
into the rest axes for the trunk and legs, and for arms held out to the sides. A joint frame is the published frame with
the published signs folded in, so every degree of freedom turns about a *positive* axis of its joint frame, in the order
of the table, each one about the axis of the parent side (R = R_k ... R_1).

Sources: SKEL (Keller et al. 2023), HSMR (Xia et al. 2025), Rajagopal et al. 2016 (OpenSim full-body model), Seth et al.
2016 (scapulothoracic joint), AAOS / Kapandji ranges of motion where the published tables are missing or disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import numpy as np

BODY = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""OpenSim axes -> rest axes for trunk, legs, scapula and humerus. Columns: forward, up, right."""
ARM_R = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""The same for a right forearm and hand held out to the side (T-pose): forward, towards the body, up."""
ARM_L = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""The same on the left: forward, towards the body, down."""

MIRROR = np.array([-1.0, 1.0, 1.0])
"""Reflection of a point across the body's middle plane, in rest axes."""


@dataclass(frozen=True)
class Dof:
    """One coordinate. `axis` is 0, 1 or 2: the axis of its joint frame that it turns about. Limits in radians."""

    name: str
    index: int
    joint: int
    axis: int
    low: float
    high: float
    mirror_sign: int
    """+1: a mirrored pose has the same value on the other side; -1: the negated one."""
    source: str


@dataclass(frozen=True)
class Joint:
    """One joint. `order` lists its axes first-applied first; as a Blender rotation mode it reproduces the joint."""

    name: str
    index: int
    parent: int
    order: str
    dofs: tuple[int, ...]
    law: str
    """"turn": the centre is fixed in the parent. "arc": spine. "ellipsoid": scapula. See `laws.py`."""


_FREE = (-float("inf"), float("inf"))


def _deg(low: float, high: float) -> tuple[float, float]:
    return radians(low), radians(high)


def _pin(x: float, y: float, z: float) -> np.ndarray:
    """Z axis of an OpenSim pin frame given by body-fixed x-y-z angles, rad."""
    cx, sx, cy, sy = np.cos(x), np.sin(x), np.cos(y), np.sin(y)
    del z  # a turn about the pin itself does not move it
    return np.array([sy, -sx * cy, cx * cy])


_X, _Y, _Z = np.eye(3)
ELBOW_AXIS = np.array([.0494, .0366, .99810825])
FOREARM_AXIS = np.array([-.01716099, .99266564, -.11966796])
"""Right side, in OpenSim's axes of the joint, as printed (of unit length to 4e-9)."""
_SKEL = "SKEL limits"
_LIMITLESS = "free: the pelvis carries the whole body's orientation"

# name, parent, published frame, axis order, law, [(dof, published axis, (low, high), mirror sign, source)]
_CENTRE = [
    ("pelvis", None, BODY, "ZXY", "turn", [
        ("pelvis_tilt", _Z, _FREE, 1, _LIMITLESS),
        ("pelvis_list", _X, _FREE, -1, _LIMITLESS),
        ("pelvis_rotation", _Y, _FREE, -1, _LIMITLESS)]),
]
_LEG = [
    ("femur", "pelvis", BODY, "ZXY", "turn", [
        ("hip_flexion", _Z, _deg(-45, 135), 1, "HSMR's, SKEL has none; AAOS: extension 30, flexion 120 with the knee bent"),
        ("hip_adduction", _X, _deg(-60, 30), 1,
         "HSMR's -45..30, SKEL has none; abduction widened from AAOS's 45 to 60, which kicks and splits reach"),
        ("hip_rotation", _Y, _deg(-45, 45), 1, "HSMR's, SKEL has none; AAOS: 45 both ways")]),
    ("tibia", "femur", BODY, "ZXY", "turn", [
        ("knee_angle", -_Z, _deg(0, 145), 1,
         "SKEL's 0..135, flexion widened to 145 (Kapandji: 140 active, 160 passive in a squat)")]),
    ("talus", "tibia", BODY, "ZXY", "turn", [
        ("ankle_angle", _pin(.175895, -.105208, .0186622), _deg(-45, 45), 1, _SKEL)]),
    ("calcn", "talus", BODY, "ZXY", "turn", [
        ("subtalar_angle", _pin(-1.76818999, .906223, 1.8196), _deg(-45, 45), 1, _SKEL)]),
    ("toes", "calcn", BODY, "ZXY", "turn", [
        ("mtp_angle", _pin(-3.141589999, .619901, 0.0), _deg(-45, 45), 1, _SKEL)]),
]
_SPINE = [
    ("lumbar_body", "pelvis", BODY, "XZY", "arc", [
        ("lumbar_bending", _X, _deg(-30, 30), -1, _SKEL),
        ("lumbar_extension", _Z, _deg(-45, 45), 1, _SKEL),
        ("lumbar_twist", _Y, _deg(-45, 45), -1, _SKEL)]),
    ("thorax", "lumbar_body", BODY, "XZY", "arc", [
        ("thorax_bending", _X, _deg(-45, 45), -1, _SKEL),
        ("thorax_extension", _Z, _deg(-45, 45), 1, _SKEL),
        ("thorax_twist", _Y, _deg(-45, 45), -1, _SKEL)]),
    ("head", "thorax", BODY, "XZY", "arc", [
        ("head_bending", _X, _deg(-45, 45), -1, _SKEL),
        ("head_extension", _Z, _deg(-45, 45), 1, _SKEL),
        ("head_twist", _Y, _deg(-45, 45), -1, _SKEL)]),
]
_ARM = [
    ("scapula", "thorax", BODY, "YZX", "ellipsoid", [
        ("scapula_abduction", _Y, (-.628, .628), -1, _SKEL),
        # Right side: negative raises the shoulder.
        ("scapula_elevation", -_Z, (-.5, .698), -1,
         "HSMR's later table (8f6e641), raised 28.6 and lowered 40; SKEL's -22.9..-5.7 leaves the rest pose out. The rest "
         "pose is a T-pose, in which the clavicle stands 30 to 36 above hanging (Inman 1944), and it can sink 5 to 10 below "
         "that (Kapandji)"),
        ("scapula_upward_rot", -_X, (-.190, .319), 1,
         "SKEL's right side on both; its left side is -12.0..12.5, and no anatomy tells the sides apart")]),
    ("humerus", "scapula", BODY, "XYZ", "turn", [
        ("shoulder_{s}_x", _X, _deg(-90, 176), -1,
         "HSMR's, SKEL has none; from the T-pose -90 is AAOS's abduction of 180, 90 the arm at the side, beyond it across "
         "the body"),
        ("shoulder_{s}_y", _Y, _deg(-90, 90), -1, _SKEL),
        ("shoulder_{s}_z", _Z, _deg(-90, 180), 1,
         "HSMR's -90..90, SKEL has none; widened to 180: flexion overhead (AAOS 180) with the arm turned about its length")]),
    ("ulna", "humerus", ARM_R, "ZXY", "turn", [
        ("elbow_flexion", ELBOW_AXIS, _deg(0, 145), 1,
         "SKEL's 0..135, widened to 145 (Kapandji: active flexion 145)")]),
    ("radius", "ulna", ARM_R, "YXZ", "turn", [
        ("pro_sup", FOREARM_AXIS, _deg(-90, 90), 1,
         "SKEL's left side on both; its right side is -67.5..67.5, short of AAOS (supination 80, pronation 80) and Kapandji "
         "(90, 85)")]),
    ("hand", "radius", ARM_R, "XZY", "turn", [
        ("wrist_flexion", _X, _deg(-90, 90), 1, _SKEL),
        ("wrist_deviation", -_Z, _deg(-45, 45), 1, _SKEL)]),
]


def _frame(base: np.ndarray, order: str, axes: list[np.ndarray]) -> np.ndarray:
    """Joint frame in rest axes whose positive `order` axes are the published `axes`; the rest stays near `base`."""
    local = np.full((3, 3), np.nan)
    for letter, axis in zip(order, axes):
        local[:, "XYZ".index(letter)] = axis / np.linalg.norm(axis)
    given = [i for i in range(3) if not np.isnan(local[0, i])]
    if len(given) == 1:
        local = _pin_axes(local[:, given[0]], given[0])
    elif len(given) == 2:
        missing = ({0, 1, 2} - set(given)).pop()
        local[:, missing] = np.cross(local[:, (missing + 1) % 3], local[:, (missing + 2) % 3])
    return base @ local


def _pin_axes(axis: np.ndarray, which: int = 2) -> np.ndarray:
    """Axes (columns) of a pin: `axis`, unit length, is the one of number `which`; the next one is the base axis nearest
    to it, made orthogonal, so that frames stay readable."""
    local = np.empty((3, 3))
    local[:, which] = axis
    second, third = (which + 1) % 3, (which + 2) % 3
    reference = np.eye(3)[:, second]
    reference = reference - local[:, which] * (reference @ local[:, which])
    local[:, second] = reference / np.linalg.norm(reference)
    local[:, third] = np.cross(local[:, which], local[:, second])
    return local


def _build() -> tuple[tuple[Joint, ...], tuple[Dof, ...], np.ndarray, np.ndarray]:
    joints: list[Joint] = []
    dofs: list[Dof] = []
    frames: list[np.ndarray] = []
    published: list[np.ndarray] = []
    number: dict[str, int] = {}

    def add(rows, side):
        for name, parent, base, order, law, row_dofs in rows:
            suffix = "" if side is None else f"_{side}"
            frame = _frame(base, order, [axis for _, axis, *_ in row_dofs])
            if side == "l":
                # Mirror every axis as a rotation (pseudo-vector), then apply the published sign of the coordinate.
                signs = np.ones(3)
                for letter, (_, _, _, mirror_sign, _) in zip(order, row_dofs):
                    signs["XYZ".index(letter)] = mirror_sign
                frame = -MIRROR[:, None] * frame * signs
                if np.linalg.det(frame) < 0:
                    free = next(i for i in (2, 1, 0) if i not in ["XYZ".index(c) for c in order[: len(row_dofs)]])
                    frame[:, free] *= -1
            index = len(joints)
            full = name + suffix
            number[full] = index
            up = -1 if parent is None else number[parent if parent in number else parent + suffix]
            own = []
            for letter, (dof, _, (low, high), mirror_sign, source) in zip(order, row_dofs):
                dof_name = dof.format(s=side) if "{s}" in dof else dof + suffix
                if side == "l" and mirror_sign < 0:
                    low, high = -high, -low
                own.append(len(dofs))
                dofs.append(Dof(dof_name, len(dofs), index, "XYZ".index(letter), low, high, mirror_sign, source))
            joints.append(Joint(full, index, up, order, tuple(own), law))
            frames.append(frame)
            published.append((ARM_L if side == "l" and base is ARM_R else base).T @ frame)

    add(_CENTRE, None)
    add(_LEG, "r")
    add(_LEG, "l")
    add(_SPINE, None)
    add(_ARM, "r")
    add(_ARM, "l")
    return tuple(joints), tuple(dofs), np.stack(frames), np.stack(published)


JOINTS, DOFS, REST_FRAMES, PUBLISHED_AXES = _build()
"""The table. `REST_FRAMES` (24,3,3): joint frames in rest axes for a body whose limbs follow the canonical T-pose.
`PUBLISHED_AXES` (24,3,3): the same frames' axes in OpenSim's axes of the joint, as the published tables write them."""

JOINT_NAMES = tuple(j.name for j in JOINTS)
DOF_NAMES = tuple(d.name for d in DOFS)
PARENTS = tuple(j.parent for j in JOINTS)
LOW = np.array([d.low for d in DOFS])
HIGH = np.array([d.high for d in DOFS])
JOINT_INDEX = {name: i for i, name in enumerate(JOINT_NAMES)}
DOF_INDEX = {name: i for i, name in enumerate(DOF_NAMES)}
CONTACT_JOINTS = tuple(JOINT_INDEX[name] for name in ("calcn_l", "toes_l", "calcn_r", "toes_r"))
"""The joint over each of a take's contacts, in their order: left heel and toes, then right."""

MEDIAPIPE_KEYPOINTS = (
    "nose", "eye_inner_l", "eye_l", "eye_outer_l", "eye_inner_r", "eye_r", "eye_outer_r", "ear_l", "ear_r",
    "mouth_l", "mouth_r", "shoulder_l", "shoulder_r", "elbow_l", "elbow_r", "wrist_l", "wrist_r", "pinky_l", "pinky_r",
    "index_l", "index_r", "thumb_l", "thumb_r", "hip_l", "hip_r", "knee_l", "knee_r", "ankle_l", "ankle_r",
    "heel_l", "heel_r", "foot_index_l", "foot_index_r")
"""Keypoints of MediaPipe's pose landmarker, in its order; sides are the person's."""


def mirror_q(q: np.ndarray) -> np.ndarray:
    """Coordinates of the mirrored pose. q: (..., 46) rad. Returns the same shape; the root is not included."""
    out = np.empty_like(q)
    for dof in DOFS:
        name = dof.name
        if name.endswith("_r"):
            other = name[:-2] + "_l"
        elif name.endswith("_l"):
            other = name[:-2] + "_r"
        elif name.startswith("shoulder_r"):
            other = name.replace("shoulder_r", "shoulder_l")
        elif name.startswith("shoulder_l"):
            other = name.replace("shoulder_l", "shoulder_r")
        else:
            other = name
        out[..., DOF_INDEX[other]] = dof.mirror_sign * q[..., dof.index]
    return out


def inside_limits(q: np.ndarray) -> np.ndarray:
    """Coordinates (..., 46), rad, as float32 within the limits, these rounded towards the inside."""
    low, high = LOW.astype(np.float32), HIGH.astype(np.float32)
    low = np.where(low < LOW, np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high > HIGH, np.nextafter(high, np.float32(-np.inf)), high)
    return np.clip(q.astype(np.float32), low, high)


def within_limits(q: np.ndarray, tolerance_rad: float = 1e-6) -> np.ndarray:
    """True per frame where every coordinate is inside its limits. q: (..., 46). NaN frames count as inside."""
    with np.errstate(invalid="ignore"):
        outside = (q < LOW - tolerance_rad) | (q > HIGH + tolerance_rad)
    return ~outside.any(-1)
