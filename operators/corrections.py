"""Correct a person by hand: pin joints over the picture, flip limbs, mark frames wrong, solve again."""

import bpy

from ..addon.jobs.process import Job
from ..addon.properties import corrected_person, take_root
from ..backend.sinew_take import skeleton
from ..backend.sinew_take.errors import RequestError, SinewError
from .launch import ready_python
from .people import is_own
from .solving import SolvesAgain, bring_in_as_a_step, follow_solve, start_solve

LIMBS = [("arm_l", "Left Arm", ""), ("arm_r", "Right Arm", ""), ("leg_l", "Left Leg", ""), ("leg_r", "Right Leg", "")]


def _keypoints(self, context):
    from ..addon.plan import pins

    # Blender keeps no reference to the strings of a dynamic list.
    if not _ITEMS:
        _ITEMS.extend((name, pins.label(name), "") for name in pins.ordered())
    return _ITEMS


_ITEMS: list[tuple[str, str, str]] = []


class _OnPerson:
    """For operators on the person that the active object belongs to."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if corrected_person(context) is None:
            cls.poll_message_set("Select a person that Sinew imported")
            return False
        return is_own(cls, corrected_person(context), take_root(corrected_person(context)))

    def fail(self, error: Exception) -> set[str]:
        self.report({"ERROR"}, str(error))
        return {"CANCELLED"}


def refuse_left_out(context: bpy.types.Context, root: bpy.types.Object) -> None:
    """What is put over the picture is linked to the shot's collection, and is to be selected there.

    Raises:
        RequestError: The view layer leaves the shot's collection out.
    """
    from ..addon.scene import corrections

    home, layers = corrections.home_of(root), [context.view_layer.layer_collection]
    while layers:
        layer = layers.pop()
        if layer.collection == home and not layer.exclude:
            return
        layers.extend(layer.children)
    raise RequestError(f"{home.name} is not in this view layer; bring the shot's collection back first.")


class SINEW_OT_pin_joint(_OnPerson, bpy.types.Operator):
    """Pin a joint in this frame: an empty over the picture that you move to where the joint is"""

    bl_idname = "sinew.pin_joint"
    bl_label = "Pin Joint"

    keypoint: bpy.props.EnumProperty(name="Joint", items=_keypoints)

    def invoke(self, context, event):
        from ..addon.plan import bones, pins

        bone = context.active_pose_bone if context.mode == "POSE" else None
        names = dict(zip((*bones.BONE_NAMES, *bones.DEFORM_NAMES), skeleton.JOINT_NAMES * 2, strict=True))
        if bone is not None and bone.name in names:
            self.keypoint = pins.keypoint_of(names[bone.name])
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(self, width=260)

    def execute(self, context):
        from ..addon.scene import corrections
        from ..addon.scene.view import look_through

        armature = corrected_person(context)
        root = take_root(armature)
        try:
            camera = corrections.camera_of(root)
            refuse_left_out(context, root)
            take = corrections.open_take(root)
            pin = corrections.add_pin(root, context.scene, take, armature["sinew_subject"], self.keypoint)
            context.view_layer.update()
            if pin not in context.view_layer.objects.values():  # an earlier one that was put elsewhere
                raise RequestError(f"{pin.name} is not in this view layer; bring its collection back first.")
        except SinewError as error:
            return self.fail(error)
        if context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        for item in context.selected_objects:
            item.select_set(False)
        pin.hide_set(False)
        pin.select_set(True)
        context.view_layer.objects.active = pin
        look_through(context, camera)
        return {"FINISHED"}


class _OnFrames(_OnPerson):
    """For operators on a range of frames of the scene, both ends included."""

    first: bpy.props.IntProperty(name="First Frame", options={"SKIP_SAVE"}, default=-1_000_000)
    last: bpy.props.IntProperty(name="Last Frame", description="It belongs to the range", options={"SKIP_SAVE"},
                                default=-1_000_000)

    def invoke(self, context, event):
        self.first = self.last = context.scene.frame_current
        return context.window_manager.invoke_props_dialog(self, width=260)

    def note(self, context, limb):
        from ..addon.scene import corrections

        here = context.scene.frame_current
        first, last = (here if value == -1_000_000 else value for value in (self.first, self.last))
        armature = corrected_person(context)
        root = take_root(armature)
        try:
            said = corrections.add_range(root, context.scene, corrections.open_take(root), armature["sinew_subject"],
                                         first, last, limb)
        except SinewError as error:
            return self.fail(error)
        if said:
            self.report({"INFO"}, said)
        return {"FINISHED"}


class SINEW_OT_flip_limb(_OnFrames, bpy.types.Operator):
    """Turn a limb to its other side in depth over a range of frames: the pose that looks the same from the camera"""

    bl_idname = "sinew.flip_limb"
    bl_label = "Flip Limb"

    limb: bpy.props.EnumProperty(name="Limb", items=LIMBS)

    def execute(self, context):
        return self.note(context, self.limb)


class SINEW_OT_mark_wrong(_OnFrames, bpy.types.Operator):
    """Forget what was detected in a range of frames: the motion there is filled from around it"""

    bl_idname = "sinew.mark_wrong"
    bl_label = "Frames Are Wrong"

    def execute(self, context):
        return self.note(context, None)


class SINEW_OT_remove_correction(_OnPerson, bpy.types.Operator):
    """Take this correction back; it counts from the next solve on"""

    bl_idname = "sinew.remove_correction"
    bl_label = "Remove"

    pin: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    number: bpy.props.IntProperty(default=-1, options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context):
        from ..addon.scene import corrections

        armature = corrected_person(context)
        root = take_root(armature)
        if self.pin:
            found = next((item for item in corrections.pins_of(root) if item.name == self.pin), None)
            if found is not None:
                if context.view_layer.objects.active == found:
                    context.view_layer.objects.active = armature
                bpy.data.objects.remove(found)
        else:
            corrections.remove_range(root, self.number)
        return {"FINISHED"}


class SINEW_OT_show_correction(_OnPerson, bpy.types.Operator):
    """Go to the frame of this correction"""

    bl_idname = "sinew.show_correction"
    bl_label = "Go to"

    frame: bpy.props.IntProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context):
        context.scene.frame_set(self.frame)
        return {"FINISHED"}


class SINEW_OT_solve_again(SolvesAgain, _OnPerson, bpy.types.Operator):
    """Solve the take again with the corrections, in seconds, and bring the scene up to date. Your own layers stay"""

    bl_idname = "sinew.solve_again"

    def execute(self, context):
        from ..addon.scene import corrections

        root = take_root(corrected_person(context))
        try:
            job = start(context, root)
        except SinewError as error:
            return self.fail(error)
        if job is None:
            return bring_in_as_a_step(self, context, [str(corrections.base_folder(root))])
        return follow_solve(self, context, job)


def start(context: bpy.types.Context, root: bpy.types.Object) -> Job | None:
    """Write the corrections down and start solving; None where none are left, so that the take before them is wanted.

    Raises:
        SinewError: A second job, no backend, no take, no corrections at all, or one that does not fit or cannot be taken
            back.
    """
    from ..addon.scene import corrections

    python = ready_python()
    take = corrections.open_take(root)
    wanted = corrections.collect(root, context.scene, take)
    base = corrections.base_for(root, wanted)
    if not wanted:
        if base == take.path:
            raise RequestError("There is nothing to correct yet; pin a joint, flip a limb or mark frames wrong first.")
        return None
    return start_solve(python, root, context.scene, take, base, wanted)


CLASSES = (SINEW_OT_pin_joint, SINEW_OT_flip_limb, SINEW_OT_mark_wrong, SINEW_OT_remove_correction,
           SINEW_OT_show_correction, SINEW_OT_solve_again)
