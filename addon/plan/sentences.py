"""What is said of edits and of solving with them, in the panels' words instead of the command line's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ...backend.sinew_take import skeleton
from . import pins

LIMBS = {"arm_l": "left arm", "arm_r": "right arm", "leg_l": "left leg", "leg_r": "right leg"}
KEYPOINTS = {name: " ".join(reversed(pins.label(name).lower().split(", "))) for name in skeleton.MEDIAPIPE_KEYPOINTS}
"""Keypoints inside a sentence: "left wrist"."""
_IN_PANEL = {"or skip the person": "or leave the person out under People"}
"""What the command line asks for, and how that is done in the panels."""


def in_scene(sentence: str, names: Mapping[str, str], frame: Callable[[int], int]) -> str:
    """A sentence on an edit as the panels say it: without the edit's number, which they do not show.

    Args:
        sentence: From `sinew_take.edits`, `sinew_take.people_edits` or a solve.
        names: Of people, by their ids in the take.
        frame: (frame of the take) -> frame of the scene.
    """
    said = {**LIMBS, **KEYPOINTS, **names}
    sentence = re.sub(r" by edit \d+", " already", re.sub(r"^Edit \d+( \(\w+\))?: ", "", sentence))
    for asked, here in _IN_PANEL.items():
        sentence = sentence.replace(asked, here)
    # In one pass: a name may look like an id or a frame.
    found = re.compile(rf"'?\b({'|'.join(map(re.escape, said))})\b'?"
                       r"|([Ff]rames? (?:are )?|the first is |(?<=\d) to )(-?\d+)")
    out = found.sub(lambda m: said[m[1]] if m[1] else f"{m[2]}{frame(int(m[3]))}", sentence)
    return out if out.startswith(tuple(names.values())) else out[:1].upper() + out[1:]
