"""A camera that only turns (and zooms): pans, tripods, cameras held by somebody who stands still.

Two pictures of such a camera differ by the homography K R K'^-1, however deep the scene is (Hartley, Self-calibration of
stationary cameras, 1997). Turns between frames come from the rays of shared corners; a bundle adjustment over keyframes
then finds all turns, the focal length and the corners' directions together, so that turns do not add up their errors while
corners stay in view; the frames between are registered against the same directions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..geometry import rotations as rot
from . import bundle
from .follow import Tracks

KEY_SHIFT = 0.04
"""A new keyframe after the background moved by this share of the picture's long side ..."""
KEY_LEFT = 0.6
"""... or when fewer than this share of the last one's corners are left."""
MOST_KEYS = 90
PER_KEY, CELL_PX = 300, 66.0
"""Corners of each keyframe that are adjusted: of every cell of so many followed pixels those longest in view, one after the
other, since corners in the middle of a picture tell little of its focal length; more would only cost time."""
LEAST_SHARED = 10
"""Corners that two frames must share to be joined."""
TURN_ACCEL = 12.0
"""Spread of a camera's angular acceleration, rad/s²: hands shake with up to 1 degree at 3 Hz, 6 rad/s²."""
ZOOM_ACCEL = 2.0
PIXEL_SIGMA = 0.5
"""Followed pixels: more than the noise of a corner, since neighbours err alike."""
ZOOM_GAIN, ZOOM_LEAST = 0.8, 0.02
"""A zoom is believed where it takes the misfit below this share and changes the focal length by at least this much."""
ZOOM_HELD = 0.005
"""Spread of the logarithm of the mean focal length of a zoom, where it is known."""


@dataclass
class Way:
    """A camera's way as the background tells it, in the axes of its first frame, T frames."""

    cameras: bundle.Cameras
    cloud: bundle.Cloud
    point_of_track: np.ndarray
    """(M,) number of the point of each track, -1 where it has none."""
    keys: np.ndarray
    misfit_px: float
    """Median residual over the keyframes' observations, followed pixels."""
    log_f_sigma: float
    zooms: bool
    registered: np.ndarray
    """(T,) observations that hold each frame."""
    far_off_px: float = np.inf
    """Residual, followed pixels, that one in ten of the keyframes' observations exceeds."""


def keyframes(tracks: Tracks, long_side_px: float, most: int = MOST_KEYS) -> np.ndarray:
    """Frames between which the background moved, or lost corners, enough to say something new. Always first and last."""
    starts = np.searchsorted(tracks.frame, np.arange(tracks.n_frames + 1))
    place = np.full((len(tracks.color), 2), np.nan)
    keys = [0]

    def mark(t):
        own = slice(starts[t], starts[t + 1])
        place[:] = np.nan
        place[tracks.track[own]] = tracks.px[own]
        return max(starts[t + 1] - starts[t], 1)

    size = mark(0)
    for t in range(1, tracks.n_frames):
        own = slice(starts[t], starts[t + 1])
        shift = np.linalg.norm(tracks.px[own] - place[tracks.track[own]], axis=1)
        shared = np.isfinite(shift)
        # The frame before the corners are lost, so that neighbours stay joined.
        lost = shared.sum() < max(KEY_LEFT * size, 2 * LEAST_SHARED)
        if lost or np.median(shift[shared]) > KEY_SHIFT * long_side_px:
            key = t - 1 if lost and t - 1 > keys[-1] else t
            keys.append(key)
            size = mark(key)
    if keys[-1] != tracks.n_frames - 1:
        keys.append(tracks.n_frames - 1)
    keys = np.array(keys)
    if len(keys) < 8 and tracks.n_frames >= 8:
        keys = np.unique(np.r_[keys, np.linspace(0, tracks.n_frames - 1, 8).astype(int)])
    if len(keys) > most:
        keys = keys[np.unique(np.linspace(0, len(keys) - 1, most).astype(int))]
    return keys


def centred(tracks: Tracks, middle_px: np.ndarray) -> np.ndarray:
    """Observations from the principal point, in followed pixels."""
    return (tracks.px - middle_px) / tracks.scale


def rays(px: np.ndarray, focal: np.ndarray | float) -> np.ndarray:
    """Unit rays (N, 3) in camera axes of centred pixels."""
    out = np.concatenate([px / np.asarray(focal)[..., None] if np.ndim(focal) else px / focal,
                          np.ones((len(px), 1))], 1)
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def turn_between(a: np.ndarray, b: np.ndarray, sigma: float) -> np.ndarray:
    """R with a = R b for unit rays (N, 3), robust by reweighting."""
    weight = np.ones(len(a))
    for _ in range(8):
        R, _, _ = rot.align(np.concatenate([b, -b]), np.concatenate([a, -a]), np.r_[weight, weight])
        off = np.linalg.norm(a - b @ R.T, axis=1)
        scale = max(sigma, 1.5 * float(np.median(off)))
        weight = 1 / (1 + (off / scale) ** 2) ** 2
    return R


def chain(tracks: Tracks, px: np.ndarray, log_f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turns of all frames, one added to the other: a start. Returns (T, 3, 3) and which frames were joined (T,)."""
    n = tracks.n_frames
    starts = np.searchsorted(tracks.frame, np.arange(n + 1))
    R = np.tile(np.eye(3), (n, 1, 1))
    joined = np.zeros(n, dtype=bool)
    joined[0] = True
    all_rays = rays(px, np.exp(log_f)[tracks.frame])
    step = np.eye(3)
    for t in range(1, n):
        a, b = slice(starts[t - 1], starts[t]), slice(starts[t], starts[t + 1])
        _, i, j = np.intersect1d(tracks.track[a], tracks.track[b], assume_unique=True, return_indices=True)
        if len(i) >= LEAST_SHARED:
            step = turn_between(all_rays[a][i], all_rays[b][j], 0.5 / np.exp(log_f[t]))
            joined[t] = True
        # A frame that nothing joins goes on turning as the one before: a blur in the middle of a pan.
        R[t] = R[t - 1] @ step
    return R, joined


def select(tracks: Tracks, px: np.ndarray, keys: np.ndarray, least: int = 2) -> tuple[bundle.Sight, np.ndarray]:
    """Observations in keyframes of corners seen in at least so many of them.

    Returns:
        The observations (views numbered as `keys`), and per track its point or -1.
    """
    view = np.full(tracks.n_frames, -1)
    view[keys] = np.arange(len(keys))
    own = view[tracks.frame] >= 0
    count = np.bincount(tracks.track[own], minlength=len(tracks.color))
    cell = np.floor(tracks.px[own] / tracks.scale / CELL_PX).astype(int) @ [1, 1000]
    good = _longest(tracks.track[own], view[tracks.frame[own]], cell, count + tracks.weight) & (count >= least)
    point_of_track = np.where(good, np.cumsum(good) - 1, -1)
    return sight_of(tracks, px, keys, point_of_track), point_of_track


def sight_of(tracks: Tracks, px: np.ndarray, keys: np.ndarray, point_of_track: np.ndarray) -> bundle.Sight:
    """Observations, views numbered as `keys`, of tracks that have a point (M,); -1 where they have none.

    Args:
        px: (N, 2) of all observations, centred.
    """
    view = np.full(tracks.n_frames, -1)
    view[keys] = np.arange(len(keys))
    own = (view[tracks.frame] >= 0) & (point_of_track[tracks.track] >= 0)
    return bundle.Sight(view[tracks.frame[own]], point_of_track[tracks.track[own]], px[own],
                        tracks.weight[tracks.track[own]])


def _longest(track: np.ndarray, view: np.ndarray, cell: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """(M,) bool: the corners that are among the worthiest of some keyframe, cell by cell.

    Args:
        track, view, cell: (N,) of each observation.
        worth: (M,) of each corner.
    """
    order = np.lexsort((-worth[track], cell, view))
    new = np.r_[True, (np.diff(view[order]) != 0) | (np.diff(cell[order]) != 0)]
    begin = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0)) if len(order) else order
    turn = np.empty(len(order), dtype=int)
    turn[order] = np.arange(len(order)) - begin
    order = np.lexsort((-worth[track], turn, view))
    track, view = track[order], view[order]
    rank = np.arange(len(view)) - np.searchsorted(view, view)
    keep = np.zeros(len(worth), dtype=bool)
    keep[track[rank < PER_KEY]] = True
    return keep


def directions(sight: bundle.Sight, cameras: bundle.Cameras, n: int) -> np.ndarray:
    """Mean directions (n, 3) of points as the cameras see them."""
    world = np.einsum("nij,nj->ni", cameras.R[sight.view], rays(sight.px, np.exp(cameras.log_f)[sight.view]))
    total = np.zeros((n, 3))
    np.add.at(total, sight.point, world)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def solve(tracks: Tracks, middle_px: np.ndarray, long_side_px: float, time_s: np.ndarray, focal_px: float,
          focal_known: bool, tick=None) -> Way:
    """Turns, focal length and zoom of a camera that stays where it is.

    Args:
        tracks: The background.
        middle_px: (2,) principal point.
        long_side_px: Of the picture.
        time_s: (T,)
        focal_px: Known, or the likeliest.
        focal_known: Hold it (with a zoom: on average).
        tick: Called without argument each iteration.
    """
    px = centred(tracks, middle_px)
    log_f0 = float(np.log(focal_px / tracks.scale))
    n = tracks.n_frames
    log_f = np.full(n, log_f0)
    R, _ = chain(tracks, px, log_f)
    keys = keyframes(tracks, long_side_px)
    sight, point_of_track = select(tracks, px, keys)
    start = bundle.Cameras(R[keys], np.zeros((len(keys), 3)), log_f[keys])
    n_points = int(point_of_track.max(initial=-1)) + 1
    cloud = bundle.Cloud(directions(sight, start, n_points), np.zeros(n_points))
    rules = bundle.Rules(False, "fixed" if focal_known else "shared", log_f0)
    out = bundle.adjust(sight, start, cloud, rules, 60, tick=tick)
    zoomed = bundle.adjust(sight, out.cameras, out.cloud,
                           zoom_rules(False, log_f0, focal_known), 30, tick=tick)
    misfit, with_zoom = misfit_of(sight, out.residual_px, 2, 3), misfit_of(sight, zoomed.residual_px, 2, 4)
    zooms = with_zoom < ZOOM_GAIN * misfit and np.ptp(zoomed.cameras.log_f) > ZOOM_LEAST
    if zooms:
        out, misfit = zoomed, with_zoom
    cameras, registered = all_frames(tracks, px, keys, out, point_of_track, R, False, zooms, time_s)
    far_off = float(np.percentile(out.residual_px, 90)) if len(out.residual_px) else np.inf
    return Way(cameras, out.cloud, point_of_track, keys, misfit, out.log_f_sigma, zooms, registered, far_off)


def zoom_rules(moves: bool, log_f0: float, focal_known: bool) -> bundle.Rules:
    """A focal length for every view; where it is known, held on average."""
    rules = bundle.Rules(moves, "zoom", log_f0)
    return replace(rules, log_f_sigma=ZOOM_HELD) if focal_known else rules


SURE, LEAST_SURE = 0.99, 200
"""The misfit is measured on corners whose place is sure, where there are at least so many observations of them."""


def misfit_of(sight: bundle.Sight, residual: np.ndarray, per_point: int, per_view: int) -> float:
    """Median residual of the sure corners, px, as it would be if nothing had been fitted to them.

    A model with more freedom always leaves less: what it takes away by its freedom alone is given back, as the unbiased
    estimate of a variance does.
    """
    sure = sight.weight > SURE
    if sure.sum() < LEAST_SURE:
        sure[:] = True
    if not sure.any():
        return np.inf
    n = 2 * int(sure.sum())
    fitted = per_point * len(np.unique(sight.point[sure])) + per_view * len(np.unique(sight.view[sure]))
    return float(np.median(residual[sure]) * np.sqrt(n / max(n - fitted, 0.1 * n)))


def all_frames(tracks: Tracks, px: np.ndarray, keys: np.ndarray, out: bundle.Outcome, point_of_track: np.ndarray,
               R: np.ndarray, moves: bool, zooms: bool, time_s: np.ndarray) -> tuple[bundle.Cameras, np.ndarray]:
    """Keyframes' cameras -> every frame's, registered against the same points, then smoothed where little is known.

    Args:
        R: (T, 3, 3) a first guess whose turns between keyframes are about right.
    """
    n = tracks.n_frames
    at = np.arange(n)
    after = np.clip(np.searchsorted(keys, at, side="right"), 1, len(keys) - 1)
    a, b = keys[after - 1], keys[after]
    u = ((at - a) / np.maximum(b - a, 1))[:, None]
    # What the first guess misses at the two keyframes around is spread between them.
    fix = out.cameras.R @ np.swapaxes(R[keys], 1, 2)
    first, last = fix[after - 1], fix[after]
    between = rot.exp(u * rot.log(last @ np.swapaxes(first, 1, 2))) @ first
    c = (1 - u) * out.cameras.c[after - 1] + u * out.cameras.c[after]
    log_f = (1 - u[:, 0]) * out.cameras.log_f[after - 1] + u[:, 0] * out.cameras.log_f[after]
    start = bundle.Cameras(between @ R, c, log_f)
    point = point_of_track[tracks.track]
    own = point >= 0
    sight = bundle.Sight(tracks.frame[own].astype(int), point[own], px[own], tracks.weight[tracks.track[own]])
    cameras, known = bundle.register(sight, start, out.cloud, moves, zooms)
    count = np.bincount(sight.view, minlength=n)
    # With hardly a corner a registration is worse than none.
    poor = count < LEAST_SHARED
    wild = np.linalg.norm(rot.log(cameras.R @ np.swapaxes(start.R, 1, 2)), axis=1) > 0.1
    lost = poor | wild
    cameras = bundle.Cameras(np.where(lost[:, None, None], start.R, cameras.R), np.where(lost[:, None], start.c, cameras.c),
                             np.where(lost, start.log_f, cameras.log_f))
    known = np.where(lost[:, None, None], 0.0, known)
    reach = _reach(out.cloud)
    sigma = np.array([TURN_ACCEL] * 3 + [3.0 * reach if moves else 0.0] * 3 + [ZOOM_ACCEL if zooms else 0.0])
    return bundle.smooth(cameras, known, time_s, sigma, PIXEL_SIGMA), np.where(lost, 0, count)


def _reach(cloud: bundle.Cloud) -> float:
    """Typical distance of the points, in units of the path, over the five metres at which people mostly stand."""
    near = np.median(cloud.r[cloud.r > 1e-9]) if (cloud.r > 1e-9).any() else 1.0
    return float(1 / near / 5)
