"""Figures of merit: known answers, and the truth's own files."""

import numpy as np
import pytest

from sinew.bench import balancing, metrics
from sinew.geometry import rotations as rot

RNG = np.random.default_rng(4)
TRUTH = RNG.normal(size=(20, 12, 3))


def test_similarities_do_not_count_where_they_are_taken_out():
    per_frame = rot.exp(RNG.normal(size=(20, 3)))
    moved = 1.3 * TRUTH @ np.swapaxes(per_frame, 1, 2) + RNG.normal(size=(20, 1, 3))
    assert metrics.pa_mpjpe(moved, TRUTH) < 1e-9
    assert metrics.take_aligned_mpjpe(moved, TRUTH) > 0.1
    once = 0.8 * TRUTH @ per_frame[0].T + RNG.normal(size=(20, 1, 3))
    assert metrics.take_aligned_mpjpe(once, TRUTH) < 1e-9
    assert metrics.world_mpjpe(once, TRUTH) > 0.1
    assert metrics.world_mpjpe(0.8 * TRUTH @ per_frame[0].T + 1, TRUTH) < 1e-9


def test_plain_error_is_the_distance():
    assert metrics.mpjpe(TRUTH + [0.03, 0.04, 0], TRUTH) == pytest.approx(0.05)


def test_missing_frames_are_left_out_and_none_is_an_error():
    holed = TRUTH.copy()
    holed[3:6] = np.nan
    assert metrics.mpjpe(holed, TRUTH) == 0
    with pytest.raises(ValueError):
        metrics.mpjpe(np.full_like(TRUTH, np.nan), TRUTH)
    with pytest.raises(ValueError):
        metrics.mpjpe(TRUTH[:5], TRUTH)


def test_acceleration_of_a_fall_at_any_rate():
    time = np.cumsum(RNG.uniform(.01, .05, 40))
    fall = np.zeros((40, 2, 3))
    fall[..., 2] = -0.5 * 9.81 * time[:, None] ** 2
    assert metrics.mean_acceleration(fall, time) == pytest.approx(9.81)


def test_angles_ignore_whole_turns():
    a = np.radians([[350.0, 10.0]])
    b = np.radians([[-13.0, 10.0]])
    assert metrics.angle_rmse_deg(a, b) == pytest.approx([3.0, 0.0], abs=1e-6)
    assert metrics.angle_between_deg([1, 0, 0], [0, 2, 0]) == pytest.approx(90)


def test_slide_counts_only_planted_points():
    points = np.zeros((4, 1, 3))
    points[:, 0, 0] = [0, 0.002, 0.5, 0.9]
    contact = np.array([[1.0], [1.0], [0.0], [1.0]])
    assert metrics.planted_slide(points, contact) == pytest.approx([0.002])


def test_truth_files_are_read(shared):
    folder = shared / "truth" / "balancing"
    joints, time_s, angles = balancing.balancing_truth(folder)
    assert joints.shape == (100, 12, 3) and angles.shape == (100, 8)
    assert np.diff(time_s) == pytest.approx(1 / 60, abs=1e-6)
    assert metrics.mean_acceleration(joints, time_s) == pytest.approx(8.7, abs=0.1)  # as its README says
    assert 0.8 < joints[:, :2, 2].mean() < 1.1  # hips, m over the floor: Z is up
    knees = np.degrees(angles[:, :2])
    assert 5 < knees.mean() < 60


def test_damaged_truth_is_refused(tmp_path):
    bad = tmp_path / "bad.trc"
    bad.write_text("PathFileType\t4\nNumFrames\tNumMarkers\tUnits\n5\t2\tm\nFrame#\tTime\ta\n\n1\t0\t1\t2\t3\n")
    with pytest.raises(ValueError, match="does not hold"):
        balancing.read_trc(bad)
    bad.write_text("hello")
    with pytest.raises(ValueError, match="no TRC"):
        balancing.read_trc(bad)
    bad.write_text("nRows=3\nnColumns=2\nendheader\ntime a\n0 1\n")
    with pytest.raises(ValueError, match="does not hold"):
        balancing.read_mot(bad)
