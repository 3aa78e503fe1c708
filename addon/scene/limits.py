"""Anatomical limits in Blender: constraints, inverse kinematics, one switch, and clamping of keys.

Limit Rotation stands only on joints whose poses it never alters inside the range; the others copy a guard bone
(`plan.limits`). Both clamp poses, not channels; `clamp_keys_to_limits` brings the channels themselves inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ...backend.sinew_take import skeleton as sk
from ..plan import bones
from ..plan import limits as plan_limits
from ..plan.curves import LIMITS_PROPERTY, dof_channel
from . import curves
from .drivers import drive

CONSTRAINT = "Sinew limits"


def ensure_limits(armature: bpy.types.Object, constrained: tuple[int, ...], guarded: tuple[int, ...], added: set[str]
                  ) -> None:
    """Constraints and IK limits of every joint, from the one table; the constraint's influence follows the switch.

    Only what is new gets the table's values, as an artist may have changed the others. added: names of new bones.
    """
    for joint in sk.JOINTS:
        pose = armature.pose.bones[bones.BONE_NAMES[joint.index]]
        dofs = [sk.DOFS[d] for d in joint.dofs]
        free = {dof.axis for dof in dofs}
        if pose.name in added:
            for axis, letter in enumerate("xyz"):
                setattr(pose, f"lock_ik_{letter}", axis not in free)
            for dof in dofs:
                if np.isfinite(dof.low):
                    letter = "xyz"[dof.axis]
                    setattr(pose, f"use_ik_limit_{letter}", True)
                    setattr(pose, f"ik_min_{letter}", dof.low)
                    setattr(pose, f"ik_max_{letter}", dof.high)
        if joint.index in guarded:
            _guard(armature, pose, joint)
        if joint.index not in constrained:
            continue
        limit = _find(armature, pose, "LIMIT_ROTATION")
        if limit is None:
            limit = pose.constraints.new("LIMIT_ROTATION")
            limit.name = CONSTRAINT
            limit.owner_space = "LOCAL"
            limit.euler_order = joint.order
            limit.use_transform_limit = True
            for dof in dofs:
                letter = "xyz"[dof.axis]
                setattr(limit, f"use_limit_{letter}", True)
                setattr(limit, f"min_{letter}", dof.low)
                setattr(limit, f"max_{letter}", dof.high)
        _switch(armature, pose, limit)


def _influence(pose: bpy.types.PoseBone, constraint: bpy.types.Constraint) -> str:
    return f'pose.bones["{pose.name}"].constraints["{bpy.utils.escape_identifier(constraint.name)}"].influence'


def _find(armature: bpy.types.Object, pose: bpy.types.PoseBone, kind: str) -> bpy.types.Constraint | None:
    """The constraint that holds a joint's limits: it follows the switch, whatever its name is by now."""
    drivers = () if armature.animation_data is None else armature.animation_data.drivers
    for constraint in pose.constraints:
        if constraint.type != kind:
            continue
        curve = drivers.find(_influence(pose, constraint)) if drivers else None
        if constraint.name == CONSTRAINT or curve is not None and {v.name for v in curve.driver.variables} == {"on"}:
            return constraint
    return None


def _switch(armature: bpy.types.Object, pose: bpy.types.PoseBone, constraint: bpy.types.Constraint) -> None:
    drive(armature, _influence(pose, constraint), -1, {"on": (armature, f'["{LIMITS_PROPERTY}"]')})


def _guard(armature: bpy.types.Object, pose: bpy.types.PoseBone, joint: sk.Joint) -> None:
    """Let a joint copy the bone that holds its channels, clamped."""
    guard = bones.guard_name(joint.name)
    turn = f'pose.bones["{guard}"].rotation_euler'
    for d in joint.dofs:
        dof = sk.DOFS[d]
        data = armature.animation_data
        if data is None or data.drivers.find(turn, index=dof.axis) is None:  # the expression holds the limits
            drive(armature, turn, dof.axis, {"a": (armature, f'pose.bones["{pose.name}"].rotation_euler[{dof.axis}]')},
                  plan_limits.clamp_expression(dof))
    copy = _find(armature, pose, "COPY_TRANSFORMS")
    if copy is None:
        # Transforms and not the rotation alone: Copy Rotation goes through Euler angles, which lose precision where the
        # middle axis is at its limit of 90 degrees.
        copy = pose.constraints.new("COPY_TRANSFORMS")
        copy.name = CONSTRAINT
        copy.target = armature
        copy.subtarget = guard
        copy.owner_space = copy.target_space = "LOCAL"
    _switch(armature, pose, copy)


def set_limits(armature: bpy.types.Object, is_on: bool) -> None:
    """Switch an armature's limits. Writing the property from Python alone would not wake its drivers."""
    armature[LIMITS_PROPERTY] = is_on
    armature.update_tag()


@dataclass(frozen=True)
class Clamped:
    """What `clamp_keys_to_limits` did: keys moved, and degrees of freedom concerned."""

    n_keys: int
    dofs: tuple[str, ...]


def clamp_keys_to_limits(armature: bpy.types.Object) -> Clamped:
    """Move keys so that every degree of freedom stays inside its limits.

    First the keys of the layer that is being edited, so that an artist's own pose stops at the limit; then the take's
    keys below, where both together still exceed it (they stand at every frame, so nothing is left between). Where a layer
    replaces the take's keys instead of adding to them, it is clamped alone.

    Args:
        armature: One that an import made.
    """
    base, layer = curves.base_action(armature), curves.layer_action(armature)
    later = curves.strip_offset(armature) if layer is not None else 0.0
    replaces = layer is not None and armature.animation_data.action_blend_type == "REPLACE"
    n_keys, touched = 0, []
    for dof in sk.DOFS:
        if not np.isfinite(dof.low):
            continue
        path, index = dof_channel(dof.name)
        below = curves.find_curve(base, armature, path, index)
        above = curves.find_curve(layer, armature, path, index)
        moved = 0
        if above is not None and replaces:
            moved += _clamp(above, None, 0.0, dof.low, dof.high)
            below = None
        elif above is not None:
            moved += _clamp(above, below, -later, dof.low, dof.high)
        if below is not None:
            moved += _clamp(below, above, later, dof.low, dof.high)
        if moved:
            n_keys += moved
            touched.append(dof.name)
    armature.update_tag()
    return Clamped(n_keys, tuple(touched))


def _clamp(curve: bpy.types.FCurve, other: bpy.types.FCurve | None, shift: float, low: float, high: float) -> int:
    """Clamp one curve's keys so that its sum with `other`, `shift` frames on, is inside; handles move with keys."""
    frames, values = curves.read_keys(curve)
    rest = np.zeros(len(frames)) if other is None else np.array([other.evaluate(f + shift) for f in frames])
    wanted = np.clip(values + rest, low, high) - rest
    moved = np.abs(wanted - values) > 1e-6
    if moved.any():
        curves.shift_keys(curve, wanted - values)
    return int(moved.sum())
