"""Which kind of camera filmed a shot, told by its background, and its way up to scale.

A background that stays on its pixels was filmed by a camera that stands still. Otherwise it is followed through the whole
shot, and a camera that only turns is fitted: if that explains it to within what corners are followed, or if a camera that
moves does not explain it clearly better, it turns; else it moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from ..flow import CameraOptions, People, Report, Shot, nothing
from ..geometry import rotations as rot
from . import background, bundle, structure, turning
from .follow import Tracks, follow, is_noise, jumps
from .given import Given

TURN_EXPLAINS_PX, MOVE_EXPLAINS_PX = 0.15, 0.22
"""Median residual, followed pixels, at which a camera that only turns leaves nothing to explain, and one that moves no zoom.
Turning cameras of `bench world` miss by 0.12 to 0.14 px, one held by hand that moves by a few centimetres by 0.19."""
MOVE_GAIN, MOVE_GAIN_ZOOM = 0.65, 0.5
"""A moving camera must take the misfit below this share of the turning one's, or of the turning and zooming one's, since a
zoom that is not modelled looks like a way forwards. Where no zoom is left to explain, the first of the two holds: the moving
camera misses by no more than `MOVE_EXPLAINS_PX`, or sees points from directions farther apart (rad) than the zoom is large
(its logarithm), as no zoom makes it seem: points at the picture's edge turn by about half of that ..."""
MOVE_PARALLAX_DEG = 0.2
"""... and see points from directions that differ by this much."""
LEAST_PER_FRAME = 12
"""Corners per frame, in the median: with fewer nothing is solved."""
FOCAL_SIGMA = 0.05
"""The background tells the focal length where its spread is below this ..."""
FOCAL_LEAST_SIGMA, FOCAL_TURN_DEG = 0.02, 10.0
"""Corners of one camera err alike: the spread is this at least where the camera turned, or moved round the points, by so
many degrees, and inversely more where it moved by less (what tells is the bend of its ways in the picture, which grows with
the turn); with the square where it only turned, since small turns are mixed with movement that is not solved."""


@dataclass
class Path:
    """A camera's way, in the axes of its first frame and in its own unit."""

    kind: str
    reason: str
    R: np.ndarray
    """(T, 3, 3) camera to path."""
    c: np.ndarray
    """(T, 3) centres; all 0 for a camera that does not move."""
    focal_px: np.ndarray | None = None
    """(T,) None where the background does not tell."""
    focal_said: tuple[float, float] | None = None
    """Focal length, px, that the background says, and the spread of its logarithm; None where it says nothing."""
    zooms: bool = False
    k1: float = 0.0
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    color: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    confidence: np.ndarray = field(default_factory=lambda: np.zeros(0))
    depth_sigma: np.ndarray | None = None
    """(P,) spread of each point's distance over the distance; None where it is not known."""
    notes: list[str] = field(default_factory=list)
    again: Callable[[float], Path] | None = None
    """Solves the same way with a focal length that is known now."""

    distortion: np.ndarray | None = None
    """(5,) of a user's own camera; else only `k1`."""
    K: np.ndarray | None = None
    """(T, 3, 3) of a user's own camera."""
    unit_m: float | None = None
    """Metres per unit of the path, where the user's own camera says it."""
    T_gp: np.ndarray | None = None
    """(4, 4) path to the user's own world."""

    @property
    def focal_is_solved(self) -> bool:
        """The background tells the focal length for sure."""
        return self.focal_said is not None and self.focal_said[1] < FOCAL_SIGMA

    @property
    def moves(self) -> bool:
        """Whether its centre moves, so that a scale is needed."""
        return float(np.ptp(self.c, axis=0).max()) > 0


def still(n: int, reason: str, notes: list[str] | None = None) -> Path:
    """A camera that stands still."""
    return Path("static", reason, np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 3)), notes=notes or [])


def from_file(given: Given, name: str) -> Path:
    """The user's own camera as a path."""
    T0 = given.T_wc[0]
    R = T0[:3, :3].T @ given.T_wc[:, :3, :3]
    c = (given.T_wc[:, :3, 3] - T0[:3, 3]) @ T0[:3, :3]
    size = float(np.abs(given.T_wc[:, :3, 3]).max()) + 1.0
    if np.ptp(c, axis=0).max() < 1e-7 * size:
        c = np.zeros_like(c)
    X = (given.points - T0[:3, 3]) @ T0[:3, :3]
    return Path("given", f"The camera is the user's own, from {name}.", R, c, given.K[:, 0, 0],
                points=X, color=given.color, confidence=np.ones(len(X)), distortion=given.distortion, K=given.K,
                unit_m=given.unit_m, T_gp=T0)


def stands(seen: background.Background, shot: Shot) -> bool:
    """The background stays on its pixels."""
    return seen.moved_px is not None and seen.moved_px < background.STILL_SHARE * max(shot.info.size_px)


def find_path(shot: Shot, people: People, options: CameraOptions, seen: background.Background, focal_px: float,
              focal_known: bool, report: Report = nothing) -> Path:
    """Decide the kind of camera and solve its way.

    Args:
        shot: One shot.
        people: Where there is no background.
        options: What the user says: `kind`.
        seen: A look at a few pictures.
        focal_px: Known, or the likeliest.
        focal_known: By the user or by metadata.
        report: Progress over the frames; may raise Stopped.
    """
    n = shot.n_frames
    if options.kind == "static":
        return still(n, "The user says that the camera stands still.")
    if options.kind == "auto":
        if stands(seen, shot):
            return still(n, f"The background stays where it is, to within {seen.moved_px:.2f} px.")
        if seen.moved_px is None and not seen.is_lost:
            said = ("The background shows too little to tell whether the camera moves; it is taken to stand still, and "
                    "if it moved, people drift.")
            return still(n, said, [said])
    tracks = follow(shot, people, report)
    per_frame = float(np.median(np.bincount(tracks.frame, minlength=n)))
    if per_frame < LEAST_PER_FRAME:
        said = ("The camera seems to move, but the background shows too little to follow; it was solved as if it stood "
                "still, so people may drift.")
        return still(n, said, [said])
    if options.kind == "auto" and is_noise(tracks):
        said = ("The background shows nothing that stays from one frame to the next, so whether the camera moves cannot be "
                "told; it was solved as if it stood still, and if it moved, people drift.")
        return still(n, said, [said])
    path = _solve(shot, tracks, options, focal_px, focal_known, lambda: report(n, n + 1))
    jumped = shot.time_s[jumps(tracks)]
    if len(jumped):
        when = ", ".join(f"{t:.2f} s" for t in jumped[:4]) + (", …" if len(jumped) > 4 else "")
        path.notes.append(f"The picture jumps at {when}; if that is a cut, reconstruct each side of it on its own (--start, "
                          "--end), because people and camera are solved as if it were none.")
    return path


def _solve(shot: Shot, tracks: Tracks, options: CameraOptions, focal_px: float, focal_known: bool,
           tick: Callable[[], None] | None = None) -> Path:
    size = np.asarray(shot.info.size_px, dtype=float)
    time_s = np.asarray(shot.time_s, dtype=float)
    turn = turning.solve(tracks, size / 2, float(size.max()), time_s, focal_px, focal_known, tick)
    if options.kind == "auto":
        swing = np.linalg.norm(rot.log(turn.cameras.R[0].T @ turn.cameras.R), axis=1).max() * np.exp(turn.cameras.log_f[0])
        if swing * tracks.scale < background.STILL_SHARE * size.max() and not turn.zooms:
            return still(shot.n_frames, f"The background stays where it is, to within {swing * tracks.scale:.2f} px.")
    moved = None
    if options.kind == "moving" or (options.kind == "auto" and turn.misfit_px > TURN_EXPLAINS_PX):
        moved = structure.solve(tracks, shot.info.size_px, time_s, turn, focal_px, focal_known, tick)
    if moved is not None and (options.kind == "moving" or _moves(turn, moved)):
        path = _moving(tracks, moved, turn, options, focal_known)

        def again(focal: float) -> Path:
            other = structure.solve(tracks, shot.info.size_px, time_s, turn, focal, True, tick, begin=moved)
            return path if other is None else replace(_moving(tracks, other, turn, options, True), again=None)
    else:
        path = _turning(tracks, turn, moved, options, focal_known)

        def again(focal: float) -> Path:
            other = turning.solve(tracks, size / 2, float(size.max()), time_s, focal, True, tick)
            return replace(_turning(tracks, other, moved, options, True), again=None)
    path.again = again
    return path


def _moves(turn: turning.Way, moved: structure.Structure) -> bool:
    zoom_may_be_left = (turn.zooms and not moved.way.zooms and moved.way.misfit_px > MOVE_EXPLAINS_PX
                        and moved.parallax < np.ptp(turn.cameras.log_f))
    gain = MOVE_GAIN_ZOOM if zoom_may_be_left else MOVE_GAIN
    return (moved.way.misfit_px < gain * turn.misfit_px
            and np.degrees(moved.parallax) > MOVE_PARALLAX_DEG)


def focal_sigma(sigma: float, angle_deg: float, moves: bool) -> float:
    """Spread of the logarithm of the focal length that the background alone tells.

    Args:
        sigma: As solved, with the prior (`bundle.Rules`) in it.
        angle_deg: By which the camera turned or moved round the points.
        moves: Its movement was solved too.

    Returns:
        inf where it tells nothing beside the prior.
    """
    prior = 1 / bundle.Rules(False).log_f_sigma ** 2
    own = (1 / sigma**2 if sigma > 0 else np.inf) - prior
    if not 0.25 * prior < own < np.inf or angle_deg <= 0:
        return np.inf
    least = FOCAL_LEAST_SIGMA * max(1.0, FOCAL_TURN_DEG / angle_deg) ** (1 if moves else 2)
    return float(np.hypot(1 / np.sqrt(own), least))


def _said(way: turning.Way, scale: float, focal_known: bool, angle_deg: float, moves: bool) -> tuple[float, float] | None:
    sigma = np.inf if focal_known else focal_sigma(way.log_f_sigma, angle_deg, moves)
    return (float(np.exp(way.cameras.log_f.mean()) * scale), sigma) if np.isfinite(sigma) else None


def _moving(tracks: Tracks, moved: structure.Structure, turn: turning.Way, options: CameraOptions,
            focal_known: bool) -> Path:
    way = moved.way
    angle = np.degrees(moved.parallax)
    if options.kind == "moving":
        reason = "The user says that the camera moves"
    else:
        reason = (f"A camera that only turns misses the background by {turn.misfit_px:.2f} px, one that moves by "
                  f"{way.misfit_px:.2f} px")
    reason += f"; points are seen from directions {angle:.1f} degrees apart."
    if way.zooms:
        reason += f" It zooms by {100 * np.expm1(np.ptp(way.cameras.log_f)):.0f} %."
    R0, c0 = way.cameras.R[0], way.cameras.c[0]
    R = R0.T @ way.cameras.R
    c = (way.cameras.c - c0) @ R0
    near = way.cloud.r > 1e-6
    X = (way.cloud.d[near] / way.cloud.r[near, None] - c0) @ R0
    track_of = np.full(len(way.cloud.d), -1)
    owned = np.nonzero(way.point_of_track >= 0)[0]
    track_of[way.point_of_track[owned]] = owned
    count = np.bincount(way.point_of_track[tracks.track][way.point_of_track[tracks.track] >= 0],
                        minlength=len(way.cloud.d))[near]
    confidence = np.clip(count / 30, 0.05, 1.0)
    focal = np.exp(way.cameras.log_f) * tracks.scale
    extent = float(np.degrees(np.linalg.norm(rot.log(R), axis=1)).max())
    said = _said(way, tracks.scale, focal_known, max(angle, extent), True)
    notes = _lost(way)
    if angle < MOVE_PARALLAX_DEG:
        notes.append("The camera hardly sees round anything, so how far it moved is uncertain.")
    return Path("moving", reason, R, c, focal, said, way.zooms, moved.k1, X, tracks.color[track_of[near]].astype(float),
                confidence, moved.depth_sigma[near], notes)


def _turning(tracks: Tracks, turn: turning.Way, moved: structure.Structure | None, options: CameraOptions,
             focal_known: bool) -> Path:
    R = turn.cameras.R[0].T @ turn.cameras.R
    extent = float(np.degrees(np.linalg.norm(rot.log(R), axis=1)).max())
    notes = _lost(turn)
    if options.kind == "rotating":
        reason = f"The user says that the camera only turns; the background is missed by {turn.misfit_px:.2f} px."
    elif options.kind == "moving":
        reason = "The user says that the camera moves, but its way could not be solved; it was solved as turning only."
        notes.append(reason)
    elif turn.misfit_px <= TURN_EXPLAINS_PX:
        reason = f"A camera that only turns explains the background to within {turn.misfit_px:.2f} px."
    elif moved is None:
        reason = (f"A camera that only turns misses the background by {turn.misfit_px:.2f} px, and structure from motion "
                  "found no way for one that moves.")
        if turn.misfit_px > 4 * MOVE_EXPLAINS_PX:
            notes.append(f"{reason} If it moved, people may drift.")
    else:
        reason = (f"A camera that moves explains the background hardly better ({moved.way.misfit_px:.2f} px) than one "
                  f"that only turns ({turn.misfit_px:.2f} px).")
    reason += f" It turns by up to {extent:.1f} degrees{' and zooms' if turn.zooms else ''}."
    said = _said(turn, tracks.scale, focal_known, extent, False)
    focal = np.exp(turn.cameras.log_f) * tracks.scale
    return Path("rotating", reason, R, np.zeros_like(turn.cameras.c), focal, said, turn.zooms, notes=notes)


def _lost(way: turning.Way) -> list[str]:
    lost = int((way.registered == 0).sum())
    if not lost:
        return []
    return [f"In {lost} frame(s) the background could not be followed; the camera was carried on from its neighbours."]
