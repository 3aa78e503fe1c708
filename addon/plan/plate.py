"""Which picture of the plate stands on which frame of the scene. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...backend.sinew_take.take import PLATE_PATTERN, Take
from .camera import picture_size
from .retime import Timing, nearest

UNDISTORTED_PATTERN = "plate_undistorted/{:06d}.jpg"


@dataclass(frozen=True)
class PlatePlan:
    """The plate of a take on a scene's timeline.

    Attributes:
        take_id: Of the take.
        take_folder: Of the take.
        index: (S,) int32, take frame that each scene frame shows, from scene frame `first` on.
        first: Scene frame of the first picture.
        is_direct: The take's own pictures stand one on each scene frame; no conformed copy is needed.
        conformed_name: Name of the folder for a conformed sequence; the same for the same rate and pictures.
        size_px: Width and height of the camera's frame.
        pattern: Of the pictures' names below the take's folder.
        overscan: How many times larger than the camera's frame the pictures are, about the same middle.
    """

    take_id: str
    take_folder: Path
    index: np.ndarray
    first: int
    is_direct: bool
    conformed_name: str
    size_px: tuple[int, int]
    pattern: str = PLATE_PATTERN
    overscan: float = 1.0

    def picture(self, index: int) -> Path:
        """File of one of the take's pictures."""
        return self.take_folder / self.pattern.format(index)


def nearest_pictures(frames: np.ndarray, first: int, last: int) -> np.ndarray:
    """The picture nearest in time to each scene frame.

    Args:
        frames: (T,) scene frame of each picture, increasing, fractional where rates differ.
        first: First whole scene frame wanted.
        last: Last one.

    Returns:
        (last - first + 1,) int32; of two equally near ones the earlier.
    """
    return nearest(frames, np.arange(first, last + 1, dtype=float))


def undistorted_of(take: Take) -> dict | None:
    """The entry of the plate without the lens's distortion, or None where the take has only one as filmed."""
    entry = (take.meta.get("plate") or {}).get("undistorted")
    usable = (isinstance(entry, dict) and isinstance(entry.get("overscan"), (int, float)) and 1 <= entry["overscan"] < 4
              and entry.get("pattern") == UNDISTORTED_PATTERN)
    return entry if usable else None


def plan_plate(take: Take, timing: Timing) -> PlatePlan | None:
    """Plan the plate of a take; None where the take has none. The people's offset does not move it.

    Where the lens bends lines, it is the plate without that: Blender's camera does not, so it is what renders match.
    """
    if not take.meta.get("plate") or take.path is None:
        return None
    frames = timing.frames - timing.offset_frames
    first, last = timing.range
    index = nearest_pictures(frames, first, last)
    is_direct = len(index) == take.n_frames and bool((index == np.arange(take.n_frames)).all())
    rate = timing.rate
    name = f"plate_{rate.numerator}" + ("" if rate.denominator == 1 else f"-{rate.denominator}")
    straight = undistorted_of(take)
    if straight is None:
        return PlatePlan(take.id, Path(take.path).absolute(), index, first, is_direct, name, picture_size(take))
    return PlatePlan(take.id, Path(take.path).absolute(), index, first, is_direct, f"{name}_undistorted",
                     picture_size(take), UNDISTORTED_PATTERN, float(straight["overscan"]))
