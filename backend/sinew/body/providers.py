"""Bodies by name, behind one interface: from a person as solved on the free body to the arrays of a take.

The free body is always there. The others use model files of the user's own; without them `require` raises the sentence
that says where they come from and under which licence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import numpy as np

from sinew.flow import Motion
from sinew_take import model_files, skeleton
from sinew_take.errors import RequestError
from sinew_take.free_body import FreeBody

from .build import build_body

MODULES = {"skel": "sinew.body.skel", "smplx": "sinew.body.smplx_body"}
"""Body -> the module whose `provide` makes it, imported only when asked for; the name is also that of its model files."""
NAMES = ("default", *MODULES)


@dataclass
class Built:
    """One person on one body: what the take gets of it."""

    body: dict[str, np.ndarray]
    """The arrays of `arrays.BODY`."""
    motion: dict[str, np.ndarray]
    """The arrays of `arrays.MOTION` with this body's joints: `q` and `root_m` under our laws, the rest following."""
    extra: dict[str, np.ndarray] | None = None
    """The arrays of `arrays.EXTRA`."""
    info: dict = field(default_factory=dict)
    """More of the subject's entry in take.json, such as `extra`."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the user, with the person named by `Motion.track.id`."""


GENDERS = ("male", "female", "neutral")
Provider = Callable[[FreeBody, Motion, "model_files.Found", "str | None"], Built]
"""provide(free body, a person solved on it, the user's files, wanted gender or None) -> the person on this body.

Raises InputError where a model file is not what it should be.
"""


def require(name: str, models: Path | None, gender: str | None = None) -> model_files.Found | None:
    """The model files of a body; None for the free body, which needs none.

    Args:
        name: One of `NAMES`.
        models: The user's folder of model files.
        gender: Wanted model, one of `GENDERS`; None takes what is there.

    Raises:
        RequestError: The body is unknown, its files are not there, or not those of the gender.
    """
    if name not in NAMES:
        raise RequestError(f"There is no body {name!r}; choose one of {', '.join(NAMES)}.")
    if name == "default":
        return None
    found = model_files.look(models)[name]
    if not found.is_ready:
        raise RequestError(found.sentence())
    if gender is not None and f"{name}_{gender}" not in found.paths:
        there = ", ".join(g for g in GENDERS if f"{name}_{g}" in found.paths)
        raise RequestError(f"There is no {gender} model of {found.set.title} among the model files, only {there}; choose "
                           f"another --gender or get it from {found.set.page}.")
    return found


def examine(name: str, found: model_files.Found | None, gender: str | None = None) -> None:
    """Read the model files of a body as they will be read later, so that what is wrong with them is said at once.

    Args:
        name, found, gender: As for `build`.

    Raises:
        InputError: A file is not what it should be.
    """
    if found is not None:
        import_module(MODULES[name]).examine(found, gender)


def build(name: str, free: FreeBody, motion: Motion, found: model_files.Found | None, gender: str | None = None) -> Built:
    """One person on the named body.

    Args:
        name: One of `NAMES`.
        free: The free body, on which the motion was solved.
        motion: One solved person.
        found: Of `require`.
        gender: Wanted model of a body that has several.
    """
    if name == "default":
        return Built(build_body(free, motion.shape), motion.arrays)
    return import_module(MODULES[name]).provide(free, motion, found, gender)


def fold_extra_bones(built: Built) -> dict[str, np.ndarray]:
    """The body for stages that know the 24 joints only: skin of an extra bone follows the joint it hangs on."""
    names = (built.info.get("extra") or {}).get("bone_names", [])
    if not names:
        return built.body
    number = {name: i for i, name in enumerate(skeleton.JOINT_NAMES)}
    for name, parent in zip(names, built.info["extra"]["parents"], strict=True):
        number[name] = number[parent]
    joint = np.array([number[n] for n in (*skeleton.JOINT_NAMES, *names)], np.int16)
    return {**built.body, "skin_index": joint[built.body["skin_index"]]}
