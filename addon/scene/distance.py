"""A distance on the floor that the artist measured: two empties over one picture of a take, as pins are.

They are children of the shot's camera and belong to the picture, so a later take of the shot leaves them on their pixels.
"""

from __future__ import annotations

import bpy
import numpy as np

from ...backend.sinew_take import distance as contract
from ...backend.sinew_take import take as takes
from ...backend.sinew_take.errors import RequestError
from ..plan import distance as plan
from ..plan import pins
from ..plan.camera import picture_size
from . import corrections, tags
from .corrections import FRAME, SCENE_FRAME

ROLE = "distance"
END = "sinew_end"
"""On a point: 0 or 1."""
_TITLES = ("Distance from", "Distance to")
_SIZE = 0.012


def points_of(root: bpy.types.Object) -> list[bpy.types.Object]:
    """The two points of a take in the scene, in order; empty where one of them is missing."""
    shot = root[tags.SHOT]
    found = {int(item.get(END, 0)): item for item in bpy.data.objects
             if item.get(tags.ROLE) == ROLE and item.get(tags.SHOT) == shot and item.library is None and item.users_scene}
    return [found[0], found[1]] if {0, 1} <= set(found) else []


def measured_roots(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Roots of the takes of a scene on which a distance is measured."""
    return [item for item in scene.objects
            if item.get(tags.ROLE) == "root" and item.library is None and points_of(item)]


def place(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take) -> list[bpy.types.Object]:
    """Put two points over the picture on screen, beside a person's feet; those that are there for it stay as they are.

    Points over another picture are moved to this one: a take has one distance.

    Raises:
        RequestError: The shot's camera was deleted.
    """
    camera = corrections.camera_of(root)
    timing = corrections.timing_of(root, scene, take)
    index = corrections.picture_index(root, timing, scene.frame_current)
    found = points_of(root)
    if found and all(int(item.get(FRAME, -1)) == index for item in found):
        return found
    remove(root)
    px, distance = plan.begin(take, index)
    out = []
    for end in (0, 1):
        point = bpy.data.objects.new(_TITLES[end], None)
        point.empty_display_type = "PLAIN_AXES"
        point.empty_display_size = _SIZE * distance
        point.show_in_front = point.show_name = True
        point.color = (0.2, 0.8, 1.0, 1.0)
        point.lock_rotation = point.lock_scale = (True, True, True)
        tags.mark(point, ROLE, corrections.owner_of(root))
        point[FRAME], point[END] = index, end
        corrections.home_of(root).objects.link(point)
        point.parent = camera
        corrections.show_near(root, timing, point, _TITLES[end])
        frame = corrections.frame_of(camera, scene, picture_size(take), point[SCENE_FRAME])
        point.location = pins.to_camera(frame, corrections.as_shown(take, index, px[end]), distance)
        out.append(point)
    return out


def remove(root: bpy.types.Object) -> None:
    """Take the points of a take out of the file."""
    shot = root[tags.SHOT]
    for item in [i for i in bpy.data.objects if i.get(tags.ROLE) == ROLE and i.get(tags.SHOT) == shot and i.library is None]:
        bpy.data.objects.remove(item)


def _pixels(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take) -> tuple[int, np.ndarray]:
    """Frame of the take, and (2, 2) pixels of its picture as filmed that the points cover.

    Raises:
        RequestError: There are no points, or one is behind the camera.
    """
    points = points_of(root)
    if not points:
        raise RequestError("No distance is measured on this take; press Measure on the Floor, or switch Distance off.")
    index = int(points[0].get(FRAME, 0))
    if index >= take.n_frames:
        raise RequestError("The distance was measured in a picture that the take does not have; measure it again.")
    size = picture_size(take)
    px = np.array([corrections.as_filmed(take, index, corrections.pixel_of(p, root, scene, size)) for p in points])
    if not np.isfinite(px).all():
        raise RequestError("A point of the measured distance is behind the camera; move it over the picture.")
    return index, px


def solved_m(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take) -> float:
    """How far apart the points are in the take as it stands, m; NaN where one is not on its floor."""
    return plan.solved_m(take, *_pixels(root, scene, take))


def collect(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take, metres: float) -> contract.Distance:
    """The distance as the backend takes it, held against the take.

    Raises:
        RequestError: It cannot be; one sentence.
    """
    index, px = _pixels(root, scene, take)
    frames = take.shot["frame"]
    # Four digits after the point: what an empty's place in single precision holds.
    ends = [tuple(round(float(v), 4) for v in row) for row in px]
    out = contract.Distance(int(frames[index]), ends[0], ends[1], float(metres))
    contract.check(out)
    contract.check_in(out, picture_size(take), [(int(frames[0]), int(frames[-1]))])
    if not np.isfinite(plan.solved_m(take, index, px)):
        raise RequestError("A point of the measured distance is above the horizon, so it is not on the floor; move it "
                           "onto the floor in the picture.")
    return out


def asked(scene: bpy.types.Scene, video: str, metres: float) -> contract.Distance:
    """The distance for a run on a video, from the take of that video in the scene on which it is measured.

    Args:
        scene: Where the takes are.
        video: The file name of the video.
        metres: What the distance is in reality.

    Raises:
        RequestError: None or several are measured, or it is another clip's.
    """
    roots = measured_roots(scene)
    if not roots:
        raise RequestError("No distance is measured: import a take of the clip and press Measure on the Floor, or switch "
                           "Distance off.")
    opened = [(root, corrections.open_take(root)) for root in roots]
    own = [(root, take) for root, take in opened if str(take.meta["source"].get("name")) == video]
    if not own:
        raise RequestError(f"The distance was measured on {opened[0][1].meta['source'].get('name')}, and {video} is picked; "
                           "pick that video, or switch Distance off.")
    if len(own) > 1:
        raise RequestError("Distances are measured on several takes of this video; remove all but one.")
    root, take = own[0]
    return collect(root, scene, take, metres)


def note_take(root: bpy.types.Object, scene: bpy.types.Scene, take: takes.Take) -> None:
    """Keep the points at their picture after a later take of the shot was imported."""
    timing = corrections.timing_of(root, scene, take)
    for point in points_of(root):
        corrections.show_near(root, timing, point, _TITLES[int(point[END])])
