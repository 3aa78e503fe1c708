"""People put into a world that stands already: its floor is known, and nobody else may move."""

from __future__ import annotations

import numpy as np

from ..flow import Camera
from . import contact, glide
from .model import Model
from .subject import Subject, seen_to_stand, soles_of
from .world import onto_floor

_LEAST_STANDING = 0.5


def put_on_floor(model: Model, camera: Camera, subjects: list[Subject]) -> None:
    """Decide for each person who was solved about the camera whether they stand on the floor (z = 0), in place.

    Somebody whose planted soles are a little over or under it is taken nearer or farther and smaller or larger, which
    looks the same; see `world`.
    """
    eyes = np.asarray(camera.T_wc, dtype=float)[:, :3, 3]
    for s in subjects:
        soles = soles_of(model, s.state)
        still = seen_to_stand(camera, s, soles)
        s.glides = glide.along_floor(camera, s, soles)
        planted, height = still > _LEAST_STANDING, soles[..., 2]
        stances = contact.events(still, soles, s.frames.joined)
        level_of = stances.place[:, 2]
        group = contact.levels(level_of, contact.heeded(stances.weight, s.seen.time_s))
        if len(group) and group.max() > 0:
            # Whoever walks over steps has the lowest of their levels for a floor.
            floor = level_of[group == contact.floor_of(group, stances, level_of)]
            reach = contact.LEVEL_SIGMA_M
            planted = planted & (height > floor.min() - reach) & (height < floor.max() + reach)
        level = float(np.median(height[planted])) if planted.any() else 0.0
        # The shape that they began from may be of an earlier, wrong grouping: what counts is the size that they come to.
        own = model.stature(s.state.shape) / model.stature(np.zeros(model.n_shape))
        onto_floor(model, s, eyes[s.frames.index], level, own)
