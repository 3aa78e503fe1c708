"""Looking once more where somebody was lost, now that both ends of the gap are known.

The streaming pass follows a lost person for a moment only, and then waits for the detector to find them; whoever stands out
of it for a while in the middle of a gap, beside others who are more striking, it does not find. The landmark model needs no
detector, only a crop about the place, and between two sightings that can be told.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable

import numpy as np

from .apart import take_the_rest
from .crops import Crop, wrapped
from .likeness import SAME_COLOURS, colour_distance, overlap
from .link import mean_colour
from .looks import Sighting
from .tracker import LOST_S, Tracker, Tracklet, sure_at_first

See = Callable[[Tracklet, int, np.ndarray, Crop], Sighting | None]
NEWS = 0.9
"""A crop is looked at again once what was found beside it has moved it to less than this overlap."""
NEAR = 30
"""Sightings on either side of a gap whose colours are the person's."""


def fill(people: list[Tracklet], tracker: Tracker, pictures: Callable[[list[int]], Iterable[tuple[int, np.ndarray]]],
         stopped: Callable[[], None] = lambda: None) -> None:
    """Add the sightings of gaps to people. In place.

    Args:
        people: As they were linked.
        tracker: The one that found them: its eyes look, its times and the picture's movement are told.
        pictures: Gives wanted frames of the shot, in order: (frame, (H, W, 3) uint8 RGB).
        stopped: Called before each picture; raises `Stopped` when the user has cancelled.
    """
    def see(person: Tracklet, frame: int, picture: np.ndarray, crop: Crop) -> Sighting | None:
        others = [s for p in people if p is not person and (s := p.at(frame)) is not None]
        sighting = tracker.seen_among(frame, picture, crop, others)
        # As sure as of somebody new: what is lost and stands beside somebody is easily taken for them.
        if (sighting is None or not sure_at_first(sighting, tracker.size_px)
                or colour_distance(_colour_about(person, frame), sighting.colour) > SAME_COLOURS):
            return None
        take_the_rest(sighting, others)
        return sighting

    wanted: dict[int, list[Tracklet]] = {}
    for person in people:
        for frame in gap_frames(person, tracker.time_s):
            wanted.setdefault(frame, []).append(person)
    for piece in _pieces(sorted(wanted), tracker.memory):
        held = []
        for frame, picture in pictures(piece):
            stopped()
            held.append((frame, picture))
        sweep(held, wanted, tracker.time_s, tracker.drift_px, see, stopped)


def gap_frames(person: Tracklet, time_s: np.ndarray) -> list[int]:
    """Frames without a sighting, in gaps longer than those through which the tracker itself looks on."""
    return [f for a, b in zip(person.frames, person.frames[1:]) if time_s[b] - time_s[a] > LOST_S for f in range(a + 1, b)]


def between(person: Tracklet, frame: int, time_s: np.ndarray, drift_px: np.ndarray) -> Crop:
    """Where a person would be in a frame of a gap: straight from the sighting before to the one after, over the background.

    Args:
        time_s: (T,) times of all frames.
        drift_px: (T, 2) by how much the whole picture has moved since the first frame.
    """
    k = int(np.searchsorted(person.frames, frame))
    before, after = person.frames[k - 1], person.frames[k]
    a, b = person.sightings[k - 1].crop, person.sightings[k].crop
    share = float((time_s[frame] - time_s[before]) / (time_s[after] - time_s[before]))
    start, end = np.array([a.x_px, a.y_px]) - drift_px[before], np.array([b.x_px, b.y_px]) - drift_px[after]
    x, y = (1 - share) * start + share * end + drift_px[frame]
    side = float(np.exp((1 - share) * np.log(a.side_px) + share * np.log(b.side_px)))
    return Crop(float(x), float(y), side, a.turn + share * float(wrapped(b.turn - a.turn)))


def sweep(pictures: list[tuple[int, np.ndarray]], wanted: dict[int, list[Tracklet]], time_s: np.ndarray,
          drift_px: np.ndarray, see: See, stopped: Callable[[], None] = lambda: None) -> None:
    """Look forwards and then backwards through pictures, each time from where the person has been found by then. In place.

    Args:
        pictures: Some frames, in order.
        wanted: Per frame the people who are looked for in it.
        see: The sighting of a person in a frame's picture, on a crop; None where nobody, or somebody else, is there.
        stopped: As for `fill`.
    """
    looked: dict[tuple[int, int], Crop] = {}
    for frame, picture in (*pictures, *reversed(pictures)):
        stopped()
        for person in wanted[frame]:
            if person.at(frame) is not None:
                continue
            crop, before = between(person, frame, time_s, drift_px), looked.get((id(person), frame))
            if before is not None and overlap(before, crop) > NEWS:
                continue
            looked[id(person), frame] = crop
            sighting = see(person, frame, picture, crop)
            if sighting is not None:
                k = int(np.searchsorted(person.frames, frame))
                person.frames.insert(k, frame)
                person.sightings.insert(k, sighting)


def _colour_about(person: Tracklet, frame: int) -> np.ndarray:
    k = int(np.searchsorted(person.frames, frame))
    return mean_colour(person.sightings[max(0, k - NEAR):k + NEAR])


def _pieces(frames: list[int], most: int) -> Generator[list[int], None, None]:
    """Runs of frames one after the other, of so many at most: their pictures are held."""
    piece: list[int] = []
    for frame in frames:
        if piece and (frame > piece[-1] + 1 or len(piece) == most):
            yield piece
            piece = []
        piece.append(frame)
    if piece:
        yield piece
