"""Exact times of a take onto the frames of a scene.

A take knows when each of its frames was shown, in seconds; a scene counts frames at its own rate. Keys stand at the
true times, so at another rate they fall between whole frames, and the motion keeps its speed. Angles are coordinates
that are unwrapped over time, so a straight line between two keys is a motion through the poses between them: nothing
flips, and resampling to whole frames needs no quaternions.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

SNAP_FRAMES = 0.02
"""Containers that store milliseconds miss the true time by up to 0.5 ms: 0.015 of a frame at 30 per second."""

_TIE = 1e-3
"""Of a frame, by which the later of two pictures must be nearer: rounding in the file's times does not decide."""
_SINGLE = 1.2e-7
"""Relative spacing of single-precision numbers."""
_SAME_RATE = 1e-5
"""Relative; 29.97 and 30 differ by 1e-3, Blender's single-precision `fps_base` by 1e-7."""


def scene_rate(fps: int, fps_base: float) -> Fraction:
    """The exact rate of a scene, frames per second; undoes the single precision of Blender's `fps_base`."""
    for largest in (1, 10, 100, 1001, 10_000, 100_000):
        base = Fraction(fps_base).limit_denominator(largest)
        if abs(base / Fraction(fps_base) - 1) < _SINGLE:
            break
    return Fraction(fps) / base


def blender_rate(rate: Fraction) -> tuple[int, float]:
    """`fps` and `fps_base` of a scene that runs at exactly this rate: 30000/1001 -> (30, 1.001)."""
    fps = max(1, min(32767, -(-rate.numerator // rate.denominator)))
    return fps, float(Fraction(fps) / rate)


def source_rate(meta: dict) -> Fraction:
    """Rate of the clip a take came from, frames per second. `meta` is `take.json`."""
    numerator, denominator = meta["source"]["rate"]
    return Fraction(int(numerator), int(denominator))


def differs(source: Fraction, scene: Fraction) -> bool:
    """True where the scene's rate is not the clip's, so that the user is to be asked."""
    return abs(source / scene - 1) > _SAME_RATE


@dataclass(frozen=True)
class Timing:
    """Where the frames of a take fall in a scene.

    Attributes:
        rate: Of the scene, frames per second.
        frames: (T,) float64, scene frame of each take frame; fractional unless both rates agree.
        first: Scene frame of the take's first frame before the offset.
        offset_frames: Shift of the people against the plate, scene frames.
    """

    rate: Fraction
    frames: np.ndarray
    first: int
    offset_frames: float

    @property
    def range(self) -> tuple[int, int]:
        """First and last whole frame that the clip covers, without the offset."""
        bare = self.frames - self.offset_frames
        return int(np.ceil(bare[0] - 1e-6)), max(int(np.floor(bare[-1] + 1e-6)), int(np.ceil(bare[0] - 1e-6)))

    def take_index(self, scene_frame: float) -> int:
        """The take frame whose picture is on screen at a scene frame."""
        return int(nearest(self.frames - self.offset_frames, np.array([float(scene_frame)]))[0])

    def first_shown(self, index: int, later: float = 0.0) -> int:
        """The first scene frame at which a take frame, or a later one, is on screen: the inverse of `take_index`.

        Args:
            index: Of the take; beyond its ends the nearest.
            later: Scene frames by which the plate is shifted.
        """
        bare = self.frames - self.offset_frames + later
        index = min(max(index, 0), len(bare) - 1)
        return int(np.ceil(bare[0] - 1e-6) if index == 0 else np.floor((bare[index] + bare[index - 1] + _TIE) / 2) + 1)


def nearest(frames: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(S,) int32, the one of the frames (T,), increasing, that is nearest to each wanted one (S,); of two the earlier."""
    after = np.clip(np.searchsorted(frames, wanted), 0, len(frames) - 1)
    before = np.maximum(after - 1, 0)
    is_later_nearer = np.abs(frames[after] - wanted) < np.abs(frames[before] - wanted) - _TIE
    return np.where(is_later_nearer, after, before).astype(np.int32)


def time_frames(time_s: np.ndarray, rate: Fraction, source: Fraction, first: int = 1, offset_frames: float = 0.0
                ) -> Timing:
    """Place a take's frames on a scene's timeline.

    Args:
        time_s: Exact presentation times, (T,), s, increasing.
        rate: Of the scene, frames per second.
        source: Of the clip.
        first: Scene frame at which the take begins.
        offset_frames: Shift of the people against the plate, scene frames.

    Returns:
        The timing. Where both rates agree, a take frame within `SNAP_FRAMES` of a whole scene frame stands on it.
    """
    bare = (np.asarray(time_s, float) - float(time_s[0])) * float(rate)
    whole = np.round(bare)
    snapped = np.where(np.abs(bare - whole) < (1e-4 if differs(source, rate) else SNAP_FRAMES), whole, bare)
    # Two frames of a fast clip may not fall on one.
    if len(snapped) > 1 and (np.diff(snapped) <= 0).any():
        snapped = bare
    return Timing(rate, snapped + first + offset_frames, first, offset_frames)


def resample(frames: np.ndarray, values: np.ndarray, is_valid: np.ndarray, new_frames: np.ndarray
             ) -> tuple[np.ndarray, np.ndarray]:
    """Values at other frames, straight between the given ones.

    Args:
        frames: (T,), increasing.
        values: (T, C), unwrapped where they are angles.
        is_valid: (T,) bool; rows of `values` that are not valid are ignored.
        new_frames: (S,).

    Returns:
        (S, C), NaN where not valid; and (S,) bool: both neighbours of the new frame are valid.
    """
    right = np.clip(np.searchsorted(frames, new_frames, side="left"), 0, len(frames) - 1)
    exact = np.abs(frames[right] - new_frames) < 1e-6
    left = np.where(exact, right, np.maximum(right - 1, 0))
    inside = (new_frames >= frames[0] - 1e-6) & (new_frames <= frames[-1] + 1e-6)
    valid = is_valid[left] & is_valid[right] & inside
    span = np.where(right == left, 1.0, frames[right] - frames[left])
    share = np.where(right == left, 0.0, (new_frames - frames[left]) / span)[:, None]
    mixed = values[left] * (1 - share) + values[right] * share
    return np.where(valid[:, None], mixed, np.nan), valid
