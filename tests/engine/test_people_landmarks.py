"""What the landmark model's outputs mean, on made-up heatmaps."""

import numpy as np
import pytest

from sinew.people import landmarks, looks, models
from sinew.people.combine import FALL, SPREAD, combine
from sinew.people.crops import MARGIN, SWAP, Crop
from sinew.people.looks import Sighting
from sinew.people.maskless import without_output
from sinew.people.swaps import exchanged
from sinew.people.tracker import LEAST_AT_FIRST, clearness

CELL = 4.0
"""px of the crop, of 256."""


def heat_with(*bumps, n: int = 64, k: int = 39, far: float = -12.0) -> np.ndarray:
    """(n, n, k) logits: bumps x, y (in cells), height (0..1) on every map, two cells wide."""
    y, x = np.mgrid[:n, :n]
    height = sum(h * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 8.0) for a, b, h in bumps)
    height = np.clip(height, 1 / (1 + np.exp(-far)), 1 - 1e-6)
    return np.repeat(np.log(height / (1 - height))[..., None], k, -1).astype(np.float32)


def numbers_at(x_px: float, y_px: float) -> np.ndarray:
    return np.tile([x_px, y_px, 0.0, 2.0, 3.0], (39, 1))


def decoded(numbers: np.ndarray, heat: np.ndarray) -> landmarks.Look:
    return landmarks.decode(numbers, heat, np.zeros((39, 3), np.float32), 0.9, np.zeros((256, 256), np.float32))


def test_a_point_is_where_its_heatmap_is_highest_whatever_the_numbers_say():
    look = decoded(numbers_at(40.0, 200.0), heat_with((45.3, 12.6, 0.9), (10, 50, 0.5)))
    assert look.points_px == pytest.approx(np.tile([45.3 * CELL, 12.6 * CELL], (33, 1)), abs=1.0)  # px of 256
    assert look.height == pytest.approx(np.full(33, 0.9), abs=0.03)
    assert look.confidence == pytest.approx(np.full(33, 1 / (1 + np.exp(-2)) / (1 + np.exp(-3))))


def test_the_crop_s_frame_stays_about_the_numbers():
    """What the next crop is made of is not a place on the body, and a wild one would lose the person."""
    look = decoded(numbers_at(40.0, 200.0), heat_with((45, 12, 0.9), (11, 49, 0.5)))
    assert look.frame_px == pytest.approx(np.tile([11 * CELL, 49 * CELL], (2, 1)), abs=2.0)


@pytest.mark.parametrize("x, y", [(0, 0), (63, 0), (0, 63), (63, 63), (1, 62)])
def test_at_the_border_only_cells_that_are_there_count(x, y):
    look = decoded(numbers_at(100.0, 100.0), heat_with((x, y, 0.95)))
    assert np.abs(look.points_px - np.array([x, y]) * CELL).max() < 2 * CELL
    assert ((look.points_px >= 0) & (look.points_px < 256)).all()


def test_what_lies_outside_the_crop_is_where_the_numbers_say():
    numbers = numbers_at(100.0, 100.0)
    numbers[[27, 28], 1] = (300.0, 256.0)
    numbers[15, 0] = -1.0
    look = decoded(numbers, heat_with((30, 30, 0.8)))
    assert np.array_equal(look.points_px[[27, 28, 15]], numbers[[27, 28, 15], :2])
    assert look.points_px[26] == pytest.approx([30 * CELL, 30 * CELL], abs=1.0)


def test_what_lies_outside_the_picture_is_where_the_numbers_say(monkeypatch):
    """Legs of somebody filmed from the waist up: the crop goes on below the picture, and its heatmaps show nothing there."""
    numbers = numbers_at(100.0, 100.0)
    numbers[[27, 28], 1] = 230.0
    seen = decoded(numbers, heat_with((30, 30, 0.3)))

    class Seeing:
        def __init__(self, second=None):
            assert second is None

        def look(self, crop, strong=False, masked=True):
            return seen

    monkeypatch.setattr(looks, "Models", Seeing)
    picture, crop = np.zeros((200, 300, 3), np.uint8), Crop(128.0, 128.0, 256.0, 0.0)
    with looks.Eyes(1.0, (300, 200), workers=1) as eyes:
        points = eyes.look(picture, crop).result().points_px[0]
    # Half a pixel between the crop's indices and the picture's corners; a bump as wide as this is as high about it.
    assert points[[27, 28]] == pytest.approx(seen.numbers_px[[27, 28]] + 0.5) and (points[[27, 28], 1] > 200).all()
    assert points[26] == pytest.approx([30 * CELL + 0.5, 30 * CELL + 0.5], abs=1.0)


def test_a_heatmap_of_nothing_gives_a_finite_point_of_no_height():
    with np.errstate(all="raise"):
        look = decoded(numbers_at(100.0, 100.0), np.full((64, 64, 39), -800.0, np.float32))
    assert np.isfinite(look.points_px).all() and (look.height < 1e-9).all()


def sightings(heights: np.ndarray, turn_over: bool = False) -> list[Sighting]:
    """Frames of somebody who stands, seen by three looks alike. heights: (N, 33)."""
    rng = np.random.default_rng(3)
    points = rng.uniform(80, 220, (33, 2))
    points[23:25] = [(140, 150), (160, 150)]
    out = []
    for height in heights:
        seen = [(points, height), (points, height), (points[SWAP], height[SWAP]) if turn_over else (points, height)]
        out.append(Sighting(np.stack([p for p, _ in seen]), np.full((3, 33), 0.9), np.stack([h for _, h in seen]),
                            np.zeros((3, 33, 3)), np.full(3, 0.95), Crop(150.0, 150.0, 200.0 * MARGIN, 0.0), np.zeros(0)))
    return out


def test_the_height_of_a_heatmap_says_how_far_off_its_point_may_be():
    heights = np.random.default_rng(0).uniform(0.1, 0.95, (12, 33))
    for turn_over in (False, True):  # a look that has the sides the other way round brings its heights along
        found = combine(sightings(heights, turn_over), np.arange(12) / 30, (300, 300))
        assert found.spread_px == pytest.approx(SPREAD * np.exp(-FALL * heights) * 200.0, rel=1e-6)
        assert found.apart_px == pytest.approx(0.0, abs=1e-9)
    assert exchanged(heights[..., None], True, True, True)[..., 0] == pytest.approx(heights[:, SWAP])


def test_how_clearly_somebody_is_seen_is_told_by_the_limbs_in_the_picture():
    heights = np.full((1, 33), 0.1)
    heights[0, 11:23], heights[0, :11] = 0.7, 0.95
    seen = sightings(heights)[0]
    seen.points_px[:, 23:, 1] = 400.0  # legs below the picture
    assert clearness(seen, (300, 300)) == pytest.approx(0.7) and clearness(seen, (300, 500)) == pytest.approx(0.7)
    assert clearness(seen, (10, 10)) == 0.0
    heights[0, 11:20] = 0.2
    assert clearness(sightings(heights)[0], (500, 500)) < LEAST_AT_FIRST


def test_a_model_without_its_mask_says_the_same_of_everything_else():
    model = models.model_files()[1]
    crop = np.random.default_rng(1).integers(0, 255, (256, 256, 3), np.uint8)
    *whole, mask = landmarks.LandmarkModel(model).outputs(crop)
    *less, none = landmarks.LandmarkModel(model, masked=False).outputs(crop)
    assert mask.shape == (256, 256) and none is None
    for a, b in zip(whole, less, strict=True):
        np.testing.assert_array_equal(a, b)
    assert landmarks.decode(*less, none).mask is None
    assert len(without_output(model, landmarks.MASK)) < len(model)
    seen = models.Models()
    assert seen.look(crop, masked=False).mask is None and seen.look(crop).mask.shape == (256, 256)
