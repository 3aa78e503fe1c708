"""In which picture of the plate somebody is seen best: what the list of people shows of them. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...backend.sinew_take.take import PLATE_PATTERN, Subject, Take
from . import lens
from .camera import picture_size

_SURE = 0.3
_MARGIN = 0.12
"""Of a box's longer side: keypoints end at the eyes, the wrists and the toes."""
_SHARED = 0.25
"""Worth of a picture with a little of somebody else in the box, against one with nobody else in it."""
_ASIDE = 0.4
"""Brightness of what stands beside somebody."""


@dataclass(frozen=True)
class Look:
    """The picture in which somebody is seen best, and the box around them in it."""

    frame: int
    picture: Path
    box_px: np.ndarray
    size_px: tuple[int, int]


def best_look(take: Take, subject: Subject) -> Look | None:
    """Where a person is seen surest and largest, alone if they ever are.

    None without a plate, or where they are never seen.
    """
    if not take.meta.get("plate") or take.path is None:
        return None
    size_px = picture_size(take)
    points = subject.motion["keypoints_px"].astype(float)
    # Whoever is half outside the picture is not seen well there.
    inside = ((points[..., :2] >= 0) & (points[..., :2] < size_px)).all(-1) & (points[..., 2] > _SURE)
    seen = np.isfinite(points).all((1, 2)) & (inside.sum(1) >= 2)
    if not seen.any():
        return None
    boxes = _widened(_extents(np.where(inside[..., None], points[..., :2], np.nan)))
    others = [_widened(_whereabouts(take, other)) for other in take.subjects if other.id != subject.id]
    worth = np.nansum(points[..., 2] * inside, 1) * _certainty(subject) * np.sqrt(_areas(boxes))
    frame = int(np.argmax(np.where(seen, worth * _privacy(boxes, others), -1.0)))
    return Look(frame, Path(take.path).absolute() / PLATE_PATTERN.format(frame), boxes[frame], size_px)


def cut_out(picture: np.ndarray, look: Look, side_px: int) -> np.ndarray:
    """A square around a look's box, darker beside the box, where somebody else may stand.

    Args:
        picture: (H, W, 4) the look's picture at any size, rows from the bottom as Blender has them.
        look: Where in it.
        side_px: Of the square.

    Returns:
        (side_px, side_px, 4) like the picture.
    """
    height, width = picture.shape[:2]
    scale = np.array([width / look.size_px[0], height / look.size_px[1]])
    x0, y0, x1, y1 = look.box_px * [*scale, *scale]
    side = max(x1 - x0, y1 - y0)
    at = (np.arange(side_px) + 0.5) / side_px - 0.5
    columns = np.floor((x0 + x1) / 2 + at * side).astype(int)
    rows = np.floor(height - (y0 + y1) / 2 + at * side).astype(int)
    out = picture[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)].copy()
    is_beside = ((columns < x0) | (columns > x1))[None] | ((height - rows < y0) | (height - rows > y1))[:, None]
    out[is_beside, :3] *= _ASIDE
    is_outside = ((rows < 0) | (rows >= height))[:, None] | ((columns < 0) | (columns >= width))[None]
    out[is_outside] = (0.1, 0.1, 0.1, 1.0)
    return out


def _certainty(subject: Subject) -> np.ndarray:
    """(T,) how well a person's joints were seen: low behind somebody, whose limbs the keypoints may then be."""
    known = np.isfinite(subject.motion["confidence"])
    mean = np.where(known, subject.motion["confidence"], 0.0).sum(1) / np.maximum(known.sum(1), 1)
    return np.where(known.any(1), mean, 1.0)  # other systems' results say nothing of how sure they are


def _privacy(boxes: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    """(T,) 1 where nobody else's box reaches into a person's; far less where one does, least where all of it is shared."""
    shared = np.zeros(len(boxes))
    for other in others:
        common = np.concatenate([np.maximum(boxes[:, :2], other[:, :2]), np.minimum(boxes[:, 2:], other[:, 2:])], -1)
        shared = np.fmax(shared, _areas(common) / _areas(boxes))
    return np.where(shared > 0, _SHARED / (1 + shared), 1.0)


def _whereabouts(take: Take, subject: Subject) -> np.ndarray:
    """(T, 4) a person's box, px: of the keypoints, and of the solved joints where nothing was detected; NaN where absent."""
    shot = take.shot
    found = subject.motion["keypoints_px"][..., :2].astype(float)
    solved = lens.project(subject.motion["joints_m"].astype(float), shot["T_wc"], shot["K"], shot["distortion"])
    boxes = _extents(found)
    return np.where(np.isfinite(boxes), boxes, _extents(solved))


def _extents(points: np.ndarray) -> np.ndarray:
    """(T, 4) boxes x0 y0 x1 y1 about the finite ones of (T, K, 2) points; NaN where there is none."""
    finite = np.isfinite(points)
    low, high = np.where(finite, points, np.inf).min(1), np.where(finite, points, -np.inf).max(1)
    boxes = np.concatenate([low, high], -1)
    return np.where(np.isfinite(boxes), boxes, np.nan)


def _widened(boxes: np.ndarray) -> np.ndarray:
    margin = _MARGIN * np.maximum((boxes[:, 2:] - boxes[:, :2]).max(-1, keepdims=True), 1.0)
    return boxes + margin * [-1, -1, 1, 1]


def _areas(boxes: np.ndarray) -> np.ndarray:
    """(T,) areas; 0 for what is turned inside out, NaN for what is nowhere."""
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), -1)
