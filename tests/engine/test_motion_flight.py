"""Free fall: told from everything else, exact derivatives, and a somersault whose depth a detector misreads."""

from dataclasses import replace

import numpy as np
import pytest
from walks import Filmed

from sinew.geometry import rotations as rot
from sinew.motion import fit, flight
from sinew.motion.kinematics import N_COLUMNS, pose
from sinew.motion.masses import GRAVITY
from sinew.motion.model import REST_Q
from sinew.motion.normal import Normal
from sinew_take import free_body

RATES = [24, 30, 60]
LEFT_S, LANDED_S = 0.3, 0.8


def times(rate, seconds=1.2):
    time_s = np.arange(round(rate * seconds)) / rate
    return time_s, np.arange(len(time_s)) > 0


def in_air(time_s):
    return (time_s > LEFT_S) & (time_s < LANDED_S)


def hop(time_s, gravity=GRAVITY):
    """Height over where it was left, m."""
    air = np.clip(time_s - LEFT_S, 0, LANDED_S - LEFT_S)
    return gravity / 2 * air * (LANDED_S - LEFT_S - air)


def noise(time_s, spread_m=0.003):
    return np.random.default_rng(1).normal(0, spread_m, len(time_s))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("taken_for", [0.8, 1.0, 1.4])  # of the true height
def test_who_jumps_falls(rate, taken_for):
    time_s, joined = times(rate)
    sure = flight.falling(1 + taken_for * (hop(time_s) + noise(time_s)), time_s, joined, in_air(time_s))
    assert sure[(time_s > LEFT_S + 1.5 / rate) & (time_s < LANDED_S - 1.5 / rate)].min() > 0.9
    assert (sure[~in_air(time_s)] == 0).all()


@pytest.mark.parametrize("height", [
    lambda t: 0.2 * t, lambda t: 0 * t, lambda t: 0.1 * np.cos(2 * np.pi * t), lambda t: hop(t, 0.4 * GRAVITY),
    lambda t: hop(t, 1.8 * GRAVITY), lambda t: -hop(t), lambda t: 0.05 * np.cos(6 * np.pi * t)],
    ids=["rises", "stands", "swings", "is held", "is pulled", "bends", "bounces"])
def test_who_is_carried_does_not_fall(height):
    time_s, joined = times(30)
    assert flight.falling(1 + height(time_s) + noise(time_s), time_s, joined, in_air(time_s)).max() < 0.2


def test_what_is_too_short_tells_nothing():
    time_s, joined = times(30)
    loose = (time_s > LEFT_S) & (time_s < LEFT_S + 0.2)
    assert flight.falling(hop(time_s), time_s, joined, loose).max() == 0
    broken = joined.copy()
    broken[(time_s > LEFT_S) & (np.arange(len(time_s)) % 6 == 0)] = False
    assert flight.falling(hop(time_s), time_s, broken, in_air(time_s)).max() == 0
    assert flight.falling(hop(time_s), time_s, joined, np.zeros(len(time_s), dtype=bool)).max() == 0


def triples(time_s):
    h1, h2 = np.diff(time_s)[:-1], np.diff(time_s)[1:]
    return np.arange(len(time_s) - 2), np.stack([2 / (h1 * (h1 + h2)), -2 / (h1 * h2), 2 / (h2 * (h1 + h2))])


def test_gradient_against_differences():
    rng, time_s = np.random.default_rng(4), np.array([0, .03, .07, .1, .14, .17, .2])
    n, film = len(time_s), Filmed(free_body.load(), time_s=time_s)
    model, shape = film.model, rng.normal(0, 0.5, film.model.n_shape)
    q, root = film.q + rng.normal(0, 0.02, (n, 46)), film.root_m + rng.normal(0, 0.01, (n, 3))
    triple, second = triples(time_s)
    flies = flight.Flight(np.r_[0, rng.uniform(0.2, 1, n - 1)])
    share = rng.uniform(0.5, 1.5, len(triple))

    def cost(step, out=None):
        p = pose(model.skeleton, shape, rot.exp(step[:, :3]) @ film.pelvis,
                 q + np.pad(step[:, 3:46], ((0, 0), (3, 0))), root + step[:, 46:])
        return flight.add(flies, model, triple, second, share, p, shape, out)

    out, none = Normal.empty(n, 0), np.zeros((n, N_COLUMNS))
    assert cost(none, out) == pytest.approx(cost(none)) and cost(none) > 1
    assert np.abs(out.gradient[0]).max() == 0  # the first frame is not in the air
    near, weigh = 1e-6 * np.abs(out.gradient).max(), rng.normal(size=n)
    for i in range(N_COLUMNS):
        step = np.zeros((n, N_COLUMNS))
        step[:, i] = 1e-6 * weigh
        assert (cost(step) - cost(-step)) / 4e-6 == pytest.approx(out.gradient[:, i] @ weigh, abs=near)
    nobody = flight.Flight(np.zeros(n))
    assert flight.add(nobody, model, triple, second, share, pose(model.skeleton, shape, film.pelvis, q, root), shape) == 0


def somersault(model, shape, time_s, heading):
    """Standing, and in between once round in the air, a metre away from the camera."""
    q = np.tile(REST_Q, (len(time_s), 1))
    share = np.clip((time_s - LEFT_S) / (LANDED_S - LEFT_S), 0, 1)
    pelvis = rot.exp(2 * np.pi * share[:, None] * [1.0, 0, 0])
    p = pose(model.skeleton, shape, pelvis, q, np.zeros((len(q), 3)))
    mass = model.mass.positions(p, shape)[:, 0]
    root = mass[:1] - mass + np.stack([0 * share, share, hop(time_s)], 1)
    root[:, 2] -= model.soles.positions(pose(model.skeleton, shape, pelvis, q, root), shape)[0, :, 2].min()
    return q, pelvis, root


def test_nobody_is_pushed_in_the_air():
    """Seen from far away, by a detector that sees whoever is in the air smaller by a twentieth."""
    time_s, joined = times(30)
    film = Filmed(free_body.load(), time_s=time_s, distance_m=12.0, focal_px=2700.0, pitch_deg=3.0, motion=somersault)
    n, model, air = len(time_s), film.model, in_air(time_s)
    view = fit.View(*(np.tile(x, (n, *[1] * x.ndim)) for x in (film.K, film.R_cw, -film.R_cw @ film.T_wc[0, :3, 3])))
    state = fit.State(film.pelvis, film.q, film.root_m, film.shape)
    p = pose(model.skeleton, state.shape, state.pelvis, state.q, state.root_m)
    camera = model.keypoints.positions(p, state.shape) @ film.R_cw.T + view.t_cw[0]
    px = camera[..., :2] / camera[..., 2:] * film.K[0, 0] + film.K[:2, 2]
    middle = px.mean(1, keepdims=True)
    px = np.where(air[:, None, None], middle + 0.95 * (px - middle), px)
    seen = fit.Observations(px, np.full(px.shape[:2], 3.0), camera[..., 2], np.ones(px.shape[:2]), time_s, joined)
    stands = np.where(air[:, None], 0.0, np.ones(4))

    def off_m(weight):
        s = state
        for _ in range(2):
            flies = flight.flight_of(model, s, time_s, joined, stands)
            assert flies.sure[15:18].min() > 0.9
            ground = fit.Ground(stands, flight=flies)
            s = fit.minimise(fit.Problem(model, seen, view, fit.Weights(flight=weight), ground, solve_shape=False), s, 30,
                             1e-5).state
        return np.abs((s.root_m - film.root_m)[air][:, 1]).max()

    assert off_m(0.0) > 0.25
    assert off_m(1.0) < 0.6 * off_m(0.0)


def test_frames_are_taken():
    assert flight.Flight(np.arange(5.0)).take(np.array([1, 3])).sure.tolist() == [1, 3]
    ground = fit.Ground(np.zeros((5, 4)), flight=flight.Flight(np.arange(5.0)))
    assert ground.take(np.array([4])).flight.sure.tolist() == [4]
    assert replace(ground, flight=None).take(np.array([4])).flight is None
