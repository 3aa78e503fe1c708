"""Measures of the free body: known answers, in and out, and what cannot be."""

import numpy as np
import pytest

from sinew_take import free_body, measures
from sinew_take import skeleton as sk
from sinew_take.errors import RequestError


@pytest.fixture(scope="module")
def body():
    return free_body.load()


def test_measures_of_the_mean_body(body):
    found = measures.measure(body, np.zeros(body.n_shape))
    joints, skin = body.joints(np.zeros(body.n_shape)), body.vertices(np.zeros(body.n_shape))
    assert tuple(found) == measures.NAMES
    assert found["height"] == pytest.approx(float(np.ptp(skin[:, 2])), abs=1e-4)  # m
    arm = joints[[sk.JOINT_INDEX[n] for n in ("humerus_l", "ulna_l", "hand_l")]]
    assert found["arm"] == pytest.approx(np.linalg.norm(np.diff(arm, axis=0), axis=1).sum(), abs=1e-4)
    # Other solids of the same size bracket the volume: it is a person, not a rod or a box.
    assert 55 < found["mass"] < 75  # kg at 1.69 m
    assert 0.65 < found["waist"] < 0.95  # m


def test_volume_and_girth_of_a_known_solid():
    # A box of 0.4 x 0.2 x 1.0 m, open at the top: the hole is closed before the volume is taken.
    corners = np.array([[x, y, z] for z in (0, 1.0) for y in (0, 0.2) for x in (0, 0.4)])
    quads = [(0, 2, 3, 1), (0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6)]
    faces = np.array([f for q in quads for f in ((q[0], q[1], q[2]), (q[0], q[2], q[3]))], np.int32)

    class Box:
        pass

    box = Box()
    box.faces = faces
    assert measures._volume(box, corners) == pytest.approx(0.08, rel=1e-9)  # m3
    assert measures._girth(corners, faces, 0.37) == pytest.approx(1.2, rel=1e-9)  # m


@pytest.mark.parametrize("seed", [0, 3])
def test_shape_for_all_measures_of_somebody(body, seed):
    shape = np.random.default_rng(seed).normal(size=body.n_shape)
    wanted = measures.measure(body, shape)
    fitted = measures.shape_for(body, wanted)
    for name, error in fitted.error.items():
        assert abs(error) < measures.BY_NAME[name].tolerance, name
    assert fitted.reached == pytest.approx(measures.measure(body, fitted.shape), rel=1e-4)


def test_what_is_not_measured_stays_near_the_prior(body):
    prior = np.random.default_rng(5).normal(size=body.n_shape) * 0.7
    before = measures.measure(body, prior)
    fitted = measures.shape_for(body, {"height": before["height"]}, prior)
    assert np.abs(fitted.shape - prior).max() < 0.02  # standard deviations: nothing had to change
    taller = measures.shape_for(body, {"height": before["height"] + 0.05}, prior)
    assert taller.error["height"] == pytest.approx(0, abs=0.002)
    # Taller than before, but the same person in everything that the height does not decide.
    assert np.linalg.norm(taller.shape - prior) < np.linalg.norm(
        measures.shape_for(body, {"height": before["height"] + 0.05}).shape - prior)


def test_shape_for_bones(body):
    shape = np.random.default_rng(2).normal(size=body.n_shape)
    joints = body.joints(shape).astype(float)
    lengths = np.array([np.linalg.norm(joints[sk.JOINT_INDEX[a]] - joints[sk.JOINT_INDEX[b]])
                        for a, b in measures.SEGMENTS])
    found, off = measures.shape_for_bones(body, lengths)
    new = body.joints(found).astype(float)
    again = np.array([np.linalg.norm(new[sk.JOINT_INDEX[a]] - new[sk.JOINT_INDEX[b]]) for a, b in measures.SEGMENTS])
    assert np.abs(again - lengths).max() < 0.004 and off < 0.002  # m


REFUSED = {
    "height=20": "A height of 20 m is no person's; give 0.6 to 2.4 m.",
    "height=1.8,leg=1.2": "A leg of 1.2 m does not belong to a height of 1.8 m; people have 0.68 to 1.12 m.",
    "leg=2,height=1.8": "A leg of 2 m is no person's; give 0.2 to 1.4 m.",
    "mass=-3": "A mass of -3 kg is no person's; give 8 to 250 kg.",
    "height=nan": "A height of nan m is no person's; give 0.6 to 2.4 m.",
    "girth=1": "There is no measure 'girth'; give some of height, leg, arm, shoulder, waist, mass.",
    "height": "'height' is no measure; write them as height=1.80,leg=0.90 (metres, mass in kilograms).",
    "height=tall": "'height=tall' is no measure; write them as height=1.80,leg=0.90 (metres, mass in kilograms).",
    "height=1.8,height=1.7": "The measure height is given twice; give it once.",
    "": "No measure was given; write them as height=1.80,leg=0.90 (metres, mass in kilograms).",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused_measures(text):
    with pytest.raises(RequestError) as raised:
        measures.parse(text)
    assert str(raised.value) == REFUSED[text]


def test_measures_that_contradict_each_other(body):
    with pytest.raises(RequestError) as raised:
        measures.shape_for(body, {"height": 1.7, "mass": 40.0, "waist": 1.4})
    assert str(raised.value).startswith("No body has these measures together: with the others the mass becomes ")
    assert str(raised.value).endswith("instead of 40.00 kg; change or leave out one of them.")


def test_parsed_measures():
    assert measures.parse("height=1.80, leg=0.95,mass=72") == {"height": 1.8, "leg": 0.95, "mass": 72.0}
