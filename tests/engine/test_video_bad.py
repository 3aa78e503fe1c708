"""Bad input: one sentence each, of the right class, never a traceback of something else."""

import os
import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition
from films import marked, number_of, write_film, write_loop

from sinew import video
from sinew_take.errors import InputError, RequestError


def audio_only(path):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate = 44100
        for k in range(20):
            frame.pts = k * 1024
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def refused(kind, words, path, **more):
    """Both entrances refuse it with one sentence."""
    for entrance in (video.probe, video.find_shots):
        with pytest.raises(kind, match=words) as caught:
            entrance(path, **more)
        text = str(caught.value)
        assert type(caught.value) is kind
        assert "\n" not in text and text.endswith(".") and len(text) < 400


def test_nothing_there(tmp_path):
    refused(RequestError, "There is no file", tmp_path / "none.mp4")
    refused(RequestError, "There is no file", tmp_path / "no folder" / "none.mp4")
    refused(RequestError, "zero byte", "a\0b.mp4")


def test_not_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    refused(RequestError, "is not a file", tmp_path / "pipe.mp4")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_not_readable(tmp_path):
    path = write_film(tmp_path / "a.mp4", 3)
    path.chmod(0)
    refused(RequestError, "permissions", path)


@pytest.mark.parametrize("name", ["a.txt", "a.mp4", "a.nfo", "a"])
def test_text(tmp_path, name):
    (tmp_path / name).write_text("This is no video.\n" * 40)
    refused(InputError, "not a video", tmp_path / name)


@pytest.mark.parametrize("seed", range(6))
def test_random_bytes(tmp_path, seed):
    path = tmp_path / ("random.bin" if seed % 2 else "random.mp4")
    path.write_bytes(np.random.default_rng(seed).bytes(60000))
    refused(InputError, "not a video|no picture", path)


def test_empty_file(tmp_path):
    (tmp_path / "a.mp4").touch()
    refused(InputError, "is empty", tmp_path / "a.mp4")


def test_audio_only(tmp_path):
    refused(InputError, "sound but no pictures", audio_only(tmp_path / "song.m4a"))


def test_sound_with_a_cover_picture(tmp_path):
    path = tmp_path / "album.m4a"
    with av.open(str(path), "w", format="mp4") as out:
        sound, cover = out.add_stream("aac", rate=44100), out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 160, 96, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts = 44100, 0
        out.mux(sound.encode(frame))
        picture = av.VideoFrame.from_ndarray(marked(1), "rgb24").reformat(format="yuvj420p")
        picture.pts = 0
        out.mux(cover.encode(picture))
        out.mux(cover.encode())
        out.mux(sound.encode())
    refused(InputError, "sound but no pictures", path)


def test_subtitles(tmp_path):
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    refused(InputError, "no pictures", tmp_path / "a.srt")


@pytest.mark.parametrize("name", ["none.mkv", "none.mp4", "none.avi"])
def test_zero_frames(tmp_path, name):
    path = tmp_path / name
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        out.start_encoding()
    refused(InputError, "no picture|not a video", path)


def test_a_single_picture_is_no_video(tmp_path):
    import cv2

    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", marked(0))[1].tobytes())
    refused(RequestError, "single picture", tmp_path / "a.png")


def test_a_playlist_reaches_nowhere(tmp_path):
    (tmp_path / "a.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    refused(InputError, "not a video|no picture", tmp_path / "a.m3u8")


def test_rates_out_of_place(tmp_path):
    path = write_film(tmp_path / "a.mp4", 3)
    refused(RequestError, "leave --rate out", path, rate=25)
    refused(RequestError, "not a number of frames", path, rate=float("nan"))


def test_cut_off_without_index(tmp_path):
    path = write_film(tmp_path / "a.mp4", 60)
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    refused(InputError, "damaged", path)


def check_lost(scan, n_lost, total, slack=0):
    (note,) = [note for note in scan.notes if "could not be decoded" in note]
    words = note.removeprefix("About ").split()
    assert abs(int(words[0]) - n_lost) <= slack and abs(int(words[2]) - total) <= slack, note


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.97])
def test_cut_off_keeps_what_is_there(tmp_path, keep):
    path = write_film(tmp_path / "a.mp4", 100, container={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:int(path.stat().st_size * keep)])
    scan = video.find_shots(path)
    (shot,) = scan.shots
    assert 0 < shot.n_frames < 100
    check_lost(scan, 100 - shot.n_frames, 100)
    read = [number_of(picture) for _, picture in video.frames(shot)]
    assert read[:-4] == list(range(shot.n_frames))[:-4] and len(read) == shot.n_frames


def test_a_cut_off_matroska_tells_about_how_much_is_lost(tmp_path):
    path = write_film(tmp_path / "a.mkv", 100)
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    scan = video.find_shots(path)
    (shot,) = scan.shots
    check_lost(scan, 100 - shot.n_frames, 100, slack=2)


def test_damage_in_the_middle(tmp_path):
    path = write_film(tmp_path / "a.mp4", 120, gop=10, options={"bf": "0"})
    data = bytearray(path.read_bytes())
    data[len(data) // 2:len(data) // 2 + 300] = bytes(300)
    path.write_bytes(data)
    scan = video.find_shots(path)
    seen = np.concatenate([shot.frame for shot in scan.shots])
    assert 60 < len(seen) <= 120
    read = [number_of(picture) for shot in scan.shots for _, picture in video.frames(shot)]
    assert read[:40] == list(range(40))
    assert read[-1] == 119
    assert scan.shots[-1].time_s[-1] == pytest.approx(119 / 30, abs=1e-9)


def test_every_cut_off_place_is_one_sentence_or_a_result(tmp_path):
    """Files of every container, cut at many places and with flipped bytes, never crash in another way."""
    rng = np.random.default_rng(5)
    for name in ("a.mp4", "a.mkv", "a.avi", "a.ts", "a.webm"):
        codec = {"a.webm": "libvpx-vp9", "a.avi": "mpeg4"}.get(name, "libx264")
        options = {"deadline": "realtime", "cpu-used": "8"} if codec == "libvpx-vp9" else {}
        whole = write_film(tmp_path / name, 12, codec=codec, options=options).read_bytes()
        for k in range(24):
            data = bytearray(whole)
            if k % 2:
                data = data[:rng.integers(1, len(data))]
            else:
                for place in rng.integers(0, len(data), 12):
                    data[place] = rng.integers(256)
            path = tmp_path / f"broken_{k}_{name}"
            path.write_bytes(data)
            try:
                scan = video.find_shots(path)
            except InputError as error:
                assert str(error).endswith(".")
                continue
            # What was once seen of a damaged file is seen again.
            for shot in scan.shots:
                assert [index for index, _ in video.frames(shot)] == list(range(shot.n_frames))


def test_a_single_frame(tmp_path):
    scan = video.find_shots(write_film(tmp_path / "one.mp4", 1, rate=25))
    (shot,) = scan.shots
    assert shot.time_s.tolist() == [0.0] and scan.info.duration_s == pytest.approx(0.04)
    assert any("single picture" in note for note in scan.notes)
    assert [number_of(picture) for _, picture in video.frames(shot)] == [0]


@pytest.mark.parametrize("name", ["with space.mp4", "it's \"quoted\".mp4", "видео 动画 ü.mp4", "100%d of it.mp4",
                                  "shot:1.mp4", "-i.mp4", "shot_####.mp4", "a|b;c&d$e.mp4", "http:x.mp4"])
def test_names(tmp_path, name):
    folder = tmp_path / "Ordner mit 'Ä' und %04d"
    folder.mkdir()
    path = write_film(tmp_path / "plain.mp4", 6)
    path = shutil.copy(path, folder / name)
    assert video.probe(path).n_frames == 6
    (shot,) = video.find_shots(str(path)).shots
    assert [number_of(picture) for _, picture in video.frames(shot)] == list(range(6))


def test_relative_paths(tmp_path, monkeypatch):
    write_film(tmp_path / "-a:b.mp4", 3)
    monkeypatch.chdir(tmp_path)
    assert video.probe("-a:b.mp4").n_frames == 3
    (shot,) = video.find_shots("-a:b.mp4").shots
    monkeypatch.chdir("/")
    assert sum(1 for _ in video.frames(shot)) == 3


@pytest.mark.parametrize(("start", "end", "words"), [
    (10.0, None, "the clip ends at 2.00 s"), (2.0, 3.0, "the clip ends at 2.00 s"), (1.0, 1.0, "holds nothing"),
    (1.5, 1.0, "holds nothing"), (-1.0, 1.0, "before the clip"), (float("nan"), None, "numbers of seconds"),
    (0.0, float("nan"), "numbers of seconds"), (1.01, 1.02, "No picture lies between"), (1e9, None, "the clip ends at")])
def test_ranges(tmp_path, start, end, words):
    path = write_film(tmp_path / "a.mp4", 50, rate=25)
    with pytest.raises(RequestError, match=words):
        video.find_shots(path, start, end)


def test_a_range_that_ends_late_is_said(tmp_path):
    path = write_film(tmp_path / "a.mp4", 50, rate=25)
    scan = video.find_shots(path, 1.0, 9.0)
    assert scan.shots[0].n_frames == 25
    assert any("ends at 2.00 s" in note for note in scan.notes)
    assert not any("ends at" in note for note in video.find_shots(path, 1.0, 2.0).notes)


def test_interlaced_is_said(tmp_path):
    path = write_film(tmp_path / "a.mp4", 6, options={"x264-params": "interlaced=1"})
    assert any("interlaced" in note for note in video.find_shots(path).notes)


def test_an_absurd_pixel_aspect_is_not_believed(tmp_path):
    path = write_film(tmp_path / "a.mp4", 3, aspect=Fraction(20, 1))
    scan = video.find_shots(path)
    assert scan.info.pixel_aspect == 1 and scan.info.size_px == (160, 96)
    assert any("not believable" in note for note in scan.notes)


def test_8k(tmp_path):
    picture = np.kron(marked(5), np.ones((45, 48, 1), np.uint8))
    assert picture.shape == (4320, 7680, 3)
    path = write_film(tmp_path / "8k.mp4", [picture] * 2, options={"crf": "30", "bf": "0"})
    scan = video.find_shots(path)
    assert scan.info.size_px == (7680, 4320) and scan.shots[0].n_frames == 2
    (index, read), = video.frames(scan.shots[0], [1])
    assert read.shape == (4320, 7680, 3) and number_of(read) == 5


def test_ten_thousand_frames(tmp_path):
    path = write_loop(tmp_path / "long.mp4", [marked(k) for k in range(50)], 200)
    assert video.probe(path).n_frames == 10000
    (shot,) = video.find_shots(path).shots
    assert shot.n_frames == 10000
    assert shot.time_s[-1] == pytest.approx(9999 / 30, abs=1e-9)
    assert [number_of(picture) for _, picture in video.frames(shot, [9997, 9998])] == [47, 48]
