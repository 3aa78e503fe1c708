"""Corrected tracks of a take's people: what `sinew_take.people_edits` decided, carried out on their detections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sinew_take import masks as packed
from sinew_take.errors import RequestError
from sinew_take.people_edits import Person, is_people_edit, people_of, regroup
from sinew_take.take import Subject, Take

from ..flow import Track


@dataclass(frozen=True)
class Regrouped:
    """One person after the edits."""

    id: str
    name: str
    track: Track | None
    """None where nobody need be solved again and the take kept no detections."""
    unchanged: Subject | None
    """The take's subject whose solve stands as it is (its name may be new); None: to be solved again."""


def track_of(subject: Subject) -> Track:
    """The detections that a take kept of one of its people.

    Raises:
        RequestError: It kept none.
    """
    if subject.track is None:
        raise RequestError("The take is of an earlier Sinew, which did not keep what it had detected; reconstruct the clip "
                           "again.")
    kept = subject.track
    keypoints = subject.motion["keypoints_px"].copy()
    keypoints[~kept["detected"]] = np.nan
    masks = subject.masks or _no_masks(len(keypoints))
    return Track(subject.id, kept["detected"].copy(), keypoints, kept["spread_px"].copy(), kept["landmarks_m"].copy(),
                 kept["box_px"].copy(), {k: v.copy() for k, v in masks.items()})


def _no_masks(n_frames: int) -> dict[str, np.ndarray]:
    return {"size_px": np.array([1, 1], np.int32), "box": np.zeros((n_frames, 4), np.int32),
            "offset": np.zeros(n_frames + 1, np.int64), "bits": np.zeros(0, np.uint8)}


def regrouped(take: Take, edits: Iterable[object]) -> list[Regrouped]:
    """The people of a take after edits; those of other kinds are passed over (`people_edits.carried` moves them).

    Nothing is detected again: every frame's detections are one of the take's. `sinew_take.edits.check` has said before
    what is wrong with the edits.

    Raises:
        RequestError: The take kept no detections, and somebody's would have to change.
    """
    before = people_of(take)
    edits = [e for e in edits if is_people_edit(e)]
    out = []
    for person in regroup(take, edits):
        same = next((i for i, p in enumerate(before) if p.id == person.id and np.array_equal(p.who, person.who)), None)
        unchanged = None if same is None else take.subjects[same]
        kept_none = unchanged is not None and unchanged.track is None
        out.append(Regrouped(person.id, person.name, None if kept_none else _track(person, take), unchanged))
    return out


def _track(person: Person, take: Take) -> Track:
    """One track out of the frames of several."""
    sources = sorted(set(person.who[person.who >= 0].tolist()))
    tracks = {i: track_of(take.subjects[i]) for i in sources}
    first = next(iter(tracks.values()))

    def mixed(name: str) -> np.ndarray:
        values = getattr(first, name)
        out = np.full_like(values, np.nan)
        for i, track in tracks.items():
            out[person.who == i] = getattr(track, name)[person.who == i]
        return out

    return Track(person.id, person.who >= 0, *(mixed(n) for n in ("keypoints_px", "spread_px", "landmarks_m", "box_px")),
                 _mixed_masks({i: t.masks for i, t in tracks.items()}, person.who))


def _mixed_masks(masks: dict[int, dict[str, np.ndarray]], who: np.ndarray) -> dict[str, np.ndarray]:
    """Masks whose frame t is that of number who[t]; their bits as they were packed."""
    grid = max((m["size_px"] for m in masks.values()), key=lambda size: int(np.prod(size)))
    return packed.gather((None if i < 0 else (masks[int(i)], t) for t, i in enumerate(who)), grid)
