"""Rig plan -> armature object: bones, joint laws, locks, limits, shapes, colours."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix

from ...backend.sinew_take import skeleton as sk
from ..plan import bones
from ..plan.curves import LIMITS_PROPERTY
from ..plan.rig import BonePlan, RigPlan
from . import limits, shapes, tags
from .drivers import drive
from .modes import edit_mode

ROLE = "armature"
JOINT = "sinew_joint"
DOFS = "sinew_dofs"
BONE = "sinew_bone"
"""On a bone: the name that it was made under."""
_SAME_REST = 2e-6
_COLLECTIONS = {"Joints": True, "Fingers and Face": True, "Deform": False, "Helpers": False}
_KIND_COLLECTION = {"root": "Joints", "joint": "Joints", "deform": "Deform", "origin": "Helpers", "slide": "Helpers",
                    "guard": "Helpers", "extra": "Fingers and Face"}
_COLORS = {"L": (0.30, 0.58, 1.0), "R": (1.0, 0.33, 0.28), "": (1.0, 0.80, 0.25)}


def build_armature(context: bpy.types.Context, plan: RigPlan, owner: tags.Owner, name: str,
                   collection: bpy.types.Collection, parent: bpy.types.Object,
                   shape_objects: dict[str, bpy.types.Object]) -> tuple[bpy.types.Object, bool]:
    """Make a subject's armature, or bring the shot's existing one up to date.

    Args:
        context: Its view layer is where bones are edited.
        plan: Of this subject.
        owner: Take, shot and subject.
        name: For a new object; never used to find it.
        collection: For a new object.
        parent: The take's root.
        shape_objects: Of `shapes.ensure_shapes`.

    Returns:
        The object, in which everything an artist added (bones, constraints, drivers, layers) is kept; and whether it
        is new.
    """
    armature = tags.find(bpy.data.objects, ROLE, owner)
    is_new = armature is None
    if is_new:
        data = bpy.data.armatures.new(name)
        data.relation_line_position = "HEAD"
        armature = bpy.data.objects.new(name, data)
        collection.objects.link(armature)
        armature.parent = parent
        tags.adopt(armature, ("body", "bone_surface", "avatar"), owner)
        armature.show_in_front = True
        armature[LIMITS_PROPERTY] = True
        armature.id_properties_ui(LIMITS_PROPERTY).update(
            default=True, description="Keep the joints inside their anatomical limits")
        armature.property_overridable_library_set(f'["{LIMITS_PROPERTY}"]', True)
    for block in (armature, armature.data):
        tags.mark(block, ROLE, owner)
    if not is_new:
        _name_back(armature, plan)
    added = _edit_bones(context, armature, plan)
    for bone in plan.bones:
        armature.data.bones[bone.name][BONE] = bone.name
    _collect(armature, plan, added)
    for bone in plan.bones:
        if bone.name in added:
            _pose_bone(armature, bone, shape_objects)
    _drive_slides(armature, plan)
    limits.ensure_limits(armature, plan.constrained, plan.guarded, added)
    return armature, is_new


def bending(item: bpy.types.Object, armature: bpy.types.Object) -> bpy.types.ArmatureModifier:
    """The modifier by which an armature moves an object.

    Where it is missing, one whose armature was deleted is taken, with its place among the artist's modifiers; else a new
    one stands before them.
    """
    bends = [m for m in item.modifiers if m.type == "ARMATURE"]
    bend = next((m for m in bends if m.object == armature), None) or next((m for m in bends if m.object is None), None)
    if bend is None:
        bend = item.modifiers.new("Armature", "ARMATURE")
        item.modifiers.move(len(item.modifiers) - 1, 0)
        bend.use_deform_preserve_volume = bend.use_bone_envelopes = False
    bend.object = armature
    return bend


def move_bones(context: bpy.types.Context, armature: bpy.types.Object, plan: RigPlan) -> None:
    """Bring rest pose and joint laws to another shape's plan; everything else stays."""
    _edit_bones(context, armature, plan)
    _drive_slides(armature, plan)


def rest_matrices(armature: bpy.types.Object, names: list[str]) -> np.ndarray:
    """Rest matrices of bones in armature space, (N, 4, 4)."""
    return np.array([armature.data.bones[name].matrix_local for name in names])


def _name_back(armature: bpy.types.Object, plan: RigPlan) -> None:
    """Give bones that the artist renamed their names again, by which curves, drivers and constraints know them."""
    planned = {bone.name for bone in plan.bones}
    joints = {pose.name: bones.bone_name(pose[JOINT]) for pose in armature.pose.bones if JOINT in pose}
    made_as = {bone.name: bone.get(BONE) or joints.get(bone.name) for bone in armature.data.bones}
    renamed: dict[str, bpy.types.Bone] = {}
    for bone in armature.data.bones:
        wanted = made_as[bone.name]
        # A duplicate carries the mark too; the one that has the name is the original.
        if wanted in planned and made_as.get(wanted) != wanted and (wanted not in made_as or made_as[wanted]):
            renamed.setdefault(wanted, bone)
    for wanted, bone in renamed.items():  # first out of the way: two may have swapped names
        bone.name = f"{wanted} renamed"
    for wanted, bone in renamed.items():
        bone.name = wanted


def _is_as_planned(armature: bpy.types.Object, plan: RigPlan) -> bool:
    names = [bone.name for bone in plan.bones]
    if any(name not in armature.data.bones for name in names):
        return False
    wanted = np.array([bone.matrix for bone in plan.bones])
    same_place = np.abs(rest_matrices(armature, names) - wanted).max() < _SAME_REST
    return bool(same_place and all(abs(armature.data.bones[b.name].length - b.length_m) < 1e-5 for b in plan.bones))


def _edit_bones(context: bpy.types.Context, armature: bpy.types.Object, plan: RigPlan) -> set[str]:
    """Bring the rest pose to the plan's; returns the names of bones that were made."""
    added: set[str] = set()
    if _is_as_planned(armature, plan):
        return added
    with edit_mode(context, armature):
        edit = armature.data.edit_bones
        for bone in plan.bones:
            own = edit.get(bone.name)
            if own is None:
                own = edit.new(bone.name)
                added.add(bone.name)
                own.parent = None if bone.parent is None else edit[bone.parent]
                own.use_connect = False
                own.use_deform = bone.kind == "deform"
            # A length first: a matrix cannot be put on a bone without one.
            own.head, own.tail = (0, 0, 0), (0, bone.length_m, 0)
            own.matrix = Matrix(bone.matrix)
            own.length = bone.length_m
    return added


def _collect(armature: bpy.types.Object, plan: RigPlan, added: set[str]) -> None:
    """Sort new bones into bone collections; the artist's sorting of the others stays."""
    collections = armature.data.collections
    for bone in plan.bones:
        if bone.name not in added:
            continue
        title = _KIND_COLLECTION[bone.kind]
        own = collections.get(title)
        if own is None:
            own = collections.new(title)
            own.is_visible = _COLLECTIONS[title]
        own.assign(armature.data.bones[bone.name])


def _pose_bone(armature: bpy.types.Object, plan: BonePlan, shape_objects: dict[str, bpy.types.Object]) -> None:
    pose = armature.pose.bones[plan.name]
    pose.lock_location = (plan.kind != "root",) * 3
    pose.lock_rotation = (True, True, True)
    pose.lock_scale = (True, True, True)
    pose.lock_rotation_w = True
    # Inverse kinematics turns joints, never what carries them.
    pose.lock_ik_x = pose.lock_ik_y = pose.lock_ik_z = plan.kind not in ("joint", "extra")
    pose.rotation_mode = "XYZ"
    if plan.kind == "guard":
        pose.rotation_mode = sk.JOINTS[plan.joint].order
    elif plan.kind == "joint":
        joint = sk.JOINTS[plan.joint]
        pose.rotation_mode = joint.order
        axes = [sk.DOFS[d].axis for d in joint.dofs]
        pose.lock_rotation = tuple(axis not in axes for axis in range(3))
        pose[JOINT] = joint.name
        pose[DOFS] = ", ".join(f"{'XYZ'[sk.DOFS[d].axis]} {sk.DOFS[d].name}" for d in joint.dofs)
        pose.custom_shape = shape_objects[shapes.shape_of(joint.name)]
        pose.custom_shape_transform = armature.pose.bones[bones.ORIGIN_NAMES[plan.joint]]
        _draw(pose, plan.name.partition(".")[2])
    elif plan.kind == "extra":
        pose.rotation_mode = "QUATERNION"
        pose.lock_rotation, pose.lock_rotation_w = (False,) * 3, False
        pose.custom_shape = shape_objects["bone"]
        pose.custom_shape_transform = armature.pose.bones[f"ORG-{plan.name}"]
        _draw(pose, plan.name.partition(".")[2])
    elif plan.kind == "root":
        pose.custom_shape = shape_objects["root"]
        pose.custom_shape_translation = (0.0, 0.0, -plan.matrix[2, 3])
        _draw(pose, "")
    elif plan.kind == "deform":
        copy = pose.constraints.new("COPY_TRANSFORMS")
        copy.name = "Sinew follow"
        copy.target = armature
        copy.subtarget = "ORG-" + plan.name.removeprefix("DEF-")


def _draw(pose: bpy.types.PoseBone, side: str) -> None:
    pose.custom_shape_wire_width = 2.0
    pose.color.palette = "CUSTOM"
    base = _COLORS[side]
    pose.color.custom.normal = base
    pose.color.custom.select = tuple(0.5 + 0.5 * c for c in base)
    pose.color.custom.active = tuple(0.8 + 0.2 * c for c in base)


def _drive_slides(armature: bpy.types.Object, plan: RigPlan) -> None:
    for slide in plan.slides:
        joint = sk.JOINTS[slide.joint]
        turn = f'pose.bones["{bones.BONE_NAMES[slide.joint]}"].rotation_euler'
        helper = f'pose.bones["{bones.slide_name(joint.name)}"].location'
        known = {"a": (armature, f"{turn}[{slide.axes[0]}]"), "b": (armature, f"{turn}[{slide.axes[1]}]"),
                 "on": (armature, f'["{LIMITS_PROPERTY}"]')}
        for axis, expression in enumerate(slide.expressions):
            drive(armature, helper, axis, known, expression)
