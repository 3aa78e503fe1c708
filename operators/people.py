"""Act on people that are in the scene: limits, keys, timing, and the render settings of splats."""

import bpy

from ..addon.properties import selected_people, take_root
from ..addon.scene import tags


def is_own(operator: type, *items: bpy.types.Object | None) -> bool:
    """For polls: nothing of it is another file's, where no edit would stay; otherwise the operator says so."""
    if not all(item is None or tags.is_own(item) for item in items):
        operator.poll_message_set("This person is linked from another file; correct it there.")
        return False
    return True


class _OnPeople:
    """For operators that need a person of Sinew's among the selected objects."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if not selected_people(context):
            cls.poll_message_set("Select a person that Sinew imported")
            return False
        return True


class SINEW_OT_set_limits(_OnPeople, bpy.types.Operator):
    """Hold the selected people's poses inside the anatomical limits, or set them free"""

    bl_idname = "sinew.set_limits"
    bl_label = "Limits"

    is_on: bpy.props.BoolProperty(name="On", default=True)

    def execute(self, context):
        from ..addon.scene import limits

        for armature in selected_people(context):
            limits.set_limits(armature, self.is_on)
        return {"FINISHED"}


class SINEW_OT_clamp_keys(_OnPeople, bpy.types.Operator):
    """Move keys of the selected people so that every degree of freedom stays inside its limits"""

    bl_idname = "sinew.clamp_keys"
    bl_label = "Clamp Keys to Limits"

    @classmethod
    def poll(cls, context):
        return super().poll(context) and is_own(cls, *selected_people(context))

    def execute(self, context):
        from ..addon.scene import limits

        clamped = [limits.clamp_keys_to_limits(armature) for armature in selected_people(context)]
        n_keys = sum(one.n_keys for one in clamped)
        dofs = sorted({dof for one in clamped for dof in one.dofs})
        named = ", ".join(dofs[:4]) + (", …" if len(dofs) > 4 else "")
        self.report({"INFO"}, f"{n_keys} keys moved inside their limits ({named})." if n_keys
                    else "Every key is inside its limits.")
        return {"FINISHED"}


class SINEW_OT_show_bones(bpy.types.Operator):
    """Show the surfaces of the bones of the selected take's people, or hide them"""

    bl_idname = "sinew.show_bones"
    bl_label = "Bones"
    bl_options = {"REGISTER", "UNDO"}

    is_on: bpy.props.BoolProperty(name="On", default=True)

    @classmethod
    def poll(cls, context):
        return take_root(context.object) is not None

    def execute(self, context):
        from ..addon.scene import roots

        if not roots.show_bones(take_root(context.object), self.is_on):
            self.report({"WARNING"}, "This take's bodies have no bone surfaces; the SKEL body has them.")
            return {"CANCELLED"}
        return {"FINISHED"}


class SINEW_OT_splat_settings(bpy.types.Operator):
    """Set what the scene needs so that splats render as they look: Cycles' transparent layers, colours, alpha"""

    bl_idname = "sinew.splat_settings"
    bl_label = "Render Settings for Splats"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        from ..addon.scene import render_settings

        for changed in render_settings.apply(context.scene):
            self.report({"INFO"}, changed)
        return {"FINISHED"}


CLASSES = (SINEW_OT_set_limits, SINEW_OT_clamp_keys, SINEW_OT_show_bones, SINEW_OT_splat_settings)
