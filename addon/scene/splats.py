"""Splat plan -> a Gaussian cloud that moves and turns with its armature.

One object holds everything. Its mesh begins with four vertices per joint: the origin and the ends of the unit axes of
the rest space, each wholly in its bone's vertex group. The Armature modifier moves them, so that afterwards they *are*
the columns of the joint's skinning matrix. The Geometry Nodes modifier behind it blends those matrices per splat, as
linear blend skinning does, and lays one triangle around every Gaussian. Bones thus deform 96 vertices instead of
hundreds of thousands, and Gaussians turn and stretch exactly with the blended matrix.

The triangle holds the circle of three standard deviations; its corners carry their coordinates in standard deviations,
which the material turns into the falloff. It lies in the plane that faces the active camera, scaled by the Gaussian's
covariance seen along that direction, or in the plane of the splat's two long axes, which is right from every side for
flat splats and does not follow a camera.

Source: projection of a Gaussian as in EWA splatting (Zwicker et al. 2001), taken across the ray to the centre instead
of on the picture, and as a Cholesky factor, since any square root of the covariance serves a round falloff.
"""

from __future__ import annotations

import bpy
import numpy as np

from ..plan.splats import SplatPlan
from . import tags
from .armature import bending
from .nodes import Writer

ROLE = "avatar"
MATERIAL_ROLE = "avatar_material"
NODES_ROLE = "avatar_nodes"
NODES_VERSION = 2
REACH = 3.0
"""Radius of the drawn part of a Gaussian, standard deviations; opacity has fallen to 1.1 % there."""

_CORNERS = REACH * np.array([[-np.sqrt(3), -1, 0], [np.sqrt(3), -1, 0], [0, 2, 0]], np.float32)
FACING_VIEWPORT = "Face Camera in Viewport"
FACING_RENDER = "Face Camera in Render"


def build_avatar(plan: SplatPlan, owner: tags.Owner, armature: bpy.types.Object, collection: bpy.types.Collection,
                 name: str = "Splats") -> bpy.types.Object:
    """Make a subject's cloud, or bring the shot's existing one up to date.

    Args:
        plan: Of this subject.
        owner: Take, shot and subject.
        armature: Its rest space is the take's rest pose; it becomes the cloud's parent.
        collection: For a new object.
        name: For a new object; never used to find it.

    Returns:
        The object. An existing one keeps its materials, the settings of its modifiers and what the artist added. With a
        new one the person's mesh is kept from the camera (`show_in_renders`).
    """
    existing = tags.find(bpy.data.objects, ROLE, owner)
    mesh = cloud_mesh(plan, name)
    if existing is None:
        splats = bpy.data.objects.new(name, mesh)
        collection.objects.link(splats)
        mesh.materials.append(splat_material(owner))
        # The triangles are light, not walls: bounced rays and shadows through hundreds of layers cost much, show little.
        splats.visible_shadow = splats.visible_diffuse = False
        show_in_renders(splats, tags.find(bpy.data.objects, "body", owner), with_splats=True)
    else:
        splats, old = existing, existing.data
        for material in old.materials:
            mesh.materials.append(material)
        splats.data = mesh
        if not old.users:
            bpy.data.meshes.remove(old)
    for block in (splats, mesh):
        tags.mark(block, ROLE, owner)
    splats.parent = armature
    _bind(splats, plan, armature)
    return splats


def show_in_renders(splats: bpy.types.Object, body: bpy.types.Object | None, with_splats: bool) -> None:
    """Let EEVEE and Cycles, viewport and render, show a person as splats or as the mesh, which else hide each other.

    With splats the mesh is kept from the camera only: it still casts the person's shadow on the floor, and the solid
    viewport, where splats cannot be drawn, still shows it.
    """
    splats.visible_camera = with_splats
    if body is not None:
        body.visible_camera = not with_splats


def cloud_mesh(plan: SplatPlan, name: str) -> bpy.types.Mesh:
    """Joint vertices, one triangle per splat, and the splats' numbers as attributes."""
    n_joints, n = len(plan.bone_names), plan.n_splats
    first = 4 * n_joints
    mesh = bpy.data.meshes.new(name)
    positions = np.zeros((first + 3 * n, 3), np.float32)
    positions[:first].reshape(n_joints, 4, 3)[:, 1:] = np.eye(3)
    positions[first:] = np.repeat(plan.mean_m, 3, axis=0)
    corner = np.arange(first, first + 3 * n, dtype=np.int32)
    edges = np.stack([corner, np.roll(corner.reshape(n, 3), -1, axis=1).ravel()], 1)
    mesh.vertices.add(len(positions))
    mesh.edges.add(3 * n)
    mesh.loops.add(3 * n)
    mesh.polygons.add(n)
    # As attributes, which are copied whole; the elements' own properties are set one by one, at a hundred times the cost.
    mesh.attributes["position"].data.foreach_set("vector", positions.ravel())
    mesh.attributes[".edge_verts"].data.foreach_set("value", edges.ravel())
    mesh.attributes[".corner_vert"].data.foreach_set("value", corner)
    mesh.attributes[".corner_edge"].data.foreach_set("value", np.arange(3 * n, dtype=np.int32))
    mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * n, 3, dtype=np.int32))

    def store(attribute, kind, domain, key, values):
        mesh.attributes.new(attribute, kind, domain).data.foreach_set(key, np.ascontiguousarray(values).ravel())

    def per_vertex(values):
        padding = np.zeros((first, *values.shape[1:]), values.dtype)
        return np.concatenate([padding, values])

    # The names' common beginning is needed: Cycles reads an attribute called plainly "color" as black.
    opaque = np.ones((n, 4), np.float32)
    opaque[:, :3] = plan.color_srgb
    store("splat_center", "FLOAT_VECTOR", "FACE", "vector", plan.mean_m)
    for k in range(3):
        store(f"splat_axis{k}", "FLOAT_VECTOR", "FACE", "vector", plan.axes_m[:, k])
    for m in range(plan.n_influences):
        store(f"splat_joint{m}", "INT", "FACE", "value", 4 * plan.skin_index[:, m].astype(np.int32))
        store(f"splat_weight{m}", "FLOAT", "FACE", "value", plan.skin_weight[:, m].astype(np.float32))
    store("splat_opacity", "FLOAT", "FACE", "value", plan.opacity)
    store("splat_seen", "BOOLEAN", "FACE", "value", plan.seen)
    store("splat_corner", "FLOAT_VECTOR", "POINT", "vector", per_vertex(np.tile(_CORNERS, (n, 1))))
    # Bytes hold what eight-bit footage holds; on points, so that the solid viewport's "Attribute" colour shows it too.
    store("splat_color", "BYTE_COLOR", "POINT", "color_srgb", per_vertex(np.repeat(opaque, 3, axis=0)))
    mesh.color_attributes.active_color_index = 0
    mesh.color_attributes.render_color_index = 0
    mesh.update()
    return mesh


def _bind(splats: bpy.types.Object, plan: SplatPlan, armature: bpy.types.Object) -> None:
    splats.vertex_groups.clear()
    for j, bone in enumerate(plan.bone_names):
        splats.vertex_groups.new(name=bone).add(range(4 * j, 4 * j + 4), 1.0, "REPLACE")
    bending(splats, armature).use_deform_preserve_volume = False
    nodes = next((m for m in splats.modifiers if m.type == "NODES" and m.node_group is not None
                  and m.node_group.get(tags.ROLE) == NODES_ROLE), None)
    if nodes is None:
        nodes = splats.modifiers.new("Splats", "NODES")
        splats.modifiers.move(len(splats.modifiers) - 1, 1)
    nodes.node_group = splat_nodes(plan.n_influences)


def splat_nodes(n_influences: int) -> bpy.types.NodeTree:
    """The node group for clouds with that many influences per splat; one of each serves the whole file."""
    marks = {tags.ROLE: NODES_ROLE, "sinew_version": NODES_VERSION, "sinew_influences": n_influences}
    for group in bpy.data.node_groups:
        if group.library is None and all(group.get(key) == value for key, value in marks.items()):
            return group
    group = bpy.data.node_groups.new("Sinew splats", "GeometryNodeTree")
    group.is_modifier = True
    for key, value in marks.items():
        group[key] = value
    group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    for label, default, tip in (
            (FACING_VIEWPORT, False, "Off: splats lie along the skin and look right from every side. "
                                     "On: as the active camera sees them"),
            (FACING_RENDER, True, "Each splat turned to the active camera with its exact outline")):
        socket = group.interface.new_socket(label, in_out="INPUT", socket_type="NodeSocketBool")
        socket.default_value, socket.description = default, tip
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    _write_nodes(Writer(group), n_influences)
    return group


def _named(w: Writer, name: str, kind: str) -> bpy.types.NodeSocket:
    return w.out("GeometryNodeInputNamedAttribute", {"Name": name}, data_type=kind)


def _sum(w: Writer, vectors: list[bpy.types.NodeSocket]) -> bpy.types.NodeSocket:
    total = vectors[0]
    for vector in vectors[1:]:
        total = w.vector("ADD", total, vector)
    return total


def _write_nodes(w: Writer, n_influences: int) -> None:
    given = w.node("NodeGroupInput")
    position = w.out("GeometryNodeInputPosition")

    # Columns of the blended matrix: sum over influences of weight x where the joint's four vertices are now.
    parts: list[list[bpy.types.NodeSocket]] = [[], [], [], []]
    for m in range(n_influences):
        joint, weight = _named(w, f"splat_joint{m}", "INT"), _named(w, f"splat_weight{m}", "FLOAT")
        for k in range(4):
            at = joint if k == 0 else w.math("ADD", joint, float(k))
            here = w.out("GeometryNodeFieldAtIndex", {"Index": at, "Value": position},
                         domain="POINT", data_type="FLOAT_VECTOR")
            parts[k].append(w.scale(here, weight))
    origin = _sum(w, parts[0])
    columns = [w.vector("SUBTRACT", _sum(w, parts[k]), origin) for k in (1, 2, 3)]

    def turned(vector):
        return _sum(w, [w.scale(column, c) for column, c in zip(columns, w.split(vector))])

    center = w.vector("ADD", origin, turned(_named(w, "splat_center", "FLOAT_VECTOR")))
    axes = [_named(w, f"splat_axis{k}", "FLOAT_VECTOR") for k in range(3)]

    # Facing the camera: u, v span the plane across the ray; the covariance in it is P Pᵀ with P = [u v]ᵀ M axes.
    camera = w.node("GeometryNodeObjectInfo", {"Object": w.out("GeometryNodeInputActiveCamera")},
                    transform_space="RELATIVE")
    camera_x = w.out("FunctionNodeTransformDirection", ((1.0, 0.0, 0.0), camera.outputs["Transform"]))
    ray = w.vector("NORMALIZE", w.vector("SUBTRACT", camera.outputs["Location"], center))
    v = w.vector("NORMALIZE", w.vector("CROSS_PRODUCT", ray, camera_x))
    u = w.vector("CROSS_PRODUCT", v, ray)
    seen_u, seen_v = (
        w.join(*(w.dot(axis, rest) for axis in axes))
        for rest in (w.join(*(w.dot(column, across) for column in columns)) for across in (u, v)))
    a = w.math("SQRT", w.dot(seen_u, seen_u))
    b = w.math("DIVIDE", w.dot(seen_u, seen_v), a)
    c = w.math("SQRT", w.math("SUBTRACT", w.dot(seen_v, seen_v), w.math("MULTIPLY", b, b)))
    facing = [w.vector("ADD", w.scale(u, a), w.scale(v, b)), w.scale(v, c)]

    faces_camera = w.out("GeometryNodeSwitch", {
        "Switch": w.out("GeometryNodeIsViewport"), "False": given.outputs[FACING_RENDER],
        "True": given.outputs[FACING_VIEWPORT]}, input_type="BOOLEAN")
    first, second = (
        w.out("GeometryNodeSwitch", {"Switch": faces_camera, "False": turned(axes[k]), "True": facing[k]},
              input_type="VECTOR") for k in (0, 1))

    # All three per splat, once. Each corner then has its splat's, as a point takes the mean of its faces and lies on one
    # only; by number, the splats behind a deleted one would take their neighbours'.
    capture = w.node("GeometryNodeCaptureAttribute", domain="FACE")
    for name, value in (("Center", center), ("First", first), ("Second", second)):
        capture.capture_items.new("VECTOR", name)
        w.tree.links.new(value, capture.inputs[name])
    w.tree.links.new(given.outputs["Geometry"], capture.inputs["Geometry"])
    x, y, _ = w.split(_named(w, "splat_corner", "FLOAT_VECTOR"))
    place = _sum(w, [capture.outputs["Center"], w.scale(capture.outputs["First"], x),
                     w.scale(capture.outputs["Second"], y)])
    w.node("NodeGroupOutput", {"Geometry": w.out("GeometryNodeSetPosition", {
        "Geometry": capture.outputs["Geometry"], "Position": place})})
    w.arrange()


def splat_material(owner: tags.Owner) -> bpy.types.Material:
    """The shot's splat material: light of the splat's colour, faded by the Gaussian.

    Its node "Mark Unseen" (0 or 1) tints the splats that no frame showed.
    """
    shot = tags.Owner(owner.take_id, owner.shot_id)
    found = tags.find(bpy.data.materials, MATERIAL_ROLE, shot)
    if found is not None:
        return found
    material = bpy.data.materials.new("Splats")
    tags.mark(material, MATERIAL_ROLE, shot)
    if material.node_tree is None:
        material.use_nodes = True
    material.surface_render_method = "DITHERED"
    material.use_transparent_shadow = False
    material.use_backface_culling = False
    material.diffuse_color = (1.0, 1.0, 1.0, 0.0)  # unseen in the solid viewport, which would draw whole triangles
    # Cycles would put every triangle into its light tree.
    material.cycles.emission_sampling = "NONE"
    tree = material.node_tree
    tree.nodes.clear()
    w = Writer(tree)

    def attribute(name, output):  # outputs by number: "Fac" became "Factor" in 5.x
        return w.out("ShaderNodeAttribute", (), output, attribute_name=name, attribute_type="GEOMETRY")

    corner = attribute("splat_corner", 1)
    squared = w.dot(corner, corner)
    falloff = w.math("EXPONENT", w.math("MULTIPLY", squared, -0.5))
    inside = w.math("LESS_THAN", squared, REACH * REACH)
    alpha = w.math("MULTIPLY", w.math("MULTIPLY", attribute("splat_opacity", 2), falloff), inside)
    mark = w.node("ShaderNodeValue")
    mark.name = mark.label = "Mark Unseen"
    mark.outputs[0].default_value = 0.0
    unseen = w.math("SUBTRACT", 1.0, attribute("splat_seen", 2))
    amount = w.math("MULTIPLY", w.math("MULTIPLY", unseen, mark.outputs[0]), 0.7)
    color = w.out("ShaderNodeMix", {"Factor": amount, "A": attribute("splat_color", 0), "B": (1.0, 0.0, 0.6, 1.0)},
                  "Result", data_type="RGBA")
    light = w.out("ShaderNodeEmission", {"Color": color, "Strength": 1.0})
    surface = w.out("ShaderNodeMixShader", (alpha, w.out("ShaderNodeBsdfTransparent"), light))
    w.node("ShaderNodeOutputMaterial", {"Surface": surface})
    w.arrange()
    return material
