"""The motion stage: every person's 46 coordinates over the whole take, in a world levelled by their feet.

Per person: a start from the detector's landmarks, a fit that trusts their depth, a fit that hardly does. Then, over all
people, planted feet and upright bodies level the world; and a last fit holds planted feet still on its floor.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sinew_take import laws
from sinew_take import skeleton as sk
from sinew_take.errors import InputError

from ..flow import Camera, Motion, People, Report, Shot, Track, nothing
from ..geometry import projection
from ..geometry import rotations as rot
from ..workers import each
from . import carried, contact, exchange, fit, gait, glide, held, jumps, liveliness
from .flight import flight_of
from .frames import LONGEST_GAP_S, Frames, solved_frames
from .model import KEYPOINT, Model, make_model
from .start import Start, believed, finite_track, first_state, observations, with_outline
from .subject import SEEN_CONFIDENCE, Subject, parts_seen, resting, soles_of, soles_seen, speed_of, view_of
from .support import support_of
from .world import floor_shown, level, settle

LANDMARK_SHARE = 1 / 8
"""The first of the fits trusts the landmarks' depth so much tighter: it finds the right one of poses that look alike."""
CHUNK = 400
"""Frames solved at once; longer takes are solved piece by piece, each piece held to the one before it."""
AHEAD = 20
"""Frames that a piece looks ahead, so that its end knows what follows."""
SHAPE_WINDOWS, SHAPE_WINDOW = 8, 45
"""Of a longer take, the shape is solved on so many stretches of so many frames."""
ROUNDS = {"landmarks": (12, 1e-2), "free": (20, 2e-3), "ground": (20, 2e-4)}
"""Stage -> most iterations, and the share of the cost that an iteration must still gain. The first two only begin."""
_NO_FLOOR_M = 1e6
AGREE = 0.05
"""What somebody's height should be and what it is may differ by this share before it is said."""
WORST_FIT = 0.06
"""Median pixel error over the height of the person's box, above which no body was found to fit."""


def solve_motion(shot: Shot, people: People, camera: Camera, body, report: Report = nothing,
                 starts: list[Start | None] | None = None, height_m: float | None = None, keep_world: bool = False,
                 shapes: list[np.ndarray | None] | None = None, weights: fit.Weights | None = None
                 ) -> tuple[Camera, list[Motion]]:
    """Solve everybody in a shot.

    Args:
        shot: One shot.
        people: Its tracks.
        camera: From the camera stage.
        body: The free body.
        report: Progress in iterations; may raise Stopped.
        starts: From the camera stage: shapes to begin with.
        height_m: The first person's height; default: kept from the start where the camera's scale is from a height.
        keep_world: The camera stands in a world that others were solved in: it stays, and people are put on its floor.
        shapes: Per track a shape that is known and kept, such as one of the user's measures; None is solved.
        weights: Of the fit's terms; None: the usual ones. For measuring what each part is worth.

    Returns:
        The camera in the levelled world, and one motion per usable track, in their order.

    Raises:
        InputError: No track can be used.
    """
    model = make_model(body)
    weights = weights or fit.Weights()
    starts = starts or [None] * len(people.tracks)
    shapes = shapes or [None] * len(people.tracks)
    found = [(t, s, solved_frames(shot, t), k) for t, s, k in zip(people.tracks, starts, shapes, strict=True)]
    found = [row for row in found if len(row[2].index)]
    if not found:
        raise InputError("Nobody is seen clearly enough to be reconstructed; choose a range in which a person is seen "
                         "whole and sharp.")
    tick = _Ticker(report, sum(_planned(len(f.index)) for _, _, f, _ in found))

    def free(row: tuple) -> Subject:
        track, start, frames, known = row
        shape = np.zeros(model.n_shape) if start is None else start.shape
        shape = shape if known is None else np.asarray(known, dtype=float)
        stature = None
        if row is found[0] and track is people.tracks[0] and camera.scale_source == "height" and not keep_world:
            stature = height_m if height_m is not None else model.stature(shape)
        if known is not None:
            stature = model.stature(shape)  # a known body does not grow to reach the floor
        return _solve_free(shot, track, frames, camera, model, shape, replace(weights, stature_m=stature), tick,
                           known is not None)

    subjects = each(free, found)
    if keep_world:
        held.put_on_floor(model, camera, subjects)
    else:
        camera = level(model, camera, subjects, next((s for s in starts if s is not None), None))
    each(lambda subject: solve_on_ground(model, camera, subject, weights, tick), subjects)
    camera = camera if keep_world else settle(model, camera, subjects)
    motions = [motion_of(shot, model, camera, body, s) for s in subjects]
    good = [m for m in motions if _fits(m)]
    if not good:
        lens = " or another lens than the one given" if camera.focal_source == "user" else ""
        raise InputError("No body could be fitted to what was detected; choose a range in which a person is seen whole and "
                         f"sharp{lens}.")
    first = subjects[0]
    if first.stature_m is not None and not first.shape_is_known:
        reached = model.stature(first.state.shape)
        if abs(reached / first.stature_m - 1) > AGREE:
            said = (f"{first.track.id} was said to be {first.stature_m:.2f} m tall, which this body cannot be; it came out "
                    f"{reached:.2f} m tall, and the scale with it.")
            camera = replace(camera, notes=[*camera.notes, said])
    left_out = [f"{m.track.id} was left out: no body fits what was detected of it." for m in motions if not _fits(m)]
    tick.finish()
    return replace(camera, notes=camera.notes + left_out), good


def _fits(motion: Motion) -> bool:
    box = np.asarray(motion.track.box_px, dtype=float)
    size = np.nanmedian(np.maximum(box[:, 3] - box[:, 1], box[:, 2] - box[:, 0])[motion.track.present])
    error = motion.pixel_error[np.isfinite(motion.pixel_error)]
    return len(error) > 0 and float(np.median(error)) < WORST_FIT * size


class _Ticker:
    """Turns iterations into progress; people are solved side by side, and each tells of its own."""

    def __init__(self, report: Report, total: int):
        self.report, self.total, self.done = report, total, 0
        self._one = threading.Lock()
        report(0, total)

    def __call__(self) -> None:
        with self._one:
            self.done = min(self.done + 1, self.total - 1)
            self.report(self.done, self.total)

    def finish(self) -> None:
        self.report(self.total, self.total)


def _planned(n: int) -> int:
    pieces = -(-n // CHUNK)
    begin = ROUNDS["landmarks"][0] + ROUNDS["free"][0]
    return (begin + 2 * ROUNDS["ground"][0]) * pieces + (0 if pieces == 1 else begin) + len(jumps.LIMBS) + 1


def _minimise(model: Model, seen: fit.Observations, view: fit.View, state: fit.State,
              stages: list[tuple[fit.Weights, tuple[int, float]]], ground: fit.Ground | None, tick: _Ticker,
              solve_shape: bool = True, lively: np.ndarray | None = None, steps: gait.Gait | None = None
              ) -> tuple[fit.State, np.ndarray]:
    """Run stages over a take of any length: at once with the shape, or piece by piece with the shape solved before."""
    n = len(seen.time_s)
    whole = [(fit.Problem(model, seen, view, weights, ground, solve_shape=solve_shape, lively=lively, gait=steps), rounds)
             for weights, rounds in stages]
    if n <= CHUNK + AHEAD:
        for problem, rounds in whole:
            outcome = fit.minimise(problem, state, *rounds, tick)
            state = outcome.state
        return state, outcome.pixel_residual
    if ground is None and solve_shape:
        which = np.unique(np.concatenate([
            np.arange(a, a + SHAPE_WINDOW) for a in np.linspace(0, n - SHAPE_WINDOW, SHAPE_WINDOWS).astype(int)]))
        sample = state.take(which)
        for weights, rounds in stages:
            problem = fit.Problem(model, seen.take(which), view.take(which), weights)
            sample = fit.minimise(problem, sample, *rounds, tick).state
        state = replace(state, shape=sample.shape)
    pelvis, q, root = state.pelvis.copy(), state.q.copy(), state.root_m.copy()
    residual = np.full(seen.px.shape[:2], np.nan)
    for a in range(0, n, CHUNK):
        held = 2 if a else 0
        b = min(a + CHUNK, n)
        which = np.arange(a - held, min(b + AHEAD, n))
        frozen = np.arange(len(which)) < held
        piece = fit.State(pelvis[which], q[which], root[which], state.shape)
        for problem, rounds in whole:
            outcome = fit.minimise(problem.piece(which, frozen), piece, *rounds, tick)
            piece = outcome.state
        keep = slice(held, held + b - a)
        pelvis[a:b], q[a:b], root[a:b] = piece.pelvis[keep], piece.q[keep], piece.root_m[keep]
        residual[a:b] = outcome.pixel_residual[keep]
    return fit.State(pelvis, q, root, state.shape), residual


def _solve_free(shot: Shot, track: Track, frames: Frames, camera: Camera, model: Model, shape: np.ndarray,
                free: fit.Weights, tick: _Ticker, shape_is_known: bool = False) -> Subject:
    view = view_of(camera, frames.index)
    distortion = np.asarray(camera.distortion, dtype=float)[frames.index]
    state = first_state(track, frames.index, shot.time_s[frames.index], view, model, shape, distortion)
    distance = (state.root_m[:, None] @ np.swapaxes(view.R_cw, 1, 2))[:, 0, 2] + view.t_cw[:, 2]
    seen = observations(shot, track, frames.index, view.K, distortion, model, distance, frames.joined)
    tight = replace(free, depth_sigma_m=free.depth_sigma_m * LANDMARK_SHARE)
    stages = [(tight, ROUNDS["landmarks"]), (free, ROUNDS["free"])]
    state, residual = _minimise(model, seen, view, state, stages, None, tick, not shape_is_known)
    if free.jumps > 0:
        state = jumps.turned_over(model, seen, view, free, state, tick)
    lively = liveliness.factors(model, seen, view, free, state)
    seen = with_outline(seen, shot, track, frames.index, view.K, distortion)
    return Subject(track, frames, seen, state, free.stature_m, lively, residual_px=residual, shape_is_known=shape_is_known)


def _standing(model: Model, camera: Camera, s: Subject) -> tuple[np.ndarray, np.ndarray | None]:
    """(N, 4) how surely each sole stands, and whether on something else than the floor; None for whoever is not on it."""
    soles = soles_of(model, s.state)
    speed = speed_of(camera, s, soles)
    said = None if s.track.standing is None else s.track.standing[s.frames.index]
    if s.on_floor:
        chance, higher = contact.on_floor_or_raised(speed, soles, s.state.root_m, s.seen.time_s, s.frames.joined,
                                                    soles_seen(s.track, s.frames.index), said)
    else:
        chance, higher = contact.with_evidence(contact.standing(speed), said), None
    if s.steps is not None:
        chance = gait.stood(chance, s.steps, s.seen.time_s, s.frames.joined, s.frames.seen)
    return chance, higher


def solve_on_ground(model: Model, camera: Camera, s: Subject, weights: fit.Weights, tick: Callable[[], None]) -> None:
    """The last fits of one person, in place: planted feet held, soles that must carry, and both once more.

    With the first feet held, others show that were taken to move, and whether those that must carry do.
    """
    solve_grounded(model, camera, s, weights, tick)
    hold_what_carries(model, camera, s, weights, tick)
    solve_grounded(model, camera, s, weights, tick)


def solve_grounded(model: Model, camera: Camera, s: Subject, weights: fit.Weights, tick: Callable[[], None]) -> None:
    """The last fit of one person, planted feet held."""
    _walk_on(s, weights)
    chance, higher = _standing(model, camera, s)
    stature, once_before = s.stature_m, s.ground is not None
    if s.on_floor:
        eye = np.asarray(camera.T_wc, dtype=float)[s.frames.index][:, :3, 3]
        parts = resting(model, s.state, s.seen.time_s, s.frames.joined, eye, parts_seen(s.track, s.frames.index))
        s.ground = fit.Ground(chance, on_floor=~higher, parts=parts)
        if s.glides:
            s.ground = replace(s.ground, glides=glide.on_floor(s, soles_of(model, s.state)))
            stature = model.stature(s.state.shape)
        elif contact.seldom(contact.with_parts(chance * ~higher, parts)) and not floor_shown(camera):
            # Feet that never stand would be lifted onto a doubtful floor by making the person small.
            s.ground = replace(s.ground, sink_sigma_m=_NO_FLOOR_M)
            stature = model.stature(s.state.shape)
    else:
        s.ground = fit.Ground(chance, height_sigma_m=_NO_FLOOR_M, sink_sigma_m=_NO_FLOOR_M)
    if not s.glides:  # who skates leans into curves
        s.ground = replace(s.ground, support=support_of(model, s.state, s.seen.time_s, s.frames.joined))
        if once_before:  # a foot that is missed at first is seen to stand once the others are held
            carries = contact.with_parts(chance, s.ground.parts)
            flight = flight_of(model, s.state, s.seen.time_s, s.frames.joined, carries)
            s.ground = replace(s.ground, flight=flight, support=s.ground.support.in_air(flight.sure))
    _hold(model, camera, s, replace(weights, stature_m=stature), tick)


def hold_what_carries(model: Model, camera: Camera, s: Subject, weights: fit.Weights, tick: _Ticker) -> None:
    """Fit once more with soles held that must carry somebody who does not fall, if there are any beside the planted ones."""
    if 0 in (weights.ground, weights.carried) or not s.on_floor or s.glides or s.ground.sink_sigma_m == _NO_FLOOR_M:
        return
    _walk_on(s, weights)
    planted = np.maximum(s.ground.contact, _standing(model, camera, s)[0])
    must = carried.soles_that_carry(model, s.state, s.seen.time_s, s.frames.joined, planted,
                                    soles_seen(s.track, s.frames.index))
    if (must > 0.5).any():
        s.ground = replace(s.ground, contact=np.maximum(s.ground.contact, must))
        _hold(model, camera, s, replace(weights, stature_m=s.stature_m), tick)


def _walk_on(s: Subject, weights: fit.Weights) -> None:
    """Find what one person's own steps, as fitted so far, tell: of legs that were exchanged, and where gaps begin from."""
    if weights.gait == 0:
        return
    wrong = exchange.exchanged(s.state.q, s.seen.time_s, s.seen.joined, s.frames.seen)
    if wrong.any():
        s.track, s.seen, q = exchange.put_right(s.track, s.seen, s.state.q, s.frames.index, wrong)
        s.state, s.exchanged = replace(s.state, q=q), wrong if s.exchanged is None else s.exchanged ^ wrong
    s.steps = gait.gait(s.state.q, s.state.pelvis, s.state.root_m, s.seen.time_s, s.seen.joined, s.frames.seen)
    if s.steps is not None:
        q, root_m = gait.gone_on(s.state.q, s.state.root_m, s.steps, s.seen.time_s, s.frames.seen)
        s.state = replace(s.state, q=q, root_m=root_m)


def _hold(model: Model, camera: Camera, s: Subject, weights: fit.Weights, tick: _Ticker) -> None:
    """Fit one person to their ground and their steps."""
    view = view_of(camera, s.frames.index)
    s.state, s.residual_px = _minimise(model, s.seen, view, s.state, [(weights, ROUNDS["ground"])], s.ground, tick,
                                       not s.shape_is_known, s.lively, s.steps)


_SEEN_BY = {
    "pelvis": ("hip_l", "hip_r"), "femur": ("hip",), "tibia": ("knee",), "talus": ("ankle",), "calcn": ("heel",),
    "toes": ("foot_index",), "lumbar_body": ("hip_l", "hip_r", "shoulder_l", "shoulder_r"),
    "thorax": ("shoulder_l", "shoulder_r"), "head": ("nose", "ear_l", "ear_r"), "scapula": ("shoulder",),
    "humerus": ("shoulder",), "ulna": ("elbow",), "radius": ("elbow", "wrist"), "hand": ("wrist",)}
"""Keypoints that show a joint (without its side)."""


def joint_keypoints() -> np.ndarray:
    """(24, 33): rows sum to 1."""
    out = np.zeros((len(sk.JOINTS), len(KEYPOINT)))
    for j, name in enumerate(sk.JOINT_NAMES):
        side = name[-2:] if name[-2:] in ("_l", "_r") else ""
        keys = _SEEN_BY[name[:-2] if side else name]
        for key in keys:
            out[j, KEYPOINT[key + side]] = 1 / len(keys)
    return out


FEW_FRAMES = 8
"""Somebody seen in fewer frames has a doubtful size and place."""
LIMBS = slice(KEYPOINT["shoulder_l"], None)
MUCH_DOUBTFUL = 0.25
"""Share of the limbs' keypoints of a frame that may be somebody else's, from which it is said."""
FEET = [KEYPOINT[f"{name}_{side}"] for name in ("ankle", "heel", "foot_index") for side in "lr"]


def motion_of(shot: Shot, model: Model, camera: Camera, body, s: Subject) -> Motion:
    """The take's arrays of one person."""
    n, frames = shot.n_frames, s.frames
    i = frames.index
    frame0 = model.skeleton.frames[0]
    q = s.state.q.copy()
    q[:, :3] = rot.euler_zxy(frame0.T @ s.state.pelvis @ frame0)
    shape = s.state.shape.astype(np.float32)
    q32 = sk.inside_limits(q)
    root32 = s.state.root_m.astype(np.float32)
    rest = np.asarray(body.joints(shape), dtype=float)
    T_wj = laws.forward_kinematics(q32.astype(float), root32.astype(float), rest,
                                   np.asarray(body.joint_frames, dtype=float))
    confidence = believed(s.track)[1][i]
    # A keypoint far from where the body can be was not really seen.
    off = np.nan_to_num(s.residual_px / np.where(np.isfinite(s.seen.sigma_px), s.seen.sigma_px, np.inf))
    sure = confidence / (1 + (off / fit.Weights().robust_px) ** 2)
    joint_sure = np.where(frames.seen[:, None], sure @ joint_keypoints().T, 0.0)
    chance, _ = _standing(model, camera, s)

    def full(value, fill=np.nan, dtype=np.float32):
        out = np.full((n, *value.shape[1:]), fill, dtype=dtype)
        out[i] = value
        return out

    present = np.zeros(n, dtype=bool)
    present[i] = True
    keypoints = np.asarray(s.track.keypoints_px, dtype=np.float32).copy()
    keypoints[~np.isfinite(keypoints).all(-1)] = np.nan
    arrays = {
        "present": present, "q": full(q32), "root_m": full(root32), "joints_m": full(T_wj[:, :, :3, 3]),
        "T_wj": full(T_wj), "confidence": full(joint_sure),
        "source": full(_sources(joint_sure, s.seen.time_s), 2, np.uint8), "contact": full(chance),
        "keypoints_px": keypoints}
    return Motion(s.track, arrays, shape, _pixel_error(shot, model, camera, s), _notes(s, chance))


def _sources(sure: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """(N, 24): 0 seen; 1 between two times at which the joint was seen, near enough; 2 guessed."""
    out = np.zeros(sure.shape, dtype=np.uint8)
    seen = sure >= SEEN_CONFIDENCE
    for j in range(sure.shape[1]):
        known = np.nonzero(seen[:, j])[0]
        for t in np.nonzero(~seen[:, j])[0]:
            k = np.searchsorted(known, t)
            between = 0 < k < len(known) and time_s[known[k]] - time_s[known[k - 1]] <= 2 * LONGEST_GAP_S
            out[t, j] = 1 if between else 2
    return out


def _pixel_error(shot: Shot, model: Model, camera: Camera, s: Subject) -> np.ndarray:
    """(T,) mean distance of the confident keypoints from the body's, in the picture as filmed, px."""
    i = s.frames.index
    p = fit.pose(model.skeleton, s.state.shape, s.state.pelvis, s.state.q, s.state.root_m)
    x = model.keypoints.positions(p, s.state.shape)
    T_cw = np.linalg.inv(np.asarray(camera.T_wc, dtype=float)[i])
    camera_m = x @ np.swapaxes(T_cw[:, :3, :3], 1, 2) + T_cw[:, None, :3, 3]
    px, confidence = believed(s.track)
    K, distortion = np.asarray(camera.K, dtype=float)[i], np.asarray(camera.distortion, dtype=float)[i]
    ahead = camera_m[..., 2] > 0.05
    camera_m = np.where(ahead[..., None], camera_m, [0.0, 0.0, 1.0])
    error = np.linalg.norm(projection.project(camera_m, K[:, None], distortion[:, None]) - px[i], axis=-1)
    used = ahead & (confidence[i] >= 0.5) & s.frames.seen[:, None]
    out = np.full(shot.n_frames, np.nan)
    count = used.sum(1)
    out[i] = np.where(count > 0, (error * used).sum(1) / np.maximum(count, 1), np.nan)
    return out


def _feet_seen(s: Subject) -> float:
    """Share of the detected frames in which a heel, an ankle or toes are seen."""
    confidence = finite_track(s.track)[1][s.frames.index][s.frames.seen]
    return float((confidence[:, FEET] >= SEEN_CONFIDENCE).any(1).mean()) if len(confidence) else 0.0


def _notes(s: Subject, chance: np.ndarray) -> list[str]:
    notes = []
    seen = int(s.frames.seen.sum())
    if seen < min(FEW_FRAMES, len(s.track.present)):
        notes.append(f"{s.track.id}: seen in only {seen} frame(s); size and place are guesses.")
    filled = int((~s.frames.seen).sum())
    if filled:
        notes.append(f"{s.track.id}: {filled} frame(s) without a detection were filled from their neighbours.")
    if s.track.doubtful is not None:
        crossed = int((s.track.doubtful[:, LIMBS].mean(1) >= MUCH_DOUBTFUL).sum())
        if crossed >= FEW_FRAMES:
            notes.append(f"{s.track.id}: in {crossed} frames somebody else is in the way; limbs that may be theirs are "
                         "believed less.")
    if s.steps is not None:
        notes.append(f"{s.track.id} walks or runs; what is hardly seen of a limb follows the steps before and after, and the "
                     "hips face the way.")
    if s.exchanged is not None and s.exchanged.any():
        notes.append(f"{s.track.id}: left and right leg were exchanged in {int(s.exchanged.sum())} frame(s), which the other "
                     "steps tell, and were put right.")
    if not s.on_floor:
        notes.append(f"{s.track.id} stands away from the others' floor; its distance from the camera is a guess.")
    elif _feet_seen(s) < contact.SELDOM:
        notes.append(f"{s.track.id}: the feet are not in view; where they stand, the floor and the height over it are "
                     "guesses.")
    elif s.glides:
        notes.append(f"{s.track.id}: the feet glide instead of standing; the floor is taken to be where they are lowest.")
    elif contact.seldom(contact.with_parts(chance, s.ground.parts)):
        notes.append(f"{s.track.id}: hardly a planted foot was seen; the floor and its height over it are guesses.")
    return notes
