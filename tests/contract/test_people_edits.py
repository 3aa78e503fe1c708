"""Who is who after edits: every rule and every refusal, on takes whose people are known."""

import numpy as np
import pytest
import takes

from sinew_take import edits, people_edits
from sinew_take.errors import RequestError

N = 40


@pytest.fixture
def three():
    """s1 the whole time, s2 in frames 0 to 14, s3 from 20 on."""
    take = takes.make_take(N, n_subjects=3, body="box")
    takes.add_detections(take, {"s2": (0, 15), "s3": (20, N)})
    return take


def edit(*entries: dict) -> list:
    return edits.parse({"format": edits.FORMAT, "version": [1, 0], "edits": list(entries)})


def who(take, *entries: dict) -> dict[str, list[int]]:
    return {p.id: p.who.tolist() for p in people_edits.regroup(take, edit(*entries))}


def test_names_change_and_nothing_else(three):
    people = people_edits.regroup(three, edit({"kind": "rename", "subject": "s2", "name": "  Anna  Lena "}))
    assert [p.name for p in people] == ["Person 1", "Anna Lena", "Person 3"]
    assert all(np.array_equal(a.who, b.who) for a, b in zip(people, people_edits.people_of(three)))


def test_skipped_people_are_gone(three):
    assert list(who(three, {"kind": "skip", "subject": "s1"})) == ["s2", "s3"]


def test_merged_people_have_both_ones_frames_and_the_second_ones_id(three):
    assert who(three, {"kind": "merge", "subject": "s3", "into": "s2"}) == {
        "s1": [0] * N, "s2": [1] * 15 + [-1] * 5 + [2] * 20}


def test_split_makes_somebody_new_with_the_next_number(three):
    people = people_edits.regroup(three, edit({"kind": "split", "subject": "s1", "frame": 25}))
    assert [(p.id, p.name) for p in people][-1] == ("s4", "Person 4")
    assert people[0].who.tolist() == [0] * 25 + [-1] * 15 and people[-1].who.tolist() == [-1] * 25 + [0] * 15


def test_nobody_new_has_the_number_or_name_of_somebody_who_is_gone(three):
    split = {"kind": "split", "subject": "s1", "frame": 25}
    assert list(who(three, {"kind": "skip", "subject": "s3"}, split)) == ["s1", "s2", "s4"]
    assert list(who(three, split, {"kind": "skip", "subject": "s4"}, {**split, "frame": 20})) == ["s1", "s2", "s3", "s5"]
    people = people_edits.regroup(three, edit({"kind": "rename", "subject": "s2", "name": "Person 4"}, split))
    assert [(p.id, p.name) for p in people][-1] == ("s5", "Person 5")
    # Those who went before the take was written are named by the edits that it keeps.
    three.meta["producer"] = {"people_edits": edits.as_data(edit({"kind": "merge", "subject": "s7", "into": "s1"}))["edits"]}
    assert list(who(three, split)) == ["s1", "s2", "s3", "s8"]


def test_two_people_do_not_get_one_name_but_may_exchange_theirs(three):
    def rename(subject, name):
        return {"kind": "rename", "subject": subject, "name": name}

    for name in ("Person 2", " Person  2 "):
        with pytest.raises(RequestError) as caught:
            edits.check(edit(rename("s3", "Anna"), rename("s1", name)), three)
        assert str(caught.value) == ("Edit 2 (rename): somebody else of the take is called Person 2 already; give another "
                                     "name.")
    edits.check(edit(rename("s1", "Person 2"), rename("s2", "Person 1")), three)
    edits.check(edit({"kind": "skip", "subject": "s2"}, rename("s1", "Person 2")), three)


def test_swap_exchanges_all_that_follows_and_twice_is_nothing(three):
    swap = {"kind": "swap", "subject": "s1", "other": "s3", "frame": 30}
    once = who(three, swap)
    assert once["s1"] == [0] * 30 + [2] * 10 and once["s3"] == [-1] * 20 + [2] * 10 + [0] * 10
    assert who(three, swap, swap) == who(three)


def test_later_edits_see_what_earlier_ones_made(three):
    out = who(three, {"kind": "split", "subject": "s1", "frame": 15}, {"kind": "merge", "subject": "s4", "into": "s2"})
    assert out == {"s1": [0] * 15 + [-1] * 25, "s2": [1] * 15 + [0] * 25, "s3": [-1] * 20 + [2] * 20}


@pytest.mark.parametrize(("entry", "text"), [
    ({"kind": "rename", "subject": "s9", "name": "A"}, "there is no person 's9'; there are s1, s2, s3"),
    ({"kind": "rename", "subject": "s1", "name": "  "}, "the name is empty or not printable; give one"),
    ({"kind": "rename", "subject": "s1", "name": "x" * 61}, "the name is longer than 60 bytes; give a shorter one"),
    ({"kind": "merge", "subject": "s2", "into": "s1"},
     "s2 and s1 are both seen in 15 frames (the first is 0), so they are two people; split or swap them first"),
    ({"kind": "merge", "subject": "s2", "into": "s2"}, "s2 cannot be merged with itself; name another person"),
    ({"kind": "split", "subject": "s1", "frame": 0},
     "s1 is not seen before frame 0, so nothing would stay; choose a later frame"),
    ({"kind": "split", "subject": "s3", "frame": 20},
     "s3 is not seen before frame 20, so nothing would stay; choose a later frame"),
    ({"kind": "split", "subject": "s2", "frame": 15},
     "s2 is not seen from frame 15 on, so nobody new would come of it; choose an earlier frame"),
    ({"kind": "split", "subject": "s1", "frame": 40}, "frame 40 is not in the take, whose frames are 0 to 39"),
    ({"kind": "swap", "subject": "s1", "other": "s2", "frame": 16},
     "s2 is not in the shot at frame 16; choose a frame in which both are"),
    ({"kind": "swap", "subject": "s1", "other": "s1", "frame": 16}, "s1 cannot be swapped with itself; name another person"),
    ({"kind": "swap", "subject": "s1", "other": "s3", "frame": -1},
     "frame -1 is not in the take, whose frames are 0 to 39"),
])
def test_what_cannot_be_is_one_sentence(three, entry, text):
    with pytest.raises(RequestError) as caught:
        edits.check(edit({"kind": "rename", "subject": "s1", "name": "First"}, entry), three)
    assert str(caught.value) == f"Edit 2 ({entry['kind']}): {text}."


def test_the_last_person_is_not_skipped(three):
    with pytest.raises(RequestError, match=r"^Edit 3 \(skip\): nobody would be left; keep at least one person\.$"):
        edits.check(edit(*({"kind": "skip", "subject": s} for s in ("s1", "s2", "s3"))), three)


def test_wrong_entries_name_what_they_lack():
    with pytest.raises(RequestError, match=r"^Edit 1 \(swap\): it lacks other; give subject, other, frame\.$"):
        edit({"kind": "swap", "subject": "s1", "frame": 3})


def test_edits_of_people_read_back_and_add_up(three):
    swap = edit({"kind": "swap", "subject": "s1", "other": "s3", "frame": 30})
    assert edits.parse(edits.as_data(swap)) == swap
    assert edits.add(swap, swap) == swap + swap


def test_edits_of_poses_go_with_the_detections_they_were_made_on(three):
    given = edit({"kind": "pin", "subject": "s1", "frame": 35, "keypoint": "nose", "x_px": 3.0, "y_px": 4.0},
                 {"kind": "wrong", "subject": "s1", "start": 26, "end": 33},
                 {"kind": "flip", "subject": "s3", "limb": "arm_l", "start": 21, "end": 23},
                 {"kind": "swap", "subject": "s1", "other": "s3", "frame": 30}, {"kind": "skip", "subject": "s1"})
    moved = people_edits.carried(given, people_edits.people_of(three), people_edits.regroup(three, given))
    assert [(e.kind, e.subject, e.frames) for e in moved] == [
        ("pin", "s3", range(35, 36)), ("wrong", "s3", range(30, 33)), ("flip", "s3", range(21, 23))]


def test_who_keeps_all_detections_keeps_all_edits(three):
    """A frame that was filled between others has no detection, and can be corrected all the same."""
    three.subjects[0].track["detected"][30:32] = False
    given = edit({"kind": "pin", "subject": "s1", "frame": 30, "keypoint": "nose", "x_px": 3.0, "y_px": 4.0},
                 {"kind": "wrong", "subject": "s1", "start": 31, "end": 34})
    after = people_edits.regroup(three, edit({"kind": "rename", "subject": "s2", "name": "Anna"}))
    assert people_edits.carried(given, people_edits.people_of(three), after) == given
