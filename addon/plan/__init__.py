"""Take -> scene plan: what is to stand in the scene, as plain dataclasses of arrays. NumPy only, never bpy."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...backend.sinew_take.take import Subject, Take
from . import bones, extra, retime
from .body import BodyPlan, plan_body, plan_surface
from .curves import CurvePlan, plan_curves
from .retime import Timing
from .rig import RigPlan, plan_rig
from .splats import SplatPlan, plan_splats


@dataclass(frozen=True)
class SubjectPlan:
    """One person. `surface` is the mesh of its bones, `shape` the free body's coefficients, None for other bodies."""

    id: str
    name: str
    rig: RigPlan
    body: BodyPlan
    curves: tuple[CurvePlan, ...]
    splats: SplatPlan | None
    is_sometimes_absent: bool
    surface: BodyPlan | None = None
    shape: np.ndarray | None = None


@dataclass(frozen=True)
class ScenePlan:
    """A whole take, placed on a scene's timeline. `name` is for people; things are found by the ids."""

    take: Take
    take_id: str
    shot_id: str
    name: str
    source_rate: Fraction
    timing: Timing
    subjects: tuple[SubjectPlan, ...]


@lru_cache(maxsize=1)
def _region_names() -> tuple[str, ...]:
    from ...backend.sinew_take import free_body

    return tuple(str(name) for name in free_body.load().region_names)


def _plan_subject(subject: Subject, timing: Timing, is_resampled: bool, with_splats: bool) -> SubjectPlan:
    regions = _region_names() if subject.info.get("body") == "default" else ()
    more, shapes = extra.plan_bones(subject), extra.plan_shapes(subject)
    groups = bones.DEFORM_NAMES + (() if more is None else more.deform_names)
    curves = plan_curves(subject.motion, subject.body["rest_joints_m"][0], timing, is_resampled, more, shapes)
    splats = plan_splats(subject.avatar, groups) if with_splats else None
    return SubjectPlan(subject.id, str(subject.info.get("name") or subject.id), plan_rig(subject.body, more),
                       plan_body(subject.body, regions, groups, shapes), tuple(curves), splats,
                       not bool(np.all(subject.motion["present"])), plan_surface(subject.extra, groups),
                       subject.body["shape"].astype(float) if subject.info.get("body") == "default" else None)


def scene_plan(take: Take, scene_rate: Fraction, *, first_frame: int = 1, offset_frames: float = 0.0,
               is_resampled: bool = False, with_splats: bool = True) -> ScenePlan:
    """Plan a take for a scene.

    Args:
        take: As read from its folder.
        scene_rate: Frames per second of the scene (`retime.scene_rate`); the clip's own is `retime.source_rate`.
        first_frame: Scene frame at which the take begins.
        offset_frames: Shift of the people against the plate, scene frames.
        is_resampled: Keys on whole scene frames instead of at the true times.
        with_splats: Plan the Gaussians too, where the take has them.
    """
    source = retime.source_rate(take.meta)
    timing = retime.time_frames(take.shot["time_s"], scene_rate, source, first_frame, offset_frames)
    subjects = tuple(_plan_subject(s, timing, is_resampled, with_splats) for s in take.subjects)
    return ScenePlan(take, take.id, take.shot_id, Path(str(take.meta["source"].get("name") or "take")).stem,
                     source, timing, subjects)
