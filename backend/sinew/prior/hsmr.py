"""HSMR as the start of the solve: crops of everybody from one pass over the video, the network in batches.

PyTorch is loaded only where there is a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sinew_take.errors import RequestError
from sinew_take.model_files import Found

from .. import video
from ..flow import People, PosePrior, Report, Shot, Track, nothing
from ..geometry import rotations as rot
from .axes import pelvis_in_camera

MODES = ("auto", "on", "off")
CPU_RATE = 5.0
"""Crops a second of video and person that the processor looks at in mode "auto"; between them the pose is taken from both
sides. At the fit's start a tenth of a second does not matter, and every frame would cost a minute a second of video."""
MOST_GAP_S = 0.5
"""Frames further apart have nothing taken from between them."""
_CHUNK = 64
"""Crops that wait in memory, 0.2 MB each."""


def checked_file(mode: str, found: Found, folder: Path | None = None) -> Path | None:
    """The checkpoint to use; None where HSMR is left out.

    Args:
        mode: One of `MODES`: "auto" uses the checkpoint where it is there, "on" insists.
        found: The set "hsmr" of `model_files.look`.
        folder: The folder that was looked through.

    Raises:
        RequestError: Insisted on, and not there, or still packed.
    """
    if mode == "off":
        return None
    path = found.paths.get("hsmr_checkpoint")
    if path is None and mode == "on":
        packed = next((p.name for p in sorted(folder.glob("*.tar*")) if "hsmr" in p.name.lower()), None) if folder else None
        if packed is not None:
            raise RequestError(f"{packed} is a packed archive; unpack it where it is (tar -xf {packed}) and run again.")
        raise RequestError(found.sentence())
    return path


def examine(checkpoint: Path, device: str = "auto") -> None:
    """Look whether a checkpoint can be used at all: its keys and shapes, and the memory it will need.

    Raises:
        RequestError, InputError: One sentence; leaving HSMR out is always possible.
    """
    from ..networks.hsmr import network as net
    from ..networks.hsmr import run

    network, _ = net.load(checkpoint)
    run.plan(network, run.device_of(device))


def pose_priors(shot: Shot, people: People, checkpoint: Path, device: str = "auto", mode: str = "auto", flip: bool = False,
                report: Report = nothing) -> tuple[list[PosePrior], list[str]]:
    """Guess everybody's pose.

    Args:
        shot: One continuous piece of a video; read once, streamed.
        people: Tracks with boxes.
        checkpoint: `hsmr.ckpt`.
        device: auto, cpu or cuda.
        mode: "on" looks at every frame on any device, "auto" at every frame only on a GPU.
        flip: Also look at mirrored crops and take the middle.
        report: Told of crops done; raises `Stopped` when the user has cancelled.

    Returns:
        One prior a track, in their order, and sentences on what was done.

    Raises:
        RequestError, InputError: The checkpoint cannot be used, or the network does not fit into memory.
    """
    from ..networks.hsmr import network as net
    from ..networks.hsmr.run import Runner, device_of

    where = device_of(device)
    runner = Runner(net.load(checkpoint)[0], where)
    step = 1 if mode == "on" or where.type == "cuda" else _step(shot)
    wanted = [_frames(track, step) for track in people.tracks]
    total = sum(len(w) for w in wanted)
    q = [np.full((shot.n_frames, 46), np.nan) for _ in people.tracks]
    lost = 0
    betas: list[list[np.ndarray]] = [[] for _ in people.tracks]
    report(0, total)
    done = 0
    for who, frames, crops in _chunks(shot, people.tracks, wanted):
        before = done
        found = runner.predict(crops, flip, lambda n, before=before: report(before + n, total))
        done += len(crops)
        for i, frame, pose, beta, fine in zip(who, frames, found.q, found.betas, found.is_finite, strict=True):
            if fine:
                q[i][frame] = pose
                betas[i].append(beta)
            else:
                lost += 1
    priors = []
    for i, track in enumerate(people.tracks):
        looked = np.isfinite(q[i]).all(1)
        filled, ok = _between(q[i], shot.time_s, np.asarray(track.present, dtype=bool))
        shape = np.median(betas[i], axis=0) if betas[i] else np.zeros(10)
        priors.append(PosePrior(filled, shape, ok, looked & ok, "hsmr", where.type))
    each = "every frame" if step == 1 else f"every {step}th frame, because it runs on the processor (--hsmr on takes all)"
    what = "HSMR guessed the poses from " + each + (", with mirrored crops" if flip else "") + "."
    notes = [what]
    if lost:
        notes.append(f"HSMR gave no finite numbers for {lost} of {total} crops; there the start is the detector's.")
    return priors, notes


def _step(shot: Shot) -> int:
    if shot.n_frames < 2:
        return 1
    rate = 1.0 / max(float(np.median(np.diff(shot.time_s))), 1e-6)
    return max(int(rate / CPU_RATE), 1)


def _frames(track: Track, step: int) -> np.ndarray:
    """Frames to look at: every `step`th of those in which the person is, and the last of them."""
    seen = np.nonzero(np.asarray(track.present, dtype=bool) & np.isfinite(track.box_px).all(1))[0]
    if len(seen) == 0:
        return seen
    return np.unique(np.r_[seen[::step], seen[-1]])


def _chunks(shot: Shot, tracks: list[Track], wanted: list[np.ndarray]
            ) -> Iterator[tuple[list[int], list[int], np.ndarray]]:
    """Crops of all tracks, some frames at a time: whose, of which frame, and (N, 256, 256, 3) pixels."""
    from ..networks.hsmr.crops import cut, square

    by_frame: dict[int, list[int]] = {}
    for i, frames in enumerate(wanted):
        for frame in frames:
            by_frame.setdefault(int(frame), []).append(i)
    who: list[int] = []
    when: list[int] = []
    crops: list[np.ndarray] = []
    last = max(by_frame, default=-1)
    for frame, picture in video.frames(shot):
        for i in by_frame.get(frame, ()):
            who.append(i)
            when.append(frame)
            crops.append(cut(picture, square(tracks[i].box_px[frame])))
        if len(crops) >= _CHUNK or (frame == last and crops):
            yield who, when, np.stack(crops)
            who, when, crops = [], [], []
        if frame >= last:
            break


def _between(q: np.ndarray, time_s: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fill frames between two that were looked at.

    Args:
        q: (T, 46) rad, NaN where not looked at.
        time_s: (T,)
        present: (T,) bool; other frames stay empty.

    Returns:
        q (T, 46), zeros where there is nothing, and (T,) bool where there is something.
    """
    known = np.nonzero(np.isfinite(q).all(1))[0]
    out, ok = np.nan_to_num(q), np.isfinite(q).all(1)
    for a, b in zip(known[:-1], known[1:]):
        if b - a < 2 or time_s[b] - time_s[a] > MOST_GAP_S:
            continue
        inside = np.arange(a + 1, b)
        u = ((time_s[inside] - time_s[a]) / (time_s[b] - time_s[a]))[:, None]
        # Angles of one joint take the shorter way; the pelvis turns as a whole.
        change = (q[b] - q[a] + np.pi) % (2 * np.pi) - np.pi
        out[inside] = q[a] + u * change
        first, second = pelvis_in_camera(q[[a, b]])
        turns = rot.exp(u * rot.log(second @ first.T)) @ first
        out[inside, :3] = _pelvis_angles(turns)
        ok[inside] = True
    ok &= present
    out[~ok] = 0.0
    return out, ok


def _pelvis_angles(turns: np.ndarray) -> np.ndarray:
    """The inverse of `pelvis_in_camera`, (N, 3)."""
    from sinew_take import skeleton as sk

    from .axes import TO_MESH

    frame = sk.REST_FRAMES[0]
    return rot.euler_zxy((TO_MESH @ frame).T @ turns @ frame)
