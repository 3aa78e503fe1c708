"""Whose limbs are whose where people overlap: what is marked, and what the fit makes of it."""

import numpy as np
import pytest
import walks
from test_people_hiding import SIZE_PX, N, person

from sinew.flow import Camera
from sinew.motion import solve_motion
from sinew.motion.start import DOUBTFUL, OVERLAP_SPREAD, believed, finite_track, observations
from sinew.people.overlaps import mark_overlaps
from sinew_take import free_body
from sinew_take import skeleton as sk

TIME_S = np.arange(N) / 25


@pytest.fixture
def passing():
    """The first walks past in front of the second, who is lost in frames 29 to 33; from 25 to 35 their boxes overlap."""
    front = person("front", np.linspace(100, 500, N), np.ones(N, bool))
    seen = np.ones(N, bool)
    seen[29:34] = False
    return front, person("back", np.full(N, 305.0), seen, front.box_px)


@pytest.fixture(scope="module")
def body():
    return free_body.load()


def test_keypoints_on_another_persons_mask_are_doubtful(passing):
    front, back = passing
    mark_overlaps([front, back], SIZE_PX, TIME_S)
    both = front.present & back.present & back.overlaps
    assert both.any() and np.array_equal(front.overlaps & back.present, both)
    on_front = ((back.keypoints_px[..., :2] >= front.box_px[:, None, :2])
                & (back.keypoints_px[..., :2] <= front.box_px[:, None, 2:])).all(-1)
    assert on_front[both].any()
    assert (back.doubtful == on_front)[both].mean() > 0.97  # but for those within a cell of the border
    assert not front.doubtful[both].any()  # all of the one in front lies on their own mask


def test_whoever_stands_before_a_lost_person_may_have_got_their_limbs(passing):
    front, back = passing
    mark_overlaps([front, back], SIZE_PX, TIME_S)
    lost = ~back.present & front.overlaps
    assert np.array_equal(np.flatnonzero(lost), np.arange(29, 34)) and front.doubtful[30].all()  # the boxes are one


def test_whoever_is_lost_for_long_may_be_anywhere(passing):
    front, _ = passing
    seen = np.zeros(N, bool)
    seen[[0, N - 1]] = True
    back = person("back", np.full(N, 305.0), seen)
    mark_overlaps([front, back], SIZE_PX, TIME_S)
    assert not front.overlaps[20:40].any() and not front.doubtful[20:40].any()  # 0.8 s and more from both detections
    mark_overlaps([front, back], SIZE_PX, TIME_S / 4)
    assert front.overlaps[30] and front.doubtful[30].all()


def test_keypoints_off_the_own_mask_are_doubtful_only_among_others(passing):
    front, back = passing
    t = 27
    for frame in (0, t):
        front.keypoints_px[frame, 27, :2] = front.box_px[frame, 0] - 30, 300.0
    mark_overlaps([front, back], SIZE_PX, TIME_S)
    assert front.doubtful[t, 27] and not front.doubtful[0].any()


def test_a_frame_without_a_mask_says_nothing(passing):
    front, back = passing
    offset, t = front.masks["offset"], 27
    gone = offset[t + 1] - offset[t]
    front.masks["bits"] = np.delete(front.masks["bits"], np.arange(offset[t], offset[t + 1]))
    front.masks["offset"] = np.where(np.arange(len(offset)) > t, offset - gone, offset)
    front.masks["box"][t] = 0
    mark_overlaps([front, back], SIZE_PX, TIME_S)
    assert front.overlaps[t] and not front.doubtful[t].any()


def test_somebody_alone_and_far_away_is_never_doubtful(passing):
    front, _ = passing
    alone = person("alone", np.full(N, 590.0), np.ones(N, bool))
    for tracks in ([front], [front, alone]):
        mark_overlaps(tracks, SIZE_PX, TIME_S)
        assert not any(t.overlaps.any() or t.doubtful.any() for t in tracks)


def test_the_fit_believes_doubtful_keypoints_less(body):
    filmed = walks.Filmed(body, n=12)
    track = filmed.track
    track.spread_px[:] = 7.0
    given = (filmed.shot, track, np.arange(12), np.tile(filmed.K, (12, 1, 1)), np.zeros((12, 5)), filmed.model,
             np.full(12, 1e9), np.ones(12, bool))
    before = observations(*given)
    track.overlaps, track.doubtful = np.arange(12) >= 6, np.zeros((12, 33), bool)
    track.doubtful[8, 27] = True
    after = observations(*given)
    np.testing.assert_allclose(after.sigma_px[:6], before.sigma_px[:6])
    ratio = after.sigma_px[6:] / before.sigma_px[6:]
    assert ratio[2, 27] == pytest.approx(OVERLAP_SPREAD / DOUBTFUL)
    ratio[2, 27] = OVERLAP_SPREAD
    np.testing.assert_allclose(ratio, OVERLAP_SPREAD)
    assert believed(track)[1][8, 27] == pytest.approx(DOUBTFUL * finite_track(track)[1][8, 27])


def test_another_persons_legs_do_not_carry_a_walker_away(body):
    """For ten frames both legs are read 60 px (260 mm) aside, the looks 7 px apart; marked, the ankles stay."""
    def solved(marked: bool):
        filmed = walks.Filmed(body, n=60)
        track = filmed.track
        track.keypoints_px[25:35, 25:33, 0] += 60.0
        track.spread_px[25:35, 25:33] = 7.0
        track.overlaps, track.doubtful = np.zeros(60, bool), np.zeros((60, 33), bool)
        if marked:
            track.overlaps[25:35], track.doubtful[25:35, 25:33] = True, True
        camera = Camera(filmed.T_wc, np.tile(filmed.K, (60, 1, 1)), np.zeros((60, 5)), "static", "user", "assumed")
        _, (motion,) = solve_motion(filmed.shot, filmed.people, camera, body)
        said = [n for n in motion.notes if "in the way" in n]
        assert said == (["person_1: in 10 frames somebody else is in the way; limbs that may be theirs are believed less."]
                        if marked else [])
        ankles = [sk.JOINT_INDEX["talus_r"], sk.JOINT_INDEX["talus_l"]]
        centred = [x[:, ankles] - x[:, :1] for x in (motion.arrays["joints_m"].astype(float), filmed.joints_m)]
        return 1e3 * np.linalg.norm(centred[0] - centred[1], axis=-1)[25:35].mean()

    with_marks, without = solved(True), solved(False)
    assert 2 * with_marks < without and with_marks < 100.0
