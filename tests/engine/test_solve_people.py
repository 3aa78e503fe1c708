"""`sinew solve` with edits of people: who is touched follows the other's detections, everybody else keeps their files."""

import numpy as np
import pytest
import takes

from sinew import solving
from sinew.motion.model import DEPTH_BIAS_M
from sinew.progress import StopRequest
from sinew.solving.solve import apply, edits_of
from sinew_take import edits, events
from sinew_take import take as take_format
from sinew_take.errors import RequestError

N = 48


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A take of three walkers side by side, whose landmarks err in depth as the detector's do on average."""
    place = tmp_path_factory.mktemp("three")
    take = take_format.read(takes.write_take(place / "faultless", n_frames=N, n_subjects=3, motion="walk",
                                             size_px=(1280, 720)))
    for subject in take.subjects:
        subject.track["landmarks_m"][..., 2] += DEPTH_BIAS_M
    return take_format.write(take, place / "take")


def solve(folder, out, *entries, told=None):
    file = out.with_suffix(".json")
    edits.write(edits.parse({"format": edits.FORMAT, "version": [1, 0], "edits": list(entries)}), file)
    result = solving.solve(solving.Request(folder, file, out), (told if told is not None else []).append, StopRequest())
    return take_format.read(result.take)


def files_of(folder, ident):
    return {p.name: p.read_bytes() for p in (folder / "subjects" / ident).iterdir()}


def test_people_that_were_taken_for_each_other_are_put_right_and_the_third_keeps_every_byte(folder, tmp_path):
    right, mixed, told = take_format.read(folder), take_format.read(folder), []
    for own, other in ((0, 1), (1, 0)):
        for name in ("motion", "track"):
            for key, array in getattr(mixed.subjects[own], name).items():
                array[24:] = getattr(right.subjects[other], name)[key][24:]
    wrong = take_format.write(mixed, tmp_path / "mixed")
    after = solve(wrong, tmp_path / "swapped", {"kind": "swap", "subject": "s1", "other": "s2", "frame": 24}, told=told)
    assert files_of(wrong, "s3") == files_of(after.path, "s3")
    assert np.array_equal(after.shot["T_wc"], right.shot["T_wc"])
    for found, true in zip(after.subjects[:2], right.subjects[:2]):
        assert found.motion["present"].all()
        assert np.array_equal(found.motion["keypoints_px"], true.motion["keypoints_px"])
        off = np.linalg.norm(found.motion["joints_m"] - true.motion["joints_m"], axis=-1)
        assert np.median(off) < 0.15  # m, 4.5 m away and solved from one view
        assert np.nanmedian(found.motion["pixel_error"]) < 5  # px
    assert after.id != right.id and after.shot_id == right.shot_id
    assert [e["kind"] for e in after.meta["producer"]["people_edits"]] == ["swap"] and edits_of(after) == []
    assert isinstance(told[0], events.Started) and isinstance(told[-1], events.Finished)


def test_names_and_left_out_people_need_no_solve(folder, tmp_path):
    after = solve(folder, tmp_path / "named", {"kind": "rename", "subject": "s3", "name": "Anna"},
                  {"kind": "skip", "subject": "s1"})
    assert [(s.id, s.info["name"]) for s in after.subjects] == [("s2", "Person 2"), ("s3", "Anna")]
    assert not (after.path / "subjects" / "s1").exists()
    for ident in ("s2", "s3"):
        assert files_of(folder, ident) == files_of(after.path, ident)
    assert [row["id"] for row in after.meta["report"].get("people", [])] in ([], ["s2", "s3"])


def test_a_split_person_merged_again_keeps_every_byte_and_corrections_go_along(folder, tmp_path):
    wrong = {"kind": "wrong", "subject": "s2", "start": 20, "end": 22}
    first = solve(folder, tmp_path / "wrong", wrong)
    split = solve(first.path, tmp_path / "split", {"kind": "split", "subject": "s1", "frame": 30})
    assert [s.id for s in split.subjects] == ["s1", "s2", "s3", "s4"]
    assert edits.as_data(edits_of(split))["edits"] == [wrong]
    assert split.subjects[0].motion["present"].sum() == 30 and split.subjects[3].motion["present"].sum() == N - 30
    whole = solve(first.path, tmp_path / "whole", {"kind": "split", "subject": "s1", "frame": 30},
                  {"kind": "merge", "subject": "s4", "into": "s1"})
    assert files_of(first.path, "s1") == files_of(whole.path, "s1")


def test_corrections_of_frames_that_an_edit_of_people_leaves_to_nobody_are_dropped_and_said(folder):
    """Frames too dim to use are filled between usable ones; a split ends that gap."""
    take = take_format.read(folder)
    take.subjects[0].motion["keypoints_px"][30:34, :, 2] = 0.04
    pins = [edits.Pin("s1", frame, "wrist_l", *map(float, take.subjects[0].motion["keypoints_px"][frame, 15, :2]))
            for frame in (10, 32)]
    earlier = [*pins, edits.Wrong("s1", 28, 31), edits.Pin("s2", 32, "nose", 700.0, 200.0)]
    take.meta["producer"] = {"edits": edits.as_data(earlier)}
    new, notes, _ = apply(take, [edits.KINDS["split"]("s1", 33)], lambda done, total: None)
    present = new.subjects[0].motion["present"]
    assert present[:30].all() and not present[30:].any()
    assert edits_of(new) == [pins[0], edits.Wrong("s1", 28, 30), earlier[-1]]
    for lost in ("pin in frame 32", "wrong in frame 30"):
        assert f"Person 1: the earlier {lost} is dropped; nobody is solved any more from what it corrected." in notes


def test_notes_and_report_do_not_speak_of_people_who_are_gone(folder, tmp_path):
    take = take_format.read(folder)
    rows = [{"front": a, "back": b, "frames": 5, "agrees": 1.0} for a, b in (("s1", "s2"), ("s2", "s3"))]
    take.meta["report"]["hiding"] = rows
    take.meta["notes"] = ["No height was given.", "Person 1: the feet are not in view.", "Person 2: hardly a foot.",
                          "Person 1 hides Person 2 in 5 frames and was solved farther away in 80% of them."]
    shown = take_format.write(take, tmp_path / "shown")
    after = solve(shown, tmp_path / "skipped", {"kind": "skip", "subject": "s1"},
                  {"kind": "rename", "subject": "s2", "name": "Anna"})
    assert after.meta["report"]["hiding"] == rows[1:]
    assert after.meta["notes"] == ["No height was given.", "Anna: hardly a foot."]
    after = solve(shown, tmp_path / "swapped", {"kind": "swap", "subject": "s1", "other": "s2", "frame": 24})
    assert after.meta["report"]["hiding"] == [], "found anew: they walk side by side"
    assert not any("feet are not in view" in n or "hides" in n for n in after.meta["notes"])


def test_what_is_wrong_leaves_nothing_behind(folder, tmp_path):
    out = tmp_path / "never"
    with pytest.raises(RequestError, match=r"^Edit 1 \(merge\): s1 and s2 are both seen in 48 frames \(the first is 0\)"):
        solve(folder, out, {"kind": "merge", "subject": "s1", "into": "s2"})
    with pytest.raises(RequestError, match=r"^Edit 2 \(pin\): the take holds no person 's1'; it has s2, s3\.$"):
        solve(folder, out, {"kind": "skip", "subject": "s1"},
              {"kind": "pin", "subject": "s1", "frame": 2, "keypoint": "nose", "x_px": 10.0, "y_px": 10.0})
    assert not out.exists() and not out.with_name("never.partial").exists()
