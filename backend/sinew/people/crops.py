"""Square crops around a person: turned upright, mirrored, and what was found in them put back into the picture.

Pixels of the picture have their origin at the outer corner of the first pixel, as everywhere in a take.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sinew_take.skeleton import MEDIAPIPE_KEYPOINTS

INPUT_PX = 256
"""Side of the landmark model's input."""

TURN_GAIN, TURN_NOISE = 2.0, np.radians(10.0)
"""The model names about half of the turn by which a crop is off (0.35 to 0.55 of it, on people who bend, kick and spin in
our renders), so twice as much is put right; else its crops trail behind whoever turns quickly. Less of what lies below the
noise, which would shake the crops of whoever stands upright."""
MOST_TURN = np.radians(35.0)
"""Put right from one look to the next."""

MARGIN = 1.25
"""A crop's side over the diameter of the circle that the landmark model puts around a person, as in its training."""


def _other(name: str) -> str:
    return name[:-1] + {"l": "r", "r": "l"}[name[-1]] if name[-2:] in ("_l", "_r") else name


SWAP = np.array([MEDIAPIPE_KEYPOINTS.index(_other(name)) for name in MEDIAPIPE_KEYPOINTS])
"""Index of each keypoint's partner on the other side."""


@dataclass(frozen=True)
class Crop:
    """A square of the picture: centre and side in px, `turn` in rad, clockwise as seen, of its upright direction."""

    x_px: float
    y_px: float
    side_px: float
    turn: float

    def scaled(self, factor: float, turned: float = 0.0) -> Crop:
        return Crop(self.x_px, self.y_px, self.side_px * factor, self.turn + turned)

    def moved(self, x_px: float, y_px: float, scale: float = 1.0) -> Crop:
        """As seen in a picture that is `scale` times larger, of which this one shows a part at x_px, y_px."""
        return Crop(self.x_px * scale + x_px, self.y_px * scale + y_px, self.side_px * scale, self.turn)


def crop_to_picture(crop: Crop, mirrored: bool, size_px: int = INPUT_PX) -> np.ndarray:
    """(2, 3) affine map from pixels of the crop, resampled to size_px, to pixels of the picture."""
    step = crop.side_px / size_px
    c, s = np.cos(crop.turn) * step, np.sin(crop.turn) * step
    linear = np.array([[c, -s], [s, c]])
    if mirrored:
        linear = linear * [-1.0, 1.0]
    middle = np.array([crop.x_px, crop.y_px]) - linear @ np.full(2, size_px / 2)
    return np.column_stack([linear, middle])


def cut(picture: np.ndarray, crop: Crop, mirrored: bool, size_px: int = INPUT_PX) -> np.ndarray:
    """The crop's pixels, (size_px, size_px, 3).

    Sampled as MediaPipe does, so that the model sees what it was trained on: bilinear without shrinking first (a
    smoothed crop was tried and gave no better landmarks), the picture's edge continued, and
    the affine map taken between pixel *indices*, half a pixel off at both ends; `to_picture` and `paste` undo that.
    """
    return cv2.warpAffine(picture, crop_to_picture(crop, mirrored, size_px), (size_px, size_px),
                          flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)


def paste(mask: np.ndarray, crop: Crop, mirrored: bool, step_px: float,
          grid_px: tuple[int, int]) -> tuple[tuple[int, int, int, int], np.ndarray]:
    """A crop's soft mask on a coarser grid over the picture.

    Args:
        mask: (S, S) float32 of the crop.
        step_px: Side of a grid cell in the picture's pixels.
        grid_px: Width and height of the grid.

    Returns:
        The box x0, y0, x1, y1 in cells, inside the grid, and the mask (y1 - y0, x1 - x0) in it.
    """
    affine = crop_to_picture(crop, mirrored, mask.shape[0]) / step_px
    affine[:, 2] += 0.5 / step_px
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * mask.shape[0] @ affine[:, :2].T + affine[:, 2]
    x0, y0 = (int(max(v, 0)) for v in np.floor(corners.min(0)))
    x1, y1 = (int(min(v, n)) for v, n in zip(np.ceil(corners.max(0)), grid_px))
    if x1 <= x0 or y1 <= y0:
        return (0, 0, 0, 0), np.zeros((0, 0), np.float32)
    affine[:, 2] -= (x0 + 0.5, y0 + 0.5)  # from a cell's corner to its index
    return (x0, y0, x1, y1), cv2.warpAffine(mask, affine, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR,
                                            borderMode=cv2.BORDER_CONSTANT)


def to_picture(points: np.ndarray, crop: Crop, mirrored: bool) -> np.ndarray:
    """Keypoints of a crop in the picture, px; mirrored ones change sides. points: (33, 2), the crop's pixel indices."""
    affine = crop_to_picture(crop, mirrored)
    out = points @ affine[:, :2].T + affine[:, 2] + 0.5
    return out[SWAP] if mirrored else out


def to_camera(landmarks_m: np.ndarray, crop: Crop, mirrored: bool) -> np.ndarray:
    """Landmarks of a crop, (33, 3), in the picture's camera axes: mirrored back, sides changed, turned back."""
    out = (landmarks_m * [-1.0, 1.0, 1.0])[SWAP] if mirrored else landmarks_m
    c, s = np.cos(crop.turn), np.sin(crop.turn)
    return out @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def inside(points_px: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """(...,) bool: the points (..., 2) lie in a picture of that width and height."""
    return ((points_px >= 0) & (points_px < size_px)).all(-1)


def wrapped(angle):
    """Angles brought to -pi..pi."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def crop_of(frame: np.ndarray, crop: Crop, mirrored: bool) -> Crop:
    """The crop that suits the person found in a crop.

    Args:
        frame: (2, 2), the hips' middle and the point that tells size and turn, in the crop's pixel indices.
        crop, mirrored: Where it was found.
    """
    affine = crop_to_picture(crop, mirrored)
    middle, tip = frame @ affine[:, :2].T + affine[:, 2]
    out = tip - middle
    off = wrapped(np.arctan2(out[0], -out[1]) - crop.turn)
    off = np.clip(off * (1 + (TURN_GAIN - 1) * min(1.0, abs(off) / TURN_NOISE)), -MOST_TURN, MOST_TURN)
    return Crop(float(middle[0]), float(middle[1]), float(2 * MARGIN * np.hypot(*out)), float(wrapped(crop.turn + off)))


def tiles(width: int, height: int, side: float, overlap: float = 0.4) -> list[tuple[int, int, int, int]]:
    """Square windows x0, y0, x1, y1 that cover a picture with at least `overlap` of their side in common."""
    spans = []
    for length in (width, height):
        part = min(side, length)
        count = 1 if part >= length else int(np.ceil((length - part) / (part * (1 - overlap)))) + 1
        starts = np.linspace(0, length - part, count)
        spans.append([(int(round(a)), int(round(a + part))) for a in starts])
    return [(x0, y0, x1, y1) for y0, y1 in spans[1] for x0, x1 in spans[0]]
