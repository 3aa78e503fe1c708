"""Everybody in a shot: the whole people stage."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import cv2
import numpy as np

from sinew_take import masks

from .. import video
from ..flow import People, Report, Shot, Track, nothing
from .combine import LIMBS, Combined, combine
from .crops import MARGIN, inside
from .gaps import fill
from .link import linked
from .looks import Eyes
from .overlaps import mark_overlaps
from .tracker import Tracker, Tracklet, follow

MOST_PX = 2560
"""Long side of the picture that is looked at; larger ones are shrunk. A person 1/15 as tall still fills 170 px."""
GRID_PX = 640
"""Long side of the masks' grid."""
LEAST_FRAMES, LEAST_S = 8, 0.5
"""A track must be as long, or half as long as the shot where that is short."""
LEAST_SURENESS = 0.35
"""Median confidence of a track's trunk and limbs, as far as they are in the picture."""
MOST_SPREAD = 0.03
"""Median disagreement of a track's crops, in the person's sizes, above which it is no person."""
DOUBTFUL_SPREAD = 0.01
"""The same above which the poses are doubtful. Measured: 0.004 to 0.008 for people seen whole, in small and large
pictures; 0.01 to 0.02 under strong motion blur; 0.013 and more where the legs are out of view."""
LEAST_HEIGHT_PX = 40.0


def find_people(shot: Shot, most: int | None = None, report: Report = nothing, landmarks: Path | None = None
                ) -> People:
    """Find and follow everybody in a shot.

    Args:
        shot: One continuous piece of a video.
        most: The most people to keep, the largest and longest seen; None keeps all.
        report: Told of every frame looked at; raises `Stopped` when the user has cancelled.
        landmarks: File of the second, stronger landmark model (`strong.choose`), which looks at everybody
            beside mediapipe's own (`looks.kinds`); None leaves all looks to that.

    Returns:
        Tracks, the largest and longest first, and notes on what was left out. Without anybody: no tracks, and a note.

    Raises:
        SinewError: mediapipe or its models are missing or broken.
    """
    size = shot.info.size_px
    scale = max(1.0, max(size) / MOST_PX)
    looked_px = (round(size[0] / scale), round(size[1] / scale))
    step = max(1.0, max(looked_px) / GRID_PX)
    grid = (int(np.ceil(looked_px[0] / step)), int(np.ceil(looked_px[1] / step)))

    def pictures(wanted: list[int] | None = None) -> Generator[tuple[int, np.ndarray], None, None]:
        for index, picture in video.frames(shot, wanted):
            if scale > 1.0:
                picture = cv2.resize(picture, looked_px, interpolation=cv2.INTER_AREA)
            yield index, picture

    with Eyes(step, grid, landmarks=landmarks) as eyes:
        tracker = Tracker(eyes, looked_px, shot.time_s)
        pieces = follow(video.ahead(pictures()), tracker, report, shot.n_frames)
        people = linked(pieces, shot.time_s, tracker.drift_px)
        fill(people, tracker, pictures, lambda: report(shot.n_frames, shot.n_frames))
    return _chosen(people, shot, most, looked_px, grid)


def _chosen(people: list[Tracklet], shot: Shot, most: int | None, looked_px: tuple[int, int],
            grid: tuple[int, int]) -> People:
    """Leave out what is no person or too short, order the rest."""
    kept, notes, brief = [], [], []
    least_frames = min(LEAST_FRAMES, max(2, shot.n_frames // 2))
    least_s = min(LEAST_S, float(shot.time_s[-1] - shot.time_s[0]) / 2)
    usual_s = float(np.median(np.diff(shot.time_s))) if shot.n_frames > 1 else 0.0
    for person in people:
        first, last = shot.time_s[person.frames[0]], shot.time_s[person.frames[-1]]
        if len(person.frames) < least_frames or len(person.frames) * usual_s < least_s:
            brief.append((len(person.frames), first))
            continue
        found = combine(person.sightings, shot.time_s[person.frames], looked_px)
        reason = _no_person(person, found, looked_px)
        if reason:
            notes.append(f"Somebody or something seen from {first:.2f} s to {last:.2f} s was left out: {reason}.")
        else:
            kept.append((_weight(person), person, found))
    if brief:
        many = len(brief) > 1
        when = ", ".join(f"at {t:.2f} s" for _, t in brief[:4]) + ", …" * (len(brief) > 4)
        notes.append(f"{len(brief)} glimpse{'s' * many} of at most {max(n for n, _ in brief)} frames ({when}) "
                     f"{'were' if many else 'was'} left out: shorter than {least_frames} frames or {least_s:.2g} s.")
    kept.sort(key=lambda k: -k[0])
    if most is not None and len(kept) > most:
        more = len(kept) - most
        notes.append(f"{more} more {'people were' if more > 1 else 'person was'} found and left out, because at "
                     f"most {most} were asked for; the largest and longest seen were kept.")
        kept = kept[:most]
    tracks = [_track(f"person_{i + 1}", person, found, shot, looked_px, grid)
              for i, (_, person, found) in enumerate(kept)]
    mark_overlaps(tracks, shot.info.size_px, shot.time_s)
    for track, (_, person, found) in zip(tracks, kept):
        turned = found.exchanged.any(1).mean()
        if turned > 0.05:
            how = " and put right" if turned < 0.5 else (
                ": most looks read them the other way than the motion does, so which side is which is doubtful")
            notes.append(f"{track.id}: left and right were exchanged in {100 * turned:.0f} % of frames{how}.")
        spread = _spread(person, found)
        if spread > DOUBTFUL_SPREAD:
            notes.append(f"{track.id}: several looks disagree about the limbs by {100 * spread:.1f} % of the person's size, "
                         "as under motion blur or where much is out of view, so poses are doubtful.")
    return People(tracks, notes)


def _weight(person: Tracklet) -> float:
    return float(sum(s.crop.side_px for s in person.sightings))


def _no_person(person: Tracklet, found: Combined, size_px: tuple[int, int]) -> str | None:
    """Why a track is no person, or None. Judged by what is in the picture: whoever is filmed from the waist up has no
    legs to be sure of."""
    size = np.array([s.crop.side_px / MARGIN for s in person.sightings])
    if np.median(size) < LEAST_HEIGHT_PX:
        return f"about {np.median(size):.0f} px tall, too small to read a pose from"
    limbs = found.keypoints_px[:, LIMBS]
    sure = float(np.median(limbs[..., 2][inside(limbs[..., :2], size_px)]))
    if sure < LEAST_SURENESS:
        return f"the detector is {100 * sure:.0f} % sure of its limbs, so it is probably no person or hardly in view"
    spread = _spread(person, found)
    if spread > MOST_SPREAD:
        return (f"several looks at it disagree about its limbs by {100 * spread:.0f} % of its size, "
                "so it is probably no person")
    return None


def _spread(person: Tracklet, found: Combined) -> float:
    """Median disagreement of the looks about the limbs, in the person's sizes."""
    size = np.array([s.crop.side_px / MARGIN for s in person.sightings])
    return float(np.median(found.apart_px[:, LIMBS] / size[:, None]))


def _track(name: str, person: Tracklet, found: Combined, shot: Shot, looked_px: tuple[int, int],
           grid: tuple[int, int]) -> Track:
    n, rows = shot.n_frames, np.array(person.frames)
    size = np.array(shot.info.size_px, np.float64)
    scale = size / looked_px
    keypoints = np.full((n, 33, 3), np.nan, np.float32)
    spread = np.full((n, 33), np.nan, np.float32)
    landmarks = np.full((n, 33, 3), np.nan, np.float32)
    box = np.full((n, 4), np.nan, np.float32)
    present = np.zeros(n, bool)
    present[rows] = True
    keypoints[rows] = found.keypoints_px * [*scale, 1.0]
    spread[rows] = found.spread_px * scale.mean()
    landmarks[rows] = found.landmarks_m
    box[rows] = _boxes(found.keypoints_px[..., :2] * scale, size)
    packed: list = [None] * n
    for frame, sighting in zip(person.frames, person.sightings):
        packed[frame] = sighting.mask
    return Track(name, present, keypoints, spread, landmarks, box, masks.pack(packed, grid))


def _boxes(points_px: np.ndarray, size_px: np.ndarray) -> np.ndarray:
    """(N, 4) boxes around the keypoints with a margin for head and flesh, inside the picture."""
    low, high = points_px.min(1), points_px.max(1)
    margin = 0.08 * np.maximum(high - low, 1.0).max(1, keepdims=True)
    return np.concatenate([np.clip(low - margin, 0, size_px), np.clip(high + margin, 0, size_px)], -1)
