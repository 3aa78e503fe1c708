"""The people's world: which way is up, where the floor is, and where its origin lies.

The motion stage solves people about a camera first; then their planted feet and upright bodies level the world.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..flow import Camera
from ..geometry import floor as floors
from ..geometry.ground import LOOK_S, NOTHING_STRAIGHT, PLANTED_SIGMA_M, fit_up, planted_sigma, sides_of, world_of
from . import balance, contact, fit, glide
from .model import Model
from .start import Start
from .subject import Subject, parts_of, parts_seen, seen_to_stand, soles_of, soles_seen, speed_of

_LEAST_EYE_HEIGHT_M = 0.3
_SAME_LEVEL_M = 0.1
_LEAST_ON_FEET = 0.5
"""Of the time with a sole down: who is less on their feet kneels, crawls or lies, and their soles tell no floor."""
_SIZES = (0.6, 1.25)
"""How much smaller or larger than first solved a person may be made to stand on the others' floor."""


def level(model: Model, camera: Camera, subjects: list[Subject], start: Start | None) -> Camera:
    """Level the world by everybody's planted feet and upright bodies; the subjects move with it.

    The floor is the level of the first person whose feet are under the camera: somebody on a wall above it shows none.
    A camera that moves keeps its way as a whole: it is scaled by the feet on the floor that its points show, then turned
    and shifted in one piece.
    """
    if camera.floor is not None and camera.scale_source != "file":
        camera = _scaled(model, camera, subjects)
    T_wc = np.asarray(camera.T_wc, dtype=float)
    T_cw = np.linalg.inv(T_wc[0])
    for s in subjects:
        s.glides = glide.does_glide(camera, s, soles_of(model, s.state))
    said = [_says(model, camera, s, T_cw) for s in subjects]
    straight = NOTHING_STRAIGHT if start is None else start.straight
    sides = T_cw[:3, :3] @ T_wc[:, :3, :3]
    floor_c = None if camera.floor is None else T_cw[:3, :3] @ camera.floor[:3]

    def find(who):
        axes, heed = np.concatenate([said[i].axes for i in who]), np.concatenate([said[i].carried for i in who])
        looks = sum(said[i].looks for i in who)

        def of(place, weight, owner, sigma_m=PLANTED_SIGMA_M):
            return fit_up(axes, looks, place, weight, owner, straight, sides_of(sides), floor_c,
                          0.0 if camera.floor is None else float(camera.floor[4]), heed, sigma_m)
        return of

    eyes = (T_cw @ T_wc)[:, :3, 3]
    seen_from = [eyes[s.frames.index] for s in subjects]
    shown_level = _shown_level(camera, subjects, T_cw)

    def agreed():
        return _together(find, [x.stances for x in said], seen_from, shown_level)

    up, levels = agreed()
    for i, s in enumerate(subjects):
        if s.glides and not glide.on_one_level(said[i].stances.place @ up):
            s.glides = False
            said[i] = _says(model, camera, s, T_cw)
            up, levels = agreed()
    reference, shown = _reference(levels), shown_level(up)
    floor = float(levels[reference])
    if not np.isfinite(floor):
        soles = soles_of(model, subjects[reference].state) @ T_cw[:3, :3].T + T_cw[:3, 3]
        floor = float(np.percentile(soles @ up, 5))
    under = shown is not None and float((np.concatenate(seen_from) @ up).mean()) - shown > _LEAST_EYE_HEIGHT_M
    if under and max(x.on_feet for x in said) < _LEAST_ON_FEET:
        # Feet that carry nobody lie anywhere: the floor that the points show is better known than theirs.
        floor, levels = shown, np.full(len(levels), np.nan)
    first = subjects[0].state
    T_new = world_of(up, floor, T_cw[:3, :3] @ first.root_m[0] + T_cw[:3, 3])
    camera = _transform(camera, subjects, T_new @ T_cw)
    if camera.floor is not None and camera.scale_source != "file":
        camera = _onto_points(camera, subjects)
    eye = np.asarray(camera.T_wc)[:, :3, 3]
    for s, own in zip(subjects, levels, strict=True):
        onto_floor(model, s, eye[s.frames.index], 0.0 if np.isnan(own) else own - floor)
    return camera


@dataclass(frozen=True)
class _Said:
    """What one person of N frames says about the world, in the first camera's axes."""

    axes: np.ndarray
    """(N, 3) upright on average."""
    carried: np.ndarray
    """(N,) 0..1, how much each axis says."""
    looks: float
    """How many independent looks all of them are worth."""
    on_feet: float
    """Share of the time with a sole down in which nothing else carries the body."""
    stances: contact.Stances
    """Where something of the body stood still."""


def _says(model: Model, camera: Camera, s: Subject, T_cw: np.ndarray) -> _Said:
    up = np.array([0.0, 0.0, 1.0])
    soles, parts = soles_of(model, s.state), parts_of(model, s.state)
    still = seen_to_stand(camera, s, soles)
    if s.glides:
        still = soles_seen(s.track, s.frames.index).astype(float)  # a sole that is down carries, however it moves
    carries = still * balance.lowest(soles, up)
    axes, carried = balance.support_axes(model, s.state, carries, up)
    to_c = T_cw[:3, :3].T
    if s.glides:
        stances = glide.places(carries, soles @ to_c + T_cw[:3, 3], s.seen.time_s, s.frames.joined)
    else:
        # Whatever is lowest and at rest is on the floor: knees, hands and the seat of whoever is not on their feet.
        still = np.concatenate([still, contact.standing(speed_of(camera, s, parts)) * parts_seen(s.track, s.frames.index)], 1)
        points = np.concatenate([soles, parts - model.parts_radius_m[:, None] * up], 1)
        stances = contact.events(still * balance.lowest(points, up), points @ to_c + T_cw[:3, 3], s.frames.joined, carried)
    on_feet = float(carried.sum() / max(carries.max(1).sum(), 1e-9))
    return _Said(axes @ to_c, carried, float(np.ptp(s.seen.time_s) / LOOK_S + 1), on_feet,
                 replace(stances, weight=contact.heeded(stances.weight, s.seen.time_s)))


def _shown_level(camera: Camera, subjects: list[Subject], T_cw: np.ndarray) -> Callable[[np.ndarray], float | None]:
    """Of up (3,), in the axes that T_cw turns the world into: the level along it, where the people are, of the floor that
    structure from motion shows; None where it shows none."""
    if camera.floor is None or camera.scale_source == "file":
        return lambda up: None
    n = T_cw[:3, :3] @ camera.floor[:3]
    d = float(camera.floor[3] + n @ T_cw[:3, 3])
    where = np.median(np.concatenate([s.state.root_m for s in subjects]), axis=0) @ T_cw[:3, :3].T + T_cw[:3, 3]

    def of(up: np.ndarray) -> float | None:
        return float((d - n @ (where - up * (where @ up))) / (n @ up)) if n @ up > 0.5 else None
    return of


def _reference(levels: np.ndarray) -> int:
    """Whose floor is the floor: the first whose feet are under the camera, else the first who stands."""
    under = np.nonzero(levels < -_LEAST_EYE_HEIGHT_M)[0]
    standing = np.nonzero(np.isfinite(levels))[0]
    return int(under[0] if len(under) else standing[0] if len(standing) else 0)


def _together(find, stances: list[contact.Stances], eyes: list[np.ndarray], shown_level=lambda up: None
              ) -> tuple[np.ndarray, np.ndarray]:
    """Up, and the level of everybody's floor (P,), NaN where nobody stands.

    Who cannot stand on the others' floor, whatever their size, has no say in which way is up while anybody else does: a
    person in a mirror or on a screen has a floor and an upright of their own.

    Args:
        find: Called with the numbers of people: `fit_up` by what these say, of places, weights and owners.
        stances: Per person, in the first camera's axes.
        eyes: Per person (N, 3) the camera while it sees them, in the same axes.
        shown_level: Of up: the level of the floor that the background's points show, or None.
    """
    def solve(who: list[int]) -> tuple[np.ndarray, np.ndarray]:
        up, own = _stand(find(who), [stances[i] for i in who], shown_level)
        levels = np.array([np.median(s.place @ up) if len(s.place) else np.nan for s in stances])
        levels[who] = own
        return up, levels

    everybody = list(range(len(stances)))
    up, levels = solve(everybody)
    floor = levels[_reference(levels)]
    together = [i for i in everybody if not np.isfinite(levels[i] - floor)
                or _size_on_floor(float((eyes[i] @ up).mean() - floor), levels[i] - floor) is not None]
    if len(together) == len(everybody) or not any(np.isfinite(levels[i]) for i in together):
        return up, levels
    return solve(together)


def _size_on_floor(eye: float, level: float, own: float = 1.0) -> float | None:
    """How much larger somebody is who stands on the floor where they seem to stand on `level`; None for nobody's size.

    Seen from one place, a child near by and an adult farther off and lower are the same picture.

    Args:
        eye: Height of the camera over the floor, m.
        level: Height over the floor on which they seem to stand, m.
        own: Their size now over the usual one, where that was not told by this take.
    """
    if abs(level) < _SAME_LEVEL_M:
        return 1.0
    size = eye / (eye - level) if eye > _LEAST_EYE_HEIGHT_M and level < eye - 0.1 else np.inf
    return size if _SIZES[0] <= size * own <= _SIZES[1] else None


def _stand(find, stances: list[contact.Stances], shown_level=lambda up: None) -> tuple[np.ndarray, np.ndarray]:
    """Up, and the level of everybody's floor (P,), NaN where nobody stands.

    Whoever walks over steps stands on several levels. They are told apart by their heights along an up that no foot has
    bent, and believed where that explains the stances clearly better than one tilted floor. Up is found with the levels
    known, and distances believed less. Of whoever is hardly on their feet, whose hands and knees are placed too roughly to
    tell, one level is looked for.

    Args:
        find: `fit_up` of places, weights, owners and the spread of their heights.
        stances: Per person.
        shown_level: As of `_together`.
    """
    places, weights = (np.concatenate([getattr(s, name) for s in stances]) for name in ("place", "weight"))
    owners = np.repeat(np.arange(len(stances)), [len(s.place) for s in stances])
    best = find(places, weights, owners)[2]
    group = owners
    nobody = np.zeros(0, dtype=int)
    unbent = along = find(places[nobody], weights[nobody], nobody)[0]
    for _ in range(2):
        label = np.zeros(len(places), dtype=int)
        for person in np.unique(owners):
            own = np.flatnonzero(owners == person)
            steps = contact.levels(places[own] @ along, weights[own]) if contact.stands_on_feet(stances[person]) else 0
            label[own] = label.max() + 1 + steps
        _, label = np.unique(label, return_inverse=True)
        more = len(np.unique(label)) - len(np.unique(owners))
        if not more:
            break
        found = find(places, weights, label)
        cost = found[2] + more * contact.LEVEL_COST
        if cost < best:
            group, best = label, cost
        along = found[0]
    up, levels, _ = find(places, weights, group, planted_sigma(places, unbent))
    out = np.full(len(stances), np.nan)
    for person in np.unique(owners):
        own = owners == person
        out[person] = levels[contact.floor_of(group[own], stances[person], places[own] @ up, shown_level(up))]
    return up, out


_LEVELS_APART = 0.1
"""Share of the camera's height by which the points' floor may be off the feet's for both to be the same floor."""


def _onto_points(camera: Camera, subjects: list[Subject]) -> Camera:
    """Scale the way once more so that the floor that its points show is the one on which the feet were put (z = 0).

    Up has changed since the way was scaled, and with it how far under the camera the feet and the points lie. A floor a
    twentieth of the camera's height too low makes everything that is put on it slide over the background.
    """
    n, d = camera.floor[:3], float(camera.floor[3])
    where = np.median(np.concatenate([s.state.root_m[:, :2] for s in subjects]), axis=0)
    if n[2] < 0.5:
        return camera
    height = (d - n[:2] @ where) / n[2]
    eye = float(np.mean(np.asarray(camera.T_wc)[:, 2, 3]))
    if eye < _LEAST_EYE_HEIGHT_M or abs(height) > _LEVELS_APART * eye:
        return camera
    return _grown(camera, subjects, eye / (eye - height))


def floor_shown(camera: Camera) -> bool:
    """Whether structure from motion shows a floor where the world's is (z = 0), about under the origin."""
    if camera.floor is None or camera.floor[2] < 0.5:
        return False
    eye = float(np.mean(np.asarray(camera.T_wc)[:, 2, 3]))
    return abs(float(camera.floor[3] / camera.floor[2])) < _LEVELS_APART * eye


_LEAST_SURE = 0.15
"""Relative spread of what feet say about the scale, above which the camera stage's stays."""


def _scaled(model: Model, camera: Camera, subjects: list[Subject]) -> Camera:
    """Scale a moving camera's way and points so that planted feet stand on the floor that the points show.

    What the picture shows of the people stays: each moves with the camera that sees them.
    """
    T_wc = np.asarray(camera.T_wc, dtype=float)
    plane = floors.Plane(camera.floor[:3], float(camera.floor[3]), 0)
    soles, centres, weight = [], [], []
    # The one whose height was given tells the scale alone.
    known = [s for s in subjects if s.stature_m is not None] or subjects
    for s in known:
        own = soles_of(model, s.state)
        chance = seen_to_stand(camera, s, own)
        eye = T_wc[s.frames.index][:, None, :3, 3]
        soles.append((own - eye).reshape(-1, 3))
        centres.append(np.broadcast_to(eye, own.shape).reshape(-1, 3))
        # Somebody who stands on something else than this floor says nothing about it.
        near = np.abs(own @ plane.n - plane.d) < 0.4
        weight.append((chance * near).ravel())
    weight = np.concatenate(weight)
    if weight.sum() < 1.0:
        return camera
    factor, spread = floors.scale_on_floor(plane, np.concatenate(soles), np.concatenate(centres), weight)
    if not np.isfinite(factor) or spread > _LEAST_SURE:
        return camera
    return _grown(camera, subjects, factor)


def _grown(camera: Camera, subjects: list[Subject], factor: float) -> Camera:
    """The camera's way, its points and its floor made larger about the first camera; people move with the camera."""
    T_wc = np.asarray(camera.T_wc, dtype=float)
    n = camera.floor[:3]
    first = T_wc[0, :3, 3]
    moved = T_wc.copy()
    moved[:, :3, 3] = first + factor * (T_wc[:, :3, 3] - first)
    for s in subjects:
        shift = (moved - T_wc)[s.frames.index][:, :3, 3]
        s.state = replace(s.state, root_m=s.state.root_m + shift)
    points = camera.points
    if points is not None:
        points = replace(points, position_m=first + factor * (points.position_m - first))
    floor = np.r_[n, n @ first + factor * (float(camera.floor[3]) - n @ first), camera.floor[4]]
    given = camera.given
    if given is not None:
        grown = np.eye(4)
        grown[:3, :3], grown[:3, 3] = factor * np.eye(3), (1 - factor) * first
        given = given @ np.linalg.inv(grown)
    return replace(camera, T_wc=moved, points=points, floor=floor, given=given)


def onto_floor(model: Model, s: Subject, eyes: np.ndarray, level: float, own: float = 1.0) -> None:
    """Decide whether somebody stands on the floor; if so, and it takes another size to reach it, begin from that size.

    Args:
        own: See `_size_on_floor`.
    """
    size = _size_on_floor(float(eyes[:, 2].mean()), level, own)
    s.on_floor = size is not None and (size == 1.0 or s.stature_m is None)
    if not s.on_floor or size == 1.0:
        return
    old = s.state
    dirs = model.stature_dirs
    grown = old.shape + dirs * (size - 1) * model.stature(old.shape) / (dirs @ dirs)
    grown = np.clip(grown, -fit.SHAPE_LIMIT, fit.SHAPE_LIMIT)
    s.state = replace(old, root_m=eyes + size * (old.root_m - eyes), shape=grown)


def _transform(camera: Camera, subjects: list[Subject], T: np.ndarray) -> Camera:
    """Turn and shift everything: camera, points, floor, people."""
    for s in subjects:
        old = s.state
        s.state = replace(old, pelvis=T[:3, :3] @ old.pelvis, root_m=old.root_m @ T[:3, :3].T + T[:3, 3])
    points, floor = camera.points, camera.floor
    if points is not None:
        points = replace(points, position_m=points.position_m @ T[:3, :3].T + T[:3, 3])
    if floor is not None:
        n = T[:3, :3] @ floor[:3]
        floor = np.r_[n, floor[3] + n @ T[:3, 3], floor[4]]
    given = None if camera.given is None else camera.given @ np.linalg.inv(T)
    return replace(camera, T_wc=T @ np.asarray(camera.T_wc, dtype=float), points=points, floor=floor, given=given)


def settle(model: Model, camera: Camera, subjects: list[Subject]) -> Camera:
    """Put the floor where planted soles ended up, and the origin under the first person's first pelvis."""
    heights, weights = [], []
    for s in subjects:
        if s.on_floor:
            heights.append(soles_of(model, s.state)[..., 2].ravel())
            floor = 1.0 if s.ground.on_floor is None else s.ground.on_floor
            glides = 0.0 if s.ground.glides is None else s.ground.glides
            weights.append(np.maximum(s.ground.contact * floor, glides).ravel())
    shift = np.zeros(3)
    shift[:2] = -subjects[0].state.root_m[0, :2]
    if heights:
        h, w = np.concatenate(heights), np.concatenate(weights)
        if w.max() > 0.5:
            shift[2] = -float(np.median(h[w > 0.5]))
    T = np.eye(4)
    T[:3, 3] = shift
    return _transform(camera, subjects, T)
