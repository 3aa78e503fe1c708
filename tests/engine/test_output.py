"""A shot's take on its way to the disk: begun once the camera is known, and nothing of it left where the rest fails."""

import numpy as np
import pytest
from films import write_film

from sinew import flow, pipeline, video
from sinew_take.errors import InputError, RequestError


@pytest.fixture
def shot(tmp_path):
    return video.find_shots(write_film(tmp_path / "a.mp4", 60)).shots[0]


def camera(n: int) -> flow.Camera:
    return flow.Camera(np.tile(np.eye(4), (n, 1, 1)), np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 5)), "static", "assumed",
                       "assumed")


@pytest.mark.parametrize("plate", [True, False])
def test_an_error_that_goes_no_further(tmp_path, shot, plate):
    """As of one shot of several: the others' takes are made."""
    with pipeline._Output(tmp_path / "take", shot, plate) as output:
        output.begin(camera(shot.n_frames))
        assert (tmp_path / "take.partial").exists()
        output.drop(InputError("No body could be fitted."))
        assert not (tmp_path / "take.partial").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4"]


def test_an_error_that_ends_the_run(tmp_path, shot):
    with pytest.raises(ValueError, match="the fit"), pipeline._Output(tmp_path / "take", shot, True) as output:
        output.begin(camera(shot.n_frames))
        raise ValueError("the fit")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4"]


def test_a_shot_that_fails_before_its_camera(tmp_path, shot):
    with pipeline._Output(tmp_path / "take", shot, True) as output:
        output.drop(InputError("Nobody was found."))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4"]


def test_something_in_the_way_is_said_once_the_camera_is_known(tmp_path, shot):
    (tmp_path / "take").mkdir()
    with pytest.raises(RequestError, match="take"), pipeline._Output(tmp_path / "take", shot, True) as output:
        output.begin(camera(shot.n_frames))
    assert list((tmp_path / "take").iterdir()) == []
