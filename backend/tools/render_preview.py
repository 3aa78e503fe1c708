"""Render the people of a .blend through the take's camera, for the preview. Runs on a Python with the bpy wheel.

    python backend/tools/render_preview.py --blend out/walk.blend --out build/preview/walk

Writes into --out: `body/000000.png` … and `splats/000000.png` … with alpha, and `frames.json`, which says what they are;
`sinew preview` lays them beside the source. Everything is rendered by Cycles, which needs no display and no GPU; on two
cores it was also six times as fast as EEVEE on a software driver. The extension is not needed: what belongs to a take
is found by its marks.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import bpy

PALETTE = ((0.95, 0.45, 0.15), (0.15, 0.6, 0.95), (0.4, 0.85, 0.3), (0.9, 0.3, 0.7), (0.95, 0.85, 0.2), (0.5, 0.4, 0.95))
"""Linear; one colour per person."""


def of_role(role: str) -> list[bpy.types.Object]:
    return [o for o in bpy.context.scene.objects if o.get("sinew_role") == role]


def clay() -> bpy.types.Material:
    """The object's colour, lit as by a lamp at the camera: says the shape without lights, and without noise."""
    material = bpy.data.materials.new("preview clay")
    if material.node_tree is None:
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    info, facing = nodes.new("ShaderNodeObjectInfo"), nodes.new("ShaderNodeLayerWeight")
    facing.inputs[0].default_value = 0.35
    light, shade, out = (nodes.new(f"ShaderNode{k}") for k in ("Emission", "MapRange", "OutputMaterial"))
    shade.inputs[3].default_value, shade.inputs[4].default_value = 1.0, 0.08
    links.new(facing.outputs["Facing"], shade.inputs[0])
    links.new(info.outputs["Color"], light.inputs["Color"])
    links.new(shade.outputs[0], light.inputs["Strength"])
    links.new(light.outputs[0], out.inputs["Surface"])
    return material


def prepare(height_px: int) -> None:
    """Engine, colours, size: the picture's own, made smaller where it is higher than `height_px`."""
    scene = bpy.context.scene
    render = scene.render
    render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.use_denoising = False
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.transparent_max_bounces = 128
    scene.cycles.min_transparent_bounces = 24
    scene.cycles.max_bounces = 0
    render.use_persistent_data = True
    render.film_transparent = True
    render.use_compositing = render.use_sequencer = False
    render.use_motion_blur = False
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGBA"
    render.image_settings.color_depth = "8"
    render.image_settings.compression = 15
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"
    scene.view_settings.exposure, scene.view_settings.gamma = 0.0, 1.0
    scene.world = None
    shown = render.resolution_y
    render.resolution_percentage = 100
    scale = min(1.0, height_px / shown)
    render.resolution_x = max(2, round(render.resolution_x * scale / 2) * 2)
    render.resolution_y = max(2, round(shown * scale / 2) * 2)


@contextmanager
def only(shown: list[bpy.types.Object]):
    """Render only these meanwhile. Where a person is absent, the driver on theirs hides them still."""
    before = [(thing, thing.hide_render) for thing in bpy.context.scene.objects]
    muted = [curve for thing, _ in before if thing not in shown and thing.animation_data
             for curve in thing.animation_data.drivers if curve.data_path == "hide_render" and not curve.mute]
    for curve in muted:
        curve.mute = True
    for thing, _ in before:
        thing.hide_render = thing not in shown
    for thing in shown:
        thing.visible_camera = True
    yield
    for thing, was in before:
        thing.hide_render = was
    for curve in muted:
        curve.mute = False


def render(frames: list[int], folder: Path, samples: int, label: str) -> float:
    """One picture per scene frame, numbered from 0; returns the seconds it took."""
    folder.mkdir(parents=True)
    scene = bpy.context.scene
    scene.cycles.samples = samples
    start = time.monotonic()
    for number, frame in enumerate(frames):
        scene.frame_set(frame)
        scene.render.filepath = str(folder / f"{number:06d}.png")
        bpy.ops.render.render(write_still=True)
        if number in (0, len(frames) - 1) or number % 20 == 0:
            print(f"{label} {number + 1}/{len(frames)}", file=sys.stderr, flush=True)
    return time.monotonic() - start


def chosen(first: int, last: int, bodies: int, splats: int) -> dict[str, list[int]]:
    """Scene frames of each pass: every n-th for at most `bodies` pictures; of those every m-th for the splats, so that
    each picture of the splats has one of the bodies at its moment."""
    every = range(first, last + 1, -(-(last - first + 1) // bodies))
    return {"body": list(every), "splats": list(every[::-(-len(every) // splats)])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blend", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--height", type=int, default=480, help="most pixels of height (default 480)")
    parser.add_argument("--bodies", type=int, default=120, help="most pictures of the bodies (default 120)")
    parser.add_argument("--splats", type=int, default=50, help="most pictures of the splats (default 50)")
    parser.add_argument("--samples", type=int, default=3, help="samples of the splats' pictures (default 3)")
    words = parser.parse_args()
    if not words.blend.is_file():
        parser.exit(2, f"render_preview: {words.blend} does not exist; build it with `make blend`.\n")
    bpy.ops.wm.open_mainfile(filepath=str(words.blend.resolve()))
    roots, cameras = of_role("root"), of_role("camera")
    if not roots or not cameras:
        parser.exit(3, f"render_preview: {words.blend} holds no take; build it with `make blend`.\n")
    work = words.out.resolve()
    ours = {"body", "splats", "frames.json"}
    if work.exists():
        if {p.name for p in work.iterdir()} - ours:
            parser.exit(2, f"render_preview: {work} holds other files; choose another --out.\n")
        shutil.rmtree(work)
    scene = bpy.context.scene
    scene.camera = cameras[0]
    prepare(words.height)
    first, last = scene.frame_start, scene.frame_end
    rate = scene.render.fps / scene.render.fps_base
    start_frame = int(roots[0].get("sinew_first_frame", first))
    bodies, avatars = of_role("body"), of_role("avatar")
    passes, seconds = {}, {}
    wanted = chosen(first, last, words.bodies, words.splats)
    for name, things, samples in (("body", bodies, 4), ("splats", avatars, words.samples)):
        if not things:
            continue
        frames = wanted[name]
        if name == "body":
            material = clay()
            for number, thing in enumerate(things):
                thing.color = (*PALETTE[number % len(PALETTE)], 1.0)
                for slot in thing.material_slots:
                    slot.material = material
                if not thing.material_slots:
                    thing.data.materials.append(material)
        with only(things):
            seconds[name] = render(frames, work / name, samples, name)
        passes[name] = [(frame - start_frame) / rate for frame in frames]
    (work / "frames.json").write_text(json.dumps({
        "time_s": passes, "rate": rate, "seconds": seconds,
        "size_px": [scene.render.resolution_x, scene.render.resolution_y]}, indent=1))
    print("Rendered " + ", ".join(f"{len(passes[n])} pictures of the {n} in {s:.0f} s" for n, s in seconds.items()))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
