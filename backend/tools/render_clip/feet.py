"""Planted feet: a motion's feet stand still where they stand, and the truth says when.

A foot on the floor turns about its heel while the toes are up, lies still while it is flat, and turns about the ball's
axis (the skeleton's own toe joint) while the heel is up. Between two stances the correction that this needs fades from
one to the other, so swings stay those of the motion (after Kovar, Schreiner, Gleicher 2002, "Footskate cleanup for
motion capture editing"). The legs then reach for the corrected feet within their limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sinew_take import laws
from sinew_take import skeleton as sk

from . import angles
from . import steps as steps_of
from .gait import RawMotion, Style, pose

SIDES = ("l", "r")
HEEL_HEIGHT_M = 0.012
"""A sole point below this height that moves slower than `CONTACT_SPEED_M_S` touches the floor."""
CONTACT_SPEED_M_S = 0.10
_FLAT_DEG = 4.0  # a foot within this pitch of the floor is laid flat
_TOE_LIMIT = np.radians(43.0)


@dataclass(frozen=True)
class Figure:
    """What planting needs to know of a body in its rest pose: joints and soles, m."""

    joints_m: np.ndarray
    """(24, 3)"""
    heel_m: np.ndarray
    """(2, 3) back of the heel on the floor, left and right."""
    tip_m: np.ndarray
    """(2, 3) tip of the toes on the floor."""

    @property
    def leg_m(self) -> float:
        """Hip to ankle, straight."""
        j = self.joints_m
        hip, knee, ankle = (sk.JOINT_INDEX[n] for n in ("femur_r", "tibia_r", "talus_r"))
        return float(np.linalg.norm(j[knee] - j[hip]) + np.linalg.norm(j[ankle] - j[knee]))


def figure(joints_m: np.ndarray, vertices_m: np.ndarray, skin_index: np.ndarray, skin_weight: np.ndarray) -> Figure:
    """Soles of a body from its skin. vertices_m (V, 3) in the rest pose; skin (V, M)."""
    heel, tip = [], []
    for side in SIDES:
        ids = [sk.JOINT_INDEX[f"{n}_{side}"] for n in ("talus", "calcn", "toes")]
        own = (np.isin(skin_index, ids) * skin_weight).sum(-1) > 0.5
        foot = vertices_m[own & (vertices_m[:, 2] < 0.05)]
        if not len(foot):
            raise ValueError(f"the body has no skin on its {side} foot")
        x = float(np.median(foot[:, 0]))
        heel.append([x, foot[:, 1].max() - 0.012, 0.0])
        tip.append([x, foot[:, 1].min() + 0.010, 0.0])
    return Figure(np.asarray(joints_m, float), np.array(heel), np.array(tip))


def _joint(name: str, side: str) -> int:
    return sk.JOINT_INDEX[f"{name}_{side}"]


def fk(q: np.ndarray, root_m: np.ndarray, fig: Figure) -> np.ndarray:
    """(T, 24, 4, 4) joint frames in the world."""
    return laws.forward_kinematics(q, root_m, fig.joints_m, sk.REST_FRAMES)


def carried(T_wj: np.ndarray, fig: Figure, joint: int, point_m: np.ndarray) -> np.ndarray:
    """Where a point of the rest pose that belongs to a joint is. point_m: (3,). Returns (T, 3)."""
    R = T_wj[:, joint, :3, :3] @ sk.REST_FRAMES[joint].T
    return T_wj[:, joint, :3, 3] + R @ (point_m - fig.joints_m[joint])


def sole_points(T_wj: np.ndarray, fig: Figure) -> np.ndarray:
    """(T, 4, 3): left heel, left ball, right heel, right ball, on the sole's underside."""
    out = []
    for i, side in enumerate(SIDES):
        toes = _joint("toes", side)
        ball = fig.joints_m[toes] * [1, 1, 0]
        out += [carried(T_wj, fig, _joint("calcn", side), fig.heel_m[i]), carried(T_wj, fig, toes, ball)]
    return np.stack(out, 1)


def ground_under(points_m: np.ndarray, steps: steps_of.Steps | None) -> np.ndarray:
    """Height of what is under points (..., 3), m: the floor where there are no steps."""
    return np.zeros(points_m.shape[:-1]) if steps is None else steps.height(points_m)


def contacts(T_wj: np.ndarray, fig: Figure, step_s: float, steps: steps_of.Steps | None = None) -> np.ndarray:
    """(T, 4) bool: left heel, left toe, right heel, right toe touch the floor, or a step, and stand still."""
    points = sole_points(T_wj, fig)
    step = np.linalg.norm(np.diff(points, axis=0), axis=-1) / step_s
    # A landing foot is still against the next frame, a leaving one against the last.
    speed = np.minimum(np.concatenate([step[:1], step]), np.concatenate([step, step[-1:]]))
    return (points[..., 2] - ground_under(points, steps) < HEEL_HEIGHT_M) & (speed < CONTACT_SPEED_M_S)


def smooth(x: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian over the first axis, ends held. sigma in frames."""
    if sigma <= 0:
        return x
    reach = int(np.ceil(3 * sigma))
    weight = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weight /= weight.sum()
    padded = np.concatenate([np.repeat(x[:1], reach, 0), x, np.repeat(x[-1:], reach, 0)])
    return np.stack([np.convolve(c, weight, "valid") for c in padded.reshape(len(padded), -1).T], -1).reshape(x.shape)


def _harmonics(x: np.ndarray, keep: tuple[int, ...]) -> np.ndarray:
    """Mean and the named harmonics of one period."""
    f = np.fft.rfft(x)
    f[[k for k in range(1, len(f)) if k not in keep]] = 0
    return np.fft.irfft(f, len(x))


def stride(fig: Figure, style: Style, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """How the pelvis travels over one cycle so that the standing foot stays: its own reach gives the step.

    Returns:
        forward_m (n + 1,) and sway_m (n + 1,), as `gait.walk` wants them.
    """
    phase = np.arange(n) / n
    T = fk(pose(phase, style), np.zeros((n, 3)), fig)
    points = sole_points(T, fig)
    own = np.stack([phase + 0.5, phase + 0.5, phase, phase], -1) % 1.0
    start, end = np.array([0.0, 0.10, 0.0, 0.10]), np.array([0.34, 0.58, 0.34, 0.58])
    bump = np.clip((own - start) / 0.08, 0, 1) * np.clip((end - own) / 0.10, 0, 1)
    weight = bump**2 * (3 - 2 * bump)
    speed = (np.roll(points, -1, 0) - np.roll(points, 1, 0)) * n / 2
    total = weight.sum(1)
    ahead = _harmonics((weight * speed[..., 1]).sum(1) / total, (2, 4))
    aside = _harmonics(-(weight * speed[..., 0]).sum(1) / total, (1, 2, 3))
    # The pelvis' pace varies by about a tenth within a step (Winter); the rest of it is the feet rolling.
    swing = ahead - ahead.mean()
    ahead = ahead.mean() + swing * min(1.0, 0.1 * ahead.mean() / max(np.abs(swing).max(), 1e-9))
    forward = np.concatenate([[0], np.cumsum(ahead)]) / n
    sway = np.concatenate([[0], np.cumsum(aside - aside.mean())]) / n
    # Published sway of the pelvis is about 4 cm from side to side; the curves' own is kept within it.
    sway -= sway[:-1].mean()
    sway *= min(1.0, 0.02 / max(np.abs(sway).max(), 1e-6))
    return forward, sway


def _runs(mask: np.ndarray, least: int = 2) -> list[tuple[int, int]]:
    """Half-open runs of True that are at least `least` long."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= least]


def _fade(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill frames between known ones by cubics that start and end as the known ones move. values (T, D)."""
    out = values.copy()
    ids = np.flatnonzero(known)
    if not len(ids):
        return np.zeros_like(values)
    out[: ids[0]] = values[ids[0]]
    out[ids[-1]:] = values[ids[-1]]
    for a, b in zip(ids[:-1], ids[1:], strict=True):
        if b == a + 1:
            continue
        n = b - a
        before = values[a] - values[a - 1] if a > 0 and known[a - 1] else np.zeros_like(values[a])
        after = values[b + 1] - values[b] if b + 1 < len(values) and known[b + 1] else np.zeros_like(values[b])
        u = (np.arange(1, n) / n)[:, None]
        rise = values[b] - values[a]
        # Slopes are held to a few times the mean one, so that a short flight does not overshoot.
        bound = 3 * np.abs(rise) + 0.01
        s0, s1 = np.clip(before * n, -bound, bound), np.clip(after * n, -bound, bound)
        out[a + 1: b] = (values[a] + u * s0 + u**2 * (3 * rise - 2 * s0 - s1) + u**3 * (s0 + s1 - 2 * rise))
    return out


def _height(raw: RawMotion, fig: Figure, sigma: float) -> np.ndarray:
    """Root heights (T,) that put the lowest standing sole on the floor."""
    T = fk(raw.q, raw.root_m, fig)
    low = np.full((len(raw.q), 2), np.inf)
    for i, side in enumerate(SIDES):
        calcn, toes = _joint("calcn", side), _joint("toes", side)
        points = [carried(T, fig, calcn, fig.heel_m[i]), carried(T, fig, toes, fig.joints_m[toes] * [1, 1, 0])]
        low[:, i] = np.where(raw.stance[:, i], np.min([p[:, 2] for p in points], 0), np.inf)
    lowest = low.min(1)
    known = np.isfinite(lowest)
    if not known.any():
        raise ValueError("no foot ever stands in this motion")
    frames = np.arange(len(lowest))
    return raw.root_m[:, 2] - smooth(np.interp(frames, frames[known], lowest[known]), sigma)


@dataclass
class _Plan:
    known: np.ndarray
    """(T,) bool"""
    R: np.ndarray
    """(T, 3, 3) heel segment against the rest pose."""
    heel_joint_m: np.ndarray
    """(T, 3)"""
    toe: np.ndarray
    """(T,) rad"""


def _plan_foot(T_wj: np.ndarray, fig: Figure, i: int, stance: np.ndarray, pivot_deg: float, far_m: float) -> _Plan:
    side = SIDES[i]
    calcn, toes = _joint("calcn", side), _joint("toes", side)
    rest = fig.joints_m
    R_raw = T_wj[:, calcn, :3, :3] @ sk.REST_FRAMES[calcn].T
    ahead = R_raw @ np.array([0.0, -1.0, 0.0])
    yaw = np.unwrap(np.arctan2(ahead[:, 0], -ahead[:, 1]))
    pitch = -np.arcsin(np.clip(ahead[:, 2], -1, 1))
    flat = np.radians(_FLAT_DEG)
    pitch_plan = np.sign(pitch) * np.maximum(np.abs(pitch) - flat, 0)
    ball_raw = carried(T_wj, fig, calcn, rest[toes])

    dof = sk.DOFS[sk.DOF_INDEX[f"mtp_angle_{side}"]]
    frame = sk.REST_FRAMES[toes]
    axis = frame[:, dof.axis]  # rest axes; toes up is a turn that lifts the tip
    lifts = np.sign(np.cross(axis, [0.0, -1.0, 0.0])[2])
    across = abs(axis[0])
    toe_up = np.clip(np.maximum(pitch_plan, 0) / across, 0, None)

    plan = _Plan(np.zeros(len(T_wj), bool), R_raw.copy(), T_wj[:, calcn, :3, 3].copy(), np.zeros(len(T_wj)))
    for a, b in _runs(stance):
        span = np.arange(a, b)
        # The stance ends where the toe joint does: past it the foot rolls off its tip.
        late = np.flatnonzero(toe_up[span] > _TOE_LIMIT)
        if len(late) and late[0] > 1:
            span = span[: late[0]]
        own = yaw[span]
        if np.ptp(own) < np.radians(pivot_deg):
            still = np.abs(pitch[span]) < 3 * flat
            own = np.full(len(span), np.median(own[still] if still.any() else own))
        else:
            own = smooth(own, 1.0)
        turn_z = angles.turn(2, own)
        still = np.abs(pitch[span]) < 3 * flat
        place = ball_raw[span][still].mean(0) if still.any() else ball_raw[span].mean(0)
        ball = np.array([place[0], place[1], rest[toes, 2]])
        up = np.clip(toe_up[span], 0, _TOE_LIMIT)
        down = np.minimum(pitch_plan[span], 0)
        R_ball = turn_z @ angles.from_vector(-lifts * up[:, None] * axis)
        R_heel = turn_z @ angles.turn(0, down)
        heel_spot = ball + turn_z @ (fig.heel_m[i] - rest[toes])
        at_ball = ball + R_ball @ (rest[calcn] - rest[toes])
        at_heel = heel_spot + np.einsum("tij,j->ti", R_heel, rest[calcn] - fig.heel_m[i])
        toes_up = down < 0
        at = np.where(toes_up[:, None], at_heel, at_ball)
        # A foot that is still far from where it will stand, or has left it, does not stand yet or any more.
        near = np.linalg.norm((at - T_wj[span, calcn, :3, 3])[:, :2], axis=-1) < far_m
        if not near.any():
            continue
        part = slice(int(near.argmax()), len(near) - int(near[::-1].argmax()))
        span = span[part]
        plan.known[span] = True
        plan.R[span] = np.where(toes_up[:, None, None], R_heel, R_ball)[part]
        plan.heel_joint_m[span] = at[part]
        plan.toe[span] = (lifts * up)[part]

    shift = _fade(plan.heel_joint_m - T_wj[:, calcn, :3, 3], plan.known)
    spin = _fade(angles.rotation_vector(plan.R @ np.swapaxes(R_raw, -1, -2)), plan.known)
    plan.R = angles.from_vector(spin) @ R_raw
    plan.heel_joint_m = T_wj[:, calcn, :3, 3] + shift
    toe = _fade(plan.toe[:, None], plan.known)[:, 0]
    # In the air the toes straighten within a tenth of a second or so; the cubic alone would hold them bent.
    ids = np.arange(len(toe))
    last = np.maximum.accumulate(np.where(plan.known, ids, -10**6))
    plan.toe = np.where(plan.known, plan.toe, toe * np.exp(-np.maximum(ids - last, 0) / 4.0))
    return plan


def footfalls(raw: RawMotion, fig: Figure, pivot_deg: float = 60.0, far_m: float = np.inf
              ) -> list[tuple[int, np.ndarray]]:
    """Middle frame and place (2,) of the ball of every stance, in order of time, as `plant` will put it on a plain floor.
    """
    T = fk(angles.clamp(raw.q)[0], raw.root_m, fig)
    out = []
    for i in (0, 1):
        plan = _plan_foot(T, fig, i, raw.stance[:, i], pivot_deg, far_m)
        toes, calcn = _joint("toes", SIDES[i]), _joint("calcn", SIDES[i])
        ball = plan.heel_joint_m + plan.R @ (fig.joints_m[toes] - fig.joints_m[calcn])
        out += [((a + b) // 2, np.median(ball[a:b, :2], 0)) for a, b in _runs(plan.known)]
    return sorted(out, key=lambda fall: fall[0])


def _climb(plans: list[_Plan], fig: Figure, steps: steps_of.Steps, sigma: float) -> np.ndarray:
    """Lift the feet's plans onto steps; returns how much the pelvis rises, (T,) m."""
    lifts = []
    for i, plan in enumerate(plans):
        toes, calcn = _joint("toes", SIDES[i]), _joint("calcn", SIDES[i])
        ball = plan.heel_joint_m + plan.R @ (fig.joints_m[toes] - fig.joints_m[calcn])
        lift = np.zeros(len(ball))
        spans = [(a, b, float(steps.height(np.median(ball[a:b, :2], 0)))) for a, b in _runs(plan.known, 1)]
        for a, b, high in spans:
            lift[a:b] = high
        for (_, b, low), (c, _, high) in zip(spans[:-1], spans[1:], strict=True):
            u = (np.arange(b, c) - b + 1) / (c - b + 1)
            # A foot goes up before it goes forward, and down after.
            u = np.clip(u / 0.6 if high > low else (u - 0.4) / 0.6, 0, 1)
            lift[b:c] = low + (high - low) * u * u * (3 - 2 * u)
        if spans:
            lift[:spans[0][0]], lift[spans[-1][1]:] = spans[0][2], spans[-1][2]
        plan.heel_joint_m[:, 2] += lift
        lifts.append(np.where(plan.known, lift, np.nan))
    stands = np.isfinite(lifts).any(0)
    mean = np.nansum(lifts, 0) / np.maximum(np.isfinite(lifts).sum(0), 1)
    frames = np.arange(len(mean))
    return smooth(np.interp(frames, frames[stands], mean[stands]), 6 * sigma)


def _clear_floor(plan: _Plan, fig: Figure, i: int, steps: steps_of.Steps | None = None) -> None:
    """Lift a swinging foot whose sole would cut the floor or a step."""
    side = SIDES[i]
    calcn, toes = _joint("calcn", side), _joint("toes", side)
    low = np.full(len(plan.toe), np.inf)
    dof = sk.DOFS[sk.DOF_INDEX[f"mtp_angle_{side}"]]
    axis = sk.REST_FRAMES[toes][:, dof.axis]
    R_toe = plan.R @ angles.from_vector(plan.toe[:, None] * axis)
    ball = plan.heel_joint_m + plan.R @ (fig.joints_m[toes] - fig.joints_m[calcn])
    for point in (plan.heel_joint_m + plan.R @ (fig.heel_m[i] - fig.joints_m[calcn]),
                  ball + R_toe @ (fig.tip_m[i] - fig.joints_m[toes]),
                  ball + R_toe @ (fig.joints_m[toes] * [1, 1, 0] - fig.joints_m[toes])):
        low = np.minimum(low, point[:, 2] - ground_under(point, steps))
    lift = np.where(plan.known, 0, np.maximum(0.004 - low, 0))
    plan.heel_joint_m[:, 2] += np.where(plan.known, 0, np.maximum(smooth(lift, 1.0), lift))


def _leg_dofs(side: str) -> list[int]:
    names = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle", "subtalar_angle")
    return [sk.DOF_INDEX[f"{n}_{side}"] for n in names]


def _reach(q: np.ndarray, root_m: np.ndarray, fig: Figure, plans: list[_Plan]) -> np.ndarray:
    """Legs that bring the feet to their plans. Returns q."""
    q = q.copy()
    start = q.copy()
    dofs = np.array([_leg_dofs(s) for s in SIDES])  # (2, 6)
    low, high = sk.LOW[dofs], sk.HIGH[dofs]
    calcns = [_joint("calcn", s) for s in SIDES]
    marks = np.array([[0, 0, 0], [0, -0.15, 0], [0.08, 0, 0]])
    goal = np.stack([p.heel_joint_m[:, None] + np.einsum("tij,mj->tmi", p.R, marks) for p in plans], 1)

    def residual(q):
        T = fk(q, root_m, fig)
        R = T[:, calcns][..., :3, :3] @ np.swapaxes(sk.REST_FRAMES[calcns], -1, -2)
        at = T[:, calcns][:, :, None, :3, 3] + np.einsum("tfij,mj->tfmi", R, marks)
        return (at - goal).reshape(len(q), 2, 9)

    prior = 0.004  # m per radian away from the motion's own angles: decides only what the feet leave open
    step = 1e-5
    damping = np.full((len(q), 2), 1e-5)
    r = residual(q)

    def cost(r, q):
        return (r**2).sum(-1) + prior**2 * ((q - start)[:, dofs] ** 2).sum(-1)

    c = cost(r, q)
    for _ in range(25):
        J = np.zeros((*r.shape, 6))
        for k in range(6):
            moved = q.copy()
            moved[:, dofs[:, k]] += step
            J[..., k] = (residual(moved) - r) / step
        A = np.swapaxes(J, -1, -2) @ J + (prior**2 + damping)[..., None, None] * np.eye(6)
        g = np.einsum("tfrk,tfr->tfk", J, r) + prior**2 * (q - start)[:, dofs]
        move = -np.linalg.solve(A, g[..., None])[..., 0]
        trial = q.copy()
        trial[:, dofs] = np.clip(q[:, dofs] + np.clip(move, -0.3, 0.3), low, high)
        rt = residual(trial)
        ct = cost(rt, trial)
        better = ct < c
        for f in (0, 1):
            rows = better[:, f]
            q[np.ix_(rows, dofs[f])] = trial[np.ix_(rows, dofs[f])]
        r = np.where(better[..., None], rt, r)
        c = np.where(better, ct, c)
        damping = np.where(better, damping / 3, np.minimum(damping * 5, 1.0))
    return q


@dataclass
class Planted:
    """A finished motion of one body."""

    q: np.ndarray
    """(T, 46)"""
    root_m: np.ndarray
    """(T, 3)"""
    T_wj: np.ndarray
    """(T, 24, 4, 4)"""
    contact: np.ndarray
    """(T, 4) bool: left heel, left toe, right heel, right toe."""
    miss_m: float
    """Largest distance of a standing foot from its place: what the legs could not reach."""
    clamped_deg: float
    """Largest change that the limits asked of the motion's own angles."""
    ground_m: np.ndarray | None = None
    """(T, 4) height of what is under each of the four; None on a plain floor."""


def plant(raw: RawMotion, fig: Figure, step_s: float, pivot_deg: float = 60.0, far_m: float = np.inf,
          steps: steps_of.Steps | None = None) -> Planted:
    """Put a motion's feet on the floor and keep them there.

    Args:
        raw: The motion.
        fig: The body it moves.
        step_s: Seconds between frames.
        pivot_deg: A stance that turns by more than this turns on its ball, as dancers do; others keep their direction.
        far_m: Frames at a stance's ends in which the motion's own foot is farther than this from where it stands are
            taken off the stance. For motions whose stances are guessed.
        steps: What is walked over; default a plain floor.
    """
    q, clamped = angles.clamp(raw.q)
    raw = RawMotion(q, raw.root_m.copy(), raw.stance, raw.notes)
    sigma = 0.035 / step_s
    raw.root_m[:, 2] = _height(raw, fig, sigma)
    T = fk(raw.q, raw.root_m, fig)
    plans = [_plan_foot(T, fig, i, raw.stance[:, i], pivot_deg, far_m) for i in (0, 1)]
    rise = np.zeros(len(q)) if steps is None else _climb(plans, fig, steps, sigma)
    for i, plan in enumerate(plans):
        _clear_floor(plan, fig, i, steps)
        raw.q[:, sk.DOF_INDEX[f"mtp_angle_{SIDES[i]}"]] = plan.toe
    root = raw.root_m.copy()
    root[:, 2] += rise
    longest = fig.leg_m * 0.9995
    for _ in range(3):
        # Where a standing leg is too short, the whole body comes down a little, smoothly.
        drop = np.zeros(len(root))
        T = fk(raw.q, root, fig)
        for i, plan in enumerate(plans):
            side = SIDES[i]
            calcn, talus = _joint("calcn", side), _joint("talus", side)
            ankle = plan.heel_joint_m + plan.R @ (fig.joints_m[talus] - fig.joints_m[calcn])
            gap = T[:, _joint("femur", side), :3, 3] - ankle
            level = np.linalg.norm(gap[:, :2], axis=-1)
            most = np.sqrt(np.maximum(longest**2 - level**2, (0.5 * longest) ** 2))
            drop = np.maximum(drop, np.where(plan.known, gap[:, 2] - most, 0))
        if drop.max() < 1e-4:
            break
        wide = np.max([np.roll(drop, s) for s in range(-2, 3)], 0)
        root[:, 2] -= smooth(wide, max(sigma * 1.5, 1.0))
    q = _reach(raw.q, root, fig, plans)
    T = fk(q, root, fig)
    miss = 0.0
    for i, plan in enumerate(plans):
        apart = np.linalg.norm(T[:, _joint("calcn", SIDES[i]), :3, 3] - plan.heel_joint_m, axis=-1)
        if plan.known.any():
            miss = max(miss, float(apart[plan.known].max()))
    return Planted(q, root, T, contacts(T, fig, step_s, steps), miss, clamped,
                   None if steps is None else ground_under(sole_points(T, fig), steps))
