"""Model files of the user's own: which are there, what they add, where to get the others. And results of other systems."""

import bpy

from .backend import _Sidebar
from .text import sentences


class SINEW_PT_models(_Sidebar, bpy.types.Panel):
    """What the folder of model files holds"""

    bl_label = "Model Files"
    bl_order = 8
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, state = self.layout, context.window_manager.sinew
        row = layout.row(align=True)
        if state.models_folder:
            row.label(text=state.models_folder, icon="FILE_FOLDER")
            row.operator("sinew.reveal", text="", icon="FOLDER_REDIRECT").path = state.models_folder
            row.operator("sinew.refresh_takes", text="", icon="FILE_REFRESH")
        else:
            sentences(row, context, "Nothing here is needed. Model files of your own make more possible: name their "
                                    "folder.", "INFO")
        layout.operator("sinew.pick_models", icon="FILEBROWSER",
                        text="Change Folder…" if state.models_folder else "Choose Folder…")
        for item in state.models:
            self._set(layout.box(), context, item)

    def _set(self, box, context, item):
        row = box.row(align=True)
        row.label(text=item.title, icon="CHECKMARK" if item.is_ready else "REMOVE")
        sub = row.row()
        sub.alignment = "RIGHT"
        if item.is_ready:
            sub.label(text="Ready")
        elif item.name == "heavy":
            sub.operator("sinew.fetch_models", text="Get It…", icon="IMPORT")
        else:
            sub.operator("wm.url_open", text="Get It", icon="URL").url = item.page
        column = box.column(align=True)
        column.active = False
        sentences(column, context, f"Adds {item.adds}.")
        sentences(column, context, f"Licence: {item.licence}.")
        if not item.is_ready:
            # What no page offers is said in the set's own words.
            sentences(column, context, item.sentence if item.name == "heavy" else f"Missing: {item.missing}.")


class SINEW_PT_other_systems(_Sidebar, bpy.types.Panel):
    """Results that were solved elsewhere"""

    bl_label = "Other Systems' Results"
    bl_order = 4
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        sentences(self.layout, context, "SMPL, SMPL-X, WHAM, 4D-Humans, GVHMR, PromptHMR, TRAM, SAM 3D Body; OpenPose and "
                                        "COCO-WholeBody keypoints.")
        self.layout.operator("sinew.convert_result", text="Import a Result…", icon="IMPORT")


CLASSES = (SINEW_PT_other_systems, SINEW_PT_models)
