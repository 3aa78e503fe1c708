"""Corners of the background followed through a shot: one streaming pass over small pictures, people left out.

Corners are spread over the picture by cells, so that a busy wall does not hide a plain floor, and followed from frame to
frame both ways (Lucas-Kanade in pyramids; Bouguet's implementation in OpenCV). What does not come back to where it began
is dropped. Every camera but a static one is solved from these tracks alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sinew_take import masks as take_masks

from ..flow import People, Report, Shot, nothing
from ..video import ahead, frames

FOLLOWED_PX = 800
"""Long side of the pictures in which corners are followed."""
CELLS = (12, 7)
"""Cells along the long and the short side of the picture."""
PER_CELL = 6
LEAST_EIGEN, SURE_EIGEN = 6e-6, 4e-5
"""Structure (OpenCV's minimal eigenvalue, grey levels 0 to 1) from which on something counts as a corner, as the blotches of
an asphalt road do, and from which on its place is sure."""
BACK_PX = 0.6
"""A corner followed there and back again must land this near to where it began."""
APART_PX = 7
_LK = {"winSize": (21, 21), "maxLevel": 4, "minEigThreshold": 1e-6,
       "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.01)}
LEAST_HELD, LEAST_TOGETHER = 0.6, 0.3
"""What is followed is noise where the next frame shows less than the first share of a frame's corners again, and less than
the second of these went along with the others; both in the median. Measured: 0.4 and at most 0.14 on grain; real and
rendered clips hold 0.8 to 1, and those of 6 to 15 frames a second that hold less go along by 0.54 and more."""
TOGETHER_PX = 1.0
"""As followed: corners this near to one homography went along."""
JUMP_HELD = 0.65
"""A step that holds less than this share of what the steps on either side hold is a jump. Measured: 0.4 and 0.5 at cuts
within one place, at least 0.78 elsewhere."""
LOOK_EVERY, LOOK_LEFT = 3, 0.85
"""New corners are looked for in every so manieth frame, and when fewer than this share of the corners are left."""
GROWN = 0.02
"""Of the picture's long side: what lies this near to a person is not background."""


@dataclass(frozen=True)
class Tracks:
    """Corners of the background over time. Pixels of the upright picture as filmed."""

    frame: np.ndarray
    """(N,) int32 take-frame of each observation; ascending."""
    track: np.ndarray
    """(N,) int32 number of the corner."""
    px: np.ndarray
    """(N, 2)"""
    color: np.ndarray
    """(M, 3) sRGB 0..1 of each corner where it was first seen."""
    weight: np.ndarray
    """(M,) 0..1: how surely each corner keeps its place."""
    scale: float
    """Pixels of the upright picture per pixel in which they were followed."""
    n_frames: int

    def only(self, keep: np.ndarray) -> Tracks:
        """Some of the observations."""
        return Tracks(self.frame[keep], self.track[keep], self.px[keep], self.color, self.weight, self.scale,
                      self.n_frames)


def held(tracks: Tracks) -> np.ndarray:
    """(T - 1,) share of each frame's corners that are seen in the next one too; 0 where there are none."""
    starts = np.searchsorted(tracks.frame, np.arange(tracks.n_frames + 1))
    own = [tracks.track[a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]
    return np.array([np.isin(a, b, assume_unique=True).mean() if len(a) else 0.0
                     for a, b in zip(own[:-1], own[1:], strict=True)])


def is_noise(tracks: Tracks) -> bool:
    """Hardly a corner stays from frame to frame, and those that do go nowhere in common."""
    return tracks.n_frames > 1 and float(np.median(held(tracks))) < LEAST_HELD and together(tracks) < LEAST_TOGETHER


def together(tracks: Tracks) -> float:
    """Median share of the corners of neighbouring frames that one homography takes from one to the other."""
    starts = np.searchsorted(tracks.frame, np.arange(tracks.n_frames + 1))
    shares = []
    for t in range(tracks.n_frames - 1):
        one, two = slice(starts[t], starts[t + 1]), slice(starts[t + 1], starts[t + 2])
        _, i, j = np.intersect1d(tracks.track[one], tracks.track[two], assume_unique=True, return_indices=True)
        along = None
        if len(i) > 4:  # four corners fit any homography
            along = cv2.findHomography(tracks.px[one][i], tracks.px[two][j], cv2.RANSAC, TOGETHER_PX * tracks.scale)[1]
        shares.append(0.0 if along is None else float(along.mean()))
    return float(np.median(shares)) if shares else 0.0


def jumps(tracks: Tracks) -> np.ndarray:
    """Frames before which the picture jumps: a step that loses corners as no step beside it does."""
    share = held(tracks)
    beside = np.minimum(share[:-2], share[2:])
    return np.flatnonzero((beside > LEAST_HELD) & (share[1:-1] < JUMP_HELD * beside)) + 2


def follow(shot: Shot, people: People, report: Report = nothing, indices: np.ndarray | None = None) -> Tracks:
    """Follow the background through a shot.

    Args:
        shot: One shot.
        people: Where not to look.
        report: Told of each frame; may raise Stopped.
        indices: Only these frames (ascending), neighbours in the list followed from one to the next.
    """
    wanted = np.arange(shot.n_frames) if indices is None else np.asarray(indices)
    scale = max(1.0, max(shot.info.size_px) / FOLLOWED_PX)
    before = None
    points, ids = np.zeros((0, 1, 2), np.float32), np.zeros(0, dtype=np.int32)
    colors: list[np.ndarray] = []
    sure: list[np.ndarray] = []
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    count = most = 0
    drift = np.zeros(2, np.float32)
    for done, (t, picture) in enumerate(ahead(frames(shot, wanted))):
        report(done, len(wanted))
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        if scale > 1:
            grey = cv2.resize(grey, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
        free = between(grey.shape, people, t, scale)
        if before is not None and len(points):
            there, ok = _step(before, grey, points, drift)
            if ok.any():
                drift = np.median((there - points)[ok, 0], axis=0)
            at = np.rint(there[:, 0]).astype(int)
            inside = (at >= 2).all(1) & (at < np.array(grey.shape[::-1]) - 2).all(1)
            at = np.clip(at, 0, np.array(grey.shape[::-1]) - 1)
            keep = ok & inside & (free[at[:, 1], at[:, 0]] > 0)
            points, ids = there[keep], ids[keep]
        new, strength = np.zeros((0, 2)), np.zeros(0)
        if done % LOOK_EVERY == 0 or len(points) < LOOK_LEFT * most:
            new, strength = _corners(grey, free, points[:, 0])
            most = len(points) + len(new)
        if len(new):
            sure.append(np.clip(np.sqrt(strength / SURE_EIGEN), 0, 1))
            at = np.minimum(((new + 0.5) * scale).astype(int), np.array(picture.shape[1::-1]) - 1)
            colors.append(picture[at[:, 1], at[:, 0]].astype(np.float32) / 255)
            points = np.concatenate([points, new[:, None].astype(np.float32)])
            ids = np.concatenate([ids, np.arange(count, count + len(new), dtype=np.int32)])
            count += len(new)
        # OpenCV counts from the middle of the first pixel, the take from its outer corner.
        rows.append((np.full(len(ids), t, np.int32), ids.copy(), (points[:, 0] + 0.5) * scale))
        before = grey
    if not rows:
        return Tracks(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros((0, 2)), np.zeros((0, 3)), np.zeros(0),
                      scale, shot.n_frames)
    frame, track, px = (np.concatenate(column) for column in zip(*rows, strict=True))
    color = np.concatenate(colors) if colors else np.zeros((0, 3), np.float32)
    weight = np.concatenate(sure) if sure else np.zeros(0)
    return Tracks(frame, track, px.astype(float), color, weight, scale, shot.n_frames)


def between(shape: tuple[int, int], people: People, t: int, scale: float) -> np.ndarray:
    """Mask (H, W) uint8 of the small picture, 0 where somebody is or nearly is."""
    height, width = shape
    taken = np.zeros(shape, dtype=np.uint8)
    for track in people.tracks:
        box = np.asarray(track.box_px[t], dtype=float)
        if not track.present[t] or not np.isfinite(box).all():
            continue
        mask = take_masks.unpack(track.masks, t) if "size_px" in track.masks else np.zeros((0, 0), bool)
        if mask.any():
            taken |= cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        else:
            x0, y0 = np.maximum(box[:2] / scale, 0).astype(int)
            x1, y1 = np.maximum(np.ceil(box[2:] / scale), 0).astype(int)
            taken[y0:y1, x0:x1] = 1
    reach = max(int(GROWN * max(shape)), 3)
    taken = cv2.dilate(taken, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    return np.where(taken > 0, 0, 255).astype(np.uint8)


def _step(before: np.ndarray, after: np.ndarray, points: np.ndarray, drift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow points one frame on and back. Returns places (N, 1, 2) and which of them hold (N,)."""
    there, ok, _ = cv2.calcOpticalFlowPyrLK(before, after, points, points + drift, flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
                                            **_LK)
    # The way back begins where it should end: two levels see as far as it may be off.
    back, again, _ = cv2.calcOpticalFlowPyrLK(after, before, there, points.copy(),
                                              flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **{**_LK, "maxLevel": 1})
    near = np.linalg.norm((back - points)[:, 0], axis=1) < BACK_PX
    return there, (ok[:, 0] == 1) & (again[:, 0] == 1) & near


def _corners(grey: np.ndarray, free: np.ndarray, have: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """New corners (N, 2) in cells that have too few, none near those that are followed, and their structure (N,)."""
    height, width = grey.shape
    across, down = CELLS if width >= height else CELLS[::-1]
    cell = np.array([width / across, height / down])
    index = np.minimum((have / cell).astype(int), [across - 1, down - 1])
    held = np.bincount(index[:, 1] * across + index[:, 0], minlength=across * down)
    if (held >= PER_CELL // 2).all():
        return np.zeros((0, 2)), np.zeros(0)
    strength = cv2.cornerMinEigenVal(grey.astype(np.float32) / 255, 5, 3)
    strength[free == 0] = 0
    edge = APART_PX
    strength[:edge], strength[-edge:], strength[:, :edge], strength[:, -edge:] = 0, 0, 0, 0
    for x, y in have.astype(int):
        strength[max(y - edge, 0):y + edge + 1, max(x - edge, 0):x + edge + 1] = 0
    peak = cv2.dilate(strength, np.ones((2 * APART_PX + 1, 2 * APART_PX + 1), np.uint8))
    y, x = np.nonzero((strength == peak) & (strength > LEAST_EIGEN))
    if len(x) == 0:
        return np.zeros((0, 2)), np.zeros(0)
    own = np.minimum((y / cell[1]).astype(int), down - 1) * across + np.minimum((x / cell[0]).astype(int), across - 1)
    order = np.lexsort((-strength[y, x], own))
    own, x, y = own[order], x[order], y[order]
    rank = np.arange(len(own)) - np.searchsorted(own, own)
    keep = (held[own] < PER_CELL // 2 + 1) & (rank + held[own] < PER_CELL)
    found = np.stack([x[keep], y[keep]], -1).astype(np.float32)
    own_strength = strength[y[keep], x[keep]]
    if len(found):
        cv2.cornerSubPix(grey, found.reshape(-1, 1, 2), (3, 3), (-1, -1),
                         (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 0.02))
    return found, own_strength
