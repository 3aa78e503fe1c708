"""Take people out of Blender: a plain skeleton with usual names, baked, and FBX, glTF or USD files of it."""

import os
from pathlib import Path

import bpy

from ..addon.plan.export import PRESETS
from ..addon.properties import selected_people
from ..backend.sinew_take.errors import RequestError, SinewError
from .people import _OnPeople


class SINEW_OT_make_export_rig(_OnPeople, bpy.types.Operator):
    """Make a plain skeleton with usual bone names for each selected person, following it or with the motion baked"""

    bl_idname = "sinew.make_export_rig"
    bl_label = "Export Skeleton"

    preset: bpy.props.EnumProperty(name="Names", items=PRESETS)
    bake: bpy.props.BoolProperty(
        name="Bake", default=True, description="Key the motion on every frame of the scene's range; otherwise the "
                                               "skeleton follows the person by constraints")
    with_skin: bpy.props.BoolProperty(name="Skin", default=True, description="Copy the person's mesh onto it")

    def invoke(self, context, event):
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context):
        try:
            made = _make(context, self.preset, self.with_skin, self.bake)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        for item in context.selected_objects:
            item.select_set(False)
        for one in made:
            one.rig.select_set(True)
        context.view_layer.objects.active = made[0].rig
        self.report({"INFO"}, f"Made {made[0].rig.name}." if len(made) == 1 else f"Made {len(made)} skeletons.")
        return {"FINISHED"}


def _make(context: bpy.types.Context, preset: str, with_skin: bool, bake: bool) -> list:
    from ..addon.scene import export_rig

    made = []
    try:
        for armature in selected_people(context):
            made.append(export_rig.make_rig(context, armature, preset, with_skin, bake))
            if bake:
                export_rig.bake(context, armature, made[-1], context.scene.frame_start, context.scene.frame_end)
    except SinewError:
        for one in made:
            one.remove()
        raise
    return made


class SINEW_OT_export_person(_OnPeople, bpy.types.Operator):
    """Write the selected people to an FBX, glTF or USD file: plain skeleton, baked motion, skin"""

    bl_idname = "sinew.export_person"
    bl_label = "Export People"
    bl_options = {"REGISTER"}

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: bpy.props.StringProperty(default="*.fbx;*.glb;*.gltf;*.usd;*.usda;*.usdc", options={"HIDDEN"})
    check_existing: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    preset: bpy.props.EnumProperty(name="Names", items=PRESETS)
    with_skin: bpy.props.BoolProperty(name="Skin", default=True, description="Write the person's mesh too")

    def invoke(self, context, event):
        if not self.filepath:
            self.filepath = bpy.path.clean_name(selected_people(context)[0].name) + ".fbx"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        from ..addon.scene import export_rig

        path = Path(bpy.path.abspath(self.filepath))
        made = []
        try:
            extension = path.suffix.lower()
            if extension not in export_rig.FORMATS:
                raise RequestError(f"{path.name} has no ending that is known; name it .fbx, .glb, .gltf, .usd, .usda or "
                                   ".usdc.")
            if not os.access(path.parent, os.W_OK):
                raise RequestError(f"The folder {path.parent} cannot be written; choose another.")
            made = _make(context, self.preset, self.with_skin, bake=True)
            export_rig.write(context, made, str(path), extension)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            for one in made:
                one.remove()
        self.report({"INFO"}, f"Wrote {path.name}.")
        return {"FINISHED"}


CLASSES = (SINEW_OT_make_export_rig, SINEW_OT_export_person)
