"""Which landmark models look: mediapipe's own alone, or its heavy one beside it where the user has it.

The heavy model is a file of an npm package (`sinew.fetch`), or one that the user has put into the folder of model files.
Only that very file is run, known by its digest: a model from elsewhere would give other landmarks under the same name.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from sinew_take.errors import RequestError
from sinew_take.model_files import HEAVY, fetched_folder, look

MODES = ("auto", "plain", "strong")


@dataclass(frozen=True)
class Detector:
    """Who looks."""

    strong: Path | None = None
    """File of the heavy model, checked; None where the plain one looks alone."""
    notes: tuple[str, ...] = ()
    """Sentences about what the user may have expected and is not so."""

    @property
    def name(self) -> str:
        """For `take.json` and reports."""
        return "mediapipe full" if self.strong is None else "mediapipe full and heavy"


def choose(mode: str, models: Path | None, prefix: Path | None = None) -> Detector:
    """The detector of a run.

    Args:
        mode: "auto" takes the heavy model where it is, "strong" insists on it, "plain" never takes it.
        models: The user's folder of model files; its file comes before the fetched one.
        prefix: Of the environment that `sinew fetch` fetched into; None is this one.

    Raises:
        RequestError: "strong" without the file.
    """
    if mode == "plain":
        return Detector()
    fetched = fetched_folder(Path(sys.prefix) if prefix is None else prefix) / HEAVY.names[0]
    wrong = []
    for path in (*_own(models), fetched):
        if HEAVY.is_at(path):
            return Detector(path, tuple(wrong))
        if path.exists():
            wrong.append(f"{path} is another file than MediaPipe heavy's, so it was not run; remove it, or put the right "
                         "one there.")
    if mode == "strong":
        raise RequestError(wrong[0] if wrong else f"--detector strong: {look(models)['heavy'].sentence()}")
    if wrong:
        return Detector(None, tuple(wrong))
    return Detector(None, ("MediaPipe's heavy landmark model is not there, so the plain one looked alone; `sinew fetch`, or "
                           "Model Files in the add-on's panel, gets it.",))


def _own(models: Path | None) -> list[Path]:
    """Files in the user's folder that are called as the heavy model is, at most one."""
    found = look(models)["heavy"]
    return [*found.paths.values(), *found.others]
