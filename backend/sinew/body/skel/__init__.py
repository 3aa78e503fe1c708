"""SKEL from the user's own model file: forward model, pose representation, and a take's body on it."""

from .person import examine, provide

__all__ = ["examine", "provide"]
