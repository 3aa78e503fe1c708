"""Camera stage: the camera's kind and way, intrinsics, up direction, floor and scale of a shot. See `solve.solve_camera`."""

from .given import digest, examine
from .solve import check_options, solve_camera

__all__ = ["check_options", "digest", "examine", "solve_camera"]
