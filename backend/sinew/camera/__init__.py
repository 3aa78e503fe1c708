"""Camera stage: the camera's kind and way, intrinsics, up direction, floor and scale of a shot. See `solve.solve_camera`."""

from .given import digest
from .solve import solve_camera

__all__ = ["digest", "solve_camera"]
