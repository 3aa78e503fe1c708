"""Who hides whom, on made-up tracks: rectangles that pass before each other."""

import numpy as np
import pytest

from sinew.flow import Shot, Track, VideoInfo
from sinew.motion.frames import solved_frames
from sinew.people import hiding
from sinew_take import masks

N, SIZE_PX = 60, (640, 360)


def person(name: str, x_px: np.ndarray, seen: np.ndarray, front: np.ndarray | None = None) -> Track:
    """40 px wide and 160 px tall at x (N,); what lies under `front`'s box is not in its mask."""
    shape = np.random.default_rng(1).uniform((2, 2), (38, 158), (33, 2))
    shape[11:15] = (1, 1), (39, 1), (1, 159), (39, 159)
    points = shape + np.stack([x_px, np.full(N, 100.0)], -1)[:, None]
    box = np.concatenate([points.min(1), points.max(1)], 1)
    bits = []
    for t in range(N):
        whole = np.zeros((180, 320), bool)
        x0, y0, x1, y1 = (box[t] / 2).astype(int)
        whole[y0:y1 + 1, x0:x1 + 1] = True
        if front is not None:
            a0, b0, a1, b1 = (front[t] / 2).astype(int)
            whole[b0:b1 + 1, a0:a1 + 1] = False
        bits.append(((0, 0, 320, 180), whole) if seen[t] else None)
    keypoints = np.concatenate([points, np.full((N, 33, 1), 0.9)], -1)
    for array in (keypoints, box):
        array[~seen] = np.nan
    landmarks = np.where(seen[:, None, None], np.random.default_rng(2).normal(size=(N, 33, 3)), np.nan)
    return Track(name, seen, keypoints, np.ones((N, 33)), landmarks, box, masks.pack(bits, (320, 180)))


@pytest.fixture
def passing():
    """The first walks past in front of the second, who is lost in frames 24 to 37."""
    walks, everywhere = np.linspace(100, 500, N), np.ones(N, bool)
    front = person("front", walks, everywhere)
    seen = everywhere.copy()
    seen[24:38] = False
    return front, person("back", np.full(N, 305.0), seen, front.box_px)


def test_whoever_is_lost_behind_somebody_is_hidden(passing):
    front, back = passing
    hiding.mark_hidden([front, back])
    assert not front.hidden.any()
    assert 8 <= back.hidden.sum() <= 14 and back.hidden[30] and not back.hidden[:24].any()


def test_a_gap_far_from_everybody_is_not_hidden(passing):
    front, _ = passing
    seen = np.ones(N, bool)
    seen[24:38] = False
    alone = person("alone", np.full(N, 580.0), seen)
    hiding.mark_hidden([front, alone])
    assert not alone.hidden.any()


def test_masks_tell_who_is_in_front_whatever_their_order(passing):
    for tracks, order in ((passing, (0, 1)), (passing[::-1], (1, 0))):
        (found,) = hiding.orders(tracks, SIZE_PX)
        assert (found.front, found.back) == order and found.frames[24:38].any()


def test_people_who_never_meet_have_no_order(passing):
    front, _ = passing
    assert hiding.orders([front, person("far", np.full(N, 590.0), np.ones(N, bool))], SIZE_PX) == []


def test_a_solve_in_the_wrong_order_is_said_and_the_right_one_is_not(passing):
    eye = np.zeros((N, 3))
    near, far = (np.tile([0.0, d, 0.0], (N, 1)) for d in (3.0, 5.0))
    rows, notes = hiding.compared(passing, eye, [near, far], SIZE_PX)
    assert rows[0]["agrees"] == 1.0 and (rows[0]["front"], rows[0]["back"]) == (0, 1) and notes == []
    rows, notes = hiding.compared(passing, eye, [far, near], SIZE_PX)
    assert rows[0]["agrees"] == 0.0
    assert len(notes) == 1 and notes[0].startswith("front hides back in ") and "farther away in 100% of them" in notes[0]


@pytest.mark.parametrize(("rate", "filled"), [(24.0, True), (8.0, False)])
def test_a_hidden_person_stays_for_a_second_and_a_half(passing, rate, filled):
    """14 frames are 0.6 s at 24 and 1.9 s at 8 frames per second; without a hider 0.5 s is the most."""
    front, back = passing
    info = VideoInfo(None, SIZE_PX, SIZE_PX, None, N, N / rate, 0, None, False, None)
    shot = Shot(info, np.arange(N, dtype=np.int32), np.arange(N) / rate)
    assert len(solved_frames(shot, back).index) == N - 14
    hiding.mark_hidden([front, back])
    back.hidden[24:38] = True
    assert len(solved_frames(shot, back).index) == (N if filled else N - 14)
