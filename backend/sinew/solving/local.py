"""The fit of a few frames of one person: the motion stage's own cost with pins, held to what stands around it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..flow import Report, nothing
from ..geometry import rotations as rot
from ..motion import contact, fit, liveliness
from ..motion.flight import flight_of
from ..motion.subject import parts_seen, resting
from ..motion.support import support_of
from .evidence import PIN_SIGMA, REACH_S, Evidence
from .rebuild import Person

ROUNDS = (30, 1e-4)
"""Most iterations, and the share of the cost that an iteration must still gain."""
HELD = 2
"""Frames on each side of a window that stay exactly as they are: accelerations look so far."""
ANCHOR = 0.01
"""Spread in rad and m by which the outermost frames of a window are held to what they were."""
NEAR = 0.05
"""rad and m."""
_FLOORLESS_M = 1e6
_ON_LIMIT = 1e-5


def _near(offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets, bent so that none counts more than `NEAR`, and their derivative: what the take's own cost says at the
    anchor means nothing far from it."""
    square = 1 + (offset / NEAR) ** 2
    return offset / np.sqrt(square), square**-1.5


class Corrected(fit.Problem):
    """The motion stage's problem, with pins and an anchor.

    Args:
        pins: (row, keypoint, place (2,) px) in the rows of this problem.
        pin_sigma_px: Their spread. They are quadratic: a pin is never an outlier.
        anchor: State that frames are held to.
        hold: (T,) inverse spread of each frame's unknowns about the anchor; 0 for free.
        drift: (T, 49) gradient that the anchor has without any edit, taken off: without it a take solved by more than
            this cost, or not to the end, would move where nobody corrected anything.
        **problem: As `fit.Problem`; the shape is not solved.
    """

    def __init__(self, pins: list[tuple[int, int, np.ndarray]], pin_sigma_px: float, anchor: fit.State,
                 hold: np.ndarray, drift: np.ndarray, **problem) -> None:
        super().__init__(**problem, solve_shape=False)
        self.rows = np.array([t for t, _, _ in pins], dtype=int)
        self.keys = np.array([k for _, k, _ in pins], dtype=int)
        self.places = np.array([place for _, _, place in pins], dtype=float).reshape(-1, 2)
        self.pin_sigma_px, self.anchor, self.hold = pin_sigma_px, anchor, hold
        self.drift = drift
        self.pin_view = self.view.take(self.rows)

    def _pinned(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Camera axes (P, 3), depth (P,) and residual (P, 2) in spreads of points (P, 3) in the world."""
        view = self.pin_view
        camera = (view.R_cw @ x[..., None])[..., 0] + view.t_cw
        depth = np.maximum(camera[:, 2], 0.2)
        px = camera[:, :2] / depth[:, None] * view.K[:, [0, 1], [0, 1]] + view.K[:, [0, 1], [2, 2]]
        return camera, depth, (px - self.places) / self.pin_sigma_px

    def _pose(self, s: fit.State) -> fit.Pose:
        part = s.take(self.rows)
        return fit.pose(self.model.skeleton, part.shape, part.pelvis, part.q, part.root_m)

    def _offset(self, s: fit.State) -> np.ndarray:
        """(T, 49) from the anchor."""
        out = np.concatenate([s.q - self.anchor.q, s.root_m - self.anchor.root_m], 1)
        out[:, :3] = rot.log(s.pelvis @ np.swapaxes(self.anchor.pelvis, 1, 2))
        return out

    def cost(self, s: fit.State) -> tuple[float, dict[str, float], np.ndarray]:
        total, terms, residual = super().cost(s)
        offset = self._offset(s)
        near, _ = _near(offset)
        terms["anchor"] = float(((self.hold[:, None] * offset) ** 2).sum() - 2 * (self.drift * near).sum())
        total += terms["anchor"]
        if len(self.rows):
            x = self.model.keypoints.positions(self._pose(s), s.shape)[np.arange(len(self.rows)), self.keys]
            terms["pin"] = float((self._pinned(x)[2] ** 2).sum())
            total += terms["pin"]
        return total, terms, residual

    def normal(self, s: fit.State) -> fit.Normal:
        out = super().normal(s)
        i = np.arange(out.gradient.shape[1])
        out.diagonal[:, i, i] += self.hold[:, None] ** 2
        offset = self._offset(s)
        drift = self.drift * _near(offset)[1]
        turn = np.swapaxes(rot.left_jacobian_inverse(offset[:, :3]), 1, 2)
        drift[:, :3] = (turn @ drift[:, :3, None])[..., 0]
        out.gradient += self.hold[:, None] ** 2 * offset - drift
        if len(self.rows):
            x, jac = self.model.keypoints.jacobian(self._pose(s), s.shape)
            pick = np.arange(len(self.rows)), self.keys
            camera, depth, r = self._pinned(x[pick])
            R, K = self.pin_view.R_cw, self.pin_view.K
            rows = (R[:, :2] - (camera[:, :2] / depth[:, None])[..., None] * R[:, 2:]) / depth[:, None, None]
            rows = rows * K[:, [0, 1], [0, 1]][..., None] / self.pin_sigma_px
            j = rows @ jac[pick]
            np.add.at(out.diagonal, self.rows, np.swapaxes(j, 1, 2) @ j)
            np.add.at(out.gradient, self.rows, (np.swapaxes(j, 1, 2) @ r[..., None])[..., 0])
        return out


@dataclass(frozen=True)
class Window:
    """Rows of a person that are solved together."""

    rows: np.ndarray
    """(W,) consecutive, inside one run."""
    frozen: np.ndarray
    """(W,) bool: stand beside the others and stay as they are."""


def windows(person: Person, core: np.ndarray) -> list[Window]:
    """What is within reach of the core, with the frames held beside it."""
    time, run = person.seen.time_s, np.cumsum(~person.joined)
    found: list[Window] = []
    for number in np.unique(run[core]):
        rows = np.flatnonzero(run == number)
        at = time[rows[core[rows]]]
        near = rows[np.abs(time[rows][:, None] - at[None]).min(1) <= REACH_S]
        for piece in np.split(near, np.flatnonzero(np.diff(near) > 1 + 2 * HELD) + 1):
            which = np.arange(max(piece[0] - HELD, rows[0]), min(piece[-1] + HELD, rows[-1]) + 1)
            found.append(Window(which, (which < piece[0]) | (which > piece[-1])))
    return found


def solve_window(person: Person, evidence: Evidence, window: Window, weights: fit.Weights, size_px: tuple[int, int],
                 report: Report = nothing) -> fit.State:
    """Solve one window; returns the state of its rows, the frozen ones as they were.

    Args:
        person: One person.
        evidence: With the edits.
        window: Of `windows`.
        weights: Of the motion stage's last fit.
        size_px: Of the picture.
        report: Called after each iteration; may raise Stopped.
    """
    which, frozen = window.rows, window.frozen
    time = person.seen.time_s[which]
    at = time[evidence.core[which]]
    hold = np.clip(np.abs(time[:, None] - at[None]).min(1) / REACH_S, 0, 1) ** 2 / ANCHOR

    anchor = person.state.take(which)
    p = fit.pose(person.model.skeleton, anchor.shape, anchor.pelvis, anchor.q, anchor.root_m)
    heights = person.model.soles.positions(p, anchor.shape)[..., 2]
    eye = -np.einsum("tji,tj->ti", person.view.R_cw[which], person.view.t_cw[which])
    continued = person.joined[which] & (np.arange(len(which)) > 0)
    parts = resting(person.model, anchor, time, continued, eye, parts_seen(person.track, person.frames[which]))

    def problem_of(seen: fit.Observations, chance: np.ndarray, state: fit.State) -> dict:
        joined = seen.joined[which].copy()
        joined[0] = False
        part = replace(seen.take(which), joined=joined)
        flight = flight_of(person.model, anchor, time, continued, contact.with_parts(chance[which], parts))
        ground = fit.Ground(chance[which], on_floor=heights < contact.RAISED_M, parts=parts if person.on_floor else None,
                            support=support_of(person.model, state, time, continued).in_air(flight.sure), flight=flight)
        if not person.on_floor:
            ground = replace(ground, height_sigma_m=_FLOORLESS_M, sink_sigma_m=_FLOORLESS_M)
        return {"model": person.model, "seen": part, "view": person.view.take(which), "weights": weights,
                "ground": ground, "frozen": frozen}

    solved = problem_of(person.seen, person.contact, anchor)
    # As lively as the take is around it.
    lively = liveliness.factors(person.model, solved["seen"], solved["view"], weights, anchor)
    drift = fit.Problem(**solved, solve_shape=False, lively=lively).normal(anchor).gradient
    # A coordinate on its limit is pushed against it and shall stay so; where the pose begins elsewhere, drift means
    # nothing.
    drift[:, 3:46][_on_limit(anchor.q, drift)] = 0.0
    drift[(np.abs(which[:, None] - np.flatnonzero(evidence.moved)) <= HELD).any(1)] = 0.0
    row = {t: i for i, t in enumerate(which)}
    pins = [(row[t], k, place) for t, k, place in evidence.pins if t in row]
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        report(done, ROUNDS[0])

    start = evidence.start.take(which)
    problem = Corrected(pins, PIN_SIGMA * size_px[1], anchor, hold, drift,
                        **problem_of(evidence.seen, evidence.contact, start), lively=lively)
    return fit.minimise(problem, start, *ROUNDS, tick).state


def _on_limit(q: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    q, g = q[:, 3:], gradient[:, 3:46]
    return ((q <= fit.LOW + _ON_LIMIT) & (g > 0)) | ((q >= fit.HIGH - _ON_LIMIT) & (g < 0))
