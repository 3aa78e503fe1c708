"""A camera of the user's own as the file that `sinew reconstruct --camera-file` reads. NumPy only."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...backend.sinew_take.errors import RequestError

FORMAT = "sinew-camera"
NAME = "camera.json"


def scene_frames(first_source: int, n: int, starts_at: float, scene: Fraction, source: Fraction) -> np.ndarray:
    """Scene frame (n,), fractional where rates differ, of each source frame from `first_source` on.

    Args:
        first_source, n: Frames of the video.
        starts_at: Scene frame on which the video's frame 0 stands.
        scene, source: Frames per second of both.
    """
    return starts_at + (first_source + np.arange(n)) * float(scene / source)


def as_data(frame: np.ndarray, T_wc: np.ndarray, K: np.ndarray, size_px: tuple[int, int], distortion: np.ndarray,
            unit_m: float | None) -> dict:
    """The file's content.

    Args:
        frame: (T,) frames of the source.
        T_wc: (T, 4, 4) OpenCV cameras in the user's world.
        K: (T, 3, 3) px.
        size_px: Width and height that K is for.
        distortion: (5,) OpenCV order.
        unit_m: Metres per unit of that world; None where that is not known.

    Raises:
        RequestError: Numbers that are no camera's.
    """
    if not (np.isfinite(T_wc).all() and np.isfinite(K).all() and (K[:, [0, 1], [0, 1]] > 0).all()):
        raise RequestError("The camera's place or lens is not a number on every frame; check its animation.")
    if np.abs(np.linalg.det(T_wc[:, :3, :3]) - 1).max() > 1e-3:
        raise RequestError("The camera is mirrored or sheared by its parents' scale; apply that scale first.")
    return {"format": FORMAT, "version": [1, 0], "size_px": [int(v) for v in size_px],
            "frame": [int(f) for f in frame], "T_wc": np.round(T_wc, 9).tolist(), "K": np.round(K, 6).tolist(),
            "distortion": [float(v) for v in distortion], "unit_m": unit_m}


def write(data: dict, path: Path) -> Path:
    """Write the file.

    Raises:
        RequestError: The disk is full or not writable.
    """
    try:
        path.write_text(json.dumps(data) + "\n", encoding="utf-8")
    except OSError as error:
        raise RequestError(f"{path} cannot be written ({error.strerror or error}); free some space or choose another takes "
                           "folder in Sinew's preferences.") from None
    return path
