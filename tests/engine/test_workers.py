"""Threads for independent work."""

import threading
import time

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


def test_one_after_the_other_and_few_ahead():
    taken = []

    def things():
        for k in range(30):
            taken.append(k)
            yield k

    for k, answer in enumerate(workers.in_order(lambda k: 10 * k, things())):
        assert answer == 10 * k and len(taken) <= k + workers.count() + 1
    assert taken == list(range(30))


def test_left_early():
    """No more is taken, and what has begun is waited for."""
    taken, begun, ended = [], [], []

    def things():
        for k in range(30):
            taken.append(k)
            yield k

    def work(k: int) -> None:
        begun.append(k)
        time.sleep(0.02)
        ended.append(k)

    answers = workers.in_order(work, things())
    next(answers)
    answers.close()
    assert len(taken) <= workers.count() + 1 and sorted(begun) == sorted(ended)


def test_an_error_on_the_way():
    def work(k: int) -> int:
        if k == 2:
            raise ValueError("two")
        return k

    answers = workers.in_order(work, range(5))
    assert [next(answers), next(answers)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(answers)
