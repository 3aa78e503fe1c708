"""Corrections by hand in the scene: pins are empties before the camera, ranges stand as JSON on the take's root.

Everything is held by custom properties, so it is saved with the file, undone with the user's steps, and survives where
the extension is not installed. Pins belong to the picture that is on screen where they were made; ranges to the pose.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

from ...backend.sinew_take import edits as contract
from ...backend.sinew_take import take as takes
from ...backend.sinew_take.errors import RequestError, SinewError
from ..plan import lens, pins, retime, sentences
from ..plan.camera import picture_size
from ..plan.plate import undistorted_of
from . import curves, tags
from .drivers import drive
from .plate import OFFSET
from .plate import ROLE as PLATE_ROLE
from .roots import SHOT_COLLECTION

PIN_ROLE = "pin"
KEYPOINT = "sinew_keypoint"
FRAME = "sinew_frame"
SCENE_FRAME = "sinew_scene_frame"
"""On a pin: the frame of the take, and the frame of the scene at which it is seen."""
RANGES = "sinew_corrections"
"""On the root: JSON list of {"edit": {…}, "first": scene frame, "last": scene frame}; edits of people have no frames."""
FOLDER = "sinew_take_folder"
BASE = "sinew_base_folder"
"""On the root: folder of the take in the scene, and of the one without corrections that it comes from."""
FIRST_FRAME = "sinew_first_frame"
RATE = "sinew_scene_rate"
"""On the root: frame rate and its base of the scene at the last import."""
NEAR_FRAMES = 1
"""A pin is shown so many frames before and after its own."""
_SIZE = 0.012
"""Radius of a pin, in distances from the camera."""


def open_take(root: bpy.types.Object) -> takes.Take:
    """The take that stands in the scene.

    Raises:
        SinewError: Its folder is not there any more, or is no take.
    """
    return takes.read(take_folder(root))


def take_folder(root: bpy.types.Object) -> Path:
    """Folder of the take that stands in the scene; where it was moved together with the file, the one that its plate names.

    Raises:
        RequestError: It is not there any more.
    """
    folder = bpy.path.abspath(str(root.get(FOLDER) or ""))
    if folder and Path(folder).is_dir():
        return Path(folder)
    camera = tags.find(bpy.data.objects, "camera", owner_of(root))
    for background in () if camera is None else camera.data.background_images:
        if background.image is None:
            continue
        for parent in Path(bpy.path.abspath(background.image.filepath)).parents[:3]:
            try:
                if takes.read_meta(parent)["id"] == root.get(tags.TAKE):
                    return parent
            except SinewError:
                continue
    raise RequestError(f"The folder of the take is not there any more ({folder or 'unknown'}); import the take again.")


def base_folder(root: bpy.types.Object) -> Path:
    """Folder to solve from: of the take without corrections where it is known and there, else of the one in the scene.
    """
    folder = bpy.path.abspath(str(root.get(BASE) or ""))
    if folder and (Path(folder) / "take.json").is_file():
        return Path(folder)
    here = take_folder(root)
    return Path(_origin(here, takes.read_meta(here)) or here)


def base_for(root: bpy.types.Object, wanted: list) -> Path:
    """`base_folder`, where a solve from there comes to the wanted corrections and no others.

    Args:
        root: Of the take.
        wanted: From `collect`.

    Raises:
        RequestError: The take without corrections is gone, and some that the take in the scene follows are not wanted.
    """
    base, known = base_folder(root), bpy.path.abspath(str(root.get(BASE) or ""))
    try:
        has_others = any(edit not in wanted for edit in contract.add(_edits_of(takes.read_meta(base)), wanted))
    except RequestError:
        has_others = True  # a flip of other frames than before: both would count
    if has_others:
        where = "" if not known or Path(known) == base else f" ({known})"
        raise RequestError(f"The take without corrections is not there any more{where}, so corrections can be added but not "
                           "taken back; undo what you took back, or import another take of the shot.")
    return base


def is_base(folder: Path) -> bool:
    """True where corrections in this file start from the take in a folder."""
    folder = folder.resolve()
    for root in bpy.data.objects:
        if root.get(tags.ROLE) != "root" or root.library is not None or not root.users_scene:
            continue
        base, shown = (bpy.path.abspath(str(root.get(name) or "")) for name in (BASE, FOLDER))
        if base and Path(base).resolve() == folder and (base != shown or pins_of(root) or ranges_of(root)):
            return True
    return False


def timing_of(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take) -> retime.Timing:
    """Where the take's frames fall in the scene: at the rate that it had when the take was imported, as keys and plate do."""
    kept = root.get(RATE)
    rate = retime.scene_rate(*(scene.render.fps, scene.render.fps_base) if kept is None else (int(kept[0]), float(kept[1])))
    return retime.time_frames(take.shot["time_s"], rate, retime.source_rate(take.meta),
                              int(root.get(FIRST_FRAME, scene.frame_start)))


def picture_index(root: bpy.types.Object, timing: retime.Timing, scene_frame: float) -> int:
    """The take frame whose picture is on screen: the plate may be shifted against the people."""
    return timing.take_index(scene_frame - float(root.get(OFFSET, 0)))


def picture_here(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take) -> int:
    """`picture_index` at the scene's current frame.

    Raises:
        RequestError: The take has no picture there.
    """
    timing, later = timing_of(root, scene, take), round(float(root.get(OFFSET, 0)))
    low, high = (frame + later for frame in timing.range)
    if not low <= scene.frame_current <= high:
        raise RequestError(f"Frame {scene.frame_current} is outside the take, which covers {low} to {high}; go to one of its "
                           "frames.")
    return picture_index(root, timing, scene.frame_current)


def first_shown(root: bpy.types.Object, timing: retime.Timing, index: int) -> int:
    """The first scene frame that has a take frame's picture on screen: the inverse of `picture_index`."""
    return timing.first_shown(index, float(root.get(OFFSET, 0)))


def names_of(root: bpy.types.Object) -> dict[str, str]:
    """The shot's people as the scene calls them, by their ids in the take."""
    return {str(item.get(tags.SUBJECT)): item.name for item in tags.armatures_of(root)}


def spoken(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take) -> Callable[[str], str]:
    """Puts sentences on a take in the scene's words, as the scene is now: names of people, and frames."""
    names, frames = names_of(root), np.round(timing_of(root, scene, take).frames).astype(int)
    # Beyond the take's ends its frames go on one by one.
    return lambda sentence: sentences.in_scene(
        sentence, names, lambda index: int(frames[min(max(index, 0), len(frames) - 1)])
        + min(index, 0) + max(index - len(frames) + 1, 0))


def camera_of(root: bpy.types.Object) -> bpy.types.Object:
    """The shot's camera.

    Raises:
        RequestError: It was deleted.
    """
    camera = tags.find(bpy.data.objects, "camera", owner_of(root))
    if camera is None:
        raise RequestError("The shot's camera was deleted; import the take again.")
    return camera


def owner_of(root: bpy.types.Object, subject: str = "") -> tags.Owner:
    """Whose the things of a take are."""
    return tags.Owner(str(root[tags.TAKE]), str(root[tags.SHOT]), subject)


def frame_of(camera: bpy.types.Object, scene: bpy.types.Scene, plate_px: tuple[int, int], scene_frame: float
             ) -> pins.Frame:
    """What the camera frames at a scene frame, and how the plate lies in it."""
    data = camera.data
    values = {"lens": data.lens, "shift_x": data.shift_x, "shift_y": data.shift_y}
    action = None if data.animation_data is None else data.animation_data.action
    for name in values:
        curve = curves.find_curve(action, data, name, 0) if action is not None else None
        if curve is not None:
            values[name] = curve.evaluate(scene_frame)
    render = scene.render
    method = next((b.frame_method for b in data.background_images
                   if b.image is not None and b.image.get(tags.ROLE) == PLATE_ROLE), "FIT")
    return pins.Frame(values["lens"], (data.sensor_width, data.sensor_height), data.sensor_fit,
                      (values["shift_x"], values["shift_y"]),
                      (render.resolution_x * render.pixel_aspect_x, render.resolution_y * render.pixel_aspect_y),
                      plate_px, method)


def pins_of(root: bpy.types.Object) -> list[bpy.types.Object]:
    """The shot's pins that stand in a scene, by person and frame."""
    shot = root[tags.SHOT]
    found = [item for item in bpy.data.objects if item.get(tags.ROLE) == PIN_ROLE and item.get(tags.SHOT) == shot
             and item.library is None and item.users_scene]
    return sorted(found, key=lambda item: (item.get(tags.SUBJECT, ""), item.get(FRAME, 0), item.get(KEYPOINT, "")))


def add_pin(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take, subject: str, keypoint: str
            ) -> bpy.types.Object:
    """Put a pin over the picture of the current frame where the keypoint is solved to be.

    A pin of that keypoint in that picture is returned as it is, not doubled.

    Raises:
        RequestError: The person is not there in that picture, or the frame is marked wrong.
    """
    person = next((s for s in take.subjects if s.id == subject), None)
    timing = timing_of(root, scene, take)
    index = picture_index(root, timing, scene.frame_current)
    place = None if person is None else pins.begin(take, person, index, keypoint)
    if place is None:
        raise RequestError("The person is not in the picture of this frame; go to one in which it is.")
    for old in pins_of(root):
        if (old.get(tags.SUBJECT), old.get(FRAME), old.get(KEYPOINT)) == (subject, index, keypoint):
            return old
    for row, edit in zip(ranges_of(root), _stored(root), strict=True):
        if isinstance(edit, contract.Wrong) and edit.subject == subject and index in edit.frames:
            shown = contract.frames_text(row["first"], row["last"]).capitalize()
            raise RequestError(f"{shown} of {_name(root, subject)} {'is' if row['first'] == row['last'] else 'are'} marked "
                               "wrong; take that back or pin another frame.")
    return _make_pin(root, scene, take, subject, keypoint, index, place)


def _make_pin(root, scene, take, subject: str, keypoint: str, index: int, place: pins.Place) -> bpy.types.Object:
    camera = camera_of(root)
    timing = timing_of(root, scene, take)
    pin = bpy.data.objects.new(f"Pin {keypoint} {index}", None)
    pin.empty_display_type = "SPHERE"
    pin.show_in_front = pin.show_name = True
    pin.color = (1.0, 0.6, 0.1, 1.0)
    pin.lock_rotation = pin.lock_scale = (True, True, True)
    tags.mark(pin, PIN_ROLE, owner_of(root, subject))
    pin[KEYPOINT], pin[FRAME] = keypoint, index
    home_of(root).objects.link(pin)
    pin.parent = camera
    show_near(root, timing, pin, pins.label(keypoint))
    frame = frame_of(camera, scene, picture_size(take), pin[SCENE_FRAME])
    pin.location = pins.to_camera(frame, as_shown(take, index, place.px), place.distance_m)
    pin.empty_display_size = _SIZE * place.distance_m
    return pin


def as_shown(take: takes.Take, frame: int, px: np.ndarray) -> np.ndarray:
    """A pixel of the picture as filmed in the plate that is shown: the one without the lens's distortion, if any."""
    if undistorted_of(take) is None or not 0 <= frame < take.n_frames:
        return px
    K, bent = take.shot["K"][frame], take.shot["distortion"][frame]
    return lens.ideal_px(np.asarray(px, float)[None, None], K[None], bent[None])[0, 0]


def as_filmed(take: takes.Take, frame: int, px: np.ndarray) -> np.ndarray:
    """The inverse of `as_shown`."""
    if undistorted_of(take) is None or not 0 <= frame < take.n_frames:
        return px
    K, bent = take.shot["K"][frame].astype(float), take.shot["distortion"][frame].astype(float)
    focal, middle = K[[0, 1], [0, 1]], K[:2, 2]
    return lens.distorted((np.asarray(px, float) - middle) / focal, bent) * focal + middle


def home_of(root: bpy.types.Object) -> bpy.types.Collection:
    """Where what belongs to the shot's picture is linked."""
    home = tags.find(bpy.data.collections, SHOT_COLLECTION, owner_of(root))
    return home or root.users_collection[0]


def show_near(root: bpy.types.Object, timing: retime.Timing, pin: bpy.types.Object, title: str) -> None:
    """Show what stands over the picture of its `FRAME` only near it, by a driver that needs no scripts; name it."""
    frame = round(float(timing.frames[min(int(pin[FRAME]), len(timing.frames) - 1)]) + float(root.get(OFFSET, 0)))
    pin[SCENE_FRAME] = frame
    pin.name = f"{title} {frame}"
    drive(pin, "hide_viewport", -1, {"near": (pin, f'["{SCENE_FRAME}"]')}, f"abs(frame - near) > {NEAR_FRAMES}")


def pixel_of(pin: bpy.types.Object, root: bpy.types.Object, scene: bpy.types.Scene, plate_px: tuple[int, int]
             ) -> np.ndarray:
    """The pixel (2,) of the plate that a pin covers, seen through the shot's camera."""
    camera = camera_of(root)
    if pin.parent == camera and not pin.constraints:
        # Without the evaluated scene: a pin of another frame is where it is in front of a camera that moves.
        point = pin.matrix_parent_inverse @ pin.matrix_basis.translation
    else:
        point = camera.matrix_world.inverted() @ pin.matrix_world.translation
    return pins.to_pixel(frame_of(camera, scene, plate_px, float(pin.get(SCENE_FRAME, scene.frame_current))),
                         np.array(point, float))


def ranges_of(root: bpy.types.Object) -> list[dict]:
    """Flips and wrong frames as they stand on the root."""
    return [row for row in tags.listed(root, RANGES) if isinstance(row.get("edit"), dict)]


def _set_ranges(root: bpy.types.Object, rows: list[dict]) -> None:
    root[RANGES] = json.dumps(rows)


def add_range(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take, subject: str, first: int, last: int,
              limb: str | None) -> str:
    """Note a flip of a limb, or wrong frames where `limb` is None, over scene frames first..last (both included).

    Returns:
        A sentence where the take holds only some of the frames; else "".

    Raises:
        RequestError: It does not fit the take, or the corrections that are there.
    """
    timing = timing_of(root, scene, take)
    low, high = timing.range
    if last < first:
        raise RequestError(f"The last frame, {last}, lies before the first, {first}; give them the other way round.")
    if last < low or first > high:
        raise RequestError(f"The frames {first} to {last} hold none of the take, which covers {low} to {high}; choose "
                           "others.")
    start, end = timing.take_index(max(first, low)), timing.take_index(min(last, high)) + 1
    edit = (contract.Wrong(subject, start, end) if limb is None else contract.Flip(subject, limb, start, end))
    try:
        contract.check([edit], take)
        contract.parse(contract.as_data([*_stored(root), edit]))
    except RequestError as error:
        raise RequestError(spoken(root, scene, take)(str(error))) from None
    if isinstance(edit, contract.Wrong):
        _refuse_wrong(root, timing, take, edit)
    row = _row(edit, timing)
    _set_ranges(root, [*ranges_of(root), row])
    if low <= first and last <= high:
        return ""
    ends = f"ends at {high}" if low <= first else f"begins at {low}" if last <= high else f"covers {low} to {high}"
    shown = contract.frames_text(row["first"], row["last"])
    return f"The take {ends}; {shown} {'is' if row['first'] == row['last'] else 'are'} marked."


def _refuse_wrong(root: bpy.types.Object, timing: retime.Timing, take: takes.Take, edit: contract.Wrong) -> None:
    """What Solve Again would refuse of wrong frames, said at the click. Raises RequestError."""
    name = _name(root, edit.subject)
    for pin in pins_of(root):
        if pin.get(tags.SUBJECT) == edit.subject and pin.get(FRAME) in edit.frames:
            raise RequestError(f"The {sentences.KEYPOINTS.get(pin.get(KEYPOINT), 'joint')} of {name} is pinned in frame "
                               f"{pin.get(SCENE_FRAME)}; remove that pin or mark other frames.")
    present = next(s for s in take.subjects if s.id == edit.subject).motion["present"]
    left = present.copy()
    for one in (*_stored(root), edit):
        if isinstance(one, contract.Wrong) and one.subject == edit.subject:
            left[one.start:one.end] = False
    # Whoever was away is filled on each side of that by itself.
    change = np.diff(np.r_[False, present, False].astype(int))
    for start, end in zip(np.flatnonzero(change == 1), np.flatnonzero(change == -1), strict=True):
        if not left[start:end].any():
            shown = contract.frames_text(*(round(float(timing.frames[i])) for i in (start, end - 1)))
            raise RequestError(f"{shown.capitalize()} of {name} would all be wrong, which leaves nothing to fill them from; "
                               "leave some of them, or leave the person out under People.")


def _row(edit, timing: retime.Timing) -> dict:
    if not isinstance(edit, contract.Flip | contract.Wrong):
        return {"edit": contract.as_data([edit])["edits"][0], "first": None, "last": None}
    at = [round(float(timing.frames[i])) for i in (edit.start, edit.end - 1)]
    return {"edit": contract.as_data([edit])["edits"][0], "first": at[0], "last": at[1]}


def _stored(root: bpy.types.Object) -> list:
    return contract.parse({"format": contract.FORMAT, "version": list(contract.VERSION),
                           "edits": [row["edit"] for row in ranges_of(root)]})


def remove_range(root: bpy.types.Object, number: int) -> None:
    """Forget one of `ranges_of`."""
    rows = ranges_of(root)
    if 0 <= number < len(rows):
        del rows[number]
        _set_ranges(root, rows)


def collect(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take) -> list:
    """All corrections as edits, held against the take.

    Raises:
        RequestError: One of them does not fit; it says which.
    """
    size = picture_size(take)
    out = []
    for pin in pins_of(root):
        x, y = (float(v) for v in as_filmed(take, int(pin.get(FRAME, -1)), pixel_of(pin, root, scene, size)))
        if not (np.isfinite(x) and np.isfinite(y)):
            raise RequestError(f"{_said_of(root, pin)} is behind the camera; move it over the picture or remove it.")
        if any(not -contract.OUTSIDE * n <= v <= (1 + contract.OUTSIDE) * n for v, n in zip((x, y), size, strict=True)):
            raise RequestError(f"{_said_of(root, pin)} is far outside the picture; move it over the picture or remove it.")
        out.append(contract.Pin(str(pin.get(tags.SUBJECT, "")), int(pin.get(FRAME, -1)), str(pin.get(KEYPOINT, "")),
                                x, y))
    out += _stored(root)
    # What is about people is checked where it is applied: the take in the scene may follow it already.
    try:
        contract.check([edit for edit in out if isinstance(edit, contract.Pin | contract.Flip | contract.Wrong)], take)
        contract.parse(contract.as_data(out))
    except RequestError as error:
        raise RequestError(spoken(root, scene, take)(str(error))) from None
    return out


def _said_of(root: bpy.types.Object, pin: bpy.types.Object) -> str:
    return (f"The pin of the {sentences.KEYPOINTS.get(pin.get(KEYPOINT), 'joint')} in frame {pin.get(SCENE_FRAME)} of "
            f"{_name(root, str(pin.get(tags.SUBJECT, '')))}")


def _name(root: bpy.types.Object, subject: str) -> str:
    return names_of(root).get(subject, subject)


def _edits_of(meta: dict) -> list:
    """The corrections that a take was solved with."""
    kept = (meta.get("producer") or {}).get("edits")
    try:
        return contract.parse(kept) if kept else []
    except SinewError:
        return []  # written by a newer Sinew: they stay in the take


def note_take(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take) -> None:
    """Bring what the root knows up to date with a take that was just imported.

    Corrections in the scene stay. Where there are none and the take was solved with some, they are taken from it.
    """
    found = _edits_of(take.meta)
    folder = str(Path(take.path).absolute())
    root[FOLDER] = folder
    root[RATE] = [float(scene.render.fps), float(scene.render.fps_base)]
    if not found:
        root[BASE] = folder
    elif BASE not in root or not _same_people(str(root[BASE]), take.meta):
        root[BASE] = _origin(Path(folder), take.meta) or folder
    has_any = bool(pins_of(root) or ranges_of(root))
    timing = timing_of(root, scene, take)
    if has_any:
        for pin in pins_of(root):
            show_near(root, timing, pin, pins.label(pin[KEYPOINT]))
        _set_ranges(root, [_row(edit, timing) for edit in _stored(root)])
    elif found:
        _restore(root, scene, take, timing, found)


def _people(meta: dict) -> list:
    return (meta.get("producer") or {}).get("people_edits") or []


def _same_people(folder: str, meta: dict) -> bool:
    """True where the take in a folder has the same people as another: a take of others is no base for corrections."""
    try:
        return _people(takes.read_meta(bpy.path.abspath(folder))) == _people(meta)
    except SinewError:
        return True  # it is not there any more, which is said where it is needed


def _origin(folder: Path, own: dict) -> str | None:
    """Folder of the take without corrections that one (its folder and `take.json`) comes from, where it still stands."""
    meta = own
    for _ in range(100):
        producer = meta.get("producer") or {}
        if not (producer.get("edits") or {}).get("edits"):
            return str(folder)
        way = producer.get("solved_from_folder")
        if not isinstance(way, str):
            return None
        folder = Path(os.path.normpath(folder / way))
        try:
            meta = takes.read_meta(folder)
        except SinewError:
            return None
        if meta["id"] != producer.get("solved_from") or _people(meta) != _people(own):
            return None
    return None


def _restore(root, scene, take: takes.Take, timing: retime.Timing, found: list) -> None:
    people = {s.id: s for s in take.subjects}
    rows = []
    for edit in found:
        if isinstance(edit, contract.Pin) and edit.subject in people:
            place = pins.begin(take, people[edit.subject], edit.frame, edit.keypoint)
            distance = 3.0 if place is None else place.distance_m
            _make_pin(root, scene, take, edit.subject, edit.keypoint, edit.frame,
                      pins.Place(np.array([edit.x_px, edit.y_px]), distance))
        elif not isinstance(edit, contract.Pin):
            rows.append(_row(edit, timing))
    _set_ranges(root, rows)
