"""Identity figures on tracks whose answer is known by counting."""

import numpy as np
import pytest

from sinew.bench import identity

SIZE_PX = (640, 480)


def person(x_px: np.ndarray, y_px: float = 200.0) -> np.ndarray:
    """Twelve points, 60 px wide and 150 px tall, at x (T,): (T, 12, 2)."""
    shape = np.random.default_rng(0).uniform((0, 0), (60, 150), (12, 2))
    shape[:2] = (0, 0), (60, 150)
    return shape + np.stack([x_px, np.full(len(x_px), y_px)], -1)[:, None]


STANDS, WALKS = person(np.full(100, 300.0)), person(np.linspace(20, 560, 100))


def test_perfect_tracks_have_one_and_no_switch():
    out = identity.of_points([WALKS, STANDS], [STANDS, WALKS], SIZE_PX)
    assert (out.idf1, out.switches, out.track_of) == (1.0, 0, (1, 0))


def test_a_person_in_two_tracks_counts_the_longer_one_and_one_switch():
    first, second = WALKS.copy(), WALKS.copy()
    first[60:], second[:60] = np.nan, np.nan
    out = identity.of_points([STANDS, first, second], [STANDS, WALKS], SIZE_PX)
    assert out.switches == 1
    assert (out.kept, out.missed, out.strange) == (160, 40, 40)
    assert out.idf1 == pytest.approx(2 * 160 / 400)


def test_exchanged_people_cost_both_and_two_switches():
    a, b = STANDS.copy(), person(np.full(100, 100.0))
    x, y = a.copy(), b.copy()
    x[50:], y[50:] = b[50:], a[50:]
    out = identity.of_points([x, y], [a, b], SIZE_PX)
    assert out.switches == 2 and out.idf1 == pytest.approx(0.5)


def test_a_gap_without_another_track_is_missed_but_no_switch():
    gap = WALKS.copy()
    gap[40:50] = np.nan
    out = identity.of_points([gap], [WALKS], SIZE_PX)
    assert out.switches == 0 and out.missed == 10 and out.idf1 == pytest.approx(2 * 90 / 190)


def test_a_track_of_nobody_is_held_against_it():
    out = identity.of_points([STANDS, person(np.full(100, 500.0))], [STANDS], SIZE_PX)
    assert (out.strange, out.switches) == (100, 0) and out.idf1 == pytest.approx(2 * 100 / 300)


def test_who_has_half_left_the_picture_is_not_asked_for():
    leaves = person(np.linspace(500, 680, 100))
    out = identity.of_points([leaves], [leaves], SIZE_PX)
    n_in = int(identity.inside(leaves, SIZE_PX).sum())
    assert 0 < n_in < 100 and (out.kept, out.missed, out.strange) == (n_in, 0, 0)


def test_nobody_found_is_zero():
    out = identity.of_points([], [STANDS], SIZE_PX)
    assert (out.idf1, out.missed, out.track_of) == (0.0, 100, (None,))
    assert [r["value"] for r in identity.rows(out, "clip")] == [0.0, 0]


def test_whoever_stands_behind_somebody_nearer_is_not_in_sight():
    back, front = person(np.full(100, 300.0)), person(np.linspace(0, 600, 100))
    near, far = np.full(100, 3.0), np.full(100, 5.0)
    share = identity.visible(back, far, [(front, near)])
    assert share[0] == share[-1] == 1.0 and share[50] < 0.2
    assert (identity.visible(front, near, [(back, far)]) == 1.0).all()


def test_frames_out_of_sight_count_neither_for_nor_against_a_track():
    hidden = np.zeros(100, bool)
    hidden[40:60] = True
    lost = STANDS.copy()
    lost[40:60] = np.nan
    assert identity.of_points([lost], [STANDS], SIZE_PX).missed == 20
    for track in (lost, STANDS):
        out = identity.of_points([track], [STANDS], SIZE_PX, [~hidden])
        assert (out.idf1, out.missed, out.strange) == (1.0, 0, 0)


def test_in_sight_is_everybody_but_who_stands_behind_somebody():
    back, front = person(np.full(100, 300.0)), person(np.linspace(0, 600, 100))
    in_sight = identity.sights([back, front], [np.full(100, 5.0), np.full(100, 3.0)])
    assert in_sight[1].all() and in_sight[0][[0, 99]].all() and not in_sight[0][50]
    lost = np.where(in_sight[0][:, None, None], back, np.nan)
    plain = identity.of_points([lost, front], [back, front], SIZE_PX)
    fair = identity.of_points([lost, front], [back, front], SIZE_PX, in_sight)
    assert plain.missed == int((~in_sight[0]).sum()) > 0 and fair.missed == 0 and plain.idf1 < fair.idf1 == 1.0
