"""Which way is up and where the floor is, told by the people who stand on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

ROLL_SIGMA_DEG = 3.0
"""Most cameras are held level: spread of the turn about the line of sight. Robust: some are tilted on purpose."""
PITCH_SIGMA_DEG = 20.0
AXIS_SIGMA_DEG = 8.0
"""Spread of a body's axis (`motion.balance`: what carries it to its centre of mass) about the vertical, for one independent
look at it."""
PLANTED_SIGMA_M = 0.06
"""Spread of a planted sole's height over the floor, as solved from one view ..."""
PLANTED_AWAY = 0.1
"""... beside the share of its distance by which it is wrong along the line of sight (`planted_sigma`)."""

LINE_SIGMA_DEG, LINE_FINE_DEG = 1.0, 0.5
"""Spread of an upright line about the vertical, and of what is built level: while it is looked for, and once it is found."""
LINE_LOOKS = 20.0
"""What all straight lines of the picture together are worth, if all were upright."""
LINE_REACH_DEG, LINE_REACH = 15.0, 2.5
"""Lines only refine what the people say: an upright is looked for this far from it, or so many times the spread of what they
say where that is more ..."""
LINE_FARTHEST_DEG, LINE_STEP_DEG = 30.0, 3.0
"""... but no farther than this, in such steps."""
TURN_LOOK_DEG = 10.0
"""A camera that turns by this much shows once more that its horizon is level."""
FLOOR_SIGMA_DEG = 2.0
"""Spread of the normal of a floor seen by structure from motion, 0.6 to 2.1 degrees off in `bench world`. Robust: floors
may slope."""
LOOK_S = 2.0
"""The detector's errors last: what it shows of a person within this time counts as one look."""


@dataclass(frozen=True)
class Straight:
    """What straight lines of the pictures say, in the first camera's axes."""

    planes: np.ndarray
    """(L, 3) unit normals of the planes through the camera and each line: those of upright lines hold up."""
    share: np.ndarray
    """(L,) weights, with a sum of 1 for one picture."""
    level: np.ndarray
    """(K, 3) unit: level directions along which lines run."""
    level_sigma_deg: np.ndarray
    """(K,) spreads of their heights."""


NOBODY = (np.zeros((0, 3)), np.zeros(0), np.zeros(0, dtype=int))
"""No planted soles, for `find_up`: places, weights, owners."""
NOTHING_STRAIGHT = Straight(np.zeros((0, 3)), np.zeros(0), np.zeros((0, 3)), np.zeros(0))


def up_in_camera(roll: float, pitch: float) -> np.ndarray:
    """Up as a unit vector in camera axes (y down). Angles in rad; both 0 for a level camera, pitch > 0 looking down."""
    return np.array([np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch), -np.sin(pitch)])


def planted_sigma(planted_c: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Spread (M,) of the heights of planted soles (M, 3) along up, about as it is, seen from the origin, m.

    What is wrong along the line of sight changes a height by that line's slope: by the same share of it. Feet that seem to
    come and go lie along that line, and a floor through them would be tilted towards it; but whoever steps up while the
    camera sees them from the side does so at one distance.
    """
    return np.hypot(PLANTED_SIGMA_M, PLANTED_AWAY * (np.asarray(planted_c, dtype=float).reshape(-1, 3) @ up))


def find_up(*evidence, **more) -> tuple[np.ndarray, np.ndarray]:
    """Up and levels of `fit_up`, without the cost."""
    return fit_up(*evidence, **more)[:2]


def fit_up(axes_c: np.ndarray, axis_looks: float, planted_c: np.ndarray, planted_weight: np.ndarray,
           planted_by: np.ndarray, straight: Straight = NOTHING_STRAIGHT, sides_c: np.ndarray | None = None,
           floor_c: np.ndarray | None = None, floor_sigma_deg: float = 0.0, axis_weight: np.ndarray | None = None,
           planted_sigma_m: np.ndarray | float = PLANTED_SIGMA_M) -> tuple[np.ndarray, np.ndarray, float]:
    """Up direction, the level on which each person's feet are planted, and the cost of both.

    The cost holds: bodies stand upright on average (robustly, so that a bow or a fall does not tip the world), the
    planted feet of a person lie on one plane across it, cameras are held level and not steeply, some of the straight
    lines in the picture are upright, and those that run together do so in level directions.

    Args:
        axes_c: (N, 3) unit vectors that are upright on average, in camera axes, all people and frames.
        axis_looks: How many independent looks these are worth: neighbours in time are one look.
        planted_c: (M, 3) places where a sole stood still, camera axes, m.
        planted_weight: (M,)
        planted_by: (M,) number of the person, from 0.
        straight: What straight lines say.
        sides_c: (S, 3) where the right side of the picture points over the shot, for a camera that turns: its horizon
            stays level, so the axis of a pan is upright. Default: the first picture's own.
        floor_c: (3,) the normal of the floor's points, where structure from motion has seen it.
        floor_sigma_deg: Its spread, as its points tell; a floor's own slope is added.
        axis_weight: (N,) 0..1, how much each axis says; all of them by default.
        planted_sigma_m: Spread of the heights of planted soles, of `planted_sigma` where up is known nearly: one for all or
            (M,).

    Returns:
        Unit vector in camera axes, per person the level along it, m (NaN for a person without planted feet), and the
        cost, in squared spreads.
    """
    axes_c = np.asarray(axes_c, dtype=float).reshape(-1, 3)
    planted_c = np.asarray(planted_c, dtype=float).reshape(-1, 3)
    n, m = len(axes_c), len(planted_c)
    n_people = int(planted_by.max()) + 1 if m else 0
    share = np.sqrt(axis_looks / n * (1.0 if axis_weight is None else np.asarray(axis_weight))) if n else 0.0
    axis_sigma = 2 * np.sin(np.radians(AXIS_SIGMA_DEG) / 2)

    planes, line_weight = straight.planes, np.sqrt(LINE_LOOKS * straight.share)
    sides = None if sides_c is None else np.asarray(sides_c, dtype=float).reshape(-1, 3)
    side_share = 0.0
    if sides is not None and len(sides):
        extent = np.degrees(np.arccos(np.clip((sides @ sides.T).min(), -1, 1)))
        side_share = np.sqrt((1 + extent / TURN_LOOK_DEG) / len(sides))

    def residuals(x, with_lines, line_deg=LINE_SIGMA_DEG):
        up = up_in_camera(x[0], x[1])
        roll = _cauchy(x[0] / np.radians(ROLL_SIGMA_DEG))
        prior = np.r_[roll if sides is None else _cauchy(sides @ up / np.sin(np.radians(ROLL_SIGMA_DEG))) * side_share,
                      x[1] / np.radians(PITCH_SIGMA_DEG)]
        if floor_c is not None:
            sigma = np.radians(np.hypot(FLOOR_SIGMA_DEG, floor_sigma_deg))
            prior = np.r_[prior, _cauchy(np.linalg.norm(up - floor_c) / sigma)]
        # Whoever leans by three spreads and more does not stand, and their axis says nothing at all: a crawler's would tip up
        # towards it where little else holds it.
        lean = np.linalg.norm(axes_c - up, axis=1) / axis_sigma
        lean = bounded(lean, 3.0) * share
        levels, height = np.asarray(x[2:]), planted_c @ up
        flat = _cauchy((height - levels[planted_by]) / planted_sigma_m) * np.sqrt(planted_weight)
        # Most lines are not upright: far from it, a line says nothing at all.
        off = planes @ up / np.sin(np.radians(line_deg))
        upright = bounded(off, 2.0) * line_weight * with_lines
        # A ramp runs far from level, and says nothing either.
        high = straight.level @ up / np.sin(np.radians(np.hypot(line_deg, straight.level_sigma_deg)))
        level = bounded(high, 3.0) * with_lines
        # A level that nothing holds keeps its place in the equations.
        return np.concatenate([prior, lean, flat, upright, level, 1e-6 * levels])

    def begin(roll, pitch):
        height = planted_c @ up_in_camera(roll, pitch)
        return [roll, pitch, *(np.median(height[planted_by == p]) if (planted_by == p).any() else 0.0
                               for p in range(n_people))]

    def solve(starts, *how):
        found = [least_squares(residuals, x, x_scale=0.1, max_nfev=60, args=how) for x in starts]
        return min(found, key=lambda f: f.cost).x

    x = solve([begin(0.0, np.radians(pitch)) for pitch in (-30.0, 0.0, 30.0, 60.0)], 0.0)
    if len(planes) or len(straight.level):
        # Lines make narrow valleys: begin from the best few places round what the people say, and stay there.
        said_deg = AXIS_SIGMA_DEG / np.sqrt(max(float(np.square(share).sum()), 1e-6))
        reach = np.radians(np.clip(LINE_REACH * said_deg, LINE_REACH_DEG, LINE_FARTHEST_DEG))
        steps = np.arange(-reach, reach + 1e-9, np.radians(LINE_STEP_DEG))
        near = [begin(x[0] + roll, x[1] + pitch) for roll in steps for pitch in steps if np.hypot(roll, pitch) <= reach]
        order = np.argsort([(residuals(y, 1.0, LINE_STEP_DEG) ** 2).sum() for y in near])[:6]
        y = solve([x, *(near[i] for i in order)], 1.0)
        if up_in_camera(*x[:2]) @ up_in_camera(*y[:2]) > np.cos(1.5 * reach):
            x = solve([y], 1.0, LINE_FINE_DEG)
    seen = np.array([(planted_by == p).any() for p in range(n_people)], dtype=bool)
    cost = float((residuals(x, float(len(planes) + len(straight.level) > 0)) ** 2).sum())
    return up_in_camera(x[0], x[1]), np.where(seen, x[2:], np.nan), cost


def sides_of(R: np.ndarray) -> np.ndarray | None:
    """Where the right of the picture points at sampled frames, (S, 3), for `find_up`; None for a camera that does not turn.

    Args:
        R: (T, 3, 3) camera to any axes.
    """
    if np.ptp(R, axis=0).max() < 1e-9:
        return None
    return R[np.unique(np.linspace(0, len(R) - 1, 60).astype(int)), :, 0]


def bounded(r: np.ndarray, most: float) -> np.ndarray:
    """Residuals of which none exceeds `most`: what is far off says nothing at all."""
    return r / np.sqrt(1 + r**2 / most**2)


def _cauchy(r: np.ndarray) -> np.ndarray:
    """Residual whose square is Cauchy's loss with a scale of 2 spreads."""
    return 2 * np.sqrt(np.log1p((np.asarray(r) / 2) ** 2))


def world_of(up_c: np.ndarray, floor: float, origin_c: np.ndarray) -> np.ndarray:
    """T_wc (4, 4): Z up, floor at z = 0, the camera looking towards +Y, the origin under a point.

    Args:
        up_c: (3,) unit, camera axes.
        floor: The floor's coordinate along `up_c`, m.
        origin_c: (3,) the point above the origin, camera axes.
    """
    ahead = np.array([0.0, 0.0, 1.0])
    y = ahead - up_c * (up_c @ ahead)
    if np.linalg.norm(y) < 1e-3:
        # A camera that looks straight down: the top of its picture stands for ahead.
        top = np.array([0.0, -1.0, 0.0])
        y = top - up_c * (up_c @ top)
    y /= np.linalg.norm(y)
    R = np.stack([np.cross(y, up_c), y, up_c])
    T = np.eye(4)
    T[:3, :3] = R
    T[:3, 3] = -(R @ origin_c)
    T[2, 3] = -floor
    return T
