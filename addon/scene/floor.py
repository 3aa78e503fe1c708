"""A floor under the people that catches their shadows and hides nothing."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np

from . import tags
from .nodes import Writer

ROLE = "floor"
MATERIAL_ROLE = "floor_material"
_MARGIN_M = 1.5
_SMALLEST_M = 4.0


def floor_corners(roots_m: Sequence[np.ndarray]) -> np.ndarray:
    """A rectangle at z = 0 around the people's way.

    Args:
        roots_m: Per subject (T, 3), m, NaN where not present.

    Returns:
        (4, 3), m, counter-clockwise seen from above.
    """
    points = np.concatenate([np.asarray(r, float).reshape(-1, 3) for r in roots_m] or [np.zeros((0, 3))])
    points = points[np.isfinite(points).all(1), :2]
    low, high = (points.min(0), points.max(0)) if len(points) else (np.zeros(2), np.zeros(2))
    middle = (low + high) / 2
    half = np.maximum((high - low) / 2 + _MARGIN_M, _SMALLEST_M / 2)
    return np.array([[*(middle + half * s), 0.0] for s in ((-1, -1), (1, -1), (1, 1), (-1, 1))])


def build_floor(roots_m: Sequence[np.ndarray], owner: tags.Owner, root: bpy.types.Object,
                collection: bpy.types.Collection, name: str) -> bpy.types.Object:
    """Make the shot's floor, or fit an existing one to the people's new way.

    In Cycles it catches shadows. EEVEE has no shadow catcher: there its material is transparent, so that it does not
    hide the plate. In the viewport it is drawn as a wire.

    Args:
        roots_m: Pelvis places per subject, (T, 3), m, in the take's world.
        owner: Take and shot.
        root: The take's root; becomes the floor's parent.
        collection: For a new object.
        name: For a new object; never used to find it.

    Returns:
        The floor. An existing one keeps its materials and modifiers; one that the artist has modelled keeps its mesh.
    """
    floor = tags.find(bpy.data.objects, ROLE, owner)
    corners = floor_corners(roots_m)
    if floor is None:
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata(corners.tolist(), [], [(0, 1, 2, 3)])
        floor = bpy.data.objects.new(name, mesh)
        collection.objects.link(floor)
        floor.display_type = "WIRE"
        floor.hide_select = True
        floor.is_shadow_catcher = True
        mesh.materials.append(_material(owner))
    elif len(floor.data.vertices) == 4 and len(floor.data.polygons) == 1:
        floor.data.vertices.foreach_set("co", corners.astype(np.float32).ravel())
        floor.data.update()
    for block in (floor, floor.data):
        tags.mark(block, ROLE, owner)
    floor.parent = root
    return floor


def _material(owner: tags.Owner) -> bpy.types.Material:
    """Matt in Cycles, where the floor catches shadows, and nothing in EEVEE, where it would hide the plate."""
    material = bpy.data.materials.new("Floor")
    tags.mark(material, MATERIAL_ROLE, owner)
    if material.node_tree is None:
        material.use_nodes = True
    material.surface_render_method = "DITHERED"
    material.node_tree.nodes.clear()
    w = Writer(material.node_tree)
    matt = w.out("ShaderNodeBsdfDiffuse", {"Color": (0.5, 0.5, 0.5, 1.0)})
    w.node("ShaderNodeOutputMaterial", {"Surface": matt}, target="CYCLES")
    w.node("ShaderNodeOutputMaterial", {"Surface": w.out("ShaderNodeBsdfTransparent")}, target="EEVEE")
    w.arrange()
    return material
