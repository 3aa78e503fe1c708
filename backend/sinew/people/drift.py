"""By how much the whole picture moves from one frame to the next, when the camera does.

A shaken camera throws people about in the picture by a third of their size in a frame, and no motion of theirs foretells
it; the picture as a whole tells it at once. Source: phase correlation (Kuglin and Hines 1975), OpenCV's.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .crops import MARGIN, Crop

WIDTH_PX = 320
"""Long side of the shrunk pictures that are compared."""
LEAST_CONTRAST = 2.0
"""Grey levels, spread: a picture with less shows nothing."""
LEAST_RESPONSE = 0.3
"""Of the correlation's peak (1 for the same picture moved), below which nothing is said."""
LEAST_MOVE = 1.5
"""Shrunk pixels a frame: what is less, the motion of each person takes up; and somebody who walks through the picture, and
the correlation, which rounds, make up to half a pixel of their own."""
MOST_SAY = 0.6
"""Share of the pixels that changed at all which the shift must explain better than no shift: of a bus that drives through the
picture and a street that stays, the larger part counts."""
LEAST_SAY = 0.02
"""Share of the picture that must have a say."""
CHANGED, BLUR_PX = 4.0, 1.5
"""Grey levels; shrunk pixels."""


class Drift:
    """Compares each picture with the one before."""

    def __init__(self) -> None:
        self._before: np.ndarray | None = None
        """The last picture, shrunk."""
        self._coming: tuple[np.ndarray, np.ndarray, tuple[float, float] | None] | None = None
        """The picture that was asked about last, as it is and shrunk, and by how many shrunk pixels it seems moved."""

    def see(self, picture: np.ndarray, people: Sequence[Crop] = ()) -> np.ndarray:
        """By how much the picture has moved; the next one is compared with it.

        Args:
            picture: (H, W, 3) uint8.
            people: Where people are, as far as it is known; they have no say, or whoever dances before a plain wall would
                carry the picture along.

        Returns:
            (2,) px since the last picture; 0 where that cannot be told.
        """
        out = self.foresee(picture, people)
        self._before, self._coming = self._coming[1], None
        return out

    def foresee(self, picture: np.ndarray, people: Sequence[Crop] = ()) -> np.ndarray:
        """What `see` would say of the next picture, which is not seen yet; asked again, it costs little."""
        if self._coming is None or self._coming[0] is not picture:
            small = _shrunk(picture)
            self._coming = (picture, small, self._seems_moved(small))
        _, small, shift = self._coming
        if shift is None:
            return np.zeros(2)
        (height, width), size = picture.shape[:2], small.shape[::-1]
        background = np.ones(small.shape, bool)
        for crop in people:
            half = crop.side_px / MARGIN / 2
            x0, x1 = (int(np.clip((crop.x_px + d) * size[0] / width, 0, size[0])) for d in (-half, half + 1))
            y0, y1 = (int(np.clip((crop.y_px + d) * size[1] / height, 0, size[1])) for d in (-half, half + 1))
            background[y0:y1, x0:x1] = False
        if not self._explains(self._before, small, shift, background):
            return np.zeros(2)
        return np.array(shift) * (width / size[0], height / size[1])

    def _seems_moved(self, small: np.ndarray) -> tuple[float, float] | None:
        """Since the last picture, shrunk pixels; None where nothing clear or next to nothing."""
        if self._before is None or min(self._before.std(), small.std()) < LEAST_CONTRAST:
            return None
        # Windowed here: given the window, OpenCV's function would write into the pictures.
        window = cv2.createHanningWindow(small.shape[::-1], cv2.CV_32F)
        shift, response = cv2.phaseCorrelate(self._before * window, small * window)
        clear = np.isfinite(shift).all() and response >= LEAST_RESPONSE and np.hypot(*shift) >= LEAST_MOVE
        return shift if clear else None

    @staticmethod
    def _explains(before: np.ndarray, after: np.ndarray, shift: tuple[float, float], background: np.ndarray) -> bool:
        """Most of what changed of the background (bool) between two shrunk pictures is the shift."""
        # Blurred, so that a part of a pixel matters little.
        before, after = (cv2.GaussianBlur(p, (0, 0), BLUR_PX) for p in (before, after))
        moved = cv2.warpAffine(before, np.float32([[1, 0, shift[0]], [0, 1, shift[1]]]), before.shape[::-1],
                               borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan"))
        stayed, went = np.abs(after - before), np.abs(after - moved)
        counts = (np.maximum(stayed, went) > CHANGED) & np.isfinite(went) & background
        return bool(counts.mean() > LEAST_SAY and (went < stayed)[counts].mean() > MOST_SAY)


def _shrunk(picture: np.ndarray) -> np.ndarray:
    """float32, the green of a picture at `WIDTH_PX`."""
    height, width = picture.shape[:2]
    step = max(1, max(width, height) // (2 * WIDTH_PX))
    scale = WIDTH_PX / max(width, height)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = cv2.resize(np.ascontiguousarray(picture[::step, ::step, 1]), size, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32)
