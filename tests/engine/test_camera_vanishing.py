"""What straight lines tell of the focal length and of what is level."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from films import write_film
from walks import SIZE_PX, Filmed

from sinew import video
from sinew.bench import metrics
from sinew.camera import background, quick, solve_camera, vanishing
from sinew.flow import CameraOptions
from sinew.geometry import ground, projection
from sinew.geometry import rotations as rot
from sinew_take import free_body

SIZE = (960, 540)
FOCAL = 800.0
UP = ground.up_in_camera(np.radians(2), np.radians(14))
SIGMA = quick.FOCAL_PRIOR_SIGMA


def frame_of(up: np.ndarray, azimuth_deg: float) -> np.ndarray:
    """(3, 3) rows: two level directions and up, of which the first points to the side at 0 degrees."""
    side = np.cross([0.0, 0.0, 1.0], up)
    side /= np.linalg.norm(side)
    level = np.stack([side, np.cross(up, side)])
    a = np.radians(azimuth_deg)
    return np.stack([np.cos(a) * level[0] + np.sin(a) * level[1], np.cos(a) * level[1] - np.sin(a) * level[0], up])


def edges(axes: np.ndarray, n: int, rng: np.random.Generator, R: np.ndarray | None = None) -> np.ndarray:
    """Lines (M, 2, 2), px, seen along directions (K, 3) in the first camera's axes, n of each, a metre or so long, 3 to 9 m
    ahead; those that leave the picture are left out."""
    K = projection.intrinsics(FOCAL, SIZE)
    R = np.eye(3) if R is None else R
    found = []
    for axis in axes:
        middle = np.stack([rng.uniform(-3, 3, n), rng.uniform(-1.5, 1.5, n), rng.uniform(3, 9, n)], 1)
        ends = middle[:, None] + axis * rng.uniform(0.4, 1.2, n)[:, None, None] * np.array([[-1.0], [1.0]])
        found.append(projection.project(ends @ R, K))
    px = np.concatenate(found)
    whole = ((px > 0) & (px < SIZE)).all((1, 2)) & (np.linalg.norm(px[:, 1] - px[:, 0], axis=1) > 0.06 * SIZE[0])
    return px[whole]


def clutter(n: int, rng: np.random.Generator) -> np.ndarray:
    start = rng.uniform((60, 60), (900, 480), (n, 2))
    angle = rng.uniform(0, np.pi, n)
    return np.stack([start, start + 90 * np.stack([np.cos(angle), np.sin(angle)], 1)], 1)


def lines_of(*px: np.ndarray, rng: np.random.Generator | None = None) -> vanishing.Lines:
    """Of one picture, with ends half a pixel off where there is an rng."""
    px = np.concatenate(px)
    px = px if rng is None else px + rng.normal(0, 0.4, px.shape)
    return lines_seen(px, np.zeros(len(px), dtype=int), np.eye(3)[None])


def lines_seen(px: np.ndarray, frame: np.ndarray, R: np.ndarray) -> vanishing.Lines:
    K = np.tile(projection.intrinsics(1.0, SIZE), (len(R), 1, 1))
    return vanishing.lines_of(background.Background(0.0, False, px, frame), K, R, SIZE[0])


def said(lines: vanishing.Lines, factor: float = 1.25, tilt_deg: float = 5.0) -> tuple[float, float]:
    """The focal length over the true one and its spread, where people and a usual lens say something else."""
    log_f, sigma = vanishing.focal_said(lines, tilted(tilt_deg), 5.0, float(np.log(factor * FOCAL)), SIGMA)
    return float(np.exp(log_f)) / FOCAL, sigma


def tilted(deg: float) -> np.ndarray:
    return rot.exp(np.radians([deg, 0.0, 0.5 * deg])) @ UP


@pytest.mark.parametrize("factor", [0.75, 1.3])
def test_a_room_seen_aslant_tells_the_focal_length_and_what_is_level(factor):
    rng = np.random.default_rng(1)
    lines = lines_of(edges(frame_of(UP, 30), 25, rng), clutter(20, rng), rng=rng)
    focal, sigma = said(lines, factor)
    assert focal == pytest.approx(1, abs=0.02)
    assert sigma < vanishing.TOLD * SIGMA
    level, sigma_deg = vanishing.level_said(lines, tilted(5.0), 5.0, FOCAL)
    assert len(level) == 2
    assert np.degrees(np.abs(np.arcsin(level @ UP))).max() < 0.3
    assert sigma_deg.max() < 1


def test_a_table_that_stands_askew_is_a_second_set_and_bends_neither():
    rng = np.random.default_rng(2)
    wall, table = frame_of(UP, 5), frame_of(UP, 25)
    lines = lines_of(edges(wall, 12, rng), edges(table[:2], 25, rng), clutter(10, rng), rng=rng)
    focal, _ = said(lines)
    assert focal == pytest.approx(1, abs=0.03)
    level, _ = vanishing.level_said(lines, tilted(5.0), 5.0, FOCAL)
    assert len(level) >= 3
    assert np.degrees(np.abs(np.arcsin(level @ UP))).max() < 0.5


def test_a_wall_seen_straight_on_says_nothing_of_the_focal_length():
    """Its edges are parallel in the picture, as any lens would show them; that some are level says the camera's roll."""
    up = ground.up_in_camera(0.0, 0.0)
    rng = np.random.default_rng(3)
    wall = frame_of(up, 0.0)[[0, 2]]
    lines = lines_of(edges(wall, 30, rng), rng=rng)
    _, sigma = vanishing.focal_said(lines, up, 5.0, float(np.log(1.25 * FOCAL)), SIGMA)
    assert sigma > vanishing.TOLD * SIGMA
    level, _ = vanishing.level_said(lines, rot.exp(np.radians([5.0, 0, 0])) @ up, 5.0, FOCAL)
    assert len(level) == 1 and abs(level[0, 0]) > 0.99


@pytest.mark.parametrize("n", [0, 1, 2, 40])
def test_lines_at_random_say_nothing(n):
    lines = lines_of(clutter(n, np.random.default_rng(4)))
    assert said(lines) == (pytest.approx(1.25), SIGMA)
    assert vanishing.level_said(lines, UP, 5.0, FOCAL)[0].shape == (0, 3)


def test_level_lines_without_upright_ones_are_not_believed():
    rng = np.random.default_rng(5)
    lines = lines_of(edges(frame_of(UP, 30)[:2], 25, rng))
    assert len(vanishing.level_said(lines, UP, 5.0, FOCAL)[0]) == 0


def test_a_camera_that_stands_sees_the_same_edges_once():
    rng = np.random.default_rng(6)
    px = edges(frame_of(UP, 30), 15, rng)
    once = lines_seen(px, np.zeros(len(px), dtype=int), np.eye(3)[None])
    again = np.concatenate([px + rng.normal(0, 0.2, px.shape) for _ in range(9)])
    often = lines_seen(again, np.repeat(np.arange(9), len(px)), np.tile(np.eye(3), (9, 1, 1)))
    assert len(often.looks) == pytest.approx(len(once.looks), abs=2)
    assert often.looks.sum() == pytest.approx(once.looks.sum(), rel=0.1)


def test_lines_of_a_camera_that_turns_agree_in_its_first_axes():
    rng = np.random.default_rng(7)
    R = rot.exp(np.radians([[0, 0, 0], [0, 12, 0], [3, -10, 1.0]]))
    axes = frame_of(UP, 30)
    seen = [edges(axes, 8, rng, R[t]) for t in range(3)]
    lines = lines_seen(np.concatenate(seen), np.repeat(np.arange(3), [len(s) for s in seen]), R)
    assert np.degrees(np.abs(np.arcsin(vanishing._off(lines, FOCAL, axes))).min(0)).max() < 1e-6
    assert said(lines)[0] == pytest.approx(1, abs=0.01)


def test_pixels_of_a_room_tell_the_camera_of_whoever_walks_in_it(tmp_path):
    """From a film to the camera: the usual lens and the people are 30 % off."""
    body = free_body.load()
    film = Filmed(body, n=20, focal_px=1500.0, distance_m=6.0)
    shown = np.full((SIZE_PX[1], SIZE_PX[0], 3), 170, dtype=np.uint8)
    rng = np.random.default_rng(8)
    a = np.radians(35)
    to, off = np.array([np.cos(a), np.sin(a), 0]), np.array([-np.sin(a), np.cos(a), 0])
    for wall, other in ((to, off), (off, -to)):
        for x in np.arange(-5.0, 5.0, 1.1):
            for z in (-0.2, 1.0, 2.2):  # boards and windows on the two walls of a corner
                low = 3.0 * other + x * wall + np.array([0, 0, z])
                corners = np.stack([low, low + 0.8 * wall, low + 0.8 * wall + [0, 0, 0.9], low + [0, 0, 0.9]])
                seen = (corners - film.T_wc[0, :3, 3]) @ film.T_wc[0, :3, :3]
                if (seen[:, 2] > 1).all():
                    px = projection.project(seen, film.K)
                    tone = int(rng.integers(0, 120))
                    cv2.fillPoly(shown, [np.round(px * 16).astype(np.int32)], [tone] * 3, cv2.LINE_AA, 4)
    info = video.probe(write_film(tmp_path / "room.mp4", [shown] * 20))
    shot = replace(film.shot, info=replace(film.shot.info, path=info.path))
    without, _ = solve_camera(shot, film.people, body, look=False)
    assert abs(np.log(without.K[0, 0, 0] / 1500)) > 0.15
    camera, starts = solve_camera(shot, film.people, body, CameraOptions(kind="static"))
    assert camera.focal_source == "lines"
    assert camera.K[0, 0, 0] == pytest.approx(1500, rel=0.03)
    assert any("estimated from straight lines of the background" in note for note in camera.notes)
    assert metrics.angle_between_deg(camera.T_wc[0, 2, :3], film.R_cw @ [0, 0, 1.0]) < 0.7
    level = starts[0].straight.level
    assert len(level) and np.degrees(np.abs(np.arcsin(level @ film.R_cw @ [0, 0, 1.0]))).max() < 0.7
