"""The selected person's body: measures, bone lengths, flesh."""

import bpy

from ..addon.properties import person
from ..addon.properties_body import BONE_SLIDERS, FLESH_SLIDERS, N_NAMED, PROBLEM, body_problem
from .backend import _Sidebar
from .text import failure, sentences

_MEASURES = (("Height", "m"), ("Leg", "m"), ("Arm", "m"), ("Shoulders", "m"), ("Waist", "m"), ("Mass", "kg"))


def _measures_of(armature: bpy.types.Object) -> list[float]:
    """A person's measures; empty where the property was deleted or overwritten, as anybody can do."""
    try:
        return [float(value) for value in armature.get("sinew_measures", ())]
    except (TypeError, ValueError):
        return []


class SINEW_PT_body(_Sidebar, bpy.types.Panel):
    bl_label = "Body"
    bl_parent_id = "SINEW_PT_selected"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return person(context.object) is not None

    def draw(self, context):
        layout, armature = self.layout, person(context.object)
        problem = body_problem(armature) or str(armature.get(PROBLEM, ""))
        if problem:
            sentences(layout, context, problem, "INFO")
        if body_problem(armature):
            return
        measures = _measures_of(armature)
        if measures:
            grid = layout.box().grid_flow(row_major=True, columns=2, align=True)
        for (title, unit), value in zip(_MEASURES, measures):
            grid.label(text=f"{title} {value:.2f} m" if unit == "m" else f"{title} {value:.0f} kg")
        row = layout.row(align=True)
        row.operator("sinew.set_measures", text="Set Measures…", icon="DRIVER_DISTANCE")
        row.operator("sinew.reset_body", text="", icon="LOOP_BACK")


class _OfBody(_Sidebar):
    bl_parent_id = "SINEW_PT_body"

    @classmethod
    def poll(cls, context):
        armature = person(context.object)
        return armature is not None and not body_problem(armature)

    def draw(self, context):
        column = self.layout.column(align=True)
        column.use_property_split = True
        column.use_property_decorate = False
        body = person(context.object).sinew_body
        for name in self.names:
            column.prop(body, name, slider=True)


class SINEW_PT_body_bones(_OfBody, bpy.types.Panel):
    bl_label = "Bone Lengths"
    names = BONE_SLIDERS


class SINEW_PT_body_flesh(_OfBody, bpy.types.Panel):
    bl_label = "Flesh"
    names = FLESH_SLIDERS[:N_NAMED]


class SINEW_PT_body_details(_OfBody, bpy.types.Panel):
    bl_label = "Details"
    bl_options = {"DEFAULT_CLOSED"}
    names = FLESH_SLIDERS[N_NAMED:]


class SINEW_PT_export(_Sidebar, bpy.types.Panel):
    bl_label = "Export"
    bl_parent_id = "SINEW_PT_selected"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return person(context.object) is not None

    def draw(self, context):
        column = self.layout.column(align=True)
        column.operator("sinew.export_person", text="FBX, glTF or USD…", icon="EXPORT")
        column.operator("sinew.make_export_rig", text="Export Skeleton…", icon="OUTLINER_OB_ARMATURE")
        column.operator("sinew.export_motion", text="OpenSim, BVH, SMPL-X, Plots…", icon="GRAPH")
        state = context.window_manager.sinew
        if state.kind == "EXPORT" and state.is_alive:
            self.layout.label(text=f"Writing {state.title}…", icon="TIME")
        elif state.kind == "EXPORT" and state.status == "FAILED":
            failure(self.layout, context, state)
        elif state.kind == "EXPORT" and state.status == "FINISHED":
            row = self.layout.row()
            row.label(text=f"{state.title} is written", icon="CHECKMARK")
            row.operator("sinew.dismiss", text="", icon="X", emboss=False)


CLASSES = (SINEW_PT_body, SINEW_PT_body_bones, SINEW_PT_body_flesh, SINEW_PT_body_details, SINEW_PT_export)
