"""What the pictures say beside the people: whether the camera moves, and straight lines that may be upright."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ..flow import People, Report, Shot, nothing
from ..video import frames

LOOKED_PX = 960
"""Long side of the pictures that are looked at."""
N_PICTURES = 9
MOST_FRAMES = 600
"""Of a longer shot each picture is sought on its own, which costs less than reading it through."""
STILL_SHARE = 0.0005
"""Of the picture's long side: a background that never moves further than this was filmed by a camera that stands still.
Measured: static clips of phones and camcorders move by up to 0.2 of 960 px, hand-held ones by 6 px and more."""
LEAST_POINTS = 25
LEAST_FOUND_SHARE = 0.25
"""Of the corners: fewer find a double by chance in a picture that shows something else."""
LEAST_SHOWN = 0.25
"""The first picture that shows so much of the corners of the one that shows most is what others are compared with: somebody
close to the lens, or a fade, may hide the background before."""
LEAST_LINE_SHARE = 0.06
"""Of the picture's long side."""
MOST_LINES = 200


@dataclass(frozen=True)
class Background:
    """All in pixels of the upright picture."""

    moved_px: float | None
    """How far the background moved at most, from one of the pictures looked at; None where nothing could be followed."""
    is_lost: bool
    """It has enough to follow, and in no other picture was it found again: the camera probably moves."""
    lines_px: np.ndarray
    """(N, 2, 2) straight lines of the pictures looked at, end points, each picture's longest first, none on a person."""
    line_frame: np.ndarray
    """(N,) take-frame of each line; ascending."""


NOTHING = Background(None, False, np.zeros((0, 2, 2)), np.zeros(0, dtype=int))


def look(shot: Shot, people: People, report: Report = nothing) -> Background:
    """Look at a few pictures of the shot, between the people. `report` is told of each and may raise Stopped."""
    index = np.unique(np.linspace(0, shot.n_frames - 1, N_PICTURES).astype(int))
    greys, frees = [], []
    lines, line_frame = [], []
    scale = max(1.0, max(shot.info.size_px) / LOOKED_PX)
    for done, (t, picture) in enumerate(_pictures(shot, index)):
        report(done, 2 * len(index))
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        if scale > 1:
            grey = cv2.resize(grey, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
        free = _between(grey.shape, people, t, scale)
        lines.append(_lines(grey, free))
        line_frame.append(np.full(len(lines[-1]), t))
        greys.append(grey)
        frees.append(free)
    moved, is_lost = _movement(greys, frees)
    return Background(None if moved is None else moved * scale, is_lost, np.concatenate(lines) * scale,
                      np.concatenate(line_frame))


def _movement(greys: list[np.ndarray], frees: list[np.ndarray]) -> tuple[float | None, bool]:
    """`Background.moved_px`, px of these pictures, and `is_lost`."""
    shown = np.array([len(_corners(grey, free)) for grey, free in zip(greys, frees, strict=True)])
    first = int(np.argmax(shown >= LEAST_SHOWN * shown.max()))
    moved, n_followed = [], 0
    for k, (grey, free) in enumerate(zip(greys, frees, strict=True)):
        if k == first:
            continue
        corners = _corners(greys[first], cv2.bitwise_and(free, frees[first]))
        if len(corners) < LEAST_POINTS:
            continue
        n_followed += 1
        distance = _displacement(greys[first], grey, corners)
        if distance is not None:
            moved.append(distance)
    return max(moved) if moved else None, n_followed > 0 and not moved


def _pictures(shot: Shot, index: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    if shot.n_frames <= MOST_FRAMES:
        yield from frames(shot, index)
        return
    for k in index:
        yield from frames(shot, [int(k)])


def _between(shape: tuple[int, int], people: People, t: int, scale: float) -> np.ndarray:
    """Mask (H, W) uint8, 0 where somebody is or nearly is."""
    mask = np.full(shape, 255, dtype=np.uint8)
    for track in people.tracks:
        box = np.asarray(track.box_px[t], dtype=float)
        if track.present[t] and np.isfinite(box).all():
            grow = 0.1 * (box[2:] - box[:2])
            x0, y0 = np.maximum((box[:2] - grow) / scale, 0).astype(int)
            x1, y1 = np.maximum((box[2:] + grow) / scale, 0).astype(int)
            mask[y0:y1, x0:x1] = 0
    return mask


def _corners(grey: np.ndarray, free: np.ndarray) -> np.ndarray:
    found = cv2.goodFeaturesToTrack(grey, 300, 0.01, 8, mask=free)
    return np.zeros((0, 1, 2), np.float32) if found is None else found


def _displacement(a: np.ndarray, b: np.ndarray, corners: np.ndarray) -> float | None:
    """Median movement of corners from one picture to the other; None where too few are found again."""
    options = {"winSize": (21, 21), "maxLevel": 4}
    there, ok, _ = cv2.calcOpticalFlowPyrLK(a, b, corners, None, **options)
    back, again, _ = cv2.calcOpticalFlowPyrLK(b, a, there, None, **options)
    good = (ok[:, 0] == 1) & (again[:, 0] == 1) & (np.linalg.norm((back - corners)[:, 0], axis=1) < 0.7)
    if good.sum() < max(LEAST_POINTS, LEAST_FOUND_SHARE * len(corners)):
        return None
    return float(np.median(np.linalg.norm((there - corners)[good, 0], axis=1)))


def _lines(grey: np.ndarray, free: np.ndarray) -> np.ndarray:
    found = cv2.createLineSegmentDetector().detect(grey)[0]
    if found is None:
        return np.zeros((0, 2, 2))
    ends = found.reshape(-1, 2, 2).astype(float)
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    middle = ends.mean(1).astype(int)
    inside = free[np.clip(middle[:, 1], 0, grey.shape[0] - 1), np.clip(middle[:, 0], 0, grey.shape[1] - 1)] > 0
    keep = inside & (length > LEAST_LINE_SHARE * max(grey.shape))
    order = np.argsort(-length[keep])[:MOST_LINES]
    return ends[keep][order]


def line_planes(lines_px: np.ndarray, K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Planes through the camera and each line: the plane of an upright line holds the up direction.

    Returns:
        (N, 3) unit normals in camera axes, and (N,) the lines' shares of all their lengths.
    """
    rays = np.concatenate([(lines_px - K[:2, 2]) / K[[0, 1], [0, 1]], np.ones((*lines_px.shape[:2], 1))], -1)
    normal = np.cross(rays[:, 0], rays[:, 1])
    length = np.linalg.norm(lines_px[:, 1] - lines_px[:, 0], axis=-1)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12), length / max(length.sum(), 1e-12)


def upright_looks(seen: Background, K: np.ndarray, R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`line_planes` of all pictures in the axes of the first camera.

    A camera that stands still sees the same lines from the same place: its first picture says it all. One that turns or
    moves shows each edge anew, with errors partly its own and partly the same: n pictures count as the root of n.

    Args:
        seen: The look.
        K: (T, 3, 3)
        R: (T, 3, 3) camera to the first camera's axes.

    Returns:
        (N, 3) unit normals and (N,) weights, whose sum is 1 for one picture.
    """
    pictures = np.unique(seen.line_frame)
    if np.ptp(R, axis=0).max() == 0:
        pictures = pictures[:1]
    planes, share = [np.zeros((0, 3))], [np.zeros(0)]
    for t in pictures:
        normal, own = line_planes(seen.lines_px[seen.line_frame == t], K[t])
        planes.append(normal @ R[t].T)
        share.append(own / np.sqrt(len(pictures)))
    return np.concatenate(planes), np.concatenate(share)
