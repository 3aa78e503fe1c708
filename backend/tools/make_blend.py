"""Build a .blend from a take with the extension itself, as a user has it. Runs on a Python with the bpy wheel.

    python backend/tools/make_blend.py --zip build/sinew.zip --take out/walk --out out/walk.blend

The zip is installed and enabled in a Blender user folder of its own, which is removed afterwards; the take is imported
by the extension's operator into an empty scene with a light.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path


def install(zip_path: Path) -> None:
    """Install and enable the extension from its zip."""
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(repo="user_default", filepath=str(zip_path), enable_on_install=True)
    if not hasattr(bpy.types, "SINEW_OT_import_take"):
        raise SystemExit(f"make_blend: {zip_path} does not install as the extension; build it again with `make zip`.")


def add_light(scene) -> None:
    """A sun and a grey sky, so that the first render is not black."""
    import bpy

    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.data.energy, sun.data.angle = 2.5, 0.1
    sun.rotation_euler = (0.7, 0.2, 0.6)
    scene.collection.objects.link(sun)
    scene.world = bpy.data.worlds.new("World")
    if scene.world.node_tree is None:
        scene.world.use_nodes = True
    background = next(n for n in scene.world.node_tree.nodes if n.type == "BACKGROUND")
    background.inputs[0].default_value = (0.3, 0.3, 0.3, 1.0)


def build(zip_path: Path, take: Path, out: Path) -> list[str]:
    """Write `out`; returns what the render settings changed."""
    import bpy

    install(zip_path)
    scene = bpy.context.scene
    add_light(scene)
    # Saved before the import, so that the plate's path can be relative to the file.
    partial = out.with_name(f".{out.stem}.partial{os.getpid()}.blend")
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(partial))
        bpy.ops.sinew.import_take(directory=str(take), scene_rate="TAKE")
        settings = importlib.import_module("bl_ext.user_default.sinew.addon.scene.render_settings")
        changed = settings.apply(scene)
        scene.frame_set(scene.frame_start)
        bpy.ops.wm.save_as_mainfile(filepath=str(out))
    finally:
        partial.unlink(missing_ok=True)
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zip", type=Path, required=True)
    parser.add_argument("--take", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--overwrite", action="store_true")
    words = parser.parse_args()
    out, take, zip_path = (p.expanduser().resolve() for p in (words.out, words.take, words.zip))
    if out.suffix != ".blend":
        parser.exit(2, "make_blend: --out must end in .blend.\n")
    if out.exists() and not words.overwrite:
        parser.exit(2, f"make_blend: {out} already exists; choose another --out or add --overwrite.\n")
    if not zip_path.is_file():
        parser.exit(2, f"make_blend: {zip_path} does not exist; build it with `make zip`.\n")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sinew-blender-") as user:
        os.environ["BLENDER_USER_RESOURCES"] = user  # read when bpy is first imported
        try:
            for text in build(zip_path, take, out):
                print(f"Set for splats: {text}")
        except RuntimeError as error:  # an operator's report
            parser.exit(3, f"make_blend: {str(error).removeprefix('Error: ').strip()}\n")
    print(f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB)")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
