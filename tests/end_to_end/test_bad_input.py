"""Every bad input: one sentence on stderr, the right exit code, nothing written, nothing lost. The real command line."""

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from films import marked, write_film, write_pictures

from sinew import cli

BACKEND = Path(__file__).parents[2] / "backend"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SINEW_CACHE", str(tmp_path / "cache"))


def _audio(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode()]:
            out.mux(packet)
    return path


def _bytes(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _cut(path: Path, share: float) -> Path:
    whole = write_film(path.with_name("whole.mp4"), 40)
    data = whole.read_bytes()
    whole.unlink()
    return _bytes(path, data[: int(len(data) * share)])


def _existing(path: Path) -> Path:
    (path.parent / "take").mkdir()
    (path.parent / "take" / "mine.txt").write_text("precious")
    return write_film(path, 10)


CASES = {
    "no file": (lambda d: d / "nope.mp4", [], 2, "There is no"),
    "a folder without pictures": (lambda d: (d / "empty").mkdir() or d / "empty", ["--rate", "24"], 3, "picture"),
    "an image sequence without its rate": (lambda d: write_pictures(d / "seq", range(5)), [], 2, "--rate"),
    "a text file": (lambda d: _bytes(d / "notes.mp4", b"not a video at all\n" * 50), [], 3, "not a video"),
    "random bytes": (lambda d: _bytes(d / "r.mp4", np.random.default_rng(0).bytes(5000)), [], 3, "not a video"),
    "an empty file": (lambda d: _bytes(d / "zero.mp4", b""), [], 3, ""),
    "audio only": (lambda d: _audio(d / "song.m4a"), [], 3, "picture"),
    "truncated before its index": (lambda d: _cut(d / "cut.mp4", 0.5), [], 3, ""),
    "a single frame": (lambda d: write_film(d / "one.mp4", 1), [], 3, "single frame"),
    "nobody in it": (lambda d: write_film(d / "empty.mp4", 12), [], 3, "Nobody was found"),
    "an odd pixel aspect, nobody in it": (
        lambda d: write_film(d / "sar.mp4", 8, aspect=Fraction(64, 45)), [], 3, "Nobody was found"),
    "a path with spaces, quotes and non-Latin letters": (
        lambda d: write_film(d / "it's a \"clip\" – видео 映像.mp4", 8), [], 3, "видео"),
    "a range outside the clip": (lambda d: write_film(d / "c.mp4", 10), ["--start", "50"], 2, ""),
    "a range backwards": (lambda d: write_film(d / "c.mp4", 10), ["--start", "0.2", "--end", "0.1"], 2, ""),
    "a range that is no number": (lambda d: write_film(d / "c.mp4", 10), ["--start", "nan"], 2, ""),
    "a range that is text": (lambda d: write_film(d / "c.mp4", 10), ["--start", "soon"], 2, "--start"),
    "something already at the output": (lambda d: _existing(d / "c.mp4"), [], 2, "already exists"),
    "a person's height of 20 m": (lambda d: write_film(d / "c.mp4", 10), ["--height-m", "20"], 2, "not a person's height"),
    "a distance that is none": (
        lambda d: write_film(d / "c.mp4", 10), ["--distance", "2 m"], 2, "write it as FRAME:X1,Y1:X2,Y2:METRES"),
    "a distance of 0": (lambda d: write_film(d / "c.mp4", 10), ["--distance", "0:9,80:99,80:0"], 2, "0 m is no distance"),
    "a distance of 900 m": (
        lambda d: write_film(d / "c.mp4", 10), ["--distance", "0:9,80:99,80:900"], 2, "give 0.05 to 200 m"),
    "a distance from a point to itself": (
        lambda d: write_film(d / "c.mp4", 10), ["--distance", "0:9,80:9,80:2"], 2, "the same"),
    "a distance outside the picture": (
        lambda d: write_film(d / "c.mp4", 10), ["--distance", "0:9,80:199,80:2"], 2, "which has 160 x 96 pixels"),
    "a distance in a frame that is not there": (
        lambda d: write_film(d / "c.mp4", 10), ["--distance", "10:9,80:99,80:2"], 2, "frames 0 to 9 are reconstructed"),
    "a distance outside the range": (
        lambda d: write_film(d / "c.mp4", 10), ["--distance", "8:9,80:99,80:2", "--end", "0.2"], 2,
        "measured in frame 8, and frames 0 to 5"),
    "a focal length of 0": (lambda d: write_film(d / "c.mp4", 10), ["--focal-mm", "0"], 2, "35 mm equivalent"),
    "a field of view of 400 degrees": (lambda d: write_film(d / "c.mp4", 10), ["--fov-deg", "400"], 2, "field of view"),
    "two lenses": (lambda d: write_film(d / "c.mp4", 10), ["--fov-deg", "40", "--focal-mm", "35"], 2, "one of them"),
    "no people wanted": (lambda d: write_film(d / "c.mp4", 10), ["--people", "0"], 2, "keeps nobody"),
    "no Gaussians": (lambda d: write_film(d / "c.mp4", 10), ["--splats", "0"], 2, "give 1 to 2000000"),
    "fewer Gaussians than none": (lambda d: write_film(d / "c.mp4", 10), ["--splats", "-5"], 2, "--splats -5 is no number"),
    "SKEL without its model files": (
        lambda d: write_film(d / "c.mp4", 10), ["--body", "skel"], 2,
        "SKEL 1.1.1 needs skel_male.pkl or skel_female.pkl; get it from https://skel.is.tue.mpg.de (Max Planck, "
        "non-commercial research) and put it into the folder of model files."),
    "SMPL-X without its model files": (
        lambda d: write_film(d / "c.mp4", 10), ["--body", "smplx"], 2,
        "SMPL-X needs SMPLX_NEUTRAL.npz or SMPLX_MALE.npz or SMPLX_FEMALE.npz; get it from "
        "https://smpl-x.is.tue.mpg.de"),
    "no folder of model files": (
        lambda d: write_film(d / "c.mp4", 10), ["--models", "nowhere"], 2, "There is no folder of model files at nowhere"),
    "an unknown body": (lambda d: write_film(d / "c.mp4", 10), ["--body", "robot"], 2, "--body"),
}


def _run(capfd, *arguments) -> tuple[int, str]:
    code = cli.main([str(a) for a in arguments])
    return code, capfd.readouterr().err


def _sentence(err: str) -> str:
    said = [line for line in err.splitlines() if line.startswith("sinew: ")]
    assert len(said) == 1, err
    assert "Traceback" not in err
    return said[0]


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name, tmp_path, capfd, monkeypatch):
    # In this process the heavy imports are paid once; how signals behave is tested with real children below.
    monkeypatch.setattr("sinew.progress.StopRequest.watch", lambda self, parent: None)
    make, options, code, words = CASES[name]
    video = make(tmp_path)
    got, err = _run(capfd, "reconstruct", video, "--out", tmp_path / "take", *options)
    sentence = _sentence(err)
    assert got == code, sentence
    assert words in sentence
    assert sentence.endswith(".") and ".)" not in sentence, sentence
    if name == "something already at the output":
        assert (tmp_path / "take" / "mine.txt").read_text() == "precious"
    else:
        assert not (tmp_path / "take").exists()
    assert not (tmp_path / "take.partial").exists()


def test_a_run_that_fails_in_a_later_shot_can_be_repeated(tmp_path, capfd, monkeypatch):
    """Two shots with somebody in each; the distance is measured in the second one's sky, which is known once it is solved."""
    from sinew import video

    monkeypatch.setattr("sinew.progress.StopRequest.watch", lambda self, parent: None)
    shot = video.find_shots(Path(__file__).parents[2] / "docs/sample/walk.mp4").shots[0]
    pictures = [p if k < 20 else 255 - p[:, ::-1] for k, p in video.frames(shot, [*range(20), *range(50, 70)])]
    film = write_film(tmp_path / "two.mp4", pictures, rate=24)
    words = ["reconstruct", film, "--out", tmp_path / "take", "--no-plate"]
    got, err = _run(capfd, *words, "--distance", "30:9,9:99,9:2")
    assert got == 2 and "above the horizon" in _sentence(err)
    assert {p.name for p in tmp_path.iterdir()} == {"cache", "two.mp4"}
    (tmp_path / "take-2.partial").mkdir()
    got, err = _run(capfd, *words)
    assert got == 2 and "take-2.partial is in the way" in _sentence(err) and not (tmp_path / "take").exists()
    (tmp_path / "take-2.partial").rmdir()
    got, _ = _run(capfd, *words, "--end", "inf")
    assert got == 0 and (tmp_path / "take-2/take.json").exists()


@pytest.mark.parametrize(("frames", "focal_px", "words"), [
    (range(3), 150.0, "holds a camera for 3 of the 30 frames (its frames are 0 to 2, the shot's 0 to 29)"),
    (range(30), 1.0, "a focal length of 1 px for a picture 160 px wide, which no lens has"),
    (range(30), 1e6, "a focal length of 1e+06 px for a picture 160 px wide, which no lens has")])
def test_a_camera_file_is_held_against_the_clip_before_anybody_is_looked_for(tmp_path, capfd, monkeypatch, frames, focal_px,
                                                                             words):
    monkeypatch.setattr("sinew.progress.StopRequest.watch", lambda self, parent: None)
    K = [[focal_px, 0, 80], [0, focal_px, 48], [0, 0, 1]]
    (tmp_path / "camera.json").write_text(json.dumps({
        "format": "sinew-camera", "version": [1, 0], "size_px": [160, 96], "frame": list(frames),
        "T_wc": [np.eye(4).tolist()] * len(frames), "K": [K] * len(frames)}))
    got, err = _run(capfd, "reconstruct", write_film(tmp_path / "c.mp4", 30), "--out", tmp_path / "take", "--camera-file",
                    tmp_path / "camera.json")
    assert got == 3 and words in _sentence(err)
    assert not (tmp_path / "take").exists() and not (tmp_path / "take.partial").exists()


def test_unwritable_output(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("sinew.progress.StopRequest.watch", lambda self, parent: None)
    (tmp_path / "file").write_text("")
    got, err = _run(capfd, "reconstruct", write_film(tmp_path / "c.mp4", 10), "--out", tmp_path / "file" / "take")
    assert got == 2
    assert "Nothing can be written to" in _sentence(err)


def test_a_gpu_that_is_not_there(tmp_path, capfd, monkeypatch):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    monkeypatch.setattr("sinew.progress.StopRequest.watch", lambda self, parent: None)
    video = write_film(tmp_path / "c.mp4", 10)
    got, err = _run(capfd, "reconstruct", video, "--out", tmp_path / "take", "--device", "cuda")
    assert got == 2
    assert "No CUDA device was found; use --device cpu" in _sentence(err)


def test_full_disk(tmp_path, capfd):
    if not os.path.exists("/dev/full") or os.name == "nt":
        pytest.skip("needs a Unix with /dev/full")
    done = subprocess.run([sys.executable, "-m", "sinew", "reconstruct", "x.mp4", "--out", "/dev/full/take"],
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(BACKEND)}, check=False)
    assert done.returncode == 2
    assert "Nothing can be written to" in _sentence(done.stderr)


@pytest.mark.parametrize(("verb", "more"), [("info", []), ("export", ["--to", "x.csv"])])
def test_not_a_take(tmp_path, capfd, verb, more):
    got, err = _run(capfd, verb, tmp_path, *more)
    assert got == 3
    assert "is not a take" in _sentence(err)


def test_export_refuses_unknown_formats_and_existing_files(tmp_path, capfd):
    import takes

    folder = takes.write_take(tmp_path / "take")
    assert "no extension that Sinew can write" in _sentence(_run(capfd, "export", folder, "--to", tmp_path / "a.xyz")[1])
    (tmp_path / "a.csv").write_text("mine")
    got, err = _run(capfd, "export", folder, "--to", tmp_path / "a.csv")
    assert got == 2 and "already exists" in _sentence(err)
    assert (tmp_path / "a.csv").read_text() == "mine"
    got, err = _run(capfd, "export", folder, "--to", tmp_path / "b.csv", "--subject", "s9")
    assert got == 2 and "holds no subject 's9'; it has s1" in _sentence(err)


def test_bench_names_what_exists(capfd):
    got, err = _run(capfd, "bench", "nonsense")
    assert got == 2 and "There is no benchmark 'nonsense'" in _sentence(err)


def test_events_end_with_failed_and_stay_alone_on_stdout(tmp_path):
    video = write_film(tmp_path / "empty.mp4", (marked(k, (320, 192)) for k in range(6)))
    done = subprocess.run(
        [sys.executable, "-m", "sinew", "reconstruct", str(video), "--out", str(tmp_path / "take"), "--events"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(BACKEND)}, check=False)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told[0]["event"] == "started"
    assert told[-1]["event"] == "failed" and told[-1]["code"] == done.returncode == 3
    assert "Nobody was found" in told[-1]["message"]
