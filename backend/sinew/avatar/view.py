"""What one frame shows of the splats: where they are in the picture and which of them can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sinew_take import laws

from ..geometry import projection
from .seed import Seeds, dot, interpolate, normals

NEAREST_M = 0.1
LEAST_FACING = 0.35
"""Cosine between a splat's normal and the way to the camera below which its colour is not trusted."""
DEPTH_SLACK_M = 0.025
CELLS_PER_SPACING = 1.5
"""Size of a depth cell in distances between splats: at least one splat of a closed surface falls into every cell."""


@dataclass(frozen=True)
class Placed:
    """A person's splats in one frame."""

    px: np.ndarray
    """(N, 2) in the picture as filmed; NaN behind the camera."""
    depth_m: np.ndarray
    """(N,)."""
    facing: np.ndarray
    """(N,) cosine, 1 towards the camera."""


def place(body: dict[str, np.ndarray], seeds: Seeds, T_wj: np.ndarray, T_wc: np.ndarray, K: np.ndarray,
          distortion: np.ndarray) -> Placed:
    """Pose a body and look at its splats.

    Args:
        body: Arrays of `arrays.BODY`.
        seeds: Its splats.
        T_wj: (24, 4, 4) of the frame.
        T_wc: (4, 4). K: (3, 3) px. distortion: (5,).
    """
    T_cj = np.linalg.inv(T_wc.astype(np.float64)) @ T_wj.astype(np.float64)
    transforms = laws.skin_transforms(T_cj, body["rest_joints_m"], body["joint_frames"]).astype(np.float32)
    vertices = laws.skin(body["rest_vertices_m"], body["skin_index"], body["skin_weight"], transforms)
    both = np.concatenate([vertices, normals(vertices, body["faces"])], 1)
    at = interpolate(both, body["faces"], seeds)
    points, normal = at[:, :3], at[:, 3:]
    ahead = points[:, 2] > NEAREST_M
    px = np.full((len(points), 2), np.nan, np.float32)
    px[ahead] = projection.project(points[ahead], K, distortion)
    lengths = np.sqrt(dot(points, points) * dot(normal, normal))
    facing = -dot(points, normal) / np.maximum(lengths, 1e-9)
    return Placed(px, points[:, 2], facing.astype(np.float32))


def _within(at: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """(N,) bool: x, y (N, 2) inside 0..shape; not where either is NaN."""
    x, y = at[:, 0], at[:, 1]
    return (x >= 0) & (x < shape[0]) & (y >= 0) & (y < shape[1])


def visible(own: Placed, others: list[Placed], focal_px: float, spacing_m: float, size_px: tuple[int, int]
            ) -> np.ndarray:
    """Splats (N,) bool that face the camera, lie in the picture and are behind no part of this or another person.

    A depth map of all persons' splats, with cells of about one and a half splat distances and each cell taking the
    nearest of its 3 x 3 neighbours, is enough: it hides a little more than it must around silhouettes.
    """
    width, height = size_px
    inside = (own.px[:, 0] > 0.5) & (own.px[:, 0] < width - 0.5) & (own.px[:, 1] > 0.5) & (own.px[:, 1] < height - 0.5)
    if not inside.any():
        return inside
    low = own.px[inside].min(0)
    cell = max(1.0, CELLS_PER_SPACING * spacing_m * focal_px / float(np.median(own.depth_m[inside])))
    shape = np.floor((own.px[inside].max(0) - low) / cell).astype(int) + 1
    nearest = np.full(int(shape[0] * shape[1]), np.inf, np.float32)
    for placed in (own, *others):
        with np.errstate(invalid="ignore"):
            at = np.floor((placed.px - low) / cell)
            fits = _within(at, shape)
        at = at[fits].astype(int)
        np.minimum.at(nearest, at[:, 1] * shape[0] + at[:, 0], placed.depth_m[fits])
    nearest = cv2.erode(nearest.reshape(shape[1], shape[0]), np.ones((3, 3), np.uint8),
                        borderType=cv2.BORDER_REPLICATE)
    at = np.floor((own.px[inside] - low) / cell).astype(int)
    facing = own.facing[inside]
    # Depth grows by the slope times the distance to the neighbouring cells.
    slope = np.sqrt(np.maximum(1 - facing**2, 0)) / np.maximum(facing, LEAST_FACING)
    slack = DEPTH_SLACK_M + 1.5 * cell * own.depth_m[inside] / focal_px * slope
    seen = (facing > LEAST_FACING) & (own.depth_m[inside] <= nearest[at[:, 1], at[:, 0]] + slack)
    out = inside
    out[inside] = seen
    return out


def within_mask(mask: np.ndarray, px: np.ndarray, size_px: tuple[int, int], border_px: float) -> np.ndarray:
    """Points (N, 2) that lie in a mask (h, w) bool of the whole picture and at least `border_px` away from its border."""
    scale = np.array([mask.shape[1] / size_px[0], mask.shape[0] / size_px[1]])
    reach = int(np.ceil(border_px * scale.mean()))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    core = cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_REPLICATE)
    with np.errstate(invalid="ignore"):
        at = np.floor(px * scale)
        inside = _within(at, mask.shape[::-1])
    at = np.where(inside[:, None], at, 0).astype(int)
    return inside & (core[at[:, 1], at[:, 0]] > 0)


def sample(picture: np.ndarray, px: np.ndarray) -> np.ndarray:
    """Bilinear colours (N, 3) float32 0..255 at pixels (N, 2), origin at the outer corner of the first pixel."""
    height, width = picture.shape[:2]
    x = np.clip(px[:, 0] - 0.5, 0, width - 1.001)
    y = np.clip(px[:, 1] - 0.5, 0, height - 1.001)
    x0, y0 = x.astype(int), y.astype(int)
    u, v = (x - x0)[:, None].astype(np.float32), (y - y0)[:, None].astype(np.float32)
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    top = picture[y0, x0] * (1 - u) + picture[y0, x1] * u
    bottom = picture[y1, x0] * (1 - u) + picture[y1, x1] * u
    return top * (1 - v) + bottom * v


def sharpness(picture: np.ndarray, px: np.ndarray) -> float:
    """Mean strength of the picture's detail around the given pixels, grey levels."""
    low = np.maximum(np.floor(px.min(0)).astype(int), 0)
    high = np.ceil(px.max(0)).astype(int) + 1
    grey = cv2.cvtColor(picture[low[1]:high[1], low[0]:high[0]], cv2.COLOR_RGB2GRAY)
    detail = np.abs(cv2.Laplacian(grey, cv2.CV_16S))
    at = (px - low).astype(int)
    return float(detail[at[:, 1].clip(0, detail.shape[0] - 1), at[:, 0].clip(0, detail.shape[1] - 1)].mean())
