"""The command line. Every verb ends with an exit code of `sinew_take.errors`; problems are one sentence on stderr."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, NoReturn

from sinew_take import distance, events
from sinew_take.errors import EXIT_DONE, EXIT_FAILED, EXIT_STOPPED, RequestError, SinewError
from sinew_take.version import VERSION

from . import streams


class _Parser(argparse.ArgumentParser):
    """Bad options become our one sentence and exit code 2 instead of argparse's usage text."""

    def error(self, message: str) -> NoReturn:
        raise RequestError(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    # The solve factors many small banded matrices: BLAS threads only wait for each other there (measured 5 to 14 times
    # slower with two threads on two busy cores). Set before NumPy is first imported; a user's own setting wins.
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(name, "1")
    with streams.own_stdout() as out:
        return _main(arguments, out)


def _main(arguments: list[str] | None, out) -> int:
    try:
        words = _parser().parse_args(arguments)
    except SystemExit as leave:  # --help and --version have printed
        return int(leave.code or 0)
    except SinewError as error:
        print(f"sinew: {error}", file=sys.stderr)
        return error.exit_code
    told = bool(getattr(words, "events", False))
    # Whoever reads events has a log for all the rest; a person at a terminal has not.
    with nullcontext() if told else streams.hushed() as chatter:
        return _run(words, out, told, chatter)


def _run(words: argparse.Namespace, out, told: bool, chatter: BinaryIO | None) -> int:
    try:
        words.run(words, out)
        return EXIT_DONE
    except SinewError as error:
        message, code = str(error), error.exit_code
    except BrokenPipeError:
        return EXIT_FAILED
    except KeyboardInterrupt:  # in a verb that does not listen for it
        message, code = "Stopped.", EXIT_STOPPED
    except MemoryError:
        message, code = "The memory ran out; close other programs, or use a shorter range or fewer people.", EXIT_FAILED
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        message = f"A file could not be used: {error.strerror or error}{where}; check the path, its rights and the space."
        code = EXIT_FAILED
        _log(words, chatter)
    except Exception:
        log = _log(words, chatter)
        message, code = f"Something unexpected went wrong; the details are in {log}, please report them.", EXIT_FAILED
    if told:
        try:
            print(events.encode(events.Failed(code, message)), file=out, flush=True)
        except OSError:
            pass
    print(f"sinew: {message}", file=sys.stderr)
    return code


def _log(words: argparse.Namespace, chatter: BinaryIO | None) -> Path | str:
    from sinew.cache import default_folder

    path = words.log if getattr(words, "log", None) else default_folder() / "log.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"sinew {VERSION}: {sys.argv}\n{streams.text_of(chatter)}{traceback.format_exc()}\n")
        return path
    except OSError:
        traceback.print_exc()
        return "the text above"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sinew", description="People from video, rigged: reconstruct takes and look at them.")
    parser.add_argument("--version", action="version", version=f"sinew {VERSION}")
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=_Parser, metavar="VERB")

    def verb(name: str, run: Callable, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    r = verb("reconstruct", _reconstruct, "Reconstruct everybody in a video and write a take.")
    r.add_argument("video", type=Path, help="a video file, or an image sequence (folder or pattern, with --rate)")
    r.add_argument("--out", type=Path, required=True, help="folder of the take; must not exist")
    r.add_argument("--start", type=float, help="seconds")
    r.add_argument("--end", type=float, help="seconds, not included")
    r.add_argument("--rate", help="frames per second of an image sequence, such as 24 or 30000/1001")
    _turn_option(r)
    r.add_argument("--people", type=int, help="keep at most so many")
    r.add_argument("--height-m", type=float, help="height of the first person, which fixes the scale")
    r.add_argument("--measures", metavar="NAME=VALUE,…",
                   help="of the first person, which fixes the body: height, leg, arm, shoulder, waist in metres, mass in kg")
    r.add_argument("--distance", metavar=distance.FORM,
                   help="two points on the floor in one picture (frame of the source from 0, pixels of the upright picture) "
                   "and the metres between them, which fix the scale")
    r.add_argument("--camera", choices=["auto", "static", "rotating", "moving"], default="auto")
    r.add_argument("--focal-mm", type=float, help="35 mm equivalent")
    r.add_argument("--fov-deg", type=float, help="horizontal field of view")
    r.add_argument("--camera-file", type=Path, help="your own camera solve: a COLMAP model's folder or a sinew-camera "
                   ".json (docs/camera.md)")
    r.add_argument("--body", choices=["default", "skel", "smplx"], default="default")
    r.add_argument("--gender", choices=["male", "female", "neutral"],
                   help="which model of --body skel or smplx; default: SKEL's better fitting one, SMPL-X's neutral one")
    _models_option(r)
    r.add_argument("--hsmr", choices=["auto", "on", "off"], default="auto",
                   help="start from the HSMR network: where its checkpoint is among the model files, always, or never")
    r.add_argument("--detector", choices=["auto", "plain", "strong"], default="auto",
                   help="MediaPipe's heavy landmark model beside the plain one: where it is (sinew fetch), never, or always")
    r.add_argument("--wham", choices=["off", "on"], default="off",
                   help="hear the WHAM network, from your model files, on when feet stand")
    r.add_argument("--hsmr-flip", action="store_true", help="HSMR also looks at mirrored pictures (twice the time)")
    r.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    r.add_argument("--splats", type=int, help="Gaussians a person")
    r.add_argument("--no-plate", action="store_true", help="do not write the upright frames into the take")
    r.add_argument("--events", action="store_true", help="one JSON event a line on stdout")
    r.add_argument("--cache", type=Path, help="folder of finished stages (default: the user's cache)")
    r.add_argument("--log", type=Path, help="file for the details of an unexpected error")
    r.add_argument("--parent-pid", type=int, help="end when this process ends or standard input closes")

    c = verb("solve", _solve, "Solve a take again with corrections by hand (see docs/edits.md) and write another take.")
    c.add_argument("take", type=Path)
    c.add_argument("--edits", type=Path, required=True, help="JSON file of edits")
    c.add_argument("--out", type=Path, required=True, help="folder of the new take; must not exist")
    c.add_argument("--events", action="store_true", help="one JSON event a line on stdout")
    c.add_argument("--log", type=Path, help="file for the details of an unexpected error")
    c.add_argument("--parent-pid", type=int, help="end when this process ends or standard input closes")

    t = verb("convert", _convert, "Turn another system's result into a take.")
    t.add_argument("result", type=Path, help="its file, or OpenPose's or TRAM's folder")
    t.add_argument("--out", type=Path, required=True, help="folder of the take; must not exist")
    t.add_argument("--format", default="auto", choices=["auto", "amass", "wham", "4dhumans", "gvhmr", "prompthmr", "tram",
                                                        "sam3dbody", "openpose", "coco"])
    t.add_argument("--rate", help="frames per second where the result does not say, such as 24 or 30000/1001")
    t.add_argument("--video", type=Path, help="the clip that the result is of: exact times, size and the plate")
    t.add_argument("--size", help="width and height of the picture where nothing says it, such as 1920x1080")
    t.add_argument("--people", type=int, help="keep at most so many")
    t.add_argument("--height-m", type=float, help="height of the first person, for keypoints")
    t.add_argument("--focal-mm", type=float, help="35 mm equivalent")
    t.add_argument("--fov-deg", type=float, help="horizontal field of view")
    _models_option(t)
    t.add_argument("--no-plate", action="store_true", help="do not write the upright frames into the take")
    t.add_argument("--events", action="store_true", help="one JSON event a line on stdout")
    t.add_argument("--log", type=Path, help="file for the details of an unexpected error")
    t.add_argument("--parent-pid", type=int, help="end when this process ends or standard input closes")

    i = verb("info", _info, "Say what is in a take.")
    i.add_argument("take", type=Path)
    i.add_argument("--json", action="store_true")

    p = verb("probe", _probe, "Say the facts of a video and find its cuts.")
    p.add_argument("video", type=Path)
    p.add_argument("--rate")
    _turn_option(p)
    p.add_argument("--cuts", action="store_true", help="read the whole video for its shot cuts")
    p.add_argument("--json", action="store_true")
    p.add_argument("--parent-pid", type=int, help="end when this process ends or standard input closes")

    e = verb("export", _export, "Write a take's motion in another format, chosen by the file's extension.")
    e.add_argument("take", type=Path)
    e.add_argument("--to", type=Path, required=True, help=".csv, .mot, .trc, .bvh, .npz (SMPL-X), .pdf, .png or .svg (plots)")
    e.add_argument("--subject", help="which person (default: the first)")
    e.add_argument("--events", action="store_true", help="one JSON event a line on stdout")
    e.add_argument("--log", type=Path, help="file for the details of an unexpected error")
    e.add_argument("--parent-pid", type=int, help="end when this process ends or standard input closes")

    d = verb("doctor", _doctor, "Check the installation.")
    _models_option(d)
    d.add_argument("--json", action="store_true")

    verb("fetch", _fetch, "Fetch MediaPipe's heavy landmark model (41 MB) into this environment.")

    b = verb("bench", _bench, "Measure accuracy and speed.")
    b.add_argument("names", nargs="*", metavar="NAME", help="which (default: all that can run here)")
    b.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    b.add_argument("--markdown", type=Path, metavar="FILE", help="also write them as tables")

    v = verb("preview", _preview, "Compose rendered frames and the source side by side (see backend/tools).")
    v.add_argument("take", type=Path)
    v.add_argument("--frames", type=Path, required=True, help="folder of rendered frames")
    v.add_argument("--out", type=Path, required=True, help="prefix of the files: PREFIX.png and PREFIX.mp4")
    return parser


def _models_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, metavar="FOLDER", default=os.environ.get("SINEW_MODELS") or None,
                        help="your own model files (default: the environment's SINEW_MODELS); sinew doctor lists them")


def _turn_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--turn", type=int, choices=[0, 90, 180, 270], default=0,
                        help="degrees by which the pictures are turned clockwise, beyond what the file says")


def _reconstruct(words: argparse.Namespace, out) -> None:
    from sinew import cache, flow
    from sinew.progress import StopRequest

    stop = StopRequest()
    stop.watch(words.parent_pid)
    from sinew import pipeline  # the heavy imports come after the signals are in place

    request = pipeline.Request(
        video=words.video, out=words.out, start_s=words.start,
        end_s=None if words.end == float("inf") else words.end, rate=words.rate, more_deg=words.turn,
        most_people=words.people,
        camera=flow.CameraOptions(words.camera, words.focal_mm, words.fov_deg, words.height_m,
                                  None if words.camera_file is None else str(words.camera_file)),
        body=words.body, gender=words.gender, device=words.device, plate=not words.no_plate, splats=words.splats,
        models=words.models, measures=_measures(words.measures),
        distance=None if words.distance is None else distance.parse(words.distance),
        hsmr=words.hsmr, hsmr_flip=words.hsmr_flip, wham=words.wham,
        detector=words.detector)
    show = _EventLines(out) if words.events else _Bar()
    result = pipeline.reconstruct(request, words.cache or cache.default_folder(), show, stop)
    if not words.events:
        from sinew.report import as_text

        print(as_text(result.takes, result.report), file=out)


def _solve(words: argparse.Namespace, out) -> None:
    from sinew.progress import StopRequest

    stop = StopRequest()
    stop.watch(words.parent_pid)
    from sinew import solving

    show = _EventLines(out) if words.events else _Bar()
    result = solving.solve(solving.Request(words.take, words.edits, words.out), show, stop)
    if not words.events:
        print(f"Wrote {result.take} in {result.report['total_s']:.1f} s", file=out)


def _measures(text: str | None) -> dict[str, float] | None:
    from sinew_take import measures

    return None if text is None else measures.parse(text)


def _convert(words: argparse.Namespace, out) -> None:
    from sinew.progress import StopRequest

    stop = StopRequest()
    stop.watch(words.parent_pid)
    from sinew import convert, flow

    request = convert.Request(
        words.result, words.out, words.format, words.rate, words.video, words.models, words.size, words.people,
        flow.CameraOptions("auto", words.focal_mm, words.fov_deg, words.height_m), not words.no_plate)
    show = _EventLines(out) if words.events else _Bar()
    result = convert.convert(request, show, stop)
    if not words.events:
        from sinew.report import as_text

        print(as_text([result.take], result.report), file=out)


class _EventLines:
    def __init__(self, out) -> None:
        self._out = out

    def __call__(self, event: events.Event) -> None:
        print(events.encode(event), file=self._out, flush=True)


class _Bar:
    """Progress for a person at a terminal; a line a stage where stderr is a file."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._stage = ""

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.Progress() if self._terminal:
                left = "" if event.left_s is None else f", about {event.left_s:.0f} s left"
                print(f"\r{event.fraction:5.0%}  {event.stage}{left}".ljust(60), end="", file=sys.stderr, flush=True)
            case events.Progress() if event.stage != self._stage:
                self._stage = event.stage
                print(f"{event.fraction:5.0%}  {event.stage}", file=sys.stderr, flush=True)
            case events.Note():
                print(f"\r{event.text}".ljust(60) if self._terminal else event.text, file=sys.stderr, flush=True)
            case events.Finished() if self._terminal:
                print("\r".ljust(62), end="\r", file=sys.stderr)


def _info(words: argparse.Namespace, out) -> None:
    from sinew.report import describe
    from sinew_take import take as take_format

    take = take_format.read(words.take)
    print(json.dumps(describe(take), indent=1) if words.json else describe(take, as_text=True), file=out)


def _probe(words: argparse.Namespace, out) -> None:
    from sinew import video
    from sinew.progress import StopRequest

    stop = StopRequest()
    stop.watch(words.parent_pid)
    info = video.probe(words.video, words.rate, words.turn)
    facts = {"size_px": list(info.size_px), "rate": [info.rate.numerator, info.rate.denominator],
             "n_frames": info.n_frames, "duration_s": info.duration_s, "rotation_deg": info.rotation_deg,
             "variable_rate": info.is_variable_rate, "focal_35mm": info.focal_35mm, "cuts_s": None, "notes": []}
    if words.cuts:
        scan = video.find_shots(words.video, rate=words.rate, report=lambda done, total: stop.check(),
                                more_deg=words.turn)
        facts["cuts_s"] = [float(s.time_s[0]) for s in scan.shots[1:]]
        facts["notes"] = list(scan.notes)
    if words.json:
        print(json.dumps(facts), file=out)
        return
    rate = f"{float(info.rate):.3f}".rstrip("0").rstrip(".")
    print(f"{words.video.name}: {info.size_px[0]} x {info.size_px[1]}, {rate} frames/s"
          f"{' on average (variable)' if info.is_variable_rate else ''}, {info.duration_s:.2f} s, {info.n_frames} frames"
          f"{f', turned by {info.rotation_deg} degrees' if info.rotation_deg else ''}", file=out)
    if facts["cuts_s"] is not None:
        print("Cuts at " + ", ".join(f"{c:.2f} s" for c in facts["cuts_s"]) if facts["cuts_s"] else "No cuts", file=out)
    for note in facts["notes"]:
        print(note, file=out)


def _export(words: argparse.Namespace, out) -> None:
    from sinew.progress import StopRequest

    stop = StopRequest()
    if words.parent_pid is not None:
        stop.watch(words.parent_pid)
    from sinew.export import export
    from sinew_take import take as take_format

    take = take_format.read(words.take)
    written = export(take, words.to, words.subject, stop.check)
    if words.events:
        print(events.encode(events.Finished([], {"file": str(written)})), file=out, flush=True)
        return
    print(f"Wrote {written}", file=out)


def _doctor(words: argparse.Namespace, out) -> None:
    from sinew.doctor import as_text, examine

    found = examine(words.models)
    print(json.dumps(found, indent=1) if words.json else as_text(found), file=out)
    if not found["ready"]:
        raise SinewError(f"The installation is not complete ({'; '.join(found['problems'])}); repair it by setting it "
                         "up again.")


def _fetch(words: argparse.Namespace, out) -> None:
    from sinew.fetch import fetch
    from sinew.progress import StopRequest
    from sinew_take.model_files import fetched_folder

    stop = StopRequest()
    stop.watch(None)
    fetch(fetched_folder(Path(sys.prefix)), lambda text: print(text, file=out, flush=True), stop.check, os.environ)


def _bench(words: argparse.Namespace, out) -> None:
    from sinew.bench import run

    rows = run(words.names, lambda text: print(text, file=out, flush=True))
    if words.json:
        words.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if words.markdown:
        from sinew.bench.tables import as_markdown

        words.markdown.write_text(as_markdown(rows), encoding="utf-8")


def _preview(words: argparse.Namespace, out) -> None:
    from sinew.preview import compose

    for path in compose(words.take, words.frames, words.out):
        print(f"Wrote {path}", file=out)


if __name__ == "__main__":
    sys.exit(main())
