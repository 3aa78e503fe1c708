"""The whole-take fit: a damped Gauss-Newton (Levenberg-Marquardt) method on all frames and one shape at once.

Frames couple only with their neighbours, so the normal equations are a band with the shape as an arrowhead: time and
memory are linear in the number of frames. Limits hold by construction: every step is taken on the coordinates that are
not pressed against a limit and is then cut off at the limits (Bertsekas 1982, projected Newton methods for simple
bounds), so nothing is bent away from a limit before it is reached.

All terms are densities over time (a frame counts by the time it stands for), so the result does not depend on the rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sinew_take import skeleton as sk

from ..geometry import rotations as rot
from ..geometry.ground import LOOK_S
from . import flight as flights
from . import gait as gaits
from . import outline as outlines
from . import support as supports
from .kinematics import N_COLUMNS, ROOT, Pose, pose
from .losses import soft, softly
from .model import DEPTH_REFERENCE, DEPTH_SHARE, REST_Q, REST_SIGMA, ROOT_SIGMA, TURN_SIGMA, Model
from .normal import Normal

FRAME_S = 1 / 30
"""A frame that stands for this time counts once."""
_MARGIN = 1e-6
LOW, HIGH = sk.LOW[3:] + _MARGIN, sk.HIGH[3:] - _MARGIN
SHAPE_LIMIT = 4.0
"""Spreads: no coefficient of the shape goes beyond."""
PARTS_SINK_SIGMA_M = 0.01
"""How thick a body is round a knee or a hand is known less well than where its soles are."""
_NEAR_M = 0.2
"""Points nearer to the camera's plane than this are not projected."""


@dataclass(frozen=True)
class Observations:
    """What was seen of one person in the frames of the fit."""

    px: np.ndarray
    """(T, K, 2) in the ideal picture; any number where the weight is 0."""
    sigma_px: np.ndarray
    """(T, K) spread; inf where unseen."""
    depth_m: np.ndarray
    """(T, K) along the camera's z, relative to the middle of the hips."""
    depth_weight: np.ndarray
    """(T, K) 0..1: trust in the depth."""
    time_s: np.ndarray
    """(T,)"""
    joined: np.ndarray
    """(T,) bool: the frame continues the one before it (never the first)."""
    outline: outlines.Outline | None = None
    """Of the person, for arms that are not seen; None: nothing is known of it."""

    def take(self, frames: np.ndarray) -> Observations:
        """Some of the frames; those that were not neighbours are not joined."""
        joined = self.joined[frames].copy()
        joined[0] = False
        joined[1:] &= np.diff(frames) == 1
        return Observations(self.px[frames], self.sigma_px[frames], self.depth_m[frames], self.depth_weight[frames],
                            self.time_s[frames], joined, None if self.outline is None else self.outline.take(frames))


@dataclass(frozen=True)
class View:
    """The camera per frame."""

    K: np.ndarray
    """(T, 3, 3)"""
    R_cw: np.ndarray
    """(T, 3, 3)"""
    t_cw: np.ndarray
    """(T, 3)"""

    def take(self, frames: np.ndarray) -> View:
        return View(self.K[frames], self.R_cw[frames], self.t_cw[frames])


@dataclass(frozen=True)
class State:
    """The unknowns."""

    pelvis: np.ndarray
    """(T, 3, 3) rest axes -> world."""
    q: np.ndarray
    """(T, 46) rad; the first three are not used."""
    root_m: np.ndarray
    """(T, 3)"""
    shape: np.ndarray
    """(B,)"""

    def take(self, frames: np.ndarray) -> State:
        return State(self.pelvis[frames], self.q[frames], self.root_m[frames], self.shape)


@dataclass(frozen=True)
class Ground:
    """Planted feet on the floor z = 0."""

    contact: np.ndarray
    """(T, 4) 0..1"""
    height_sigma_m: float = 0.015
    speed_sigma: float = 0.05
    """m/s"""
    sink_sigma_m: float = 0.0045
    """Of soles; of parts at least `PARTS_SINK_SIGMA_M`."""
    on_floor: np.ndarray | None = None
    """(T, 4) bool: the sole stands on the floor. Elsewhere (steps, a box) it is held at rest where it is; None: all do."""
    glides: np.ndarray | None = None
    """(T, 4) 0..1: the sole is on the floor but moves along it; None: none does."""
    parts: np.ndarray | None = None
    """(T, P) 0..1 of the model's `parts` that rest on the floor; None: none does, and they may be anywhere."""
    support: supports.Support | None = None
    """What carries the body; None: it may be out of balance."""
    flight: flights.Flight | None = None
    """When nothing does; None: nothing is known of it."""

    def take(self, frames: np.ndarray) -> Ground:
        """The same for some of the frames."""
        arrays = {name: getattr(self, name) for name in ("contact", "on_floor", "glides", "parts")}
        terms = {name: getattr(self, name) for name in ("support", "flight")}
        return replace(self, **{name: None if a is None else a[frames] for name, a in arrays.items()},
                       **{name: None if x is None else x.take(frames) for name, x in terms.items()})


@dataclass(frozen=True)
class Weights:
    """Strength of the terms, as spreads."""

    depth_sigma_m: float = 0.4
    """Per keypoint, times its `DEPTH_SHARE`. A limb's depth is wrong by 0.15 to 0.2 m, and its four or five keypoints are
    wrong together."""
    dead_zone_px: float = 0.5
    robust_px: float = 3.0
    """In spreads: beyond this a keypoint counts as an outlier, softly."""
    rest: float = 1.0
    smooth: float = 0.38
    robust_smooth: float | None = None
    """In spreads: beyond this an acceleration counts linearly, where corrections may ask for a jump (`solving`). None: its
    square counts, however large."""
    lively: float = 0.55
    """How far the accelerations' spreads go from the general ones to what the film says of this person, in logarithms
    (`liveliness`); 0 keeps the general ones."""
    ground: float = 1.0
    """1 holds planted feet, 0 leaves them free."""
    carried: float = 1.0
    """1 plants soles that must carry whoever does not fall, 0 only those that are seen to stand."""
    balance: float = 1.0
    """1 keeps the centre of mass over what carries it, 0 leaves it free."""
    flight: float = 1.0
    """1 lets the centre of mass fall freely in the air, 0 leaves it free."""
    gait: float = 1.0
    """1 lets whoever walks or runs do the same from step to step, softly; 0 leaves each step for itself."""
    jumps: float = 1.0
    """1 turns over forearms and shanks that fit better so, 0 leaves them where the landmarks say."""
    outline: float = 1.0
    """1 keeps hidden arms within the person's outline, 0 leaves them free."""
    stature_m: float | None = None
    stature_sigma_m: float = 0.01


@dataclass
class Outcome:
    state: State
    cost: float
    terms: dict[str, float]
    iterations: int
    pixel_residual: np.ndarray
    """(T, K) px, before weights; NaN where not projected."""
    history: list[float] = field(default_factory=list)


class Problem:
    """The cost, its gradient and Gauss-Newton matrix for one person.

    Args:
        model: The body.
        seen: T frames.
        view: The camera in them.
        weights: Of the terms.
        ground: What is planted; None: nothing is known of the floor.
        frozen: (T,) bool: frames that stay as they are.
        solve_shape: Whether the shape is an unknown too.
        lively: (T, 49) of `liveliness.factors`: times the spreads of the accelerations about each frame; the pelvis'
            three turns share one.
        gait: What the other steps of somebody who walks say; None: nothing.
    """

    def __init__(self, model: Model, seen: Observations, view: View, weights: Weights, ground: Ground | None = None,
                 frozen: np.ndarray | None = None, solve_shape: bool = True, lively: np.ndarray | None = None,
                 gait: gaits.Gait | None = None):
        self.model, self.seen, self.view, self.weights = model, seen, view, weights
        self.given_ground = ground
        self.ground = ground if weights.ground > 0 else None
        self.support = ground.support if ground is not None and weights.balance > 0 else None
        self.flight = ground.flight if ground is not None and weights.flight > 0 else None
        self.outline = seen.outline if weights.outline > 0 else None
        self.gait, self.lively = gait, lively
        n = len(seen.time_s)
        self.n = n
        self.frozen = np.zeros(n, dtype=bool) if frozen is None else frozen
        self.solve_shape = solve_shape
        step = np.diff(seen.time_s)
        step = np.where(seen.joined[1:] & (step > 1e-6), step, np.nan)
        around = np.stack([np.r_[np.nan, step], np.r_[step, np.nan]])
        counted = np.isfinite(around).sum(0)
        share = np.where(counted > 0, np.nansum(around, 0) / np.maximum(counted, 1), FRAME_S)
        self.share = np.minimum(share, FRAME_S * 3) / FRAME_S
        """(T,) how much each frame counts; seldom frames do not count without bound."""
        # Second differences: acceleration = c0 x[t] + c1 x[t+1] + c2 x[t+2].
        h1, h2 = step[:-1], step[1:]
        ok = np.isfinite(h1) & np.isfinite(h2)
        self.triple = np.nonzero(ok)[0]
        h1, h2 = h1[ok], h2[ok]
        self.h1, self.h2 = h1, h2
        self.second = np.stack([2 / (h1 * (h1 + h2)), -2 / (h1 * h2), 2 / (h2 * (h1 + h2))])
        self.triple_share = (h1 + h2) / 2 / FRAME_S
        sigma = np.concatenate([TURN_SIGMA, np.full(3, ROOT_SIGMA)]) / np.sqrt(weights.smooth)
        self.inverse_accel = 1 / (sigma * (np.ones((n, 1)) if lively is None else lively)[self.triple + 1])
        """(N, 49)"""
        self.inverse_rest = np.concatenate([np.zeros(3), 1 / REST_SIGMA[3:], np.zeros(3)]) * np.sqrt(weights.rest)
        # The detector errs the same way for a while: what it says about the shape counts by looks, not by frames.
        looks = np.ptp(seen.time_s) / LOOK_S + 1 if n > 1 else 1.0
        self.shape_weight = max(self.share.sum() / looks, 1.0)
        self.depth_m = seen.depth_m - seen.depth_m @ DEPTH_REFERENCE.T
        has_origin = np.stack([(seen.depth_weight[:, row > 0] > 0).all(1) for row in DEPTH_REFERENCE], 1)
        self.depth_weight = np.where(has_origin, seen.depth_weight, 0.0)
        self.depth_sigma_m = weights.depth_sigma_m * DEPTH_SHARE
        self.pair = np.nonzero(np.isfinite(step))[0]
        self.pair_step = step[self.pair]
        unseen = ~(np.isfinite(seen.sigma_px).any(1))
        # Where nothing is seen the resting pose must not pull the filled pose away from its neighbours.
        self.rest_share = self.share * np.where(unseen, 0.02, 1.0)

    def piece(self, frames: np.ndarray, frozen: np.ndarray) -> Problem:
        """The same for some of the frames, the shape as it is. frozen: bool, one per frame of the piece."""
        def part(x):
            return None if x is None else x.take(frames)
        return Problem(self.model, self.seen.take(frames), self.view.take(frames), self.weights, part(self.given_ground),
                       frozen, solve_shape=False, lively=None if self.lively is None else self.lively[frames],
                       gait=part(self.gait))

    # -- residuals ---------------------------------------------------------------------------------------------------

    def _pelvis_acceleration(self, pelvis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Angular acceleration (N, 3) of the pelvis over the triples, and the two turns it comes from."""
        i = self.triple
        first = rot.log(pelvis[i + 1] @ np.swapaxes(pelvis[i], 1, 2))
        second = rot.log(pelvis[i + 2] @ np.swapaxes(pelvis[i + 1], 1, 2))
        mean = ((self.h1 + self.h2) / 2)[:, None]
        return (second / self.h2[:, None] - first / self.h1[:, None]) / mean, first, second

    def _smooth_residual(self, s: State) -> tuple[np.ndarray, tuple]:
        """(N, 49) accelerations in spreads."""
        i, c = self.triple, self.second[:, :, None]
        x = np.concatenate([s.q, s.root_m], 1)
        out = c[0] * x[i] + c[1] * x[i + 1] + c[2] * x[i + 2]
        out[:, :3], first, second = self._pelvis_acceleration(s.pelvis)
        return out * self.inverse_accel, (first, second)

    def accelerations(self, s: State) -> np.ndarray:
        """(N, 49) of the triples, in spreads; each counts `triple_share` times."""
        return self._smooth_residual(s)[0]

    def _smooth_loss(self, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What accelerations (N, 49) cost in all, (N,), and the weight of each, (N, 49) or (N, 1); both before their time."""
        if self.weights.robust_smooth is None:
            return (r**2).sum(1), np.ones((len(r), 1))
        # Judged together: the pelvis' turn, each coordinate, the place.
        turn, place = (np.linalg.norm(r[:, part], axis=1, keepdims=True) for part in (slice(0, 3), ROOT))
        loss, weight = softly(np.concatenate([turn, np.abs(r[:, 3:ROOT.start]), place], 1), self.weights.robust_smooth)
        return loss.sum(1), np.repeat(weight, [3, *[1] * (N_COLUMNS - 6), 3], axis=1)

    def _pixels(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        seen, view = self.seen, self.view
        camera = x @ np.swapaxes(view.R_cw, 1, 2) + view.t_cw[:, None]
        z = camera[..., 2]
        ahead = z > _NEAR_M
        depth = np.where(ahead, z, _NEAR_M)
        fx, fy = view.K[:, 0, 0, None], view.K[:, 1, 1, None]
        u = fx * camera[..., 0] / depth + view.K[:, 0, 2, None]
        v = fy * camera[..., 1] / depth + view.K[:, 1, 2, None]
        error = np.stack([u, v], -1) - seen.px
        length = np.sqrt((error**2).sum(-1))
        used = ahead & np.isfinite(seen.sigma_px)
        error = np.where(used[..., None], error, 0.0)
        length = np.where(used, length, 0.0)
        inverse = np.where(used, 1 / seen.sigma_px, 0.0)
        return camera, depth, error, length, inverse, used

    def _pixel_loss(self, length, inverse):
        w = self.weights
        over = np.maximum(length - w.dead_zone_px, 0.0)
        loss, weight = soft(over * inverse, w.robust_px)
        # Gradient of a length with a dead zone: only the part outside it pulls.
        return loss, weight * inverse**2 * over / np.maximum(length, 1e-9)

    def _size(self, shape: np.ndarray) -> float:
        """What makes this body as tall as the mean one: landmarks have nobody's size, and must not tell anybody's."""
        return self.model.stature_m / self.model.stature(shape)

    def _depths(self, camera: np.ndarray, shape: np.ndarray) -> np.ndarray:
        z = camera[..., 2]
        return self._size(shape) * (z - z @ DEPTH_REFERENCE.T) - self.depth_m

    def cost(self, s: State) -> tuple[float, dict[str, float], np.ndarray]:
        """The robust cost, its terms, and the pixel residuals (T, K)."""
        w, model = self.weights, self.model
        p = pose(model.skeleton, s.shape, s.pelvis, s.q, s.root_m)
        x = model.keypoints.positions(p, s.shape)
        camera, _, _, length, inverse, used = self._pixels(x)
        share = self.share[:, None]
        loss, _ = self._pixel_loss(length, inverse)
        terms = {"pixel": float((share * loss).sum())}
        loss, _ = softly(self._depths(camera, s.shape) / self.depth_sigma_m, 2.0)
        terms["depth"] = float((share * self.depth_weight * loss).sum())
        offset = np.concatenate([s.q - REST_Q, np.zeros((self.n, 3))], 1)
        terms["rest"] = float((self.rest_share[:, None] * (offset * self.inverse_rest) ** 2).sum())
        if self.gait is not None:
            terms["gait"] = gaits.add(self.gait, self.share, s.q, s.pelvis)
        if len(self.triple):
            r, _ = self._smooth_residual(s)
            terms["smooth"] = float((self.triple_share * self._smooth_loss(r)[0]).sum())
        if self.solve_shape:
            terms["shape"] = float(self.shape_weight * (s.shape**2).sum())
            if w.stature_m is not None:
                terms["stature"] = self.shape_weight * (
                    (model.stature(s.shape) - w.stature_m) / w.stature_sigma_m) ** 2
        if self.ground is not None:
            soles = model.soles.positions(p, s.shape), None
            terms["ground"] = self._ground(s, p, soles, None)
            if self.support is not None:
                terms["balance"] = supports.add(self.support, model, self.share, p, s.shape, *soles)
        if self.flight is not None:
            terms["flight"] = flights.add(self.flight, model, self.triple, self.second, self.triple_share, p, s.shape)
        if self.outline is not None:
            terms["outline"] = outlines.add(self.outline, model, self.view, self.share, p, s.shape)
        return sum(terms.values()), terms, np.where(used, length, np.nan)

    # -- normal equations --------------------------------------------------------------------------------------------

    def normal(self, s: State) -> Normal:
        """Gauss-Newton matrix and gradient at a state."""
        w, model, view = self.weights, self.model, self.view
        n, b = self.n, model.n_shape if self.solve_shape else 0
        p = pose(model.skeleton, s.shape, s.pelvis, s.q, s.root_m)
        x, jac = model.keypoints.jacobian(p, s.shape)
        by_shape = model.keypoints.shape_jacobian(p, s.q) if b else None
        camera, depth, error, length, inverse, _ = self._pixels(x)
        share = self.share[:, None]
        _, weight = self._pixel_loss(length, inverse)
        weight = np.sqrt(weight * share)
        # Rows of the projection: du = f/z (dX - X/z dZ).
        scale_u = weight * view.K[:, 0, 0, None] / depth
        scale_v = weight * view.K[:, 1, 1, None] / depth
        R = view.R_cw[:, None]
        rows_u = scale_u[..., None] * (R[..., 0, :] - (camera[..., 0] / depth)[..., None] * R[..., 2, :])
        rows_v = scale_v[..., None] * (R[..., 1, :] - (camera[..., 1] / depth)[..., None] * R[..., 2, :])
        off = self._depths(camera, s.shape) / self.depth_sigma_m
        _, depth_w = softly(off, 2.0)
        depth_w = np.sqrt(depth_w * self.depth_weight * share)
        rows_z = np.broadcast_to(R[..., 2, :], rows_u.shape)
        rows = np.stack([rows_u, rows_v, rows_z], -2)
        k = x.shape[1]

        size = self._size(s.shape)
        by_depth = (depth_w / self.depth_sigma_m)[..., None]

        def chain(j):
            out = rows @ j
            z = out[:, :, 2]
            out[:, :, 2] = size * (z - DEPTH_REFERENCE @ z) * by_depth
            return out.reshape(n, 3 * k, -1)

        r = np.stack([weight * error[..., 0], weight * error[..., 1], depth_w * off], -1).reshape(n, 3 * k, 1)
        j = chain(jac)
        jt = np.swapaxes(j, 1, 2)
        out = Normal.empty(n, b)
        out.diagonal += jt @ j
        out.gradient += (jt @ r)[..., 0]
        if b:
            js = chain(by_shape)
            z = camera[..., 2]
            shrink = -size / model.stature(s.shape)
            js.reshape(n, k, 3, b)[:, :, 2] += by_depth * shrink * (z - z @ DEPTH_REFERENCE.T)[..., None] * model.stature_dirs
            out.side += jt @ js
            flat = js.reshape(-1, b)
            out.corner += flat.T @ flat
            out.corner_gradient += flat.T @ r.reshape(-1)
        offset = np.concatenate([s.q - REST_Q, np.zeros((n, 3))], 1)
        rest = self.rest_share[:, None] * self.inverse_rest**2
        i = np.arange(N_COLUMNS)
        out.diagonal[:, i, i] += rest
        out.gradient += rest * offset
        if self.gait is not None:
            gaits.add(self.gait, self.share, s.q, s.pelvis, out)
        if len(self.triple):
            self._add_smooth(s, out)
        if b:
            out.corner[np.arange(b), np.arange(b)] += self.shape_weight
            out.corner_gradient += self.shape_weight * s.shape
            if w.stature_m is not None:
                d = model.stature_dirs / w.stature_sigma_m * np.sqrt(self.shape_weight)
                out.corner += np.outer(d, d)
                off = (model.stature(s.shape) - w.stature_m) / w.stature_sigma_m
                out.corner_gradient += d * off * np.sqrt(self.shape_weight)
        if self.ground is not None:
            soles = model.soles.jacobian(p, s.shape)
            self._ground(s, p, soles, out)
            if self.support is not None:
                supports.add(self.support, model, self.share, p, s.shape, *soles, out)
        if self.flight is not None:
            flights.add(self.flight, model, self.triple, self.second, self.triple_share, p, s.shape, out)
        if self.outline is not None:
            outlines.add(self.outline, model, self.view, self.share, p, s.shape, out)
        return out

    def _add_smooth(self, s: State, out: Normal) -> None:
        r, (first, second) = self._smooth_residual(s)
        weight = self._smooth_loss(r)[1] * self.triple_share[:, None]
        i = self.triple
        c = self.second[:, :, None] * self.inverse_accel  # (3, N, 49) derivative by frames t, t+1, t+2
        columns = np.arange(3, N_COLUMNS)
        limbs = slice(3, N_COLUMNS)
        for a in range(3):
            # Each triple adds to frames of its own, so plain indexed addition misses nothing.
            out.gradient[i + a, 3:] += (c[a] * weight * r)[:, 3:]
            out.diagonal[i[:, None] + a, columns, columns] += (c[a] * weight * c[a])[:, 3:]
            for later in range(a + 1, 3):
                out.couple(i + a, later - a, (c[a] * weight * c[later])[:, 3:], limbs)
        # The pelvis' turn: log of the turn between frames, by small turns of either frame about the world's axes.
        mean = ((self.h1 + self.h2) / 2)[:, None, None]
        scale = self.inverse_accel[:, 0, None, None]
        left_1, left_2 = rot.left_jacobian_inverse(first), rot.left_jacobian_inverse(second)
        right_1, right_2 = np.swapaxes(left_1, 1, 2), np.swapaxes(left_2, 1, 2)
        h1, h2 = self.h1[:, None, None], self.h2[:, None, None]
        d = [scale * right_1 / h1 / mean, -scale * (right_2 / h2 + left_1 / h1) / mean, scale * left_2 / h2 / mean]
        wp = weight[:, 0, None, None]
        rp = r[:, :3, None]
        for a in range(3):
            out.gradient[i + a, :3] += (np.swapaxes(d[a], 1, 2) @ (wp * rp))[..., 0]
            out.diagonal[i + a, :3, :3] += np.swapaxes(d[a], 1, 2) @ (wp * d[a])
            for later in range(a + 1, 3):
                out.couple_pelvis(i + a, later - a, np.swapaxes(d[later], 1, 2) @ (wp * d[a]))

    def _ground(self, s: State, p: Pose, soles: tuple[np.ndarray, np.ndarray | None], out: Normal | None) -> float:
        """What is planted stands still at the floor, and nothing is under it. Adds to `out` where given; returns the cost.

        soles: Their places (T, 4, 3) and, for `out`, their Jacobian (T, 4, 3, 49).
        """
        g, model = self.ground, self.model
        contact = g.contact if g.on_floor is None else g.contact * g.on_floor
        contact = contact if g.glides is None else np.maximum(contact, g.glides)
        movers = [model.soles] if g.parts is None else [model.soles, model.parts]
        moved = [soles, *(m.jacobian(p, s.shape) if out is not None else (m.positions(p, s.shape), None)
                          for m in movers[1:])]
        x = np.concatenate([place for place, _ in moved], 1)
        z, planted = x[..., 2], g.contact
        sink_sigma = np.full(z.shape[1], g.sink_sigma_m)
        if g.parts is not None:
            sink_sigma[g.contact.shape[1]:] = max(g.sink_sigma_m, PARTS_SINK_SIGMA_M)
            z = z - np.r_[np.zeros(g.contact.shape[1]), model.parts_radius_m]
            contact, planted = np.concatenate([contact, g.parts], 1), np.concatenate([planted, g.parts], 1)
        contact = contact * self.share[:, None]
        high, high_w = softly(z / g.height_sigma_m, 2.0)
        sunk = np.minimum(z, 0.0) / sink_sigma
        i = self.pair
        both = np.minimum(planted[i], planted[i + 1]) * (self.pair_step / FRAME_S)[:, None]
        speed = (x[i + 1] - x[i]) / self.pair_step[:, None, None] / g.speed_sigma
        slow, slow_w = softly(np.linalg.norm(speed, axis=-1), 3.0)
        cost = float((contact * high).sum() + (self.share[:, None] * sunk**2).sum() + (both * slow).sum())
        if out is None:
            return cost
        weight = contact * high_w / g.height_sigma_m**2 + self.share[:, None] * (sunk < 0) / sink_sigma**2
        pull = contact * high_w * z / g.height_sigma_m**2 + self.share[:, None] * sunk / sink_sigma
        jac = np.concatenate([own for _, own in moved], 1)
        jz = jac[:, :, 2]
        jzt = np.swapaxes(jz, 1, 2)
        out.diagonal += jzt @ (weight[..., None] * jz)
        out.gradient += (jzt @ pull[..., None])[..., 0]
        by_shape = np.concatenate([m.shape_jacobian(p, s.q) for m in movers], 1) if self.solve_shape else None
        if by_shape is not None:
            js = by_shape[:, :, 2]
            out.side += jzt @ (weight[..., None] * js)
            out.corner += np.einsum("tkb,tk,tkc->bc", js, weight, js)
            out.corner_gradient += np.einsum("tkb,tk->b", js, pull)
        hold = both * slow_w
        active = hold.any(1)
        i, hold, speed, step = i[active], hold[active], speed[active], self.pair_step[active]
        m = len(i)
        if m == 0:
            return cost
        scale = (np.sqrt(hold) / (step[:, None] * g.speed_sigma))[..., None, None]
        before = (-scale * jac[i]).reshape(m, -1, N_COLUMNS)
        after = (scale * jac[i + 1]).reshape(m, -1, N_COLUMNS)
        r = (np.sqrt(hold)[..., None] * speed).reshape(m, -1, 1)
        before_t, after_t = np.swapaxes(before, 1, 2), np.swapaxes(after, 1, 2)
        out.diagonal[i] += before_t @ before
        out.diagonal[i + 1] += after_t @ after
        out.gradient[i] += (before_t @ r)[..., 0]
        out.gradient[i + 1] += (after_t @ r)[..., 0]
        out.next_block[i] += after_t @ before
        if by_shape is not None:
            js = (scale * (by_shape[i + 1] - by_shape[i])).reshape(m, -1, self.model.n_shape)
            out.side[i] += before_t @ js
            out.side[i + 1] += after_t @ js
            flat = js.reshape(-1, self.model.n_shape)
            out.corner += flat.T @ flat
            out.corner_gradient += flat.T @ r.reshape(-1)
        return cost


def _move(s: State, step: np.ndarray, shape_step: np.ndarray) -> State:
    q = s.q.copy()
    q[:, 3:] = np.clip(q[:, 3:] + step[:, 3:46], LOW, HIGH)
    shape = np.clip(s.shape + shape_step, -SHAPE_LIMIT, SHAPE_LIMIT) if len(shape_step) else s.shape
    return State(rot.exp(step[:, :3]) @ s.pelvis, q, s.root_m + step[:, ROOT], shape)


def pressed(s: State, gradient: np.ndarray, frozen: np.ndarray) -> np.ndarray:
    """(T, 49) bool: frozen frames, and coordinates at a limit whose gradient pushes them further out."""
    out = np.zeros(gradient.shape, dtype=bool)
    q, g = s.q[:, 3:], gradient[:, 3:46]
    out[:, 3:46] = ((q <= LOW) & (g > 0)) | ((q >= HIGH) & (g < 0))
    out[frozen] = True
    return out


_LONGEST_TURN = 0.6
_LONGEST_MOVE = 0.5


def minimise(problem: Problem, start: State, iterations: int, tolerance: float = 1e-4, tick=None,
             most: Sequence[float] = ()) -> Outcome:
    """Levenberg-Marquardt inside the limits. Never makes the cost worse, always ends.

    Args:
        problem: The cost.
        start: Where to begin; its coordinates are moved inside their limits.
        iterations: The most Gauss-Newton matrices to build.
        tolerance: Stop once a step improves the cost by less than this share.
        tick: Called with no argument after each iteration (progress, cancelling).
        most: Stop where the cost is above this after the first iteration, the second, and so on.
    """
    q = start.q.copy()
    q[:, 3:] = np.clip(q[:, 3:], LOW, HIGH)
    state = replace(start, q=q)
    cost, terms, residual = problem.cost(state)
    history = [cost]
    damping, done = 1e-3, 0
    while done < iterations:
        normal = problem.normal(state)
        done += 1
        fixed = pressed(state, normal.gradient, problem.frozen)
        blocks = normal.blocks(fixed)
        push = normal.corner_gradient
        at = state.shape[:len(push)]
        fixed_shape = ((at <= -SHAPE_LIMIT) & (push > 0)) | ((at >= SHAPE_LIMIT) & (push < 0))
        better = None
        for _ in range(8):
            try:
                step, shape_step = normal.solve(blocks, fixed, fixed_shape, damping)
            except np.linalg.LinAlgError:
                damping = max(damping * 10, 1e-6)
                continue
            # A turn or move beyond what the linear picture can foresee is shortened, frame by frame.
            largest = np.maximum(np.abs(step[:, :46]).max(1) / _LONGEST_TURN,
                                 np.abs(step[:, ROOT]).max(1) / _LONGEST_MOVE)
            step = step / np.maximum(largest, 1.0)[:, None]
            trial = _move(state, step, shape_step)
            new_cost, new_terms, new_residual = problem.cost(trial)
            if np.isfinite(new_cost) and new_cost < cost:
                better = trial
                break
            damping *= 8
        if tick is not None:
            tick()
        if better is None:
            break
        gain = (cost - new_cost) / max(cost, 1e-12)
        state, cost, terms, residual = better, new_cost, new_terms, new_residual
        history.append(cost)
        damping = max(damping / 4, 1e-7)
        if gain < tolerance or done <= len(most) and cost > most[done - 1]:
            break
    return Outcome(state, cost, terms, done, residual, history)
