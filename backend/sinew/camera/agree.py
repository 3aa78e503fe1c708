"""Whether a user's own camera is this clip's: corners followed in the background, against where it would see them.

Each corner gets the depth that suits it best, so that a camera in any unit and a scene of any depth are treated alike;
what is left is how far the background lies off where the camera would see it.
"""

from __future__ import annotations

import numpy as np

from ..flow import People, Report, Shot, nothing
from ..geometry import projection
from . import turning
from .follow import Tracks, follow, is_noise
from .kinds import Path

OFF_PX, OFF_SHARE = 3.0, 0.1
"""Pixels as followed, and share of the way that they move, by which corners are not off a right camera. Measured: 0 to 1.1 px
for true cameras, to which a rolling shutter and a coarse solve add; 5 px and more for those of other clips, but for pairs
of pans, dollies or orbits that are nearly the same."""
LEAST_CORNERS = 20
STILL_WAY = 0.02
"""A camera that moves by this share of the people's distance and sees no background move is not this clip's: the background
would have to be a hundred times as far away as the people."""
ROUNDS = 3


def doubt(shot: Shot, people: People, path: Path, name: str, report: Report = nothing) -> list[str]:
    """A sentence where the background clearly moves otherwise than a user's own camera says, else nothing.

    Args:
        shot: One shot.
        people: Where there is no background.
        path: The user's camera, of `kinds.from_file`.
        name: Of its file.
        report: Progress over the frames; may raise Stopped.
    """
    tracks = follow(shot, people, report)
    if is_noise(tracks):
        return []
    off, moved, corners = misfit(tracks, path, max(shot.info.size_px))
    if corners < LEAST_CORNERS or off < OFF_PX * tracks.scale or off < OFF_SHARE * moved:
        return []
    return [f"The background lies {off:.0f} px off where the camera of {name} would see it: the file may be another "
            "clip's, or count frames from another one, unless most of the background moves by itself."]


def doubt_still(way_m: float, distance_m: float, name: str) -> list[str]:
    """The same for a background that stands still, which a camera without turns does not contradict by its directions.

    Args:
        way_m: Size of the way of the user's camera.
        distance_m: Of the people.
        name: Of its file.
    """
    if way_m < STILL_WAY * distance_m:
        return []
    return [f"The background stands still, and the camera of {name} moves by {way_m:.2f} m: the file may be another clip's."]


def misfit(tracks: Tracks, path: Path, long_side_px: float) -> tuple[float, float, int]:
    """How far the background is off where a camera would see it.

    Args:
        tracks: The background.
        path: A camera for each of its frames, with `K`.
        long_side_px: Of the picture.

    Returns:
        Median distance of corners in keyframes from where they should be, px; the median way that they move between
        keyframes, px; and how many corners there were.
    """
    keys = turning.keyframes(tracks, long_side_px)
    sight, _ = turning.select(tracks, tracks.px, keys, 3)
    if len(np.unique(sight.point)) < LEAST_CORNERS:
        sight, _ = turning.select(tracks, tracks.px, keys)
    n = int(sight.point.max(initial=-1)) + 1
    if n == 0:
        return 0.0, 0.0, 0
    frame, point = keys[sight.view], sight.point
    K, R, c = path.K[frame], path.R[frame], path.c[frame]
    distortion = np.zeros(5) if path.distortion is None else path.distortion
    px = projection.undistort_px(sight.px, K, distortion)
    rays = np.einsum("nij,nj->ni", R @ np.linalg.inv(K), np.concatenate([px, np.ones((len(px), 1))], 1))
    # The middle one of a corner's sightings says where it lies, all of them together how far off.
    order = np.lexsort((frame, point))
    count = np.bincount(point, minlength=n)
    middle = order[np.cumsum(count) - count + count // 2][point]
    far = np.einsum("nji,nj->ni", R, rays[middle])
    step = np.einsum("nji,nj->ni", R, c[middle] - c)
    xy = (px - K[:, :2, 2]) / K[:, [0, 1], [0, 1]]
    # Seen at (far + step / depth): linear in the inverse depth but for the division, a weight from the round before.
    begin, slope = xy * far[:, 2:] - far[:, :2], xy * step[:, 2:] - step[:, :2]
    inverse, weight = np.zeros(n), np.ones(len(px))
    for _ in range(ROUNDS):
        top = np.bincount(point, weight * (begin * slope).sum(1), minlength=n)
        bottom = np.bincount(point, weight * (slope**2).sum(1), minlength=n)
        inverse = np.maximum(-top / np.maximum(bottom, 1e-12), 0.0)
        place = far + inverse[point, None] * step
        weight = 1 / np.maximum(place[:, 2], 1e-3) ** 2
    off = np.where(place[:, 2] > 1e-3, np.linalg.norm(_seen(place, K) - px, axis=1), np.inf)
    moved = np.linalg.norm(px - px[middle], axis=1)
    other = middle != np.arange(len(px))
    return float(np.median(off[other])), float(np.median(moved[other])), int((count > 0).sum())


def _seen(place: np.ndarray, K: np.ndarray) -> np.ndarray:
    """(N, 2) px of points (N, 3) in camera axes, those behind it as if they were beside it."""
    return projection.project(np.concatenate([place[:, :2], np.maximum(place[:, 2:], 1e-3)], 1), K)
