"""The camera stage for a static camera: focal length, up, floor and scale, from a quick fit of sampled frames.

One view says little about the focal length, and the fit of the people hardly depends on it; so the estimate is a prior
(phones and cameras in video mode see about 57 degrees along the picture's long side) that the people's perspective may
move, and the take says which it was. The quick fit runs in camera axes; the motion stage refines up and floor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sinew_take.errors import InputError, RequestError

from ..flow import Camera, CameraOptions, People, Report, Shot, nothing
from ..geometry import projection
from ..geometry.ground import LOOK_S, find_up, world_of
from ..motion import fit
from ..motion.contact import body_axes
from ..motion.frames import Frames, solved_frames
from ..motion.model import Model, make_model
from ..motion.start import Start, first_state, observations
from . import background

FOCAL_PER_LONG_SIDE = 0.92
"""Focal length over the long side of the picture where nothing is known: 57 degrees."""
FOCAL_PRIOR_SIGMA = 0.22
"""Spread of the logarithm of the focal length: 45 to 69 degrees are one spread away."""
FOCAL_FACTORS = (0.7, 0.84, 1.0, 1.19, 1.42)
SAMPLE_S = 1 / 10
MOST_SAMPLES = 60
MOST_PEOPLE = 3
"""People whose perspective is asked for the focal length."""


@dataclass
class _Sample:
    frames: Frames
    track: object
    state: fit.State
    seen: fit.Observations
    cost: float = 0.0


def solve_camera(shot: Shot, people: People, body, options: CameraOptions | None = None, look: bool = True,
                 report: Report = nothing) -> tuple[Camera, list[Start | None]]:
    """Find the camera of a shot.

    Args:
        shot: One shot.
        people: Its tracks; the first one's person is the one whose height may be given.
        body: The free body.
        options: What the user knows.
        look: Also look at a few pictures, for a camera that moves and for upright lines; without, only people tell.
        report: Progress; may raise Stopped.

    Returns:
        The camera in a first guess of the world, and per track what the motion stage can start from (None: the track
        cannot be used).

    Raises:
        RequestError: A kind of camera that this version cannot solve.
        InputError: Nobody is seen well enough.
    """
    options = options or CameraOptions()
    _check(options)
    model = make_model(body)
    frames = [solved_frames(shot, t) for t in people.tracks]
    usable = [i for i, f in enumerate(frames) if len(f.index)]
    if not usable:
        raise InputError("Nobody is seen clearly enough to be reconstructed; choose a range in which a person is seen "
                         "whole and sharp.")
    notes = []
    given, focal_source = _given_focal(shot, options)
    focal = given or FOCAL_PER_LONG_SIDE * max(shot.info.size_px)
    distortion = np.zeros(5)
    samples = {}
    for i in usable:
        report(0, 1)
        height = options.height_m if i == 0 else None
        samples[i] = _first_fit(shot, people.tracks[i], _sampled(shot, frames[i]), focal, model, height)
    if given is None:
        focal, focal_source = _estimate_focal([samples[i] for i in usable[:MOST_PEOPLE]], model, focal,
                                              shot.info.size_px, options)
        for i in usable:
            samples[i] = _refit(samples[i], model, focal, shot.info.size_px, _weights(options, i))
        angle = np.degrees(2 * np.arctan(shot.info.size_px[0] / 2 / focal))
        how = "estimated from the people" if focal_source == "people" else "assumed"
        notes.append(f"The horizontal angle of view is {how}: {angle:.0f} degrees; give --focal-mm or --fov-deg if you "
                     "know it.")
    seen = background.look(shot, people, report) if look else background.NOTHING
    planes, share = background.line_planes(seen.lines_px, projection.intrinsics(focal, shot.info.size_px))
    if options.kind == "auto" and (seen.moved_px or 0.0) > background.MOVES_SHARE * max(shot.info.size_px):
        notes.append(f"The camera seems to move (the background shifts by about {seen.moved_px:.0f} px); it was solved "
                     "as if it stood still, so people may drift.")
    elif options.kind == "auto" and seen.is_lost:
        notes.append("The background could not be followed through the shot, so the camera probably moves; it was solved "
                     "as if it stood still, so people may drift.")
    axes = np.concatenate([body_axes(model, s.state) for s in samples.values()])
    looks = sum(np.ptp(s.seen.time_s) / LOOK_S + 1 for s in samples.values())
    up, _ = find_up(axes, looks, np.zeros((0, 3)), np.zeros(0), np.zeros(0, dtype=int), planes, share)
    first = samples[usable[0]]
    floor = _lowest(model, first.state, up)
    if options.height_m is None:
        notes.append(f"No height was given: the first person is taken to be {model.stature(first.state.shape):.2f} m "
                     "tall; give --height-m for true scale.")
    n = shot.n_frames
    camera = Camera(np.tile(world_of(up, floor, first.state.root_m[0]), (n, 1, 1)),
                    np.tile(projection.intrinsics(focal, shot.info.size_px), (n, 1, 1)), np.tile(distortion, (n, 1)),
                    "static", focal_source, "assumed" if options.height_m is None else "height", notes)
    report(1, 1)
    starts = [Start(samples[i].state.shape, planes, share) if i in samples else None for i in range(len(people.tracks))]
    return camera, starts


def _check(options: CameraOptions) -> None:
    if options.kind in ("rotating", "moving"):
        raise RequestError(f"A {options.kind} camera cannot be solved by this version yet; use --camera static where "
                           "the camera stands still, or another clip.")
    if options.kind not in ("auto", "static"):
        raise RequestError(f"--camera {options.kind} is not a kind of camera; use auto or static.")
    for value, name, low, high in ((options.focal_mm, "--focal-mm", 4, 2000), (options.fov_deg, "--fov-deg", 1, 170),
                                   (options.height_m, "--height-m", .4, 2.6)):
        if value is not None and not low <= value <= high:
            raise RequestError(f"{name} {value:g} is out of range; give {low:g} to {high:g}.")


def _given_focal(shot: Shot, options: CameraOptions) -> tuple[float | None, str]:
    size = shot.info.size_px
    if options.focal_mm is not None:
        return projection.focal_px_of_35mm(options.focal_mm, size), "user"
    if options.fov_deg is not None:
        return projection.focal_px_of_fov(options.fov_deg, size), "user"
    if shot.info.focal_35mm is not None and 8 <= shot.info.focal_35mm <= 1000:
        return projection.focal_px_of_35mm(shot.info.focal_35mm, size), "metadata"
    return None, "assumed"


def _sampled(shot: Shot, frames: Frames) -> Frames:
    """At most ten a second, at most sixty, spread over the take, detected ones only."""
    seen = np.nonzero(frames.seen)[0]
    time = np.asarray(shot.time_s, dtype=float)[frames.index[seen]]
    step = max(SAMPLE_S, np.ptp(time) / MOST_SAMPLES)
    slot = np.floor((time - time[0]) / step + 1e-6)
    which = seen[np.unique(slot, return_index=True)[1]]
    index = frames.index[which]
    joined = np.r_[False, np.diff(np.asarray(shot.time_s, dtype=float)[index]) < 2.5 * SAMPLE_S]
    return Frames(index, np.ones(len(index), dtype=bool), joined)


def _view(focal: float, size: tuple[int, int], n: int) -> fit.View:
    return fit.View(np.tile(projection.intrinsics(focal, size), (n, 1, 1)), np.tile(np.eye(3), (n, 1, 1)),
                    np.zeros((n, 3)))


def _weights(options: CameraOptions, track: int) -> fit.Weights:
    return fit.Weights(stature_m=options.height_m if track == 0 else None)


def _first_fit(shot: Shot, track, frames: Frames, focal: float, model: Model, height_m: float | None) -> _Sample:
    n = len(frames.index)
    view = _view(focal, shot.info.size_px, n)
    distortion = np.zeros((n, 5))
    state = first_state(track, frames.index, view, model, np.zeros(model.n_shape), distortion)
    seen = observations(shot, track, frames.index, view.K, distortion, model, state.root_m[:, 2], frames.joined)
    weights = fit.Weights(stature_m=height_m)
    for stage, rounds in ((replace(weights, depth_sigma_m=0.05), 12), (weights, 12)):
        outcome = fit.minimise(fit.Problem(model, seen, view, stage), state, rounds, 1e-3)
        state = outcome.state
    return _Sample(frames, track, state, seen, outcome.cost)


def _refit(sample: _Sample, model: Model, focal: float, size: tuple[int, int], weights: fit.Weights) -> _Sample:
    """The same sample under another focal length, begun at the distance that keeps its size in the picture."""
    n = len(sample.frames.index)
    view = _view(focal, size, n)
    outcome = fit.minimise(fit.Problem(model, sample.seen, view, weights), sample.state, 10, 1e-4)
    return replace(sample, state=outcome.state, cost=outcome.cost)


def _moved(sample: _Sample, factor: float) -> _Sample:
    state = sample.state
    root = state.root_m * np.array([1.0, 1.0, factor])
    return replace(sample, state=replace(state, root_m=root))


def _estimate_focal(samples: list[_Sample], model: Model, prior: float, size: tuple[int, int], options: CameraOptions
                    ) -> tuple[float, str]:
    """The focal length at the least of prior and the fit's cost; "people" where the cost narrowed the prior down."""
    evidence = np.zeros(len(FOCAL_FACTORS))
    for number, sample in enumerate(samples):
        # What the detector shows is wrong in the same way for a while: count looks, not frames.
        view = _view(prior, size, len(sample.frames.index))
        counted = fit.Problem(model, sample.seen, view, fit.Weights()).share.sum()
        looks = np.ptp(sample.seen.time_s) / LOOK_S + 1
        for i, factor in enumerate(FOCAL_FACTORS):
            refit = _refit(_moved(sample, factor), model, prior * factor, size, _weights(options, number))
            evidence[i] += refit.cost / counted * looks
    x = np.log(FOCAL_FACTORS)
    posterior = evidence + (x / FOCAL_PRIOR_SIGMA) ** 2
    curve = np.polyfit(x, posterior, 2)
    best = -curve[1] / (2 * curve[0]) if curve[0] > 0 else x[np.argmin(posterior)]
    best = float(np.clip(best, x[0], x[-1]))
    narrowed = curve[0] > 2 / FOCAL_PRIOR_SIGMA**2
    return float(prior * np.exp(best)), "people" if narrowed else "assumed"


def _lowest(model: Model, state: fit.State, up: np.ndarray) -> float:
    """Height along `up` under which a sole is seldom seen."""
    p = fit.pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    soles = model.soles.positions(p, state.shape)
    return float(np.percentile((soles @ up).min(1), 20))
