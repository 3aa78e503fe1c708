"""Blender panels: they draw properties and name operators, and compute nothing."""

from . import backend, reconstruct, takes

CLASSES = (*backend.CLASSES, *reconstruct.CLASSES, *takes.CLASSES)
