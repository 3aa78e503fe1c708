"""Camera stage: intrinsics, up direction, floor and scale of a shot. See `solve.solve_camera`."""

from .solve import solve_camera

__all__ = ["solve_camera"]
