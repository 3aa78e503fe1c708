"""Act on people that are in the scene: limits, keys, timing, and the render settings of splats."""

import bpy

from ..addon.properties import selected_people


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

    def execute(self, context):
        from ..addon.scene import limits

        clamped = [limits.clamp_keys_to_limits(armature) for armature in selected_people(context)]
        n_keys = sum(one.n_keys for one in clamped)
        dofs = sorted({dof for one in clamped for dof in one.dofs})
        named = ", ".join(dofs[:4]) + (", …" if len(dofs) > 4 else "")
        self.report({"INFO"}, f"{n_keys} keys moved inside their limits ({named})." if n_keys
                    else "Every key is inside its limits.")
        return {"FINISHED"}


class SINEW_OT_offset_people(_OnPeople, bpy.types.Operator):
    """Move the selected people in time against the plate"""

    bl_idname = "sinew.offset_people"
    bl_label = "Offset in Time"

    frames: bpy.props.FloatProperty(
        name="Frames", description="Scene frames from where the take was keyed; positive is later", precision=2,
        options={"SKIP_SAVE"})

    def invoke(self, context, event):
        return context.window_manager.invoke_props_popup(self, event)

    def execute(self, context):
        from ..addon.scene import curves

        for armature in selected_people(context):
            curves.offset_strip(armature, self.frames)
        return {"FINISHED"}


CLASSES = (SINEW_OT_set_limits, SINEW_OT_clamp_keys, SINEW_OT_offset_people)
