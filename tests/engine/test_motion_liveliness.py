"""How lively somebody moves: the count of what the film determines against dense algebra, and known motions."""

import numpy as np
import pytest
from walks import Filmed, planted_root, walk_q

from sinew.bench import metrics
from sinew.camera import solve_camera
from sinew.flow import CameraOptions
from sinew.geometry import rotations as rot
from sinew.motion import fit, liveliness, solve_motion
from sinew.motion.start import first_state, observations
from sinew_take import free_body
from sinew_take import skeleton as sk

TRUNK, ARM, KNEE = (sk.DOF_INDEX[name] for name in ("thorax_twist", "elbow_flexion_r", "knee_angle_r"))
PLACE = slice(46, 49)


@pytest.fixture(scope="module")
def body():
    return free_body.load()


def problem_of(film, **weights):
    """A fit of all frames of a film under its own camera, and its solution."""
    frames = np.arange(len(film.time_s))
    R_cw = np.swapaxes(film.T_wc[:, :3, :3], 1, 2)
    view = fit.View(np.tile(film.K, (len(frames), 1, 1)), R_cw, -(R_cw @ film.T_wc[:, :3, 3:])[..., 0])
    distortion = np.zeros((len(frames), 5))
    joined = np.r_[False, np.diff(film.time_s) < 0.1]
    state = first_state(film.track, frames, film.time_s, view, film.model, film.shape, distortion)
    seen = observations(film.shot, film.track, frames, view.K, distortion, film.model, np.full(len(frames), 5.0), joined)
    problem = fit.Problem(film.model, seen, view, fit.Weights(**weights), solve_shape=False)
    return problem, fit.minimise(problem, state, 20, 1e-3).state


def factors(problem, state):
    return liveliness.factors(problem.model, problem.seen, problem.view, problem.weights, state)


def stand_then_dance(model, shape, time_s, heading):
    """Stands for half of the time, then sways, twists and waves twice a second."""
    stand = walk_q(np.zeros(1))
    q = np.tile(stand, (len(time_s), 1))
    late = np.clip((time_s - np.median(time_s)) / 0.3, 0, 1)
    beat = late * np.sin(4 * np.pi * time_s)
    q[:, sk.DOF_INDEX["thorax_twist"]] += 0.3 * beat
    q[:, sk.DOF_INDEX["lumbar_bending"]] += 0.2 * beat
    for side in "rl":
        q[:, sk.DOF_INDEX[f"elbow_flexion_{side}"]] += 0.5 * beat
    pelvis = np.tile(rot.exp([0, 0, heading]), (len(q), 1, 1))
    return q, pelvis, planted_root(model, shape, pelvis, q)


def test_what_the_film_determines_is_counted_as_dense_algebra_does(body):
    film = Filmed(body, time_s=np.r_[np.arange(7) / 30, 0.5 + np.arange(6) / 25], noise_px=3)
    problem, state = problem_of(film)
    n = problem.n
    normal = problem.normal(state)
    fixed = fit.pressed(state, normal.gradient, problem.frozen)
    blocks = normal.blocks(fixed)
    r, counted = problem.accelerations(state), problem.triple_share[:, None]
    unknowns = np.flatnonzero(~fixed.ravel())
    inverse = np.zeros((n * 49, n * 49))
    for column in unknowns:
        push = np.zeros(n * 49)
        push[column] = -1.0
        normal.gradient = push.reshape(n, 49)
        inverse[:, column] = normal.solve(blocks, fixed, np.zeros(0, dtype=bool), 1e-9)[0].ravel()
    wanted = np.empty_like(r)
    for row, t in enumerate(problem.triple):
        for c in range(49):
            slope = np.zeros(n * 49)
            slope[(t + np.arange(3)) * 49 + c] = problem.second[:, row] * problem.inverse_accel[row, c]
            wanted[row, c] = problem.triple_share[row] * (1 - slope @ inverse @ slope)
    square, told = liveliness._accelerations(problem, state, probes=400)
    assert np.array_equal(square, counted * r**2)
    parts = liveliness._MEMBERS
    assert (wanted @ parts).sum(0) == pytest.approx((told @ parts).sum(0), rel=0.05)
    share = (wanted @ parts).sum(0) / (problem.triple_share.sum() * parts.sum(0))
    assert (share > 0.02).all() and (share < 1).all()


def test_who_stands_is_calm_and_who_dances_is_not(body):
    film = Filmed(body, n=180, motion=stand_then_dance, noise_px=1)
    problem, state = problem_of(film)
    factor = factors(problem, state)
    assert factor.shape == (180, 49)
    assert (factor[:45, TRUNK] < 0.6).all() and (factor[:45, ARM] < 0.6).all()
    assert (factor[135:, TRUNK] > 1.6 * factor[20, TRUNK]).all() and (factor[135:, ARM] > 1.6 * factor[20, ARM]).all()
    assert (factor[:, KNEE] == 1).all() and (factor[:60, PLACE] < 0.6).all()
    assert (factor >= liveliness.CALMEST).all() and (factor <= liveliness.LIVELIEST).all()


def test_pieces_say_what_the_whole_says(body, monkeypatch):
    film = Filmed(body, n=90, noise_px=2)
    problem, state = problem_of(film)
    whole = factors(problem, state)
    monkeypatch.setattr(liveliness, "PIECE", 45)
    assert np.abs(factors(problem, state) / whole - 1).max() < 0.15


def test_frames_that_nothing_joins_keep_the_general_spreads(body):
    problem, state = problem_of(Filmed(body, time_s=np.array([0.0, 0.5, 1.0])))
    assert (factors(problem, state) == 1).all()


def test_nothing_is_measured_when_switched_off(body):
    problem, state = problem_of(Filmed(body, n=20, noise_px=2), lively=0.0)
    assert (factors(problem, state) == 1).all()


def test_who_stands_in_a_noisy_film_trembles_less(body):
    """Shoulders accelerate less while they do not in truth, and the joints are no further off, dancing ones neither."""
    film = Filmed(body, n=90, noise_px=4, motion=stand_then_dance)
    fov = float(np.degrees(2 * np.arctan(film.shot.info.size_px[0] / 2 / film.K[0, 0])))
    camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(fov_deg=fov), look=False)
    shoulders = [sk.JOINT_INDEX[f"humerus_{side}"] for side in "rl"]
    figures = []
    for weights in (fit.Weights(lively=0), fit.Weights()):
        a = solve_motion(film.shot, film.people, camera, body, starts=starts, weights=weights)[1][0].arrays
        tremble = metrics.mean_acceleration(a["joints_m"][:40, shoulders].astype(float), film.time_s[:40])
        figures.append((tremble, metrics.pa_mpjpe(a["joints_m"].astype(float), film.joints_m)))
    (before, off_before), (now, off_now) = figures
    assert now < 0.8 * before
    assert off_now < off_before + 0.001  # m
