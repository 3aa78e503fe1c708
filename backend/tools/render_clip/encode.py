"""Numbered PNG frames to mp4 (H.264 through PyAV)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np


def encode(frames: list[Path], out: Path, rate: Fraction, crf: int = 20) -> int:
    """Write an mp4 at an exact constant rate. Returns its size in bytes."""
    import av
    import cv2

    with av.open(str(out), "w", options={"movflags": "+faststart"}) as file:
        stream = file.add_stream("libx264", rate=rate)
        stream.pix_fmt = "yuv420p"
        # A tuned-for-nothing, single-thread encode gives the same bytes on every run.
        stream.options = {"crf": str(crf), "preset": "slow", "threads": "1"}
        stream.codec_context.time_base = 1 / rate
        for index, path in enumerate(frames):
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if picture is None:
                raise ValueError(f"{path} is not a picture")
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
