"""One person's motion carried over to another body: the same joints of the limbs in the same places, soles on the same
floor, coordinates as near to the solved ones as the other bones allow."""

from __future__ import annotations

import numpy as np

from sinew.geometry import rotations as rot
from sinew.motion.kinematics import Skeleton
from sinew_take import laws
from sinew_take import skeleton as sk

from .match import Targets, match

_J = sk.JOINT_INDEX
LIMBS = tuple(_J[f"{name}_{s}"] for s in "lr" for name in ("femur", "tibia", "talus", "humerus", "ulna", "hand"))
PLACE_SIGMA_M = {"talus": 0.002, "hand": 0.006, "femur": 0.02, "humerus": 0.02, "tibia": 0.01, "ulna": 0.01}
TURN_SIGMA = {"pelvis": .05, "lumbar_body": .1, "thorax": .05, "head": .02, "calcn": .02, "toes": .05, "hand": .1}
Q_SIGMA = 0.3


def carry(q: np.ndarray, root_m: np.ndarray, rest_from_m: np.ndarray, rest_to_m: np.ndarray, joint_frames: np.ndarray,
          frames_to: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Carry a motion from one body's joints to another's.

    Args:
        q: (T, 46) rad, without NaN; root_m: (T, 3).
        rest_from_m, rest_to_m: (24, 3) rest joints of the two bodies, soles at z = 0 in both.
        joint_frames: (24, 3, 3) of the first.
        frames_to: (24, 3, 3) of the second; default: the same.

    Returns:
        q (T, 46) inside the limits, root_m (T, 3), and the distance of the limb joints from where they were (T, 12), m.
    """
    frames = rot.nearest(joint_frames)
    rest_from, rest_to = np.asarray(rest_from_m, float), np.asarray(rest_to_m, float)
    T_wj = laws.forward_kinematics(np.asarray(q, float), np.asarray(root_m, float), rest_from, frames)
    place = T_wj[..., :3, 3].copy()
    turn = T_wj[..., :3, :3] @ np.swapaxes(frames, -1, -2)
    for s in "lr":
        # An ankle stands as high above the sole as the other body's does.
        talus = _J[f"talus_{s}"]
        higher = np.array([0.0, 0.0, rest_to[talus, 2] - rest_from[talus, 2]])
        place[:, talus] += turn[:, _J[f"calcn_{s}"]] @ higher
    hips = [_J["femur_l"], _J["femur_r"]]
    begin = place[:, hips].mean(1) - turn[:, 0] @ (rest_to[hips].mean(0) - rest_to[0])
    place_sigma, turn_sigma = np.full(24, np.inf), np.full(24, np.inf)
    for joint in sk.JOINTS:
        plain = joint.name[:-2] if joint.name[-2:] in ("_l", "_r") else joint.name
        place_sigma[joint.index] = PLACE_SIGMA_M.get(plain, np.inf)
        turn_sigma[joint.index] = TURN_SIGMA.get(plain, np.inf)
    frames_to = frames if frames_to is None else rot.nearest(frames_to)
    skeleton = Skeleton(rest_to, np.zeros((1, 24, 3)), frames_to)
    targets = Targets(place, place_sigma, turn, turn_sigma, np.full(46, Q_SIGMA))
    pelvis, new_q, root = match(skeleton, turn[:, 0], np.asarray(q, float), begin, targets)
    new_q[:, :3] = rot.euler_zxy(frames_to[0].T @ pelvis @ frames_to[0], np.asarray(q, float)[0, :3])
    reached = laws.forward_kinematics(new_q, root, rest_to, frames_to)[..., :3, 3][:, LIMBS]
    return new_q, root, np.linalg.norm(reached - place[:, LIMBS], axis=-1)


def inside_limits(q: np.ndarray) -> np.ndarray:
    """Coordinates as float32, clipped to limits that are rounded towards the inside."""
    low, high = sk.LOW.astype(np.float32), sk.HIGH.astype(np.float32)
    low = np.where(low < sk.LOW, np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high > sk.HIGH, np.nextafter(high, np.float32(-np.inf)), high)
    return np.clip(np.asarray(q, np.float32), low, high)


def place_motion(motion: dict[str, np.ndarray], q: np.ndarray, root_m: np.ndarray, rest_joints_m: np.ndarray,
                 joint_frames: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays of `arrays.MOTION` with new coordinates for the present frames, and all that follows from them.

    Args:
        motion: The arrays so far.
        q, root_m: (P, 46) and (P, 3) of the P present frames.
        rest_joints_m, joint_frames: Of the body that they stand on.
    """
    present = motion["present"]
    q, root_m = inside_limits(q), np.asarray(root_m, np.float32)
    T_wj = laws.forward_kinematics(q.astype(float), root_m.astype(float), np.asarray(rest_joints_m, float),
                                   np.asarray(joint_frames, float))

    def full(value):
        out = np.full((len(present), *value.shape[1:]), np.nan, np.float32)
        out[present] = value
        return out

    return {**motion, "q": full(q), "root_m": full(root_m), "joints_m": full(T_wj[..., :3, 3]), "T_wj": full(T_wj)}
