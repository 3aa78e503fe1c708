"""The Blender side without user interface: registration, settings, jobs, plans and scenes."""
