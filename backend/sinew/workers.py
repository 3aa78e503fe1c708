"""Threads for work that is independent of each other: how many, and one call for each of many things."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

MOST = 4
"""More hardly gain: a frame of one or two people has four to ten independent pieces of work, and much of a fit holds the
interpreter's lock."""

T = TypeVar("T")
R = TypeVar("R")


def count() -> int:
    """As many threads as this process has processors, `MOST` at most."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST, available))


def each(work: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """`[work(t) for t in things]`, several at a time. The first error of any is raised once all have ended."""
    with ThreadPoolExecutor(count()) as threads:
        return list(threads.map(work, things))


def in_order(work: Callable[[T], R], things: Iterable[T]) -> Generator[R, None, None]:
    """`work(t)` of one thing after the other, several at a time and few ahead, because each may hold a picture. Close it
    where it may be left early: what has not begun is not done then, and what has is waited for."""
    most = count()
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(most) as threads:
        try:
            for thing in things:
                waiting.append(threads.submit(work, thing))
                while len(waiting) > most or (waiting and waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for job in waiting:
                job.cancel()
