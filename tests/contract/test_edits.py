"""The edits file: read back as written, and one sentence for each way in which it or an edit is wrong."""

import json
from time import process_time

import pytest
import takes

from sinew_take import edits
from sinew_take.errors import RequestError

PIN = {"kind": "pin", "subject": "s1", "frame": 3, "keypoint": "wrist_l", "x_px": 310.5, "y_px": 188.0}
FLIP = {"kind": "flip", "subject": "s1", "limb": "arm_l", "start": 2, "end": 6}
WRONG = {"kind": "wrong", "subject": "s2", "start": 4, "end": 6}


def data(*entries, **changes) -> dict:
    return {"format": "sinew-edits", "version": [1, 0], "edits": list(entries), **changes}


@pytest.fixture(scope="module")
def take():
    return takes.make_take(12, n_subjects=2, absent=(9, 12))


def test_written_edits_are_read_back(tmp_path, take):
    wanted = edits.parse(data(PIN, FLIP, WRONG))
    edits.check(wanted, take)
    assert edits.read(edits.write(wanted, tmp_path / "e.json")) == wanted
    assert [p.name for p in tmp_path.iterdir()] == ["e.json"]
    assert wanted[0] == edits.Pin("s1", 3, "wrist_l", 310.5, 188.0) and wanted[0].frames == range(3, 4)


def test_one_wrong_frame_is_a_range_of_one():
    assert edits.parse(data({"kind": "wrong", "subject": "s1", "frame": 7})) == [edits.Wrong("s1", 7, 8)]


def test_a_newer_minor_version_is_read():
    assert edits.parse(data(PIN, version=[1, 9], news=1)) == edits.parse(data(PIN))


@pytest.mark.parametrize(("content", "sentence"), [
    ("{", "e.json is no JSON; a file of edits is a JSON object"),
    ("[" * 100_000, "e.json is no JSON"),
    ("[]", 'This is no file of edits; it must be a JSON object with "format": "sinew-edits".'),
    (json.dumps(data(format="sinew-take")), "This is no file of edits"),
    (json.dumps(data(version="1.0")), "has no version; write"),
    (json.dumps(data(version=[2, 0])), "has version 2.0 and this Sinew reads version 1; use the matching Sinew"),
    (json.dumps(data(edits={})), 'has no list "edits"; write one'),
    (json.dumps(data("pin")), "Edit 1: it is no JSON object"),
    (json.dumps(data(PIN, {"kind": "bend"})), "Edit 2: there is no kind 'bend'; use one of pin, flip, wrong"),
    (json.dumps(data({**PIN, "kind": ["pin"]})), "Edit 1: there is no kind"),
    (json.dumps(data({k: v for k, v in PIN.items() if k != "x_px"})), r"Edit 1 \(pin\): it lacks x_px; give subject"),
    (json.dumps(data({**PIN, "z_px": 1})), r"Edit 1 \(pin\): 'z_px' is not known there"),
    (json.dumps(data({**PIN, "frame": 3.5})), r"Edit 1 \(pin\): frame is 3.5 and must be a whole number"),
    (json.dumps(data({**PIN, "frame": True})), r"Edit 1 \(pin\): frame is true and must be a whole number"),
    (json.dumps(data({**PIN, "x_px": "310"})), r'Edit 1 \(pin\): x_px is "310" and must be a number'),
    (json.dumps(data({**PIN, "x_px": float("nan")})), r"Edit 1 \(pin\): x_px is not finite; give pixels"),
    (json.dumps(data({**PIN, "y_px": float("inf")})), r"Edit 1 \(pin\): y_px is not finite; give pixels"),
    (json.dumps(data({**PIN, "x_px": 10**400})), r"Edit 1 \(pin\): x_px is not finite; give pixels"),
    (json.dumps(data({**WRONG, "end": 10**20})), r"Edit 1 \(wrong\): end is too large; give a frame of the take"),
    (json.dumps(data({**FLIP, "end": 10**20})), r"Edit 1 \(flip\): end is too large; give a frame of the take"),
    (json.dumps(data({**FLIP, "start": -10**20})), r"Edit 1 \(flip\): start is far below 0; give a frame of the take"),
    (json.dumps(data({**WRONG, "frame": 4})), r"Edit 1 \(wrong\): 'frame' is not known there"),
    (json.dumps(data(PIN, {**PIN, "x_px": 99})),
     r"Edit 2 \(pin\): wrist_l of s1 at frame 3 is pinned at another place by edit 1; keep one"),
    (json.dumps(data(FLIP, {**FLIP, "start": 5, "end": 9})),
     r"Edit 2 \(flip\): arm_l of s1 is flipped over some of the same frames by edit 1; two flips undo each other"),
    (json.dumps(data(PIN, {"kind": "wrong", "subject": "s1", "frame": 3})),
     r"Edit 1 \(pin\): frame 3 of s1 is marked wrong by edit 2; pin it or mark it wrong, not both"),
])
def test_a_wrong_file_is_one_sentence(tmp_path, content, sentence):
    (tmp_path / "e.json").write_text(content)
    with pytest.raises(RequestError, match=sentence) as caught:
        edits.read(tmp_path / "e.json")
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)


@pytest.mark.parametrize(("entry", "sentence"), [
    ({**PIN, "subject": "s9"}, r"Edit 1 \(pin\): the take holds no person 's9'; it has s1, s2"),
    ({**PIN, "frame": 12}, r"frame 12 is not in the take, whose frames are 0 to 11"),
    ({**PIN, "frame": -1}, r"frame -1 is not in the take"),
    ({**PIN, "frame": 10}, r"s1 is not in the shot at frame 10; choose frames in which that person was solved"),
    ({**PIN, "keypoint": "tail"}, r"there is no keypoint 'tail'; use one of nose"),
    ({**PIN, "x_px": 1000.0}, r"\(1000, 188\) is far outside the picture of 640 x 360 px"),
    ({**FLIP, "limb": "head"}, r"Edit 1 \(flip\): there is no limb 'head'; use one of arm_l, arm_r, leg_l, leg_r"),
    ({**FLIP, "end": 2}, r"the range from 2 up to 2 holds no frame; give an end after the start"),
    ({**FLIP, "end": 40}, r"frames 2 to 39 are not in the take"),
    ({**WRONG, "end": 10**12}, r"are not in the take, whose frames are 0 to 11"),
    ({**WRONG, "subject": "s1", "start": 8, "end": 10}, r"s1 is not in the shot at frame 9"),
])
def test_an_edit_that_does_not_fit_the_take_is_one_sentence(take, entry, sentence):
    with pytest.raises(RequestError, match=sentence) as caught:
        edits.check(edits.parse(data(entry)), take)
    assert "\n" not in str(caught.value)


def test_many_ranges_that_no_take_is_long_enough_for_are_not_counted_frame_by_frame(take):
    began = process_time()
    found = edits.parse(data(*[{**WRONG, "end": 999_999}] * 30))
    assert process_time() - began < 1  # s; 14 frame by frame
    with pytest.raises(RequestError, match=r"frames 4 to 999998 are not in the take"):
        edits.check(found, take)


def test_a_missing_a_huge_and_an_unwritable_file_are_said(tmp_path):
    with pytest.raises(RequestError, match="cannot be read .*check the path"):
        edits.read(tmp_path / "none.json")
    with open(tmp_path / "big.json", "wb") as file:
        file.truncate(edits.MOST_BYTES + 1)
    with pytest.raises(RequestError, match="big.json is too large for a file of edits"):
        edits.read(tmp_path / "big.json")
    with pytest.raises(RequestError, match="cannot be written to .*choose another place"):
        edits.write([], tmp_path / "no" / "folder" / "e.json")


def test_later_edits_join_earlier_ones():
    pin, flip, wrong = edits.parse(data(PIN, FLIP, {**WRONG, "subject": "s1", "start": 6, "end": 10}))
    moved = edits.Pin("s1", 3, "wrist_l", 1.0, 2.0)
    assert edits.add([pin, flip], [moved]) == [flip, moved], "a pin replaces the earlier one of its place"
    assert edits.add([pin, flip], [pin]) == [flip, pin], "what is there counts once"
    pinned = edits.Pin("s1", 8, "nose", 1.0, 2.0)
    assert edits.add([wrong], [pinned]) == [edits.Wrong("s1", 6, 8), edits.Wrong("s1", 9, 10), pinned]
    assert edits.add([pin], [edits.Wrong("s1", 3, 4)]) == [edits.Wrong("s1", 3, 4)]
    with pytest.raises(RequestError, match="by edit 1; two flips undo each other"):
        edits.add([], [flip, edits.Flip("s1", "arm_l", 5, 8)])


def test_a_flip_that_undoes_one_of_the_take_says_where_that_one_is():
    pin, flip = edits.parse(data(PIN, FLIP))
    rename = edits.parse(data({"kind": "rename", "subject": "s1", "name": "Anna"}))[0]
    with pytest.raises(RequestError) as caught:
        edits.add([pin, flip], [rename, edits.Flip("s1", "arm_l", 5, 8)])
    assert str(caught.value) == (
        "Edit 2 (flip): arm_l of s1 is flipped in the take already, in frames 2 to 5; two flips undo each other, so flip "
        "other frames or solve again from the take before that flip.")
