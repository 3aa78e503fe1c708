"""Measure a distance on the floor of an imported take, which fixes the scale of the next run."""

import bpy

from ..addon.properties import measured_take
from ..backend.sinew_take.errors import SinewError
from .corrections import refuse_left_out
from .people import is_own


class _OnTake:
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if measured_take(context) is None:
            cls.poll_message_set("Import a take of the clip first, and select something of it")
            return False
        return is_own(cls, measured_take(context))


class SINEW_OT_measure_distance(_OnTake, bpy.types.Operator):
    """Put two points over the picture of this frame; move them (G) to two points on the floor, and give their distance"""

    bl_idname = "sinew.measure_distance"
    bl_label = "Measure on the Floor"

    def execute(self, context):
        from ..addon.scene import corrections, distance

        root, scene = measured_take(context), context.scene
        try:
            camera = corrections.camera_of(root)
            refuse_left_out(context, root)
            take = corrections.open_take(root)
            points = distance.place(root, scene, take)
            here = distance.solved_m(root, scene, take)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        scene.sinew.use_distance = True
        _take_up(context, points, camera)
        self.report({"INFO"}, f"Move the two points to the floor in the picture; the take has {here:.2f} m between them.")
        return {"FINISHED"}


def _take_up(context: bpy.types.Context, points: list[bpy.types.Object], camera: bpy.types.Object) -> None:
    """Select the first point alone, in the camera's view."""
    from ..addon.scene.view import look_through

    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    for item in context.selected_objects:
        item.select_set(False)
    context.view_layer.update()
    for point in points:
        point.hide_set(False)
    points[0].select_set(True)
    context.view_layer.objects.active = points[0]
    look_through(context, camera)


class SINEW_OT_show_distance(_OnTake, bpy.types.Operator):
    """Go to the picture in which the distance is measured, and select its first point"""

    bl_idname = "sinew.show_distance"
    bl_label = "Go to the Distance"

    def execute(self, context):
        from ..addon.scene import corrections, distance

        root = measured_take(context)
        points = distance.points_of(root)
        if not points:
            self.report({"ERROR"}, "No distance is measured on this take; press Measure on the Floor.")
            return {"CANCELLED"}
        try:
            camera = corrections.camera_of(root)
            refuse_left_out(context, root)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        context.scene.frame_set(int(points[0][corrections.SCENE_FRAME]))
        _take_up(context, points, camera)
        return {"FINISHED"}


class SINEW_OT_remove_distance(_OnTake, bpy.types.Operator):
    """Forget the measured distance"""

    bl_idname = "sinew.remove_distance"
    bl_label = "Remove the Distance"

    def execute(self, context):
        from ..addon.scene import distance

        root = measured_take(context)
        active = context.view_layer.objects.active
        if active is not None and active.get("sinew_role") == distance.ROLE:
            context.view_layer.objects.active = root
        distance.remove(root)
        context.scene.sinew.use_distance = False
        return {"FINISHED"}


CLASSES = (SINEW_OT_measure_distance, SINEW_OT_show_distance, SINEW_OT_remove_distance)
