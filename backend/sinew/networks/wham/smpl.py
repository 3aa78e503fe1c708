"""A small SMPL: only the vertices that somebody asks for, from the user's own model file.

Loper et al. 2015: shape and pose blend shapes, joints regressed from the shaped rest vertices, linear blend skinning.
"""

from __future__ import annotations

import numpy as np
import torch

N_JOINTS = 24


class SmplPoints:
    """Some vertices of SMPL and linear combinations of them.

    Args:
        model: Arrays under their official names: v_template (V,3), shapedirs (V,3,>=10), posedirs (V,3,207), weights
            (V,24), J_regressor (24,V), kintree_table (2,24); the last two may be SciPy sparse matrices.
        maps: Linear maps (K, V) onto points that are wanted, by name.
        vertices: Further vertices that are wanted.
        dtype: Of the computation.
    """

    def __init__(self, model: dict, maps: dict[str, np.ndarray], vertices: np.ndarray | None = None,
                 dtype: torch.dtype = torch.float32):
        vertices = np.zeros(0, int) if vertices is None else np.asarray(vertices, dtype=int)
        used = np.unique(np.concatenate([np.nonzero(_dense(m).any(0))[0] for m in maps.values()] + [vertices]))
        template, dirs = _dense(model["v_template"]), _dense(model["shapedirs"])[..., :10]
        regressor = _dense(model["J_regressor"])

        def tensor(a: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(a, dtype=np.float64)).to(dtype)

        self._joints = tensor(regressor @ template)
        self._joint_dirs = tensor(np.einsum("jv,vcb->jcb", regressor, dirs))
        self._template, self._dirs = tensor(template[used]), tensor(dirs[used])
        self._pose_dirs = tensor(_dense(model["posedirs"])[used].reshape(-1, 9 * (N_JOINTS - 1)))
        self._weights = tensor(_dense(model["weights"])[used])
        self._maps = {k: tensor(_dense(m)[:, used]) for k, m in maps.items()}
        self._place = torch.from_numpy(np.searchsorted(used, vertices))
        self._parents = [-1, *(int(p) for p in np.asarray(model["kintree_table"])[0, 1:])]

    def __call__(self, turns: torch.Tensor, betas: torch.Tensor) -> dict[str, torch.Tensor]:
        """Points of poses.

        Args:
            turns: (N, 24, 3, 3), each relative to its parent; the first one in the world.
            betas: (N, 10).

        Returns:
            The points of every map, (N, K, 3) m, and "vertices" (N, ·, 3); the pelvis joint stays where it rests.
        """
        n = len(turns)
        joints = self._joints + torch.einsum("jcb,nb->njc", self._joint_dirs, betas)
        bent = (turns[:, 1:] - torch.eye(3, dtype=turns.dtype)).flatten(1)
        points = self._template + torch.einsum("vcb,nb->nvc", self._dirs, betas)
        points = points + (bent @ self._pose_dirs.T).view(n, -1, 3)
        turn, place = [turns[:, 0]], [joints[:, 0]]
        for j in range(1, N_JOINTS):
            p = self._parents[j]
            turn.append(turn[p] @ turns[:, j])
            place.append(place[p] + (turn[p] @ (joints[:, j] - joints[:, p])[..., None])[..., 0])
        R, t = torch.stack(turn, 1), torch.stack(place, 1)
        t = t - (R @ joints[..., None])[..., 0]
        skin = torch.einsum("vj,njab->nvab", self._weights, R)
        points = (skin @ points[..., None])[..., 0] + torch.einsum("vj,nja->nva", self._weights, t)
        return {**{k: m @ points for k, m in self._maps.items()}, "vertices": points[:, self._place]}


def _dense(value) -> np.ndarray:
    return np.asarray(value.todense() if hasattr(value, "todense") else value, dtype=np.float64)
