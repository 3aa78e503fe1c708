"""Opening a video or an image sequence and decoding it in order: times in exact ticks, one picture at a time."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.stream import Disposition

from sinew_take.errors import InputError, RequestError

from ..flow import VideoInfo
from . import exif, picture
from .series import Series, find_series, is_pattern
from .times import parse_rate


class Decoded(NamedTuple):
    """A picture, its presentation time in the source's ticks, and how it becomes upright."""

    ticks: int
    frame: av.VideoFrame
    turn: picture.Orientation


_NOT_VIDEO = frozenset({"tty", "bin", "xbin", "adf", "idf", "lavfi"})
"""Demuxers that make pictures out of text, or out of nothing."""
_RAW = frozenset("h264 hevc vvc evc obu m4v mpegvideo mjpeg vc1 dirac cavsvideo".split())
_WITHOUT_TIMES = _RAW | {"avi"}
"""Containers that store an order but no presentation times: frames are counted at the rate of the header."""
_MOST_THREADS = 8
"""Each decoding thread holds a few pictures; 8 keep 8K video under 2 GB."""
_MOST_HEADER_BYTES = 128 * 2**20
"""How much of a file `probe` reads for its times; a longer one is judged by its beginning."""
_LOCAL = "file,crypto,data,subfile"
"""A playlist must not make FFmpeg reach into the network."""


class Source:
    """What `Clip` and `Pictures` share. Use as a context manager.

    Attributes:
        time_base: Seconds per tick.
        first: The first picture, decoded.
        first_ticks: Its presentation time; time 0 of the clip.
        turn: How pictures become upright.
        more_deg: Of it, the clockwise turn that the user asked for beyond what the file says.
        aspect: Width over height of a pixel.
        declared: Rates that the file claims, the most trusted first.
        notes: Sentences for the user, complete once decoding has ended.
        is_threaded: Which pictures are lost to damage is left to chance.
        n_failed: Pieces of the file that could not be decoded so far.
    """

    path: Path
    is_sequence: bool
    is_threaded: bool
    can_seek: bool
    time_base: Fraction
    first: av.VideoFrame
    first_ticks: int
    turn: picture.Orientation
    more_deg: int
    aspect: Fraction
    declared: tuple[Fraction | None, ...]
    focal_35mm: float | None
    notes: list[str]
    n_failed: int

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        raise NotImplementedError

    def decode(self, from_ticks: int | None = None) -> Iterator[Decoded]:
        """Pictures in order of presentation, from the first one or from some picture before `from_ticks`.

        May be called once per opened source after its facts were read.

        Raises:
            InputError: The pictures of a sequence differ in size.
        """
        raise NotImplementedError

    def count_before(self, ticks: int, alive: Callable[[], None]) -> int:
        """How many pictures the source shows before `ticks`, without decoding them; calls `alive` now and then."""
        raise NotImplementedError

    def expected(self) -> int | None:
        """How many pictures the file's header promises; None where it does not say."""
        raise NotImplementedError

    def length_s(self) -> float | None:
        """Length of the pictures' stream by the header; None where it does not say."""
        raise NotImplementedError

    def header_times(self) -> tuple[np.ndarray, bool]:
        """Presentation ticks known without decoding, (n,) int64 increasing, and whether they are all of them."""
        raise NotImplementedError

    def seconds(self, ticks: int) -> float:
        """Time since the first picture, correctly rounded."""
        return float((ticks - self.first_ticks) * self.time_base)

    def ticks(self, time_s: float) -> int:
        """The tick nearest to a time."""
        return self.first_ticks + round(Fraction(time_s) / self.time_base)

    @property
    def coded_px(self) -> tuple[int, int]:
        return self.first.width, self.first.height

    @property
    def size_px(self) -> tuple[int, int]:
        return picture.upright_size(self.coded_px, self.aspect, self.turn.turn_deg)

    def _read_first(self, aspect: Fraction | None, turn: picture.Orientation) -> None:
        self.turn = turn.turned(self.more_deg)
        self.aspect, is_usable = picture.pixel_aspect(aspect)
        if not is_usable:
            self.notes.append(f"The file's pixel aspect of {aspect} is not believable; square pixels were assumed.")
        if self.turn.mirrored:
            self.notes.append("The file asks to be shown mirrored, and the pictures were mirrored accordingly.")
        if abs(self.turn.off_axis_deg) > 0.5:
            self.notes.append(f"The file asks for a turn that is {self.turn.off_axis_deg:+.0f} degrees off a right "
                              "angle; only the right angle was applied.")
        if self.first.interlaced_frame:
            self.notes.append("The video is interlaced and was not deinterlaced: fast parts show combs; "
                              "deinterlace it first for the best result.")
        if picture.is_hdr(self.first):
            self.notes.append("The video is HDR; its colours were brought to standard range.")


def open_source(
    path: str | os.PathLike, rate: Fraction | float | str | None = None, is_threaded: bool = True, more_deg: int = 0
) -> Source:
    """Open a video file, a folder of pictures or a pattern such as shot_####.png.

    Args:
        path: What to open.
        rate: Frames per second, for sequences (required there) and for raw streams without times.
        is_threaded: Decode several pictures of a file at a time. In a damaged file it is left to chance which pictures
            such a decoder loses; one picture at a time, they are always the same.
        more_deg: Clockwise turn of the pictures beyond what the file says: 0, 90, 180 or 270.

    Raises:
        RequestError: Nothing there, or `rate` missing, unusable or out of place.
        InputError: Not a video, or nothing in it can be decoded.
    """
    path = Path(path)
    given = None if rate is None else parse_rate(rate)
    if "\0" in str(path):
        raise RequestError("The path holds a zero byte; check it.")
    try:
        is_folder, exists = path.is_dir(), path.exists()
        is_series = is_folder or is_pattern(path)
        is_file = path.is_file()
    except OSError as error:
        raise RequestError(f"{path} cannot be reached ({error.strerror}); check the path.") from None
    if is_series:
        series = find_series(path)
        if given is None:
            raise RequestError("A sequence of pictures has no rate of its own; "
                               "give it with --rate, for example --rate 25.")
        return Pictures(path, series, given, more_deg)
    if not exists:
        raise RequestError(f"There is no file {path}; check the path.")
    if not is_file:
        raise RequestError(f"{path} is not a file; name a video, or a folder with one picture per frame.")
    return _clip(path, given, is_threaded, more_deg)


def open_again(info: VideoInfo, is_threaded: bool = True) -> Source:
    """Open what `info` was read from, with the same clock."""
    if info.is_sequence:
        return open_source(info.path, info.rate, more_deg=info.more_deg)
    if not info.path.is_file():
        raise InputError(f"{info.path} is gone; put the video back and start again.")
    return _clip(info.path, info.rate, is_threaded, info.more_deg, is_fallback=True)


def _clip(path: Path, rate: Fraction | None, is_threaded: bool, more_deg: int, is_fallback: bool = False) -> Clip:
    try:
        return Clip(path, rate, is_threaded, more_deg, is_fallback)
    except InputError:
        if not is_threaded:
            raise
        # Decoded one at a time, a badly damaged file may still give a picture.
        return Clip(path, rate, False, more_deg, is_fallback)


class Clip(Source):
    """A video file.

    Args:
        path: The file.
        rate: Frames per second for bare streams.
        is_threaded, more_deg: See `open_source`.
        is_fallback: Ignore `rate` where the file has times.
    """

    is_sequence = False

    def __init__(
        self, path: Path, rate: Fraction | None, is_threaded: bool = True, more_deg: int = 0, is_fallback: bool = False
    ) -> None:
        self.path, self.more_deg = path.absolute(), more_deg
        self.notes = []
        self.n_failed = 0
        self._container = _open(path)
        try:
            self._find_stream(None if is_fallback else rate, is_threaded)
            self._frames = self._decode_all()
            self._read_head(rate)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._container.close()

    def _find_stream(self, rate: Fraction | None, is_threaded: bool) -> None:
        container, name = self._container, self.path.name
        kinds = set(container.format.name.split(","))
        if kinds & _NOT_VIDEO:
            raise InputError(f"{name} is not a video; name a video file or a folder with one picture per frame.")
        if container.format.name.endswith("_pipe") or container.format.name == "image2":
            raise RequestError(f"{name} is a single picture; name a video, or the folder or pattern of a sequence "
                               "(shot_####.png) with --rate.")
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            what = "sound but no pictures" if container.streams.audio else "no pictures"
            raise InputError(f"{name} holds {what}; name a file with video in it.")
        best = container.streams.best("video")
        self._stream = best if best in streams else streams[0]
        if self._stream.codec_context is None:
            raise InputError(f"{name} is coded in a way that this FFmpeg cannot decode; convert it to H.264 first.")
        self._counts = bool(kinds & _WITHOUT_TIMES)
        self.is_threaded = is_threaded
        if rate is not None and not kinds & _RAW:
            raise RequestError(f"{name} has times of its own; leave --rate out, it is for sequences of pictures.")
        # A picture lost by chance would shift all that are counted after it.
        self._stream.thread_type = "AUTO" if is_threaded and not self._counts else "SLICE"
        self._stream.codec_context.thread_count = min(os.cpu_count() or 1, _MOST_THREADS) if is_threaded else 1

    def _read_head(self, rate: Fraction | None) -> None:
        stream = self._stream
        self.declared = (stream.guessed_rate, stream.average_rate, stream.base_rate)
        self.time_base = stream.time_base or Fraction(1, 1000)
        try:
            self.first = next(self._frames)
        except StopIteration:
            raise InputError(f"{self.path.name} holds no picture that can be decoded; "
                             "it is empty or damaged, export or copy it again.") from None
        if self.first.pts is None:
            self._counts = True
        if self._counts:
            assumed = rate or stream.guessed_rate or stream.average_rate or Fraction(25)
            self.declared = (assumed,)
            self.time_base = 1 / assumed
            if rate is None and set(self._container.format.name.split(",")) & _RAW:
                self.notes.append(f"The file is a bare stream without times; {float(assumed):g} frames a second "
                                  "were taken from its header, give --rate if that is wrong.")
        self.can_seek = not self._counts
        self.first_ticks = 0 if self._counts else int(self.first.pts)
        self.focal_35mm = exif.focal_of_metadata(stream.metadata, self._container.metadata)
        self._read_first(stream.sample_aspect_ratio, picture.orientation(picture.display_matrix(self.first)))

    def decode(self, from_ticks: int | None = None) -> Iterator[Decoded]:
        frames = self._frames
        last = None
        if from_ticks is not None and self.can_seek and self._seek(from_ticks):
            frames = self._decode_all()
        else:
            last = self.first_ticks
            yield Decoded(last, self.first, self.turn)
        for frame in frames:
            if self._counts:
                ticks = (last or 0) + 1
            elif frame.pts is None or (last is not None and frame.pts <= last):
                # Two pictures cannot share a time: a broken stamp counts as a lost picture.
                self.n_failed += 1
                continue
            else:
                ticks = int(frame.pts)
            last = ticks
            yield Decoded(ticks, frame, self.turn)

    def _seek(self, ticks: int) -> bool:
        try:
            self._container.seek(ticks, stream=self._stream)
        except av.error.FFmpegError:
            return False
        return True

    def _decode_all(self) -> Iterator[av.VideoFrame]:
        """Frames in order of presentation; what cannot be decoded is counted and passed over."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError:
                # The file ends or breaks here; what the decoder still holds is good.
                self.n_failed += 1
                try:
                    yield from (f for f in self._stream.decode(None) if not f.is_corrupt)
                except av.error.FFmpegError:
                    pass
                return
            try:
                pictures = packet.decode()
            except av.error.FFmpegError:
                self.n_failed += 1
                continue
            for frame in pictures:
                if frame.is_corrupt:
                    self.n_failed += 1
                else:
                    yield frame

    def count_before(self, ticks: int, alive: Callable[[], None]) -> int:
        with _open(self.path) as container:
            stream = container.streams[self._stream.index]
            count = 0
            for packet in _packets(container, stream):
                # Decoding order runs ahead of presentation by less than this; later packets show later.
                if packet.dts is not None and packet.dts >= ticks and (packet.pts is None or packet.pts >= ticks):
                    break
                count += packet.pts is not None and self.first_ticks <= packet.pts < ticks
                if count % 256 == 0:
                    alive()
            return count

    def header_times(self) -> tuple[np.ndarray, bool]:
        if self._counts:
            n = self.expected()
            return np.arange(n or 1, dtype=np.int64), n is not None
        ticks: list[int] = []
        is_all, left = True, _MOST_HEADER_BYTES
        with _open(self.path) as container:
            stream = container.streams[self._stream.index]
            for packet in _packets(container, stream):
                if packet.pts is not None and packet.pts >= self.first_ticks:
                    ticks.append(packet.pts)
                left -= packet.size
                if left < 0:
                    is_all = False
                    break
        return np.unique(np.array(ticks, np.int64)), is_all

    def expected(self) -> int | None:
        stream = self._stream
        if "mov" in self._container.format.name:
            return sum(not entry.is_discard for entry in stream.index_entries) or stream.frames or None
        return stream.frames or None

    def length_s(self) -> float | None:
        stream, container = self._stream, self._container
        if stream.duration:
            return float(stream.duration * stream.time_base)
        if container.duration and not container.streams.audio:
            return container.duration / av.time_base
        return None


class Pictures(Source):
    """An image sequence; a tick is one frame period."""

    is_sequence = True
    is_threaded = False
    can_seek = True

    def __init__(self, path: Path, series: Series, rate: Fraction, more_deg: int = 0) -> None:
        self.path, self.more_deg = path.absolute(), more_deg
        self.notes = list(series.notes)
        self.n_failed = 0
        self.time_base = 1 / rate
        self.declared = (rate,)
        self.first_ticks = 0
        self._series = series
        self._lead = 0
        for file in series.files:
            found = _picture(file)
            if found is not None:
                break
            self._lead += 1
        else:
            raise InputError(f"None of the {len(series.files)} pictures of {path} can be decoded; export them again.")
        self.first = found.frame
        self.first_ticks = series.number[self._lead]
        self.focal_35mm = found.focal_35mm
        self._read_first(found.aspect, found.turn)

    def close(self) -> None:
        pass

    def decode(self, from_ticks: int | None = None) -> Iterator[Decoded]:
        start = self._lead
        self.n_failed += self._lead
        if from_ticks is not None:
            start = max(start, int(np.searchsorted(self._series.number, from_ticks)))
        workers = min(os.cpu_count() or 1, 4)
        with ThreadPoolExecutor(workers) as pool:
            files = iter(range(start, len(self._series.files)))
            ahead: deque = deque()
            try:
                while True:
                    while len(ahead) <= workers and (k := next(files, None)) is not None:
                        ahead.append((k, pool.submit(_picture, self._series.files[k])))
                    if not ahead:
                        return
                    k, job = ahead.popleft()
                    found = job.result()
                    if found is None:
                        self.n_failed += 1
                        continue
                    turn = found.turn.turned(self.more_deg)
                    self._check_size(self._series.files[k], found.frame, turn)
                    yield Decoded(self._series.number[k], found.frame, turn)
            finally:
                for _, job in ahead:
                    job.cancel()

    def _check_size(self, file: Path, frame: av.VideoFrame, turn: picture.Orientation) -> None:
        size = picture.upright_size((frame.width, frame.height), self.aspect, turn.turn_deg)
        if size != self.size_px:
            raise InputError(f"The pictures differ in size: {file.name} is {size[0]}x{size[1]} and the first one is "
                             f"{self.size_px[0]}x{self.size_px[1]}; bring them to one size.")

    def count_before(self, ticks: int, alive: Callable[[], None]) -> int:
        return int(np.searchsorted(self._series.number, ticks)) - self._lead

    def header_times(self) -> tuple[np.ndarray, bool]:
        return np.array(self._series.number[self._lead:], np.int64), True

    def expected(self) -> int | None:
        return len(self._series.files)

    def length_s(self) -> float | None:
        return None


def _packets(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            return
        if packet.size and not packet.is_discard:
            yield packet


def _open(path: Path) -> av.container.InputContainer:
    name = path.name
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError as error:
        raise RequestError(f"{path} cannot be read ({error.strerror}); check its permissions.") from None
    if not head:
        raise InputError(f"{name} is empty; export or copy it again.")
    try:
        # With the "file:" in front a colon or a per cent sign in the name means nothing to FFmpeg.
        return av.open(f"file:{path}", options={"protocol_whitelist": _LOCAL}, metadata_errors="replace")
    except UnicodeEncodeError:
        raise RequestError(f"The name of {path!r} cannot be given to FFmpeg; rename the file.") from None
    except av.error.FFmpegError as error:
        if error.errno in (errno.EACCES, errno.ENOENT):
            raise RequestError(f"{path} cannot be read ({error.strerror}); check the path.") from None
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
            raise InputError(f"{name} is damaged: its index is missing or broken, as in a recording that was cut off; "
                             "copy or export it again.") from None
        raise InputError(f"{name} is not a video that FFmpeg can read; "
                         "name a video file or a folder with one picture per frame.") from None


class _Still(NamedTuple):
    frame: av.VideoFrame
    aspect: Fraction | None
    turn: picture.Orientation
    focal_35mm: float | None


def _picture(file: Path) -> _Still | None:
    """The only picture of an image file, or None where it cannot be decoded."""
    try:
        with open(file, "rb") as data:
            facts = exif.read_jpeg(data.read(131072))
            data.seek(0)
            with av.open(data, metadata_errors="replace") as container:
                if not container.streams.video:
                    return None
                stream = container.streams.video[0]
                stream.codec_context.thread_count = 1
                frame = next((frame for frame in container.decode(stream) if not frame.is_corrupt), None)
                if frame is None:
                    return None
                # Other formats use this field for print density, and often wrongly.
                aspect = stream.sample_aspect_ratio if file.suffix.lower() == ".exr" else None
    except (av.error.FFmpegError, OSError, ValueError):
        return None
    if facts.orientation is not None:
        turn = picture.orientation_of_exif(facts.orientation)
    else:
        turn = picture.orientation(picture.display_matrix(frame))
    return _Still(frame, aspect, turn, facts.focal_35mm)
