"""Motion stage: one solve over the whole take. See `solve.solve_motion`."""

from .solve import solve_motion

__all__ = ["solve_motion"]
