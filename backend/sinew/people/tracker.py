"""Following people through a shot in one streaming pass, into tracklets: stretches in which somebody is seen for sure.

Each person is followed by the landmark model itself, on the crop that the last frames predict; the detector looks at
the whole picture and at tiles of it in turn, for people who are not followed yet. Whoever it finds is also followed
backwards through the last pictures, so that looking at tiles only now and then costs nobody their first frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from . import turns
from .apart import take_the_rest, tell_apart
from .combine import LIMBS, disagreement
from .crops import MARGIN, Crop, inside, tiles
from .drift import Drift
from .likeness import SAME, SAME_COLOURS, colour_distance, keypoint_likeness, overlap
from .looks import Eyes, Kind, Sighting, joined, kinds

LEAST_PRESENCE = 0.5
LEAST_SURENESS = 0.3
"""Mean confidence of the trunk and limbs in the picture."""
LEAST_INSIDE = 10
"""Of the 22 keypoints of the limbs and hands, in the picture ..."""
BUST = [0, 11, 12]
"""... or nose and shoulders, of whoever is filmed from the chest up."""
LOST_S = 0.25
"""A tracklet ends when its person has not been seen on the predicted crop for so long; linking bridges longer gaps."""
MEMORY_BYTES = 160e6
MOST_MEMORY = 24
"""Pictures kept for following somebody backwards."""
TILE_SHARES = (0.5, 0.28)
"""Sides of the tiles over the picture's long side. People down to about a quarter of a tile are found."""
MOST_DISAGREEMENT = 0.05
"""Of the crops of one frame, in the person's sizes, above which nobody was seen; see `combine.disagreement`."""
MOST_AT_FIRST = 0.03
"""The same for somebody new, with no past to speak for them."""
LEAST_AT_FIRST = 0.4
"""Of somebody new, the median height of the heatmaps of the limbs in the picture. Real people have 0.5 to 0.9, who is blurred
throughout the least; looks at a foot or a shadow agree at times, but at 0.3 to 0.36."""
MOST_SHARED = 0.6
"""Share of a newcomer's keypoints that may lie on somebody already known."""
MEETING = 0.2
"""Overlap of two people's crops from which nobody of them is looked for the other way up: it would be the other one."""
SEARCH_S = 4.0
"""A lost person is searched for so long around the place where they would be."""
SEARCH_SIDE = 1.4
"""Of the window of such a search, over the side of the person's crop. The detector shrinks a window to 224 px and then
names little more than the most striking person in it: small windows find who stands beside somebody."""
RECENT = 5
"""The last sightings (of `LOST_S` at most) that tell whether a pose jumps."""
TURNS = (None, 1, 0, 1)
"""Where the detector looks in turn: the whole picture (None), a tile of a level. There are most of the small tiles."""
REJECTED_S = 0.4
"""So long a detection that was nobody is not looked at again; a quarter of it where somebody lost is expected."""


@dataclass(eq=False)
class Tracklet:
    """One person over a stretch of frames with hardly a gap."""

    frames: list[int]
    sightings: list[Sighting]
    motion: Motion
    colour: np.ndarray = field(default_factory=lambda: np.zeros(0))
    found_again: bool = False
    """Somebody who may be this person is followed since; nobody searches for them any longer."""
    went_over: bool = False
    """Its last frames may be somebody else's: linking found that it went on as another person."""

    def at(self, frame: int) -> Sighting | None:
        """The sighting of a frame; looks from the end, where it mostly is."""
        for k in range(len(self.frames) - 1, -1, -1):
            if self.frames[k] <= frame:
                return self.sightings[k] if self.frames[k] == frame else None
        return None


class Motion:
    """Constant-velocity Kalman filter of a crop's place and size: (x, y, log side), each on its own.

    Place is measured in sides, so that one set of noises serves near and far people. Source: Kalman 1960; the usual
    piecewise-white acceleration model.
    """

    ACCELERATION = 6.0
    """Standard deviation, sides per s²: a jump or a sprint's start."""
    NOISE = 0.02
    """Of a measurement, sides."""

    def __init__(self, crop: Crop, time_s: float) -> None:
        self.state = np.array([[crop.x_px, 0.0], [crop.y_px, 0.0], [np.log(crop.side_px), 0.0]])
        self.covariance = np.diag([self.NOISE**2, 1.0])
        self.turn = crop.turn
        self.time_s = time_s

    def _moved(self, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        dt = time_s - self.time_s
        step = np.array([[1.0, dt], [0.0, 1.0]])
        push = np.array([dt * dt / 2, dt])
        return self.state @ step.T, step @ self.covariance @ step.T + np.outer(push, push) * self.ACCELERATION**2

    def predict(self, time_s: float) -> Crop:
        state, _ = self._moved(time_s)
        # Size is not extrapolated: a person who bends would shrink to nothing.
        return Crop(state[0, 0], state[1, 0], float(np.exp(self.state[2, 0])), self.turn)

    def carried(self, shift_px: np.ndarray) -> Motion:
        """The same after the whole picture has moved."""
        out = copy(self)
        out.state = self.state + np.outer([*shift_px, 0.0], [1.0, 0.0])
        return out

    def after(self, crop: Crop, time_s: float) -> Motion:
        """The same once the person has been seen."""
        out = copy(self)
        state, covariance = self._moved(time_s)
        gain = covariance[:, 0] / (covariance[0, 0] + self.NOISE**2)
        seen = np.array([crop.x_px, crop.y_px, np.log(crop.side_px)])
        out.state = state + (seen - state[:, 0])[:, None] * gain
        out.covariance = covariance - np.outer(gain, covariance[0])
        out.turn = crop.turn
        out.time_s = time_s
        return out


def believable(sighting: Sighting | None, expected: Crop, size_px: tuple[int, int]) -> bool:
    """Whether somebody was really seen where the crop was, and not somebody or something else beside it."""
    if sighting is None or sighting.presence[0] < LEAST_PRESENCE:
        return False
    found = sighting.crop
    if not 0.5 < found.side_px / expected.side_px < 2.0:
        return False
    if np.hypot(found.x_px - expected.x_px, found.y_px - expected.y_px) > 0.35 * expected.side_px:
        return False
    in_view = inside(sighting.middle_px, size_px)
    if in_view[LIMBS].sum() < LEAST_INSIDE and not in_view[BUST].all():
        return False
    return bool(sighting.sureness[LIMBS][in_view[LIMBS]].mean() > LEAST_SURENESS)


def clearness(sighting: Sighting, size_px: tuple[int, int]) -> float:
    """Median height of the heatmaps of the limbs in the picture, 0..1; 0 where none is."""
    heights = np.median(sighting.height, axis=0)[LIMBS][inside(sighting.middle_px, size_px)[LIMBS]]
    return float(np.median(heights)) if len(heights) else 0.0


def sure_at_first(sighting: Sighting, size_px: tuple[int, int]) -> bool:
    """Whether the looks agree and are clear enough for somebody with no past to speak for them."""
    return disagreement(sighting) <= MOST_AT_FIRST and clearness(sighting, size_px) >= LEAST_AT_FIRST


def alike(a: Sighting, b: Sighting) -> float:
    """Keypoint likeness of two sightings of one frame."""
    size = min(a.crop.side_px, b.crop.side_px) / MARGIN
    return keypoint_likeness(a.middle_px, b.middle_px, size, np.sqrt(a.sureness * b.sureness) + 0.05)


def part_of(a: Sighting, b: Sighting, cell_px: float) -> float:
    """Share of a's keypoints that lie on b: a person's leg or trunk is at times taken for a smaller person."""
    box_and_mask = b.soft or b.mask
    if box_and_mask is None:
        return 0.0
    (x0, y0, x1, y1), mask = box_and_mask
    x, y = np.floor(a.middle_px[LIMBS] / cell_px).astype(int).T
    boxed = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    return float((mask[y[boxed] - y0, x[boxed] - x0] > 0.5).sum() / len(LIMBS))


class Tracker:
    """The streaming pass. Feed it frames in order with `step`, then take `tracklets`.

    Args:
        eyes: Threads that look.
        size_px: Width and height of the pictures.
        time_s: (T,) times of all frames.
    """

    def __init__(self, eyes: Eyes, size_px: tuple[int, int], time_s: np.ndarray) -> None:
        self.eyes, self.size_px, self.time_s = eyes, size_px, time_s
        self.done: list[Tracklet] = []
        self.active: list[Tracklet] = []
        self._rejected: deque[tuple[int, Crop]] = deque(maxlen=24)
        bytes_each = 3 * size_px[0] * size_px[1]
        self.memory = int(np.clip(MEMORY_BYTES / bytes_each, 2, MOST_MEMORY))
        """So many pictures may be held."""
        self._past: deque[tuple[int, np.ndarray]] = deque(maxlen=self.memory)
        width, height = size_px
        self._whole = (0, 0, width, height)
        self._tiles = [tiles(width, height, share * max(size_px)) for share in TILE_SHARES]
        self._looked = [[0] * len(level) for level in self._tiles]
        self._drift = Drift()
        self._early: dict[Crop, Future] = {}
        """Looks at the next picture that were begun while this one was still looked at."""
        self.drift_px = np.zeros((len(time_s), 2))
        """(T, 2): by how much the picture has moved since the first frame, as far as it was looked at."""

    @property
    def tracklets(self) -> list[Tracklet]:
        return [*self.done, *self.active]

    def _windows(self, frame: int, expected: list[Crop]) -> list[tuple[int, int, int, int]]:
        """Where the detector looks: everywhere at first, then one window of the turn, and where somebody is missed.

        A missed person's window costs less than following them did. expected: crops of those who are followed.
        """
        if frame == 0:
            return [self._whole, *(t for level in self._tiles for t in level)]
        level = TURNS[frame % len(TURNS)]
        out = [self._whole if level is None else self._stalest(frame, level, expected)]
        missed = self._missed(frame)
        # At once in every frame, later in every fourth: who has not come back soon may have left.
        wanted = [c for c, lost_s in missed if lost_s < 1.0 or frame % 4 == 1]
        if wanted:
            out.append(self._around(wanted[frame % len(wanted)], frame))
        return out

    def _stalest(self, frame: int, level: int, expected: list[Crop]) -> tuple[int, int, int, int]:
        """The tile of a level that was not looked at for longest; where hardly anything but known people is, later."""
        def need(k: int) -> float:
            x0, y0, x1, y1 = self._tiles[level][k]
            free = np.ones((8, 8), bool)
            x, y = np.linspace(x0, x1, 17)[1::2], np.linspace(y0, y1, 17)[1::2]
            for c in expected:
                free &= (np.abs(x - c.x_px)[None] > 0.35 * c.side_px) | (np.abs(y - c.y_px)[:, None] > 0.35 * c.side_px)
            return (frame - self._looked[level][k]) * (0.3 + 0.7 * free.mean())
        best = max(range(len(self._tiles[level])), key=lambda k: (need(k), -k))
        self._looked[level][best] = frame
        return self._tiles[level][best]

    def _missed(self, frame: int) -> list[tuple[Crop, float]]:
        """Where those would be who were lost lately, and for how many seconds; not who walked out of the picture."""
        now = float(self.time_s[frame])
        out = []
        for t in [*self.active, *self.done]:
            lost_s = now - float(self.time_s[t.frames[-1]])
            if t.frames[-1] >= frame - 1 or lost_s > SEARCH_S or t.found_again:
                continue
            # Nobody goes on at one pace for long where they cannot be seen.
            crop = t.motion.predict(t.motion.time_s + min(lost_s, LOST_S + 0.3 * lost_s))
            if self._in_view(crop):
                out.append((crop, lost_s))
        return out

    def _in_view(self, crop: Crop) -> bool:
        """Its middle lies in the picture."""
        return 0 <= crop.x_px < self.size_px[0] and 0 <= crop.y_px < self.size_px[1]

    def _around(self, crop: Crop, frame: int) -> tuple[int, int, int, int]:
        """A square window around a place, moved about from frame to frame, inside the picture."""
        side = min(SEARCH_SIDE * crop.side_px, *self.size_px)
        shift = (0.0, -0.25, 0.25)[frame // 2 % 3] * side
        out = []
        for middle, length in ((crop.x_px + shift, self.size_px[0]), (crop.y_px, self.size_px[1])):
            low = int(round(np.clip(middle - side / 2, 0, length - side)))
            out.append((low, min(length, low + int(round(side)))))
        (x0, x1), (y0, y1) = out
        return x0, y0, x1, y1

    def step(self, frame: int, picture: np.ndarray, following: np.ndarray | None = None) -> None:
        """Look at the next frame.

        Args:
            picture: (H, W, 3) uint8 RGB.
            following: The picture after it, if it is there: looks at it are begun where people will most likely be, so that
                no thread waits for the last look at this one. What is found does not depend on it.
        """
        now = float(self.time_s[frame])
        shift = self._drift.see(picture, [t.motion.predict(now) for t in self.active])
        self.drift_px[frame] = (self.drift_px[frame - 1] if frame else 0.0) + shift
        for tracklet in self.tracklets:
            tracklet.motion = tracklet.motion.carried(shift)
        expected = [t.motion.predict(now) for t in self.active]
        begun, self._early = self._early, {}
        looks = [begun.pop(c, None) or self.eyes.look(picture, c, first=True) for c in expected]
        for vain in begun.values():
            vain.cancel()
        detections = [self.eyes.detect(picture, w) for w in self._windows(frame, expected)]
        seen: list[tuple[Tracklet, Crop, Sighting]] = []
        for tracklet, crop, look in zip(list(self.active), expected, looks):
            sighting = look.result()
            if believable(sighting, crop, self.size_px):
                seen.append((tracklet, crop, sighting))
        seen = self._without_doubles(seen)
        more_looks = kinds(len(seen), frame)
        refining = [self.eyes.refine(picture, s.crop, more_looks) for _, _, s in seen]
        found = [c for d in detections for c in d.result()]
        strangers = self._strangers(frame, found, [s.crop for _, _, s in seen])
        checking = [self.eyes.look(picture, c) for c in strangers]
        if following is not None:
            self._look_ahead(frame + 1, following, {id(t): s.crop for t, _, s in seen}, now)
        now_seen = []
        around = list(zip(self.active, expected))
        # Looks also disagree about whoever is cut off at the picture's edge: no turn mends that.
        alone = [t for t, own in around
                 if self._in_view(own) and all(t is o or overlap(c, own) < MEETING for o, c in around)]
        for (tracklet, crop, sighting), more in zip(seen, refining):
            sighting = joined(sighting, [m.result() for m in more])
            if tracklet in alone and disagreement(sighting) > turns.UNSURE:
                sighting = self._upright(picture, crop, sighting, more_looks, self._recent(tracklet, now)) or sighting
            if disagreement(sighting) <= MOST_DISAGREEMENT:
                self._append(tracklet, frame, sighting)
                now_seen.append(sighting)
        for tracklet, crop in around:
            # At once, and then now and then: most who are lost stand behind something.
            if tracklet in alone and (frame - tracklet.frames[-1]) % 4 == 1 and all(t is not tracklet for t, _, _ in seen):
                sighting = self._upright(picture, crop, None, more_looks, self._recent(tracklet, now))
                if sighting is not None and all(alike(sighting, o) < SAME for o in now_seen):
                    self._append(tracklet, frame, sighting)
                    now_seen.append(sighting)
        for crop, check in zip(strangers, checking):
            self._meet(frame, picture, crop, check.result(), now_seen)
        tell_apart(now_seen)
        for tracklet in list(self.active):
            if now - self.time_s[tracklet.frames[-1]] > LOST_S:
                self.active.remove(tracklet)
                self.done.append(tracklet)
        self._past.append((frame, picture))

    def forget(self) -> None:
        """Let go of the pictures: nobody else will be followed backwards."""
        self._past.clear()

    def _look_ahead(self, frame: int, picture: np.ndarray, seen: dict[int, Crop], now: float) -> None:
        """Begin the first looks at the next picture, as if everybody's other looks at this one agreed.

        Args:
            seen: Crops of this picture, by the tracklets' identities, of those whom the first look found.
            now: Time of this picture.
        """
        then = float(self.time_s[frame])
        motions = [t.motion.after(seen[id(t)], now) if id(t) in seen else t.motion for t in self.active
                   if id(t) in seen or now - self.time_s[t.frames[-1]] <= LOST_S]
        shift = self._drift.foresee(picture, [m.predict(then) for m in motions])
        for crop in [m.carried(shift).predict(then) for m in motions]:
            self._early[crop] = self.eyes.look(picture, crop, first=True)

    def _recent(self, tracklet: Tracklet, now: float) -> list[Sighting]:
        return [s for f, s in zip(tracklet.frames[-RECENT:], tracklet.sightings[-RECENT:]) if now - self.time_s[f] <= LOST_S]

    def _upright(self, picture: np.ndarray, expected: Crop, before: Sighting | None, more_looks: tuple[Kind, ...],
                 recent: list[Sighting]) -> Sighting | None:
        """The same person in crops turned other ways, where their looks agree better than `before` and the pose does not
        jump for it; None elsewhere."""
        best, level = None, MOST_AT_FIRST if before is None else turns.BETTER * turns.doubt(before, recent)
        for crop in turns.search(self.eyes, picture, expected):
            first = self.eyes.look(picture, crop, first=True)
            more = self.eyes.refine(picture, crop, more_looks)
            sighting = first.result()
            if not believable(sighting, expected, self.size_px):
                continue
            sighting = joined(sighting, [m.result() for m in more])
            doubt = turns.doubt(sighting, recent)
            if doubt < level:
                best, level = sighting, doubt
        return best

    def _append(self, tracklet: Tracklet, frame: int, sighting: Sighting) -> None:
        tracklet.frames.append(frame)
        tracklet.sightings.append(sighting)
        tracklet.motion = tracklet.motion.after(sighting.crop, float(self.time_s[frame]))
        tracklet.colour = sighting.colour if not tracklet.colour.size else 0.9 * tracklet.colour + 0.1 * sighting.colour

    def _without_doubles(self, seen: list[tuple[Tracklet, Crop, Sighting]]) -> list[tuple[Tracklet, Crop, Sighting]]:
        """Of two tracklets that have come to one person, only the one whose own person that is."""
        kept = list(seen)
        for i, a in enumerate(seen):
            for b in seen[i + 1:]:
                if a in kept and b in kept and alike(a[2], b[2]) > SAME:
                    kept.remove(max(a, b, key=self._strangeness))
        return kept

    @staticmethod
    def _strangeness(item: tuple[Tracklet, Crop, Sighting]) -> float:
        tracklet, expected, sighting = item
        last = tracklet.sightings[-1]
        moved = np.array([expected.x_px - last.crop.x_px, expected.y_px - last.crop.y_px])
        size = last.crop.side_px / MARGIN
        place = 1.0 - keypoint_likeness(last.middle_px + moved, sighting.middle_px, size, last.sureness + 0.05)
        # A short tracklet is the likelier impostor.
        return place + 2.0 * colour_distance(tracklet.colour, sighting.colour) + 1.0 / len(tracklet.frames)

    def _strangers(self, frame: int, found: list[Crop], known: list[Crop]) -> list[Crop]:
        """Detections that are nobody followed, each person once."""
        out: list[Crop] = []
        if found and known:
            likeness = np.array([[overlap(f, k) for k in known] for f in found])
            rows, columns = linear_sum_assignment(-likeness)
            taken = {r for r, c in zip(rows, columns) if likeness[r, c] > 0.5}
            # The same person again in a tile: almost the same square as somebody followed.
            taken |= {r for r in range(len(found)) if likeness[r].max() > 0.7}
            found = [f for r, f in enumerate(found) if r not in taken]
        now = float(self.time_s[frame])
        missed = [c for c, _ in self._missed(frame)]
        recent = [(now - float(self.time_s[k]), c.moved(*(self.drift_px[frame] - self.drift_px[k])))
                  for k, c in self._rejected]
        for crop in found:
            wait_s = REJECTED_S / (4 if any(overlap(crop, c) > 0.2 for c in missed) else 1)
            if all(overlap(crop, c) < 0.6 for c in out) and all(
                    overlap(crop, c) < 0.7 for ago_s, c in recent if ago_s <= wait_s):
                out.append(crop)
        return out

    def _meet(self, frame: int, picture: np.ndarray, crop: Crop, first: Sighting | None,
              others: list[Sighting]) -> None:
        """Somebody may be new in this frame: look twice, and follow them backwards."""
        second = None
        if first is not None and first.presence[0] >= LEAST_PRESENCE:
            second = self.eyes.look(picture, first.crop, first=True).result()
        if second is None or not believable(second, first.crop, self.size_px):
            self._rejected.append((frame, crop))
            return
        sighting = self._unknown(frame, picture, second, others)
        if sighting is None or not sure_at_first(sighting, self.size_px):
            self._rejected.append((frame, crop))
            return
        tracklet = Tracklet([], [], Motion(sighting.crop, float(self.time_s[frame])))
        self._append(tracklet, frame, sighting)
        others.append(sighting)
        waiting = [t for t in self.active if t.frames[-1] < frame and self._continues(t, tracklet, frame)]
        if waiting:
            # Not new: somebody who left the predicted crop a moment ago.
            self._append(waiting[0], frame, sighting)
            return
        again = [t for t in [*self.active, *self.done] if not t.found_again and t.frames[-1] < frame - 1
                 and float(self.time_s[frame] - self.time_s[t.frames[-1]]) <= SEARCH_S
                 and colour_distance(t.colour, sighting.colour) < SAME_COLOURS]
        if again:
            min(again, key=lambda t: colour_distance(t.colour, sighting.colour)).found_again = True
        self._follow_back(tracklet)
        self.active.append(tracklet)

    def _continues(self, old: Tracklet, new: Tracklet, frame: int) -> bool:
        expected = old.motion.predict(float(self.time_s[frame]))
        crop = new.sightings[0].crop
        return bool(np.hypot(crop.x_px - expected.x_px, crop.y_px - expected.y_px) < 0.4 * expected.side_px
                    and 0.6 < crop.side_px / expected.side_px < 1.7
                    and colour_distance(old.colour, new.colour) < 0.45)

    def _follow_back(self, tracklet: Tracklet) -> None:
        """Find somebody new in the last pictures too, from the newest to the oldest, until they are lost."""
        backwards = Motion(tracklet.sightings[0].crop, 0.0)
        start = tracklet.frames[0]
        start_s = last_s = float(self.time_s[start])
        for frame, picture in reversed(self._past):
            shift = self.drift_px[frame] - self.drift_px[start]
            now_s = float(self.time_s[frame])
            if last_s - now_s > LOST_S:
                return
            sighting = self._seen_before(frame, picture, backwards.predict(start_s - now_s).moved(*shift))
            if sighting is not None:
                backwards = backwards.after(sighting.crop.moved(*-shift), start_s - now_s)
                tracklet.frames.insert(0, frame)
                tracklet.sightings.insert(0, sighting)
                last_s = now_s

    def _seen_before(self, frame: int, picture: np.ndarray, crop: Crop) -> Sighting | None:
        """Somebody in a crop of an earlier picture, if it is nobody who was known there."""
        others = [s for t in self.tracklets if (s := t.at(frame)) is not None]
        found = self.seen_among(frame, picture, crop, others)
        if found is not None:
            take_the_rest(found, others)
        return found

    def seen_among(self, frame: int, picture: np.ndarray, crop: Crop, others: list[Sighting]) -> Sighting | None:
        """Somebody in a crop of a picture, if it is none of the others who are known there."""
        sighting = self.eyes.look(picture, crop, first=True).result()
        if not believable(sighting, crop, self.size_px):
            return None
        found = self._unknown(frame, picture, sighting, others)
        return found if found is not None and disagreement(found) <= MOST_DISAGREEMENT else None

    def _unknown(self, frame: int, picture: np.ndarray, first: Sighting, others: list[Sighting]) -> Sighting | None:
        """All looks at somebody of whom there is a first one; None where it is one of the others, or a part of them."""
        if any(alike(first, o) > SAME or part_of(first, o, self.eyes.cell) > MOST_SHARED for o in others):
            return None
        return joined(first, [m.result() for m in self.eyes.refine(picture, first.crop, kinds(len(others) + 1, frame))])


def follow(pictures: Iterable[tuple[int, np.ndarray]], tracker: Tracker, report, total: int) -> list[Tracklet]:
    """Run the tracker over a stream of pictures; memory does not grow with its length but for keypoints and masks."""
    coming = iter(pictures)
    this = next(coming, None)
    while this is not None:
        following = next(coming, None)
        tracker.step(*this, None if following is None else following[1])
        report(this[0] + 1, total)
        this = following
    tracker.forget()
    return tracker.tracklets
