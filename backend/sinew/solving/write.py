"""A take beside another: what did not change is linked or copied, what changed is written and checked."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np

from sinew_take import take as take_format
from sinew_take.arrays import SUBJECT_FILES
from sinew_take.errors import RequestError
from sinew_take.take import Take

from ..flow import Report


def write_beside(take: Take, out: Path, changed: set[str], report: Report) -> Path:
    """Write a take that shares most files with the one it was read from.

    Args:
        take: Its `path` is the earlier take's folder; `meta` and the motion of `changed` are new.
        out: Must not exist.
        changed: Subjects who are written anew: their motion, and the rest of them where it is not the earlier take's.
        report: Files done; may raise Stopped.

    Raises:
        RequestError: Something stands at `out`, or it cannot be written.
    """
    take_format.validate(take)
    take_format.check_free(out)
    mine = {Path("take.json"): None}
    earlier = {s.id: s for s in take_format.read(take.path).subjects} if changed else {}
    for subject in take.subjects:
        for name in SUBJECT_FILES if subject.id in changed else ():
            data = getattr(subject, name)
            was = getattr(earlier[subject.id], name) if subject.id in earlier else None
            if name == "motion" or not _same(data, was):
                mine[Path("subjects") / subject.id / f"{name}.npz"] = data
    here = {s.id for s in take.subjects}

    def is_shared(path: Path) -> bool:
        return path not in mine and (path.parts[0] != "subjects" or path.parts[1] in here)

    files = [f for f in sorted(take.path.rglob("*")) if f.is_file() and is_shared(f.relative_to(take.path))]
    with take_format.making(out) as partial:
        try:
            for done, file in enumerate(files):
                report(done, len(files))
                _place(file, partial / file.relative_to(take.path))
            for path, data in mine.items():
                if data is not None:
                    (partial / path).parent.mkdir(parents=True, exist_ok=True)
                    np.savez_compressed(partial / path, **data)
            text = json.dumps(take.meta, indent=1, ensure_ascii=False, allow_nan=False)
            (partial / "take.json").write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise RequestError(f"The take cannot be written to {out} ({error.strerror or error}); choose another --out "
                               "or free some space.") from None
        take_format.finish(partial, out)
    report(len(files), len(files))
    return out


def _same(a: dict[str, np.ndarray] | None, b: dict[str, np.ndarray] | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.keys() == b.keys() and all(
        np.array_equal(a[k], b[k], equal_nan=a[k].dtype.kind == "f") for k in a)


def _place(file: Path, target: Path) -> None:
    """Takes are never changed once written, so two may share a file; where links are not possible it is copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
