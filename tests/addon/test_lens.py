"""The lens in the add-on: distortion and its inverse."""

import numpy as np
import pytest
from bl_ext.test.sinew.addon.plan import lens


@pytest.mark.parametrize("distortion", [
    (0.35, 0, 0, 0, 0), (0.25, 0.1, 0.01, -0.01, 0), (-0.25, 0.05, 0.001, 0.002, 0), (-0.3, 0, 0, 0, 0), (0, 0, 0, 0, 0.2)])
def test_what_is_undistorted_is_distorted_back(distortion):
    true = np.random.default_rng(0).uniform(-0.7, 0.7, (500, 2))  # focal lengths: up to 90 degrees across the corners
    filmed = lens.distorted(true, np.array(distortion))
    assert np.abs(lens.undistorted(filmed, np.array(distortion)) - true).max() < 1e-8


def test_beyond_where_a_lens_folds_back_is_nowhere():
    assert np.isnan(lens.undistorted(np.array([[0.9, 0.0]]), np.array([-0.3, 0, 0, 0, 0]))).all()
