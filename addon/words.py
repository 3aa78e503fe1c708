"""Numbers as people read them. No Blender."""

from __future__ import annotations

import re
import textwrap
from fractions import Fraction

from .jobs.look import Facts
from .plan.camera_file import NAME as CAMERA_FILE

STAGES = {
    "video": "Reading the video",
    "people": "Finding people",
    "camera": "Finding camera and floor",
    "motion": "Solving the motion",
    "body": "Building the bodies",
    "avatar": "Making the splats",
    "write": "Writing the take",
}

IN_PANEL = {
    "--focal-mm": "Focal Length",
    "--fov-deg": "Field of View",
    "--height-m": "Height",
    "--distance": "Distance",
    "--people": "Most People",
    "--start": "Range",
    "--end": "Range",
    "--camera": "Camera",
    "--rate": "Frames per Second",
    "--turn": "Turn",
    "--device": "Device",
    "--out": "takes folder",
    "--models": "Model Files",
    "--body": "Body",
    "--video": "Video",
    "--format": "Layout",
    "--detector": "Heavy Detector",
    "--hsmr": "Poses From HSMR",
    "--wham": "Contacts From WHAM",
}
"""The panel's names for the command line's options."""
_LETTER_PX = 6.6
"""Mean width of a letter of Blender's interface font at scale 1, a little generous."""
_OF_SCENE = (
    (f"own, from {CAMERA_FILE}", "own, from the scene"),
    (f"the camera of {CAMERA_FILE}", "your camera"),
    (CAMERA_FILE, "your camera"),
    ("the file may be another clip's, or count frames from another one",
     "it may be another clip's, or Video Starts At names the wrong frame"),
    ("the file may be", "it may be"),
)
"""What the artist calls a camera of the scene, in place of the file that the add-on has made of it."""


def in_panel(sentence: str) -> str:
    """A sentence of the backend as the panel says it: options by the names that they have there, and a camera of the scene
    instead of the file that was made of it."""
    if re.search(rf"(?<![\w./\\-]){re.escape(CAMERA_FILE)}", sentence):  # not in a path
        for said, shown in _OF_SCENE:
            sentence = sentence.replace(said, shown)
        sentence = sentence[:1].upper() + sentence[1:]
    sentence = sentence.replace("The camera is the user's own, from", "Your own, from")
    return re.sub(r"--[a-z][a-z-]*", lambda found: IN_PANEL.get(found[0], found[0]), sentence)


def lines(sentence: str, width_px: float) -> list[str]:
    """A sentence as the lines that fit into a width, px at Blender's interface scale 1."""
    return textwrap.wrap(sentence, max(int(width_px / _LETTER_PX), 16))


def size(n_bytes: int) -> str:
    """A size of files, such as "12.3 MB"."""
    value = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def time_left(seconds: float | None) -> str:
    """A time left, as coarse as it deserves."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{max(round(seconds / 5) * 5, 5)} s left"
    if seconds < 5400:
        return f"{round(seconds / 60)} min left"
    return f"{seconds / 3600:.1f} h left"


def count(done: int, total: int) -> str:
    """Steps of a stage."""
    return f"{done} of {total}" if total > 0 else ""


def rate(frames_per_s: Fraction) -> str:
    """A frame rate: 25, 29.97."""
    return f"{float(frames_per_s):.3f}".rstrip("0").rstrip(".")


def picture(facts: Facts) -> str:
    """Size, rate and rotation."""
    width, height = facts.size_px
    about = "about " if facts.is_variable_rate else ""
    turned = f", turned {facts.rotation_deg}°" if facts.rotation_deg else ""
    return f"{width} × {height}, {about}{rate(facts.rate)} fps{turned}"


def length(facts: Facts) -> str:
    """Duration and number of frames."""
    minutes, seconds = divmod(facts.duration_s, 60)
    time = f"{int(minutes)} min {seconds:.1f} s" if minutes else f"{seconds:.1f} s"
    return f"{time}, {facts.n_frames} frames"


def cuts(facts: Facts) -> str:
    """Shot cuts, by frame."""
    if facts.cuts_s is None:
        return ""
    if not facts.cuts_s:
        return "One shot, no cuts"
    frames = [f"{round(cut * float(facts.rate))}" for cut in facts.cuts_s[:6]]
    more = ", …" if len(facts.cuts_s) > 6 else ""
    return f"{len(facts.cuts_s) + 1} shots; cuts at frame {', '.join(frames)}{more}"


def warnings(facts: Facts) -> list[str]:
    """What to know before the run."""
    found = list(facts.notes)
    if facts.cuts_s:
        found.append("Each shot becomes a take of its own; set a range for one shot")
    if facts.is_variable_rate:
        found.append("The frame rate varies; exact times are kept")
    if facts.n_frames > 3000:
        found.append("A long clip takes long; try a range first")
    return found
