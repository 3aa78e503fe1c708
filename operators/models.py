"""The folder of model files."""

import bpy

from ..addon.preferences import preferences


class SINEW_OT_pick_models(bpy.types.Operator):
    """Choose the folder with your own model files. Nothing is copied or downloaded"""

    bl_idname = "sinew.pick_models"
    bl_label = "Folder of Model Files"

    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        preferences().models_folder = self.directory
        return {"FINISHED"}


CLASSES = (SINEW_OT_pick_models,)
