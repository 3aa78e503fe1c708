"""SKELify's objective and optimiser as published (HSMR, Xia et al. 2025), for comparison with our own.

Written from the published facts: five phases of L-BFGS over camera, pose and shape, reprojection divided by the torso's
length in the picture, a Gaussian prior of the shape and an exponential one of the angles. Coordinates are crop units:
the crop spans -0.5 to 0.5, and the focal length is 5000/256 of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sinew.body.skel.forward import Skel
from sinew.body.skel.keypoints import TORSO

FOCAL = 5000 / 256
PHASES = ("camera-init", "overall-1", "overall-2", "overall-3", "overall-4")
TERMS = ("depth", "reprojection", "shape_prior", "angle_prior", "weighted_sum")
CAMERA_KEYPOINTS = (1, 2, 5, 8, 9, 12, 27, 28, 33, 34, 39, 40, 41)
NEVER_USED = (37, 38)
REPROJECTION = (1.78, 1.0, 1.0, 1.0, 1.0)
DEPTH = 100.0
SHAPE = (None, 100.0, 50.0, 10.0, 5.0)
ANGLE = (None, 404.0, 404.0, 57.4, 4.78)
ANGLE_SCALE = 1.7
ROBUST = 100.0
MOST_STEPS, MOST_ITERATIONS = 30, 20


@dataclass(frozen=True)
class Limits:
    """The published limits: which coordinates, and between what, rad."""

    index: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Objective:
    """The published loss for B pictures.

    Args:
        model: SKEL restricted to the vertices of the columns of `regress`.
        regress: (44, V) keypoints of those vertices.
        keypoints: (B, 44, 3) x, y in crop units, confidence.
        limits: The published limits.
    """

    def __init__(self, model: Skel, regress: Tensor, keypoints: Tensor, limits: Limits):
        self.model, self.regress, self.target, self.limits = model, regress, keypoints, limits
        self.size_2d = _torso(keypoints[..., :2])
        self._low = torch.as_tensor(limits.low, dtype=model.dtype)
        self._high = torch.as_tensor(limits.high, dtype=model.dtype)
        self._masks = []
        for phase in range(len(PHASES)):
            mask = torch.zeros(keypoints.shape[1], dtype=model.dtype)
            mask[list(CAMERA_KEYPOINTS)] = 1
            if phase:
                mask[:] = 1
                mask[list(NEVER_USED)] = 0
            self._masks.append(mask)

    def keypoints_m(self, q: Tensor, betas: Tensor) -> Tensor:
        """(B, 44, 3) in the body's place, m."""
        return self.regress @ self.model.skin(self.model.pose(q, self.model.rest(betas)))

    def project(self, points_m: Tensor, cam_t: Tensor) -> Tensor:
        """(B, K, 2) crop units."""
        seen = points_m + cam_t[:, None]
        return FOCAL * seen[..., :2] / seen[..., 2:]

    def depth_guess(self, points_m: Tensor) -> Tensor:
        """(B,) distance at which the torso has its length in the picture."""
        return FOCAL * _torso(points_m) / self.size_2d

    def terms(self, phase: int, q: Tensor, betas: Tensor, cam_t: Tensor, depth_guess: Tensor | None = None
              ) -> dict[str, Tensor]:
        """Weighted terms of a phase, each (B,), and their sum."""
        points = self.keypoints_m(q, betas)
        out = {}
        size = self.size_2d[:, None, None] + 1e-6
        d2 = ((self.project(points, cam_t) - self.target[..., :2]) / size) ** 2
        loss = (ROBUST**2 * d2 / (ROBUST**2 + d2)).sum(-1) * self.target[..., 2] ** 2 * self._masks[phase]
        out["reprojection"] = REPROJECTION[phase] ** 2 * loss.sum(-1)
        if phase == 0:
            guess = self.depth_guess(points).detach() if depth_guess is None else depth_guess
            out["depth"] = DEPTH**2 * (guess - cam_t[:, 2]) ** 2
        else:
            limited = q[:, self.limits.index]
            out["shape_prior"] = SHAPE[phase] ** 2 * (betas**2).sum(-1)
            out["angle_prior"] = (ANGLE_SCALE * ANGLE[phase]) ** 2 * (
                torch.exp(self._low - limited) ** 2 + torch.exp(limited - self._high) ** 2).mean(-1)
        out["weighted_sum"] = sum(out.values())
        return out


def _torso(points: Tensor) -> Tensor:
    return sum((points[:, a] - points[:, b]).norm(dim=-1) for a, b in TORSO) / len(TORSO)


def error_2d(projected: np.ndarray, target: np.ndarray) -> np.ndarray:
    """kp2d_err of the fixture: mean squared distance weighted by confidence, squared crop units. (B, 44, ·) -> (B,)."""
    confidence = target[..., 2]
    d2 = ((projected - target[..., :2]) ** 2).sum(-1)
    return (confidence * d2).sum(-1) / (confidence.sum(-1) + 1e-6)


@dataclass(frozen=True)
class Fitted:
    q: np.ndarray
    betas: np.ndarray
    cam_t: np.ndarray
    evaluations: int
    seconds: float


def fit(objective: Objective, q: Tensor, betas: Tensor, cam_t: Tensor) -> Fitted:
    """The published optimiser on one picture: L-BFGS with strong Wolfe line search, rate 1, phase after phase.

    A phase ends after `MOST_STEPS` steps of `MOST_ITERATIONS` iterations, or when the loss no longer changes by more than
    1e-9 of itself. May end in NaN, as the published one does.
    """
    start = time.perf_counter()
    count = 0
    for phase in range(len(PHASES)):
        q, betas, cam_t, n = run_phase(objective, phase, q, betas, cam_t)
        count += n
    return Fitted(*(v.double().numpy()[0] for v in (q, betas, cam_t)), count, time.perf_counter() - start)


def run_phase(objective: Objective, phase: int, q: Tensor, betas: Tensor, cam_t: Tensor
              ) -> tuple[Tensor, Tensor, Tensor, int]:
    """One phase of `fit`: pose, shape and camera afterwards, and how often the objective was evaluated."""
    q, betas, cam_t = (v.detach().clone().requires_grad_() for v in (q, betas, cam_t))
    orientation = q.detach()[:, :3].clone().requires_grad_()
    moving = [orientation, cam_t] if phase == 0 else [q, betas, cam_t]
    optimiser = torch.optim.LBFGS(moving, lr=1.0, max_iter=MOST_ITERATIONS, line_search_fn="strong_wolfe")
    count = 0

    def pose() -> Tensor:
        return torch.cat([orientation, q.detach()[:, 3:]], 1) if phase == 0 else q

    def closure() -> Tensor:
        nonlocal count
        count += 1
        optimiser.zero_grad()
        loss = objective.terms(phase, pose(), betas, cam_t)["weighted_sum"].sum()
        loss.backward()
        return loss

    before = None
    for _ in range(MOST_STEPS):
        loss = float(optimiser.step(closure).detach())
        if not np.isfinite(loss) or (before is not None and abs(before - loss) <= 1e-9 * abs(before)):
            break
        before = loss
    return pose().detach(), betas.detach(), cam_t.detach(), count
