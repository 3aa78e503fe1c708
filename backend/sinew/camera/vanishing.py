"""What straight lines say of the focal length and of what is level.

Most that people build runs up or along directions square to that, and the lines of one direction meet in one point of the
picture. Where such points of square directions lie at a finite distance and apart, the focal length follows from them; and
lines that run together in depth tell how far the camera looks down, which a wall seen straight on does not. A scene may hold
two sets of level directions: a wall, and a table that stands askew to it.

Sources: Caprile and Torre, Using vanishing points for camera calibration (1990); Coughlan and Yuille, Manhattan world (1999),
for lines that belong to no direction; Schindler and Dellaert, Atlanta world (2004), for several sets that share up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from ..geometry import rotations as rot
from ..geometry.ground import bounded
from .background import LOOKED_PX, Background

ALONG_DEG, END_PX = 0.5, 0.7
"""Spread of a line about its direction: of what is built, and of where its ends are found in the pictures looked at."""
FAR = 3.0
"""Spreads from which on a line says nothing."""
FULL_SHARE = 0.2
"""Of the picture's long side: a line this long counts as one look, a shorter one by its share of that."""
MOST_LOOKS = 30.0
"""What all lines of one picture count together at most: their errors are partly the same."""
MOST_LINES = 200
SAME_PX = 2.0
"""A camera that stands sees the same edges in all pictures, this near in those looked at: the longest is heard."""
UP_LEAST_DEG, UP_REACH_DEG, STEP_DEG = 3.0, 15.0, 3.0
"""Least spread of what the people say is up, how far from it another is sought, and in which steps."""
FOCAL_STEP, FOCAL_REACH = 0.1, 2.5
"""Of the focal length's logarithm: the steps, and how many spreads they reach."""
SECOND, SECOND_APART_DEG = 6.0, 9.0
"""What a second set of level directions must explain, in squared spreads, to be there, and how far from the first it lies."""
BEGINS, MOST_BEGINS = 4, 16
"""Places to go on from, of one focal length and of all."""
TOLD = 0.6
"""The focal length is told by lines where they take its spread below this share."""
LEVEL_REACH_DEG = 15.0
"""Spread of a level direction of which nothing is known."""
LEAST_UPRIGHT, LEAST_LEVEL = 1.0, 3.0
"""Looks of upright lines, and of those along a level direction, with fewer of which they may be found by chance. Measured
in `bench world` and elsewhere: 0.5 and less, or no upright ones, where it was wrong by 4 to 8 degrees, 6 and more where
right."""


@dataclass(frozen=True)
class Lines:
    """Straight lines of some pictures."""

    middle: np.ndarray
    """(N, 2) from the picture's centre, px at the focal length of the shot."""
    along: np.ndarray
    """(N, 2) unit."""
    sigma: np.ndarray
    """(N,) rad."""
    looks: np.ndarray
    """(N,) how much each counts."""
    R: np.ndarray
    """(N, 3, 3) the camera of its picture to the first camera's axes."""


def lines_of(seen: Background, K: np.ndarray, R: np.ndarray, long_side_px: float) -> Lines:
    """The look's lines, those that count most.

    Args:
        seen: The look.
        K: (T, 3, 3) with focal lengths over that of the shot.
        R: (T, 3, 3) camera to the first camera's axes.
        long_side_px: Of the picture.
    """
    stands = np.ptp(R, axis=0).max() == 0
    scale = max(1.0, long_side_px / LOOKED_PX)
    own = _distinct(seen.lines_px, SAME_PX * scale) if stands else np.arange(len(seen.line_frame))
    px, t = seen.lines_px[own], seen.line_frame[own]
    ends = (px - K[t][:, None, :2, 2]) / K[t, 0, 0][:, None, None]
    along = ends[:, 1] - ends[:, 0]
    length = np.linalg.norm(px[:, 1] - px[:, 0], axis=-1)
    sigma = np.hypot(np.radians(ALONG_DEG), END_PX * scale / np.maximum(length, 1e-9))
    looks = np.minimum(1.0, length / (FULL_SHARE * long_side_px))
    # One that turns or moves sees edges partly anew in each picture: n pictures count as the root of n.
    pictures = [np.ones(len(t), dtype=bool)] if stands else [t == p for p in np.unique(t)]
    for one in pictures:
        looks[one] *= min(1.0, MOST_LOOKS / max(looks[one].sum(), 1e-9)) / np.sqrt(len(pictures))
    kept = np.sort(np.argsort(-looks, kind="stable")[:MOST_LINES])
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    return Lines(ends.mean(1)[kept], along[kept], sigma[kept], looks[kept], R[t][kept])


def _distinct(lines_px: np.ndarray, near_px: float) -> np.ndarray:
    """Numbers of lines (N, 2, 2) of which none lies on a longer one, longest first."""
    length = np.linalg.norm(lines_px[:, 1] - lines_px[:, 0], axis=-1)
    kept: list[int] = []
    for i in np.argsort(-length, kind="stable"):
        start = lines_px[kept, 0]
        along = (lines_px[kept, 1] - start) / np.maximum(length[kept], 1e-9)[:, None]
        to = lines_px[i][None] - start[:, None]
        beside = np.abs(to[..., 0] * along[:, None, 1] - to[..., 1] * along[:, None, 0]).max(1)
        middle = np.einsum("kc,kc->k", to.mean(1), along)
        if not ((beside < near_px) & (middle > 0) & (middle < length[kept])).any():
            kept.append(int(i))
    return np.array(kept, dtype=int)


def focal_said(lines: Lines, up: np.ndarray, up_sigma_deg: float, log_focal: float, sigma: float) -> tuple[float, float]:
    """The focal length that suits the lines, what the people say is up, and what else is known of it.

    Args:
        lines: Any number.
        up: (3,) unit, in the first camera's axes, as the people say.
        up_sigma_deg: Its spread.
        log_focal: Logarithm of the likeliest focal length without the lines, px.
        sigma: Its spread.

    Returns:
        The likeliest logarithm and the spread about it, which is wide where another suits nearly as well; what was known
        before where too few lines carry the directions.
    """
    modes = _modes(lines, up, up_sigma_deg, log_focal, sigma)
    if not _carried(lines, _clear(lines, float(np.exp(modes[0].log_focal)), modes[0].axes)[0]):
        return log_focal, sigma
    apart = [m for i, m in enumerate(modes) if all(abs(m.log_focal - o.log_focal) > 0.5 * min(m.sigma, o.sigma)
                                                   for o in modes[:i])]
    share = np.array([np.exp(-0.5 * (m.cost - modes[0].cost)) * m.sigma for m in apart])
    at, spread = np.array([m.log_focal for m in apart]), np.array([m.sigma for m in apart])
    return float(at[0]), float(np.sqrt(share @ (spread**2 + (at - at[0]) ** 2) / share.sum()))


def level_said(lines: Lines, up: np.ndarray, up_sigma_deg: float, focal: float) -> tuple[np.ndarray, np.ndarray]:
    """Level directions along which lines run, each by its own lines alone.

    Args:
        lines: Any number.
        up: (3,) unit, in the first camera's axes, as the people say.
        up_sigma_deg: Its spread.
        focal: px

    Returns:
        (K, 3) unit, in the first camera's axes, and the spreads (K,) of their heights, degrees.
    """
    axes = _modes(lines, up, up_sigma_deg, float(np.log(focal)), None)[0].axes
    clear, off = _clear(lines, focal, axes)
    directions, sigma_deg = [np.zeros((0, 3))], []
    for k in _carried(lines, clear):
        plane, to = _planes(lines, focal), _ways(lines, focal, axes[k])
        weight = clear[k] * lines.looks / (1 + (off[k] / FAR) ** 2) ** 2 / lines.sigma**2
        free = np.stack([axes[0], np.cross(axes[0], axes[k])])
        rows = plane / np.maximum(np.linalg.norm(to, axis=-1), 1e-9)[:, None]
        J = rows @ free.T
        normal = (J * weight[:, None]).T @ J + np.eye(2) / np.radians(LEVEL_REACH_DEG) ** 2
        found = axes[k] - np.linalg.solve(normal, J.T @ (weight * (rows @ axes[k]))) @ free
        directions.append(found[None] / np.linalg.norm(found))
        sigma_deg.append(np.degrees(np.sqrt(np.linalg.inv(normal)[0, 0])))
    return np.concatenate(directions), np.array(sigma_deg)


def _clear(lines: Lines, focal: float, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which lines belong to each direction (A, N) and to no other, and how many spreads (A, N) they are off.

    One that could as well belong to another, such as a line in depth at the height of the camera, says nothing of either.
    """
    off = np.abs(_off(lines, focal, axes)) / lines.sigma
    return np.stack([(off[k] < FAR) & (np.delete(off, k, axis=0).min(0) > 2 * FAR) for k in range(len(axes))]), off


def _carried(lines: Lines, clear: np.ndarray) -> list[int]:
    """Numbers of the level directions that enough lines carry; none where no lines stand upright."""
    looks = clear @ lines.looks
    return [k for k in range(1, len(clear)) if looks[0] >= LEAST_UPRIGHT and looks[k] >= LEAST_LEVEL]


def _ways(lines: Lines, focal: float, axes: np.ndarray) -> np.ndarray:
    """From the middles of lines towards the vanishing points (..., N, 2) of directions (..., 3)."""
    d = np.einsum("...j,njc->...nc", axes, lines.R)
    return focal * d[..., :2] - lines.middle * d[..., 2:]


def _planes(lines: Lines, focal: float) -> np.ndarray:
    """(N, 3) of each line, in the first camera's axes, what times a direction is how far `_ways` leads across the line."""
    normal = np.stack([-lines.along[:, 1] * focal, lines.along[:, 0] * focal,
                       lines.along[:, 1] * lines.middle[:, 0] - lines.along[:, 0] * lines.middle[:, 1]], 1)
    return np.einsum("njc,nc->nj", lines.R, normal)


def _off(lines: Lines, focal: float, axes: np.ndarray) -> np.ndarray:
    """Sine of the angle (..., N) in the picture between each line and the way from its middle to the vanishing points of
    directions (..., 3)."""
    return axes @ _planes(lines, focal).T / np.maximum(np.linalg.norm(_ways(lines, focal, axes), axis=-1), 1e-9)


@dataclass(frozen=True)
class _Begin:
    """Directions and a focal length of the grid to go on from."""

    cost: float
    step: float
    """Of the focal length's logarithm, from the likeliest."""
    up: np.ndarray
    level: np.ndarray
    second: float | None
    """As of `_axes`."""


@dataclass(frozen=True)
class _Mode:
    """Directions and a focal length that suit better than others near by."""

    cost: float
    """Squared spreads."""
    log_focal: float
    sigma: float
    """As the lines of directions tell that enough lines carry."""
    axes: np.ndarray
    """(3 or 5, 3) up and the level directions, in the first camera's axes."""


def _modes(lines: Lines, up: np.ndarray, up_sigma_deg: float, log_focal: float, sigma: float | None) -> list[_Mode]:
    """The best first. Args as of `focal_said`; sigma None: the focal length is known."""
    up_sigma = np.radians(max(up_sigma_deg, UP_LEAST_DEG))
    steps = np.zeros(1)
    if sigma is not None:
        steps = np.arange(-FOCAL_REACH * sigma, FOCAL_REACH * sigma + 1e-9, FOCAL_STEP)
        steps -= steps.mean()
    focal_sigma = 1.0 if sigma is None else sigma
    ups, levels = _ups_about(up)
    lean = np.square(np.arccos(np.clip(ups @ up, -1, 1)) / up_sigma)
    begins = []
    for step in steps:
        cost, one, two = _begins(lines, float(np.exp(log_focal + step)), ups, levels)
        cost += lean + (step / focal_sigma) ** 2
        for k in np.argsort(cost, kind="stable")[:BEGINS]:
            second = np.radians(STEP_DEG) * (two[k] - one[k]) if two[k] >= 0 else None
            begins.append(_Begin(cost[k], step, ups[k], levels[k, one[k]], second))
    weight = np.sqrt(lines.looks)

    def directions(x, begin):
        return _axes(begin.up, begin.level, None if begin.second is None else begin.second + x[4]) @ rot.exp(x[1:4]).T

    def focal_at(x):
        return float(np.exp(log_focal + (0.0 if sigma is None else x[0])))

    def residuals(x, begin):
        axes = directions(x, begin)
        off = np.abs(_off(lines, focal_at(x), axes)).min(0) / lines.sigma
        return np.r_[bounded(off, FAR) * weight, (axes[0] - up) / up_sigma, x[0] / focal_sigma]

    def solve(begin):
        x = np.r_[begin.step, np.zeros(3 if begin.second is None else 4)]
        return least_squares(residuals, x, x_scale=0.05, max_nfev=40, args=(begin,))

    modes = []
    for begin in sorted(begins, key=lambda b: b.cost)[:MOST_BEGINS]:
        found = solve(begin)
        if begin.second is not None and _turn_apart(begin.second + found.x[4]) < np.radians(SECOND_APART_DEG):
            begin = replace(begin, second=None)  # it was the first set once more
            found = solve(begin)
        axes = directions(found.x, begin)
        # What too few lines carry may be there by chance: it narrows nothing.
        clear, off = _clear(lines, focal_at(found.x), axes)
        heard = np.isin(off.argmin(0), [0, *_carried(lines, clear)])
        J = found.jac[np.r_[heard, np.ones(4, dtype=bool)]]
        spread = np.sqrt(np.linalg.pinv(J.T @ J)[0, 0])
        second = SECOND if begin.second is not None else 0.0
        modes.append(_Mode(2 * found.cost + second, log_focal + found.x[0], spread, axes))
    return sorted(modes, key=lambda m: m.cost)


def _ups_about(up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ups (U, 3) round one, and directions (U, A, 3) square to each, over half a turn in steps."""
    side = np.cross(up, [0.0, 0.0, 1.0] if abs(up[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    first = np.stack([side, np.cross(up, side)])
    steps = np.radians(np.arange(-UP_REACH_DEG, UP_REACH_DEG + 1e-9, STEP_DEG))
    lean = np.array([(a, b) for a in steps for b in steps if np.hypot(a, b) <= np.radians(UP_REACH_DEG) + 1e-9])
    turn = np.radians(np.arange(0, 180, STEP_DEG))
    leaned = rot.exp(lean @ first)
    level = np.stack([np.cos(turn), np.sin(turn)], 1) @ first
    return leaned @ up, np.einsum("uij,aj->uai", leaned, level)


def _begins(lines: Lines, focal: float, ups: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each up the cost (U,) that its best directions leave, and which of its `levels` these are: the step (U,) of one and
    of the second set, -1 where one explains enough."""
    sigma = np.hypot(lines.sigma, np.radians(STEP_DEG) / 2)
    upright = np.square(bounded(_off(lines, focal, ups) / sigma, FAR)) * lines.looks
    level = np.square(bounded(_off(lines, focal, levels) / sigma, FAR)) * lines.looks
    half = levels.shape[1] // 2
    square = np.minimum(np.minimum(level[:, :half], level[:, half:]), upright[:, None])
    each, alone = np.arange(len(ups)), square.sum(-1)
    one = alone.argmin(1)
    both = np.minimum(square, square[each, one][:, None]).sum(-1)
    apart = _turn_apart(np.radians(STEP_DEG) * (np.arange(half) - one[:, None]))
    two = np.where(apart < np.radians(SECOND_APART_DEG) - 1e-9, np.inf, both).argmin(1)
    gains = both[each, two] + SECOND < alone[each, one]
    return np.where(gains, both[each, two] + SECOND, alone[each, one]), one, np.where(gains, two, -1)


def _turn_apart(turn: np.ndarray) -> np.ndarray:
    """How far two sets of square directions lie apart that are turned against each other, rad."""
    return np.abs((turn + np.pi / 4) % (np.pi / 2) - np.pi / 4)


def _axes(up: np.ndarray, level: np.ndarray, second: float | None) -> np.ndarray:
    """Directions (3 or 5, 3): up, one square to it, the one square to both, and these two turned by `second` rad about up."""
    across = np.cross(up, level)
    rows = [up, level, across]
    if second is not None:
        rows += [np.cos(second) * level + np.sin(second) * across, np.cos(second) * across - np.sin(second) * level]
    return np.stack(rows)
