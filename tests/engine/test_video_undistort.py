"""The plate without distortion: what the pinhole camera sees stands where the pinhole camera puts it, to a pixel."""

import numpy as np
import pytest

from sinew.geometry import projection
from sinew.video import undistort

SIZE_PX = (640, 360)
K = np.tile([[600.0, 0, 322], [0, 600, 178], [0, 0, 1]], (3, 1, 1))
BARREL = np.tile([-0.22, 0.06, 0.001, -0.0015, 0.0], (3, 1))


@pytest.mark.parametrize("bent", [BARREL, np.tile([0.12, 0.02, 0.0, 0.0, 0.0], (3, 1))])
def test_a_dot_as_filmed_comes_to_its_ideal_place(bent):
    straight = undistort.Undistorter(K, bent, SIZE_PX)
    rng = np.random.default_rng(0)
    shift = (np.array(straight.entry["size_px"]) - SIZE_PX) / 2
    for ideal in rng.uniform((60, 40), (580, 320), (12, 2)):
        xy = (ideal - K[0, :2, 2]) / 600
        filmed = projection.distort(xy, bent[0]) * 600 + K[0, :2, 2]
        y, x = np.mgrid[:SIZE_PX[1], :SIZE_PX[0]] + 0.5
        picture = np.repeat((255 * np.exp(-((x - filmed[0]) ** 2 + (y - filmed[1]) ** 2) / 18))[..., None], 3, -1)
        seen = straight.picture(1, picture.astype(np.uint8))[..., 0].astype(float)
        rows, columns = np.indices(seen.shape) + 0.5
        found = np.array([(columns * seen).sum(), (rows * seen).sum()]) / seen.sum() - shift
        assert np.abs(found - ideal).max() < 0.3  # px


def test_all_that_was_filmed_is_in_it_and_the_shape_stays():
    straight = undistort.Undistorter(K, BARREL, SIZE_PX)
    entry = straight.entry
    assert 1.02 < entry["overscan"] < 1.3
    assert entry["size_px"][0] / entry["size_px"][1] == pytest.approx(640 / 360, abs=0.01)
    assert (entry["size_px"][0] - 640) % 2 == 0
    filmed = np.zeros((360, 640, 3), np.uint8)
    filmed[:2], filmed[-2:], filmed[:, :2], filmed[:, -2:] = 255, 255, 255, 255
    seen = straight.picture(0, filmed)[..., 0] > 128
    assert not seen[0].any() and not seen[-1].any() and not seen[:, 0].any() and not seen[:, -1].any()
    assert seen.sum() > 1500, "the whole border is inside"


def test_a_lens_without_distortion_is_left_alone():
    assert not undistort.is_distorted(np.zeros((3, 5))) and undistort.is_distorted(BARREL)
    assert undistort.overscan(K, np.tile([0.12, 0, 0, 0, 0.0], (3, 1)), SIZE_PX) == 1.0


def test_a_wide_lens_that_folds_back_shows_nothing_twice():
    wild = np.tile([-0.9, 0.0, 0.0, 0.0, 0.0], (3, 1))
    wide = K.copy()
    wide[:, 0, 0] = wide[:, 1, 1] = 330
    straight = undistort.Undistorter(wide, wild, SIZE_PX)
    assert straight.factor <= undistort.MOST + 0.01
    seen = straight.picture(0, np.full((360, 640, 3), 200, np.uint8))
    assert (seen[0, 0] == 0).all() and (seen[180, 320] == 200).all()
