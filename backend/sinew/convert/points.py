"""Detected keypoints of other systems as tracks for our own fit: their orders, their people over time, a first depth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from sinew import flow
from sinew.motion.model import DEPTH_BIAS_M
from sinew_take import masks as mask_arrays
from sinew_take import skeleton as sk

KEYPOINTS = sk.MEDIAPIPE_KEYPOINTS
K = {name: i for i, name in enumerate(KEYPOINTS)}


FAR_PX = 1e5
"""Further off than any picture is wide: no place at all."""
JUMP, STAY = 0.5, 0.25
"""Two people whose numbers are exchanged between neighbouring frames each seem to jump by more than the first share of
their size, while somebody of the other number goes on within the second."""


def _numbered(**table: int) -> dict[str, int]:
    return table


_COCO17 = _numbered(nose=0, eye_l=1, eye_r=2, ear_l=3, ear_r=4, shoulder_l=5, shoulder_r=6, elbow_l=7, elbow_r=8, wrist_l=9,
                    wrist_r=10, hip_l=11, hip_r=12, knee_l=13, knee_r=14, ankle_l=15, ankle_r=16)
_HANDS = {f"{name}_{side}": first + n for side, first in (("l", 91), ("r", 112))
          for name, n in (("thumb", 2), ("index", 5), ("pinky", 17))}
ORDERS = {
    17: _COCO17,
    18: _numbered(nose=0, shoulder_r=2, elbow_r=3, wrist_r=4, shoulder_l=5, elbow_l=6, wrist_l=7, hip_r=8, knee_r=9,
                  ankle_r=10, hip_l=11, knee_l=12, ankle_l=13, eye_r=14, eye_l=15, ear_r=16, ear_l=17),
    25: _numbered(nose=0, shoulder_r=2, elbow_r=3, wrist_r=4, shoulder_l=5, elbow_l=6, wrist_l=7, hip_r=9, knee_r=10,
                  ankle_r=11, hip_l=12, knee_l=13, ankle_l=14, eye_r=15, eye_l=16, ear_r=17, ear_l=18, foot_index_l=19,
                  heel_l=21, foot_index_r=22, heel_r=24),
    26: {**_COCO17, "foot_index_l": 20, "foot_index_r": 21, "heel_l": 24, "heel_r": 25},
    133: {**_COCO17, "foot_index_l": 17, "heel_l": 19, "foot_index_r": 20, "heel_r": 22, "mouth_r": 71, "mouth_l": 77,
          **_HANDS},
    70: {**{n: i for n, i in _COCO17.items() if not n.startswith(("wrist", "hip", "knee", "ankle"))},
         **_numbered(hip_l=9, hip_r=10, knee_l=11, knee_r=12, ankle_l=13, ankle_r=14, foot_index_l=15, heel_l=17,
                     foot_index_r=18, heel_r=20, thumb_r=22, index_r=28, pinky_r=40, wrist_r=41, thumb_l=43, index_l=49,
                     pinky_l=61, wrist_l=62)},
}
"""Number of keypoints -> ours by their index: COCO (17), OpenPose's COCO (18) and BODY_25, Halpe (26), COCO-WholeBody
(133; faces and hands in part), MHR (70). Sources: the projects' own keypoint tables."""


@dataclass
class Seen:
    """One person in one frame."""

    frame: int
    px: np.ndarray
    """(33, 3): x, y, confidence; NaN and 0 where the system has no such keypoint."""
    ident: int | None = None
    landmarks_m: np.ndarray | None = None
    """(33, 3) in the axes of the crop, hip-centred, where the system guesses depth."""
    focal_px: float | None = None


@dataclass
class Detections:
    """A whole result of keypoints."""

    system: str
    seen: list[Seen]
    size_px: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)


def ours(points: np.ndarray) -> np.ndarray:
    """(N, 3) of a known order -> (33, 3)."""
    out = np.zeros((len(KEYPOINTS), 3))
    out[:, :2] = np.nan
    for name, i in ORDERS[len(points)].items():
        x, y, c = points[i]
        if np.isfinite([x, y, c]).all() and c > 0 and max(abs(x), abs(y)) < FAR_PX:
            out[K[name]] = x, y, min(c, 1.0)
    return out


def link(seen: list[Seen]) -> list[list[Seen]]:
    """People over time: by the system's own numbers where it has any, else by the overlap of their places."""
    if seen and all(s.ident is not None for s in seen):
        tracks: dict[int, list[Seen]] = {}
        for s in seen:
            tracks.setdefault(s.ident, []).append(s)
        return [_one_per_frame(t) for t in tracks.values()]
    open_tracks: list[list[Seen]] = []
    for frame in sorted({s.frame for s in seen}):
        here = [s for s in seen if s.frame == frame]
        last = [t[-1] for t in open_tracks]
        cost = np.array([[_distance(a, b) + 0.02 * (frame - a.frame) for b in here] for a in last]).reshape(
            len(last), len(here))
        taken = set()
        if cost.size:
            for i, j in zip(*linear_sum_assignment(np.minimum(cost, 1e3)), strict=True):
                if cost[i, j] < 0.5:
                    open_tracks[i].append(here[j])
                    taken.add(j)
        open_tracks += [[s] for j, s in enumerate(here) if j not in taken]
    return open_tracks


def unexchanged(tracks: list[list[Seen]]) -> tuple[list[list[Seen]], list[int]]:
    """Tracks by the system's own numbers with exchanges put right, and the frames from which two were exchanged.

    Args:
        tracks: As `link` gives them.
    """
    at = [{s.frame: s for s in track} for track in tracks]
    frames = sorted({f for own in at for f in own})
    owner = list(range(len(at)))  # whose detections person i has from here on
    out: list[list[Seen]] = [[] for _ in at]
    exchanged = []
    for before, frame in zip([None, *frames], frames, strict=False):
        if before == frame - 1:
            jumped = [i for i, own in enumerate(owner) if before in at[own] and frame in at[own]
                      and _distance(at[own][before], at[own][frame]) > JUMP]
            for k, i in enumerate(jumped):
                for j in jumped[k + 1:]:
                    a, b = at[owner[i]], at[owner[j]]
                    if max(_distance(a[before], b[frame]), _distance(b[before], a[frame])) < STAY:
                        owner[i], owner[j] = owner[j], owner[i]
                        exchanged.append(frame)
        for i, own in enumerate(owner):
            if frame in at[own]:
                out[i].append(at[own][frame])
    return out, exchanged


def _one_per_frame(track: list[Seen]) -> list[Seen]:
    best: dict[int, Seen] = {}
    for s in track:
        if s.frame not in best or s.px[:, 2].sum() > best[s.frame].px[:, 2].sum():
            best[s.frame] = s
    return [best[f] for f in sorted(best)]


def _distance(a: Seen, b: Seen) -> float:
    """Mean distance of the keypoints that both have, over the person's size."""
    both = (a.px[:, 2] > 0.2) & (b.px[:, 2] > 0.2)
    if both.sum() < 3:
        return np.inf
    size = max(np.ptp(a.px[both, :2], axis=0).max(), 1.0)
    return float(np.linalg.norm(a.px[both, :2] - b.px[both, :2], axis=1).mean() / size)


def tracks_of(detections: Detections, frames: np.ndarray, size_px: tuple[int, int], most: int | None = None
              ) -> flow.People:
    """People for the camera and motion stages.

    Args:
        detections: What was read.
        frames: (T,) frames of the result that the shot holds.
        size_px: Of the picture.
        most: Keep at most so many, those seen longest and largest first.
    """
    slot = {int(f): t for t, f in enumerate(frames)}
    n = len(frames)
    found = []
    tracks, exchanged = unexchanged(link([s for s in detections.seen if s.frame in slot]))
    notes, poor = list(detections.notes), 0
    if exchanged:
        when = ", ".join(map(str, exchanged[:4])) + (", …" if len(exchanged) > 4 else "")
        notes.append(f"{detections.system}: the numbers of two people are exchanged from frame {when} on; everybody was "
                     "followed by their place.")
    for people in tracks:
        px = np.full((n, len(KEYPOINTS), 3), np.nan)
        given = np.full((n, len(KEYPOINTS), 3), np.nan)
        for s in people:
            px[slot[s.frame]] = s.px
            if s.landmarks_m is not None:
                given[slot[s.frame]] = s.landmarks_m
        confidence = np.nan_to_num(px[..., 2])
        landmarks = lift(px, (confidence > 0.1).sum(1) >= 6)
        present = np.isfinite(landmarks).all((1, 2))
        if present.sum() < 2:
            poor += 1
            continue
        sure = np.where((confidence > 0.1)[..., None], px[..., :2], np.nan)
        box = np.full((n, 4), np.nan)
        box[present] = np.concatenate([np.nanmin(sure[present], 1), np.nanmax(sure[present], 1)], -1)
        margin = 0.08 * (box[:, 3] - box[:, 1])
        box += margin[:, None] * np.array([-1, -1, 1, 1])
        px[~present] = np.nan
        landmarks = np.where(np.isfinite(given).all((1, 2), keepdims=True), given, landmarks)
        track = flow.Track("", present, px, np.zeros((n, len(KEYPOINTS))), landmarks, box, _box_masks(box, present, size_px))
        weight = float(((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]))[present].sum())
        found.append((weight, track))
    found.sort(key=lambda pair: -pair[0])
    people = [track for _, track in found[:most]]
    for number, track in enumerate(people, 1):
        track.id = f"person_{number}"
    if poor and people:
        notes.append(f"{poor} {'person' if poor == 1 else 'people'} seen with enough keypoints in fewer than two frames "
                     f"{'was' if poor == 1 else 'were'} left out.")
    return flow.People(people, notes)


def _box_masks(box: np.ndarray, present: np.ndarray, size_px: tuple[int, int]) -> dict[str, np.ndarray]:
    """Boxes as masks on a coarse grid: nothing finer is known, and the background must not be looked for in them."""
    grid = max(size_px) / 160
    width, height = (max(1, round(s / grid)) for s in size_px)
    out = []
    for b, there in zip(box, present, strict=True):
        if not there:
            out.append(None)
            continue
        x0, y0 = (int(np.clip(np.floor(v / grid), 0, m)) for v, m in zip(b[:2], (width, height)))
        x1, y1 = (int(np.clip(np.ceil(v / grid), 0, m)) for v, m in zip(b[2:], (width, height)))
        out.append(((x0, y0, x1, y1), np.ones((max(y1 - y0, 0), max(x1 - x0, 0)), bool)) if x1 > x0 and y1 > y0 else None)
    return mask_arrays.pack(out, (width, height))


_BONES = (("shoulder", "elbow", .27), ("elbow", "wrist", .25), ("hip", "knee", .39), ("knee", "ankle", .41),
          ("shoulder", "hip", .48))
_SHOULDERS, _HIPS = .34, .20
"""Lengths of a mean adult, m, between keypoints."""


def lift(px: np.ndarray, present: np.ndarray) -> np.ndarray:
    """A first guess of depth for flat keypoints: what begins the fit, no more.

    Bones shorter in the picture than on a mean adult lead in depth the way joints bend: knees and hands forward, shins
    back. Which way the body faces is told by its shoulders' width and by nose and toes.

    Args:
        px: (T, 33, 3); NaN or confidence 0 where unknown.
        present: (T,)

    Returns:
        (T, 33, 3) in the axes of `flow.Track.landmarks_m`, finite where present.
    """
    out = np.full((len(px), len(KEYPOINTS), 3), np.nan)
    size = np.full(len(px), np.nan)
    facing = np.full((len(px), 2), np.nan)
    for t in np.nonzero(present)[0]:
        size[t] = _pixels_per_metre(px[t])
        if np.isfinite(size[t]):
            facing[t] = _facing(px[t], size[t])
    if not np.isfinite(size).any():
        return out
    known = np.nonzero(np.isfinite(size))[0]
    steady = np.array([np.median(size[known[max(i - 7, 0): i + 8]]) for i in range(len(known))])
    for i, t in enumerate(known):
        turn = np.nanmedian(facing[known[max(i - 3, 0): i + 4]], axis=0)
        out[t] = _lift_one(px[t], steady[i], turn / max(np.linalg.norm(turn), 1e-6))
    return out


def _pair(px: np.ndarray, a: str, b: str) -> np.ndarray | None:
    p, q = px[K[a]], px[K[b]]
    return q[:2] - p[:2] if min(p[2], q[2]) > 0.1 else None


def _pixels_per_metre(px: np.ndarray) -> float:
    ratios = []
    for a, b, length in _BONES:
        for s in "lr":
            way = _pair(px, f"{a}_{s}", f"{b}_{s}")
            if way is not None:
                ratios.append(np.linalg.norm(way) / length)
    size = float(np.percentile(ratios, 75)) if ratios else 0.0
    return size if size > 1.0 else np.nan


def _facing(px: np.ndarray, size: float) -> np.ndarray:
    """(x, z) of the direction the body faces: x right, z away from the camera."""
    across = [_pair(px, f"{n}_r", f"{n}_l") for n in ("shoulder", "hip")]
    widths = [w[0] / size / full for w, full in zip(across, (_SHOULDERS, _HIPS)) if w is not None]
    z = -float(np.clip(np.mean(widths), -1, 1)) if widths else -1.0
    cues = []
    ears = [px[K[n]] for n in ("ear_l", "ear_r", "shoulder_l", "shoulder_r") if px[K[n], 2] > 0.1]
    if px[K["nose"], 2] > 0.1 and ears:
        cues.append((px[K["nose"], 0] - np.mean([e[0] for e in ears])) / size / 0.1)
    for s in "lr":
        foot = _pair(px, f"heel_{s}", f"foot_index_{s}")
        if foot is not None:
            cues.append(foot[0] / size / 0.2)
    side = np.mean(cues) if cues else 0.0
    return np.array([np.sign(side) * np.sqrt(max(1 - z * z, 0.0)), z])


def _lift_one(px: np.ndarray, size: float, facing: np.ndarray) -> np.ndarray:
    fx, fz = facing
    left_z = fx
    at = {name: px[i, :2] / size if px[i, 2] > 0.1 else None for name, i in K.items()}
    hips = [at[f"hip_{s}"] for s in "lr" if at[f"hip_{s}"] is not None]
    anything = np.nanmean(px[px[:, 2] > 0.1, :2], axis=0) / size
    middle = np.mean(hips, axis=0) if hips else anything
    shoulders = [at[f"shoulder_{s}"] for s in "lr" if at[f"shoulder_{s}"] is not None]
    top = np.mean(shoulders, axis=0) if shoulders else middle - [0, 0.5]
    place: dict[str, np.ndarray] = {}

    def put(name: str, z: float, default: np.ndarray) -> np.ndarray:
        flat = at[name] if at[name] is not None else default[:2] + middle
        place[name] = np.r_[flat - middle, z]
        return place[name]

    def reach(name: str, start: np.ndarray, length: float, forward: float, drop: np.ndarray) -> np.ndarray:
        flat = at[name] - middle if at[name] is not None else (start + drop)[:2]
        short = np.sqrt(max((0.95 * length) ** 2 - ((flat - start[:2]) ** 2).sum(), 0.0))
        return put(name, start[2] + forward * short * np.sign(fz) * (abs(fz) > 0.25), np.r_[flat, 0])

    for s, k in (("l", 1.0), ("r", -1.0)):
        side = np.array([-fz * k, 0.0])
        hip = put(f"hip_{s}", k * left_z * _HIPS / 2, np.r_[side * _HIPS / 2, 0])
        knee = reach(f"knee_{s}", hip, .39, 1, np.array([0, .39, 0]))
        ankle = reach(f"ankle_{s}", knee, .41, -1, np.array([0, .41, 0]))
        put(f"heel_{s}", ankle[2] - 0.05 * fz, ankle + [-0.05 * fx, 0.05, 0])
        put(f"foot_index_{s}", ankle[2] + 0.17 * fz, ankle + [0.17 * fx, 0.06, 0])
        shoulder = put(f"shoulder_{s}", k * left_z * _SHOULDERS / 2, np.r_[top - middle + side * _SHOULDERS / 2, 0])
        elbow = reach(f"elbow_{s}", shoulder, .27, 0.5, np.array([0, .27, 0]))
        wrist = reach(f"wrist_{s}", elbow, .25, 1, np.array([0, .25, 0]))
        way = (wrist - elbow) / max(np.linalg.norm(wrist - elbow), 1e-6)
        for finger, far in (("thumb", .04), ("index", .09), ("pinky", .08)):
            put(f"{finger}_{s}", (wrist + far * way)[2], wrist + far * way)
        head = np.r_[top - middle, 0] + [0.0, -0.22, 0.0]
        put(f"ear_{s}", k * 0.075 * left_z, head + np.r_[0.075 * side, 0])
        for part, out_m, up in (("eye_inner", .015, -.03), ("eye", .03, -.03), ("eye_outer", .045, -.03),
                                ("mouth", .025, .06)):
            put(f"{part}_{s}", 0.08 * fz + k * out_m * left_z, head + np.r_[0.08 * fx, up, 0] + np.r_[out_m * side, 0])
    put("nose", 0.11 * fz, np.r_[top - middle, 0] + [0.11 * fx, -0.20, 0.0])
    out = np.stack([place[name] for name in KEYPOINTS])
    out[:, 2] += DEPTH_BIAS_M
    return out
