"""Where the splats are: an even spread over the surface of a body in its rest pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

CANDIDATES = 4
"""Candidates tried per splat."""
RADIUS = 0.71
"""Least distance of two splats over the side of the square that each one has to itself; gives about the wanted number."""
INFLUENCES = 4


@dataclass(frozen=True)
class Seeds:
    """Points on the triangles of a mesh, N of them."""

    face: np.ndarray
    """(N,) triangle."""
    barycentric: np.ndarray
    """(N, 3) float32."""
    spacing_m: float
    """Side of the square of surface that belongs to one splat."""


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N,) of (N, 3) twice; numpy's own reductions are slow along so short an axis."""
    return np.einsum("ni,ni->n", a, b)


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals of the vertices (V, 3), averaged over the triangles around by area."""
    triangle = vertices[faces]
    cross = np.cross(triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0])
    out = np.stack([np.bincount(faces.ravel(), np.repeat(cross[:, a], 3), len(vertices)) for a in range(3)], 1)
    return (out / np.maximum(np.sqrt(dot(out, out)), 1e-12)[:, None]).astype(np.float32)


def interpolate(values: np.ndarray, faces: np.ndarray, seeds: Seeds) -> np.ndarray:
    """Values of the vertices (V, C) at the seeds (N, C)."""
    corners = faces[seeds.face]
    out = values[corners[:, 0]] * seeds.barycentric[:, :1]
    out += values[corners[:, 1]] * seeds.barycentric[:, 1:2]
    out += values[corners[:, 2]] * seeds.barycentric[:, 2:]
    return out


def spread(vertices: np.ndarray, faces: np.ndarray, count: int, seed: int = 0) -> Seeds:
    """Points spread evenly over a surface, close to `count` of them.

    Candidates are drawn by area; of those nearer than a radius to a candidate of higher rank on the same side of the
    surface, all but the highest go (Poisson-disk sampling; Cook 1986, in parallel after Luby 1986).

    Args:
        vertices: (V, 3), m.
        faces: (F, 3).
        count: Wanted number, at least 1.
        seed: Of the candidates; the same seed gives the same points.
    """
    triangle = vertices[faces].astype(np.float64)
    area = np.linalg.norm(np.cross(triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0]), axis=1) / 2
    total = float(area.sum())
    spacing = float(np.sqrt(total / count))
    random = np.random.default_rng(seed)
    n = CANDIDATES * count
    face = np.searchsorted(np.cumsum(area), (np.arange(n) + random.random(n)) * total / n).clip(0, len(faces) - 1)
    u, v = random.random((2, n))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    candidates = Seeds(face, np.stack([1 - u - v, u, v], 1).astype(np.float32), spacing)
    points = interpolate(vertices, faces, candidates)
    facing = interpolate(normals(vertices, faces), faces, candidates)
    pairs = cKDTree(points).query_pairs(RADIUS * spacing, output_type="ndarray")
    # Thin parts (fingers, ears) have two sides within the radius; they do not displace each other.
    pairs = pairs[(facing[pairs[:, 0]] * facing[pairs[:, 1]]).sum(1) > 0.2]
    kept = _independent(n, pairs, random)
    return Seeds(face[kept], candidates.barycentric[kept], spacing)


def _independent(n: int, pairs: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Indices of a maximal set without any of the pairs, highest random rank first."""
    rank = random.permutation(n)
    first = rank[pairs[:, 0]] > rank[pairs[:, 1]]
    high = np.where(first, pairs[:, 0], pairs[:, 1])
    low = np.where(first, pairs[:, 1], pairs[:, 0])
    kept = np.zeros(n, bool)
    open_ = np.ones(n, bool)
    while open_.any():
        blocked = np.zeros(n, bool)
        blocked[low] = True
        new = open_ & ~blocked
        kept |= new
        gone = np.zeros(n, bool)
        gone[low[new[high]]] = True
        open_ &= ~new & ~gone
        live = open_[high] & open_[low]
        high, low = high[live], low[live]
    return np.flatnonzero(kept)


def skin(skin_index: np.ndarray, skin_weight: np.ndarray, faces: np.ndarray, seeds: Seeds, n_joints: int = 24
         ) -> tuple[np.ndarray, np.ndarray]:
    """Skin of the seeds from that of the triangles' corners: (N, 4) int16 and (N, 4), rows sum to 1."""
    dense = np.zeros((len(skin_index), n_joints), np.float32)
    np.add.at(dense, (np.arange(len(dense))[:, None], skin_index), skin_weight)
    mixed = interpolate(dense, faces, seeds)
    index = np.argpartition(-mixed, INFLUENCES - 1, 1)[:, :INFLUENCES]
    order = np.argsort(-np.take_along_axis(mixed, index, 1), 1, kind="stable")
    index = np.take_along_axis(index, order, 1)
    weight = np.take_along_axis(mixed, index, 1)
    return index.astype(np.int16), (weight / weight.sum(1, keepdims=True)).astype(np.float32)


def quaternions(normal: np.ndarray) -> np.ndarray:
    """Rotations (N, 4) wxyz that turn a splat's third axis onto its normal (N, 3) by the smallest angle."""
    w = 1 + normal[:, 2]
    out = np.stack([w, -normal[:, 1], normal[:, 0], np.zeros_like(w)], 1)
    out[w < 1e-6] = (0, 1, 0, 0)
    return (out / np.linalg.norm(out, axis=1, keepdims=True)).astype(np.float32)
