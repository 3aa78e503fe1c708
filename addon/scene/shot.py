"""What belongs to the shot and not to a person: camera, plate and floor."""

from __future__ import annotations

import os
from dataclasses import dataclass

import bpy

from ...backend.sinew_take.take import Take
from ..plan.camera import plan_camera
from ..plan.plate import plan_plate
from ..plan.retime import Timing
from . import tags
from .camera import ROLE as CAMERA_ROLE
from .camera import build_camera, is_start_up, show_picture_size
from .floor import build_floor
from .plate import attach


@dataclass(frozen=True)
class Shot:
    """What stands in the scene, and sentences for the user."""

    camera: bpy.types.Object
    floor: bpy.types.Object
    notes: tuple[str, ...]


def build_shot(take: Take, timing: Timing, owner: tags.Owner, scene: bpy.types.Scene, root: bpy.types.Object,
               collection: bpy.types.Collection, name: str, *, is_resampled: bool = False, is_first: bool = True,
               set_picture_size: bool = True, beside: str | os.PathLike | None = None) -> Shot:
    """Make the shot of a take, or bring an existing one up to date.

    Args:
        take: As read from its folder.
        timing: Scene frames of the take frames.
        owner: Take and shot.
        scene: Gets the camera as its active one where it has none; on the first import also in place of another take's and
            of the untouched one that Blender starts with.
        root: The take's root.
        collection: The shot's, for new objects.
        name: For new objects.
        is_resampled: Camera keys on whole scene frames.
        is_first: The shot comes into the scene for the first time; later the artist's choice of a camera stays.
        set_picture_size: Let renders have the picture's size, with square pixels.
        beside: Folder for a plate conformed to the scene's rate; default: the take's own.
    """
    plan = plan_camera(take, timing, is_resampled)
    notes = list(plan.notes)
    camera = build_camera(plan, owner, root, collection, f"{name} camera")
    if scene.camera is None or (is_first and _may_go(scene.camera, scene)):
        scene.camera = camera
    elif is_first and scene.camera != camera:
        notes.append(f"The scene keeps its camera {scene.camera.name}; make {camera.name} active to look through the solved "
                     "one.")
    if set_picture_size:
        show_picture_size(scene, plan)
    notes += attach(plan_plate(take, timing), owner, camera, root, scene, beside)
    floor = build_floor([s.motion["root_m"] for s in take.subjects], owner, root, collection, f"{name} floor")
    return Shot(camera, floor, tuple(notes))


def _may_go(camera: bpy.types.Object, scene: bpy.types.Scene) -> bool:
    """Nobody's choice: another take's camera, or the one that Blender starts with."""
    return camera.get(tags.ROLE) == CAMERA_ROLE or is_start_up(camera, scene)
