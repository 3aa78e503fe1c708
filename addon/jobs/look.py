"""Looks at a video before anything is solved: `sinew probe`, and what its answer says."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from .process import Job


@dataclass(frozen=True)
class Facts:
    """A video's facts, of its upright picture."""

    size_px: tuple[int, int]
    rate: Fraction
    """Frames per second, the average where it varies."""
    n_frames: int
    duration_s: float
    rotation_deg: int
    is_variable_rate: bool
    cuts_s: tuple[float, ...] | None
    """Times of the shot cuts; None where nobody looked for them."""
    notes: tuple[str, ...] = ()


def start_look(python: Path, video: Path, rate: str | None, turn_deg: int, cuts: bool, log: Path, env: Mapping[str, str]
               ) -> Job:
    """Start looking. With `cuts` the whole video is read, which takes a while.

    Raises:
        RequestError: The backend cannot be started.
    """
    log.unlink(missing_ok=True)
    argv = [str(python), "-m", "sinew", "probe", str(video), "--json", "--parent-pid", str(os.getpid())]
    argv += ["--rate", rate] if rate else []
    argv += ["--turn", str(turn_deg)] if turn_deg else []
    argv += ["--cuts"] if cuts else []
    return Job(argv, video.name, log, dict(env), wants_stdout=True)


def read_facts(lines: list[str]) -> Facts | None:
    """Facts from the command's output, or None where it holds none."""
    for line in reversed(lines):
        try:
            data = json.loads(line)
            cuts = data.get("cuts_s")
            numerator, denominator = data["rate"]
            width, height = data["size_px"]
            return Facts((int(width), int(height)), Fraction(int(numerator), int(denominator)), int(data["n_frames"]),
                         float(data["duration_s"]), int(data["rotation_deg"]), bool(data["variable_rate"]),
                         None if cuts is None else tuple(float(cut) for cut in cuts),
                         tuple(str(note) for note in data.get("notes", ())))
        except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
            continue
    return None


def frames_to_seconds(first: int, last: int, rate: Fraction) -> tuple[float, float]:
    """The half-open range in seconds that holds the frames first..last (from 0, both included), at a constant rate.

    The borders lie half-way between frames, so that rounding never takes or loses one.
    """
    return max((first - 0.5) / float(rate), 0.0), (last + 0.5) / float(rate)
