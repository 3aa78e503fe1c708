"""Work on several threads gives what it gives one after the other."""

import threading

import pytest

from sinew import each as module
from sinew.each import MOST_WORKERS, each, processors


@pytest.fixture(params=[1, 2, 64])
def number(request, monkeypatch) -> int:
    monkeypatch.setattr(module, "processors", lambda: request.param)
    return request.param


@pytest.mark.parametrize("items", [[], [3], range(20)])
def test_results_come_in_the_items_order(number, items):
    assert each(lambda x: x * x, items) == [x * x for x in items]


def test_as_many_run_at_once_as_there_are_processors_and_four_at_most(number):
    wanted = min(number, MOST_WORKERS)
    # Passes only when so many are inside at once.
    meeting = threading.Barrier(wanted)
    inside, most, lock = set(), [0], threading.Lock()

    def work(_):
        with lock:
            inside.add(threading.get_ident())
            most[0] = max(most[0], len(inside))
        meeting.wait(timeout=20)

    each(work, range(2 * wanted))
    assert most[0] == wanted


def test_what_the_first_that_fails_raises_comes_out(number):
    def work(x):
        if x % 3 == 2:
            raise ValueError(str(x))
        return x

    with pytest.raises(ValueError, match="^2$"):
        each(work, range(9))


def test_there_is_a_processor():
    assert processors() >= 1
