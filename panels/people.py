"""The selected person: limits, keys, timing, render settings."""

import bpy

from ..addon.properties import person
from .backend import _Sidebar


class SINEW_PT_person(_Sidebar, bpy.types.Panel):
    bl_label = "Person"
    bl_order = 2

    @classmethod
    def poll(cls, context):
        return person(context.object) is not None

    def draw(self, context):
        layout, armature = self.layout, person(context.object)
        layout.label(text=armature.name, icon="ARMATURE_DATA")
        is_limited = bool(armature.get("sinew_limits"))
        row = layout.row(align=True)
        row.operator("sinew.set_limits", text="Limits On" if is_limited else "Limits Off", depress=is_limited,
                     icon="CON_ROTLIMIT").is_on = not is_limited
        row.operator("sinew.clamp_keys", text="Clamp Keys")
        data = armature.animation_data
        if data is not None and data.action is not None:
            layout.label(text=f"Keys go to {data.action.name}", icon="NLA")
        layout.operator("sinew.offset_people", text="Offset in Time…", icon="TIME")


CLASSES = (SINEW_PT_person,)
