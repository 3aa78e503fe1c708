"""The user's own SKEL model file (`skel_male.pkl`, `skel_female.pkl`, version 1.1.1), read and checked key by key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse

from sinew.files.pickles import read_pickle
from sinew_take import skeleton as sk
from sinew_take.errors import InputError

VERSION = "1.1.1"
N_SHAPE = 10
"""Shape coefficients that the model is used with; files hold more."""
N_JOINTS = len(sk.JOINTS)
N_SKIN = 6890

_ARRAYS = {
    "skin_template_v": ("skin_m", (N_SKIN, 3)), "skin_template_f": ("skin_faces", ("F", 3)),
    "skel_template_v": ("bone_m", ("S", 3)), "skel_template_f": ("bone_faces", ("G", 3)),
    "shapedirs": ("shape_dirs_m", (N_SKIN, 3, "B")), "posedirs": ("pose_dirs_m", (N_SKIN, 3, 207)),
    "per_joint_rot": ("rest_turn", (N_JOINTS, 3, 3)), "apose_rel_transfo": ("a_pose_in_parent", (N_JOINTS, 4, 4)),
    "apose_transfo": ("a_pose", (N_JOINTS, 4, 4)), "tpose_transfo": ("t_pose", (N_JOINTS, 4, 4)),
    "osim_kintree_table": ("kintree", (2, N_JOINTS)), "parameter_mapping": ("parameter_mapping", ("P", "Q")),
}
_SPARSE = {
    "J_regressor_osim": ("joints_of_skin", (N_JOINTS, N_SKIN)), "J_regressor": ("smpl_joints_of_skin", (N_JOINTS, N_SKIN)),
    "skin_weights": ("skin_weight", (N_SKIN, N_JOINTS)), "skel_weights": ("bone_weight", ("S", N_JOINTS)),
    "skel_weights_rigid": ("bone_weight_rigid", ("S", N_JOINTS)),
}
_NAMES = {"joints_name": sk.JOINT_NAMES, "pose_params_name": sk.DOF_NAMES}


@dataclass(frozen=True)
class SkelFile:
    """What the forward model needs of the file, float64, in SKEL's axes: x to the body's left, y up, z forward."""

    name: str
    skin_m: np.ndarray
    """(6890, 3)"""
    skin_faces: np.ndarray
    """(F, 3)"""
    bone_m: np.ndarray
    """(S, 3), each bone in its own frame."""
    bone_faces: np.ndarray
    """(G, 3)"""
    shape_dirs_m: np.ndarray
    """(6890, 3, 10)"""
    pose_dirs_m: np.ndarray
    """(6890, 3, 207)"""
    rest_turn: np.ndarray
    """(24, 3, 3) bone frame -> body axes in the T-pose of the template."""
    a_pose_in_parent: np.ndarray
    """(24, 4, 4) bone frame -> parent's, in OpenSim's pose with the arms down."""
    joints_of_skin: scipy.sparse.csr_matrix
    """(24, 6890)"""
    skin_weight: scipy.sparse.csr_matrix
    """(6890, 24)"""
    bone_weight: scipy.sparse.csr_matrix
    """(S, 24)"""
    bone_weight_rigid: scipy.sparse.csr_matrix
    """(S, 24)"""


def read_skel(path: Path | str) -> SkelFile:
    """Read a SKEL model file with the restricted reader.

    Raises:
        InputError: It is no pickle, of another version, lacks a key, or a key has another size or names.
    """
    path = Path(path)
    return check_skel(read_pickle(path), path.name)


def check_skel(content, name: str) -> SkelFile:
    """The model from what `read_pickle` returned; `name` is the file's in messages. Raises as `read_skel`."""
    again = "get it again from https://skel.is.tue.mpg.de."
    if not isinstance(content, dict):
        raise InputError(f"{name} is not a SKEL model file (it holds no table of arrays); {again}")
    if "version" not in content:
        raise InputError(f"{name} is not a SKEL model file of version {VERSION} (it names no version); {again}")
    if str(content["version"]) != VERSION:
        raise InputError(f"{name} is SKEL {str(content['version'])[:20]}, but {VERSION} is needed; {again}")
    missing = [k for k in (*_NAMES, "bone_names", *_ARRAYS, *_SPARSE) if k not in content]
    if missing:
        raise InputError(f"{name} lacks {', '.join(missing)}, which SKEL {VERSION} has; {again}")
    for key, wanted in _NAMES.items():
        if not isinstance(content[key], (list, tuple, np.ndarray)) or tuple(map(str, content[key])) != wanted:
            raise InputError(f"{name} has other names in {key} than SKEL {VERSION}; {again}")
    letters: dict[str, int] = {}
    found = {field: _array(content[key], key, shape, letters, name, again) for key, (field, shape) in _ARRAYS.items()}
    found |= {field: _sparse(content[key], key, shape, letters, name, again) for key, (field, shape) in _SPARSE.items()}
    if letters["B"] < N_SHAPE:
        raise InputError(f"{name} has {letters['B']} shape coefficients in shapedirs instead of {N_SHAPE}; {again}")
    if tuple(found["kintree"][0, 1:].astype(int)) != sk.PARENTS[1:]:
        raise InputError(f"{name} has another tree of joints in osim_kintree_table than SKEL {VERSION}; {again}")
    for faces, count, key in (("skin_faces", N_SKIN, "skin_template_f"), ("bone_faces", letters["S"], "skel_template_f")):
        found[faces] = found[faces].astype(np.int32)
        if found[faces].size and (found[faces].min() < 0 or found[faces].max() >= count):
            raise InputError(f"{name} has a triangle in {key} that names a vertex which is not there; {again}")
    for weight, key in (("skin_weight", "skin_weights"), ("bone_weight", "skel_weights"),
                        ("bone_weight_rigid", "skel_weights_rigid")):
        sums = np.asarray(found[weight].sum(1)).ravel()
        if not np.allclose(sums, 1, atol=1e-3):
            raise InputError(f"{name} has weights in {key} that do not sum to 1; {again}")
    found["shape_dirs_m"] = found["shape_dirs_m"][:, :, :N_SHAPE]
    return SkelFile(name, **{f: found[f] for f in SkelFile.__dataclass_fields__ if f != "name"})


def _fits(shape: tuple[int, ...], wanted: tuple, letters: dict[str, int]) -> bool:
    if len(shape) != len(wanted):
        return False
    return all((letters.setdefault(w, n) if isinstance(w, str) else w) == n for w, n in zip(wanted, shape))


def _said(shape: tuple, letters: dict[str, int]) -> str:
    return " x ".join(str(letters.get(n, n)) for n in shape)


def _array(value, key: str, shape: tuple, letters: dict[str, int], name: str, again: str) -> np.ndarray:
    if scipy.sparse.issparse(value):
        value = value.toarray()
    if not isinstance(value, (np.ndarray, list, tuple)):
        raise InputError(f"{name} has no array in {key}; {again}")
    try:
        value = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} has no array in {key}; {again}") from None
    if not _fits(value.shape, shape, letters):
        raise InputError(f"{name} has the size {' x '.join(map(str, value.shape))} in {key} instead of "
                         f"{_said(shape, letters)}; {again}")
    if not np.isfinite(value).all():
        raise InputError(f"{name} has numbers in {key} that are not finite; {again}")
    return value


def _sparse(value, key: str, shape: tuple, letters: dict[str, int], name: str, again: str) -> scipy.sparse.csr_matrix:
    if not scipy.sparse.issparse(value):
        value = _array(value, key, shape, letters, name, again)
    if not _fits(value.shape, shape, letters):
        raise InputError(f"{name} has the size {' x '.join(map(str, value.shape))} in {key} instead of "
                         f"{_said(shape, letters)}; {again}")
    value = scipy.sparse.csr_matrix(value, dtype=np.float64)
    if not np.isfinite(value.data).all():
        raise InputError(f"{name} has numbers in {key} that are not finite; {again}")
    return value
