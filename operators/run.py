"""Pick a video, look at it, reconstruct it."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import bpy

from ..addon import monitor, settings
from ..addon.jobs import takes
from ..addon.jobs.process import Job
from ..addon.preferences import chosen_path, models_folder, preferences
from ..backend.sinew_take.errors import RequestError, SinewError
from . import launch
from .launch import can_run, follow


class SINEW_OT_pick_video(bpy.types.Operator):
    """Choose the video to reconstruct"""

    bl_idname = "sinew.pick_video"
    bl_label = "Pick a Video"
    bl_options = {"INTERNAL", "UNDO"}

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_movie: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        context.scene.sinew.video = self.filepath
        return {"FINISHED"}


class SINEW_OT_probe_video(bpy.types.Operator):
    """Look at the video again"""

    bl_idname = "sinew.probe_video"
    bl_label = "Look Again"

    wait: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        return bool(context.scene.sinew.video)

    def invoke(self, context, event):
        self.wait = False
        return self.execute(context)

    def execute(self, context):
        monitor.refresh(context.window_manager)
        monitor.look_at_video(context.scene, context.window_manager)
        if self.wait:
            monitor.wait_for_look()
        error = context.window_manager.sinew.facts.error
        if error:
            self.report({"ERROR"}, error)
            return {"CANCELLED"}
        return {"FINISHED"}


class SINEW_OT_reconstruct(bpy.types.Operator):
    """Turn the people of the video into a take. Blender stays usable meanwhile"""

    bl_idname = "sinew.reconstruct"
    bl_label = "Reconstruct"

    wait: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        if not can_run(cls, context):
            return False
        if not context.scene.sinew.video:
            cls.poll_message_set("No video is picked")
            return False
        return True

    def invoke(self, context, event):
        self.wait = False
        return self.execute(context)

    def execute(self, context):
        try:
            job = start(context)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return follow(self, job)


def start(context: bpy.types.Context) -> Job:
    """Start the backend on the picked video.

    Raises:
        RequestError: A second job, no backend, no video, or a folder that cannot be written.
    """
    monitor.runner().refuse_second()
    request = settings.request(context.scene.sinew, context.window_manager.sinew.facts, preferences().device,
                               models_folder())
    request = replace(request, distance=_distance(context, Path(request.video).name))
    camera = _own_camera(context)

    def make(run: Path) -> takes.Request:
        if camera is None:
            return request
        from ..addon.plan import camera_file

        return replace(request, camera_file=camera_file.write(camera, run / camera_file.NAME))

    return launch.start_run(launch.ready_python(), make, Path(request.video).name)


def _distance(context: bpy.types.Context, video: str) -> str | None:
    """The distance that was measured over a take of the video, where it is to count."""
    from ..addon.scene import distance

    asked = context.scene.sinew
    return distance.asked(context.scene, video, asked.distance_m).as_text() if asked.use_distance else None


def _own_camera(context: bpy.types.Context) -> dict | None:
    """The content of a camera file, where a Blender camera is to be used."""
    from ..addon.scene import own_camera

    asked, facts = context.scene.sinew, context.window_manager.sinew.facts
    if asked.own_camera != "OBJECT":
        return None
    first, n = settings.wanted_frames(asked, facts)
    return own_camera.sample(context.scene, asked.own_object, first, n, asked.own_start, Fraction(*facts.rate),
                             tuple(facts.size_px), asked.own_is_metric)


class SINEW_OT_convert_result(bpy.types.Operator):
    """Bring in what another system has solved: SMPL, SMPL-X, WHAM, GVHMR, TRAM, 2D keypoints and more"""

    bl_idname = "sinew.convert_result"
    bl_label = "Import Another System's Result"

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: bpy.props.StringProperty(default="*.npz;*.npy;*.pkl;*.pt;*.pth;*.json", options={"HIDDEN"})
    rate: bpy.props.StringProperty(
        name="Rate", description="Frames per second where the file does not say, such as 24 or 30000/1001; "
                                 "empty for the file's own")
    video: bpy.props.StringProperty(
        name="Video", subtype="FILE_PATH", description="The clip that the result is of; empty for none")
    layout_name: bpy.props.EnumProperty(
        name="Layout", description="Which system wrote it",
        items=[("auto", "As the File Shows", "Find out from the file's contents"),
               ("amass", "SMPL or SMPL-X (AMASS)", ".npz of poses"), ("wham", "WHAM", ""),
               ("4dhumans", "4D-Humans", ""), ("gvhmr", "GVHMR", ""), ("prompthmr", "PromptHMR", ""),
               ("tram", "TRAM", "A folder"), ("sam3dbody", "SAM 3D Body", ""),
               ("openpose", "OpenPose Keypoints", "A folder of .json files"),
               ("coco", "COCO-WholeBody Keypoints", "")])
    wait: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        return can_run(cls, context)

    def invoke(self, context, event):
        self.wait = False
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("rate", "video", "layout_name"):
            layout.prop(self, name)

    def execute(self, context):
        try:
            path = chosen_path(self.filepath)
            if path is None or not path.exists():
                raise RequestError(f"{self.filepath or 'The file'} is not there; choose a file or folder with another "
                                   "system's result.")
            layout_name = None if self.layout_name == "auto" else self.layout_name
            request = takes.Conversion(path, layout_name, self.rate.strip() or None, chosen_path(self.video),
                                       models_folder())
            job = launch.start_run(launch.ready_python(), lambda run: request, path.name)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not self.wait:
            monitor.runner().to_import = job
        ended = follow(self, job)
        if self.wait and "FINISHED" in ended:
            for folder in job.state.takes:
                ended = bpy.ops.sinew.import_take(directory=str(folder))
        return ended


CLASSES = (SINEW_OT_pick_video, SINEW_OT_probe_video, SINEW_OT_reconstruct, SINEW_OT_convert_result)
