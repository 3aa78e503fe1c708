"""Hides a person's body and splats where the person is not in the shot.

One property of the armature, keyed in the person's action, drives the visibility of whatever belongs to it.
"""

from __future__ import annotations

import bpy

from ..plan.curves import ABSENT_PROPERTY
from .drivers import drive


def drive_visibility(armature: bpy.types.Object, shown: bpy.types.Object) -> None:
    """Let an object be seen only while its person is present; one that the artist has hidden stays hidden."""
    if ABSENT_PROPERTY not in armature:
        armature[ABSENT_PROPERTY] = 0
        armature.id_properties_ui(ABSENT_PROPERTY).update(
            min=0, max=1, default=0, description="1 while the person is not in the shot")
        armature.property_overridable_library_set(f'["{ABSENT_PROPERTY}"]', True)
    data = shown.animation_data
    for path in ("hide_viewport", "hide_render"):
        if getattr(shown, path) and (data is None or data.drivers.find(path) is None):
            continue
        drive(shown, path, -1, {"absent": (armature, f'["{ABSENT_PROPERTY}"]')})


def show_always(armature: bpy.types.Object, shown: bpy.types.Object) -> None:
    """Undo `drive_visibility` on an object whose person a later take has in every frame."""
    data = shown.animation_data
    for path in ("hide_viewport", "hide_render"):
        curve = None if data is None else data.drivers.find(path)
        if curve is not None and {v.name for v in curve.driver.variables} == {"absent"}:
            data.drivers.remove(curve)
            setattr(shown, path, False)
    armature.pop(ABSENT_PROPERTY, None)
