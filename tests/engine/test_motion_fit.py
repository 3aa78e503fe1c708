"""The fit's cost, gradient and equations, against differences and dense algebra."""

from dataclasses import replace

import numpy as np
import pytest
from walks import Filmed

from sinew.geometry import rotations as rot
from sinew.motion import fit
from sinew.motion.flight import Flight
from sinew.motion.gait import Gait
from sinew.motion.model import PARTS
from sinew.motion.start import first_state, observations
from sinew_take import free_body

STEP = 1e-6


@pytest.fixture(scope="module", params=[None, 3.0], ids=["square", "robust"])
def setting(request):
    """A small problem with every term at work: a gap in time, a frame nobody saw, contacts, soles under the floor."""
    time_s = np.array([0, .03, .07, .1, .3, .33, .36, .4])
    film = Filmed(free_body.load(), time_s=time_s, noise_px=4)
    n = len(time_s)
    view = fit.View(np.tile(film.K, (n, 1, 1)), np.tile(film.R_cw, (n, 1, 1)), np.tile([0.0, .9, 5.0], (n, 1)))
    joined = np.array([False, True, True, True, False, True, True, True])
    frames = np.arange(n)
    distortion = np.zeros((n, 5))
    rng = np.random.default_rng(3)
    state = first_state(film.track, frames, film.shot.time_s[frames], view, film.model, film.shape, distortion)
    q = np.clip(state.q + rng.normal(0, .1, state.q.shape), -1.4, 1.4)
    q[:, 3:] = np.clip(q[:, 3:], fit.LOW + .01, fit.HIGH - .01)
    state = replace(state, q=q, shape=rng.normal(0, .5, film.model.n_shape),
                    pelvis=rot.exp(rng.normal(0, .2, (n, 3))) @ state.pelvis,
                    root_m=state.root_m + rng.normal(0, .05, (n, 3)) - [0, 0, .05])
    seen = observations(film.shot, film.track, frames, view.K, distortion, film.model, np.full(n, 5.0), joined)
    sigma = seen.sigma_px.copy()
    sigma[2] = np.inf
    depth_weight = seen.depth_weight.copy()
    depth_weight[2] = 0
    seen = replace(seen, sigma_px=sigma, depth_weight=depth_weight)
    ground = fit.Ground(rng.uniform(0, 1, (n, 4)), glides=rng.uniform(0, 0.5, (n, 4)),
                        parts=rng.uniform(0, 1, (n, len(PARTS))))
    lively = rng.uniform(.4, 1.3, (n, 49))
    lively[:, :3] = lively[:, :1]
    weights = fit.Weights(stature_m=1.7, robust_smooth=request.param)
    steps = Gait(state.q[:, None] + rng.normal(0, .3, (n, 4, 46)), rng.uniform(0, 5, (n, 4, 1)) * (np.arange(46) > 2),
                 rot.exp(rng.normal(0, .3, (n, 4, 3))) @ state.pelvis[:, None], rng.uniform(0, 10, (n, 4)), np.zeros(n))
    problem = fit.Problem(film.model, seen, view, weights, ground, lively=lively, gait=steps)
    return problem, state


def test_every_term_is_at_work(setting):
    problem, state = setting
    _, terms, _ = problem.cost(state)
    assert set(terms) == {"pixel", "depth", "rest", "smooth", "shape", "stature", "ground", "gait"}
    assert min(terms.values()) > 0.1


def test_gradient_against_differences(setting):
    problem, state = setting
    normal = problem.normal(state)

    def slope(step, shape_step):
        ends = [problem.cost(fit._move(state, sign * step, sign * shape_step))[0] for sign in (1, -1)]
        return (ends[0] - ends[1]) / (2 * STEP)

    none = np.zeros(len(state.shape))
    scale = np.abs(normal.gradient).max()
    share = np.random.default_rng(9).normal(size=problem.n)  # all frames at once, each by its own amount
    for i in range(49):
        step = np.zeros((problem.n, 49))
        step[:, i] = STEP * share
        assert slope(step, none) / 2 == pytest.approx(normal.gradient[:, i] @ share, abs=1e-6 * scale)
    for b in range(len(state.shape)):
        step = none.copy()
        step[b] = STEP
        wanted = normal.corner_gradient[b]
        assert slope(np.zeros((problem.n, 49)), step) / 2 == pytest.approx(wanted, abs=1e-6 * scale)


@pytest.mark.parametrize("n", [8, 7, 3, 2, 1])
def test_band_and_arrowhead_solve_the_dense_equations(setting, n):
    problem, state = setting
    ground = replace(problem.ground, contact=problem.ground.contact[:n], glides=problem.ground.glides[:n],
                     parts=problem.ground.parts[:n], flight=Flight(np.ones(n)))
    first = np.arange(n)
    problem = fit.Problem(problem.model, problem.seen.take(first), problem.view.take(first), problem.weights, ground)
    state = state.take(first)
    normal = problem.normal(state)
    b = len(state.shape)
    fixed = np.zeros((n, 49), dtype=bool)
    fixed[0, 7] = fixed[-1, 40] = True
    fixed[n // 2, 3:] = True
    fixed_shape = np.zeros(b, dtype=bool)
    fixed_shape[4] = True
    blocks = normal.blocks(fixed)
    size = n * 49
    dense = np.zeros((size + b, size + b))

    def frame(t):
        return slice(49 * t, 49 * t + 49)

    for t in range(n):
        dense[frame(t), frame(t)] = normal.diagonal[t]
        if t + 1 < n:
            down = normal.next_block[t] + np.diag(normal.next_diagonal[t])
            down[:3, :3] += normal.next_pelvis[t]
            dense[frame(t + 1), frame(t)], dense[frame(t), frame(t + 1)] = down, down.T
        if t + 2 < n:
            down = np.diag(normal.after_diagonal[t])
            down[:3, :3] += normal.after_pelvis[t]
            down += normal.after_block[t]
            dense[frame(t + 2), frame(t)], dense[frame(t), frame(t + 2)] = down, down.T
    held = np.concatenate([fixed.ravel(), np.zeros(b, dtype=bool)])
    dense[held] = dense[:, held] = 0
    dense[held, held] = 1
    damping = 0.01
    diagonal = np.arange(size)
    dense[diagonal, diagonal] += damping * (dense[diagonal, diagonal] + 1e-3) + 1e-9
    side = (normal.side * ~fixed[..., None]).reshape(size, b)
    dense[:size, size:], dense[size:, :size] = side, side.T
    dense[size:, size:] = normal.corner + damping * np.diag(np.diag(normal.corner))
    right = -np.concatenate([(normal.gradient * ~fixed).ravel(), normal.corner_gradient])
    keep = np.concatenate([np.ones(size, dtype=bool), ~fixed_shape])
    answer = np.zeros(size + b)
    answer[keep] = np.linalg.solve(dense[np.ix_(keep, keep)], right[keep])
    step, shape_step = normal.solve(blocks, fixed, fixed_shape, damping)
    assert np.abs(step.ravel() - answer[:size]).max() < 1e-8 * np.abs(answer).max()
    assert np.abs(shape_step - answer[size:]).max() < 1e-8 * np.abs(answer).max()
    assert np.abs(step[fixed]).max() == 0


def test_cost_never_rises_and_limits_hold(setting):
    problem, state = setting
    outcome = fit.minimise(problem, state, 15)
    assert np.all(np.diff(outcome.history) < 0)
    q = outcome.state.q[:, 3:]
    assert (q >= fit.LOW).all() and (q <= fit.HIGH).all()
    assert np.isfinite(outcome.cost)


def test_frozen_frames_do_not_move(setting):
    problem, state = setting
    frozen = np.zeros(problem.n, dtype=bool)
    frozen[:2] = True
    held = fit.Problem(problem.model, problem.seen, problem.view, problem.weights, problem.ground, frozen, False)
    after = fit.minimise(held, state, 5).state
    assert np.array_equal(after.q[:2], state.q[:2]) and np.array_equal(after.root_m[:2], state.root_m[:2])
    assert np.abs(after.root_m[2:] - state.root_m[2:]).max() > 1e-3
    assert np.array_equal(after.shape, state.shape)
