"""The people stage: who is in the shot, their keypoints and masks in every frame, as tracks that keep their identity.

Models: the pose detector and landmark model inside the mediapipe wheel, and a second landmark model where the user has it
(`models`, `strong`). One streaming pass follows everybody
(`tracker`), on several crops each (`looks`, `crops`); afterwards pieces are joined into people (`link`), left and right
put right (`swaps`), the crops made into one pose (`combine`), and what is no person left out (`find`).
"""

from .find import find_people
from .hiding import compared
from .strong import Detector
from .strong import choose as choose_detector

__all__ = ["Detector", "choose_detector", "compared", "find_people"]
