"""The takes folder: numbered runs, what was asked of them, and the takes that came out. Nothing is ever overwritten.

    <takes folder>/0007/request.json   what was asked, and the command line
                        log.txt        everything the backend printed
                        take/          the result; take-2/ … where the range spans cuts
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from ...backend.sinew_take import take as take_format
from ...backend.sinew_take.errors import RequestError, TakeError
from ...backend.sinew_take.version import VERSION

TAKE = "take"
LOG = "log.txt"
REQUEST = "request.json"
EDITS = "edits.json"


@dataclass(frozen=True)
class Request:
    """What the user asks of `sinew reconstruct`; None leaves an option to the backend."""

    video: Path
    start_s: float | None = None
    end_s: float | None = None
    """Seconds, half-open."""
    people: int | None = None
    height_m: float | None = None
    camera: str = "auto"
    focal_mm: float | None = None
    """35 mm equivalent."""
    fov_deg: float | None = None
    """Horizontal."""
    camera_file: Path | None = None
    """A camera of the user's own: a COLMAP model's folder, or a `sinew-camera` file."""
    body: str = "default"
    models: Path | None = None
    """Folder of the user's model files."""
    device: str = "auto"
    rate: str | None = None
    """Frames per second of an image sequence, as a number or a fraction."""
    turn_deg: int = 0
    """Clockwise turn of the pictures beyond what the file says."""
    distance: str | None = None
    """Two points on the floor and the metres between them, as `sinew_take.distance` writes it."""
    hsmr: str | None = None
    wham: str | None = None
    """What the networks of the user's own are for; None where their files are not there."""
    detector: str | None = None
    """"plain": without the heavy landmark model, also where it is."""

    def arguments(self, out: Path) -> list[str]:
        """Arguments after `python -m sinew`."""
        parts = ["reconstruct", str(self.video), "--out", str(out)]
        for option, value in (("--start", self.start_s), ("--end", self.end_s), ("--height-m", self.height_m),
                              ("--focal-mm", self.focal_mm), ("--fov-deg", self.fov_deg)):
            if value is not None:
                parts += [option, f"{value:.9g}"]
        if self.people is not None:
            parts += ["--people", str(self.people)]
        if self.camera_file is not None:
            parts += ["--camera-file", str(self.camera_file)]
        if self.rate:
            parts += ["--rate", self.rate]
        if self.turn_deg:
            parts += ["--turn", str(self.turn_deg)]
        if self.distance is not None:
            parts += ["--distance", self.distance]
        if self.models is not None:
            parts += ["--models", str(self.models)]
        if self.hsmr is not None:
            parts += ["--hsmr", self.hsmr]
        if self.wham is not None:
            parts += ["--wham", self.wham]
        if self.detector is not None:
            parts += ["--detector", self.detector]
        parts += ["--camera", self.camera, "--body", self.body, "--device", self.device, "--events"]
        return parts


@dataclass(frozen=True)
class Conversion:
    """What the user asks of `sinew convert`; None leaves an option to the backend."""

    result: Path
    """Another system's result."""
    layout: str | None = None
    """Name of the file's layout; None: as the file itself shows."""
    rate: str | None = None
    """Frames per second, where the file does not say, as a number or a fraction."""
    video: Path | None = None
    """The clip that the result is of."""
    models: Path | None = None
    """Folder of the user's model files."""

    def arguments(self, out: Path) -> list[str]:
        """Arguments after `python -m sinew`."""
        parts = ["convert", str(self.result), "--out", str(out)]
        for option, value in (("--format", self.layout), ("--rate", self.rate), ("--video", self.video),
                              ("--models", self.models)):
            if value:
                parts += [option, str(value)]
        return [*parts, "--events"]


@dataclass(frozen=True)
class Solve:
    """What the user asks of `sinew solve`."""

    take: Path
    edits: Path

    def arguments(self, out: Path) -> list[str]:
        """Arguments after `python -m sinew`."""
        return ["solve", str(self.take), "--edits", str(self.edits), "--out", str(out), "--events"]


@dataclass(frozen=True)
class Said:
    """What a take says of itself."""

    length: str = ""
    """How many frames and which ones of the clip; empty where unknown."""
    camera: str = ""
    """Its kind and why it was taken for that, in the command line's words; empty where unknown."""
    notes: tuple[str, ...] = ()
    """What was doubtful, in the command line's words."""


@dataclass(frozen=True)
class TakeRow:
    """One take of the list."""

    folder: Path
    name: str
    """The clip's file name; the shot's number where the clip gave several."""
    run: str
    modified: float
    """Seconds since the epoch."""
    size: int
    """Bytes."""
    people: int
    error: str
    """Why it cannot be imported, or empty."""
    origin: str = ""
    """Run of the take that it was solved again from, or empty."""
    said: Said = Said()


def new_run(root: Path) -> Path:
    """Make the next numbered run folder; safe while another Blender does the same.

    Raises:
        RequestError: The folder cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        number = 1 + max((int(child.name) for child in root.iterdir() if child.name.isdecimal()), default=0)
        while True:
            folder = root / f"{number:04d}"
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                number += 1
    except OSError as error:
        raise RequestError(f"The takes folder {root} cannot be written ({error.strerror or error}); choose another in "
                           "Sinew's preferences.") from None


def write_request(run: Path, request: Request | Conversion | Solve, argv: list[str]) -> None:
    """Write down what was asked.

    Raises:
        RequestError: The disk is full or not writable.
    """
    data = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(request).items()}
    text = json.dumps({"version": VERSION, "request": data, "argv": argv}, indent=1, ensure_ascii=False)
    try:
        (run / REQUEST).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise RequestError(f"{run} cannot be written ({error.strerror or error}); free some space or choose another "
                           "takes folder in Sinew's preferences.") from None


def list_takes(root: Path) -> list[TakeRow]:
    """Takes in a folder, newest first; damaged ones too, with the reason."""
    rows = []
    for child in _folders(root):
        if (child / "take.json").is_file():
            rows.append(describe(child))
        elif child.name.isdecimal():
            rows += [describe(grandchild) for grandchild in _folders(child) if _is_take_name(grandchild.name)]
    return sorted(rows, key=lambda row: row.modified, reverse=True)


def describe(folder: Path) -> TakeRow:
    """What the list shows of one take. Never raises: what is wrong stands in the row."""
    error, name, people, origin, said = "", "", 0, "", Said()
    try:
        meta = take_format.read_meta(folder)
        name, people = str(meta["source"].get("name") or ""), len(meta["subjects"])
        way = (meta.get("producer") or {}).get("solved_from_folder")
        origin = Path(os.path.normpath(folder / way)).parent.name if isinstance(way, str) else ""
        said = _said(folder, meta)
    except TakeError as problem:
        error = str(problem)
    try:
        modified = (folder / "take.json").stat().st_mtime if not error else folder.stat().st_mtime
        size = take_format.folder_size(folder)
    except OSError:  # removed meanwhile
        modified, size = 0.0, 0
    suffix = folder.name.removeprefix(TAKE + "-")
    number = f", shot {suffix}" if suffix.isdecimal() else ""
    return TakeRow(folder, (name or folder.name) + number, folder.parent.name, modified, size, people, error, origin, said)


def _said(folder: Path, meta: dict) -> Said:
    camera, notes = _part(meta, "camera"), meta.get("notes")
    kind, reason = (camera[key] if isinstance(camera.get(key), str) else "" for key in ("kind", "reason"))
    # The reason of a user's own camera says already that it is one.
    said = ". ".join(part for part in ("" if kind == "given" and reason else kind, reason) if part)
    notes = [note for note in notes if isinstance(note, str)] if isinstance(notes, list) else []
    return Said(_length(folder, meta), said, tuple(notes))


def _length(folder: Path, meta: dict) -> str:
    try:
        frame = take_format.read_arrays(folder, "shot.npz", ["frame"])["frame"]
        n, which = len(frame), f" ({int(frame[0])} to {int(frame[-1])})"
    except (TakeError, IndexError, TypeError, ValueError):  # not read, or not frames
        n, which = _part(meta, "report").get("frames"), ""
    return f"{n} frame{'' if n == 1 else 's'}{which}" if isinstance(n, int) else ""


def _part(meta: dict, key: str) -> dict:
    return meta[key] if isinstance(meta.get(key), dict) else {}


def remove_take(folder: Path, root: Path) -> None:
    """Remove a take for good, and its run where nothing else came of it.

    Raises:
        RequestError: The folder is not a take in `root`, or the system refuses.
    """
    folder, root = folder.resolve(), root.resolve()
    is_listed = root in (folder.parent, folder.parent.parent) and folder in {
        row.folder.resolve() for row in list_takes(root)}
    if not is_listed:
        raise RequestError(f"{folder} is not a take in {root}; remove it with the file browser.")
    run = folder.parent
    doomed = folder.with_name(f".removed-{folder.name}")
    try:
        # Renamed first: a removal that fails half-way must not leave half a take in the list.
        os.rename(folder, doomed)
        shutil.rmtree(doomed)
        if run.parent == root and run.name.isdecimal() and not any(_is_take_name(f.name) for f in _folders(run)):
            shutil.rmtree(run)
    except OSError as error:
        raise RequestError(f"{folder} cannot be removed ({error.strerror or error}); close what uses it and try "
                           "again.") from None


def _is_take_name(name: str) -> bool:
    return name == TAKE or (name.startswith(TAKE + "-") and name[len(TAKE) + 1:].isdecimal())


def _folders(folder: Path) -> list[Path]:
    try:
        return [child for child in folder.iterdir() if child.is_dir() and not child.is_symlink()]
    except OSError:
        return []
