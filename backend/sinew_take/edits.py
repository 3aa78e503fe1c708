"""Corrections by hand: the edits file, read and checked by both halves. Standard library and NumPy.

    {"format": "sinew-edits", "version": [1, 0], "edits": [
      {"kind": "pin", "subject": "s1", "frame": 12, "keypoint": "wrist_l", "x_px": 310.5, "y_px": 188.0},
      {"kind": "flip", "subject": "s1", "limb": "arm_l", "start": 8, "end": 20},
      {"kind": "wrong", "subject": "s1", "start": 30, "end": 34}]}

Frames count from 0 in the take; a range holds `start` and not `end`; pixels are those of `keypoints_px` (the upright
picture as filmed). `wrong` may give one `frame` instead of a range. A kind is one class below and one entry of `KINDS`.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from math import inf, isfinite
from pathlib import Path
from typing import ClassVar

from .errors import RequestError
from .people_edits import PEOPLE_KINDS, Bad, is_people_edit, refuse_same_names, regroup
from .take import Subject, Take

FORMAT = "sinew-edits"
VERSION = (1, 0)
LIMBS = ("arm_l", "arm_r", "leg_l", "leg_r")
MOST_BYTES = 16 << 20
MOST_FRAMES = 100_000
"""No take is as long, by far: what names so many frames at once is refused when it is held against the take."""
FARTHEST = 10**15
"""Whole numbers beyond are refused as they are read: a range from or to them has no length that Python can tell."""
OUTSIDE = 0.5
"""A pin may lie outside the picture by so much of its width or height: limbs leave the frame, nobody is a frame away."""


@dataclass(frozen=True)
class Pin:
    """A keypoint is at this place of the picture."""

    kind: ClassVar[str] = "pin"
    subject: str
    frame: int
    keypoint: str
    x_px: float
    y_px: float

    @property
    def frames(self) -> range:
        return range(self.frame, self.frame + 1)

    def check(self, take: Take) -> None:
        person = _person(take, self.subject)
        if self.keypoint not in person.info["keypoint_names"]:
            raise Bad(f"there is no keypoint {self.keypoint!r}; use one of {', '.join(person.info['keypoint_names'])}")
        _within(self.frames, take)
        _there(person, self.frames)
        width, height = take.meta["source"]["size_px"]
        if not (-OUTSIDE * width <= self.x_px <= (1 + OUTSIDE) * width
                and -OUTSIDE * height <= self.y_px <= (1 + OUTSIDE) * height):
            raise Bad(f"({self.x_px:g}, {self.y_px:g}) is far outside the picture of {width} x {height} px; give pixels "
                      "from its upper left corner")


@dataclass(frozen=True)
class Flip:
    """A limb points the other way in depth."""

    kind: ClassVar[str] = "flip"
    subject: str
    limb: str
    start: int
    end: int

    @property
    def frames(self) -> range:
        return range(self.start, self.end)

    def check(self, take: Take) -> None:
        if self.limb not in LIMBS:
            raise Bad(f"there is no limb {self.limb!r}; use one of {', '.join(LIMBS)}")
        person = _person(take, self.subject)
        _within(self.frames, take)
        _there(person, self.frames)


@dataclass(frozen=True)
class Wrong:
    """What was detected in these frames is wrong; they are filled from those around them."""

    kind: ClassVar[str] = "wrong"
    subject: str
    start: int
    end: int

    @property
    def frames(self) -> range:
        return range(self.start, self.end)

    def check(self, take: Take) -> None:
        person = _person(take, self.subject)
        _within(self.frames, take)
        _there(person, self.frames)


KINDS: dict[str, type] = {c.kind: c for c in (Pin, Flip, Wrong)} | PEOPLE_KINDS
"""Kind -> class: a frozen dataclass of `str`, `int` and `float` fields with `kind` and `check(take)` (raises `Bad`)."""

_TYPES = {"str": (str, "text"), "int": (int, "a whole number"), "float": ((int, float), "a number")}


def _person(take: Take, ident: str) -> Subject:
    for subject in take.subjects:
        if subject.id == ident:
            return subject
    raise Bad(f"the take holds no person {ident!r}; it has {', '.join(s.id for s in take.subjects)}")


def _within(frames: range, take: Take) -> None:
    if len(frames) == 0:
        raise Bad(f"the range from {frames.start} up to {frames.stop} holds no frame; give an end after the start")
    if frames.start < 0 or frames.stop > take.n_frames:
        shown = frames_text(frames[0], frames[-1])
        raise Bad(f"{shown} {'is' if len(frames) == 1 else 'are'} not in the take, whose frames are 0 to "
                  f"{take.n_frames - 1}")


def frames_text(first: int, last: int) -> str:
    """A range of frames, both ends included: "frame 5", "frames 5 to 9"."""
    return f"frame {first}" if first == last else f"frames {first} to {last}"


def _there(person: Subject, frames: range) -> None:
    present = person.motion["present"][frames.start:frames.stop]
    if not present.all():
        missing = frames.start + int((~present).argmax())
        raise Bad(f"{person.id} is not in the shot at frame {missing}; choose frames in which that person was solved")


def parse(data: object) -> list:
    """Edits of the file's content; see the module for its layout.

    Raises:
        RequestError: One sentence that names the first thing wrong and, inside an edit, its number and kind.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise RequestError(f"This is no file of edits; it must be a JSON object with \"format\": \"{FORMAT}\".")
    version = data.get("version")
    if not (isinstance(version, list) and len(version) == 2 and all(type(v) is int for v in version)):
        raise RequestError(f"The file of edits has no version; write \"version\": {list(VERSION)}.")
    if version[0] != VERSION[0]:
        raise RequestError(f"The file of edits has version {version[0]}.{version[1]} and this Sinew reads version "
                           f"{VERSION[0]}; use the matching Sinew.")
    entries = data.get("edits")
    if not isinstance(entries, list):
        raise RequestError("The file of edits has no list \"edits\"; write one, with an object for each edit.")
    edits = []
    for number, entry in enumerate(entries, 1):
        try:
            edits.append(_parse_one(entry))
        except Bad as bad:
            raise _sentence(number, entry, bad) from None
    _refuse_contradictions(edits)
    return edits


def _parse_one(entry: object) -> object:
    if not isinstance(entry, dict):
        raise Bad("it is no JSON object; write one with a \"kind\"")
    kind = KINDS.get(entry.get("kind")) if isinstance(entry.get("kind"), str) else None
    if kind is None:
        raise Bad(f"there is no kind {entry.get('kind')!r}; use one of {', '.join(KINDS)}")
    entry = {key: value for key, value in entry.items() if key != "kind"}
    wanted = {f.name: f.type for f in fields(kind)}
    if "start" in wanted and "end" in wanted and "frame" not in wanted and type(entry.get("frame")) is int \
            and not {"start", "end"} & set(entry):
        frame = entry.pop("frame")
        entry |= {"start": frame, "end": frame + 1}
    missing, unknown = set(wanted) - set(entry), set(entry) - set(wanted)
    if missing:
        raise Bad(f"it lacks {', '.join(sorted(missing))}; give {', '.join(wanted)}")
    if unknown:
        raise Bad(f"{', '.join(map(repr, sorted(unknown)))} is not known there; give {', '.join(wanted)}")
    for name, type_name in wanted.items():
        value = entry[name]
        types, words = _TYPES[type_name]
        if not isinstance(value, types) or isinstance(value, bool):
            raise Bad(f"{name} is {json.dumps(value)[:40]} and must be {words}")
        if type_name == "int" and abs(value) > FARTHEST:
            raise Bad(f"{name} is {'far below 0' if value < 0 else 'too large'}; give a frame of the take")
        if type_name == "float":
            try:
                entry[name] = float(value)
            except OverflowError:  # a whole number of more than 308 digits
                entry[name] = inf
            if not isfinite(entry[name]):
                raise Bad(f"{name} is not finite; give pixels")
    return kind(**entry)


def _sentence(number: int, entry: object, bad: Bad) -> RequestError:
    kind = entry.get("kind") if isinstance(entry, dict) else getattr(entry, "kind", None)
    return RequestError(f"Edit {number}{f' ({kind})' if isinstance(kind, str) and kind in KINDS else ''}: {bad}.")


def _refuse_contradictions(edits: list) -> None:
    pins: dict[tuple, tuple[int, Pin]] = {}
    flips: list[tuple[int, Flip]] = []
    wrong: dict[tuple[str, int], int] = {}
    for number, edit in enumerate(edits, 1):
        if isinstance(edit, Wrong) and len(edit.frames) < MOST_FRAMES:
            wrong |= {(edit.subject, frame): number for frame in edit.frames}
    for number, edit in enumerate(edits, 1):
        if isinstance(edit, Pin):
            before = pins.setdefault((edit.subject, edit.frame, edit.keypoint), (number, edit))
            if before[1] != edit:
                raise _sentence(number, edit, Bad(
                    f"{edit.keypoint} of {edit.subject} at frame {edit.frame} is pinned at another place by edit "
                    f"{before[0]}; keep one of them"))
            if (edit.subject, edit.frame) in wrong:
                raise _sentence(number, edit, Bad(
                    f"frame {edit.frame} of {edit.subject} is marked wrong by edit {wrong[edit.subject, edit.frame]}; "
                    "pin it or mark it wrong, not both"))
        elif isinstance(edit, Flip):
            for other, before in flips:
                if _flip_both(before, edit):
                    raise _sentence(number, edit, Bad(
                        f"{edit.limb} of {edit.subject} is flipped over some of the same frames by edit {other}; two "
                        "flips undo each other, keep one of them"))
            flips.append((number, edit))


def _flip_both(a: Flip, b: Flip) -> bool:
    """True where two edits flip one limb over some of the same frames."""
    return (a.subject, a.limb) == (b.subject, b.limb) and max(a.start, b.start) < min(a.end, b.end)


def check(edits: list, take: Take, is_regrouped: bool = False) -> None:
    """Hold edits against the take that they are for.

    Args:
        edits: As `parse` gives them.
        take: The take.
        is_regrouped: The edits of people are carried out in it: those of poses are checked, by their numbers in the file.

    Raises:
        RequestError: One sentence on the first edit whose person, frame, keypoint, limb or place is not there.
    """
    if not is_regrouped:
        try:
            refuse_same_names(edits, regroup(take, edits))
        except Bad as bad:
            raise _sentence(bad.number, edits[bad.number - 1], bad) from None
        if any(map(is_people_edit, edits)):
            return  # those of poses name people as they are afterwards: they are checked when that take is there
    for number, edit in enumerate(edits, 1):
        try:
            if not is_people_edit(edit):
                edit.check(take)
        except Bad as bad:
            raise _sentence(number, edit, bad) from None


def add(earlier: list, new: list) -> list:
    """Both lists as one: an edit that is there already counts once, a pin moves an earlier one of the same keypoint and
    frame, and a frame marked wrong loses its earlier pins (and the other way round).

    Args:
        earlier: Those that the take follows, which contradict each other nowhere.
        new: All of the user's file, whose numbers errors name.

    Raises:
        RequestError: What remains contradicts itself.
    """
    _refuse_contradictions(new)
    pinned = {(e.subject, e.frame, e.keypoint) for e in new if isinstance(e, Pin)}
    pin_frames = {(e.subject, e.frame) for e in new if isinstance(e, Pin)}
    wrong = {(e.subject, f) for e in new if isinstance(e, Wrong) for f in e.frames}
    kept = []
    for edit in earlier:
        if edit in new and not is_people_edit(edit):
            continue
        if isinstance(edit, Pin) and ((edit.subject, edit.frame, edit.keypoint) in pinned
                                      or (edit.subject, edit.frame) in wrong):
            continue
        if isinstance(edit, Wrong):
            kept += _without(edit, pin_frames)
            continue
        kept.append(edit)
    for number, edit in enumerate(new, 1):
        for before in kept:
            if isinstance(edit, Flip) and isinstance(before, Flip) and _flip_both(before, edit):
                shown = frames_text(before.start, before.end - 1)
                raise _sentence(number, edit, Bad(
                    f"{edit.limb} of {edit.subject} is flipped in the take already, in {shown}; two flips "
                    "undo each other, so flip other frames or solve again from the take before that flip"))
    # Who is who is told in steps: a second swap at the same frame takes the first one back.
    return kept + [e for i, e in enumerate(new) if is_people_edit(e) or e not in new[:i]]


def _without(edit: Wrong, frames: set[tuple[str, int]]) -> list[Wrong]:
    """The pieces of a range that are left without some of its frames."""
    left = [f for f in edit.frames if (edit.subject, f) not in frames]
    pieces: list[list[int]] = []
    for frame in left:
        if pieces and pieces[-1][1] == frame:
            pieces[-1][1] = frame + 1
        else:
            pieces.append([frame, frame + 1])
    return [Wrong(edit.subject, a, b) for a, b in pieces]


def as_data(edits: list) -> dict:
    """The file's content, JSON-able; `parse` reads it back."""
    return {"format": FORMAT, "version": list(VERSION), "edits": [{"kind": e.kind, **asdict(e)} for e in edits]}


def read(path: str | os.PathLike) -> list:
    """Edits of a file.

    Raises:
        RequestError: It cannot be read, is no JSON, or says something wrong; see `parse`.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise RequestError(f"{path.name} is too large for a file of edits; choose the right file.")
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"The edits in {path} cannot be read ({error.strerror or error}); check the path.") from None
    except (ValueError, RecursionError):
        raise RequestError(f"{path.name} is no JSON; a file of edits is a JSON object with \"format\": \"{FORMAT}\"."
                           ) from None
    return parse(data)


def write(edits: list, path: str | os.PathLike) -> Path:
    """Write edits beside their place and rename them.

    Raises:
        RequestError: The place cannot be written.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(json.dumps(as_data(edits), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise RequestError(f"The edits cannot be written to {path} ({error.strerror or error}); choose another place."
                           ) from None
    return path
