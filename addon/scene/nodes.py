"""Small words to write node trees with, the same in every Blender from 4.2 to 5.2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import bpy

Value = bpy.types.NodeSocket | float | int | bool | str | tuple | None


def _socket(sockets: Iterable[bpy.types.NodeSocket], key: str | int) -> bpy.types.NodeSocket:
    # A node holds sockets of every data type and enables those of the chosen one; names and numbers mean those.
    shown = [s for s in sockets if s.enabled]
    return shown[key] if isinstance(key, int) else next(s for s in shown if s.name == key)


class Writer:
    """Adds nodes to one tree."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree

    def node(self, kind: str, inputs: Mapping[str | int, Value] | Iterable[Value] = (), **settings) -> bpy.types.Node:
        """Add a node.

        Args:
            kind: Blender's type name.
            inputs: Sockets to link or values to set, by name or number among the enabled ones, or in order; None
                leaves a socket as it is.
            settings: Attributes of the node, set before its sockets are looked up.
        """
        node = self.tree.nodes.new(kind)
        for name, value in settings.items():
            setattr(node, name, value)
        pairs = inputs.items() if isinstance(inputs, Mapping) else enumerate(inputs)
        for key, value in pairs:
            socket = _socket(node.inputs, key)
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, socket)
            elif value is not None:
                socket.default_value = value
        return node

    def out(self, kind: str, inputs: Mapping[str | int, Value] | Iterable[Value] = (), output: str | int = 0,
            **settings) -> bpy.types.NodeSocket:
        """Add a node and return one of its outputs."""
        return _socket(self.node(kind, inputs, **settings).outputs, output)

    def math(self, operation: str, *values: Value) -> bpy.types.NodeSocket:
        return self.out("ShaderNodeMath", values, operation=operation)

    def vector(self, operation: str, *values: Value) -> bpy.types.NodeSocket:
        return self.out("ShaderNodeVectorMath", values, operation=operation)

    def dot(self, a: Value, b: Value) -> bpy.types.NodeSocket:
        return self.out("ShaderNodeVectorMath", (a, b), "Value", operation="DOT_PRODUCT")

    def scale(self, vector: Value, factor: Value) -> bpy.types.NodeSocket:
        return self.out("ShaderNodeVectorMath", {"Vector": vector, "Scale": factor}, operation="SCALE")

    def split(self, vector: Value) -> tuple[bpy.types.NodeSocket, ...]:
        return tuple(self.node("ShaderNodeSeparateXYZ", (vector,)).outputs)

    def join(self, *xyz: Value) -> bpy.types.NodeSocket:
        return self.out("ShaderNodeCombineXYZ", xyz)

    def arrange(self) -> None:
        """Put nodes in columns by their distance from the inputs, so that the tree can be read."""
        depth: dict[str, int] = {}
        # A socket's own `links` would walk through all of the tree's each time.
        waiting: dict[str, set[str]] = {n.name: set() for n in self.tree.nodes}
        for link in self.tree.links:
            waiting[link.to_node.name].add(link.from_node.name)
        while waiting:
            ready = [name for name, before in waiting.items() if not before & waiting.keys()]
            for name in ready or list(waiting):
                depth[name] = 1 + max((depth.get(b, 0) for b in waiting[name]), default=-1)
                del waiting[name]
        rows: dict[int, int] = {}
        for node in self.tree.nodes:
            column = depth[node.name]
            node.location = (220 * column, -170 * rows.get(column, 0))
            rows[column] = rows.get(column, 0) + 1
