"""`sinew solve` as a process: events, one sentence for every bad edit, a cancel that leaves nothing."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import takes

from sinew import cli
from sinew_take import edits

BACKEND = Path(__file__).parents[2] / "backend"


@pytest.fixture(scope="module")
def take(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("solve") / "take"
    return takes.take.write(takes.make_take(40, motion="walk"), folder)


def start(take, path, out, *options):
    command = [sys.executable, "-m", "sinew", "solve", str(take), "--edits", str(path), "--out", str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "PYTHONPATH": str(BACKEND), "PYTHONUNBUFFERED": "1"})


def test_a_solve_tells_how_far_it_is_and_what_came_of_it(take, tmp_path):
    path = edits.write([edits.Wrong("s1", 10, 14)], tmp_path / "e.json")
    child = start(take, path, tmp_path / "new", "--events")
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    told = [json.loads(line) for line in out.splitlines()]
    assert told[0] == {"version": told[0]["version"], "stages": ["motion", "write"], "event": "started"}
    assert told[-1]["event"] == "finished" and told[-1]["takes"] == [str((tmp_path / "new").resolve())]
    assert told[-1]["report"]["total_s"] > 0
    assert {line["stage"] for line in told if line["event"] == "progress"} == {"motion", "write"}


@pytest.mark.parametrize(("content", "code", "sentence"), [
    (None, 2, "The edits in "),
    ("{}", 2, "This is no file of edits"),
    (json.dumps(edits.as_data([edits.Wrong("s7", 1, 2)])), 2, "Edit 1 (wrong): the take holds no person 's7'"),
    (json.dumps(edits.as_data([edits.Pin("s1", 99, "nose", 1.0, 1.0)])), 2, "Edit 1 (pin): frame 99 is not in the take"),
])
def test_bad_edits_are_one_sentence_and_nothing_is_written(take, tmp_path, capfd, monkeypatch, content, code, sentence):
    monkeypatch.setattr("sinew.progress.StopRequest.watch", lambda self, parent: None)
    path = tmp_path / "e.json"
    if content is not None:
        path.write_text(content)
    got = cli.main(["solve", str(take), "--edits", str(path), "--out", str(tmp_path / "new")])
    said = [line for line in capfd.readouterr().err.splitlines() if "%" not in line]
    assert got == code and len(said) == 1 and said[0].startswith(f"sinew: {sentence}")
    assert not (tmp_path / "new").exists() and not (tmp_path / "new.partial").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_a_stopped_solve_leaves_nothing(tmp_path):
    folder = takes.take.write(takes.make_take(900, motion="walk"), tmp_path / "long")
    path = edits.write([edits.Wrong("s1", a, a + 3) for a in range(5, 895, 10)], tmp_path / "e.json")
    child = start(folder, path, tmp_path / "new", "--events")
    for line in child.stdout:
        event = json.loads(line)
        if event.get("stage") == "motion":
            break
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=10)
    assert child.returncode == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.json", "long"]
