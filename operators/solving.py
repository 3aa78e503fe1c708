"""Solve a take again with edits, and bring the scene up to date with what came of it."""

from pathlib import Path

import bpy

from ..addon import monitor
from ..addon.jobs import takes
from ..addon.jobs.process import Job
from ..addon.properties import people_of, take_root
from ..backend.sinew_take import edits as contract
from ..backend.sinew_take import take as take_format
from ..backend.sinew_take.errors import RequestError, SinewError
from ..backend.sinew_take.take import Take
from .launch import can_run, follow, start_run


class SolvesAgain:
    """For operators that solve again. Stands before the base that says whom the operator acts on."""

    bl_label = "Solve Again"
    # No UNDO: where the timer waits for the job, nothing has changed yet when this ends.
    bl_options = set()

    wait: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        return can_run(cls, context) and super().poll(context)

    def invoke(self, context, event):
        self.wait = False
        return self.execute(context)


def start_solve(python: Path, root: bpy.types.Object, scene: bpy.types.Scene, take: Take, base: Path, edits: list) -> Job:
    """Start solving the take at `base` with edits.

    Args:
        python: The backend's.
        root, scene: Of the take in the scene, whose names and frames the job's sentences use.
        take: It gives the job its title.

    Raises:
        SinewError: A folder that cannot be written, or a backend that does not start.
    """
    from ..addon.scene import corrections

    def make(run: Path) -> takes.Solve:
        return takes.Solve(base, contract.write(edits, run / takes.EDITS))

    put = corrections.spoken(root, scene, take)
    job = start_run(python, make, str(take.meta["source"].get("name") or "The take"), "SOLVE")
    job.put, job.shot = put, corrections.owner_of(root).shot_id
    return job


def follow_solve(operator: bpy.types.Operator, context: bpy.types.Context, job: Job) -> set[str]:
    """Wait and bring the result in, or leave both to the timer."""
    monitor.runner().to_import = None if operator.wait else job
    ended = follow(operator, job)
    if not operator.wait or ended != {"FINISHED"}:
        return ended
    return bring_in_as_a_step(operator, context, [str(take) for take in job.state.takes])


class SINEW_OT_take_in_solved(bpy.types.Operator):
    """Bring the scene up to date with what was solved again"""

    bl_idname = "sinew.take_in_solved"
    bl_label = "Update"
    bl_options = {"UNDO"}

    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context):
        try:
            _refuse_another_shot(context.scene, take_format.read_meta(self.directory))
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return bring_in(self, context, [self.directory])


def _refuse_another_shot(scene: bpy.types.Scene, meta: dict) -> None:
    """An update brings nobody new: another file may be open than the one that asked. Raises RequestError."""
    from ..addon.scene import tags

    if not tags.ids_in(scene, meta["shot_id"]):
        raise RequestError("That take is of another shot than this scene's; import it from the list of takes.")


def bring_in(operator: bpy.types.Operator, context: bpy.types.Context, folders: list[str]) -> set[str]:
    """Import in place, then make active, selected and of its mode what was; where that went with its person, another of the
    take."""
    from ..addon import scene

    active = context.view_layer.objects.active
    mode = "OBJECT" if active is None else active.mode
    root = take_root(active)
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    try:
        for folder in folders:
            result = scene.build_take(context, folder, scene.BuildOptions(set_frame_range=False))
            for note in result.notes:
                operator.report({"WARNING"}, note)
            monitor.note_import(folder, result.notes)
    except SinewError as error:
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    finally:
        if active is not None and active not in context.view_layer.objects.values():
            active, mode = _successor(context, root), "OBJECT"
        context.view_layer.objects.active = active
        # Its poll refuses what the import has hidden meanwhile.
        if mode != "OBJECT" and bpy.ops.object.mode_set.poll():
            bpy.ops.object.mode_set(mode=mode)
    operator.report({"INFO"}, "The scene follows the corrections.")
    return {"FINISHED"}


def bring_in_as_a_step(operator: bpy.types.Operator, context: bpy.types.Context, folders: list[str]) -> set[str]:
    """`bring_in` and one step of undo, for operators without one of their own."""
    ended = bring_in(operator, context, folders)
    if ended == {"FINISHED"}:
        bpy.ops.ed.undo_push(message=operator.bl_label)
    return ended


def _successor(context: bpy.types.Context, root: bpy.types.Object | None) -> bpy.types.Object | None:
    """Who is selected after an object that the import took out: the first person of its take, else the take's root."""
    items = [] if root is None else [*(row.armature for row in people_of(root)), root]
    there = context.view_layer.objects.values()
    found = next((item for item in items if item in there), None)
    if found is not None:
        found.select_set(True)
    return found


CLASSES = (SINEW_OT_take_in_solved,)
