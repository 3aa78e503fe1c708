"""Camera plan -> the shot's camera."""

from __future__ import annotations

from collections.abc import Sequence

import bpy

from ..plan.camera import SENSOR_MM, CameraPlan
from ..plan.curves import CurvePlan
from . import curves, tags

ROLE = "camera"
ACTION_ROLE = "camera_action"
LENS_ACTION_ROLE = "lens_action"
_START_UP = ("Camera", (7.358891, -6.925791, 4.958309), (1.109319, 0.0, 0.814928))
"""Name, place in m and Euler angles of the camera in the scene that Blender starts with."""


def build_camera(plan: CameraPlan, owner: tags.Owner, root: bpy.types.Object, collection: bpy.types.Collection,
                 name: str) -> bpy.types.Object:
    """Make the shot's camera, or bring an existing one up to date.

    Args:
        plan: Of the take.
        owner: Take and shot.
        root: The take's root; becomes the parent of a camera that has none, as a new one or one whose root was deleted.
        collection: For a new object.
        name: For a new object; never used to find it.

    Returns:
        The camera. An existing one keeps its constraints, clipping, depth of field and other settings.
    """
    camera = tags.find(bpy.data.objects, ROLE, owner)
    if camera is None:
        camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
        collection.objects.link(camera)
        camera.data.display_size = 0.3 / max(root.matrix_world.median_scale, 1e-6)
        camera.data.clip_end = 1000.0
        tags.adopt(camera, ("pin", "distance"), owner)
    for block in (camera, camera.data):
        tags.mark(block, ROLE, owner)
    if camera.parent is None:
        camera.parent = root
    camera.rotation_mode = "XYZ"
    camera.location, camera.rotation_euler = plan.location_m, plan.rotation_rad
    data = camera.data
    data.type = "PERSP"
    data.sensor_fit, data.sensor_width = "HORIZONTAL", SENSOR_MM
    data.sensor_height = SENSOR_MM * plan.size_px[1] / plan.size_px[0]
    data.lens_unit = "MILLIMETERS"
    data.lens = plan.lens_mm
    data.shift_x, data.shift_y = plan.shift
    _animate(camera, plan.object_curves, ACTION_ROLE, owner, {"location", "rotation_euler"}, name)
    _animate(data, plan.data_curves, LENS_ACTION_ROLE, owner, {"lens", "shift_x", "shift_y"}, f"{name} lens")
    return camera


def _animate(block: bpy.types.ID, plans: Sequence[CurvePlan], role: str, owner: tags.Owner, paths: set[str], name: str
             ) -> None:
    """Key a datablock in bulk; a camera that no longer moves loses the take's keys, one that the artist has animated anew
    keeps theirs."""
    action = curves.find_action(block, role)
    data = block.animation_data
    is_replaced = data is not None and (data.action is not None or any(track.strips for track in data.nla_tracks))
    if action is None and (is_replaced or not plans):
        return
    data = data or block.animation_data_create()
    is_new = action is None
    if is_new:
        action = bpy.data.actions.new(name)
    tags.mark(action, role, owner)
    curves.write_action(action, block, plans)
    wanted = {(plan.path, plan.index) for plan in plans}
    for curve in curves.curves_of(action, block):
        if curve.data_path in paths and (curve.data_path, curve.array_index) not in wanted:
            curves.remove_curve(action, block, curve)
    if is_new:
        curves.assign(data, action, block)


def is_start_up(camera: bpy.types.Object, scene: bpy.types.Scene) -> bool:
    """True for the camera of the scene that Blender starts with, as long as nobody has moved or used it."""
    name, place, turn = _START_UP
    if camera.type != "CAMERA" or camera.name != name or camera.parent is not None or camera.constraints:
        return False
    now = (*camera.location, *camera.rotation_euler)
    is_there = max(abs(a - b) for a, b in zip(now, (*place, *turn), strict=True)) < 1e-4
    is_used = (camera.animation_data is not None or camera.data.animation_data is not None
               or len(camera.data.background_images) > 0 or len(camera.children) > 0
               or any(marker.camera == camera for marker in scene.timeline_markers))
    return is_there and not is_used


def show_picture_size(scene: bpy.types.Scene, plan: CameraPlan) -> None:
    """Give the scene's renders the picture's size and square pixels."""
    render = scene.render
    render.resolution_x, render.resolution_y = plan.size_px
    render.resolution_percentage = 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
