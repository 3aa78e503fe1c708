"""The backend as a process: it stops when asked, ends with its parent, and goes on from finished stages."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from films import write_film

BACKEND = Path(__file__).parents[2] / "backend"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of Unix")


def _start(tmp_path, video, *options, **popen):
    command = [sys.executable, "-m", "sinew", "reconstruct", str(video), "--out", str(tmp_path / "take"), "--events",
               "--cache", str(tmp_path / "cache"), *options]
    env = {**os.environ, "PYTHONPATH": str(BACKEND), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, **popen)


def _wait_for(child, stage):
    for line in child.stdout:
        event = json.loads(line)
        if event.get("stage") == stage and event.get("done"):
            return
    raise AssertionError(child.stderr.read())


def _gone(pid: int, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def long_film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "long.mp4", 400)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_within_two_seconds(tmp_path, long_film, how):
    child = _start(tmp_path, long_film)
    _wait_for(child, "people")
    child.send_signal(how)
    out, err = child.communicate(timeout=2)
    assert child.returncode == 4
    assert not (tmp_path / "take").exists() and not (tmp_path / "take.partial").exists()
    assert "Stopped; finished stages are kept" in err
    assert json.loads(out.splitlines()[-1])["event"] == "failed"


def test_a_closed_standard_input_stops_it_where_a_parent_is_named(tmp_path, long_film):
    child = _start(tmp_path, long_film, "--parent-pid", str(os.getpid()), stdin=subprocess.PIPE)
    _wait_for(child, "people")
    child.stdin.close()
    assert child.wait(timeout=2) == 4


def test_it_ends_with_its_parent(tmp_path, long_film):
    code = ("import subprocess, sys, os, time\n"
            "c = subprocess.Popen([sys.executable, '-m', 'sinew', 'reconstruct', sys.argv[1], '--out', sys.argv[2],\n"
            "    '--parent-pid', str(os.getpid())], stdin=open(sys.argv[3]), stdout=subprocess.DEVNULL)\n"
            "print(c.pid, flush=True); time.sleep(60)")
    fifo = tmp_path / "open"  # standard input stays open, so that only the parent's end can be the reason
    os.mkfifo(fifo)
    keep = os.open(fifo, os.O_RDWR)
    env = {**os.environ, "PYTHONPATH": str(BACKEND), "SINEW_CACHE": str(tmp_path / "cache")}
    parent = subprocess.Popen([sys.executable, "-c", code, str(long_film), str(tmp_path / "take"), str(fifo)],
                              stdout=subprocess.PIPE, text=True, env=env)
    pid = int(parent.stdout.readline())
    time.sleep(3)
    assert not _gone(pid, 0.1)
    parent.kill()
    parent.wait()
    assert _gone(pid, 3)
    os.close(keep)


def test_a_stopped_run_resumes_from_its_finished_stages(tmp_path, long_film):
    child = _start(tmp_path, long_film)
    _wait_for(child, "people")
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=2)
    entries = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").rglob("*.npz")}
    assert [p.parent.name for p in entries] == ["video"]
    child = _start(tmp_path, long_film)
    _wait_for(child, "people")
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=2)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").rglob("*.npz")} == entries
