"""Who is who: rename, leave out, merge, split and swap people of a take, and solve again whom that touches."""

import bpy

from ..addon.properties import person, take_root
from ..backend.sinew_take import people_edits
from ..backend.sinew_take.errors import RequestError, SinewError
from .launch import ready_python
from .solving import SolvesAgain, follow_solve, start_solve

_ITEMS: list[tuple[str, str, str]] = []


def _others(self, context):
    from ..addon.properties import people_of

    # Blender keeps no reference to the strings of a dynamic list.
    _ITEMS.clear()
    own = person(context.object)
    for row in people_of(take_root(context.object)) if own is not None else ():
        if row.armature != own:
            _ITEMS.append((row.armature["sinew_subject"], row.armature.name, ""))
    return _ITEMS or [("NONE", "Nobody Else", "")]


class _OnOne:
    """For operators on the person that the active object belongs to."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if person(context.object) is None or take_root(context.object) is None:
            cls.poll_message_set("Select a person that Sinew imported")
            return False
        return True

    def note(self, context, make) -> set[str]:
        """Note an edit. make: (subject id, take frame on screen) -> edit."""
        from ..addon.scene import corrections, people

        armature = person(context.object)
        root = take_root(armature)
        try:
            take = corrections.open_take(root)
            timing = corrections.timing_of(root, context.scene, take)
            frame = corrections.picture_index(root, timing, context.scene.frame_current)
            people.add_edit(root, make(armature["sinew_subject"], frame))
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class SINEW_OT_rename_person(_OnOne, bpy.types.Operator):
    """Give the person another name, in the scene now and in the take with the next solve"""

    bl_idname = "sinew.rename_person"
    bl_label = "Rename Person"

    name: bpy.props.StringProperty(name="Name", maxlen=people_edits.LONGEST_NAME)

    def invoke(self, context, event):
        self.name = person(context.object).name
        return context.window_manager.invoke_props_dialog(self, width=260)

    def execute(self, context):
        done = self.note(context, lambda subject, frame: people_edits.Rename(subject, self.name))
        if done == {"FINISHED"}:
            person(context.object).name = " ".join(self.name.split())
        return done


class SINEW_OT_skip_person(_OnOne, bpy.types.Operator):
    """Leave the person out of the take with the next solve"""

    bl_idname = "sinew.skip_person"
    bl_label = "Leave Out"

    def execute(self, context):
        return self.note(context, lambda subject, frame: people_edits.Skip(subject))


class SINEW_OT_merge_person(_OnOne, bpy.types.Operator):
    """This is the same person as another one, seen at other times: make them one, who keeps the other's place"""

    bl_idname = "sinew.merge_person"
    bl_label = "Merge With"

    other: bpy.props.EnumProperty(name="Into", items=_others)

    def invoke(self, context, event):
        return context.window_manager.invoke_props_dialog(self, width=260)

    def execute(self, context):
        return self.note(context, lambda subject, frame: people_edits.Merge(subject, self.other))


class SINEW_OT_split_person(_OnOne, bpy.types.Operator):
    """From the current frame on this is somebody else"""

    bl_idname = "sinew.split_person"
    bl_label = "Split at This Frame"

    def execute(self, context):
        return self.note(context, people_edits.Split)


class SINEW_OT_swap_person(_OnOne, bpy.types.Operator):
    """From the current frame on, this person and another one are each other"""

    bl_idname = "sinew.swap_person"
    bl_label = "Swap From This Frame"

    other: bpy.props.EnumProperty(name="With", items=_others)

    def invoke(self, context, event):
        return context.window_manager.invoke_props_dialog(self, width=260)

    def execute(self, context):
        return self.note(context, lambda subject, frame: people_edits.Swap(subject, self.other, frame))


class SINEW_OT_select_person(bpy.types.Operator):
    """Select this person"""

    bl_idname = "sinew.select_person"
    bl_label = "Select Person"
    bl_options = {"REGISTER", "UNDO"}

    name: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context):
        item = context.view_layer.objects.get(self.name)
        if item is None:
            self.report({"ERROR"}, f"{self.name} is not in this view layer; bring its collection back first.")
            return {"CANCELLED"}
        if context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        for other in context.selected_objects:
            other.select_set(False)
        item.select_set(True)
        context.view_layer.objects.active = item
        return {"FINISHED"}


class SINEW_OT_remove_people_edit(_OnOne, bpy.types.Operator):
    """Take this back, and what came after it and no longer fits"""

    bl_idname = "sinew.remove_people_edit"
    bl_label = "Take Back"

    number: bpy.props.IntProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context):
        from ..addon.scene import people

        try:
            people.remove_edit(take_root(context.object), self.number)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class SINEW_OT_solve_people(SolvesAgain, _OnOne, bpy.types.Operator):
    """Make a new take with these people. Whom no change touches keeps their solve; nothing is detected again"""

    bl_idname = "sinew.solve_people"

    def execute(self, context):
        from ..addon.scene import corrections, people

        root = take_root(context.object)
        try:
            edits = people.pending(root)
            if not edits:
                raise RequestError("Nobody was changed yet; rename, leave out, merge, split or swap somebody first.")
            take, base = corrections.open_take(root), corrections.base_folder(root)
            job = start_solve(ready_python(), take, base, edits)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return follow_solve(self, context, job)


CLASSES = (SINEW_OT_rename_person, SINEW_OT_skip_person, SINEW_OT_merge_person, SINEW_OT_split_person,
           SINEW_OT_swap_person, SINEW_OT_select_person, SINEW_OT_remove_people_edit, SINEW_OT_solve_people)
