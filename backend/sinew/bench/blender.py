"""Import into Blender: curves and splats, measured inside Blender by the scripts of tests/blender."""

from __future__ import annotations

import os
from collections.abc import Callable

from . import REPOSITORY, Unavailable, children, need
from .tables import Row

SCRIPTS = ("bench_import.py", "bench_splats.py")


def run(say: Callable[[str], None]) -> list[Row]:
    """Rows that the scripts print."""
    python = os.environ.get("SINEW_BLENDER_PYTHON")
    if not python:
        raise Unavailable("SINEW_BLENDER_PYTHON does not name a Python with bpy; run `make bench`, which sets it.")
    rows = []
    for script in SCRIPTS:
        path = need(REPOSITORY / "tests" / "blender" / script, "The measuring script")
        say(f"  {script} …")
        rows += children.json_lines([python, str(path)], timeout_s=900)
    return rows
