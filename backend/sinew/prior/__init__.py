"""What the user's own networks say of everybody before the motion is solved: a pose to begin from, and when feet stand."""

from .attach import attach_poses, attach_standing
from .axes import pelvis_in_camera
from .hsmr import MODES, checked_file, examine, pose_priors
from .wham import examine_wham

__all__ = ["MODES", "attach_poses", "attach_standing", "checked_file", "examine", "examine_wham", "pelvis_in_camera",
           "pose_priors"]
