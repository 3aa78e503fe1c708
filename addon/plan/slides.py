"""Driver expressions that move the centres of spine joints and scapulae as the joint laws say.

Blender evaluates them without Python as long as they stay "simple expressions": at most 255 characters, no powers.
The laws are those of `sinew_take.laws`; variables are `a` and `b`, the joint's first two coordinates, and `on`, 1 while
the limits are on. A joint whose pose the limits clamp has its coordinates clamped here too, since drivers read channels
and not the constrained pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...backend.sinew_take import laws
from ...backend.sinew_take import skeleton as sk
from . import limits

LONGEST = 255
_OFF = 9.0
"""Added to the limits while they are off, rad."""


@dataclass(frozen=True)
class SlidePlan:
    """The moving centre of one joint.

    Attributes:
        joint: Index in `skeleton.JOINTS`.
        axes: Axis (0, 1, 2) of the joint's bone that variables `a` and `b` read.
        expressions: Location of the helper bone along x, y and z of the rest axes, m.
    """

    joint: int
    axes: tuple[int, int]
    expressions: tuple[str, str, str]


def _number(value: float) -> str:
    return f"{value:.7g}"


def _clamped(letter: str, dof: sk.Dof, is_clamped: bool) -> str:
    if not is_clamped:
        return letter
    return f"clamp({letter},9*on-{_OFF - dof.low:.5f},{_OFF + dof.high:.5f}-9*on)"


def _side(angle: str, letter: str, length: float) -> str:
    a = _number(length)
    return f"{a}*(1-cos({angle}))/{angle} if abs({letter})>1e-3 else {_number(length / 2)}*{letter}"


def _chord(angle: str, letter: str) -> str:
    """Length of the arc seen along the straight segment, over its own length."""
    return f"(sin({angle})/{angle} if abs({letter})>1e-3 else 1-{letter}*{letter}/6)"


def plan_slides(rest_joints_m: np.ndarray) -> list[SlidePlan]:
    """Expressions of every sliding joint of one body. rest_joints_m: (24, 3), m."""
    out = []
    for j, (length, half_height) in laws.slide_lengths(rest_joints_m).items():
        joint = sk.JOINTS[j]
        dofs = sk.DOFS[joint.dofs[0]], sk.DOFS[joint.dofs[1]]
        is_clamped = j in limits.CONSTRAINED
        a, b = (_clamped(letter, dof, is_clamped) for letter, dof in zip("ab", dofs, strict=True))
        if joint.law == "arc":
            texts = (_side(a, "a", -length), _side(b, "b", length),
                     f"{_number(length)}*({_chord(a, 'a')}+{_chord(b, 'b')}-2)")
        else:
            # The left coordinates carry the opposite sign, so angles and the sideways way turn over together.
            side = -1.0 if joint.name.endswith("_l") else 1.0
            sign = "-" if side < 0 else ""
            quarter, root = _number(np.pi / 4), _number(np.cos(np.pi / 4))
            texts = (f"{_number(-side * length)}*(cos({sign}{b}-{quarter})*cos({a})-{root})",
                     f"{_number(-side * length)}*sin({a})",
                     f"{_number(-half_height)}*(sin({sign}{b}-{quarter})+{root})")
        if max(map(len, texts)) > LONGEST:
            raise ValueError(f"driver expression of {joint.name} is longer than {LONGEST} characters")
        out.append(SlidePlan(j, (dofs[0].axis, dofs[1].axis), texts))
    return out
