"""Where one shot ends and another begins: a streaming detector on small pictures.

A hard cut is a step that no motion explains, out of line with the steps around it, between contents that do not come
back. The first condition passes over pans and fast people (blocks of the picture are looked for in the neighbourhood of
where they were), the second fades, shakes and whip pans, the third flashes and inserts of a few frames.

A gradual one is a stretch between unrelated pictures in the middle of which stands their mixture (a dissolve of up to
two seconds: no camera motion makes a mixture) or nothing at all (a fade through black or white). Wipes are not found.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

THUMB_AREA_PX = 64 * 36
_BLOCK, _REACH = 12, 6
"""Block and search distance in thumbnail pixels; the reach is a tenth of the picture's width in one frame."""

_LAG = 6
"""Frames looked at on either side of a hard cut."""
_LEAST_STEP = 3.0
"""Mean absolute difference, 8-bit levels, under which no step is a cut."""
_LEAST_CHANGE, _LEAST_COLOUR = 0.25, 5.0
_OVER_QUIET, _OVER_BUSY = 2.5, 1.8
_JUMP_CHANGE, _JUMP_OVER, _JUMP_QUIET = 0.14, 6.0, 0.02
"""A jump cut in one place finds much of the picture again: it may change less (the first) where it stands out from the
steps on either side by the second, which are counted as the third at least."""
_SAME = 0.5
"""Measured on five real clips with 1080 frames: neighbours differ by at most 0.12 (0.30 at three times the speed),
pictures of different clips by 0.49 or more."""

_NOISE = 1.0
"""Contrast, in levels, that is not trusted to be structure."""

_HALVES = (6, 12, 18, 24)
"""Half lengths of dissolves, frames."""
_UNRELATED = 0.35
_MIXED = 0.62
"""Distance of the middle picture from the mean of both sides, over half the distance of the sides: 0 in a dissolve of
stills, 0.4 to 0.6 with people and a little drift, 1 at a hard cut, about 1.7 for three unrelated pictures. Measured on
the real clips at up to three times their speed, on pans and zooms: never below 0.86 between unrelated pictures."""
_EMPTY, _FULL = 3.0, 8.0
"""Contrast (mean local standard deviation of luma, levels) of an empty and of a readable picture."""


@dataclass(frozen=True)
class Cut:
    """Frames before `end` belong to the shot before, frames from `start` on to the one after; between is neither."""

    end: int
    start: int


def thumb_size(size_px: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the small picture the detector works on."""
    scale = (THUMB_AREA_PX / (size_px[0] * size_px[1])) ** 0.5
    return max(2 * _BLOCK, round(size_px[0] * scale)), max(2 * _BLOCK, round(size_px[1] * scale))


def step(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference of two (H, W, 3) uint8 pictures, in levels."""
    return cv2.norm(a, b, cv2.NORM_L1) / a.size


def contrast(picture: np.ndarray) -> float:
    """Mean standard deviation of luma within a block's surroundings, in levels; about 0 for an empty picture."""
    luma = picture[..., 0].astype(np.float32)
    mean = cv2.boxFilter(luma, -1, (_BLOCK, _BLOCK))
    square = cv2.sqrBoxFilter(luma, -1, (_BLOCK, _BLOCK))
    return float(np.sqrt(np.maximum(square - mean * mean, 0)).mean())


def change(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """How little of one picture is found again in the other, motion allowed.

    Args:
        a, b: (H, W, 3) uint8 YUV thumbnails; blocks are taken from the one with more contrast.

    Returns:
        Structure, 0 (all found) to about 0.6 (unrelated) or 1 (nothing to find it in): 1 - best normalised correlation
        of each block of luma, weighted by the block's contrast; and colour: the best match's root mean square
        difference, in levels.
    """
    if a[..., 0].std() < b[..., 0].std():
        a, b = b, a
    height, width = a.shape[:2]
    around = cv2.copyMakeBorder(b, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_REFLECT_101)
    around_y = np.ascontiguousarray(around[..., 0])
    lost = weight = colour = 0.0
    count = 0
    for y in _places(height):
        for x in _places(width):
            block = np.ascontiguousarray(a[y:y + _BLOCK, x:x + _BLOCK])
            luma = np.ascontiguousarray(block[..., 0])
            rows, columns = slice(y, y + _BLOCK + 2 * _REACH), slice(x, x + _BLOCK + 2 * _REACH)
            spread = float(luma.std())
            window = around_y[rows, columns]
            # The correlation with an empty window is not defined, and OpenCV gives it any value.
            match = float(cv2.matchTemplate(window, luma, cv2.TM_CCOEFF_NORMED).max()) if window.std() > 1 else 0.0
            off = cv2.matchTemplate(around[rows, columns], block, cv2.TM_SQDIFF).min()
            lost += (1 - match) * spread
            weight += spread
            colour += (max(float(off), 0.0) / block.size) ** 0.5
            count += 1
    return lost / (weight + count * _NOISE), colour / count


def _places(length: int) -> np.ndarray:
    return np.linspace(0, length - _BLOCK, max(2, round(length / _BLOCK))).astype(int)


@dataclass
class _Seen:
    index: int
    thumb: np.ndarray
    step: float
    contrast: float
    is_late: bool
    structure: float | None = None
    colour: float = 0.0


class CutFinder:
    """Takes thumbnails one by one and tells cuts when all are in. Holds a fixed number of thumbnails."""

    def __init__(self) -> None:
        self._window: deque[_Seen] = deque(maxlen=2 * _HALVES[-1] + 2)
        self._count = 0
        self._hard: list[int] = []
        self._soft: list[tuple[float, Cut]] = []
        self._last_full: _Seen | None = None
        self._was_empty = False
        self._over_empty: list[tuple[Cut, bool]] = []
        """Stretches around empty pictures, and whether another scene follows."""
        self.empty: list[bool] = []
        """Per frame: the picture holds nothing (black, white, one colour)."""

    def push(self, thumb: np.ndarray, is_late: bool = False) -> None:
        """Add a frame.

        Args:
            thumb: (H, W, 3) uint8 YUV of one size throughout.
            is_late: Pictures are missing before it, so that a jump is no cut.
        """
        last = self._window[-1] if self._window else None
        seen = _Seen(self._count, thumb, step(last.thumb, thumb) if last else 0.0, contrast(thumb), is_late)
        self._window.append(seen)
        self.empty.append(seen.contrast < _EMPTY)
        self._count += 1
        self._judge_empty(seen)
        self._judge_hard(self._count - 1 - _LAG)
        self._judge_soft(self._count - 1 - _HALVES[-1])

    def finish(self) -> list[Cut]:
        """All cuts, in order, none overlapping."""
        for index in range(max(1, self._count - _LAG), self._count):
            self._judge_hard(index)
        for index in range(max(1, self._count - _HALVES[-1]), self._count):
            self._judge_soft(index)
        cuts = [cut for cut, is_other in self._over_empty if is_other]
        # Many frames of one dissolve answer; the one nearest to the mixture speaks for it.
        for _, cut in sorted(self._soft, key=lambda pair: pair[0]):
            if all(cut.start < other.end or cut.end > other.start for other in cuts):
                cuts.append(cut)
        spans = cuts + [cut for cut, _ in self._over_empty]
        cuts += [Cut(k, k) for k in self._hard if not any(span.end <= k <= span.start for span in spans)]
        return sorted(cuts, key=lambda cut: cut.end)

    def _judge_empty(self, seen: _Seen) -> None:
        """Does another scene follow a stretch with nothing in it?"""
        if seen.contrast < _EMPTY:
            self._was_empty = True
        elif seen.contrast >= _FULL:
            before = self._last_full
            if self._was_empty and before is not None:
                is_other = change(before.thumb, seen.thumb)[0] > _UNRELATED
                self._over_empty.append((Cut(before.index + 1, seen.index), is_other))
            self._last_full, self._was_empty = seen, False

    def _judge_hard(self, index: int) -> None:
        if index < 1:
            return
        at = index - self._window[0].index
        seen = self._window
        if at < 1 or seen[at].step < _LEAST_STEP:
            return
        self._measure(at)
        here = seen[at]
        if here.structure < _JUMP_CHANGE or here.colour < _LEAST_COLOUR:
            return
        before, after = self._typical(range(at - _LAG, at)), self._typical(range(at + 1, at + _LAG + 1))
        sides = [side for side in (before, after) if side is not None]
        if sides and (here.structure < _OVER_QUIET * min(sides) or here.structure < _OVER_BUSY * max(sides)):
            return
        is_jump = here.structure < _LEAST_CHANGE
        if is_jump and (here.is_late or len(sides) < 2 or here.structure < _JUMP_OVER * max(_JUMP_QUIET, *sides)):
            return
        least = _JUMP_CHANGE if is_jump else _LEAST_CHANGE
        for i in (at - 1, at - 3, at - 6):
            for j in (at, at + 3, at + 6):
                if (i, j) != (at - 1, at) and 0 <= i and j < len(seen):
                    structure, _ = change(seen[i].thumb, seen[j].thumb)
                    if structure < max(_SAME * here.structure, least * 0.8):
                        return
        self._hard.append(index)

    def _judge_soft(self, index: int) -> None:
        """Is this frame the middle of a dissolve?"""
        at = index - self._window[0].index if self._window else -1
        for half in _HALVES:
            if at - half < 0 or at + half >= len(self._window):
                return
            before, here, after = (self._window[k] for k in (at - half, at, at + half))
            if min(before.contrast, after.contrast) < _FULL or step(before.thumb, after.thumb) < 2 * _LEAST_STEP:
                continue
            a, m, b = (seen.thumb.astype(np.float32) for seen in (before, here, after))
            apart = float(np.linalg.norm(b - a))
            off = float(np.linalg.norm(m - (a + b) / 2)) / (apart / 2)
            if off > _MIXED or change(before.thumb, after.thumb)[0] < _UNRELATED:
                continue
            inner = range(at - half + 1, at + half)
            share = [float(((self._window[k].thumb - a) * (b - a)).sum()) / apart ** 2 for k in inner]
            mixed = [k for k, s in zip(inner, share, strict=True) if 0.15 < s < 0.85]
            first = self._window[0].index
            self._soft.append((off, Cut(first + mixed[0], first + mixed[-1] + 1)))
            return

    def _measure(self, at: int) -> None:
        here = self._window[at]
        if here.structure is None:
            here.structure, here.colour = change(self._window[at - 1].thumb, here.thumb)

    def _typical(self, places: range) -> float | None:
        """Second largest change over some frames: one other cut may stand among them, a rhythm of steps is seen."""
        inside = [k for k in places if 1 <= k < len(self._window)]
        for k in inside:
            self._measure(k)
        changes = sorted(self._window[k].structure for k in inside)
        return changes[max(0, len(changes) - 2)] if changes else None
