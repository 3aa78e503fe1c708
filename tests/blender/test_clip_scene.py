"""The rendered clips' scene: what Cycles draws lies where the truth says."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import bpy
import numpy as np
import pytest
from tools.render_clip import cameras, clip

from sinew_take import free_body

SCENE = Path(clip.__file__).with_name("scene.py")
SIZE = (192, 108)


def _picture(path: Path) -> np.ndarray:
    """(H, W, 3) 0..1, first row on top."""
    image = bpy.data.images.load(str(path))
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(image.size[1], image.size[0], 4)[::-1, :, :3]


@pytest.mark.parametrize("set_name", clip.SETS)
def test_the_person_is_drawn_where_the_truth_says(tmp_path, set_name):
    """What differs from the empty set, down to the hips, fits the projected skin best where it is, within a pixel."""
    spec = clip.Spec((clip.Person(body=2, path="line", heading_deg=10, outfit=3),), clip.Lens(fill=0.8), set_name,
                     Fraction(24), 0.1, SIZE, samples=4)
    body = free_body.load()
    made = clip.make(spec, body)
    np.savez(tmp_path / "job.npz", **clip.job(made, body, whole=False))
    done = subprocess.run([sys.executable, str(SCENE), str(tmp_path / "job.npz"), str(tmp_path), "0"],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    plate, frame = _picture(tmp_path / "plate.png"), _picture(tmp_path / "000000.png")
    assert frame.shape == plate.shape == (*SIZE[::-1], 3)

    px = cameras.project(made.actors[0].vertices_m[:1].astype(float), made.T_sc[:1], made.K)[0]
    silhouette = np.zeros(plate.shape[:2])
    column, row = np.floor(px).astype(int).T  # 12,000 vertices on some 2,000 pixels leave no holes
    silhouette[row, column] = 1
    hips = made.actors[0].planted.root_m[:1, None]
    bottom = int(cameras.project(hips, made.T_sc[:1], made.K)[0, 0, 1])  # below, shadows differ as well
    x0, y0, x1, _ = clip.boxes(made)[0]
    window = (slice(y0 + 4, bottom), slice(x0 + 4, x1 - 4))
    changed = np.clip(np.abs(frame - plate).max(-1), 0, 0.3)
    match = {(dy, dx): np.corrcoef(changed[window].ravel(), np.roll(silhouette, (dy, dx), (0, 1))[window].ravel())[0, 1]
             for dy in range(-4, 5) for dx in range(-4, 5)}
    best = max(match, key=match.get)
    assert match[best] > 0.7
    assert np.abs(best).max() <= 1, f"the picture is shifted by {best} px (rows, columns)"
