"""`make demo`: reconstruct a clip, build a .blend with the extension itself, render a preview, report.

    python backend/tools/demo.py --video clip.mp4 --blender-python PYTHON

Runs on the backend's Python; Blender's steps run on the Python with bpy. Results go to out/, under names that are free,
so that an earlier result (or an edited .blend) is never overwritten.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "out"
TOOLS = ROOT / "backend" / "tools"


def free_stem(video: Path) -> str:
    """The clip's name, with a number where something of that name is already in out/."""
    number, stem = 1, video.stem
    while any(there.name == stem or there.name.startswith((f"{stem}.", f"{stem}-preview.")) for there in OUT.glob("*")):
        number += 1
        stem = f"{video.stem}-run{number}"
    return stem


def step(text: str, command: list[str]) -> float:
    """Run one step, its output passed on; returns its seconds, leaves with its exit code where it fails."""
    print(f"\n== {text}", flush=True)
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--blender-python", required=True)
    words = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    stem = free_stem(words.video)
    take = OUT / stem
    seconds = {}
    seconds["reconstruct"] = step(f"Reconstructing {words.video}", [
        sys.executable, "-m", "sinew", "reconstruct", str(words.video), "--out", str(take)])
    seconds["extension"] = step("Building the extension", [
        words.blender_python, str(TOOLS / "build_zip.py"), "--out", str(ROOT / "build")])
    takes = sorted(p for p in OUT.glob(f"{stem}*") if (p / "take.json").exists() and (p == take or _later_shot(p, take)))
    files = []
    for one in takes:
        blend = OUT / f"{one.name}.blend"
        seconds[f"blend {one.name}"] = step(f"Building {blend.relative_to(ROOT)}", [
            words.blender_python, str(TOOLS / "make_blend.py"), "--zip", str(ROOT / "build" / "sinew.zip"),
            "--take", str(one), "--out", str(blend)])
        frames = ROOT / "build" / "preview" / one.name
        seconds[f"render {one.name}"] = step("Rendering the preview", [
            words.blender_python, str(TOOLS / "render_preview.py"), "--blend", str(blend), "--out", str(frames)])
        seconds[f"compose {one.name}"] = step("Composing it beside the source", [
            sys.executable, "-m", "sinew", "preview", str(one), "--frames", str(frames),
            "--out", str(OUT / f"{one.name}-preview")])
        files += [one, blend, OUT / f"{one.name}-preview.png", OUT / f"{one.name}-preview.mp4"]
    print("\n== Report")
    for one in takes:
        subprocess.run([sys.executable, "-m", "sinew", "info", str(one)], cwd=ROOT, check=False)
    print("Seconds: " + ", ".join(f"{k} {v:.0f}" for k, v in seconds.items()))
    print("Files:")
    for file in files:
        print(f"  {file.relative_to(ROOT)}")


def _later_shot(path: Path, take: Path) -> bool:
    return path.name.startswith(f"{take.name}-") and path.name[len(take.name) + 1:].isdigit()


if __name__ == "__main__":
    main()
