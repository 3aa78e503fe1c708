"""WHAM's contacts hung on every track, between the camera's solve and the motion's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sinew_take import model_files
from sinew_take.free_body import FreeBody

from ..flow import Camera, People, Report, Shot, Track, nothing
from ..geometry import rotations as rot

MODES = ("off", "on")
FILES = ("wham_checkpoint", "wham_joints", "feet_joints")


def identity(models: Path | None) -> list:
    """What decides the network's answer besides the track, for the cache: size and time of its files."""
    found = model_files.look(models)
    paths = [*found["wham"].paths.values(), *found["smpl"].paths.values()]
    return [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in paths]


def examine_wham(models: Path | None) -> None:
    """Load the user's files once, before anything long begins.

    Raises:
        RequestError, InputError: One sentence.
    """
    from ..networks.wham import provider

    found = model_files.look(models)
    provider.load(found["wham"], found["smpl"])


def standing(shot: Shot, people: People, camera: Camera, asset: FreeBody, models: Path | None,
             report: Report = nothing) -> list[np.ndarray]:
    """Ask WHAM when everybody's feet stand.

    Args:
        shot: For the times and the picture's size.
        people: Tracks.
        camera: As first solved: its turning is what the network is told of it.
        asset: The free body, for the pose of the first frame.
        models: The user's folder of model files.
        report: Told of tracks done.

    Returns:
        One array (T, 4) a track, 0..1 for left heel, left toe, right heel, right toe; NaN where it says nothing.
    """
    from ..networks.wham import provider

    found = model_files.look(models)
    wham = provider.load(found["wham"], found["smpl"])
    out = []
    report(0, len(people.tracks))
    for number, track in enumerate(people.tracks, 1):
        said = provider.evidence(wham, np.asarray(shot.time_s, dtype=float), track.keypoints_px, camera.T_wc, camera.K,
                                 shot.info.size_px, first_pose(track, camera, asset))
        out.append(np.full((shot.n_frames, 4), np.nan) if said is None else said.contact)
        report(number, len(people.tracks))
    return out


def first_pose(track: Track, camera: Camera, asset: FreeBody) -> np.ndarray:
    """(24, 3, 3) SMPL's rotations of the first frame with the person, the first to the camera's axes: our own start."""
    from ..body.smplx_motion import q_to_smplx
    from ..motion.fit import View
    from ..motion.model import make_model
    from ..motion.start import first_state

    model = make_model(asset)
    frame = np.nonzero(np.asarray(track.present, dtype=bool))[0][:1]
    T_cw = np.linalg.inv(np.asarray(camera.T_wc, dtype=float)[frame])
    view = View(np.asarray(camera.K, dtype=float)[frame], T_cw[:, :3, :3], T_cw[:, :3, 3])
    shape = np.zeros(model.n_shape)
    state = first_state(track, frame, np.zeros(1), view, model, shape, np.asarray(camera.distortion, dtype=float)[frame])
    own = model.skeleton.frames[0]
    q = state.q.copy()
    q[:, :3] = rot.euler_zxy(own.T @ state.pelvis @ own)
    poses = q_to_smplx(q, state.root_m, model.skeleton.rest(shape), model.skeleton.frames, n_joints=24)["poses"][0]
    turns = rot.exp(poses)
    turns[0] = T_cw[0, :3, :3] @ turns[0]
    return turns
