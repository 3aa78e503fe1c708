"""How thick a body's parts are, by the same rule on any surface with skin weights: so that flesh can be matched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sinew_take import skeleton as sk

_J = sk.JOINT_INDEX
PARTS = (
    # (what, joints whose skin counts, start and end of its axis), both sides together
    ("thigh", ("femur",), "femur", "tibia"), ("shank", ("tibia",), "tibia", "talus"),
    ("upper arm", ("humerus",), "humerus", "ulna"), ("forearm", ("ulna", "radius"), "ulna", "hand"),
    ("waist", ("pelvis", "lumbar_body"), "lumbar_body", "thorax"), ("chest", ("thorax",), "lumbar_body", "thorax"))
ALONG = (0.15, 0.85)
"""Part of a limb's length that counts; its ends belong to the joints."""


@dataclass(frozen=True)
class Parts:
    """Which vertices of a surface stand for which part."""

    rows: tuple[tuple[np.ndarray, np.ndarray, int, int], ...]
    """Per part and side: vertices, their areas' shares, start and end joint."""
    part: np.ndarray
    """Number in `PARTS` of each row."""

    @staticmethod
    def of(vertices_m: np.ndarray, faces: np.ndarray, weight: np.ndarray, joints_m: np.ndarray) -> Parts:
        """Choose vertices on a body's template.

        Args:
            vertices_m: (V, 3); faces: (F, 3); weight: (V, 24) skin weights; joints_m: (24, 3).
        """
        area = _areas(vertices_m, faces)
        rows, part = [], []
        for n, (_, skins, start, end) in enumerate(PARTS):
            for side in ("",) if start in _J else ("_l", "_r"):
                own = [_J[name + (side if name not in _J else "")] for name in skins]
                a, b = _J[start + side], _J[end + side]
                axis = joints_m[b] - joints_m[a]
                t = (vertices_m - joints_m[a]) @ axis / (axis @ axis)
                inside = weight[:, own].sum(1) > 0.5
                if side:
                    inside &= (t > ALONG[0]) & (t < ALONG[1])
                which = np.nonzero(inside & (area > 0))[0]
                if len(which) >= 8:
                    rows.append((which, area[which] / area[which].sum(), a, b))
                    part.append(n)
        return Parts(tuple(rows), np.array(part, int))

    def radii(self, vertices_m: np.ndarray, joints_m: np.ndarray) -> np.ndarray:
        """(len(PARTS),) root mean square distance of each part's skin from its axis, m; NaN where a surface has none."""
        found = np.full(len(self.rows), np.nan)
        for i, (which, share, a, b) in enumerate(self.rows):
            axis = (joints_m[b] - joints_m[a]) / np.linalg.norm(joints_m[b] - joints_m[a])
            off = vertices_m[which] - joints_m[a]
            off = off - (off @ axis)[:, None] * axis
            found[i] = np.sqrt(share @ (off**2).sum(1))
        return np.array([found[self.part == n].mean() if (self.part == n).any() else np.nan for n in range(len(PARTS))])


def dense_weights(skin_index: np.ndarray, skin_weight: np.ndarray) -> np.ndarray:
    """(V, 24) of the contract's (V, M) pairs."""
    out = np.zeros((len(skin_index), len(sk.JOINTS)))
    np.add.at(out, (np.arange(len(skin_index))[:, None], skin_index), skin_weight)
    return out


def _areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """A third of the area of the triangles around each vertex."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    return np.bincount(faces.reshape(-1), np.repeat(area, 3), len(vertices))
