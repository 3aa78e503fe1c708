"""From a decoded picture to the upright one: 8-bit sRGB, square pixels, rotation and mirroring applied."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_LARGEST_ASPECT = 4

# ITU-T H.273 code points, as FFmpeg reports them.
_BT709, _UNSPECIFIED, _BT601 = 1, 2, 5
_PRIMARIES_BT2020 = 9
_TRANSFER_PQ, _TRANSFER_HLG = 16, 18
_FULL_RANGE = 2

_BT2020_TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
"""Linear light, ITU-R BT.2087."""
_PQ_WHITE_NITS = 203.0
_HLG_WHITE = 0.265
"""Diffuse white: 203 cd/m2 in PQ, 75 % signal (0.265 of peak scene light) in HLG; ITU-R BT.2408."""
_HDR_PEAK = 4.0
"""Brightest light kept, in diffuse whites; the shoulder has long reached white there."""
_KNEE = 0.8
"""Light from which the shoulder bends."""
_FLOAT = re.compile(r"(?:gbra?p|gray)f(16|32)(le|be)")


@dataclass(frozen=True)
class Orientation:
    """How a coded picture becomes upright: mirrored left to right first where `mirrored`, then turned clockwise."""

    turn_deg: int = 0
    """Clockwise: 0, 90, 180 or 270."""
    mirrored: bool = False
    off_axis_deg: float = 0.0
    """What the file's angle has beyond the quarter turn; not applied."""

    def turned(self, turn_deg: int) -> Orientation:
        """The same, turned clockwise by so much more, of 0, 90, 180 and 270."""
        return replace(self, turn_deg=(self.turn_deg + turn_deg) % 360)


def orientation(matrix: np.ndarray | None) -> Orientation:
    """Read a display matrix.

    Args:
        matrix: (9,) int32 as FFmpeg gives it: a b u c d v x y w, where a to d are 16.16 fixed point; a coded point
            (x, y), y down, is shown at (a x + c y, b x + d y). None means none.

    Source: ISO/IEC 14496-12, track header matrix.
    """
    if matrix is None:
        return Orientation()
    a, b, c, d = (float(matrix[k]) for k in (0, 1, 3, 4))
    det = a * d - b * c
    if det == 0:
        return Orientation()
    # The second axis is the one that mirroring leaves alone.
    angle = np.degrees(np.arctan2(-c, d))
    turn = int(np.round(angle / 90)) * 90
    return Orientation(turn % 360, bool(det < 0), float(angle - turn))


def display_matrix(frame: av.VideoFrame) -> np.ndarray | None:
    """The (9,) int32 display matrix that the decoder attached, or None."""
    try:
        for data in frame.side_data:
            if data.type.name == "DISPLAYMATRIX":
                return np.frombuffer(data, np.int32)[:9]
    except ValueError:
        # PyAV 18 cannot list side data with a kind it does not know (Exif is one); the angle alone it still tells.
        turn = np.radians(-frame.rotation)
        cos, sin = np.cos(turn), np.sin(turn)
        return np.rint(np.array([cos, sin, 0, -sin, cos, 0, 0, 0, 16384]) * 65536).astype(np.int32)
    return None


def orientation_of_exif(value: int) -> Orientation:
    """Exif's orientation 1 to 8 (CIPA DC-008): which edge of the picture its first row and column are."""
    turn_deg, mirrored = {2: (0, True), 3: (180, False), 4: (180, True), 5: (270, True), 6: (90, False), 7: (90, True),
                          8: (270, False)}.get(value, (0, False))
    return Orientation(turn_deg, mirrored)


def pixel_aspect(value: Fraction | None) -> tuple[Fraction, bool]:
    """Width over height of a pixel, and False where the file's value is absurd and 1 is used."""
    if not value:
        return Fraction(1), True
    if not Fraction(1, _LARGEST_ASPECT) <= value <= _LARGEST_ASPECT:
        return Fraction(1), False
    return value, True


def square_size(coded_px: tuple[int, int], aspect: Fraction) -> tuple[int, int]:
    """Size with square pixels, as coded (not turned): the narrow axis is widened, nothing is shrunk."""
    width, height = coded_px
    if aspect >= 1:
        return max(1, round(width * aspect)), height
    return width, max(1, round(height / aspect))


def upright_size(coded_px: tuple[int, int], aspect: Fraction, turn_deg: int) -> tuple[int, int]:
    """Width and height of the upright picture with square pixels."""
    width, height = square_size(coded_px, aspect)
    return (height, width) if turn_deg % 180 else (width, height)


def is_hdr(frame: av.VideoFrame) -> bool:
    """Encoded with PQ or HLG."""
    return int(frame.color_trc) in (_TRANSFER_PQ, _TRANSFER_HLG)


def has_alpha(frame: av.VideoFrame) -> bool:
    return any(part.is_alpha for part in frame.format.components)


class Upright:
    """Turns decoded frames of one source into upright RGB; keeps the converter's set-up between frames.

    Args:
        coded_px: Size of the first picture; others are brought to it.
        aspect: Width over height of a pixel.
    """

    def __init__(self, coded_px: tuple[int, int], aspect: Fraction) -> None:
        self._size = square_size(coded_px, aspect)
        self._converter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame, turn: Orientation) -> np.ndarray:
        """(H, W, 3) uint8, contiguous, the caller's own.

        Transparent pictures are laid over black; float pictures (EXR) are taken as linear light; PQ and HLG are brought
        to standard range with diffuse white at white and a soft shoulder above.
        """
        if is_float(frame):
            rgb = self._from_float(frame)
        elif is_hdr(frame):
            rgb = _from_hdr(self._convert(frame, "rgb48le"), int(frame.color_trc), int(frame.color_primaries))
        elif has_alpha(frame):
            rgba = self._convert(frame, "rgba")
            *colours, alpha = cv2.split(rgba)
            rgb = cv2.merge([cv2.multiply(colour, alpha, scale=1 / 255) for colour in colours])
        else:
            rgb = self._convert(frame, "rgb24")
        if turn.mirrored:
            rgb = cv2.flip(rgb, 1)
        if turn.turn_deg:
            rgb = cv2.rotate(rgb, _TURNS[turn.turn_deg])
        return np.ascontiguousarray(rgb)

    def _convert(self, frame: av.VideoFrame, pix_fmt: str) -> np.ndarray:
        source_matrix = None
        if int(frame.colorspace) == _UNSPECIFIED and not frame.format.is_rgb:
            # Players read untagged pictures so: HD as BT.709, smaller ones as BT.601.
            source_matrix = _BT709 if frame.height >= 720 else _BT601
        width, height = self._size
        converted = self._converter.reformat(
            frame, width=width, height=height, format=pix_fmt, src_colorspace=source_matrix,
            dst_color_range=_FULL_RANGE, interpolation="BICUBIC")
        return converted.to_ndarray()

    def _from_float(self, frame: av.VideoFrame) -> np.ndarray:
        rgb = _srgb_of_light(1.0)[_codes(_float_planes(frame))]
        if (rgb.shape[1], rgb.shape[0]) != self._size:
            rgb = cv2.resize(rgb, self._size, interpolation=cv2.INTER_CUBIC)
        return rgb


def is_float(frame: av.VideoFrame) -> bool:
    """The picture holds linear light as floating-point numbers, as EXR does."""
    return _FLOAT.fullmatch(frame.format.name) is not None


def _float_planes(frame: av.VideoFrame) -> np.ndarray:
    """(H, W, 3) float32 of a planar float picture, opacity left out: EXR's colours are already multiplied by it."""
    bits, order = _FLOAT.fullmatch(frame.format.name).groups()
    kind = np.dtype(f"{'<' if order == 'le' else '>'}f{int(bits) // 8}")
    planes = [np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)[:, :plane.width]
              for plane in frame.planes]
    # FFmpeg keeps them as green, blue, red.
    order_of = (2, 0, 1) if len(planes) >= 3 else (0, 0, 0)
    return np.dstack([planes[k] for k in order_of]).astype(np.float32)


def _codes(light: np.ndarray) -> np.ndarray:
    """Light 0..1 as uint16; what is no number is black."""
    return np.rint(np.clip(np.nan_to_num(light, nan=0.0, posinf=1.0, neginf=0.0), 0, 1) * 65535).astype(np.uint16)


@lru_cache(maxsize=2)
def _srgb_of_light(peak: float) -> np.ndarray:
    """(65536,) uint8: sRGB code of linear light in `peak` / 65535, bent into white by a soft shoulder where peak > 1.

    Source: IEC 61966-2-1; the shoulder is ours.
    """
    x = np.arange(65536) / 65535 * peak
    if peak > 1:
        x = np.where(x < _KNEE, x, _KNEE + (1 - _KNEE) * (1 - np.exp((_KNEE - x) / (1 - _KNEE))))
    return np.rint(255 * np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)).astype(np.uint8)


@lru_cache(maxsize=2)
def _light_of_hdr(transfer: int) -> np.ndarray:
    """(65536,) uint16: light of a PQ or HLG code, diffuse white at 65535 / `_HDR_PEAK`.

    Source: SMPTE ST 2084; ARIB STD-B67 (scene light, so without the display's own curve).
    """
    x = np.arange(65536) / 65535
    if transfer == _TRANSFER_PQ:
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = x ** (1 / m2)
        light = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1) * 10000 / _PQ_WHITE_NITS
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(x <= 0.5, x * x / 3, (np.exp((x - c) / a) + b) / 12) / _HLG_WHITE
    return np.rint(np.minimum(light / _HDR_PEAK, 1) * 65535).astype(np.uint16)


def _from_hdr(rgb48: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    light = np.take(_light_of_hdr(transfer), rgb48, mode="clip")
    if primaries == _PRIMARIES_BT2020:
        light = cv2.transform(light, _BT2020_TO_BT709)
    return np.take(_srgb_of_light(_HDR_PEAK), light, mode="clip")
