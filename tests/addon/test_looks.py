"""What shows a person in the list: alone before large, sure before hidden, and darker whatever stands beside them."""

import importlib

import numpy as np
import pytest
import takes

looks = importlib.import_module("bl_ext.test.sinew.addon.plan.looks")

ALONE = (400, 100, 450, 250)
IN_FRONT = (100, 60, 220, 300)
"""Of Person 1, all the time."""


@pytest.fixture
def two(tmp_path):
    """two(boxes, confidences) -> (take, Person 2), whose boxes and joints' confidences are those; Person 1 stands still."""
    def make(boxes, confidences):
        take = takes.make_take(len(boxes), n_subjects=2, body="box")
        take.meta["plate"] = {"pattern": "plate/{:06d}.jpg", "size_px": [640, 360]}
        take.path = tmp_path
        for subject, own in zip(take.subjects, ([IN_FRONT] * len(boxes), boxes), strict=True):
            for points, box in zip(subject.motion["keypoints_px"], own, strict=True):
                points[:, :2] = np.linspace(box[:2], box[2:], len(points)) if box is not None else np.nan
        take.subjects[1].motion["confidence"][:] = np.array(confidences)[:, None]
        return take, take.subjects[1]
    return make


def frame_of(take, person):
    return looks.best_look(take, person).frame


def test_nobody_is_shown_behind_somebody_else(two):
    behind = (90, 60, 240, 310)  # the largest box of all; what was found there is whoever stands in front
    take, person = two([None, ALONE, behind, ALONE], [0.0, 0.7, 0.9, 0.8])
    look = looks.best_look(take, person)
    assert look.frame == 3 and look.picture == take.path / "plate/000003.jpg"
    np.testing.assert_allclose(look.box_px, np.array(ALONE) + 0.12 * 150 * np.array([-1, -1, 1, 1]), atol=1e-3)


def test_of_the_frames_alone_the_surest_and_largest_one_is_taken(two):
    near, large = (390, 100, 460, 300), (380, 80, 480, 320)
    assert frame_of(*two([ALONE, near, ALONE], [0.8, 0.8, 0.8])) == 1
    assert frame_of(*two([ALONE, large, near], [0.8, 0.2, 0.8])) == 2, "large, but hardly seen"


def test_who_is_never_alone_is_shown_where_least_of_them_is_somebody_elses(two):
    boxes = [(110 + by, 80, 210 + by, 290) for by in (0, 40, 90, 60)]
    assert frame_of(*two(boxes, [0.8, 0.8, 0.8, 0.8])) == 2
    assert frame_of(*two([None, *boxes[:2]], [0.0, 0.9, 0.3])) == 1, "in front, where they are seen themselves"


def test_somebody_who_was_not_detected_stands_where_they_were_solved(two):
    large = (380, 80, 480, 320)
    take, person = two([ALONE, large], [0.8, 0.8])
    other, K, T_wc = take.subjects[0].motion, take.shot["K"][1], take.shot["T_wc"][1]
    other["keypoints_px"][1] = np.nan
    for middle_px, best in (((100, 200), 1), ((430, 200), 0)):
        seen_at = np.linalg.solve(K, [*middle_px, 1.0])
        other["joints_m"][1] += T_wc[:3, 3] + T_wc[:3, :3] @ (6.0 * seen_at) - other["joints_m"][1, 0]
        assert frame_of(take, person) == best


def test_unknown_confidences_and_absent_people_do_not_matter(two):
    take, person = two([ALONE, None, (390, 100, 460, 300)], [np.nan, np.nan, np.nan])
    for array in take.subjects[0].motion.values():
        if array.dtype == np.float32:
            array[:] = np.nan
    assert frame_of(take, person) == 2
    assert looks.best_look(take, take.subjects[0]) is None


def test_what_stands_beside_somebody_is_darker_and_what_is_outside_the_picture_dark():
    look = looks.Look(0, None, np.array([600.0, -20, 640, 100]), (640, 360))
    square = looks.cut_out(np.ones((180, 320, 4), np.float32), look, 120)  # a plate of half the size, one pixel in two
    assert square.shape == (120, 120, 4) and (square[..., 3] == 1).all()
    assert (square[:100, 40:80, :3] == 1).mean() > 0.95 and (square[:100, 1:39, :3] == np.float32(0.4)).all()
    assert (square[:, 81:, :3] == np.float32(0.1)).all() and (square[101:, :, :3] == np.float32(0.1)).all()
