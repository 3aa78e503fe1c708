"""Blender operators: thin callers of `addon`, one file for each thing that they act on."""
