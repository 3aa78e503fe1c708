"""Blender operators: thin callers of `addon`, one file for each thing that they act on."""

from . import backend, body, corrections, distance, export, models, people, read_outs, run, takes

CLASSES = (*backend.CLASSES, *run.CLASSES, *models.CLASSES, *people.CLASSES, *body.CLASSES, *export.CLASSES,
           *read_outs.CLASSES, *corrections.CLASSES, *distance.CLASSES, *takes.CLASSES)
