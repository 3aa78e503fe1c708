"""What the other steps tell of whoever walks: found steps, known answers, and an arm that nobody sees."""

import numpy as np
import pytest
from walks import Filmed, pelvis_of, planted_root, walk, walk_q

from sinew.camera import solve_camera
from sinew.flow import CameraOptions
from sinew.geometry import rotations as rot
from sinew.motion import fit, gait, solve_motion
from sinew_take import free_body
from sinew_take import skeleton as sk

TIME_S = np.arange(90) / 30.0
JOINED = np.arange(90) > 0
SEEN = np.ones(90, bool)
ARM_L = [sk.DOF_INDEX[name] for name in ("shoulder_l_x", "shoulder_l_y", "shoulder_l_z", "elbow_flexion_l")]
NO_TURN = np.tile(np.eye(3), (90, 1, 1))
AHEAD_M = np.c_[np.zeros(90), -1.2 * TIME_S, np.ones(90)]
"""The rest pose looks along -y."""
ELBOW_L, WRIST_L = sk.JOINT_INDEX["ulna_l"], sk.JOINT_INDEX["hand_l"]


@pytest.fixture(scope="module")
def body():
    return free_body.load()


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.6])
def test_the_time_of_a_step_is_found(speed):
    step_s = gait.step_times(walk_q(TIME_S, speed), TIME_S, JOINED, SEEN)
    assert np.abs(step_s - 0.5 / speed).max() < 0.02  # s


def test_strides_that_differ_and_a_noisy_fit_are_steps_too_and_the_pace_may_change():
    rng = np.random.default_rng(2)
    time_s = np.arange(240) / 30.0
    phase = np.interp(time_s, [0, 3, 5, 8], [0, 2.4, 4.6, 8.8])  # 0.8, then 1.4 strides a second
    q = walk_q(phase) + np.radians(4) * rng.normal(size=(240, 46))
    q[:, sk.DOF_INDEX["hip_flexion_l"]] += np.radians(8)
    step_s = gait.step_times(q, time_s, np.arange(240) > 0, np.ones(240, bool))
    assert np.abs(step_s[:60] - 0.5 / 0.8).max() < 0.05 and np.abs(step_s[-60:] - 0.5 / 1.4).max() < 0.05  # s


def kicks(q):
    q[:, sk.DOF_INDEX["hip_flexion_r"]] = 0.6 + 0.6 * np.sin(2 * np.pi * TIME_S)


def squats(q, period_s=2.2):
    for name in ("hip_flexion", "knee_angle"):
        for side in "rl":
            q[:, sk.DOF_INDEX[f"{name}_{side}"]] = 0.7 - 0.6 * np.cos(2 * np.pi * TIME_S / period_s)


def hops(q):
    squats(q, 0.6)  # as often as steps, and each mirrors the last


def sways(q):
    q[:, 3:] += 0.03 * np.sin(2 * np.pi * TIME_S)[:, None]


def wanders(q):
    steps = np.random.default_rng(6).normal(size=(90 + 20, 46))
    q[:, 3:] += 3.0 * np.stack([steps[k:k + 90] for k in range(20)]).mean(0)[:, 3:]


@pytest.mark.parametrize("does", [kicks, squats, hops, sways, wanders])
def test_whoever_does_something_else_does_not_walk(does):
    q = np.tile(walk_q(np.zeros(1)), (90, 1))
    does(q)
    assert np.isnan(gait.step_times(q, TIME_S, JOINED, SEEN)).all()
    assert gait.gait(q, NO_TURN, AHEAD_M, TIME_S, JOINED, SEEN) is None


@pytest.mark.parametrize("n", [1, 2, 12])
def test_too_little_film_tells_nothing(n):
    assert gait.gait(walk_q(TIME_S[:n]), NO_TURN[:n], AHEAD_M[:n], TIME_S[:n], JOINED[:n], SEEN[:n]) is None


def test_an_even_walk_is_where_its_other_steps_are():
    q = walk_q(TIME_S)  # a step is 15 frames
    found = gait.gait(q, NO_TURN, AHEAD_M, TIME_S, JOINED, SEEN)
    assert np.abs((found.q - q[:, None])[..., 3:]).max() < np.radians(0.5)
    assert not found.inverse[..., :3].any()
    known = found.inverse[:, :, 5] > 0  # a stride and a step before, a step and a stride after
    assert known[45].all() and known[0].tolist() == [False, False, True, True]
    assert known[20].tolist() == [False, True, True, True]
    some = found.take(np.arange(10, 20))
    for name in ("q", "inverse", "pelvis", "turn_inverse"):
        assert np.array_equal(getattr(some, name), getattr(found, name)[10:20])


def test_nothing_is_told_across_a_break():
    """Frames 40 to 69 are missing: the last steps before them have no next ones, nor have those after them any before."""
    kept = np.r_[0:40, 70:110]
    time_s = kept / 30.0
    joined = np.r_[False, np.diff(kept) == 1]
    q = walk_q(time_s)
    assert np.isnan(gait.at(q, time_s, joined, np.array([1.8, -0.1, 5.0]))).all()
    found = gait.gait(q, NO_TURN[:len(q)], AHEAD_M[:len(q)], time_s, joined, np.ones(len(q), bool))
    known = found.inverse[:, :, 5] > 0
    assert known[20].tolist() == [False, True, True, False] and known[39].tolist() == [True, True, False, False]
    assert known[40].tolist() == [False, False, True, True]
    assert np.abs((found.q - q[:, None])[..., 3:]).max() < np.radians(0.5)


def test_frames_that_nobody_saw_are_told_and_tell_nothing():
    q, seen = walk_q(TIME_S), SEEN.copy()
    seen[40:50] = False
    q[40:50] = np.random.default_rng(4).normal(size=(10, 46))
    found = gait.gait(q, NO_TURN, AHEAD_M, TIME_S, JOINED, seen)
    known = found.inverse[:, :, 5] > 0
    assert known[45].all() and np.abs((found.q[45] - walk_q(TIME_S)[45])[:, 3:]).max() < np.radians(0.5)
    assert known[60].tolist() == [True, False, True, False] and known[30].tolist() == [True, True, False, True]


def going(way_deg, off_deg=0.0, speed=1.2, curve_deg=0.0):
    """The pelvis' turn (90, 3, 3) and place of somebody who goes that way from -y on, facing so far off it, and sways: a
    stride is 30 frames."""
    way = np.radians(way_deg + curve_deg * TIME_S)
    place = np.cumsum(np.c_[np.sin(way), -np.cos(way), 0 * way], 0) * speed / 30
    phase = 2 * np.pi * TIME_S
    place += 0.04 * np.cos(phase)[:, None] * np.c_[np.cos(way), np.sin(way), 0 * way]
    z, list_rad = way + np.radians(off_deg) + 0.1 * np.sin(phase), 0.06 * np.cos(phase)
    zero = 0 * way
    turn = rot.exp(np.c_[zero, zero, z]) @ rot.exp(np.c_[zero, list_rad, zero]) @ rot.exp(np.c_[zero + 0.05, zero, zero])
    return turn, place


def off_deg(found, turn):
    """(90, 4) angles between where a frame's pelvis is and where its other steps have it; NaN where these tell nothing."""
    angle = np.degrees(np.linalg.norm(rot.log(turn[:, None] @ np.swapaxes(found.pelvis, 2, 3)), axis=2))
    return np.where(found.turn_inverse > 0, angle, np.nan)


@pytest.mark.parametrize("way_deg, curve_deg", [(0, 0), (70, 0), (-130, 0), (20, 6)])
def test_whoever_faces_their_way_is_where_the_other_steps_are(way_deg, curve_deg):
    turn, place = going(way_deg, curve_deg=curve_deg)
    found = gait.gait(walk_q(TIME_S), turn, place, TIME_S, JOINED, SEEN)
    inside = off_deg(found, turn)[30:-30]
    assert np.isfinite(inside).all() and np.nanmax(inside) < 1.0 + 0.6 * curve_deg  # at the ends, of half a stride before


def test_facing_off_the_way_shows_twice_in_the_next_step_and_not_at_all_in_the_stride():
    turn, place = going(40, 12)
    off = off_deg(gait.gait(walk_q(TIME_S), turn, place, TIME_S, JOINED, SEEN), turn)[30:-30]
    assert np.abs(off[:, [0, 3]]).max() < 0.5 and np.abs(off[:, 1:3] - 24).max() < 0.5


def test_walking_backwards_is_walking_and_on_the_spot_there_is_no_way():
    turn, place = going(40, 180)
    assert np.nanmax(off_deg(gait.gait(walk_q(TIME_S), turn, place, TIME_S, JOINED, SEEN), turn)[30:-30]) < 1.0
    turn, place = going(40, speed=0.2)
    found = gait.gait(walk_q(TIME_S), turn, place, TIME_S, JOINED, SEEN)
    assert not found.turn_inverse.any() and found.inverse.any() and np.isfinite(found.pelvis).all()


def solve(film, body, **weights):
    camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(fov_deg=58), look=False)
    return solve_motion(film.shot, film.people, camera, body, starts=starts, weights=fit.Weights(**weights))[1][0]


def solved(film, body, **weights):
    return solve(film, body, **weights).arrays


def off_m(arrays, film):
    """Mean error of the left elbow and wrist about the middle of the hips, m, in the pelvis' axes."""
    def seen(joints_m, pelvis):
        return np.einsum("tji,tkj->tki", pelvis, joints_m[:, [ELBOW_L, WRIST_L]] - joints_m[:, :1])
    found = seen(arrays["joints_m"].astype(float), pelvis_of(film.model, arrays))
    return float(np.linalg.norm(found - seen(film.joints_m, film.pelvis), axis=-1).mean())


def test_an_arm_that_nobody_sees_swings_as_the_other_one_did(body):
    film = Filmed(body, n=75, noise_px=2)
    film.track.keypoints_px[:, 13:23:2, 2] = 0.0
    alone, told = (off_m(solved(film, body, gait=on), film) for on in (0.0, 1.0))
    assert alone > 0.1 and told < 0.08, (told, alone)  # m


@pytest.mark.parametrize("heading", [0.6, -0.8, 1.4])
def test_an_arm_that_is_seen_to_do_something_else_is_left_to_it(body, heading):
    """The left arm is held up, bent by 100 degrees, while the legs walk on."""
    def holds(model, shape, time_s, heading):
        q = walk_q(time_s)
        q[:, ARM_L] = q[:1, ARM_L] + [0.0, 0.0, 0.9, 1.2]
        pelvis = np.tile(rot.exp([0, 0, heading]), (len(q), 1, 1))
        return q, pelvis, planted_root(model, shape, pelvis, q)
    film = Filmed(body, n=75, noise_px=2, motion=holds, heading=heading)
    alone, told = (off_m(solved(film, body, gait=on), film) for on in (0.0, 1.0))
    assert told < alone + 0.01, (told, alone)  # m


def facing_off_deg(arrays, film):
    """Mean error of where the pelvis faces, about the vertical, degrees."""
    faces, true = (np.arctan2(turn[:, 1, 0], turn[:, 0, 0]) for turn in (pelvis_of(film.model, arrays), film.pelvis))
    return float(np.degrees(np.angle(np.exp(1j * (faces - true)))).mean())


@pytest.mark.parametrize("heading, width", [(0.8, 1.15), (-0.8, 0.85), (2.4, 1.15)])
def test_hips_and_shoulders_found_too_wide_or_narrow_turn_a_walker_less(body, heading, width):
    film = Filmed(body, n=75, noise_px=2, heading=heading)
    px = film.track.keypoints_px[..., :2]
    for pair in ([11, 12], [23, 24]):
        middle = px[:, pair].mean(1, keepdims=True)
        px[:, pair] = middle + width * (px[:, pair] - middle)
    alone, told = (abs(facing_off_deg(solved(film, body, gait=on), film)) for on in (0.0, 1.0))
    assert alone > 3 and told < 1.5, (told, alone)  # degrees


@pytest.mark.parametrize("off", [30, -60])
def test_whoever_goes_another_way_than_they_face_is_left_as_they_face(body, off):
    def sidles(model, shape, time_s, heading):
        q, pelvis, root = walk(model, shape, time_s, heading)
        return q, pelvis, root @ rot.exp([0, 0, np.radians(off)]).T
    film = Filmed(body, n=75, noise_px=2, motion=sidles)
    alone, told = (abs(facing_off_deg(solved(film, body, gait=on, ground=0.0), film)) for on in (0.0, 1.0))
    assert told < alone + 2, (told, alone)  # degrees


def test_that_somebody_walks_is_said(body):
    said = ("person_1 walks or runs; what is hardly seen of a limb follows the steps before and after, and the hips face the "
            "way.")
    film = Filmed(body, n=45, noise_px=2)
    assert said in solve(film, body).notes
    assert said not in solve(film, body, gait=0.0).notes
