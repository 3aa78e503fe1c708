"""Another shape for a person that stands in the scene: rest pose, joint laws, skin and splats; the motion stays.

The coordinates' curves are not touched. The pelvis' place is: it keeps its path over the floor, and its height follows
the legs, so that at every key the lowest point of the soles is as high as it was.
"""

from __future__ import annotations

from collections.abc import Iterable

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from ...backend.sinew_take import free_body, measures
from ...backend.sinew_take import skeleton as sk
from ...backend.sinew_take.errors import RequestError
from ..plan import bones, shape
from ..plan.curves import dof_channel
from ..plan.rig import plan_rig
from . import armature as rigs
from . import curves, tags
from .body import ROLE as BODY_ROLE
from .body import move_vertices, places, read_rest, write_rest
from .modes import at_rest
from .splats import ROLE as AVATAR_ROLE

MEASURES = "sinew_measures"
"""On the armature: the body's measures, in the order of `measures.NAMES`, for the panel."""
_MOST_POSES = 600
"""Poses at which the soles are looked at; between them the change is interpolated."""
_FACE, _BARY = "splat_face", "splat_bary"
_FURTHEST = 8.0
"""Standard deviations beyond which no coefficient goes."""


def owner_of(armature: bpy.types.Object) -> tags.Owner:
    """Take, shot and subject of a person."""
    return tags.Owner(armature[tags.TAKE], armature[tags.SHOT], armature.get(tags.SUBJECT, ""))


def remember(armature: bpy.types.Object, taken: np.ndarray | None) -> np.ndarray | None:
    """Note the shape that a take gave. Returns what the artist had changed on the one before, None where nothing."""
    # Copies: what Blender hands out is a view of the property, which is written below.
    before, was_taken = (np.array(armature.get(name, ()), float) for name in (shape.SHAPE, shape.TAKE_SHAPE))
    if taken is None:
        for name in (shape.SHAPE, shape.TAKE_SHAPE, MEASURES):
            armature.pop(name, None)
        return None
    armature[shape.SHAPE], armature[shape.TAKE_SHAPE] = list(map(float, taken)), list(map(float, taken))
    armature[MEASURES] = list(measures.measure(free_body.load(), taken).values())
    if not len(before) == len(was_taken) == len(taken):
        return None
    change = before - was_taken
    body = tags.find(bpy.data.objects, BODY_ROLE, owner_of(armature))
    if body is not None and len(body.data.vertices) != len(free_body.load().template_m):
        return None  # with vertices of the artist's it was left alone, and could not follow
    return change if np.abs(change).max() > 1e-4 else None


def give_shape(context: bpy.types.Context, armature: bpy.types.Object, wanted: np.ndarray) -> None:
    """Give a person another shape of the free body.

    Args:
        context: Its view layer is where bones are edited.
        armature: The person's, with the property `shape.SHAPE`.
        wanted: Coefficients (B,).

    Raises:
        RequestError: The person has another body, a bone is missing, or the mesh no longer has the body's vertices.
    """
    free = free_body.load()
    if shape.SHAPE not in armature:
        raise RequestError(f"{armature.name} is not on Sinew's own body; its shape changes with the take only.")
    old = np.array(armature[shape.SHAPE], float)
    new = np.clip(np.asarray(wanted, float), -_FURTHEST, _FURTHEST)
    moved_m = free.vertices(new) - free.vertices(old)
    owner = owner_of(armature)
    body = tags.find(bpy.data.objects, BODY_ROLE, owner)
    if body is not None and len(body.data.vertices) != len(moved_m):
        raise RequestError(f"The mesh of {body.name} no longer has the body's {len(moved_m)} vertices; import the take "
                           "again after deleting it, or undo what added or removed some.")
    _require_bones(armature, bones.BONE_NAMES)
    rest = rigs.rest_matrices(armature, list(bones.BONE_NAMES)).astype(float)
    frames = rest[:, :3, :3]
    old_m = rest[:, :3, 3]
    new_m = old_m + free.joints(new) - free.joints(old)
    before = None if body is None else places(body.data)
    vertices_m = free.vertices(new) if before is None else before + moved_m
    plan = plan_rig({"rest_joints_m": new_m, "joint_frames": frames, "rest_vertices_m": vertices_m,
                     "skin_index": free.skin_index, "skin_weight": free.skin_weight})
    _require_bones(armature, [bone.name for bone in plan.bones])
    if body is not None:
        avatar = tags.find(bpy.data.objects, AVATAR_ROLE, owner)
        if avatar is not None:
            _move_splats(avatar.data, free.faces, before, vertices_m)
            avatar.data.update()
        move_vertices(body.data, vertices_m)
        was = read_rest(body.data)
        if was is not None:
            write_rest(body.data, was + moved_m)
    with at_rest(armature):
        rigs.move_bones(context, armature, plan)
    _replant(armature, frames, (old_m, free.vertices(old)), (new_m, free.vertices(new)))
    armature[shape.SHAPE] = list(map(float, new))
    armature[MEASURES] = list(measures.measure(free, new).values())
    armature.update_tag()


def _require_bones(armature: bpy.types.Object, names: Iterable[str]) -> None:
    missing = next((name for name in names if name not in armature.data.bones), None)
    if missing is not None:
        raise RequestError(f"{armature.name} has no bone {missing}, it was renamed or deleted; import the take again to "
                           "get it back.")


def _replant(armature: bpy.types.Object, frames: np.ndarray, old: tuple[np.ndarray, np.ndarray],
             new: tuple[np.ndarray, np.ndarray]) -> None:
    """Shift the keys of the pelvis' place. old, new: joints (24, 3) and vertices (V, 3) in the rest pose, m."""
    action = curves.base_action(armature)
    found = [curves.find_curve(action, armature, f'pose.bones["{bones.ROOT}"].location', axis) for axis in range(3)]
    for axis in (0, 1):
        if found[axis] is not None:
            n = len(found[axis].keyframe_points)
            curves.shift_keys(found[axis], np.full(n, old[0][0, axis] - new[0][0, axis]))
    if found[2] is None or not len(found[2].keyframe_points):
        return
    at, _ = curves.read_keys(found[2])
    q = np.zeros((len(at), len(sk.DOFS)))
    for dof in sk.DOFS:
        curve = curves.find_curve(action, armature, *dof_channel(dof.name))
        if curve is not None:
            own, values = curves.read_keys(curve)
            same = len(own) == len(at) and np.abs(own - at).max() < 1e-4
            q[:, dof.index] = values if same else [curve.evaluate(frame) for frame in at]
    some = np.unique(np.linspace(0, len(at) - 1, min(len(at), _MOST_POSES)).astype(int))
    lifted = [rest[0, 2] + shape.lowest_m(q[some], rest, frames, vertices) for rest, vertices in (old, new)]
    curves.shift_keys(found[2], np.interp(at, at[some], lifted[0] - lifted[1]))


def _move_splats(mesh: bpy.types.Mesh, faces: np.ndarray, before: np.ndarray, after: np.ndarray) -> None:
    """Let splats follow the triangle of the rest skin that they lie nearest to, growing and shrinking with it."""
    n = len(mesh.polygons)
    if _FACE not in mesh.attributes:
        _bind_splats(mesh, faces, before)
    face, bary = np.empty(n, np.int32), np.empty(3 * n, np.float32)
    mesh.attributes[_FACE].data.foreach_get("value", face)
    mesh.attributes[_BARY].data.foreach_get("vector", bary)
    bary = bary.reshape(n, 3)
    moved = np.einsum("nc,ncx->nx", bary, (after - before)[faces[face]])

    def area(points):
        a, b, c = (points[faces[:, k]] for k in range(3))
        return np.linalg.norm(np.cross(b - a, c - a), axis=1)[face]

    grown = np.sqrt(area(after) / np.maximum(area(before), 1e-12))[:, None].clip(0.5, 2.0)
    center = mesh.attributes["splat_center"].data
    flat = np.empty(3 * n, np.float32)
    center.foreach_get("vector", flat)
    moved_to = flat.reshape(n, 3) + moved
    center.foreach_set("vector", np.ascontiguousarray(moved_to, np.float32).ravel())
    for k in range(3):
        axis = mesh.attributes[f"splat_axis{k}"].data
        axis.foreach_get("vector", flat)
        axis.foreach_set("vector", np.ascontiguousarray(flat.reshape(n, 3) * grown, np.float32).ravel())
    flat = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.attributes["position"].data.foreach_get("vector", flat)
    corners = np.empty(3 * n, np.int32)  # loose vertices of deleted splats may lie between
    mesh.attributes[".corner_vert"].data.foreach_get("value", corners)
    flat.reshape(-1, 3)[corners] = np.repeat(moved_to, 3, axis=0)
    mesh.attributes["position"].data.foreach_set("vector", flat)


def _bind_splats(mesh: bpy.types.Mesh, faces: np.ndarray, vertices_m: np.ndarray) -> None:
    n = len(mesh.polygons)
    flat = np.empty(3 * n, np.float32)
    mesh.attributes["splat_center"].data.foreach_get("vector", flat)
    tree = BVHTree.FromPolygons(vertices_m.tolist(), faces.tolist(), all_triangles=True)
    nearest = [tree.find_nearest(point) for point in flat.reshape(n, 3).tolist()]
    face = np.array([found[2] for found in nearest], np.int32)
    at = np.array([tuple(found[0]) for found in nearest])
    a, b, c = (vertices_m[faces[face, k]].astype(float) for k in range(3))
    u, v, w = b - a, c - a, at - a
    uu, uv, vv, wu, wv = (np.einsum("nx,nx->n", p, q) for p, q in ((u, u), (u, v), (v, v), (w, u), (w, v)))
    whole = np.maximum(uu * vv - uv * uv, 1e-18)
    second, third = (vv * wu - uv * wv) / whole, (uu * wv - uv * wu) / whole
    bary = np.stack([1 - second - third, second, third], 1)
    mesh.attributes.new(_FACE, "INT", "FACE").data.foreach_set("value", face)
    mesh.attributes.new(_BARY, "FLOAT_VECTOR", "FACE").data.foreach_set(
        "vector", np.ascontiguousarray(bary, np.float32).ravel())


def set_measures(context: bpy.types.Context, armature: bpy.types.Object, given: dict[str, float]) -> measures.Fitted:
    """Give a person the likeliest shape with these measures, from the one it has.

    Raises:
        RequestError: No person has these measures, no shape meets them together, or see `give_shape`.
    """
    if shape.SHAPE not in armature:
        raise RequestError(f"{armature.name} is not on Sinew's own body; its shape changes with the take only.")
    fitted = measures.shape_for(free_body.load(), given, np.array(armature[shape.SHAPE]))
    give_shape(context, armature, fitted.shape)
    return fitted
