"""What a reader of another system's result hands on, and the checks that all readers share."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sinew.files.inert import Inert
from sinew.geometry import rotations as rot
from sinew_take.errors import InputError

MOST_FRAMES = 100_000
"""An hour at 24 frames a second; a longer result is refused."""
MOST_PEOPLE = 100
LARGEST_M = 1e4
"""No body stands farther than this from a result's origin."""
SMALLEST_PX, LARGEST_PX = 16, 20_000
"""Sides of pictures."""
LARGEST_FOCAL_PX = 2e6
"""A degree across the largest picture."""


@dataclass
class Body:
    """One person as rotations of the SMPL family."""

    name: str
    frames: np.ndarray
    """(T,) int, increasing: frame of the result."""
    local: np.ndarray
    """(T, J, 3, 3) against the parent, SMPL's axes; the first turns them into the result's world."""
    trans_m: np.ndarray
    """(T, 3): SMPL's pelvis stands at its rest place + this."""
    betas: np.ndarray
    """(B,) of the whole take."""
    gender: str = "neutral"
    camera_root: np.ndarray | None = None
    """(T, 3, 3) the first rotation again, into camera axes, where the system says both."""
    camera_trans_m: np.ndarray | None = None
    expression: np.ndarray | None = None
    """(T, X)"""


@dataclass
class Result:
    """One file (or folder) of another system."""

    system: str
    """Its name for people."""
    family: str
    """"smpl", "smplh" or "smplx"."""
    people: list[Body]
    up: str
    """The result's world: "z" or "y" up, or "camera": OpenCV's axes (x right, y down, z forward) of the first frame."""
    rate: float | None = None
    """Frames per second, where the result says it."""
    T_wc: np.ndarray | None = None
    """(N, 4, 4) camera to the result's world, where it says so."""
    focal_px: float | None = None
    centre_px: tuple[float, float] | None = None
    size_px: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)


def keys_of(content) -> str:
    """What is in a file, in a few words, for a message about an unknown layout."""
    if isinstance(content, dict):
        shown = ", ".join(str(k)[:40] for k in list(content)[:12])
        more = f" and {len(content) - 12} more" if len(content) > 12 else ""
        return f"the keys {shown}{more}" if content else "no keys"
    if isinstance(content, (list, tuple)):
        inner = f" of {keys_of(content[0])}" if content and isinstance(content[0], dict) else ""
        return f"a list of {len(content)}{inner}"
    if isinstance(content, np.ndarray):
        return f"an array of {' x '.join(map(str, content.shape)) or 'one number'}"
    if isinstance(content, Inert):
        return f"an object of {content.kind()}"
    return f"a {type(content).__name__}"


def array(content: dict, key: str, where: str, dims: tuple[int | None, ...] | None = None) -> np.ndarray:
    """One array of a result, float64, its size and numbers checked.

    Args:
        content: The dictionary that holds it.
        key: Its name.
        where: What is named in messages, such as "run.pkl, person 1".
        dims: Wanted size; None stands for any number.

    Raises:
        InputError: It is missing, of another size, or holds something else than finite numbers.
    """
    if key not in content:
        raise InputError(f"{where} lacks {key}; write the result again with the system's own demo.")
    value = content[key]
    if isinstance(value, Inert):
        raise InputError(f"{where} holds {key} as {value.kind()}, which is never run; save it as plain arrays.")
    try:
        value = np.asarray(value)
        value = value.astype(float) if value.dtype.kind in "fiub" else np.asarray(value.tolist(), float)
    except (TypeError, ValueError):
        raise InputError(f"{where} holds {key} as something other than numbers; write the result again.") from None
    if dims is not None and (value.ndim != len(dims) or any(d is not None and d != n for d, n in zip(dims, value.shape))):
        wanted = " x ".join("any" if d is None else str(d) for d in dims)
        raise InputError(f"{where} has {key} of {' x '.join(map(str, value.shape)) or 'one number'} instead of {wanted}; "
                         "this is not the layout that is known of this system.")
    if not np.isfinite(value).all():
        raise InputError(f"{where} has numbers in {key} that are not finite; leave out the frames that failed and write "
                         "the result again.")
    return value


def check_length(n: int, where: str) -> None:
    """Refuse a result without frames, or of an impossible length. Raises InputError."""
    if n < 1:
        raise InputError(f"{where} has no frames; convert a result in which somebody was found.")
    if n > MOST_FRAMES:
        raise InputError(f"{where} has {n} frames, more than the {MOST_FRAMES} that one take can hold; convert a shorter "
                         "range.")


def frames_of(value, n: int, where: str) -> np.ndarray:
    """Frame numbers (T,), checked to be whole, not negative and increasing. Raises InputError."""
    frames = np.asarray(value, float).ravel()
    if len(frames) != n:
        raise InputError(f"{where} names {len(frames)} frames but holds poses for {n}; write the result again.")
    whole = np.isfinite(frames).all() and (frames == np.round(frames)).all()
    if not whole or (len(frames) and frames.min() < 0) or (np.diff(frames) <= 0).any():
        raise InputError(f"{where} has frame numbers that do not count upwards; write the result again.")
    if len(frames) and frames.max() >= MOST_FRAMES:
        raise InputError(f"{where} names the frame {int(frames.max())}, beyond the {MOST_FRAMES} that one take can hold; "
                         "convert a shorter range.")
    return frames.astype(int)


def check_lens(focal_px: float | None, size_px: tuple[int, int] | None, where: str) -> None:
    """Refuse a focal length or a picture's size that no camera has. Raises InputError."""
    if focal_px is not None and not 0 < focal_px <= LARGEST_FOCAL_PX:
        raise InputError(f"{where} has a focal length of {focal_px:g} pixels, which no lens has; write the result again.")
    if size_px is not None and not SMALLEST_PX <= min(size_px) <= max(size_px) <= LARGEST_PX:
        raise InputError(f"{where} is about a picture of {size_px[0]:.6g} x {size_px[1]:.6g} pixels, which no camera makes; "
                         "write the result again.")


def from_axis_angle(pose: np.ndarray) -> np.ndarray:
    """(T, 3 J) or (T, J, 3) -> (T, J, 3, 3)."""
    return rot.exp(pose.reshape(len(pose), -1, 3))


def checked_rotations(R: np.ndarray, where: str) -> np.ndarray:
    """Rotation matrices as they are, or a sentence where they are none. Raises InputError."""
    off = np.abs(R @ np.swapaxes(R, -1, -2) - np.eye(3)).max(initial=0)
    if off > 1e-2 or (np.linalg.det(R) < 0).any():
        raise InputError(f"{where} has matrices that are no rotations; this is not the layout that is known of this "
                         "system.")
    return rot.nearest(R)


def check_body(body: Body, where: str) -> None:
    """Refuse places that no body has. Raises InputError."""
    if len(body.trans_m) and np.abs(body.trans_m).max() > LARGEST_M:
        raise InputError(f"{where} places the body {np.abs(body.trans_m).max():.3g} m from the origin; write the result "
                         "again in metres.")
    if len(body.betas) and np.abs(body.betas).max() > 50:
        raise InputError(f"{where} has shape coefficients of {np.abs(body.betas).max():.3g}, which are no body's; write "
                         "the result again.")
