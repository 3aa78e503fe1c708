"""A person's skeleton and skin as other programs expect them: a plain hierarchy that follows, or has the motion baked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from ...backend.sinew_take.errors import RequestError
from ..plan import export
from ..plan.curves import CurvePlan
from . import curves, tags
from .body import ROLE as BODY_ROLE
from .modes import at_rest, edit_mode

ROLE, SKIN_ROLE = "export_rig", "export_body"
FOLLOW = "Sinew follow"
_STILL_M = 1e-6
_TILT_RAD = 1e-4
"""Turn of the axes of a bone that will be baked. Blender's FBX importer lets bones end where their child begins if that
lies exactly on their axis, and connects the two; spine and shoulders could not slide any more. The motion is baked onto
the turned axes, so nothing moves by it."""


@dataclass
class Exported:
    """What was made for one person. `skin` is None where the person has no mesh."""

    rig: bpy.types.Object
    skin: bpy.types.Object | None
    action: bpy.types.Action | None = None
    skin_action: bpy.types.Action | None = None

    def remove(self) -> None:
        """Take everything out of the file again."""
        for block in (self.skin, self.rig):
            if block is not None:
                data, store = block.data, bpy.data.meshes if block.type == "MESH" else bpy.data.armatures
                bpy.data.objects.remove(block)
                store.remove(data)
        for action in (self.action, self.skin_action):
            if action is not None:
                bpy.data.actions.remove(action)


def make_rig(context: bpy.types.Context, armature: bpy.types.Object, preset: str, with_skin: bool = True,
             will_bake: bool = False) -> Exported:
    """A new armature of one bone per segment that follows a person by Copy Transforms, and a copy of the skin on it.

    Args:
        context: Its view layer is where bones are made.
        armature: The person's.
        preset: Key of `export.PRESETS`.
        with_skin: Copy the person's mesh too.
        will_bake: `bake` comes next.
    """
    plan = export.plan_export(_deforming(armature), preset)
    title = next(name for key, name, _ in export.PRESETS if key == preset)
    data = bpy.data.armatures.new(f"{armature.name} {title}")
    rig = bpy.data.objects.new(data.name, data)
    # Nothing can be put into a collection that is linked from another file.
    collection = next((c for c in armature.users_collection if tags.is_own(c)), context.scene.collection)
    collection.objects.link(rig)
    context.view_layer.update()
    rig.matrix_world = armature.matrix_world
    owner = tags.Owner(armature[tags.TAKE], armature[tags.SHOT], armature.get(tags.SUBJECT, ""))
    for block in (rig, data):
        tags.mark(block, ROLE, owner)
    tilt = Matrix.Rotation(_TILT_RAD if will_bake else 0.0, 4, "X")
    with edit_mode(context, rig):
        for bone in plan.bones:
            new = data.edit_bones.new(bone.name)
            source = None if bone.source is None else armature.data.bones[bone.source]
            length = 0.2 if source is None else source.length
            new.head, new.tail = (0, 0, 0), (0, length, 0)
            new.matrix = Matrix() if source is None else source.matrix_local @ tilt
            new.length = length
            new.parent = None if bone.parent is None else data.edit_bones[bone.parent]
    for bone in plan.bones:
        pose = rig.pose.bones[bone.name]
        pose.rotation_mode = "QUATERNION"
        if bone.source is not None:
            copy = pose.constraints.new("COPY_TRANSFORMS")
            copy.name, copy.target, copy.subtarget = FOLLOW, armature, bone.source
    body = _body_of(armature, owner) if with_skin else None
    skin = None if body is None else _copy_skin(body, armature, rig, plan, owner, collection)
    return Exported(rig, skin)


def _deforming(armature: bpy.types.Object) -> list[tuple[str, str | None]]:
    """Sinew's deforming bones and their deforming parents, parents first."""
    out = []
    for bone in armature.data.bones:
        if bone.use_deform and bone.name.startswith(export.PREFIX):
            parent = bone.parent
            out.append((bone.name, parent.name if parent is not None and parent.use_deform else None))
    return out


def _body_of(armature: bpy.types.Object, owner: tags.Owner) -> bpy.types.Object | None:
    if tags.is_own(armature):
        return tags.find(bpy.data.objects, BODY_ROLE, owner)
    # What is linked from another file is no datablock of this one's.
    return next((child for child in armature.children if child.get(tags.ROLE) == BODY_ROLE), None)


def _copy_skin(body: bpy.types.Object, armature: bpy.types.Object, rig: bpy.types.Object, plan: export.ExportPlan,
               owner: tags.Owner, collection: bpy.types.Collection) -> bpy.types.Object:
    skin = body.copy()
    skin.data = body.data.copy()
    for block in (skin, skin.data):
        if block.override_library is not None:
            block.make_local(clear_liboverride=True)  # the copy of an override is one too
    skin.name = f"{rig.name} skin"
    collection.objects.link(skin)
    for block in (skin, skin.data):
        tags.mark(block, SKIN_ROLE, owner)
    skin.animation_data_clear()
    skin.hide_viewport = skin.hide_render = False
    skin.visible_camera = True
    for modifier in skin.modifiers:
        if modifier.type == "ARMATURE" and modifier.object == armature:
            modifier.object = rig
    skin.parent = rig
    skin.matrix_parent_inverse = Matrix()
    _name_groups(skin, plan.skin, {bone.source for bone in plan.bones})
    return skin


def _name_groups(skin: bpy.types.Object, names: dict[str, str], named: set[str | None]) -> None:
    """Give vertex groups the exported bones' names, and the skin of bones that are left out to those that get it."""
    kept: dict[str, bpy.types.VertexGroup] = {}
    merged = []
    # A bone that is left out may come before the one that gets its skin: the ones with names of their own first.
    for source, name in sorted(names.items(), key=lambda item: item[0] not in named):
        group = skin.vertex_groups.get(source)
        if group is None:
            continue
        if name in kept:
            merged.append((group, kept[name]))
        else:
            kept[name] = group
    for group, into in merged:
        index = group.index
        for vertex in skin.data.vertices:
            for weight in vertex.groups:
                if weight.group == index and weight.weight > 0:
                    into.add([vertex.index], weight.weight, "ADD")
                    break
    for group, _ in merged:
        skin.vertex_groups.remove(group)
    for name, group in kept.items():
        group.name = name


def bake(context: bpy.types.Context, armature: bpy.types.Object, made: Exported, first: int, last: int) -> None:
    """Give an exported rig the motion as keys on every whole frame, and free it of the person it followed.

    Args:
        context: Its scene is played through.
        armature: The person's.
        made: Of `make_rig`.
        first: First scene frame.
        last: Last scene frame; it belongs to it.

    Raises:
        RequestError: The range holds no frame.
    """
    if last < first:
        raise RequestError(f"The range {first} to {last} holds no frame; set the scene's frame range.")
    rig = made.rig
    names = [bone.name for bone in rig.data.bones]
    sources = [next((c.subtarget for c in rig.pose.bones[n].constraints if c.name == FOLLOW), None) for n in names]
    keys = made.skin.data.shape_keys if made.skin is not None else None
    frames = np.arange(first, last + 1)
    rest = np.array([rig.data.bones[name].matrix_local for name in names])
    # The rest pose may be turned a little against the followed bone's.
    turns = [None if s is None else armature.data.bones[s].matrix_local.inverted() @ rig.data.bones[n].matrix_local
             for n, s in zip(names, sources, strict=True)]
    poses = np.tile(rest, (len(frames), 1, 1, 1))
    weights = np.zeros((len(frames), 0 if keys is None else len(keys.key_blocks)))
    body = _source_body(armature)
    with at_rest(armature), _played(context.scene), _progress(context, len(frames)) as step:
        for t, frame in enumerate(frames):
            context.scene.frame_set(int(frame))
            evaluated = armature.evaluated_get(context.evaluated_depsgraph_get())
            there = rig.matrix_world.inverted() @ evaluated.matrix_world
            for b, source in enumerate(sources):
                if source is not None:
                    poses[t, b] = there @ evaluated.pose.bones[source].matrix @ turns[b]
            if keys is not None and body is not None:
                weights[t] = [key.value for key in body.data.shape_keys.key_blocks]
            step(t)
    parents = [-1 if rig.data.bones[n].parent is None else names.index(rig.data.bones[n].parent.name) for n in names]
    location, rotation = export.local_motion(poses, rest, parents)
    plans = []
    held = np.zeros(len(frames), bool)
    for b, name in enumerate(names):
        if sources[b] is None:
            continue
        path = f'pose.bones["{name}"]'
        if np.abs(location[:, b]).max() > _STILL_M:
            plans += [CurvePlan(f"{path}.location", k, name, frames, location[:, b, k], held) for k in range(3)]
        plans += [CurvePlan(f"{path}.rotation_quaternion", k, name, frames, rotation[:, b, k], held) for k in range(4)]
    for pose in rig.pose.bones:
        for constraint in [c for c in pose.constraints if c.name == FOLLOW]:
            pose.constraints.remove(constraint)
    made.action = _assign(rig, plans, f"{rig.name} bake")
    if keys is not None:
        keys.animation_data_clear()
        own = [CurvePlan(f'key_blocks["{key.name}"].value', 0, "shapes", frames, weights[:, k], held)
               for k, key in enumerate(keys.key_blocks) if k]
        made.skin_action = _assign(keys, own, f"{rig.name} shapes")
    context.view_layer.update()


def _source_body(armature: bpy.types.Object) -> bpy.types.Object | None:
    owner = tags.Owner(armature[tags.TAKE], armature[tags.SHOT], armature.get(tags.SUBJECT, ""))
    body = _body_of(armature, owner)
    return body if body is not None and body.data.shape_keys is not None else None


def _assign(block: bpy.types.ID, plans: list[CurvePlan], name: str) -> bpy.types.Action | None:
    if not plans:
        return None
    action = bpy.data.actions.new(name)
    curves.write_action(action, block, plans)
    curves.assign(block.animation_data or block.animation_data_create(), action, block)
    return action


@contextmanager
def _played(scene: bpy.types.Scene) -> Iterator[None]:
    """Put the scene back on its frame."""
    frame, subframe = scene.frame_current, scene.frame_subframe
    try:
        yield
    finally:
        scene.frame_set(frame, subframe=subframe)


@contextmanager
def _progress(context: bpy.types.Context, total: int) -> Iterator:
    manager = context.window_manager
    manager.progress_begin(0, total)
    try:
        yield manager.progress_update
    finally:
        manager.progress_end()


FORMATS = {".fbx": "FBX", ".glb": "glTF", ".gltf": "glTF", ".usd": "USD", ".usda": "USD", ".usdc": "USD"}


def write(context: bpy.types.Context, made: list[Exported], path: str, extension: str) -> None:
    """Write rigs and skins to a file; the selection is put back.

    Args:
        context: Its view layer holds the objects.
        made: Baked rigs.
        path: File to write.
        extension: Key of `FORMATS`.

    Raises:
        RequestError: The exporter is not there or refuses.
    """
    layer = context.view_layer
    selected, active = [o for o in layer.objects if o.select_get(view_layer=layer)], layer.objects.active
    wanted = [block for one in made for block in (one.rig, one.skin) if block is not None]
    try:
        for block in layer.objects:
            block.select_set(block in wanted, view_layer=layer)
        layer.objects.active = made[0].rig
        if extension == ".fbx":
            bpy.ops.export_scene.fbx(
                filepath=path, use_selection=True, object_types={"ARMATURE", "MESH"}, add_leaf_bones=False,
                bake_anim=True, bake_anim_use_nla_strips=False, bake_anim_use_all_actions=False,
                bake_anim_simplify_factor=0.0)
        elif FORMATS[extension] == "glTF":
            bpy.ops.export_scene.gltf(
                filepath=path, use_selection=True, export_format="GLB" if extension == ".glb" else "GLTF_SEPARATE",
                export_animation_mode="ACTIVE_ACTIONS", export_optimize_animation_size=False)
        else:
            bpy.ops.wm.usd_export(filepath=path, selected_objects_only=True, export_animation=True)
    except (RuntimeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else "it gave no reason"
        raise RequestError(f"Blender's {FORMATS[extension]} exporter refused ({reason}); enable its add-on, or check "
                           "the path and its rights.") from None
    finally:
        for block in layer.objects:
            block.select_set(block in selected, view_layer=layer)
        layer.objects.active = active
