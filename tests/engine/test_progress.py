"""Progress of a whole run."""

import pytest

from sinew.progress import SHARE, Progress, StopRequest
from sinew_take import events
from sinew_take.errors import Stopped


class _Stop(StopRequest):
    """Asks without the timer that would end the test's process."""

    def ask(self) -> None:
        self._event.set()


def test_shares_are_a_whole():
    assert sum(SHARE.values()) == pytest.approx(1)
    assert set(SHARE) == set(events.STAGES)


def test_fraction_rises_to_one_and_names_stages():
    seen = []
    progress = Progress(seen.append, _Stop())
    for stage in events.STAGES:
        progress.run(stage, lambda report: [report(i, 3) for i in range(1, 4)])
    fractions = [e.fraction for e in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1, abs=1e-4)
    assert list(dict.fromkeys(e.stage for e in seen)) == list(events.STAGES)


def test_seconds_of_a_stage_inside_another_count_once(monkeypatch):
    from sinew import progress as module

    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    progress = Progress(lambda e: None, _Stop())

    def pass_time(seconds):
        clock[0] += seconds

    progress.run("motion", lambda report: (pass_time(2), progress.run("camera", lambda r: pass_time(3)), pass_time(1)))
    assert progress.seconds == {"camera": 3, "motion": 3}


def test_stop_reaches_the_stage():
    stop = _Stop()
    progress = Progress(lambda e: None, stop)

    def work(report):
        report(1, 10)
        stop.ask()
        report(2, 10)

    with pytest.raises(Stopped, match="finished stages are kept"):
        progress.run("people", work)
