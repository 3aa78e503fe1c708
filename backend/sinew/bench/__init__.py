"""`sinew bench`: accuracy and speed, every figure beside a baseline measured in the same run where there is one."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path

from sinew_take.errors import RequestError

from .tables import Row, as_text

REPOSITORY = Path(__file__).resolve().parents[3]
SHARED = REPOSITORY.parent / "shared"
SAMPLE = REPOSITORY / "docs" / "sample" / "walk.mp4"

SUITES = {
    "sample": ("sample", "the sample clip against its rendered truth"),
    "accuracy": ("accuracy", "measured truth on real footage and six rendered clips, beside the plain detector"),
    "parity": ("parity", "bodies and networks against the numbers of the public implementations"),
    "world": ("world", "moving cameras, several people and their feet against rendered truth (SINEW_BENCH_CLIPS)"),
    "ablation": ("ablation", "the accuracy card's means with one part of the fit switched off at a time"),
    "fit": ("fit", "the fit and the body's forward and backward pass, against what is published"),
    "speed": ("speed", "a whole reconstruction against one detector pass over the same frames"),
    "memory": ("memory", "peak memory of a clip against that of the same clip ten times as long"),
    "crowd": ("crowd", "time and memory of two, five and ten people, and of twice as many frames"),
    "hsmr": ("hsmr", "the HSMR network at its released size beside its matrix products alone (random weights)"),
    "blender": ("blender", "import into Blender (needs SINEW_BLENDER_PYTHON, a Python with bpy)"),
}
"""Name -> (module of this package, what it measures); each module has `run(say) -> list[Row]`."""
ONLY_BY_NAME = {"ablation", "crowd"}
"""Not run with all: long, and of interest to who works on the fit or on the tracker."""
ALIASES = {"balancing": "accuracy"}
"""Earlier names."""


class Unavailable(Exception):
    """This suite cannot run here; the sentence says why."""


def run(names: list[str], say: Callable[[str], None]) -> list[Row]:
    """Run suites and print their tables as they come.

    Args:
        names: Which; all where empty.
        say: Receives text.

    Returns:
        Rows of all suites.

    Raises:
        RequestError: An unknown name, or a suite asked for by name that cannot run here.
    """
    names = [ALIASES.get(n, n) for n in names]
    unknown = [n for n in names if n not in SUITES]
    if unknown:
        raise RequestError(f"There is no benchmark {unknown[0]!r}; choose among {', '.join(SUITES)}.")
    rows: list[Row] = []
    for name in names or [n for n in SUITES if n not in ONLY_BY_NAME]:
        module, text = SUITES[name]
        say(f"{name}: {text}")
        try:
            new = importlib.import_module(f"{__name__}.{module}").run(say)
        except Unavailable as error:
            if names:
                raise RequestError(str(error)) from None
            say(f"  skipped: {error}")
            continue
        for row in new:
            row.setdefault("suite", name)
        say(as_text(new))
        rows += new
    return rows


def detector():
    """Who looks at people in a benchmark: what the installation has (`people.Detector`), as a run would choose."""
    from ..people import choose_detector

    models = os.environ.get("SINEW_MODELS")
    return choose_detector("auto", Path(models) if models else None)


def need(path: Path, what: str) -> Path:
    """The path, or `Unavailable` with a sentence."""
    if not path.exists():
        raise Unavailable(f"{what} is not here ({path.name}); run this in a clone that has it.")
    return path
