"""Progress of a whole run: which stage, how far, how long still; and the user's wish to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from sinew_take import events
from sinew_take.errors import EXIT_STOPPED, Stopped

SHARE = {"video": 0.02, "people": 0.57, "camera": 0.14, "motion": 0.14, "body": 0.01, "avatar": 0.09, "write": 0.03}
"""Typical share of each stage in a run (docs/benchmarks.md), for the bar and the time left."""
_STOP_GRACE_S = 1.5


class StopRequest:
    """Set by a signal, by a closed standard input or by a parent that is gone; stages find out through `check`."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def ask(self) -> None:
        """Ask the run to stop. A stage that does not look within the grace time is ended with the process."""
        if self._event.is_set():
            return
        self._event.set()
        timer = threading.Timer(_STOP_GRACE_S, lambda: os._exit(EXIT_STOPPED))
        timer.daemon = True
        timer.start()

    def check(self) -> None:
        """Raise `Stopped` where the user asked for it."""
        if self._event.is_set():
            raise Stopped("Stopped; finished stages are kept, so the same run goes on from there.")

    def watch(self, parent_pid: int | None) -> None:
        """Listen to SIGTERM, SIGINT and, with a parent's pid, to its life and to the end of standard input."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.ask())
        if parent_pid is not None:
            threading.Thread(target=self._follow, args=(parent_pid,), daemon=True).start()
            threading.Thread(target=self._listen, daemon=True).start()

    def _follow(self, parent_pid: int) -> None:
        while _alive(parent_pid):
            time.sleep(0.5)
        self.ask()

    def _listen(self) -> None:
        try:
            while sys.stdin.readline():
                pass
        except (OSError, ValueError):
            return
        self.ask()


def _alive(pid: int) -> bool:
    if os.name == "nt":
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x00100000, False, pid)  # SYNCHRONIZE
        if not handle:
            return False
        waiting = ctypes.windll.kernel32.WaitForSingleObject(handle, 0) == 0x102  # WAIT_TIMEOUT
        ctypes.windll.kernel32.CloseHandle(handle)
        return waiting
    # The parent of an orphan changes; a pid alone could have been given to somebody else meanwhile.
    return os.getppid() == pid


class Progress:
    """Turns the stages' `report(done, total)` into events with the whole run's fraction and time left."""

    def __init__(self, emit: Callable[[events.Event], None], stop: StopRequest, n_shots: int = 1,
                 share: dict[str, float] | None = None) -> None:
        self._share = SHARE if share is None else share
        self._emit = emit
        self._stop = stop
        self._n_shots = n_shots
        self._finished = 0.0
        self._saved = 0.0
        self._start = time.monotonic()
        self._last = 0.0
        self._inside_s = 0.0  # seconds of stages run inside the current one, which count as their own
        self.seconds: dict[str, float] = {}

    def set_shots(self, n_shots: int) -> None:
        self._n_shots = max(n_shots, 1)

    def _weight(self, stage: str) -> float:
        return self._share[stage] if stage == "video" else self._share[stage] / self._n_shots

    def run(self, stage: str, work: Callable[[Callable[[int, int], None]], object], extra: bool = False) -> object:
        """Run one stage: `work(report)`. Counts its seconds.

        Args:
            stage: Its name.
            work: What it does.
            extra: More work of that stage, which most runs do not have: the bar waits at its place meanwhile.
        """
        start = time.monotonic()
        inside, self._inside_s = self._inside_s, 0.0
        self.tell(stage, 0, 0, extra)

        def report(done: int, total: int) -> None:
            self._stop.check()
            self.tell(stage, done, total, extra)

        try:
            return work(report)
        finally:
            total_s = time.monotonic() - start
            self.seconds[stage] = self.seconds.get(stage, 0.0) + total_s - self._inside_s
            self._inside_s = inside + total_s
            self._finished += 0.0 if extra else self._weight(stage)

    def skipped(self, stage: str) -> None:
        """The stage came from the cache, so its share says nothing about the speed of this run."""
        self._saved += self._weight(stage)

    def tell(self, stage: str, done: int, total: int, extra: bool = False) -> None:
        now = time.monotonic()
        if done not in (0, total) and now - self._last < 0.2:
            return
        self._last = now
        part = 0.0 if extra else self._weight(stage) * (done / total if total else 0.0)
        fraction = min(self._finished + part, 1.0)
        worked = fraction - self._saved
        left = (now - self._start) * (1 - fraction) / worked if worked > 0.03 else None
        self._emit(events.Progress(stage, done, total, None if left is None else round(left, 1), round(fraction, 4)))
