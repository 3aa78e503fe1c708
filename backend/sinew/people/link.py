"""Tracklets joined into people: across gaps, and rightly again after two of them met."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from .crops import MARGIN
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


def _colour(sightings: list[Sighting]) -> np.ndarray:
    """Mean colour description; of all, because single frames are noisy. Empty where there is none."""
    known = [s.colour for s in sightings if s.colour.size]
    return np.mean(known, axis=0) if known else np.zeros(0)


def _pace(tracklet: Tracklet, time_s: np.ndarray, end: bool) -> np.ndarray:
    """Velocity of the crop's middle at the end or the start, px/s, by a line through up to 0.4 s."""
    frames = np.array(tracklet.frames)
    times = time_s[frames]
    edge = times[-1] if end else times[0]
    near = np.abs(times - edge) <= 0.4
    if near.sum() < 3:
        return np.zeros(2)
    places = np.array([(s.crop.x_px, s.crop.y_px) for s, n in zip(tracklet.sightings, near) if n])
    t = times[near] - times[near].mean()
    return (t @ (places - places.mean(0))) / (t @ t)


def link_cost(a: Tracklet, b: Tracklet, time_s: np.ndarray) -> float:
    """Cost of a being the same person as b later; infinite where it cannot be.

    The gap is bridged from both ends at half the speed: who was hidden may have stopped.
    """
    gap_s = float(time_s[b.frames[0]] - time_s[a.frames[-1]])
    if not 0 < gap_s <= LONGEST_GAP_S or b.frames[0] <= a.frames[-1]:
        return np.inf
    left, right = a.sightings[-1].crop, b.sightings[0].crop
    size = np.sqrt(left.side_px * right.side_px) / MARGIN
    bridge = (_pace(a, time_s, True) + _pace(b, time_s, False)) / 2 * gap_s
    away = np.array([right.x_px - left.x_px, right.y_px - left.y_px])
    # Between standing still and going on at the same pace anything is as likely.
    share = np.clip(away @ bridge / max(bridge @ bridge, 1e-9), 0.0, 1.0)
    missed = np.linalg.norm(away - share * bridge) / size
    place = missed / (0.25 + 0.5 * gap_s)
    growth = abs(np.log(right.side_px / left.side_px)) / 0.35
    colour = colour_distance(_colour(a.sightings[-30:]), _colour(b.sightings[:30]))
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
                p, q, r, s = (_colour(x) for x in (*before, *after))
                keep = colour_distance(p, r) + colour_distance(q, s)
                cross = colour_distance(p, s) + colour_distance(q, r)
                if cross < keep - SURER:
                    middle = min((f for f in near if start <= f <= end),
                                 key=lambda f: np.hypot(at_a[f].crop.x_px - at_b[f].crop.x_px,
                                                        at_a[f].crop.y_px - at_b[f].crop.y_px))
                    _exchange(a, b, middle)
                    at_a, at_b = dict(zip(a.frames, a.sightings)), dict(zip(b.frames, b.sightings))


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


def linked(tracklets: list[Tracklet], time_s: np.ndarray) -> list[Tracklet]:
    """People: chains of tracklets with the least total cost (one successor and one predecessor each).

    Args:
        tracklets: Of the streaming pass, in any order; changed in place.
        time_s: (T,) times of all frames.
    """
    pieces = [t for t in tracklets if t.frames]
    exchange_after_meetings(pieces, time_s)
    pieces = sorted(without_shadows([t for t in pieces if t.frames]), key=lambda t: (t.frames[0], -len(t.frames)))
    if len(pieces) < 2:
        return pieces
    cost = np.array([[link_cost(a, b, time_s) for b in pieces] for a in pieces])
    rows, columns = linear_sum_assignment(np.minimum(cost, DEAREST))
    after = {r: c for r, c in zip(rows, columns) if cost[r, c] < DEAREST}
    people = []
    for first in sorted(set(range(len(pieces))) - set(after.values())):
        person, k = pieces[first], first
        while k in after:
            k = after[k]
            person.frames = person.frames + pieces[k].frames
            person.sightings = person.sightings + pieces[k].sightings
        people.append(person)
    return people
