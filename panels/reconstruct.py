"""From a video to a take: pick, set, run, watch, import."""

import bpy

from ..addon.properties import measured_frame, measured_take
from .backend import _Sidebar
from .text import progress, sentences, trouble


class SINEW_PT_reconstruct(_Sidebar, bpy.types.Panel):
    bl_label = "Reconstruct"
    bl_order = 1

    def draw(self, context):
        layout, settings, state = self.layout, context.scene.sinew, context.window_manager.sinew
        if settings.video:
            layout.prop(settings, "video", text="")
        else:
            layout.operator("sinew.pick_video", text="Pick a Video…", icon="FILE_MOVIE")
        if settings.video:
            _facts(layout, context, state)
        self._job(layout, context, state)

    def _job(self, layout, context, state):
        is_run = state.kind == "RUN"
        if is_run and state.is_alive:
            layout.label(text=state.title, icon="FILE_MOVIE")
            progress(layout, state)
            _notes(layout, context, state)
            return
        row = layout.row()
        row.scale_y = 1.4
        row.operator("sinew.reconstruct", icon="ARMATURE_DATA")
        if not is_run:
            return
        trouble(layout, context, state, "Stopped. Reconstruct goes on from the finished stages.")
        if state.status == "FINISHED":
            _results(layout, context, state)
            if len(state.imported) >= len(state.results):
                return  # its notes stand with the take, in the list of takes
        _notes(layout, context, state)


class SINEW_PT_options(_Sidebar, bpy.types.Panel):
    bl_label = "Options"
    bl_parent_id = "SINEW_PT_reconstruct"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings = self.layout, context.scene.sinew
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.active = not context.window_manager.sinew.is_alive
        _switch(layout, settings, "use_range", "Range", ("first_frame", "last_frame"))
        layout.prop(settings, "turn")
        _switch(layout, settings, "use_people", "Most People", ("people",))
        _switch(layout, settings, "use_height", "Height", ("height_m",))
        _distance(layout, context, settings)
        _body(layout, context, settings)
        _networks(layout, context, settings)
        layout.prop(settings, "own_camera")
        if settings.own_camera == "OBJECT":
            layout.prop(settings, "own_object")
            layout.prop(settings, "own_start")
            layout.prop(settings, "own_is_metric")
        elif settings.own_camera == "FILE":
            layout.prop(settings, "own_file", text="File")
        else:
            layout.prop(settings, "camera")
        layout.prop(settings, "lens")
        if settings.lens == "MM":
            layout.prop(settings, "focal_mm", text="35 mm Equivalent")
        elif settings.lens == "FOV":
            layout.prop(settings, "fov")


def _distance(layout, context, settings) -> None:
    _switch(layout, settings, "use_distance", "Distance", ("distance_m",))
    root = measured_take(context)
    frame = None if root is None else measured_frame(root)
    row = layout.row(align=True)
    if frame is None:
        if settings.use_distance or root is not None:
            row.operator("sinew.measure_distance", text="Measure on the Floor", icon="DRIVER_DISTANCE")
    else:
        row.operator("sinew.show_distance", text=f"Measured in Frame {frame}", icon="DRIVER_DISTANCE")
        row.operator("sinew.measure_distance", text="", icon="FILE_REFRESH")
        row.operator("sinew.remove_distance", text="", icon="X")


def _body(layout, context, settings) -> None:
    ready = {item.name: item for item in context.window_manager.sinew.models}
    split = layout.split(factor=0.4)
    split.use_property_split = False  # else each choice is split into a label and an empty button
    label = split.row()
    label.alignment = "RIGHT"
    label.label(text="Body")
    row = split.column(align=True)
    for key in ("default", "skel", "smplx"):
        choice = row.row(align=True)
        choice.enabled = key == "default" or (key in ready and ready[key].is_ready)
        choice.prop_enum(settings, "body", key)
    for key in ("skel", "smplx"):
        if key in ready and not ready[key].is_ready and settings.body == key:
            alert = layout.column()
            alert.alert = True
            sentences(alert, context, ready[key].sentence, "ERROR")
    if any(not item.is_ready for key, item in ready.items() if key in ("skel", "smplx")):
        note = layout.row()
        note.active = False
        sentences(note, context, "Other bodies use model files of your own; see Model Files below.", "INFO")


def _networks(layout, context, settings) -> None:
    """Switches of the heavy landmark model and the user's own networks, where their files are."""
    ready = {item.name for item in context.window_manager.sinew.models if item.is_ready}
    if "heavy" in ready:
        layout.prop(settings, "use_heavy")
    if "hsmr" in ready:
        layout.prop(settings, "use_hsmr")
    if {"wham", "smpl"} <= ready:
        layout.prop(settings, "use_wham")


def _switch(layout, settings, switch: str, heading: str, names: tuple[str, ...]) -> None:
    row = layout.row(heading=heading)
    row.prop(settings, switch, text="")
    sub = row.row(align=True)
    sub.active = getattr(settings, switch)
    for name in names:
        sub.prop(settings, name, text="")


def _facts(layout, context, state) -> None:
    column, facts = layout.column(align=True), state.facts
    if facts.is_sequence:
        column.prop(context.scene.sinew, "rate", text="Frames per Second")
    if facts.error:
        if state.status == "FAILED" and state.error == facts.error:
            return  # it stands below
        alert = column.column()
        alert.alert = True
        sentences(alert, context, facts.error, "ERROR")
        return
    if facts.is_known:
        column.label(text=facts.picture, icon="IMAGE_PLANE")
        column.label(text=facts.length, icon="TIME")
        column.label(text=facts.cuts or "Looking for cuts…", icon="SEQ_SPLITVIEW")
        for warning in facts.warnings:
            sentences(column, context, warning.text, "INFO")
    elif facts.looking:
        column.label(text="Looking at the video…", icon="TIME")
    else:
        column.operator("sinew.probe_video", text="Look at the Video", icon="VIEWZOOM")


def _notes(layout, context, state) -> None:
    if state.notes:
        column = layout.column()
        column.active = False
        for note in state.notes[:6]:
            sentences(column, context, note.text, "INFO")


def _results(layout, context, state) -> None:
    box = layout.box()
    row = box.row()
    sentences(row, context, f"{state.title} is reconstructed", "CHECKMARK", 110)
    row.operator("sinew.dismiss", text="", icon="X", emboss=False)
    done = {item.text for item in state.imported}
    for number, take in enumerate(state.results, 1):
        name = "" if len(state.results) == 1 else f" Shot {number}"
        row = box.row()
        if take.text in done:
            row.label(text=f"Imported{name}", icon="OUTLINER_OB_ARMATURE")
            row.operator("sinew.import_take", text="Again").directory = take.text
        else:
            row.scale_y = 1.4
            row.operator("sinew.import_take", text=f"Import{name}", icon="IMPORT").directory = take.text


CLASSES = (SINEW_PT_reconstruct, SINEW_PT_options)
