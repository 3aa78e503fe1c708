"""Tracks after edits of who is who: every frame's detections are the right person's, bit for bit."""

import numpy as np
import pytest
import takes

from sinew.people.edits import regrouped, track_of
from sinew_take import edits, masks
from sinew_take.errors import RequestError

N = 40


def edit(*entries: dict) -> list:
    return edits.parse({"format": edits.FORMAT, "version": [1, 0], "edits": list(entries)})


@pytest.fixture
def two():
    """s1 in all frames, s2 in the first 25; their masks are squares of different sizes."""
    take = takes.make_take(N, n_subjects=2, body="box")
    takes.add_detections(take, {"s2": (0, 25)})
    for k, subject in enumerate(take.subjects):
        squares = [((t, 2, t + 3 + k, 5 + k), np.ones((3 + k, 3 + k), bool)) if subject.track["detected"][t] else None
                   for t in range(N)]
        subject.masks = masks.pack(squares, (64, 36))
    return take


def test_a_swap_exchanges_everything_that_was_detected(two):
    first, second = regrouped(two, edit({"kind": "swap", "subject": "s1", "other": "s2", "frame": 10}))
    a, b = (track_of(s) for s in two.subjects)
    for name in ("keypoints_px", "spread_px", "landmarks_m", "box_px", "present"):
        assert np.array_equal(getattr(first.track, name)[:10], getattr(a, name)[:10], equal_nan=True)
        assert np.array_equal(getattr(first.track, name)[10:], getattr(b, name)[10:], equal_nan=True)
        assert np.array_equal(getattr(second.track, name)[10:], getattr(a, name)[10:], equal_nan=True)
    for t in range(N):
        assert masks.unpack(first.track.masks, t).sum() == (9 if t < 10 else 16 if t < 25 else 0)
        assert masks.unpack(second.track.masks, t).sum() == (16 if t < 10 else 9)
    assert first.unchanged is None and second.unchanged is None


def test_people_that_no_edit_touches_keep_their_solve(two):
    first, second, third = regrouped(two, edit({"kind": "split", "subject": "s1", "frame": 12},
                                               {"kind": "rename", "subject": "s2", "name": "Anna"}))
    assert second.unchanged is two.subjects[1] and second.name == "Anna"
    assert first.unchanged is None and third.unchanged is None
    assert first.track.present.sum() == 12 and third.track.present.sum() == N - 12 and third.track.id == "s3"


def test_split_and_merged_again_is_the_same_track_and_solve(two):
    out = regrouped(two, edit({"kind": "split", "subject": "s1", "frame": 12},
                              {"kind": "merge", "subject": "s3", "into": "s1"}))
    assert [p.id for p in out] == ["s1", "s2"] and out[0].unchanged is two.subjects[0]
    assert np.array_equal(out[0].track.keypoints_px, track_of(two.subjects[0]).keypoints_px, equal_nan=True)


def test_an_old_take_says_that_it_kept_no_detections(two):
    two.subjects[0].track = None
    with pytest.raises(RequestError, match="did not keep what it had detected; reconstruct the clip again"):
        regrouped(two, edit({"kind": "swap", "subject": "s1", "other": "s2", "frame": 10}))
    renamed = regrouped(two, edit({"kind": "rename", "subject": "s1", "name": "Anna"}))[0]
    assert renamed.unchanged is two.subjects[0] and renamed.track is None and renamed.name == "Anna"
