"""The check view: keypoints as detected and as solved over the plate, in the shot camera's own view.

One mesh per person holds the points of all frames in a plane before the camera, which it is parented to; geometry nodes
show those of the current frame. So it works in files where the extension is not installed, follows undo, and goes with
its collection. It is never rendered.
"""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np

from ..plan.check import ERROR_PROPERTY, CheckPlan
from . import curves, tags
from .drivers import drive
from .nodes import Writer
from .plate import OFFSET

ROLE = "check"
COLLECTION_ROLE = "collection_check"
NODES_ROLE = "check_nodes"
ERROR_ROLE = "check_error"
DETECTED_PX, SOLVED_PX, LINE_PX = 4.0, 3.0, 1.2
"""Radii in pixels of the picture, for one of 1280 px; they grow with it."""
COLORS = {"Detected": (0.05, 0.9, 0.15), "Solved": (1.0, 0.45, 0.02), "Apart": (1.0, 0.03, 0.05)}
_FRAME, _IS_SOLVED, _IS_APART = "check_frame", "check_is_solved", "check_is_apart"


def build_check(plans: Sequence[CheckPlan], owner: tags.Owner, camera: bpy.types.Object, root: bpy.types.Object,
                collection: bpy.types.Collection, width_px: int) -> list[bpy.types.Object]:
    """Make the points of everybody, hidden at first, or bring existing ones up to date.

    Args:
        plans: Of the take.
        owner: Take and shot.
        camera: The shot's; becomes the points' parent.
        root: The take's; its plate offset moves the points with the plate.
        collection: The take's; gets a collection for them.
        width_px: Of the picture.
    """
    held = tags.find(bpy.data.collections, COLLECTION_ROLE, owner)
    if held is None:
        held = bpy.data.collections.new(f"{collection.name} check")
        collection.children.link(held)
        held.hide_viewport = held.hide_render = True
    tags.mark(held, COLLECTION_ROLE, owner)
    out = []
    for plan in plans:
        own = tags.Owner(owner.take_id, owner.shot_id, plan.id)
        item = tags.find(bpy.data.objects, ROLE, own)
        mesh = _mesh(plan)
        if item is None:
            item = bpy.data.objects.new(f"{plan.name} check", mesh)
            held.objects.link(item)
            item.hide_render = item.hide_select = True
            item.show_in_front = True
            item.visible_shadow = False
        else:
            old, item.data = item.data, mesh
            if not old.users:
                bpy.data.meshes.remove(old)
        item.parent = camera
        item.matrix_parent_inverse.identity()
        for block in (item, mesh):
            tags.mark(block, ROLE, own)
        modifier = next((m for m in item.modifiers if m.type == "NODES"), None) or item.modifiers.new("Check", "NODES")
        modifier.node_group = _nodes(owner, root, plan.pixel_m * width_px / 1280)
        out.append(item)
    known = {plan.id for plan in plans}
    for item in list(held.objects):
        if item.get(tags.ROLE) == ROLE and item.get(tags.SUBJECT) not in known:
            bpy.data.objects.remove(item)
    return out


def _mesh(plan: CheckPlan) -> bpy.types.Mesh:
    """Vertices of all frames; edges between the solved keypoints, and from each detected one to its solved one."""
    n_frames, k = plan.detected_m.shape[:2]
    both = np.stack([plan.detected_m, plan.solved_m], 1)  # (S, 2, K, 3)
    known = np.isfinite(both).all(-1)
    number = np.full(known.shape, -1)
    number[known] = np.arange(known.sum())
    apart = np.stack([number[:, 0], number[:, 1]], -1).reshape(-1, 2)
    limbs = number[:, 1][:, plan.edges].reshape(-1, 2)
    edges = np.concatenate([apart, limbs])
    is_apart = np.arange(len(edges)) < len(apart)
    whole = (edges >= 0).all(1)
    edges, is_apart = edges[whole], is_apart[whole]
    mesh = bpy.data.meshes.new(f"{plan.name} check")
    mesh.vertices.add(int(known.sum()))
    mesh.vertices.foreach_set("co", both[known].astype(np.float32).ravel())
    mesh.edges.add(len(edges))
    mesh.edges.foreach_set("vertices", edges.astype(np.int32).ravel())
    frame = np.broadcast_to(plan.first + np.arange(n_frames)[:, None, None], known.shape)[known]
    is_solved = np.broadcast_to(np.array([False, True])[None, :, None], known.shape)[known]
    mesh.attributes.new(_FRAME, "INT", "POINT").data.foreach_set("value", frame.astype(np.int32))
    mesh.attributes.new(_IS_SOLVED, "BOOLEAN", "POINT").data.foreach_set("value", is_solved)
    mesh.attributes.new(_IS_APART, "BOOLEAN", "EDGE").data.foreach_set("value", is_apart)
    return mesh


def _nodes(owner: tags.Owner, root: bpy.types.Object, pixel_m: float) -> bpy.types.NodeTree:
    """The shot's node group; one for all of its people, as they have one picture."""
    shot = tags.Owner(owner.take_id, owner.shot_id)
    group = tags.find(bpy.data.node_groups, NODES_ROLE, shot)
    if group is None:
        group = bpy.data.node_groups.new("Sinew check", "GeometryNodeTree")
        group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
        group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
        _write_nodes(Writer(group), {name: _material(name, shot) for name in COLORS})
    tags.mark(group, NODES_ROLE, shot)
    group.nodes["Pixel"].outputs[0].default_value = pixel_m
    later = group.nodes["Later"]
    if OFFSET in root:
        drive(group, 'nodes["Later"].outputs[0].default_value', -1, {"later": (root, f'["{OFFSET}"]')})
    else:
        later.outputs[0].default_value = 0.0
    return group


def _write_nodes(w: Writer, materials: dict[str, bpy.types.Material]) -> None:
    def value(name: str) -> bpy.types.NodeSocket:
        node = w.node("ShaderNodeValue")
        node.name = node.label = name
        node.outputs[0].default_value = 0.0
        return node.outputs[0]

    def named(name: str, kind: str) -> bpy.types.NodeSocket:
        return w.out("GeometryNodeInputNamedAttribute", {"Name": name}, data_type=kind)

    def painted(geometry, name):
        return w.out("GeometryNodeSetMaterial", {"Geometry": geometry, "Material": materials[name]})

    def dots(geometry, radius_px, name):
        ball = w.out("GeometryNodeMeshIcoSphere", {"Radius": w.math("MULTIPLY", pixel, radius_px), "Subdivisions": 2})
        return w.out("GeometryNodeInstanceOnPoints", {"Points": geometry, "Instance": painted(ball, name)})

    def lines(geometry, selection, name):
        ring = w.out("GeometryNodeCurvePrimitiveCircle", {"Resolution": 6, "Radius": w.math("MULTIPLY", pixel, LINE_PX)})
        path = w.out("GeometryNodeMeshToCurve", {"Mesh": geometry, "Selection": selection})
        return painted(w.out("GeometryNodeCurveToMesh", {"Curve": path, "Profile Curve": ring}), name)

    pixel = value("Pixel")
    shown = w.math("SUBTRACT", w.out("GeometryNodeInputSceneTime", (), "Frame"), value("Later"))
    now = w.math("COMPARE", named(_FRAME, "INT"), shown, 0.501)
    given = w.out("NodeGroupInput")
    here = w.out("GeometryNodeSeparateGeometry", {"Geometry": given, "Selection": now}, domain="POINT")
    split = w.node("GeometryNodeSeparateGeometry", {"Geometry": here, "Selection": named(_IS_SOLVED, "BOOLEAN")},
                   domain="POINT")
    is_apart = named(_IS_APART, "BOOLEAN")
    is_limb = w.out("FunctionNodeBooleanMath", (is_apart,), operation="NOT")
    join = w.node("GeometryNodeJoinGeometry")
    for part in (dots(split.outputs[1], DETECTED_PX, "Detected"), dots(split.outputs[0], SOLVED_PX, "Solved"),
                 lines(here, is_limb, "Solved"), lines(here, is_apart, "Apart")):
        w.tree.links.new(part, join.inputs[0])
    w.node("NodeGroupOutput", {"Geometry": join.outputs[0]})
    w.arrange()


def _material(name: str, shot: tags.Owner) -> bpy.types.Material:
    role = f"check_{name.lower()}"
    material = tags.find(bpy.data.materials, role, shot)
    if material is not None:
        return material
    material = bpy.data.materials.new(f"Check {name.lower()}")
    tags.mark(material, role, shot)
    if material.node_tree is None:
        material.use_nodes = True
    material.diffuse_color = (*COLORS[name], 1.0)
    material.node_tree.nodes.clear()
    w = Writer(material.node_tree)
    w.node("ShaderNodeOutputMaterial", {"Surface": w.out("ShaderNodeEmission", {"Color": (*COLORS[name], 1.0)})})
    w.arrange()
    return material


def key_error(armature: bpy.types.Object, plan: CheckPlan, owner: tags.Owner) -> None:
    """Key the pixel error on the person's armature data, where the Graph Editor shows it with the person selected.

    Not on the object, whose action is the layer that the artist edits in.
    """
    data = armature.data
    action = curves.find_action(data, ERROR_ROLE)
    if plan.error is None:
        if action is not None:
            bpy.data.actions.remove(action)
        data.pop(ERROR_PROPERTY, None)
        return
    if ERROR_PROPERTY not in data:
        data[ERROR_PROPERTY] = 0.0
        data.id_properties_ui(ERROR_PROPERTY).update(
            min=0.0, default=0.0, description="Mean distance of the solved keypoints from the detected ones, pixels")
    is_new = action is None
    animation = data.animation_data or data.animation_data_create()
    if is_new and animation.action is not None:
        return  # the artist keys something of theirs there
    if is_new:
        action = bpy.data.actions.new(f"{plan.name} pixel error")
    tags.mark(action, ERROR_ROLE, owner)
    curves.write_action(action, data, [plan.error])
    if is_new or animation.action is None:
        curves.assign(animation, action, data)


def error_of(armature: bpy.types.Object) -> tuple[np.ndarray, np.ndarray] | None:
    """Frames and pixel errors of a person, or None where the take held none."""
    data = armature.data.animation_data
    curve = curves.find_curve(None if data is None else data.action, armature.data, f'["{ERROR_PROPERTY}"]', 0)
    return None if curve is None or not len(curve.keyframe_points) else curves.read_keys(curve)


def error_at(armature: bpy.types.Object, frame: float) -> float | None:
    """The pixel error of a person at a scene frame; None where nothing was detected, over which the curve only goes on."""
    known = error_of(armature)
    if known is None:
        return None
    frames, values = known
    nearest = int(np.abs(frames - frame).argmin())
    spacing = float(np.median(np.diff(frames))) if len(frames) > 1 else 1.0
    return float(values[nearest]) if abs(frames[nearest] - frame) <= max(spacing, 1.0) / 2 else None


def shown(owner: tags.Owner) -> bool | None:
    """Whether the shot's check view is on; None where it has none."""
    held = tags.find(bpy.data.collections, COLLECTION_ROLE, owner)
    return None if held is None else not held.hide_viewport


def show(owner: tags.Owner, is_on: bool) -> None:
    """Turn the shot's check view on or off."""
    held = tags.find(bpy.data.collections, COLLECTION_ROLE, owner)
    if held is not None:
        held.hide_viewport = not is_on


def remove(owner: tags.Owner) -> None:
    """Take the check view out of the file; the next import of the take makes it again."""
    held = tags.find(bpy.data.collections, COLLECTION_ROLE, owner)
    if held is None:
        return
    for item in list(held.objects):
        mesh = item.data
        bpy.data.objects.remove(item)
        if mesh is not None and mesh.users == 0:
            bpy.data.meshes.remove(mesh)
    bpy.data.collections.remove(held)
    shot = tags.Owner(owner.take_id, owner.shot_id)
    group = tags.find(bpy.data.node_groups, NODES_ROLE, shot)
    if group is not None and group.users == 0:
        bpy.data.node_groups.remove(group)
