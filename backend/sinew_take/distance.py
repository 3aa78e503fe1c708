"""A distance on the floor that somebody measured: two points in one picture of the clip, and the metres between them."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, isfinite

from .errors import RequestError

LOW_M, HIGH_M = 0.05, 200.0
"""What can be measured on a floor on which a person is seen."""
LEAST_APART_PX = 4.0
FORM = "FRAME:X1,Y1:X2,Y2:METRES"


@dataclass(frozen=True)
class Distance:
    """Two points of the floor and how far apart they are."""

    frame: int
    """Of the source, counted from 0."""
    first_px: tuple[float, float]
    second_px: tuple[float, float]
    """Pixels of the upright picture as filmed."""
    metres: float

    def as_text(self) -> str:
        """What `parse` reads."""
        (ax, ay), (bx, by) = self.first_px, self.second_px
        return f"{self.frame}:{ax:.7g},{ay:.7g}:{bx:.7g},{by:.7g}:{self.metres:.9g}"


def parse(text: str) -> Distance:
    """A distance from text such as "12:210,331:402.5,328:2.5"; checked.

    Raises:
        RequestError: It is none, or none that can be.
    """
    try:
        frame, first, second, metres = text.split(":")
        (ax, ay), (bx, by) = ((float(v) for v in point.split(",")) for point in (first, second))
        found = Distance(int(frame), (ax, ay), (bx, by), float(metres))
    except ValueError:
        raise RequestError(f"{text!r} is no measured distance; write it as {FORM}, such as 12:210,331:402,328:2.5 (two "
                           "points on the floor in pixels of the upright picture of frame 12, and metres).") from None
    check(found)
    return found


def check(given: Distance) -> None:
    """Refuse what no picture and no floor has.

    Raises:
        RequestError: One sentence.
    """
    if not (isfinite(given.metres) and LOW_M <= given.metres <= HIGH_M):
        raise RequestError(f"{given.metres:g} m is no distance that can be measured beside people in a picture; give "
                           f"{LOW_M:g} to {HIGH_M:g} m.")
    numbers = (*given.first_px, *given.second_px)
    if given.frame < 0 or not all(isfinite(v) and v >= 0 for v in numbers):
        raise RequestError("The points of the measured distance are not in the picture; give a frame from 0 on and "
                           "pixels of its upright picture.")
    if hypot(given.second_px[0] - given.first_px[0], given.second_px[1] - given.first_px[1]) < LEAST_APART_PX:
        raise RequestError("The two points of the measured distance are the same; choose points that are farther apart.")


def check_in(given: Distance, size_px: tuple[int, int], frames: list[tuple[int, int]]) -> None:
    """Refuse a distance that is not in a clip.

    Args:
        given: The distance.
        size_px: Width and height of the upright picture.
        frames: First and last frame of each shot that is reconstructed, numbers of the source.

    Raises:
        RequestError: A point outside the picture, or a frame that is not reconstructed.
    """
    for x, y in (given.first_px, given.second_px):
        if x > size_px[0] or y > size_px[1]:
            raise RequestError(f"The point {x:g},{y:g} of the measured distance is not in the picture, which has "
                               f"{size_px[0]} x {size_px[1]} pixels; give pixels of the upright picture.")
    if not any(a <= given.frame <= b for a, b in frames):
        said = " and ".join(f"{a} to {b}" for a, b in frames)
        raise RequestError(f"The distance was measured in frame {given.frame}, and frames {said} are reconstructed; "
                           "name one of those, or another range.")
