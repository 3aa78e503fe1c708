"""Who is who: rename, leave out, merge, split and swap people of a take, and solve again whom that touches."""

import bpy

from ..addon.properties import is_solving, people_of, person, take_root
from ..backend.sinew_take import people_edits
from ..backend.sinew_take.errors import RequestError, SinewError
from .check import _OnOwnTake
from .launch import ready_python
from .people import is_own
from .solving import SolvesAgain, follow_solve, start_solve

_ITEMS: list[tuple[str, str, str]] = []


def _others(self, context):
    # Blender keeps no reference to the strings of a dynamic list.
    own = person(context.object)
    _ITEMS[:] = [(row.armature["sinew_subject"], row.armature.name, "") for row in _rows(own) if row.armature != own]
    return _ITEMS


def _rows(armature):
    root = take_root(armature)
    return [] if root is None else people_of(root)


def _is_settled(operator: type, context) -> bool:
    """For polls: nothing is solved again, whose result would not know of another edit; otherwise the operator says so."""
    if is_solving(context.window_manager.sinew):
        operator.poll_message_set("A take is being solved again; wait until it is done or cancel it")
        return False
    return True


class _OnOne:
    """For operators on the person that the active object belongs to."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if not _is_settled(cls, context):
            return False
        if person(context.object) is None or take_root(context.object) is None:
            cls.poll_message_set("Select a person that Sinew imported")
            return False
        return is_own(cls, person(context.object), take_root(context.object))

    def fail(self, error: Exception) -> set[str]:
        self.report({"ERROR"}, str(error))
        return {"CANCELLED"}


class _Notes(_OnOne):
    """For operators that note an edit of the person."""

    is_from_here = False

    def edit(self, subject: str, here: int):
        """The edit. here: the take frame whose picture is on screen; 0 where the edit is not `is_from_here`."""
        raise NotImplementedError

    def ground(self, context) -> tuple:
        """The take's root, the take, the person's id and `here`. Raises SinewError."""
        from ..addon.scene import corrections

        root = take_root(context.object)
        take = corrections.open_take(root)
        here = corrections.picture_here(root, context.scene, take) if self.is_from_here else 0
        return root, take, person(context.object)["sinew_subject"], here

    def execute(self, context):
        from ..addon.scene import people

        try:
            root, _, subject, here = self.ground(context)
            people.add_edit(root, context.scene, self.edit(subject, here))
        except SinewError as error:
            return self.fail(error)
        return {"FINISHED"}


class _NotesTwo(_Notes):
    """For operators that note an edit of the person and another one, whom a dialog asks for."""

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        if len(_rows(person(context.object))) < 2:
            cls.poll_message_set("There is nobody else in this take")
            return False
        return True

    def invoke(self, context, event):
        """Ask for the other one, beginning with one who would do; where nobody would, say why at once."""
        from ..addon.scene import people

        refused = None
        try:
            root, take, subject, here = self.ground(context)
        except SinewError as error:
            return self.fail(error)
        for ident in [item[0] for item in _others(self, context)]:
            self.other = ident
            try:
                people.check_edit(root, context.scene, take, self.edit(subject, here))
            except SinewError as error:
                refused = refused or error
            else:
                return context.window_manager.invoke_props_dialog(self, width=260)
        return self.fail(refused)


class SINEW_OT_rename_person(_OnOne, bpy.types.Operator):
    """Give the person another name, in the scene now and in the take with Solve Again under People"""

    bl_idname = "sinew.rename_person"
    bl_label = "Rename Person"

    name: bpy.props.StringProperty(name="Name", maxlen=people_edits.LONGEST_NAME)

    def invoke(self, context, event):
        from ..addon.scene import people

        armature = person(context.object)
        try:
            self.name = people.name_in_take(take_root(armature), armature["sinew_subject"])
        except SinewError as error:
            return self.fail(error)
        return context.window_manager.invoke_props_dialog(self, width=260)

    def draw(self, context):
        row = self.layout.row()
        row.activate_init = True  # else what is typed goes nowhere until the field is clicked
        row.prop(self, "name")

    def execute(self, context):
        from ..addon.scene import people

        armature = person(context.object)
        try:
            is_new = people.rename(take_root(armature), context.scene, armature["sinew_subject"], self.name)
        except SinewError as error:
            return self.fail(error)
        if not is_new:
            return {"CANCELLED"}
        armature.name = " ".join(self.name.split())
        return {"FINISHED"}


class SINEW_OT_skip_person(_Notes, bpy.types.Operator):
    """Leave the person out of the take with Solve Again under People"""

    bl_idname = "sinew.skip_person"
    bl_label = "Leave Out"

    def edit(self, subject, here):
        return people_edits.Skip(subject)


class SINEW_OT_merge_person(_NotesTwo, bpy.types.Operator):
    """This is the same person as another one, seen at other times: make them one, who keeps the other's place"""

    bl_idname = "sinew.merge_person"
    bl_label = "Merge With"

    other: bpy.props.EnumProperty(name="Into", items=_others)

    def edit(self, subject, here):
        return people_edits.Merge(subject, self.other)


class SINEW_OT_split_person(_Notes, bpy.types.Operator):
    """From the current frame on this is somebody else"""

    bl_idname = "sinew.split_person"
    bl_label = "Split at This Frame"
    is_from_here = True

    def edit(self, subject, here):
        return people_edits.Split(subject, here)


class SINEW_OT_swap_person(_NotesTwo, bpy.types.Operator):
    """From the current frame on, this person and another one are each other"""

    bl_idname = "sinew.swap_person"
    bl_label = "Swap From This Frame"
    is_from_here = True

    other: bpy.props.EnumProperty(name="With", items=_others)

    def edit(self, subject, here):
        return people_edits.Swap(subject, self.other, here)


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


class SINEW_OT_remove_people_edit(_OnOwnTake, bpy.types.Operator):
    """Take this back, and what came after it and no longer fits"""

    bl_idname = "sinew.remove_people_edit"
    bl_label = "Take Back"

    number: bpy.props.IntProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        return _is_settled(cls, context) and super().poll(context)

    def execute(self, context):
        from ..addon.scene import people

        try:
            people.remove_edit(take_root(context.object), context.scene, self.number)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class SINEW_OT_solve_people(SolvesAgain, _OnOwnTake, bpy.types.Operator):
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
            job = start_solve(ready_python(), root, context.scene, take, base, edits)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return follow_solve(self, context, job)


CLASSES = (SINEW_OT_rename_person, SINEW_OT_skip_person, SINEW_OT_merge_person, SINEW_OT_split_person,
           SINEW_OT_swap_person, SINEW_OT_select_person, SINEW_OT_remove_people_edit, SINEW_OT_solve_people)
