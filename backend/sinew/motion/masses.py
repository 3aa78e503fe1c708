"""Where a body's mass is.

Masses and centres of segments: de Leva, Adjustments to Zatsiorsky-Seluyanov's segment inertia parameters (1996), mean of
men and women.
"""

from __future__ import annotations

import numpy as np

from sinew_take import skeleton as sk

_TRUNK, _HEAD = 0.430, 0.068
_TRUNK_SHARE = 0.57
"""Of the way from the middle of the hips to the middle of the shoulders."""
_LIMBS = (("femur", "tibia", 0.1447, 0.39), ("tibia", "talus", 0.0457, 0.44), ("talus", "toes", 0.0133, 0.50),
          ("humerus", "ulna", 0.0263, 0.58), ("ulna", "hand", 0.0150, 0.46), ("hand", "hand", 0.0058, 0.0))
"""From joint, to joint, mass over the body's, centre's share of the way; each twice."""

GRAVITY = 9.81
"""m/s²"""


def _mass_table() -> np.ndarray:
    """(24,) weight of each joint's place in the centre of mass; sums to 1."""
    out = np.zeros(len(sk.JOINTS))
    for side in "lr":
        out[sk.JOINT_INDEX[f"femur_{side}"]] += _TRUNK * (1 - _TRUNK_SHARE) / 2
        out[sk.JOINT_INDEX[f"humerus_{side}"]] += _TRUNK * _TRUNK_SHARE / 2
        for first, last, mass, share in _LIMBS:
            out[sk.JOINT_INDEX[f"{first}_{side}"]] += mass * (1 - share)
            out[sk.JOINT_INDEX[f"{last}_{side}"]] += mass * share
    out[sk.JOINT_INDEX["head"]] += _HEAD
    return out / out.sum()


MASS = _mass_table()
"""(24,) weight of each joint's place in the centre of mass; sums to 1."""
