"""What cameras write into files: the 35 mm equivalent focal length, and how a photograph is held."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import NamedTuple

_TAG_ORIENTATION, _TAG_EXIF_IFD, _TAG_FOCAL_35MM = 0x0112, 0x8769, 0xA405
_LARGEST_FOCAL_MM = 3000.0


def plausible_focal(value: object) -> float | None:
    """A focal length in mm, or None where it is no usable number (cameras write 0 for unknown)."""
    try:
        focal = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return focal if math.isfinite(focal) and 1.0 <= focal <= _LARGEST_FOCAL_MM else None


def focal_of_metadata(*tables: Mapping[str, str]) -> float | None:
    """From container and stream tags, such as `com.apple.quicktime.camera.focal_length.35mm_equivalent`."""
    for table in tables:
        for key, value in table.items():
            name = key.lower()
            if "focal" in name and ("35mm" in name or "35efl" in name):
                focal = plausible_focal(str(value).lower().removesuffix("mm").strip())
                if focal is not None:
                    return focal
    return None


class JpegFacts(NamedTuple):
    """What a JPEG's Exif block says; None where it does not."""

    orientation: int | None = None
    focal_35mm: float | None = None


def read_jpeg(data: bytes) -> JpegFacts:
    """Orientation and 35 mm equivalent focal length of a photograph.

    Args:
        data: The beginning of the file; the first 128 KiB hold the block. Anything but a JPEG says nothing.

    Source: CIPA DC-008 (Exif 2.32), TIFF 6.0.
    """
    if data[:2] != b"\xff\xd8":
        return JpegFacts()
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2:at + 4], "big")
        if marker == 0xDA or size < 2:
            break
        block = data[at + 4:at + 2 + size]
        if marker == 0xE1 and block[:6] == b"Exif\0\0":
            return _of_tiff(block[6:])
        at += 2 + size
    return JpegFacts()


def _of_tiff(data: bytes) -> JpegFacts:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    orientation = focal = None
    if order is not None:
        try:
            (first,) = struct.unpack_from(order + "I", data, 4)
            orientation = _entry(data, order, first, _TAG_ORIENTATION)
            pointer = _entry(data, order, first, _TAG_EXIF_IFD)
            focal = None if pointer is None else plausible_focal(_entry(data, order, pointer, _TAG_FOCAL_35MM))
        except struct.error:
            # Cut off or damaged; what was read before stands.
            pass
    return JpegFacts(orientation, focal)


def _entry(data: bytes, order: str, at: int, wanted: int) -> int | None:
    (count,) = struct.unpack_from(order + "H", data, at)
    for k in range(count):
        tag, kind = struct.unpack_from(order + "HH", data, at + 2 + 12 * k)
        if tag == wanted:
            return struct.unpack_from(order + ("H" if kind == 3 else "I"), data, at + 10 + 12 * k)[0]
    return None
