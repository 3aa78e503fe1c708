"""The plate behind the camera: the right picture on every scene frame."""

import os
from fractions import Fraction

import numpy as np
import pytest
import takes
from test_camera import put

from sinew_take import take as take_format

bpy = pytest.importorskip("bpy")

N = 12
SIZE = (64, 36)


def written(folder, **options):
    """A take on disk with a plate whose picture t is grey 30 + 10 t."""
    made = takes.make_take(N, size_px=SIZE, **options)
    made.subjects[0].motion["keypoints_px"][:] = np.nan  # no marks on the pictures
    partial = folder.with_name(folder.name + ".partial")
    takes.add_plate(made, partial)
    return take_format.read(take_format.write(made, folder, partial))


def shown(camera, frame) -> int:
    """Take frame whose picture stands behind the camera at a scene frame, read from the file that Blender opens."""
    bpy.context.scene.frame_set(frame)
    background = camera.data.background_images[0]
    path = bpy.path.abspath(background.image.filepath_from_user(image_user=background.image_user))
    picture = bpy.data.images.load(path)
    grey = np.array(picture.pixels[:]).reshape(-1, 4)[:, 0].mean() * 255
    bpy.data.images.remove(picture)
    return int(round((grey - 30) / 10))


def test_own_rate_shows_the_takes_pictures_frame_for_frame(extension, tmp_path):
    take = written(tmp_path / "take")
    built, timing, _ = put(extension, take, first=101)
    assert not built.notes
    assert [shown(built.camera, int(f)) for f in timing.frames] == list(range(N))
    assert not list((tmp_path / "take").glob("plate_*"))


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(60), Fraction(25)])
def test_another_rate_shows_the_nearest_picture(extension, tmp_path, rate):
    take = written(tmp_path / "take")
    built, timing, _ = put(extension, take, rate, first=1)
    assert not built.notes
    first, last = timing.range
    for frame in range(first, last + 1):
        wanted_s = (frame - first) / float(rate)
        distance = np.abs(take.shot["time_s"] - wanted_s)
        assert distance[shown(built.camera, frame)] <= distance.min() + 1e-4  # s


def test_variable_rate_is_conformed_by_time(extension, tmp_path):
    take = written(tmp_path / "take", is_variable_rate=True)
    take.shot["time_s"][6:] += 0.3  # a pause, as phones leave them
    built, timing, _ = put(extension, take)
    first, last = timing.range
    assert last - first + 1 > N
    rate = 30000 / 1001
    got = [shown(built.camera, f) for f in range(first, last + 1)]
    for frame, picture in enumerate(got):
        distance = np.abs(take.shot["time_s"] - take.shot["time_s"][0] - frame / rate)
        assert distance[picture] <= distance.min() + 1e-4  # s
    assert got == sorted(got)


def test_conformed_pictures_are_written_once_and_beside_on_request(extension, tmp_path):
    take = written(tmp_path / "take")
    beside = tmp_path / "scene files"
    put(extension, take, Fraction(24))
    folder = tmp_path / "take" / "plate_24"
    stamp = os.stat(folder / "000000.jpg").st_ino, os.stat(folder).st_mtime_ns
    put(extension, take, Fraction(24))
    assert (os.stat(folder / "000000.jpg").st_ino, os.stat(folder).st_mtime_ns) == stamp
    assert sorted(p.name for p in (tmp_path / "take").glob("plate*")) == ["plate", "plate_24"]
    mine = beside / "plate_24"
    mine.mkdir(parents=True)
    (mine / "note.txt").write_text("mine")
    built, _, _ = put(extension, take, Fraction(24), beside=beside)
    assert (mine / "note.txt").read_text() == "mine"
    assert str(beside) in built.camera.data.background_images[0].image.filepath
    assert take_format.read(tmp_path / "take").n_frames == N


def test_two_takes_beside_one_file_do_not_share_pictures(extension, tmp_path):
    beside = tmp_path / "beside"
    one = written(tmp_path / "one", take_id="11111111-0000-4000-8000-000000000000")
    two = written(tmp_path / "two", take_id="22222222-0000-4000-8000-000000000000")
    put(extension, one, Fraction(24), beside=beside)
    put(extension, two, Fraction(24), beside=beside)
    assert len(list(beside.iterdir())) == 2


def test_copies_where_the_disk_has_no_links(extension, tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError("no links here")

    take = written(tmp_path / "take")
    monkeypatch.setattr(os, "link", no_links)
    built, timing, _ = put(extension, take, Fraction(24))
    assert shown(built.camera, timing.range[0]) == 0
    assert len(list((tmp_path / "take" / "plate_24").glob("*.jpg"))) == timing.range[1] - timing.range[0] + 1


def test_one_property_moves_the_plate(extension, tmp_path):
    take = written(tmp_path / "take")
    built, timing, root = put(extension, take, first=11)
    root["sinew_plate_offset"] = 2
    root.update_tag()
    # As in a window, which evaluates once for the edited property before anybody changes the frame.
    bpy.context.view_layer.update()
    bpy.context.scene.frame_set(11)
    assert [shown(built.camera, 11 + k) for k in (2, 5, 9)] == [0, 3, 7]
    put(extension, take, first=11)
    assert root["sinew_plate_offset"] == 2


def test_update_keeps_the_artists_backgrounds_and_settings(extension, tmp_path):
    take = written(tmp_path / "take")
    built, _, _ = put(extension, take)
    data = built.camera.data
    data.background_images[0].alpha = 0.25
    other = data.background_images.new()
    other.image = bpy.data.images.new("mine", 4, 4)
    later = written(tmp_path / "later", take_id="later")
    again, _, _ = put(extension, later)
    assert again.camera == built.camera and len(data.background_images) == 2
    assert data.background_images[0].alpha == 0.25
    assert str(tmp_path / "later") in data.background_images[0].image.filepath


def test_paths_are_relative_only_in_a_saved_file(extension, tmp_path):
    take = written(tmp_path / "take")
    built, _, _ = put(extension, take)
    image = built.camera.data.background_images[0].image
    assert os.path.isabs(image.filepath)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    put(extension, take)
    assert image.filepath.startswith("//") and os.path.isfile(bpy.path.abspath(image.filepath))


@pytest.mark.parametrize(("frame_px", "method"), [((1920, 1080), "CROP"), ((1000, 1000), "FIT"), ((2048, 858), "CROP")])
def test_plate_stays_as_wide_as_the_field_of_view(extension, tmp_path, frame_px, method):
    take = written(tmp_path / "take")
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y = frame_px
    built, _, _ = put(extension, take, set_picture_size=False)
    assert built.camera.data.background_images[0].frame_method == method
    assert (render.resolution_x, render.resolution_y) == frame_px


def test_no_plate_is_said(extension, tmp_path):
    built, _, _ = put(extension, takes.make_take(3))
    assert any("no plate" in note for note in built.notes) and not built.camera.data.background_images
    take = written(tmp_path / "take")
    (tmp_path / "take" / "plate" / "000000.jpg").unlink()
    built, _, _ = put(extension, take)
    assert any("missing" in note for note in built.notes)


def test_unwritable_place_is_one_sentence(extension, tmp_path):
    take = written(tmp_path / "take")
    blocker = tmp_path / "file"
    blocker.write_text("")
    built, _, _ = put(extension, take, Fraction(24), beside=blocker)
    assert any("cannot be fitted" in note for note in built.notes) and len(built.notes) == 1
