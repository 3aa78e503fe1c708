"""Who does not fall is carried: free fall told from an even way, and a foot that the detector lifts in mid-step."""

import numpy as np
import pytest
from walks import Filmed, pose_of

from sinew.camera import solve_camera
from sinew.flow import CameraOptions
from sinew.motion import carried, fit, solve_motion
from sinew.motion.model import CONTACT_KEYPOINTS, KEYPOINT
from sinew_take import free_body
from sinew_take import skeleton as sk

RATES = [24, 30, 60]


def times(rate, seconds=1.0):
    time_s = np.arange(round(rate * seconds)) / rate
    return time_s, np.arange(len(time_s)) > 0


def between(time_s, a, b):
    return (time_s > a) & (time_s < b)


@pytest.mark.parametrize("rate", RATES)
def test_who_falls_freely_is_not_carried(rate):
    time_s, joined = times(rate)
    loose = between(time_s, 0.3, 0.7)
    air = np.clip(time_s - 0.3, 0, 0.4)
    height = 1 + air * carried.GRAVITY * (0.4 - air) / 2 + np.random.default_rng(1).normal(0, 0.002, len(air))
    odds = carried.carried_odds(height, time_s, joined, loose)
    assert odds[between(time_s, 0.36, 0.64)].max() < -2
    assert np.isneginf(odds[~loose]).all()


@pytest.mark.parametrize("rate", RATES)
def test_who_goes_along_evenly_is_carried(rate):
    time_s, joined = times(rate)
    loose = between(time_s, 0.3, 0.7)
    height = 1 + 0.2 * time_s + np.random.default_rng(1).normal(0, 0.002, len(time_s))
    assert carried.carried_odds(height, time_s, joined, loose)[between(time_s, 0.36, 0.64)].min() > 2


def test_acceleration_half_way_to_gravitys_says_nothing():
    time_s, joined = times(30)
    odds = carried.carried_odds(-carried.GRAVITY / 4 * time_s**2, time_s, joined, np.ones(30, dtype=bool))
    assert odds == pytest.approx(-carried.UNLIKELY)


def test_a_moment_does_not_tell():
    time_s, joined = times(30)

    def most(frames):
        loose = (np.arange(30) >= 12) & (np.arange(30) < 12 + frames)
        return carried.carried_odds(np.ones(30), time_s, joined, loose).max()

    assert most(1) < 0 < most(3) < most(6)


def test_nothing_is_heard_across_a_cut():
    time_s, joined = times(30)
    joined[15] = False
    height = np.where(np.arange(30) < 15, 1.0, 4.0)
    loose = np.ones(30, dtype=bool)
    assert carried.carried_odds(height, time_s, joined, loose)[[5, 13, 16, 25]].min() > 2
    alone = np.zeros(30, dtype=bool)
    assert np.isneginf(carried.carried_odds(height, time_s, alone, loose)).all()


@pytest.fixture(scope="module")
def film():
    return Filmed(free_body.load(), n=45)


def found(film, *, planted=None, seen=None, root_m=None, q=None):
    joined = np.arange(45) > 0
    state = fit.State(film.pelvis, film.q if q is None else q, film.root_m if root_m is None else root_m, film.shape)
    return carried.soles_that_carry(film.model, state, film.time_s, joined,
                                    np.zeros((45, 4)) if planted is None else planted,
                                    np.ones((45, 4), dtype=bool) if seen is None else seen)


def test_the_lowest_soles_of_a_walk_carry(film):
    must = found(film)
    height = film.soles_m[..., 2]
    assert (must > 0.5).any(1).mean() > 0.7
    assert height[must > 0.5].max() < carried.NEAR_M and must[height > 0.12].max(initial=0) < 0.2


def test_where_something_stands_nothing_more_must(film):
    planted = np.zeros((45, 4))
    planted[:30, 1] = 0.9
    must = found(film, planted=planted)
    assert must[:30].max() == 0 and must[32:].max() > 0.5


def test_who_hops_is_not_held_down(film):
    still = np.tile(film.q[:1], (45, 1))
    planted = np.full((45, 4), 0.9)
    planted[15:25] = 0.0
    air_s = np.clip(film.time_s - film.time_s[14], 0, 11 / 30)
    hop = film.root_m[:1] + np.array([0, 0, 1.0]) * (air_s * (11 / 30 - air_s) * carried.GRAVITY / 2)[:, None]
    assert 0.1 < np.ptp(hop[:, 2]) < 0.2
    assert found(film, planted=planted, q=still, root_m=hop).max() < 0.1
    stand = np.tile(film.root_m[:1], (45, 1))
    assert found(film, planted=planted, q=still, root_m=stand)[16:24].max(1).min() > 0.5


def test_who_hangs_or_sits_is_left_alone(film):
    assert found(film, root_m=film.root_m + [0, 0, 0.4]).max() < 0.1
    q = film.q.copy()
    for side in "rl":
        q[:, sk.DOF_INDEX[f"knee_angle_{side}"]], q[:, sk.DOF_INDEX[f"hip_flexion_{side}"]] = 1.7, 1.6
    assert found(film, q=q).max() < 0.1


def test_a_foot_that_nobody_sees_carries_nobody_for_long(film):
    seen = np.zeros((45, 4), dtype=bool)
    seen[10, 1], seen[20, 3] = True, True  # one heel's toes, then the other's
    must = found(film, seen=seen)
    for foot, frame in ((slice(0, 2), 10), (slice(2, 4), 20)):
        near = np.abs(np.arange(45) - frame) <= 3  # 0.1 s at 30 frames a second
        assert must[~near, foot].max() == 0
    assert found(film, seen=np.zeros((45, 4), dtype=bool)).max() == 0


def lifted(body):
    """A walker whose standing foot a detector sees 20 cm too high for a quarter of a second, while the other one swings."""
    film = Filmed(body, n=45)
    low = film.soles_m[..., 2].argmin(1) // 2
    start = next(t for t in range(12, 30) if np.ptp(low[t - 3:t + 11]) == 0)
    frames, foot = np.arange(start, start + 8), low[start]
    keys = [*CONTACT_KEYPOINTS[2 * foot:2 * foot + 2], KEYPOINT[f"ankle_{'lr'[foot]}"]]
    px_per_m = film.K[0, 0] / np.linalg.norm(film.root_m[frames] - film.T_wc[frames, :3, 3], axis=1)
    film.track.keypoints_px[np.ix_(frames, keys, [1])] -= (0.2 * px_per_m)[:, None, None]
    return film, frames, 2 * foot


def test_a_foot_that_is_seen_to_rise_while_nothing_else_stands_stays_down():
    body = free_body.load()

    def rise_m(weight):
        film, frames, sole = lifted(body)
        camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(fov_deg=58.2), look=False)
        _, (motion,) = solve_motion(film.shot, film.people, camera, body, starts=starts, weights=fit.Weights(carried=weight))
        shape = np.asarray(motion.shape, dtype=float)
        return float(film.model.soles.positions(pose_of(film.model, motion), shape)[frames][:, sole:sole + 2, 2].min(1).max())

    assert rise_m(0.0) > 0.04
    assert rise_m(1.0) < 0.01
