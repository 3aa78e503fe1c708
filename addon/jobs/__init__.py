"""Runs the backend: processes, events, cancelling, the take folder, and setting the backend up. Never imports bpy."""
