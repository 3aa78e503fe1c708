"""What each part of the fit is worth: the accuracy card's means with one part switched off at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..motion import fit
from . import accuracy
from .tables import Row, row

_OFF = 1e6
PARTS = {
    "everything": {},
    "without smoothness over time": {"smooth": 1e-4},
    "without smoothness by how lively somebody is": {"lively": 0.0},
    "without robust keypoints": {"robust_px": _OFF},
    "without the dead zone in pixels": {"dead_zone_px": 0.0},
    "without what other steps tell": {"gait": 0.0},
    "without forearms and shanks turned over": {"jumps": 0.0},
    "without the landmarks' depth": {"depth_sigma_m": _OFF},
    "without resting poses": {"rest": 1e-4},
    "without planted feet": {"ground": 0.0},
    "without soles that must carry": {"carried": 0.0},
    "without balance": {"balance": 0.0},
    "without free fall": {"flight": 0.0},
    "without the outline for hidden arms": {"outline": 0.0},
}
"""Part -> what is changed in `motion.fit.Weights`."""
_SHOWN = ("PA-MPJPE", "MPJPE, one alignment", "acceleration error", "mean acceleration over the true one")
_KNEES = ("knee_angle_r", "knee_angle_l")


def run(say: Callable[[str], None]) -> list[Row]:
    """Means over the measured and over the rendered cases, for every part."""
    measured, made = accuracy.cases(say)
    groups = {name: cases for name, cases in (("balancing", measured), ("mean of six", made)) if cases}
    cameras = {c.name: accuracy.find_camera(c) for c in measured + made}  # the same for all parts
    whole: dict[tuple[str, str], float] = {}
    rows = []
    for part, change in PARTS.items():
        say(f"  {part} …")
        weights = fit.Weights(**change)
        for name, cases in groups.items():
            mean = accuracy.mean([accuracy.figures(c, *accuracy.solve(c, *cameras[c.name], weights))
                                  for c in cases], name).figures
            values = {what: (mean[what][0], mean[what][2]) for what in _SHOWN}
            values["knee_angle"] = (float(np.mean([mean[k][0] for k in _KNEES])), "deg")
            for what, (value, unit) in values.items():
                before = whole.setdefault((name, what), value)
                rows.append(row(f"{name}, {part}: {what}", value, unit, before if change else None, "",
                                "everything" if change else ""))
    return rows
