"""Takes in other formats, for biomechanics and spreadsheets."""

from __future__ import annotations

from pathlib import Path

from sinew_take.errors import RequestError
from sinew_take.take import Subject, Take

from . import tables

WRITERS = {".csv": tables.csv, ".mot": tables.mot, ".trc": tables.trc}


def export(take: Take, file: Path, subject_id: str | None = None) -> Path:
    """Write one person's motion; the format follows the extension.

    Args:
        take: The take.
        file: Where to write; must not exist. `.csv` joint angles in degrees, `.mot` the same for OpenSim, `.trc` joint
            positions for OpenSim (millimetres, Y up).
        subject_id: Which person; the first where None.

    Raises:
        RequestError: Unknown extension or person, an existing or unwritable file.
    """
    writer = WRITERS.get(file.suffix.lower())
    if writer is None:
        raise RequestError(f"{file.name} has no extension that Sinew can write; use one of {', '.join(WRITERS)}.")
    if file.exists():
        raise RequestError(f"{file} already exists; choose another name.")
    if not take.subjects:
        raise RequestError("The take holds nobody; reconstruct the clip again.")
    subject = take.subjects[0] if subject_id is None else _find(take, subject_id)
    text = writer(take, subject)
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RequestError(f"{file} cannot be written ({error.strerror or error}); choose another place.") from None
    return file


def _find(take: Take, ident: str) -> Subject:
    for subject in take.subjects:
        if subject.id == ident:
            return subject
    raise RequestError(f"The take holds no subject {ident!r}; it has {', '.join(s.id for s in take.subjects)}.")

