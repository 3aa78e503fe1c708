"""What corrections say, as evidence for the fit: pins, doubt around them, frames without evidence, mirrored depth."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from sinew_take import edits as contract
from sinew_take.errors import RequestError

from ..geometry import projection
from ..geometry import rotations as rot
from ..motion import fit
from ..motion.model import HIPS, KEYPOINT, Model
from ..motion.outline import Outline
from .flip import mirrored
from .rebuild import LIMB_KEYPOINTS, Person

PIN_SIGMA = 0.001
"""Spread of a pin, in heights of the picture: 0.7 px of 720, about what a hand places."""
DOUBT_S = 0.1
"""How far from a pin, in time, its keypoint's detections are doubted where they and the pin disagree."""
BETWEEN_S = 1.0
"""Detections between two pins of one keypoint nearer to each other than this are doubted as at the pins."""
FLIPPED_DEPTH_M = 0.3
"""Spread of the depth of a limb that was flipped by hand: the flip says which side it is on, pixels and lengths how far.
On the sample clip's misplaced arm 0.05, 0.1 and 0.3 m left 0.11, 0.09 and 0.05 m of 0.27 m."""
REACH_S = 0.75
"""How far from an edit, in time, the solve may still change the motion."""

_ARM_KEYPOINTS = {k for limb in ("arm_l", "arm_r") for k in LIMB_KEYPOINTS[limb]}


@dataclass
class Evidence:
    """What one person is solved from again. Rows as in `Person`."""

    seen: fit.Observations
    start: fit.State
    contact: np.ndarray
    pins: list[tuple[int, int, np.ndarray]] = field(default_factory=list)
    """Row, keypoint, place (2,) in the ideal picture."""
    wrong: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """(N,) rows without evidence."""
    moved: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """(N,) rows whose start is not where the take is."""
    core: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """(N,) rows that new edits are about; the others are held to what they were, more with their distance."""


def gather(person: Person, edits: list, new: list, size_px: tuple[int, int], depth_sigma_m: float) -> Evidence:
    """Evidence of one person.

    Args:
        person: As the take has it.
        edits: All pose edits of this person that are in force.
        new: Those of them that the take does not follow yet: only their frames are opened, only their flips made.
        size_px: Of the picture.
        depth_sigma_m: The fit's spread of a keypoint's depth.

    Raises:
        RequestError: Too few frames are left to fill wrong ones from.
    """
    n = len(person.frames)
    out = Evidence(person.seen, person.state, person.contact.copy(), wrong=np.zeros(n, bool), moved=np.zeros(n, bool),
                   core=np.zeros(n, bool))
    for edit in (e for e in edits if isinstance(e, contract.Wrong)):
        rows = _rows(person, edit)
        out.wrong[rows] = True
        if edit in new:
            out.core[rows] = True
    if out.wrong.any():
        _refuse_all_wrong(person, out.wrong)
        _blank(person, out)
        out.moved |= out.wrong
    for edit in (e for e in edits if isinstance(e, contract.Flip)):
        _flip(person, out, edit, edit in new, depth_sigma_m)
    _pin(person, out, [e for e in edits if isinstance(e, contract.Pin)], new, size_px)
    return out


def _rows(person: Person, edit: contract.Flip | contract.Wrong) -> np.ndarray:
    return np.arange(person.row(edit.start), person.row(edit.end - 1) + 1)


def _refuse_all_wrong(person: Person, wrong: np.ndarray) -> None:
    run = np.cumsum(~person.joined)
    for number in np.unique(run):
        if wrong[run == number].all():
            first, last = person.frames[run == number][[0, -1]]
            raise RequestError(f"Frames {first} to {last} of {person.subject.id} are all marked wrong, which leaves nothing "
                               "to fill them from; leave some of them, or skip the person.")


def _blank(person: Person, out: Evidence) -> None:
    """Wrong frames lose their evidence, start between their neighbours and stand where both sides stand."""
    bad = out.wrong
    px_sigma, trust = out.seen.sigma_px.copy(), out.seen.depth_weight.copy()
    px_sigma[bad], trust[bad] = np.inf, 0.0
    out.seen = replace(out.seen, sigma_px=px_sigma, depth_weight=trust, outline=_outline_without(out.seen, bad))
    q, root, pelvis = out.start.q.copy(), out.start.root_m.copy(), out.start.pelvis.copy()
    run, time = np.cumsum(~person.joined), out.seen.time_s
    for number in np.unique(run):
        rows = np.flatnonzero(run == number)
        good, lost = rows[~bad[rows]], rows[bad[rows]]
        for t in lost:
            k = np.searchsorted(good, t)
            a, b = good[max(k - 1, 0)], good[min(k, len(good) - 1)]
            u = 0.0 if a == b else (time[t] - time[a]) / (time[b] - time[a])
            q[t], root[t] = (1 - u) * q[a] + u * q[b], (1 - u) * root[a] + u * root[b]
            pelvis[t] = rot.exp(u * rot.log(pelvis[b] @ pelvis[a].T)) @ pelvis[a]
            out.contact[t] = np.minimum(person.contact[a], person.contact[b]) if a != b else 0.0
    out.start = replace(out.start, q=q, root_m=root, pelvis=pelvis)


def _flip(person: Person, out: Evidence, edit: contract.Flip, is_new: bool, depth_sigma_m: float) -> None:
    rows = _rows(person, edit)
    if is_new:
        out.start = mirrored(person.model, person.view, out.start, edit.limb, rows)
        out.core[rows] = out.moved[rows] = True
    # The depth of the limb as it now starts is the evidence: an earlier flip is in the take's motion already.
    which = np.ix_(rows, LIMB_KEYPOINTS[edit.limb])
    depth, trust = out.seen.depth_m.copy(), out.seen.depth_weight.copy()
    depth[which] = depths(person.model, person.view, out.start)[which]
    trust[which] = (depth_sigma_m / FLIPPED_DEPTH_M) ** 2
    trust[out.wrong] = 0.0
    out.seen = replace(out.seen, depth_m=depth, depth_weight=trust)


def depths(model: Model, view: fit.View, state: fit.State) -> np.ndarray:
    """(N, 33) depth of the keypoints against the middle of the hips, m."""
    p = fit.pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    z = (model.keypoints.positions(p, state.shape) @ np.swapaxes(view.R_cw, 1, 2))[..., 2]
    return z - z[:, list(HIPS)].mean(1, keepdims=True)


def _pin(person: Person, out: Evidence, pins: list[contract.Pin], new: list, size_px: tuple[int, int]) -> None:
    sigma_pin = PIN_SIGMA * size_px[1]
    time, n = out.seen.time_s, len(person.frames)
    doubt = np.zeros((n, len(KEYPOINT)))
    by_keypoint: dict[int, list[tuple[int, float]]] = {}
    for edit in pins:
        t, k = person.row(edit.frame), KEYPOINT[edit.keypoint]
        place = projection.undistort_px(np.array([edit.x_px, edit.y_px]), person.view.K[t], person.distortion[t])
        known = np.isfinite(person.seen.sigma_px[t, k])
        miss = float(np.linalg.norm(place - person.seen.px[t, k]) / np.hypot(person.seen.sigma_px[t, k], sigma_pin)
                     ) if known else 0.0
        doubt[:, k] = np.maximum(doubt[:, k], miss * np.exp(-0.5 * ((time - time[t]) / DOUBT_S) ** 2))
        out.pins.append((t, k, place))
        by_keypoint.setdefault(k, []).append((t, miss))
        if edit in new:
            out.core[np.abs(time - time[t]) <= 2 * DOUBT_S] = True
    for k, placed in by_keypoint.items():
        placed.sort()
        for (a, miss_a), (b, miss_b) in zip(placed[:-1], placed[1:], strict=True):
            if time[b] - time[a] <= BETWEEN_S:
                doubt[a:b + 1, k] = np.maximum(doubt[a:b + 1, k], np.minimum(miss_a, miss_b))
    sigma, trust = out.seen.sigma_px * (1 + doubt), out.seen.depth_weight / (1 + doubt)
    for t, k, _ in out.pins:
        sigma[t, k] = np.inf  # the pin stands in for the detection
    near = [np.abs(time - time[t]) <= DOUBT_S for t, k, _ in out.pins if k in _ARM_KEYPOINTS]
    outline = _outline_without(out.seen, np.any(near, axis=0)) if near else out.seen.outline
    out.seen = replace(out.seen, sigma_px=sigma, depth_weight=trust, outline=outline)


def _outline_without(seen: fit.Observations, frames: np.ndarray) -> Outline | None:
    """A person's outline, of which some frames (N,) bool say nothing."""
    return None if seen.outline is None else seen.outline.without(frames)
