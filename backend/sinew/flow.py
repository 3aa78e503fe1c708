"""What flows from stage to stage: plain dataclasses of arrays.

video -> people -> camera -> motion -> body -> avatar. Frames, units and names are those of the take (docs/take_format.md):
pixels of the upright picture, OpenCV cameras, metres, world Z up. T is the number of frames of the shot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

Report = Callable[[int, int], None]
"""report(done, total): called by a stage as it works; raises `Stopped` when the user has cancelled."""


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a video or image sequence."""

    path: Path
    size_px: tuple[int, int]
    """Width and height of the upright picture with square pixels: the size every other number refers to."""
    coded_px: tuple[int, int]
    rate: Fraction
    """Average rate, frames per second; exact for constant-rate files."""
    n_frames: int
    duration_s: float
    rotation_deg: int
    """Clockwise turn that makes the coded picture upright: 0, 90, 180 or 270."""
    pixel_aspect: Fraction
    is_variable_rate: bool
    focal_35mm: float | None
    """From metadata, mm on a 36 mm wide frame's diagonal equivalent; None where the file does not say."""
    is_sequence: bool = False
    more_deg: int = 0
    """Of `rotation_deg`, what the user asked for beyond what the file says."""


@dataclass(frozen=True)
class Shot:
    """One continuous piece of a video, without a cut inside."""

    info: VideoInfo
    frame: np.ndarray
    """(T,) int32, index in the source."""
    time_s: np.ndarray
    """(T,) float64, exact presentation times."""

    @property
    def n_frames(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class PosePrior:
    """A network's guess of one person's pose: the start of the fit, and its word on depth in place of the detector's."""

    q: np.ndarray
    """(T, 46) rad; 0 where not ok. The pelvis is in the network's camera axes, see `prior.pelvis_in_camera`."""
    shape: np.ndarray
    """Of the network's own body; the free body's shape is solved from the take."""
    ok: np.ndarray
    """(T,) bool: there is a guess."""
    looked: np.ndarray
    """(T,) bool: the network looked at this frame; elsewhere the guess is taken from between."""
    source: str
    """The network's name."""
    device: str = "cpu"
    """Where it ran: cpu or cuda."""


@dataclass
class Track:
    """One person's detections over the shot."""

    id: str
    present: np.ndarray
    """(T,) bool: detected in this frame."""
    keypoints_px: np.ndarray
    """(T, 33, 3): x, y, confidence 0..1; NaN where not present. `skeleton.MEDIAPIPE_KEYPOINTS` order, the person's sides."""
    spread_px: np.ndarray
    """(T, 33): how far off the detection may be, standard deviation per axis."""
    landmarks_m: np.ndarray
    """(T, 33, 3): the detector's 3D guess in camera axes (x right, y down, z forward), hip-centred; NaN where not present."""
    box_px: np.ndarray
    """(T, 4): x0 y0 x1 y1."""
    masks: dict[str, np.ndarray]
    """Arrays of `sinew_take.arrays.MASKS`."""
    prior: PosePrior | None = None
    standing: np.ndarray | None = None
    """(T, 4) a network's word on when left heel, left toe, right heel and right toe stand, 0..1; NaN where it has none."""
    hidden: np.ndarray | None = None
    """(T,) bool: not detected, between two detections, and somebody else stands where the person should be."""
    overlaps: np.ndarray | None = None
    """(T,) bool: detected, and somebody else is there in the picture too, seen or lost."""
    doubtful: np.ndarray | None = None
    """(T, 33) bool: the keypoint may be somebody else's."""


@dataclass
class People:
    """Everybody in the shot, the largest and longest track first."""

    tracks: list[Track]
    notes: list[str] = field(default_factory=list)
    """Sentences: what was dropped and why, what is doubtful."""


@dataclass(frozen=True)
class CameraOptions:
    kind: str = "auto"
    """auto, static, rotating or moving."""
    focal_mm: float | None = None
    fov_deg: float | None = None
    height_m: float | None = None
    file: str | None = None
    """The user's own solve: a COLMAP model's folder or a sinew-camera JSON."""


@dataclass(frozen=True)
class Points:
    """Points of the background in the take's world."""

    position_m: np.ndarray
    """(P, 3)"""
    color: np.ndarray
    """(P, 3) sRGB 0..1."""
    confidence: np.ndarray
    """(P,) 0..1."""


@dataclass
class Camera:
    """The camera in the take's world."""

    T_wc: np.ndarray
    """(T, 4, 4)."""
    K: np.ndarray
    """(T, 3, 3) px."""
    distortion: np.ndarray
    """(T, 5)."""
    kind: str
    """"static", "rotating", "moving", or "given" (the user's own solve)."""
    focal_source: str
    """"user", "metadata", "file" (the user's own camera), "background" (solved with the camera's way), "lines"
    (straight ones), "people" (their proportions), "assumed", or the name of the system converted from."""
    scale_source: str
    """"height" (given), "distance" (measured on the floor), "file" (the user's own camera's unit) or "assumed"."""
    notes: list[str] = field(default_factory=list)
    reason: str = ""
    """A sentence: why it was solved as this kind."""
    points: Points | None = None
    floor: np.ndarray | None = None
    """(5,) of the floor as the points show it: unit normal n, offset d with n x = d, spread of the normal in degrees;
    None where they do not show it."""
    given: np.ndarray | None = None
    """(4, 4) similarity from the take's world into that of the user's own camera; None without one."""


@dataclass
class Motion:
    """One person's solved motion: the arrays of `sinew_take.arrays.MOTION` plus the shape they were solved with."""

    track: Track
    arrays: dict[str, np.ndarray]
    shape: np.ndarray
    """(B,) coefficients of the free body."""
    pixel_error: np.ndarray
    """(T,) mean reprojection error of the confident keypoints, px; NaN where not present."""
    notes: list[str] = field(default_factory=list)


def nothing(done: int, total: int) -> None:
    """A report that nobody reads."""
