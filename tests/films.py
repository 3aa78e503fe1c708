"""Small films for tests, written with PyAV: every picture carries its number in its pixels, so frames can be told apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

SIZE = (160, 96)
_BITS, _BIT_PX = 12, 8
_AT = (24, 44)


def texture(seed: int, size: tuple[int, int], grain_px: int = 12) -> np.ndarray:
    """(H, W, 3) uint8 colour noise, smooth over about `grain_px`; a scene that looks like no other seed's."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (size[1] // grain_px + 2, size[0] // grain_px + 2, 3)).astype(np.float32)
    return np.clip(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def marked(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3) uint8: a still scene with a red corner at the top left, a blue one at the top right and a binary number."""
    picture = texture(7, size) // 4 + 60
    x, y = _AT
    for bit in range(_BITS):
        picture[y:y + _BIT_PX, x + bit * _BIT_PX:x + (bit + 1) * _BIT_PX] = 190 if number >> bit & 1 else 40
    picture[:16, :16] = (230, 20, 20)
    picture[:16, -16:] = (20, 20, 230)
    return picture


def number_of(picture: np.ndarray) -> int:
    """The number that `marked` wrote, from an upright picture of that film (any scale)."""
    size = SIZE
    if picture.shape[:2] != (size[1], size[0]):
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    x, y = _AT
    middle = _BIT_PX // 2
    return sum(1 << bit for bit in range(_BITS) if picture[y + middle, x + bit * _BIT_PX + middle].mean() > 115)


def write_film(
    path: Path,
    pictures: Iterable[np.ndarray] | int,
    *,
    rate: Fraction | int = 30,
    ticks: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    form: str | None = None,
    gop: int = 12,
    turn_ccw_deg: float | None = None,
    hflip: bool = False,
    aspect: Fraction | None = None,
    colorspace: int | None = None,
    tags: dict[str, str] | None = None,
) -> Path:
    """Write pictures, (H, W, 3) uint8 RGB, or so many `marked` ones.

    Args:
        ticks: Presentation times in `time_base`; default one frame period apart.
        turn_ccw_deg, hflip: The display matrix, as PyAV writes it.
        aspect: Pixel aspect to write into the file.
        tags: Metadata of the container.
    """
    if isinstance(pictures, int):
        pictures = (marked(k) for k in range(pictures))
    if codec == "libx264":
        options = {"preset": "ultrafast", "crf": "12", "bf": "2", **(options or {})}
    with av.open(str(path), "w", format=form, options=container or {}) as out:
        for key, value in (tags or {}).items():
            out.metadata[key] = value
        stream = None
        for k, picture in enumerate(pictures):
            if stream is None:
                stream = out.add_stream(codec, rate=rate, options=options or {})
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pix_fmt
                stream.codec_context.gop_size = gop
                if time_base is not None:
                    stream.codec_context.time_base = time_base
                if aspect is not None:
                    stream.codec_context.sample_aspect_ratio = aspect
                if turn_ccw_deg is not None:
                    stream.set_display_rotation(turn_ccw_deg, hflip=hflip)
                if colorspace is not None:
                    stream.codec_context.colorspace = colorspace
                    stream.codec_context.color_range = 1
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            if pix_fmt != "rgb24":
                frame = frame.reformat(format=pix_fmt, dst_colorspace=colorspace)
            frame.pts = k if ticks is None else ticks[k]
            frame.time_base = time_base or 1 / Fraction(rate)
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode() if stream else ():
            out.mux(packet)
    return path


def write_loop(path: Path, pictures: Sequence[np.ndarray], repeats: int, rate: int = 30) -> Path:
    """A long film made fast: the pictures are encoded once and their packets written again and again."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "20", "bf": "0"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        packets = []
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = k, Fraction(1, rate)
            packets += stream.encode(frame)
        packets += stream.encode()
        kept = [(bytes(packet), packet.pts, packet.is_keyframe) for packet in packets]
        for loop in range(repeats):
            for data, pts, is_key in kept:
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, rate), is_key
                packet.pts = packet.dts = pts + loop * len(pictures)
                packet.duration = 1
                out.mux(packet)
    return path


def write_pictures(folder: Path, numbers: Iterable[int], name: str = "shot_{:04d}.png") -> Path:
    """Write `marked` pictures as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        kind = name[name.rindex("."):]
        data = cv2.imencode(kind, cv2.cvtColor(marked(number), cv2.COLOR_RGB2BGR))[1]
        (folder / name.format(number)).write_bytes(data.tobytes())
    return folder
