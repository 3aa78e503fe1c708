"""A clip put together: who moves how, where the camera is, and the truth of it. Pure NumPy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from sinew_take import laws
from sinew_take import skeleton as sk

from . import cameras, feet, gait, looks, recorded
from . import steps as steps_of

PATHS = ("loop", "line", "steps")
KEY_LIGHT_M = {"room": (-3.0, -2.4, 4.4), "street": (-8.0, -12.0, 18.0), "studio": (-3.5, -3.5, 3.6)}
"""Where the light that throws the visible shadows stands, by set."""
SETS = tuple(KEY_LIGHT_M)
CYCLIC = ("walk", "jog", "run")
"""Recordings that go on in rounds."""
_LEAD_S = 0.8  # walks begin earlier than the clip, so that its first frame is in full stride


@dataclass(frozen=True)
class Person:
    """One person of a clip."""

    motion: str = "walk"
    """"walk" (published curves) or the path of a recorded motion."""
    path: str = "loop"
    """Of a walk: "loop" (to the camera, round and away: front, side and back are seen), "line", or "steps": a
    line over two steps up and two down, which stand in the set."""
    heading_deg: float = 35.0
    """Direction at the start: 0 towards the camera, 90 to the picture's right."""
    x_m: float = 0.0
    y_m: float = 0.0
    """Where the middle of the way lies, to the right of and behind the middle of the set."""
    body: int = 1
    """Seed of the shape; 0 is the mean body."""
    shape: tuple[float, ...] | None = None
    """Shape coefficients instead of a seed."""
    outfit: int = 1
    start_s: float = 0.0
    """Of a recording: where to begin."""
    pace: float = 1.0


@dataclass(frozen=True)
class Lens:
    """The camera of a clip. `distance_m` None puts the first person at `fill` of the picture's height."""

    kind: str = "static"
    focal_mm: float = 35.0
    height_m: float = 1.45
    distance_m: float | None = None
    fill: float = 0.75
    amount: float = 1.0
    side_deg: float = 0.0
    """How far round the people it begins, to the right: at 0 it sees the set straight on."""


@dataclass(frozen=True)
class Spec:
    """Everything that decides a clip."""

    people: tuple[Person, ...] = (Person(),)
    lens: Lens = Lens()
    set_name: str = "room"
    rate: Fraction = Fraction(24)
    seconds: float = 5.0
    size_px: tuple[int, int] = (640, 360)
    samples: int = 24
    seed: int = 1


@dataclass
class Actor:
    """One person, moved. Everything in the set's frame."""

    spec: Person
    shape: np.ndarray
    planted: feet.Planted
    vertices_m: np.ndarray
    """(T, V, 3) float32, clothed skin."""
    keypoints_m: np.ndarray
    """(T, 33, 3)"""
    rest_joints_m: np.ndarray
    """(24, 3)"""
    rest_vertices_m: np.ndarray
    """(V, 3) clothed, rest pose."""
    rest_keypoints_m: np.ndarray
    outfit: looks.Outfit
    steps: steps_of.Steps | None = None
    """What this person walks over."""


@dataclass
class Clip:
    """A clip ready to render. `T_ws` maps the set into the take's world."""

    spec: Spec
    time_s: np.ndarray
    actors: list[Actor]
    T_sc: np.ndarray
    """(T, 4, 4) camera to set."""
    K: np.ndarray
    T_ws: np.ndarray
    notes: list[str] = field(default_factory=list)


def shape_of(body, person: Person) -> np.ndarray:
    """Shape coefficients (B,) of a person: theirs, or drawn by seed within about one and a half standard deviations."""
    n = len(body.shape_names)
    if person.shape is not None:
        if len(person.shape) > n:
            raise ValueError(f"the body has {n} shape coefficients and {len(person.shape)} were given")
        return np.pad(np.asarray(person.shape, float), (0, n - len(person.shape)))
    if person.body == 0:
        return np.zeros(n)
    return np.clip(0.7 * np.random.default_rng(person.body).standard_normal(n), -1.5, 1.5)


def way(kind: str, heading_deg: float, length_m: float) -> np.ndarray:
    """(P, 2) a way on the floor, its bounding box centred on the origin; densely sampled."""
    if kind not in PATHS:
        raise ValueError(f"nobody walks along a {kind!r}; choose one of {', '.join(PATHS)}")
    step = 0.02
    n = max(int(length_m / step), 2)
    s = np.arange(n) * step
    turn = np.zeros(n)
    if kind == "loop":
        straight, radius = 0.22 * length_m, 0.80
        end = straight + 0.4 + radius * np.radians(205)
        bend = np.clip((s - straight) / 0.4, 0, 1) * np.clip((end - s) / 0.4, 0, 1)
        turn = bend / radius
    heading = np.radians(heading_deg) + np.cumsum(turn) * step
    points = np.cumsum(np.stack([np.sin(heading), -np.cos(heading)], -1) * step, 0)
    return points - (points.min(0) + points.max(0)) / 2


_THICK_M = {"top": 0.011, "trousers": 0.011, "shoes": 0.006, "hair": 0.009}
_SMOOTHING = {"top": 12, "trousers": 12, "shoes": 60, "hair": 4}


def _hems(vertices_m: np.ndarray, faces: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Straighten the borders between differently covered faces. kind: (F,) int. Returns vertices (V, 3)."""
    n = len(vertices_m)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    kinds = np.tile(kind, 3)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    edges, kinds = edges[order], kinds[order]
    twin = (edges[1:] == edges[:-1]).all(1) & (kinds[1:] != kinds[:-1])
    border = edges[1:][twin]
    both = np.concatenate([border, border[:, ::-1]])
    degree = np.bincount(both[:, 0], minlength=n)
    out = vertices_m.copy()
    line = degree == 2  # corners of borders stay
    for _ in range(30):
        mean = np.stack([np.bincount(both[:, 0], out[both[:, 1], k], n) for k in range(3)], -1)
        out[line] = 0.5 * out[line] + 0.25 * mean[line]
    return out


def dress(body, vertices_m: np.ndarray, outfit: looks.Outfit, seed: int) -> np.ndarray:
    """Rest vertices with clothes: covered skin is smoothed (cloth bridges hollows, shoes hide toes) and moved outwards.

    Returns:
        (V, 3) m. Soles stay where they are.
    """
    faces, n = body.faces, len(vertices_m)
    cloth = [outfit.cloth(str(name)) for name in body.region_names]
    count = np.bincount(faces.ravel(), minlength=n)

    def share(name):
        own = np.array([c == name for c in cloth])[body.region]
        return np.bincount(faces[own].ravel(), minlength=n) / np.maximum(count, 1)

    kinds = ["", *_THICK_M]
    out = _hems(np.asarray(vertices_m, float), faces, np.array([kinds.index(c or "") for c in cloth])[body.region])
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    degree = np.maximum(np.bincount(edges[:, 0], minlength=n), 1)[:, None]
    off = np.zeros(n)
    for name, thick in _THICK_M.items():
        own = share(name)
        inside = (own > 0.99)[:, None]
        for _ in range(_SMOOTHING[name]):
            mean = np.stack([np.bincount(edges[:, 0], out[edges[:, 1], k], n) for k in range(3)], -1) / degree
            out = np.where(inside, 0.5 * out + 0.5 * mean, out)
        off += thick * own
    normal = np.zeros_like(out)
    flat = np.cross(out[faces[:, 1]] - out[faces[:, 0]], out[faces[:, 2]] - out[faces[:, 0]])
    for k in range(3):
        normal += np.stack([np.bincount(faces[:, k], flat[:, i], n) for i in range(3)], -1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    rng = np.random.default_rng(500 + seed)
    wave = sum(np.sin(out @ rng.normal(0, f, 3) + rng.uniform(0, 6.28)) for f in (12, 25, 40)) / 3
    out += normal * (off * (1 + 0.35 * wave))[:, None]
    low = vertices_m[:, 2] < 0.03
    out[:, 2] = np.where(low, np.maximum(out[:, 2], 0.0), out[:, 2])
    return out


def actor(body, person: Person, time_s: np.ndarray, seed: int) -> Actor:
    """Move one person. body: `sinew_take.free_body.FreeBody`."""
    step = float(time_s[1] - time_s[0])
    shape, steps = shape_of(body, person), None
    vertices, joints = body.vertices(shape), body.joints(shape)
    fig = feet.figure(joints, vertices, body.skin_index, body.skin_weight)
    heading = np.radians(person.heading_deg)
    if person.motion == "walk":
        lead = round(_LEAD_S / step)
        times = (np.arange(len(time_s) + 2 * lead) - lead) * step
        style = gait.Style(cycle_s=gait.CYCLE_S / person.pace, phase=float(np.random.default_rng(seed).uniform()))
        forward, sway = feet.stride(fig, style)
        pace = forward[-1] / style.cycle_s
        path = way(person.path, person.heading_deg, pace * time_s[-1])
        start = np.array([np.sin(heading), -np.cos(heading)])
        before = path[0] - start * np.linspace(pace * lead * step, 0.02, 40)[:, None]
        raw = gait.walk(times, np.concatenate([before, path]), None, style, forward, sway)
        steps = _steps(raw, fig, start, len(times) // 2) if person.path == "steps" else None
        planted = feet.plant(raw, fig, step, steps=steps)
        keep = slice(lead, lead + len(time_s))
        planted = feet.Planted(planted.q[keep], planted.root_m[keep], planted.T_wj[keep], planted.contact[keep],
                               planted.miss_m, planted.clamped_deg,
                               None if planted.ground_m is None else planted.ground_m[keep])
        shift = np.zeros(2)
    else:
        recording = recorded.read(person.motion)
        need = person.start_s + time_s[-1] * person.pace
        if Path(person.motion).stem in CYCLIC:
            recording = recorded.repeat(recording, int(np.ceil(need / recording.time_s[-1])) + 1)
        moved = recorded.at_times(recording, person.start_s + time_s * person.pace)
        raw = recorded.retarget(moved, fig, step, heading)
        planted = feet.plant(raw, fig, step, far_m=recorded.FAR_M)
        shift = -(planted.root_m[:, :2].min(0) + planted.root_m[:, :2].max(0)) / 2
    planted = _shifted(planted, shift + [person.x_m, person.y_m])
    steps = None if steps is None else steps.moved(shift + [person.x_m, person.y_m])
    outfit = looks.outfit(person.outfit)
    worn = dress(body, vertices, outfit, person.outfit)
    move = laws.skin_transforms(planted.T_wj, joints, sk.REST_FRAMES)
    skinned = np.stack([laws.skin(worn, body.skin_index, body.skin_weight, m) for m in move]).astype(np.float32)
    points = body.keypoints(shape)
    keypoints = np.stack([laws.skin(points, body.keypoint_index, body.keypoint_weight, m) for m in move])
    return Actor(person, shape, planted, skinned, keypoints, joints, worn, points, outfit, steps)


def _steps(raw: gait.RawMotion, fig: feet.Figure, ahead: np.ndarray, frame: int) -> steps_of.Steps:
    """Steps whose top is reached at about a frame."""
    falls = feet.footfalls(raw, fig)
    middle = int(np.argmin([abs(at - frame) for at, _ in falls]))
    toe = fig.joints_m[sk.JOINT_INDEX["toes_r"]]
    return steps_of.under(np.array([place for _, place in falls]), middle, ahead, toe[1] - fig.tip_m[1, 1],
                          fig.heel_m[1, 1] - toe[1])


def _shifted(planted: feet.Planted, move_m: np.ndarray) -> feet.Planted:
    root, T = planted.root_m.copy(), planted.T_wj.copy()
    root[:, :2] += move_m
    T[:, :, :2, 3] += move_m
    return replace(planted, root_m=root, T_wj=T)


def make(spec: Spec, body) -> Clip:
    """Motions, camera and the take's world of a clip. body: `sinew_take.free_body.FreeBody`."""
    n = max(round(float(spec.seconds * spec.rate)), 2)
    time_s = np.arange(n) * float(1 / spec.rate)
    actors = [actor(body, p, time_s, spec.seed + 7 * i) for i, p in enumerate(spec.people)]
    K = cameras.intrinsics(spec.size_px, spec.lens.focal_mm)
    everybody = np.concatenate([a.keypoints_m for a in actors], 1)
    pelvis = np.concatenate([a.planted.root_m for a in actors])
    middle = (pelvis[:, :2].min(0) + pelvis[:, :2].max(0)) / 2
    first = actors[0]
    tall = float(np.ptp(first.rest_vertices_m[:, 2]))
    target = np.array([*middle, 0.43 * tall])
    notes = []
    distance = spec.lens.distance_m
    asked = distance if distance is not None else K[0, 0] * tall / (spec.lens.fill * spec.size_px[1])
    T_sc = _camera(spec, time_s, target, asked)
    if distance is None:
        while not _inside(everybody, T_sc, K, spec.size_px) and asked < 30:
            asked *= 1.02
            T_sc = _camera(spec, time_s, target, asked)
    if not _inside(everybody, T_sc, K, spec.size_px):
        notes.append("somebody leaves the picture")
    ahead = T_sc[0, :3, 2]
    spin = np.arctan2(ahead[0], ahead[1])  # to bring the first look onto +Y
    T_ws = np.eye(4)
    c, s = np.cos(spin), np.sin(spin)
    T_ws[:2, :2] = [[c, -s], [s, c]]
    T_ws[:3, 3] = -T_ws[:3, :3] @ (first.planted.root_m[0] * [1, 1, 0])
    return Clip(spec, time_s, actors, T_sc, K, T_ws, notes)


def _camera(spec: Spec, time_s: np.ndarray, target_m: np.ndarray, distance_m: float) -> np.ndarray:
    side = np.radians(spec.lens.side_deg)
    eye = target_m + distance_m * np.array([np.sin(side), -np.cos(side), 0.0])
    eye[2] = spec.lens.height_m
    return cameras.path(spec.lens.kind, time_s, eye, target_m, spec.lens.amount, spec.seed)


def _inside(points_m: np.ndarray, T_wc: np.ndarray, K: np.ndarray, size_px: tuple[int, int]) -> bool:
    px = cameras.project(points_m, T_wc, K)
    edge = 0.035 * size_px[1]
    top = edge + 0.04 * size_px[1]  # keypoints end at the eyes: leave room for the head
    return bool((px[..., 0] > edge).all() and (px[..., 0] < size_px[0] - edge).all()
                and (px[..., 1] > top).all() and (px[..., 1] < size_px[1] - edge).all())


def truth(clip: Clip) -> dict[str, np.ndarray]:
    """Arrays that are kept beside the mp4, in the take's world (see docs/sample/README.md).

    The first person's arrays have plain names; those of the second and further people end in `_2`, `_3`, ….
    """
    g = clip.T_ws
    spin = np.arctan2(g[1, 0], g[0, 0])
    T_wc = g @ clip.T_sc
    n = len(clip.time_s)
    out = {"time_s": clip.time_s, "K": np.broadcast_to(clip.K, (n, 3, 3)), "T_wc": T_wc, "distortion": np.zeros((n, 5)),
           "size_px": np.array(clip.spec.size_px, np.int32), "people": np.array(len(clip.actors), np.int32)}
    for i, a in enumerate(clip.actors):
        end = "" if i == 0 else f"_{i + 1}"
        q = a.planted.q.copy()
        # The heading is the outermost of the pelvis' turns, about the vertical, so the world's spin adds to it.
        q[:, sk.DOF_INDEX["pelvis_rotation"]] += spin
        T_wj = g @ a.planted.T_wj
        points = a.keypoints_m @ g[:3, :3].T + g[:3, 3]
        own = {"q": q, "root_m": a.planted.root_m @ g[:3, :3].T + g[:3, 3], "T_wj": T_wj, "joints_m": T_wj[..., :3, 3],
               "contact": a.planted.contact, "shape": a.shape, "rest_joints_m": a.rest_joints_m,
               "keypoints_m": points,
               "keypoints_px": cameras.project(points, T_wc, clip.K)}
        if a.planted.ground_m is not None:
            own["ground_m"] = a.planted.ground_m
        out |= {name + end: value for name, value in own.items()}
    return {k: np.asarray(v, np.float32) if np.asarray(v).dtype == np.float64 and k != "time_s" else np.asarray(v)
            for k, v in out.items()}


def boxes(clip: Clip, pad_px: int = 26) -> np.ndarray:
    """(T, 4) int x0 y0 x1 y1: the part of the picture that the people and their shadows on the floor change."""
    width, height = clip.spec.size_px
    light = np.array(KEY_LIGHT_M[clip.spec.set_name])
    low, high = np.full((len(clip.time_s), 2), np.inf), np.full((len(clip.time_s), 2), -np.inf)
    for a in clip.actors:
        points = a.vertices_m[:, ::7].astype(float)
        ray = points - light
        shadow = light + ray * (light[2] / np.maximum(-ray[..., 2:], 1e-3))
        shadow[..., 2] = 0
        away = shadow - points * [1, 1, 0]
        # What falls farther than this is faint, and lies on walls.
        away *= np.minimum(1, 1.8 / np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-9))
        for p in (points, points * [1, 1, 0] + away):
            px = cameras.project(p, clip.T_sc, clip.K)
            low, high = np.minimum(low, px.min(1)), np.maximum(high, px.max(1))
    out = np.concatenate([np.floor(low) - pad_px, np.ceil(high) + pad_px], 1)
    return np.clip(out, 0, [width, height, width, height]).astype(int)


def job(clip: Clip, body, whole: bool = True) -> dict[str, np.ndarray]:
    """What Blender needs to render a clip, in the set's frame: arrays only, text as JSON in `spec`.

    Unless `whole`, the empty set is rendered once and each frame only within its box (static cameras).
    """
    spec = clip.spec
    info = {"set": spec.set_name, "seed": spec.seed, "samples": spec.samples, "size_px": list(spec.size_px),
            "focal_mm": spec.lens.focal_mm, "regions": [str(r) for r in body.region_names],
            "keypoint_names": list(sk.MEDIAPIPE_KEYPOINTS), "outfits": [a.outfit.plain() for a in clip.actors],
            "cloth": [[a.outfit.cloth(str(r)) for r in body.region_names] for a in clip.actors],
            "blocks": [block for a in clip.actors if a.steps is not None for block in a.steps.blocks()],
            "key_light_m": list(KEY_LIGHT_M[spec.set_name])}
    out = {"spec": np.array(json.dumps(info)), "T_sc": clip.T_sc, "faces": body.faces, "region": body.region}
    if not whole:
        out["box_px"] = boxes(clip)
    for i, a in enumerate(clip.actors):
        out |= {f"vertices_{i}": a.vertices_m, f"rest_{i}": a.rest_vertices_m.astype(np.float32),
                f"keypoints_{i}": a.rest_keypoints_m.astype(np.float32)}
    return out


def digest(arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 of a job: two jobs with the same one render the same pictures."""
    h = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        h.update(f"{name} {array.dtype} {array.shape}".encode())
        h.update(array.tobytes())
    return h.hexdigest()
