"""Rates and ranges: which exact rate a clip has, and which frames a range in seconds means. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from sinew_take.errors import RequestError

STANDARD_RATES = tuple(
    Fraction(rate)
    for rate in ("24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60", "90", "100",
                 "120000/1001", "120", "240000/1001", "240", "15", "12", "12.5", "10", "8", "5")
)
LEAST_RATE, MOST_RATE = Fraction(1, 10), Fraction(2000)
_LONGEST = 40
"""Characters of a rate that a person gives."""
ON_GRID = 0.25
"""A frame is on a rate's grid when it is within this fraction of a frame period of it."""


def parse_rate(rate: Fraction | float | str) -> Fraction:
    """A rate that a person gave, as an exact fraction: 29.97 means 30000/1001.

    Raises:
        RequestError: Not a rate.
    """
    text = rate if isinstance(rate, str) else ""
    shown = f"{text[:_LONGEST]}…" if len(text) > _LONGEST else rate
    wrong = RequestError(f"The rate {shown!r} is not a number of frames a second; "
                         "give one such as 25, 29.97 or 30000/1001.")
    # Fraction writes an exponent's zeros out, however many.
    if len(text) > _LONGEST or len(text.lower().partition("e")[2]) > 3:
        raise wrong
    try:
        value = Fraction(rate) if isinstance(rate, (str, Fraction)) else Fraction(rate).limit_denominator(100000)
    except (ValueError, OverflowError, ZeroDivisionError, TypeError):
        raise wrong from None
    if not LEAST_RATE <= value <= MOST_RATE:
        raise wrong
    for base in (24, 30, 48, 60, 120, 240):
        exact = Fraction(base * 1000, 1001)
        # 23.98 and 23.976 both name 24000/1001; nothing else lies this close.
        if abs(float(value - exact)) < 2.5e-4 * base:
            return exact
    return value


def fit_rate(
    ticks: np.ndarray, time_base: Fraction, declared: Sequence[Fraction | None]
) -> tuple[Fraction | None, bool]:
    """The rate of frames at `ticks`, and whether it varies.

    Args:
        ticks: (T,) int64 presentation times in units of `time_base`, increasing.
        time_base: Seconds per tick.
        declared: Rates that the container claims, the most trusted first; used where they agree with the times.

    Returns:
        The rate (exact where every frame lies on a standard or declared rate's grid, else the mean; None where fewer
        than two frames leave it open and nothing is declared) and True where no rate's grid holds every frame.

    Containers round times to their ticks (1 ms in Matroska), so the grid that explains the times within one tick is
    exact although no difference of two times is.
    """
    claims = [rate for rate in declared if rate and LEAST_RATE <= rate <= MOST_RATE]
    if len(ticks) < 2:
        return (claims[0] if claims else None), False
    times = (ticks - ticks[0]).astype(np.float64) * float(time_base)
    steps = np.arange(len(ticks), dtype=np.float64)

    def miss_s(rate: Fraction) -> float:
        off = times - steps / float(rate)
        return float(off.max() - off.min()) / 2

    mean = Fraction(len(ticks) - 1) / (int(ticks[-1] - ticks[0]) * time_base)
    near = [rate for rate in (*claims, *STANDARD_RATES) if abs(float(rate / mean) - 1) < 0.5]
    for rate in near:
        if miss_s(rate) <= min(0.51 * float(time_base), ON_GRID / float(rate)):
            return rate, False
    for rate in near:
        if miss_s(rate) <= ON_GRID / float(rate):
            return rate, False
    return mean, miss_s(mean) > ON_GRID / float(mean)


def check_range(start_s: float | None, end_s: float | None) -> tuple[float, float]:
    """A half-open range [start, end) in seconds, before the clip's length is known.

    Raises:
        RequestError: Not numbers, negative, empty or backwards.
    """
    start = 0.0 if start_s is None else float(start_s)
    end = math.inf if end_s is None else float(end_s)
    if math.isnan(start) or math.isnan(end) or math.isinf(start):
        raise RequestError("The range's start and end must be numbers of seconds; correct --start and --end.")
    if start < 0 or end < 0:
        raise RequestError("The range lies before the clip's beginning; "
                           "--start and --end count seconds from its first picture.")
    if end <= start:
        raise RequestError(f"The range from {start:g} s to {end:g} s holds nothing; --end must come after --start.")
    return start, end
