"""The takes folder: numbered runs, requests, the list and removal. Against real takes of the golden set."""

import json
import threading
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bl_ext.test.sinew.addon import words
from bl_ext.test.sinew.addon.jobs import look, takes
from bl_ext.test.sinew.addon.jobs.takes import Request
from bl_ext.test.sinew.addon.plan import camera_file
from bl_ext.test.sinew.backend.sinew_take import model_files
from bl_ext.test.sinew.backend.sinew_take.errors import RequestError

META = {"format": "sinew-take", "version": [1, 0], "laws": "skel-1", "id": "a", "shot_id": "b",
        "source": {"name": "walk.mp4", "rate": [30000, 1001]}, "subjects": [{"id": "s1"}, {"id": "s2"}]}


def put_take(folder: Path, **changes) -> Path:
    folder.mkdir(parents=True)
    (folder / "take.json").write_text(json.dumps({**META, **changes}))
    (folder / "shot.npz").write_bytes(b"x" * 1000)
    return folder


def test_runs_are_numbered_and_never_reused(tmp_path):
    root = tmp_path / "it's “mine” 名前" / "takes"
    assert [takes.new_run(root).name for _ in range(2)] == ["0001", "0002"]
    (root / "0007").mkdir()
    (root / "notes").mkdir()
    assert takes.new_run(root).name == "0008"


def test_two_blenders_never_get_the_same_run(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.extend(takes.new_run(tmp_path).name for _ in range(20)))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 80


def test_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match="cannot be written .*preferences"):
        takes.new_run(tmp_path / "file" / "takes")


def test_request_becomes_the_command_line(tmp_path):
    request = Request(Path("/clips/it's “mine”.mp4"), 1 / 3, 2.5, 2, 1.82, "static", 35.0, None, device="cpu")
    words_ = request.arguments(tmp_path / "take")
    assert words_[:4] == ["reconstruct", "/clips/it's “mine”.mp4", "--out", str(tmp_path / "take")]
    assert " ".join(words_[4:]) == ("--start 0.333333333 --end 2.5 --height-m 1.82 --focal-mm 35 --people 2 "
                                    "--camera static --body default --device cpu --events")


def test_model_files_and_conversions_become_the_command_line(tmp_path):
    request = Request(Path("clip.mp4"), body="skel", models=Path("/my models"))
    assert " ".join(request.arguments(Path("/t"))[4:]) == (
        "--models /my models --camera auto --body skel --device auto --events")
    own = Request(Path("clip.mp4"), hsmr="off", wham="on").arguments(Path("/t"))
    assert " ".join(own[4:]) == "--hsmr off --wham on --camera auto --body default --device auto --events"
    bare = takes.Conversion(Path("result.npz"))
    assert bare.arguments(Path("/t")) == ["convert", "result.npz", "--out", "/t", "--events"]
    full = takes.Conversion(Path("result.pkl"), "wham", "30000/1001", Path("clip.mp4"), Path("/my models"))
    assert " ".join(full.arguments(Path("/t"))[4:]) == (
        "--format wham --rate 30000/1001 --video clip.mp4 --models /my models --events")


def test_command_line_is_understood_by_the_backend(tmp_path):
    cli = pytest.importorskip("sinew.cli")
    request = Request(tmp_path / "clip.mp4", 0.5, 2.0, 2, 1.8, "auto", None, 60.0, rate="30000/1001",
                      hsmr="off", wham="on", turn_deg=270)
    parsed = cli._parser().parse_args([*request.arguments(tmp_path / "take"), "--log", "l", "--parent-pid", "1"])
    assert (parsed.start, parsed.end, parsed.people, parsed.height_m, parsed.fov_deg) == (0.5, 2.0, 2, 1.8, 60.0)
    assert (parsed.hsmr, parsed.wham) == ("off", "on")
    assert parsed.events and parsed.rate == "30000/1001" and parsed.out == tmp_path / "take"
    assert parsed.turn == 270 and cli._parser().parse_args(["probe", "clip.mp4"]).turn == 0


def test_request_is_written_down(tmp_path):
    takes.write_request(tmp_path, Request(Path("clip.mp4"), people=2), ["python", "-m", "sinew"])
    data = json.loads((tmp_path / takes.REQUEST).read_text())
    assert (data["request"]["video"], data["request"]["people"], data["argv"][2]) == ("clip.mp4", 2, "sinew")


def test_list_shows_takes_and_says_what_is_damaged(tmp_path):
    put_take(tmp_path / "0001" / "take")
    put_take(tmp_path / "0002" / "take")
    put_take(tmp_path / "0002" / "take-2")
    put_take(tmp_path / "by the command line")
    (tmp_path / "0003" / "take.partial").mkdir(parents=True)
    put_take(tmp_path / "0004" / "take", version=[9, 0])
    (tmp_path / "0005" / "take").mkdir(parents=True)
    rows = {str(row.folder.relative_to(tmp_path)): row for row in takes.list_takes(tmp_path)}
    assert set(rows) == {"0001/take", "0002/take", "0002/take-2", "by the command line", "0004/take", "0005/take"}
    good = rows["0002/take-2"]
    assert (good.name, good.run, good.people) == ("walk.mp4, shot 2", "0002", 2)
    assert good.size == 1000 + (good.folder / "take.json").stat().st_size and not good.error
    put_take(tmp_path / "0006" / "take", producer={"solved_from_folder": "../../0002/take-2"})
    assert good.origin == "" and takes.describe(tmp_path / "0006" / "take").origin == "0002"
    assert "version 9.0" in rows["0004/take"].error
    assert "no take.json" in rows["0005/take"].error


def test_a_strange_name_never_breaks_the_list(tmp_path):
    put_take(tmp_path / "0001" / "take", source={"name": ["x"]})
    put_take(tmp_path / "0002" / "take", source={})
    rows = takes.list_takes(tmp_path)
    assert [row.name for row in rows] == ["take", "take"] and all("is damaged" in row.error for row in rows)


def test_a_take_says_which_frames_which_camera_and_what_was_doubtful(tmp_path):
    reason = "The background stays where it is, to within 0.10 px."
    folder = put_take(tmp_path / "0001" / "take", camera={"kind": "static", "reason": reason}, notes=["A guess."],
                      report={"frames": 16})
    assert takes.describe(folder).said == takes.Said("16 frames", f"static. {reason}", ("A guess.",))
    np.savez(folder / "shot.npz", frame=np.arange(80, 96))
    assert takes.describe(folder).said.length == "16 frames (80 to 95)"
    own = put_take(tmp_path / "0002" / "take", camera={"kind": "given", "reason": "The user's own."}, report={"frames": 1})
    assert takes.describe(own).said == takes.Said("1 frame", "The user's own.", ())


def test_a_shot_that_was_damaged_on_the_disk_says_no_frames(tmp_path):
    folder = put_take(tmp_path / "0001" / "take", report={"frames": 16})
    np.savez_compressed(folder / "shot.npz", frame=np.random.default_rng(0).integers(0, 1 << 30, 2000))
    whole = (folder / "shot.npz").read_bytes()
    for at in range(0, len(whole), 97):
        (folder / "shot.npz").write_bytes(whole[:at] + b"\xff\xff\xff" + whole[at + 3:])
        assert takes.describe(folder).said.length.startswith(("16 frames", "2000 frames ("))


@pytest.mark.parametrize("frame", [np.zeros(0, int), np.int32(3), np.array(["a"]), None])
def test_a_damaged_take_says_nothing_of_itself(tmp_path, frame):
    folder = put_take(tmp_path / "0001" / "take", camera=[1], notes={"a": 1}, report={"frames": "x"})
    if frame is not None:
        np.savez_compressed(folder / "shot.npz", frame=frame)
    assert takes.describe(folder).said == takes.describe(tmp_path / "gone").said == takes.Said()


def test_list_of_a_missing_folder_is_empty(tmp_path):
    assert takes.list_takes(tmp_path / "gone") == []


def test_removal_takes_the_run_with_it_when_nothing_else_came_of_it(tmp_path):
    first, second = put_take(tmp_path / "0001" / "take"), put_take(tmp_path / "0001" / "take-2")
    (tmp_path / "0001" / "log.txt").touch()
    takes.remove_take(first, tmp_path)
    assert not first.exists() and second.exists() and (tmp_path / "0001" / "log.txt").exists()
    takes.remove_take(second, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["", "..", "0001", "0001/notes", "outside"])
def test_nothing_but_a_take_in_the_folder_is_removed(tmp_path, where):
    root = tmp_path / "takes"
    put_take(root / "0001" / "take")
    (root / "0001" / "notes").mkdir()
    put_take(tmp_path / "outside" / "take")
    folder = tmp_path / "outside" / "take" if where == "outside" else root / where
    with pytest.raises(RequestError, match="is not a take in"):
        takes.remove_take(folder, root)
    assert (root / "0001" / "take" / "take.json").exists() and (tmp_path / "outside" / "take" / "take.json").exists()


def test_a_link_to_elsewhere_is_no_take_of_the_folder(tmp_path):
    outside = put_take(tmp_path / "outside" / "take")
    root = tmp_path / "takes"
    root.mkdir()
    (root / "link").symlink_to(outside, target_is_directory=True)
    assert takes.list_takes(root) == []
    with pytest.raises(RequestError):
        takes.remove_take(root / "link", root)
    assert (outside / "take.json").exists()


def test_facts_are_read_and_said():
    line = json.dumps({"size_px": [1080, 1920], "rate": [30000, 1001], "n_frames": 300, "duration_s": 70.01,
                       "rotation_deg": 90, "variable_rate": True, "cuts_s": [1.001, 2.002], "notes": ["a note"]})
    facts = look.read_facts(["a library's print", line])
    assert facts.rate == Fraction(30000, 1001)
    assert words.picture(facts) == "1080 × 1920, about 29.97 fps, turned 90°"
    assert words.length(facts) == "1 min 10.0 s, 300 frames"
    assert words.cuts(facts) == "3 shots; cuts at frame 30, 60"
    assert words.warnings(facts)[0] == "a note"
    assert look.read_facts(["{", "[]", '{"rate": [1, 0]}', ""]) is None


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001), Fraction(1000, 33)])
def test_a_range_in_frames_holds_exactly_those_frames(rate):
    for first, last in ((0, 1), (7, 19), (1234, 98765)):
        start, end = look.frames_to_seconds(first, last, rate)
        inside = [f for f in (first - 1, first, last, last + 1) if f >= 0 and start <= f / float(rate) < end]
        assert inside == [first, last]


def test_sentences_name_the_panels_settings():
    assert words.in_panel("No height was given: the first person is taken to be 1.8 m tall; give --height-m for true "
                          "scale.").endswith("give Height for true scale.")
    assert "(Contacts From WHAM on, with SMPL)" in words.in_panel(model_files.BY_KEY["wham"].adds)
    assert words.in_panel("see sinew --help.") == "see sinew --help."
    cli = pytest.importorskip("sinew.cli")
    verbs = cli._parser()._subparsers._group_actions[0].choices.values()
    known = {option for verb in verbs for action in verb._actions for option in action.option_strings}
    assert set(words.IN_PANEL) <= known


def test_sentences_name_the_scene_s_camera_and_not_the_file_made_of_it(monkeypatch):
    agree = pytest.importorskip("sinew.camera.agree")
    monkeypatch.setattr(agree, "follow", lambda *given: SimpleNamespace(scale=1.0))
    monkeypatch.setattr(agree, "is_noise", lambda tracks: False)
    monkeypatch.setattr(agree, "misfit", lambda *given: (7.0, 9.0, 99))
    shot = SimpleNamespace(info=SimpleNamespace(size_px=(320, 180)))

    def doubt(name: str) -> str:
        return words.in_panel(agree.doubt(shot, None, None, name)[0])

    assert doubt(camera_file.NAME) == (
        "The background lies 7 px off where your camera would see it: it may be another clip's, or Video Starts At names the "
        "wrong frame, unless most of the background moves by itself.")
    assert words.in_panel(agree.doubt_still(1.5, 5.0, camera_file.NAME)[0]) == (
        "The background stands still, and your camera moves by 1.50 m: it may be another clip's.")
    assert words.in_panel(f"{camera_file.NAME} goes on to frame 9, and a.mp4 ends at frame 5: the file may be another clip's."
                          ) == "Your camera goes on to frame 9, and a.mp4 ends at frame 5: it may be another clip's."
    assert words.in_panel(f"The camera is the user's own, from {camera_file.NAME}.") == "Your own, from the scene."
    # A file that the artist has named stays one.
    assert "the camera of tracked.json would see it: the file may be" in doubt("tracked.json")
    assert words.in_panel("The camera is the user's own, from colmap.") == "Your own, from colmap."
    gone = f"There is no camera file /mine/{camera_file.NAME}; give another."
    assert words.in_panel(gone) == gone


def test_sentences_are_wrapped_to_a_width():
    text = "An environment on /home/me/python3.11, which is as long as a path may well be"
    shown = words.lines(text, 260)
    assert len(shown) == 2 and " ".join(shown) == text and max(map(len, shown)) * 6.6 <= 260
    assert max(map(len, words.lines("a" * 50, 0))) == 16, "never narrower than a word or two"


@pytest.mark.parametrize("n_bytes, text", [(0, "0 B"), (999, "999 B"), (12345, "12.3 kB"), (345_678_901, "346 MB"),
                                           (1_560_000_000, "1.6 GB")])
def test_sizes_are_readable(n_bytes, text):
    assert words.size(n_bytes) == text


@pytest.mark.parametrize("seconds, text", [(None, ""), (0, "5 s left"), (31.5, "30 s left"), (600, "10 min left"),
                                           (9000, "2.5 h left")])
def test_time_left_is_as_coarse_as_it_deserves(seconds, text):
    assert words.time_left(seconds) == text
