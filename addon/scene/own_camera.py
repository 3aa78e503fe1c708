"""A Blender camera that the user animated or tracked, sampled as OpenCV cameras, frame by frame of the video."""

from __future__ import annotations

from fractions import Fraction

import bpy
import numpy as np

from ...backend.sinew_take.errors import RequestError
from ..plan import camera_file, lens, retime


def sample(scene: bpy.types.Scene, camera: bpy.types.Object | None, first: int, n: int, starts_at: float,
           source: Fraction, size_px: tuple[int, int], is_metric: bool) -> dict:
    """The camera file of a Blender camera, with everything that moves it: keys, parents, constraints, the tracker's solver.

    Args:
        scene: The camera's; the frame that is shown is the same afterwards.
        camera: The camera object.
        first, n: Frames of the video.
        starts_at: Scene frame on which the video's first frame stands.
        source: Frames per second of the video.
        size_px: Width and height of the video's picture; the camera is taken to frame exactly that.
        is_metric: The scene's units are real ones.

    Raises:
        RequestError: No camera, not a perspective one, one that the view layer leaves out, or one that cannot be told in
            numbers.
    """
    if camera is None or camera.type != "CAMERA":
        raise RequestError("No camera of your own is chosen; choose one in the options or let Sinew solve it.")
    if camera.data.type != "PERSP":
        raise RequestError(f"{camera.name} is no perspective camera; choose one that is.")
    # Blender evaluates nothing of what is left out: the camera would stand still.
    bpy.context.view_layer.update()
    if camera not in bpy.context.view_layer.objects.values():
        raise RequestError(f"{camera.name} is not in this scene's view layer; bring it in or switch to its scene.")
    rate = retime.scene_rate(scene.render.fps, scene.render.fps_base)
    frames = camera_file.scene_frames(first, n, starts_at, rate, source)
    now, part = scene.frame_current, scene.frame_subframe
    T, K = np.empty((n, 4, 4)), np.empty((n, 3, 3))
    try:
        for t, frame in enumerate(frames):
            whole = int(np.floor(frame + 1e-6))
            scene.frame_set(whole, subframe=float(np.clip(frame - whole, 0.0, 0.9999)))
            graph = bpy.context.evaluated_depsgraph_get()
            seen = camera.evaluated_get(graph)
            T[t] = lens.opencv_pose(np.array(seen.matrix_world))
            data = seen.data
            K[t] = lens.intrinsics(lens.BlenderLens(data.lens, (data.sensor_width, data.sensor_height), data.sensor_fit,
                                                    (data.shift_x, data.shift_y)), size_px)
    finally:
        scene.frame_set(now, subframe=part)
    unit = float(scene.unit_settings.scale_length) if is_metric else None
    return camera_file.as_data(first + np.arange(n), T, K, size_px, distortion_of(camera), unit)


def distortion_of(camera: bpy.types.Object) -> np.ndarray:
    """(5,) OpenCV's distortion of the clip that a tracked camera follows (its Camera Solver constraint), else zeros.

    Raises:
        RequestError: The clip's lens is of a model that OpenCV's does not hold.
    """
    out = np.zeros(5)
    clip = next((c.clip for c in camera.constraints if c.type == "CAMERA_SOLVER" and c.clip is not None), None)
    if clip is None:
        return out
    own = clip.tracking.camera
    if own.distortion_model == "POLYNOMIAL":
        out[[0, 1, 4]] = own.k1, own.k2, own.k3
    elif own.distortion_model == "BROWN":
        # Blender counts y upwards, which turns the sign of p1 (and of nothing else).
        out[:] = own.brown_k1, own.brown_k2, -own.brown_p1, own.brown_p2, own.brown_k3
        if abs(own.brown_k4) > 1e-9:
            raise RequestError(f"The lens of {clip.name} has a K4, which a take cannot hold; solve it with K1 to K3.")
    else:
        raise RequestError(f"The lens of {clip.name} is of the {own.distortion_model.lower()} model, which a take cannot "
                           "hold; solve it with the polynomial or the Brown model.")
    return out
