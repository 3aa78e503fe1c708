"""What a body has beyond the 24 joints: extra bones (fingers, jaw, eyes), expressions, pose correctives, bone surfaces.

Extra bones stand as the joints do: one that is posed, whose rest matrix is the take's, a conventional twin along the
limb, and a deforming one. Expressions and correctives are shape keys; their weights are properties of the armature, so
that they are keyed in the person's own action, beside the coordinates, and move with it in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...backend.sinew_take import skeleton as sk
from ...backend.sinew_take.take import Subject
from . import bones

SIDES = {"left_": ".L", "right_": ".R"}
CORRECTIVES_PROPERTY = "sinew_correctives"
_SHORTEST_M = 0.01


@dataclass(frozen=True)
class ExtraBones:
    """Extra bones in the take's order, parents first.

    Attributes:
        names: Blender's, of the posed bones.
        parents: Blender's names of their parents: joints' bones or earlier extra ones.
        deform_names: Of the deforming bones.
        deform_parents: Of their parents.
        origin_names: Of the conventional twins.
        matrices: (E, 4, 4), rest pose, armature space, m.
        conventional: (E, 4, 4), Y from head to tail.
        lengths_m: (E,).
        rotation_wxyz: (T, E, 4), turn from the rest pose, of continuous sign.
    """

    names: tuple[str, ...]
    parents: tuple[str, ...]
    deform_names: tuple[str, ...]
    deform_parents: tuple[str, ...]
    origin_names: tuple[str, ...]
    matrices: np.ndarray
    conventional: np.ndarray
    lengths_m: np.ndarray
    rotation_wxyz: np.ndarray


@dataclass(frozen=True)
class ShapePlan:
    """One shape key.

    Attributes:
        name: Of the key.
        property: Of the armature, holds the weight.
        dirs_m: (V, 3), displacement of the rest pose per unit.
        weight: (T,).
        is_corrective: Belongs to the pose, and can be switched off; else an expression.
    """

    name: str
    property: str
    dirs_m: np.ndarray
    weight: np.ndarray
    is_corrective: bool


def blender_name(name: str) -> str:
    """left_index1 or index1_l -> index1.L."""
    for word, side in SIDES.items():
        if name.startswith(word):
            return name[len(word):] + side
    return name[:-2] + "." + name[-1].upper() if name.endswith(("_l", "_r")) else name


def plan_bones(subject: Subject) -> ExtraBones | None:
    """Extra bones of a subject; None where it has none."""
    described, arrays = subject.info.get("extra") or {}, subject.extra or {}
    given = described.get("bone_names") or []
    if not given or "bone_rest_T" not in arrays:
        return None
    taken = {*bones.BONE_NAMES, bones.ROOT}
    names: dict[str, str] = {}
    for name in given:
        own = blender_name(name)
        while own in taken:
            own += "_extra"
        taken.add(own)
        names[name] = own
    parents = described["parents"]
    joint_bone = dict(zip(sk.JOINT_NAMES, bones.BONE_NAMES))
    joint_deform = dict(zip(sk.JOINT_NAMES, bones.DEFORM_NAMES))
    matrices = arrays["bone_rest_T"].astype(float).copy()
    u, _, vt = np.linalg.svd(matrices[:, :3, :3])
    matrices[:, :3, :3] = u @ vt
    conventional, lengths = _along(given, parents, matrices[:, :3, 3], subject.body["rest_joints_m"].astype(float))
    return ExtraBones(
        tuple(names.values()), tuple(names.get(p) or joint_bone[p] for p in parents),
        tuple("DEF-" + n for n in names.values()),
        tuple("DEF-" + names[p] if p in names else joint_deform[p] for p in parents),
        tuple("ORG-" + n for n in names.values()), matrices, conventional, lengths,
        _continuous(arrays["bone_rotation_wxyz"].astype(float)))


def _along(names: list[str], parents: list[str], heads: np.ndarray, joints_m: np.ndarray
           ) -> tuple[np.ndarray, np.ndarray]:
    """Conventional matrices and lengths: each bone points to its first child, a last one on in its parent's direction."""
    index = {name: i for i, name in enumerate(names)}
    matrices, lengths = np.tile(np.eye(4), (len(names), 1, 1)), np.zeros(len(names))
    ways = np.zeros((len(names), 3))
    for i, name in enumerate(names):
        child = next((k for k, parent in enumerate(parents) if parent == name), None)
        if child is not None:
            ways[i] = heads[child] - heads[i]
        elif parents[i] in index:
            ways[i] = 0.8 * ways[index[parents[i]]]
        else:  # alone on its joint: an eye or a jaw looks forward
            ways[i] = [0.0, -max(0.4 * np.linalg.norm(heads[i] - joints_m[sk.JOINT_INDEX[parents[i]]]), 0.03), 0.0]
        lengths[i] = max(float(np.linalg.norm(ways[i])), _SHORTEST_M)
        y = ways[i] / lengths[i] if np.linalg.norm(ways[i]) > 1e-6 else np.array([0.0, -1.0, 0.0])
        reference = np.array([1.0, 0.0, 0.0]) if abs(y[0]) < 0.7 else np.array([0.0, 0.0, -np.sign(y[0])])
        x = reference - y * (reference @ y)
        x /= np.linalg.norm(x)
        matrices[i, :3, :3] = np.stack([x, y, np.cross(x, y)], 1)
        matrices[i, :3, 3] = heads[i]
    return matrices, lengths


def _continuous(rotation: np.ndarray) -> np.ndarray:
    """Unit quaternions (T, E, 4) without jumps of sign; frames that are NaN stay so."""
    with np.errstate(invalid="ignore", divide="ignore"):
        out = rotation / np.linalg.norm(rotation, axis=-1, keepdims=True)
    valid = np.flatnonzero(np.isfinite(out).all((1, 2)))
    if len(valid):
        steps = np.where(np.sum(out[valid][1:] * out[valid][:-1], -1) < 0, -1.0, 1.0)
        out[valid[1:]] *= np.cumprod(steps, 0)[..., None]
    return out


def plan_shapes(subject: Subject) -> tuple[ShapePlan, ...]:
    """Shape keys of a subject's skin: its expressions, then its pose correctives."""
    arrays = subject.extra or {}
    out = []
    names = (subject.info.get("extra") or {}).get("expression_names") or []
    for x, name in enumerate(names if "expression" in arrays else []):
        own = name if name.startswith("expression") else f"expression_{name}"
        out.append(ShapePlan(name, own, arrays["expression_dirs_m"][x], arrays["expression"][:, x], False))
    for c in range(arrays["corrective_weight"].shape[1] if "corrective_weight" in arrays else 0):
        out.append(ShapePlan(f"corrective_{c + 1}", f"corrective_{c + 1}", arrays["corrective_dirs_m"][c],
                             arrays["corrective_weight"][:, c], True))
    return tuple(out)
