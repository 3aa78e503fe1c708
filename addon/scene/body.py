"""Body plan -> a mesh that moves with its armature."""

from __future__ import annotations

import zlib

import bmesh
import bpy
import numpy as np

from ...backend.sinew_take import free_body
from ..plan import shape
from ..plan.body import NEUTRAL_COLOR, PLAIN_COLORS, BodyPlan
from ..plan.extra import CORRECTIVES_PROPERTY, ShapePlan
from . import tags
from .armature import bending
from .drivers import drive

ROLE = "body"
SURFACE_ROLE = "bone_surface"
MATERIAL_ROLE = "body_material"
REGION = "sinew_region"
REST = "sinew_rest"
"""On a mesh's points: where the take had them, so that what was sculpted since is known."""
FACES = "sinew_faces"
"""On a mesh: a checksum of the faces that the take gave it."""
_SCULPTED_M = 1e-6
SHAPES = "sinew_shapes"
"""On the armature: names of the shape keys that a take made, one a line."""
_FURTHEST = 10.0
"""Blender's own limit of a shape key's value."""


def build_body(plan: BodyPlan, owner: tags.Owner, armature: bpy.types.Object, collection: bpy.types.Collection,
               name: str, role: str = ROLE, notes: list[str] | None = None) -> bpy.types.Object:
    """Make a subject's mesh (its skin, or the surface of its bones), or bring the shot's existing one up to date.

    Args:
        plan: Of this subject.
        owner: Take, shot and subject.
        armature: Deforms the mesh and becomes its parent.
        collection: For a new object.
        name: For a new object; never used to find it.
        role: `ROLE` or `SURFACE_ROLE`.
        notes: Sentences for the user are added here.

    Returns:
        The object. An existing one keeps materials, modifiers, constraints, other vertex groups and, where the
        new body has the same faces, UVs, attributes, shape keys and what was sculpted too. A mesh to whose vertices or
        faces an artist added, or took some away, is left as it is.
    """
    body = tags.find(bpy.data.objects, role, owner)
    is_new = body is None
    if is_new:
        body = bpy.data.objects.new(name, bpy.data.meshes.new(name))
        collection.objects.link(body)
        body.parent = armature
        splats = tags.find(bpy.data.objects, "avatar", owner)
        # In the stead of a deleted one: the person may be shown as splats, before which the mesh would stand.
        body.visible_camera = role != ROLE or splats is None or not splats.visible_camera
    for block in (body, body.data):
        tags.mark(block, role, owner)
    mesh = body.data
    for region in plan.region_names[len(mesh.materials):]:
        mesh.materials.append(_material(region, owner))
    if not is_new and len(mesh.vertices) == len(plan.vertices_m) and _has_faces(mesh, plan.faces):
        _follow(mesh, plan.vertices_m, armature)
    elif not is_new and not _is_untouched(mesh):
        if notes is not None:
            notes.append(f"{body.name} has other vertices than the take's and was left as it was; delete it to get the "
                         "take's.")
        bending(body, armature)
        return body
    else:
        if mesh.shape_keys is not None:
            body.shape_key_clear()
        _write_mesh(mesh, plan)
    _remember(mesh, plan.vertices_m)
    if role == ROLE:
        _ensure_shapes(body, armature, plan.shapes)
    set_weights(body, plan.skin_index, plan.skin_weight, plan.group_names)
    bending(body, armature)
    return body


def _ensure_shapes(body: bpy.types.Object, armature: bpy.types.Object, plans: tuple[ShapePlan, ...]) -> None:
    """Shape keys that follow properties of the armature; keys of an earlier take that this one lacks go."""
    before = [line for line in str(armature.get(SHAPES, "")).splitlines() if line]
    keys = body.data.shape_keys
    for name in set(before) - {plan.name for plan in plans}:
        if keys is not None and name in keys.key_blocks:
            keys.driver_remove(f'key_blocks["{name}"].value')
            body.shape_key_remove(keys.key_blocks[name])
    if not plans:
        armature.pop(SHAPES, None)
        return
    armature[SHAPES] = "\n".join(plan.name for plan in plans)
    if any(plan.is_corrective for plan in plans) and CORRECTIVES_PROPERTY not in armature:
        _property(armature, CORRECTIVES_PROPERTY, True, "Let the skin follow the pose by correcting shapes")
    if body.data.shape_keys is None:
        body.shape_key_add(name="Basis", from_mix=False)
    keys = body.data.shape_keys
    rest = np.empty(3 * len(body.data.vertices), np.float32)
    keys.reference_key.data.foreach_get("co", rest)
    for plan in plans:
        key = keys.key_blocks.get(plan.name) or body.shape_key_add(name=plan.name, from_mix=False)
        key.data.foreach_set("co", rest + np.ascontiguousarray(plan.dirs_m, np.float32).ravel())
        key.slider_min, key.slider_max = -_FURTHEST, _FURTHEST
        if plan.property not in armature:
            _property(armature, plan.property, 0.0, f"Weight of {plan.name}")
        variables = {"w": (armature, f'["{plan.property}"]')}
        if plan.is_corrective:
            variables["on"] = (armature, f'["{CORRECTIVES_PROPERTY}"]')
        drive(keys, f'key_blocks["{key.name}"].value', -1, variables, "w*on" if plan.is_corrective else None)


def _property(armature: bpy.types.Object, name: str, value: bool | float, text: str) -> None:
    armature[name] = value
    about = {"description": text, "default": value}
    if isinstance(value, float):
        about |= {"min": -_FURTHEST, "max": _FURTHEST}
    armature.id_properties_ui(name).update(**about)
    armature.property_overridable_library_set(f'["{name}"]', True)


def _has_faces(mesh: bpy.types.Mesh, faces: np.ndarray) -> bool:
    if len(mesh.polygons) != len(faces) or len(mesh.loops) != faces.size:
        return False
    own = np.empty(faces.size, np.int32)
    mesh.loops.foreach_get("vertex_index", own)
    return bool((own == faces.ravel()).all())


def _checksum(mesh: bpy.types.Mesh) -> str:
    own = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", own)
    return f"{len(mesh.vertices)} {len(mesh.polygons)} {zlib.crc32(own.tobytes())}"


def _is_untouched(mesh: bpy.types.Mesh) -> bool:
    """True for a mesh with the faces that a take gave it, even if another body's; one without any faces holds nothing."""
    return mesh.get(FACES) == _checksum(mesh) or not len(mesh.polygons)


def _remember(mesh: bpy.types.Mesh, vertices_m: np.ndarray) -> None:
    mesh[FACES] = _checksum(mesh)
    write_rest(mesh, vertices_m)


def write_rest(mesh: bpy.types.Mesh, vertices_m: np.ndarray) -> None:
    """Note where vertices are without what was sculpted, (V, 3), m."""
    own = mesh.attributes.get(REST) or mesh.attributes.new(REST, "FLOAT_VECTOR", "POINT")
    own.data.foreach_set("vector", np.ascontiguousarray(vertices_m, np.float32).ravel())


def read_rest(mesh: bpy.types.Mesh) -> np.ndarray | None:
    """Where vertices are without what was sculpted, (V, 3), m; None where an earlier version made the mesh."""
    own = mesh.attributes.get(REST)
    if own is None or own.domain != "POINT" or own.data_type != "FLOAT_VECTOR":
        return None
    flat = np.empty(3 * len(mesh.vertices), np.float32)
    own.data.foreach_get("vector", flat)
    return flat.reshape(-1, 3)


def places(mesh: bpy.types.Mesh) -> np.ndarray:
    """Rest places of a mesh's vertices, (V, 3), m: of its first shape key where it has some."""
    flat = np.empty(3 * len(mesh.vertices), np.float32)
    source = mesh.vertices if mesh.shape_keys is None else mesh.shape_keys.reference_key.data
    source.foreach_get("co", flat)
    return flat.reshape(-1, 3)


def _follow(mesh: bpy.types.Mesh, vertices_m: np.ndarray, armature: bpy.types.Object) -> None:
    """Bring vertices to another take's places, with what was sculpted on top."""
    before, own = read_rest(mesh), places(mesh)
    if before is None and shape.SHAPE in armature:
        free = free_body.load()
        if len(own) == len(free.template_m):
            before = free.vertices(np.array(armature[shape.SHAPE], float))
    if before is not None:
        sculpted = own - before
        is_sculpted = np.abs(sculpted).max(axis=1, keepdims=True) > _SCULPTED_M
        vertices_m = np.where(is_sculpted, vertices_m + sculpted, vertices_m)
    move_vertices(mesh, vertices_m)


def move_vertices(mesh: bpy.types.Mesh, vertices_m: np.ndarray) -> None:
    """New places for the same vertices; shape keys keep what they add to the old ones."""
    flat = np.ascontiguousarray(vertices_m, np.float32).ravel()
    if mesh.shape_keys is not None:
        old, own = np.empty_like(flat), np.empty_like(flat)
        mesh.shape_keys.reference_key.data.foreach_get("co", old)
        for key in mesh.shape_keys.key_blocks:
            key.data.foreach_get("co", own)
            key.data.foreach_set("co", own + (flat - old))
    mesh.vertices.foreach_set("co", flat)
    mesh.update()


def _write_mesh(mesh: bpy.types.Mesh, plan: BodyPlan) -> None:
    mesh.clear_geometry()
    n_faces = len(plan.faces)
    mesh.vertices.add(len(plan.vertices_m))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(plan.vertices_m, np.float32).ravel())
    mesh.loops.add(3 * n_faces)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(plan.faces, np.int32).ravel())
    mesh.polygons.add(n_faces)
    mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * n_faces, 3, dtype=np.int32))
    mesh.polygons.foreach_set("material_index", plan.region)
    mesh.polygons.foreach_set("use_smooth", np.ones(n_faces, bool))
    mesh.update(calc_edges=True)
    layer = mesh.uv_layers.new(name="UVMap")
    layer.data.foreach_set("uv", np.ascontiguousarray(plan.uv, np.float32).ravel())


def set_weights(target: bpy.types.Object, skin_index: np.ndarray, skin_weight: np.ndarray, names: tuple[str, ...]
                ) -> None:
    """Write the weights of the named vertex groups; an object's other groups keep theirs.

    Args:
        target: A mesh object.
        skin_index: (V, M), index in `names`.
        skin_weight: (V, M); zeros are left out.
        names: Groups, made where they are missing.
    """
    groups = target.vertex_groups
    number = np.array([(groups.get(name) or groups.new(name=name)).index for name in names])
    own = {int(n) for n in number}
    dense = np.zeros((len(skin_index), len(names)), np.float32)
    np.add.at(dense, (np.arange(len(skin_index))[:, None], skin_index), skin_weight)
    rows, columns = np.nonzero(dense > 0)
    values = dense[rows, columns].tolist()
    columns = number[columns].tolist()
    start = np.searchsorted(rows, np.arange(len(dense) + 1)).tolist()
    edited = bmesh.new()
    edited.from_mesh(target.data)
    layer = edited.verts.layers.deform.verify()
    for v, vertex in enumerate(edited.verts):
        weights = vertex[layer]
        for key in [k for k in weights.keys() if k in own]:
            del weights[key]
        for i in range(start[v], start[v + 1]):
            weights[columns[i]] = values[i]
    edited.to_mesh(target.data)
    edited.free()


def _material(region: str, owner: tags.Owner) -> bpy.types.Material:
    material = bpy.data.materials.new(region)
    tags.mark(material, MATERIAL_ROLE, owner)
    material[REGION] = region
    color = (*PLAIN_COLORS.get(region, NEUTRAL_COLOR), 1.0)
    material.diffuse_color = color
    if material.node_tree is None:
        material.use_nodes = True
    shader = next(n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = color
    shader.inputs["Roughness"].default_value = 0.6
    return material
