"""Edits of who is who, carried out: whom they touch is solved again from the detections; the others stay as they are."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from sinew_take import free_body, people_edits, skeleton
from sinew_take.errors import RequestError
from sinew_take.take import PLATE_PATTERN, Subject, Take

from .. import avatar, body, video
from ..flow import Camera, Motion, People, Shot
from ..motion import solve_motion
from ..motion.start import Start
from ..people import compared
from ..people.edits import Regrouped, regrouped
from ..people.overlaps import mark_overlaps
from ..report import person_row
from .notes import after_people
from .rebuild import camera_of, shot_of

Report = Callable[[int, int], None]
MOTION_SHARE = 700
"""Of 1000 steps of progress, those of the motion; the rest is the splats'."""


def regroup(take: Take, edits: list, report: Report) -> tuple[Take, list[str], set[str]]:
    """A take whose people are those after the edits.

    Args:
        take: Not changed.
        edits: Any, checked against the take; only those of people count.
        report: Progress; may raise Stopped.

    Returns:
        The new take (its `path` still the old one; its camera, floor and scale are the old ones), sentences for the user,
        and the subjects who were solved again. Everybody else has the very arrays of before.

    Raises:
        RequestError: Somebody would have to be solved again and cannot be.
    """
    people = regrouped(take, edits)
    mark_overlaps([p.track for p in people if p.track is not None], tuple(take.meta["source"]["size_px"]),
                  take.shot["time_s"])
    asked = [p for p in people if p.unchanged is None]
    notes: list[str] = []
    solved: dict[str, tuple[Motion, Subject]] = {}
    if asked:
        solved, notes = _solve(take, people, asked, report)
    subjects, rows = [], []
    known = {row.get("id"): row for row in (take.meta.get("report") or {}).get("people", [])}
    for person in people:
        if person.unchanged is not None:
            info = {**person.unchanged.info, "name": person.name}
            subjects.append(_as_named(person.unchanged, info))
            rows += [known[person.id]] if person.id in known else []
        elif person.id in solved:
            motion, subject = solved[person.id]
            subjects.append(subject)
            rows.append(_row(motion, subject))
    if not subjects:
        raise RequestError("No body fits anybody whom the edits leave; take one of them back.")
    meta = copy.deepcopy(take.meta)
    meta["subjects"] = [s.info for s in subjects]
    names = {s.id: str(s.info.get("name", s.id)) for s in subjects}
    meta["notes"] = after_people(meta.get("notes", []), {s.id: str(s.info.get("name", s.id)) for s in take.subjects}, names,
                                 set(solved))
    if isinstance(meta.get("report"), dict):
        meta["report"]["people"] = rows
        if solved and "hiding" in meta["report"]:
            meta["report"]["hiding"], said = _hiding(take, people, subjects)
            old = tuple(f"{name} hides " for name in names.values())
            meta["notes"] = [note for note in meta["notes"] if not note.startswith(old)]
            notes += said
        elif "hiding" in meta["report"]:
            meta["report"]["hiding"] = [row for row in meta["report"]["hiding"] if {row["front"], row["back"]} <= set(names)]
    return Take(meta, take.shot, subjects, take.points, take.path), notes, set(solved)


def _as_named(subject: Subject, info: dict) -> Subject:
    out = copy.copy(subject)
    out.info = info
    return out


def _solve(take: Take, people: list[Regrouped], asked: list[Regrouped], report: Report
           ) -> tuple[dict[str, tuple[Motion, Subject]], list[str]]:
    other = sorted({s.info.get("body", "default") for s in take.subjects} - {"default"})
    if other:
        raise RequestError(f"People on the {other[0]} body are only renamed or skipped without the video; reconstruct the "
                           "clip with the default body to merge, split or swap them.")
    shot, camera, asset = shot_of(take), camera_of(take), free_body.load()
    # A person whose body was known begins from it: of several, from the one seen longest.
    starts = [Start(_shape(take, p)) for p in asked]
    _, motions = solve_motion(shot, People([p.track for p in asked]), camera, asset,
                              lambda done, total: report(MOTION_SHARE * done // max(total, 1), 1000),
                              starts=starts, keep_world=True)
    by_id = {m.track.id: m for m in motions}
    notes = [f"{p.name} was left out: no body fits what was detected of it." for p in asked if p.id not in by_id]
    built = {ident: body.build_body(asset, m.shape) for ident, m in by_id.items()}
    clouds, said = _splats(take, people, by_id, built, camera, report)
    out = {}
    for person in asked:
        if person.id not in by_id:
            continue
        motion, own = by_id[person.id], built[person.id]
        info = {"id": person.id, "name": person.name, "body": "default", "joint_names": list(skeleton.JOINT_NAMES),
                "dof_names": list(skeleton.DOF_NAMES), "keypoint_names": list(skeleton.MEDIAPIPE_KEYPOINTS),
                "height_m": round(float(np.ptp(own["rest_vertices_m"][:, 2])), 3)}
        arrays = {**motion.arrays, "pixel_error": motion.pixel_error.astype(np.float32)}
        track = person.track
        out[person.id] = (motion, Subject(info, arrays, own, clouds.get(person.id), track.masks, {
            "landmarks_m": track.landmarks_m, "spread_px": track.spread_px, "box_px": track.box_px,
            "detected": track.present}))
        notes += [note.replace(person.id, person.name, 1) for note in motion.notes]
    return out, notes + said


def _hiding(take: Take, people: list[Regrouped], subjects: list[Subject]) -> tuple[list[dict], list[str]]:
    """Who hides whom, as a reconstruction finds it: rows for the report and sentences."""
    tracks = {p.id: p.track for p in people if p.track is not None}
    known = [s for s in subjects if s.id in tracks]
    rows, notes = compared([tracks[s.id] for s in known], take.shot["T_wc"][:, :3, 3].astype(float),
                           [s.motion["root_m"] for s in known], tuple(take.meta["source"]["size_px"]))
    rows = [{**row, "front": known[row["front"]].id, "back": known[row["back"]].id} for row in rows]
    names = {s.id: str(s.info.get("name", s.id)) for s in known}
    return rows, [re.sub(r"^(\S+) hides (\S+)", lambda m: f"{names[m[1]]} hides {names[m[2]]}", note) for note in notes]


def _shape(take: Take, person: Regrouped) -> np.ndarray:
    counts = [(int((people_edits.detected(s) & person.track.present).sum()), s) for s in take.subjects]
    _, longest = max(counts, key=lambda pair: (pair[1].id == person.id, pair[0]))
    return longest.body["shape"].astype(float)


def _splats(take: Take, people: list[Regrouped], motions: dict[str, Motion], bodies: dict[str, dict], camera: Camera,
            report: Report) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """Splats of those who were solved again, coloured from the take's own plate."""
    counts = [len(s.avatar["mean_m"]) for s in take.subjects if s.avatar is not None]
    if not counts:
        return {}, []
    folder = None if take.path is None else (take.path / PLATE_PATTERN).parent
    if not take.meta.get("plate") or folder is None or not folder.is_dir():
        return {}, ["The take has no plate, so whoever was solved again has no splats; reconstruct the clip to get them."]
    info = video.probe(folder, Fraction(*take.meta["source"]["rate"]))
    shot = Shot(info, np.arange(take.n_frames, dtype=np.int32), np.arange(take.n_frames) / float(info.rate))
    # Those who stay are there too: they hide the others.
    everybody = []
    for person in people:
        if person.id in motions:
            everybody.append((person.id, motions[person.id], bodies[person.id]))
        elif person.unchanged is not None and person.track is not None:
            s = person.unchanged
            error = s.motion.get("pixel_error", np.full(take.n_frames, np.nan, np.float32))
            everybody.append((None, Motion(person.track, s.motion, s.body["shape"], error), s.body))
    clouds = avatar.build_avatars(
        shot, camera, [m for _, m, _ in everybody], [b for _, _, b in everybody],
        lambda done, total: report(MOTION_SHARE + (1000 - MOTION_SHARE) * done // max(total, 1), 1000),
        n_splats=max(counts))
    return {ident: cloud for (ident, _, _), cloud in zip(everybody, clouds, strict=True) if ident is not None}, []


def _row(motion: Motion, subject: Subject) -> dict:
    """A person's line in the take's report."""
    return person_row(subject.id, motion.arrays, motion.pixel_error, motion.track.box_px[motion.track.present],
                      subject.info["height_m"])
