"""What a scene needs so that splats and plate render as they look, set in one call that says what it changed."""

from __future__ import annotations

import bpy

TRANSPARENT_BOUNCES = 128
"""Layers of splats a ray may pass. Blender's 8 leave a cloud black; what it costs is only paid where layers are."""
OPAQUE_BOUNCES = 32
"""Layers before Cycles ends rays at random, which saves little here and shows as noise."""


def needs(scene: bpy.types.Scene) -> list[str]:
    """Sentences on what is not set for splats; empty where all is well."""
    return [text for _, _, _, text in _wanted(scene)]


def apply(scene: bpy.types.Scene) -> list[str]:
    """Set it.

    Returns:
        One sentence per setting that was changed, with its old and new value; empty where nothing was.
    """
    changed = []
    for block, name, value, text in _wanted(scene):
        old = getattr(block, name)
        setattr(block, name, value)
        changed.append(f"{text} ({_shown(old)} -> {_shown(value)})")
    return changed


def _wanted(scene: bpy.types.Scene) -> list[tuple[bpy.types.bpy_struct, str, object, str]]:
    wanted = []
    cycles = getattr(scene, "cycles", None)  # Cycles is an add-on and can be off
    if cycles is not None:
        if cycles.transparent_max_bounces < TRANSPARENT_BOUNCES:
            wanted.append((cycles, "transparent_max_bounces", TRANSPARENT_BOUNCES,
                           "Cycles: rays pass more layers of splats, which else are black"))
        if cycles.min_transparent_bounces < OPAQUE_BOUNCES:
            wanted.append((cycles, "min_transparent_bounces", OPAQUE_BOUNCES,
                           "Cycles: rays do not end at random between splats, which shows as noise"))
    if scene.view_settings.view_transform != "Standard":
        wanted.append((scene.view_settings, "view_transform", "Standard",
                       "Colour: splats and plate keep the footage's colours"))
    if scene.view_settings.look != "None":
        wanted.append((scene.view_settings, "look", "None", "Colour: no look on top of the footage's colours"))
    if not scene.render.film_transparent:
        wanted.append((scene.render, "film_transparent", True,
                       "Film: transparent, so that the people can be laid over the plate"))
    if scene.render.image_settings.file_format in {"PNG", "OPEN_EXR", "TIFF"} \
            and scene.render.image_settings.color_mode != "RGBA":
        wanted.append((scene.render.image_settings, "color_mode", "RGBA", "Output: with alpha"))
    return wanted


def _shown(value: object) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
