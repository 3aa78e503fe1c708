"""Motion stage: one solve over the whole take. See `solve.solve_motion`."""

from .measured import to_measure
from .solve import solve_motion

__all__ = ["solve_motion", "to_measure"]
