"""Runs of the command line as separate processes, for figures that one process would spoil."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sinew_take import events


@dataclass(frozen=True)
class Run:
    wall_s: float
    peak_bytes: int
    report: dict
    take: Path


def reconstruct(video: Path, folder: Path, *options: str) -> Run:
    """`sinew reconstruct` with an empty cache.

    Raises:
        RuntimeError: It failed; the message is its last words.
    """
    out = folder / "take"
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        command = [sys.executable, "-m", "sinew", "reconstruct", str(video), "--out", str(out), "--events",
                   "--cache", cache, *options]
        start = time.monotonic()
        with open(folder / "log.txt", "w", encoding="utf-8") as log:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, stdin=subprocess.DEVNULL)
            lines = child.stdout.read().splitlines()
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - start
    if child.returncode:
        raise RuntimeError((folder / "log.txt").read_text(encoding="utf-8").strip().splitlines()[-1])
    finished = [e for e in map(events.decode, lines) if isinstance(e, events.Finished)]
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(wall_s, usage.ru_maxrss * unit, finished[-1].report, Path(finished[-1].takes[0]))


def json_lines(command: list[str], timeout_s: float) -> list[dict]:
    """Rows that a script prints, one JSON object a line.

    Raises:
        RuntimeError: It failed or printed none.
    """
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    rows = []
    for line in done.stdout.splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    rows = [r for r in rows if isinstance(r, dict) and "name" in r]
    if done.returncode or not rows:
        raise RuntimeError(f"{Path(command[1]).name} failed: {(done.stderr or done.stdout).strip()[-400:]}")
    return rows
