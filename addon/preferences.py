"""The extension's preferences: where takes go, where model files are, and on which Python the backend runs."""

import os
import sys
from pathlib import Path

import bpy

from .ids import EXTENSION
from .jobs.install import CPU_INDEX, Place


def _changed(self, context) -> None:
    from . import monitor

    monitor.refresh(context.window_manager)


class SINEW_AP_preferences(bpy.types.AddonPreferences):
    bl_idname = EXTENSION

    takes_folder: bpy.props.StringProperty(
        name="Takes", subtype="DIR_PATH", update=_changed,
        description="Folder of runs and takes; empty for the extension's own folder")
    models_folder: bpy.props.StringProperty(
        name="Model Files", subtype="DIR_PATH", update=_changed,
        description="Folder of model files of your own, such as SKEL's or SMPL-X's; nothing is ever downloaded into it")
    python: bpy.props.StringProperty(
        name="Python 3.11 or 3.12", subtype="FILE_PATH",
        description="Python to build the backend on; empty to look for one, or to fetch one with uv")
    torch_index: bpy.props.StringProperty(
        name="PyTorch Index", default="" if sys.platform == "darwin" else CPU_INDEX,
        description="Address of PyTorch's wheel index: .../cpu, or .../cu128 and the like for an NVIDIA card; "
                    "empty for pip's own index. Set before the backend is set up")
    backend_python: bpy.props.StringProperty(
        name="Existing Environment", subtype="FILE_PATH", update=_changed,
        description="For developers: Python of an environment that already has the backend's packages; "
                    "it is used instead of the extension's own")
    device: bpy.props.EnumProperty(
        name="Device", description="Where the backend computes",
        items=[("auto", "Automatic", "The graphics card where PyTorch can use it, else the processor"),
               ("cpu", "Processor", "Never the graphics card"),
               ("cuda", "CUDA", "The NVIDIA card; needs PyTorch's CUDA build")])

    def draw(self, context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "takes_folder")
        layout.prop(self, "models_folder")
        layout.prop(self, "device")
        column = layout.column(heading="Backend")
        column.prop(self, "python")
        column.prop(self, "torch_index")
        column.prop(self, "backend_python")
        row = layout.row()
        row.operator("sinew.set_up_backend", text="Set Up or Repair", icon="IMPORT")
        row.operator("sinew.remove_backend", icon="TRASH")


def has_preferences() -> bool:
    """Whether Blender keeps preferences of the extension: not where it was registered without being enabled."""
    return EXTENSION in bpy.context.preferences.addons


def preferences() -> SINEW_AP_preferences:
    """This extension's preferences."""
    return bpy.context.preferences.addons[EXTENSION].preferences


def private_place() -> Place:
    """The extension's private folder, made where it is missing."""
    return Place(Path(bpy.utils.extension_path_user(EXTENSION, create=True)))


def takes_folder() -> Path:
    """Where runs and takes go."""
    chosen = preferences().takes_folder
    return Path(bpy.path.abspath(chosen)) if chosen else private_place().root / "takes"


def models_folder() -> Path | None:
    """The user's folder of model files: the preference's, else the environment's `SINEW_MODELS`; None where neither is."""
    return chosen_path(preferences().models_folder) or chosen_path(os.environ.get("SINEW_MODELS", ""))


def backend_source() -> Path:
    """The `backend` folder inside the extension."""
    return Path(__file__).resolve().parents[1] / "backend"


def chosen_path(value: str) -> Path | None:
    """A path property as a path, None where it is empty."""
    return Path(bpy.path.abspath(value)) if value else None


CLASSES = (SINEW_AP_preferences,)
