"""Validate and build the extension's zip with Blender's own tool. Runs on a Python with the bpy wheel.

    python backend/tools/build_zip.py --out build

Writes build/sinew-<version>.zip and a copy with a fixed name, build/sinew.zip.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def extension_tool() -> Path:
    """Blender's extension tool inside the bpy wheel, found without starting Blender."""
    spec = importlib.util.find_spec("bpy")
    if spec is None or spec.origin is None:
        raise SystemExit("build_zip: this Python has no bpy; run `make zip`, which finds one that has.")
    return next(Path(spec.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))


def build(out: Path) -> Path:
    """Build the zip in `out`; returns its path."""
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{manifest['id']}-{manifest['version']}.zip"
    tool = [sys.executable, str(extension_tool())]
    subprocess.run([*tool, "build", "--source-dir", str(ROOT), "--output-filepath", str(target)], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run([*tool, "validate", str(target)], check=True, stdout=subprocess.DEVNULL)
    shutil.copyfile(target, out / "sinew.zip")
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build")
    target = build(parser.parse_args().out)
    print(f"{target} ({target.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
