"""Which notes of a take still hold after another solve: what was said of people or corrections that are gone goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sinew_take.edits import Pin, frames_text

if TYPE_CHECKING:
    from .rebuild import Person

FOLLOWS = "The take already follows these edits; its motion is as it was."


def missed(name: str, keypoint: str, frame: int, miss_px: float) -> str:
    """A pin was not met. Said again by every solve of the person, for all pins in force."""
    return (f"{name}: the pinned {keypoint} of frame {frame} is missed by {miss_px:.0f} px; the limits, the body's lengths "
            "or other pins do not let it get there.")


def thrown(name: str, first: int, last: int, moved_m: float) -> str:
    """Pins took the whole person along. Said once, when they do."""
    return (f"{name}: the pins of {frames_text(first, last)} moved the whole body by {moved_m:.1f} m; check that they are on "
            "the right joint and person.")


def _who(note: str, names: Mapping[str, str]) -> str | None:
    """Id of the person with whose name a note begins; of several the one with the longest name."""
    found = [i for i, name in names.items() if note.startswith((f"{name}:", f"{name} "))]
    return max(found, key=lambda i: len(names[i]), default=None)


def after_people(notes: list[str], before: Mapping[str, str], after: Mapping[str, str], anew: set[str]) -> list[str]:
    """Notes after edits of people.

    Args:
        notes: The take's, from before.
        before, after: Names by id.
        anew: Ids of those who were solved again, of whose motion the solve has spoken again.

    Returns:
        Those that still hold, in the new names.
    """
    out = []
    for note in notes:
        who = _who(note, before)
        if who is None:
            out.append(note)
            continue
        rest = note[len(before[who]):]
        hidden = _who(rest.removeprefix(" hides "), before) if rest.startswith(" hides ") else None
        if who not in after or (who in anew and rest.startswith(":")) or (hidden is not None and hidden not in after):
            continue
        if hidden is not None:
            rest = f" hides {after[hidden]}{rest.removeprefix(' hides ')[len(before[hidden]):]}"
        out.append(after[who] + rest)
    return out


def after_poses(notes: list[str], solved: list[Person], every: list, fresh: list) -> list[str]:
    """Notes after edits of poses: those that a solve said of pins hold as long as their pins do.

    Args:
        notes: The take's, from before.
        solved: People who were solved again, of whose missed pins the solve has spoken again.
        every: Edits in force.
        fresh: Those of them that the take did not follow before.
    """
    out = [note for note in notes if note != FOLLOWS]
    for person in solved:
        ident, name = person.subject.id, str(person.subject.info.get("name", person.subject.id))
        placed, new = ({e.frame for e in edits if isinstance(e, Pin) and e.subject == ident} for edits in (every, fresh))

        def holds(note: str, name: str = name, still: set[int] = placed - new) -> bool:
            found = re.match(rf"{re.escape(name)}: the pins of frames? (\d+)(?: to (\d+))? moved", note)
            if found:
                return set(range(int(found[1]), int(found[2] or found[1]) + 1)) <= still
            return not note.startswith(f"{name}: the pinned ")

        out = list(filter(holds, out))
    return out
