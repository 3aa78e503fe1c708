"""The plate: one upright JPEG per frame of the take, close to the picture it came from."""

import errno
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from films import number_of, write_film

from sinew import video
from sinew.video import plate
from sinew_take.errors import RequestError, Stopped
from sinew_take.take import PLATE_PATTERN


@pytest.fixture
def shot(tmp_path):
    return video.find_shots(write_film(tmp_path / "a.mp4", 30, turn_ccw_deg=90), 0.5, 0.8).shots[0]


def test_one_picture_per_frame_of_the_take(tmp_path, shot):
    folder = tmp_path / "täke's out"
    told = []
    entry = video.write_plate(shot, folder, lambda done, total: told.append((done, total)))
    assert entry == {"pattern": PLATE_PATTERN, "size_px": [96, 160]}
    assert told[0] == (0, 9) and told[-1] == (9, 9)
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg"))
    assert files == [PLATE_PATTERN.format(k) for k in range(9)]
    for index, picture in video.frames(shot):
        data = np.frombuffer((folder / PLATE_PATTERN.format(index)).read_bytes(), np.uint8)
        read = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(read.astype(int) - picture).mean() < 2.5
        assert number_of(np.rot90(read, -1)) == 15 + index


def test_a_folder_that_cannot_be_written(tmp_path, shot):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RequestError, match="cannot be written"):
        video.write_plate(shot, tmp_path / "file" / "take")


def test_a_full_disk(tmp_path, shot, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RequestError, match=r"No space left on device\); choose another --out or free some space\.$"):
        plate.write_plate(shot, tmp_path / "take")


def test_stopping(tmp_path, shot):
    def stop(done, total):
        if done >= 2:
            raise Stopped("stopped")

    with pytest.raises(Stopped):
        video.write_plate(shot, tmp_path / "take", stop)


def test_written_beside_other_work(tmp_path, shot):
    told = []
    lens = np.tile(np.eye(3), (9, 1, 1)), np.zeros((9, 5))
    with video.plate_beside(shot, tmp_path / "a", *lens) as beside:
        entry = beside.finished(lambda done, total: told.append((done, total)))
    assert entry == video.write_plate(shot, tmp_path / "b")
    assert told[-1] == (9, 9)
    for name in (PLATE_PATTERN.format(k) for k in range(9)):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_given_up_beside_other_work(tmp_path):
    """Whoever leaves may take the folder away at once: nothing is written any more."""
    shot = video.find_shots(write_film(tmp_path / "long.mp4", 150)).shots[0]
    with pytest.raises(ValueError, match="the fit"), video.plate_beside(
            shot, tmp_path / "take", np.tile(np.eye(3), (150, 1, 1)), np.zeros((150, 5))):
        raise ValueError("the fit")
    assert len(list((tmp_path / "take").rglob("*.jpg"))) < 150
    shutil.rmtree(tmp_path / "take", ignore_errors=True)
    assert not (tmp_path / "take").exists()


def test_a_full_disk_beside_other_work(tmp_path, shot):
    """Said where the plate is waited for, in the same words."""
    (tmp_path / "file").write_text("in the way")
    with video.plate_beside(shot, tmp_path / "file" / "take", np.tile(np.eye(3), (9, 1, 1)), np.zeros((9, 5))) as beside:
        with pytest.raises(RequestError, match=r"cannot be written to .*; choose another --out or free some space\.$"):
            beside.finished()


def test_stopping_while_a_plate_is_waited_for(tmp_path, shot):
    def stop(done, total):
        raise Stopped("stopped")

    with video.plate_beside(shot, tmp_path / "take", np.tile(np.eye(3), (9, 1, 1)), np.zeros((9, 5))) as beside:
        with pytest.raises(Stopped, match="stopped"):
            beside.finished(stop)
