"""Keypoints of another detector, solved by our own camera and motion stages."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import numpy as np

from sinew import body, camera, flow, motion
from sinew.camera.solve import FOCAL_PER_LONG_SIDE
from sinew.geometry.projection import fov_deg_of
from sinew.progress import Progress
from sinew_take import take as take_format
from sinew_take.errors import InputError
from sinew_take.free_body import FreeBody

from . import assemble
from .points import Detections, tracks_of

_FULL_FRAME_DIAGONAL_MM = 43.27


def focal_px(options: flow.CameraOptions, size_px: tuple[int, int]) -> float:
    """Focal length in pixels as asked for, or as the camera stage would assume it."""
    if options.fov_deg is not None:
        return size_px[0] / 2 / np.tan(np.radians(options.fov_deg) / 2)
    if options.focal_mm is not None:
        return options.focal_mm * float(np.hypot(*size_px)) / _FULL_FRAME_DIAGONAL_MM
    return FOCAL_PER_LONG_SIDE * max(size_px)


def take_of(request, found: Detections, shot: flow.Shot, frames: np.ndarray, free: FreeBody, progress: Progress
            ) -> take_format.Take:
    """Solve people from keypoints.

    Raises:
        InputError: Nobody is seen well enough.
    """
    people = tracks_of(found, frames, shot.info.size_px, request.most_people)
    if not people.tracks:
        raise InputError(f"{request.result.name} holds nobody who is seen with enough keypoints in two frames; convert a "
                         "result in which a person is seen whole.")
    options = request.camera
    own = [s.focal_px for s in found.seen if s.focal_px]
    if own and options.fov_deg is None and options.focal_mm is None:
        # The system's depth belongs to its own lens.
        options = replace(options, fov_deg=float(fov_deg_of(np.median(own), shot.info.size_px[0])))
        people.notes.append(f"The lens is {found.system}'s own ({options.fov_deg:.0f} degrees across).")
    look = request.video is not None
    if not look and options.kind in ("auto", "static"):
        options = replace(options, kind="static")
        people.notes.append("Without the clip the camera is taken to stand still; give --video for one that moves.")
    first, starts = progress.run("camera", lambda report: camera.solve_camera(
        shot, people, free, options, look=look, report=report))
    solved, motions = progress.run("motion", lambda report: motion.solve_motion(
        shot, people, first, free, report, starts=starts, height_m=options.height_m))
    built = progress.run("body", lambda report: [body.build("default", free, m, None) for m in motions])
    names = {m.track.id: f"Person {n}" for n, m in enumerate(motions, 1)}
    notes = people.notes + solved.notes + [n for m in motions for n in m.notes]
    notes = [re.sub(r"person_(\d+)", lambda at: names.get(at[0], f"Track {at[1]}"), n) for n in notes]
    if solved.scale_source == "assumed":
        height = float(np.ptp(built[0].body["rest_vertices_m"][:, 2]))
        notes.append(f"No height was given: the first person is taken to be {height:.2f} m tall; give --height-m for true "
                     "scale.")
    return assemble.take_of(found.system, shot, solved, built, ["default"] * len(built), list(names.values()), motions,
                            notes, {"format": request.format, **asdict(options)})
