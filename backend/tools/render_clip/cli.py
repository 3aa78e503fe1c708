"""Command line: render a clip with known truth.

    python backend/tools/render_clip --blender PYTHON --out docs/sample/walk
    python backend/tools/render_clip --blender PYTHON --out clips/two --set street \\
        --person motion=walk,path=line,heading=60,x=-0.5 --person motion=dance_a.json,body=4,outfit=3,x=1

PYTHON is a Python in which `import bpy` works. Writes OUT.mp4 and OUT.npz; the same options give the same arrays.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import numpy as np

from sinew_take import free_body

from . import cameras, clip, encode

_FIELDS = {"motion": str, "path": str, "heading": float, "x": float, "y": float, "body": int, "outfit": int,
           "start": float, "pace": float, "shape": str}
_LONG = {"heading": "heading_deg", "x": "x_m", "y": "y_m", "start": "start_s"}


def person(text: str) -> clip.Person:
    """A person from "key=value,…"; shape is a list parted by colons."""
    values = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        if key not in _FIELDS:
            raise argparse.ArgumentTypeError(f"a person has no {key!r}; choose from {', '.join(_FIELDS)}")
        try:
            values[_LONG.get(key, key)] = (tuple(float(v) for v in value.split(":")) if key == "shape"
                                           else _FIELDS[key](value))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{key}={value!r} is not a number") from None
    assert set(values) <= {f.name for f in fields(clip.Person)}
    return clip.Person(**values)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    size = int(width), int(height)
    if min(size) < 16 or size[0] % 2 or size[1] % 2:
        raise argparse.ArgumentTypeError("the size is WIDTHxHEIGHT in even numbers")
    return size


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser("render_clip", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, required=True, help="where to write, without the suffix")
    p.add_argument("--blender", default=os.environ.get("SINEW_BPY_PYTHON"),
                   help="a Python with bpy (or SINEW_BPY_PYTHON)")
    p.add_argument("--person", type=person, action="append",
                   help=f"key=value,… of {', '.join(_FIELDS)}; may be given several times")
    p.add_argument("--set", default="room", choices=clip.SETS, dest="set_name")
    p.add_argument("--camera", default="static", choices=cameras.KINDS)
    p.add_argument("--camera-amount", type=float, default=1.0, help="how much a moving camera moves")
    p.add_argument("--camera-height-m", type=float, default=1.45)
    p.add_argument("--camera-side-deg", type=float, default=0.0, help="how far round the people it begins, to the right")
    p.add_argument("--camera-distance-m", type=float, help="default: so that the people fill the picture")
    p.add_argument("--fill", type=float, default=0.75, help="the person's share of the picture's height")
    p.add_argument("--focal-mm", type=float, default=35.0, help="on a 36 mm wide frame")
    p.add_argument("--rate", type=Fraction, default=Fraction(24), help="frames per second, e.g. 30000/1001")
    p.add_argument("--seconds", type=float, default=5.0)
    p.add_argument("--size", type=_size, default=(640, 360))
    p.add_argument("--samples", type=int, default=24)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--crf", type=int, default=20)
    p.add_argument("--frames", type=Path, help="keep the PNG frames here and go on where a stopped run ended")
    p.add_argument("--only", help="render these frames only, e.g. 0,30,60, and write no mp4 (needs --frames)")
    p.add_argument("--whole", action="store_true",
                   help="render whole frames; without it a static camera's empty set is rendered once")
    p.add_argument("--no-render", action="store_true", help="write the truth only")
    return p


def main(argv: list[str] | None = None) -> int:
    """Entry point. Returns the exit code."""
    args = parser().parse_args(argv)
    if not args.no_render and not args.blender:
        print("A Python with bpy is needed to render: name it with --blender.", file=sys.stderr)
        return 2
    if args.only and not args.frames:
        print("--only writes frames: say where with --frames.", file=sys.stderr)
        return 2
    lens = clip.Lens(args.camera, args.focal_mm, args.camera_height_m, args.camera_distance_m, args.fill,
                     args.camera_amount, args.camera_side_deg)
    spec = clip.Spec(tuple(args.person or [clip.Person()]), lens, args.set_name, args.rate, args.seconds, args.size,
                     args.samples, args.seed)
    body = free_body.load()
    made = clip.make(spec, body)
    for a in made.actors:
        print(f"{a.spec.motion}: {len(made.time_s)} frames, feet miss their place by up to "
              f"{a.planted.miss_m * 1e3:.1f} mm, limits changed the motion by up to {a.planted.clamped_deg:.1f} deg")
    print(*made.notes, sep="\n", end="\n" if made.notes else "")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if args.no_render:
        np.savez_compressed(args.out.with_suffix(".npz"), **clip.truth(made))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.frames or Path(scratch) / "frames"
        folder.mkdir(parents=True, exist_ok=True)
        job = Path(scratch) / "job.npz"
        whole = args.whole or lens.kind != "static"
        arrays = clip.job(made, body, whole)
        # Frames of another clip, or of the same one before the body or the generator changed, must not be mixed in.
        mark, own = folder / "job.sha256", clip.digest(arrays)
        if mark.exists() and mark.read_text(encoding="utf-8") != own:
            print(f"The frames in {folder} are another clip's; empty it or choose another --frames.", file=sys.stderr)
            return 2
        mark.write_text(own, encoding="utf-8")
        np.savez(job, **arrays)
        wanted = args.only or ",".join(map(str, range(len(made.time_s))))
        done = subprocess.run([args.blender, str(Path(__file__).with_name("scene.py")), str(job), str(folder), wanted])
        if done.returncode:
            print("Blender did not render the clip; its own words are above.", file=sys.stderr)
            return 1
        boxes_px = arrays.get("box_px")
        indices = [int(i) for i in wanted.split(",")]
        pictures = encode.pictures(folder, indices, boxes_px)
        if args.only:
            for index, picture in zip(indices, pictures, strict=True):
                encode.cv2.imwrite(str(folder / f"whole_{index:06d}.png"), picture)
        else:
            size = encode.encode(pictures, args.out.with_suffix(".mp4"), spec.rate, args.crf)
            np.savez_compressed(args.out.with_suffix(".npz"), **clip.truth(made))
            print(f"{args.out.with_suffix('.mp4')}: {size / 1e6:.2f} MB")
    return 0
