"""Reading and writing takes: a folder of `take.json` and `.npz` files, immutable once written.

Nothing in a take is ever executed: arrays are read with `allow_pickle=False`.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from . import arrays as spec
from . import skeleton
from .errors import UNREADABLE, RequestError, TakeError
from .version import LAWS, TAKE_VERSION

FORMAT = "sinew-take"
PLATE_PATTERN = "plate/{:06d}.jpg"
"""Upright frames of the shot, index = frame of the take; `take.json` names it under "plate" where it was written."""
_UNFINISHED = ".sinew-unfinished"
"""In the folder of a take that is being made."""


@dataclass
class Subject:
    """One person. `info` is its entry in `take.json`; the dictionaries hold the arrays of `arrays.py` by name."""

    info: dict
    motion: dict[str, np.ndarray]
    body: dict[str, np.ndarray]
    avatar: dict[str, np.ndarray] | None = None
    masks: dict[str, np.ndarray] | None = None
    track: dict[str, np.ndarray] | None = None
    """The detections it was solved from, with `keypoints_px`; None in takes of before they were kept."""
    extra: dict[str, np.ndarray] | None = None

    @property
    def id(self) -> str:
        return self.info["id"]


@dataclass
class Take:
    """One solved result. `meta` is `take.json`; see `docs/take_format.md`."""

    meta: dict
    shot: dict[str, np.ndarray]
    subjects: list[Subject] = field(default_factory=list)
    points: dict[str, np.ndarray] | None = None
    path: Path | None = None

    @property
    def id(self) -> str:
        """Identity of this result (a UUID); two solves of one shot differ in it and share `shot_id`."""
        return self.meta["id"]

    @property
    def shot_id(self) -> str:
        return self.meta["shot_id"]

    @property
    def n_frames(self) -> int:
        return len(self.shot["time_s"])


def read_arrays(folder: Path, name: str, wanted: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Arrays of one file of a take, all of them or those wanted; not held against the format.

    Raises:
        TakeError: The file or an array is missing, damaged, or holds pickled objects.
    """
    path = folder / name
    try:
        with np.load(path, allow_pickle=False) as data:
            return {key: data[key] for key in (data.files if wanted is None else wanted)}
    except FileNotFoundError:
        raise TakeError(f"The take is damaged: {name} is missing in {folder}; reconstruct the clip again.") from None
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise TakeError(f"{name} in {folder} holds pickled objects, which Sinew never loads; "
                            "get the take from a source you trust.") from None
        raise TakeError(f"The take is damaged: {name} in {folder} cannot be read; reconstruct the clip again.") from None
    except (*UNREADABLE, MemoryError):
        raise TakeError(f"The take is damaged: {name} in {folder} cannot be read; reconstruct the clip again.") from None


def read_meta(folder: str | os.PathLike) -> dict:
    """`take.json` of a take, its version checked.

    Raises:
        TakeError: Not a take, damaged, or of another major version.
    """
    folder = Path(folder)
    try:
        meta = json.loads((folder / "take.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise TakeError(f"{folder} is not a take: it has no take.json; choose a folder that Sinew wrote.") from None
    except (ValueError, OSError, RecursionError):
        raise TakeError(f"The take is damaged: take.json in {folder} cannot be read; "
                        "reconstruct the clip again.") from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise TakeError(f"{folder} is not a take: its take.json is something else's; "
                        "choose a folder that Sinew wrote.")
    version = meta.get("version")
    if not (isinstance(version, list) and len(version) == 2 and all(isinstance(v, int) for v in version)):
        raise TakeError(f"The take is damaged: take.json in {folder} has no version; reconstruct the clip again.")
    if version[0] != TAKE_VERSION[0]:
        raise TakeError(f"{folder} is a take of version {version[0]}.{version[1]} and this Sinew reads version "
                        f"{TAKE_VERSION[0]}; use the matching Sinew or reconstruct the clip again.")
    for key, kind in (("id", str), ("shot_id", str), ("subjects", list), ("source", dict)):
        if not isinstance(meta.get(key), kind):
            raise TakeError(f"The take is damaged: take.json in {folder} lacks \"{key}\"; reconstruct the clip again.")
    rate = meta["source"].get("rate")
    if not (isinstance(rate, list) and len(rate) == 2 and all(type(part) is int and part > 0 for part in rate)
            and isinstance(meta["source"].get("name"), str)):
        raise TakeError(f"The take is damaged: take.json in {folder} does not say the name and the rate of its source; "
                        "reconstruct the clip again.")
    if meta.get("laws") != LAWS:
        raise TakeError(f"{folder} was solved with the joint laws {meta.get('laws')!r} and this Sinew knows {LAWS!r}; "
                        "use the matching Sinew or reconstruct the clip again.")
    return meta


def read(folder: str | os.PathLike) -> Take:
    """Read and check a take.

    Raises:
        TakeError: One sentence that names what is missing, damaged or of another version.
    """
    folder = Path(folder)
    meta = read_meta(folder)
    shot = read_arrays(folder, "shot.npz")
    sizes: dict[str, int] = {}
    spec.check("shot.npz", shot, spec.SHOT, sizes)
    n_frames = {"T": sizes["T"], "T1": sizes["T"] + 1}
    subjects = []
    for info in meta["subjects"]:
        ident = info.get("id") if isinstance(info, dict) else None
        if not (isinstance(ident, str) and ident.isidentifier()):
            raise TakeError(f"The take is damaged: take.json in {folder} names a subject wrongly; "
                            "reconstruct the clip again.")
        files = {}
        own = dict(n_frames)
        for name, table in spec.SUBJECT_FILES.items():
            file = f"subjects/{ident}/{name}.npz"
            if name in spec.SUBJECT_REQUIRED or (folder / file).exists():
                files[name] = read_arrays(folder, file)
                spec.check(file, files[name], table, own)
        subjects.append(Subject(info, **files))
        _check_extra(subjects[-1])
    points = None
    if (folder / "scene/points.npz").exists():
        points = read_arrays(folder, "scene/points.npz")
        spec.check("scene/points.npz", points, spec.POINTS, {})
    return Take(meta, shot, subjects, points, folder)


def _check_extra(subject: Subject) -> None:
    """Names, parents and counts of what a body has beyond the 24 joints agree with its arrays. Raises TakeError."""
    described = subject.info.get("extra") or {}
    lists = [described.get(k) or [] for k in ("bone_names", "parents", "expression_names")] if isinstance(
        described, dict) else [None]
    arrays = subject.extra or {}

    def damaged(what: str) -> TakeError:
        return TakeError(f"The take is damaged: {what} ({subject.id}); reconstruct the clip again.")

    if not all(isinstance(one, list) and all(isinstance(n, str) for n in one) for one in lists):
        raise damaged("take.json describes the extra bones and expressions wrongly")
    names, parents, expressions = lists
    known = set(skeleton.JOINT_NAMES)
    for name, parent in zip(names, parents):
        if parent not in known or name in known:
            raise damaged(f"the extra bone {name!r} has no parent before it or a name that is taken")
        known.add(name)
    counts = {"bone_rest_T": (0, len(names)), "bone_rotation_wxyz": (1, len(names)),
              "expression": (1, len(expressions)), "expression_dirs_m": (0, len(expressions))}
    if len(names) != len(parents) or any(k in arrays and arrays[k].shape[axis] != n for k, (axis, n) in counts.items()):
        raise damaged("the names in take.json and the arrays in extra.npz disagree in number")
    for pair in (("bone_rest_T", "bone_rotation_wxyz"), ("expression", "expression_dirs_m"),
                 ("corrective_weight", "corrective_dirs_m"),
                 ("surface_vertices_m", "surface_faces", "surface_skin_index", "surface_skin_weight")):
        if len({name in arrays for name in pair}) > 1:
            raise damaged(f"extra.npz holds only a part of {', '.join(pair)}")
    if names and "bone_rest_T" not in arrays:
        raise damaged("take.json names extra bones that extra.npz lacks")
    index = subject.body["skin_index"]
    if index.size and not 0 <= int(index.min()) <= int(index.max()) < len(skeleton.JOINTS) + len(names):
        raise damaged("the skin follows bones that are not there in body.npz")


def validate(take: Take) -> None:
    """Check a take in memory against the table. Raises TakeError."""
    sizes: dict[str, int] = {}
    spec.check("shot.npz", take.shot, spec.SHOT, sizes)
    for subject in take.subjects:
        own = {"T": sizes["T"], "T1": sizes["T"] + 1}
        for name, table in spec.SUBJECT_FILES.items():
            data = getattr(subject, name)
            if data is not None:
                spec.check(f"subjects/{subject.id}/{name}.npz", data, table, own)
        _check_extra(subject)
        present = subject.motion["present"]
        for name in ("q", "root_m", "joints_m", "T_wj"):
            if not np.isfinite(subject.motion[name][present]).all():
                raise TakeError(f"subjects/{subject.id}/motion.npz has numbers that are not finite in {name}; "
                                "this is a fault of the solve, please report it.")
    if take.points is not None:
        spec.check("scene/points.npz", take.points, spec.POINTS, {})


def _partial(folder: str | os.PathLike) -> Path:
    return Path(folder).with_name(Path(folder).name + ".partial")


def check_free(folder: str | os.PathLike) -> None:
    """Nothing of anybody's stands where a take is to be made and put.

    Raises:
        RequestError: Something does.
    """
    if Path(folder).exists():
        raise RequestError(f"{folder} already exists; choose another --out, takes are never overwritten.")
    partial = _partial(folder)
    if partial.exists() and not (partial / _UNFINISHED).is_file():
        raise RequestError(f"{partial} is in the way, where the take would be made; move it or choose another --out.")
    if partial.exists():
        with open(partial / _UNFINISHED, "ab") as marker:
            if not _lock(marker):
                raise RequestError(f"Another run is writing {partial}; wait for it or choose another --out.")


def _lock(file: BinaryIO) -> bool:
    """Lock a file until it is closed or this process ends; False where another run holds it. On Windows nobody is kept out: a
    folder with an open file could not be renamed there."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)  # some network drives have no locks
    return True


@contextmanager
def making(folder: str | os.PathLike) -> Iterator[Path]:
    """An empty `<folder>.partial` to make a take in, which `write` or whoever asked renames; it goes if anything fails.

    What a run that was killed has left there goes, and nothing else: a file in it says that it is one of ours, and is locked
    while its run lives.

    Raises:
        RequestError: Something stands in its place or the take's, or it cannot be made.
    """
    check_free(folder)
    partial = _partial(folder)
    shutil.rmtree(partial, ignore_errors=True)
    with ExitStack() as open_files:
        try:
            try:
                partial.mkdir(parents=True)
                marker = open(partial / _UNFINISHED, "wb")  # noqa: SIM115 - closed with the stack
                if fcntl is None:
                    marker.close()
                else:
                    _lock(open_files.enter_context(marker))
            except OSError as error:
                raise RequestError(f"The take cannot be written to {folder} ({error.strerror or error}); choose another "
                                   "--out or free some space.") from None
            yield partial
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def finish(partial: Path, folder: Path) -> None:
    """Read a folder that was being made back as a take, and put it in its place.

    Raises:
        RequestError: It cannot be put there.
        TakeError: It is no whole take.
    """
    read(partial)
    try:
        (partial / _UNFINISHED).unlink(missing_ok=True)
        os.rename(partial, folder)
    except OSError as error:
        raise RequestError(f"The take cannot be put at {folder} ({error.strerror or error}); choose another --out."
                           ) from None


def write(take: Take, folder: str | os.PathLike, partial: str | os.PathLike | None = None) -> Path:
    """Write a take: beside its place first, checked by reading it back, then renamed, so no half take is ever seen.

    Args:
        take: What to write.
        folder: Where it will stand; must not exist.
        partial: A folder to complete and rename (it may already hold `plate/`); default one of `making`.

    Raises:
        RequestError: Something stands at `folder`, or the disk is full or not writable.
        TakeError: The take breaks its own format.
    """
    folder = Path(folder)
    validate(take)
    if partial is not None:
        if folder.exists():
            raise RequestError(f"{folder} already exists; choose another --out, takes are never overwritten.")
        return _write(take, folder, Path(partial))
    with making(folder) as work:
        return _write(take, folder, work)


def _write(take: Take, folder: Path, work: Path) -> Path:
    try:
        work.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(work / "shot.npz", **take.shot)
        for subject in take.subjects:
            own = work / "subjects" / subject.id
            own.mkdir(parents=True, exist_ok=True)
            for name in spec.SUBJECT_FILES:
                data = getattr(subject, name)
                if data is not None:
                    np.savez_compressed(own / f"{name}.npz", **data)
        if take.points is not None:
            (work / "scene").mkdir(exist_ok=True)
            np.savez_compressed(work / "scene" / "points.npz", **take.points)
        text = json.dumps(take.meta, indent=1, ensure_ascii=False, allow_nan=False)
        # Names of files need not be text: what of them is none becomes question marks.
        (work / "take.json").write_text(text + "\n", encoding="utf-8", errors="replace")
    except OSError as error:
        raise RequestError(f"The take cannot be written to {folder} ({error.strerror or error}); "
                           "choose another --out or free some space.") from None
    finish(work, folder)
    return folder


def folder_size(folder: str | os.PathLike) -> int:
    """Bytes in a folder."""
    return sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())
