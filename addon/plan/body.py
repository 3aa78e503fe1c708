"""A subject's body as a mesh: arrays ready for Blender, and the look of its material regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import bones
from .extra import ShapePlan

PLAIN_COLORS = {
    "skin": (0.56, 0.35, 0.26), "lips": (0.45, 0.20, 0.17), "hair": (0.05, 0.035, 0.03), "eyes": (0.75, 0.74, 0.72),
    "top": (0.18, 0.27, 0.38), "sleeves": (0.18, 0.27, 0.38), "trousers": (0.10, 0.105, 0.12),
    "shins": (0.10, 0.105, 0.12), "shoes": (0.06, 0.055, 0.05), "bone": (0.72, 0.66, 0.52)}
"""Linear colours of known regions; the others are a neutral grey."""
NEUTRAL_COLOR = (0.35, 0.35, 0.35)


@dataclass(frozen=True)
class BodyPlan:
    """A skinned mesh in the rest pose.

    Attributes:
        vertices_m: (V, 3) float32.
        faces: (F, 3) int32.
        uv: (F, 3, 2) float32.
        region: (F,) int32, index in `region_names`.
        region_names: One material each.
        skin_index: (V, M) int, index in `group_names`.
        skin_weight: (V, M) float32.
        group_names: Vertex groups: the deforming bones.
        shapes: Shape keys.
    """

    vertices_m: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    region: np.ndarray
    region_names: tuple[str, ...]
    skin_index: np.ndarray
    skin_weight: np.ndarray
    group_names: tuple[str, ...]
    shapes: tuple[ShapePlan, ...] = ()


def plan_body(body: dict[str, np.ndarray], region_names: tuple[str, ...] = (),
              group_names: tuple[str, ...] = bones.DEFORM_NAMES, shapes: tuple[ShapePlan, ...] = ()) -> BodyPlan:
    """Arrays of `arrays.BODY` -> mesh. `region_names` are the free body's; regions beyond them get numbers."""
    region = body.get("region")
    region = np.zeros(len(body["faces"]), np.int32) if region is None else region.astype(np.int32)
    used, region = np.unique(region, return_inverse=True)
    names = tuple(region_names[r] if r < len(region_names) else ("body" if len(used) == 1 else f"region {r}")
                  for r in used)
    return BodyPlan(body["rest_vertices_m"], body["faces"], body["uv"], region.astype(np.int32).ravel(), names,
                    body["skin_index"].astype(np.int32), body["skin_weight"], group_names, shapes)


def plan_surface(extra: dict[str, np.ndarray] | None, group_names: tuple[str, ...]) -> BodyPlan | None:
    """Bone surfaces of `arrays.EXTRA` -> mesh, None where there are none."""
    if not extra or "surface_vertices_m" not in extra:
        return None
    faces = extra["surface_faces"]
    return BodyPlan(extra["surface_vertices_m"], faces, np.zeros((len(faces), 3, 2), np.float32),
                    np.zeros(len(faces), np.int32), ("bone",), extra["surface_skin_index"].astype(np.int32),
                    extra["surface_skin_weight"], group_names)
