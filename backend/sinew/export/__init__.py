"""Takes in other formats, for biomechanics, other programs, spreadsheets, and eyes."""

from __future__ import annotations

import os
from pathlib import Path

from sinew_take.errors import RequestError
from sinew_take.take import Subject, Take

from . import tables
from .bvh import bvh

TEXTS = {".csv": tables.csv, ".mot": tables.mot, ".trc": tables.trc, ".bvh": bvh}
PAGES = (".pdf", ".png", ".svg")
EXTENSIONS = (*TEXTS, ".npz", *PAGES)


def export(take: Take, file: Path, subject_id: str | None = None) -> Path:
    """Write one person's motion; the format follows the extension. A `.pdf` has a page for
    everybody, and one of the world.

    Args:
        take: The take.
        file: Where to write; must not exist. `.csv` joint angles in degrees, `.mot` the same for OpenSim, `.trc` joint
            positions for OpenSim (millimetres, Y up), `.bvh` (centimetres, Y up), `.npz` SMPL-X in AMASS' layout, `.pdf`,
            `.png` and `.svg` a plot of each joint angle; in a `.pdf` also everybody's way from above.
        subject_id: Which person; the first where None.

    Raises:
        RequestError: Unknown extension or person, an existing or unwritable file.
    """
    kind = file.suffix.lower()
    if kind not in EXTENSIONS:
        raise RequestError(f"{file.name} has no extension that Sinew can write; use one of {', '.join(EXTENSIONS)}.")
    if file.exists():
        raise RequestError(f"{file} already exists; choose another name.")
    if not take.subjects:
        raise RequestError("The take holds nobody; reconstruct the clip again.")
    subject = take.subjects[0] if subject_id is None else _find(take, subject_id)
    # Beside its place first: a full disk must not leave half a file under the name that was asked for.
    partial = file.with_name(f".{file.stem}.partial{os.getpid()}{kind}")
    try:
        if kind in TEXTS:
            partial.write_text(TEXTS[kind](take, subject), encoding="utf-8")
        elif kind == ".npz":
            from .amass import amass

            amass(take, subject, partial)
        else:
            from .plot import plot

            plot(take, take.subjects if subject_id is None else [subject], partial)
        os.replace(partial, file)
    except OSError as error:
        raise RequestError(f"{file} cannot be written ({error.strerror or error}); choose another place.") from None
    finally:
        partial.unlink(missing_ok=True) if partial.parent.is_dir() else None
    return file


def _find(take: Take, ident: str) -> Subject:
    for subject in take.subjects:
        if subject.id == ident:
            return subject
    raise RequestError(f"The take holds no subject {ident!r}; it has {', '.join(s.id for s in take.subjects)}.")
