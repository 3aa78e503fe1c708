"""Motion of a subject as F-curves: one per degree of freedom, holding the coordinate itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...backend.sinew_take import skeleton as sk
from . import bones
from .extra import ExtraBones, ShapePlan
from .retime import Timing, resample

LIMITS_PROPERTY = "sinew_limits"
ABSENT_PROPERTY = "sinew_absent"


@dataclass(frozen=True)
class CurvePlan:
    """One F-curve of an armature object.

    Attributes:
        path: Data path.
        index: Array index; 0 for a single property.
        group: Name of its group in the action.
        frames: (N,) float64, scene frames of the keys.
        values: (N,) float32, m or rad.
        is_held: (N,) bool: the value stays until the next key, where the motion has a gap behind it.
    """

    path: str
    index: int
    group: str
    frames: np.ndarray
    values: np.ndarray
    is_held: np.ndarray


def dof_channel(name: str) -> tuple[str, int]:
    """Data path and array index of the channel that holds a degree of freedom: "knee_angle_r" ->
    ('pose.bones["tibia.R"].rotation_euler', 2). Curves have no names in Blender; this finds them.

    Raises:
        KeyError: No degree of freedom has that name.
    """
    dof = sk.DOFS[sk.DOF_INDEX[name]]
    return f'pose.bones["{bones.BONE_NAMES[dof.joint]}"].rotation_euler', dof.axis


def plan_curves(motion: dict[str, np.ndarray], rest_pelvis_m: np.ndarray, timing: Timing, is_resampled: bool = False,
                extra: ExtraBones | None = None, shapes: tuple[ShapePlan, ...] = ()) -> list[CurvePlan]:
    """Keys of one subject's action: the pelvis' place, the 46 coordinates, what the body has beyond them, and absence
    where there is any.

    Args:
        motion: Arrays of `arrays.MOTION`.
        rest_pelvis_m: Pelvis joint in the rest pose, (3,), m.
        timing: Scene frames of the take frames.
        is_resampled: Keys on whole scene frames, interpolated, instead of at the true times between them.
        extra: Turns of the extra bones.
        shapes: Weights of the shape keys.

    Returns:
        Curves; none for a subject that is never present, except its absence.
    """
    frames, present = timing.frames, motion["present"].astype(bool)
    n_extra = 0 if extra is None else len(extra.names)
    parts = [motion["root_m"] - rest_pelvis_m, motion["q"]]
    if n_extra:
        parts.append(extra.rotation_wxyz.reshape(len(frames), -1))
    values = np.concatenate([*parts, *(shape.weight[:, None] for shape in shapes)], 1).astype(np.float64)
    known = present & np.isfinite(values).all(1)
    if is_resampled:
        whole = np.arange(np.ceil(frames[0] - 1e-6), np.floor(frames[-1] + 1e-6) + 1)
        _, present = resample(frames, values, present, whole)
        values, known = resample(frames, values, known, whole)
        frames = whole
    keyed = np.flatnonzero(known)
    is_held = np.zeros(len(keyed), bool)
    if len(keyed):
        is_held[:-1] = np.diff(keyed) > 1
    out = []
    if len(keyed):
        channels = [(f'pose.bones["{bones.ROOT}"].location', axis, bones.ROOT) for axis in range(3)]
        channels += [(*dof_channel(dof.name), bones.BONE_NAMES[dof.joint]) for dof in sk.DOFS]
        channels += [(f'pose.bones["{name}"].rotation_quaternion', part, name)
                     for name in (extra.names if n_extra else ()) for part in range(4)]
        channels += [(f'["{shape.property}"]', 0, "correctives" if shape.is_corrective else "expression")
                     for shape in shapes]
        for column, (path, index, group) in enumerate(channels):
            out.append(CurvePlan(path, index, group, frames[keyed], values[keyed, column].astype(np.float32), is_held))
    if not present.all() and len(frames):
        changes = np.flatnonzero(np.diff(present.astype(int), prepend=2))
        out.append(CurvePlan(f'["{ABSENT_PROPERTY}"]', 0, "visibility", frames[changes],
                             (~present[changes]).astype(np.float32), np.ones(len(changes), bool)))
    return out
