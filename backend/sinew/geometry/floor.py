"""The floor among the points of a background, and how long a path's unit is in metres, told by people's feet on it.

A moving camera's way is known up to scale; the people are known in metres, as far as their height is. Where a foot on the
floor lies this far under the camera in metres, and the floor's plane that far in units of the path, one over the other is
the scale. Without a floor to see, the scale that lets planted feet stand still is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PLANE_TILT_DEG = 12.0
"""A plane more oblique than this to what the people say is up is no floor."""
PLANE_OFF = 0.02
"""Of the camera's height over the plane: a point this near lies in it."""
LEAST_PLANE_POINTS = 20
NEAR_FEET_DEG = 8.0
"""Points are worth more where feet are seen near by."""
NEAR_PLACE = 1.0
"""The same in space, over the camera's height above the plane."""
TRIALS = 800
STILL_M = 0.03
"""A planted sole's place seems to move by this much within a tenth of a second, as solved from one view."""


@dataclass(frozen=True)
class Plane:
    """n x = d, with n a unit vector pointing up."""

    n: np.ndarray
    d: float
    count: int
    """Points that lie in it."""
    sigma_deg: float = 0.0
    """Spread of the normal, by how far and how thinly its points lie; points of one bump err alike."""


def find_floor(points: np.ndarray, up: np.ndarray, centres: np.ndarray, feet: np.ndarray,
               depth_sigma: np.ndarray | None = None, seed: int = 5) -> Plane | None:
    """The floor's plane among points, by random triples and a robust least-squares fit.

    Args:
        points: (P, 3) of the background, path axes and units.
        up: (3,) about up, as the people say.
        centres: (F, 3) camera centres of sampled frames, same units.
        feet: (F, 3) directions from those centres to a foot.
        depth_sigma: (P,) spread of each point's distance over the distance: what is seen from nearly one direction lies
            anywhere on its ray. Default: all alike.

    Returns:
        None where there is no such plane.
    """
    points = np.asarray(points, dtype=float)
    middle = centres.mean(0)
    away = points - middle
    distance = np.linalg.norm(away, axis=1)
    low = (away @ up) / np.maximum(distance, 1e-9) < -np.sin(np.radians(2.0))
    candidates = points[low & np.isfinite(distance)]
    if len(candidates) < LEAST_PLANE_POINTS:
        return None
    reach = distance[low & np.isfinite(distance)]
    depth_sigma = np.zeros(len(points)) if depth_sigma is None else np.asarray(depth_sigma, dtype=float)
    depth_sigma = depth_sigma[low & np.isfinite(distance)]
    # Along its ray a point leaves the floor by the same share of the camera's height.
    tolerance = np.hypot(PLANE_OFF, depth_sigma)
    weight = _near_feet(candidates, centres, feet) * (PLANE_OFF / tolerance) ** 2
    rng = np.random.default_rng(seed)
    best, best_score = None, 0.0
    chance = weight / weight.sum()
    for _ in range(TRIALS):
        triple = candidates[rng.choice(len(candidates), 3, replace=False, p=chance)]
        n = np.cross(triple[1] - triple[0], triple[2] - triple[0])
        size = np.linalg.norm(n)
        if size < 1e-9:
            continue
        n = n / size
        n = n if n @ up > 0 else -n
        if n @ up < np.cos(np.radians(PLANE_TILT_DEG)):
            continue
        d = float(n @ triple[0])
        height = float(n @ middle) - d
        if height <= 0:
            continue
        off = (candidates @ n - d) / height
        # Much under a floor there is nothing: what lies there speaks against it.
        score = float((weight * (np.abs(off) < tolerance)).sum() - 0.5 * (weight * (off < -4 * tolerance)).sum())
        if score > best_score:
            best, best_score = (n, height), score
    if best is None:
        return None
    n, height = best
    # Of a point its direction is known well and its distance badly: on a plane the inverse of the distance is linear in
    # the direction, so a line is fitted to what errs, and far points do not pull the plane down.
    ray, inverse = (candidates - middle) / reach[:, None], 1 / reach
    slope = -n / height
    for _ in range(8):
        expected = ray @ slope
        spread = np.hypot(PLANE_OFF * np.maximum(expected, 1e-9), depth_sigma * inverse)
        off = (inverse - expected) / spread
        # Where their rays meet the plane, not where they seem to lie: what errs must not choose.
        meeting = middle + ray / np.maximum(expected, 1e-6)[:, None]
        near = _near_places(meeting, n, float(n @ middle) - height, height, centres, feet)
        w = near / (1 + off**2) ** 2 * (np.abs(off) < 3)
        if ((np.abs(off) < 1) & (near > 0.1)).sum() < 3:
            return None
        rows = ray * (np.sqrt(w) / spread)[:, None]
        normal = rows.T @ rows
        slope = np.linalg.lstsq(rows, inverse * np.sqrt(w) / spread, rcond=None)[0]
        height = 1 / max(float(np.linalg.norm(slope)), 1e-12)
        n = -slope * height
        if n @ up < 0:
            return None
    off = (inverse - ray @ slope) / spread
    if (np.abs(off) < 1).sum() < LEAST_PLANE_POINTS or n @ up < np.cos(np.radians(1.3 * PLANE_TILT_DEG)):
        return None
    # How far points are off is asked of more than those chosen for lying near; ten points that err alike count as one.
    about = (np.abs(off) < 4) & (near > 0.1)
    covariance = np.linalg.pinv(normal) * (1.48 * np.median(np.abs(off[about]))) ** 2 * 10
    across = np.eye(3) - np.outer(n, n)
    sigma = np.sqrt(np.linalg.eigvalsh(across @ covariance @ across)[-1]) * height
    return Plane(n, float(n @ middle) - height, int((np.abs(off) < 1).sum()), float(np.degrees(sigma)))


def _near_feet(points: np.ndarray, centres: np.ndarray, feet: np.ndarray) -> np.ndarray:
    """(P,) weights in (0, 1]: large where some frame sees a foot near the point."""
    best = np.full(len(points), -1.0)
    feet = feet / np.maximum(np.linalg.norm(feet, axis=1, keepdims=True), 1e-9)
    for centre, foot in zip(centres, feet, strict=True):
        away = points - centre
        away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
        best = np.maximum(best, away @ foot)
    angle = np.degrees(np.arccos(np.clip(best, -1, 1)))
    return 0.05 + np.exp(-0.5 * (angle / NEAR_FEET_DEG) ** 2)


def _near_places(points: np.ndarray, n: np.ndarray, d: float, height: float, centres: np.ndarray, feet: np.ndarray
                 ) -> np.ndarray:
    """(P,) weights in (0, 1]: large within the camera's height of a place where a foot's ray meets the plane.

    Far from the people the ground may lie higher or lower than where they walk: a kerb, a lawn, a stage.
    """
    down = -(feet @ n)
    meets = down > 1e-9
    if not meets.any():
        return np.ones(len(points))
    places = centres[meets] + feet[meets] * (((centres[meets] @ n - d) / down[meets])[:, None])
    nearest = np.min([((points - place) ** 2).sum(1) for place in places], axis=0)
    return 0.05 + np.exp(-0.5 * nearest / (NEAR_PLACE * height) ** 2)


def scale_on_floor(plane: Plane, soles: np.ndarray, centres: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Metres per unit of the path, from feet on a plane.

    Args:
        plane: In path units.
        soles: (N, 3) from the camera's centre, path axes, m.
        centres: (N, 3) the camera's centre, path units.
        weight: (N,) how surely the sole stands.

    Returns:
        The scale and its relative spread (half the distance of the quartiles, of what single soles say).
    """
    height = centres @ plane.n - plane.d
    under = -(soles @ plane.n)
    ok = (height > 1e-6) & (under > 0.05) & (weight > 0)
    if not ok.any():
        return np.nan, np.inf
    ratio = under[ok] / height[ok]
    order = np.argsort(ratio)
    total = np.cumsum(weight[ok][order]) / weight[ok].sum()
    low, middle, high = (float(ratio[order][min(np.searchsorted(total, q), len(order) - 1)]) for q in (0.25, 0.5, 0.75))
    return middle, (high - low) / 2 / middle


def scale_by_standing(soles: np.ndarray, centres: np.ndarray, joined: np.ndarray, guess: float) -> tuple[float, float]:
    """Metres per unit of the path with which as many soles as can be stand still from one sample to the next.

    Args:
        soles: (N, S, 3) from the camera's centre, path axes, m; samples in order.
        centres: (N, 3)
        joined: (N,) bool: the sample follows the one before.
        guess: About the scale; a factor of two off is one spread away.

    Returns:
        The scale and about its relative spread (inf where the camera did not move enough to tell).
    """
    pair = np.nonzero(joined)[0]
    if len(pair) == 0:
        return guess, np.inf
    moved = soles[pair] - soles[pair - 1]
    path = (centres[pair] - centres[pair - 1])[:, None]
    scales = guess * np.exp(np.linspace(-2, 2, 161))

    def cost(s):
        off = np.linalg.norm(moved + s * path, axis=-1).min(1) / STILL_M
        return float(np.log1p(off**2).sum()) + (np.log(s / guess) / np.log(2)) ** 2

    costs = np.array([cost(s) for s in scales])
    i = int(costs.argmin())
    near = costs < costs[i] + 1
    return float(scales[i]), float(np.ptp(np.log(scales[near]))) / 2 + 0.01
