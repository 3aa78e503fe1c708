"""What the panels show and the operators read: settings in the scene, job state on the window manager.

The window manager's properties are a picture of the runner's state: never saved, drawn as they are.
"""

from dataclasses import dataclass

import bpy

from ..backend.sinew_take.edits import frames_text
from . import monitor
from .jobs.install import BackendStatus
from .jobs.state import Status
from .plan.sentences import LIMBS
from .scene import check, tags
from .words import lines as lines  # for the panels, which import nothing else of the add-on

_STATUS = [("NONE", "None", "Nothing has run yet")] + [(s.name, s.value.capitalize(), "") for s in Status]
_BACKEND = [(s.name, s.value.capitalize(), "") for s in BackendStatus]
_DIGITS = 4
"""Of a length. Blender takes the precision of what has a unit for its significant digits: with 2, 1.68 m reads 1.7 m."""


def _video_changed(self, context) -> None:
    monitor.forget_failure(context.window_manager)
    _reading_changed(self, context)


def _reading_changed(self, context) -> None:
    monitor.look_at_video(context.scene, context.window_manager)


class SINEW_PG_settings(bpy.types.PropertyGroup):
    """What to reconstruct and how. Saved with the file."""

    video: bpy.props.StringProperty(
        name="Video", subtype="FILE_PATH", update=_video_changed,
        description="A video file, or the folder of an image sequence")
    rate: bpy.props.StringProperty(
        name="Rate", default="24", update=_reading_changed,
        description="Frames per second of an image sequence, such as 24 or 30000/1001")
    turn: bpy.props.EnumProperty(
        name="Turn", update=_reading_changed, description="For a video that lies on its side, with nothing in its file that "
                                                          "says so",
        items=[("0", "As the File Says", "Upright already, or the file says how it is turned"),
               ("90", "90° Clockwise", "A quarter turn to the right"), ("180", "180°", "Upside down now"),
               ("270", "270° Clockwise", "A quarter turn to the left")])
    use_range: bpy.props.BoolProperty(name="Range", description="Reconstruct a part of the video only")
    first_frame: bpy.props.IntProperty(name="First Frame", min=0, description="First frame of the range, from 0")
    last_frame: bpy.props.IntProperty(
        name="Last Frame", min=0, default=100, description="Last frame of the range; it belongs to it")
    use_people: bpy.props.BoolProperty(name="Limit People", description="Keep only the largest and longest seen people")
    people: bpy.props.IntProperty(name="People", min=1, soft_max=8, default=1, description="The most people to keep")
    use_height: bpy.props.BoolProperty(
        name="Known Height", description="Fix the scale by the first person's height; otherwise it is assumed")
    height_m: bpy.props.FloatProperty(
        name="Height", subtype="DISTANCE", unit="LENGTH", min=0.4, max=2.6, default=1.75, precision=_DIGITS,
        description="Height of the first person, as standing upright")
    use_distance: bpy.props.BoolProperty(
        name="Known Distance", description="Fix the scale by a distance on the floor, measured over the picture of a take")
    distance_m: bpy.props.FloatProperty(
        name="Distance", subtype="DISTANCE", unit="LENGTH", min=0.05, max=200.0, default=1.0, precision=_DIGITS,
        description="How far apart the two points on the floor are in reality")
    camera: bpy.props.EnumProperty(
        name="Camera", description="How the camera moves",
        items=[("auto", "Automatic", "Find out from the video"), ("static", "Static", "On a tripod"),
               ("rotating", "Rotating", "Pans and tilts from one place"), ("moving", "Moving", "Walks or rides")])
    body: bpy.props.EnumProperty(
        name="Body", description="Whose skin and skeleton the people get",
        items=[("default", "Default", "Sinew's own body; needs no files and no licence"),
               ("skel", "SKEL", "Skin and bone surfaces of SKEL, from your own files"),
               ("smplx", "SMPL-X", "Hands, face and skin of SMPL-X, from your own files")])
    use_heavy: bpy.props.BoolProperty(
        name="Heavy Detector", default=True,
        description="MediaPipe's heavy model looks at everybody too: more exact, and slower")
    use_hsmr: bpy.props.BoolProperty(
        name="Poses From HSMR", default=True,
        description="The HSMR network's poses begin the solve, from your own file; slow without a graphics card")
    use_wham: bpy.props.BoolProperty(
        name="Contacts From WHAM",
        description="The WHAM network's word on when feet stand is heard too, from your own files")
    own_camera: bpy.props.EnumProperty(
        name="Camera From", description="Where the camera's way and lens come from",
        items=[("NONE", "The Video", "Sinew finds the camera"),
               ("OBJECT", "A Blender Camera", "An animated or tracked camera of a scene that frames this video"),
               ("FILE", "A File", "A COLMAP model's folder, or a camera file that Sinew wrote")])
    own_object: bpy.props.PointerProperty(
        name="Camera", type=bpy.types.Object, poll=lambda self, item: item.type == "CAMERA",
        description="The camera; what animates it, constraints and the tracker's solver included, counts")
    own_start: bpy.props.IntProperty(
        name="Video Starts At", default=1, description="Scene frame on which the video's first frame stands")
    own_is_metric: bpy.props.BoolProperty(
        name="True Scale", description="The scene with your camera has real units; else the people tell the scale")
    own_file: bpy.props.StringProperty(
        name="Camera File", subtype="FILE_PATH", description="A COLMAP model's folder, or a camera file that Sinew wrote")
    lens: bpy.props.EnumProperty(
        name="Lens", description="Where the focal length comes from",
        items=[("AUTO", "Automatic", "From the file, else estimated with the people's proportions"),
               ("MM", "Focal Length", "A focal length in the terms of 35 mm film"),
               ("FOV", "Field of View", "A horizontal angle of view")])
    focal_mm: bpy.props.FloatProperty(
        name="Focal Length", min=4, max=2000, default=35, precision=1,
        description="35 mm equivalent of the focal length, millimetres")
    fov: bpy.props.FloatProperty(
        name="Field of View", subtype="ANGLE", min=0.0175, max=2.967, default=0.9599,
        description="Horizontal angle of view")


class SINEW_PG_text(bpy.types.PropertyGroup):
    """One line of text."""

    text: bpy.props.StringProperty()


class SINEW_PG_take(bpy.types.PropertyGroup):
    """One row of the list of takes."""

    folder: bpy.props.StringProperty(subtype="DIR_PATH")
    run: bpy.props.StringProperty(name="Run")
    date: bpy.props.StringProperty(name="Date")
    size: bpy.props.StringProperty(name="Size")
    people: bpy.props.IntProperty(name="People")
    origin: bpy.props.StringProperty(description="Run of the take that it was solved again from")
    error: bpy.props.StringProperty(description="Why the take cannot be imported")
    length: bpy.props.StringProperty(description="How many frames, and which ones of the video")
    camera: bpy.props.StringProperty(description="Kind of the camera and why it was taken for that")
    notes: bpy.props.CollectionProperty(type=SINEW_PG_text, description="What was doubtful")


class SINEW_PG_models(bpy.types.PropertyGroup):
    """One set of model files. Its name is its key in `sinew_take.model_files`."""

    title: bpy.props.StringProperty()
    adds: bpy.props.StringProperty(description="What becomes possible")
    page: bpy.props.StringProperty(description="Where to get the files")
    licence: bpy.props.StringProperty()
    is_ready: bpy.props.BoolProperty()
    missing: bpy.props.StringProperty(description="What is not there")
    sentence: bpy.props.StringProperty(description="What is missing and what to do")


class SINEW_PG_facts(bpy.types.PropertyGroup):
    """What is known about the picked video."""

    video: bpy.props.StringProperty(description="The video that the facts are about")
    looking: bpy.props.BoolProperty(description="Somebody is still looking")
    error: bpy.props.StringProperty()
    is_known: bpy.props.BoolProperty()
    is_sequence: bpy.props.BoolProperty()
    picture: bpy.props.StringProperty(name="Picture")
    length: bpy.props.StringProperty(name="Length")
    cuts: bpy.props.StringProperty(name="Cuts")
    n_frames: bpy.props.IntProperty()
    size_px: bpy.props.IntVectorProperty(size=2, default=(0, 0))
    rate: bpy.props.IntVectorProperty(size=2, default=(0, 1))
    warnings: bpy.props.CollectionProperty(type=SINEW_PG_text)


class SINEW_PG_state(bpy.types.PropertyGroup):
    """The job, the backend, the video's facts and the takes, as last seen."""

    kind: bpy.props.EnumProperty(items=[("RUN", "Reconstruction", ""), ("SETUP", "Set-up", ""),
                                         ("SOLVE", "Solve", ""), ("EXPORT", "Export", "")])
    status: bpy.props.EnumProperty(items=_STATUS)
    is_alive: bpy.props.BoolProperty()
    title: bpy.props.StringProperty()
    shot: bpy.props.StringProperty(description="Id of the shot that is solved again, in the scene that asked")
    stage: bpy.props.StringProperty()
    detail: bpy.props.StringProperty()
    left: bpy.props.StringProperty()
    fraction: bpy.props.FloatProperty(min=0, max=1)
    error: bpy.props.StringProperty()
    log: bpy.props.StringProperty(subtype="FILE_PATH")
    notes: bpy.props.CollectionProperty(type=SINEW_PG_text)
    results: bpy.props.CollectionProperty(type=SINEW_PG_text, description="Takes of the finished run")
    imported: bpy.props.CollectionProperty(type=SINEW_PG_text, description="Takes of it that were imported")
    said: bpy.props.CollectionProperty(type=SINEW_PG_text, description="What there was to say on importing them")

    backend: bpy.props.EnumProperty(items=_BACKEND)
    backend_text: bpy.props.StringProperty()
    backend_size: bpy.props.StringProperty()

    facts: bpy.props.PointerProperty(type=SINEW_PG_facts)
    takes: bpy.props.CollectionProperty(type=SINEW_PG_take)
    take_index: bpy.props.IntProperty(name="Take")
    takes_folder: bpy.props.StringProperty(subtype="DIR_PATH")
    models: bpy.props.CollectionProperty(type=SINEW_PG_models)
    models_folder: bpy.props.StringProperty(subtype="DIR_PATH")


def person(item: bpy.types.Object | None) -> bpy.types.Object | None:
    """The armature of the person that an object belongs to: itself, or what its body or splats hang on; or None."""
    while item is not None and item.get("sinew_role") != "armature":
        item = item.parent
    return item


def take_root(item: bpy.types.Object | None) -> bpy.types.Object | None:
    """The root of the take that an object belongs to, or None."""
    while item is not None and item.get("sinew_role") != "root":
        item = item.parent
    return item


def measured_take(context: bpy.types.Context) -> bpy.types.Object | None:
    """The root of the take that a distance is measured on: of the active object or its camera, else the scene's only one."""
    found = take_root(context.object)
    if found is None:
        roots = [item for item in context.scene.objects if item.get("sinew_role") == "root" and item.library is None]
        found = roots[0] if len(roots) == 1 else None
    return found


def measured_frame(root: bpy.types.Object) -> int | None:
    """The scene frame of the picture in which a take's distance is measured; None where there is none."""
    frames = [int(item.get("sinew_scene_frame", 0)) for item in bpy.data.objects
              if item.get("sinew_role") == "distance" and item.get("sinew_shot_id") == root.get("sinew_shot_id")
              and item.users_scene]
    return frames[0] if len(frames) == 2 else None


def shown_takes(scene: bpy.types.Scene) -> set[str]:
    """Folders of the takes that stand in a scene. Looked for in the takes' own collections: a list asks once a row."""
    own = (home for home in scene.collection.children_recursive if home.get("sinew_shot_id"))
    return {str(item.get("sinew_take_folder") or "") for home in own for item in home.objects
            if item.get("sinew_role") == "root"}


def bones_collection(root: bpy.types.Object) -> bpy.types.Collection | None:
    """The collection with the bone surfaces of a take's people, None where the take has none. root: of the take."""
    return next((c for c in bpy.data.collections if c.get("sinew_role") == "collection_bones"
                 and c.get("sinew_shot_id") == root.get("sinew_shot_id")), None)


def selected_people(context: bpy.types.Context) -> list[bpy.types.Object]:
    """Armatures of the people among the selected objects, the active one first."""
    chosen = [context.object, *context.selected_objects]
    return list(dict.fromkeys(found for item in chosen if (found := person(item)) is not None))


def corrected_person(context: bpy.types.Context) -> bpy.types.Object | None:
    """The armature of the person that corrections are about, of the active object or the active pin. None where its take's
    root was deleted: the next import makes that anew."""
    item = context.object
    found = person(item)
    if item is not None and item.get("sinew_role") == "pin":
        found = next((other for other in tags.armatures_of(item) if other.get("sinew_subject") == item.get("sinew_subject")),
                     None)
    return found if take_root(found) is not None else None


@dataclass(frozen=True)
class PersonRow:
    """One person as the panel lists them."""

    armature: bpy.types.Object
    frames: str
    confidence: float | None


def people_of(root: bpy.types.Object) -> list[PersonRow]:
    """The people of a take in the scene, in its order."""
    rows = []
    for item in tags.armatures_of(root):
        known = list(item.get("sinew_frames") or ())
        rows.append(PersonRow(item, f"{known[0]} of {known[1]} frames" if len(known) == 2 else "",
                              item.get("sinew_confidence")))
    rows.sort(key=lambda row: (len(str(row.armature.get("sinew_subject"))), str(row.armature.get("sinew_subject"))))
    return rows


def pixel_error_of(armature: bpy.types.Object, frame: float) -> str:
    """How far a person's keypoints are off at a scene frame, in words; empty where the take held no such figures."""
    error = check.error_at(armature, frame)
    if error is not None:
        return f"{error:.1f} px off in this frame"
    return "" if check.error_of(armature) is None else "nothing detected in this frame"


def is_solving(state: SINEW_PG_state) -> bool:
    """True while a take is solved again."""
    return state.kind == "SOLVE" and state.is_alive


def is_about(root: bpy.types.Object, state: SINEW_PG_state) -> bool:
    """True where the last job is a solve of the shot that a root stands for, asked for in that root's scene."""
    return state.kind == "SOLVE" and bool(state.shot) and root.get("sinew_shot_id") == state.shot


def said_of(root: bpy.types.Object, state: SINEW_PG_state) -> list[str]:
    """What there was to say when a take that was solved again came into the scene; nothing once it was undone."""
    is_there = state.kind == "SOLVE" and str(root.get("sinew_take_folder", "")) in {item.text for item in state.imported}
    return [note.text for note in state.said] if is_there else []


def people_edits_of(root: bpy.types.Object) -> list[str]:
    """The edits of people that wait for a solve, in words."""
    edits = tags.listed(root, "sinew_people_edits")
    names = {row.armature.get("sinew_subject"): row.armature.name for row in people_of(root)}
    first = int(root.get("sinew_first_frame", 1))

    def name(edit: dict, key: str = "subject") -> str:
        return names.get(edit.get(key), str(edit.get(key)))

    def at(edit: dict) -> int:
        return int(edit.get("at", first + int(edit.get("frame", 0))))  # files of older versions hold the take's frame only

    say = {"rename": lambda e: f"{e.get('was', e.get('subject'))} is {e.get('name')}",
           "skip": lambda e: f"Leave out {name(e)}", "merge": lambda e: f"{name(e)} is {name(e, 'into')}",
           "split": lambda e: f"Frame {at(e)}: {name(e)} is somebody else",
           "swap": lambda e: f"Frame {at(e)}: {name(e)} and {name(e, 'other')} swap"}
    return [say[e["kind"]](e) for e in edits if e.get("kind") in say]


@dataclass(frozen=True)
class CorrectionRow:
    """One correction as the panel lists it: a pin's name or a range's number, and its first scene frame."""

    label: str
    pin: str
    number: int
    first: int | None


def corrections_of(root: bpy.types.Object, subject: str) -> list[CorrectionRow]:
    """The corrections of one person, those of people (which have no frames) too. root: of the take."""
    rows = []
    for item in bpy.data.objects:
        if (item.get("sinew_role") == "pin" and item.get("sinew_shot_id") == root.get("sinew_shot_id")
                and item.get("sinew_subject") == subject and item.users_scene):
            rows.append(CorrectionRow(f"Pin: {item.name}", item.name, -1, int(item.get("sinew_scene_frame", 0))))
    rows.sort(key=lambda row: (row.first, row.label))
    # Counted as `scene.corrections.ranges_of` does, which a row's number goes to.
    ranges = [row for row in tags.listed(root, "sinew_corrections") if isinstance(row.get("edit"), dict)]
    for number, row in enumerate(ranges):
        edit, first, last = row["edit"], row.get("first"), row.get("last")
        if first is None:
            rows.append(CorrectionRow(str(edit.get("kind", "")).capitalize(), "", number, None))
        elif edit.get("subject") == subject:
            what = {"flip": f"Flip: {LIMBS.get(edit.get('limb'), '')}", "wrong": "Wrong"}.get(edit.get("kind"), "")
            frames = frames_text(first, last)
            rows.append(CorrectionRow(f"{what}, {frames}", "", number, int(first)))
    return rows


CLASSES = (SINEW_PG_settings, SINEW_PG_text, SINEW_PG_take, SINEW_PG_models, SINEW_PG_facts, SINEW_PG_state)


def register() -> None:
    """Hang the properties on their owners."""
    bpy.types.Scene.sinew = bpy.props.PointerProperty(type=SINEW_PG_settings)
    bpy.types.WindowManager.sinew = bpy.props.PointerProperty(type=SINEW_PG_state, options={"SKIP_SAVE"})


def unregister() -> None:
    """Take them off again."""
    del bpy.types.WindowManager.sinew
    del bpy.types.Scene.sinew
