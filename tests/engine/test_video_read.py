"""Reading video: every picture is the right one, at its exact time, upright, with square pixels and true colours."""

import gc
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from films import SIZE, marked, number_of, texture, write_film, write_loop, write_pictures

from sinew import video
from sinew.video.source import Clip
from sinew_take.errors import InputError, RequestError

NTSC = Fraction(30000, 1001)


def only(scan):
    assert len(scan.shots) == 1, scan.notes
    return scan.shots[0]


def numbers(shot, indices=None):
    return {index: number_of(picture) for index, picture in video.frames(shot, indices)}


@pytest.mark.parametrize(("name", "more"), [
    ("a.mp4", {}),
    ("a.mkv", {}),
    ("a.ts", {}),
    ("a.mov", {"codec": "mpeg4", "options": {"b": "3M"}}),
    ("a.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8", "b": "1M"}}),
    ("b-frames.avi", {}),
    ("plain.avi", {"codec": "mpeg4", "options": {"b": "3M"}}),
    ("bare.h264", {"form": "h264"}),
    ("a.flv", {}),
])
def test_every_frame_of_every_container(tmp_path, name, more):
    path = write_film(tmp_path / name, 40, rate=NTSC, **more)
    given = NTSC if name == "bare.h264" else None
    info = video.probe(path, given)
    scan = video.find_shots(path, rate=given)
    shot = only(scan)
    assert info.rate == scan.info.rate == NTSC
    assert not scan.info.is_variable_rate
    assert scan.info.n_frames == shot.n_frames == 40
    assert scan.info.size_px == scan.info.coded_px == SIZE
    tick = {"a.mkv": 1e-3, "a.webm": 1e-3, "a.flv": 1e-3}.get(name, 1e-9)
    np.testing.assert_allclose(shot.time_s, np.arange(40) / float(NTSC), rtol=0, atol=tick)
    assert shot.time_s[0] == 0
    assert shot.frame.dtype == np.int32 and shot.frame.tolist() == list(range(40))
    assert numbers(shot) == {k: k for k in range(40)}
    assert numbers(shot, [30, 3, 3, 39]) == {3: 3, 30: 30, 39: 39}


def test_times_of_a_variable_rate_are_kept(tmp_path):
    ticks = np.cumsum([0, 10, 20, 20, 60, 5, 33, 20, 20, 90, 20, 20]).tolist()
    path = write_film(tmp_path / "vfr.mp4", 12, ticks=ticks, time_base=Fraction(1, 600))
    scan = video.find_shots(path)
    np.testing.assert_allclose(only(scan).time_s, np.array(ticks) / 600, atol=1e-9, rtol=0)
    assert scan.info.is_variable_rate and video.probe(path).is_variable_rate
    assert scan.info.rate == Fraction(11 * 600, ticks[-1])
    assert any("varies" in note for note in scan.notes)
    assert numbers(scan.shots[0], [4, 9]) == {4: 4, 9: 9}


def test_time_zero_is_the_first_picture_whatever_the_container_says(tmp_path):
    ticks = [90000 + 3000 * k for k in range(10)]
    path = write_film(tmp_path / "late.ts", 10, ticks=ticks, time_base=Fraction(1, 90000))
    shot = only(video.find_shots(path))
    np.testing.assert_allclose(shot.time_s, np.arange(10) / 30, atol=1e-9, rtol=0)
    assert numbers(shot) == {k: k for k in range(10)}


@pytest.fixture(scope="module")
def long_film(tmp_path_factory):
    """20 s with open groups of pictures: frames after a key frame lean on ones before it."""
    return write_film(tmp_path_factory.mktemp("long") / "long.mp4", 600, rate=NTSC, gop=50,
                      options={"x264-params": "open-gop=1:bframes=3:b-adapt=0"})


@pytest.mark.parametrize(("start", "end"), [(0.5, 1.0), (6.0, 6.5), (15.015, 15.1), (19.5, None), (3.9, 4.3)])
def test_a_range_is_half_open_and_exact(long_film, start, end):
    times = np.arange(600) / float(NTSC)
    expected = np.flatnonzero((times >= start - 1e-6) & (times < (end or 99) - 1e-6))
    scan = video.find_shots(long_film, start, end)
    shot = only(scan)
    assert shot.frame.tolist() == expected.tolist()
    np.testing.assert_allclose(shot.time_s, times[expected], atol=1e-9, rtol=0)
    assert list(numbers(shot).values()) == expected.tolist()
    assert scan.info.n_frames == 600 and scan.info.rate == NTSC


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_seeking_in_other_containers(tmp_path, suffix):
    path = write_film(tmp_path / f"long{suffix}", 300, rate=25, gop=40)
    shot = only(video.find_shots(path, 8.0, 8.4))
    assert shot.frame.tolist() == list(range(200, 210))
    assert list(numbers(shot).values()) == list(range(200, 210))
    whole = only(video.find_shots(path))
    assert numbers(whole, [250, 299]) == {250: 250, 299: 299}


def test_dropping_the_iterator_closes_the_file(long_film):
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    shot = only(video.find_shots(long_film, 0, 1))
    pictures = video.frames(shot)
    next(pictures)
    pictures.close()
    gc.collect()
    open_files = [os.readlink(f) for f in Path("/proc/self/fd").iterdir() if f.is_symlink()]
    assert str(long_film) not in open_files


def test_indices_outside_the_shot_are_refused(long_film):
    shot = only(video.find_shots(long_film, 0, 1))
    with pytest.raises(ValueError, match="0..29"):
        video.frames(shot, [30])
    assert list(video.frames(shot, [])) == []


def test_a_file_that_changed_is_noticed(tmp_path):
    path = write_film(tmp_path / "a.mp4", 20)
    shot = only(video.find_shots(path))
    write_film(path, 10)
    with pytest.raises(InputError, match="changed"):
        list(video.frames(shot))
    path.unlink()
    with pytest.raises(InputError, match="gone"):
        list(video.frames(shot))


@pytest.mark.parametrize(("ccw", "clockwise"), [(0, 0), (90, 270), (180, 180), (-90, 90)])
@pytest.mark.parametrize("hflip", [False, True])
def test_the_picture_is_turned_upright(tmp_path, ccw, clockwise, hflip):
    # PyAV turns first and mirrors the turned picture, as a player shows it.
    shown = np.rot90(marked(5), ccw // 90)
    shown = shown[:, ::-1] if hflip else shown
    path = write_film(tmp_path / "turned.mp4", [marked(5)] * 3, turn_ccw_deg=ccw, hflip=hflip)
    scan = video.find_shots(path)
    assert scan.info.size_px == (shown.shape[1], shown.shape[0])
    assert scan.info.coded_px == SIZE
    _, picture = next(video.frames(only(scan)))
    assert np.abs(picture.astype(int) - shown).mean() < 4
    assert any("mirrored" in note for note in scan.notes) == hflip
    if not hflip:
        assert scan.info.rotation_deg == video.probe(path).rotation_deg == clockwise
    assert picture.flags.c_contiguous and picture.dtype == np.uint8


@pytest.mark.parametrize("more", [90, 180, 270])
@pytest.mark.parametrize("hflip", [False, True])
def test_a_turn_of_the_user_s_comes_after_the_file_s(tmp_path, more, hflip):
    path = write_film(tmp_path / "turned.mp4", [marked(k) for k in (5, 6, 7)], turn_ccw_deg=90, hflip=hflip)
    as_filed = dict(video.frames(only(video.find_shots(path))))
    shot = only(video.find_shots(path, more_deg=more))
    as_said = video.probe(path).rotation_deg
    assert (shot.info.rotation_deg, shot.info.more_deg) == ((as_said + more) % 360, more)
    assert shot.info.size_px == video.probe(path, more_deg=more).size_px
    for index, picture in video.frames(shot):
        assert (picture == np.rot90(as_filed[index], -more // 90)).all()


@pytest.mark.parametrize(("aspect", "turn", "size"), [
    (Fraction(4, 3), None, (213, 96)), (Fraction(16, 15), None, (171, 96)), (Fraction(8, 9), None, (160, 108)),
    (Fraction(4, 3), 90, (96, 213))])
def test_pixels_become_square(tmp_path, aspect, turn, size):
    path = write_film(tmp_path / "wide.mp4", 6, aspect=aspect, turn_ccw_deg=turn)
    scan = video.find_shots(path)
    assert scan.info.pixel_aspect == aspect
    assert scan.info.size_px == size
    index, picture = list(video.frames(only(scan)))[-1]
    assert picture.shape == (size[1], size[0], 3)
    assert number_of(picture if turn is None else np.rot90(picture, -1)) == 5


COLOURS = [(200, 60, 50), (60, 180, 70), (50, 70, 190), (128, 128, 128), (230, 190, 160)]


@pytest.mark.parametrize(("pix_fmt", "codec", "colorspace"), [
    ("yuv420p", "libx264", 1), ("yuv420p", "libx264", 5), ("yuv420p10le", "libx264", 1), ("yuv422p10le", "prores_ks", 1),
    ("yuvj420p", "libx264", None), ("rgb24", "qtrle", None), ("gray", "ffv1", None), ("yuv444p16le", "ffv1", 1)])
def test_colours_come_back(tmp_path, pix_fmt, codec, colorspace):
    picture = np.zeros((96, 160, 3), np.uint8)
    for k, colour in enumerate(COLOURS):
        picture[:, k * 32:(k + 1) * 32] = colour
    path = tmp_path / ("colour.mkv" if codec == "ffv1" else "colour.mov")
    write_film(path, [picture] * 3, codec=codec, pix_fmt=pix_fmt, colorspace=colorspace)
    _, read = next(video.frames(only(video.find_shots(path))))
    for k, colour in enumerate(COLOURS):
        expected = np.array(colour, float)
        if pix_fmt == "gray":
            expected = np.full(3, expected @ [0.299, 0.587, 0.114])
        np.testing.assert_allclose(read[20:76, k * 32 + 8:k * 32 + 24].mean((0, 1)), expected, atol=4)


def test_transparency_lies_over_black(tmp_path):
    rgba = np.full((96, 160, 4), (200, 100, 50, 255), np.uint8)
    rgba[:, 80:, 3] = 64
    path = tmp_path / "alpha.mov"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("qtrle", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "argb"
        for k in range(3):
            frame = av.VideoFrame.from_ndarray(rgba, "rgba").reformat(format="argb")
            frame.pts = k
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    _, read = next(video.frames(only(video.find_shots(path))))
    np.testing.assert_allclose(read[50, 40], [200, 100, 50], atol=2)
    np.testing.assert_allclose(read[50, 120], np.array([200, 100, 50]) * 64 / 255, atol=2)


@pytest.mark.parametrize(("transfer", "white"), [(16, 0.581), (18, 0.75)])
def test_hdr_is_brought_to_standard_range(tmp_path, transfer, white):
    """Diffuse white (ITU-R BT.2408: 58.1 % PQ, 75 % HLG) comes out near white; brighter is brighter; grey stays grey."""
    levels = np.array([0.0, white * 0.5, white * 0.8, white, 0.9, 1.0])
    path = tmp_path / "hdr.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 192, 64, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = transfer, 9, 9, 1
        frame = av.VideoFrame(192, 64, "yuv420p10le")
        luma = np.repeat(np.rint(64 + 876 * levels).astype(np.uint16), 32)
        for plane, row in zip(frame.planes, (luma, np.full(96, 512, np.uint16), np.full(96, 512, np.uint16)), strict=True):
            data = np.zeros((plane.height, plane.line_size // 2), np.uint16)
            data[:, :plane.width] = row
            plane.update(data)
        for k in range(2):
            frame.pts = k
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    scan = video.find_shots(path)
    assert any("HDR" in note for note in scan.notes)
    _, read = next(video.frames(only(scan)))
    grey = read[32, 16::32].astype(int)
    assert np.abs(grey - grey.mean(1, keepdims=True)).max() <= 2
    grey = grey[:, 1]
    assert grey[0] == 0 and 225 <= grey[3] <= 250 and grey[5] >= 252
    assert (np.diff(grey[:5]) > 0).all()


def test_the_focal_length_of_a_phone_is_found(tmp_path):
    tags = {"com.apple.quicktime.camera.focal_length.35mm_equivalent": "26"}
    path = write_film(tmp_path / "phone.mov", 3, tags=tags, container={"movflags": "use_metadata_tags"})
    assert video.probe(path).focal_35mm == 26.0
    assert video.probe(write_film(tmp_path / "plain.mov", 3)).focal_35mm is None


def test_a_changing_size_is_brought_to_the_first(tmp_path):
    small = write_film(tmp_path / "a.ts", 6)
    large = write_film(tmp_path / "b.ts", [np.repeat(np.repeat(marked(k), 2, 0), 2, 1) for k in range(6, 12)],
                       ticks=[90000 + 3000 * k for k in range(6)], time_base=Fraction(1, 90000))
    path = tmp_path / "both.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    scan = video.find_shots(path)
    assert any("size changes" in note for note in scan.notes)
    sizes = {picture.shape for shot in scan.shots for _, picture in video.frames(shot)}
    assert sizes == {(96, 160, 3)}


def test_memory_does_not_grow_with_length(tmp_path):
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("needs /proc")

    def resident_mb() -> float:
        return int(status.read_text().split("VmRSS:")[1].split()[0]) / 1024

    path = write_loop(tmp_path / "long.mp4", [texture(0, (640, 360))] * 50, 24)
    seen = []
    scan = video.find_shots(path, report=lambda done, total: seen.append(resident_mb()) if done in (150, 1199) else None)
    for index, _ in video.frames(only(scan)):
        if index in (150, 1199):
            seen.append(resident_mb())
    scan_growth, read_growth = seen[1] - seen[0], seen[3] - seen[2]
    # 1000 pictures would be 690 MB.
    assert scan_growth < 20 and read_growth < 20


def test_progress_is_told_and_stopping_passes_through(long_film):
    told = []
    video.find_shots(long_film, 0, 2, report=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 60) and told[-1] == (60, 60) and len(told) == 61

    class Halt(Exception):
        pass

    def halt(done, total):
        if done == 5:
            raise Halt

    with pytest.raises(Halt):
        video.find_shots(long_film, report=halt)


def test_real_clips(shared):
    expected = {"juggler": (24, 247), "park_two_people": (30, 230), "skater_moving_camera": (30, 102), "tai_chi": (30, 301),
                "two_children": (30, 200)}
    for name, (rate, n_frames) in expected.items():
        scan = video.find_shots(shared / "clips" / f"{name}.mp4")
        assert (scan.info.rate, scan.info.n_frames, len(scan.shots), scan.notes) == (rate, n_frames, 1, []), name


@pytest.mark.parametrize("name", ["shot_####.png", "shot_%04d.png", ""])
def test_a_sequence_reads_like_a_video(tmp_path, name):
    folder = write_pictures(tmp_path / "söquence 'x' ", range(95, 105), "shot_{:04d}.png")
    path = folder / name if name else folder
    with pytest.raises(RequestError, match="--rate"):
        video.probe(path)
    info = video.probe(path, 29.97)
    scan = video.find_shots(path, rate=29.97)
    shot = only(scan)
    assert info == scan.info and info.is_sequence and info.rate == NTSC and info.n_frames == 10
    assert numbers(shot) == {k: 95 + k for k in range(10)}
    np.testing.assert_allclose(shot.time_s, np.arange(10) / float(NTSC), atol=1e-12)
    part = only(video.find_shots(path, 0.1, 0.2, rate=30))
    assert part.frame.tolist() == [3, 4, 5] and numbers(part, [1]) == {1: 99}


@pytest.mark.parametrize("off_s", [2.0, 60.0])
def test_a_container_that_seeks_too_far_costs_time_and_no_frame(long_film, monkeypatch, off_s):
    """Fault injection: every seek lands `off_s` behind where it was sent."""
    honest = Clip._seek
    monkeypatch.setattr(Clip, "_seek", lambda self, ticks: honest(self, ticks + round(off_s / self.time_base)))
    shot = only(video.find_shots(long_film, 6.0, 6.5))
    assert shot.frame.tolist() == list(range(180, 195))
    assert list(numbers(shot, [0, 7, 14]).values()) == [180, 187, 194]


def test_pictures_made_ahead_are_the_same_and_nothing_is_left_open():
    closed = []

    def made(fails_at):
        try:
            for k in range(5):
                if k == fails_at:
                    raise InputError("broken")
                yield k
        finally:
            closed.append(True)

    assert list(video.ahead(made(None))) == [0, 1, 2, 3, 4] and closed == [True]
    seen = []
    with pytest.raises(InputError, match="broken"):
        for k in video.ahead(made(3)):
            seen.append(k)
    assert seen == [0, 1, 2] and closed == [True, True]
    some = video.ahead(made(None))
    assert next(some) == 0
    some.close()
    assert closed == [True, True, True]
    assert list(video.ahead(k for k in ())) == []
