"""Marks by which everything of a take is found again, never by name.

Custom properties, so that they stay in a .blend where the extension is not installed.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass

import bpy

TAKE = "sinew_take_id"
SHOT = "sinew_shot_id"
ROLE = "sinew_role"
SUBJECT = "sinew_subject"
NAME = "sinew_name"
"""The name at the last import: a copy that the artist makes has the marks too, and another name."""


@dataclass(frozen=True)
class Owner:
    """Whose a datablock is: one take, of one shot, and one subject of it ("" for what belongs to the whole shot).

    The shot's id is followed by # and a number where another scene of the file has the shot too (`owner_in`).
    """

    take_id: str
    shot_id: str
    subject: str = ""


def mark(block: bpy.types.ID, role: str, owner: Owner) -> None:
    """Write the marks on a datablock; an earlier take's id is replaced by this one's."""
    block[TAKE], block[SHOT], block[ROLE], block[SUBJECT] = owner.take_id, owner.shot_id, role, owner.subject
    block[NAME] = block.name


def is_own(block: bpy.types.ID) -> bool:
    """False for linked datablocks and overrides of them: they are another file's and left alone."""
    return block.library is None and block.override_library is None


def is_marked(block: bpy.types.ID, role: str, owner: Owner) -> bool:
    """True for that role of that shot and subject, whichever take of the shot it came from."""
    return (block.get(ROLE) == role and block.get(SHOT) == owner.shot_id
            and block.get(SUBJECT, "") == owner.subject)


def owner_in(scene: bpy.types.Scene, take_id: str, shot_id: str) -> Owner:
    """Whose the things of a take are in a scene.

    Each scene has a shot's things for itself, as motion fits one frame rate and corrections one timeline. What stands in
    no scene belongs to the first that asks.
    """
    here = ids_in(scene, shot_id)
    if here:
        return Owner(take_id, min(here))
    taken = set().union(*(ids_in(other, shot_id) for other in bpy.data.scenes))
    ids = itertools.chain([shot_id], (f"{shot_id}#{number}" for number in itertools.count(2)))
    return Owner(take_id, next(one for one in ids if one not in taken))


def ids_in(scene: bpy.types.Scene, shot_id: str) -> set[str]:
    """Under which ids a scene has a shot."""
    marked = {str(block.get(SHOT, "")) for block in (*scene.objects, *scene.collection.children_recursive) if is_own(block)}
    return {one for one in marked if one == shot_id or one.startswith(f"{shot_id}#")}


def adopt(parent: bpy.types.Object, roles: tuple[str, ...], owner: Owner) -> None:
    """Let what hung on a deleted object hang on the one made in its stead; what has another parent by now keeps it."""
    for item in bpy.data.objects:
        if (item.parent is None and is_own(item) and item.get(ROLE) in roles and item.get(SHOT) == owner.shot_id
                and owner.subject in ("", item.get(SUBJECT))):
            item.parent = parent


def listed(block: bpy.types.ID, key: str) -> list[dict]:
    """The objects of a JSON list that stands on a datablock; what else somebody may have written there is left out."""
    try:
        found = json.loads(str(block.get(key) or "[]"))
    except ValueError:
        return []
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def armatures_of(root: bpy.types.Object) -> list[bpy.types.Object]:
    """Everybody of the shot that a root, or another object, belongs to, as far as they stand in a scene; the artist's copies
    are nobody."""
    found: dict[str, list[bpy.types.Object]] = {}
    here = set(root.users_scene)
    for item in bpy.data.objects:
        if (item.get(ROLE) == "armature" and item.get(SHOT) == root.get(SHOT) and item.users_scene
                and item.library is None):
            found.setdefault(str(item.get(SUBJECT)), []).append(item)
    return [_original([i for i in items if here & set(i.users_scene)] or items) for items in found.values()]


def _original(blocks: list[bpy.types.ID]) -> bpy.types.ID:
    """Of several with the same marks the one that the last import named."""
    return next((block for block in blocks if block.get(NAME) == block.name), blocks[0])


def find(blocks: Iterable[bpy.types.ID], role: str, owner: Owner) -> bpy.types.ID | None:
    """The file's own datablock with that role, or None; not a copy of it that the artist has made."""
    found = [block for block in blocks if is_own(block) and is_marked(block, role, owner)]
    return _original(found) if found else None
