"""Blender operators: thin callers of `addon`, one file for each thing that they act on."""

from . import backend, people, run, takes

CLASSES = (*backend.CLASSES, *run.CLASSES, *people.CLASSES, *takes.CLASSES)
