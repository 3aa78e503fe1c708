"""Which way the torso faces, where the detector exchanges sides."""

import numpy as np
import pytest

from sinew.geometry import rotations as rot
from sinew.motion.start import torso_turns

TORSO_M = np.array([[.17, 0, .45], [-.17, 0, .45], [.09, 0, 0], [-.09, 0, 0]])
"""Left and right shoulder, left and right hip; rest axes."""
TIME_S = np.arange(60) / 30


def facing(turn_deg: np.ndarray, noise_m: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    R = rot.exp(np.radians(turn_deg)[:, None] * np.array([0, 0, 1.0]))
    noise = np.random.default_rng(4).normal(0, noise_m, (len(turn_deg), 4, 3))
    return R, 1.1 * TORSO_M @ np.swapaxes(R, 1, 2) + noise


def off_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.linalg.norm(rot.log(a @ np.swapaxes(b, 1, 2)), axis=-1))


@pytest.mark.parametrize("order", [(1, 0, 2, 3), (0, 1, 3, 2), (1, 0, 3, 2)])
@pytest.mark.parametrize("frames", [[30], [10, 11, 40], list(range(20, 26))])
def test_sides_exchanged_for_a_while_turn_nobody_round(order, frames):
    R, seen = facing(90 + 20 * TIME_S)
    seen[frames] = seen[frames][:, list(order)]
    assert off_deg(torso_turns(TORSO_M, seen, TIME_S), R).max() < 10


@pytest.mark.parametrize("rate_deg", [0, 360, 900])
def test_somebody_who_spins_is_left_to(rate_deg):
    R, seen = facing(rate_deg * TIME_S)
    assert off_deg(torso_turns(TORSO_M, seen, TIME_S), R).max() < 10


def test_somebody_seen_again_the_other_way_round_after_a_while_has_turned():
    R, seen = facing(np.where(TIME_S < 1, 0.0, 180.0))
    time_s = TIME_S + np.where(TIME_S < 1, 0.0, 2.0)
    assert off_deg(torso_turns(TORSO_M, seen, time_s), R).max() < 10


def test_one_frame_is_taken_as_it_is():
    R, seen = facing(np.array([70.0]))
    assert off_deg(torso_turns(TORSO_M, seen, np.zeros(1)), R).max() < 5
