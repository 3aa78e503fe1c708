"""Balance as evidence: what carries somebody, exact derivatives, a leg read wrongly in depth."""

from dataclasses import replace

import numpy as np
import pytest
from walks import Filmed, planted_root

from sinew.geometry import rotations as rot
from sinew.motion import fit, support
from sinew.motion.kinematics import N_COLUMNS, pose
from sinew.motion.masses import MASS
from sinew.motion.model import REST_Q
from sinew.motion.normal import Normal
from sinew_take import free_body
from sinew_take import skeleton as sk


@pytest.fixture(scope="module")
def film():
    return Filmed(free_body.load(), n=30, heading=0.6)


def state_of(film, **change):
    return replace(fit.State(film.pelvis, film.q.copy(), film.root_m, film.shape), **change)


def joined(n):
    return np.arange(n) > 0


def test_the_centre_of_mass_is_the_joints_weighed(film):
    p = pose(film.model.skeleton, film.shape, film.pelvis, film.q, film.root_m)
    mass = film.model.mass.positions(p, film.shape)[:, 0]
    assert np.abs(mass - np.einsum("j,tjk->tk", MASS, p.centre)).max() < 1e-12


def test_the_lowest_soles_carry(film):
    found = support.support_of(film.model, state_of(film), film.time_s, joined(30))
    assert found.carries.sum(1) == pytest.approx(1)
    assert (found.carries.argmax(1) == film.soles_m[..., 2].argmin(1)).mean() > 0.8
    assert found.sure.min() > 0.9


def test_the_spread_grows_along_the_way(film):
    way = np.array([0.9, -1.2, 0.0])  # m/s
    glides = state_of(film, q=np.tile(film.q[:1], (30, 1)), root_m=film.root_m[0] + film.time_s[:, None] * way)
    found = support.support_of(film.model, glides, film.time_s, joined(30)).per_spread
    spread = 1 / np.linalg.norm(found, axis=-1)
    assert spread[:, 0] == pytest.approx(np.hypot(support.SPREAD_M, support.STRIDE_S * 1.5))
    assert spread[:, 1] == pytest.approx(support.SPREAD_M)
    assert np.abs(found[:, 0] * spread[:, :1] @ way) == pytest.approx(1.5) and np.abs(found[:, 1] @ way).max() < 1e-9


def test_frames_that_are_not_joined_have_no_way_between_them(film):
    lone = np.zeros(30, dtype=bool)
    spread = 1 / np.linalg.norm(support.support_of(film.model, state_of(film), film.time_s, lone).per_spread, axis=-1)
    assert spread == pytest.approx(support.SPREAD_M)
    assert support.support_of(film.model, state_of(film), film.time_s, joined(30)).take(np.array([3])).carries.shape == (1, 4)


def test_nothing_carries_in_the_air(film):
    sure = np.linspace(0, 1, 30)
    on_feet = support.support_of(film.model, state_of(film), film.time_s, joined(30))
    assert on_feet.in_air(sure).sure == pytest.approx((1 - sure) * on_feet.sure)
    assert np.array_equal(on_feet.in_air(sure).carries, on_feet.carries)


def test_who_sits_is_carried_by_more_than_soles(film):
    q = film.q.copy()
    for side in "rl":
        q[:, sk.DOF_INDEX[f"knee_angle_{side}"]], q[:, sk.DOF_INDEX[f"hip_flexion_{side}"]] = 1.7, 1.6
    assert support.support_of(film.model, state_of(film, q=q), film.time_s, joined(30)).sure.max() < 0.1


def test_gradient_against_differences(film):
    rng, n = np.random.default_rng(4), 5
    model, shape = film.model, rng.normal(0, 0.5, film.model.n_shape)
    q = film.q[:n] + rng.normal(0, 0.1, (n, 46))
    carried = support.Support(rng.dirichlet(np.ones(4), n), rng.normal(0, 8, (n, 2, 3)), rng.random(n))
    share = rng.uniform(0.5, 1.5, n)

    def cost(step, out=None):
        p = pose(model.skeleton, shape, rot.exp(step[:, :3]) @ film.pelvis[:n],
                 q + np.pad(step[:, 3:46], ((0, 0), (3, 0))), film.root_m[:n] + step[:, 46:])
        soles = model.soles.jacobian(p, shape)
        return support.add(carried, model, share, p, shape, *soles, out)

    out, none = Normal.empty(n, 0), np.zeros((n, N_COLUMNS))
    assert cost(none, out) == pytest.approx(cost(none)) and cost(none) > 1
    near = 1e-6 * np.abs(out.gradient).max()
    for i in range(N_COLUMNS):
        step = np.zeros((n, N_COLUMNS))
        step[:, i] = 1e-5 * share
        assert (cost(step) - cost(-step)) / 4e-5 == pytest.approx(out.gradient[:, i] @ share, abs=near)
    assert np.linalg.eigvalsh(out.diagonal).min() > -1e-9 * np.abs(out.diagonal).max()


def standing(model, shape, time_s, heading):
    q = np.tile(REST_Q, (len(time_s), 1))  # nothing of the pose itself pulls at it
    pelvis = np.tile(np.eye(3), (len(q), 1, 1))
    return q, pelvis, planted_root(model, shape, pelvis, q)


def test_depth_that_lets_somebody_fall_is_believed_less(film):
    """A detector that sees everybody lean by 20 degrees towards a camera far away, in pictures that hardly show it."""
    far = Filmed(free_body.load(), n=30, distance_m=30.0, focal_px=8000.0, motion=standing)
    model, lean = far.model, rot.exp([0.35, 0, 0])
    down = np.arange(30), far.soles_m[..., 2].argmin(1)
    foot = far.soles_m[down]
    begun = fit.State(lean @ far.pelvis, far.q, foot + (far.root_m - foot) @ lean.T, far.shape)
    view = fit.View(*(np.tile(x, (30, *[1] * x.ndim)) for x in (far.K, far.R_cw, -far.R_cw @ far.T_wc[0, :3, 3])))

    def in_camera(state):
        p = pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
        return model.keypoints.positions(p, state.shape) @ far.R_cw.T + view.t_cw[0]

    camera = in_camera(state_of(far))
    px = camera[..., :2] / camera[..., 2:] * far.K[0, 0] + far.K[:2, 2]
    seen = fit.Observations(px, np.full(px.shape[:2], 60.0), in_camera(begun)[..., 2], np.ones(px.shape[:2]), far.time_s,
                            joined(30))

    def off_m(balance):
        ground = fit.Ground(np.zeros((30, 4)), support=support.support_of(model, begun, far.time_s, joined(30)))
        problem = fit.Problem(model, seen, view, fit.Weights(balance=balance), ground, solve_shape=False)
        s = fit.minimise(problem, begun, 30, 1e-5).state
        done = pose(model.skeleton, s.shape, s.pelvis, s.q, s.root_m)
        return np.abs(model.mass.positions(done, s.shape)[:, 0] - model.soles.positions(done, s.shape)[down])[:, 1].mean()

    assert off_m(0.0) > 0.2
    assert off_m(1.0) < 0.6 * off_m(0.0)
