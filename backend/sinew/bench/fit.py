"""Speed of the fit after detection, and of the free body's forward and backward pass.

The fit solves the sample clip's real detections, played to and fro until the take is long enough. Its time stands beside
one detector pass over as many frames, measured in the same run; processor time is given too, because machines are shared.
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from sinew_take import free_body
from sinew_take import masks as mask_arrays
from sinew_take import skeleton as sk

from .. import flow
from . import SAMPLE, detections, need
from .speed import detector_pass_s
from .tables import Row, row

FRAMES = (100, 300, 900)
PEOPLE = (2, 4)
BATCH = 300
REPEATS = 5


def longer(shot: flow.Shot, track: flow.Track, n: int) -> tuple[flow.Shot, flow.Track]:
    """The same shot and track played to and fro for n frames."""
    there = np.arange(shot.n_frames)
    cycle = np.r_[there, there[-2:0:-1]]
    which = np.resize(cycle, n)
    step = float(np.median(np.diff(shot.time_s)))
    masks = mask_arrays.gather(((track.masks, int(t)) for t in which), track.masks["size_px"])
    return (replace(shot, frame=np.arange(n, dtype=np.int32), time_s=np.arange(n) * step),
            flow.Track(track.id, track.present[which], track.keypoints_px[which], track.spread_px[which],
                       track.landmarks_m[which], track.box_px[which], masks))


def timed(shot: flow.Shot, tracks: list[flow.Track]) -> tuple[float, float, int]:
    """Seconds, processor seconds and iterations of the whole motion stage."""
    from ..camera import solve_camera
    from ..motion import solve_motion

    body, people = free_body.load(), flow.People(tracks)
    camera, starts = solve_camera(shot, people, body, flow.CameraOptions(), look=False)
    count = [0]

    def report(done: int, total: int) -> None:
        count[0] = done if done < total else count[0]

    start, processor = time.perf_counter(), time.process_time()
    solve_motion(shot, people, camera, body, report, starts)
    return time.perf_counter() - start, time.process_time() - processor, count[0]


def fit_rows(say: Callable[[str], None]) -> list[Row]:
    """Milliseconds a frame over the length of the take and the number of people."""
    clip = need(SAMPLE, "The sample clip")
    found = detections.detect(clip)
    spent, count = detector_pass_s(clip)
    pass_ms = 1e3 * spent / count
    track, rows = found.people.tracks[0], []
    for n, people in (*((n, 1) for n in FRAMES), *((BATCH, p) for p in PEOPLE)):
        shot, long = longer(found.shot, track, n)
        tracks = [replace(long, id=f"person_{i + 1}") for i in range(people)]
        say(f"  {n} frames, {people} …")
        wall, processor, iterations = timed(shot, tracks)
        who = f"{n} frames, {people} {'person' if people == 1 else 'people'}"
        rows.append(row(f"fit: {who}, per frame and person", 1e3 * wall / n / people, "ms", pass_ms,
                        "15 ms" if (n, people) == (300, 1) else "", "one detector pass"))
        rows.append(row(f"fit: {who}, processor time", 1e3 * processor / n / people, "ms"))
        rows.append(row(f"fit: {who}, iterations a person", iterations / people, ""))
    return rows


def _fastest(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def smplx_layer(folder: Path):
    """`smplx`'s SMPL-X layer with random weights of the model's real sizes."""
    import smplx

    rng = np.random.default_rng(1)
    n, joints = 10475, 55
    weights = rng.random((n, joints)) ** 20
    parents = np.array([-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15,
                        *(p for wrist in (20, 21) for finger in range(5) for p in
                          (wrist, 25 + 15 * (wrist - 20) + 3 * finger, 26 + 15 * (wrist - 20) + 3 * finger))])
    regressor = rng.random((joints, n)) ** 40
    np.savez(folder / "SMPLX_NEUTRAL.npz", v_template=rng.normal(size=(n, 3)) * .3, f=rng.integers(0, n, (20908, 3)),
             shapedirs=rng.normal(size=(n, 3, 400)) * 1e-3, posedirs=rng.normal(size=(n, 3, 486)) * 1e-4,
             J_regressor=regressor / regressor.sum(1, keepdims=True), kintree_table=np.stack([parents, np.arange(joints)]),
             weights=weights / weights.sum(1, keepdims=True), hands_componentsl=np.eye(45), hands_componentsr=np.eye(45),
             hands_meanl=np.zeros(45), hands_meanr=np.zeros(45), lmk_faces_idx=rng.integers(0, 20908, 51),
             lmk_bary_coords=np.full((51, 3), 1 / 3), dynamic_lmk_faces_idx=rng.integers(0, 20908, (79, 17)),
             dynamic_lmk_bary_coords=np.full((79, 17, 3), 1 / 3))
    return smplx.SMPLX(str(folder / "SMPLX_NEUTRAL.npz"), use_pca=False, flat_hand_mean=True, batch_size=BATCH,
                       num_betas=10, num_expression_coeffs=10)


def body_rows(say: Callable[[str], None]) -> list[Row]:
    """Forward and backward of the free body, per vertex, against the published layer on random weights."""
    import torch

    from ..body.torch_body import TorchBody

    body = free_body.load()
    ours, rng = TorchBody(body), np.random.default_rng(0)
    q, root, shape = (torch.tensor(x, dtype=torch.float32, requires_grad=True) for x in (
        rng.uniform(np.maximum(sk.LOW, -1), np.minimum(sk.HIGH, 1), (BATCH, 46)), rng.normal(size=(BATCH, 3)),
        rng.normal(size=body.n_shape)))

    def once() -> None:
        vertices, _ = ours(q, root, shape)
        vertices.square().mean().backward()

    mine = _fastest(once)
    per_vertex = 1e9 * mine / BATCH / len(body.template_m)
    name = f"free body, {BATCH} poses forward and backward"
    if importlib.util.find_spec("smplx") is None:
        say("  smplx is not installed: the free body is timed without it")
        return [row(f"{name}, per vertex and pose", per_vertex, "ns", target="below smplx (skipped: not installed)")]
    with tempfile.TemporaryDirectory() as folder:
        layer = smplx_layer(Path(folder))
    sizes = {"betas": 10, "expression": 10, "global_orient": 3, "body_pose": 63, "left_hand_pose": 45,
             "right_hand_pose": 45, "jaw_pose": 3, "leye_pose": 3, "reye_pose": 3, "transl": 3}
    given = {k: torch.tensor(rng.normal(size=(BATCH, s)) * .2, dtype=torch.float32, requires_grad=True)
             for k, s in sizes.items()}

    def theirs() -> None:
        layer(**given).vertices.square().mean().backward()

    other = _fastest(theirs)
    return [row(f"{name}, per vertex and pose", per_vertex, "ns", 1e9 * other / BATCH / 10475, "ratio below 1",
                "smplx SMPL-X, random weights"),
            row(f"{name}, whole batch", 1e3 * mine, "ms", 1e3 * other, "", "smplx SMPL-X, random weights")]


def run(say: Callable[[str], None]) -> list[Row]:
    """The fit, the body, and one picture's fit against the published optimiser where its problems are here."""
    from . import Unavailable, skelify

    rows = fit_rows(say) + body_rows(say)
    try:
        rows += skelify.rows(say)
    except Unavailable as error:
        say(f"  without the published optimiser: {error}")
    return rows
