"""The video stage: facts, exact times and shots of a video or image sequence, and its upright pictures, streamed."""

from .plate import plate_beside, write_plate
from .read import ahead, frames
from .scan import Scan, find_shots, probe

__all__ = ["Scan", "ahead", "find_shots", "frames", "plate_beside", "probe", "write_plate"]
