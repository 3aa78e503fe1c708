"""Looking at a picture with several threads: detections in windows of it, and several crops of each person."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..workers import count
from .crops import INPUT_PX, SWAP, Crop, crop_of, cut, inside, paste, to_camera, to_picture
from .landmarks import Look
from .models import Models, model_file

TURN = np.radians(12.0)
Kind = tuple[float, float, bool, bool]
"""Scale against the usual crop, turn, mirrored, by the strong landmark model where there is one."""
OTHER_LOOKS = ((0.8, TURN, True), (0.8, -TURN, False))
"""Scale against the usual crop, turn, mirrored. Mirrored crops disagree most with the plain one, above all about sides, and
turning the crops apart takes 2 mm off their mean's error (balancing cam01 and cam02)."""
MOST_ALL_STRONG, MOST_TWO_LOOKS = 2, 4
"""People up to whom the strong model takes all other looks of its frames, and up to whom there are two of them, to bound the
cost."""


def kinds(n_people: int, frame: int) -> tuple[Kind, ...]:
    """Looks at each of so many people in a frame, besides the first.

    The strong model looks in every second frame: its errors are others than the plain one's and last for many frames, so
    that half as many of its looks tell as much (docs/fit.md, "Looks"); tracking stays with the quick one.
    """
    n_looks = len(OTHER_LOOKS) if n_people <= MOST_TWO_LOOKS else 1
    n_strong = 0 if frame % 2 else n_looks if n_people <= MOST_ALL_STRONG else 1
    return tuple((*look, k < n_strong) for k, look in enumerate(OTHER_LOOKS[:n_looks]))


@dataclass(eq=False)
class Sighting:
    """One person in one frame as several crops saw them; P crops."""

    points_px: np.ndarray
    """(P, 33, 2) in the picture."""
    confidence: np.ndarray
    """(P, 33)."""
    height: np.ndarray
    """(P, 33): of the heatmaps where the points are."""
    landmarks_m: np.ndarray
    """(P, 33, 3) camera axes."""
    presence: np.ndarray
    """(P,)."""
    crop: Crop
    """Where the person is, by these crops."""
    colour: np.ndarray
    """Square roots of the histograms of trunk and thighs."""
    soft: tuple[tuple[int, int, int, int], np.ndarray] | None = None
    """Box in grid cells and soft mask, until the frame's people have been told apart."""
    mask: tuple[tuple[int, int, int, int], np.ndarray] | None = None
    """Box in grid cells and bits, for `sinew_take.masks.pack`."""

    @property
    def middle_px(self) -> np.ndarray:
        """(33, 2), the median of the crops; good enough to tell people apart."""
        return np.median(self.points_px, axis=0)

    @property
    def sureness(self) -> np.ndarray:
        return np.median(self.confidence, axis=0)


def colours(crop: np.ndarray, look: Look) -> np.ndarray:
    """Histograms of a person's trunk and thighs, each of norm one. crop: (256, 256, 3)."""
    lab = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)
    mask = look.mask > 0.5
    p = look.points_px
    trunk = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillConvexPoly(trunk, cv2.convexHull(np.round(p[[11, 12, 24, 23]]).astype(np.int32)), 1)
    thighs = np.zeros_like(trunk)
    for hip, knee in ((23, 25), (24, 26)):
        cv2.line(thighs, *(tuple(int(v) for v in np.clip(np.round(p[i]), -999, 999)) for i in (hip, knee)), 1,
                 INPUT_PX // 20)
    out = []
    for part in (trunk, thighs):
        chosen = lab[(part > 0) & mask]
        bins = (chosen[:, 0] // 64).astype(int) * 256 + (chosen[:, 1] // 16).astype(int) * 16 + chosen[:, 2] // 16
        counts = np.bincount(bins, minlength=1024).astype(np.float64)
        # Neighbouring colours count as alike, or light that changes a little would make another person.
        cube = counts.reshape(4, 16, 16)
        for axis in (1, 2):
            cube = cube + 0.5 * (np.roll(cube, 1, axis) + np.roll(cube, -1, axis))
        out.append(np.sqrt(cube.ravel() / max(cube.sum(), 1e-9)))
    return np.concatenate(out)


class Eyes:
    """Worker threads, each with models of its own. Results do not depend on their number.

    Args:
        grid_step_px: Side of a cell of the masks' grid, in the picture's pixels.
        grid_px: Width and height of that grid.
        workers: Threads; None is `workers.count`.
        landmarks: File of a second, stronger landmark model (`strong.choose`); None where there is none.

    Raises:
        SinewError: mediapipe or a model is missing or broken.
    """

    def __init__(self, grid_step_px: float, grid_px: tuple[int, int], workers: int | None = None,
                 landmarks: Path | None = None) -> None:
        self.workers = workers or count()
        self._step, self._grid = grid_step_px, grid_px
        self._free: queue.SimpleQueue[Models] = queue.SimpleQueue()
        strong = None if landmarks is None else model_file(landmarks)
        for _ in range(self.workers):
            self._free.put(Models(strong))
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="people")

    @property
    def cell(self) -> float:
        """Side of a cell of the masks' grid, px."""
        return self._step

    def __enter__(self) -> Eyes:
        return self

    def __exit__(self, *_) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _with_models(self, work, *args):
        models = self._free.get()
        try:
            return work(models, *args)
        finally:
            self._free.put(models)

    def detect(self, picture: np.ndarray, window: tuple[int, int, int, int]) -> Future:
        """Crops (in the whole picture) around people that the detector sees in a window x0, y0, x1, y1."""
        def work(models: Models) -> list[Crop]:
            x0, y0, x1, y1 = window
            return [c.moved(x0, y0) for c in models.detect(picture[y0:y1, x0:x1])]
        return self._threads.submit(self._with_models, work)

    def look(self, picture: np.ndarray, crop: Crop, mirrored: bool = False, first: bool = False,
             strong: bool = False) -> Future:
        """A `Sighting` of one crop, or None. first: with mask and colours, which one look at a person is enough for."""
        def work(models: Models) -> Sighting | None:
            pixels = cut(picture, crop, mirrored)
            seen = models.look(pixels, strong, masked=first)
            if not np.isfinite(seen.points_px).all():
                return None
            points, numbers = (to_picture(v, crop, mirrored) for v in (seen.points_px, seen.numbers_px))
            # A heatmap has no cells outside the picture that show anything.
            points = np.where(inside(numbers, picture.shape[1::-1])[:, None], points, numbers)
            confidence, height = (v[SWAP] if mirrored else v for v in (seen.confidence, seen.height))
            return Sighting(
                points[None], confidence[None], height[None],
                to_camera(seen.landmarks_m, crop, mirrored)[None], np.array([seen.presence]),
                crop_of(seen.frame_px, crop, mirrored),
                colours(pixels, seen) if first else np.zeros(0),
                paste(seen.mask, crop, mirrored, self._step, self._grid) if first else None)
        return self._threads.submit(self._with_models, work)

    def refine(self, picture: np.ndarray, crop: Crop, wanted: Sequence[Kind]) -> list[Future]:
        return [self.look(picture, crop.scaled(scale, turn), mirrored, strong=strong)
                for scale, turn, mirrored, strong in wanted]


def joined(first: Sighting, more: list[Sighting | None]) -> Sighting:
    """One sighting of several crops of the same person in the same frame.

    Where the person is, the first look alone says: the narrower ones name other sizes.
    """
    parts = [first, *(m for m in more if m is not None)]
    return Sighting(*(np.concatenate([getattr(p, name) for p in parts])
                      for name in ("points_px", "confidence", "height", "landmarks_m", "presence")),
                    first.crop, first.colour, first.soft)
