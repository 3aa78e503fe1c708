"""By how much the picture moves when the camera does."""

import cv2
import numpy as np
import pytest

from sinew.people.crops import MARGIN, Crop
from sinew.people.drift import Drift


def texture(seed: int, size_px: tuple[int, int] = (1400, 900)) -> np.ndarray:
    """Blobs and edges of many sizes, like a scene."""
    random = np.random.default_rng(seed)
    out = np.zeros((size_px[1], size_px[0], 3), np.float32)
    for sigma in (60, 25, 10, 4):
        out += cv2.GaussianBlur(random.normal(size=out.shape).astype(np.float32), (0, 0), sigma) * sigma
    return np.uint8(np.clip(128 + 40 * out / out.std(), 0, 255))


def window(picture: np.ndarray, x: int, y: int, width: int = 960, height: int = 540) -> np.ndarray:
    return np.ascontiguousarray(picture[y:y + height, x:x + width])


@pytest.mark.parametrize("size", [(960, 540), (540, 800), (320, 180)])
def test_a_picture_that_moves_is_told_to_a_pixel_or_two(size):
    scene, drift = texture(1), Drift()
    assert not drift.see(window(scene, 200, 50, *size)).any()
    for dx, dy in ((40, -25), (-90, 30), (5, 12)):
        drift.see(window(scene, 200, 50, *size))
        assert drift.see(window(scene, 200 + dx, 50 + dy, *size)) == pytest.approx([-dx, -dy], abs=2)  # px


def test_somebody_who_walks_through_a_still_picture_moves_nothing():
    scene, drift = texture(2), Drift()
    for k in range(5):
        picture = window(scene, 100, 100)
        picture[150:500, 300 + 15 * k:400 + 15 * k] = 20
        assert not drift.see(picture).any()


def test_a_bus_that_drives_through_does_not_move_the_street():
    street, bus, drift = texture(5), texture(6), Drift()
    for k in range(12):
        picture = window(street, 100, 100)
        picture[120:460, 250:750] = bus[200:540, 300 - 20 * k:800 - 20 * k]
        assert not drift.see(picture).any()


def test_whoever_dances_before_a_plain_wall_does_not_carry_it_along():
    dancer, told = texture(11), Drift()
    for k in range(8):
        picture = np.full((540, 960, 3), 120, np.uint8)
        x = 300 + 40 * (k % 2)
        picture[100:440, x:x + 150] = dancer[100:440, 100:250]
        crop = Crop(395.0, 270.0, 340.0 * MARGIN, 0.0)
        assert not told.see(picture, [crop]).any()


def test_people_who_move_otherwise_do_not_hide_that_the_camera_moves():
    scene, somebody, drift = texture(7), texture(8), Drift()
    for k in range(5):
        picture = window(scene, 100 + 30 * k, 100)
        picture[100:500, 400 - 10 * k:520 - 10 * k] = somebody[100:500, 300:420]
        moved = drift.see(picture)
        assert k == 0 or moved == pytest.approx([-30, 0], abs=3)  # px


def test_a_pan_adds_up():
    scene, drift = texture(4), Drift()
    moved = sum(drift.see(window(scene, 20 + 8 * k, 100)) for k in range(50))
    assert moved == pytest.approx([-392, 0], rel=0.1, abs=4)  # px


@pytest.mark.parametrize("second", [np.full((540, 960, 3), 90, np.uint8), window(texture(9), 0, 0),
                                    np.zeros((540, 960, 3), np.uint8)])
def test_where_nothing_stays_nothing_is_said(second):
    drift = Drift()
    drift.see(window(texture(3), 0, 0))
    assert not drift.see(second).any()
    assert not drift.see(second).any()


def test_noise_moves_nothing():
    random, drift = np.random.default_rng(0), Drift()
    for _ in range(6):
        assert not drift.see(random.integers(0, 255, (360, 640, 3), dtype=np.uint8)).any()


def test_what_is_foreseen_is_what_is_seen_and_changes_nothing():
    scene, drift, plain = texture(1), Drift(), Drift()
    for k in range(4):
        picture, other = window(scene, 200 + 20 * k, 50), window(scene, 100, 80)
        if k:
            drift.foresee(other)
            assert (drift.foresee(picture) == drift.foresee(picture)).all()
        moved = drift.see(picture)
        assert (moved == plain.see(picture)).all()
        assert k == 0 or moved == pytest.approx([-20, 0], abs=2)  # px
