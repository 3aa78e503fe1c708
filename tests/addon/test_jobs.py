"""The job runner against a real child that reports, fails, hangs, dies, prints garbage and ignores terminate."""

import os
import sys
import time
from pathlib import Path

import pytest
from bl_ext.test.sinew.addon.jobs import process
from bl_ext.test.sinew.addon.jobs.process import Job
from bl_ext.test.sinew.addon.jobs.runner import Runner
from bl_ext.test.sinew.addon.jobs.state import JobState, Status, apply
from bl_ext.test.sinew.backend.sinew_take import events
from bl_ext.test.sinew.backend.sinew_take.errors import RequestError
from bl_ext.test.sinew.backend.sinew_take.version import VERSION

CHILD = Path(__file__).with_name("child.py")
posix = pytest.mark.skipif(os.name == "nt", reason="signals and process groups of POSIX")


@pytest.fixture
def start(tmp_path):
    """Start the child in one of its ways; everything is ended after the test."""
    jobs = []

    def _start(*words: str, **env: str) -> Job:
        job = Job([sys.executable, str(CHILD), *words], "clip.mp4", tmp_path / "log.txt",
                  {**os.environ, "CHILD_VERSION": VERSION, **env})
        jobs.append(job)
        return job

    yield _start
    for job in jobs:
        job.close()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie is no process any more: it only waits to be counted by whoever adopted it.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True


def wait_until(condition, longest_s: float) -> float:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < longest_s, f"not within {longest_s} s"
        time.sleep(0.02)
    return time.monotonic() - begin


def running(job: Job) -> Job:
    wait_until(lambda: job.poll() or job.state.status is Status.RUNNING, 10)
    return job


def test_reports(start):
    seen = []
    state = start("report", "take").wait(lambda s: seen.append((s.stage, s.fraction, s.left_s)), timeout_s=20)
    assert state.status is Status.FINISHED
    assert (state.takes, state.report, state.fraction) == ([Path("take")], {"frames": 5}, 1.0)
    assert state.notes == ["The second person is seen briefly."]
    assert (state.stage, state.done, state.total) == ("people", 5, 5)
    assert [f for _, f, _ in seen] == sorted(f for _, f, _ in seen)


@pytest.mark.parametrize("code", ["2", "3", "1"])
def test_failure_has_the_backends_sentence(start, code):
    state = start("fail", code).wait(timeout_s=20)
    assert (state.status, state.error) == (Status.FAILED, "Nobody was found; choose another range.")


def test_refusal_before_any_event_is_read_from_the_log(start):
    state = start("refuse").wait(timeout_s=20)
    assert (state.status, state.error) == (Status.FAILED, "The video is missing; check the path.")


@posix
def test_death_is_said(start):
    state = start("die").wait(timeout_s=20)
    assert state.status is Status.FAILED and "memory" in state.error


def test_crash_keeps_its_traceback_in_the_log(start):
    job = start("crash")
    state = job.wait(timeout_s=20)
    assert state.status is Status.FAILED and "exit code 1" in state.error
    assert "RuntimeError: inside" in state.log.read_text()


def test_garbage_is_logged_and_never_believed(start):
    state = start("garbage").wait(timeout_s=20)
    assert state.status is Status.FAILED  # it ended with 0 but told no result
    assert (state.stage, state.fraction) == ("people", 0.5)
    assert b"no event" in state.log.read_bytes() and state.log.read_bytes().endswith(b"half a li\n")


def test_flood_neither_grows_nor_stalls(start):
    job = start("flood")
    longest = 0.0
    while job.state.is_alive:
        begin = time.monotonic()
        job.poll(0.02)
        longest = max(longest, time.monotonic() - begin)
        assert len(job._events) <= process.MOST_WAITING
        time.sleep(0.01)
    assert job.state.status is Status.FINISHED
    assert longest < 0.02 + process.DRAIN_S


def test_cancel_of_an_obedient_child(start):
    job = running(start("obey"))
    begin = time.monotonic()
    job.cancel()
    assert time.monotonic() - begin < 0.1, "cancel must not block"
    assert job.state.status is Status.CANCELLING
    wait_until(lambda: job.poll() and not job.state.is_alive, 2.0)
    assert (job.state.status, job.state.error) == (Status.CANCELLED, "")
    assert not is_running(job.pid)


@pytest.mark.parametrize("way", ["hang", pytest.param("deaf", marks=posix)])
def test_cancel_leaves_no_process_within_two_seconds(start, way):
    job = running(start(way))
    job.cancel()
    wait_until(lambda: not is_running(job.pid), 2.0)
    wait_until(lambda: job.poll() or not job.state.is_alive, 2.0)
    assert job.state.status is Status.CANCELLED


@posix
def test_cancel_ends_grandchildren_too(start, tmp_path):
    file = tmp_path / "pid"
    job = running(start("family", str(file)))
    grandchild = int(file.read_text())
    assert is_running(grandchild)
    job.cancel()
    wait_until(lambda: not is_running(grandchild) and not is_running(job.pid), 2.0)
    wait_until(lambda: job.poll() or not job.state.is_alive, 2.0)
    assert job.state.status is Status.CANCELLED


@posix
def test_finished_child_leaves_no_grandchild_behind(start, tmp_path):
    file = tmp_path / "ends"
    job = start("family", str(file))
    assert job.wait(timeout_s=20).status is Status.FINISHED
    wait_until(lambda: not is_running(int(file.read_text())), 2.0)


def test_result_counts_although_the_child_stays(start, monkeypatch):
    monkeypatch.setattr(process, "LINGER_S", 0.3)
    job = start("linger")
    assert job.wait(timeout_s=20).status is Status.FINISHED
    assert not is_running(job.pid)


def test_other_version_is_refused(start, monkeypatch):
    monkeypatch.setattr(process, "LINGER_S", 0.3)
    state = start("hang", CHILD_VERSION="0.0.1").wait(timeout_s=20)
    assert state.status is Status.FAILED
    assert "version 0.0.1" in state.error and "repair" in state.error


def test_missing_program_is_one_sentence(tmp_path):
    with pytest.raises(RequestError, match="cannot be started .*; repair the backend"):
        Job([str(tmp_path / "no" / "python"), "-m", "sinew"], "clip", tmp_path / "log.txt")


def test_unwritable_log_is_one_sentence(tmp_path):
    with pytest.raises(RequestError, match="cannot be written"):
        Job([sys.executable], "clip", tmp_path / "no" / "log.txt")


def test_second_job_is_refused_while_one_runs(start):
    runner = Runner()
    runner.start(running(start("obey")))
    with pytest.raises(RequestError, match="already working on clip.mp4"):
        runner.refuse_second()
    runner.close()
    runner.refuse_second()
    assert runner.is_idle and runner.job.state.status is Status.CANCELLED


def test_notes_are_bounded(tmp_path):
    state = JobState("clip", tmp_path / "log")
    for number in range(1000):
        apply(state, events.Note(f"note {number}"))
    assert len(state.notes) == 100 and state.notes[0] == "note 0"


def test_fraction_never_falls(tmp_path):
    state = JobState("clip", tmp_path / "log")
    for fraction in (0.2, 0.7, 0.5, 3.0):
        apply(state, events.Progress("people", 1, 2, -4.0, fraction))
    assert (state.fraction, state.left_s) == (1.0, 0.0)
