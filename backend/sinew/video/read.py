"""The upright pictures of a shot, streamed."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from sinew_take.errors import InputError

from ..flow import Shot
from .picture import Upright
from .scan import SEEK_AFTER_S, SEEK_MARGIN_S
from .source import Source, open_again


def frames(shot: Shot, indices: Iterable[int] | None = None) -> Generator[tuple[int, np.ndarray], None, None]:
    """Upright pictures of a shot, one at a time, in order of time.

    Args:
        shot: As `find_shots` gave it.
        indices: Frames of the take (0 is the shot's first) to give; None is all. Order and repeats do not matter.

    Returns:
        An iterator of (take-frame index, (H, W, 3) uint8 RGB of `shot.info.size_px`, the caller's own). It decodes
        between the first and the last wanted frame, holds a few pictures at a time however long the clip is, and closes
        the file when it ends or is dropped.

    Raises:
        ValueError: An index outside the shot.
        InputError: While iterating: the file has changed since it was scanned, or broke.
    """
    wanted = list(range(shot.n_frames)) if indices is None else sorted({int(k) for k in indices})
    if wanted and not (0 <= wanted[0] and wanted[-1] < shot.n_frames):
        raise ValueError(f"frame indices must lie in 0..{shot.n_frames - 1}, got {wanted[0]}..{wanted[-1]}")
    return _stream(shot, wanted)


def ahead(pictures: Generator) -> Iterator:
    """The same items, each made on another thread while the one before is worked on.

    Args:
        pictures: Such as `frames` gives. What it raises is raised here; it is closed when this ends or is dropped.
    """
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as thread:
        try:
            coming = thread.submit(next, pictures, end)
            while (item := coming.result()) is not end:
                coming = thread.submit(next, pictures, end)
                yield item
        finally:
            thread.submit(pictures.close).result()


def _stream(shot: Shot, wanted: list[int]) -> Generator[tuple[int, np.ndarray], None, None]:
    done = 0
    # A container may seek to a wrong place: then the rest is read from the beginning. A damaged file is read for
    # certain only one picture at a time.
    for may_seek, is_threaded in ((True, True), (False, True), (False, False)):
        if done == len(wanted):
            return
        with open_again(shot.info, is_threaded) as source:
            if source.is_threaded and source.n_failed:
                # Even its first picture, from which times are counted, may be missing.
                continue
            if source.size_px != shot.info.size_px:
                break
            first_s = float(shot.time_s[wanted[done]])
            seeks = may_seek and source.can_seek and first_s > SEEK_AFTER_S
            for index, picture in _match(source, shot, wanted[done:], seeks):
                done += 1
                yield index, picture
    if done < len(wanted):
        raise InputError(f"{shot.info.path.name} no longer holds the picture at {shot.time_s[wanted[done]]:.3f} s; "
                         "it has changed since it was read, start again.")


def _match(source: Source, shot: Shot, wanted: list[int], seeks: bool) -> Iterator[tuple[int, np.ndarray]]:
    """Give wanted frames by their exact ticks; ends early where one is missing."""
    upright = Upright(source.coded_px, source.aspect)
    targets = [(index, source.ticks(float(shot.time_s[index]))) for index in wanted]
    margin = round(SEEK_MARGIN_S / source.time_base)
    decoded = source.decode(targets[0][1] - margin if seeks else None)
    try:
        for index, target in targets:
            found = next((found for found in decoded if found.ticks >= target), None)
            if found is None or found.ticks != target:
                return
            yield index, upright(found.frame, found.turn)
    finally:
        decoded.close()
