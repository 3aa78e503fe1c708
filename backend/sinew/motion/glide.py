"""Feet that never stand but move along the floor: skates, a board, the belt of a treadmill.

Nothing of such a person is ever at rest, so stances tell neither floor nor up. But what is lowest of them stays on the floor
and carries them.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from ..flow import Camera
from . import balance, contact
from .subject import Subject, seen_to_stand, soles_seen

MOST, SPEED_M_S, SLOPE = 0.5, 0.3, 0.3
"""Somebody glides whose lowest sole, for that share of the time, moves faster than this and no steeper than this."""
LEAST_S = 0.5
"""A step may look like gliding for less."""
PIECE_S = 0.4
NEAR_M, NEAR_SPREAD_M = 0.12, 0.03
"""A gliding sole is on the floor below this height."""
ONE_LEVEL = 0.7
"""Share of the places of gliding feet that must lie on one level for it to be a floor."""
UP = np.array([0.0, 0.0, 1.0])


def along(place_m: np.ndarray, time_s: np.ndarray, joined: np.ndarray) -> bool:
    """Whether a lowest point moves along a floor; not so in jumps, swings and somersaults, where it rises and falls.

    Args:
        place_m: (N, 3) in a world about upright.
        time_s, joined: (N,)
    """
    pair = np.flatnonzero(joined[1:] & (np.diff(time_s) > 1e-6)) + 1
    if (time_s[pair] - time_s[pair - 1]).sum() < LEAST_S:
        return False
    speed = (place_m[pair] - place_m[pair - 1]) / (time_s[pair] - time_s[pair - 1])[:, None]
    way = np.linalg.norm(speed[:, :2], axis=1)
    return float(np.mean((way > SPEED_M_S) & (np.abs(speed[:, 2]) < SLOPE * way))) >= MOST


def does_glide(camera: Camera, s: Subject, soles_m: np.ndarray) -> bool:
    """Whether somebody with these soles (N, 4, 3), in a world about upright, glides. Of hidden feet it is not said."""
    seen = soles_seen(s.track, s.frames.index)
    lowest = soles_m[np.arange(len(soles_m)), soles_m[..., 2].argmin(1)]
    return (contact.seldom(seen_to_stand(camera, s, soles_m)) and float(seen.any(1).mean()) > 0.5
            and along(lowest, s.seen.time_s, s.frames.joined))


def along_floor(camera: Camera, s: Subject, soles_m: np.ndarray) -> bool:
    """Whether somebody with these soles (N, 4, 3) glides over a floor that is known, z = 0."""
    return does_glide(camera, s, soles_m) and on_one_level(soles_m[..., 2].min(1), 0.0)


def places(chance: np.ndarray, soles_m: np.ndarray, time_s: np.ndarray, joined: np.ndarray) -> contact.Stances:
    """Where the lowest sole was, about once for each `PIECE_S`; as `contact.events`.

    Args:
        chance: (N, 4) how surely a sole is down, 0 for what is not seen.
        soles_m: (N, 4, 3)
        time_s, joined: (N,)
    """
    piece = np.cumsum(~joined) * 10_000 + ((time_s - time_s[0]) / PIECE_S).astype(int)
    out, weights = [], []
    for one in np.unique(piece):
        rows, soles = np.nonzero((piece == one)[:, None] & (chance > 0.5))
        if len(rows):
            out.append(np.median(soles_m[rows, soles], axis=0))
            weights.append(0.5 * chance[rows, soles].mean())
    return contact.Stances(np.array(out).reshape(-1, 3), np.array(weights), np.ones(len(out)))


def on_one_level(height_m: np.ndarray, level_m: float | None = None) -> bool:
    """Whether most of the places (M,) where feet glided lie on one level, the middle one where it is not given.

    A way that rises and falls is no floor: the camera moves unseen, or this is a slide or a ramp.
    """
    if not len(height_m):
        return False
    level_m = np.median(height_m) if level_m is None else level_m
    return float(np.mean(np.abs(height_m - level_m) < NEAR_M)) >= ONE_LEVEL


def on_floor(s: Subject, soles_m: np.ndarray) -> np.ndarray:
    """(N, 4) how surely each sole (N, 4, 3) of somebody who glides is on the floor, z = 0: by its height, where seen."""
    near = expit((NEAR_M - soles_m[..., 2]) / NEAR_SPREAD_M)
    return near * balance.lowest(soles_m, UP) * soles_seen(s.track, s.frames.index)
