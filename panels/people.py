"""The people of a take and who they are, how well it fits, and what is selected of it: limits, keys, plate, renders."""

import bpy

from ..addon.properties import (
    bones_collection,
    people_edits_of,
    people_of,
    person,
    pixel_error_of,
    said_of,
    take_root,
)
from .backend import _Sidebar
from .corrections import draw_solving, draw_trouble
from .text import sentences


class SINEW_PT_selected(_Sidebar, bpy.types.Panel):
    bl_label = "Person and Shot"
    bl_order = 2

    @classmethod
    def poll(cls, context):
        return take_root(context.object) is not None

    def draw(self, context):
        layout, armature, root = self.layout, person(context.object), take_root(context.object)
        layout.use_property_split = True
        layout.use_property_decorate = False
        if armature is not None:
            self._person(layout, armature)
        column = layout.column()
        if "sinew_plate_offset" in root:
            column.prop(root, '["sinew_plate_offset"]', text="Plate Later by")
        column.operator("sinew.splat_settings", icon="SCENE")

    def _person(self, layout, armature):
        layout.label(text=armature.name, icon="OUTLINER_OB_ARMATURE")
        row = layout.row(align=True)
        row.use_property_split = False
        row.prop(armature, '["sinew_limits"]', text="Limits", toggle=1)
        row.operator("sinew.clamp_keys", text="Clamp Keys")
        row = layout.row(align=True)
        row.use_property_split = False
        bones = bones_collection(take_root(armature))
        if bones is not None:
            row.operator("sinew.show_bones", text="Bones", icon="BONE_DATA",
                         depress=not bones.hide_viewport).is_on = bones.hide_viewport
        if "sinew_correctives" in armature:
            row.prop(armature, '["sinew_correctives"]', text="Correctives", toggle=1)
        data = armature.animation_data
        if data is not None and data.action is not None:
            row = layout.row()
            row.active = False
            row.label(text=f"Keys go to {data.action.name}", icon="NLA")


class SINEW_PT_who(_Sidebar, bpy.types.Panel):
    """The people of the take, and who they are"""

    bl_label = "People"
    bl_order = 2

    @classmethod
    def poll(cls, context):
        return take_root(context.object) is not None

    def draw(self, context):
        layout, root, active = self.layout, take_root(context.object), person(context.object)
        for row in people_of(root):
            self._person(layout, row, row.armature == active)
        if active is not None:
            column = layout.column(align=True)
            line = column.row(align=True)
            line.operator("sinew.rename_person", text="Rename…", icon="GREASEPENCIL")
            line.operator("sinew.skip_person", text="Leave Out", icon="X")
            line = column.row(align=True)
            line.operator("sinew.merge_person", text="Merge With…", icon="AUTOMERGE_ON")
            line.operator("sinew.swap_person", text="Swap With…", icon="ARROW_LEFTRIGHT")
            column.operator("sinew.split_person", text="Somebody Else From Here", icon="MOD_EDGESPLIT")
        edits = people_edits_of(root)
        if edits:
            self._edits(layout, context, edits, root)
        for note in said_of(root, context.window_manager.sinew):
            sentences(layout, context, note, "INFO")

    def _person(self, layout, row, is_active):
        box = layout.box() if is_active else layout
        line = box.row()
        preview = row.armature.preview
        if preview is not None and preview.icon_id:
            line.template_icon(preview.icon_id, scale=2.6)
        column = line.column(align=True)
        column.operator("sinew.select_person", text=row.armature.name, emboss=False,
                        icon="RADIOBUT_ON" if is_active else "RADIOBUT_OFF").name = row.armature.name
        sub = column.row()
        sub.active = False
        known = "" if row.confidence is None else f"{row.confidence:.0%} sure"
        sub.label(text=", ".join(part for part in (row.frames, known) if part))

    def _edits(self, layout, context, edits, root):
        box = layout.box().column(align=True)
        for number, text in enumerate(edits):
            line = box.row(align=True)
            sentences(line, context, text, margin_px=90)
            line.operator("sinew.remove_people_edit", text="", icon="X", emboss=False).number = number
        state = context.window_manager.sinew
        if draw_solving(layout, state, root):
            return
        row = layout.row()
        row.scale_y = 1.4
        row.operator("sinew.solve_people", icon="FILE_REFRESH")
        draw_trouble(layout, context, state, root)
        sub = layout.column()
        sub.active = False
        sentences(sub, context, "The people you changed are solved again from what was detected; the others stay.", "INFO")


class SINEW_PT_check(_Sidebar, bpy.types.Panel):
    """How well the take fits its picture"""

    bl_label = "Check"
    bl_order = 3
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return take_root(context.object) is not None

    def draw(self, context):
        layout = self.layout
        row = layout.row(align=True)
        row.operator("sinew.check_view", icon="HIDE_OFF")
        row.operator("sinew.remove_check", text="", icon="TRASH")
        layout.operator("sinew.worst_frame", icon="KEYFRAME_HLT")
        for row in people_of(take_root(context.object)):
            said = pixel_error_of(row.armature, context.scene.frame_current_final)
            if said:
                layout.label(text=f"{row.armature.name}: {said}")


CLASSES = (SINEW_PT_who, SINEW_PT_check, SINEW_PT_selected)
