"""Where the fit begins: observations of a track, and a first pose from the detector's 3D landmarks.

The detector's landmarks are flattened in depth and carry no limits, but they tell which way the body faces and which
limb is in front: a fit begun from them lands in the right one of the mirrored poses that one view cannot tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sinew_take import skeleton as sk

from ..flow import Shot, Track
from ..geometry import projection
from ..geometry import rotations as rot
from ..geometry.ground import NOTHING_STRAIGHT, Straight
from .fit import Observations, State, View
from .from_prior import with_prior
from .model import DEPTH_BIAS_M, HIPS, KEYPOINT, REST_Q, SHOULDERS, Model
from .outline import outline_of

LEAST_CONFIDENCE = 0.05
DOUBTFUL = 0.1
"""Factor on the confidence of a keypoint that may be somebody else's: 0.05 to 0.1 do as well on the crossings of `bench
world`; at 0 whoever is overlapped for long would have no data."""
OVERLAP_SPREAD = 4.0
"""Where people overlap, looks that disagree err by more than their spread: several of them may have taken the same wrong
limb. Tried: 1 to 6."""
_TORSO = [KEYPOINT[n] for n in ("shoulder_l", "shoulder_r", "hip_l", "hip_r")]


@dataclass(frozen=True)
class Start:
    """What the camera stage already knows of one person."""

    shape: np.ndarray
    """(B,)"""
    straight: Straight = NOTHING_STRAIGHT
    """The same for everybody."""


def finite_track(track: Track) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keypoints (T,33,2), confidence (T,33) and landmarks (T,33,3) without a NaN; unseen ones have confidence 0."""
    px = np.asarray(track.keypoints_px, dtype=float)
    landmarks = np.asarray(track.landmarks_m, dtype=float)
    confidence = px[..., 2]
    ok = np.isfinite(px).all(-1) & np.asarray(track.present, dtype=bool)[:, None]
    confidence = np.where(ok, np.clip(np.nan_to_num(confidence), 0, 1), 0.0)
    confidence[confidence < LEAST_CONFIDENCE] = 0.0
    return np.where(ok[..., None], px[..., :2], 0.0), confidence, np.where(np.isfinite(landmarks), landmarks, np.nan)


def believed(track: Track) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (T,33,2) and confidence (T,33) of `finite_track`, those that may be somebody else's believed less."""
    px, confidence, _ = finite_track(track)
    return px, confidence if track.doubtful is None else np.where(track.doubtful, DOUBTFUL * confidence, confidence)


def ray_turn(px: np.ndarray, confidence: np.ndarray, K: np.ndarray) -> np.ndarray:
    """(T, 3, 3): turns the landmarks' axes, whose z runs along the line of sight to the person, into the camera's.

    The detector looks at a crop round the person as if the camera pointed at it.
    """
    weight = confidence + 1e-9
    middle = (px * weight[..., None]).sum(1) / weight.sum(1, keepdims=True)
    ray = np.stack([(middle[:, 0] - K[:, 0, 2]) / K[:, 0, 0], (middle[:, 1] - K[:, 1, 2]) / K[:, 1, 1],
                    np.ones(len(px))], -1)
    ray[confidence.sum(1) == 0] = (0, 0, 1)
    return rot.between(np.broadcast_to([0.0, 0.0, 1.0], ray.shape), ray)


def landmarks_in_camera(track: Track, K: np.ndarray) -> np.ndarray:
    """The detector's landmarks about the middle of the hips, in camera axes, (T, 33, 3) m; NaN where there are none.

    What the detector adds to their depth on average is taken off.
    """
    px, confidence, landmarks = finite_track(track)
    centred = landmarks - landmarks[:, list(HIPS)].mean(1, keepdims=True)
    centred[..., 2] -= DEPTH_BIAS_M
    return centred @ np.swapaxes(ray_turn(px, confidence, K), 1, 2)


def observations(shot: Shot, track: Track, frames: np.ndarray, K: np.ndarray, distortion: np.ndarray, model: Model,
                 distance_m: np.ndarray, joined: np.ndarray) -> Observations:
    """What the fit is given of a track.

    Args:
        shot: For the times.
        track: One person.
        frames: (N,) frames of the fit; those without a detection have no data and are filled by the neighbours.
        K: (N, 3, 3).
        distortion: (N, 5).
        model: For the spread of each keypoint.
        distance_m: (N,) of the person from the camera, which turns metres into pixels.
        joined: (N,) bool.
    """
    px, confidence = (values[frames] for values in believed(track))
    px = projection.undistort_px(px, K[:, None], distortion[:, None])
    depth = landmarks_in_camera(track, _for_track(track, frames, K))[frames][..., 2]
    spread = np.nan_to_num(np.asarray(track.spread_px, dtype=float)[frames], nan=0.0, posinf=0.0)
    if track.overlaps is not None:
        spread = spread * np.where(track.overlaps[frames], OVERLAP_SPREAD, 1.0)[:, None]
    sigma = np.hypot(model.sigma_m * (K[:, 0, 0] / np.maximum(distance_m, 0.3))[:, None], spread)
    sigma = np.maximum(sigma, 1.0)
    with np.errstate(divide="ignore", over="ignore"):
        sigma = np.where(confidence > 0, sigma / confidence, np.inf)
    usable = (confidence > 0) & np.isfinite(depth) & (confidence[:, list(HIPS)].min(1) > 0)[:, None]
    return Observations(px, sigma, np.where(usable, depth, 0.0), np.where(usable, confidence, 0.0),
                        np.asarray(shot.time_s, dtype=float)[frames], joined)


def with_outline(seen: Observations, shot: Shot, track: Track, frames: np.ndarray, K: np.ndarray, distortion: np.ndarray
                 ) -> Observations:
    """The same observations, with what the person's outline says of arms that are not seen. Args as `observations`."""
    confidence = believed(track)[1][frames]
    return replace(seen, outline=outline_of(track, frames, confidence, K, distortion, shot.info.size_px))


def _for_track(track: Track, frames: np.ndarray, K: np.ndarray) -> np.ndarray:
    out = np.broadcast_to(K[0], (len(track.present), 3, 3)).copy()
    out[frames] = K
    return out


def first_state(track: Track, frames: np.ndarray, time_s: np.ndarray, view: View, model: Model, shape: np.ndarray,
                distortion: np.ndarray) -> State:
    """A first pose per frame: the torso turned onto the landmarks, placed by the keypoints, limbs at rest.

    Frames without a detection take their pose from between their neighbours. time_s: (N,) of the frames (N,).
    """
    px, confidence = (values[frames] for values in believed(track))
    px = projection.undistort_px(px, view.K[:, None], distortion[:, None])
    landmarks = landmarks_in_camera(track, _for_track(track, frames, view.K))[frames]
    good = np.isfinite(landmarks).all((1, 2)) & ((confidence > 0).sum(1) >= 4)
    n = len(frames)
    pelvis, root = np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 3))
    rest = model.skeleton.rest(shape)
    points = model.keypoints.points
    body = np.zeros((points.n_points, 3))
    np.add.at(body, points.point, points.weight[:, None] * (points.rest_m + np.tensordot(shape, points.rest_dirs, 1)))
    if good.any():
        target = landmarks[good]
        R = torso_turns(body[_TORSO], target[:, _TORSO], np.asarray(time_s, dtype=float)[good])
        size = np.linalg.norm(body[list(SHOULDERS)].mean(0) - body[list(HIPS)].mean(0))
        own = np.linalg.norm(target[:, list(SHOULDERS)].mean(1), axis=1)
        # One scale for the take: the longest torso that the detector saw often is the one least foreshortened.
        scale = size / np.clip(np.percentile(own, 75), .2, 1.0)
        hips = _place(px[good], confidence[good], target * scale, view.K[good])
        to_root = rest[0] - body[list(HIPS)].mean(0)
        pelvis[good] = np.swapaxes(view.R_cw[good], 1, 2) @ R
        camera = hips + R @ to_root
        root[good] = np.einsum("tji,tj->ti", view.R_cw[good], camera - view.t_cw[good])
        _fill(pelvis, root, good)
    q = np.tile(_neutral(), (n, 1))
    if good.any():
        q[good] = _limbs(landmarks[good] @ view.R_cw[good], pelvis[good], rest, model.skeleton.frames)
        if not good.all():
            order = np.arange(n)
            for d in range(3, q.shape[1]):
                q[:, d] = np.interp(order, order[good], q[good, d])
    state = State(pelvis, q, root, np.asarray(shape, dtype=float))
    return with_prior(state, track.prior, frames, good, ray_turn(px, confidence, view.K), view, model,
                      lambda use, points_m: _place(px[use], confidence[use], points_m, view.K[use]))


_TORSO_ORDERS = ((0, 1, 2, 3), (1, 0, 2, 3), (0, 1, 3, 2), (1, 0, 3, 2))
"""Shoulders and hips of `_TORSO` as they were read, either of them exchanged, or both."""
_TORSO_SIGMA_M = 0.08
_EXCHANGED = 2.0
"""What an exchange must gain, in squared spreads, per pair ..."""
_TURN_RATE, _TURN_MOST = 6.0, 25.0
"""... beside turns: rad/s of a fast turn, and the most that a turn between two frames may cost."""


def torso_turns(body_m: np.ndarray, seen_m: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """(N, 3, 3): turns a torso onto where its shoulders and hips are seen, over time.

    Where the detector exchanges the shoulders alone, in profile, the torso seems to look the other way for a frame, and
    no fit finds back from there. So each frame has four readings, and the likeliest way through them is taken (Viterbi).

    Args:
        body_m: (4, 3) left and right shoulder, left and right hip of the body.
        seen_m: (N, 4, 3) the same as seen.
        time_s: (N,)
    """
    n = len(seen_m)
    seen = seen_m[:, np.array(_TORSO_ORDERS)]
    source = np.broadcast_to(body_m, seen.shape)
    R, shift, scale = rot.align(source, seen, with_scale=True)
    off = seen - scale[..., None, None] * source @ np.swapaxes(R, -1, -2) - shift[..., None, :]
    cost = (off**2).sum((-1, -2)) / _TORSO_SIGMA_M**2 + _EXCHANGED * np.array([sum(a > b for a, b in (o[:2], o[2:]))
                                                                              for o in _TORSO_ORDERS])
    came = np.zeros(cost.shape, dtype=int)
    best = cost[0]
    for t in range(1, n):
        between = np.linalg.norm(rot.log(R[t][None] @ np.swapaxes(R[t - 1], -1, -2)[:, None]), axis=-1)
        step = np.minimum((between / (_TURN_RATE * max(time_s[t] - time_s[t - 1], 1e-3))) ** 2, _TURN_MOST)
        total = best[:, None] + step
        came[t] = total.argmin(0)
        best = total.min(0) + cost[t]
    way = [int(best.argmin())]
    for t in range(n - 1, 0, -1):
        way.append(int(came[t, way[-1]]))
    return R[np.arange(n), way[::-1]]


LIMBS = [(f"{ball}_{s}", f"{hinge}_{s}", f"{end}_{s}", tuple(KEYPOINT[f"{k}_{s}"] for k in keys))
         for s in ("r", "l")
         for ball, hinge, end, keys in (("humerus", "ulna", "hand", ("shoulder", "elbow", "wrist")),
                                        ("femur", "tibia", "talus", ("hip", "knee", "ankle")))]
"""Ball joint, hinge and end of each limb, and the keypoints at them."""
_TWIST_WEIGHT = 0.05
"""A limb nearly straight does not show its turn about itself: the shortest turn from rest counts this little."""


def _limbs(landmarks: np.ndarray, pelvis: np.ndarray, rest: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Coordinates (T, 46) whose upper and lower limbs point as the landmarks (world axes) do, inside the limits."""
    q = np.tile(_neutral(), (len(landmarks), 1))
    for limb in LIMBS:
        top, middle, bottom = (landmarks[:, k] for k in limb[3])
        dofs, angles = limb_angles(limb, pelvis, middle - top, bottom - middle, rest, frames)
        q[:, dofs] = angles
    return q


def limb_angles(limb: tuple, parent: np.ndarray, upper: np.ndarray, lower: np.ndarray, rest: np.ndarray, frames: np.ndarray
                ) -> tuple[list[int], np.ndarray]:
    """A limb's coordinates and their values, inside the limits, so that both of its segments point as they are to.

    A ball joint carries the two segments of its limb, the hinge between them takes the angle between them; of the two
    sets of angles for one attitude, the one nearer the limits' inside is taken.

    Args:
        limb: Of `LIMBS`.
        parent: (T, 3, 3) rest axes -> world of what the ball joint rides on.
        upper: (T, 3) along the upper segment, world axes, of any length.
        lower: (T, 3) along the lower one.
        rest: (24, 3) rest joints.
        frames: (24, 3, 3) their frames.

    Returns:
        Four coordinates, and their values (T, 4).
    """
    j, h, e = (sk.JOINT_INDEX[name] for name in limb[:3])
    upper, lower = (_unit(np.einsum("tji,tj->ti", parent, v)) for v in (upper, lower))
    bend = sk.DOFS[sk.JOINTS[h].dofs[0]]
    angle = np.clip(np.arccos(np.clip((upper * lower).sum(-1), -1, 1)), bend.low, bend.high)
    rest_upper, rest_lower = _unit(rest[h] - rest[j]), _unit(rest[e] - rest[h])
    bent = (rot.exp(angle[:, None] * frames[h][:, bend.axis]) @ rest_lower)
    plain = rot.between(np.broadcast_to(rest_upper, upper.shape), upper)
    side = frames[h][:, bend.axis]
    source = np.stack([np.broadcast_to(rest_upper, bent.shape), bent, np.broadcast_to(side, bent.shape)], 1)
    target = np.stack([upper, lower, plain @ side], 1)
    weight = np.array([1.0, 1.0, _TWIST_WEIGHT])
    # Directions, not points: adding their opposites takes the shift out of the alignment.
    turn, _, _ = rot.align(np.concatenate([source, -source], 1), np.concatenate([target, -target], 1),
                           np.tile(np.r_[weight, weight], (len(upper), 1)))
    ball = ball_angles(frames[j].T @ turn @ frames[j], sk.JOINTS[j])
    return [*sk.JOINTS[j].dofs, bend.index], np.column_stack([ball, angle])


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def ball_angles(R: np.ndarray, joint: sk.Joint) -> np.ndarray:
    """Angles of a three-axis joint for rotations (T, 3, 3) in its frame: of the two sets, the one nearer its limits."""
    a, b, c = ("XYZ".index(letter) for letter in joint.order)
    # R = R_c R_b R_a; `sign` is +1 where a, b, c follow each other cyclically.
    sign = 1.0 if (b - a) % 3 == 1 else -1.0
    middle = np.arcsin(np.clip(-sign * R[:, c, a], -1, 1))
    first = np.arctan2(sign * R[:, c, b], R[:, c, c])
    last = np.arctan2(sign * R[:, b, a], R[:, a, a])
    low, high = sk.LOW[list(joint.dofs)], sk.HIGH[list(joint.dofs)]
    options = np.stack([np.stack([first, middle, last], -1),
                        np.stack([first + np.pi, np.pi - middle, last + np.pi], -1)])
    options = (options + np.pi) % (2 * np.pi) - np.pi
    outside = np.maximum(np.maximum(low - options, options - high), 0).sum(-1)
    best = options[np.argmin(outside, axis=0), np.arange(len(R))]
    return np.clip(best, low, high)


def _neutral() -> np.ndarray:
    """Standing with the arms half lowered and elbows and knees slightly bent: near everything, at no limit."""
    q = REST_Q.copy()
    for name in ("knee_angle_r", "knee_angle_l", "elbow_flexion_r", "elbow_flexion_l"):
        q[sk.DOF_INDEX[name]] = 0.3
    return q


def _place(px: np.ndarray, confidence: np.ndarray, offset: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Where a cloud of known form stands: linear least squares for t in px ~ K (offset + t). Returns (T, 3)."""
    x = (px[..., 0] - K[:, 0, 2, None]) / K[:, 0, 0, None]
    y = (px[..., 1] - K[:, 1, 2, None]) / K[:, 1, 1, None]
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = np.concatenate([np.stack([one, zero, -x], -1), np.stack([zero, one, -y], -1)], 1)
    right = np.concatenate([x * offset[..., 2] - offset[..., 0], y * offset[..., 2] - offset[..., 1]], 1)
    w = np.concatenate([confidence, confidence], 1)[..., None]
    normal = np.swapaxes(rows * w, 1, 2) @ rows + 1e-9 * np.eye(3)
    t = np.linalg.solve(normal, np.swapaxes(rows * w, 1, 2) @ right[..., None])[..., 0]
    t[:, 2] = np.clip(t[:, 2], 0.5, 200.0)
    return t


def _fill(pelvis: np.ndarray, root: np.ndarray, good: np.ndarray) -> None:
    """Frames that are not good take turn and place from between the good ones beside them."""
    known = np.nonzero(good)[0]
    for t in np.nonzero(~good)[0]:
        after = np.searchsorted(known, t)
        a, b = known[max(after - 1, 0)], known[min(after, len(known) - 1)]
        u = 0.0 if a == b else (t - a) / (b - a)
        pelvis[t] = rot.exp(u * rot.log(pelvis[b] @ pelvis[a].T)) @ pelvis[a]
        root[t] = (1 - u) * root[a] + u * root[b]
