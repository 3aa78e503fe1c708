"""Corrections of who is who: rename, skip, merge, split and swap people of a take. Standard library and NumPy.

    {"kind": "rename", "subject": "s1", "name": "Anna"}
    {"kind": "skip", "subject": "s3"}                              that person is left out
    {"kind": "merge", "subject": "s3", "into": "s1"}               s3 was s1 all along
    {"kind": "split", "subject": "s1", "frame": 40}                from frame 40 on it is somebody new
    {"kind": "swap", "subject": "s1", "other": "s2", "frame": 40}  from frame 40 on each is the other

They count in the order in which they stand in the file of edits and before those of poses, which name people as they are
afterwards. A later one may name a person whom a split made: it takes the next number that nobody of the take ever had
(s1, s2 -> s3), so that nobody new is taken for somebody who is gone. What they mean is decided here, without solving
anything, so that Blender can say what is wrong before a run starts: `regroup` tells, for each resulting person, whose
detections it has in which frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from .take import Subject, Take

LONGEST_NAME = 60
"""Blender cuts names at 63 bytes and puts endings behind them."""


class Bad(Exception):
    """What is wrong with one edit, as the rest of a sentence; `edits.parse` and `edits.check` name the edit."""

    number: int | None = None
    """The edit's place in its list, from 1, where known."""


@dataclass(frozen=True)
class Person:
    """One person after the edits so far."""

    id: str
    name: str
    who: np.ndarray
    """(T,) int: number of the take's subject whose detections these are in each frame, -1 where there are none."""
    there: np.ndarray
    """(T,) bool: in the shot, short gaps included."""


class _Kind:
    """An edit: a frozen dataclass of `str` and `int` fields."""

    kind: ClassVar[str]

    def check(self, take: Take) -> None:
        """Nothing alone: what an edit may name depends on those before it, so `regroup` checks them together."""

    def apply(self, people: list[Person], free: int) -> list[Person]:
        """The people after this edit; a new one's id takes the number `free` or a higher one. Raises Bad."""
        raise NotImplementedError


@dataclass(frozen=True)
class Rename(_Kind):
    """Another name."""

    kind: ClassVar[str] = "rename"
    subject: str
    name: str

    def apply(self, people: list[Person], free: int) -> list[Person]:
        name = " ".join(self.name.split())
        if not name or not name.isprintable():
            raise Bad("the name is empty or not printable; give one")
        if len(name.encode()) > LONGEST_NAME:
            raise Bad(f"the name is longer than {LONGEST_NAME} bytes; give a shorter one")
        return _with(people, replace(_of(people, self.subject), name=name))


@dataclass(frozen=True)
class Skip(_Kind):
    """Leave a person out."""

    kind: ClassVar[str] = "skip"
    subject: str

    def apply(self, people: list[Person], free: int) -> list[Person]:
        gone = _of(people, self.subject)
        if len(people) == 1:
            raise Bad("nobody would be left; keep at least one person")
        return [p for p in people if p is not gone]


@dataclass(frozen=True)
class Merge(_Kind):
    """Two people are one, who keeps the second one's id and name."""

    kind: ClassVar[str] = "merge"
    subject: str
    into: str

    def apply(self, people: list[Person], free: int) -> list[Person]:
        gone, kept = _of(people, self.subject), _of(people, self.into)
        if gone is kept:
            raise Bad(f"{self.subject} cannot be merged with itself; name another person")
        both = (gone.who >= 0) & (kept.who >= 0)
        if both.any():
            raise Bad(f"{gone.id} and {kept.id} are both seen in {int(both.sum())} frames (the first is "
                      f"{int(both.argmax())}), so they are two people; split or swap them first")
        one = replace(kept, who=np.where(kept.who >= 0, kept.who, gone.who), there=kept.there | gone.there)
        return _with([p for p in people if p is not gone], one)


@dataclass(frozen=True)
class Split(_Kind):
    """From a frame on it is somebody new."""

    kind: ClassVar[str] = "split"
    subject: str
    frame: int

    def apply(self, people: list[Person], free: int) -> list[Person]:
        old = _of(people, self.subject)
        _in_take(self.frame, old)
        seen = np.flatnonzero(old.who >= 0)
        if not len(seen) or self.frame <= seen[0]:
            raise Bad(f"{old.id} is not seen before frame {self.frame}, so nothing would stay; choose a later frame")
        if self.frame > seen[-1]:
            raise Bad(f"{old.id} is not seen from frame {self.frame} on, so nobody new would come of it; choose an "
                      "earlier frame")
        number = next(n for n in count(free) if f"Person {n}" not in {p.name for p in people})
        later = np.arange(len(old.who)) >= self.frame
        new = Person(f"s{number}", f"Person {number}", np.where(later, old.who, -1), old.there & later)
        old = replace(old, who=np.where(later, -1, old.who), there=old.there & ~later)
        return [*_with(people, old), new]


@dataclass(frozen=True)
class Swap(_Kind):
    """From a frame on, each of two people is the other."""

    kind: ClassVar[str] = "swap"
    subject: str
    other: str
    frame: int

    def apply(self, people: list[Person], free: int) -> list[Person]:
        a, b = _of(people, self.subject), _of(people, self.other)
        if a is b:
            raise Bad(f"{self.subject} cannot be swapped with itself; name another person")
        _in_take(self.frame, a)
        for p in (a, b):
            if not p.there[self.frame]:
                raise Bad(f"{p.id} is not in the shot at frame {self.frame}; choose a frame in which both are")
        later = np.arange(len(a.who)) >= self.frame
        new_a = replace(a, who=np.where(later, b.who, a.who), there=np.where(later, b.there, a.there))
        new_b = replace(b, who=np.where(later, a.who, b.who), there=np.where(later, a.there, b.there))
        return _with(_with(people, new_a), new_b)


PEOPLE_KINDS: dict[str, type] = {c.kind: c for c in (Rename, Skip, Merge, Split, Swap)}


def _of(people: list[Person], ident: str) -> Person:
    for person in people:
        if person.id == ident:
            return person
    raise Bad(f"there is no person {ident!r}; there are {', '.join(p.id for p in people)}")


def _with(people: list[Person], changed: Person) -> list[Person]:
    return [changed if p.id == changed.id else p for p in people]


def _in_take(frame: int, person: Person) -> None:
    if not 0 <= frame < len(person.who):
        raise Bad(f"frame {frame} is not in the take, whose frames are 0 to {len(person.who) - 1}")


def detected(subject: Subject) -> np.ndarray:
    """(T,) bool: frames with detections; in takes that kept none, those in which the person is in the shot."""
    return subject.motion["present"] if subject.track is None else subject.track["detected"]


def people_of(take: Take) -> list[Person]:
    """The people of a take before any edit."""
    return [Person(s.id, str(s.info.get("name") or s.id), np.where(detected(s), i, -1), s.motion["present"].copy())
            for i, s in enumerate(take.subjects)]


def is_people_edit(edit: object) -> bool:
    """True for the kinds of this module."""
    return isinstance(edit, _Kind)


def regroup(take: Take, edits: Iterable[object]) -> list[Person]:
    """People after the edits of this module's kinds; others are passed over.

    Raises:
        Bad: With `number`, the edit's place in the list.
    """
    people, last = people_of(take), _last_number(take)
    for number, edit in enumerate(edits, 1):
        if not is_people_edit(edit):
            continue
        try:
            people = edit.apply(people, last + 1)
        except Bad as bad:
            bad.number = number
            raise
        last = max(last, *(_number(p.id) for p in people))
    return people


def _number(ident: object) -> int:
    """Of an id like s3; 0 of others."""
    return int(ident[1:]) if isinstance(ident, str) and ident[:1] == "s" and ident[1:].isdecimal() else 0


def _last_number(take: Take) -> int:
    """The highest that anybody of the take has or had: earlier edits of people name everybody who went."""
    applied = (take.meta.get("producer") or {}).get("people_edits") or []
    gone = [row.get(key) for row in applied if isinstance(row, dict) for key in ("subject", "into", "other")]
    return max(map(_number, [s.id for s in take.subjects] + gone), default=0)


def refuse_same_names(edits: Iterable[object], people: list[Person]) -> None:
    """Names are held against each other when all edits are done, so that two people may exchange theirs.

    Args:
        edits: Any.
        people: Those after them, from `regroup`.

    Raises:
        Bad: Two people have one name, one of them by an edit; with `number`.
    """
    names = {p.id: p.name for p in people}
    for number, edit in reversed(list(enumerate(edits, 1))):
        name = names.get(edit.subject) if isinstance(edit, Rename) else None
        if name is not None and list(names.values()).count(name) > 1:
            bad = Bad(f"somebody else of the take is called {name} already; give another name")
            bad.number = number
            raise bad


def carried(edits: Iterable[object], before: list[Person], after: list[Person]) -> list:
    """Edits of poses as they read after regrouping: each goes with the detections that it was made on.

    Args:
        edits: Naming people of `before`; those of this module's kinds are left out, and so are those on frames that
            nobody has afterwards. Whoever keeps all detections keeps all edits, those on filled frames too.
        before, after: From `people_of` or `regroup`.
    """
    held_by = {p.id: p.who for p in before}
    out = []
    for edit in edits:
        if is_people_edit(edit) or edit.subject not in held_by:
            continue
        who = held_by[edit.subject]
        if any(p.id == edit.subject and np.array_equal(p.who, who) for p in after):
            out.append(edit)
            continue
        for person in after:
            held = np.array([f for f in edit.frames if 0 <= f < len(who) and who[f] >= 0 and person.who[f] == who[f]], int)
            out += on_frames(replace(edit, subject=person.id), held)
    return out


def on_frames(edit: object, frames: np.ndarray) -> list:
    """An edit of poses on some of its frames (sorted): one of a single frame as it is, a range as its pieces."""
    if not len(frames):
        return []
    if not hasattr(edit, "start"):
        return [edit]
    return [replace(edit, start=int(run[0]), end=int(run[-1]) + 1)
            for run in np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)]
