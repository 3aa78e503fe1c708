"""Names that Blender gives to this extension."""

EXTENSION = __package__.rpartition(".")[0]
"""The extension's package (`bl_ext.<repository>.sinew`): key of its preferences and of its private folder."""
