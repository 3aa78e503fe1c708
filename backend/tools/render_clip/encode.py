"""Rendered parts onto the empty set, and numbered PNG frames to mp4 (H.264 through PyAV)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np


def compose(plate: np.ndarray, part: np.ndarray, box_px: np.ndarray, feather_px: int = 22) -> np.ndarray:
    """Lay the rendered part of a frame onto the empty set, its inner edges fading.

    Args:
        plate: (H, W, 3) uint8.
        part: (H, W, 3) uint8, of which only `box_px` is used.
        box_px: x0 y0 x1 y1.
        feather_px: Width of the fade; sides on the picture's edge do not fade.
    """
    height, width = plate.shape[:2]
    x0, y0, x1, y1 = (int(v) for v in box_px)

    def side(n, low, high, low_fades, high_fades):
        at = np.arange(n) + 0.5
        up = np.clip((at - low) / feather_px, 0, 1) if low_fades else (at >= low)
        down = np.clip((high - at) / feather_px, 0, 1) if high_fades else (at <= high)
        u = np.minimum(up, down)
        return u * u * (3 - 2 * u)

    across = side(width, x0, x1, x0 > 0, x1 < width)
    along = side(height, y0, y1, y0 > 0, y1 < height)
    share = (along[:, None] * across[None])[..., None]
    return np.rint(plate * (1 - share) + part * share).astype(np.uint8)


def pictures(folder: Path, indices: list[int], boxes_px: np.ndarray | None) -> Iterator[np.ndarray]:
    """Rendered frames (H, W, 3) uint8, BGR, whole.

    Raises:
        ValueError: A frame is missing or is no picture.
    """
    def read(path):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise ValueError(f"{path} is not a picture")
        return picture

    plate = read(folder / "plate.png") if boxes_px is not None else None
    for index in indices:
        picture = read(folder / f"{index:06d}.png")
        yield picture if plate is None else compose(plate, picture, boxes_px[index])


def encode(frames: Iterable[np.ndarray], out: Path, rate: Fraction, crf: int = 20) -> int:
    """Write BGR pictures to an mp4 at an exact constant rate. Returns its size in bytes."""
    with av.open(str(out), "w", options={"movflags": "+faststart"}) as file:
        stream = file.add_stream("libx264", rate=rate)
        stream.pix_fmt = "yuv420p"
        # A tuned-for-nothing, single-thread encode gives the same bytes on every run.
        stream.options = {"crf": str(crf), "preset": "slow", "threads": "1"}
        stream.codec_context.time_base = 1 / rate
        for index, picture in enumerate(frames):
            if index == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            frame = frame.reformat(format="yuv420p", src_colorspace="ITU709", dst_colorspace="ITU709")
            frame.pts, frame.time_base = index, 1 / rate
            for packet in stream.encode(frame):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    return out.stat().st_size
