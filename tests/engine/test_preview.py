"""The preview's layout: panels, film, sheet, and what is wrong with its input."""

import json

import av
import cv2
import numpy as np
import pytest
import takes

from sinew.preview import compose
from sinew.preview.compose import beside, contact_sheet, over
from sinew_take import take as take_format
from sinew_take.errors import InputError, RequestError

SIZE = (64, 36)


@pytest.fixture
def take_folder(tmp_path):
    made = takes.make_take(6, size_px=SIZE, body="box")
    partial = tmp_path / "take.partial"
    takes.add_plate(made, partial)
    return take_format.write(made, tmp_path / "take", partial)


@pytest.fixture
def frames(tmp_path):
    """Bodies: red in the left half; splats: opaque green, every second frame."""
    folder = tmp_path / "frames"
    times = {"body": [t * 1001 / 30000 for t in range(6)], "splats": [t * 1001 / 30000 for t in (0, 2, 4)]}
    for name, color in (("body", (255, 0, 0)), ("splats", (0, 255, 0))):
        (folder / name).mkdir(parents=True)
        for number in range(len(times[name])):
            rgba = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
            rgba[:, :SIZE[0] // 2 if name == "body" else None] = (*color, 255)
            cv2.imwrite(str(folder / name / f"{number:06d}.png"), cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))
    (folder / "frames.json").write_text(json.dumps({"time_s": times, "rate": 30000 / 1001, "size_px": SIZE}))
    return folder


def test_film_has_every_frame_at_the_clips_rate_and_three_panels(take_folder, frames, tmp_path):
    sheet, film = compose(take_folder, frames, tmp_path / "out" / "clip v1.2")
    assert sheet.name == "clip v1.2.png" and film.name == "clip v1.2.mp4"
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        assert abs(float(stream.average_rate) - 30000 / 1001) < 0.01
        pictures = [f.to_ndarray(format="rgb24") for f in container.decode(stream)]
    assert len(pictures) == 6
    width = SIZE[0]
    assert pictures[0].shape[1] == (3 * width + 8) // 2 * 2
    # The plate is brighter with every frame; the body lies over the second panel's left half, green fills the third.
    grey = [p[-8:, 4:20].mean() for p in pictures]
    assert np.diff(grey).min() > 10
    second = pictures[3][4:-4, width + 8:]
    left, right = second[:, :16].mean((0, 1)), second[:, 40:54].mean((0, 1))
    assert left[0] > left[1] + 100 and np.ptp(right) < 12
    third = pictures[3][4:-4, -width + 8:-8].mean((0, 1))
    assert third[1] > 200 and third[0] < 60


def test_sheet_shows_the_splats_moments(take_folder, frames, tmp_path):
    sheet, _ = compose(take_folder, frames, tmp_path / "clip")
    picture = cv2.imread(str(sheet))
    assert picture is not None and picture.shape[0] > 3 * SIZE[1]


def test_take_without_plate_is_shown_on_grey(frames, tmp_path):
    folder = takes.write_take(tmp_path / "bare", n_frames=6, size_px=SIZE, body="box")
    assert all(p.stat().st_size for p in compose(folder, frames, tmp_path / "clip"))


@pytest.mark.parametrize("harm", ["no index", "not json", "picture gone", "picture cut"])
def test_damaged_frames_are_one_sentence(take_folder, frames, tmp_path, harm):
    if harm == "no index":
        (frames / "frames.json").unlink()
    elif harm == "not json":
        (frames / "frames.json").write_text("{")
    elif harm == "picture gone":
        (frames / "body" / "000003.png").unlink()
    else:
        (frames / "body" / "000003.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match="preview"):
        compose(take_folder, frames, tmp_path / "clip")
    assert not list(tmp_path.glob("clip*"))


def test_over_is_straight_alpha():
    rgba = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], np.uint8)
    below = np.full((1, 3, 3), 100, np.uint8)
    assert np.abs(over(rgba, below).astype(int) - [[[200, 100, 0], [100, 100, 100], [120, 100, 80]]]).max() <= 1


@pytest.mark.parametrize("n", [1, 2, 5, 10])
def test_sheet_holds_every_strip_once(n):
    strips = [np.full((30, 160, 3), 40 + 20 * i, np.uint8) for i in range(n)]
    sheet = contact_sheet(strips, 400)
    assert sheet.shape[1] <= 400
    assert {40 + 20 * i for i in range(n)} <= set(np.unique(sheet))
    assert beside(strips[:1]).shape == (30, 160, 3)


@pytest.mark.parametrize("end", [".png", ".mp4"])
def test_what_stands_at_the_output_stays(take_folder, frames, tmp_path, end):
    mine = tmp_path / f"clip{end}"
    mine.write_text("my only picture")
    with pytest.raises(RequestError, match=rf"clip{end} already exists; choose another --out\.$"):
        compose(take_folder, frames, tmp_path / "clip")
    assert mine.read_text() == "my only picture" and list(tmp_path.glob("clip*")) == [mine]


def test_no_half_sheet_is_left_where_the_disk_is_full(take_folder, frames, tmp_path, monkeypatch):
    def full(self, data):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(RequestError, match="No space left on device"):
        compose(take_folder, frames, tmp_path / "clip")
    assert [p.name for p in tmp_path.glob("clip*")] == ["clip.mp4"]
