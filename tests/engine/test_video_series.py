"""Image sequences: which files they are, in which order, and what is said of gaps, strangers and damage."""

import struct
import zlib

import av
import cv2
import numpy as np
import pytest
from films import marked, number_of, write_pictures

from sinew import video
from sinew.video.exif import JpegFacts, read_jpeg
from sinew_take.errors import InputError, RequestError


def read(path, rate=25, **more):
    scan = video.find_shots(path, rate=rate, **more)
    assert len(scan.shots) == 1
    return scan, [number_of(picture) for _, picture in video.frames(scan.shots[0])]


def test_numbers_without_leading_zeros_are_counted_not_spelled(tmp_path):
    folder = write_pictures(tmp_path / "a", [8, 9, 10, 11, 100, 101, 99], "{}.png")
    scan, numbers = read(folder)
    assert numbers == [8, 9, 10, 11, 99, 100, 101]
    assert "consecutive" in scan.notes[0]
    np.testing.assert_allclose(scan.shots[0].time_s, np.arange(7) / 25)


def test_a_gap_is_said_and_keeps_its_time(tmp_path):
    folder = write_pictures(tmp_path / "a", [1, 2, 3, 6, 7, 8, 9], "f.{:03d}.png")
    scan, numbers = read(folder / "f.###.png")
    assert numbers == [1, 2, 3, 6, 7, 8, 9]
    assert "2 of 9 pictures are missing" in scan.notes[0] and "f.003.png" in scan.notes[0]
    np.testing.assert_allclose(scan.shots[0].time_s, np.array([0, 1, 2, 5, 6, 7, 8]) / 25)
    assert scan.info.is_variable_rate
    assert scan.shots[0].frame.tolist() == list(range(7))


def test_every_second_number_is_no_gap(tmp_path):
    scan, numbers = read(write_pictures(tmp_path / "a", range(0, 12, 2)))
    assert numbers == list(range(0, 12, 2)) and scan.notes == []
    np.testing.assert_allclose(scan.shots[0].time_s, np.arange(6) / 25)


def test_names_without_numbers(tmp_path):
    folder = write_pictures(tmp_path / "a", [1])
    for k, name in enumerate(["anna", "Berta", "cäsar"]):
        (folder / "shot_0001.png").rename(folder / f"{name}.png")
        write_pictures(folder, [1])
        (folder / f"{name}.png").write_bytes(cv2.imencode(".png", marked(k)[..., ::-1])[1].tobytes())
    (folder / "shot_0001.png").unlink()
    assert read(folder)[1] == [0, 1, 2]


def test_strangers_in_the_folder(tmp_path):
    folder = write_pictures(tmp_path / "a", range(6))
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"")
    write_pictures(folder, [1], "cover.png")
    scan, numbers = read(folder)
    assert numbers == list(range(6)) and "left out" in scan.notes[0] and "cover.png" in scan.notes[0]
    write_pictures(folder, range(4), "other_{:04d}.png")
    with pytest.raises(RequestError, match="several series"):
        read(folder)
    assert read(folder / "shot_%04d.png")[1] == list(range(6))


@pytest.mark.parametrize("name", ["p_{:02d}.jpg", "p_{:02d}.bmp", "p_{:02d}.tif", "p_{:02d}.webp", "p_{:02d}.ppm",
                                  "p{:02d}.JP2"])
def test_kinds_of_pictures(tmp_path, name):
    assert read(write_pictures(tmp_path / "a", range(5), name))[1] == list(range(5))


def write_exr(path, light, kind):
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as out:
        stream = out.add_stream("exr", rate=25, options={"format": kind})
        stream.height, stream.width = light.shape[:2]
        stream.pix_fmt = "gbrpf32le" if light.shape[-1] == 3 else "gbrapf32le"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(light, stream.pix_fmt)))
        out.mux(stream.encode())


@pytest.mark.parametrize("kind", ["half", "float"])
@pytest.mark.parametrize("channels", [3, 4])
def test_exr_is_linear_light(tmp_path, kind, channels):
    """18 % grey in linear light is 118 in sRGB; over-bright is white; missing numbers are black; opacity is left out."""
    light = np.zeros((48, 64, 3), np.float32)
    light[:, 16:32] = 0.18
    light[:, 32:48] = 7.5
    light[:, 48:] = (0.5, 0.0, 0.0)
    light[0, 0] = np.nan
    if channels == 4:
        light = np.dstack([light, np.full((48, 64), 0.5, np.float32)])
    for k in range(3):
        write_exr(tmp_path / f"r_{k}.exr", light, kind)
    scan = video.find_shots(tmp_path / "r_#.exr", rate=24)
    _, picture = next(video.frames(scan.shots[0]))
    assert picture[24, [8, 24, 40, 56]].tolist() == [[0, 0, 0], [118, 118, 118], [255, 255, 255], [188, 0, 0]]
    assert picture[0, 0].tolist() == [0, 0, 0]


def test_sixteen_bits_and_transparency(tmp_path):
    deep = np.repeat(marked(3).astype(np.uint16) * 257, 1, 0)
    (tmp_path / "d").mkdir()
    for k in range(2):
        (tmp_path / "d" / f"d{k}.png").write_bytes(cv2.imencode(".png", deep[..., ::-1])[1].tobytes())
    _, picture = next(video.frames(video.find_shots(tmp_path / "d", rate=25).shots[0]))
    assert np.abs(picture.astype(int) - marked(3)).max() <= 1
    clear = np.dstack([marked(3)[..., ::-1], np.full((96, 160), 128, np.uint8)])
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "t0.png").write_bytes(cv2.imencode(".png", clear)[1].tobytes())
    _, picture = next(video.frames(video.find_shots(tmp_path / "t", rate=25).shots[0]))
    assert np.abs(picture - marked(3) * (128 / 255)).max() <= 1


def test_pictures_of_different_sizes_are_refused(tmp_path):
    folder = write_pictures(tmp_path / "a", range(6))
    (folder / "shot_0004.png").write_bytes(cv2.imencode(".png", np.zeros((50, 60, 3), np.uint8))[1].tobytes())
    with pytest.raises(InputError, match=r"shot_0004.png is 60x50 and the first one is 160x96"):
        read(folder)


def test_damaged_pictures_are_left_out_and_said(tmp_path):
    folder = write_pictures(tmp_path / "a", range(10))
    (folder / "shot_0000.png").write_bytes(b"")
    (folder / "shot_0005.png").write_bytes(b"\x89PNG nonsense")
    scan, numbers = read(folder)
    assert numbers == [1, 2, 3, 4, 6, 7, 8, 9]
    assert any(note.startswith("2 of 10 pictures could not be decoded") for note in scan.notes)
    np.testing.assert_allclose(scan.shots[0].time_s * 25, [0, 1, 2, 3, 5, 6, 7, 8])


def test_patterns_that_fit_nothing(tmp_path):
    folder = write_pictures(tmp_path / "a", range(3))
    for name, words in [("shot_#####.png", "No file fits"), ("shot_%02d_%03d.png", "more than one place"),
                        ("other_####.png", "No file fits")]:
        with pytest.raises(RequestError, match=words):
            video.probe(folder / name, 25)
    with pytest.raises(RequestError, match="no folder"):
        video.probe(tmp_path / "nowhere" / "a_####.png", 25)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        video.probe(tmp_path / "empty", 25)


def test_the_same_number_twice(tmp_path):
    folder = write_pictures(tmp_path / "a", range(3), "s{:02d}.png")
    write_pictures(folder, [2], "s{:03d}.png")
    with pytest.raises(RequestError, match="same number"):
        video.probe(folder, 25)


def _exif(order, entries):
    """A JPEG head with an Exif block of (tag, kind, value) in the first directory and 0xA405 behind 0x8769."""
    (orientation, focal) = entries
    body = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    body += struct.pack(order + "H", 2) + struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    body += struct.pack(order + "HHII", 0x8769, 4, 1, 38) + struct.pack(order + "I", 0)
    body += struct.pack(order + "H", 1) + struct.pack(order + "HHIHH", 0xA405, 3, 1, focal, 0) + struct.pack(order + "I", 0)
    block = b"Exif\0\0" + body
    return b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("held", range(1, 9))
def test_exif_of_photographs(tmp_path, order, held):
    """A photograph written as Exif's orientation says is read upright, and its 28 mm lens is found."""
    for k in range(3):
        upright = marked(k)
        stored = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
                  5: upright.transpose(1, 0, 2), 6: np.rot90(upright), 7: np.rot90(upright, 2).transpose(1, 0, 2),
                  8: np.rot90(upright, -1)}[held]
        jpeg = cv2.imencode(".jpg", stored[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        (tmp_path / f"p{k}.jpg").write_bytes(jpeg[:2] + _exif(order, (held, 28)) + jpeg[2:])
    scan = video.find_shots(tmp_path, rate=25)
    assert scan.info.focal_35mm == 28.0
    assert scan.info.size_px == (160, 96)
    for index, picture in video.frames(scan.shots[0]):
        assert np.abs(picture.astype(int) - marked(index)).mean() < 4


@pytest.mark.parametrize(("held", "turns"), [(3, 2), (6, 1), (8, -1)])
def test_a_png_may_be_held_too(tmp_path, held, turns):
    png = cv2.imencode(".png", np.rot90(marked(9), turns)[..., ::-1])[1].tobytes()
    block = b"eXIf" + _exif("<", (held, 28))[10:]
    chunk = struct.pack(">I", len(block) - 4) + block + struct.pack(">I", zlib.crc32(block))
    (tmp_path / "p1.png").write_bytes(png[:33] + chunk + png[33:])
    (shot,) = video.find_shots(tmp_path, rate=25).shots
    _, picture = next(video.frames(shot))
    assert picture.shape == (96, 160, 3) and number_of(picture) == 9


def test_exif_that_is_none():
    good = b"\xff\xd8" + _exif("<", (6, 35))
    assert read_jpeg(good) == JpegFacts(6, 35.0)
    assert read_jpeg(b"\xff\xd8" + _exif("<", (1, 0))) == JpegFacts(1, None)
    for k in range(len(good)):
        assert read_jpeg(good[:k]).focal_35mm in (None, 35.0)
    rng = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(good)
        data[rng.integers(2, len(data))] = rng.integers(256)
        read_jpeg(bytes(data))
