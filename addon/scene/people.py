"""Who is who in the scene: facts and pictures of a shot's people, edits that wait for a solve, and people who are gone.

All of it stands on the take's root and on the armatures, so it is saved with the file and undone with the user's steps.
"""

from __future__ import annotations

import json
import re

import bpy
import numpy as np

from ...backend.sinew_take import edits as contract
from ...backend.sinew_take import people_edits
from ...backend.sinew_take import take as takes
from ...backend.sinew_take.errors import RequestError, SinewError
from ..plan.looks import best_look, cut_out
from ..plan.sentences import in_scene
from . import corrections, tags
from .check import ROLE as CHECK_ROLE

PENDING = "sinew_people_edits"
"""On the root: JSON list of edits of people that the take in the scene does not follow yet, with what the panel says of
them besides: `AT` and `WAS`."""
AT, WAS = "at", "was"
"""Of an edit that waits: the scene frame from which it counts; the name in the take of who gets another."""
FRAMES, CONFIDENCE = "sinew_frames", "sinew_confidence"
"""On an armature: frames in the shot and of the shot; mean confidence of its joints, 0..1, absent where nobody said."""
THUMBNAIL_PX = 128


def pending(root: bpy.types.Object) -> list:
    """Edits that wait for a solve."""
    try:
        rows = [{key: value for key, value in row.items() if key not in (AT, WAS)}
                for row in json.loads(str(root.get(PENDING) or "[]"))]
        return contract.parse({"format": contract.FORMAT, "version": list(contract.VERSION), "edits": rows})
    except (ValueError, TypeError, AttributeError, SinewError):  # somebody wrote on the root by hand
        return []


def new_names(root: bpy.types.Object) -> dict[str, str]:
    """Names that wait for a solve, by subject."""
    return {edit.subject: edit.name for edit in pending(root) if isinstance(edit, people_edits.Rename)}


def _keep(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take, edits: list) -> None:
    timing, own = corrections.timing_of(root, scene, take), _own_names(take)
    rows = contract.as_data(edits)["edits"]
    for row, edit in zip(rows, edits, strict=True):
        if hasattr(edit, "frame"):
            row[AT] = corrections.first_shown(root, timing, edit.frame)
        elif isinstance(edit, people_edits.Rename):
            row[WAS] = own.get(edit.subject, edit.subject)
    if rows:
        root[PENDING] = json.dumps(rows)
    else:
        root.pop(PENDING, None)


def _own_names(take: takes.Take) -> dict[str, str]:
    return {person.id: person.name for person in people_edits.people_of(take)}


def _names(root: bpy.types.Object, take: takes.Take) -> dict[str, str]:
    """Everybody's name after the edits that wait."""
    return {**_own_names(take), **new_names(root)}


def check_edit(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take, edit: object) -> None:
    """Hold an edit against the take in the scene and the edits that wait.

    Raises:
        RequestError: It does not fit; one sentence in the panels' words.
    """
    _check(root, scene, take, [*pending(root), edit])


def _check(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take, edits: list) -> list:
    """The people after edits. Raises RequestError where the last one does not fit, or one before it no longer does."""
    try:
        before = people_edits.regroup(take, edits[:-1])
    except people_edits.Bad as bad:
        raise RequestError(f"Change {bad.number} of the list does not fit the take in the scene; take it back.") from None
    shown = corrections.names_of(root)
    names = {**{person.id: person.name for person in before}, **shown}
    for gone in set(shown) - {person.id for person in before}:
        if gone in (edits[-1].subject, getattr(edits[-1], "into", None), getattr(edits[-1], "other", None)):
            raise RequestError(f"{names[gone]} is left out or merged by a change of the list; take that one back first.")
    try:
        return people_edits.regroup(take, edits)
    except people_edits.Bad as bad:
        timing = corrections.timing_of(root, scene, take)
        raise RequestError(in_scene(f"{bad}.", names, lambda index: corrections.first_shown(root, timing, index))) from None


def add_edit(root: bpy.types.Object, scene: bpy.types.Scene, edit: object) -> None:
    """Note an edit.

    Raises:
        SinewError: It does not fit the take in the scene and the edits before it, or that take is gone.
    """
    take = corrections.open_take(root)
    check_edit(root, scene, take, edit)
    _keep(root, scene, take, [*pending(root), edit])


def name_in_take(root: bpy.types.Object, subject: str) -> str:
    """A person's name after the edits that wait: the take's own or the new one, not the object's, which must differ from
    those of the whole file.

    Raises:
        SinewError: The take in the scene is gone.
    """
    return _names(root, corrections.open_take(root)).get(subject, "")


def rename(root: bpy.types.Object, scene: bpy.types.Scene, subject: str, name: str) -> bool:
    """Note another name, in place of one that waits. Returns False where it is the person's name already.

    Raises:
        SinewError: Somebody else of the take has that name, it is none, the person is left out, or the take is gone.
    """
    take, edits = corrections.open_take(root), pending(root)
    name = " ".join(name.split())
    if name == _names(root, take).get(subject, ""):
        return False
    kept = [e for e in edits if not (isinstance(e, people_edits.Rename) and e.subject == subject)]
    wanted = [*kept, people_edits.Rename(subject, name)]
    if any(person.name == name and person.id != subject for person in _check(root, scene, take, wanted)):
        raise RequestError(f"Somebody else of the take is called {name} already; give another name.")
    _keep(root, scene, take, kept if name == _own_names(take).get(subject) else wanted)
    return True


def remove_edit(root: bpy.types.Object, scene: bpy.types.Scene, number: int) -> None:
    """Take one back, and those after it that no longer fit without it. Who loses a new name is called as before in the
    scene too.

    Raises:
        SinewError: The take in the scene is gone.
    """
    edits = pending(root)
    if not 0 <= number < len(edits):
        return
    take, kept = corrections.open_take(root), edits[:number]
    for edit in edits[number + 1:]:
        try:
            contract.check([*kept, edit], take)
        except SinewError:
            continue
        kept.append(edit)
    lost = new_names(root)
    _keep(root, scene, take, kept)
    own = _own_names(take)
    for subject, name in lost.items():
        if subject in new_names(root) or subject not in own:
            continue
        item = tags.find(bpy.data.objects, "armature", corrections.owner_of(root, subject))
        # A name that was given in the Outliner since then stays.
        if item is not None and re.fullmatch(rf"{re.escape(name)}(\.\d{{3,}})?", item.name):
            item.name = own[subject]


def follow_edits(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take) -> list[str]:
    """Before a take is noted as the one in the scene: where it follows the waiting edits, let corrections go with the
    detections they were made on, and take those out who are no longer anybody.

    Returns:
        Sentences for the user.
    """
    edits = pending(root)
    producer = take.meta.get("producer") or {}
    applied = producer.get("people_edits") or []
    if not edits or applied[-len(edits):] != contract.as_data(edits)["edits"]:
        return []
    notes = []
    try:
        old = takes.read(corrections.base_folder(root))
        if producer.get("solved_from") != old.id:
            return []
        notes += _move_corrections(root, people_edits.people_of(old), people_edits.regroup(old, edits))
    except (SinewError, people_edits.Bad):
        notes.append("The take that was solved again is gone, so the corrections on its people stay as they were.")
    root.pop(PENDING, None)
    known = {s.id for s in take.subjects}
    for item in [o for o in bpy.data.objects if o.get(tags.SHOT) == root[tags.SHOT] and o.library is None]:
        if item.get(tags.ROLE) in ("armature", "body", "avatar", "bone_surface", CHECK_ROLE) and item.get(
                tags.SUBJECT) and item.get(tags.SUBJECT) not in known:
            if item.get(tags.ROLE) == "armature":
                notes.append(f"{item.name} is no longer anybody in the take and was taken out of the scene; undo brings "
                             "it back.")
            bpy.data.objects.remove(item)
    return notes


def _move_corrections(root: bpy.types.Object, before: list, after: list) -> list[str]:
    """Pins and ranges of the scene onto the people whose detections they correct. Lost ones are said."""
    n_moved = n_lost = 0
    for pin in corrections.pins_of(root):
        edit = contract.Pin(str(pin.get(tags.SUBJECT, "")), int(pin.get(corrections.FRAME, -1)), "nose", 0.0, 0.0)
        moved = people_edits.carried([edit], before, after)
        if moved:
            pin[tags.SUBJECT] = moved[0].subject
            n_moved += 1
        else:
            bpy.data.objects.remove(pin)
            n_lost += 1
    rows = []
    for row in corrections.ranges_of(root):
        edit = contract.parse({"format": contract.FORMAT, "version": list(contract.VERSION), "edits": [row["edit"]]})[0]
        if people_edits.is_people_edit(edit):
            continue
        moved = people_edits.carried([edit], before, after)
        rows += [{**row, "edit": contract.as_data([e])["edits"][0]} for e in moved]
        n_moved, n_lost = n_moved + bool(moved), n_lost + (not moved)
    root[corrections.RANGES] = json.dumps(rows)
    notes = []
    if n_moved:
        notes.append(f"{n_moved} correction(s) by hand went along; press Solve Again under Corrections to apply them to "
                     "the new take.")
    if n_lost:
        notes.append(f"{n_lost} correction(s) on people or frames that are nobody's any more were dropped.")
    return notes


def describe(armature: bpy.types.Object, subject: takes.Subject, take: takes.Take) -> None:
    """Facts and a picture of a person for the list."""
    present = subject.motion["present"]
    armature[FRAMES] = [int(present.sum()), len(present)]
    confidence = subject.motion["confidence"][present]
    known = confidence[np.isfinite(confidence)]
    if len(known):
        armature[CONFIDENCE] = float(known.mean())
    else:
        armature.pop(CONFIDENCE, None)  # other systems' results say nothing of how sure they are
    _thumbnail(armature, subject, take)


def _thumbnail(armature: bpy.types.Object, subject: takes.Subject, take: takes.Take) -> None:
    look = best_look(take, subject)
    if look is None or not look.picture.is_file():
        return
    image = bpy.data.images.load(str(look.picture))
    try:
        width, height = image.size
        if not width or not height:
            return
        pixels = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(pixels)
    finally:
        bpy.data.images.remove(image)
    picture = pixels.reshape(height, width, 4)
    preview = armature.preview_ensure()
    preview.image_size = (THUMBNAIL_PX, THUMBNAIL_PX)
    preview.image_pixels_float.foreach_set(cut_out(picture, look, THUMBNAIL_PX).ravel())
