"""Rates, ranges and names of the video stage: pure functions with known answers."""

from fractions import Fraction

import numpy as np
import pytest

from sinew.video.series import natural_key
from sinew.video.times import check_range, fit_rate, parse_rate
from sinew_take.errors import RequestError

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(("given", "exact"), [
    (25, Fraction(25)), (29.97, NTSC), ("29.97", NTSC), ("30000/1001", NTSC), (30, Fraction(30)), (12.5, Fraction(25, 2)),
    (23.976, Fraction(24000, 1001)), (23.98, Fraction(24000, 1001)), (59.94, Fraction(60000, 1001)), (24, Fraction(24)),
])
def test_a_rate_is_read_exactly(given, exact):
    assert parse_rate(given) == exact


@pytest.mark.parametrize("given", [0, -25, float("nan"), float("inf"), "abc", "1/0", 1e9, "", "1e99999999", "1e9_999_999",
                                   "1E-99999999", "9" * 5000])
def test_what_is_no_rate_is_refused(given):
    with pytest.raises(RequestError, match="not a number of frames a second") as caught:
        parse_rate(given)
    assert len(str(caught.value)) < 160


@pytest.mark.parametrize("rate", [NTSC, Fraction(24000, 1001), Fraction(25), Fraction(30), Fraction(60000, 1001)])
@pytest.mark.parametrize("time_base", [Fraction(1, 1000), Fraction(1, 90000), Fraction(1, 12800)])
def test_a_constant_rate_survives_rounding_to_ticks(rate, time_base):
    ticks = np.array([round(k / rate / time_base) for k in range(400)], np.int64) + 77
    assert fit_rate(ticks, time_base, [None, None]) == (rate, False)


def test_the_declared_rate_decides_where_times_leave_it_open():
    ticks = np.array([0, 33, 67, 100], np.int64)
    assert fit_rate(ticks, Fraction(1, 1000), [NTSC]) == (NTSC, False)
    assert fit_rate(ticks, Fraction(1, 1000), [Fraction(30)]) == (Fraction(30), False)
    assert fit_rate(ticks[:1], Fraction(1, 1000), [NTSC]) == (NTSC, False)
    assert fit_rate(ticks[:1], Fraction(1, 1000), []) == (None, False)


def test_jitter_of_a_phone_is_no_variable_rate_but_a_lost_frame_is():
    rng = np.random.default_rng(1)
    ticks = np.arange(300) * 3000 + rng.integers(-300, 301, 300)
    assert fit_rate(ticks, Fraction(1, 90000), [Fraction(30)]) == (Fraction(30), False)
    lost = np.delete(np.arange(300, dtype=np.int64) * 3000, 150)
    rate, is_variable = fit_rate(lost, Fraction(1, 90000), [Fraction(30)])
    assert is_variable
    assert rate == Fraction(298 * 30, 299)


def test_coarse_ticks_do_not_hide_a_variable_rate():
    rate, is_variable = fit_rate(np.array([0, 1, 2, 4, 5, 7, 8]), Fraction(1, 30), [Fraction(30)])
    assert is_variable
    assert rate == Fraction(6 * 30, 8)


@pytest.mark.parametrize(("start", "end"), [
    (float("nan"), 2), (1, float("nan")), (float("inf"), None), (-1, 2), (-3, -2), (2, 2), (3, 2), (None, 0), (None, -1)])
def test_ranges_that_mean_nothing_are_refused(start, end):
    with pytest.raises(RequestError):
        check_range(start, end)


def test_open_ranges():
    assert check_range(None, None) == (0.0, float("inf"))
    assert check_range(1, float("inf")) == (1.0, float("inf"))


def test_names_sort_as_people_count():
    names = ["b1", "img10", "img2", "IMG1", "img03x"]
    assert sorted(names, key=natural_key) == ["b1", "IMG1", "img2", "img03x", "img10"]
