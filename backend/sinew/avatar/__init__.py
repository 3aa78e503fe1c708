"""The avatar stage: Gaussians on the body's surface, coloured from the footage and bound to the same joints."""

from .build import build_avatars

__all__ = ["build_avatars"]
