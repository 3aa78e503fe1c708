"""Camera stage: the camera's kind and way, intrinsics, up direction, floor and scale of a shot. See `solve.solve_camera`."""

from .given import digest, examine
from .solve import solve_camera

__all__ = ["digest", "examine", "solve_camera"]
