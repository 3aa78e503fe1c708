"""Who is who in the scene: facts and pictures of a shot's people, edits that wait for a solve, and people who are gone.

All of it stands on the take's root and on the armatures, so it is saved with the file and undone with the user's steps.
"""

from __future__ import annotations

import json

import bpy
import numpy as np

from ...backend.sinew_take import edits as contract
from ...backend.sinew_take import people_edits
from ...backend.sinew_take import take as takes
from ...backend.sinew_take.errors import SinewError
from ..plan.plate import best_look
from . import corrections, tags
from .check import ROLE as CHECK_ROLE

PENDING = "sinew_people_edits"
"""On the root: JSON list of edits of people that the take in the scene does not follow yet."""
FRAMES, CONFIDENCE = "sinew_frames", "sinew_confidence"
"""On an armature: frames in the shot and of the shot; mean confidence of its joints, 0..1, absent where nobody said."""
THUMBNAIL_PX = 128


def pending(root: bpy.types.Object) -> list:
    """Edits that wait for a solve."""
    try:
        return contract.parse({"format": contract.FORMAT, "version": list(contract.VERSION),
                               "edits": json.loads(str(root.get(PENDING) or "[]"))})
    except (ValueError, SinewError):
        return []


def _keep(root: bpy.types.Object, edits: list) -> None:
    if edits:
        root[PENDING] = json.dumps(contract.as_data(edits)["edits"])
    else:
        root.pop(PENDING, None)


def add_edit(root: bpy.types.Object, edit: object) -> None:
    """Note an edit.

    Raises:
        SinewError: It does not fit the take in the scene and the edits before it, or that take is gone.
    """
    take = corrections.open_take(root)
    edits = [*pending(root), edit]
    contract.check(edits, take)
    _keep(root, edits)


def remove_edit(root: bpy.types.Object, number: int) -> None:
    """Take one back, and those after it that no longer fit without it.

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
    _keep(root, kept)


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
    _keep(root, [])
    known = {s.id for s in take.subjects}
    for item in [o for o in bpy.data.objects if o.get(tags.SHOT) == take.shot_id and o.library is None]:
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
        notes.append(f"{n_moved} correction(s) by hand went along; press Solve Again to apply them to the new take.")
    if n_lost:
        notes.append(f"{n_lost} correction(s) on people or frames that are nobody's any more were dropped.")
    return notes


def describe(armature: bpy.types.Object, subject: takes.Subject, take: takes.Take) -> None:
    """Facts and a picture of a person for the list; name as in the take where the armature still has the old one."""
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
    preview.image_pixels_float.foreach_set(_cut(picture, look.box_px, look.size_px).ravel())


def _cut(picture: np.ndarray, box_px: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """A square around a box as (THUMBNAIL_PX, THUMBNAIL_PX, 4), rows from the bottom as Blender has them."""
    height, width = picture.shape[:2]
    scale = np.array([width / size_px[0], height / size_px[1]])
    x0, y0, x1, y1 = box_px * [*scale, *scale]
    side = max(x1 - x0, y1 - y0)
    at = (np.arange(THUMBNAIL_PX) + 0.5) / THUMBNAIL_PX - 0.5
    columns = np.floor((x0 + x1) / 2 + at * side).astype(int)
    rows = np.floor(height - (y0 + y1) / 2 + at * side).astype(int)
    out = picture[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)].copy()
    outside = ((rows < 0) | (rows >= height))[:, None] | ((columns < 0) | (columns >= width))[None]
    out[outside] = (0.1, 0.1, 0.1, 1.0)
    return out
