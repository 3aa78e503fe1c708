"""`--body skel`: a solved person on the SKEL body from the user's own model file, bone surfaces included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from sinew.flow import Motion
from sinew_take import laws, model_files
from sinew_take import skeleton as sk
from sinew_take.free_body import FreeBody

from ..carry import carry, place_motion
from ..providers import Built
from .forward import SMPL_JOINT, TO_REST, Skel, driver_of
from .model_file import N_SHAPE, SkelFile, read_skel

_J = sk.JOINT_INDEX
GENDERS = ("male", "female")
MOST_SKIN = 8
"""Joints a vertex may follow."""
N_CORRECTIVES = 8
"""Shape keys that stand for the model's pose correctives."""
BONE_SIGMA_M, HEIGHT_SIGMA_M = 0.005, 0.010
_SEGMENTS = tuple((_J[f"{a}_{s}"], _J[f"{b}_{s}"]) for s in "lr" for a, b in (
    ("femur", "tibia"), ("tibia", "talus"), ("humerus", "ulna"), ("ulna", "hand"), ("calcn", "toes"))) + (
    (_J["femur_l"], _J["femur_r"]), (_J["humerus_l"], _J["humerus_r"]))


@dataclass(frozen=True)
class Person:
    """One shape of SKEL in our rest pose: rest axes, soles at z = 0, hips at x = y = 0."""

    file: SkelFile
    gender: str
    betas: np.ndarray
    """(10,)"""
    vertices_m: np.ndarray
    """(6890, 3)"""
    joints_m: np.ndarray
    """(24, 3)"""
    frames: np.ndarray
    """(24, 3, 3): joint frames under our laws."""
    surface_m: np.ndarray
    """(S, 3) bone surfaces."""


def provide(free: FreeBody, motion: Motion, found: model_files.Found, gender: str | None = None) -> Built:
    """One solved person on the SKEL body (see `providers.Provider`).

    Shape coefficients are solved so that bone lengths and standing height are those of the person as solved on the free
    body; the motion is carried over with this shape's joints and joint frames, the limbs' joints in their places.

    Args:
        gender: "male" or "female"; default: the file that fits better, where both are there.

    Raises:
        InputError: A model file is not what it should be.
    """
    guide = free.joints(motion.shape).astype(float)
    height = float(np.ptp(free.vertices(motion.shape)[:, 2]))
    choices = []
    for name, file in _files(found, gender):
        betas, off, cost = fit_betas(file, guide, height)
        choices.append((cost, name, file, betas, off))
    _, name, file, betas, off = min(choices, key=lambda c: c[0])
    person = make(file, betas, name)
    present = motion.arrays["present"]
    q, root, moved = carry(motion.arrays["q"][present], motion.arrays["root_m"][present], guide, person.joints_m,
                           free.joint_frames, person.frames)
    arrays = place_motion(motion.arrays, q, root, person.joints_m, person.frames)
    built = assemble(person, arrays)
    built.notes.append(
        f"{motion.track.id} is on the SKEL body ({name}): its bones are {1e3 * off:.0f} mm off the solved ones (root mean "
        f"square), limb joints moved {1e3 * float(moved.mean()):.0f} mm on average.")
    return built


def examine(found: model_files.Found, gender: str | None = None) -> None:
    """Raises InputError where a model file is not what it should be."""
    for _ in _files(found, gender):
        pass


def _files(found: model_files.Found, gender: str | None) -> Iterator[tuple[str, SkelFile]]:
    """The models to choose from."""
    for name in GENDERS:
        if f"skel_{name}" in found.paths and gender in (None, name):
            yield name, read_skel(found.paths[f"skel_{name}"])


def fit_betas(file: SkelFile, rest_joints_m: np.ndarray, height_m: float) -> tuple[np.ndarray, float, float]:
    """Shape coefficients whose bone lengths and standing height match a person's.

    Args:
        file: The model.
        rest_joints_m: (24, 3) of the person in the rest pose.
        height_m: Of the person, m.

    Returns:
        betas (10,), the root mean square error of the bone lengths in m, and the cost reached. Coefficients are held
        near 0 by a standard normal prior against 5 mm of a bone and 10 mm of the height; Gauss-Newton.
    """
    a, b = np.array(_SEGMENTS).T
    rest = np.asarray(rest_joints_m, float)
    wanted = np.linalg.norm(rest[a] - rest[b], axis=1)
    joints = file.joints_of_skin @ file.skin_m
    dirs = np.stack([file.joints_of_skin @ file.shape_dirs_m[:, :, n] for n in range(N_SHAPE)], -1)
    top, bottom = file.skin_m[:, 1].argmax(), file.skin_m[:, 1].argmin()
    tall = file.skin_m[top, 1] - file.skin_m[bottom, 1]
    tall_dirs = file.shape_dirs_m[top, 1] - file.shape_dirs_m[bottom, 1]
    betas = np.zeros(N_SHAPE)
    for _ in range(30):
        now = joints + dirs @ betas
        bone = now[a] - now[b]
        length = np.linalg.norm(bone, axis=1)
        residual = np.r_[(length - wanted) / BONE_SIGMA_M, (tall + tall_dirs @ betas - height_m) / HEIGHT_SIGMA_M, betas]
        jacobian = np.vstack([np.einsum("sc,scn->sn", bone / length[:, None], dirs[a] - dirs[b]) / BONE_SIGMA_M,
                              tall_dirs / HEIGHT_SIGMA_M, np.eye(N_SHAPE)])
        step = -np.linalg.lstsq(jacobian, residual, rcond=None)[0]
        betas = betas + step
        if np.abs(step).max() < 1e-7:
            break
    now = joints + dirs @ betas
    off = np.linalg.norm(now[a] - now[b], axis=1) - wanted
    return betas, float(np.sqrt((off**2).mean())), float((residual**2).sum())


def make(file: SkelFile, betas: np.ndarray, gender: str) -> Person:
    """A shape in our rest pose, with the joint frames that our laws take."""
    model = Skel(file, torch.float64)
    with torch.no_grad():
        rest = model.rest(torch.as_tensor(betas, dtype=torch.float64)[None])
        surface = model.rest_surface(rest)[0].numpy() @ TO_REST.T
    skin, joints = (points[0].numpy() @ TO_REST.T for points in (rest.skin_m, rest.joints_m))
    hips = joints[[_J["femur_l"], _J["femur_r"]]].mean(0)
    shift = -np.array([hips[0], hips[1], skin[:, 2].min()])
    return Person(file, gender, np.asarray(betas, float), skin + shift, joints + shift,
                  TO_REST @ rest.frames[0].numpy(), surface + shift)


def few(weight, most: int = MOST_SKIN) -> tuple[np.ndarray, np.ndarray]:
    """A sparse (V, 24) weight matrix as the contract has it: index (V, M) int16 and weight (V, M), rows sum to 1."""
    dense = weight.toarray()
    width = int(min(most, max((dense > 0).sum(1).max(), 1)))
    index = np.argsort(-dense, axis=1, kind="stable")[:, :width]
    kept = np.take_along_axis(dense, index, 1)
    index[kept <= 0] = 0
    kept = np.maximum(kept, 0)
    return index.astype(np.int16), (kept / kept.sum(1, keepdims=True)).astype(np.float32)


def assemble(person: Person, motion: dict[str, np.ndarray]) -> Built:
    """Arrays of the take: body, bone surfaces and pose correctives.

    Args:
        person: The body.
        motion: Arrays of `arrays.MOTION` on it.
    """
    index, weight = few(person.file.skin_weight)
    body = {"rest_vertices_m": person.vertices_m.astype(np.float32), "faces": person.file.skin_faces,
            "uv": np.zeros((len(person.file.skin_faces), 3, 2), np.float32),
            "rest_joints_m": person.joints_m.astype(np.float32), "joint_frames": person.frames.astype(np.float32),
            "skin_index": index, "skin_weight": weight, "shape": person.betas.astype(np.float32)}
    bone_index, bone_weight = few(person.file.bone_weight)
    weights, dirs, share = correctives(person, motion)
    extra = {"surface_vertices_m": person.surface_m.astype(np.float32), "surface_faces": person.file.bone_faces,
             "surface_skin_index": bone_index, "surface_skin_weight": bone_weight,
             "corrective_weight": weights, "corrective_dirs_m": dirs}
    info = {"extra": {"bone_names": [], "parents": [], "expression_names": []},
            "model": {"file": person.file.name, "family": "skel", "gender": person.gender,
                      "correctives_share": round(share, 4)}}
    return Built(body, motion, extra, info)


def correctives(person: Person, motion: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, float]:
    """The model's pose correctives over the take, reduced to a few shape keys.

    Returns:
        corrective_weight (T, C), 0 where not present; corrective_dirs_m (C, V, 3); and the share of the skin's corrective
        movement (its energy over all vertices and frames) that they keep, 0..1.
    """
    present = motion["present"]
    q = motion["q"][present].astype(float)
    local = person.frames @ laws.rotations(q) @ np.swapaxes(person.frames, -1, -2)
    local = TO_REST.T @ local @ TO_REST
    features = np.zeros((len(q), 23, 9))
    for smpl in sorted(set(SMPL_JOINT) - {0}):
        features[:, smpl - 1] = (local[:, driver_of(smpl)] - np.eye(3)).reshape(-1, 9)
    dirs = person.file.pose_dirs_m.reshape(-1, 207)
    # Principal components of the displacement itself, through the (207, 207) product of the directions.
    values, vectors = np.linalg.eigh(dirs.T @ dirs)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    flat = features.reshape(len(q), 207)
    _, s, vt = np.linalg.svd(flat @ root, full_matrices=False)
    c = min(N_CORRECTIVES, len(s))
    inverse = vectors / np.sqrt(np.maximum(values, 1e-12 * values.max() + 1e-30)) @ vectors.T
    weights = flat @ root @ vt[:c].T
    size = np.maximum(np.abs(weights).max(0, initial=0), 1e-12)
    # One unit of a key is its largest weight in the take, so that sliders run from -1 to 1.
    moved = np.einsum("vcf,kf->kvc", person.file.pose_dirs_m, (vt[:c] * size[:, None]) @ inverse)
    full = np.zeros((len(present), c), np.float32)
    full[present] = weights / size
    return full, (moved @ TO_REST.T).astype(np.float32), float((s[:c] ** 2).sum() / max((s**2).sum(), 1e-30))
