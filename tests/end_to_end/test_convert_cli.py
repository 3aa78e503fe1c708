"""`sinew convert` and `--measures` on the real command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import foreign
import numpy as np
import pytest
from films import write_film

from sinew import cli
from sinew.doctor import examine
from sinew_take import take as take_format

BACKEND = Path(__file__).parents[2] / "backend"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SINEW_CACHE", str(tmp_path / "cache"))


def _sinew(*words) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(BACKEND), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", "sinew", *map(str, words)], capture_output=True, text=True,
                          env=environment, timeout=200)


def test_a_result_becomes_a_take_with_its_clip(tmp_path):
    """WHAM's result of the sample clip at its full rate, with the clip itself: exact times, lens and plate."""
    path = foreign.write_wham(tmp_path / "wham_output.pkl", foreign.truth(None, "smpl", 1))
    clip = foreign.SAMPLE.with_suffix(".mp4")
    done = _sinew("convert", path, "--out", tmp_path / "take", "--video", clip, "--events")
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told[0]["event"] == "started" and told[-1]["event"] == "finished"
    assert told[-1]["takes"] == [str(tmp_path / "take")]
    take = take_format.read(tmp_path / "take")
    assert take.n_frames == 96 and take.meta["source"]["name"] == "walk.mp4"
    assert (tmp_path / "take" / "plate" / "000095.jpg").exists() and not (tmp_path / "take.partial").exists()
    with np.load(foreign.SAMPLE) as data:
        assert np.abs(take.shot["time_s"] - data["time_s"]).max() < 1e-6
    said = _sinew("info", tmp_path / "take")
    assert said.returncode == 0 and "s1 Person 1" in said.stdout


@pytest.mark.parametrize(("words", "code", "sentence"), [
    (["convert", "nothing.npz", "--out", "take"], 2, "There is no result at nothing.npz; check the path."),
    (["convert", "nothing.npz", "--out", "take", "--format", "fbx"], 2, "--format"),
    (["convert", "nothing.npz"], 2, "--out"),
])
def test_wrong_requests(tmp_path, monkeypatch, capfd, words, code, sentence):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == code
    told = capfd.readouterr().err
    assert sentence in told and told.count("\n") == 1
    assert not (tmp_path / "take").exists()


def test_a_clip_too_short_for_the_result(tmp_path, capfd):
    path = foreign.write_wham(tmp_path / "w.pkl", foreign.truth(None, "smpl"))
    clip = write_film(tmp_path / "short.mp4", 10)
    assert cli.main(["convert", str(path), "--out", str(tmp_path / "take"), "--video", str(clip)]) == 3
    assert ("w.pkl goes on to frame 47, but short.mp4 ends at frame 9; give the clip that it was made from."
            in capfd.readouterr().err)
    assert not (tmp_path / "take").exists() and not (tmp_path / "take.partial").exists()


@pytest.mark.parametrize(("given", "sentence"), [
    ("height=20", "A height of 20 m is no person's; give 0.6 to 2.4 m."),
    ("leg=1.2,height=1.8", "A leg of 1.2 m does not belong to a height of 1.8 m; people have 0.68 to 1.12 m."),
    ("height=1.7,mass=40,waist=1.4", "No body has these measures together"),
])
def test_measures_nobody_has_are_said_before_anything_runs(tmp_path, capfd, given, sentence):
    clip = write_film(tmp_path / "c.mp4", 10)
    assert cli.main(["reconstruct", str(clip), "--out", str(tmp_path / "take"), "--measures", given]) == 2
    assert sentence in capfd.readouterr().err and not (tmp_path / "take").exists()


def test_height_is_given_once(tmp_path, capfd):
    clip = write_film(tmp_path / "c.mp4", 10)
    assert cli.main(["reconstruct", str(clip), "--out", str(tmp_path / "take"), "--measures", "height=1.8", "--height-m",
                     "1.8"]) == 2
    assert ("--height-m and --measures both fix the body; give the height among the measures."
            in capfd.readouterr().err)


def test_the_doctor_lists_every_set_of_model_files(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "SMPLX_NEUTRAL.npz").write_bytes(b"here")
    done = _sinew("doctor", "--json", "--models", tmp_path / "models")
    models = json.loads(done.stdout)["models"]
    assert models["folder_exists"] and models["folder"] == str(tmp_path / "models")
    state = {one["key"]: one for one in models["sets"]}
    assert state["smplx"]["ready"] and state["smplx"]["sentence"] is None
    assert not state["skel"]["ready"] and state["skel"]["sentence"].startswith("SKEL 1.1.1 needs skel_male.pkl")
    assert all(one["page"].startswith(("https://", "the npm package ")) and one["licence"] for one in state.values())


def test_the_doctor_says_of_a_file_that_is_not_the_heavy_model(tmp_path):
    (tmp_path / "pose_landmark_heavy.tflite").write_bytes(b"something else")
    found = examine(tmp_path)
    state = next(one for one in found["models"]["sets"] if one["key"] == "heavy")
    if not state["ready"]:  # else the environment has the right one, which counts
        assert state["sentence"] == (f"{tmp_path / 'pose_landmark_heavy.tflite'} is another file than MediaPipe heavy's, so "
                                     "it is not run; remove it, or put the right one there.")
    assert found["providers"]["detector"] == "mediapipe full" + " and heavy" * state["ready"]
