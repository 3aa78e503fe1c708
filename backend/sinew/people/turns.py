"""Finding which way up somebody is whom the looks do not agree about: bent over, upside down, in the air.

The landmark model was trained on people upright in their crop. It also says by how much the person in a crop is turned,
and that tells right from wrong: around the true direction the answer restores (too far left, it says right, and the other
way round), while at a wrong reading it stays near zero whichever way the crop is turned.
"""

from __future__ import annotations

import numpy as np

from .combine import disagreement
from .crops import Crop, wrapped
from .looks import Eyes, Sighting, joined

STEPS = 12
"""Looks round the circle."""
LEAST_PULL = np.radians(6.0)
"""Two neighbouring looks must disagree by so much about the turn between them, or nobody is upright there."""
MOST_CANDIDATES = 2
UNSURE = 0.02
"""Disagreement of the looks at one frame above which other turns are tried. Upright people stay below in most frames, so
that only acrobats pay for it."""
BETTER = 0.8
"""Another turn must take the disagreement below this share."""


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
