"""The second landmark model: which file counts, which looks it takes, and that it sees what the plain one sees."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from sinew import cli, video
from sinew.people import landmarks, looks, models, strong
from sinew.people.crops import Crop, cut
from sinew.people.landmarks import Look
from sinew.people.looks import Eyes
from sinew_take.errors import RequestError
from sinew_take.model_files import HEAVY, ModelFile, fetched_folder
from sinew_take.model_files import look as look_for_files

NAME = HEAVY.names[0]


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """An environment's prefix with a small file that stands for the right one."""
    folder = fetched_folder(tmp_path / "env")
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(b"weights")
    monkeypatch.setattr(strong, "HEAVY", ModelFile(HEAVY.key, HEAVY.names, 7, hashlib.sha256(b"weights").hexdigest()))
    return tmp_path / "env"


@pytest.mark.parametrize("mode", strong.MODES)
def test_the_installed_model_is_used_unless_the_plain_one_is_asked_for(mode, installed):
    found = strong.choose(mode, None, installed)
    assert (found.strong is None) == (mode == "plain")
    assert found.name == ("mediapipe full" if mode == "plain" else "mediapipe full and heavy") and not found.notes


def test_without_the_file_the_plain_one_looks_and_it_is_said(tmp_path):
    found = strong.choose("auto", tmp_path, tmp_path / "env")
    assert (found.strong, found.name) == (None, "mediapipe full")
    assert found.notes == ("MediaPipe's heavy landmark model is not there, so the plain one looked alone; `sinew fetch`, "
                           "or Model Files in the add-on's panel, gets it.",)
    with pytest.raises(RequestError, match="--detector strong: MediaPipe heavy needs pose_landmark_heavy.tflite "
                                           r"\(Apache-2.0\); `sinew fetch`, or Model Files"):
        strong.choose("strong", tmp_path, tmp_path / "env")


def of_the_right_size(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(HEAVY.size)


@pytest.mark.parametrize("write", [lambda path: path.write_bytes(b"another model"), of_the_right_size],
                         ids=["other size", "same size"])
def test_a_model_from_elsewhere_is_not_run(write, tmp_path):
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / NAME
    write(path)
    said = f"{path} is another file than MediaPipe heavy's, so it was not run; remove it, or put the right one there."
    found = strong.choose("auto", tmp_path, tmp_path / "env")
    assert (found.strong, found.notes) == (None, (said,))
    with pytest.raises(RequestError) as raised:
        strong.choose("strong", tmp_path, tmp_path / "env")
    assert str(raised.value) == said


def test_a_wrong_file_of_the_users_does_not_hide_the_installed_one(tmp_path, installed):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / NAME).write_bytes(b"another model")
    found = strong.choose("strong", tmp_path / "mine", installed)
    assert found.strong == fetched_folder(installed) / NAME and "is another file" in found.notes[0]


def test_the_panel_counts_what_was_fetched_and_says_what_is_wrong(tmp_path):
    fetched = fetched_folder(tmp_path)
    fetched.mkdir(parents=True)
    (fetched / NAME).write_bytes(b"short")
    found = look_for_files(None, fetched=fetched)["heavy"]
    assert not found.is_ready and found.sentence().startswith(f"{fetched / NAME} is another file")
    of_the_right_size(fetched / NAME)
    assert look_for_files(None, fetched=fetched)["heavy"].is_ready and not look_for_files(None)["heavy"].is_ready


def test_strong_without_the_file_is_one_sentence(tmp_path, capfd, monkeypatch):
    from films import write_film

    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    clip = write_film(tmp_path / "c.mp4", 10)
    assert cli.main(["reconstruct", str(clip), "--out", str(tmp_path / "take"), "--detector", "strong",
                     "--cache", str(tmp_path / "cache")]) == 2
    err = capfd.readouterr().err.strip().splitlines()
    assert err[-1].startswith("sinew: --detector strong: MediaPipe heavy needs") and not (tmp_path / "take").exists()


def test_the_strong_model_looks_in_every_second_frame(monkeypatch):
    asked = []

    class Recorder:
        def __init__(self, second=None):
            assert second is None

        def look(self, crop, strong=False, masked=True):
            asked.append(strong)
            nowhere = np.full((33, 2), np.nan)
            return Look(nowhere, nowhere, nowhere[:, 0], nowhere[:, 0], np.zeros((33, 3)), np.zeros((2, 2)), 0.0,
                        np.zeros((256, 256)))

    monkeypatch.setattr(looks, "Models", Recorder)
    picture, crop = np.zeros((300, 300, 3), np.uint8), Crop(150.0, 150.0, 200.0, 0.0)
    with Eyes(1.0, (300, 300), workers=1) as eyes:
        eyes.look(picture, crop).result()
        for number, frame in ((2, 0), (3, 0), (9, 0), (2, 1), (3, 1), (9, 1)):
            for future in eyes.refine(picture, crop, looks.kinds(number, frame)):
                assert future.result() is None
    assert asked == [False, *(True, True), *(True, False), True, *(False, False), *(False, False), False]


def a_person(shared) -> np.ndarray:
    """A crop of somebody who stands in the middle of the measured recording."""
    _, picture = next(iter(video.frames(video.find_shots(shared / "truth" / "balancing" / "cam01.mp4", 0.0, 0.2).shots[0])))
    crop = models.Models().detect(picture)[0]
    return cut(picture, crop, False)


def test_a_second_model_of_the_same_weights_sees_the_same(shared):
    pixels = a_person(shared)
    both = models.Models(models.model_file(models._package() / models.LANDMARKS_FILE))
    plain, second = both.look(pixels), both.look(pixels, strong=True)
    assert np.array_equal(plain.points_px, second.points_px) and plain.presence > 0.9
    assert both._strong is not None and models.Models()._strong is None


def test_both_models_see_the_same_person(shared):
    found = strong.choose("auto", None)
    if found.strong is None:
        pytest.skip("MediaPipe's heavy model is not installed (sinew fetch)")
    pixels = a_person(shared)
    both = models.Models(models.model_file(found.strong))
    plain, heavy = both.look(pixels), both.look(pixels, strong=True)
    off = np.linalg.norm(plain.points_px - heavy.points_px, axis=1)[11:]  # limbs and trunk, in a crop of 256 px
    assert 0.0 < np.median(off) < 5.0 and off.max() < 20.0, off
    assert heavy.presence > 0.9 and heavy.mask is None
    mask = landmarks.LandmarkModel(models.model_file(found.strong)).look(pixels).mask
    both_in = ((plain.mask > 0.5) & (mask > 0.5)).sum() / ((plain.mask > 0.5) | (mask > 0.5)).sum()
    assert both_in > 0.8
