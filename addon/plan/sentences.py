"""What `sinew_take` says of edits, in the panels' words instead of the command line's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

LIMBS = {"arm_l": "left arm", "arm_r": "right arm", "leg_l": "left leg", "leg_r": "right leg"}


def in_scene(sentence: str, names: Mapping[str, str], frame: Callable[[int], int]) -> str:
    """A sentence on an edit as the panels say it: without the edit's number, which they do not show.

    Args:
        sentence: From `sinew_take.edits` or `sinew_take.people_edits`.
        names: Of people, by their ids in the take.
        frame: (frame of the take) -> frame of the scene.
    """
    said = {**LIMBS, **names}
    sentence = re.sub(r" by edit \d+", " already", re.sub(r"^Edit \d+( \(\w+\))?: ", "", sentence))
    # In one pass: a name may look like an id or a frame.
    found = re.compile(rf"'?\b({'|'.join(map(re.escape, said))})\b'?"
                       r"|(frames? (?:are )?|the first is |(?<=\d) to )(-?\d+)")
    out = found.sub(lambda m: said[m[1]] if m[1] else f"{m[2]}{frame(int(m[3]))}", sentence)
    return out if out.startswith(tuple(names.values())) else out[:1].upper() + out[1:]
