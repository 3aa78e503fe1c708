"""Independent pieces of work on several threads: people, or guesses, none of whom waits for another.

The fits are NumPy on arrays of a few hundred frames, with linear algebra held to one thread; two of them at once take two
thirds of the time of one after the other on two cores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
MOST_WORKERS = 4
"""Each works on memory of its own."""


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Results of one function for all items, in their order, whatever the number of threads.

    Raises:
        Exception: What the first item in their order raised that did; the others run to their own ends first.
    """
    todo = list(items)
    workers = min(len(todo), MOST_WORKERS, processors())
    if workers < 2:
        return [work(item) for item in todo]
    with ThreadPoolExecutor(workers, thread_name_prefix="each") as pool:
        return list(pool.map(work, todo))
