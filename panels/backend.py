"""The backend: set it up, watch that, repair or remove it."""

import bpy

from .text import failure, progress, sentences


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Sinew"


class SINEW_PT_setup(_Sidebar, bpy.types.Panel):
    """Shown until the backend is ready"""

    bl_label = "Set-up"
    bl_order = 0

    @classmethod
    def poll(cls, context):
        state = context.window_manager.sinew
        return state.backend != "READY" or (state.kind == "SETUP" and state.status != "NONE")

    def draw(self, context):
        layout, state = self.layout, context.window_manager.sinew
        is_setup = state.kind == "SETUP"
        if is_setup and state.is_alive:
            progress(layout, state)
            return
        if is_setup and state.status == "FAILED":
            failure(layout, context, state)
        elif is_setup and state.status == "FINISHED":
            row = layout.row()
            row.label(text="The backend is ready", icon="CHECKMARK")
            row.operator("sinew.dismiss", text="", icon="X", emboss=False)
            if state.detail:
                sentences(layout, context, state.detail, "INFO")
            return
        elif state.backend == "MISSING":
            sentences(layout, context, "Sinew computes in a backend of its own, on this machine. "
                                       "It is installed once; you see what and how large before.", "INFO")
        else:
            sentences(layout, context, state.backend_text, "ERROR")
        row = layout.row()
        row.scale_y = 1.4
        row.operator("sinew.set_up_backend", icon="IMPORT",
                     text="Set Up the Backend…" if state.backend == "MISSING" else "Repair the Backend…")


class SINEW_PT_backend(_Sidebar, bpy.types.Panel):
    """Shown when the backend is ready"""

    bl_label = "Backend"
    bl_order = 9
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return context.window_manager.sinew.backend == "READY"

    def draw(self, context):
        layout, state = self.layout, context.window_manager.sinew
        sentences(layout, context, state.backend_text)
        if state.backend_size:
            layout.label(text=f"{state.backend_size} on disk")
        row = layout.row(align=True)
        row.operator("sinew.set_up_backend", text="Repair…", icon="FILE_REFRESH")
        row.operator("sinew.remove_backend", text="Remove…", icon="TRASH")
        layout.operator("sinew.clear_cache")


CLASSES = (SINEW_PT_setup, SINEW_PT_backend)
