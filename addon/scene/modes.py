"""The one place that switches modes: bones can be made and moved in edit mode only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy

from . import tags

_WRITTEN_BESIDES = {"EDIT", "SCULPT"}
"""Modes that hold a copy of what they edit, so that what is written beside it is lost."""


@contextmanager
def edit_mode(context: bpy.types.Context, armature: bpy.types.Object) -> Iterator[None]:
    """Edit an armature, then put back what was active, selected and hidden.

    The object may be hidden, or in a collection that the view layer leaves out: while it is edited it is linked to the
    scene directly. An object that is in a mode of its own leaves it, since Blender edits one thing at a time, and goes back
    to it afterwards; Sinew's own objects do not go back to modes in which an update could not write them.
    Mirroring is off meanwhile: each bone that is placed would place its twin too.
    """
    view_layer = context.view_layer
    before = view_layer.objects.active
    mode = "OBJECT" if before is None else before.mode
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    was_hidden = armature.hide_viewport
    armature.hide_viewport = False
    is_guest = not armature.visible_get(view_layer=view_layer)
    if is_guest and armature.name not in context.scene.collection.objects:
        context.scene.collection.objects.link(armature)
    else:
        is_guest = False
    was_selected = armature.select_get(view_layer=view_layer)
    was_put_away = armature.hide_get(view_layer=view_layer)
    if was_put_away:
        armature.hide_set(False, view_layer=view_layer)
    view_layer.objects.active = armature
    was_mirrored = armature.data.use_mirror_x
    armature.data.use_mirror_x = False
    try:
        bpy.ops.object.mode_set(mode="EDIT")
        yield
    finally:
        if armature.mode == "EDIT":
            bpy.ops.object.mode_set(mode="OBJECT")
        armature.data.use_mirror_x = was_mirrored
        if not is_guest:
            armature.select_set(was_selected, view_layer=view_layer)
        if was_put_away:
            armature.hide_set(True, view_layer=view_layer)
        if is_guest:
            context.scene.collection.objects.unlink(armature)
        armature.hide_viewport = was_hidden
        if before is None or before.name in view_layer.objects:
            view_layer.objects.active = before
            if mode != "OBJECT" and (mode not in _WRITTEN_BESIDES or tags.ROLE not in before) \
                    and bpy.ops.object.mode_set.poll():
                bpy.ops.object.mode_set(mode=mode)


@contextmanager
def at_rest(armature: bpy.types.Object) -> Iterator[None]:
    """Mute the modifiers of what hangs on an armature: changes of mode or frame would evaluate all of it each time (0.2 s
    with 100 000 splats)."""
    muted = [m for child in armature.children for m in child.modifiers if m.show_viewport]
    for modifier in muted:
        modifier.show_viewport = False
    try:
        yield
    finally:
        for modifier in muted:
            modifier.show_viewport = True
