"""Blender operators: thin callers of `addon`, one file for each thing that they act on."""

from . import backend, corrections, models, people, run, takes

CLASSES = (*backend.CLASSES, *run.CLASSES, *models.CLASSES, *people.CLASSES, *corrections.CLASSES, *takes.CLASSES)
