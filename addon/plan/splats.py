"""Avatar of a take -> what a bound Gaussian cloud needs, as plain arrays. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SH_0 = 0.28209479177387814
"""Constant spherical harmonic, 1 / (2 sqrt(pi))."""

_SMALLEST_WEIGHT = 1e-4  # below this a joint moves no splat by more than a tenth of a millimetre per metre it moves


@dataclass(frozen=True)
class SplatPlan:
    """One subject's cloud in the rest pose, in the armature's space.

    Attributes:
        mean_m: Centres, (N, 3) float32, m.
        axes_m: One standard deviation along each of the splat's axes, the longest first, (N, 3, 3) float32, m;
            row k is an axis.
        color_srgb: Display-encoded sRGB in 0..1, (N, 3) float32.
        opacity: Linear, (N,) float32.
        seen: False where no frame showed the splat and its colour is borrowed, (N,) bool.
        skin_index: Joints that move the splat, heaviest first, (N, M) int32; M is what the avatar really uses.
        skin_weight: Their weights, (N, M) float32; rows sum to 1.
        bone_names: The armature's bone of each of the 24 joints.
        notes: Sentences on what the scene does not show.
    """

    mean_m: np.ndarray
    axes_m: np.ndarray
    color_srgb: np.ndarray
    opacity: np.ndarray
    seen: np.ndarray
    skin_index: np.ndarray
    skin_weight: np.ndarray
    bone_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def n_splats(self) -> int:
        return len(self.mean_m)

    @property
    def n_influences(self) -> int:
        return self.skin_index.shape[1]


def plan_splats(avatar: dict[str, np.ndarray] | None, bone_names: Sequence[str]) -> SplatPlan | None:
    """What to build for one subject.

    Args:
        avatar: Arrays of `arrays.AVATAR`, or None.
        bone_names: Bone of each joint, in `skeleton.JOINTS` order.

    Returns:
        The plan; None where the take has no avatar or an empty one. Splats with a number that is not finite, or
        without weights, are left out and said.
    """
    if avatar is None or not len(avatar["mean_m"]):
        return None
    notes = []
    usable = np.ones(len(avatar["mean_m"]), bool)
    for name in ("mean_m", "scale_m", "rotation_wxyz", "opacity", "skin_weight"):
        array = avatar[name].reshape(len(usable), -1)
        usable &= np.isfinite(array).all(1)
    usable &= np.isfinite(avatar["sh"][:, 0]).all(1) & (avatar["skin_weight"].sum(1) > _SMALLEST_WEIGHT)
    if not usable.all():
        notes.append(f"{int((~usable).sum())} of {len(usable)} splats have no place or no joint and are left out.")
        avatar = {name: array[usable] for name, array in avatar.items()}
        if not usable.any():
            return None
    if avatar["sh"].shape[1] > 1:
        notes.append("The splats' colours that change with the direction of view stay in the take; "
                     "the scene shows their mean colour.")
    index, weight = _heaviest_first(avatar["skin_index"], avatar["skin_weight"])
    color = np.clip(0.5 + SH_0 * avatar["sh"][:, 0].astype(np.float32), 0.0, 1.0)
    return SplatPlan(
        mean_m=np.ascontiguousarray(avatar["mean_m"], np.float32),
        axes_m=splat_axes(avatar["scale_m"], avatar["rotation_wxyz"]),
        color_srgb=color.astype(np.float32),
        opacity=np.clip(avatar["opacity"], 0.0, 1.0).astype(np.float32),
        seen=np.ascontiguousarray(avatar["seen"], bool),
        skin_index=index, skin_weight=weight, bone_names=tuple(bone_names), notes=tuple(notes))


def splat_axes(scale_m: np.ndarray, rotation_wxyz: np.ndarray) -> np.ndarray:
    """One-sigma axes of Gaussians, the longest first.

    Args:
        scale_m: (N, 3), m.
        rotation_wxyz: (N, 4); need not be of unit length.

    Returns:
        (N, 3, 3) float32, m; rows are axes, so that the covariance is `axesᵀ · axes`.
    """
    w, x, y, z = np.moveaxis(rotation_wxyz / np.linalg.norm(rotation_wxyz, axis=1, keepdims=True), 1, 0)
    rows = np.stack([  # the columns of the rotation matrix, as rows
        np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], 1),
        np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], 1),
        np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], 1)], 1)
    order = np.argsort(-scale_m, axis=1)[..., None]
    axes = np.take_along_axis(rows, order, 1) * np.take_along_axis(scale_m[..., None], order, 1)
    return np.ascontiguousarray(axes, np.float32)


def _heaviest_first(index: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Influences sorted by weight, columns that nobody uses dropped, rows made to sum to 1."""
    order = np.argsort(-weight, axis=1, kind="stable")
    weight = np.take_along_axis(weight.astype(np.float32), order, 1)
    index = np.take_along_axis(index.astype(np.int32), order, 1)
    used = max(1, int((weight > _SMALLEST_WEIGHT).any(0).sum()))
    weight = np.clip(weight[:, :used], 0.0, None)
    return np.ascontiguousarray(index[:, :used]), weight / weight.sum(1, keepdims=True)
