"""True scale from a distance on the floor: the solved world is made larger or smaller in one piece, people with it.

A world seen by one camera, made twice as large, gives the same pictures. So the distance between two points of the solved
floor tells by how much everything is too small: camera, points and people's places are scaled about the floor, and
everybody's shape is solved again for the stature that follows, since a larger person of this body is not merely the same
one enlarged.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sinew_take import laws, masks
from sinew_take.distance import Distance
from sinew_take.errors import RequestError

from ..flow import Camera, Motion, Report, Shot, Track, nothing
from ..geometry import projection
from . import contact, fit, glide, liveliness, solve
from .frames import solved_frames
from .model import Model, make_model
from .solve import AGREE
from .start import observations, with_outline
from .subject import Subject, soles_of, view_of

STATURES_M = (0.4, 2.6)
"""Outside, the first person would be nobody."""
USUAL_M = (1.2, 2.15)
DOUBTFUL = 0.1
"""Share of the distance that two pixels may be worth."""
_FLOOR_M = 0.1
"""Planted soles nearer than this to z = 0 stand on the floor."""


def on_floor(px: np.ndarray, T_wc: np.ndarray, K: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """(N, 3) where the lines of sight through pixels (N, 2) of the picture as filmed meet z = 0; NaN where they do not.

    Args:
        px: Pixels.
        T_wc: (4, 4) camera to world.
        K: (3, 3)
        distortion: (5,)
    """
    ideal = projection.undistort_px(np.asarray(px, dtype=float), K, distortion)
    ray = np.concatenate([ideal, np.ones((len(ideal), 1))], 1) @ np.linalg.inv(K).T @ T_wc[:3, :3].T
    eye = T_wc[:3, 3]
    down = -ray[:, 2] / np.linalg.norm(ray, axis=1)
    ok = (down > 1e-4) & (eye[2] > 0)
    far = np.where(ok, eye[2] / np.where(ok, -ray[:, 2], 1.0), np.nan)
    return eye + far[:, None] * ray


def solved_length(given: Distance, shot: Shot, camera: Camera) -> tuple[float, float]:
    """How far apart the two points are in the solved world, m, and by what share of it two pixels change that.

    Raises:
        RequestError: A point is not on the floor.
    """
    t = int(np.flatnonzero(shot.frame == given.frame)[0])
    view = (np.asarray(camera.T_wc, dtype=float)[t], np.asarray(camera.K, dtype=float)[t],
            np.asarray(camera.distortion, dtype=float)[t])
    ends = np.array([given.first_px, given.second_px], dtype=float)
    places = on_floor(ends, *view)
    for end, place in zip(ends, places, strict=True):
        if not np.isfinite(place).all():
            raise RequestError(f"The point {end[0]:g},{end[1]:g} of the measured distance is above the horizon, so it is "
                               "not on the floor; choose two points on the floor.")
    length = float(np.linalg.norm(places[1] - places[0]))
    change = []
    for i, axis in ((i, axis) for i in (0, 1) for axis in (0, 1)):
        moved = ends.copy()
        moved[i, axis] += 2.0
        other = on_floor(moved, *view)
        change.append(float(np.linalg.norm(other[1] - other[0])) - length)
    off = np.linalg.norm(np.nan_to_num(change, nan=length)) / np.sqrt(2)
    return length, float(off / max(length, 1e-9))


def doubts(given: Distance, shot: Shot, tracks: list[Track], spread: float) -> list[str]:
    """Sentences on points that tell little, or that are on somebody instead of the floor."""
    out = []
    if spread > DOUBTFUL:
        out.append(f"The measured distance fixes the scale only to {100 * spread:.0f} %, since its points are near to each "
                   "other or far from the camera; choose points that are nearer to the camera and farther apart.")
    t = int(np.flatnonzero(shot.frame == given.frame)[0])
    for track in tracks:
        if not track.masks:
            continue
        there = masks.unpack(track.masks, t)
        cell = np.array(there.shape[::-1]) / shot.info.size_px
        for end in (given.first_px, given.second_px):
            x, y = np.minimum((np.array(end) * cell).astype(int), np.array(there.shape[::-1]) - 1)
            if there[y, x]:
                out.append(f"A point of the measured distance is on {track.id} instead of the floor; the scale is "
                           "doubtful.")
    return out


def scaled(camera: Camera, factor: float) -> Camera:
    """The camera's way and its points made larger about the world's origin, which lies on the floor."""
    T_wc = np.array(camera.T_wc, dtype=float)
    T_wc[:, :3, 3] *= factor
    points = camera.points
    if points is not None:
        points = replace(points, position_m=factor * points.position_m)
    floor = camera.floor
    if floor is not None:
        floor = np.r_[floor[:3], factor * floor[3], floor[4]]
    given = None if camera.given is None else camera.given @ np.diag([1 / factor] * 3 + [1.0])
    return replace(camera, T_wc=T_wc, points=points, floor=floor, given=given)


def to_measure(given: Distance, shot: Shot, camera: Camera, motions: list[Motion], body, report: Report = nothing
               ) -> tuple[Camera, list[Motion], list[str]]:
    """Give a solved world the size that a measured distance says.

    Args:
        given: A distance in a frame of the shot.
        shot: The shot.
        camera: Of the motion stage, in the levelled world.
        motions: Everybody in it.
        body: The free body.
        report: Progress; may raise Stopped.

    Returns:
        Camera and motions in true size, and sentences for the user. Where a height or the user's own camera has fixed the
        scale already, both stay and are compared with the distance.

    Raises:
        RequestError: A point is not on the floor, or somebody of that size cannot be.
    """
    length, spread = solved_length(given, shot, camera)
    said = doubts(given, shot, [m.track for m in motions], spread)
    if camera.scale_source in ("height", "file"):
        return camera, motions, [_compared(given.metres, length, camera.scale_source), *said]
    factor = given.metres / length
    model = make_model(body)
    first = factor * model.stature(np.asarray(motions[0].shape, dtype=float))
    if not STATURES_M[0] <= first <= STATURES_M[1]:
        raise RequestError(f"By the measured distance of {given.metres:g} m the first person would be {first:.2f} m tall; "
                           "give the two points and the metres between them anew.")
    grown = replace(scaled(camera, factor), scale_source="distance")
    report(0, len(motions))
    out = []
    for number, motion in enumerate(motions):
        out.append(_refitted(shot, camera, grown, motion, factor, model, body, report))
        report(number + 1, len(motions))
    reached = model.stature(np.asarray(out[0].shape, dtype=float))
    usual = USUAL_M[0] <= first <= USUAL_M[1]
    said.insert(0, f"The scale is from the measured distance of {given.metres:g} m: with it the first person is "
                   f"{reached:.2f} m tall{'' if usual else ', which is unusual; check the distance and its points'}.")
    if abs(reached / first - 1) > AGREE:
        said.append(f"By the measured distance the first person should be {first:.2f} m tall, which this body cannot be; "
                    "the pictures agree less well.")
    return grown, out, said


def _compared(metres: float, length: float, source: str) -> str:
    by = "the height given" if source == "height" else "the camera file's unit"
    off = length / metres - 1
    if abs(off) <= AGREE:
        return f"The measured distance and {by}, which fixes the scale, agree to {100 * abs(off):.0f} %."
    return (f"The measured distance of {metres:g} m contradicts {by}, by which it is {length:.2f} m; the scale is from "
            f"{by}, so leave out whichever of the two is wrong.")


def _refitted(shot: Shot, before: Camera, camera: Camera, motion: Motion, factor: float, model: Model, body,
              report: Report) -> Motion:
    """One person scaled with the world, then solved once more for the stature that follows."""
    old = _subject(shot, before, motion, model)
    shape, dirs = old.state.shape, model.stature_dirs
    stature = factor * model.stature(shape)
    shape = np.clip(shape + dirs * (stature - model.stature(shape)) / (dirs @ dirs), -fit.SHAPE_LIMIT, fit.SHAPE_LIMIT)
    state = replace(old.state, root_m=factor * old.state.root_m, shape=shape)
    new = replace(old, state=state, stature_m=stature)
    solve.solve_on_ground(model, camera, new, fit.Weights(), lambda: report(0, 1))
    return solve.motion_of(shot, model, camera, body, new)


def _subject(shot: Shot, camera: Camera, motion: Motion, model: Model) -> Subject:
    """A solved person as the fit works with them."""
    frames, a = solved_frames(shot, motion.track), motion.arrays
    i = frames.index
    axes = model.skeleton.frames[0]
    q = a["q"][i].astype(float)
    state = fit.State(axes @ laws.rotations(q)[:, 0] @ axes.T, q, a["root_m"][i].astype(float),
                      np.asarray(motion.shape, dtype=float))
    view = view_of(camera, i)
    distortion = np.asarray(camera.distortion, dtype=float)[i]
    distance = (state.root_m[:, None] @ np.swapaxes(view.R_cw, 1, 2))[:, 0, 2] + view.t_cw[:, 2]
    seen = observations(shot, motion.track, i, view.K, distortion, model, distance, frames.joined)
    stands = np.abs(soles_of(model, state)[..., 2][a["contact"][i] > 0.5])
    # Somebody who was solved away from the floor stays away from it.
    is_near = not len(stands) or float(np.mean(stands < _FLOOR_M)) >= contact.FLOOR_SHARE
    lively = liveliness.factors(model, seen, view, fit.Weights(), state)
    seen = with_outline(seen, shot, motion.track, i, view.K, distortion)
    out = Subject(motion.track, frames, seen, state, None, lively, on_floor=is_near)
    out.glides = glide.along_floor(camera, out, soles_of(model, state))
    return out
