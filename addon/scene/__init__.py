"""Scene plan -> datablocks. Everything through Blender's data interface, so that one operator is one step of undo."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import bpy

from ...backend.sinew_take import take as takes
from ..plan import ScenePlan, SubjectPlan, retime, scene_plan
from ..plan.camera import picture_size
from ..plan.check import plan_check
from ..plan.plate import undistorted_of
from . import check, corrections, distance, people, tags
from .armature import build_armature
from .body import SURFACE_ROLE, build_body
from .curves import build_action
from .points import build_points
from .presence import drive_visibility, show_always
from .reshape import give_shape, remember
from .roots import (
    RIGS_COLLECTION,
    SHAPES_COLLECTION,
    SHOT_COLLECTION,
    TAKE_COLLECTION,
    ensure_bones_collection,
    ensure_collections,
    ensure_linked,
    ensure_root,
)
from .shapes import ensure_shapes
from .shot import build_shot
from .splats import build_avatar


@dataclass(frozen=True)
class BuildOptions:
    """How a take enters a scene.

    Attributes:
        first_frame: Scene frame at which the take begins; None: where an earlier import of the shot begins, else the
            scene's first.
        offset_frames: Shift of the people against the plate, scene frames.
        set_scene_rate: Give the scene the clip's exact rate. Without it the motion is retimed onto the scene's.
        set_frame_range: Let the scene's frame range be the take's; where takes are there already, let it cover this one too.
        is_resampled: Keys on whole scene frames instead of at the true times between them.
        with_splats: Import the Gaussians.
        set_picture_size: Let renders have the picture's size, on the first import into a scene without takes.
        plate_folder: Where a plate conformed to the scene's rate is written; None: in the take's folder.
    """

    first_frame: int | None = None
    offset_frames: float = 0.0
    set_scene_rate: bool = False
    set_frame_range: bool = True
    is_resampled: bool = False
    with_splats: bool = True
    set_picture_size: bool = True
    plate_folder: str | os.PathLike | None = None


@dataclass
class BuildResult:
    """What an import did.

    Attributes:
        take_id: Of the take.
        is_update: The shot was in the scene already and was brought up to date.
        root: The take's root.
        armatures: One per person, in the take's order.
        bodies: The same.
        avatars: The same, None where a person has no Gaussians.
        camera: The shot's.
        floor: The shot's.
        points: The scene's, None where the take has none.
        notes: Sentences for the user.
    """

    take_id: str
    is_update: bool
    root: bpy.types.Object
    armatures: list[bpy.types.Object] = field(default_factory=list)
    bodies: list[bpy.types.Object] = field(default_factory=list)
    avatars: list[bpy.types.Object | None] = field(default_factory=list)
    camera: bpy.types.Object | None = None
    floor: bpy.types.Object | None = None
    points: bpy.types.Object | None = None
    notes: list[str] = field(default_factory=list)


FIRST_FRAME = "sinew_first_frame"
"""On the root and the take's collection: the scene frame at which the take begins."""
FOLDER = "sinew_take_folder"
"""On the root: where the take was when it was imported."""


def rate_of(scene: bpy.types.Scene) -> Fraction:
    """The scene's exact rate, frames per second."""
    return retime.scene_rate(scene.render.fps, scene.render.fps_base)


_FACTORY = ((1920, 1080, 100, 1.0), (1, 250))
"""Picture and frames of a scene that nobody has set up."""


def has_takes(scene: bpy.types.Scene) -> bool:
    """True where a take is in the scene, be it linked: its plate, keys and pins follow from the scene's settings."""
    return any(item.get(tags.ROLE) in ("root", "armature") for item in scene.objects)


def _picture_and_frames(scene: bpy.types.Scene) -> tuple[tuple, tuple]:
    render = scene.render
    aspect = render.pixel_aspect_x / render.pixel_aspect_y
    return ((render.resolution_x, render.resolution_y, render.resolution_percentage, round(aspect, 4)),
            (scene.frame_start, scene.frame_end))


def _note_replaced(before: tuple[tuple, tuple], after: tuple[tuple, tuple]) -> list[str]:
    """A sentence where somebody had set up picture or frames, and the take's have taken their place."""
    is_lost = [old not in (new, plain) for old, new, plain in zip(before, after, _FACTORY, strict=True)]
    (width, height, percent, aspect), (first, last) = before
    picture = f"{width}x{height}" + ("" if percent == 100 else f" at {percent} %") + (
        "" if aspect == 1 else f" with pixels {aspect:g} times as wide as high")
    had = [text for text, lost in zip((picture, f"frames {first} to {last}"), is_lost, strict=True) if lost]
    got = [text for text, lost in zip(("picture size", "frames"), is_lost, strict=True) if lost]
    return [f"The scene had {' and '.join(had)}; it has the take's {' and '.join(got)} now, undo brings yours back."
            ] if had else []


def asks_for_rate(scene: bpy.types.Scene, meta: dict) -> bool:
    """True where the scene's rate is not the clip's and the user is to be asked. `meta` is `take.json`."""
    return retime.differs(retime.source_rate(meta), rate_of(scene))


def build_take(context: bpy.types.Context, take_folder: str | os.PathLike, options: BuildOptions | None = None
               ) -> BuildResult:
    """Bring a take into the scene, or bring what an earlier take of the same shot left there up to date.

    An update changes keys, rest poses and meshes in place. The artist's materials, constraints, layers above the
    motion, drivers, collections and the root's place stay. People that the new take lacks are left as they are. What was
    deleted is made again. Another scene's import of the shot is left alone: each scene has its own.

    Args:
        context: Its scene and view layer receive the take.
        take_folder: Of a take.
        options: Default: `BuildOptions()`.

    Raises:
        TakeError: The folder is not a take that this version reads.
    """
    options = options or BuildOptions()
    take = takes.read(take_folder)
    scene = context.scene
    if options.set_scene_rate:
        scene.render.fps, scene.render.fps_base = retime.blender_rate(retime.source_rate(take.meta))
    owner = tags.owner_in(scene, take.id, take.shot_id)
    is_new = not any(tags.is_own(block) and block.get(tags.SHOT) == owner.shot_id
                     and block.get(tags.ROLE) in ("root", "armature") for block in bpy.data.objects)
    first = options.first_frame
    if first is None:
        first = scene.frame_start if is_new else _earlier_first(owner, scene.frame_start)
    plan = scene_plan(take, rate_of(scene), first_frame=first, offset_frames=options.offset_frames,
                      is_resampled=options.is_resampled, with_splats=options.with_splats)
    return _build(context, plan, owner, options, is_new)


def _earlier_first(owner: tags.Owner, otherwise: int) -> int:
    """The scene frame at which an earlier import of the shot begins; its root may have been deleted."""
    marked = (tags.find(bpy.data.objects, "root", owner), tags.find(bpy.data.collections, TAKE_COLLECTION, owner))
    return next((int(block[FIRST_FRAME]) for block in marked if block is not None and FIRST_FRAME in block), otherwise)


def _build(context: bpy.types.Context, plan: ScenePlan, owner: tags.Owner, options: BuildOptions, is_new: bool
           ) -> BuildResult:
    scene = context.scene
    is_first, before = is_new and not has_takes(scene), _picture_and_frames(scene)
    collections = ensure_collections(scene, owner, plan.name)
    root = ensure_root(scene, owner, plan.name, collections[TAKE_COLLECTION])
    ensure_linked(root, collections[TAKE_COLLECTION])
    root[FIRST_FRAME] = collections[TAKE_COLLECTION][FIRST_FRAME] = plan.timing.first
    root[FOLDER] = str(Path(plan.take.path).absolute())
    result = BuildResult(plan.take_id, not is_new, root)
    shape_objects = ensure_shapes(collections[SHAPES_COLLECTION], owner)
    names = people.new_names(root)
    for subject in (replace(one, name=names.get(one.id, one.name)) for one in plan.subjects):
        own = tags.Owner(owner.take_id, owner.shot_id, subject.id)
        _build_subject(context, subject, own, collections[RIGS_COLLECTION], root, shape_objects, result)
        if subject.surface is not None:
            bones = ensure_bones_collection(collections[TAKE_COLLECTION], owner, plan.name)
            _build_surface(subject, own, result.armatures[-1], bones, result.notes)
    shot = build_shot(plan.take, plan.timing, owner, scene, root, collections[SHOT_COLLECTION], plan.name,
                      is_resampled=options.is_resampled, is_first=is_new,
                      set_picture_size=options.set_picture_size and is_first, beside=options.plate_folder)
    result.camera, result.floor = shot.camera, shot.floor
    result.points = build_points(plan.take.points, owner, root, collections[SHOT_COLLECTION], f"{plan.name} points")
    for block in (shot.camera, shot.floor, result.points):
        if block is not None:
            ensure_linked(block, collections[SHOT_COLLECTION])
    result.notes.extend(shot.notes)
    checks = plan_check(plan.take, plan.timing, is_undistorted=undistorted_of(plan.take) is not None)
    check.build_check(checks, owner, shot.camera, root, collections[TAKE_COLLECTION], picture_size(plan.take)[0])
    for one, armature in zip(checks, result.armatures, strict=True):
        check.key_error(armature, one, tags.Owner(owner.take_id, owner.shot_id, one.id))
    if options.set_frame_range:
        first, last = plan.timing.range
        if is_first:
            scene.frame_start, scene.frame_end = first, last
        else:
            scene.frame_start, scene.frame_end = min(scene.frame_start, first), max(scene.frame_end, last)
    if is_first:
        result.notes.extend(_note_replaced(before, _picture_and_frames(scene)))
    result.notes.extend(people.follow_edits(root, scene, plan.take))
    corrections.note_take(root, scene, plan.take)
    distance.note_take(root, scene, plan.take)
    for armature, subject in zip(result.armatures, plan.take.subjects, strict=True):
        people.describe(armature, subject, plan.take)
    _note_missing(plan, owner, result)
    return result


def _build_subject(context: bpy.types.Context, plan: SubjectPlan, owner: tags.Owner, collection: bpy.types.Collection,
                   root: bpy.types.Object, shape_objects: dict, result: BuildResult) -> None:
    armature, _ = build_armature(context, plan.rig, owner, plan.name, collection, root, shape_objects)
    body = build_body(plan.body, owner, armature, collection, f"{plan.name} body", notes=result.notes)
    avatar = None
    if plan.splats is not None:
        avatar = build_avatar(plan.splats, owner, armature, collection, f"{plan.name} splats")
        result.notes.extend(plan.splats.notes)
    for shown in (body, avatar):
        if shown is not None:
            (drive_visibility if plan.is_sometimes_absent else show_always)(armature, shown)
            ensure_linked(shown, collection)
    ensure_linked(armature, collection)
    result.notes.extend(build_action(armature, plan.curves, owner, plan.name))
    change = remember(armature, plan.shape)
    if change is not None:
        give_shape(context, armature, plan.shape + change)
        result.notes.append(f"{plan.name} keeps the body that was set by hand; Reset Body gives the take's.")
    result.armatures.append(armature)
    result.bodies.append(body)
    result.avatars.append(avatar)


def _build_surface(plan: SubjectPlan, owner: tags.Owner, armature: bpy.types.Object, collection: bpy.types.Collection,
                   notes: list[str]) -> None:
    surface = build_body(plan.surface, owner, armature, collection, f"{plan.name} bones", SURFACE_ROLE, notes)
    (drive_visibility if plan.is_sometimes_absent else show_always)(armature, surface)
    ensure_linked(surface, collection)


def _note_missing(plan: ScenePlan, owner: tags.Owner, result: BuildResult) -> None:
    known = {subject.id for subject in plan.subjects}
    for armature in bpy.data.objects:
        if (armature.get(tags.ROLE) == "armature" and armature.get(tags.SHOT) == owner.shot_id
                and armature.get(tags.SUBJECT) not in known):
            result.notes.append(f"{armature.name} is not in this take and was left as it was; delete it if you "
                                "no longer want it.")
