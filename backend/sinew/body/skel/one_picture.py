"""Pose and shape of SKEL from the keypoints of one picture: Levenberg-Marquardt on the exact model.

What SKELify (HSMR, Xia et al. 2025) does by phases of L-BFGS, as one nonlinear least-squares problem: the Jacobian is
exact, limits are held as an active set instead of by a penalty that pulls inside the range, and several headings are
tried, because a picture from the front and one from behind look much alike. A step that does not lower the cost is never
taken, so the result is finite wherever the start is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sinew.geometry import rotations as rot
from sinew.motion.model import REST_Q, REST_SIGMA
from sinew_take import laws
from sinew_take import skeleton as sk

from .forward import TO_REST
from .reduced import ANGLES, N_COLUMNS, ROOT, SHAPE, TURN, ReducedSkel, State

MOST_ROUNDS = 40
TRIAL_ROUNDS = 6
HEADINGS_RAD = (0.0, np.pi, np.pi / 2, -np.pi / 2)
SIGMA = 0.003
"""Spread of a keypoint in crop units: 0.8 px of 256."""
GOOD = 2.0
"""A start is good, and no other is tried, where keypoints are off by less than so many spreads."""


@dataclass(frozen=True)
class Picture:
    """What is seen: keypoints in any units, with the camera that made them."""

    keypoints: np.ndarray
    """(K, 3) x, y, confidence; confidence 0 where nothing was seen."""
    focal: float
    """In the same units; the principal point is 0."""
    sigma: float = SIGMA


@dataclass(frozen=True)
class Outcome:
    state: State
    """In the camera's axes."""
    cost: float
    evaluations: int
    """Of the model with its Jacobian, over all starts."""
    error: float
    """Root mean square distance of the keypoints, weighted by confidence, in spreads."""


def state_of(model: ReducedSkel, q: np.ndarray, betas: np.ndarray, cam_t: np.ndarray) -> State:
    """A pose in SKEL's own words (body axes x left, y up, z forward mapped onto the camera's by the pelvis' angles)."""
    rest = model.rest_joints(betas)
    frames, _ = model.frames(rest, derivative=False)
    turn = frames[0] @ laws.rotations(np.asarray(q, float))[0] @ frames[0].T
    pelvis = TO_REST.T @ turn  # rest axes -> SKEL's axes, which the camera's coordinates are written in
    root = TO_REST.T @ rest[0] + cam_t
    return State(pelvis, np.asarray(q, float).copy(), root, np.asarray(betas, float).copy())


def coordinates(model: ReducedSkel, state: State) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """q (46,) with the pelvis' angles, betas (10,) and cam_t (3,): the reverse of `state_of`."""
    rest = model.rest_joints(state.betas)
    frames, _ = model.frames(rest, derivative=False)
    turn = frames[0].T @ (TO_REST @ state.pelvis) @ frames[0]
    q = state.q.copy()
    q[:3] = rot.euler_zxy(turn[None], state.q[:3])[0]
    return q, state.betas.copy(), state.root_m - TO_REST.T @ rest[0]


def fit(model: ReducedSkel, picture: Picture, start: State) -> Outcome:
    """Fit one picture.

    Args:
        model: Keypoints of the model, in the picture's order.
        picture: What is seen.
        start: Where to begin; other headings are tried from there if that ends badly.

    Returns:
        The best outcome; always finite where start and picture are.
    """
    target = np.asarray(picture.keypoints, float)
    seen = np.isfinite(target).all(1) & (np.nan_to_num(target[:, 2]) > 0)
    picture = Picture(np.where(seen[:, None], target, 0.0), picture.focal, picture.sigma)
    count, best = 0, None
    for heading in HEADINGS_RAD:
        about = start.pelvis[:, 2] * heading  # the body's own upward axis
        begun = State(rot.exp(about[None])[0] @ start.pelvis, start.q, start.root_m, start.betas)
        begun = _placed(model, picture, begun)
        count += 1
        if begun is None:
            continue
        body = np.zeros(N_COLUMNS, bool)
        body[TURN] = body[ROOT] = True
        begun, _, n, _ = _minimise(model, picture, begun, TRIAL_ROUNDS, body)
        whole, cost, m, error = _minimise(model, picture, begun, MOST_ROUNDS, np.ones(N_COLUMNS, bool))
        count += n + m
        if best is None or cost < best[1]:
            best = (whole, cost, error)
        if error < GOOD:
            break
    if best is None:
        best = (start, np.inf, np.inf)
    return Outcome(best[0], best[1], count, best[2])


def _placed(model: ReducedSkel, picture: Picture, state: State) -> State | None:
    """The state moved to where its keypoints best meet the picture's lines of sight; None where too little is seen."""
    weight = picture.keypoints[:, 2]
    if (weight > 0).sum() < 3:
        return None
    x = model.keypoints(state) - state.root_m
    rows, right = [], []
    for axis in (0, 1):
        # f (X + t_x) = u (Z + t_z), linear in t.
        row = np.zeros((len(x), 3))
        row[:, axis] = picture.focal
        row[:, 2] = -picture.keypoints[:, axis]
        rows.append(row * weight[:, None])
        right.append((picture.keypoints[:, axis] * x[:, 2] - picture.focal * x[:, axis]) * weight)
    t = np.linalg.lstsq(np.concatenate(rows), np.concatenate(right), rcond=None)[0]
    nearest = 0.3 - x[:, 2].min()  # everything stays 0.3 m before the camera
    if t[2] < nearest:
        t = np.array([0.0, 0.0, max(nearest, 1.0)])
    return State(state.pelvis, state.q, t, state.betas)


_LOW, _HIGH = np.full(N_COLUMNS, -np.inf), np.full(N_COLUMNS, np.inf)
_LOW[ANGLES], _HIGH[ANGLES] = sk.LOW[3:], sk.HIGH[3:]
_PRIOR = np.zeros(N_COLUMNS)
_PRIOR[ANGLES], _PRIOR[SHAPE] = 1 / REST_SIGMA[3:], 1.0


def _vector(state: State) -> np.ndarray:
    out = np.zeros(N_COLUMNS)
    out[ANGLES], out[SHAPE] = state.q[3:], state.betas
    return out


_RESTING = np.zeros(N_COLUMNS)
_RESTING[ANGLES] = REST_Q[3:]


def _minimise(model: ReducedSkel, picture: Picture, state: State, rounds: int, moving: np.ndarray
              ) -> tuple[State, float, int, float]:
    """Damped Gauss-Newton over the `moving` columns, inside the limits."""
    q = state.q.copy()
    q[3:] = np.clip(q[3:], sk.LOW[3:], sk.HIGH[3:])
    state = State(state.pelvis, q, state.root_m, state.betas)
    equations = _equations(model, picture, state)
    count, damping = 1, 1e-3
    for _ in range(rounds):
        residual, jacobian, cost = equations
        now = _vector(state)
        gradient = jacobian.T @ residual + _PRIOR**2 * (now - _RESTING)
        held = ((now <= _LOW + 1e-12) & (gradient > 0)) | ((now >= _HIGH - 1e-12) & (gradient < 0)) | ~moving
        free = np.nonzero(~held)[0]
        normal = jacobian[:, free].T @ jacobian[:, free] + np.diag(_PRIOR[free] ** 2)
        diagonal = np.diag(normal)
        step = np.zeros(N_COLUMNS)
        step[free] = -np.linalg.solve(normal + np.diag(damping * diagonal + 1e-9), gradient[free])
        step[TURN] = np.clip(step[TURN], -1, 1)
        step[ANGLES] = np.clip(step[ANGLES], -1, 1)
        step[SHAPE] = np.clip(step[SHAPE], -1, 1)
        step = np.clip(now + step, _LOW, _HIGH) - now
        tried = state.moved(step)
        new = _equations(model, picture, tried)
        count += 1
        if new is not None and new[2] < cost:
            gain = (cost - new[2]) / max(cost, 1e-12)
            state, equations, damping = tried, new, max(damping / 5, 1e-9)
            if gain < 1e-5:
                break
        else:
            damping *= 10
            if damping > 1e6:
                break
    residual, _, cost = equations
    weight = picture.keypoints[:, 2].sum()
    return state, cost, count, float(np.sqrt((residual**2).sum() / max(weight, 1e-9)))


def _equations(model: ReducedSkel, picture: Picture, state: State) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Weighted residuals (2K,), their Jacobian (2K, 59) and the cost with priors; None where the body is not before the
    camera."""
    x, jacobian = model.jacobian(state)
    z = x[:, 2]
    if not np.isfinite(x).all() or z.min() < 0.1:
        return None
    weight = np.sqrt(picture.keypoints[:, 2]) / picture.sigma
    uv = picture.focal * x[:, :2] / z[:, None]
    residual = (uv - picture.keypoints[:, :2]) * weight[:, None]
    by = (picture.focal * jacobian[:, :2] - uv[:, :, None] * jacobian[:, 2:]) / z[:, None, None] * weight[:, None, None]
    off = _PRIOR * (_vector(state) - _RESTING)
    cost = float((residual**2).sum() + (off**2).sum())
    return residual.reshape(-1), by.reshape(-1, N_COLUMNS), cost
