"""The person's outline in the picture, as evidence for arms that are not seen: they are before or behind the person.

A mask does not tell depth, and where keypoints are seen they say more than it does. But an arm that the detector loses
behind its own body is held by nothing but the resting pose, and comes out beside the body, over background that the
camera shows. Legs are left alone: what hides them is mostly a thing in front of the person, and the mask ends there too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sinew_take import masks

from ..flow import Track
from ..geometry import projection
from .kinematics import Pose
from .losses import softly
from .model import ARMS, Model
from .normal import Normal

if TYPE_CHECKING:
    from .fit import View

SIGMA_M = 0.07
"""How far the detector's mask lies from the body, clothes included, across the line of sight; for each of an arm's balls,
which are wrong together. At 0.05 the six clips of the accuracy card gain 0.2 mm more, and whoever rolls sinks 11 mm."""
SEEN = 0.5
"""Confidence of both keypoints at a bone's ends from which it is seen: then they speak, and the outline does not."""
GRID = 64
"""Cells along each side of a frame's field of distances ..."""
AROUND = 0.3
"""... which goes so far beyond the person's box, in its longer side. Farther away, nothing pulls."""
LEAST_CELLS = 60
"""Of a mask: smaller ones say nothing."""
_NEAR_M = 0.2


@dataclass(frozen=True)
class Outline:
    """Fields of distances from the outline, for the frames in which an arm is not seen."""

    row: np.ndarray
    """(T,) index of the frame's field; -1 where it has none."""
    field_px: np.ndarray
    """(F, GRID, GRID) distance from the outline, px of the ideal picture, negative within; float32."""
    corner_px: np.ndarray
    """(F, 2) of the field's first point."""
    step_px: np.ndarray
    """(F,) between its points."""
    hidden: np.ndarray
    """(F, A) bool of the model's `arms`: not seen."""

    def take(self, frames: np.ndarray) -> Outline:
        """The same for some of the frames."""
        return Outline(self.row[frames], self.field_px, self.corner_px, self.step_px, self.hidden)

    def without(self, frames: np.ndarray) -> Outline:
        """The same, of which some frames (T,) bool say nothing."""
        return Outline(np.where(frames, -1, self.row), self.field_px, self.corner_px, self.step_px, self.hidden)

    def distance(self, fields: np.ndarray, points_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance (N, A) from the outline of points (N, A, 2), and its derivative (N, A, 2), in fields (N,); px."""
        step = self.step_px[fields][:, None, None]
        at = (points_px - self.corner_px[fields][:, None]) / step
        inside = (at > 0) & (at < GRID - 1)
        at = np.clip(at, 0, GRID - 1 - 1e-9)
        whole = at.astype(int)
        (x, y), (i, j) = np.moveaxis(at - whole, -1, 0), np.moveaxis(whole, -1, 0)
        f, k = self.field_px, fields[:, None]
        a, b = f[k, j, i].astype(float), f[k, j, i + 1].astype(float)
        c, d = f[k, j + 1, i].astype(float), f[k, j + 1, i + 1].astype(float)
        slope = np.stack([(b - a) * (1 - y) + (d - c) * y, (c - a) * (1 - x) + (d - b) * x], -1)
        return (a * (1 - x) + b * x) * (1 - y) + (c * (1 - x) + d * x) * y, np.where(inside, slope, 0.0) / step


def outline_of(track: Track, frames: np.ndarray, confidence: np.ndarray, K: np.ndarray, distortion: np.ndarray,
               size_px: tuple[int, int]) -> Outline | None:
    """Outline of one person.

    Args:
        track: With its masks.
        frames: (N,) frames of the fit.
        confidence: (N, 33) of the keypoints.
        K: (N, 3, 3).
        distortion: (N, 5).
        size_px: Width and height of the picture.

    Returns:
        None where it says nothing: no arm is hidden where there is a mask. Frames in which somebody else is there too in
        the picture say nothing, since masks end at each other.
    """
    if not track.masks:
        return None
    grid = np.asarray(track.masks["size_px"])
    masked = track.present & (np.diff(track.masks["offset"]) > 0)
    if track.overlaps is not None:
        masked &= ~track.overlaps
    hidden = np.stack([confidence[:, list(keys)].min(1) < SEEN for _, _, _, keys in ARMS], 1)
    row, fields, corners, steps = np.full(len(frames), -1), [], [], []
    for n in np.flatnonzero(hidden.any(1) & masked[frames]):
        bits = masks.unpack(track.masks, int(frames[n]))
        if bits.sum() < LEAST_CELLS:
            continue
        field, corner, step = _field(bits, np.asarray(size_px) / grid, K[n], distortion[n])
        if not np.isfinite(step):
            continue  # the lens shows nothing where the mask is
        row[n] = len(fields)
        fields.append(field)
        corners.append(corner)
        steps.append(step)
    if not fields:
        return None
    return Outline(row, np.array(fields), np.array(corners), np.array(steps), hidden[row >= 0])


def _field(bits: np.ndarray, cell_px: np.ndarray, K: np.ndarray, distortion: np.ndarray
           ) -> tuple[np.ndarray, np.ndarray, float]:
    """Distances round one mask (H, W) of cells so large: the field, its first point and its step, px."""
    ys, xs = np.nonzero(bits)
    low, high = np.array([xs.min(), ys.min()]), np.array([xs.max(), ys.max()]) + 1
    beyond = int(np.ceil(AROUND * (high - low).max())) + 1
    # What lies outside the picture may be the person just as well.
    padded = cv2.copyMakeBorder(bits.astype(np.uint8), *[beyond] * 4, cv2.BORDER_CONSTANT, value=1)
    part = padded[low[1]:high[1] + 2 * beyond, low[0]:high[0] + 2 * beyond]
    away, within = (cv2.distanceTransform(p, cv2.DIST_L2, 5) for p in (1 - part, part))
    signed = np.where(part > 0, 0.5 - within, away - 0.5) * float(cell_px.mean())
    # Only what lies in the picture can be taken back through the lens; beyond it, its polynomial may have no inverse.
    corners = (np.array([low, high]) * cell_px)[[[0, 0], [1, 0], [0, 1], [1, 1]], [0, 1]]
    with np.errstate(over="ignore", invalid="ignore"):
        ideal = projection.undistort_px(corners, K, distortion)
    first, step = ideal.min(0) - beyond * cell_px, float((np.ptp(ideal, axis=0) + 2 * beyond * cell_px).max()) / (GRID - 1)
    at = np.stack(np.meshgrid(*(first[i] + step * np.arange(GRID) for i in (0, 1))), -1)
    if np.any(distortion):
        rays = np.concatenate([(at - K[[0, 1], [2, 2]]) / K[[0, 1], [0, 1]], np.ones((GRID, GRID, 1))], -1)
        at = projection.project(rays, K, distortion)
    cells = (at / cell_px - (low - beyond) - 0.5).astype(np.float32)
    return cv2.remap(signed.astype(np.float32), cells, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), first, step


def add(outline: Outline, model: Model, view: View, share: np.ndarray, p: Pose, shape: np.ndarray,
        out: Normal | None = None) -> float:
    """Cost of hidden arms that stick out of the outline; their balls must lie within it.

    Args:
        outline: T frames.
        model: The body.
        view: The camera in them.
        share: (T,) how much each frame counts.
        p: The body's pose.
        shape: Its shape. It is taken as it is: an arm is not made short to be hidden.
        out: Gets gradient and matrix by the per-frame unknowns.
    """
    at = np.flatnonzero(outline.row >= 0)
    if len(at) == 0:
        return 0.0
    fields = outline.row[at]
    part = Pose(p.turn[at], p.centre[at], p.axis[at], p.shift[at], p.rest)
    x, jac = model.arms.jacobian(part, shape) if out is not None else (model.arms.positions(part, shape), None)
    R, K = view.R_cw[at], view.K[at]
    camera = x @ np.swapaxes(R, 1, 2) + view.t_cw[at, None]
    z = np.maximum(camera[..., 2], _NEAR_M)
    focal, middle = K[:, None, [0, 1], [0, 1]], K[:, None, [0, 1], [2, 2]]
    away, slope = outline.distance(fields, focal * camera[..., :2] / z[..., None] + middle)
    # In metres at the arm's own distance, so that the spread is one of length.
    per_m = z / focal[..., 0]
    over = away * per_m + model.arms_radius_m
    r = np.where(outline.hidden[fields] & (camera[..., 2] > _NEAR_M), np.maximum(over, 0.0), 0.0) / SIGMA_M
    loss, weight = softly(r, 1.0)
    cost = float((share[at, None] * loss).sum())
    if out is None:
        return cost
    weight = weight * share[at, None] * (r > 0)
    # d(away z / f): the slope across the line of sight, and what distance does to the size.
    across = slope * focal / focal[..., :1]
    along = away / focal[..., 0] - (across * camera[..., :2] / z[..., None]).sum(-1)
    rows = across @ R[:, :2] + along[..., None] * R[:, 2:]
    j = (rows[..., None, :] @ jac)[..., 0, :] / SIGMA_M
    jt = np.swapaxes(j, 1, 2)
    out.diagonal[at] += jt @ (weight[..., None] * j)
    out.gradient[at] += (jt @ (weight * r)[..., None])[..., 0]
    return cost
