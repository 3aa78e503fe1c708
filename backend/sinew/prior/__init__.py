"""Where a network's guess of every person's pose comes from, as the start of the whole-take fit."""

from .axes import pelvis_in_camera
from .hsmr import MODES, checked_file, examine, pose_priors

__all__ = ["MODES", "checked_file", "examine", "pelvis_in_camera", "pose_priors"]
