"""The list of takes on the disk."""

import bpy

from ..addon.properties import shown_takes
from .backend import _Sidebar
from .text import sentences


def _chosen(state):
    return state.takes[state.take_index] if 0 <= state.take_index < len(state.takes) else None


class SINEW_UL_takes(bpy.types.UIList):
    def draw_item(self, context, layout, data, item, icon, active_data, active_propname, index=0, flt_flag=0):
        row = layout.row(align=True)
        icon = "ERROR" if item.error else "CHECKMARK" if item.folder in shown_takes(context.scene) else "ARMATURE_DATA"
        row.label(text=f"{item.run}  {item.name}", icon=icon)
        sub = row.row()
        sub.alignment = "RIGHT"
        sub.active = False
        sub.label(text=item.size)


class SINEW_PT_takes(_Sidebar, bpy.types.Panel):
    bl_label = "Takes"
    bl_order = 3

    def draw(self, context):
        layout, state = self.layout, context.window_manager.sinew
        row = layout.row()
        row.template_list("SINEW_UL_takes", "", state, "takes", state, "take_index", rows=3)
        buttons = row.column(align=True)
        buttons.operator("sinew.refresh_takes", text="", icon="FILE_REFRESH")
        buttons.operator("sinew.reveal", text="", icon="FILE_FOLDER").path = state.takes_folder
        take = _chosen(state)
        if take is None:
            return
        column = layout.column(align=True)
        if take.error:
            alert = column.column()
            alert.alert = True
            sentences(alert, context, take.error, "ERROR")
        else:
            people = "1 person" if take.people == 1 else f"{take.people} people"
            sentences(column, context, ", ".join(part for part in (people, take.length) if part))
            column.label(text=take.date)
            if take.camera:
                sentences(column, context, f"Camera: {take.camera}", "CAMERA_DATA")
            if take.origin:
                column.label(text=f"Solved again from {take.origin}", icon="FILE_REFRESH")
            if take.folder in shown_takes(context.scene):
                column.label(text="In this scene", icon="CHECKMARK")
        row = layout.row(align=True)
        sub = row.row(align=True)
        sub.enabled = not take.error
        sub.operator("sinew.import_take", icon="IMPORT").directory = take.folder
        row.operator("sinew.reveal", text="", icon="FILE_FOLDER").path = take.folder
        row.operator("sinew.remove_take", text="", icon="TRASH").directory = take.folder


class SINEW_PT_take_notes(_Sidebar, bpy.types.Panel):
    """What the take says of guesses and of what was left out"""

    bl_label = "What Was Doubtful"
    bl_parent_id = "SINEW_PT_takes"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        take = _chosen(context.window_manager.sinew)
        return take is not None and len(take.notes) > 0

    def draw(self, context):
        for note in _chosen(context.window_manager.sinew).notes:
            sentences(self.layout, context, note.text, "INFO")


CLASSES = (SINEW_UL_takes, SINEW_PT_takes, SINEW_PT_take_notes)
