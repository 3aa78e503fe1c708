"""Joints of SMPL, SMPL-H and SMPL-X: names, parents, axes. Facts of the published models (Loper et al. 2015, Romero et
al. 2017, Pavlakos et al. 2019); no data of theirs.

Their rest pose is a T-pose with x to the body's left, y up and z to its front, as the first 22 joints of all three.
"""

from __future__ import annotations

import numpy as np

AXES = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""SMPL's axes -> our rest axes (x left, y back, z up)."""

BODY = ("pelvis", "hip_l", "hip_r", "spine1", "knee_l", "knee_r", "spine2", "ankle_l", "ankle_r", "spine3", "foot_l",
        "foot_r", "neck", "collar_l", "collar_r", "head", "shoulder_l", "shoulder_r", "elbow_l", "elbow_r", "wrist_l",
        "wrist_r")
BODY_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
I = {name: i for i, name in enumerate(BODY)}  # noqa: E741

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
FINGERS_L = tuple(f"{finger}{n}_l" for finger in _FINGERS for n in (1, 2, 3))
FINGERS_R = tuple(name[:-1] + "r" for name in FINGERS_L)


def _finger_parents(wrist: int, first: int) -> tuple[int, ...]:
    return tuple(wrist if n % 3 == 0 else first + n - 1 for n in range(15))


SMPL = (*BODY, "hand_l", "hand_r")
SMPLH = (*BODY, *FINGERS_L, *FINGERS_R)
SMPLX = (*BODY, "jaw", "eye_l", "eye_r", *FINGERS_L, *FINGERS_R)
PARENTS = {
    "smpl": (*BODY_PARENTS, 20, 21),
    "smplh": (*BODY_PARENTS, *_finger_parents(20, 22), *_finger_parents(21, 37)),
    "smplx": (*BODY_PARENTS, 15, 15, 15, *_finger_parents(20, 25), *_finger_parents(21, 40)),
}
NAMES = {"smpl": SMPL, "smplh": SMPLH, "smplx": SMPLX}
COUNTS = {len(names): family for family, names in NAMES.items()}
"""Number of joints -> family."""
