"""Which takes and media on disk the open file shows."""

from pathlib import Path

import bpy


def takes_shown() -> set[Path]:
    """Folders of the takes that stand in the open file."""
    folders = [str(item.get("sinew_take_folder") or "") for item in bpy.data.objects
               if item.get("sinew_role") == "root" and item.library is None and item.users_scene]
    return {Path(bpy.path.abspath(folder)).resolve() for folder in folders if folder}


def used_from(folder: Path) -> list[str]:
    """Names of images, movie clips and sounds whose files lie in a folder."""
    folder = folder.resolve()
    blocks = [*bpy.data.images, *bpy.data.movieclips, *bpy.data.sounds]
    return sorted({block.name for block in blocks
                   if block.filepath and folder in Path(bpy.path.abspath(
                       block.filepath, library=block.library)).resolve().parents})
