"""The take's root, which moves, turns and scales everything together, and its collections."""

from __future__ import annotations

import bpy

from . import tags

ROOT = "root"
TAKE_COLLECTION = "collection_take"
RIGS_COLLECTION = "collection_rigs"
SHOT_COLLECTION = "collection_shot"
SHAPES_COLLECTION = "collection_shapes"
BONES_COLLECTION = "collection_bones"
_TITLES = {RIGS_COLLECTION: "rigs", SHOT_COLLECTION: "shot", SHAPES_COLLECTION: "shapes"}


def ensure_collections(scene: bpy.types.Scene, owner: tags.Owner, name: str) -> dict[str, bpy.types.Collection]:
    """The take's collections by role; made, in the scene, where they are missing."""
    out = {}
    for role in (TAKE_COLLECTION, RIGS_COLLECTION, SHOT_COLLECTION, SHAPES_COLLECTION):
        collection = tags.find(bpy.data.collections, role, owner)
        if collection is None:
            collection = bpy.data.collections.new(name if role == TAKE_COLLECTION else f"{name} {_TITLES[role]}")
            above = scene.collection if role == TAKE_COLLECTION else out[TAKE_COLLECTION]
            above.children.link(collection)
            if role == SHAPES_COLLECTION:
                collection.hide_viewport = collection.hide_render = True
        tags.mark(collection, role, owner)
        out[role] = collection
    if not _is_in(scene.collection, out[TAKE_COLLECTION]):
        scene.collection.children.link(out[TAKE_COLLECTION])
    return out


def ensure_bones_collection(above: bpy.types.Collection, owner: tags.Owner, name: str) -> bpy.types.Collection:
    """The take's collection of bone surfaces; made, hidden, in the take's own collection where it is missing."""
    shot = tags.Owner(owner.take_id, owner.shot_id)
    collection = tags.find(bpy.data.collections, BONES_COLLECTION, shot)
    if collection is None:
        collection = bpy.data.collections.new(f"{name} bones")
        above.children.link(collection)
        collection.hide_viewport = collection.hide_render = True
    tags.mark(collection, BONES_COLLECTION, shot)
    return collection


def show_bones(root: bpy.types.Object, is_on: bool) -> bool:
    """Show or hide the bone surfaces of a take. Returns False where it has none. root: of the take."""
    owner = tags.Owner(root[tags.TAKE], root[tags.SHOT])
    collection = tags.find(bpy.data.collections, BONES_COLLECTION, owner)
    if collection is None:
        return False
    collection.hide_viewport = collection.hide_render = not is_on
    return True


def _is_in(above: bpy.types.Collection, wanted: bpy.types.Collection) -> bool:
    return wanted in above.children_recursive


def ensure_root(scene: bpy.types.Scene, owner: tags.Owner, name: str, collection: bpy.types.Collection
                ) -> bpy.types.Object:
    """The take's root. A new one has the scale that shows metres in the scene's unit."""
    root = tags.find(bpy.data.objects, ROOT, owner)
    if root is None:
        root = bpy.data.objects.new(name, None)
        root.empty_display_type = "PLAIN_AXES"
        root.empty_display_size = 0.5
        root.scale = (1.0 / scene.unit_settings.scale_length,) * 3
        collection.objects.link(root)
        tags.adopt(root, ("armature",), owner)
    tags.mark(root, ROOT, owner)
    return root


def ensure_linked(block: bpy.types.Object, collection: bpy.types.Collection) -> None:
    """Bring an object back that was removed from every collection; any other stays where the artist put it."""
    if not block.users_collection:
        collection.objects.link(block)
