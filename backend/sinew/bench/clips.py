"""Rendered clips with known truth that benchmarks need: one table of them, rendered where they are missing.

They are made by the project's own generator (`backend/tools/render_clip`) from recorded motions in ../shared/motions,
which stay out of the repository; so do the clips.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sinew_take.errors import RequestError

from . import REPOSITORY, SHARED, Unavailable, need

FOLDER = Path(os.environ.get("SINEW_BENCH_CLIPS", REPOSITORY / "build" / "bench_clips"))


@dataclass(frozen=True)
class Clip:
    """A clip and the generator's words for it; {motions} stands for the folder of recorded motions."""

    name: str
    words: str


_STILL = "--rate 30 --samples 4 --crf 17"
ACCURACY = (
    Clip("walk", f"{_STILL} --seconds 2.4 --set room --fill 0.6 --camera-height-m 1.5 --focal-mm 32 "
         "--person motion={motions}/walk.json,body=2,outfit=2,heading=55"),
    Clip("run", f"{_STILL} --seconds 1.8 --set street --fill 0.75 --camera-height-m 1.2 --focal-mm 28 "
         "--person motion={motions}/run.json,body=5,outfit=6,heading=-60,y=0.5"),
    Clip("jump", f"{_STILL} --seconds 2.4 --set street --fill 0.6 --camera-height-m 1.8 --focal-mm 35 "
         "--person motion={motions}/jump.json,body=9,outfit=11,heading=-35,start=0.4"),
    Clip("spin", f"{_STILL} --seconds 2.4 --set studio --fill 0.75 --camera-height-m 1.0 --focal-mm 50 "
         "--person motion={motions}/spin.json,body=2,outfit=14,heading=0,start=0.5"),
    Clip("dance", f"{_STILL} --seconds 2.4 --set studio --fill 0.7 --camera-height-m 1.45 --focal-mm 40 "
         "--person motion={motions}/dance_a.json,body=9,outfit=9,heading=0"),
    Clip("kick", f"{_STILL} --seconds 1.5 --set street --fill 0.7 --camera-height-m 1.1 --focal-mm 45 "
         "--person motion={motions}/kick.json,body=5,outfit=5,heading=20"),
)
"""Static cameras, one person, six motions, three bodies, several heights and distances of the camera."""

_WORLD = "--rate 24 --seconds 4.2 --samples 4 --crf 18"
_HARD = "--rate 24 --seconds 3.4 --samples 4 --crf 18"
WORLD = (
    Clip("orbit_one", f"{_WORLD} --set street --camera orbit --focal-mm 32 --camera-height-m 1.6 --fill 0.6 "
         "--person motion={motions}/dance_a.json,body=5,outfit=5,heading=20"),
    Clip("pan_one", f"{_WORLD} --set street --camera pan --focal-mm 32 --camera-height-m 1.5 --fill 0.62 "
         "--person motion=walk,path=line,body=2,outfit=3,heading=80"),
    Clip("dolly_one", f"{_WORLD} --set street --camera dolly --focal-mm 30 --camera-height-m 1.4 --fill 0.6 "
         "--camera-amount 1.5 --person motion=walk,path=loop,body=9,outfit=8,heading=35"),
    Clip("hidden_two", f"{_WORLD} --set room --focal-mm 28 --camera-height-m 1.5 --fill 0.6 "
         "--person motion=walk,path=line,body=2,outfit=4,heading=85,y=-0.5 "
         "--person motion={motions}/spin.json,body=5,outfit=12,y=0.7,x=0.2,heading=10"),
    Clip("handheld_two", f"{_WORLD} --set street --camera handheld --focal-mm 30 --camera-height-m 1.6 --fill 0.6 "
         "--person motion=walk,path=line,body=6,outfit=16,heading=75,y=0.4 "
         "--person motion={motions}/jump.json,body=3,outfit=21,x=1.1,y=0.9,heading=-40"),
    Clip("static_four", f"{_WORLD} --set street --focal-mm 26 --camera-height-m 1.9 --fill 0.62 "
         "--person motion=walk,path=line,body=1,outfit=1,heading=70,y=0.0 "
         "--person motion=walk,path=line,body=4,outfit=7,heading=-80,y=1.2 "
         "--person motion={motions}/dance_a.json,body=7,outfit=18,x=-1.6,y=0.8,heading=15 "
         "--person motion={motions}/spin.json,body=8,outfit=22,x=1.7,y=1.0,heading=-20"),
    Clip("handheld_walk", f"{_WORLD} --set room --camera handheld --focal-mm 26 --camera-height-m 1.5 --fill 0.6 "
         "--camera-amount 2 --person motion=walk,path=loop,body=11,outfit=10,heading=-30"),
    Clip("orbit_two", f"{_WORLD} --set studio --camera orbit --camera-amount 0.7 --focal-mm 30 --camera-height-m 1.5 "
         "--fill 0.55 --person motion=walk,path=line,body=3,outfit=15,heading=-70,y=0.2 "
         "--person motion={motions}/kick.json,body=6,outfit=19,x=-0.9,y=1.0,heading=30"),
    Clip("steps_two", f"{_WORLD} --set street --focal-mm 30 --camera-height-m 1.5 --fill 0.6 "
         "--person motion=walk,path=steps,body=2,outfit=6,heading=80,y=-0.3 "
         "--person motion={motions}/dance_a.json,body=7,outfit=18,x=1.5,y=1.4,heading=15"),
    Clip("push_one", "--samples 3 --crf 19 --rate 24 --seconds 4 --set street --camera push --camera-amount 1.5 "
         "--focal-mm 30 --camera-height-m 1.5 --fill 0.55 "
         "--person motion=walk,path=line,body=25,outfit=43,heading=70"),
    Clip("steps_orbit", "--samples 3 --crf 19 --rate 24 --seconds 4 --set street --camera orbit --camera-amount 0.6 "
         "--focal-mm 30 --camera-height-m 1.6 --fill 0.6 "
         "--person motion=walk,path=steps,body=20,outfit=38,heading=60"),
    Clip("corner_two", "--samples 3 --crf 20 --rate 24 --seconds 3.4 --set room --camera-side-deg 24 --focal-mm 40 "
         "--camera-height-m 2.4 --fill 0.5 --person motion=walk,path=line,body=16,outfit=24,heading=70 "
         "--person motion={motions}/kick.json,body=17,outfit=27,heading=-20,x=0.8,y=0.8"),
    Clip("shaken_run", f"{_HARD} --set street --camera handheld --camera-amount 4 --focal-mm 35 --camera-height-m 1.6 "
         "--fill 0.65 --person motion={motions}/run.json,body=4,outfit=6,heading=-70"),
    Clip("roll_one", f"{_HARD} --set street --camera handheld --camera-amount 2 --focal-mm 32 --camera-height-m 1.4 "
         "--fill 0.5 --person motion={motions}/roll.json,body=3,outfit=8,heading=70"),
    Clip("crawl_one", f"{_HARD} --set studio --camera handheld --camera-amount 2 --focal-mm 32 --camera-height-m 1.4 "
         "--fill 0.6 --person motion={motions}/crawl.json,body=6,outfit=3,heading=60"),
)
"""Each kind of camera; one, two and four people; one of them hidden behind another for a while; two over steps; one into
the corner of a room. And three hard ones: a runner far away under a camera that is shaken, somebody who rolls over the floor,
and somebody on all fours."""


def ensure(clip: Clip, say: Callable[[str], None], folder: Path = FOLDER) -> tuple[Path, Path]:
    """The clip's mp4 and truth, rendered now where they are missing (a stopped rendering goes on).

    Raises:
        Unavailable: Neither the clip nor what renders it is here.
        RequestError: The generator failed.
    """
    video, truth = folder / f"{clip.name}.mp4", folder / f"{clip.name}.npz"
    said = folder / f"{clip.name}.txt"
    if video.exists() and truth.exists() and said.exists() and said.read_text(encoding="utf-8") == clip.words:
        return video, truth
    motions = need(SHARED / "motions", "The folder of recorded motions (../shared/motions)")
    blender = os.environ.get("SINEW_BLENDER_PYTHON")
    if not blender:
        raise Unavailable("Rendered clips need a Python with bpy; name it in SINEW_BLENDER_PYTHON.")
    say(f"  rendering {clip.name} …")
    folder.mkdir(parents=True, exist_ok=True)
    words = [w.replace("{motions}", str(motions)) for w in clip.words.split()]
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "backend" / "tools" / "render_clip"), "--blender", blender,
         "--out", str(folder / clip.name), "--frames", str(folder / "frames" / clip.name), *words],
        capture_output=True, text=True)
    if done.returncode:
        raise RequestError(f"The clip {clip.name} could not be rendered: {done.stderr.strip()[-300:] or 'no reason given'}")
    said.write_text(clip.words, encoding="utf-8")
    return video, truth
