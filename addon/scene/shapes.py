"""Shapes that bones are drawn with: bones run along the limbs although their axes are the joints'.

Each shape is a wire mesh along +Y from 0 to 1. It is drawn at the joint's conventional twin
(`PoseBone.custom_shape_transform`) and scaled by the bone's length, which is the twin's.
"""

from __future__ import annotations

import bpy
import numpy as np

from . import tags

ROLE = "shape"


def _octahedron() -> tuple[list, list]:
    points = [(0, 0, 0), (0.09, 0.12, 0), (0, 0.12, 0.09), (-0.09, 0.12, 0), (0, 0.12, -0.09), (0, 1, 0)]
    edges = [(0, i) for i in (1, 2, 3, 4)] + [(5, i) for i in (1, 2, 3, 4)] + [(1, 2), (2, 3), (3, 4), (4, 1)]
    return points, edges


def _ring(radius: float, at: float, n: int = 24) -> tuple[list, list]:
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    points = [(radius * np.cos(a), at, radius * np.sin(a)) for a in angles]
    return points, [(i, (i + 1) % n) for i in range(n)]


def _joined(*parts: tuple[list, list]) -> tuple[list, list]:
    points, edges = [], []
    for more, links in parts:
        edges += [(a + len(points), b + len(points)) for a, b in links]
        points += more
    return points, edges


def _box(half: float) -> tuple[list, list]:
    points = [(x * half, 0.5 + y * 0.45, z * half) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    edges = [(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1]
    return points, edges


def _ground() -> tuple[list, list]:
    """A ring on the ground with an arrow towards the front (-Y of the rest pose)."""
    points, edges = _ring(1.0, 0.0, 32)
    flat = [(x, z, 0.0) for x, _, z in points]
    n = len(flat)
    return flat + [(-0.2, -1, 0), (0, -1.4, 0), (0.2, -1, 0)], edges + [(n, n + 1), (n + 1, n + 2)]


_SHAPES = {"bone": _octahedron, "trunk": lambda: _joined(_ring(0.55, 0.0), _ring(0.55, 0.5), _octahedron()),
           "head": lambda: _joined(_ring(0.36, 0.25), _ring(0.42, 0.6), _octahedron()),
           "small": lambda: _box(0.12), "twist": lambda: _ring(0.16, 0.6), "root": _ground}


def shape_of(joint: str) -> str:
    """Which shape a joint's bone has; `joint` as in `skeleton.JOINT_NAMES`."""
    stem = joint.removesuffix("_l").removesuffix("_r")
    return {"pelvis": "trunk", "lumbar_body": "trunk", "thorax": "trunk", "head": "head", "talus": "small",
            "radius": "twist"}.get(stem, "bone")


def ensure_shapes(collection: bpy.types.Collection, owner: tags.Owner) -> dict[str, bpy.types.Object]:
    """The take's shape objects by kind; made in `collection` where they are missing."""
    out = {}
    for kind, make in _SHAPES.items():
        role = f"{ROLE}_{kind}"
        shape = tags.find(bpy.data.objects, role, owner)
        if shape is None:
            points, edges = make()
            mesh = bpy.data.meshes.new(f"Shape {kind}")
            mesh.from_pydata(points, edges, [])
            shape = bpy.data.objects.new(f"Shape {kind}", mesh)
            collection.objects.link(shape)
        for block in (shape, shape.data):
            tags.mark(block, role, owner)
        out[kind] = shape
    return out
