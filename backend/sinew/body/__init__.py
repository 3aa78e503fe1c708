"""The body stage: one person's mesh, joints and skin from the shape that the motion stage solved."""

from .build import build_body
from .providers import NAMES, Built, build, examine, fold_extra_bones, require

__all__ = ["NAMES", "Built", "build", "build_body", "examine", "fold_extra_bones", "require"]
