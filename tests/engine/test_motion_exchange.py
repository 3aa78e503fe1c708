"""Legs that the detector gave to each other, and people who are hidden while they walk: what their other steps tell."""

import numpy as np
import pytest
from walks import Filmed, walk_q

from sinew.camera import solve_camera
from sinew.flow import CameraOptions
from sinew.motion import exchange, fit, gait, solve_motion
from sinew.motion.model import KEYPOINT
from sinew_take import free_body
from sinew_take import skeleton as sk

N = 110
TIME_S = np.arange(N) / 30.0
JOINED = np.arange(N) > 0
SEEN = np.ones(N, bool)
KEYS = {side: [KEYPOINT[f"{name}_{side}"] for name in ("knee", "ankle", "heel", "foot_index")] for side in "lr"}


@pytest.fixture(scope="module")
def body():
    return free_body.load()


def with_legs(q, frames):
    out = q.copy()
    out[np.ix_(frames, exchange.DOFS)] = sk.mirror_q(q)[np.ix_(frames, exchange.DOFS)]
    return out


def test_both_legs_whole_are_exchanged():
    assert len(exchange.DOFS) == 14
    assert {sk.DOF_NAMES[i][:-2] for i in exchange.DOFS} == {
        "hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle", "subtalar_angle", "mtp_angle"}


@pytest.mark.parametrize("frames", [range(48, 62), range(40, 60), range(50, 56)])
def test_a_stretch_of_exchanged_legs_is_found(frames):
    q = with_legs(walk_q(TIME_S), np.array(frames)) + np.radians(3) * np.random.default_rng(2).normal(size=(N, 46))
    found = exchange.exchanged(q, TIME_S, JOINED, SEEN)
    wrong = np.isin(np.arange(N), frames)
    apart = np.abs(q[:, gait.LEGS[:2]] - q[:, gait.LEGS[2:]]).max(1) > np.radians(15)  # legs that cross are alike
    assert (found == wrong)[apart].all()


def test_what_is_read_rightly_stays():
    q = walk_q(TIME_S)
    assert not exchange.exchanged(q, TIME_S, JOINED, SEEN).any()
    limps = q.copy()
    limps[:, sk.DOF_INDEX["hip_flexion_l"]] *= 0.6
    assert not exchange.exchanged(limps, TIME_S, JOINED, SEEN).any()
    stands = np.tile(q[:1], (N, 1))
    assert not exchange.exchanged(with_legs(stands, np.arange(40, 60)), TIME_S, JOINED, SEEN).any()


def test_frames_that_nobody_saw_are_not_judged():
    q, seen = walk_q(TIME_S), SEEN.copy()
    seen[48:62] = False
    assert not exchange.exchanged(with_legs(q, np.arange(48, 62)), TIME_S, JOINED, seen).any()


def test_everything_of_a_leg_is_exchanged_and_nothing_else(body):
    film = Filmed(body, n=30)
    track, rows, frames = film.track, np.array([3, 4]), np.arange(10, 20)
    track.doubtful = np.random.default_rng(1).random((30, 33)) > 0.5
    shape = (10, 33)
    rng = np.random.default_rng(3)
    seen = fit.Observations(rng.normal(size=(*shape, 2)), rng.random(shape), rng.normal(size=shape), rng.random(shape),
                            film.time_s[frames], np.arange(10) > 0)
    which = np.isin(np.arange(10), rows)
    new_track, new_seen, q = exchange.put_right(track, seen, film.q[frames], frames, which)
    for before, after, own in ((track, new_track, frames[rows]), (seen, new_seen, rows)):
        for name in ("keypoints_px", "spread_px", "landmarks_m", "doubtful", "px", "sigma_px", "depth_m", "depth_weight"):
            if hasattr(before, name):
                a, b = getattr(before, name), getattr(after, name)
                assert np.array_equal(b[np.ix_(own, KEYS["l"])], a[np.ix_(own, KEYS["r"])])
                assert np.array_equal(b[np.ix_(own, KEYS["r"])], a[np.ix_(own, KEYS["l"])])
                a, b = a.copy(), b.copy()
                for x in (a, b):
                    x[np.ix_(own, KEYS["l"] + KEYS["r"])] = 0
                assert np.array_equal(a, b)
    assert np.array_equal(with_legs(film.q[frames], rows), q)
    assert np.array_equal(with_legs(q, rows), film.q[frames])


def solve(film, body, **weights):
    camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(fov_deg=58), look=False)
    return solve_motion(film.shot, film.people, camera, body, starts=starts, weights=fit.Weights(**weights))[1][0]


def legs_off_deg(motion, film, frames):
    return float(np.degrees(np.abs(motion.arrays["q"][frames][:, gait.LEGS] - film.q[frames][:, gait.LEGS]).mean()))


def test_a_detector_that_exchanges_legs_for_half_a_step_is_corrected_and_it_is_said(body):
    film, frames = Filmed(body, n=N, noise_px=2, heading=1.2), np.arange(48, 62)
    keypoints, landmarks = film.track.keypoints_px, film.track.landmarks_m
    for values in (keypoints, landmarks):
        right = values[np.ix_(frames, KEYS["r"])].copy()
        values[np.ix_(frames, KEYS["r"])] = values[np.ix_(frames, KEYS["l"])]
        values[np.ix_(frames, KEYS["l"])] = right
    alone, told = (solve(film, body, gait=on) for on in (0.0, 1.0))
    assert legs_off_deg(alone, film, frames) > 15 and legs_off_deg(told, film, frames) < 8
    said = [note for note in told.notes if "left and right leg" in note]
    assert len(said) == 1 and said[0].startswith("person_1: left and right leg were exchanged in 1")
    assert said[0].endswith(" frame(s), which the other steps tell, and were put right.")
    assert not any("left and right leg" in note for note in alone.notes)
    # The take's keypoints are those that the body was fitted to.
    assert np.nanmedian(told.pixel_error[frames]) < 2 * np.nanmedian(told.pixel_error[:40])


def test_whoever_is_hidden_for_nearly_a_stride_goes_on_walking(body):
    film, frames = Filmed(body, n=N, noise_px=2, heading=1.2), np.arange(42, 70)
    film.hide(frames)
    film.track.hidden = np.isin(np.arange(N), frames)
    alone, told = (solve(film, body, gait=on) for on in (0.0, 1.0))
    assert legs_off_deg(told, film, frames) < 4 and legs_off_deg(alone, film, frames) > 8
    lowest = film.soles_m[frames][..., 2].argmin(1)
    on, on_alone = (m.arrays["contact"][frames, lowest].mean() for m in (told, alone))
    assert on > 0.85 > on_alone


def test_gaps_are_what_no_sighting_is_near():
    seen = SEEN.copy()
    seen[[5, 20, 21, 22]] = False  # 0.07 and 0.13 s between two sightings
    assert not gait.hidden(TIME_S, seen).any()
    seen[50:60] = False
    seen[-2:] = False  # nobody knows for how long
    assert np.flatnonzero(gait.hidden(TIME_S, seen)).tolist() == [*range(50, 60), N - 2, N - 1]


def test_steps_are_filled_in_only_where_asked_and_near_enough():
    step_s = np.full(N, np.nan)
    step_s[40:50], step_s[60:62] = 0.5, 0.6
    where = np.ones(N, bool)
    where[55] = False
    found = gait.filled(step_s, TIME_S, where)
    assert found[[38, 52, 58, 61, 64]].tolist() == [0.5, 0.5, 0.6, 0.6, 0.6] and np.isnan(found[[0, 55, N - 1]]).all()
    assert gait.filled(step_s, TIME_S, where, 3.0)[[0, N - 1]].tolist() == [0.5, 0.6]


def test_whoever_is_hidden_at_every_other_step_walks():
    seen = (np.arange(N) % 30) < 17  # a step is 15 frames
    with_time = gait.step_times(walk_q(TIME_S), TIME_S, JOINED, seen)
    assert np.abs(with_time[np.isfinite(with_time)] - 0.5).max() < 0.02 and np.isfinite(with_time).mean() > 0.9
