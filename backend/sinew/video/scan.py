"""One pass over a video: exact times, shots between cuts, and what was doubtful."""

from __future__ import annotations

import math
import os
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from av.video.reformatter import VideoReformatter

from sinew_take.errors import InputError, RequestError

from ..flow import Report, Shot, VideoInfo, nothing
from .cuts import CutFinder, thumb_size
from .source import Source, open_source
from .times import check_range, fit_rate

LEAST_SHOT = 5
"""Frames; a shorter piece between cuts is left out."""
SEEK_AFTER_S = 4.0
"""A start later than this is sought instead of decoded up to."""
SEEK_MARGIN_S = 1.0
"""How far before its target a seek aims: pictures just after a key frame may need ones before it (open groups)."""


@dataclass
class Scan:
    """What one pass over a video found. `shots` are in order; a range without cuts gives one."""

    info: VideoInfo
    shots: list[Shot]
    notes: list[str] = field(default_factory=list)
    """Sentences for the user: cuts, lost pictures, what was assumed."""


def probe(path: str | os.PathLike, rate: Fraction | float | str | None = None) -> VideoInfo:
    """Facts of a video without decoding more than its first picture.

    Counts and times come from the container's packets; `find_shots` measures them.

    Args:
        path: A video, a folder of pictures or a pattern (shot_####.png).
        rate: Frames per second, for sequences.

    Raises:
        RequestError: Nothing there, or `rate` missing or out of place.
        InputError: Not a video, or nothing in it can be decoded.
    """
    with open_source(path, rate) as source:
        return _info_of_header(source)


def _info_of_header(source: Source) -> VideoInfo:
    ticks, is_all = source.header_times()
    rate, is_variable = _rate(source, ticks)
    n_frames = len(ticks) if is_all else source.expected() or round((source.length_s() or 0) * rate) or len(ticks)
    duration = source.seconds(int(ticks[-1])) + float(1 / rate) if is_all and len(ticks) else n_frames / rate
    return _info(source, rate, is_variable, max(n_frames, 1), float(duration))


def _rate(source: Source, ticks: np.ndarray) -> tuple[Fraction, bool]:
    rate, is_variable = fit_rate(ticks, source.time_base, source.declared)
    # A sequence's clock is the rate that was given, however many of its pictures are missing.
    return (source.declared[0] if source.is_sequence else rate) or Fraction(25), is_variable


def _info(source: Source, rate: Fraction, is_variable: bool, n_frames: int, duration_s: float) -> VideoInfo:
    return VideoInfo(
        path=source.path, size_px=source.size_px, coded_px=source.coded_px, rate=rate, n_frames=n_frames,
        duration_s=duration_s, rotation_deg=source.turn.turn_deg, pixel_aspect=source.aspect,
        is_variable_rate=is_variable, focal_35mm=source.focal_35mm, is_sequence=source.is_sequence)


def find_shots(
    path: str | os.PathLike,
    start_s: float | None = None,
    end_s: float | None = None,
    rate: Fraction | float | str | None = None,
    report: Report = nothing,
) -> Scan:
    """Decode a range once: exact times of its frames, and the shots between its cuts.

    Args:
        path: A video, a folder of pictures or a pattern (shot_####.png).
        start_s: First moment of the range, seconds from the first picture; None is the beginning.
        end_s: First moment after the range; None is the end.
        rate: Frames per second, for sequences.
        report: Called with frames done and in all (an estimate).

    Returns:
        The shots, each with `time_s` counted from the first picture of the file (so 0 is that picture, whatever the
        container's own clock says) and `frame`, the picture's place in the file. Where the range is the whole file,
        `info` holds what was measured.

    Raises:
        RequestError: Nothing there, or the range is empty, backwards or outside the clip.
        InputError: Not a video, or nothing in it can be decoded.
    """
    start, end = check_range(start_s, end_s)
    with open_source(path, rate) as source:
        info = _info_of_header(source)
        ticks, number, cuts, is_end = _pass(source, info, start, end, report)
        notes = list(source.notes)
        if not len(ticks):
            raise _outside(source, info, start, end, is_end)
        measured, is_variable = _rate(source, ticks)
        if start == 0 and is_end:
            n_frames = len(ticks)
            duration = source.seconds(int(ticks[-1])) + float(1 / measured)
            notes += _losses(source, ticks, measured)
        else:
            n_frames, duration = info.n_frames, info.duration_s
        info = _info(source, measured, is_variable, n_frames, duration)
        if is_end and math.isfinite(end) and end > duration + float(1 / measured):
            notes.append(f"The clip ends at {duration:.2f} s, before the end of the range.")
        if is_variable:
            notes.append(f"The video's rate varies ({float(measured):.2f} frames a second on average); "
                         "each frame keeps its exact time.")
        if n_frames == 1:
            notes.append("The video has a single picture: there is no motion in it.")
        time_s = np.array([source.seconds(int(tick)) for tick in ticks], np.float64)
        shots = _divide(info, number, time_s, cuts, notes)
    return Scan(info, shots, notes)


def _pass(
    source: Source, info: VideoInfo, start: float, end: float, report: Report
) -> tuple[np.ndarray, np.ndarray, list[int], bool]:
    """Ticks (T,) and numbers (T,) of the range's frames, where its cuts are, and whether the file ended in it."""
    # A thousandth of a millisecond forgives decimal rounding in a time that was read off a frame.
    from_s, to_s = start - 1e-6, end - 1e-6
    last_s = min(info.duration_s, end)
    total = max(1, round((last_s - start) * float(info.rate))) if last_s > start else 0
    seek = source.can_seek and start > SEEK_AFTER_S
    decoded = source.decode(source.ticks(start - SEEK_MARGIN_S) if seek else None)
    finder, converter = CutFinder(), VideoReformatter()
    width, height = thumb_size(source.coded_px)
    ticks: list[int] = []
    cuts: list[int] = []
    number, is_end = (None if seek else -1), True
    sizes = set()
    report(0, total)
    with closing(decoded):
        for tick, frame, _ in decoded:
            time_s = source.seconds(tick)
            if number is not None:
                number += 1
            if time_s < from_s:
                continue
            if time_s >= to_s:
                is_end = False
                break
            if not ticks:
                first_number = source.count_before(tick) if number is None else number
            ticks.append(tick)
            sizes.add((frame.width, frame.height))
            small = converter.reformat(
                frame, width=width, height=height, format="yuv444p", interpolation="AREA", threads=1)
            cut = finder.push(np.ascontiguousarray(small.to_ndarray().transpose(1, 2, 0)))
            if cut is not None:
                cuts.append(cut)
            report(len(ticks), max(total, len(ticks)))
    cuts += finder.finish()
    if len(sizes) > 1:
        source.notes.append(f"The picture's size changes within the video; all were brought to "
                            f"{source.size_px[0]}x{source.size_px[1]}.")
    numbers = np.arange(len(ticks), dtype=np.int32) + (first_number if ticks else 0)
    return np.array(ticks, np.int64), numbers.astype(np.int32), cuts, is_end


def _outside(source: Source, info: VideoInfo, start: float, end: float, is_end: bool) -> Exception:
    if start == 0 and is_end:
        return InputError(f"{source.path.name} holds no picture that can be decoded; it is damaged, copy it again.")
    if start >= info.duration_s:
        return RequestError(f"The range begins at {start:g} s and the clip ends at {info.duration_s:.2f} s; "
                            "choose an earlier --start.")
    return RequestError(f"No picture lies between {start:g} s and {end:g} s "
                        f"(the clip has {float(info.rate):.3g} a second); choose a longer range.")


def _losses(source: Source, ticks: np.ndarray, rate: Fraction) -> list[str]:
    """A note on pictures that the file promises and that did not come."""
    lost, about = source.n_failed, ""
    expected, length = source.expected(), source.length_s()
    if expected is not None:
        lost = max(lost, expected - len(ticks))
    elif length is not None:
        missing_s = length - source.seconds(int(ticks[-1])) - float(1 / rate)
        # Containers round their length and may count from before the first picture.
        if missing_s > max(0.2, 3 / float(rate)):
            lost, about = max(lost, round(missing_s * float(rate))), "About "
    if lost <= 0:
        return []
    return [f"{about}{lost} of {len(ticks) + lost} pictures could not be decoded and are missing: "
            "the file is damaged or was cut off."]


def _divide(info: VideoInfo, number: np.ndarray, time_s: np.ndarray, cuts: list[int], notes: list[str]) -> list[Shot]:
    """Shots between cuts; pieces too short to solve are left out, unless nothing else is there."""
    edges = [0, *sorted(cuts), len(time_s)]
    pieces = [slice(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]
    kept = [piece for piece in pieces if piece.stop - piece.start >= LEAST_SHOT] or [
        max(pieces, key=lambda piece: piece.stop - piece.start)]
    if len(pieces) > 1:
        at = ", ".join(f"{time_s[piece.start]:.2f} s" for piece in pieces[1:5]) + (" …" if len(pieces) > 5 else "")
        notes.append(f"The range has {_count(len(pieces) - 1, 'cut')} (at {at}) and is solved shot by shot.")
    if len(kept) < len(pieces):
        dropped = [piece for piece in pieces if piece not in kept]
        frames = sum(piece.stop - piece.start for piece in dropped)
        notes.append(f"{_count(len(dropped), 'piece')} between cuts shorter than {LEAST_SHOT} frames "
                     f"({_count(frames, 'frame')}) left out.")
    return [Shot(replace(info), number[piece], time_s[piece]) for piece in kept]


def _count(n: int, word: str) -> str:
    return f"{n} {word}" + ("" if n == 1 else "s")
