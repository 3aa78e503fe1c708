"""Which files on disk the open file shows."""

from pathlib import Path

import bpy


def used_from(folder: Path) -> list[str]:
    """Names of images, movie clips and sounds whose files lie in a folder."""
    folder = folder.resolve()
    blocks = [*bpy.data.images, *bpy.data.movieclips, *bpy.data.sounds]
    return sorted({block.name for block in blocks
                   if block.filepath and folder in Path(bpy.path.abspath(
                       block.filepath, library=block.library)).resolve().parents})
