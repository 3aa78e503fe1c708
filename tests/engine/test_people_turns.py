"""Which way up somebody is: what the looks say about the turn of their crops."""

import numpy as np
import pytest
from test_people_tracks import sighting

from sinew.people import crops, turns

RING = 2 * np.pi * np.arange(turns.STEPS) / turns.STEPS


def said_about(true_turn: float, response: float, reach: float = np.radians(75)) -> np.ndarray:
    """What a model that answers a share of the turn says, within reach of the truth; elsewhere next to nothing."""
    off = crops.wrapped(true_turn - RING)
    return np.where(np.abs(off) < reach, response * off, np.radians(1.0) * np.sign(np.sin(7 * RING + 0.5)))


@pytest.mark.parametrize("true_deg", [0, 17, 95, 181, 268, 344])
def test_upright_is_where_the_answer_restores(true_deg):
    found = turns.upright_turns(RING, said_about(np.radians(true_deg), 0.45), np.full(turns.STEPS, 0.05))
    assert len(found) == 1
    assert np.degrees(abs(crops.wrapped(found[0] - np.radians(true_deg)))) < 0.1


def test_where_no_answer_restores_nobody_is_upright():
    said = np.radians([1, -1, 2, -2, 1, 0.5, -0.5, 1, -1, 0, 2, -1])
    assert turns.upright_turns(RING, said, np.full(turns.STEPS, 0.05)) == []


def test_of_two_directions_the_one_that_neighbours_see_alike_comes_first_and_missing_looks_say_nothing():
    said = said_about(np.radians(40), 0.4, np.radians(50)) + said_about(np.radians(220), 0.4, np.radians(50))
    apart = np.full(turns.STEPS, 0.1)
    apart[7] = 0.02
    first, second = np.degrees(turns.upright_turns(RING, said, apart))
    assert abs(first + 140) < 5 and abs(second - 40) < 5
    said[8] = np.nan
    assert np.allclose(np.degrees(turns.upright_turns(RING, said, apart)), second)


def test_a_crop_is_turned_by_twice_what_the_model_says_but_not_by_more_than_it_can_know():
    crop = crops.Crop(100.0, 100.0, 200.0, np.radians(170))

    def found(deg):
        up = np.radians(deg)
        frame = np.array([[128.0, 128.0], [128 + 60 * np.sin(up), 128 - 60 * np.cos(up)]])
        return np.degrees(crops.wrapped(crops.crop_of(frame, crop, False).turn - crop.turn))

    assert found(12) == pytest.approx(24, abs=0.1)
    assert found(1) == pytest.approx(1.1, abs=0.01)  # upright: hardly more than what it says, which is noise
    assert found(-12) == pytest.approx(-24, abs=0.1)
    assert found(80) == pytest.approx(35, abs=0.1)


def upside_down(said):
    said.points_px = 2 * said.points_px[:, 23:25].mean(1, keepdims=True) - said.points_px
    return said


def test_a_pose_jumps_when_it_is_read_upside_down_and_not_when_sides_are_exchanged_or_it_moves_along():
    before = [sighting(300.0 + 5 * f) for f in range(5)]
    assert turns.jump(sighting(340.0, 310.0, size_px=220.0), before) == pytest.approx(0, abs=1e-9)
    exchanged = sighting(340.0)
    exchanged.points_px = exchanged.points_px[:, crops.SWAP]
    assert turns.jump(exchanged, before) == pytest.approx(0, abs=1e-9)
    assert turns.jump(upside_down(sighting(340.0)), before) > 0.3
    assert turns.jump(upside_down(sighting(340.0)), []) == 0


def test_one_wrong_sighting_does_not_tell_where_a_pose_jumps_from():
    before = [sighting(300.0), sighting(305.0), upside_down(sighting(310.0))]
    assert turns.jump(sighting(315.0), before) == pytest.approx(0, abs=1e-9)


def test_looks_that_agree_upside_down_are_doubted_more_than_looks_that_agree_less_as_before():
    before = [sighting(300.0 + f) for f in range(5)]
    # Three looks that lie 4 % of the size apart, in the pose of a moment ago.
    apart = [sighting(305.0 + d) for d in (-10.0, 0.0, 10.0)]
    upright = turns.joined(apart[0], apart[1:])
    wrong = upside_down(sighting(305.0))
    assert turns.disagreement(wrong) < turns.disagreement(upright)
    assert turns.doubt(wrong, before) > turns.doubt(upright, before)
    assert turns.doubt(wrong, []) < turns.doubt(upright, [])
