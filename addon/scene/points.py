"""The scene's points: a coloured cloud that shows where the camera solve saw the world."""

from __future__ import annotations

import bpy
import numpy as np

from . import tags
from .nodes import Writer

ROLE = "points"
MATERIAL_ROLE = "points_material"
NODES_ROLE = "points_nodes"
RADIUS_M = 0.01
SIZE, CONFIDENCE = "Size", "Least Confidence"


def build_points(points: dict[str, np.ndarray] | None, owner: tags.Owner, root: bpy.types.Object,
                 collection: bpy.types.Collection, name: str) -> bpy.types.Object | None:
    """Make the shot's points, or bring existing ones up to date; those of an earlier take go where the new one has none.

    They are vertices that geometry nodes turn into a point cloud, so that they can be snapped to and filtered by
    confidence. They are not rendered unless the artist says so.

    Args:
        points: Arrays of `arrays.POINTS`, or None.
        owner: Take and shot.
        root: The take's; becomes the parent.
        collection: For a new object.
        name: For a new object; never used to find it.
    """
    item = tags.find(bpy.data.objects, ROLE, owner)
    if points is None or not len(points["position_m"]):
        if item is not None:
            bpy.data.objects.remove(item)
        return None
    mesh = bpy.data.meshes.new(name)
    n = len(points["position_m"])
    mesh.vertices.add(n)
    mesh.vertices.foreach_set("co", np.ascontiguousarray(points["position_m"], np.float32).ravel())
    colour = np.ones((n, 4), np.float32)
    colour[:, :3] = points["color"]
    # Byte colours are stored as they are shown (sRGB); Blender makes them linear where it computes.
    attribute = mesh.color_attributes.new("point_color", "BYTE_COLOR", "POINT")
    attribute.data.foreach_set("color_srgb", np.clip(colour, 0, 1).ravel())
    mesh.attributes.new("point_confidence", "FLOAT", "POINT").data.foreach_set(
        "value", np.ascontiguousarray(points["confidence"], np.float32))
    if item is None:
        item = bpy.data.objects.new(name, mesh)
        collection.objects.link(item)
        item.hide_render = True
        mesh.materials.append(_material(owner))
    else:
        old = item.data
        for material in old.materials:
            mesh.materials.append(material)
        item.data = mesh
        if not old.users:
            bpy.data.meshes.remove(old)
    for block in (item, mesh):
        tags.mark(block, ROLE, owner)
    item.parent = root
    if not any(m.type == "NODES" for m in item.modifiers):
        item.modifiers.new("Points", "NODES").node_group = _nodes(owner)
    return item


def _nodes(owner: tags.Owner) -> bpy.types.NodeTree:
    group = tags.find(bpy.data.node_groups, NODES_ROLE, owner)
    if group is not None:
        return group
    group = bpy.data.node_groups.new("Sinew points", "GeometryNodeTree")
    tags.mark(group, NODES_ROLE, owner)
    group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    size = group.interface.new_socket(SIZE, in_out="INPUT", socket_type="NodeSocketFloat")
    size.default_value, size.min_value, size.subtype = RADIUS_M, 0.0, "DISTANCE"
    least = group.interface.new_socket(CONFIDENCE, in_out="INPUT", socket_type="NodeSocketFloat")
    least.default_value, least.min_value, least.max_value = 0.0, 0.0, 1.0
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    w = Writer(group)
    given = w.node("NodeGroupInput")
    sure = w.out("GeometryNodeInputNamedAttribute", {"Name": "point_confidence"}, data_type="FLOAT")
    kept = w.math("SUBTRACT", 1.0, w.math("LESS_THAN", sure, given.outputs[CONFIDENCE]))
    cloud = w.out("GeometryNodeMeshToPoints", {"Mesh": given.outputs["Geometry"], "Selection": kept,
                                               "Radius": given.outputs[SIZE]})
    painted = w.out("GeometryNodeSetMaterial", {"Geometry": cloud, "Material": _material(owner)})
    w.node("NodeGroupOutput", {"Geometry": painted})
    w.arrange()
    return group


def _material(owner: tags.Owner) -> bpy.types.Material:
    material = tags.find(bpy.data.materials, MATERIAL_ROLE, owner)
    if material is not None:
        return material
    material = bpy.data.materials.new("Points")
    tags.mark(material, MATERIAL_ROLE, owner)
    if material.node_tree is None:
        material.use_nodes = True
    material.diffuse_color = (0.8, 0.75, 0.3, 1.0)
    material.node_tree.nodes.clear()
    w = Writer(material.node_tree)
    colour = w.out("ShaderNodeAttribute", (), 0, attribute_name="point_color", attribute_type="GEOMETRY")
    w.node("ShaderNodeOutputMaterial", {"Surface": w.out("ShaderNodeEmission", {"Color": colour})})
    w.arrange()
    return material
