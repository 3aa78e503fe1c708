"""Registers the extension's classes, properties, timers and handlers, and takes them back in reverse."""

import bpy

from .. import operators, panels
from . import monitor, preferences, properties, properties_body

CLASSES = (*preferences.CLASSES, *properties.CLASSES, *properties_body.CLASSES, *operators.CLASSES, *panels.CLASSES)


def register() -> None:
    """Enable the extension."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    properties.register()
    properties_body.register()
    monitor.register()


def unregister() -> None:
    """Disable the extension: what runs is cancelled, nothing is left behind."""
    monitor.unregister()
    properties_body.unregister()
    properties.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
