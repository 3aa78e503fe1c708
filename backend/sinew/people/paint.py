"""People taken out of a picture, so that the models see who is beside or behind them.

The landmark model shows one person of a crop, and the detector names little more than the most striking one of a window:
where two people meet, both looks end on the one in front. Painted over with what surrounds them, whoever is known already
no longer draws the look.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .looks import Sighting

SURE = 0.35
"""Of a soft mask, from which a cell is painted: rather too much of the one in front than an outline that still looks
like a person."""
RIM = 0.02
"""So much farther than the mask, in the person's sizes (a crop's side): masks are coarse and hair is fine."""
AROUND = 0.12
"""So much of the picture around the masks is looked at for what to paint with, in sizes."""


def filled(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """A picture whose hole is filled smoothly from its surroundings.

    Averages over coarser and coarser cells of what is known reach into the hole; each cell takes the finest that knows
    anything (a pyramid that is pushed down and pulled up; Burt 1988, "Moment images, polynomial fit filters and the
    problem of surface interpolation").

    Args:
        picture: (H, W, 3) float32.
        hole: (H, W) bool. A picture that is all hole stays as it is.
    """
    weight = (~hole).astype(np.float32)
    if hole.all():
        return picture
    levels = [(picture * weight[..., None], weight)]
    while levels[-1][1].min() <= 0 and min(levels[-1][1].shape) > 1:
        size = tuple(max(1, (n + 1) // 2) for n in reversed(levels[-1][1].shape))
        levels.append(tuple(cv2.resize(v, size, interpolation=cv2.INTER_AREA) for v in levels[-1]))
    known, weight = levels.pop()
    out = known / np.maximum(weight, 1e-6)[..., None]
    for known, weight in reversed(levels):
        out = cv2.resize(out, weight.shape[::-1], interpolation=cv2.INTER_LINEAR).reshape(*weight.shape, 3)
        out = known + (1.0 - weight[..., None]) * out
    return out


def mask_of(sighting: Sighting, grid_px: tuple[int, int]) -> np.ndarray:
    """(H, W) bool on the masks' grid: a person's cells. grid_px: its width and height."""
    out = np.zeros(grid_px[::-1], np.float32)
    for (x0, y0, x1, y1), soft in sighting.soft:
        out[y0:y1, x0:x1] += soft / len(sighting.soft)
    if not sighting.soft and sighting.mask:
        (x0, y0, x1, y1), bits = sighting.mask
        out[y0:y1, x0:x1] = bits
    return out > SURE


def without(picture: np.ndarray, people: Sequence[Sighting], cell_px: float, grid_px: tuple[int, int]) -> np.ndarray:
    """A copy of a picture with people painted over.

    Args:
        picture: (H, W, 3) uint8.
        people: Who is to be gone; those without a mask stay.
        cell_px: Side of a cell of the masks' grid, in the picture's pixels.
        grid_px: Width and height of that grid.

    Everything is done on the grid, so that it costs a few milliseconds whatever the picture's size.
    """
    out = picture.copy()
    for person in people:
        mask = mask_of(person, grid_px)
        if not mask.any():
            continue
        size = person.crop.side_px / cell_px
        rim, around = max(1, round(RIM * size)), max(3, round(AROUND * size))
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        y0, y1 = max(0, rows[0] - around), min(grid_px[1], rows[-1] + 1 + around)
        x0, x1 = max(0, columns[0] - around), min(grid_px[0], columns[-1] + 1 + around)
        hole = cv2.dilate(mask[y0:y1, x0:x1].astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8))
        u0, v0 = round(x0 * cell_px), round(y0 * cell_px)
        u1, v1 = min(picture.shape[1], round(x1 * cell_px)), min(picture.shape[0], round(y1 * cell_px))
        part = out[v0:v1, u0:u1]
        coarse = cv2.resize(part, hole.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
        paint = cv2.resize(filled(coarse, hole > 0), (u1 - u0, v1 - v0), interpolation=cv2.INTER_LINEAR)
        share = cv2.resize(hole.astype(np.float32), (u1 - u0, v1 - v0), interpolation=cv2.INTER_LINEAR)[..., None]
        out[v0:v1, u0:u1] = np.round(share * paint + (1.0 - share) * part).astype(np.uint8)
    return out
