"""Write a person's motion as OpenSim, BVH, CSV, SMPL-X or a page of plots, by the backend, from the take."""

from pathlib import Path

import bpy

from ..addon.jobs.process import Job
from ..addon.preferences import private_place
from ..addon.properties import selected_people, take_root
from ..backend.sinew_take.errors import RequestError, SinewError
from . import launch
from .launch import follow
from .people import _OnPeople

FORMATS = [(".bvh", "BVH", "Skeleton and motion, centimetres, Y up"),
           (".mot", "OpenSim Motion (.mot)", "Joint angles in degrees"),
           (".trc", "OpenSim Markers (.trc)", "Joint positions in millimetres"),
           (".csv", "Table (.csv)", "Joint angles in degrees"),
           (".npz", "SMPL-X (.npz)", "Poses in the layout of AMASS"),
           (".pdf", "Plots (.pdf)", "Every joint angle over time, a page per person"),
           (".png", "Plots (.png)", "Every joint angle over time")]


def _named(self, context):
    self.filepath = str(Path(self.filepath).with_suffix(self.kind))


class SINEW_OT_export_motion(_OnPeople, bpy.types.Operator):
    """Write the active person's motion as solved (without your own layers) for OpenSim, other programs or tables"""

    bl_idname = "sinew.export_motion"
    bl_label = "Export Motion"
    bl_options = {"REGISTER"}

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: bpy.props.StringProperty(default=";".join(f"*{f[0]}" for f in FORMATS), options={"HIDDEN"})
    kind: bpy.props.EnumProperty(name="Format", items=FORMATS, update=_named)
    wait: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context, event):
        self.wait = False
        if not self.filepath:
            self.filepath = bpy.path.clean_name(selected_people(context)[0].name) + self.kind
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context):
        self.layout.prop(self, "kind", text="")

    def execute(self, context):
        try:
            job = start(context, Path(bpy.path.abspath(self.filepath)))
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        ended = follow(self, job)
        if self.wait and ended == {"FINISHED"}:
            self.report({"INFO"}, f"Wrote {Path(self.filepath).name}.")
        return ended


def start(context: bpy.types.Context, file: Path) -> Job:
    """Start the backend on the take of the active person.

    Raises:
        SinewError: A second job, no backend, no take or root, or a file that is there already.
    """
    from ..addon.scene import corrections

    python = launch.ready_python()
    if file.exists():
        raise RequestError(f"{file.name} is there already; choose another name, nothing is overwritten.")
    armature = selected_people(context)[0]
    root = take_root(armature)
    if root is None:
        raise RequestError(f"The root of {armature.name}'s take was deleted; import the take again.")
    take = corrections.open_take(root)
    log = private_place().root / "export.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    return launch.start_job(python, ["export", str(take.path), "--to", str(file), "--subject",
                                     str(armature["sinew_subject"]), "--events"], file.name, log, "EXPORT")


CLASSES = (SINEW_OT_export_motion,)
