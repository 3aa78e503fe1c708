"""SMPL, SMPL-H and SMPL-X model files of the user's own, read without executing anything and checked.

What is computed from them here is linear algebra from the papers' formulas (Loper et al. 2015; Pavlakos et al. 2019):
template + shape directions, joints by the regressor, linear blend skinning. The `smplx` package does the same; it is not
free software, so it is never needed (`smplx_package` uses it where the user installed it).
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse

from sinew.files.inert import Inert
from sinew.files.pickles import read_pickle
from sinew_take import model_files
from sinew_take.errors import InputError, RequestError

from .smpl_joints import COUNTS, NAMES, PARENTS

MOST_BETAS, MOST_EXPRESSIONS = 300, 100
"""Of the published SMPL-X files: 300 shape and 100 expression directions; older files have 10 and 10."""
N_EXPRESSIONS = 10
"""Expressions that a take carries."""
_TITLES = {"smpl": "SMPL", "smplh": "SMPL-H", "smplx": "SMPL-X"}
_MOST_VERTICES = 200_000
FAMILIES = tuple(_TITLES)
GENDERS = ("neutral", "female", "male")


@dataclass(frozen=True)
class SmplModel:
    """One model file, float64, in SMPL's axes (x left, y up, z front) and metres. J joints, V vertices."""

    family: str
    gender: str
    name: str
    template_m: np.ndarray
    """(V, 3)"""
    shape_dirs_m: np.ndarray
    """(V, 3, B)"""
    expression_dirs_m: np.ndarray
    """(V, 3, X); X = 0 but for SMPL-X."""
    pose_dirs_m: np.ndarray
    """(V, 3, 9 (J - 1))"""
    regressor: scipy.sparse.csr_matrix
    """(J, V)"""
    weight: np.ndarray
    """(V, J)"""
    faces: np.ndarray
    """(F, 3) int32"""
    uv: np.ndarray | None
    """(F, 3, 2)"""
    hands_mean: np.ndarray | None
    """(30, 3) axis-angle of a relaxed pair of hands, left first."""

    @property
    def joint_names(self) -> tuple[str, ...]:
        return NAMES[self.family]

    @property
    def parents(self) -> tuple[int, ...]:
        return PARENTS[self.family]

    def betas(self, given: np.ndarray) -> np.ndarray:
        """As many shape coefficients as the file has, from those given (more are cut off, fewer are filled with 0)."""
        out = np.zeros(self.shape_dirs_m.shape[2])
        given = np.asarray(given, float).ravel()[: len(out)]
        out[: len(given)] = given
        return out

    def vertices(self, betas: np.ndarray) -> np.ndarray:
        """(V, 3) in the rest pose."""
        return self.template_m + self.shape_dirs_m @ self.betas(betas)

    def joints(self, betas: np.ndarray) -> np.ndarray:
        """(J, 3) in the rest pose."""
        return self.regressor @ self.vertices(betas)


def load(family: str, found: model_files.Found, gender: str | None = None) -> SmplModel:
    """The user's model of a family.

    Args:
        family: "smpl", "smplh" or "smplx".
        found: Of `model_files.look`.
        gender: Wanted; where that file is not there, or none is wanted: neutral, female, male, whichever is there.

    Raises:
        RequestError: No file of the family is there.
        InputError: The file is not what it should be.
    """
    order = ([gender] if gender in GENDERS else []) + list(GENDERS)
    for one in order:
        path = found.paths.get(f"{family}_{one}")
        if path is not None:
            return read(path, family, one)
    raise RequestError(found.sentence())


def read(path: Path, family: str, gender: str = "neutral") -> SmplModel:
    """Read and check one model file (.npz or .pkl); raises InputError."""
    path = Path(path)
    raw = _npz(path) if path.suffix.lower() == ".npz" else _pkl(path)
    return check(raw, path.name, family, gender)


def _npz(path: Path) -> dict:
    wanted = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "kintree_table", "vt", "ft",
              "hands_meanl", "hands_meanr")
    out = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for key in wanted:
                if key in file.files:
                    try:
                        out[key] = file[key]
                    except ValueError:
                        raise InputError(f"{path.name} holds {key} as pickled objects, which are never loaded; get the "
                                         "file again from its own page.") from None
    except FileNotFoundError:
        raise RequestError(f"There is no model file at {path}; check the folder of model files.") from None
    except (OSError, ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile):
        raise InputError(f"{path.name} is no .npz archive, or is damaged; get it again from its own page.") from None
    return out


def _pkl(path: Path) -> dict:
    content = read_pickle(path)
    if isinstance(content, Inert):
        raise InputError(f"{path.name} names {content.kind()} instead of holding a model, and nothing of it was run; get "
                         "it again from its own page.")
    if not isinstance(content, dict):
        raise InputError(f"{path.name} is a pickle, but not of a body model; choose the file of the official archive.")
    return content


def _array(raw: dict, key: str, name: str, title: str, dims: tuple[int | None, ...]) -> np.ndarray:
    if key not in raw:
        raise InputError(f"{name} lacks {key}, so it is no {title} model; choose the file of the official archive.")
    value = raw[key]
    if isinstance(value, Inert):
        raise InputError(f"{name} holds {key} as {value.kind()}, which is never run; get it again from its own page.")
    if scipy.sparse.issparse(value):
        value = value.toarray()
    value = np.asarray(value)
    if value.dtype == object or not np.issubdtype(value.dtype, np.number) or np.iscomplexobj(value):
        raise InputError(f"{name} holds {key} as something other than numbers; get it again from its own page.")
    if value.ndim != len(dims) or any(d is not None and d != n for d, n in zip(dims, value.shape)):
        wanted = " x ".join("any" if d is None else str(d) for d in dims)
        raise InputError(f"{name} has {key} of {' x '.join(map(str, value.shape)) or 'one number'} instead of {wanted}, so "
                         f"it is no {title} model; choose the file of the official archive.")
    if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
        raise InputError(f"{name} holds numbers in {key} that are not finite; get it again from its own page.")
    return value


def check(raw: dict, name: str, family: str, gender: str) -> SmplModel:
    """The model from a file's content; `name` is the file's in messages. Raises InputError."""
    title, joints = _TITLES[family], len(NAMES[family])

    def array(key, *dims):
        return _array(raw, key, name, title, dims)

    weight = array("weights", None, None)
    if weight.shape[1] != joints:
        other = COUNTS.get(weight.shape[1])
        what = f"a {_TITLES[other]} model" if other else f"a model of {weight.shape[1]} joints"
        raise InputError(f"{name} is {what}, not {title} with its {joints} joints; choose the file of the official "
                         "archive.")
    template = array("v_template", len(weight), 3).astype(float)
    if not 10 <= len(template) <= _MOST_VERTICES:
        raise InputError(f"{name} has {len(template)} vertices, which is no body; choose the file of the official archive.")
    dirs = array("shapedirs", len(template), 3, None).astype(float)
    pose_dirs = array("posedirs", len(template), 3, 9 * (joints - 1)).astype(float)
    regressor = array("J_regressor", joints, len(template)).astype(float)
    faces = array("f", None, 3).astype(np.int64)
    if len(faces) == 0 or faces.min() < 0 or faces.max() >= len(template):
        raise InputError(f"{name} has faces of vertices that are not there; get it again from its own page.")
    tree = array("kintree_table", 2, joints).astype(np.int64)[0]
    if tuple(tree[1:]) != PARENTS[family][1:]:
        raise InputError(f"{name} has another skeleton than {title}; choose the file of the official archive.")
    n_betas = min(dirs.shape[2], MOST_BETAS)
    expression = np.zeros((len(template), 3, 0))
    if family == "smplx":
        full = dirs.shape[2] >= MOST_BETAS + MOST_EXPRESSIONS
        n_betas = MOST_BETAS if full else min(dirs.shape[2], 10)
        expression = dirs[:, :, n_betas: n_betas + N_EXPRESSIONS]
    uv = None
    if "vt" in raw and "ft" in raw:
        points, corners = array("vt", None, 2).astype(float), array("ft", len(faces), 3).astype(np.int64)
        if len(points) and 0 <= corners.min() and corners.max() < len(points):
            uv = points[corners]
    hands = None
    if family != "smpl" and "hands_meanl" in raw and "hands_meanr" in raw:
        hands = np.concatenate([array("hands_meanl", 45), array("hands_meanr", 45)]).astype(float).reshape(30, 3)
    total = weight.sum(1, keepdims=True)
    if weight.min() < -1e-6 or total.min() < 1e-3:
        raise InputError(f"{name} has skin weights that are negative or zero; get it again from its own page.")
    return SmplModel(family, gender, name, template, dirs[:, :, :n_betas], expression, pose_dirs,
                     scipy.sparse.csr_matrix(regressor), weight.astype(float) / total, faces.astype(np.int32), uv, hands)


def forward(model: SmplModel, vertices_m: np.ndarray, joints_m: np.ndarray, whole: np.ndarray
            ) -> tuple[np.ndarray, np.ndarray]:
    """Linear blend skinning of one pose, without pose correctives.

    Args:
        model: For weights and parents.
        vertices_m, joints_m: Rest pose of the shape, (V, 3) and (J, 3).
        whole: (J, 3, 3) rotations of each joint's segment, SMPL's axes -> the world's; the root stays at its rest place.

    Returns:
        Vertices (V, 3) and joints (J, 3).
    """
    place = joints_m.copy()
    for j, parent in enumerate(model.parents):
        if parent >= 0:
            place[j] = place[parent] + whole[parent] @ (joints_m[j] - joints_m[parent])
    shift = place - np.einsum("jab,jb->ja", whole, joints_m)
    blended = np.einsum("vj,jab->vab", model.weight, whole)
    return np.einsum("vab,vb->va", blended, vertices_m) + model.weight @ shift, place
