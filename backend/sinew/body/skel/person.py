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
from .girths import Parts, dense_weights
from .model_file import N_SHAPE, SkelFile, read_skel

_J = sk.JOINT_INDEX
GENDERS = ("male", "female")
MOST_SKIN = 8
"""Joints a vertex may follow."""
N_CORRECTIVES = 8
"""Shape keys that stand for the model's pose correctives."""
BONE_SIGMA_M, HEIGHT_SIGMA_M, RADIUS_SIGMA_M = 0.005, 0.010, 0.004
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

    Shape coefficients are solved so that bone lengths, height and thickness are those of the person as solved on the free
    body; the motion is carried over with this shape's joints and joint frames, the limbs' joints in their places.

    Args:
        gender: "male" or "female"; default: the file that fits better, where both are there.

    Raises:
        InputError: A model file is not what it should be.
    """
    wanted = measure(free, motion.shape)
    choices = [(name, file, fit_betas(file, wanted)) for name, file in _files(found, gender)]
    name, file, fitted = min(choices, key=lambda choice: choice[2].cost)
    person = make(file, fitted.betas, name)
    present = motion.arrays["present"]
    q, root, moved = carry(motion.arrays["q"][present], motion.arrays["root_m"][present], wanted.joints_m,
                           person.joints_m, free.joint_frames, person.frames)
    arrays = place_motion(motion.arrays, q, root, person.joints_m, person.frames)
    built = assemble(person, arrays)
    built.notes.append(
        f"{motion.track.id} is on the SKEL body ({name}): bone lengths are {1e3 * fitted.bones_off_m:.0f} mm and the radii "
        f"of limbs and trunk {1e3 * fitted.radii_off_m:.0f} mm off the solved ones (root mean square), limb joints moved "
        f"{1e3 * float(moved.mean()):.0f} mm on average.")
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


@dataclass(frozen=True)
class Measures:
    """What a person's shape is matched by."""

    joints_m: np.ndarray
    """(24, 3) in the rest pose."""
    height_m: float
    radii_m: np.ndarray
    """Of `girths.PARTS`."""


def measure(free: FreeBody, shape: np.ndarray) -> Measures:
    """Of a person on the free body."""
    joints, vertices = free.joints(shape).astype(float), free.vertices(shape).astype(float)
    nobody = np.zeros(free.n_shape)
    parts = Parts.of(free.vertices(nobody).astype(float), free.faces, dense_weights(free.skin_index, free.skin_weight),
                     free.joints(nobody).astype(float))
    return Measures(joints, float(np.ptp(vertices[:, 2])), parts.radii(vertices, joints))


@dataclass(frozen=True)
class Fitted:
    betas: np.ndarray
    """(10,)"""
    bones_off_m: float
    """Root mean square."""
    radii_off_m: float
    """Root mean square."""
    cost: float


def fit_betas(file: SkelFile, wanted: Measures) -> Fitted:
    """Shape coefficients whose bone lengths, standing height and thickness match a person's.

    Coefficients are held near 0 by a standard normal prior against 5 mm of a bone, 10 mm of the height and 4 mm of a
    part's radius; Gauss-Newton, with the radii's derivatives by differences.
    """
    a, b = np.array(_SEGMENTS).T
    length = np.linalg.norm(wanted.joints_m[a] - wanted.joints_m[b], axis=1)
    joints = file.joints_of_skin @ file.skin_m
    dirs = np.stack([file.joints_of_skin @ file.shape_dirs_m[:, :, n] for n in range(N_SHAPE)], -1)
    parts = Parts.of(file.skin_m, file.skin_faces, file.skin_weight.toarray(), joints)
    top, bottom = file.skin_m[:, 1].argmax(), file.skin_m[:, 1].argmin()

    def figures(betas: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        now, skin = joints + dirs @ betas, file.skin_m + file.shape_dirs_m @ betas
        return np.linalg.norm(now[a] - now[b], axis=1), parts.radii(skin, now), float(skin[top, 1] - skin[bottom, 1])

    def residual(betas: np.ndarray) -> np.ndarray:
        bones, radii, height = figures(betas)
        return np.r_[(bones - length) / BONE_SIGMA_M, np.nan_to_num(radii - wanted.radii_m) / RADIUS_SIGMA_M,
                     (height - wanted.height_m) / HEIGHT_SIGMA_M, betas]

    betas = np.zeros(N_SHAPE)
    now = residual(betas)
    for _ in range(20):
        step_size = 1e-4
        jacobian = np.stack([(residual(betas + d) - now) / step_size for d in step_size * np.eye(N_SHAPE)], 1)
        step = -np.linalg.lstsq(jacobian, now, rcond=None)[0]
        new = residual(betas + step)
        if new @ new >= now @ now:
            break
        betas, now = betas + step, new
        if np.abs(step).max() < 1e-3:
            break
    bones, radii, _ = figures(betas)
    return Fitted(betas, float(np.sqrt(((bones - length) ** 2).mean())),
                  float(np.sqrt(np.nanmean((radii - wanted.radii_m) ** 2))), float(now @ now))


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
