"""The accuracy card's own arithmetic: angles of plain landmarks, means, and longer takes for the fit's speed."""

import numpy as np
import pytest

from sinew import flow
from sinew.bench import accuracy, balancing, detections, fit
from sinew_take import masks
from sinew_take import skeleton as sk

KEY = {n: i for i, n in enumerate(sk.MEDIAPIPE_KEYPOINTS)}


def standing() -> np.ndarray:
    """(33, 3) somebody who faces the camera (left at +x, y down, forward at -z), limbs straight, feet flat."""
    out = np.zeros((33, 3))
    for side, x in (("l", .1), ("r", -.1)):
        for name, y, z in (("shoulder", -.5, 0), ("elbow", -.2, 0), ("wrist", .1, 0), ("hip", 0, 0), ("knee", .4, 0),
                           ("ankle", .8, 0), ("heel", .85, .05), ("foot_index", .85, -.15)):
            out[KEY[f"{name}_{side}"]] = (x, y, z)
    return out


def test_plain_angles_of_a_known_pose():
    rest = detections.plain_angles(standing()[None])
    assert all(abs(float(v[0])) < 1e-6 for v in rest.values())  # rad
    pose = standing()
    pose[KEY["knee_l"]] = (.1, 0, -.4)  # the left thigh forward, the shank hangs from it
    pose[KEY["ankle_l"]] = (.1, .4, -.4)
    pose[KEY["wrist_r"]] = (-.1, -.2, -.3)
    raised = {k: np.degrees(float(v[0])) for k, v in detections.plain_angles(pose[None]).items()}
    assert raised["hip_flexion_l"] == pytest.approx(90, abs=1e-4)
    assert raised["knee_angle_l"] == pytest.approx(90, abs=1e-4)
    assert raised["elbow_flexion_r"] == pytest.approx(90, abs=1e-4)
    assert raised["hip_flexion_r"] == pytest.approx(0, abs=1e-4)


def test_plain_angles_do_not_depend_on_where_somebody_faces():
    turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    pose = standing()
    pose[KEY["knee_r"]] = (-.1, .3, -.3)
    one, other = (detections.plain_angles(p[None]) for p in (pose, pose @ turn.T))
    for name in one:
        assert float(one[name][0]) == pytest.approx(float(other[name][0]), abs=1e-9)


def test_error_about_the_mean_takes_a_constant_off():
    wave = np.sin(np.linspace(0, 9, 200))
    assert accuracy._about_mean(wave + 2 * np.pi + .7, wave) < 1e-9
    assert accuracy._about_mean(wave, np.zeros(200)) == pytest.approx(np.degrees(wave.std()), rel=0.02)


def test_means_average_figures_and_count_violations():
    a = accuracy.Result("a", {"PA-MPJPE": (30.0, 60.0, "mm"), "frames with a limit violated": (1.0, None, "")})
    b = accuracy.Result("b", {"PA-MPJPE": (50.0, 100.0, "mm"), "frames with a limit violated": (2.0, None, "")})
    mean = accuracy.mean([a, b], "mean of six")
    assert mean.figures["PA-MPJPE"] == (40.0, 80.0, "mm")
    assert mean.figures["frames with a limit violated"][0] == 3
    row, _ = accuracy.rows_of(mean)
    assert row["ratio"] == 0.5 and row["target"] == "40, ratio 0.5" and row["baseline_name"] == accuracy.PLAIN


def test_calibration_looks_at_the_treadmill(shared):
    folder = shared / "truth" / "balancing"
    for view in balancing.VIEWS:
        focal, R_cw = balancing.calibrated(folder, view, 1080)
        assert R_cw @ R_cw.T == pytest.approx(np.eye(3), abs=1e-9)
        assert R_cw[1, 2] < -0.8  # the world's up is up in the picture
        assert 500 < focal < 3000  # px


def test_a_longer_take_plays_to_and_fro():
    n = 4
    count = np.arange(n, dtype=float)
    shot = flow.Shot(None, np.arange(n, dtype=np.int32), count / 25)
    track = flow.Track("person_1", np.ones(n, bool), np.tile(count[:, None, None], (1, 33, 3)), np.zeros((n, 33)),
                       np.zeros((n, 33, 3)), np.zeros((n, 4)),
                       masks.pack([((t, 1, t + 3, 2 + t), np.ones((1 + t, 3), bool)) for t in range(n)], (16, 9)))
    long_shot, long = fit.longer(shot, track, 9)
    assert long.keypoints_px[:, 0, 0].tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert np.diff(long_shot.time_s) == pytest.approx(1 / 25) and long_shot.n_frames == 9
    assert [int(masks.unpack(long.masks, t).sum()) for t in range(9)] == [3, 6, 9, 12, 9, 6, 3, 6, 9]
