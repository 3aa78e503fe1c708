"""The skeleton that leaves Blender: the conventional bones alone, in a plain hierarchy, under the names that others expect.

Names are conventions of the named systems. A bone without a name in a preset is left out; its skin goes to the bone
that carries it nearest (the ankle's to the foot, the forearm twist's to the forearm).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

PREFIX = "DEF-"
_MERGE_INTO = {"ankle": "foot", "forearm_twist": "forearm"}
_SIDED = {"L": ("Left", "_l"), "R": ("Right", "_r")}
_RIGIFY = {"hips": "spine", "spine": "spine.001", "chest": "spine.003", "head": "spine.006", "ankle": None,
           "forearm_twist": None}
_MIXAMO = {"hips": "Hips", "spine": "Spine", "chest": "Spine2", "head": "Head", "shoulder": "Shoulder",
           "upper_arm": "Arm", "forearm": "ForeArm", "hand": "Hand", "thigh": "UpLeg", "shin": "Leg", "foot": "Foot",
           "toe": "ToeBase", "ankle": None, "forearm_twist": None}
_UNREAL = {"hips": "pelvis", "spine": "spine_01", "chest": "spine_03", "head": "head", "shoulder": "clavicle",
           "upper_arm": "upperarm", "forearm": "lowerarm", "forearm_twist": "lowerarm_twist_01", "hand": "hand",
           "thigh": "thigh", "shin": "calf", "foot": "foot", "toe": "ball", "ankle": None}
_FINGER = re.compile(r"(thumb|index|middle|ring|pinky)_?0?([123])$")
PRESETS = (("SINEW", "Blender", "Plain names with .L and .R, as Blender's symmetry tools expect; every bone"),
           ("RIGIFY", "Rigify", "Names of Rigify's human meta-rig"),
           ("MIXAMO", "Mixamo", "Names of Mixamo's characters, mixamorig:Hips and so on"),
           ("UNREAL", "Unreal Engine", "Names of Unreal's mannequin, with a root bone on the floor"))


@dataclass(frozen=True)
class ExportBone:
    """One bone. `source`: the armature's deforming bone that it follows, None for a root that stays."""

    name: str
    source: str | None
    parent: str | None


@dataclass(frozen=True)
class ExportPlan:
    """Bones, parents first; and which of them gets the skin of each deforming bone."""

    bones: tuple[ExportBone, ...]
    skin: dict[str, str]


def _name(stem: str, side: str, preset: str) -> str | None:
    finger = _FINGER.match(stem)
    if preset == "RIGIFY":
        if finger:
            kind = "thumb" if finger[1] == "thumb" else f"f_{finger[1]}"
            return f"{kind}.0{finger[2]}.{side}"
        plain = _RIGIFY.get(stem, stem)
        return plain and plain + (f".{side}" if side else "")
    if preset == "MIXAMO":
        if finger:
            return f"mixamorig:{_SIDED[side][0]}Hand{finger[1].capitalize()}{finger[2]}" if side else None
        plain = _MIXAMO.get(stem, stem)
        return plain and f"mixamorig:{_SIDED[side][0] if side else ''}{plain}"
    if preset == "UNREAL":
        if finger:
            return f"{finger[1]}_0{finger[2]}{_SIDED[side][1] if side else ''}"
        plain = _UNREAL.get(stem, stem)
        return plain and plain + (_SIDED[side][1] if side else "")
    return stem + (f".{side}" if side else "")


def plan_export(deforming: list[tuple[str, str | None]], preset: str) -> ExportPlan:
    """Names and parents of the exported bones.

    Args:
        deforming: Name and deforming parent (None for none) of every deforming bone, parents first.
        preset: Key of `PRESETS`.
    """
    names: dict[str, str | None] = {}
    for source, _ in deforming:
        stem, _, side = source.removeprefix(PREFIX).partition(".")
        names[source] = _name(stem, side, preset)
    parents = dict(deforming)

    def kept(source: str | None) -> str | None:
        while source is not None and names[source] is None:
            source = parents[source]
        return source

    root = "root" if preset == "UNREAL" else None
    bones = [] if root is None else [ExportBone(root, None, None)]
    skin = {}
    for source, parent in deforming:
        if names[source] is None:
            stem, dot, side = source.removeprefix(PREFIX).partition(".")
            into = f"{PREFIX}{_MERGE_INTO.get(stem, '')}{dot}{side}"
            skin[source] = names[into] if names.get(into) else names[kept(parent)]
            continue
        up = kept(parent)
        bones.append(ExportBone(names[source], source, root if up is None else names[up]))
        skin[source] = names[source]
    return ExportPlan(tuple(bones), skin)


def local_motion(poses: np.ndarray, rest: np.ndarray, parents: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Poses as the channels of bones.

    Args:
        poses: (F, B, 4, 4), in armature space.
        rest: (B, 4, 4).
        parents: Index of each bone's parent, -1 for none.

    Returns:
        Locations (F, B, 3), m, and quaternions wxyz (F, B, 4) without jumps of sign, both in the bone's rest frame.
    """
    basis = np.empty_like(poses)
    for b, parent in enumerate(parents):
        if parent < 0:
            basis[:, b] = np.linalg.inv(rest[b]) @ poses[:, b]
        else:
            inside = np.linalg.inv(rest[parent]) @ rest[b]
            basis[:, b] = np.linalg.inv(inside) @ np.linalg.inv(poses[:, parent]) @ poses[:, b]
    return basis[..., :3, 3], _quaternions(basis[..., :3, :3])


def _quaternions(turn: np.ndarray) -> np.ndarray:
    """(F, B, 3, 3) -> (F, B, 4), wxyz. The largest component is found first (Shepperd 1978), so that none is lost."""
    trace = np.trace(turn, axis1=-2, axis2=-1)
    diagonal = np.moveaxis(np.diagonal(turn, axis1=-2, axis2=-1), -1, 0)
    squares = np.stack([1 + trace, *(1 + 2 * d - trace for d in diagonal)], -1)
    xy, xz, yz = (turn[..., i, j] + turn[..., j, i] for i, j in ((0, 1), (0, 2), (1, 2)))
    wx, wy, wz = (turn[..., i, j] - turn[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0)))
    w2, x2, y2, z2 = np.moveaxis(squares, -1, 0)
    rows = np.stack([np.stack([w2, wx, wy, wz], -1), np.stack([wx, x2, xy, xz], -1),
                     np.stack([wy, xy, y2, yz], -1), np.stack([wz, xz, yz, z2], -1)], -2)
    out = np.take_along_axis(rows, squares.argmax(-1)[..., None, None], -2)[..., 0, :]
    out = out / np.linalg.norm(out, axis=-1, keepdims=True)
    steps = np.where(np.sum(out[1:] * out[:-1], -1) < 0, -1.0, 1.0)
    out[1:] *= np.cumprod(steps, 0)[..., None]
    return out
