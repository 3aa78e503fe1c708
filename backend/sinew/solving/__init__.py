"""Solving a take again from corrections by hand: seconds, from the take alone, with everything else as it was."""

from .solve import Request, solve

__all__ = ["Request", "solve"]
