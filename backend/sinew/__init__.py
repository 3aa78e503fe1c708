"""Sinew's compute engine: video in, take out. Never imports bpy or the add-on."""
