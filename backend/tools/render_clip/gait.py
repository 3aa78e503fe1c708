"""Normal walking from published joint-angle curves.

`CURVES` holds knots of mean adult curves over the gait cycle, rounded to a degree, from heel strike to the next heel
strike of the same foot; a periodic cubic runs through them. Hips, knees and ankles: Perry & Burnfield, Gait Analysis
(2010), Winter, The Biomechanics and Motor Control of Human Gait (1991), and Kadaba et al. (1990), with the hip measured
from the standing pose (pelvic tilt taken out). Pelvis: Kadaba et al. (1990). Trunk against pelvis, shoulder and elbow:
Murray (1967), "Patterns of sagittal rotation of the upper limbs in walking", ranges of the mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sinew_take import skeleton as sk

from . import angles

CURVES = {
    "hip_flexion": ([0, 10, 20, 31, 42, 50, 56, 62, 70, 78, 87, 95], [22, 19, 11, 1, -8, -12, -11, -4, 11, 21, 25, 23]),
    "hip_adduction": ([0, 12, 30, 48, 58, 66, 80, 92], [0, 5, 4, 2, -2, -6, -3, -1]),
    "hip_rotation": ([0, 15, 40, 60, 80], [1, 3, 0, -3, -1]),
    "knee_angle": ([0, 6, 14, 25, 39, 50, 57, 63, 71, 80, 88, 96], [4, 11, 19, 12, 4, 12, 28, 46, 62, 44, 15, 2]),
    "ankle_angle": ([0, 7, 15, 30, 44, 52, 58, 63, 70, 80, 90], [0, -6, 0, 6, 10, 4, -9, -18, -9, 0, 2]),
    "pelvis_tilt": ([0, 25, 50, 75], [-1, 1, -1, 1]),
    "pelvis_list": ([0, 12, 30, 50, 62, 80], [0, -5, -2, 0, 5, 2]),
    "pelvis_rotation": ([0, 25, 50, 75], [5, 0, -5, 0]),
    "trunk_rotation": ([0, 25, 50, 75], [-9, 0, 9, 0]),
    "shoulder_flexion": ([0, 25, 50, 75], [-22, -6, 12, -6]),
    "elbow_flexion": ([0, 25, 50, 75], [17, 23, 38, 26]),
}
"""Name -> (percent of the cycle, degrees). Trunk rotation is the chest's against the pelvis; pelvis and trunk are those
of the right foot's cycle, arm curves those of the same side's foot."""

CYCLE_S = 1.14
"""Duration of one cycle at a comfortable pace, about 105 steps a minute."""
STANCE = 0.62
"""Share of the cycle during which a foot is on the floor."""


def periodic_cubic(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Periodic cubic spline with period 1.

    Args:
        x: Knots, increasing, in [0, 1).
        y: Values at the knots.
        at: Where to evaluate; any real numbers.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    n = len(x)
    h = np.diff(np.append(x, x[0] + 1))
    rise = (np.roll(y, -1) - y) / h
    A = np.zeros((n, n))
    i = np.arange(n)
    A[i, (i - 1) % n] += np.roll(h, 1)
    A[i, i] += 2 * (np.roll(h, 1) + h)
    A[i, (i + 1) % n] += h
    second = np.linalg.solve(A, 6 * (rise - np.roll(rise, 1)))
    u = (np.asarray(at, float) - x[0]) % 1.0 + x[0]
    k = np.clip(np.searchsorted(x, u, side="right") - 1, 0, n - 1)
    a, b = u - x[k], h[k] - (u - x[k])
    m0, m1 = second[k], second[(k + 1) % n]
    y0, y1, hk = y[k], y[(k + 1) % n], h[k]
    return (m0 * b**3 + m1 * a**3) / (6 * hk) + (y0 / hk - m0 * hk / 6) * b + (y1 / hk - m1 * hk / 6) * a


def curve(name: str, phase: np.ndarray) -> np.ndarray:
    """A published curve in radians. phase: cycles since the foot's heel strike, any shape."""
    percent, degrees = CURVES[name]
    return np.radians(periodic_cubic(np.asarray(percent) / 100, degrees, phase))


@dataclass(frozen=True)
class Style:
    """How somebody walks. Factors of the published ranges."""

    cycle_s: float = CYCLE_S
    stride: float = 1.0
    """Of hip and knee excursion."""
    arms: float = 1.0
    arm_out_deg: float = 9.0
    phase: float = 0.0
    """Cycles since the right heel strike at time 0."""


@dataclass
class RawMotion:
    """A motion before its feet are planted: poses, where the pelvis wants to be, and when feet stand."""

    q: np.ndarray
    """(T, 46) rad. Pelvis angles include the heading."""
    root_m: np.ndarray
    """(T, 3); z may be off, `feet.plant` sets it."""
    stance: np.ndarray
    """(T, 2) bool: left, right foot on the floor."""
    notes: list[str] = field(default_factory=list)


def pose(phase: np.ndarray, style: Style = Style()) -> np.ndarray:
    """Poses of walking straight on, heading -Y.

    Args:
        phase: (T,) cycles since the right heel strike.
        style: How to walk.

    Returns:
        q (T, 46) rad.
    """
    phase = np.asarray(phase, float)
    q = np.zeros((len(phase), 46))
    d = sk.DOF_INDEX
    for name in ("pelvis_tilt", "pelvis_list", "pelvis_rotation"):
        q[:, d[name]] = curve(name, phase)
    yaw = curve("trunk_rotation", phase)
    lean = np.radians(-3.0)  # forward, as people walk
    side = 0.6 * q[:, d["pelvis_list"]]  # the chest stays nearly upright over a listing pelvis
    chest = angles.turn(1, yaw) @ angles.turn(0, -side) @ angles.turn(2, np.full_like(yaw, lean))
    angles.put_trunk(q, angles.from_opensim(chest))
    # The head keeps looking ahead while the chest turns.
    ahead = -(yaw + q[:, d["pelvis_rotation"]])
    q[:, d["head_twist"]] = ahead
    q[:, d["head_extension"]] = -lean
    for side, own in (("r", phase), ("l", phase + 0.5)):
        q[:, d[f"hip_flexion_{side}"]] = style.stride * curve("hip_flexion", own)
        sign = sk.DOFS[d[f"hip_adduction_{side}"]].mirror_sign if side == "l" else 1
        q[:, d[f"hip_adduction_{side}"]] = sign * curve("hip_adduction", own)
        sign = sk.DOFS[d[f"hip_rotation_{side}"]].mirror_sign if side == "l" else 1
        q[:, d[f"hip_rotation_{side}"]] = sign * curve("hip_rotation", own)
        q[:, d[f"knee_angle_{side}"]] = np.maximum(curve("knee_angle", own) * style.stride, np.radians(1.5))
        q[:, d[f"ankle_angle_{side}"]] = curve("ankle_angle", own)
        flex = style.arms * curve("shoulder_flexion", own)
        out = np.radians(style.arm_out_deg) * (1.0 if side == "r" else -1.0)
        # OpenSim axes: flexion about z (right), then out to the side about x (forward), negative for the right arm.
        arm = angles.turn(0, np.full_like(flex, -out)) @ angles.turn(2, flex)
        angles.put_arm(q, side, angles.from_opensim(arm))
        q[:, d[f"elbow_flexion_{side}"]] = np.maximum(style.arms * curve("elbow_flexion", own), np.radians(8))
        for name, deg in (("pro_sup", 12), ("wrist_flexion", 6)):
            dof = sk.DOFS[d[f"{name}_{side}"]]
            q[:, dof.index] = np.radians(deg) * (1 if side == "r" else dof.mirror_sign)
    return q


def stance(phase: np.ndarray) -> np.ndarray:
    """(T, 2) bool, left and right foot on the floor. phase: (T,) cycles since the right heel strike."""
    phase = np.asarray(phase, float)
    return np.stack([(phase + 0.5) % 1.0 < STANCE, phase % 1.0 < STANCE], -1)


def walk(time_s: np.ndarray, path_m: np.ndarray, speed: np.ndarray | None, style: Style, forward_m: np.ndarray,
         sway_m: np.ndarray) -> RawMotion:
    """Walk along a path in the plane.

    Args:
        time_s: (T,) s.
        path_m: (P, 2) points of a smooth curve on the floor, densely sampled.
        speed: (T,) factor of the pace per frame, or None for a steady walk.
        style: How to walk.
        forward_m: (C,) how far the pelvis has come after each share of one cycle, first 0, last the stride's length, m.
        sway_m: (C,) sideways sway over the cycle, positive to the left, m.

    Returns:
        The motion, turned to follow the path. Steps are as long as the legs make them; past the path's ends it goes on
        straight.
    """
    rate = np.full(len(time_s), 1 / style.cycle_s) if speed is None else np.asarray(speed) / style.cycle_s
    steps = np.diff(time_s, prepend=time_s[0] - (time_s[1] - time_s[0]))
    phase = style.phase + np.cumsum(rate * steps) - rate[0] * steps[0]
    q = pose(phase, style)
    grid = np.linspace(0, 1, len(forward_m))
    whole, part = np.floor(phase), phase % 1.0
    distance = whole * forward_m[-1] + np.interp(part, grid, forward_m)
    distance -= np.floor(style.phase) * forward_m[-1] + np.interp(style.phase % 1.0, grid, forward_m)
    sway = np.interp(part, grid, sway_m)

    piece = np.diff(path_m, axis=0)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(piece, axis=1))])
    heading = np.unwrap(np.arctan2(piece[:, 0], -piece[:, 1]))  # 0 towards -Y, positive to the left (+X)
    middle = (length[1:] + length[:-1]) / 2
    at = np.interp(distance, middle, heading)
    place = np.stack([np.interp(distance, length, path_m[:, i]) for i in (0, 1)], -1)
    over = np.maximum(distance - length[-1], 0) - np.maximum(-distance, 0)
    ahead = np.stack([np.sin(at), -np.cos(at)], -1)
    left = np.stack([np.cos(at), np.sin(at)], -1)
    place = place + over[:, None] * ahead + sway[:, None] * left
    q[:, sk.DOF_INDEX["pelvis_rotation"]] += at
    # People look where they will be: the head leads a turn by a third of a second.
    lead = np.interp(distance + 0.35, middle, heading) - at
    q[:, sk.DOF_INDEX["head_twist"]] += np.clip(lead, -0.35, 0.35)
    root = np.concatenate([place, np.zeros((len(place), 1))], -1)
    return RawMotion(q, root, stance(phase))
