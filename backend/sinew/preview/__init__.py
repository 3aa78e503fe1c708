"""The preview: rendered people beside the source, as a film and a sheet of moments.

Blender renders (`backend/tools/render_preview.py`), this lays out; neither imports the other.
"""

from .compose import compose

__all__ = ["compose"]
