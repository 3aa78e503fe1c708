"""Accuracy on the sample clip that the repository ships."""

from __future__ import annotations

from collections.abc import Callable

from . import SAMPLE, need
from .rendered import rendered
from .tables import Row


def run(say: Callable[[str], None]) -> list[Row]:
    """The sample clip, nothing told about its camera."""
    return rendered(need(SAMPLE, "The sample clip"), need(SAMPLE.with_suffix(".npz"), "Its truth"))
