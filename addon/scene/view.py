"""Looking through a take's camera: what lies over the picture is only seen from there."""

import bpy


def look_through(context: bpy.types.Context, camera: bpy.types.Object) -> None:
    """Make a take's camera the scene's, and the view in which the user works look through it; elsewhere nothing changes."""
    space = context.space_data
    if space is not None and space.type == "VIEW_3D":
        context.scene.camera = camera
        space.region_3d.view_perspective = "CAMERA"
