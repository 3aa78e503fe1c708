"""What is selected of a take: a person's limits and keys, the plate's offset, the render settings."""

import bpy

from ..addon.properties import bones_collection, person, take_root
from .backend import _Sidebar


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


CLASSES = (SINEW_PT_selected,)
