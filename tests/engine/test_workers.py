"""Threads for independent work."""

import threading

import pytest

from sinew import workers


def test_answers_in_order_from_several_threads():
    both = threading.Barrier(2, timeout=20)

    def work(k: int) -> int:
        if workers.count() > 1:
            both.wait()  # passed only where two are at work at a time
        return 10 * k

    assert workers.each(work, range(4)) == [0, 10, 20, 30]
    assert workers.each(work, []) == []


def test_an_error_is_raised():
    def work(k: int) -> int:
        if k == 2:
            raise ValueError("two")
        return k

    with pytest.raises(ValueError, match="two"):
        workers.each(work, range(5))


def test_at_most_so_many():
    assert 1 <= workers.count() <= workers.MOST
