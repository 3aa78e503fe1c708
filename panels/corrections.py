"""What is corrected by hand on the selected person, and the button that solves again."""

import bpy

from ..addon.properties import corrected_person, corrections_of, is_about, is_solving, take_root
from .backend import _Sidebar
from .text import progress, sentences, trouble


class SINEW_PT_corrections(_Sidebar, bpy.types.Panel):
    bl_label = "Corrections"
    bl_order = 3

    @classmethod
    def poll(cls, context):
        return corrected_person(context) is not None

    def draw(self, context):
        layout, state = self.layout, context.window_manager.sinew
        armature = corrected_person(context)
        root = take_root(armature)
        layout.label(text=armature.name, icon="OUTLINER_OB_ARMATURE")
        column = layout.column(align=True)
        column.operator("sinew.pin_joint", text="Pin Joint…", icon="PINNED")
        column.operator("sinew.flip_limb", text="Flip Limb…", icon="MOD_MIRROR")
        column.operator("sinew.mark_wrong", text="Frames Are Wrong…", icon="CANCEL")
        rows = corrections_of(root, armature.get("sinew_subject", ""))
        if rows:
            column = layout.box().column(align=True)
            for row in rows:
                self._row(column, row)
        if draw_solving(layout, state, root):
            return
        row = layout.row()
        row.scale_y = 1.4
        row.operator("sinew.solve_again", icon="FILE_REFRESH")
        draw_trouble(layout, context, state, root)
        if is_about(root, state) and state.status == "FINISHED":
            self._after(layout, context, state, root)

    def _row(self, column, row):
        line = column.row(align=True)
        if row.first is None:
            line.label(text=row.label)
        else:
            line.operator("sinew.show_correction", text=row.label, emboss=False).frame = row.first
        button = line.operator("sinew.remove_correction", text="", icon="X", emboss=False)
        button.pin, button.number = row.pin, row.number

    def _after(self, layout, context, state, root):
        results, done = [take.text for take in state.results], {item.text for item in state.imported}
        waiting = [folder for folder in results if folder not in done]
        for folder in waiting:
            layout.operator("sinew.take_in_solved", icon="IMPORT").directory = folder
        if not waiting and root.get("sinew_take_folder") not in results:
            return  # the update was undone, or another take stands here by now
        column = layout.column()
        column.active = False
        for note in state.notes[:6]:
            sentences(column, context, note.text, "INFO")


def draw_solving(layout: bpy.types.UILayout, state, root: bpy.types.Object) -> bool:
    """The solve that runs, with its name where it is another take's than the root's. False: none runs."""
    if not is_solving(state):
        return False
    if not is_about(root, state):
        layout.label(text=state.title, icon="FILE_MOVIE")
    progress(layout, state)
    return True


def draw_trouble(layout: bpy.types.UILayout, context: bpy.types.Context, state, root: bpy.types.Object) -> None:
    """How the last solve of the root's take failed, or that it was stopped."""
    if is_about(root, state):
        trouble(layout, context, state, "Stopped; nothing was changed.")


CLASSES = (SINEW_PT_corrections,)
