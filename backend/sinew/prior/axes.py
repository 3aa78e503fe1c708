"""From the network's pelvis to the camera's axes.

The network's body lives in axes with x to the body's left, y up and z forward, and its camera has y down and z away: the
same letters, so that a person who stands upright and faces the camera has pelvis_tilt = pi, not zero. Our rest axes
have y to the back and z up.
"""

from __future__ import annotations

import numpy as np

from sinew_take import laws
from sinew_take import skeleton as sk

TO_MESH = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Rest axes (left, back, up) -> the published body's axes (left, up, forward)."""


def pelvis_in_camera(q: np.ndarray) -> np.ndarray:
    """Turn of the body from rest axes to the crop's camera axes (x right, y down, z away).

    Args:
        q: (..., 46) rad as the network says it.

    Returns:
        (..., 3, 3).
    """
    frame = sk.REST_FRAMES[0]
    return TO_MESH @ frame @ laws.rotations(q)[..., 0, :, :] @ frame.T
