"""What is corrected by hand on the selected person, and the button that solves again."""

import bpy

from ..addon.properties import corrected_person, corrections_of, is_solving, take_root
from .backend import _Sidebar
from .text import failure, progress, sentences


class SINEW_PT_corrections(_Sidebar, bpy.types.Panel):
    bl_label = "Corrections"
    bl_order = 3

    @classmethod
    def poll(cls, context):
        return corrected_person(context) is not None

    def draw(self, context):
        layout, state = self.layout, context.window_manager.sinew
        armature = corrected_person(context)
        layout.label(text=armature.name, icon="OUTLINER_OB_ARMATURE")
        column = layout.column(align=True)
        column.operator("sinew.pin_joint", text="Pin Joint…", icon="PINNED")
        column.operator("sinew.flip_limb", text="Flip Limb…", icon="MOD_MIRROR")
        column.operator("sinew.mark_wrong", text="Frames Are Wrong…", icon="CANCEL")
        rows = corrections_of(take_root(armature), armature.get("sinew_subject", ""))
        if rows:
            column = layout.box().column(align=True)
            for row in rows:
                self._row(column, row)
        if is_solving(state):
            progress(layout, state)
            return
        is_solve = state.kind == "SOLVE"
        row = layout.row()
        row.scale_y = 1.4
        row.operator("sinew.solve_again", icon="FILE_REFRESH")
        if is_solve and state.status == "FAILED":
            failure(layout, context, state)
        elif is_solve:
            self._after(layout, context, state)

    def _row(self, column, row):
        line = column.row(align=True)
        if row.first is None:
            line.label(text=row.label)
        else:
            line.operator("sinew.show_correction", text=row.label, emboss=False).frame = row.first
        button = line.operator("sinew.remove_correction", text="", icon="X", emboss=False)
        button.pin, button.number = row.pin, row.number

    def _after(self, layout, context, state):
        done = {item.text for item in state.imported}
        for take in state.results:
            if take.text not in done:
                layout.operator("sinew.take_in_solved", icon="IMPORT").directory = take.text
        column = layout.column()
        column.active = False
        for note in state.notes[:6]:
            sentences(column, context, note.text, "INFO")


CLASSES = (SINEW_PT_corrections,)
