"""The accuracy card: every figure beside the plain detector's in the same run.

On measured truth (`balancing`, one view at a time) and on six rendered clips whose truth is known. Nothing is told about
the cameras: focal length, up and scale are what the stages find by themselves. The plain detector is one pass of
MediaPipe over the full pictures, its 3D landmarks as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sinew_take import free_body
from sinew_take import skeleton as sk

from ..flow import Camera, CameraOptions, Motion
from ..motion import fit
from . import SHARED, Unavailable, balancing, clips, detections, detector, metrics, need
from .rendered import people_of, project, read_truth
from .tables import Row, row

PLAIN = "plain detector"
LIMBS = [sk.JOINT_INDEX[n] for n in metrics.LIMB_JOINTS]
ANGLES = tuple(f"{a}_{s}" for a in ("hip_flexion", "knee_angle", "ankle_angle", "elbow_flexion") for s in "rl")


@dataclass(frozen=True)
class Case:
    """One clip with its truth, everything in the axes of the true camera."""

    name: str
    detected: detections.Detected
    time_s: np.ndarray
    joints_m: np.ndarray
    """(T, 12, 3) true limb joints about the middle of the hips, camera axes."""
    placed_m: np.ndarray
    """(T, 12, 3) the same where they are in the world: for accelerations."""
    angles: np.ndarray
    """(T, 8) rad, of `ANGLES`."""
    focal_px: float
    up: np.ndarray
    """(3,) in camera axes."""
    joints_px: np.ndarray | None = None
    """(T, 12, 2) where the truth is exact enough for pixels."""
    height_px: np.ndarray | None = None


@dataclass
class Result:
    """Figures of one case: name -> (ours, plain detector's or None, unit)."""

    name: str
    figures: dict[str, tuple[float, float | None, str]] = field(default_factory=dict)


def _centred(joints: np.ndarray) -> np.ndarray:
    return joints - joints[:, metrics.HIPS].mean(1, keepdims=True)


def balancing_case(view: str, folder: Path) -> Case:
    """One view of the measured truth."""
    joints, time_s, angles = balancing.balancing_truth(folder)
    found = detections.detect(folder / f"{view}.mp4")
    focal, R_cw = balancing.calibrated(folder, view, found.shot.info.size_px[0])
    order = list(balancing.MOT_ANGLES.values())
    return Case(view, found, time_s, _centred(joints) @ R_cw.T, joints, angles[:, [order.index(a) for a in ANGLES]],
                focal, R_cw[:, 2])


def rendered_case(name: str, video: Path, truth_path: Path) -> Case:
    """A rendered clip with one person."""
    truth = read_truth(truth_path)
    person = people_of(truth)[0]
    joints = person["joints_m"][:, LIMBS].astype(float)
    R_wc = truth["T_wc"][:, :3, :3].astype(float)
    return Case(name, detections.detect(video), truth["time_s"], _centred(joints) @ R_wc, joints,
                person["q"][:, [sk.DOF_INDEX[a] for a in ANGLES]].astype(float), float(truth["K"][0, 0, 0]), R_wc[0, 2],
                project(joints, truth["T_wc"], truth["K"]), np.ptp(person["keypoints_px"][..., 1], axis=1))


def find_camera(case: Case) -> tuple[Camera, list]:
    """The case's camera and what the motion stage starts from."""
    from ..camera import solve_camera

    return solve_camera(case.detected.shot, case.detected.people, free_body.load(), CameraOptions())


def solve(case: Case, camera: Camera, starts: list, weights: fit.Weights | None = None) -> tuple[Camera, Motion]:
    """Camera and motion of a case by the real stages, from the kept detections."""
    from ..motion import solve_motion

    camera, motions = solve_motion(case.detected.shot, case.detected.people, camera, free_body.load(), starts=starts,
                                   weights=weights)
    return camera, motions[0]


def _about_mean(a: np.ndarray, b: np.ndarray) -> float:
    turns = np.exp(1j * (a - b)[np.isfinite(a - b)])
    off = np.angle(turns / turns.mean())
    return float(np.degrees(np.sqrt(np.mean(off**2))))


def figures(case: Case, camera: Camera, motion: Motion) -> Result:
    """Every figure of a solved case."""
    a, out = motion.arrays, Result(case.name)
    joints = a["joints_m"][:, LIMBS].astype(float)
    R_wc = np.asarray(camera.T_wc, dtype=float)[:, :3, :3]
    ours, plain = _centred(joints) @ R_wc, _centred(detections.plain_joints(case.detected.plain_m))

    def add(name, unit, value, base=None):
        out.figures[name] = (float(value), None if base is None else float(base), unit)

    for name, measure in (("PA-MPJPE", metrics.pa_mpjpe), ("MPJPE, one alignment", metrics.take_aligned_mpjpe),
                          ("MPJPE, camera axes", metrics.mpjpe)):
        add(name, "mm", *(1e3 * measure(x, case.joints_m) for x in (ours, plain)))
    base = detections.plain_angles(case.detected.plain_m)
    q = a["q"].astype(float)
    for i, name in enumerate(ANGLES):
        mine = q[:, sk.DOF_INDEX[name]]
        add(name, "deg", *(metrics.angle_rmse_deg(x, case.angles[:, i]) for x in (mine, base[name])))
        if name.startswith("hip"):
            add(f"{name} about its mean", "deg", *(_about_mean(x, case.angles[:, i]) for x in (mine, base[name])))
    add("mean acceleration over the true one", "", *(metrics.mean_acceleration(x, case.time_s)
        / metrics.mean_acceleration(case.placed_m, case.time_s) for x in (joints, plain)))
    add("acceleration error", "m/s²", *(metrics.mean_acceleration(x - case.joints_m, case.time_s) for x in (ours, plain)))
    add("frames with a limit violated", "", (~sk.within_limits(a["q"][a["present"]])).sum())
    if case.joints_px is None:
        add("pixel error to the detection", "px", np.nanmean(motion.pixel_error))
    else:
        found = project(joints, camera.T_wc, camera.K)
        raw = detections.plain_px(case.detected)
        add("pixel error", "% of height", *(100 * np.nanmean(
            np.linalg.norm(x - case.joints_px, axis=-1) / case.height_px[:, None]) for x in (found, raw)))
    detected = np.isfinite(case.detected.plain_m).all((1, 2))
    shown = case.detected.people.tracks[0].present
    add("frames without a detection", "%", 100 * np.mean(~shown), 100 * np.mean(~detected))
    source = np.where(a["present"][:, None], a["source"], 2)[:, LIMBS]
    add("limb joints filled or guessed", "%", 100 * np.mean(source > 0))
    add("focal length over the true one", "", camera.K[0, 0, 0] / case.focal_px)
    add("up direction off by", "deg", metrics.angle_between_deg(camera.T_wc[0, 2, :3], case.up))
    return out


TARGETS = {
    ("cam01", "PA-MPJPE"): "60", ("cam01", "MPJPE, one alignment"): "84",
    ("cam02", "PA-MPJPE"): "55", ("cam02", "MPJPE, one alignment"): "71",
    **{(v, f"{a}_{s}{b}"): "10" for v in balancing.VIEWS for s in "rl"
       for a, b in (("knee_angle", ""), ("hip_flexion", " about its mean"))},
    **{(v, "mean acceleration over the true one"): "0.7 to 1.3" for v in balancing.VIEWS},
    ("mean of six", "PA-MPJPE"): "40, ratio 0.5",
}
_EVERYWHERE = {"frames with a limit violated": "0"}


def mean(results: list[Result], name: str) -> Result:
    """Mean of every figure over cases; limit violations are summed."""
    out = Result(name)
    for what, (_, base, unit) in results[0].figures.items():
        values = np.array([r.figures[what][0] for r in results])
        bases = None if base is None else float(np.mean([r.figures[what][1] for r in results]))
        total = values.sum() if what in _EVERYWHERE else values.mean()
        out.figures[what] = (float(total), bases, unit)
    return out


def rows_of(result: Result) -> list[Row]:
    return [row(f"{result.name}: {what}", value, unit, base,
                TARGETS.get((result.name, what), _EVERYWHERE.get(what, "")), PLAIN if base is not None else "")
            for what, (value, base, unit) in result.figures.items()]


def cases(say: Callable[[str], None]) -> tuple[list[Case], list[Case]]:
    """The measured cases and the rendered ones that can be had here.

    Raises:
        Unavailable: Neither can.
    """
    measured, made, reason = [], [], None
    try:
        folder = need(SHARED / "truth" / "balancing", "The measured truth (../shared/truth/balancing)")
        measured = [balancing_case(v, folder) for v in balancing.VIEWS]
    except Unavailable as error:
        reason = error
        say(f"  without balancing: {error}")
    try:
        made = [rendered_case(c.name, *clips.ensure(c, say)) for c in clips.ACCURACY]
    except Unavailable as error:
        if reason is not None:
            raise
        say(f"  without rendered clips: {error}")
    return measured, made


def run(say: Callable[[str], None]) -> list[Row]:
    """The whole card."""
    say(f"  people are found by {detector().name}")
    measured, made = cases(say)
    rows, results = [], []
    for case in measured:
        rows += rows_of(figures(case, *solve(case, *find_camera(case))))
    for case in made:
        results.append(figures(case, *solve(case, *find_camera(case))))
        say(f"  {case.name} …")
    if results:
        rows += rows_of(mean(results, "mean of six"))
        for r in results:
            rows += rows_of(r)
    return rows
