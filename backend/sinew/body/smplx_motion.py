"""Motion of our skeleton as SMPL's joint rotations, and back.

Both skeletons are compared segment by segment. A constant turn per segment takes SMPL's rest direction onto ours, so
that limbs point alike in every pose. What has no counterpart is shared out: our lumbar, thorax and head turns over
spine 1 to 3, neck and head; the scapula's slide becomes the collar's turn that points at the same shoulder; half of the
forearm's rotation goes to the elbow and all of it to the wrist. Back, SMPL's rotations are begun as coordinates in closed
form and then fitted under our laws and limits (`match`), because its knees, elbows and spine turn about any axis.

NumPy only. Rotations of SMPL are relative to the parent, in SMPL's axes; "turns" are rest axes -> world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sinew.geometry import rotations as rot
from sinew.motion.kinematics import Skeleton
from sinew_take import laws
from sinew_take import skeleton as sk

from .match import Targets, match
from .smpl_joints import AXES, BODY, BODY_PARENTS, I

_J = sk.JOINT_INDEX
_SEGMENTS = {}
for _s in ("l", "r"):
    _SEGMENTS |= {f"hip_{_s}": (f"knee_{_s}", f"femur_{_s}", f"tibia_{_s}"),
                  f"knee_{_s}": (f"ankle_{_s}", f"tibia_{_s}", f"talus_{_s}"),
                  f"shoulder_{_s}": (f"elbow_{_s}", f"humerus_{_s}", f"ulna_{_s}"),
                  f"elbow_{_s}": (f"wrist_{_s}", f"ulna_{_s}", f"hand_{_s}")}
"""SMPL's joint -> (its child, our joint, our child): segments that must point alike."""
_SPINE1_OF_THORAX = 0.5
"""Share of the thorax' own turn that spine 1 takes: our thorax bends along an arc whose middle lies between spine 1 and
spine 2."""
_LUMBAR_SHARE = 0.4
"""Share of SMPL's turn from pelvis to spine 3 that the lumbar joint begins with."""
CORRESPONDING = {"hip_l": "femur_l", "hip_r": "femur_r", "knee_l": "tibia_l", "knee_r": "tibia_r", "ankle_l": "talus_l",
                 "ankle_r": "talus_r", "foot_l": "toes_l", "foot_r": "toes_r", "shoulder_l": "humerus_l",
                 "shoulder_r": "humerus_r", "elbow_l": "ulna_l", "elbow_r": "ulna_r", "wrist_l": "hand_l",
                 "wrist_r": "hand_r"}
"""Limb joints that are the same place in both skeletons."""


MEAN_PELVIS_M = {24: (-0.002, -0.241, 0.029), 52: (-0.002, -0.241, 0.029), 55: (0.003, -0.351, 0.012)}
"""Number of joints -> the pelvis joint of the mean body in the rest pose of SMPL, SMPL-H (male) and SMPL-X, in their
axes, m; the mean woman's lies 3 cm higher. Known figures (AIST++ and AMASS tools write them out), for want of a model."""


def generic_rest(rest_joints_m: np.ndarray) -> np.ndarray:
    """SMPL's 22 body joints laid onto our own rest pose, (22, 3) m in SMPL's axes, for want of a model file.

    Limb joints are ours; spine, neck and collars lie between ours. The origin is ours (on the floor).
    """
    rest = np.asarray(rest_joints_m, float)

    def at(name):
        return rest[_J[name]]

    out = np.zeros((len(BODY), 3))
    for smpl, ours in CORRESPONDING.items():
        out[I[smpl]] = at(ours)
    out[I["pelvis"]] = at("pelvis")
    out[I["spine1"]] = at("lumbar_body")
    out[I["spine2"]] = 0.1 * at("lumbar_body") + 0.9 * at("thorax")
    out[I["spine3"]] = 0.9 * at("thorax") + 0.1 * at("head")
    out[I["neck"]] = 0.25 * at("thorax") + 0.75 * at("head")
    out[I["head"]] = at("head")
    for s in ("l", "r"):
        out[I[f"collar_{s}"]] = at(f"humerus_{s}") * [0.35, 1, 1]
    return out @ AXES


@dataclass(frozen=True)
class Pairing:
    """Two rest poses laid against each other: SMPL's for one shape, ours for one person."""

    smpl_m: np.ndarray
    """(22, 3) SMPL's joints in *our* rest axes."""
    rest_m: np.ndarray
    """(24, 3)"""
    frames: np.ndarray
    """(24, 3, 3)"""
    align: np.ndarray
    """(22, 3, 3): takes a segment of SMPL's rest pose onto ours."""
    size: float
    """Our shoulder width over SMPL's."""

    def on_ours(self, name: str) -> np.ndarray:
        """Where a joint of SMPL's trunk lies in our rest pose, (3,), when both trunks are made equally long."""

        def middle(of: str) -> np.ndarray:
            return self.smpl_m[[I[f"{of}_l"], I[f"{of}_r"]]].mean(0)

        hips = self.rest_m[[_J["femur_l"], _J["femur_r"]]].mean(0)
        return hips + self.tall * (self.smpl_m[I[name]] - middle("hip"))

    @property
    def tall(self) -> float:
        """Height of our shoulders over our hips, over the same of SMPL's."""
        ours = self.rest_m[[_J["humerus_l"], _J["humerus_r"]]] - self.rest_m[[_J["femur_l"], _J["femur_r"]]]
        theirs = self.smpl_m[[I["shoulder_l"], I["shoulder_r"]]] - self.smpl_m[[I["hip_l"], I["hip_r"]]]
        return float(ours[:, 2].mean() / max(theirs[:, 2].mean(), 1e-6))


def pair(smpl_rest_m: np.ndarray, rest_joints_m: np.ndarray, joint_frames: np.ndarray) -> Pairing:
    """Lay SMPL's rest joints (J >= 22, 3), in its own axes, against ours."""
    smpl = np.asarray(smpl_rest_m, float)[: len(BODY)] @ AXES.T
    rest = np.asarray(rest_joints_m, float)
    align = np.tile(np.eye(3), (len(BODY), 1, 1))
    for name, (child, ours, our_child) in _SEGMENTS.items():
        align[I[name]] = rot.between(smpl[I[child]] - smpl[I[name]], rest[_J[our_child]] - rest[_J[ours]])
    flat = np.array([1.0, 1.0, 0.0])
    for s in ("l", "r"):
        align[I[f"wrist_{s}"]] = align[I[f"elbow_{s}"]]
        # Soles are flat in both rest poses, so feet only turn about the vertical.
        foot = rot.between((smpl[I[f"foot_{s}"]] - smpl[I[f"ankle_{s}"]]) * flat,
                           (rest[_J[f"toes_{s}"]] - rest[_J[f"talus_{s}"]]) * flat)
        align[I[f"ankle_{s}"]] = align[I[f"foot_{s}"]] = foot
    size = (np.linalg.norm(rest[_J["humerus_l"]] - rest[_J["humerus_r"]])
            / max(np.linalg.norm(smpl[I["shoulder_l"]] - smpl[I["shoulder_r"]]), 1e-6))
    return Pairing(smpl, rest, np.asarray(joint_frames, float), align, size)


def _part(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """The turn that lies `share` of the way from a to b."""
    return a @ rot.exp(share * rot.log(np.swapaxes(a, -1, -2) @ b))


def turns_of(T_wj: np.ndarray, joint_frames: np.ndarray) -> np.ndarray:
    """(T, 24, 3, 3): rest axes -> world of what rides on each joint."""
    return np.asarray(T_wj, float)[..., :3, :3] @ np.swapaxes(np.asarray(joint_frames, float), -1, -2)


def global_turns(p: Pairing, turn: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Turns of SMPL's 22 joints (T, 22, 3, 3), in our rest axes -> world, for our turns and joint places."""
    g = np.empty((len(turn), len(BODY), 3, 3))
    pelvis, lumbar, thorax, head = (turn[:, _J[n]] for n in ("pelvis", "lumbar_body", "thorax", "head"))
    g[:, I["pelvis"]] = pelvis
    g[:, I["spine1"]] = _bridge(p, turn, place, ("spine1", "pelvis"), ("spine2", "thorax"),
                                _part(lumbar, thorax, _SPINE1_OF_THORAX))
    g[:, I["spine2"]] = g[:, I["spine3"]] = thorax
    g[:, I["neck"]] = _bridge(p, turn, place, ("neck", "thorax"), ("head", "head"), _part(thorax, head, 0.5))
    g[:, I["head"]] = head
    for s in ("l", "r"):
        g[:, I[f"collar_{s}"]] = thorax @ _collar(p, turn, place, s)
        for smpl, ours in (("hip", "femur"), ("knee", "tibia"), ("ankle", "calcn"), ("foot", "toes"),
                           ("shoulder", "humerus"), ("wrist", "hand")):
            g[:, I[f"{smpl}_{s}"]] = turn[:, _J[f"{ours}_{s}"]] @ p.align[I[f"{smpl}_{s}"]]
        half = _part(turn[:, _J[f"ulna_{s}"]], turn[:, _J[f"radius_{s}"]], 0.5)
        rest_way = p.rest_m[_J[f"hand_{s}"]] - p.rest_m[_J[f"ulna_{s}"]]
        way = place[:, _J[f"hand_{s}"]] - place[:, _J[f"ulna_{s}"]]
        g[:, I[f"elbow_{s}"]] = rot.between(half @ rest_way, way) @ half @ p.align[I[f"elbow_{s}"]]
    return g


def _bridge(p: Pairing, turn: np.ndarray, place: np.ndarray, start: tuple[str, str], end: tuple[str, str],
            about: np.ndarray) -> np.ndarray:
    """Turn of a segment of SMPL's between two joints that ride on ours: `about`, turned on to point from one to the
    other. Our spine bends along arcs and SMPL's at joints, so the same attitudes alone would displace what is above."""

    def riding(smpl: str, ours: str) -> np.ndarray:
        return place[:, _J[ours]] + turn[:, _J[ours]] @ (p.on_ours(smpl) - p.rest_m[_J[ours]])

    rest = p.smpl_m[I[end[0]]] - p.smpl_m[I[start[0]]]
    return rot.between(about @ rest, riding(*end) - riding(*start)) @ about


def _collar_root(p: Pairing, s: str) -> np.ndarray:
    """Where SMPL's collar joint would sit in our rest pose: as far from our shoulder as it is from SMPL's."""
    away = p.smpl_m[I[f"shoulder_{s}"]] - p.smpl_m[I[f"collar_{s}"]]
    return p.rest_m[_J[f"humerus_{s}"]] - p.size * away


def _collar(p: Pairing, turn: np.ndarray, place: np.ndarray, s: str) -> np.ndarray:
    """Turn of the collar against spine 3, (T, 3, 3): the smallest that points at our shoulder."""
    thorax = _J["thorax"]
    own = np.einsum("tji,tj->ti", turn[:, thorax], place[:, _J[f"humerus_{s}"]] - place[:, thorax])
    way = own - (_collar_root(p, s) - p.rest_m[thorax])
    rest = p.smpl_m[I[f"shoulder_{s}"]] - p.smpl_m[I[f"collar_{s}"]]
    return rot.between(np.broadcast_to(rest, way.shape), way)


def q_to_smplx(q: np.ndarray, root_m: np.ndarray, rest_joints_m: np.ndarray, joint_frames: np.ndarray,
               smpl_rest_m: np.ndarray | None = None, n_joints: int = 55) -> dict[str, np.ndarray]:
    """Our motion as SMPL's pose parameters, in our Z-up world.

    Args:
        q: (T, 46) rad, root_m: (T, 3); NaN frames stay NaN.
        rest_joints_m: (24, 3), joint_frames: (24, 3, 3) of the person.
        smpl_rest_m: (J >= 22, 3) rest joints of the user's model for the person's betas, in SMPL's axes. Without them the
            rest poses are taken to be alike, and the pelvis' rest place is that of the mean body (`MEAN_PELVIS_M`).
        n_joints: 55 (SMPL-X), 52 (SMPL-H) or 24 (SMPL); joints after the 22 of the body stay at rest.

    Returns:
        poses (T, n_joints, 3) axis-angle against the parent, global orientation first; trans (T, 3), m, so that SMPL's
        pelvis stands at its rest place + trans (the AMASS convention, Z up).
    """
    q, root_m = np.asarray(q, float), np.asarray(root_m, float)
    ok = np.isfinite(q).all(-1) & np.isfinite(root_m).all(-1)
    poses, trans = np.full((len(q), n_joints, 3), np.nan), np.full((len(q), 3), np.nan)
    if ok.any():
        known = smpl_rest_m is not None
        p = pair(smpl_rest_m if known else generic_rest(rest_joints_m), rest_joints_m, joint_frames)
        T_wj = laws.forward_kinematics(q[ok], root_m[ok], p.rest_m, p.frames)
        place = T_wj[..., :3, 3]
        g = global_turns(p, turns_of(T_wj, p.frames), place)
        poses[ok] = 0.0
        poses[ok, : len(BODY)] = rot.log(local_rotations(g))
        hips = [I["hip_l"], I["hip_r"]]
        middle = place[:, [_J["femur_l"], _J["femur_r"]]].mean(1)
        pelvis = middle + g[:, 0] @ (p.smpl_m[0] - p.smpl_m[hips].mean(0))
        trans[ok] = pelvis - (np.asarray(smpl_rest_m, float)[0] if known else np.array(MEAN_PELVIS_M[n_joints]))
    return {"poses": poses, "trans": trans}


def local_rotations(g: np.ndarray) -> np.ndarray:
    """Turns in our rest axes (T, 22, 3, 3) -> SMPL's rotations against the parent, in its axes."""
    whole = g @ AXES
    out = whole.copy()
    for j, parent in enumerate(BODY_PARENTS):
        if parent >= 0:
            out[:, j] = np.swapaxes(whole[:, parent], -1, -2) @ whole[:, j]
    return out


def smpl_forward(local: np.ndarray, pelvis_m: np.ndarray, smpl_rest_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SMPL's own forward kinematics of its body joints.

    Args:
        local: (T, >=22, 3, 3) rotations against the parent.
        pelvis_m: (T, 3) the pelvis joint in the world.
        smpl_rest_m: (>=22, 3), its axes.

    Returns:
        Turns in our rest axes (T, 22, 3, 3) and places (T, 22, 3).
    """
    n = len(local)
    whole, place = np.empty((n, len(BODY), 3, 3)), np.empty((n, len(BODY), 3))
    for j, parent in enumerate(BODY_PARENTS):
        if parent < 0:
            whole[:, j], place[:, j] = local[:, j], pelvis_m
            continue
        whole[:, j] = whole[:, parent] @ local[:, j]
        place[:, j] = place[:, parent] + whole[:, parent] @ (smpl_rest_m[j] - smpl_rest_m[parent])
    return whole @ AXES.T, place


def smplx_to_q(local: np.ndarray, pelvis_m: np.ndarray, rest_joints_m: np.ndarray, joint_frames: np.ndarray,
               smpl_rest_m: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """SMPL's rotations as coordinates under our laws, inside our limits.

    Args:
        local: (T, >=22, 3, 3) rotations against the parent, in SMPL's axes; the first is SMPL's axes -> the world.
        pelvis_m: (T, 3) SMPL's pelvis joint in the world.
        rest_joints_m, joint_frames: Of our body.
        smpl_rest_m: As in `q_to_smplx`.

    Returns:
        q (T, 46) rad, root_m (T, 3), error_m (T, 14): how far the limb joints (`CORRESPONDING`) lie from where SMPL's
        rotations put them on a body of our lengths. The pelvis angles are continuous over time.
    """
    p = pair(generic_rest(rest_joints_m) if smpl_rest_m is None else smpl_rest_m, rest_joints_m, joint_frames)
    local = np.asarray(local, float)[:, : len(BODY)]
    g, place = smpl_forward(local, np.asarray(pelvis_m, float), p.smpl_m @ AXES)
    wanted = np.tile(np.eye(3), (len(g), len(sk.JOINTS), 1, 1))
    for name in ("pelvis", "head"):
        wanted[:, _J[name]] = g[:, I[name]]
    wanted[:, _J["thorax"]] = g[:, I["spine3"]]
    wanted[:, _J["lumbar_body"]] = _part(g[:, I["pelvis"]], g[:, I["spine3"]], _LUMBAR_SHARE)
    for s in ("l", "r"):
        wanted[:, _J[f"scapula_{s}"]] = g[:, I["spine3"]]
        for smpl, ours in (("hip", "femur"), ("knee", "tibia"), ("ankle", "talus"), ("ankle", "calcn"), ("foot", "toes"),
                           ("shoulder", "humerus"), ("elbow", "ulna"), ("wrist", "radius"), ("wrist", "hand")):
            j = I[f"{smpl}_{s}"]
            wanted[:, _J[f"{ours}_{s}"]] = g[:, j] @ p.align[j].T
    hips = place[:, [I["hip_l"], I["hip_r"]]].mean(1)
    ours = p.rest_m[[_J["femur_l"], _J["femur_r"]]].mean(0) - p.rest_m[0]
    root = hips - g[:, 0] @ ours
    q = _begin(p, wanted)
    targets = _targets(p, wanted, g, place, hips, root)
    skeleton = Skeleton(p.rest_m, np.zeros((1, *p.rest_m.shape)), p.frames)
    pelvis, q, root = match(skeleton, wanted[:, 0], q, root, targets)
    q[:, :3] = rot.euler_zxy(p.frames[0].T @ pelvis @ p.frames[0])
    reached = laws.forward_kinematics(q, root, p.rest_m, p.frames)[..., :3, 3]
    limbs = [_J[n] for n in CORRESPONDING.values()]
    return q, root, np.linalg.norm(reached[:, limbs] - targets.place_m[:, limbs], axis=-1)


def _targets(p: Pairing, wanted: np.ndarray, g: np.ndarray, smpl_place: np.ndarray, hips: np.ndarray, root: np.ndarray
             ) -> Targets:
    """Where SMPL's turns put the joints of a body of our lengths, and how much each place and attitude matters."""
    n, joints = len(g), len(sk.JOINTS)
    place = np.zeros((n, joints, 3))
    place[:, 0] = root
    thorax = _J["thorax"]
    place_sigma, turn_sigma = np.full(joints, np.inf), np.full(joints, np.inf)
    for smpl, ours in (("spine3", "thorax"), ("head", "head")):
        there = hips + p.tall * (smpl_place[:, I[smpl]] - hips)
        place[:, _J[ours]] = there - wanted[:, _J[ours]] @ (p.on_ours(smpl) - p.rest_m[_J[ours]])
        place_sigma[_J[ours]] = 0.01

    def hang(child: str, parent: str, by: np.ndarray) -> None:
        c, up = _J[child], _J[parent]
        place[:, c] = place[:, up] + by @ (p.rest_m[c] - p.rest_m[up])

    for s in ("l", "r"):
        hang(f"femur_{s}", "pelvis", wanted[:, 0])
        hang(f"tibia_{s}", f"femur_{s}", wanted[:, _J[f"femur_{s}"]])
        hang(f"talus_{s}", f"tibia_{s}", wanted[:, _J[f"tibia_{s}"]])
        foot = wanted[:, _J[f"calcn_{s}"]]
        hang(f"toes_{s}", f"talus_{s}", foot)
        collar = np.swapaxes(g[:, I["spine3"]], 1, 2) @ g[:, I[f"collar_{s}"]]
        away = collar @ (p.smpl_m[I[f"shoulder_{s}"]] - p.smpl_m[I[f"collar_{s}"]])
        own = _collar_root(p, s) - p.rest_m[thorax] + p.size * away
        place[:, _J[f"humerus_{s}"]] = place[:, thorax] + np.einsum("tij,tj->ti", wanted[:, thorax], own)
        hang(f"ulna_{s}", f"humerus_{s}", wanted[:, _J[f"humerus_{s}"]])
        hang(f"hand_{s}", f"ulna_{s}", wanted[:, _J[f"ulna_{s}"]])
        for name in ("femur", "tibia", "talus", "humerus", "ulna", "hand"):
            place_sigma[_J[f"{name}_{s}"]] = 0.003
        place_sigma[_J[f"toes_{s}"]] = 0.006
        for name, sigma in (("femur", .5), ("tibia", .5), ("calcn", .1), ("toes", .3), ("humerus", .5), ("hand", .15)):
            turn_sigma[_J[f"{name}_{s}"]] = sigma
    for name, sigma in (("pelvis", .03), ("lumbar_body", .3), ("thorax", .05), ("head", .1)):
        turn_sigma[_J[name]] = sigma
    return Targets(place, place_sigma, wanted, turn_sigma, np.full(len(sk.DOFS), 1.5))


def _begin(p: Pairing, wanted: np.ndarray) -> np.ndarray:
    """Coordinates (T, 46) whose joints turn as wanted as nearly as their axes and limits allow, parent by parent."""
    q = np.zeros((len(wanted), len(sk.DOFS)))
    reached = wanted.copy()
    for joint in sk.JOINTS[1:]:
        up = reached[:, joint.parent]
        frame = p.frames[joint.index]
        R = np.swapaxes(up @ frame, -1, -2) @ wanted[:, joint.index] @ frame
        q[:, list(joint.dofs)] = joint_angles(R, joint)
        only = np.zeros_like(q)
        only[:, list(joint.dofs)] = q[:, list(joint.dofs)]
        reached[:, joint.index] = up @ frame @ laws.rotations(only)[:, joint.index] @ frame.T
    return q


def joint_angles(R: np.ndarray, joint: sk.Joint) -> np.ndarray:
    """Angles (T, n) of a joint that come nearest to rotations (T, 3, 3) in its frame, inside its limits."""
    axes = ["XYZ".index(letter) for letter in joint.order]
    low, high = sk.LOW[list(joint.dofs)], sk.HIGH[list(joint.dofs)]
    if len(joint.dofs) == 1:
        i = axes[0]
        j, k = (i + 1) % 3, (i + 2) % 3
        # Maximises the trace of R(angle)^T R.
        angle = np.arctan2(R[:, k, j] - R[:, j, k], R[:, j, j] + R[:, k, k])
        return np.clip(angle, low, high)[:, None]
    a, b, c = axes
    sign = 1.0 if (b - a) % 3 == 1 else -1.0
    middle = np.arcsin(np.clip(-sign * R[:, c, a], -1, 1))
    first = np.arctan2(sign * R[:, c, b], R[:, c, c])
    last = np.arctan2(sign * R[:, b, a], R[:, a, a])
    options = np.stack([np.stack([first, middle, last], -1),
                        np.stack([first + np.pi, np.pi - middle, last + np.pi], -1)])[..., : len(joint.dofs)]
    options = (options + np.pi) % (2 * np.pi) - np.pi
    outside = np.maximum(np.maximum(low - options, options - high), 0).sum(-1)
    # Both sets may be allowed; the one nearer rest is the one that a joint would take.
    best = options[np.argmin(outside + 1e-3 * np.abs(options).sum(-1), axis=0), np.arange(len(R))]
    return np.clip(best, low, high)
