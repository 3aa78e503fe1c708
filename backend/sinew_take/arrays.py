"""The one table of a take's arrays. Writing, reading, checking and the documentation all follow it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import TakeError


@dataclass(frozen=True)
class ArraySpec:
    """One array of a take. `dims` are letters or numbers; a letter must be the same wherever it stands in one file
    group (T for the whole take; others for one subject)."""

    name: str
    dims: tuple[str | int, ...]
    dtype: str
    unit: str
    meaning: str
    required: bool = True


def _a(name, dims, dtype="float32", unit="", meaning="", required=True) -> ArraySpec:
    return ArraySpec(name, tuple(dims), dtype, unit, meaning, required)


SHOT = (
    _a("time_s", ["T"], "float64", "s", "exact presentation times"),
    _a("frame", ["T"], "int32", "", "index in the source, from 0"),
    _a("T_wc", ["T", 4, 4], unit="m", meaning="camera to world"),
    _a("K", ["T", 3, 3], unit="px", meaning="intrinsics of the upright picture"),
    _a("distortion", ["T", 5], meaning="OpenCV order k1 k2 p1 p2 k3"),
)
MOTION = (
    _a("present", ["T"], "bool", meaning="the subject is in the shot at this frame"),
    _a("q", ["T", 46], unit="rad", meaning="coordinates, NaN where not present"),
    _a("root_m", ["T", 3], unit="m", meaning="pelvis joint in the world"),
    _a("joints_m", ["T", 24, 3], unit="m", meaning="joints in the world"),
    _a("T_wj", ["T", 24, 4, 4], unit="m", meaning="joint frame to world"),
    _a("confidence", ["T", 24], unit="0..1", meaning="how well the joint was seen"),
    _a("source", ["T", 24], "uint8", meaning="0 seen, 1 filled between, 2 guessed"),
    _a("contact", ["T", 4], unit="0..1", meaning="probability: left heel, left toe, right heel, right toe"),
    _a("keypoints_px", ["T", "K", 3], unit="px", meaning="x, y, confidence, in the picture as filmed"),
    _a("pixel_error", ["T"], unit="px", required=False,
       meaning="mean distance of the body's keypoints from the confident detected ones, but for those that may be somebody "
               "else's; NaN where there are none"),
)
BODY = (
    _a("rest_vertices_m", ["V", 3], unit="m", meaning="skin in the rest pose, this person's shape"),
    _a("faces", ["F", 3], "int32", meaning="triangles"),
    _a("uv", ["F", 3, 2], unit="0..1", meaning="texture coordinates per face corner"),
    _a("rest_joints_m", [24, 3], unit="m", meaning="joints in the rest pose"),
    _a("joint_frames", [24, 3, 3], meaning="joint frames in the rest pose, columns are axes"),
    _a("skin_index", ["V", "M"], "int16", meaning="joints that move the vertex; 24 and above: extra bone, less 24"),
    _a("skin_weight", ["V", "M"], meaning="their weights, rows sum to 1"),
    _a("shape", ["B"], meaning="shape coefficients of the body"),
    _a("region", ["F"], "uint8", meaning="material region of the face", required=False),
)
AVATAR = (
    _a("mean_m", ["N", 3], unit="m", meaning="centres in the rest pose"),
    _a("scale_m", ["N", 3], unit="m", meaning="standard deviations along the splat's own axes, linear"),
    _a("rotation_wxyz", ["N", 4], meaning="splat axes in the rest pose"),
    _a("opacity", ["N"], unit="0..1", meaning="linear"),
    _a("sh", ["N", "S", 3], meaning="spherical harmonics; colour = 0.5 + 0.2821 sh0, display-encoded sRGB"),
    _a("skin_index", ["N", "A"], "int16", meaning="joints that move the splat"),
    _a("skin_weight", ["N", "A"], meaning="their weights, rows sum to 1"),
    _a("seen", ["N"], "bool", meaning="false: no frame showed this splat, its colour is borrowed"),
)
MASKS = (
    _a("size_px", [2], "int32", "px", "width and height of the masks' grid over the whole upright picture"),
    _a("box", ["T", 4], "int32", "grid cells", "x0 y0 x1 y1 of the stored part; empty where there is no mask"),
    _a("offset", ["T1"], "int64", "bytes", "start of each frame in bits; T + 1 of them"),
    _a("bits", ["Z"], "uint8", "", "np.packbits of each frame's box, row by row"),
)
TRACK = (
    _a("landmarks_m", ["T", "K", 3], unit="m",
       meaning="the detector's 3D guess in camera axes about the hips; NaN where not detected"),
    _a("spread_px", ["T", "K"], unit="px", meaning="how far off the detection may be, per axis"),
    _a("box_px", ["T", 4], unit="px", meaning="x0 y0 x1 y1 of the person; NaN where not detected"),
    _a("detected", ["T"], "bool", meaning="the person was detected in this frame"),
)
POINTS = (
    _a("position_m", ["P", 3], unit="m", meaning="scene points"),
    _a("color", ["P", 3], unit="0..1", meaning="display-encoded sRGB"),
    _a("confidence", ["P"], unit="0..1", meaning=""),
)

EXTRA = (
    _a("bone_rest_T", ["E", 4, 4], unit="m", required=False,
       meaning="rest pose of the extra bones, in the axes of rest_joints_m; named in take.json"),
    _a("bone_rotation_wxyz", ["T", "E", 4], required=False,
       meaning="turn from the rest pose against the parent, in the bone's own rest frame"),
    _a("expression", ["T", "X"], required=False, meaning="weight of each expression"),
    _a("expression_dirs_m", ["X", "V", 3], unit="m", required=False,
       meaning="displacement of the skin in the rest pose per unit of the expression"),
    _a("surface_vertices_m", ["U", 3], unit="m", required=False, meaning="bone surfaces in the rest pose"),
    _a("surface_faces", ["G", 3], "int32", required=False, meaning="their triangles"),
    _a("surface_skin_index", ["U", "M2"], "int16", required=False, meaning="joints that move the bone surfaces"),
    _a("surface_skin_weight", ["U", "M2"], required=False, meaning="their weights, rows sum to 1"),
    _a("corrective_weight", ["T", "C"], required=False, meaning="weight of each pose corrective"),
    _a("corrective_dirs_m", ["C", "V", 3], unit="m", required=False,
       meaning="displacement of the skin in the rest pose per unit of the corrective"),
)

SUBJECT_FILES = {"motion": MOTION, "body": BODY, "avatar": AVATAR, "masks": MASKS, "track": TRACK, "extra": EXTRA}
SUBJECT_REQUIRED = ("motion", "body")


def check(where: str, arrays: dict[str, np.ndarray], specs: tuple[ArraySpec, ...], sizes: dict[str, int]) -> None:
    """Compare arrays with their specs.

    Args:
        where: File named in the message, e.g. "subjects/s1/motion.npz".
        arrays: Name -> array. Arrays that the table does not know are left alone.
        specs: Rows of the table above.
        sizes: Letter -> size known so far; extended here, so that files of one subject agree.

    Raises:
        TakeError: An array is missing, or has another type or size than the table says.
    """
    for spec in specs:
        if spec.name not in arrays:
            if spec.required:
                raise TakeError(f"The take is damaged: {where} lacks the array {spec.name}; reconstruct the clip again.")
            continue
        array = arrays[spec.name]
        if array.dtype != np.dtype(spec.dtype):
            raise TakeError(f"The take is damaged: {spec.name} in {where} is {array.dtype} instead of {spec.dtype}; "
                            "reconstruct the clip again.")
        wanted = [sizes.get(d, d) if isinstance(d, str) else d for d in spec.dims]
        fits = array.ndim == len(wanted) and all(
            isinstance(w, str) or w == n for w, n in zip(wanted, array.shape))
        if not fits:
            shown = " x ".join(str(w) for w in wanted)
            raise TakeError(f"The take is damaged: {spec.name} in {where} has the size "
                            f"{' x '.join(map(str, array.shape)) or 'of one number'} instead of {shown}; "
                            "reconstruct the clip again.")
        for d, n in zip(spec.dims, array.shape):
            if isinstance(d, str):
                sizes.setdefault(d, n)
