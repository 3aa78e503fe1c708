"""MediaPipe's landmark models on crops of one person, run by LiteRT, and what their heatmaps say of the keypoints.

The models answer twice: with numbers for each landmark, and with a heatmap for each, 64 x 64 cells over the crop.
MediaPipe's own graph takes the numbers, moved to the heatmap's mean over 7 x 7 cells about them; where the numbers are
farther off, as with most limbs that move fast, what the heatmap knows is lost. Here the same mean is taken about the
heatmap's highest cell, and that cell's height tells how far off the point may be (docs/fit.md, "Heatmaps"). MediaPipe's
graphs do not give heatmaps out, so the models are run by the runtime underneath them; everything else is decoded as those
graphs do (tests/engine/test_people_real.py holds that).

Source: MediaPipe 0.10.21 (Apache-2.0), `mediapipe/tasks/cc/vision/pose_landmarker`; Bazarevsky et al., "BlazePose: On-device
Real-time Body Pose tracking", 2020.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import numpy as np

from .crops import INPUT_PX, inside
from .maskless import without_output

POINTS, ALL = 33, 39
"""Keypoints; and with six more that only help to find the next crop."""
FRAME = [33, 34]
"""Among those, the hips' middle, and the point above the head that tells size and turn."""
CELLS = 64
"""Of a heatmap, to a side."""
AROUND = 3
"""Cells to each side of one that a mean is taken over, as in MediaPipe's graph."""


@dataclass(frozen=True)
class Look:
    """What the landmark model says about one crop, in that crop's pixel indices and axes (not yet turned back)."""

    points_px: np.ndarray
    """(33, 2), by the heatmaps."""
    numbers_px: np.ndarray
    """(33, 2), by the numbers: the only ones that go on to where a limb would be that is not in the picture."""
    confidence: np.ndarray
    """(33,): visibility times presence, 0..1."""
    height: np.ndarray
    """(33,): of the heatmap's highest cell, 0..1."""
    landmarks_m: np.ndarray
    """(33, 3): x right, y down, z forward, hip-centred."""
    frame_px: np.ndarray
    """(2, 2): the hips' middle, and the point above the head that tells size and turn."""
    presence: float
    """0..1, that somebody is in the crop."""
    mask: np.ndarray | None
    """(256, 256) float32, 0..1; None where it was not asked for."""


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x), without a warning for what is far below zero."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def highest(heat: np.ndarray) -> np.ndarray:
    """(K, 2): x, y of the highest cell of each heatmap. heat: (N, N, K)."""
    cell = heat.reshape(-1, heat.shape[-1]).argmax(0)
    return np.stack([cell % heat.shape[1], cell // heat.shape[1]], -1)


def mean_about(heat: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean place of each heatmap over the cells about one of its cells, weighted by their heights.

    Args:
        heat: (N, N, K), before the sigmoid.
        cells: (K, 2) x, y, integers; those outside are taken to the border.

    Returns:
        (K, 2) x, y in the input's pixel indices, as MediaPipe counts them (cell k at k / N of the side), and the height of
        the highest of those cells (K,), 0..1.
    """
    n, _, k = heat.shape
    around = np.arange(-AROUND, AROUND + 1)
    x, y = (np.clip(cells[:, axis, None], 0, n - 1) + around for axis in (0, 1))
    there = ((y >= 0) & (y < n))[:, :, None] & ((x >= 0) & (x < n))[:, None, :]
    near = heat[np.clip(y, 0, n - 1)[:, :, None], np.clip(x, 0, n - 1)[:, None, :], np.arange(k)[:, None, None]]
    height = np.where(there, sigmoid(near.astype(np.float64)), 0.0)
    # Far below zero the heights underflow; then the cell itself is as good a place as any about it.
    height[:, AROUND, AROUND] += 1e-12
    mean = np.stack([(height.sum(1) * x).sum(1), (height.sum(2) * y).sum(1)], -1) / height.sum((1, 2))[:, None]
    return mean * (INPUT_PX / n), height.max((1, 2))


def decode(numbers: np.ndarray, heat: np.ndarray, world: np.ndarray, presence: float, mask: np.ndarray | None
           ) -> Look:
    """What the model's outputs mean.

    Args:
        numbers: (39, 5): x, y in px, z, visibility and presence before the sigmoid.
        heat: (64, 64, 39), before the sigmoid.
        world: (39, 3) m.
        presence: 0..1.
        mask: (256, 256), before the sigmoid, or None.
    """
    best, height = mean_about(heat, highest(heat))
    near, _ = mean_about(heat, np.floor(numbers[:, :2] * (CELLS / INPUT_PX)).astype(int))
    outside = ~inside(numbers[:, :2], (INPUT_PX, INPUT_PX))
    near = np.where(outside[:, None], numbers[:, :2], near)
    sure = sigmoid(numbers[:POINTS, 3]) * sigmoid(numbers[:POINTS, 4])
    return Look(np.where(outside[:, None], near, best)[:POINTS], near[:POINTS], sure, height[:POINTS],
                world[:POINTS].astype(np.float64), near[FRAME], presence, None if mask is None else sigmoid(mask))


MASK = (1, INPUT_PX, INPUT_PX, 1)
OUTPUTS = ((1, 5 * ALL), (1, CELLS, CELLS, ALL), (1, 3 * ALL), (1, 1), MASK)
"""Shapes of the numbers, the heatmaps, the landmarks in metres, the presence and the mask."""


class LandmarkModel:
    """One model, for one thread at a time.

    Args:
        model: The bytes of its `.tflite` file.
        masked: Whether its looks have a mask (`maskless`).

    Raises:
        Exception: Of the runtime's kinds: it is missing, or this is no such model.
    """

    def __init__(self, model: bytes, masked: bool = True) -> None:
        interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter
        self._run = interpreter(model_content=model if masked else without_output(model, MASK), num_threads=1)
        self._run.allocate_tensors()
        self._input = self._run.get_input_details()[0]["index"]
        outputs = {tuple(int(n) for n in d["shape"]): d["index"] for d in self._run.get_output_details()}
        self._outputs = [outputs[shape] for shape in OUTPUTS if masked or shape != MASK]

    def outputs(self, crop: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, np.ndarray | None]:
        """What `decode` takes. crop: (256, 256, 3) uint8 RGB."""
        self._run.set_tensor(self._input, (crop.astype(np.float32) / 255)[None])
        self._run.invoke()
        numbers, heat, world, presence, *mask = (self._run.get_tensor(i)[0] for i in self._outputs)
        return (numbers.reshape(ALL, 5).astype(np.float64), heat, world.reshape(ALL, 3), float(presence[0]),
                mask[0][..., 0] if mask else None)

    def look(self, crop: np.ndarray) -> Look:
        """Landmarks of the person in a crop. crop: (256, 256, 3) uint8 RGB."""
        return decode(*self.outputs(crop))
