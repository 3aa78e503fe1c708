"""Memory: a clip ten times as long must not need more."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from . import SAMPLE, children, need
from .tables import Row, row


def loop(source: Path, target: Path, times: int) -> None:
    """Write `source` repeated, its coded pictures copied, to and fro timestamps kept rising."""
    import av

    with av.open(str(target), "w") as out:
        stream, offset = None, 0
        for _ in range(times):
            with av.open(str(source)) as given:
                video = given.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                end = 0
                for packet in given.demux(video):
                    if packet.dts is None:
                        continue
                    end = max(end, packet.pts + (packet.duration or 0))
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    out.mux(packet)
                offset += end


def run(say: Callable[[str], None]) -> list[Row]:
    """Peak memory of the sample clip and of the same ten times over."""
    need(SAMPLE, "The sample clip")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "one").mkdir()
        (root / "ten").mkdir()
        loop(SAMPLE, root / "ten.mp4", 10)
        say("  once …")
        one = children.reconstruct(SAMPLE, root / "one", "--no-plate")
        say("  ten times …")
        ten = children.reconstruct(root / "ten.mp4", root / "ten", "--no-plate")
    return [row("peak memory, ten times the length", ten.peak_bytes / 1e6, "MB", one.peak_bytes / 1e6, "ratio 1.15", "once"),
            row("time, ten times the length", ten.wall_s, "s", one.wall_s, "", "once")]
