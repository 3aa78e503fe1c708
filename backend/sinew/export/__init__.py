"""Takes in other formats, for biomechanics, other programs, spreadsheets, and eyes."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sinew_take.errors import RequestError
from sinew_take.take import Subject, Take

from . import tables
from .bvh import bvh

TEXTS = {".csv": tables.csv, ".mot": tables.mot, ".trc": tables.trc, ".bvh": bvh}
PAGES = (".pdf", ".png", ".svg")
EXTENSIONS = (*TEXTS, ".npz", *PAGES)


def export(take: Take, file: Path, subject_id: str | None = None, check: Callable[[], None] = lambda: None) -> Path:
    """Write one person's motion; the format follows the extension. A `.pdf` has a page for
    everybody who is in a frame, and one of the world.

    Args:
        take: The take.
        file: Where to write; must not exist. `.csv` joint angles in degrees, `.mot` the same for OpenSim, `.trc` joint
            positions for OpenSim (millimetres, Y up), `.bvh` (centimetres, Y up), `.npz` SMPL-X in AMASS' layout, `.pdf`,
            `.png` and `.svg` a plot of each joint angle; in a `.pdf` also everybody's way from above.
        subject_id: Which person; the first where None.
        check: Called between steps; may raise, and nothing is left then.

    Raises:
        RequestError: Unknown extension or person, a person in no frame, an existing or unwritable file.
    """
    kind = file.suffix.lower()
    if kind not in EXTENSIONS:
        raise RequestError(f"{file.name} has no extension that Sinew can write; use one of {', '.join(EXTENSIONS)}.")
    if os.path.lexists(file):
        raise RequestError(f"{file} already exists; choose another name.")
    if not take.subjects:
        raise RequestError("The take holds nobody; reconstruct the clip again.")
    subject = take.subjects[0] if subject_id is None else _find(take, subject_id)
    shown = take.subjects if kind == ".pdf" and subject_id is None else [subject]
    shown = [s for s in shown if s.motion["present"].any()]
    if not shown:
        raise RequestError(f"{subject.id} is in no frame of the take; choose another person.")
    # Beside its place first: a full disk must not leave half a file under the name that was asked for. A short name: the
    # one asked for may be as long as names can be.
    partial = file.with_name(f".sinew-partial{os.getpid()}{kind}")
    try:
        if kind in TEXTS:
            partial.write_text(TEXTS[kind](take, subject), encoding="utf-8")
        elif kind == ".npz":
            from .amass import amass

            amass(take, subject, partial)
        else:
            from .plot import plot

            plot(take, shown, partial, check)
        check()
        os.replace(partial, file)
    except OSError as error:
        raise RequestError(f"{file} cannot be written ({error.strerror or error}); choose another place.") from None
    finally:
        with suppress(OSError):
            partial.unlink()
    return file


def _find(take: Take, ident: str) -> Subject:
    for subject in take.subjects:
        if subject.id == ident:
            return subject
    raise RequestError(f"The take holds no subject {ident!r}; it has {', '.join(s.id for s in take.subjects)}.")
