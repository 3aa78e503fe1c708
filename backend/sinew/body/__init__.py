"""The body stage: one person's mesh, joints and skin from the shape that the motion stage solved."""

from .build import build_body

__all__ = ["build_body"]
