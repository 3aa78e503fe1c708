"""Look at how well a take fits its picture: the check view, and the frames that fit worst."""

import bpy

from ..addon.properties import person, take_root
from ..backend.sinew_take.errors import SinewError
from .people import is_own

APART_S = 0.25
"""Two frames nearer than this are one weak place."""


class _OnTake:
    """For operators on the take that the active object belongs to."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if take_root(context.object) is None:
            cls.poll_message_set("Select something of a take that Sinew imported")
            return False
        return True


class _OnOwnTake(_OnTake):
    """For operators that change the take, which has to be this file's."""

    @classmethod
    def poll(cls, context):
        return super().poll(context) and is_own(cls, person(context.object), take_root(context.object))


def _owner(root):
    from ..addon.scene import tags

    return tags.Owner(str(root[tags.TAKE]), str(root[tags.SHOT]))


class SINEW_OT_check_view(_OnOwnTake, bpy.types.Operator):
    """Show the keypoints over the picture: green as detected, orange as solved, red what is between"""

    bl_idname = "sinew.check_view"
    bl_label = "Check View"

    def execute(self, context):
        from ..addon.scene import check, corrections
        from ..addon.scene.view import look_through

        owner = _owner(root := take_root(context.object))
        is_on = check.shown(owner)
        if is_on is None:
            self.report({"ERROR"}, "The check view was taken out of the file; import the take again to get it back.")
            return {"CANCELLED"}
        if not is_on:
            try:
                camera = corrections.camera_of(root)
            except SinewError as error:
                self.report({"ERROR"}, str(error))
                return {"CANCELLED"}
            look_through(context, camera)
        check.show(owner, not is_on)
        return {"FINISHED"}


class SINEW_OT_remove_check(_OnOwnTake, bpy.types.Operator):
    """Take the check view out of the file. The next import of the take makes it again"""

    bl_idname = "sinew.remove_check"
    bl_label = "Remove the Check View"

    def execute(self, context):
        from ..addon.scene import check

        check.remove(_owner(take_root(context.object)))
        return {"FINISHED"}


class SINEW_OT_worst_frame(_OnTake, bpy.types.Operator):
    """Go to the frame in which the solve misses the picture most; again: to the next weak place"""

    bl_idname = "sinew.worst_frame"
    bl_label = "Worst Frame"

    def execute(self, context):
        from ..addon.plan.check import peaks
        from ..addon.scene import check, rate_of

        own, root = person(context.object), take_root(context.object)
        people = [own] if own is not None else [
            o for o in bpy.data.objects if o.get("sinew_role") == "armature" and take_root(o) == root]
        curves = [(o, *curve) for o in people if (curve := check.error_of(o)) is not None]
        if not curves:
            self.report({"ERROR"}, "The take holds no pixel errors, as those of older versions; reconstruct it again.")
            return {"CANCELLED"}
        worst, error, apart = None, 0.0, APART_S * float(rate_of(context.scene))
        places = []
        for item, frames, values in curves:
            places += [(float(values[list(frames).index(f)]), f, item) for f in peaks(frames, values, apart)]
        places.sort(key=lambda place: -place[0])
        now = context.scene.frame_current
        at = next((i for i, (_, frame, _) in enumerate(places) if abs(frame - now) < 0.5), -1)
        error, frame, worst = places[(at + 1) % len(places)]
        context.scene.frame_set(round(frame))
        self.report({"INFO"}, f"{worst.name} is {error:.1f} px off at frame {round(frame)}.")
        return {"FINISHED"}


CLASSES = (SINEW_OT_check_view, SINEW_OT_remove_check, SINEW_OT_worst_frame)
