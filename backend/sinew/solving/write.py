"""A take beside another: what did not change is linked or copied, what changed is written and checked."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np

from sinew_take import take as take_format
from sinew_take.errors import RequestError
from sinew_take.take import Take

from ..flow import Report


def write_beside(take: Take, out: Path, changed: set[str], report: Report) -> Path:
    """Write a take that shares most files with the one it was read from.

    Args:
        take: Its `path` is the earlier take's folder; `meta` and the motion of `changed` are new.
        out: Must not exist.
        changed: Subjects whose motion is written anew.
        report: Files done; may raise Stopped.

    Raises:
        RequestError: Something stands at `out`, or it cannot be written.
    """
    take_format.validate(take)
    if out.exists():
        raise RequestError(f"{out} already exists; choose another --out, takes are never overwritten.")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    mine = {Path("take.json"), *(Path("subjects") / ident / "motion.npz" for ident in changed)}
    files = [f for f in sorted(take.path.rglob("*")) if f.is_file() and f.relative_to(take.path) not in mine]
    try:
        try:
            for done, file in enumerate(files):
                report(done, len(files))
                _place(file, partial / file.relative_to(take.path))
            for subject in take.subjects:
                if subject.id in changed:
                    target = partial / "subjects" / subject.id / "motion.npz"
                    target.parent.mkdir(parents=True, exist_ok=True)
                    np.savez_compressed(target, **subject.motion)
            text = json.dumps(take.meta, indent=1, ensure_ascii=False, allow_nan=False)
            (partial / "take.json").write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise RequestError(f"The take cannot be written to {out} ({error.strerror or error}); choose another --out "
                               "or free some space.") from None
        take_format.read(partial)
        try:
            os.rename(partial, out)
        except OSError as error:
            raise RequestError(f"The take cannot be put at {out} ({error.strerror or error}); choose another --out."
                               ) from None
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    report(len(files), len(files))
    return out


def _place(file: Path, target: Path) -> None:
    """Takes are never changed once written, so two may share a file; where links are not possible it is copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
