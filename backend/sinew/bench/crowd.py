"""A crowd: time must grow in proportion to people and frames, memory with neither. Copies of the sample clip, tiled."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from . import SAMPLE, children, need
from .tables import Row, row

TILE_PX = (384, 216)
ACROSS, DOWN = 5, 2
MOST = ACROSS * DOWN
APART = 7
"""Frames by which each copy is ahead of the one before it."""
RUNS = ((2, 150), (5, 150), (10, 150), (10, 300))
"""People and frames of each run; the first is what the others are held against, the third the fourth."""


def tiled(pictures: np.ndarray, empty: np.ndarray, people: int, n_frames: int) -> Iterator[np.ndarray]:
    """Frames of a crowd, of one size however many people there are.

    Args:
        pictures: (T, H, W, 3) a clip of one person.
        empty: (H, W, 3) the same place without anybody.
        people: Copies, up to `MOST`.
        n_frames: So many frames, the clip played to and fro.

    Yields:
        (DOWN H, ACROSS W, 3) uint8.
    """
    n = len(pictures)
    for t in range(n_frames):
        tiles = []
        for k in range(MOST):
            at = (t + APART * k) % (2 * n - 2)
            tiles.append(pictures[min(at, 2 * n - 2 - at)] if k < people else empty)
        yield np.concatenate([np.concatenate(tiles[d * ACROSS:(d + 1) * ACROSS], 1) for d in range(DOWN)], 0)


def write(source: Path, target: Path, people: int, n_frames: int) -> None:
    """Write the clip of a crowd out of a clip of one person who walks through a still picture."""
    import av

    with av.open(str(source)) as given:
        rate = given.streams.video[0].average_rate
        pictures = np.stack([f.reformat(*TILE_PX, "rgb24", interpolation="AREA").to_ndarray()
                             for f in given.decode(video=0)])
    empty = np.median(pictures, axis=0).astype(np.uint8)  # whoever walks leaves each place for most of the time
    with av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"crf": "14", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = ACROSS * TILE_PX[0], DOWN * TILE_PX[1], "yuv420p"
        for picture in tiled(pictures, empty, people, n_frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        out.mux(stream.encode())


def run(say: Callable[[str], None]) -> list[Row]:
    """Time of the people and the motion stage and peak memory, by people and by frames."""
    need(SAMPLE, "The sample clip")
    done = {}
    with tempfile.TemporaryDirectory() as folder:
        for people, n in RUNS:
            say(f"  {people} people, {n} frames …")
            root = Path(folder) / f"{people}-{n}"
            root.mkdir()
            write(SAMPLE, root / "crowd.mp4", people, n)
            done[people, n] = children.reconstruct(root / "crowd.mp4", root, "--no-plate", "--people", str(people))
    rows = []
    for (people, n), one in done.items():
        base = RUNS[0] if n == RUNS[0][1] else RUNS[2]
        before = done[base]
        name, than = f"{people} people, {n} frames", f"{base[0]} people, {base[1]} frames"
        rows.append(row(f"{name}: people found", len(one.report["shots"][0]["people"]), "", people, "ratio 1", "asked for"))
        if (people, n) == RUNS[0]:
            before, than = None, ""
        target = "" if before is None else f"ratio {people * n / (base[0] * base[1]):g}"
        for what, stage in (("finding people", "people"), ("camera and fit", "motion")):
            spent, other = ((None if r is None else _seconds(r, stage)) for r in (one, before))
            rows.append(row(f"{name}: {what}", 1000 * spent / n, "ms per frame", other and 1000 * other / base[1],
                            "" if before is None else f"ratio {people / base[0]:g}", than))
        rows.append(row(f"{name}: whole run", one.wall_s, "s", before and before.wall_s, target, than))
        rows.append(row(f"{name}: peak memory", one.peak_bytes / 1e6, "MB", before and before.peak_bytes / 1e6,
                        "" if before is None else "ratio 1.15", than))
    return rows


def _seconds(run: children.Run, stage: str) -> float:
    """Of a stage; the camera's first fit of the people counts with the motion's."""
    seconds = run.report["seconds"]
    return seconds[stage] + (seconds["camera"] if stage == "motion" else 0.0)
