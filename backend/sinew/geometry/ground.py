"""Which way is up and where the floor is, told by the people who stand on it."""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

ROLL_SIGMA_DEG = 3.0
"""Most cameras are held level: spread of the turn about the line of sight. Robust: some are tilted on purpose."""
PITCH_SIGMA_DEG = 20.0
AXIS_SIGMA_DEG = 8.0
"""Spread of a body's axis (ankles to shoulders) about the vertical, for one independent look at it."""
PLANTED_SIGMA_M = 0.06
"""Spread of a planted sole's height over the floor, as solved from one view."""

LOOK_S = 2.0
"""The detector's errors last: what it shows of a person within this time counts as one look."""


def up_in_camera(roll: float, pitch: float) -> np.ndarray:
    """Up as a unit vector in camera axes (y down). Angles in rad; both 0 for a level camera, pitch > 0 looking down."""
    return np.array([np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch), -np.sin(pitch)])


def find_up(axes_c: np.ndarray, axis_looks: float, planted_c: np.ndarray, planted_weight: np.ndarray,
            planted_by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Up direction, and the level on which each person's feet are planted.

    The cost holds: bodies stand upright on average (robustly, so that a bow or a fall does not tip the world), the
    planted feet of a person lie on one plane across it, cameras are held level and not steeply.

    Args:
        axes_c: (N, 3) unit vectors from ankles to shoulders in camera axes, all people and frames.
        axis_looks: How many independent looks these are worth: neighbours in time are one look.
        planted_c: (M, 3) places where a sole stood still, camera axes, m.
        planted_weight: (M,)
        planted_by: (M,) number of the person, from 0.

    Returns:
        Unit vector in camera axes, and per person the level along it, m (NaN for a person without planted feet).
    """
    axes_c = np.asarray(axes_c, dtype=float).reshape(-1, 3)
    planted_c = np.asarray(planted_c, dtype=float).reshape(-1, 3)
    n, m = len(axes_c), len(planted_c)
    n_people = int(planted_by.max()) + 1 if m else 0
    share = np.sqrt(axis_looks / n) if n else 0.0
    axis_sigma = 2 * np.sin(np.radians(AXIS_SIGMA_DEG) / 2)

    def residuals(x):
        up = up_in_camera(x[0], x[1])
        prior = [_cauchy(x[0] / np.radians(ROLL_SIGMA_DEG)), x[1] / np.radians(PITCH_SIGMA_DEG)]
        lean = _cauchy(np.linalg.norm(axes_c - up, axis=1) / axis_sigma) * share
        levels = x[2:]
        flat = _cauchy((planted_c @ up - levels[planted_by]) / PLANTED_SIGMA_M) * np.sqrt(planted_weight)
        # A level that nothing holds keeps its place in the equations.
        return np.concatenate([prior, lean, flat, 1e-6 * levels])

    best = None
    for pitch in np.radians([-30.0, 0.0, 30.0, 60.0]):
        height = planted_c @ up_in_camera(0, pitch)
        levels = [np.median(height[planted_by == p]) if (planted_by == p).any() else 0.0 for p in range(n_people)]
        found = least_squares(residuals, [0.0, pitch, *levels], x_scale=0.1, max_nfev=60)
        if best is None or found.cost < best.cost:
            best = found
    seen = np.array([(planted_by == p).any() for p in range(n_people)], dtype=bool)
    return up_in_camera(best.x[0], best.x[1]), np.where(seen, best.x[2:], np.nan)


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
