"""Forearms and shanks that lie in depth where the detector says and not where they are."""

from __future__ import annotations

import numpy as np
import pytest
from walks import Filmed, walk

from sinew.camera import solve_camera
from sinew.flow import CameraOptions
from sinew.motion import fit, jumps, solve_motion
from sinew.motion.model import KEYPOINT
from sinew_take import free_body
from sinew_take import skeleton as sk


@pytest.fixture(scope="module")
def body():
    return free_body.load()


def test_both_places_look_alike_and_are_as_far_from_the_middle():
    rng = np.random.default_rng(3)
    middle = rng.normal(0, 0.5, (50, 3)) + [0, 0, 4]
    end = middle + 0.3 * (lambda v: v / np.linalg.norm(v, axis=1, keepdims=True))(rng.normal(size=(50, 3)))
    other = jumps.mirrored(middle, end)
    np.testing.assert_allclose(np.linalg.norm(other - middle, axis=1), 0.3, atol=1e-9)  # m
    np.testing.assert_allclose(other[:, :2] / other[:, 2:], end[:, :2] / end[:, 2:], atol=1e-9)
    np.testing.assert_allclose(jumps.mirrored(middle, other), end, atol=1e-9)


def test_a_segment_seen_from_the_side_has_one_place():
    middle = np.array([[0.0, 0.0, 4.0]])
    end = np.array([[0.3 * np.sqrt(1 - 0.3**2 / 16), 0.0, 4 - 0.3**2 / 4]])  # where the ray touches the sphere
    np.testing.assert_allclose(jumps.mirrored(middle, end), end, atol=1e-9)


@pytest.mark.parametrize("apart, breaks, found", [
    (np.abs(np.sin(np.arange(31) * np.pi / 10)), [24], [(0, 10), (10, 20), (20, 24), (24, 31)]),
    (1 + 0.2 * np.sin(np.arange(31)), [], [(0, 31)]),  # both places never come near each other
    (np.array([0, 0, 1, 2, 3, 2, 1, .5, 1, 1.1, .9, 2, 3, 1, 0, 0]), [], [(0, 7), (7, 16)]),
    (np.ones(1), [], [(0, 1)])])
def test_stretches_end_where_both_places_meet_and_where_the_take_breaks(apart, breaks, found):
    joined = np.ones(len(apart), dtype=bool)
    joined[[0, *breaks]] = False
    assert jumps.stretches(apart, joined) == found


HAND = [KEYPOINT[f"{name}_r"] for name in ("wrist", "pinky", "index", "thumb")]


def _solved(film, body, **weights):
    camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(fov_deg=58), look=False)
    return solve_motion(film.shot, film.people, camera, body, starts=starts, weights=fit.Weights(**weights))[1][0]


def _off_m(film, motion, joint):
    """Mean distance of a joint from the true one, both about the pelvis, in its axes of each frame."""
    j = sk.JOINT_INDEX[joint]
    T = motion.arrays["T_wj"].astype(float)
    ours = np.einsum("tji,tj->ti", T[:, 0, :3, :3] @ film.model.skeleton.frames[0].T, T[:, j, :3, 3] - T[:, 0, :3, 3])
    true = np.einsum("tji,tj->ti", film.pelvis, film.joints_m[:, j] - film.joints_m[:, 0])
    return float(np.linalg.norm(ours - true, axis=1).mean())


@pytest.mark.parametrize("heading", [0.3, -0.6])
def test_a_forearm_that_the_detector_turns_over_is_turned_back(body, heading):
    """Somebody who faces the camera, a forearm towards it: the detector says that it points back, by a fifth as much."""
    def bent(model, shape, time_s, heading):
        q, pelvis, root = walk(model, shape, time_s, heading)
        q[:, sk.DOF_INDEX["elbow_flexion_r"]] = 1.4 + 0.1 * np.cos(2 * np.pi * time_s)
        return q, pelvis, root

    film = Filmed(body, n=40, heading=heading, motion=bent)
    depth = film.track.landmarks_m[..., 2]
    elbow = depth[:, [KEYPOINT["elbow_r"]]]
    depth[:, HAND] = elbow - 0.2 * (depth[:, HAND] - elbow)
    before, after = (_off_m(film, _solved(film, body, jumps=on), "hand_r") for on in (0.0, 1.0))
    assert before > 0.3  # m: else this film shows nothing
    assert after < 0.06


def test_limbs_that_are_right_are_left_alone(body):
    film = Filmed(body, n=30)
    plain, jumped = (_solved(film, body, jumps=on).arrays["q"] for on in (0.0, 1.0))
    np.testing.assert_array_equal(plain, jumped)
