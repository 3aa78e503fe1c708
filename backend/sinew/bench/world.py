"""The world: moving cameras, several people, feet on the floor, against rendered truth.

Every clip of `clips.WORLD` goes through the real stages, once as it is, once with the camera solve switched off (the camera
taken to stand still), once more with the first person's height given. Motion in the world is compared as EMDB 2 does
(Kaufmann et al., EMDB, 2023; Shin et al., WHAM, 2024): after an alignment on the first two of 100 frames (W-MPJPE), after
one on all of them (WA-MPJPE), and as the root's error over the length of its way after a rigid alignment (RTE). Identities
by IDF1 (Ristani et al., Performance measures and a data set for multi-target, multi-camera tracking, 2016).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sinew_take import free_body
from sinew_take import skeleton as sk

from ..flow import Camera, CameraOptions, Motion, People, Shot
from ..geometry import rotations as rot
from . import Unavailable, clips, detector, identity, metrics
from .rendered import pair, people_of, project, read_truth
from .tables import Row, row

_LIMBS = [sk.JOINT_INDEX[n] for n in metrics.LIMB_JOINTS]
PART = 100
"""Frames that are aligned together."""


@dataclass
class Solved:
    """One way through the stages."""

    camera: Camera
    motions: list[Motion]


def solve(shot: Shot, people: People, options: CameraOptions) -> Solved:
    """Camera and motion stages with what the user would say."""
    from ..camera import solve_camera
    from ..motion import solve_motion

    body = free_body.load()
    camera, starts = solve_camera(shot, people, body, options)
    camera, motions = solve_motion(shot, people, camera, body, starts=starts, height_m=options.height_m)
    return Solved(camera, motions)


# -- figures ---------------------------------------------------------------------------------------------------------


def path_length(places: np.ndarray) -> float:
    """Length of a way (T, 3), m."""
    return float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())


def ate(found: np.ndarray, truth: np.ndarray) -> float:
    """Root mean square distance of centres (T, 3) after the best similarity, m."""
    R, t, s = rot.align(found, truth, with_scale=True)
    return float(np.sqrt((np.linalg.norm(s * found @ R.T + t - truth, axis=1) ** 2).mean()))


def rotation_error_deg(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean angle between turns (T, 3, 3) after the one turn of the world that fits best, degrees."""
    between = truth @ np.swapaxes(found, 1, 2)
    u, _, vt = np.linalg.svd(between.mean(0))
    world = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    off = rot.log(np.swapaxes(truth, 1, 2) @ world @ found)
    return float(np.degrees(np.linalg.norm(off, axis=1)).mean())


def world_mpjpe(found: np.ndarray, truth: np.ndarray, aligned_on: int | None) -> float:
    """Mean joint distance, m, over parts of 100 frames, each aligned by a similarity on its first frames or on all.

    Args:
        found, truth: (T, J, 3).
        aligned_on: So many first frames; None for all.
    """
    total, count = 0.0, 0
    for a in range(0, len(found), PART):
        f, t = found[a:a + PART], truth[a:a + PART]
        n = aligned_on or len(f)
        R, shift, s = rot.align(f[:n].reshape(-1, 3), t[:n].reshape(-1, 3), with_scale=True)
        total += np.linalg.norm(s * f @ R.T + shift - t, axis=-1).sum()
        count += f.shape[0] * f.shape[1]
    return float(total / count)


def rte(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance of the root (T, 3) after the best rigid alignment, over the length of its way."""
    R, t, _ = rot.align(found, truth)
    return float(np.linalg.norm(found @ R.T + t - truth, axis=1).mean() / max(path_length(truth), 1e-9))


# -- one clip --------------------------------------------------------------------------------------------------------


def camera_figures(s: Solved, truth: dict[str, np.ndarray]) -> dict[str, float]:
    """Of a solve's camera against the truth's."""
    T, true = np.asarray(s.camera.T_wc, dtype=float), truth["T_wc"].astype(float)
    length = path_length(true[:, :3, 3])
    moves = length > 1e-6
    out = {"camera rotation error": rotation_error_deg(T[:, :3, :3], true[:, :3, :3])}
    if moves:
        out["camera ATE over its way"] = 100 * ate(T[:, :3, 3], true[:, :3, 3]) / length
    else:
        out["camera centre moves by"] = 1e3 * float(np.ptp(T[:, :3, 3], axis=0).max())
    turns = np.abs(true[:, :3, :3] - true[0, :3, :3]).max() > 1e-6
    if not turns and not moves:
        out["camera turns by"] = float(np.degrees(np.linalg.norm(rot.log(T[0, :3, :3].T @ T[:, :3, :3]), axis=1).max()))
    up = T[:, 2, :3]
    out["gravity off by"] = float(np.mean([metrics.angle_between_deg(a, b) for a, b in zip(up, true[:, 2, :3])]))
    out["focal length over the true one"] = float(np.mean(s.camera.K[:, 0, 0] / truth["K"][:, 0, 0]))
    return out


def person_figures(s: Solved, motion: Motion, truth: dict[str, np.ndarray], person: dict[str, np.ndarray]
                   ) -> dict[str, float]:
    """Of one person's motion in the world."""
    a = motion.arrays
    here = a["present"] & np.isfinite(a["joints_m"]).all((1, 2))
    found, true = a["joints_m"][here][:, _LIMBS].astype(float), person["joints_m"][here][:, _LIMBS].astype(float)
    root, true_root = a["root_m"][here].astype(float), person["root_m"][here].astype(float)
    _, _, scale = rot.align(found.reshape(-1, 3), true.reshape(-1, 3), with_scale=True)
    soles, true_soles = soles_m(motion), true_soles_m(person)
    on = person["contact"] > 0.5
    slide = 1e3 * metrics.planted_slide(soles, np.where(here[:, None], person["contact"], 0.0))
    out = {
        "frames": 100 * float(here.mean()),
        "W-MPJPE": 1e3 * world_mpjpe(found, true, 2), "WA-MPJPE": 1e3 * world_mpjpe(found, true, None),
        "RTE": 100 * rte(root, true_root), "scale over the true one": 1 / float(scale),
        "planted feet, mean per frame": float(slide[np.isfinite(slide)].mean()) if len(slide) else np.nan,
        "feet under the floor, deepest": 1e3 * float(max(0.0, -np.nanmin(soles[here][..., 2]))),
        "floor off under planted feet": 1e3 * float(np.nanmedian(np.abs(
            np.where(on & here[:, None], soles[..., 2] - true_soles[..., 2], np.nan)))),
        "jitter": metrics.mean_acceleration(found, truth["time_s"][here]),
        "jitter of the truth": metrics.mean_acceleration(true, truth["time_s"][here]),
        "way": path_length(true_root)}
    raised = on & here[:, None] & (person["ground_m"] > 0.02)
    if raised.any():
        off = (soles[..., 2] - true_soles[..., 2])[raised]
        out["steps off under planted feet"] = 1e3 * float(np.median(np.abs(off)))
    return out


def soles_m(motion: Motion) -> np.ndarray:
    """(T, 4, 3) points under heels and toes of a solved motion, in the take's order of contacts."""
    from ..motion import fit
    from ..motion.model import make_model

    model = make_model(free_body.load())
    a = motion.arrays
    here = a["present"]
    frame0 = model.skeleton.frames[0]
    q = np.nan_to_num(a["q"][here].astype(float))
    turn = np.asarray(a["T_wj"][here][:, 0, :3, :3], dtype=float) @ frame0.T
    p = fit.pose(model.skeleton, np.asarray(motion.shape, dtype=float), turn, q, a["root_m"][here].astype(float))
    out = np.full((len(here), 4, 3), np.nan)
    out[here] = model.soles.positions(p, np.asarray(motion.shape, dtype=float))
    return out


def true_soles_m(person: dict[str, np.ndarray]) -> np.ndarray:
    """(T, 4, 3) of a truth: its planted soles are on the floor, z = 0, or on a step of known height; elsewhere NaN."""
    on = person["contact"] > 0.5
    out = np.zeros((*on.shape, 3))
    out[..., 2] = person["ground_m"]
    return np.where(on[..., None], out, np.nan)


UNITS = {"camera rotation error": ("deg", "0.5"), "camera ATE over its way": ("%", "1"),
         "camera centre moves by": ("mm", "0"), "camera turns by": ("deg", "0"), "gravity off by": ("deg", "1"),
         "focal length over the true one": ("", ""), "frames": ("%", ""), "W-MPJPE": ("mm", "150"),
         "WA-MPJPE": ("mm", "80"), "RTE": ("%", "2"), "scale over the true one": ("", ""),
         "planted feet, mean per frame": ("mm", "5"), "feet under the floor, deepest": ("mm", "10"),
         "floor off under planted feet": ("mm", "20"), "steps off under planted feet": ("mm", "20"), "jitter": ("m/s²", "")}


def clip_rows(name: str, video_path: Path, truth_path: Path, say: Callable[[str], None]) -> list[Row]:
    """All figures of one clip, each beside the same pipeline without a camera solve."""
    from ..people import find_people
    from ..video import find_shots

    truth = read_truth(truth_path)
    true_people = people_of(truth)
    shot = find_shots(video_path).shots[0]
    who = detector()
    people = _people(video_path, who.name, lambda: find_people(shot, landmarks=who.strong))
    size_m = _height(true_people[0])
    solved = solve(shot, people, CameraOptions())
    still = solved if solved.camera.kind == "static" else solve(shot, people, CameraOptions(kind="static"))
    sized = solve(shot, people, CameraOptions(height_m=size_m))
    say(f"  {name}: {solved.camera.kind}. {solved.camera.reason}")
    rows = []

    def add(what, value, baseline, unit=None, target=None, baseline_name="camera solve off"):
        plain = what.split(": ")[-1]
        u, t = UNITS.get(plain, ("", ""))
        rows.append(row(f"{name}: {what}", float(value), u if unit is None else unit, baseline,
                        t if target is None else target, baseline_name))

    off = camera_figures(still, truth)
    for what, value in camera_figures(solved, truth).items():
        add(what, value, off[what])
    mine, theirs = _matched(solved, truth, true_people), _matched(still, truth, true_people)
    given = _matched(sized, truth, true_people)
    for number, person in enumerate(true_people):
        if mine[number] is None:
            rows.append(row(f"{name}: person {number + 1} was not found", 1.0, ""))
            continue
        figures = person_figures(solved, mine[number], truth, person)
        base = None if theirs[number] is None else person_figures(still, theirs[number], truth, person)
        real = figures.pop("jitter of the truth")
        figures.pop("way")
        for what, value in figures.items():
            add(f"person {number + 1}: {what}", value, base[what] if base else None)
        rows.append(row(f"{name}: person {number + 1}: jitter over the truth's", figures["jitter"] / real, "",
                        None if base is None else base["jitter"] / real, "1.3", "camera solve off"))
        if given[number] is not None:
            known = person_figures(sized, given[number], truth, person)
            what = "own height given" if number == 0 else "the first one's height given"
            rows.append(row(f"{name}: person {number + 1}: scale, {what}", known["scale over the true one"], "", None,
                            "4 %" if number == 0 else ""))
            for figure in ("W-MPJPE", "WA-MPJPE", "RTE"):
                unit, target = UNITS[figure]
                rows.append(row(f"{name}: person {number + 1}: {figure}, {what}", known[figure], unit, figures[figure],
                                target, "nobody's height given"))
    return rows + _identities(name, people, solved, truth, true_people, shot.info.size_px)


def _identities(name: str, people: People, solved: Solved, truth: dict[str, np.ndarray],
                true_people: list[dict[str, np.ndarray]], size_px: tuple[int, int]) -> list[Row]:
    """Identities of the take's people, who are carried on where nobody detects them, and of the detections alone."""
    away = [np.linalg.norm(p["root_m"] - truth["T_wc"][:, :3, 3], axis=1) for p in true_people]
    joints = [np.where(m.arrays["present"][:, None, None], x, np.nan) for m, x in zip(
        solved.motions, _limbs_px(solved), strict=True)]
    true_joints = _true_limbs_px(truth, true_people)
    points = [np.where(t.present[:, None, None], t.keypoints_px[..., :2], np.nan)[:, identity.LIMBS] for t in people.tracks]
    true_points = [p["keypoints_px"][:, identity.LIMBS] for p in true_people]
    in_sight = identity.sights(true_points, away)
    return [*identity.rows(identity.of_points(joints, true_joints, size_px), name),
            *identity.rows(identity.of_points(joints, true_joints, size_px, in_sight), name, ", hidden people not counted"),
            *identity.rows(identity.of_points(points, true_points, size_px), name, ", detections alone")]


def _people(video_path: Path, detector_name: str, make: Callable[[], People]) -> People:
    """The people stage's result; kept in the folder SINEW_BENCH_CACHE names, where it is set."""
    folder = os.environ.get("SINEW_BENCH_CACHE")
    if not folder:
        return make()
    from .. import flow
    from ..cache import Cache, files_sha256, key

    cache = Cache(Path(folder), {t.__name__: t for t in (flow.Track, flow.People, flow.PosePrior)})
    return cache.through("people", key("bench", files_sha256([video_path], lambda: None), detector_name), make)[0]


def _height(person: dict[str, np.ndarray]) -> float:
    """Standing height of a true person: of the free body with that shape."""
    from ..motion.model import make_model

    return make_model(free_body.load()).stature(np.asarray(person["shape"], dtype=float))


def _matched(s: Solved, truth: dict[str, np.ndarray], true_people: list[dict[str, np.ndarray]]) -> list[Motion | None]:
    return [None if k is None else s.motions[k] for k in pair(_limbs_px(s), _true_limbs_px(truth, true_people))]


def _limbs_px(s: Solved) -> list[np.ndarray]:
    """Per solved person (T, 12, 2) px, the joints of the limbs."""
    return [project(m.arrays["joints_m"][:, _LIMBS].astype(float), s.camera.T_wc, s.camera.K) for m in s.motions]


def _true_limbs_px(truth: dict[str, np.ndarray], true_people: list[dict[str, np.ndarray]]) -> list[np.ndarray]:
    """Per true person (T, 12, 2) px, the same joints."""
    return [project(p["joints_m"][:, _LIMBS].astype(float), truth["T_wc"], truth["K"]) for p in true_people]


def run(say: Callable[[str], None]) -> list[Row]:
    """All clips of `clips.WORLD` that are here or can be rendered; the others are named.

    Raises:
        Unavailable: None is.
    """
    rows, why = [], None
    for clip in clips.WORLD:
        try:
            video_path, truth_path = clips.ensure(clip, say)
        except Unavailable as missing:
            why = missing
            say(f"  {clip.name} is not measured: {missing}")
            continue
        rows += clip_rows(clip.name, video_path, truth_path, say)
    if not rows and why is not None:
        raise why
    return rows
