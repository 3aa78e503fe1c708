"""`sinew convert`: another system's result in, a take out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from sinew import flow, video
from sinew.cache import files_sha256
from sinew.camera.solve import check_options
from sinew.progress import Progress, StopRequest
from sinew.video.series import find_series
from sinew.video.times import parse_rate
from sinew_take import events, free_body
from sinew_take import take as take_format
from sinew_take.errors import InputError, RequestError
from sinew_take.version import VERSION

from . import amass, bodies, files, fitted, gvhmr, keypoints, phalp, prompthmr, sam3dbody, tram, wham
from .points import Detections
from .result import LARGEST_PX, SMALLEST_PX, check_body, check_length, keys_of
from .result import Result as Foreign

SHARE = {"video": 0.1, "camera": 0.2, "motion": 0.5, "body": 0.1, "write": 0.1}
READERS = {"amass": amass, "wham": wham, "4dhumans": phalp, "gvhmr": gvhmr, "prompthmr": prompthmr, "tram": tram,
           "sam3dbody": sam3dbody, "openpose": keypoints, "coco": keypoints}
FORMATS = ("auto", *READERS)
_TITLES = {"amass": "AMASS", "wham": "WHAM", "4dhumans": "4D-Humans", "gvhmr": "GVHMR", "prompthmr": "PromptHMR",
           "tram": "TRAM", "sam3dbody": "SAM 3D Body", "openpose": "OpenPose", "coco": "COCO keypoints"}
DEFAULT_SIZE = (1920, 1080)


@dataclass(frozen=True)
class Request:
    """What `sinew convert` was asked for."""

    result: Path
    out: Path
    format: str = "auto"
    rate: str | None = None
    video: Path | None = None
    models: Path | None = None
    size: str | None = None
    """Width and height of the picture, such as "1920x1080", where neither video nor result says it."""
    most_people: int | None = None
    camera: flow.CameraOptions = field(default_factory=flow.CameraOptions)
    plate: bool = True


@dataclass(frozen=True)
class Result:
    take: Path
    report: dict


def convert(request: Request, emit: Callable[[events.Event], None], stop: StopRequest) -> Result:
    """Convert a result.

    Args:
        request: What to do.
        emit: Receives events as they happen.
        stop: Asked between steps; raises `Stopped` from inside.

    Raises:
        RequestError, InputError, Stopped: One sentence each; nothing stands at `out` then.
    """
    began = time.monotonic()
    _check(request)
    emit(events.Started(VERSION, list(SHARE)))
    progress = Progress(emit, stop, share=SHARE)
    foreign = _read(request)
    stop.check()
    first, last = _range(foreign)
    shot, frames, sha256 = progress.run("video", lambda report: _shot(request, foreign, first, last, report))
    free = free_body.load()
    if isinstance(foreign, Detections):
        take = fitted.take_of(request, foreign, shot, frames, free, progress)
    else:
        take = bodies.take_of(request, foreign, shot, frames, free, progress)
    take.meta["source"] |= {"sha256": sha256, "name": shot.info.path.name}
    take.meta["shot_id"] = hashlib.sha256(f"{sha256}:{int(shot.frame[0])}".encode()).hexdigest()[:32]
    take.meta["report"]["seconds"] = {k: round(v, 2) for k, v in progress.seconds.items()}
    for note in take.meta["notes"]:
        emit(events.Note(note))
    progress.run("write", lambda report: _write(take, shot, request, report))
    report = {"shots": [take.meta["report"]], "seconds": {k: round(v, 2) for k, v in progress.seconds.items()},
              "notes": [], "total_s": round(time.monotonic() - began, 2)}
    emit(events.Finished([str(request.out.resolve())], report))
    return Result(request.out, report)


def _check(request: Request) -> None:
    take_format.check_free(request.out)
    if request.format not in FORMATS:
        raise RequestError(f"There is no format {request.format!r}; choose one of {', '.join(FORMATS)}.")
    if request.models is not None and not request.models.is_dir():
        raise RequestError(f"There is no folder of model files at {request.models}; choose the folder that holds them, or "
                           "leave it out.")
    if request.most_people is not None and request.most_people < 1:
        raise RequestError(f"--people {request.most_people} keeps nobody; give 1 or more.")
    if request.rate is not None:
        parse_rate(request.rate)
    if request.size is not None:
        _size(request.size)
    check_options(request.camera)
    try:
        request.out.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"Nothing can be written to {request.out.absolute().parent} ({error.strerror or error}); choose "
                           "another --out.") from None


def _size(text: str) -> tuple[int, int]:
    parts = [part.strip() for part in text.lower().replace("×", "x").split("x")]
    if len(parts) == 2 and all(p.isascii() and p.isdecimal() and len(p) < 9 for p in parts):
        width, height = map(int, parts)
        if SMALLEST_PX <= min(width, height) and max(width, height) <= LARGEST_PX:
            return width, height
    raise RequestError(f"--size {text if len(text) < 40 else text[:40] + '…'} is no picture's size; write it as 1920x1080.")


def _read(request: Request) -> Foreign | Detections:
    content = files.read_any(request.result)
    name = request.result.name
    if request.format == "auto":
        known = [key for key, reader in READERS.items() if reader.recognises(content)]
        if not known:
            raise InputError(f"The layout of {name} is unknown ({keys_of(content)}); known are the results of "
                             f"{', '.join(_TITLES.values())}.")
        system = known[0]
    else:
        system = request.format
        if not READERS[system].recognises(content):
            raise InputError(f"{name} has not the layout of {_TITLES[system]} ({keys_of(content)}); choose another --format "
                             "or leave it out.")
    try:
        if system == "4dhumans":
            foreign = phalp.read(content, name, lambda size: fitted.focal_px(request.camera, size))
        else:
            foreign = READERS[system].read(content, name)
        _range(foreign)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
        # A value of another kind than the layout has, in one of the many places where it could be.
        title = "a keypoint detector" if READERS[system] is keypoints else _TITLES[system]
        raise InputError(f"{name} looks like a result of {title}, but something in it is of another kind than the known "
                         "layout has; write the result again with the system's own demo.") from error
    return foreign


def _range(foreign: Foreign | Detections) -> tuple[int, int]:
    """First and last frame of the result."""
    if isinstance(foreign, Detections):
        numbers = [s.frame for s in foreign.seen]
        return min(numbers), max(numbers)
    if not foreign.people:
        raise InputError(f"{foreign.system}'s result holds nobody; convert one in which somebody was found.")
    for person in foreign.people:
        check_body(person, person.name)
    return (int(min(p.frames[0] for p in foreign.people)), int(max(p.frames[-1] for p in foreign.people)))


def _shot(request: Request, foreign, first: int, last: int, report: flow.Report
          ) -> tuple[flow.Shot, np.ndarray, str]:
    """The shot, the frame of the result for each of its frames, and the source's hash."""
    check_length(last - first + 1, request.result.name)
    own_rate = getattr(foreign, "rate", None)
    if request.video is not None:
        return _filmed(request, foreign, first, last, own_rate, report)
    if request.rate is None and own_rate is None:
        raise RequestError(f"{foreign.system}'s results do not say their frame rate; give --rate, such as 30, or the clip "
                           "with --video.")
    rate = parse_rate(request.rate) if request.rate is not None else parse_rate(own_rate)
    size = _size(request.size) if request.size else (foreign.size_px or DEFAULT_SIZE)
    if isinstance(foreign, Detections) and not request.size and foreign.size_px is None:
        raise RequestError(f"{foreign.system}'s results do not say the size of the picture; give --size, such as 1920x1080, "
                           "or the clip with --video.")
    frames = np.arange(first, last + 1)
    times = np.array([float(Fraction(int(f)) / rate) for f in frames])
    info = flow.VideoInfo(request.result, size, size, rate, len(frames), float(len(frames) / rate), 0, Fraction(1), False,
                          None)
    files_of = [request.result] if request.result.is_file() else sorted(
        p for p in request.result.rglob("*") if p.is_file())
    return flow.Shot(info, frames.astype(np.int32), times), frames, files_sha256(files_of)


def _filmed(request: Request, foreign, first: int, last: int, own_rate: float | None, report: flow.Report):
    info = video.probe(request.video, request.rate)
    scan = video.find_shots(request.video, rate=request.rate, report=report)
    frame = np.concatenate([s.frame for s in scan.shots])
    times = np.concatenate([s.time_s for s in scan.shots])
    # A system that works on a copy at its own rate counts in that rate, from the file's first picture as times do.
    ratio = 1.0 if own_rate is None else own_rate / float(info.rate)
    counted = frame if abs(ratio - 1) < 0.01 else np.round(times * own_rate).astype(int)
    inside = (counted >= first) & (counted <= last)
    if inside.sum() < 2:
        raise InputError(f"{request.result.name} is about frames {first} to {last}, but {request.video.name} has only "
                         f"{len(frame)}; give the clip that it was made from.")
    if last > int(counted[-1]) + max(2, 0.02 * len(counted)):
        raise InputError(f"{request.result.name} goes on to frame {last}, but {request.video.name} ends at frame "
                         f"{int(counted[-1])}; give the clip that it was made from.")
    shot = flow.Shot(scan.shots[0].info, frame[inside].astype(np.int32), times[inside])
    video_files = list(find_series(request.video).files) if info.is_sequence else [request.video]
    return shot, counted[inside], files_sha256(video_files)


def _write(take: take_format.Take, shot: flow.Shot, request: Request, report: flow.Report) -> None:
    with take_format.making(request.out) as partial:
        if request.video is not None and request.plate:
            video.write_plate(shot, partial, report)
            take.meta["plate"] = {"pattern": take_format.PLATE_PATTERN, "size_px": list(shot.info.size_px)}
        take_format.write(take, request.out, partial=partial)
