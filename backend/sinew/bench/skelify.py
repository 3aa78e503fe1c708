"""Our solver of one picture against SKELify's published optimiser, on the two problems of the parity fixture.

Rows for `sinew bench fit`. Both run here, in the same run, so the time is a ratio; the fixture's own numbers, reached by
the public code, stand beside.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from sinew.body.skel import one_picture
from sinew.body.skel.keypoints import keypoint_matrix
from sinew.body.skel.reduced import ReducedSkel

from . import parity
from . import skelify_published as published
from .tables import Row, row


def model_of(data: dict[str, np.ndarray]) -> ReducedSkel:
    """The fixture's body, reduced to the 44 keypoints."""
    regress = keypoint_matrix(parity.matrix(data, "J_regressor_SKEL_mix_MALE"), parity.matrix(data, "SMPL_to_J19"))
    return ReducedSkel(parity.skel_file(), regress)


def judge(data: dict[str, np.ndarray], n: int, q: np.ndarray, betas: np.ndarray, cam_t: np.ndarray) -> tuple[float, float]:
    """A result of problem n by the fixture's own measures, with the full forward model: kp2d_err and the mean 3D error of
    the 44 keypoints against the truth with the pelvis in the same place, mm."""
    one = {**data, "in_fit_kp2d": data["in_fit_kp2d"][n:n + 1]}
    objective = parity.objective_of(one, torch.float64)

    def points(q, betas):
        return objective.keypoints_m(*(torch.as_tensor(np.asarray(v, float)[None]) for v in (q, betas)))

    got = points(q, betas)
    projected = objective.project(got, torch.as_tensor(cam_t[None]))
    error = float(published.error_2d(projected.numpy(), one["in_fit_kp2d"].astype(float))[0])
    got, true = got[0].numpy(), points(data["in_fit_true_poses"][n], data["in_fit_true_betas"][n])[0].numpy()
    return error, 1e3 * float(np.linalg.norm((got - got[39]) - (true - true[39]), axis=1).mean())


def ours(model: ReducedSkel, data: dict[str, np.ndarray], n: int) -> tuple[one_picture.Outcome, tuple, float]:
    """Our solver on problem n from the fixture's start: outcome, (q, betas, cam_t), seconds."""
    begin = time.perf_counter()
    start = one_picture.state_of(model, *(data[f"in_fit_init_{k}"][n].astype(float) for k in ("poses", "betas", "cam_t")))
    outcome = one_picture.fit(model, one_picture.Picture(data["in_fit_kp2d"][n], published.FOCAL), start)
    return outcome, one_picture.coordinates(model, outcome.state), time.perf_counter() - begin


def theirs(data: dict[str, np.ndarray], n: int) -> published.Fitted:
    """The published optimiser on problem n, in float32 as published."""
    one = {**data, "in_fit_kp2d": data["in_fit_kp2d"][n:n + 1]}
    objective = parity.objective_of(one, torch.float32, published_gradient=True)
    start = (torch.as_tensor(data[f"in_fit_init_{k}"][n:n + 1]) for k in ("poses", "betas", "cam_t"))
    return published.fit(objective, *start)


def rows(say: Callable[[str], None] = lambda text: None) -> list[Row]:
    """Both problems: error in the picture, error in 3D, evaluations and seconds, beside the published optimiser's.

    Raises:
        Unavailable: The fixture is not here.
    """
    data = parity.fixture("hsmr.npz")
    model = model_of(data)
    ours(model, data, 0)  # so that nothing is timed for the first time
    out = []
    for n in range(2):
        say(f"  SKELify problem {n} …")
        outcome, result, seconds = ours(model, data, n)
        error, off = judge(data, n, *result)
        other = theirs(data, n)
        other_error, other_off = judge(data, n, other.q, other.betas, other.cam_t)
        name = f"SKELify problem {n}"
        evaluations = int(data["out_fit_evals"][n].sum())
        public_error = float(data["out_fit_kp2d_err"][n])
        out += [row(f"{name}: error in the picture", error, "crop²", public_error, f"at most {public_error:.3g}",
                    "public code, recorded"),
                row(f"{name}: the same, our copy of the published optimiser", other_error, "crop²", public_error, "",
                    "public code, recorded"),
                row(f"{name}: error in 3D", off, "mm", other_off, "", "published optimiser, this run"),
                row(f"{name}: evaluations", outcome.evaluations, "", evaluations, "", "public code, recorded"),
                row(f"{name}: time", seconds, "s", other.seconds, "", "published optimiser, this run"),
                row(f"{name}: time against the public code's", seconds, "s", float(data["out_fit_time_s"][n]), "",
                    "public code, recorded on another machine")]
    return out
