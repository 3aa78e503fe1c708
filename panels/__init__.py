"""Blender panels: they draw properties and name operators, and compute nothing."""
