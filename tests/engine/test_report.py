"""What a take says of itself."""

from types import SimpleNamespace

import takes

from sinew import pipeline
from sinew.report import describe, shot_lines
from sinew_take import take as take_format


def test_a_take_in_words(tmp_path):
    take = take_format.read(takes.write_take(tmp_path / "take", n_frames=12, n_subjects=2))
    take.meta["report"] = {"frames": 12, "seconds": {"people": 3.21}, "people": [
        {"id": "s1", "frames": 12, "pixel_error_px": 2.0, "pixel_error_of_height": 0.0101, "limit_violations": 0,
         "height_m": 1.7},
        {"id": "s2", "frames": 9, "pixel_error_px": None, "pixel_error_of_height": None, "limit_violations": 0,
         "height_m": 1.6}]}
    facts, text = describe(take), describe(take, as_text=True)
    assert facts["frames"] == 12 and [s["limit_violations"] for s in facts["subjects"]] == [0, 0]
    assert "2 people found in 12 frames" in text
    assert "s1: 12 frames solved, pixel error 2.0 px (1.01% of the person's height), limit violations 0" in text
    assert "pixel error unknown" in text and "people 3.2 s" in text
    assert "  Camera: static" in text.splitlines()
    take.meta["camera"] = {"kind": "rotating", "reason": "A camera that only turns explains it."}
    assert "  Camera: rotating. A camera that only turns explains it." in describe(take, as_text=True).splitlines()


def test_one_person_is_not_people():
    row = {"id": "s1", "frames": 1, "pixel_error_px": 1.0, "pixel_error_of_height": 0.01, "limit_violations": 0,
           "height_m": 1.7}
    assert shot_lines({"people": [row], "frames": 1})[0] == "1 person found in 1 frame"


def test_notes_name_people_and_leave_file_names_alone():
    motions = [SimpleNamespace(track=SimpleNamespace(id="person_2"))]
    notes = ["person_2 hides person_10 in 3 frames.", "my_person_12.mov has no lens.", "a-person_2.mp4 and person_2.mp4 end.",
             "Seen beside person_2."]
    assert pipeline._named(notes, motions) == [
        "Person 1 hides Track 10 in 3 frames.", "my_person_12.mov has no lens.", "a-person_2.mp4 and person_2.mp4 end.",
        "Seen beside Person 1."]


def test_what_another_program_left_out_is_left_out(tmp_path):
    take = take_format.read(takes.write_take(tmp_path / "take"))
    take.meta["report"] = {"people": [{}, {"id": "s2", "frames": 3, "pixel_error_px": 2.0, "pixel_error_of_height": None}]}
    lines = describe(take, as_text=True).splitlines()
    assert "2 people found" in lines and "  s2: 3 frames solved, pixel error 2.0 px" in lines
    assert "  somebody: pixel error unknown" in lines and not any("Time" in line for line in lines)
