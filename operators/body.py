"""Change a person's body: by measures, and back to what the take solved."""

import bpy

from ..addon.properties import person
from ..addon.properties_body import body_problem
from ..backend.sinew_take import measures
from ..backend.sinew_take.errors import SinewError

_TITLES = {"height": "Height", "leg": "Leg", "arm": "Arm", "shoulder": "Shoulders", "waist": "Waist", "mass": "Mass"}


class _OnBody:
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        armature = person(context.object)
        if armature is None:
            cls.poll_message_set("Select a person that Sinew imported")
            return False
        problem = body_problem(armature)
        if problem:
            cls.poll_message_set(problem.rstrip("."))
        return not problem


def _value(measure: measures.Measure) -> bpy.props.FloatProperty:
    is_length = measure.unit == "m"
    return bpy.props.FloatProperty(
        name=_TITLES[measure.name], min=measure.low, max=measure.high, precision=3 if is_length else 1, options={"SKIP_SAVE"},
        description=measure.meaning.capitalize(), **({"subtype": "DISTANCE", "unit": "LENGTH"} if is_length
                                                     else {"unit": "MASS"}))


class SINEW_OT_set_measures(_OnBody, bpy.types.Operator):
    """Give the person's body measures: the likeliest shape that has them. The motion stays"""

    bl_idname = "sinew.set_measures"
    bl_label = "Set Measures"

    __annotations__ = {
        **{one.name: _value(one) for one in measures.MEASURES},
        **{f"use_{one.name}": bpy.props.BoolProperty(name=f"Set {_TITLES[one.name]}", options={"SKIP_SAVE"})
           for one in measures.MEASURES}}

    def invoke(self, context, event):
        for one, value in zip(measures.MEASURES, person(context.object)["sinew_measures"], strict=True):
            setattr(self, one.name, value)
        return context.window_manager.invoke_props_dialog(self, width=300, confirm_text="Solve Shape")

    def draw(self, context):
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        for one in measures.MEASURES:
            row = self.layout.row(heading=_TITLES[one.name])
            row.prop(self, f"use_{one.name}", text="")
            sub = row.row()
            sub.active = getattr(self, f"use_{one.name}")
            sub.prop(self, one.name, text="")
        self.layout.label(text="What is not ticked follows.", icon="INFO")

    def execute(self, context):
        from ..addon.scene import reshape

        given = {one.name: getattr(self, one.name) for one in measures.MEASURES if getattr(self, f"use_{one.name}")}
        if not given:
            self.report({"WARNING"}, "No measure is ticked; tick those that you know.")
            return {"CANCELLED"}
        try:
            fitted = reshape.set_measures(context, person(context.object), given)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        reached = ", ".join(f"{_TITLES[name].lower()} {fitted.reached[name]:.2f} {measures.BY_NAME[name].unit}"
                            for name in given)
        self.report({"INFO"}, f"The body now has {reached}.")
        return {"FINISHED"}


class SINEW_OT_reset_body(_OnBody, bpy.types.Operator):
    """Give the person the body that the take solved"""

    bl_idname = "sinew.reset_body"
    bl_label = "Reset Body"

    def execute(self, context):
        from ..addon.scene import reshape

        armature = person(context.object)
        try:
            reshape.give_shape(context, armature, armature["sinew_take_shape"])
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (SINEW_OT_set_measures, SINEW_OT_reset_body)
