"""Accuracy on rendered clips: a solve against everything that the renderer knew (`backend/tools/render_clip`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sinew_take import free_body
from sinew_take import skeleton as sk
from sinew_take.errors import InputError

from ..flow import Camera, CameraOptions, Motion
from . import detector, metrics
from .tables import Row, row

_LIMBS = [sk.JOINT_INDEX[n] for n in metrics.LIMB_JOINTS]
_ANGLES = ("hip_flexion", "knee_angle", "ankle_angle", "elbow_flexion")


def read_truth(path: Path) -> dict[str, np.ndarray]:
    """Arrays beside a rendered clip.

    Raises:
        InputError: The file is missing or is not such a truth.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            truth = {k: data[k] for k in data.files}
    except (OSError, ValueError, EOFError):
        raise InputError(f"{path} is not the truth of a rendered clip; choose the .npz beside the clip.") from None
    missing = {"time_s", "K", "T_wc", "q", "joints_m", "contact"} - set(truth)
    if missing:
        raise InputError(f"{path} lacks {', '.join(sorted(missing))}; render the clip again.")
    return truth


def people_of(truth: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """Arrays of each person of a truth, by their plain names."""
    n = int(truth.get("people", np.array(1)))
    names = ("q", "root_m", "joints_m", "T_wj", "contact", "shape", "keypoints_m", "keypoints_px")
    people = [{k: truth[k + ("" if i == 0 else f"_{i + 1}")] for k in names} for i in range(n)]
    for i, person in enumerate(people):
        # Only who walks over steps has other ground than the floor.
        ground = truth.get("ground_m" + ("" if i == 0 else f"_{i + 1}"))
        person["ground_m"] = np.zeros(person["contact"].shape) if ground is None else ground
    return people


def project(points_m: np.ndarray, T_wc: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Pixels (T, J, 2) of world points (T, J, 3); no distortion."""
    local = np.einsum("tji,tnj->tni", T_wc[:, :3, :3], points_m - T_wc[:, None, :3, 3])
    flat = np.einsum("tij,tnj->tni", K, local)
    return flat[..., :2] / flat[..., 2:]


def pair(found_px: list[np.ndarray], truth_px: list[np.ndarray]) -> list[int | None]:
    """For every true person the solved one that is nearest in the picture (T, J, 2), each taken once; None if none left.
    """
    off = np.array([[np.nanmean(np.linalg.norm(f - t, axis=-1)) for f in found_px] for t in truth_px])
    out: list[int | None] = [None] * len(truth_px)
    if not len(found_px):
        return out
    off = np.where(np.isfinite(off), off, 1e12)
    for _ in range(min(off.shape)):
        i, k = np.unravel_index(off.argmin(), off.shape)
        out[i] = int(k)
        off[i], off[:, k] = np.inf, np.inf
    return out


def compare(camera: Camera, motion: dict[str, np.ndarray], truth: dict[str, np.ndarray], person: dict[str, np.ndarray],
            name: str) -> list[Row]:
    """Figures of one person.

    Args:
        camera: The solved camera.
        motion: The solved arrays (`sinew_take.arrays.MOTION`).
        truth: The clip's arrays.
        person: That person's arrays, of `people_of`.
        name: Put before the figures' names.
    """
    found, true = motion["joints_m"].astype(float), person["joints_m"].astype(float)
    limbs, true_limbs = found[:, _LIMBS], true[:, _LIMBS]
    time_s = truth["time_s"]
    here = np.isfinite(limbs).all((1, 2))
    rows = [row(f"{name}: frames solved", 100 * float(here.mean()), "%")]

    def add(what, value, unit, target="", baseline=None, baseline_name=""):
        rows.append(row(f"{name}: {what}", float(value), unit, baseline, target, baseline_name))

    add("PA-MPJPE", 1e3 * metrics.pa_mpjpe(limbs, true_limbs), "mm", "40")
    add("MPJPE, one alignment", 1e3 * metrics.take_aligned_mpjpe(limbs, true_limbs), "mm")
    add("MPJPE in the world, one similarity", 1e3 * metrics.world_mpjpe(limbs, true_limbs), "mm")
    off = np.linalg.norm(project(limbs, camera.T_wc, camera.K) - project(true_limbs, truth["T_wc"], truth["K"]), axis=-1)
    height = np.ptp(person["keypoints_px"][..., 1], axis=1)
    add("pixel error of the limb joints", 100 * np.nanmean(off / height[:, None]), "% of height", "1.5")
    slide = 1e3 * metrics.planted_slide(found[:, sk.CONTACT_JOINTS], person["contact"])
    slide = slide[np.isfinite(slide)]
    if len(slide):
        add("planted feet, mean per frame", slide.mean(), "mm", "10")
        add("planted feet, 95th percentile", np.percentile(slide, 95), "mm")
    add("mean acceleration", metrics.mean_acceleration(limbs, time_s), "m/s²", "",
        metrics.mean_acceleration(true_limbs, time_s), "truth")
    add("frames with a limit violated", (~sk.within_limits(motion["q"])).sum(), "", "0")
    for angle in _ANGLES:
        both = [sk.DOF_INDEX[f"{angle}_{side}"] for side in "rl"]
        add(angle, np.mean(metrics.angle_rmse_deg(motion["q"][:, both], person["q"][:, both])), "deg")
    contact = np.isfinite(motion["contact"]).all(1)
    add("contacts right", 100 * np.mean((motion["contact"][contact] > 0.5) == (person["contact"][contact] > 0.5)), "%")
    length = [np.nanmean(np.linalg.norm(p[:, sk.JOINT_INDEX["tibia_r"]] - p[:, sk.JOINT_INDEX["femur_r"]], axis=-1)
                         + np.linalg.norm(p[:, sk.JOINT_INDEX["talus_r"]] - p[:, sk.JOINT_INDEX["tibia_r"]], axis=-1))
              for p in (found, true)]
    add("leg length over the true one", length[0] / length[1], "")
    return rows


def compare_camera(camera: Camera, truth: dict[str, np.ndarray], name: str) -> list[Row]:
    """Focal length and up direction of a solved camera."""
    focal = float(np.mean(camera.K[:, 0, 0] / truth["K"][:, 0, 0]))
    up = np.mean([metrics.angle_between_deg(a[2, :3], b[2, :3]) for a, b in zip(camera.T_wc, truth["T_wc"])])
    return [row(f"{name}: focal length over the true one", focal, ""), row(f"{name}: up direction off by", up, "deg")]


def rendered(clip_path: Path, truth_path: Path, options: CameraOptions | None = None) -> list[Row]:
    """Reconstruct a rendered clip through the real stages and compare it with its truth.

    Args:
        clip_path: The mp4.
        truth_path: The npz beside it.
        options: What the user would say of the camera; nothing by default.

    Raises:
        InputError: No truth there, or the clip has other frames than its truth.
    """
    from ..camera import solve_camera
    from ..motion import solve_motion
    from ..people import find_people
    from ..video import find_shots

    truth = read_truth(Path(truth_path))
    true_people = people_of(truth)
    shots = find_shots(clip_path).shots
    if len(shots) != 1 or shots[0].n_frames != len(truth["time_s"]):
        raise InputError(f"{clip_path} has other frames than its truth {truth_path}; render the clip again.")
    shot, body = shots[0], free_body.load()
    people = find_people(shot, most=len(true_people), landmarks=detector().strong)
    camera, starts = solve_camera(shot, people, body, options or CameraOptions())
    camera, motions = solve_motion(shot, people, camera, body, starts=starts)
    return rows_of(camera, motions, truth, Path(clip_path).stem)


def rows_of(camera: Camera, motions: list[Motion], truth: dict[str, np.ndarray], name: str) -> list[Row]:
    """All figures of a solved clip: the camera's, then each true person's against the solved one nearest to them."""
    true_people = people_of(truth)
    rows = compare_camera(camera, truth, name)
    truth_px = [project(p["joints_m"].astype(float)[:, _LIMBS], truth["T_wc"], truth["K"]) for p in true_people]
    found_px = [project(m.arrays["joints_m"].astype(float)[:, _LIMBS], camera.T_wc, camera.K) for m in motions]
    for i, k in enumerate(pair(found_px, truth_px)):
        title = name if len(true_people) == 1 else f"{name}, person {i + 1}"
        if k is None:
            rows.append(row(f"{title}: frames solved", 0.0, "%"))
        else:
            rows += compare(camera, motions[k].arrays, truth, true_people[i], title)
    return rows
