"""Sinew: people from ordinary video, rigged and animated in Blender.

The map of the code is in docs/architecture.md. Imports stand inside the functions, so that this file can be imported
without Blender.
"""


def register() -> None:
    """Called by Blender when the extension is enabled."""
    from .addon import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled, and when Blender quits."""
    from .addon import registration

    registration.unregister()
