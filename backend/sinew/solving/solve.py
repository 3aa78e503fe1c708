"""`sinew solve`: a take and edits in, a take out. Only what the edits are about is solved, from where it stands."""

from __future__ import annotations

import copy
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sinew_take import edits as contract
from sinew_take import events, laws, people_edits, skeleton
from sinew_take import take as take_format
from sinew_take.errors import RequestError
from sinew_take.take import Subject, Take
from sinew_take.version import VERSION

from ..geometry import projection
from ..motion import contact, fit
from ..motion.frames import LONGEST_GAP_S
from ..motion.solve import joint_keypoints
from ..motion.subject import soles_seen
from ..progress import Progress, StopRequest
from ..report import limit_violations, person_errors
from . import local, people
from .evidence import Evidence, depths, gather
from .flip import mirrored
from .notes import FOLLOWS, after_poses, missed, thrown
from .rebuild import LIMB_KEYPOINTS, Person, pelvis_angles, person_of, tracks_of
from .write import write_beside

SHARE = {"motion": 0.8, "write": 0.2}
STAGES = tuple(SHARE)
ROBUST_SMOOTH = 3.0
"""In spreads: accelerations beyond it count linearly, so that a pin on one frame is reached where it asks for a jump."""
OFF_PIN = 6.0
"""A pin missed by more than so many of its spreads is said."""
THROWN_M = 0.3
"""Pins that move the pelvis by more are said: a pin at a wrong place takes the whole person there."""


@dataclass(frozen=True)
class Request:
    """What `sinew solve` was asked for."""

    take: Path
    edits: Path
    out: Path


@dataclass(frozen=True)
class Result:
    take: Path
    report: dict


def solve(request: Request, emit: Callable[[events.Event], None], stop: StopRequest) -> Result:
    """Solve a take again with edits.

    Args:
        request: What to do.
        emit: Receives events as they happen.
        stop: Asked between steps; raises `Stopped` from inside.

    Returns:
        The new take's folder and its report. It has the shot's identity and one of its own, and keeps all edits so far.

    Raises:
        RequestError, InputError, TakeError, Stopped: One sentence each; nothing stands at `out` then.
    """
    began = time.monotonic()
    take_format.check_free(request.out)
    if request.take.resolve() in request.out.resolve().parents:
        raise RequestError(f"{request.out} lies inside the take, and takes are never changed; choose another --out.")
    take = take_format.read(request.take)
    new = contract.read(request.edits)
    emit(events.Started(VERSION, list(STAGES)))
    progress = Progress(emit, stop, share=SHARE)
    edited, notes, changed = progress.run("motion", lambda report: apply(take, new, report))
    for note in notes:
        emit(events.Note(note))
    try:
        way = os.path.relpath(request.take.resolve(), request.out.resolve())
        edited.meta["producer"]["solved_from_folder"] = Path(way).as_posix()
    except ValueError:
        pass  # another drive on Windows: the id must do
    path = progress.run("write", lambda report: write_beside(edited, request.out, changed, report))
    report = {**edited.meta["report"], "seconds": {k: round(v, 2) for k, v in progress.seconds.items()},
              "total_s": round(time.monotonic() - began, 2)}
    emit(events.Finished([str(path.resolve())], report))
    return Result(path, report)


def _of_poses(edits: list) -> list:
    return [e for e in edits if not people_edits.is_people_edit(e)]


def edits_of(take: Take) -> list:
    """Edits that a take was solved with."""
    kept = (take.meta.get("producer") or {}).get("edits")
    return contract.parse(kept) if kept else []


def apply(take: Take, new: list, report: Callable[[int, int], None]) -> tuple[Take, list[str], set[str]]:
    """A take with edits applied.

    Args:
        take: The take; not changed.
        new: Edits to add to those that it already has.
        report: Progress; may raise Stopped.

    Returns:
        The new take (its `path` still the old one), sentences for the user, and the subjects whose motion changed.
    """
    contract.check(new, take)
    earlier, notes, source, rebuilt = edits_of(take), [], take, set()
    if any(map(people_edits.is_people_edit, new)):
        after = people_edits.regroup(take, new)
        take, notes, rebuilt = people.regroup(take, new, report)
        earlier, lost = _carried(earlier, people_edits.people_of(source), after, take)
        notes += lost
        contract.check(new, take, is_regrouped=True)
    every = _of_poses(contract.add(earlier, new))
    # Whoever was solved anew from the detections follows no edit of poses yet.
    fresh = [e for e in every if e not in earlier or e.subject in rebuilt]
    if not fresh and source is take:
        notes.append(FOLLOWS)
    out = Take(copy.deepcopy(take.meta), take.shot, list(take.subjects), take.points, take.path)
    changed = set(rebuilt)
    windows = _plan(take, every, fresh)
    total = sum(len(w) for _, _, w in windows) * local.ROUNDS[0]
    done = 0
    size_px = tuple(take.meta["source"]["size_px"])
    weights = fit.Weights(robust_smooth=ROBUST_SMOOTH)
    for person, evidence, pieces in windows:
        state = evidence.start
        for window in pieces:
            part = local.solve_window(person, evidence, window, weights, size_px,
                                      lambda i, n, done=done: report(done + i, total))
            done += local.ROUNDS[0]
            state = _put(state, window.rows, part)
        rows = np.concatenate([w.rows[~w.frozen] for w in pieces])
        number = [s.id for s in out.subjects].index(person.subject.id)
        motion, said = _motion(person, evidence, state, rows, size_px)
        out.subjects[number] = replace(person.subject, motion=motion)
        notes += said + _thrown(person, state, fresh) + failed_flips(person, state, fresh)
        if "corrective_weight" in (person.subject.extra or {}):
            notes.append(f"{person.subject.info.get('name', person.subject.id)}: the body's pose correctives are those of "
                         "before in the frames that were solved again; they need the model files of a reconstruction.")
        changed.add(person.subject.id)
        _note_figures(out.meta, out.subjects[number], person, state)
    report(total, total)
    out.meta["id"] = str(uuid.uuid4())
    producer = out.meta["producer"] = dict(out.meta.get("producer") or {})
    producer["edits"] = contract.as_data(every)
    producer["solved_from"] = source.id
    if source is not take:
        regrouped = [e for e in new if people_edits.is_people_edit(e)]
        producer["people_edits"] = [*producer.get("people_edits", []), *contract.as_data(regrouped)["edits"]]
    kept = after_poses(out.meta.get("notes", []), [person for person, _, _ in windows], every, fresh)
    out.meta["notes"] = list(dict.fromkeys([*kept, *notes]))
    return out, notes, changed


def _carried(edits: list, before: list[people_edits.Person], after: list[people_edits.Person], take: Take
             ) -> tuple[list, list[str]]:
    """Earlier edits on whoever has their detections now, and a sentence for each that people who stay lose.

    A detection is not enough: a frame too dim to use, filled between two others, is solved no more where a split ends its
    gap.
    """
    present, names = {s.id: s.motion["present"] for s in take.subjects}, {p.id: p.name for p in after}
    out, notes = [], []
    for edit in edits:
        kept = []
        for moved in people_edits.carried([edit], before, after):
            frames = np.array(moved.frames)
            kept += people_edits.on_frames(moved, frames[present[moved.subject][frames]] if moved.subject in present else [])
        out += kept
        lost = sorted(set(edit.frames) - {f for e in kept for f in e.frames})
        if lost and edit.subject in names:
            where = contract.frames_text(lost[0], lost[-1])
            notes.append(f"{names[edit.subject]}: the earlier {edit.kind} in {where} is dropped; nobody is solved any more "
                         "from what it corrected.")
    return out, notes


def _plan(take: Take, every: list, fresh: list) -> list[tuple[Person, Evidence, list[local.Window]]]:
    plans, tracks = [], tracks_of(take)
    for subject in take.subjects:
        own = [e for e in every if e.subject == subject.id]
        if not any(e in fresh for e in own):
            continue
        person = person_of(take, subject, tracks)
        evidence = gather(person, own, [e for e in own if e in fresh], tuple(take.meta["source"]["size_px"]),
                          fit.Weights().depth_sigma_m)
        plans.append((person, evidence, local.windows(person, evidence.core)))
    return plans


def _put(state: fit.State, which: np.ndarray, part: fit.State) -> fit.State:
    pelvis, q, root = state.pelvis.copy(), state.q.copy(), state.root_m.copy()
    pelvis[which], q[which], root[which] = part.pelvis, part.q, part.root_m
    return fit.State(pelvis, q, root, state.shape)


def _motion(person: Person, evidence: Evidence, state: fit.State, rows: np.ndarray, size_px: tuple[int, int]
            ) -> tuple[dict[str, np.ndarray], list[str]]:
    """The take's arrays with the solved rows put in; every other frame keeps its numbers."""
    arrays = {name: value.copy() for name, value in person.subject.motion.items()}
    at = person.frames[rows]
    q = state.q[rows].copy()
    # Wrong frames start between their neighbours, so the start says which whole turn continues those.
    q[:, :3] = pelvis_angles(person.model, state.pelvis[rows], evidence.start.q[rows, :3])
    arrays["q"][at] = skeleton.inside_limits(q)
    arrays["root_m"][at] = state.root_m[rows].astype(np.float32)
    body = person.subject.body
    T_wj = laws.forward_kinematics(arrays["q"][at].astype(float), arrays["root_m"][at].astype(float),
                                   body["rest_joints_m"].astype(float), body["joint_frames"].astype(float))
    arrays["T_wj"][at], arrays["joints_m"][at] = T_wj, T_wj[:, :, :3, 3]
    p = fit.pose(person.model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    soles = person.model.soles.positions(p, state.shape)
    eye = -(np.swapaxes(person.view.R_cw, 1, 2) @ person.view.t_cw[..., None])[..., 0]
    speed = contact.sole_speed(soles, person.seen.time_s, person.joined, eye)
    chance = contact.standing(speed)
    if person.on_floor:
        chance, _ = contact.on_floor_or_raised(speed, soles, state.root_m, person.seen.time_s, person.joined,
                                               soles_seen(person.track, person.frames))
    arrays["contact"][at] = chance[rows]
    wrong = evidence.wrong
    if wrong.any():
        arrays["confidence"][person.frames[wrong]] = 0.0
        for t in np.flatnonzero(wrong):
            arrays["source"][person.frames[t]] = _filled(person, wrong, t)
    notes = []
    x = person.model.keypoints.positions(p, state.shape)
    seen_by = joint_keypoints()
    for t, k, place in evidence.pins:
        joints = np.flatnonzero(seen_by[:, k] > 0)
        arrays["confidence"][person.frames[t], joints] = np.maximum(
            arrays["confidence"][person.frames[t], joints], seen_by[joints, k])
        arrays["source"][person.frames[t], joints] = 0
        camera = person.view.R_cw[t] @ x[t, k] + person.view.t_cw[t]
        miss = float(np.linalg.norm(projection.project(camera, person.view.K[t]) - place))
        if miss > OFF_PIN * local.PIN_SIGMA * size_px[1]:
            notes.append(missed(person.subject.info.get("name", person.subject.id), skeleton.MEDIAPIPE_KEYPOINTS[k],
                                int(person.frames[t]), miss))
    return arrays, notes


def _filled(person: Person, wrong: np.ndarray, t: int) -> int:
    """1 between two frames with evidence that are near enough to each other, else 2 (a guess)."""
    run = np.cumsum(~person.joined)
    good = np.flatnonzero(~wrong & (run == run[t]))
    k = np.searchsorted(good, t)
    if not 0 < k < len(good):
        return 2
    return 1 if person.seen.time_s[good[k]] - person.seen.time_s[good[k - 1]] <= 2 * LONGEST_GAP_S else 2


TURNED = 0.5
"""Share of the way to the other side that a flipped limb must have gone; less is said."""


def failed_flips(person: Person, state: fit.State, fresh: list) -> list[str]:
    """A sentence for each flip after which the limb's depth is about what it was."""
    before, after = (depths(person.model, person.view, s) for s in (person.state, state))
    who, notes = person.subject.info.get("name", person.subject.id), []
    for edit in fresh:
        if not isinstance(edit, contract.Flip) or edit.subject != person.subject.id:
            continue
        rows = np.arange(person.row(edit.start), person.row(edit.end - 1) + 1)
        which = np.ix_(rows, LIMB_KEYPOINTS[edit.limb])
        other = depths(person.model, person.view, mirrored(person.model, person.view, person.state, edit.limb, rows))
        way, moved = (other - before)[which], (after - before)[which]
        share = float((way * moved).sum() / max((way**2).sum(), 1e-12))
        if float(np.abs(moved).max()) < 0.02:
            notes.append(f"{who}: the other side of {edit.limb} in frames {edit.start} to {edit.end - 1} is where it already "
                         "is, or the limits do not let it get there; nothing was flipped.")
        elif share < TURNED:
            notes.append(f"{who}: {edit.limb} in frames {edit.start} to {edit.end - 1} went {max(share, 0.0):.0%} of the way "
                         "to the other side only; flip other frames, or pin its joints.")
    return notes


def _thrown(person: Person, state: fit.State, fresh: list) -> list[str]:
    """A sentence for each run of new pins that took the whole person along."""
    pinned = np.unique([e.frame for e in fresh if isinstance(e, contract.Pin) and e.subject == person.subject.id]).astype(int)
    if not len(pinned):
        return []
    far = np.linalg.norm(state.root_m - person.state.root_m, axis=1)
    # Pins that bring the body back to what was detected are right to move it.
    far[_pixel_error(person, state) < 0.5 * _pixel_error(person, person.state)] = 0.0
    nearest = np.abs(person.frames[:, None] - pinned).argmin(1)
    moved = np.zeros(len(pinned))
    np.maximum.at(moved, nearest, far)
    which = np.flatnonzero(moved > THROWN_M)
    name = person.subject.info.get("name", person.subject.id)
    return [thrown(name, int(pinned[run[0]]), int(pinned[run[-1]]), float(moved[run].max()))
            for run in np.split(which, np.flatnonzero(np.diff(pinned[which]) > 1) + 1) if len(run)]


def _pixel_error(person: Person, state: fit.State) -> np.ndarray:
    """(N,) mean distance of the sure keypoints from where they were detected, px; NaN where there are none."""
    p = fit.pose(person.model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    x = person.model.keypoints.positions(p, state.shape)
    camera = x @ np.swapaxes(person.view.R_cw, 1, 2) + person.view.t_cw[:, None]
    ahead = camera[..., 2] > 0.05
    camera = np.where(ahead[..., None], camera, [0.0, 0.0, 1.0])
    px = projection.project(camera, person.view.K[:, None], person.distortion[:, None])
    seen = person.subject.motion["keypoints_px"][person.frames].astype(float)
    used = ahead & (np.nan_to_num(seen[..., 2]) >= 0.5) & person.track.present[person.frames, None]
    error = np.linalg.norm(px - np.nan_to_num(seen[..., :2]), axis=-1)
    count = used.sum(1)
    return np.where(count > 0, (error * used).sum(1) / np.maximum(count, 1), np.nan)


def _note_figures(meta: dict, subject: Subject, person: Person, state: fit.State) -> None:
    """Bring the report's line of one person up to date."""
    per_frame = _pixel_error(person, state)
    if "pixel_error" in subject.motion:
        kept = subject.motion["pixel_error"]
        moved = np.flatnonzero(~(np.abs(per_frame - kept[person.frames]) < 1e-3))  # others keep their numbers
        kept[person.frames[moved]] = per_frame[moved]
    for row in (meta.get("report") or {}).get("people", []):
        if row.get("id") == subject.id and np.isfinite(per_frame).any():
            row |= person_errors(per_frame, subject.track["box_px"][subject.track["detected"]])
            row["limit_violations"] = limit_violations(subject.motion)
