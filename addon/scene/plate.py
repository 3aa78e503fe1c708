"""Plate plan -> the picture behind the scene, in the camera's view, frame for frame."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import bpy
import numpy as np

from ...backend.sinew_take.errors import RequestError
from ..plan.plate import PlatePlan
from . import tags
from .drivers import drive

ROLE = "plate"
OFFSET = "sinew_plate_offset"
"""On the root: scene frames by which the plate is shown later than filmed, against people and camera."""
OVERSCAN = "sinew_plate_overscan"
"""On the root: how many times larger than the camera's frame the plate is shown, where it has overscan."""
_LISTING = "pictures.npy"


def attach(plan: PlatePlan | None, owner: tags.Owner, camera: bpy.types.Object, root: bpy.types.Object,
           scene: bpy.types.Scene, beside: str | os.PathLike | None = None) -> list[str]:
    """Show the plate as the camera's background.

    Args:
        plan: Of the take, or None.
        owner: Take and shot.
        camera: The shot's.
        root: The take's; gets the offset property.
        scene: Its picture size decides how the plate is fitted.
        beside: Folder for a conformed sequence; default: the take's own.

    Returns:
        Sentences for the user: no plate, or one that cannot be shown.
    """
    if plan is None:
        return ["The take has no plate, so the camera has no background; reconstruct the clip with a plate to get one."]
    if not (plan.picture(0).is_file() and plan.picture(int(plan.index.max())).is_file()):
        return [f"The plate's pictures are missing in {plan.take_folder}; the camera has no background."]
    first_picture = plan.picture(0)
    if not plan.is_direct:
        try:
            first_picture = conform(plan, Path(beside) if beside else plan.take_folder) / first_picture.name
        except RequestError as error:
            return [str(error)]
    image = tags.find(bpy.data.images, ROLE, owner)
    if image is None:
        image = bpy.data.images.load(str(first_picture))
        image.name = "Plate"
    tags.mark(image, ROLE, owner)
    image.source = "SEQUENCE"
    image.filepath = show_path(first_picture)
    image.reload()
    background = _background(camera.data, image, float(root.get(OVERSCAN, 1.0)))
    user = background.image_user
    user.frame_start = plan.first
    user.frame_duration = len(plan.index)
    user.use_auto_refresh = True
    user.use_cyclic = False
    _drive_offset(camera, background, root)
    background.frame_method = fit_method(plan.size_px, scene)
    # The artist may have scaled ours on purpose; only what an import set is changed by one.
    if abs(background.scale - float(root.get(OVERSCAN, 1.0))) < 1e-6:
        background.scale = plan.overscan
        root[OVERSCAN] = plan.overscan
    camera.data.show_background_images = True
    return []


def _background(data: bpy.types.Camera, image: bpy.types.Image, scale: float) -> bpy.types.CameraBackgroundImage:
    """The camera's background with that image; the artist's others, and the settings of ours, stay.

    scale: for a new one.
    """
    for background in data.background_images:
        if background.source == "IMAGE" and background.image == image:
            return background
    background = data.background_images.new()
    background.source = "IMAGE"
    background.image = image
    background.display_depth = "BACK"
    background.alpha = 1.0
    background.scale = scale
    return background


def _drive_offset(camera: bpy.types.Object, background: bpy.types.CameraBackgroundImage, root: bpy.types.Object
                  ) -> None:
    if OFFSET not in root:
        root[OFFSET] = 0
        root.id_properties_ui(OFFSET).update(
            default=0, soft_min=-50, soft_max=50, description="Frames by which the plate is shown later than filmed")
        root.property_overridable_library_set(f'["{OFFSET}"]', True)
        root.update_tag()  # a driver that is evaluated before the property has got through is given up for good
    number = list(camera.data.background_images).index(background)
    # Blender counts a sequence's pictures from 1 and the files are numbered from 0.
    drive(camera.data, f"background_images[{number}].image_user.frame_offset", -1,
          {"later": (root, f'["{OFFSET}"]')}, "-1 - later")


def fit_method(size_px: tuple[int, int], scene: bpy.types.Scene) -> str:
    """How the plate lies in the camera's frame so that it is as wide as the frame, like the camera's field of view."""
    render = scene.render
    frame = render.resolution_x * render.pixel_aspect_x / (render.resolution_y * render.pixel_aspect_y)
    return "CROP" if frame >= size_px[0] / size_px[1] else "FIT"


def show_path(path: Path) -> str:
    """Relative to the .blend once that is saved; absolute before, when there is nothing to be relative to."""
    if not bpy.data.filepath:
        return str(path)
    try:
        return bpy.path.relpath(str(path))
    except ValueError:  # another drive on Windows
        return str(path)


def conform(plan: PlatePlan, parent: Path) -> Path:
    """Write the sequence that shows, on each scene frame, the picture nearest in time: links, or copies where the
    disk has none.

    Args:
        plan: Of the take.
        parent: Folder in which the sequence's folder is made; a complete one from before is used again, and nothing
            that stands there is touched.

    Returns:
        The sequence's folder, its pictures numbered from 0.

    Raises:
        RequestError: The folder cannot be written.
    """
    name = plan.conformed_name if parent == plan.take_folder else f"{plan.conformed_name}_{plan.take_id[:8]}"
    for number in itertools.count(1):
        folder = parent / (name if number == 1 else f"{name}_{number}")
        if _holds(folder / _LISTING, plan.index):
            return folder
        if not folder.exists():
            break
    work = folder.with_name(f"{folder.name}.partial{os.getpid()}")
    try:
        if work.exists():
            shutil.rmtree(work)
        work.mkdir(parents=True)
        for number, index in enumerate(plan.index):
            source, target = plan.picture(int(index)), work / plan.picture(number).name
            try:
                os.link(source, target)
            except OSError:
                shutil.copyfile(source, target)
        np.save(work / _LISTING, plan.index)
        os.rename(work, folder)
    except OSError as error:
        shutil.rmtree(work, ignore_errors=True)
        raise RequestError(f"The plate cannot be fitted to the scene's rate in {parent} ({error.strerror or error}); "
                           "make the folder writable or give the scene the clip's rate.") from None
    return folder


def _holds(listing: Path, index: np.ndarray) -> bool:
    try:
        return np.array_equal(np.load(listing, allow_pickle=False), index)
    except (OSError, ValueError):
        return False
