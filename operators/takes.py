"""Import, list and remove takes."""

from pathlib import Path

import bpy

from ..addon import media, monitor
from ..addon.jobs import takes
from ..addon.preferences import takes_folder
from ..backend.sinew_take import take as take_format
from ..backend.sinew_take.errors import RequestError, SinewError


class SINEW_OT_import_take(bpy.types.Operator):
    """Bring a take's people, camera, plate and floor into the scene"""

    bl_idname = "sinew.import_take"
    bl_label = "Import"
    # No REGISTER: the redo panel would import a second time.
    bl_options = {"UNDO"}

    directory: bpy.props.StringProperty(name="Take", subtype="DIR_PATH", options={"SKIP_SAVE"})
    scene_rate: bpy.props.EnumProperty(
        name="Scene Rate", options={"SKIP_SAVE"},
        items=[("TAKE", "Take the Video's Rate", "Set the scene's frame rate to the video's, exactly"),
               ("KEEP", "Keep the Scene's Rate", "Fit the motion onto the scene's own frame rate")])

    @classmethod
    def poll(cls, context):
        if context.mode != "OBJECT":
            cls.poll_message_set("Takes are imported in Object Mode")
            return False
        return True

    def invoke(self, context, event):
        from ..addon import scene
        from ..addon.plan import retime

        try:
            meta = take_format.read_meta(self.directory)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not scene.asks_for_rate(context.scene, meta):
            return self.execute(context)
        self.question = (f"The video runs at {float(retime.source_rate(meta)):.6g} frames a second",
                         f"and the scene at {float(scene.rate_of(context.scene)):.6g}.")
        if scene.has_takes(context.scene):
            # Keys and plates that are there already were fitted to the scene's rate.
            self.scene_rate = "KEEP"
            self.question += ("At another rate, takes already there would have to be imported again.",)
        return context.window_manager.invoke_props_dialog(self, width=400, confirm_text="Import")

    def draw(self, context):
        column = self.layout.column(align=True)
        for line in self.question:
            column.label(text=line)
        self.layout.prop(self, "scene_rate", expand=True)

    def execute(self, context):
        from ..addon import scene  # loaded with the first import, not with the extension

        options = scene.BuildOptions(set_scene_rate=self.scene_rate == "TAKE")
        try:
            result = scene.build_take(context, self.directory, options)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        for item in context.selected_objects:
            item.select_set(False)
        # What lies in a collection that the view layer leaves out cannot be selected.
        context.view_layer.update()
        there = context.view_layer.objects.values()
        armatures = [armature for armature in result.armatures if armature in there]
        for armature in armatures:
            armature.select_set(True)
        active = next((item for item in (*armatures, result.root) if item in there), None)
        if active is None:
            self.report({"WARNING"}, f"{result.root.name} is not in this view layer; bring its collection back to see it.")
        else:
            context.view_layer.objects.active = active
        monitor.note_import(self.directory)
        for note in result.notes:
            self.report({"WARNING"}, note)
        n_people = len(result.armatures)
        self.report({"INFO"}, f"{'Updated' if result.is_update else 'Imported'} {n_people} "
                              f"{'person' if n_people == 1 else 'people'}.")
        return {"FINISHED"}


class SINEW_OT_remove_take(bpy.types.Operator):
    """Remove the take from the disk for good"""

    bl_idname = "sinew.remove_take"
    bl_label = "Remove"

    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(
            self, event, title="Remove this take from the disk?", confirm_text="Remove", icon="WARNING",
            message="Scenes that show its plate lose it. This cannot be undone.")

    def execute(self, context):
        from ..addon.scene import corrections

        folder = Path(self.directory)
        try:
            used = media.used_from(folder)
            if used:
                raise RequestError(f"This file still shows media of the take ({', '.join(used[:3])}); remove them from "
                                   "the scene or import another take of the shot first.")
            if corrections.is_base(folder):
                raise RequestError("This file's corrections start from that take; keep it, or import another take of the "
                                   "shot first.")
            takes.remove_take(folder, takes_folder())
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            monitor.settle()
        self.report({"INFO"}, "The take was removed.")
        return {"FINISHED"}


class SINEW_OT_refresh_takes(bpy.types.Operator):
    """Look at the folder of takes again"""

    bl_idname = "sinew.refresh_takes"
    bl_label = "Refresh"

    def execute(self, context):
        monitor.settle()
        return {"FINISHED"}


CLASSES = (SINEW_OT_import_take, SINEW_OT_remove_take, SINEW_OT_refresh_takes)
