"""Sentences in a narrow sidebar."""

import bpy

from ..addon.properties import lines

_MARGIN_PX = 60
"""Frame, icon and the scroll bar; more where something stands beside the sentence."""


def sentences(layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str = "NONE",
              margin_px: int = _MARGIN_PX) -> None:
    """Draw a sentence over as many lines as the sidebar's width asks for."""
    scale = context.preferences.system.ui_scale
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(lines(text, context.region.width / scale - margin_px)):
        column.label(text=line, icon=icon if number == 0 else ("NONE" if icon == "NONE" else "BLANK1"))


def progress(layout: bpy.types.UILayout, state) -> None:
    """The running job: stage, bar, time left, cancel."""
    box = layout.box()
    column = box.column(align=True)
    column.label(text=state.stage if state.status != "CANCELLING" else "Stopping")
    column.progress(factor=state.fraction, type="BAR",
                    text=f"{state.fraction:.0%}" + (f", {state.left}" if state.left else ""))
    if state.detail:
        row = column.row()
        row.active = False
        row.label(text=state.detail)
    row = box.row()
    row.enabled = state.status != "CANCELLING"
    row.operator("sinew.cancel_job", icon="X")


def failure(layout: bpy.types.UILayout, context: bpy.types.Context, state) -> None:
    """What went wrong, and the log."""
    box = layout.box()
    column = box.column()
    column.alert = True
    sentences(column, context, state.error, "ERROR")
    row = box.row(align=True)
    row.operator("sinew.reveal", text="Open Log", icon="TEXT").path = state.log
    row.operator("sinew.dismiss", text="", icon="X")


def trouble(layout: bpy.types.UILayout, context: bpy.types.Context, state, stopped: str) -> None:
    """How the last job failed, or that it was stopped, in the words of `stopped`; nothing else."""
    if state.status == "FAILED":
        failure(layout, context, state)
    elif state.status == "CANCELLED":
        row = layout.row()
        sentences(row, context, stopped, "PAUSE", 110)
        row.operator("sinew.dismiss", text="", icon="X", emboss=False)
