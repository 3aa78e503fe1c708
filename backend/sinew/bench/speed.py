"""Speed of a whole reconstruction: how many detector passes it costs, and where the time goes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from . import SAMPLE, SHARED, children, detector, need
from .tables import Row, row


def detector_pass_s(video_path: Path) -> tuple[float, int]:
    """Seconds and frames of one full-picture pass of the plain detector, the heavy model always left out: Tasks API, image
    mode, eight poses, masks on.
    """
    import mediapipe
    import numpy as np
    from mediapipe.tasks import python as tasks
    from mediapipe.tasks.python import vision

    from sinew import video
    from sinew.people import models

    options = vision.PoseLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_buffer=models.task_bundle()), num_poses=8,
        output_segmentation_masks=True)
    count, spent = 0, 0.0
    with vision.PoseLandmarker.create_from_options(options) as detector:
        for shot in video.find_shots(video_path).shots:
            for _, picture in video.frames(shot):
                image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture))
                start = time.monotonic()
                detector.detect(image)
                spent += time.monotonic() - start
                count += 1
    return spent, count


MOVING = "skater_moving_camera.mp4"


def measure(video_path: Path, target: str) -> list[Row]:
    """Rows of one clip."""
    with tempfile.TemporaryDirectory() as folder:
        before, n = detector_pass_s(video_path)
        run = children.reconstruct(video_path, Path(folder))
        after, _ = detector_pass_s(video_path)
    base = (before + after) / 2  # on both sides of the run, because the machine drifts
    name = video_path.name
    rows = [row(f"{name}: reconstruction, {n} frames", run.wall_s, "s", base, target, "one detector pass")]
    seconds = run.report["seconds"]
    known = sum(seconds.values())
    rows.append(row(f"{name}: per frame", 1000 * run.wall_s / n, "ms", 1000 * base / n, "", "one detector pass"))
    rows += [row(f"{name}: share of {k}", 100 * v / run.wall_s, "%") for k, v in seconds.items()]
    rows.append(row(f"{name}: share of start-up and the rest", 100 * (run.wall_s - known) / run.wall_s, "%"))
    return rows


def run(say: Callable[[str], None]) -> list[Row]:
    """The sample clip, and three of the shared clips where they are: one person, two people, a camera that moves."""
    clips = [need(SAMPLE, "The sample clip")]
    clips += [c for c in (SHARED / "clips" / n for n in ("tai_chi.mp4", "park_two_people.mp4", MOVING)) if c.exists()]
    say(f"  people are found by {detector().name}")
    rows = []
    for clip in clips:
        say(f"  {clip.name} …")
        rows += measure(clip, "ratio 10" if clip.name == MOVING else "ratio 6")
    return rows
