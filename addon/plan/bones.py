"""Names of Blender bones for joints, and the conventional skeleton that stands beside the anatomical one.

Three sets of bones per armature: the 24 joints (`BONE_NAMES`, one channel per degree of freedom), `DEFORM_NAMES` (the
only deforming ones, head to tail along the limbs, named as retargeting tools expect) and, rigid children of the joints
at the same places as the deforming ones, `ORIGIN_NAMES`, which those copy. Vertex groups carry `DEFORM_NAMES`.
"""

from __future__ import annotations

import numpy as np

from ...backend.sinew_take import skeleton as sk

ROOT = "root"
"""The bone that carries the pelvis joint's place; its axes are the rest axes."""

_CONVENTIONAL = {
    "pelvis": "hips", "femur": "thigh", "tibia": "shin", "talus": "ankle", "calcn": "foot", "toes": "toe",
    "lumbar_body": "spine", "thorax": "chest", "head": "head", "scapula": "shoulder", "humerus": "upper_arm",
    "ulna": "forearm", "radius": "forearm_twist", "hand": "hand"}
_CONVENTIONAL_PARENTS = {
    "hips": None, "thigh": "hips", "shin": "thigh", "ankle": "shin", "foot": "shin", "toe": "foot", "spine": "hips",
    "chest": "spine", "head": "chest", "shoulder": "chest", "upper_arm": "shoulder", "forearm": "upper_arm",
    "forearm_twist": "forearm", "hand": "forearm"}
"""Ankle (talus) and forearm twist (radius) are leaves, so that shin-foot and forearm-hand chain as in other rigs."""


def _split(joint: str) -> tuple[str, str]:
    if joint.endswith(("_l", "_r")):
        return joint[:-2], "." + joint[-1].upper()
    return joint, ""


def bone_name(joint: str) -> str:
    """Blender's name for a joint: femur_r -> femur.R."""
    stem, side = _split(joint)
    return stem + side


def slide_name(joint: str) -> str:
    """The helper bone that carries the moving centre of a spine joint or scapula."""
    stem, side = _split(joint)
    return f"slide_{stem}{side}"


def guard_name(joint: str) -> str:
    """The helper bone that holds the limits of a joint which Limit Rotation cannot guard."""
    return f"limit_{bone_name(joint)}"


def conventional_name(joint: str) -> str:
    """The usual name of the segment: femur_r -> thigh.R."""
    stem, side = _split(joint)
    return _CONVENTIONAL[stem] + side


BONE_NAMES = tuple(bone_name(j) for j in sk.JOINT_NAMES)
DEFORM_NAMES = tuple("DEF-" + conventional_name(j) for j in sk.JOINT_NAMES)
ORIGIN_NAMES = tuple("ORG-" + conventional_name(j) for j in sk.JOINT_NAMES)


def _conventional_parents() -> tuple[int, ...]:
    names = [conventional_name(j) for j in sk.JOINT_NAMES]
    out = []
    for name in names:
        stem, dot, side = name.partition(".")
        parent = _CONVENTIONAL_PARENTS[stem]
        out.append(-1 if parent is None else names.index(parent if parent in names else parent + dot + side))
    return tuple(out)


DEFORM_PARENTS = _conventional_parents()
"""Index of the parent in `DEFORM_NAMES`, -1 for the hips."""

_AIM = {"pelvis": "lumbar_body", "femur": "tibia", "tibia": "talus", "talus": "calcn", "calcn": "toes",
        "lumbar_body": "thorax", "thorax": "head", "scapula": "humerus", "humerus": "ulna", "ulna": "hand",
        "radius": "hand"}
_TIP_DIRECTION = {"head": (0.0, 0.0, 1.0), "toes": (0.0, -1.0, 0.0), "hand": (1.0, 0.0, 0.0)}
"""Where segments without a next joint point in the rest pose, for the left side."""
_SHORTEST_M = 0.02


def conventional_bones(rest_joints_m: np.ndarray, tips_m: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Place the conventional bones in the rest pose.

    Args:
        rest_joints_m: (24, 3), m.
        tips_m: Joint -> end of its segment, for head, toes and hands (see `segment_tips`).

    Returns:
        Matrices (24, 4, 4), Y from head to tail and X the axis that elbow and knee bend about (positive flexes), the
        left side mirroring the right as Blender's symmetry tools do; and lengths (24), m.
    """
    matrices = np.tile(np.eye(4), (24, 1, 1))
    lengths = np.empty(24)
    for j, joint in enumerate(sk.JOINT_NAMES):
        stem, side = _split(joint)
        suffix = "" if not side else joint[-2:]
        # A foot starts at the ankle although it turns about the subtalar joint below it.
        head = rest_joints_m[sk.JOINT_INDEX["talus" + suffix] if stem == "calcn" else j]
        if j in tips_m:
            tail = tips_m[j]
        else:
            aim = _AIM[stem]
            tail = rest_joints_m[sk.JOINT_INDEX[aim if aim in sk.JOINT_INDEX else aim + suffix]]
        along = np.asarray(tail, float) - head
        length = np.linalg.norm(along)
        y = along / length if length > 1e-4 else np.array([0.0, 0.0, 1.0])
        is_arm = stem in ("scapula", "humerus", "ulna", "radius", "hand")
        reference = np.array([0.0, 0.0, -1.0 if side == ".L" else 1.0]) if is_arm else np.array([1.0, 0.0, 0.0])
        if abs(reference @ y) > 0.95:
            reference = np.array([0.0, -1.0, 0.0])
        x = reference - y * (reference @ y)
        x /= np.linalg.norm(x)
        matrices[j, :3, :3] = np.stack([x, y, np.cross(x, y)], 1)
        matrices[j, :3, 3] = head
        lengths[j] = max(length, _SHORTEST_M)
    return matrices, lengths


def segment_tips(rest_vertices_m: np.ndarray, skin_index: np.ndarray, skin_weight: np.ndarray,
                 rest_joints_m: np.ndarray) -> dict[int, np.ndarray]:
    """Ends of head, toes and hands, from the skin that moves with them.

    Args:
        rest_vertices_m: (V, 3), m.
        skin_index: (V, M).
        skin_weight: (V, M).
        rest_joints_m: (24, 3), m.

    Returns:
        Joint -> point (3,), m.
    """
    main = skin_index[np.arange(len(skin_index)), skin_weight.argmax(1)]
    out = {}
    for j, joint in enumerate(sk.JOINT_NAMES):
        stem, side = _split(joint)
        if stem not in _TIP_DIRECTION:
            continue
        direction = np.array(_TIP_DIRECTION[stem]) * (sk.MIRROR if side == ".R" else 1.0)
        own = rest_vertices_m[main == j].astype(float) - rest_joints_m[j]
        reach = float(np.max(own @ direction)) if len(own) else 0.1
        out[j] = rest_joints_m[j] + direction * max(reach, _SHORTEST_M)
    return out
