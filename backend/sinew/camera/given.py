"""A camera that the user has solved already: COLMAP's model (text or binary), or a `sinew-camera` JSON.

The JSON is what the add-on writes from an animated Blender camera or from a movie clip's tracked one:

    {"format": "sinew-camera", "version": [1, 0], "size_px": [1920, 1080], "frame": [0, 1, 2, ...],
     "T_wc": [[[4 x 4]], ...], "K": [[[3 x 3]], ...], "distortion": [k1, k2, p1, p2, k3], "unit_m": 1.0}

`frame` is the index in the source from 0; the camera is OpenCV's (x right, y down, z forward); the world is any
right-handed one, in units of `unit_m` metres (left out or null: unknown, the people tell); `distortion` may be left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sinew_take.errors import InputError

from ..flow import Shot
from ..geometry import projection
from ..geometry import rotations as rot

FORMAT = "sinew-camera"
LONGEST_GAP = 12
"""Frames between two given ones that are filled."""
SAME_SHAPE = 0.01
"""Relative difference of the sides' ratio up to which a size is the clip's, only larger or smaller."""
LATE_SHARE = 0.02
"""Of the clip: frames after its end up to which its length is only counted otherwise."""
FOV_DEG = (1.0, 170.0)
"""Horizontal angles of view that there are, as for --fov-deg."""
MOST_FOCAL_RATIO = 4.0
"""Of the two focal lengths: anamorphic pixels are up to 2."""
MOST_SKEW = 0.01
"""Of the focal length: more than a solver's noise, and nothing here follows it."""
MOST_BEND = 4.0
"""Times that a lens brings the picture's corner nearer to the middle, or farther out."""
MOST_SIDE_PX = 1_000_000
LAST_FRAME = 10_000_000
FARTHEST = 1e12
"""Units of the user's world from its origin to a camera."""
MOST_BYTES = 200_000_000
_MODELS = {"SIMPLE_PINHOLE": (0, 0, 1, 2, ()), "PINHOLE": (0, 1, 2, 3, ()), "SIMPLE_RADIAL": (0, 0, 1, 2, (3,)),
           "RADIAL": (0, 0, 1, 2, (3, 4)), "OPENCV": (0, 1, 2, 3, (4, 5, 6, 7))}
"""COLMAP's model -> which of its parameters are fx, fy, cx, cy and OpenCV's distortion."""


@dataclass(frozen=True)
class Given:
    """A camera for every frame of a shot, in the user's world."""

    T_wc: np.ndarray
    """(T, 4, 4)"""
    K: np.ndarray
    """(T, 3, 3) px of the shot's upright picture."""
    distortion: np.ndarray
    """(5,)"""
    unit_m: float | None
    points: np.ndarray
    """(P, 3) in the user's world; may be empty."""
    color: np.ndarray
    notes: list[str] = field(default_factory=list)
    """Sentences: what is odd about the file."""


@dataclass(frozen=True)
class _Read:
    frame: np.ndarray
    T_wc: np.ndarray
    K: np.ndarray
    size_px: tuple[int, int]
    distortion: np.ndarray
    unit_m: float | None
    points: np.ndarray
    color: np.ndarray


def digest(path: Path) -> str:
    """SHA-256 of a camera file, or of the files of a model's folder. InputError where it cannot be read."""
    h = hashlib.sha256()
    try:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            if file.is_file():
                h.update(file.name.encode())
                h.update(file.read_bytes())
    except OSError as error:
        raise InputError(f"The camera file {path.name} cannot be read ({error.strerror or error}); choose another "
                         "--camera-file.") from None
    return h.hexdigest()


def read_camera(path: Path, shot: Shot) -> Given:
    """Read a camera for a shot.

    Args:
        path: A COLMAP model's folder, or a JSON of this module's format.
        shot: The shot it must belong to.

    Raises:
        InputError: One sentence: unreadable, of another size, or of other frames.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no camera file {path}; give the folder of a COLMAP model or a sinew-camera .json.")
    read = _colmap(path) if path.is_dir() else _json(path)
    width, height = shot.info.size_px
    scale = width / read.size_px[0]
    if abs(read.size_px[1] * scale / height - 1) > SAME_SHAPE:
        raise InputError(f"{path.name} is the camera of a {read.size_px[0]}x{read.size_px[1]} picture, and "
                         f"{shot.info.path.name} is {width}x{height}; give the camera of this clip.")
    wanted = np.asarray(shot.frame, dtype=int)
    have = np.isin(wanted, read.frame)
    if not have.any() or _longest_gap(have) > LONGEST_GAP:
        raise InputError(f"{path.name} holds a camera for {int(have.sum())} of the {len(wanted)} frames (its frames are "
                         f"{int(read.frame.min())} to {int(read.frame.max())}, the shot's {wanted[0]} to {wanted[-1]}); "
                         "give the camera of this clip.")
    T, K = _at(read, wanted)
    K = K * np.array([scale, scale, 1.0])[:, None]
    last, end = int(read.frame.max()), shot.info.n_frames - 1
    notes = []
    if last > end + max(2, LATE_SHARE * end):
        notes.append(f"{path.name} goes on to frame {last}, and {shot.info.path.name} ends at frame {end}: the file may be "
                     "another clip's.")
    return Given(T, K, read.distortion, read.unit_m, read.points, read.color, notes)


def examine(path: Path, shots: list[Shot]) -> None:
    """Say what is wrong with a camera file before anybody is looked for. It need only hold the camera of one shot.

    Raises:
        InputError: As `read_camera`, of the first shot.
    """
    errors = []
    for shot in shots:
        try:
            read_camera(path, shot)
            return
        except InputError as error:
            errors.append(error)
    raise errors[0]


def _longest_gap(have: np.ndarray) -> int:
    longest = run = 0
    for h in have:
        run = 0 if h else run + 1
        longest = max(longest, run)
    return longest


def _at(read: _Read, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cameras at source frames, those between filled by even turns and moves; ends carry on."""
    order = np.argsort(read.frame)
    frame, T, K = read.frame[order], read.T_wc[order], read.K[order]
    after = np.clip(np.searchsorted(frame, wanted, side="left"), 0, len(frame) - 1)
    before = np.where(frame[after] == wanted, after, np.maximum(after - 1, 0))
    after = np.where(wanted > frame[-1], before, after)
    span = np.maximum(frame[after] - frame[before], 1)
    u = np.clip((wanted - frame[before]) / span, 0, 1)
    A, B = T[before], T[after]
    out = A.copy()
    turn = rot.log(B[:, :3, :3] @ np.swapaxes(A[:, :3, :3], 1, 2))
    out[:, :3, :3] = rot.exp(u[:, None] * turn) @ A[:, :3, :3]
    out[:, :3, 3] = A[:, :3, 3] + u[:, None] * (B[:, :3, 3] - A[:, :3, 3])
    return out, K[before] + u[:, None, None] * (K[after] - K[before])


def _json(path: Path) -> _Read:
    wrong = f"{path.name} is no {FORMAT} file"
    what = "export the camera again from the add-on, or give the folder of a COLMAP model"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{wrong} (it is larger than {MOST_BYTES // 1_000_000} MB); {what}.")
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{wrong} (it is not JSON text); {what}.") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(f"{wrong}; {what}.")
    version = data.get("version")
    if not (isinstance(version, list) and version and type(version[0]) is int and version[0] > 0):
        raise InputError(f"{path.name} says no version of {FORMAT}; write \"version\": [1, 0] into it, or {what}.")
    if version[0] > 1:
        raise InputError(f"{path.name} is of a newer version of {FORMAT} than this one reads; update Sinew or {what}.")
    try:
        frame = np.array(data["frame"], dtype=float)
        T = np.array(data["T_wc"], dtype=float)
        K = np.array(data["K"], dtype=float)
        side = np.array(data["size_px"], dtype=float)
        distortion = np.zeros(5)
        given = np.array(data.get("distortion") or [], dtype=float).ravel()
        distortion[:len(given)] = given
        unit = data.get("unit_m")
        unit = None if unit is None else float(unit)
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(f"{wrong} ({type(error).__name__}: {error}); {what}.") from None
    n = frame.size
    fits = n > 0 and frame.ndim == 1 and T.shape == (n, 4, 4) and K.shape == (n, 3, 3) and len(np.unique(frame)) == n
    if not fits:
        raise InputError(f"{path.name} does not hold as many T_wc (4x4) and K (3x3) as frames; {what}.")
    odd = ~((np.abs(frame) <= LAST_FRAME) & (frame == np.round(frame)))
    if odd.any():
        raise InputError(f"{path.name} holds the frame {frame[odd][0]:g}, and frames are whole numbers, counted from 0 in "
                         f"the source; {what}.")
    if side.shape != (2,) or not ((side >= 1) & (side <= MOST_SIDE_PX) & (side == np.round(side))).all():
        raise InputError(f"{path.name} has no size_px of two whole numbers of pixels; write the width and height of the "
                         f"picture that it is for, or {what}.")
    frame, size = frame.astype(int), (int(side[0]), int(side[1]))
    _checked(path, T, K, size, distortion, what)
    if unit is not None and not 1e-6 < unit < 1e6:
        raise InputError(f"{path.name} has units of {unit:g} m, which cannot be; {what}.")
    return _Read(frame, T, K, size, distortion, unit, np.zeros((0, 3)), np.zeros((0, 3)))


def _checked(path: Path, T: np.ndarray, K: np.ndarray, size_px: tuple[int, int], distortion: np.ndarray, what: str) -> None:
    name, (width, height) = path.name, size_px
    if not (np.isfinite(T).all() and np.isfinite(K).all() and np.isfinite(distortion).all()):
        raise InputError(f"{name} holds numbers that are not finite; {what}.")
    R = T[:, :3, :3]
    rigid = (np.abs(R).max() < 2 and np.abs(R @ np.swapaxes(R, 1, 2) - np.eye(3)).max() < 1e-3
             and (np.linalg.det(R) > 0).all())
    if not rigid:
        raise InputError(f"{name} holds matrices that are no camera's (their 3x3 is not a rotation); {what}.")
    if np.abs(T[:, 3] - (0, 0, 0, 1)).max() > 1e-6:
        raise InputError(f"{name} holds a T_wc whose last row is not 0 0 0 1 (transposed, perhaps); {what}.")
    if np.abs(T[:, :3, 3]).max() > FARTHEST:
        raise InputError(f"{name} holds a camera farther than {FARTHEST:g} units away, too far to reckon with; {what}.")
    if np.abs(K[:, 2] - (0, 0, 1)).max() > 1e-6:
        raise InputError(f"{name} holds a K whose last row is not exactly 0 0 1 (transposed, perhaps); {what}.")
    focal, middle = K[:, [0, 1], [0, 1]], K[:, :2, 2]
    if (focal <= 0).any():
        raise InputError(f"{name} holds a focal length that is not above 0; {what}.")
    with np.errstate(over="ignore"):
        angle = projection.fov_deg_of(focal[:, 0], width)
    odd = (angle < FOV_DEG[0]) | (angle > FOV_DEG[1])
    if odd.any():
        raise InputError(f"{name} holds a focal length of {focal[odd][0, 0]:g} px for a picture {width} px wide, which no "
                         f"lens has; {what}.")
    odd = focal.max(1) > MOST_FOCAL_RATIO * focal.min(1)
    if odd.any():
        raise InputError(f"{name} holds focal lengths of {focal[odd][0, 0]:g} px across and {focal[odd][0, 1]:g} px down, "
                         f"which no lens has; {what}.")
    if (np.abs(K[:, [0, 1], [1, 0]]) > MOST_SKEW * focal).any():
        raise InputError(f"{name} holds a K with skew (its numbers beside the focal lengths), which is not supported; solve "
                         "the camera without skew.")
    odd = ((middle < -np.array(size_px)) | (middle > 2 * np.array(size_px))).any(1)
    if odd.any():
        raise InputError(f"{name} holds a principal point of {middle[odd][0, 0]:g}, {middle[odd][0, 1]:g} px, far outside "
                         f"its picture of {width}x{height} px; {what}.")
    if not _can_be_undone(K, size_px, distortion):
        shown = ", ".join(f"{v:g}" for v in distortion)
        raise InputError(f"{name} holds a distortion ({shown}) that no lens has, or that folds the picture over; "
                         "give OpenCV's k1, k2, p1, p2, k3 in this order, or a camera solved with less distortion.")


def _can_be_undone(K: np.ndarray, size_px: tuple[int, int], distortion: np.ndarray) -> bool:
    """True where the lens covers the picture in every frame (`projection.COVERS`) and its corners are not absurdly far."""
    if not distortion.any():
        return True
    K = np.unique(K, axis=0)[:, None]
    focal, middle = K[..., [0, 1], [0, 1]], K[..., :2, 2]
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1.0]]) * size_px
    with np.errstate(all="ignore"):
        ideal = (projection.undistort_px(corners, K, distortion) - middle) / focal
        filmed = (corners - middle) / focal
        bend = np.linalg.norm(ideal, axis=-1).max(1) / np.linalg.norm(filmed, axis=-1).max(1)
    return bool(np.isfinite(ideal).all() and (bend < MOST_BEND).all() and (bend > 1 / MOST_BEND).all())


def _colmap(path: Path) -> _Read:
    import pycolmap

    what = "give the folder that holds cameras, images and points3D (.bin or .txt)"
    names = {f.name for f in path.iterdir()}
    if not ({"cameras.bin", "images.bin", "points3D.bin"} <= names or {"cameras.txt", "images.txt", "points3D.txt"} <= names):
        raise InputError(f"{path.name} is no COLMAP model; {what}.")
    pycolmap.logging.minloglevel = 3
    try:
        model = pycolmap.Reconstruction(str(path))
        images = [i for i in model.images.values() if i.has_pose]
    except Exception as error:
        raise InputError(f"The COLMAP model in {path.name} cannot be read ({str(error).splitlines()[0][:120]}); {what}."
                         ) from None
    if not images:
        raise InputError(f"The COLMAP model in {path.name} has no image with a pose; {what}.")
    images.sort(key=lambda i: i.name)
    numbers = [re.findall(r"\d+", Path(i.name).stem) for i in images]
    if not all(numbers):
        raise InputError(f"The images of the COLMAP model in {path.name} have no frame numbers in their names (such as "
                         "000012.png), so they cannot be told apart; name them by frame.")
    longest = max((n[-1].lstrip("0") for n in numbers), key=len)
    if len(longest) > len(str(LAST_FRAME)):
        raise InputError(f"The COLMAP model in {path.name} has an image numbered {longest[:40]}, which is no frame's number; "
                         "name the images by frame (such as 000012.png).")
    frame = np.array([int(n[-1]) for n in numbers])
    if frame.min() == 1 and 0 not in frame:
        frame = frame - 1  # ffmpeg and most exporters count pictures from 1
    T, K = np.tile(np.eye(4), (len(images), 1, 1)), np.tile(np.eye(3), (len(images), 1, 1))
    distortion, size = np.zeros(5), None
    for k, image in enumerate(images):
        camera = model.cameras[image.camera_id]
        if camera.model_name not in _MODELS:
            raise InputError(f"The COLMAP model in {path.name} uses {camera.model_name}, which a take cannot hold; "
                             f"use one of {', '.join(_MODELS)}.")
        fx, fy, cx, cy, bend = _MODELS[camera.model_name]
        p = np.asarray(camera.params)
        K[k, 0, 0], K[k, 1, 1], K[k, 0, 2], K[k, 1, 2] = p[fx], p[fy], p[cx], p[cy]
        if k == 0:
            size = (int(camera.width), int(camera.height))
            if min(size) < 1 or max(size) > MOST_SIDE_PX:
                raise InputError(f"The COLMAP model in {path.name} is of a picture of {size[0]}x{size[1]} px, which cannot "
                                 "be; solve it again with COLMAP.")
            distortion[:len(bend)] = p[list(bend)]
        m = image.cam_from_world().matrix()
        T[k, :3, :3], T[k, :3, 3] = m[:, :3].T, -m[:, :3].T @ m[:, 3]
    _checked(path, T, K, size, distortion, "solve it again with COLMAP, or leave --camera-file out")
    points = np.array([p.xyz for p in model.points3D.values()]).reshape(-1, 3)
    color = np.array([p.color for p in model.points3D.values()], dtype=float).reshape(-1, 3) / 255
    return _Read(frame, T, K, size, distortion, None, points, color)
