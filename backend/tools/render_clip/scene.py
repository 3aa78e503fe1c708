"""Blender's part: builds the set and the people of a job and renders frames to PNG. Runs in a Python that has bpy.

    PYTHON scene.py JOB.npz FOLDER 0,1,2,…

Frames that stand in FOLDER already are left. Nothing of the project is imported here.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import bpy
import numpy as np


class Nodes:
    """A material's node tree, written as expressions. Sockets go in and come out."""

    def __init__(self, name: str):
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.tree.nodes.clear()
        self.out = self.tree.nodes.new("ShaderNodeOutputMaterial")

    def set(self, socket, value) -> None:
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        elif isinstance(value, tuple) and len(value) == 3 and socket.type == "RGBA":
            socket.default_value = (*value, 1.0)
        else:
            socket.default_value = value

    def add(self, kind: str, inputs: dict | None = None, **settings):
        node = self.tree.nodes.new(kind)
        for name, value in settings.items():
            setattr(node, name, value)
        for name, value in (inputs or {}).items():
            self.set(node.inputs[name], value)
        return node

    def rest(self, scale=(1.0, 1.0, 1.0)):
        """Place on the person in the rest pose, m: what patterns stick to."""
        place = self.add("ShaderNodeAttribute", attribute_name="rest").outputs["Vector"]
        return self.add("ShaderNodeVectorMath", {0: place, 1: scale}, operation="MULTIPLY").outputs[0]

    def world(self, scale=(1.0, 1.0, 1.0)):
        place = self.add("ShaderNodeNewGeometry").outputs["Position"]
        return self.add("ShaderNodeVectorMath", {0: place, 1: scale}, operation="MULTIPLY").outputs[0]

    def noise(self, vector, scale: float, detail: float = 3.0, roughness: float = 0.55):
        return self.add("ShaderNodeTexNoise", {"Vector": vector, "Scale": scale, "Detail": detail,
                                               "Roughness": roughness}).outputs[0]

    def ramp(self, value, low: float, high: float):
        """0 below `low`, 1 above `high`, smooth between."""
        return self.add("ShaderNodeMapRange", {"Value": value, "From Min": low, "From Max": high},
                        interpolation_type="SMOOTHSTEP").outputs[0]

    def math(self, operation: str, a, b=0.0):
        return self.add("ShaderNodeMath", {0: a, 1: b}, operation=operation).outputs[0]

    def mix(self, factor, a, b):
        node = self.add("ShaderNodeMix", data_type="RGBA")
        colours = [s for s in node.inputs if s.type == "RGBA"]
        self.set(node.inputs[0], factor)
        self.set(colours[0], a)
        self.set(colours[1], b)
        return next(s for s in node.outputs if s.type == "RGBA")

    def spot(self, vector, centre, radii, soft: float = 0.15):
        """1 inside an ellipsoid of the rest pose, 0 outside."""
        away = self.add("ShaderNodeVectorMath", {0: vector, 1: tuple(float(c) for c in centre)},
                        operation="SUBTRACT").outputs[0]
        unit = self.add("ShaderNodeVectorMath", {0: away, 1: tuple(1 / r for r in radii)},
                        operation="MULTIPLY").outputs[0]
        length = self.add("ShaderNodeVectorMath", {0: unit}, operation="LENGTH").outputs["Value"]
        return self.math("SUBTRACT", 1.0, self.ramp(length, 1 - soft, 1 + soft))

    def finish(self, colour, roughness=0.6, bump=None, bump_m: float = 0.002, **extra):
        inputs = {"Base Color": colour, "Roughness": roughness, **extra}
        if bump is not None:
            relief = self.add("ShaderNodeBump", {"Height": bump, "Distance": bump_m, "Strength": 0.8})
            inputs["Normal"] = relief.outputs[0]
        node = self.add("ShaderNodeBsdfPrincipled", inputs)
        self.tree.links.new(node.outputs[0], self.out.inputs["Surface"])
        return self.material


def linear(colour) -> tuple[float, float, float]:
    """sRGB 0..1 to scene linear."""
    c = np.asarray(colour, float)
    return tuple(float(v) for v in np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4))


def shade(colour, factor: float) -> tuple[float, float, float]:
    return tuple(min(max(v * factor, 0.0), 1.0) for v in colour)


def skin_material(name: str, kind: str, outfit: dict, points: dict):
    """Skin with brows painted above the eyes and a blush here and there."""
    n = Nodes(name)
    rest = n.rest()
    base = linear(outfit["skin"])
    colour = n.mix(n.noise(rest, 18, 3), shade(base, 0.85), shade(base, 1.12))
    colour = n.mix(n.math("MULTIPLY", n.noise(rest, 6, 2), 0.25), colour, (base[0], base[1] * 0.72, base[2] * 0.66))
    for side, sign in (("l", 1), ("r", -1)):
        centre = points[f"eye_{side}"] + np.array([0.002 * sign, 0, 0.021])
        brow = n.spot(rest, centre, (0.020, 0.03, 0.0045), 0.35)
        colour = n.mix(n.math("MULTIPLY", brow, 0.85), colour, shade(linear(outfit["hair"]), 1.1))
    return n.finish(colour, 0.48, n.noise(rest, 120, 2), 0.0006, **{"Subsurface Weight": 0.0})


def eye_material(name: str, kind: str, outfit: dict, points: dict):
    n = Nodes(name)
    rest = n.rest()
    colour = (0.75, 0.74, 0.72)
    for side in "lr":
        centre = points[f"eye_{side}"]
        colour = n.mix(n.spot(rest, centre, (0.0062, 0.03, 0.0062)), colour, (0.05, 0.025, 0.014))
    return n.finish(colour, 0.2)


def lip_material(name: str, kind: str, outfit: dict, points: dict):
    base = linear(outfit["skin"])
    return Nodes(name).finish((base[0] * 0.8, base[1] * 0.5, base[2] * 0.48), 0.4)


def cloth_material(name: str, kind: str, outfit: dict, points: dict):
    """Cloth, denim or leather with weave, stains and folds, stuck to the rest pose."""
    n = Nodes(name)
    rest = n.rest()
    base = linear(outfit[kind])
    patchy = n.noise(rest, 9, 4, 0.65)
    colour = n.mix(n.ramp(patchy, 0.25, 0.75), shade(base, 0.72), shade(base, 1.22))
    weave = n.noise(rest, 420 if kind != "shoes" else 90, 2)
    if kind == "top":
        second = linear(outfit["top_second"])
        parts = n.add("ShaderNodeSeparateXYZ", {0: rest}).outputs
        pattern = outfit["top_pattern"]
        # Sleeves of the rest pose lie along x: there stripes run round the arm.
        around = n.ramp(n.math("ABSOLUTE", parts[0]), 0.19, 0.2)
        up = n.math("ADD", n.math("MULTIPLY", parts[2], n.math("SUBTRACT", 1.0, around)),
                    n.math("MULTIPLY", parts[0], around))
        if pattern in ("stripes", "check"):
            across = n.ramp(n.math("SINE", n.math("MULTIPLY", up, 95.0)), 0.25, 0.45)
            if pattern == "check":
                along = n.ramp(n.math("SINE", n.math("MULTIPLY", n.math("ADD", parts[0], parts[2]), 67.0)), 0.25, 0.45)
                across = n.math("MULTIPLY", n.math("ADD", across, along), 0.42)
            colour = n.mix(n.math("MULTIPLY", across, 0.85), colour, second)
        elif pattern == "heather":
            colour = n.mix(n.ramp(n.noise(rest, 260, 4, 0.8), 0.45, 0.65), colour, second)
    elif kind == "trousers":
        worn = n.ramp(n.noise(n.rest((1, 1, 0.25)), 70, 3), 0.4, 0.7)
        colour = n.mix(n.math("MULTIPLY", worn, 0.35), colour, shade(base, 1.8))
    elif kind == "shoes":
        height = n.add("ShaderNodeSeparateXYZ", {0: rest}).outputs[2]
        colour = n.mix(n.ramp(height, 0.012, 0.016), (0.62, 0.6, 0.56), colour)
    folds = n.noise(n.rest((1, 1, 0.55)), 13, 4, 0.55)
    if kind == "shoes":
        folds = n.math("MULTIPLY", folds, 0.2)
    height = n.math("ADD", n.math("MULTIPLY", weave, 0.05), folds)
    return n.finish(colour, 0.85 if kind != "shoes" else 0.5, height, 0.022)


def hair_material(name: str, kind: str, outfit: dict, points: dict):
    n = Nodes(name)
    base = linear(outfit["hair"])
    strands = n.noise(n.rest((1.0, 0.18, 0.18)), 260, 3)
    return n.finish(n.mix(n.ramp(strands, 0.3, 0.7), shade(base, 0.45), shade(base, 1.7)), 0.6, strands, 0.006)


def person(index: int, arrays: dict, info: dict):
    """Mesh of one person, materials by region. Vertices are set for every frame by `pose`."""
    rest, faces = arrays[f"rest_{index}"], arrays["faces"].astype(np.int32)
    mesh = bpy.data.meshes.new(f"person {index}")
    mesh.vertices.add(len(rest))
    mesh.loops.add(faces.size)
    mesh.polygons.add(len(faces))
    mesh.vertices.foreach_set("co", rest.ravel())
    mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    outfit = info["outfits"][index]
    points = dict(zip(info["keypoint_names"], arrays[f"keypoints_{index}"], strict=True))
    made = {}
    for region, cloth in zip(info["regions"], info["cloth"][index], strict=True):
        kind = cloth or (region if region in ("eyes", "lips") else "skin")
        if kind not in made:
            made[kind] = {"hair": hair_material, "eyes": eye_material, "lips": lip_material, "skin": skin_material,
                          }.get(kind, cloth_material)(f"{kind} {index}", kind, outfit, points)
        mesh.materials.append(made[kind])
    mesh.polygons.foreach_set("material_index", arrays["region"].astype(np.int32))
    mesh.attributes.new("rest", "FLOAT_VECTOR", "POINT").data.foreach_set("vector", rest.ravel())
    mesh.update()
    mesh.validate()
    thing = bpy.data.objects.new(mesh.name, mesh)
    bpy.context.collection.objects.link(thing)
    return thing


def pose(thing, vertices: np.ndarray) -> None:
    thing.data.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    thing.data.update()


def box(name: str, low, high, material, bevel: float = 0.0):
    """An axis-aligned box between two corners."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    unit = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    corners = unit * (high - low)
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners.tolist(), [], faces)
    mesh.materials.append(material)
    thing = bpy.data.objects.new(name, mesh)
    thing.location = (low + high) / 2
    bpy.context.collection.objects.link(thing)
    if bevel:
        modifier = thing.modifiers.new("round", "BEVEL")
        modifier.width, modifier.segments = bevel, 4
        for polygon in mesh.polygons:
            polygon.use_smooth = True
    return thing


def light(kind: str, name: str, at, target, power: float, size: float = 0.0, colour=(1.0, 1.0, 1.0)):
    data = bpy.data.lights.new(name, kind)
    data.energy, data.color = power, colour
    if kind == "AREA":
        data.shape, data.size = "DISK", size
    elif kind == "SUN":
        data.angle = size
    thing = bpy.data.objects.new(name, data)
    from mathutils import Vector

    thing.location = at
    thing.rotation_euler = (Vector(target) - Vector(at)).to_track_quat("-Z", "Y").to_euler()
    bpy.context.collection.objects.link(thing)


def sky(colour, strength: float) -> None:
    world = bpy.data.worlds.new("sky")
    bpy.context.scene.world = world
    world.use_nodes = True
    node = next(n for n in world.node_tree.nodes if n.type == "BACKGROUND")
    node.inputs["Color"].default_value = (*colour, 1)
    node.inputs["Strength"].default_value = strength


def wood(name: str, tone, plank: float = 0.14):
    n = Nodes(name)
    place = n.world()
    brick = n.add("ShaderNodeTexBrick", {"Vector": place, "Color1": shade(tone, 0.75), "Color2": shade(tone, 1.25),
                                         "Mortar": shade(tone, 0.2), "Scale": 1.0, "Mortar Size": 0.003,
                                         "Brick Width": 1.3, "Row Height": plank, "Bias": 0.0})
    grain = n.noise(n.world((1.5, 22, 1)), 2.2, 6, 0.6)
    colour = n.mix(n.math("MULTIPLY", n.ramp(grain, 0.35, 0.65), 0.45), brick.outputs["Color"], shade(tone, 0.5))
    return n.finish(colour, 0.38, grain, 0.001)


def plaster(name: str, tone):
    n = Nodes(name)
    blotch = n.noise(n.world(), 1.3, 5, 0.6)
    colour = n.mix(n.ramp(blotch, 0.25, 0.8), shade(tone, 0.9), shade(tone, 1.06))
    return n.finish(colour, 0.9, n.noise(n.world(), 60, 3), 0.002)


def bricks(name: str, one, two, width: float = 0.24, row: float = 0.075):
    n = Nodes(name)
    parts = n.add("ShaderNodeSeparateXYZ", {0: n.world()}).outputs
    flat = n.add("ShaderNodeCombineXYZ", {0: n.math("ADD", parts[0], parts[1]), 1: parts[2]}).outputs[0]
    brick = n.add("ShaderNodeTexBrick", {"Vector": flat, "Color1": one, "Color2": two, "Mortar": (0.4, 0.38, 0.35),
                                         "Scale": 1.0, "Mortar Size": 0.008, "Brick Width": width, "Row Height": row})
    rough = n.noise(n.world(), 20, 5, 0.7)
    colour = n.mix(n.math("MULTIPLY", rough, 0.5), brick.outputs["Color"], shade(one, 0.45))
    return n.finish(colour, 0.9, brick.outputs["Color"], 0.006)


def speckle(name: str, one, two, scale: float, roughness: float = 0.9, bump_m: float = 0.004):
    n = Nodes(name)
    fine, wide = n.noise(n.world(), scale, 6, 0.7), n.noise(n.world(), scale / 40, 4, 0.6)
    colour = n.mix(n.ramp(fine, 0.3, 0.7), one, two)
    colour = n.mix(n.math("MULTIPLY", n.ramp(wide, 0.35, 0.7), 0.4), colour, shade(one, 0.55))
    return n.finish(colour, roughness, fine, bump_m)


def picture(name: str, rng: np.random.Generator):
    """An abstract painting."""
    n = Nodes(name)
    warp = n.noise(n.world(), 3.0 + rng.uniform(0, 2), 3)
    colours = [tuple(rng.uniform(0.03, 0.7, 3)) for _ in range(3)]
    colour = n.mix(n.ramp(warp, 0.42, 0.47), n.mix(n.ramp(warp, 0.53, 0.56), colours[0], colours[1]), colours[2])
    return n.finish(colour, 0.7)


def plant(at, rng: np.random.Generator, height: float = 1.3) -> None:
    """A pot with a bush of leaves."""
    x, y = at
    pot = speckle("pot", (0.35, 0.16, 0.09), (0.42, 0.2, 0.12), 40)
    box("pot", (x - 0.16, y - 0.16, 0), (x + 0.16, y + 0.16, 0.32), pot, 0.04)
    leaf = speckle("leaf", (0.03, 0.12, 0.02), (0.09, 0.24, 0.04), 14, 0.45, 0.001)
    points, faces = [], []
    for _ in range(90):
        root = np.array([x, y, 0.3]) + [*rng.normal(0, 0.04, 2), 0]
        way = rng.normal(0, 1, 3) * [1, 1, 0.4] + [0, 0, 1.1]
        way *= rng.uniform(0.5, 1.0) * (height - 0.3) / np.linalg.norm(way)
        side = np.cross(way, rng.normal(0, 1, 3))
        side *= 0.05 / np.linalg.norm(side)
        tip = root + way + [*(way[:2] * 0.35), -0.25 * np.linalg.norm(way[:2])]
        i = len(points)
        points += [root, root + 0.62 * way + side, tip, root + 0.62 * way - side]
        faces.append((i, i + 1, i + 2, i + 3))
    mesh = bpy.data.meshes.new("leaves")
    mesh.from_pydata([tuple(p) for p in points], [], faces)
    mesh.materials.append(leaf)
    bpy.context.collection.objects.link(bpy.data.objects.new("leaves", mesh))


def room(rng: np.random.Generator, key) -> None:
    """A living room: wooden floor, two walls, window light from the left, furniture behind the walking space."""
    back, left, right = 3.1, -4.3, 4.6
    box("floor", (-8, -9, -0.1), (9, back, 0), wood("boards", (0.30, 0.17, 0.085)))
    tone = [(0.62, 0.60, 0.54), (0.47, 0.55, 0.56), (0.62, 0.54, 0.47)][int(rng.integers(3))]
    wall = plaster("wall", tone)
    white = plaster("white", (0.78, 0.77, 0.74))
    box("back", (left - 0.2, back, 0), (right + 4, back + 0.2, 3.4), wall)
    box("side", (left - 0.2, -0.6, 0), (left, back, 3.4), wall)
    box("skirting", (left, back - 0.02, 0), (right + 4, back, 0.11), white)
    box("skirting side", (left, -0.6, 0), (left + 0.02, back, 0.11), white)
    cloth = speckle("sofa", (0.10, 0.16, 0.17), (0.16, 0.23, 0.24), 120)
    x = float(rng.uniform(1.0, 1.6))
    for low, high in (((x, 2.1, 0.12), (x + 2.0, 2.95, 0.45)), ((x, 2.75, 0.3), (x + 2.0, 3.02, 0.85)),
                      ((x - 0.2, 2.1, 0.1), (x + 0.02, 3.0, 0.62)), ((x + 1.98, 2.1, 0.1), (x + 2.2, 3.0, 0.62))):
        box("sofa", low, high, cloth, 0.06)
    for dx, colour in ((0.25, (0.5, 0.28, 0.06)), (1.35, (0.45, 0.42, 0.36))):
        cover = speckle("cushion", colour, shade(colour, 1.3), 90)
        box("cushion", (x + dx, 2.58, 0.44), (x + dx + 0.42, 2.78, 0.82), cover, 0.07)
    shelf = wood("shelf", (0.20, 0.11, 0.055), 0.4)
    sx = float(rng.uniform(-3.3, -2.9))
    box("shelf side", (sx, 2.7, 0), (sx + 0.04, 3.08, 1.9), shelf)
    box("shelf side", (sx + 1.1, 2.7, 0), (sx + 1.14, 3.08, 1.9), shelf)
    for z in (0.05, 0.48, 0.92, 1.38, 1.86):
        box("board", (sx, 2.7, z), (sx + 1.14, 3.08, z + 0.03), shelf)
        at = sx + 0.07
        while z < 1.8 and at < sx + 0.95:
            wide, tall = rng.uniform(0.02, 0.055), rng.uniform(0.2, 0.33)
            if rng.uniform() < 0.85:
                colour = tuple(rng.uniform(0.02, 0.45, 3))
                box("book", (at, 2.78, z + 0.03), (at + wide, 3.02, z + 0.03 + tall), plaster("cover", colour))
            at += wide + 0.004
    dark = plaster("frame", (0.05, 0.045, 0.04))
    for cx, cz, w, h in ((-0.9, 1.62, 0.75, 0.95), (0.35, 1.75, 0.5, 0.5), (2.1, 1.72, 1.15, 0.7)):
        box("frame", (cx - w / 2, back - 0.035, cz - h / 2), (cx + w / 2, back, cz + h / 2), dark)
        w, h = w - 0.08, h - 0.08
        box("picture", (cx - w / 2, back - 0.04, cz - h / 2), (cx + w / 2, back - 0.03, cz + h / 2),
            picture("painting", rng))
    plant((-1.85, 2.6), rng)
    rug = Nodes("rug")
    parts = rug.add("ShaderNodeSeparateXYZ", {0: rug.world()}).outputs
    bands = rug.ramp(rug.math("SINE", rug.math("MULTIPLY", parts[1], 21.0)), 0.1, 0.25)
    weave = rug.noise(rug.world(), 130, 4)
    material = rug.finish(rug.mix(rug.math("MULTIPLY", rug.math("ADD", bands, weave), 0.5), (0.17, 0.05, 0.04),
                                  (0.24, 0.20, 0.15)), 0.95)
    box("rug", (-1.9, -1.35, -0.02), (2.0, 1.4, 0.0006), material)
    sky((0.75, 0.85, 1.0), 0.13)
    light("AREA", "skylight", key, (0.2, 0.3, 0.7), 560, 0.9, (1.0, 0.95, 0.88))
    light("AREA", "ceiling", (1.2, 0.4, 3.4), (0.4, 0.8, 0), 70, 1.2, (1.0, 0.92, 0.82))
    light("AREA", "kitchen", (4.0, -4.5, 3.2), (0.0, 0.4, 1.0), 150, 2.6, (0.9, 0.95, 1.0))


def street(rng: np.random.Generator, key) -> None:
    """A yard in the sun: paving, a brick wall, hedges, bins and a bench."""
    box("ground", (-30, -30, -0.2), (30, 40, 0), speckle("asphalt", (0.14, 0.14, 0.145), (0.24, 0.235, 0.23), 90))
    box("wall", (-12, 4.2, 0), (12, 4.6, 3.2), bricks("bricks", (0.32, 0.11, 0.07), (0.42, 0.18, 0.11)))
    box("coping", (-12, 4.15, 3.2), (12, 4.65, 3.32), plaster("stone", (0.5, 0.48, 0.44)))
    box("kerb", (-12, 2.7, 0), (12, 2.85, 0.12), plaster("kerb", (0.45, 0.44, 0.42)))
    box("path", (-12, 2.85, 0), (12, 4.2, 0.1), bricks("paving", (0.35, 0.33, 0.3), (0.42, 0.4, 0.36), 0.4, 0.2))
    hedge = speckle("hedge", (0.02, 0.07, 0.015), (0.08, 0.19, 0.04), 30, 0.7, 0.06)
    for x in (-4.4, -1.6, 3.0):
        x = x + float(rng.uniform(-0.3, 0.3))
        box("hedge", (x, 3.4, 0.1), (x + 1.7, 4.05, float(rng.uniform(0.8, 1.3))), hedge, 0.12)
    board = wood("bench", (0.28, 0.16, 0.08), 0.09)
    for z, y in ((0.5, 3.0), (0.75, 3.32), (0.9, 3.36)):
        box("bench", (0.5, y, z), (2.2, y + (0.4 if z == 0.5 else 0.03), z + 0.05 if z == 0.5 else z + 0.1), board)
    for x in (0.6, 2.05):
        box("leg", (x, 3.02, 0.1), (x + 0.06, 3.38, 0.5), plaster("iron", (0.05, 0.05, 0.05)))
    box("door", (-0.7, 4.15, 0.1), (0.25, 4.22, 2.2), wood("door", (0.07, 0.16, 0.14), 0.3))
    sky((0.42, 0.6, 0.95), 0.75)
    light("SUN", "sun", key, (0, 0, 0), 3.2, 0.02, (1.0, 0.93, 0.82))


def studio(rng: np.random.Generator, key) -> None:
    """A plain stage: mottled backdrop and floor, three soft lights."""
    tone = tuple(rng.uniform(0.25, 0.5, 3))
    box("floor", (-12, -12, -0.1), (12, 4, 0), speckle("stage", shade(tone, 0.6), shade(tone, 0.8), 30, 0.6, 0.001))
    box("backdrop", (-12, 4, 0), (12, 4.2, 6), plaster("backdrop", tone))
    sky((1, 1, 1), 0.25)
    light("AREA", "key", key, (0, 0, 1), 420, 1.5)
    light("AREA", "fill", (4, -2.5, 2.4), (0, 0, 1), 140, 2.0, (0.85, 0.92, 1.0))
    light("AREA", "rim", (1.5, 3.4, 3.4), (0, 0, 1.2), 180, 1.0, (1.0, 0.9, 0.8))


def step(block: dict) -> None:
    """A step of a stair: a block of stone."""
    half = np.array(block["size_m"]) / 2
    thing = box("step", -half, half, speckle("step", (0.30, 0.28, 0.25), (0.46, 0.44, 0.40), 45, 0.8))
    thing.location, thing.rotation_euler = block["middle_m"], (0.0, 0.0, block["turn_rad"])


def camera(info: dict):
    data = bpy.data.cameras.new("camera")
    data.sensor_width, data.sensor_fit, data.lens = 36.0, "HORIZONTAL", info["focal_mm"]
    thing = bpy.data.objects.new("camera", data)
    bpy.context.collection.objects.link(thing)
    bpy.context.scene.camera = thing
    return thing


def settings(info: dict) -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = info["samples"]
    scene.cycles.use_adaptive_sampling = True
    scene.cycles.adaptive_threshold = 0.03
    scene.cycles.use_denoising = True
    scene.cycles.denoiser = "OPENIMAGEDENOISE"
    scene.cycles.denoising_prefilter = "FAST"
    scene.cycles.max_bounces, scene.cycles.diffuse_bounces, scene.cycles.glossy_bounces = 4, 3, 2
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    scene.render.use_persistent_data = True
    scene.render.resolution_x, scene.render.resolution_y = info["size_px"]
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    scene.view_settings.exposure = info.get("exposure", 0.0)


def main(job: str, folder: str, wanted: str) -> None:
    with np.load(job, allow_pickle=False) as data:
        arrays = {k: data[k] for k in data.files}
    info = json.loads(str(arrays["spec"]))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    settings(info)
    {"room": room, "street": street, "studio": studio}[info["set"]](np.random.default_rng(info["seed"]), info["key_light_m"])
    for block in info.get("blocks", []):
        step(block)
    people = [person(i, arrays, info) for i in range(len(info["outfits"]))]
    eye = camera(info)
    from mathutils import Matrix

    flip = np.diag([1.0, -1.0, -1.0, 1.0])  # Blender's cameras look along -Z with Y up
    boxes = arrays.get("box_px")
    if boxes is not None:
        plate(Path(folder) / "plate.png", people, eye, Matrix((arrays["T_sc"][0] @ flip).tolist()), info)
    for index in map(int, wanted.split(",")):
        path = Path(folder) / f"{index:06d}.png"
        if path.exists():
            continue
        for i, thing in enumerate(people):
            pose(thing, arrays[f"vertices_{i}"][index])
        eye.matrix_world = Matrix((arrays["T_sc"][index] @ flip).tolist())
        if boxes is not None:
            border(boxes[index], info["size_px"])
        render(path, info["seed"] * 1000 + index)


def border(box_px, size_px) -> None:
    """Render this part of the picture only, the rest stays black."""
    render = bpy.context.scene.render
    x0, y0, x1, y1 = (float(v) for v in box_px)
    render.use_border, render.use_crop_to_border = True, False
    render.border_min_x, render.border_max_x = x0 / size_px[0], x1 / size_px[0]
    render.border_min_y, render.border_max_y = 1 - y1 / size_px[1], 1 - y0 / size_px[1]


def render(path: Path, seed: int) -> None:
    scene = bpy.context.scene
    scene.cycles.seed = seed
    part = path.with_suffix(".part.png")
    scene.render.filepath = str(part)
    bpy.ops.render.render(write_still=True)
    os.replace(part, path)


def plate(path: Path, people: list, eye, place, info: dict) -> None:
    """The empty set, once, with four times the samples."""
    if path.exists():
        return
    for thing in people:
        thing.hide_render = True
    eye.matrix_world = place
    bpy.context.scene.cycles.samples *= 4
    render(path, info["seed"])
    bpy.context.scene.cycles.samples = info["samples"]
    for thing in people:
        thing.hide_render = False


if __name__ == "__main__":
    main(*sys.argv[-3:])
