"""Measures of the free body in metres and kilograms, and the shape that has given measures. NumPy only.

All are taken in the rest pose, as a tailor would, but between joint centres where bones end:

- height: from the soles to the top of the head.
- leg: from the hip joint down to the sole.
- arm: from the shoulder joint over the elbow to the wrist.
- shoulder: between the two shoulder joints.
- waist: a tape round the trunk at the height of the lumbar joint (the hull of the section).
- mass: the volume inside the skin times 985 kg/m3, the density that SHAPY (Choutas et al. 2022) uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import skeleton as sk
from .errors import RequestError
from .free_body import FreeBody

DENSITY_KG_M3 = 985.0


@dataclass(frozen=True)
class Measure:
    """One measure: its unit, what a person may have, and how near a given value is met."""

    name: str
    unit: str
    low: float
    high: float
    tolerance: float
    meaning: str


MEASURES = (
    Measure("height", "m", 0.6, 2.4, 0.002, "soles to the top of the head"),
    Measure("leg", "m", 0.2, 1.4, 0.003, "hip joint to the sole"),
    Measure("arm", "m", 0.15, 1.0, 0.003, "shoulder joint over the elbow to the wrist"),
    Measure("shoulder", "m", 0.15, 0.6, 0.003, "between the shoulder joints"),
    Measure("waist", "m", 0.35, 2.0, 0.005, "round the trunk at the lumbar joint"),
    Measure("mass", "kg", 8.0, 250.0, 0.5, "volume inside the skin times 985 kg/m3"),
)
BY_NAME = {m.name: m for m in MEASURES}
NAMES = tuple(BY_NAME)
_J = sk.JOINT_INDEX
_MOST_OFF = 0.03
"""Share of a measure that may be missed before the measures are said to contradict each other."""
_SHARE_OF_HEIGHT = {"leg": (0.38, 0.62), "arm": (0.22, 0.42), "shoulder": (0.13, 0.32)}
"""What these measures are of a person's height: adults and children, generously."""


def measure(body: FreeBody, shape: np.ndarray) -> dict[str, float]:
    """All measures of a shape (B,)."""
    return dict(zip(NAMES, _values(body, np.asarray(shape, float)).tolist(), strict=True))


def _values(body: FreeBody, shape: np.ndarray) -> np.ndarray:
    vertices = body.vertices(shape).astype(float)
    joints = body.joints(shape).astype(float)
    bottom = vertices[:, 2].min()

    def way(*names: str) -> float:
        places = joints[[_J[n] for n in names]]
        return float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())

    return np.array([vertices[:, 2].max() - bottom, joints[_J["femur_r"], 2] - bottom,
                     way("humerus_r", "ulna_r", "hand_r"), way("humerus_l", "humerus_r"),
                     _girth(vertices, body.faces, joints[_J["lumbar_body"], 2]),
                     DENSITY_KG_M3 * _volume(body, vertices)])


def _volume(body: FreeBody, vertices: np.ndarray) -> float:
    """Volume inside the surface, m3; its few holes (mouth, eyes) are closed by flat fans."""
    faces, rims = body.faces, _rims(body)
    about = vertices.mean(0)
    a, b, c = (vertices[faces[:, i]] - about for i in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum()
    for rim in rims:
        p, q = vertices[rim[:, 1]] - about, vertices[rim[:, 0]] - about
        volume += np.einsum("ij,ij->i", np.broadcast_to(p.mean(0), p.shape), np.cross(p, q)).sum()
    return float(volume / 6)


def _rims(body: FreeBody) -> list[np.ndarray]:
    return _find_rims(body.faces.tobytes(), len(body.faces))


@lru_cache(maxsize=4)
def _find_rims(faces_bytes: bytes, n_faces: int) -> list[np.ndarray]:
    """Open edges (a, b) as they run in their face, grouped by hole."""
    faces = np.frombuffer(faces_bytes, np.int32).reshape(n_faces, 3).astype(np.int64)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    size = int(faces.max()) + 1
    there = set((edges[:, 0] * size + edges[:, 1]).tolist())
    open_edges = [tuple(e) for e in edges.tolist() if e[1] * size + e[0] not in there]
    following: dict[int, list[tuple[int, int]]] = {}
    for edge in open_edges:
        following.setdefault(edge[0], []).append(edge)
    rims = []
    left = set(open_edges)
    while left:
        rim, at = [], min(left)
        while at in left:
            left.discard(at)
            rim.append(at)
            at = next((e for e in following.get(at[1], []) if e in left), at)
        rims.append(np.array(rim))
    return rims


def _girth(vertices: np.ndarray, faces: np.ndarray, height_m: float) -> float:
    """Length of a tape round the section of the trunk at a height, m; arms are out to the sides, so it cuts only that."""
    above = vertices[:, 2] > height_m
    cut = faces[above[faces].any(1) & ~above[faces].all(1)]
    points = []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        a, b = cut[:, i], cut[:, j]
        crosses = above[a] != above[b]
        a, b = vertices[a[crosses]], vertices[b[crosses]]
        share = (height_m - a[:, 2]) / (b[:, 2] - a[:, 2])
        points.append(a[:, :2] + share[:, None] * (b[:, :2] - a[:, :2]))
    hull = _hull(np.concatenate(points)) if len(cut) else np.zeros((1, 2))
    return float(np.linalg.norm(hull - np.roll(hull, 1, axis=0), axis=1).sum())


def _hull(points: np.ndarray) -> np.ndarray:
    """Corners of the convex hull, in order (Andrew's monotone chain)."""
    points = points[np.lexsort((points[:, 1], points[:, 0]))]

    def half(order):
        out: list[np.ndarray] = []
        for p in order:
            while len(out) > 1 and ((out[-1][0] - out[-2][0]) * (p[1] - out[-2][1])
                                    - (out[-1][1] - out[-2][1]) * (p[0] - out[-2][0])) <= 0:
                out.pop()
            out.append(p)
        return out[:-1]

    return np.array(half(points) + half(points[::-1]))


def check(given: dict[str, float]) -> None:
    """Refuse measures that no person has.

    Raises:
        RequestError: One sentence.
    """
    for name, value in given.items():
        if name not in BY_NAME:
            raise RequestError(f"There is no measure {name!r}; give some of {', '.join(NAMES)}.")
        one = BY_NAME[name]
        if not (isinstance(value, (int, float)) and np.isfinite(value) and one.low <= value <= one.high):
            raise RequestError(f"A {name} of {value:g} {one.unit} is no person's; give {one.low:g} to {one.high:g} "
                               f"{one.unit}.")
    height = given.get("height")
    for name, (low, high) in _SHARE_OF_HEIGHT.items():
        if height and name in given and not low <= given[name] / height <= high:
            raise RequestError(f"A {name} of {given[name]:g} m does not belong to a height of {height:g} m; people have "
                               f"{low * height:.2f} to {high * height:.2f} m.")


def parse(text: str) -> dict[str, float]:
    """Measures from text such as "height=1.80,leg=0.9"; checked. Raises RequestError."""
    out: dict[str, float] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, equals, number = part.partition("=")
        name = name.strip().lower()
        try:
            value = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise RequestError(f"{part!r} is no measure; write them as height=1.80,leg=0.90 (metres, mass in kilograms).")
        if name in out:
            raise RequestError(f"The measure {name} is given twice; give it once.")
        out[name] = value
    if not out:
        raise RequestError("No measure was given; write them as height=1.80,leg=0.90 (metres, mass in kilograms).")
    check(out)
    return out


@dataclass(frozen=True)
class Fitted:
    """A shape for given measures."""

    shape: np.ndarray
    """(B,)"""
    reached: dict[str, float]
    """All measures of it."""
    error: dict[str, float]
    """Reached less given, of those given, in their units."""


def shape_for(body: FreeBody, given: dict[str, float], prior_shape: np.ndarray | None = None, rounds: int = 15) -> Fitted:
    """The likeliest shape that has the given measures.

    Args:
        body: The free body.
        given: Some of `NAMES` with their values.
        prior_shape: (B,) the likeliest shape before anything was measured, such as a solved one; default the mean.
        rounds: Iterations at most.

    Returns:
        The shape nearest to the prior one (in standard deviations) among those that meet the measures, with its errors.

    Raises:
        RequestError: No person has these measures, or no shape meets them together.
    """
    check(given)
    start = np.zeros(body.n_shape) if prior_shape is None else np.asarray(prior_shape, float)
    which = [NAMES.index(n) for n in given]
    target = np.array([given[NAMES[i]] for i in which])
    sigma = np.array([BY_NAME[NAMES[i]].tolerance for i in which])
    shape = start.copy()
    values = _values(body, shape)
    for _ in range(rounds):
        jacobian = np.stack([(_values(body, shape + 0.05 * d) - values)[which] / 0.05 for d in np.eye(body.n_shape)], 1)
        rows = np.vstack([jacobian / sigma[:, None], np.eye(body.n_shape)])
        right = np.r_[(target - values[which]) / sigma, start - shape]
        step = np.linalg.lstsq(rows, right, rcond=None)[0]
        shape = shape + step * min(1.0, 2.0 / max(np.abs(step).max(), 1e-9))
        values = _values(body, shape)
        if np.abs(step).max() < 1e-3:
            break
    reached = dict(zip(NAMES, values.tolist(), strict=True))
    error = {n: reached[n] - given[n] for n in given}
    worst = max(given, key=lambda n: abs(error[n]) / given[n])
    if abs(error[worst]) > _MOST_OFF * given[worst] or np.abs(shape - start).max() > 8:
        unit = BY_NAME[worst].unit
        raise RequestError(f"No body has these measures together: with the others the {worst} becomes "
                           f"{reached[worst]:.2f} instead of {given[worst]:.2f} {unit}; change or leave out one of them.")
    return Fitted(shape.astype(np.float32), reached, error)


SEGMENTS = tuple((f"{a}_{s}", f"{b}_{s}") for s in "rl" for a, b in (
    ("femur", "tibia"), ("tibia", "talus"), ("humerus", "ulna"), ("ulna", "hand"), ("talus", "toes"))) + (
    ("femur_r", "femur_l"), ("humerus_r", "humerus_l"))
"""Bones by which another body is matched."""


def shape_for_bones(body: FreeBody, lengths_m: np.ndarray, trunk_m: float | None = None, sigma_m: float = 0.004
                    ) -> tuple[np.ndarray, float]:
    """The likeliest shape with given bones.

    Args:
        body: The free body.
        lengths_m: (12,) of `SEGMENTS`.
        trunk_m: Height of the shoulders over the hips.
        sigma_m: How near they are met, against the prior's standard deviations.

    Returns:
        shape (B,), and the root mean square error of the bones, m.
    """
    pairs = np.array([[_J[a], _J[b]] for a, b in SEGMENTS])
    hips, shoulders = [_J["femur_l"], _J["femur_r"]], [_J["humerus_l"], _J["humerus_r"]]
    rest, dirs = body.joints_m.astype(float), body.joint_dirs.astype(float)
    wanted = np.asarray(lengths_m, float)
    if trunk_m is not None:
        wanted = np.r_[wanted, trunk_m]

    def reached(shape):
        joints = rest + np.tensordot(shape, dirs, 1)
        out = np.linalg.norm(joints[pairs[:, 0]] - joints[pairs[:, 1]], axis=1)
        return out if trunk_m is None else np.r_[out, joints[shoulders, 2].mean() - joints[hips, 2].mean()]

    shape = np.zeros(body.n_shape)
    for _ in range(10):
        now = reached(shape)
        jacobian = np.stack([(reached(shape + 1e-3 * d) - now) / 1e-3 for d in np.eye(body.n_shape)], 1)
        rows = np.vstack([jacobian / sigma_m, np.eye(body.n_shape)])
        step = np.linalg.lstsq(rows, np.r_[(wanted - now) / sigma_m, -shape], rcond=None)[0]
        shape = shape + step
        if np.abs(step).max() < 1e-4:
            break
    off = reached(shape) - wanted
    return shape.astype(np.float32), float(np.sqrt((off**2).mean()))
