"""A subject's armature as a list of bones, before Blender sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...backend.sinew_take import laws
from ...backend.sinew_take import skeleton as sk
from . import bones, limits
from .extra import ExtraBones
from .slides import SlidePlan, plan_slides


@dataclass(frozen=True)
class BonePlan:
    """One bone.

    Attributes:
        name: Blender's.
        kind: "root", "slide", "guard", "joint", "extra", "origin" or "deform".
        parent: Name of the parent, None for none.
        matrix: (4, 4), rest pose, armature space, m.
        length_m: Blender needs one; drawn shapes follow it.
        joint: Index in `skeleton.JOINTS`; -1 for the root and what is beyond the joints.
    """

    name: str
    kind: str
    parent: str | None
    matrix: np.ndarray
    length_m: float
    joint: int = -1


@dataclass(frozen=True)
class RigPlan:
    """An armature: bones in an order that has parents first, the laws' drivers, and the joints with a constraint or a
    guard bone that holds their limits."""

    bones: tuple[BonePlan, ...]
    slides: tuple[SlidePlan, ...]
    constrained: tuple[int, ...]
    guarded: tuple[int, ...]


def plan_rig(body: dict[str, np.ndarray], extra: ExtraBones | None = None) -> RigPlan:
    """Arrays of `arrays.BODY` -> armature.

    Joint bones have the joint frames as their rest matrices, so that a channel is a coordinate; sliding joints hang on
    a helper bone with rest axes that carries the way of their centre.
    """
    rest_m = body["rest_joints_m"].astype(float)
    rest_T = laws.rest_transforms(rest_m, _rotations(body["joint_frames"]))
    tips = bones.segment_tips(body["rest_vertices_m"], body["skin_index"], body["skin_weight"], rest_m)
    conventional, lengths = bones.conventional_bones(rest_m, tips)
    slides = tuple(plan_slides(rest_m))
    sliding = {s.joint for s in slides}

    def at(point: np.ndarray) -> np.ndarray:
        matrix = np.eye(4)
        matrix[:3, 3] = point
        return matrix

    out = [BonePlan(bones.ROOT, "root", None, at(rest_m[0]), 0.3)]
    for joint in sk.JOINTS:
        parent = bones.ROOT if joint.parent < 0 else bones.BONE_NAMES[joint.parent]
        if joint.index in sliding:
            slide = bones.slide_name(joint.name)
            out.append(BonePlan(slide, "slide", parent, at(rest_m[joint.index]), 0.05, joint.index))
            parent = slide
        if joint.index in limits.GUARDED:
            # Without a parent: an inverse kinematics chain through the joint would else wait for itself.
            out.append(BonePlan(bones.guard_name(joint.name), "guard", None, rest_T[joint.index], 0.05, joint.index))
        out.append(BonePlan(bones.BONE_NAMES[joint.index], "joint", parent, rest_T[joint.index],
                            float(lengths[joint.index]), joint.index))
    for j in range(len(sk.JOINTS)):
        out.append(BonePlan(bones.ORIGIN_NAMES[j], "origin", bones.BONE_NAMES[j], conventional[j], float(lengths[j]), j))
    placed: set[int] = set()
    while len(placed) < len(sk.JOINTS):
        for j, up in enumerate(bones.DEFORM_PARENTS):
            if j not in placed and (up < 0 or up in placed):
                parent = bones.ROOT if up < 0 else bones.DEFORM_NAMES[up]
                out.append(BonePlan(bones.DEFORM_NAMES[j], "deform", parent, conventional[j], float(lengths[j]), j))
                placed.add(j)
    for e in range(len(extra.names) if extra is not None else 0):
        length = float(extra.lengths_m[e])
        out.append(BonePlan(extra.names[e], "extra", extra.parents[e], extra.matrices[e], length))
        out.append(BonePlan(extra.origin_names[e], "origin", extra.names[e], extra.conventional[e], length))
        out.append(BonePlan(extra.deform_names[e], "deform", extra.deform_parents[e], extra.conventional[e], length))
    return RigPlan(tuple(out), slides, limits.CONSTRAINED, limits.GUARDED)


def _rotations(frames: np.ndarray) -> np.ndarray:
    """The nearest exact rotations: single precision leaves the take's frames a little off."""
    u, _, vt = np.linalg.svd(frames.astype(float))
    return u @ vt
