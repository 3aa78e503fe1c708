"""Limbs that the detector gives to both sides, on a walker whose limbs are known."""

import numpy as np
import pytest
from test_people_sides import walker

from sinew.people.crops import SWAP
from sinew.people.doubled import LEFT, NEAREST_S, doubled, expected

SIZE_PX = 400.0
ANKLES, WRISTS = (27, 28), (15, 16)


def seen(rate: float = 30.0, n: int = 60, view_deg: float = 70.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A walker's keypoints in px, their size in px and the times."""
    points, _, time_s = walker(n, rate, view_deg, seed=3)
    return SIZE_PX * points + (700.0, 500.0), np.full(n, SIZE_PX), time_s


def far_apart(points: np.ndarray, pair: tuple[int, int]) -> int:
    """A frame in the middle of the clip at which both sides are farthest from each other."""
    away = np.linalg.norm(points[:, pair[0]] - points[:, pair[1]], axis=-1)
    return 15 + int(away[15:-15].argmax())


@pytest.mark.parametrize("view_deg", [30, 70, 90, 150])
@pytest.mark.parametrize("rate", [24.0, 30.0, 60.0])
def test_legs_and_arms_that_only_cross_are_not_doubled(view_deg, rate):
    assert not doubled(*seen(rate, view_deg=view_deg)).any()


@pytest.mark.parametrize("pair", [ANKLES, WRISTS, ANKLES[::-1], WRISTS[::-1]])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_limb_put_onto_the_other_sides_is_found_and_the_other_is_not(pair, length):
    points, sizes, time_s = seen()
    lost, kept = pair
    t = far_apart(points, pair)
    points[t:t + length, lost] = points[t:t + length, kept] + 2.0
    wrong = np.zeros(points.shape[:2], bool)
    wrong[t:t + length, lost] = True
    np.testing.assert_array_equal(doubled(points, sizes, time_s), wrong)


def test_the_last_frames_are_found_by_what_was_before_them():
    points, sizes, time_s = seen()
    n = far_apart(points, ANKLES) + 2
    points, sizes, time_s = points[:n].copy(), sizes[:n], time_s[:n]
    points[-2:, 28] = points[-2:, 27]
    assert np.argwhere(doubled(points, sizes, time_s)).tolist() == [[n - 2, 28], [n - 1, 28]]


def test_what_is_found_depends_on_neither_place_nor_size_nor_sides():
    points, sizes, time_s = seen()
    t = far_apart(points, ANKLES)
    points[t, 28] = points[t, 27]
    found = doubled(points, sizes, time_s)
    assert found.sum() == 1
    np.testing.assert_array_equal(doubled(0.3 * points - (900, 40), 0.3 * sizes, time_s + 7.0), found)
    np.testing.assert_array_equal(doubled(points[:, SWAP], sizes, time_s), found[:, SWAP])


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_frames_say_nothing(n):
    points, sizes, time_s = seen()
    last = far_apart(points, ANKLES)
    points[last, 28] = points[last, 27]
    few = slice(last - n + 1, last + 1)
    assert not doubled(points[few], sizes[few], time_s[few]).any()


def test_frames_that_are_far_away_in_time_say_nothing():
    points, sizes, time_s = seen()
    t = far_apart(points, ANKLES)
    near = np.abs(time_s - time_s[t]) <= NEAREST_S
    points[near, 28] = points[near, 27]
    assert not doubled(points, sizes, time_s)[t].any()


def test_a_straight_line_is_gone_on_with():
    time_s = np.array([0.0, 0.03, 0.07, 0.1])
    line = np.stack([3.0 + 2.0 * time_s, -time_s], -1)
    # The speed is kept a little low, the more the fewer frames there are.
    assert expected(line, time_s, 0.05) == pytest.approx([3.1, -0.05], abs=2e-3)
    assert expected(line[:2], time_s[:2], 0.015) == pytest.approx([3.03, -0.015], abs=1e-9)


def test_every_limb_below_the_shoulders_and_hips_is_heeded():
    pairs = {tuple(sorted(p)) for p in zip(LEFT, SWAP[LEFT])}
    assert pairs == {(k, k + 1) for k in (13, 15, 17, 19, 21, 25, 27, 29, 31)}
