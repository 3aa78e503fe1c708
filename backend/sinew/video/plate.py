"""The plate: upright pictures of a shot as files that Blender shows behind the scene."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import numpy as np

from sinew_take.errors import RequestError, Stopped
from sinew_take.take import PLATE_PATTERN

from ..flow import Report, Shot, nothing
from ..workers import in_order
from .read import ahead, frames
from .undistort import UNDISTORTED_PATTERN, Undistorter, is_distorted

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
WAIT_S = 0.2
"""Between two reports about a plate that is waited for."""


def write_plate(shot: Shot, folder: str | os.PathLike, report: Report = nothing, K: np.ndarray | None = None,
                distortion: np.ndarray | None = None) -> dict:
    """Write the upright pictures of a shot as JPEG (quality 92, full colour resolution), one per frame of the take.

    Where the lens bends lines, they are written a second time without that, with overscan (see `undistort`).

    Args:
        shot: As `find_shots` gave it.
        folder: The take's folder (or its `.partial`); pictures go to `PLATE_PATTERN` inside it.
        report: Called with pictures written and in all.
        K, distortion: The camera's, (T, 3, 3) px and (T, 5); None for a lens that is not known.

    Returns:
        The entry "plate" of `take.json`: `{"pattern": …, "size_px": [width, height]}`, and "undistorted" inside it with
        the same and "overscan", how many times larger that picture is.

    Raises:
        RequestError: The disk is full or not writable, or the picture is larger than JPEG allows.
        InputError: The video changed or broke.
    """
    folder = Path(folder)
    width, height = shot.info.size_px
    if max(width, height) > 65500:
        raise RequestError(f"The picture is {width}x{height} and a plate's JPEG ends at 65500; leave the plate out.")
    straight = None
    if K is not None and distortion is not None and is_distorted(distortion):
        straight = Undistorter(K, distortion, (width, height))
    report(0, shot.n_frames)

    def pictures() -> Iterator[tuple[Path, np.ndarray]]:
        for index, rgb in ahead(frames(shot)):
            if straight is not None:
                _write(folder / UNDISTORTED_PATTERN.format(index), straight.picture(index, rgb))
            yield folder / PLATE_PATTERN.format(index), rgb

    try:
        (folder / PLATE_PATTERN).parent.mkdir(parents=True, exist_ok=True)
        if straight is not None:
            straight.make_folder(folder)
        with closing(in_order(lambda picture: _write(*picture), pictures())) as written:
            for done, _ in enumerate(written, 1):
                report(done, shot.n_frames)
    except OSError as error:
        raise RequestError(f"The plate cannot be written to {folder} ({error.strerror or error}); "
                           "choose another --out or free some space.") from None
    entry = {"pattern": PLATE_PATTERN, "size_px": [width, height]}
    return entry if straight is None else {**entry, "undistorted": straight.entry}


class PlateInWork:
    """A plate that is being written while other work goes on (`plate_beside`)."""

    def __init__(self, thread: Executor, shot: Shot, folder: str | os.PathLike, K: np.ndarray,
                 distortion: np.ndarray) -> None:
        self._done = (0, shot.n_frames)
        self._dropped = threading.Event()
        self._job = thread.submit(write_plate, shot, folder, self._report, K, distortion)

    def _report(self, done: int, total: int) -> None:
        if self._dropped.is_set():
            raise Stopped("The plate was given up.")
        self._done = (done, total)

    def drop(self) -> None:
        """Give it up after the pictures that are being written."""
        self._dropped.set()

    def finished(self, report: Report = nothing) -> dict:
        """Wait for it; `report`, `Returns` and `Raises` are `write_plate`'s, on the thread that waits."""
        while True:
            report(*self._done)
            if wait([self._job], timeout=WAIT_S).done:
                entry = self._job.result()
                report(*self._done)
                return entry


@contextmanager
def plate_beside(shot: Shot, folder: str | os.PathLike, K: np.ndarray, distortion: np.ndarray) -> Iterator[PlateInWork]:
    """Write a plate on threads of its own; arguments as `write_plate`'s. Leaving gives up what is not written yet, and waits
    until nothing is being written.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="plate") as thread:
        plate = PlateInWork(thread, shot, folder, K, distortion)
        try:
            yield plate
        finally:
            plate.drop()


def _write(path: Path, rgb: np.ndarray) -> None:
    # imwrite loses non-Latin names on Windows and hides why a disk refuses.
    path.write_bytes(cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), _QUALITY)[1].data)
