"""One pass over a video: exact times, shots between cuts, and what was doubtful."""

from __future__ import annotations

import math
import os
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from av.video.reformatter import VideoReformatter

from sinew_take.errors import RequestError

from ..flow import Report, Shot, VideoInfo, nothing
from .cuts import Cut, CutFinder, thumb_size
from .source import Source, open_source
from .times import check_range, fit_rate

LEAST_SHOT = 5
"""Frames; a shorter piece between cuts is left out."""
LATE = 1.5
"""Of the time between the two pictures before: when one comes later than this, others are missing before it."""
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


def probe(path: str | os.PathLike, rate: Fraction | float | str | None = None, more_deg: int = 0) -> VideoInfo:
    """Facts of a video without decoding more than its first picture.

    Counts and times come from the container's packets; `find_shots` measures them.

    Args:
        path: A video, a folder of pictures or a pattern (shot_####.png).
        rate: Frames per second, for sequences.
        more_deg: Clockwise turn of the pictures beyond what the file says: 0, 90, 180 or 270.

    Raises:
        RequestError: Nothing there, or `rate` missing or out of place.
        InputError: Not a video, or nothing in it can be decoded.
    """
    with open_source(path, rate, more_deg=more_deg) as source:
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
        is_variable_rate=is_variable, focal_35mm=source.focal_35mm, is_sequence=source.is_sequence,
        more_deg=source.more_deg)


def find_shots(
    path: str | os.PathLike,
    start_s: float | None = None,
    end_s: float | None = None,
    rate: Fraction | float | str | None = None,
    report: Report = nothing,
    more_deg: int = 0,
) -> Scan:
    """Decode a range once: exact times of its frames, and the shots between its cuts.

    Args:
        path: A video, a folder of pictures or a pattern (shot_####.png).
        start_s: First moment of the range, seconds from the first picture; None is the beginning.
        end_s: First moment after the range; None is the end.
        rate: Frames per second, for sequences.
        report: Called with frames done and in all (an estimate).
        more_deg: As in `probe`.

    Returns:
        The shots, each with `time_s` counted from the first picture of the file (so 0 is that picture, whatever the
        container's own clock says) and `frame`, the picture's place in the file. Where the range is the whole file,
        `info` holds what was measured.

    Raises:
        RequestError: Nothing there, or the range is empty, backwards or outside the clip.
        InputError: Not a video, or nothing in it can be decoded.
    """
    start, end = check_range(start_s, end_s)
    may_seek = is_threaded = True
    while True:
        with open_source(path, rate, is_threaded, more_deg) as source:
            info = _info_of_header(source)
            seen = _pass(source, info, start, end, may_seek, report)
            if seen is None:
                # The container sought to a wrong place: decode from the beginning.
                may_seek = False
            elif source.is_threaded and (source.n_failed or len(seen.ticks) == 1):
                # Damaged: see it as every later reader can see it again. A file cut off within its first picture gives
                # that picture now and then, and no error.
                is_threaded = False
            else:
                return _found(source, info, seen, start, end)


@dataclass(frozen=True)
class _Pass:
    """What a pass over a range saw: T frames, their ticks (T,) int64, numbers (T,) int32, cuts and emptiness."""

    ticks: np.ndarray
    number: np.ndarray
    cuts: list[Cut]
    empty: np.ndarray
    """(T,) bool."""
    is_end: bool
    """The file ended within the range."""
    notes: list[str]


def _pass(source: Source, info: VideoInfo, start: float, end: float, may_seek: bool, report: Report) -> _Pass | None:
    """Decode a range; None where a seek came out behind its start."""
    # A thousandth of a millisecond forgives decimal rounding in a time that was read off a frame.
    from_s, to_s = start - 1e-6, end - 1e-6
    last_s = min(info.duration_s, end)
    total = max(1, round((last_s - start) * float(info.rate))) if last_s > start else 0
    seeks = may_seek and source.can_seek and start > SEEK_AFTER_S
    decoded = source.decode(source.ticks(start - SEEK_MARGIN_S) if seeks else None)
    finder, converter = CutFinder(), VideoReformatter()
    width, height = thumb_size(source.coded_px)
    ticks: list[int] = []
    before, is_end, first_number = 0, True, 0
    sizes = set()
    report(0, total)
    with closing(decoded):
        for tick, frame, _ in decoded:
            time_s = source.seconds(tick)
            if seeks and not before and time_s >= from_s:
                return None
            if time_s < from_s:
                before += 1
                report(0, total)
                continue
            if time_s >= to_s:
                is_end = False
                break
            if not ticks:
                first_number = source.count_before(tick, lambda: report(0, total)) if seeks else before
            ticks.append(tick)
            sizes.add((frame.width, frame.height))
            small = converter.reformat(
                frame, width=width, height=height, format="yuv444p", interpolation="AREA", threads=1)
            gaps = np.diff(ticks[-3:])
            finder.push(np.ascontiguousarray(small.to_ndarray().transpose(1, 2, 0)),
                        is_late=len(gaps) == 2 and gaps[1] > LATE * gaps[0])
            report(len(ticks), max(total, len(ticks)))
    if seeks and not before and start < info.duration_s:
        return None
    notes = []
    if len(sizes) > 1:
        notes.append("The picture's size changes within the video; all were brought to "
                     f"{source.size_px[0]}x{source.size_px[1]}.")
    number = first_number + np.arange(len(ticks), dtype=np.int32)
    return _Pass(np.array(ticks, np.int64), number.astype(np.int32), finder.finish(), np.array(finder.empty, bool),
                 is_end, notes)


def _found(source: Source, info: VideoInfo, seen: _Pass, start: float, end: float) -> Scan:
    """The result of a pass, with everything that is to be said about it."""
    if not len(seen.ticks):
        raise _outside(source, info, start, end)
    notes = source.notes + seen.notes
    measured, is_variable = _rate(source, seen.ticks)
    n_frames, duration = info.n_frames, info.duration_s
    if start == 0 and seen.is_end:
        n_frames = len(seen.ticks)
        duration = source.seconds(int(seen.ticks[-1])) + float(1 / measured)
        notes += _losses(source, seen.ticks, measured)
    info = _info(source, measured, is_variable, n_frames, duration)
    if seen.is_end and math.isfinite(end) and end > duration + float(1 / measured):
        notes.append(f"The clip ends at {duration:.2f} s, before the end of the range.")
    if is_variable:
        notes.append(f"The video's rate varies ({float(measured):.2f} frames a second on average); "
                     "each frame keeps its exact time.")
    if n_frames == 1:
        notes.append("The video has a single picture: there is no motion in it.")
    time_s = np.array([source.seconds(int(tick)) for tick in seen.ticks], np.float64)
    pieces = _divide(seen, time_s, notes)
    return Scan(info, [Shot(info, seen.number[piece], time_s[piece]) for piece in pieces], notes)


def _outside(source: Source, info: VideoInfo, start: float, end: float) -> RequestError:
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


def _divide(seen: _Pass, time_s: np.ndarray, notes: list[str]) -> list[slice]:
    """Pieces between cuts; what cannot be solved is left out, unless nothing else is there."""
    cuts = seen.cuts
    if not cuts:
        return [slice(0, len(time_s))]
    edges = [0, *(edge for cut in cuts for edge in (cut.end, cut.start)), len(time_s)]
    pieces = [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]
    first = [f"{time_s[min(cut.start, len(time_s) - 1)]:.2f} s" for cut in cuts[:4]]
    at = ", ".join(first) + (" …" if len(cuts) > 4 else "")
    notes.append(f"The range has {_count(len(cuts), 'cut')} (at {at}) and is solved shot by shot.")
    between = sum(cut.start - cut.end for cut in cuts)
    if between:
        notes.append(f"{_count(between, 'frame')} between shots (a dissolve, a fade or an empty picture) left out.")
    full = [piece for piece in pieces if not seen.empty[piece].all()] or pieces
    if len(full) < len(pieces):
        notes.append(f"{_count(len(pieces) - len(full), 'empty piece')} (black or of one colour) left out.")
    kept = [piece for piece in full if piece.stop - piece.start >= LEAST_SHOT] or [
        max(full, key=lambda piece: piece.stop - piece.start)]
    if len(kept) < len(full):
        frames = sum(piece.stop - piece.start for piece in full if piece not in kept)
        notes.append(f"{_count(len(full) - len(kept), 'piece')} between cuts shorter than {LEAST_SHOT} frames "
                     f"({_count(frames, 'frame')}) left out.")
    return kept


def _count(n: int, word: str) -> str:
    return f"{n} {word}" + ("" if n == 1 else "s")
