"""Tracklets joined into people: across gaps, and rightly again after two of them met."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from .crops import MARGIN, Crop
from .likeness import SAME, SAME_COLOURS, colour_distance, overlap
from .looks import Sighting
from .tracker import Tracklet, alike

LONGEST_GAP_S = 4.0
BRIEF_S = 1.0
"""A longer gap is bridged only where the colours are alike too: anybody may have walked in meanwhile."""
DEAREST = 1.6
"""Cost of a link above which two tracklets stay two people."""
MEETING = 0.25
"""Overlap of two crops from which a tracker may have gone over to the other person."""
SURER = 0.12
"""How much better the colours must fit crosswise before two people are exchanged."""

CHANGED = 0.5
"""Distance of a tracklet's colours before and after a frame from which it may have gone over to somebody else. The
shared clips: within one person at most 0.49 (somebody who comes out from behind somebody), two people 0.43 to 0.67."""
LEAST_SIDE = 5
"""Sightings on both sides of a change."""
UNSURE_S = 0.25
"""The end of a tracklet that went over may lie so far beyond the start of the one that took up its person."""


def mean_colour(sightings: list[Sighting]) -> np.ndarray:
    """Mean colour description; of all, because single frames are noisy. Empty where there is none."""
    known = [s.colour for s in sightings if s.colour.size]
    return np.mean(known, axis=0) if known else np.zeros(0)


def _pace(tracklet: Tracklet, time_s: np.ndarray, drift_px: np.ndarray, end: bool) -> np.ndarray:
    """Velocity of the crop's middle over the background at the end or the start, px/s, by a line through up to 0.4 s."""
    frames = np.array(tracklet.frames)
    times = time_s[frames]
    edge = times[-1] if end else times[0]
    near = np.abs(times - edge) <= 0.4
    if near.sum() < 3:
        return np.zeros(2)
    places = np.array([(s.crop.x_px, s.crop.y_px) for s, n in zip(tracklet.sightings, near) if n]) - drift_px[frames[near]]
    t = times[near] - times[near].mean()
    return (t @ (places - places.mean(0))) / (t @ t)


def link_cost(a: Tracklet, b: Tracklet, time_s: np.ndarray, drift_px: np.ndarray) -> float:
    """Cost of a being the same person as b later; infinite where it cannot be.

    The gap is bridged from both ends at half the speed: who was hidden may have stopped. drift_px: (T, 2) by how much the
    whole picture has moved.
    """
    if a.went_over:
        a = _until(a, b.frames[0], time_s)
    gap_s = float(time_s[b.frames[0]] - time_s[a.frames[-1]])
    if not 0 < gap_s <= LONGEST_GAP_S or b.frames[0] <= a.frames[-1]:
        return np.inf
    left, right = a.sightings[-1].crop, b.sightings[0].crop
    size = np.sqrt(left.side_px * right.side_px) / MARGIN
    bridge = (_pace(a, time_s, drift_px, True) + _pace(b, time_s, drift_px, False)) / 2 * gap_s
    away = np.array([right.x_px - left.x_px, right.y_px - left.y_px]) - (drift_px[b.frames[0]] - drift_px[a.frames[-1]])
    # Between standing still and going on at the same pace anything is as likely.
    share = np.clip(away @ bridge / max(bridge @ bridge, 1e-9), 0.0, 1.0)
    missed = np.linalg.norm(away - share * bridge) / size
    place = missed / (0.25 + 0.5 * gap_s)
    growth = abs(np.log(right.side_px / left.side_px)) / 0.35
    colour = colour_distance(mean_colour(a.sightings[-30:]), mean_colour(b.sightings[:30]))
    if place > 2.0 or growth > 2.0 or (gap_s > BRIEF_S and colour > SAME_COLOURS):
        return np.inf
    return 0.5 * place + 0.3 * growth + 1.5 * colour + 0.15 * gap_s


def exchange_after_meetings(tracklets: list[Tracklet], time_s: np.ndarray) -> None:
    """Where two tracklets meet and their colours fit crosswise better afterwards, exchange what follows. In place."""
    for i, a in enumerate(tracklets):
        for b in tracklets[i + 1:]:
            common = sorted(set(a.frames) & set(b.frames))
            if len(common) < 3:
                continue
            at_a, at_b = dict(zip(a.frames, a.sightings)), dict(zip(b.frames, b.sightings))
            near = [f for f in common if overlap(at_a[f].crop, at_b[f].crop) > MEETING]
            for start, end in _stretches(near, time_s):
                before = [[s for f, s in at.items() if 0 < time_s[start] - time_s[f] <= 1.0] for at in (at_a, at_b)]
                after = [[s for f, s in at.items() if 0 < time_s[f] - time_s[end] <= 1.0] for at in (at_a, at_b)]
                if min(map(len, before)) < 3 or min(map(len, after)) < 3:
                    continue
                p, q, r, s = (mean_colour(x) for x in (*before, *after))
                keep = colour_distance(p, r) + colour_distance(q, s)
                cross = colour_distance(p, s) + colour_distance(q, r)
                if cross < keep - SURER:
                    middle = min((f for f in near if start <= f <= end),
                                 key=lambda f: np.hypot(at_a[f].crop.x_px - at_b[f].crop.x_px,
                                                        at_a[f].crop.y_px - at_b[f].crop.y_px))
                    _exchange(a, b, middle)
                    at_a, at_b = dict(zip(a.frames, a.sightings)), dict(zip(b.frames, b.sightings))


def parted_where_changed(tracklets: list[Tracklet], time_s: np.ndarray) -> list[Tracklet]:
    """Tracklets cut where their colours change for good while somebody else is about; linking joins them as fits best.

    A crop goes over to the other person where two cross and the one is lost: nothing else holds both. A piece that was
    cut for nothing is joined again, because it goes on in the same place.
    """
    out: list[Tracklet] = []
    waiting = list(tracklets)
    while waiting:
        piece = waiting.pop()
        at = _change(piece, [t for t in tracklets if t is not piece], time_s)
        if at is None:
            out.append(piece)
            continue
        waiting += [Tracklet(piece.frames[:at], piece.sightings[:at], piece.motion, piece.colour, went_over=True),
                    Tracklet(piece.frames[at:], piece.sightings[at:], piece.motion, piece.colour,
                             went_over=piece.went_over)]
    return out


def _change(piece: Tracklet, others: list[Tracklet], time_s: np.ndarray) -> int | None:
    """Where in a tracklet somebody else begins, or None."""
    times = time_s[piece.frames]
    worst = (CHANGED, 0)
    for k in range(LEAST_SIDE, len(times) - LEAST_SIDE + 1):
        before, after = _sides(piece, times, k)
        if min(len(before), len(after)) >= LEAST_SIDE:
            worst = max(worst, (colour_distance(mean_colour(before), mean_colour(after)), k))
    k = worst[1]
    if not k or not any(_about(piece.sightings[j].crop, piece.frames[j], o, time_s)
                        for o in others for j in (k, max(0, k - 8), max(0, k - 16))):
        return None
    # The windows blur the place: each frame near it goes to the side whose colours it has.
    before, after = (mean_colour(x) for x in _sides(piece, times, k))
    near = np.flatnonzero(np.abs(times - times[k]) <= 0.5)
    nearer = [colour_distance(s.colour, before) - colour_distance(s.colour, after)
              for s in (piece.sightings[j] for j in near)]
    best = int(np.argmin(np.concatenate([[0.0], np.cumsum(nearer)])))
    at = int(near[0]) + best
    return at if LEAST_SIDE <= at <= len(times) - LEAST_SIDE else k


def _sides(piece: Tracklet, times: np.ndarray, k: int) -> tuple[list[Sighting], list[Sighting]]:
    """Sightings of half a second before and after the k-th."""
    low, high = np.searchsorted(times, [times[k] - 0.5 - 1e-6, times[k] + 0.5])
    return piece.sightings[low:k], piece.sightings[k:high]


def _about(crop: Crop, frame: int, other: Tracklet, time_s: np.ndarray) -> bool:
    """Whether the other one is, or was within the last second or is within the next, where this crop is."""
    j = int(np.argmin(np.abs(np.array(other.frames) - frame)))
    return bool(abs(time_s[other.frames[j]] - time_s[frame]) <= 1.0
                and overlap(crop, other.sightings[j].crop) > MEETING)


def _until(piece: Tracklet, frame: int, time_s: np.ndarray) -> Tracklet:
    """A tracklet without its last frames from `frame` on, where those are few enough to be somebody else's."""
    k = int(np.searchsorted(piece.frames, frame))
    if k == len(piece.frames) or k < 3 or time_s[piece.frames[-1]] - time_s[frame] > UNSURE_S:
        return piece
    return Tracklet(piece.frames[:k], piece.sightings[:k], piece.motion, piece.colour)


def _stretches(frames: list[int], time_s: np.ndarray) -> list[tuple[int, int]]:
    out: list[list[int]] = []
    for f in frames:
        if out and time_s[f] - time_s[out[-1][1]] <= 0.3:
            out[-1][1] = f
        else:
            out.append([f, f])
    return [(a, b) for a, b in out]


def _exchange(a: Tracklet, b: Tracklet, frame: int) -> None:
    def split(t: Tracklet):
        k = sum(f < frame for f in t.frames)
        return (t.frames[:k], t.sightings[:k]), (t.frames[k:], t.sightings[k:])
    (a0, a1), (b0, b1) = split(a), split(b)
    a.frames, a.sightings = a0[0] + b1[0], a0[1] + b1[1]
    b.frames, b.sightings = b0[0] + a1[0], b0[1] + a1[1]


def without_shadows(tracklets: list[Tracklet]) -> list[Tracklet]:
    """Frames in which two tracklets are one person are left to the longer one."""
    order = sorted(tracklets, key=lambda t: -len(t.frames))
    held: dict[int, list[Sighting]] = {}
    out = []
    for t in order:
        keep = [(f, s) for f, s in zip(t.frames, t.sightings)
                if all(alike(s, o) <= SAME for o in held.get(f, []))]
        if not keep:
            continue
        t.frames, t.sightings = [f for f, _ in keep], [s for _, s in keep]
        for f, s in keep:
            held.setdefault(f, []).append(s)
        out.append(t)
    return out


def linked(tracklets: list[Tracklet], time_s: np.ndarray, drift_px: np.ndarray) -> list[Tracklet]:
    """People: chains of tracklets with the least total cost (one successor and one predecessor each).

    Args:
        tracklets: Of the streaming pass, in any order; changed in place.
        time_s: (T,) times of all frames.
        drift_px: (T, 2) by how much the whole picture has moved since the first frame.
    """
    pieces = [t for t in tracklets if t.frames]
    exchange_after_meetings(pieces, time_s)
    pieces = parted_where_changed([t for t in pieces if t.frames], time_s)
    pieces = sorted(without_shadows(pieces), key=lambda t: (t.frames[0], -len(t.frames)))
    if len(pieces) < 2:
        return pieces
    cost = np.array([[link_cost(a, b, time_s, drift_px) for b in pieces] for a in pieces])
    rows, columns = linear_sum_assignment(np.minimum(cost, DEAREST))
    after = {r: c for r, c in zip(rows, columns) if cost[r, c] < DEAREST}
    people = []
    for first in sorted(set(range(len(pieces))) - set(after.values())):
        person, k = pieces[first], first
        while k in after:
            k = after[k]
            person = _until(person, pieces[k].frames[0], time_s)
            person.frames = person.frames + pieces[k].frames
            person.sightings = person.sightings + pieces[k].sightings
        people.append(person)
    return people
