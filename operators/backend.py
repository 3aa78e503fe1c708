"""Set up, repair and remove the backend."""

import os
from pathlib import Path

import bpy

from ..addon import monitor, words
from ..addon.jobs import install
from ..addon.preferences import backend_source, chosen_path, preferences, private_place
from ..backend.sinew_take.errors import RequestError, SinewError
from .launch import follow, is_idle

_DIALOG_PX, _MARGIN_PX = 640, 46
"""Width of the set-up's dialog, and what its frame and the icons take of that."""


def plan_setup() -> install.Setup:
    """The set-up that the preferences and this machine ask for.

    Raises:
        RequestError: A second job, no permission to go online, or a named Python that does not fit.
    """
    monitor.runner().refuse_second()
    offline = not bpy.app.online_access
    if offline and not install.has_local_packages(os.environ):
        raise RequestError("Blender is set to work offline; allow online access in Preferences > System > Network, or "
                           "name a folder of packages in PIP_FIND_LINKS.")
    chosen = preferences()
    blender_python = install.blender_python()
    python = install.find_python(chosen_path(chosen.python), blender_python, os.environ)
    return install.Setup(private_place(), backend_source(), python, blender_python, chosen.torch_index, offline)


class SINEW_OT_set_up_backend(bpy.types.Operator):
    """Install what Sinew computes with. Shows first what, where and how large"""

    bl_idname = "sinew.set_up_backend"
    bl_label = "Set Up the Backend"

    wait: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        return is_idle(cls, context)

    def invoke(self, context, event):
        try:
            self.lines = install.account(plan_setup(), os.environ)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.wait = False
        return context.window_manager.invoke_props_dialog(self, width=_DIALOG_PX, confirm_text="Install")

    def draw(self, context):
        column = self.layout.column(align=True)
        column.label(text="This installs on your machine, once:")
        for sentence in self.lines:
            for number, line in enumerate(words.lines(sentence, _DIALOG_PX - _MARGIN_PX)):
                column.label(text=line, icon="BLANK1" if number else "DOT")
        column.separator()
        column.label(text="Videos and takes never leave your machine.")

    def execute(self, context):
        try:
            job = install.Installation(plan_setup(), os.environ)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        monitor.runner().start(job)
        return follow(self, job)


class SINEW_OT_fetch_models(bpy.types.Operator):
    """Fetch MediaPipe's heavy landmark model into the backend. Shows first how large"""

    bl_idname = "sinew.fetch_models"
    bl_label = "Fetch the Heavy Landmark Model"

    wait: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        return is_idle(cls, context) and context.window_manager.sinew.backend == "READY"

    def invoke(self, context, event):
        self.wait = False
        return context.window_manager.invoke_confirm(
            self, event, title=self.bl_label, confirm_text="Fetch",
            message=f"{install.models_account(False, os.environ)}.")

    def execute(self, context):
        try:
            monitor.runner().refuse_second()
            if not bpy.app.online_access:
                raise RequestError("Blender is set to work offline; allow online access in Preferences > System > Network, "
                                   "or put pose_landmark_heavy.tflite into the folder of model files.")
            python = install.blender_python()
            job = install.Installation(install.Setup(private_place(), backend_source(), None, python,
                                                     only_models=monitor.backend().python), os.environ)
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        monitor.runner().start(job)
        return follow(self, job)


class SINEW_OT_remove_backend(bpy.types.Operator):
    """Remove the backend's environment and its cache. Takes stay"""

    bl_idname = "sinew.remove_backend"
    bl_label = "Remove the Backend"

    @classmethod
    def poll(cls, context):
        return is_idle(cls, context)

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(
            self, event, title="Remove the backend?", confirm_text="Remove",
            message="Its environment and cached stages go; takes stay.")

    def execute(self, context):
        try:
            monitor.runner().refuse_second()
            install.remove(private_place())
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            monitor.settle()
        self.report({"INFO"}, "The backend was removed.")
        return {"FINISHED"}


class SINEW_OT_clear_cache(bpy.types.Operator):
    """Free the space of finished stages. The next run of the same video starts from the beginning"""

    bl_idname = "sinew.clear_cache"
    bl_label = "Clear the Cache"

    @classmethod
    def poll(cls, context):
        return not context.window_manager.sinew.is_alive

    def execute(self, context):
        try:
            monitor.runner().refuse_second()
            freed = install.clear_cache(private_place())
        except SinewError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{words.size(freed)} freed.")
        return {"FINISHED"}


class SINEW_OT_cancel_job(bpy.types.Operator):
    """Stop what is running. Finished stages are kept: the same run goes on from there"""

    bl_idname = "sinew.cancel_job"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context):
        return context.window_manager.sinew.is_alive

    def execute(self, context):
        runner = monitor.runner()
        if runner.job is not None:
            runner.job.cancel()
        monitor.watch()
        monitor.settle()
        return {"FINISHED"}


class SINEW_OT_dismiss(bpy.types.Operator):
    """Put the message away"""

    bl_idname = "sinew.dismiss"
    bl_label = "Dismiss"

    def execute(self, context):
        runner = monitor.runner()
        if not runner.is_busy:
            runner.job = None
        monitor.settle()
        return {"FINISHED"}


class SINEW_OT_reveal(bpy.types.Operator):
    """Open the file or folder with the system's own program"""

    bl_idname = "sinew.reveal"
    bl_label = "Open"

    path: bpy.props.StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context):
        if not Path(self.path).exists():
            self.report({"ERROR"}, f"{self.path} is not there any more; refresh the list.")
            return {"CANCELLED"}
        try:
            return bpy.ops.wm.path_open(filepath=self.path)
        except RuntimeError:
            self.report({"ERROR"}, f"The system has no program to open it with; it is {self.path}.")
            return {"CANCELLED"}


CLASSES = (SINEW_OT_set_up_backend, SINEW_OT_fetch_models, SINEW_OT_remove_backend, SINEW_OT_clear_cache, SINEW_OT_cancel_job,
           SINEW_OT_dismiss, SINEW_OT_reveal)
