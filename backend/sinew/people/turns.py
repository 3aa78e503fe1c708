"""Finding which way up somebody is whom the looks do not agree about: bent over, upside down, in the air.

The landmark model was trained on people upright in their crop. It also says by how much the person in a crop is turned,
and that tells right from wrong: around the true direction the answer restores (too far left, it says right, and the other
way round), while at a wrong reading it stays near zero whichever way the crop is turned.
"""

from __future__ import annotations

import numpy as np

from .combine import LIMBS, disagreement
from .crops import MARGIN, SWAP, Crop, wrapped
from .looks import Eyes, Sighting, joined
from .swaps import HIPS

STEPS = 12
"""Looks round the circle."""
LEAST_PULL = np.radians(6.0)
"""Two neighbouring looks must disagree by so much about the turn between them, or nobody is upright there."""
MOST_CANDIDATES = 2
UNSURE = 0.02
"""Disagreement of the looks at one frame above which other turns are tried. Upright people stay below in most frames, so
that only acrobats pay for it."""
BETTER = 0.8
"""Another turn must take the doubt below this share."""
JUMP_COST = 0.2
"""Of a pose's jump, as disagreement. At a wrong turn all looks may agree too, upside down."""


def upright_turns(turns: np.ndarray, said: np.ndarray, apart: np.ndarray) -> list[float]:
    """Turns at which somebody may be upright, the likeliest first.

    Args:
        turns: (S,) rad, of the crops, evenly round the circle.
        said: (S,) rad, by how much the person in each crop seems to be turned; NaN where nobody was seen.
        apart: (S,) distance of each look's points from the next one's, in the person's sizes.

    Returns:
        Turns, rad, where what is said changes from turning on to turning back, by how alike both neighbours see it.
    """
    following = np.roll(said, -1)
    pull = said - following
    with np.errstate(invalid="ignore"):
        restores = (said > 0) & (following <= 0) & (pull > LEAST_PULL)
    step = 2 * np.pi / len(turns)
    found = [(float(apart[k]), float(wrapped(turns[k] + step * said[k] / pull[k]))) for k in np.flatnonzero(restores)]
    return [turn for _, turn in sorted(found)]


def distance(a: Sighting, b: Sighting) -> float:
    """Median distance of two single looks' limb points, in the person's sizes, read alike."""
    return 2 * disagreement(joined(a, [b]))


def pose(sighting: Sighting) -> np.ndarray:
    """(33, 2) from the middle of the hips, in the person's sizes."""
    points = sighting.middle_px
    return (points - points[HIPS].mean(0)) * (MARGIN / sighting.crop.side_px)


def jump(sighting: Sighting, before: list[Sighting]) -> float:
    """How far a pose lies from the usual one of the sightings before it: median over the limbs, in the person's sizes.

    Sides do not matter, because the detector swaps them. 0 where there are none before.
    """
    if not before:
        return 0.0
    usual, own = np.median([pose(s) for s in before], axis=0), pose(sighting)
    return float(min(np.median(np.linalg.norm(p - usual, axis=-1)[LIMBS]) for p in (own, own[SWAP])))


def doubt(sighting: Sighting, before: list[Sighting]) -> float:
    """Of a reading of somebody, in their sizes: how far its looks lie apart, and how far its pose jumps."""
    return disagreement(sighting) + JUMP_COST * jump(sighting, before)


def search(eyes: Eyes, picture: np.ndarray, expected: Crop) -> list[Crop]:
    """Crops in which the person near an expected crop may be upright, the likeliest first.

    Args:
        picture: (H, W, 3) uint8 RGB.
        expected: Where the person should be; its turn is not heeded.
    """
    turns = wrapped(expected.turn + 2 * np.pi * np.arange(STEPS) / STEPS)
    crops = [Crop(expected.x_px, expected.y_px, expected.side_px, float(t)) for t in turns]
    looks = [f.result() for f in [eyes.look(picture, c) for c in crops]]
    said = np.array([np.nan if s is None else wrapped(s.crop.turn - t) for s, t in zip(looks, turns)])
    apart = np.array([np.inf if a is None or b is None else distance(a, b) for a, b in zip(looks, [*looks[1:], looks[0]])])
    return [Crop(expected.x_px, expected.y_px, expected.side_px, t)
            for t in upright_turns(turns, said, apart)[:MOST_CANDIDATES]]
