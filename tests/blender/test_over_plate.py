"""The cube over the plate: put where it can be seen, laid over the picture, and its slide measured as it is."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tools import render_over_plate as tool


def cameras(n: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """A camera that goes 2 m to the side, looking at the origin from 5 m, 1.5 m high."""
    T = np.tile(np.eye(4), (n, 1, 1))
    for t, x in enumerate(np.linspace(-1, 1, n)):
        eye = np.array([x, -5.0, 1.5])
        ahead = -eye / np.linalg.norm(eye)
        right = np.cross(ahead, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        T[t, :3, :3] = np.stack([right, np.cross(ahead, right), ahead], 1)
        T[t, :3, 3] = eye
    return T, np.tile(np.array([[600.0, 0, 320], [0, 600, 180], [0, 0, 1]]), (n, 1, 1))


def test_a_solve_that_is_the_truth_but_for_its_world_slides_by_nothing():
    true_T, K = cameras()
    turn, shift, scale = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]]), np.array([3.0, -2.0, 0.0]), 0.7
    T = true_T.copy()
    T[:, :3, :3] = turn @ true_T[:, :3, :3]
    T[:, :3, 3] = scale * true_T[:, :3, 3] @ turn.T + shift
    base = tool.base_of(scale * turn[:2, :2] @ [0.4, 0.3] + shift[:2], 0.3)
    assert tool.drift_px(base, T, K, true_T, K).max() < 1e-6
    # A camera that is solved too low by a twentieth of its height: nothing at first, pixels later.
    T[:, 2, 3] *= 0.95
    off = tool.drift_px(base, T, K, true_T, K)
    assert off[0].max() < 1e-6 and 1 < off[-1].max() < 30


def test_the_cube_stands_in_view_with_nobody_before_it():
    T, K = cameras()
    people = np.zeros((1, 30, 3))
    people[0, :, 0], people[0, :, 2] = np.linspace(-1.5, 1.5, 30), 0.9
    people[0, 20:] = np.nan
    place = tool.choose_place(people, T, K, np.array([640.0, 360.0]), 0.4)
    px = tool.project(tool.base_of(place, 0.4), T, K)
    assert (px > 0).all() and (px < [640, 360]).all()
    assert np.nanmin(np.linalg.norm(people[0, :, :2] - place, axis=1)) > tool.LEAST_AWAY_M
    roots = tool.project(people[0, :20, None], T[:20], K[:20])[:, 0, 0]
    depth = ((people[0, :20] - T[:20, :3, 3]) * T[:20, :3, 2]).sum(-1)
    own = ((np.r_[place, 0.0] - T[:20, :3, 3]) * T[:20, :3, 2]).sum(-1)
    covers = (roots > px[:20, :, 0].min(1)) & (roots < px[:20, :, 0].max(1))
    assert not (covers & (depth < own)).any()


def test_a_render_is_laid_over_the_middle_of_its_plate():
    front = np.zeros((2, 2, 4))
    front[0, 0] = (1, 0, 0, 1)
    front[1, 1] = (0, 0, 0, 0.5)
    plate = np.full((4, 4, 4), 0.8)
    out = tool.over(front, plate)
    assert out.shape == (2, 2, 4) and (out[..., 3] == 1).all()
    assert np.allclose(out[0, 0, :3], [1, 0, 0]) and np.allclose(out[1, 1, :3], 0.4) and np.allclose(out[0, 1, :3], 0.8)
    assert tool.wanted_frames("ends", 96) == [0, 48, 95] and tool.wanted_frames("40", 96) == [0, 40, 80]


@pytest.mark.parametrize(("words", "code", "said"), [
    (["--blend", "nothing.blend", "--out", "new"], 2, "nothing.blend does not exist; build it with `make blend`."),
    (["--blend", "empty.blend", "--out", "."], 2, "already exists; choose another --out."),
    (["--blend", "empty.blend", "--out", "new"], 3, "holds no take with its plate; reconstruct it with the plate."),
])
def test_what_cannot_be_rendered_is_said(tmp_path, words, code, said):
    import bpy

    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "empty.blend"))
    done = subprocess.run([sys.executable, str(Path(tool.__file__).resolve()), *words], cwd=tmp_path, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == code and said in done.stderr, done.stderr
    assert not (tmp_path / "new").exists()
