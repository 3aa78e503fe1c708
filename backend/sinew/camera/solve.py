"""The camera stage: the camera's kind and way, focal length, up, floor and scale, from the background and the people.

The focal length comes from the user, the metadata, the background's own way, or the people's perspective, in this order.
One view of people says little about it, and their fit hardly depends on it; so that estimate is a prior (phones and cameras
in video mode see about 57 degrees along the picture's long side) that the people may move, and the take says which it was.
The motion stage refines up, floor and scale.
"""

from __future__ import annotations

import pathlib

import numpy as np

from sinew_take.errors import InputError, RequestError

from ..flow import Camera, CameraOptions, People, Points, Report, Shot, nothing
from ..geometry import floor as floors
from ..geometry import projection
from ..geometry.ground import AXIS_SIGMA_DEG, LOOK_S, NOBODY, Straight, find_up, sides_of, world_of
from ..motion import balance, contact
from ..motion.frames import solved_frames
from ..motion.model import Model, make_model
from ..motion.start import Start
from ..motion.subject import soles_of
from . import agree, background, kinds, quick, vanishing
from . import given as given_camera

FOCAL_PER_LONG_SIDE = 0.92
"""Focal length over the long side of the picture where nothing is known: 57 degrees."""
MOST_PEOPLE = 3
"""People whose perspective is asked for the focal length."""
USUAL_DEG = (2.5, 122.0)
"""Horizontal angles of view between an 800 mm and a 10 mm lens (35 mm equivalent): hardly any camera has another."""
ACROSS_DEG, MOSTLY = 75.0, 0.6
"""So far from up, and for such a share of the time, a body on its feet is not upright in the picture."""
SAME_FOCAL = 0.03
"""Focal lengths this near to each other need no second solve of the camera's way."""


def solve_camera(shot: Shot, people: People, body, options: CameraOptions | None = None, look: bool = True,
                 report: Report = nothing) -> tuple[Camera, list[Start | None]]:
    """Find the camera of a shot.

    Args:
        shot: One shot.
        people: Its tracks; the first one's person is the one whose height may be given.
        body: The free body.
        options: What the user knows.
        look: Also look at the pictures, for a camera that moves and for upright lines; without, only people tell and the
            camera stands still.
        report: Progress; may raise Stopped.

    Returns:
        The camera in a first guess of the world, and per track what the motion stage can start from (None: the track
        cannot be used).

    Raises:
        RequestError: Options that cannot be.
        InputError: Nobody is seen well enough.
    """
    options = options or CameraOptions()
    check_options(options)
    model = make_model(body)
    size = shot.info.size_px
    frames = [solved_frames(shot, t) for t in people.tracks]
    usable = [i for i, f in enumerate(frames) if len(f.index)]
    if not usable:
        raise InputError("Nobody is seen clearly enough to be reconstructed; choose a range in which a person is seen "
                         "whole and sharp.")
    given, focal_source = _given_focal(shot, options)
    focal = given or FOCAL_PER_LONG_SIDE * max(size)
    own = None if options.file is None else given_camera.read_camera(pathlib.Path(options.file), shot)
    seen = background.look(shot, people, report) if look else background.NOTHING
    path = kinds.still(shot.n_frames, "The pictures were not looked at.")
    if own is not None:
        path = kinds.from_file(own, pathlib.Path(options.file).name)
        given, focal_source = float(path.focal_px.mean()), "file"
        focal = given
        path.notes += own.notes
        if look:
            path.notes += agree.doubt(shot, people, path, pathlib.Path(options.file).name, report)
    elif look:
        path = kinds.find_path(shot, people, options, seen, focal, given is not None, report)
    notes = list(path.notes)
    if path.focal_is_solved and given is None:
        focal, focal_source = float(path.focal_px.mean()), "background"
    lens = _lens(shot, path)
    samples = {}
    for i in usable:
        report(0, 1)
        samples[i] = quick.first_fit(shot, people.tracks[i], quick.sampled(shot, frames[i]), focal, lens, model,
                                     quick.weights(options, i))
    angle = projection.fov_deg_of(focal, size[0])
    if given is not None and not USUAL_DEG[0] <= angle <= USUAL_DEG[1]:
        notes.append(f"The horizontal angle of view given is {angle:.3g} degrees, which hardly any camera has; if it is "
                     "wrong, so are the camera and everybody's depth.")
    if given is None and focal_source != "background":
        focal, sigma, focal_source = quick.estimate_focal({i: samples[i] for i in usable[:MOST_PEOPLE]}, model, focal, lens,
                                                          options)
        focal, sigma, focal_source = _agreed(focal, sigma, focal_source, path.focal_said)
        lines = vanishing.lines_of(seen, lens.K, lens.R, max(size))
        told, told_sigma = vanishing.focal_said(lines, *_people_up(_bodies(model, samples), path.R),
                                                 float(np.log(focal)), sigma)
        if told_sigma < vanishing.TOLD * sigma:
            focal, focal_source = float(np.exp(told)), "lines"
        if path.again is not None and abs(np.log(focal / path.focal_px.mean())) > SAME_FOCAL:
            path = path.again(focal)
            lens = _lens(shot, path)
        for i in usable:
            samples[i] = quick.refit(samples[i], model, focal, lens, quick.weights(options, i))
        angle = projection.fov_deg_of(focal, size[0])
        how = {"people": "estimated from the people", "background": "estimated from the background, which shows little of it",
               "lines": "estimated from straight lines of the background"}.get(focal_source, "assumed")
        notes.append(f"The horizontal angle of view is {how}: {angle:.0f} degrees; give --focal-mm or --fov-deg if you "
                     "know it.")
    lines = vanishing.lines_of(seen, lens.K, lens.R, max(size))
    axes, looks, carried = bodies = _bodies(model, samples)
    straight = Straight(*background.upright_looks(seen, lens.intrinsics(focal), lens.R),
                        *vanishing.level_said(lines, *_people_up(bodies, path.R), focal))
    up, _ = find_up(axes, looks, *NOBODY, straight, sides_of(path.R), axis_weight=carried)
    across = _across(axes, carried, up)
    if across is not None:
        notes.append("People lie across the picture instead of standing in it; if the video itself is turned, give --turn "
                     f"{across}.")
    scale, plane = 1.0, None
    if path.moves:
        plane, scale, said = _scale(model, path, samples, up)
        if path.unit_m is not None:
            scale, said = path.unit_m, []
        notes += said
        if own is not None and kinds.stands(seen, shot):
            away = np.median(np.concatenate([np.linalg.norm(s.state.root_m, axis=1) for s in samples.values()]))
            way = scale * np.linalg.norm(np.ptp(path.c, axis=0))
            notes += agree.doubt_still(float(way), float(away), pathlib.Path(options.file).name)
        if plane is not None:
            up, _ = find_up(axes, looks, *NOBODY, straight, sides_of(path.R), plane.n, plane.sigma_deg, carried)
    first = samples[usable[0]]
    floor = _lowest(model, first, path, scale, up)
    if plane is not None:
        floor = float(up @ (plane.n * plane.d)) * scale
    T_wp = world_of(up, floor, first.state.root_m[0] + scale * path.c[first.frames.index[0]])
    n = shot.n_frames
    T_pc = np.tile(np.eye(4), (n, 1, 1))
    T_pc[:, :3, :3], T_pc[:, :3, 3] = path.R, scale * path.c
    points = floor_w = None
    if len(path.points):
        points = Points((scale * path.points) @ T_wp[:3, :3].T + T_wp[:3, 3], path.color, path.confidence)
    if plane is not None:
        normal = T_wp[:3, :3] @ plane.n
        floor_w = np.r_[normal, scale * plane.d + normal @ T_wp[:3, 3], plane.sigma_deg]
    scale_source = "assumed"
    if options.height_m is not None and 0 in samples:
        scale_source = "height"
    elif options.height_m is not None:
        notes.append("The first person, whose height was given, is hardly seen, so the height says nothing here and the "
                     "scale is assumed; give --distance, or choose a range in which that person is seen.")
    to_given = None
    if path.T_gp is not None:
        to_given = path.T_gp @ np.linalg.inv(T_wp @ np.diag([scale] * 3 + [1.0]))
        scale_source = "file" if path.unit_m is not None and path.moves else scale_source
    camera = Camera(T_wp @ T_pc, lens.intrinsics(focal), np.tile(lens.distortion, (n, 1)), path.kind, focal_source,
                    scale_source, notes, path.reason, points, floor_w, to_given)
    report(1, 1)
    starts = [Start(samples[i].state.shape, straight) if i in samples else None for i in range(len(people.tracks))]
    return camera, starts


def _bodies(model: Model, samples: dict[int, quick.Sample]) -> tuple[np.ndarray, float, np.ndarray]:
    """Bodies' axes, how many looks they are worth, and how much each says, for `find_up`."""
    axes, carried = balance.upright(model, [s.state for s in samples.values()])
    return axes, sum(np.ptp(s.seen.time_s) / LOOK_S + 1 for s in samples.values()), carried


def _people_up(bodies: tuple[np.ndarray, float, np.ndarray], R: np.ndarray) -> tuple[np.ndarray, float]:
    """What the people alone say is up, in the first camera's axes, and its spread, degrees. R: (T, 3, 3)."""
    axes, looks, carried = bodies
    up, _ = find_up(axes, looks, *NOBODY, sides_c=sides_of(R), axis_weight=carried)
    return up, AXIS_SIGMA_DEG / float(np.sqrt(looks))


def _agreed(focal: float, sigma: float, source: str, said: tuple[float, float] | None) -> tuple[float, float, str]:
    """Focal length, px, the spread of its logarithm and its source, from the people's and the background's."""
    if said is None:
        return focal, sigma, source
    own, other = 1 / sigma**2, 1 / said[1] ** 2
    both = (own * np.log(focal) + other * np.log(said[0])) / (own + other)
    return float(np.exp(both)), float(1 / np.sqrt(own + other)), "background" if other > own else source


def _across(axes_c: np.ndarray, weight: np.ndarray, up_c: np.ndarray) -> int | None:
    """The clockwise turn of the picture that would set people upright, where their bodies, as soles and centres of mass tell,
    point elsewhere than up for most of the time: 90, 180 or 270 degrees. None where they stand.

    Level cameras are so much more usual than turned ones that up stays where a level camera has it; see `ground.find_up`.

    Args:
        axes_c: (N, 3) unit vectors of `balance.upright`, x right and y down in the picture, with their weights (N,).
        up_c: (3,) in the same axes.
    """
    mean = (weight[:, None] * axes_c).sum(0) / max(len(weight), 1)
    length = np.linalg.norm(mean)
    if length <= MOSTLY or mean @ up_c >= np.cos(np.radians(ACROSS_DEG)) * length:
        return None
    if np.hypot(*mean[:2]) < np.cos(np.radians(45)) * length:
        return None  # along the line of sight: no turn of the picture would set them upright
    return int(np.clip(np.round(np.degrees(np.arctan2(-mean[0], -mean[1])) % 360 / 90), 1, 3)) * 90


_RANGES = (("height_m", "--height-m", 0.4, 2.6, "a person's height; give metres between"),
           ("focal_mm", "--focal-mm", 4, 2000, "a lens's 35 mm equivalent; give millimetres between"),
           ("fov_deg", "--fov-deg", 1, 170, "a horizontal field of view; give degrees between"))


def check_options(options: CameraOptions) -> None:
    """Raises RequestError for values that nothing has, and for two that say the same thing."""
    if options.kind not in ("auto", "static", "rotating", "moving"):
        raise RequestError(f"--camera {options.kind} is not a kind of camera; use auto, static, rotating or moving.")
    for name, flag, low, high, what in _RANGES:
        value = getattr(options, name)
        if value is not None and not low <= value <= high:
            raise RequestError(f"{flag} {value:g} is not {what} {low:g} and {high:g}.")
    if options.file is not None and (options.focal_mm is not None or options.fov_deg is not None):
        raise RequestError("--camera-file holds the focal length already; leave --focal-mm and --fov-deg out.")
    if options.focal_mm is not None and options.fov_deg is not None:
        raise RequestError("--focal-mm and --fov-deg say the same thing; give one of them.")


def _given_focal(shot: Shot, options: CameraOptions) -> tuple[float | None, str]:
    size = shot.info.size_px
    if options.focal_mm is not None:
        return projection.focal_px_of_35mm(options.focal_mm, size), "user"
    if options.fov_deg is not None:
        return projection.focal_px_of_fov(options.fov_deg, size), "user"
    if shot.info.focal_35mm is not None and 8 <= shot.info.focal_35mm <= 1000:
        return projection.focal_px_of_35mm(shot.info.focal_35mm, size), "metadata"
    return None, "assumed"


def _lens(shot: Shot, path: kinds.Path) -> quick.Lens:
    K = np.tile(projection.intrinsics(1.0, shot.info.size_px), (shot.n_frames, 1, 1))
    if path.K is not None:
        K = path.K.copy()
        K[:, :2, :2] /= path.focal_px.mean()
    elif path.zooms:
        K[:, 0, 0] = K[:, 1, 1] = path.focal_px / path.focal_px.mean()
    distortion = np.array([path.k1, 0, 0, 0, 0.0]) if path.distortion is None else path.distortion
    return quick.Lens(path.R, K, distortion)


def _scale(model: Model, path: kinds.Path, samples: dict[int, quick.Sample], up: np.ndarray
           ) -> tuple[floors.Plane | None, float, list[str]]:
    """The floor among the path's points, and metres per unit of the path."""
    soles = {i: soles_of(model, s.state) for i, s in samples.items()}
    lowest = {i: x[np.arange(len(x)), (x @ up).argmin(1)] for i, x in soles.items()}
    centres = np.concatenate([path.c[s.frames.index] for s in samples.values()])
    feet = np.concatenate(list(lowest.values()))
    depth = np.linalg.norm(feet, axis=1)
    away = np.linalg.norm(path.points[None] - centres[::5, None], axis=-1)
    guess = float(np.median(depth) / np.median(away)) if len(path.points) else 1.0
    plane = None
    if len(path.points):
        plane = floors.find_floor(path.points, up, centres, feet, path.depth_sigma)
    if plane is not None:
        scale, spread = np.nan, np.inf
        weight = np.ones(len(feet))
        for _ in range(3):
            scale, spread = floors.scale_on_floor(plane, feet, centres, weight)
            if not np.isfinite(scale):
                break
            weight = np.concatenate([_stands(s, lowest[i] + scale * path.c[s.frames.index]) for i, s in samples.items()])
        if np.isfinite(scale) and spread < 0.3:
            return plane, scale, []
    total, count = 0.0, 0.0
    for i, s in samples.items():
        scale, spread = floors.scale_by_standing(soles[i], path.c[s.frames.index], s.frames.joined, guess)
        if np.isfinite(spread):
            total, count = total + np.log(scale) / spread**2, count + 1 / spread**2
    if count == 0:
        return None, guess, ["Nothing tells how far the camera moved in metres: no floor was seen under the people, and "
                              "the scale of its way is a guess."]
    said = []
    if count < 1 / 0.2**2:
        said.append("The floor was not seen among the points of the background; the scale of the camera's way is "
                    "uncertain.")
    return None, float(np.exp(total / count)), said


def _stands(sample: quick.Sample, place: np.ndarray) -> np.ndarray:
    """(N,) how surely the lowest sole stands, by its speed between samples, never quite 0."""
    time = sample.seen.time_s
    speed = np.full(len(place), np.inf)
    pair = np.nonzero(sample.frames.joined)[0]
    own = np.linalg.norm(place[pair] - place[pair - 1], axis=1) / np.maximum(time[pair] - time[pair - 1], 1e-6)
    np.minimum.at(speed, pair, own)
    np.minimum.at(speed, pair - 1, own)
    return contact.standing(np.where(np.isfinite(speed), speed, 0.3)) + 0.05


def _lowest(model: Model, sample: quick.Sample, path: kinds.Path, scale: float, up: np.ndarray) -> float:
    """Height along `up` under which a sole is seldom seen."""
    soles = soles_of(model, sample.state) + scale * path.c[sample.frames.index][:, None]
    return float(np.percentile((soles @ up).min(1), 20))
