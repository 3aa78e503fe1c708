"""People put into a world that stands already: its floor is known, and nobody else may move."""

from __future__ import annotations

import numpy as np

from ..flow import Camera
from . import contact
from .model import Model
from .subject import Subject, soles_of, speed_of
from .world import _onto_floor

_LEAST_STANDING = 0.5


def put_on_floor(model: Model, camera: Camera, subjects: list[Subject]) -> None:
    """Decide for each person who was solved about the camera whether they stand on the floor (z = 0), in place.

    Somebody whose planted soles are a little over or under it is taken nearer or farther and smaller or larger, which
    looks the same; see `world`.
    """
    eyes = np.asarray(camera.T_wc, dtype=float)[:, :3, 3]
    for s in subjects:
        soles = soles_of(model, s.state)
        planted = contact.standing(speed_of(camera, s, soles)) > _LEAST_STANDING
        level = float(np.median(soles[..., 2][planted])) if planted.any() else 0.0
        _onto_floor(model, s, eyes[s.frames.index], level)
