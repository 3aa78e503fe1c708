"""Marks by which everything of a take is found again, never by name.

Custom properties, so that they stay in a .blend where the extension is not installed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import bpy

TAKE = "sinew_take_id"
SHOT = "sinew_shot_id"
ROLE = "sinew_role"
SUBJECT = "sinew_subject"


@dataclass(frozen=True)
class Owner:
    """Whose a datablock is: one take, of one shot, and one subject of it ("" for what belongs to the whole shot)."""

    take_id: str
    shot_id: str
    subject: str = ""


def mark(block: bpy.types.ID, role: str, owner: Owner) -> None:
    """Write the marks on a datablock; an earlier take's id is replaced by this one's."""
    block[TAKE], block[SHOT], block[ROLE], block[SUBJECT] = owner.take_id, owner.shot_id, role, owner.subject


def is_marked(block: bpy.types.ID, role: str, owner: Owner) -> bool:
    """True for that role of that shot and subject, whichever take of the shot it came from."""
    return (block.get(ROLE) == role and block.get(SHOT) == owner.shot_id
            and block.get(SUBJECT, "") == owner.subject)


def find(blocks: Iterable[bpy.types.ID], role: str, owner: Owner) -> bpy.types.ID | None:
    """The local datablock with that role, or None. Linked ones and overrides of them are another file's: left alone."""
    return next((b for b in blocks if b.library is None and b.override_library is None and is_marked(b, role, owner)),
                None)
