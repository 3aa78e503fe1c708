"""Blender operators: thin callers of `addon`, one file for each thing that they act on."""

from . import backend, body, check, corrections, distance, export, models, people, read_outs, run, solving, takes, who

CLASSES = (*backend.CLASSES, *run.CLASSES, *models.CLASSES, *people.CLASSES, *who.CLASSES, *check.CLASSES,
           *body.CLASSES, *export.CLASSES, *read_outs.CLASSES, *corrections.CLASSES, *distance.CLASSES,
           *solving.CLASSES, *takes.CLASSES)
