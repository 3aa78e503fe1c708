"""Blender panels: they draw properties and name operators, and compute nothing."""

from . import backend, body, corrections, models, people, reconstruct, takes

CLASSES = (*backend.CLASSES, *reconstruct.CLASSES, *people.CLASSES, *body.CLASSES, *corrections.CLASSES,
           *takes.CLASSES, *models.CLASSES)
