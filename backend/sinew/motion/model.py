"""What the fit knows beforehand: the body's keypoints, how well each is seen, how joints rest and how fast they turn.

Every number is a physical first guess, in metres, radians and seconds. Rates of turning follow gait and sports literature
to one figure (Winter, Biomechanics and Motor Control of Human Movement: knees and ankles reach 40 to 100 rad/s² in walking,
the trunk under 10); legs, trunk and arms were then weighed against each other on the rendered clips, where arms had
accelerated more than in truth and knees less (docs/fit.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sinew_take import skeleton as sk

from ..geometry import rotations as rot
from .kinematics import Mover, Points, Skeleton
from .masses import MASS

KEYPOINTS = sk.MEDIAPIPE_KEYPOINTS
KEYPOINT = {name: i for i, name in enumerate(KEYPOINTS)}
HIPS = (KEYPOINT["hip_l"], KEYPOINT["hip_r"])
SHOULDERS = (KEYPOINT["shoulder_l"], KEYPOINT["shoulder_r"])
CONTACT_KEYPOINTS = tuple(KEYPOINT[n] for n in ("heel_l", "foot_index_l", "heel_r", "foot_index_r"))
"""Keypoints above the take's four contacts, in their order."""

_PARTS = {"pelvis": ("hip_l", "hip_r"), "head": ("ear_l", "ear_r"),
          **{f"{joint}_{side}": (f"{key}_{side}",) for side in "rl" for joint, key in
             (("femur", "hip"), ("tibia", "knee"), ("humerus", "shoulder"), ("ulna", "elbow"), ("hand", "wrist"))}}
PARTS = {joint: tuple(KEYPOINT[key] for key in keys) for joint, keys in _PARTS.items()}
"""Joint that comes to lie just over the floor when somebody sits, kneels, crawls or lies -> the keypoints that show it."""

ARMS = tuple((f"{joint}_{side}", f"{end}_{side}", share, tuple(KEYPOINT[f"{key}_{side}"] for key in keys))
             for side in "rl" for joint, end, keys, shares in (("humerus", "ulna", ("shoulder", "elbow"), (.15, .5, .85)),
                                                               ("ulna", "hand", ("elbow", "wrist"), (.15, .5, .85, 1.)))
             for share in shares)
"""Points along the arms, for `outline`: the joint that one rides on, the joint it lies towards and how far on the way,
and the keypoints that show it."""

KEYPOINT_SIGMA_M = {"nose": .015, "eye": .015, "ear": .015, "mouth": .015, "shoulder": .015, "elbow": .012,
                    "wrist": .012, "pinky": .025, "index": .025, "thumb": .025, "hip": .02, "knee": .012,
                    "ankle": .012, "heel": .02, "foot": .02}
"""How far the detector's keypoint lies from the body's, across the line of sight, at best confidence."""

LANDMARK_DEPTH_BIAS_M = {"nose": -.02, "eye": -.02, "ear": -.02, "mouth": -.02, "shoulder": -.025, "elbow": -.05,
                         "wrist": -.08, "pinky": -.095, "index": -.105, "thumb": -.09, "hip": 0., "knee": .015,
                         "ankle": .045, "heel": .045, "foot": -.02}
"""How much deeper (from the camera, against the hips) the detector's 3D landmarks lie than the body's keypoints, on
average: it draws arms towards the camera, from whichever side it sees the body. Measured on our own renders with known
truth: 61 pictures of `tools/measure_keypoints.py` (wrist -.04 m) and the sample clip (wrist -.12 m; front, side and
back alike); the legs also on the 22 people of the clips of `bench world` and `bench accuracy` and 7 of other renders, about
the median over people (with ankles at .015, as those pictures had said, walkers leaned towards the camera by 3.5 degrees).
The measured truth of balancing was not used; there too it takes most of the arms' error away, and 1 mm off the whole."""

DEPTH_FROM = {"knee": ("hip", .3), "ankle": ("knee", .3), "heel": ("ankle", .5), "foot": ("ankle", .5),
              "shoulder": ("hip", .3), "elbow": ("shoulder", .35), "wrist": ("elbow", .35), "pinky": ("wrist", 1.0),
              "index": ("wrist", 1.0), "thumb": ("wrist", 1.0)}
"""Keypoint -> (the one of its side that its depth is measured from, share of the depth's spread). The detector sees how
steep a thigh, a shank, the trunk or an arm is better than how far an ankle or a wrist is from the hips: its errors along a
chain add up. All others are measured from the middle of the hips. Shares were chosen on the rendered clips of `bench
accuracy` (legs and trunk among 0.15 to 0.6) and of `bench world` (arms among 0.25 to 1: looser ones let hanging arms of
walkers stand away from the body, see docs/fit.md)."""

# Coordinate (without side): resting value, spread, spread of the angular acceleration (rad, rad, rad/s²). Arms hang rather
# than stand off, turned inwards; elbows rest in the middle of the arc in which they are used (Morrey, Askew and Chao 1981).
_REST = {
    "pelvis_tilt": (0, np.inf, 14), "pelvis_list": (0, np.inf, 14), "pelvis_rotation": (0, np.inf, 14),
    "hip_flexion": (.1, 1.2, 30), "hip_adduction": (0, .4, 25), "hip_rotation": (0, .5, 20),
    "knee_angle": (.1, 3, 65), "ankle_angle": (0, .4, 52), "subtalar_angle": (0, .15, 20), "mtp_angle": (0, .2, 30),
    "lumbar_bending": (0, .15, 7), "lumbar_extension": (0, .25, 7), "lumbar_twist": (0, .15, 7),
    "thorax_bending": (0, .15, 7), "thorax_extension": (0, .2, 7), "thorax_twist": (0, .2, 7),
    "head_bending": (0, .25, 14), "head_extension": (0, .3, 14), "head_twist": (0, .4, 14),
    "scapula_abduction": (0, .15, 10), "scapula_elevation": (0, .15, 10), "scapula_upward_rot": (.05, .1, 10),
    "shoulder_x": (1, .6, 24), "shoulder_y": (.3, 1, 24), "shoulder_z": (0, 1, 24),
    "elbow_flexion": (.9, 2, 30), "pro_sup": (0, .5, 24), "wrist_flexion": (0, .3, 24), "wrist_deviation": (0, .2, 24),
}


DEPTH_BIAS_M = np.array([LANDMARK_DEPTH_BIAS_M[name.split("_")[0]] for name in KEYPOINTS])
"""(33,) of `LANDMARK_DEPTH_BIAS_M`."""


def _depth_tables() -> tuple[np.ndarray, np.ndarray]:
    reference, share = np.zeros((len(KEYPOINTS), len(KEYPOINTS))), np.ones(len(KEYPOINTS))
    for k, name in enumerate(KEYPOINTS):
        origin, own = DEPTH_FROM.get(name.split("_")[0], (None, 1.0))
        share[k] = own
        reference[k, list(HIPS) if origin is None else [KEYPOINT[f"{origin}_{name[-1]}"]]] = 0.5 if origin is None else 1.0
    return reference, share


DEPTH_REFERENCE, DEPTH_SHARE = _depth_tables()
"""(33, 33) rows sum to 1: what each keypoint's depth is measured from. (33,) share of the depth's spread."""


def _plain(name: str) -> str:
    if name.startswith("shoulder_"):
        return "shoulder_" + name[-1]
    return name[:-2] if name[-2:] in ("_r", "_l") else name


def _rest_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = []
    for dof in sk.DOFS:
        mean, sigma, turn = _REST[_plain(dof.name)]
        left = dof.name.endswith("_l") or dof.name.startswith("shoulder_l")
        rows.append((mean * (dof.mirror_sign if left else 1), sigma, turn))
    return tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True))


REST_Q, REST_SIGMA, TURN_SIGMA = _rest_tables()
"""Per coordinate: resting value and spread (rad), spread of the angular acceleration (rad/s²)."""
ROOT_SIGMA = 3.75
"""Spread of the pelvis' acceleration, m/s²: walking reaches 2 to 4, jumps are left to the robust loss."""


@dataclass(frozen=True)
class Model:
    """A body made ready for the fit."""

    skeleton: Skeleton
    keypoints: Mover
    soles: Mover
    """Points under heels and toes, in the take's order of contacts: at z = 0 in the rest pose."""
    parts: Mover
    """Centres of the joints of `PARTS`: what of a body, beside its soles, may rest on the floor."""
    parts_radius_m: np.ndarray
    """(P,) how far the skin is from them at least."""
    arms: Mover
    """Points along the arms, `ARMS`."""
    arms_radius_m: np.ndarray
    """(A,) how far the skin is from them at least."""
    mass: Mover
    """One point: the centre of mass."""
    sigma_m: np.ndarray
    """(33,) of `KEYPOINT_SIGMA_M`."""
    n_shape: int
    stature_m: float
    stature_dirs: np.ndarray
    """(B,) change of the standing height per shape coefficient."""

    def stature(self, shape: np.ndarray) -> float:
        return float(self.stature_m + self.stature_dirs @ shape)


def on_bones(skeleton: Skeleton, vertices_m: np.ndarray, bones: Sequence[tuple[str, str, float]]
             ) -> tuple[Mover, np.ndarray]:
    """Points on bones (a joint, the one it lies towards, how far on the way), riding on their first joint; and how far
    (K,), m, the skin (V, 3) of the rest pose is from them at least.
    """
    joint, towards = (np.array([sk.JOINT_INDEX[bone[i]] for bone in bones]) for i in (0, 1))
    share = np.array([bone[2] for bone in bones])[:, None]
    centre, dirs = ((1 - share) * x[..., joint, :] + share * x[..., towards, :]
                    for x in (skeleton.rest_m, skeleton.rest_dirs))
    points = Points.bind(centre, dirs, joint[:, None], np.ones((len(joint), 1)))
    return Mover(skeleton, points), np.linalg.norm(vertices_m[:, None] - centre, axis=-1).min(0)


def flesh(skeleton: Skeleton, vertices_m: np.ndarray) -> tuple[Mover, np.ndarray, Mover, np.ndarray, Mover]:
    """`Model`'s `parts` and `arms`, each with its radii, and `mass`, from the skin (V, 3) m of the rest pose."""
    mass = Points(1, np.zeros(len(MASS), dtype=int), np.arange(len(MASS)), MASS, skeleton.rest_m, skeleton.rest_dirs)
    return (*on_bones(skeleton, vertices_m, [(name, name, 0.0) for name in PARTS]),
            *on_bones(skeleton, vertices_m, [arm[:3] for arm in ARMS]), Mover(skeleton, mass))


def make_model(body) -> Model:
    """Prepare a `sinew_take.free_body.FreeBody` (or any body with its fields)."""
    # Frames come as float32: made orthonormal to float64 again, so that rest poses are exact.
    frames = rot.nearest(body.joint_frames)
    skeleton = Skeleton(np.asarray(body.joints_m, dtype=float), np.asarray(body.joint_dirs, dtype=float), frames)
    points = Points.bind(body.keypoint_m, body.keypoint_dirs, body.keypoint_index, body.keypoint_weight)
    flat = np.array([1.0, 1.0, 0.0])
    which = list(CONTACT_KEYPOINTS)
    soles = Points.bind(np.asarray(body.keypoint_m)[which] * flat, np.asarray(body.keypoint_dirs)[:, which] * flat,
                        np.asarray(body.keypoint_index)[which], np.asarray(body.keypoint_weight)[which])
    sigma = np.array([KEYPOINT_SIGMA_M[name.split("_")[0]] for name in KEYPOINTS])
    template = np.asarray(body.template_m, dtype=float)
    top, bottom = int(template[:, 2].argmax()), int(template[:, 2].argmin())
    dirs = np.asarray(body.shape_dirs, dtype=float)
    return Model(skeleton, Mover(skeleton, points), Mover(skeleton, soles), *flesh(skeleton, template), sigma,
                 len(dirs), float(template[top, 2] - template[bottom, 2]), dirs[:, top, 2] - dirs[:, bottom, 2])
