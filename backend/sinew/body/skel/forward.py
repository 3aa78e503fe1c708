"""SKEL's forward model: skin, bone surfaces, joints and orientations from coordinates and shape; differentiable.

Written from the published facts of SKEL (Keller et al. 2023). Tree, axes, order, signs and the kind of each joint are
read from `sinew_take.skeleton`; what follows from the user's file are the rest joints and the joint frames. In rest axes
these are what `sinew_take.laws` takes, and a test holds that both place every joint at the same point.

Axes in this module are SKEL's: x to the body's left, y up, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sinew_take import skeleton as sk

from . import bones
from .model_file import N_JOINTS, N_SHAPE, SkelFile

TO_REST = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""SKEL's axes -> rest axes (x left, y back, z up)."""

_J = sk.JOINT_INDEX
LUMBAR, THORAX, HEAD = _J["lumbar_body"], _J["thorax"], _J["head"]

SMPL_JOINT = (0, 2, 5, 8, 8, 11, 1, 4, 7, 7, 10, 3, 6, 15, 14, 17, 19, 0, 21, 13, 16, 18, 0, 20)
"""SMPL joint whose pose correctives each joint drives; where two drive one, the later one does; SMPL joint 0 has none."""
_DRIVER = {smpl: joint for joint, smpl in enumerate(SMPL_JOINT) if smpl > 0}


def driver_of(smpl_joint: int) -> int | None:
    """The joint that drives the pose correctives of an SMPL joint; None where nothing does."""
    return _DRIVER.get(smpl_joint)


STRAIGHT = ("pelvis", "toes_r", "toes_l", "head", "hand_r", "hand_l")
"""Bones that keep the template's direction: they end in no joint of their own (the pelvis in several)."""


def _published_axes() -> np.ndarray:
    """(24,3,3) columns: axes of each joint frame in OpenSim's axes.

    The table's, but for the left foot, where the table mirrors the right. SKEL writes three pin frames of their own:
    the ankle's is the right one's, unmirrored (0.25 rad apart); the others differ from the mirror image by 1e-6 and less.
    """
    axes = sk.PUBLISHED_AXES.copy()
    for name, (x, y) in {"talus_l": (.175895, -.105208), "calcn_l": (1.768189999, -.906223),
                         "toes_l": (-3.141589999, -.619901)}.items():
        pin = np.array([np.sin(y), -np.sin(x) * np.cos(y), np.cos(x) * np.cos(y)])
        axes[_J[name]] = _least_turn(axes[_J[name]][:, 2], pin) @ axes[_J[name]]
    return axes


def _least_turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The least rotation that takes one unit vector to another that is not opposite."""
    x, y, z = np.cross(a, b)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + skew + skew @ skew / (1 + a @ b)


def _turn_scale() -> np.ndarray:
    """(46,) how far a coordinate of 1 rad turns. SKEL takes OpenSim's elbow and forearm axes as printed and turns by
    their length, which is 1 to within 4e-9; everything else turns by itself."""
    scale = np.ones(len(sk.DOFS))
    for dof in sk.DOFS:
        for start, axis in (("elbow_flexion", sk.ELBOW_AXIS), ("pro_sup", sk.FOREARM_AXIS)):
            if dof.name.startswith(start):
                scale[dof.index] = np.linalg.norm(axis)
    return scale


def first_child(joint: int) -> int:
    """The first joint that names this one as its parent."""
    return sk.PARENTS.index(joint)


def _bent() -> list[int]:
    """Bones that turn with the shape."""
    return [j.index for j in sk.JOINTS if j.name not in STRAIGHT]


def bone_starts_and_ends() -> tuple[list[int], list[int]]:
    """For each bone that turns with the shape, the joints that it points from and to in the rest pose. The ulna points
    along itself and the radius, the thorax as the lumbar spine does."""
    starts = [LUMBAR if j == THORAX else j for j in _bent()]
    ends = [first_child(first_child(j)) if sk.JOINT_NAMES[j].startswith("ulna") else first_child(start)
            for j, start in zip(_bent(), starts)]
    return starts, ends


def joint_frame_parts(file: SkelFile) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
    """What joint frames are made of, in SKEL's axes: frame = (least turn to the shape's bone) @ turn @ to_joint.

    Returns:
        turn (24,3,3) bone frame -> body axes in the template; to_joint (24,3,3) joint frame -> bone frame; published
        (24,3) each bone's published direction in body axes, not normalised; the bones that turn with the shape.
    """
    offset = file.a_pose_in_parent[:, :3, 3]
    published = np.zeros((N_JOINTS, 3))
    for j in _bent():
        own = offset[first_child(j)]
        if sk.JOINT_NAMES[j].startswith("ulna"):
            own = own + offset[first_child(j + 1)]
        published[j] = file.rest_turn[j] @ own
    to_joint = np.swapaxes(file.a_pose_in_parent[:, :3, :3], 1, 2) @ _published_axes()
    return file.rest_turn, to_joint, published, _bent()


def _levels() -> list[tuple[list[int], list[int]]]:
    """Joints by depth below the pelvis, with their parents: one product per level."""
    depth = [0] * N_JOINTS
    for j, p in enumerate(sk.PARENTS):
        depth[j] = 0 if p < 0 else depth[p] + 1
    return [([j for j in range(N_JOINTS) if depth[j] == d], [sk.PARENTS[j] for j in range(N_JOINTS) if depth[j] == d])
            for d in range(1, max(depth) + 1)]


_LEVELS = _levels()
_ORDER = [j for level, _ in [([0], [-1]), *_LEVELS] for j in level]
_BACK = [_ORDER.index(j) for j in range(N_JOINTS)]
# The three turns of each joint, first applied first; 46 stands for none.
_FACTORS = np.array([[*j.dofs, *[len(sk.DOFS)] * (3 - len(j.dofs))] for j in sk.JOINTS])


@dataclass(frozen=True)
class Rest:
    """One shape in the rest pose; B shapes, or 1 for the whole batch."""

    skin_m: Tensor
    """(B, V, 3)"""
    joints_m: Tensor
    """(B, 24, 3)"""
    bone_turn: Tensor
    """(B, 24, 3, 3): bone frame -> body axes."""
    frames: Tensor
    """(B, 24, 3, 3): joint frames whose positive axes the coordinates turn about."""


@dataclass(frozen=True)
class Posed:
    """B poses. All in SKEL's axes, m."""

    joints_m: Tensor
    """(B, 24, 3), with the translation."""
    orientation: Tensor
    """(B, 24, 3, 3): bone frame -> world."""
    turn: Tensor
    """(B, 24, 3, 3): from the rest pose, in the world."""
    local: Tensor
    """(B, 24, 3, 3): each joint's own turn from rest, in body axes of the rest pose."""
    rest: Rest


class Skel:
    """The model of one file, on a device and in a precision.

    Args:
        file: The user's file, read.
        dtype: torch.float32 or torch.float64.
        device: Where.
        vertices: Only these skin vertices are posed (shape and joints follow from all); None for all of them.
        published_gradient: Give the gradients of the public code instead of the exact ones. There each ankle's turn,
            whose pose corrective the subtalar joint's overwrites, still receives that corrective's gradient. For parity.
    """

    def __init__(self, file: SkelFile, dtype: torch.dtype = torch.float32, device: str = "cpu",
                 vertices: np.ndarray | None = None, published_gradient: bool = False):
        def on(array) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(array), dtype=dtype, device=device)

        self.file, self.dtype, self.device = file, dtype, device
        self._published_gradient = published_gradient
        which = slice(None) if vertices is None else np.asarray(vertices)
        regress = file.joints_of_skin
        self._skin, self._shape_dirs = on(file.skin_m[which]), on(file.shape_dirs_m[which])
        self._pose_dirs = on(file.pose_dirs_m[which].reshape(-1, 207).T)
        self._weight = on(file.skin_weight[which].toarray())
        # Joints are linear in the shape: regressed once from the template and from each direction.
        self._joints = on(regress @ file.skin_m)
        self._joint_dirs = on(np.stack([regress @ file.shape_dirs_m[:, :, b] for b in range(N_SHAPE)], -1))
        self._rest_turn = on(file.rest_turn)
        _, to_joint, published, self._bent = joint_frame_parts(file)
        self._published, self._to_joint = on(published), on(to_joint)
        self._bones = bones.Bones(file, on)
        skew = np.zeros((len(sk.DOFS), 3, 3))
        for dof in sk.DOFS:
            j, k = (dof.axis + 1) % 3, (dof.axis + 2) % 3
            skew[dof.index, k, j], skew[dof.index, j, k] = 1, -1
        self._skew, self._skew2, self._eye = on(skew), on(skew @ skew), on(np.eye(3))
        self._turn_scale = on(_turn_scale())

    # --- shape -----------------------------------------------------------------------------------------------------
    def rest(self, betas: Tensor) -> Rest:
        """The rest pose of shapes. betas: (B, 10)."""
        skin = self._skin + torch.einsum("vcb,nb->nvc", self._shape_dirs, betas)
        joints = self._joints + torch.einsum("jcb,nb->njc", self._joint_dirs, betas)
        turn = self._bone_turn(joints)
        return Rest(skin, joints, turn, turn @ self._to_joint)

    def _bone_turn(self, joints: Tensor) -> Tensor:
        """Least turn that brings each published bone onto this shape's, after the template's own turn."""
        bent = self._bent
        starts, ends = bone_starts_and_ends()
        to = torch.nn.functional.normalize(joints[:, ends] - joints[:, starts], dim=-1)
        of = torch.nn.functional.normalize(self._published[bent], dim=-1).expand_as(to)
        axis = torch.linalg.cross(of, to)
        cos = (of * to).sum(-1)[..., None, None]
        zero = torch.zeros_like(axis[..., 0])
        x, y, z = axis.unbind(-1)
        skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
        least = self._eye + skew + skew @ skew / (1 + cos).clamp_min(1e-8)
        out = [None] * N_JOINTS
        for n, j in enumerate(bent):
            out[j] = least[:, n] @ self._rest_turn[j]
        for j in range(N_JOINTS):
            if out[j] is None:
                out[j] = self._rest_turn[j].expand(len(joints), 3, 3)
        return torch.stack(out, 1)

    # --- pose ------------------------------------------------------------------------------------------------------
    def pose(self, q: Tensor, rest: Rest, trans: Tensor | None = None) -> Posed:
        """Place the joints.

        Args:
            q: (B, 46) rad.
            rest: Of `rest`, for the batch or one for all.
            trans: (B, 3) m, added last.
        """
        angle = (q * self._turn_scale)[..., None, None]
        each = self._eye + torch.sin(angle) * self._skew + (1 - torch.cos(angle)) * self._skew2
        each = torch.cat([each, self._eye.expand(len(q), 1, 3, 3)], 1)
        first, second, third = (each[:, _FACTORS[:, n]] for n in range(3))
        local = rest.frames @ third @ second @ first @ rest.frames.mT
        joints = rest.joints_m
        parents = [0, *sk.PARENTS[1:]]
        offset = (joints - joints[:, parents] + slides(q, joints))[..., None]
        turns = [local[:, :1]]
        centres = [joints[:, :1].expand(len(q), 1, 3)]
        place = {0: (0, 0)}
        for depth, (level, up) in enumerate(_LEVELS, 1):
            rows = [place[p][1] for p in up]
            above, base = turns[depth - 1][:, rows], centres[depth - 1][:, rows]
            turns.append(above @ local[:, level])
            centres.append(base + (above @ offset[:, level])[..., 0])
            place.update({j: (depth, n) for n, j in enumerate(level)})
        turn = torch.cat(turns, 1)[:, _BACK]
        centre = torch.cat(centres, 1)[:, _BACK]
        if trans is not None:
            centre = centre + trans[:, None]
        return Posed(centre, turn @ rest.bone_turn, turn, local, rest)

    def pose_offsets(self, local: Tensor) -> Tensor:
        """Pose-dependent displacement of the skin before skinning, (B, V, 3). local: (B, 24, 3, 3) of `Posed`."""
        turns = [local[:, _DRIVER[s]] - self._eye if s in _DRIVER else torch.zeros_like(local[:, 0]) for s in range(1, 24)]
        if self._published_gradient:
            for joint, smpl in enumerate(SMPL_JOINT):
                if smpl and _DRIVER[smpl] != joint:
                    turns[smpl - 1] = turns[smpl - 1] + local[:, joint] - local[:, joint].detach()
        return (torch.stack(turns, 1).flatten(1) @ self._pose_dirs).unflatten(1, (-1, 3))

    def skin(self, posed: Posed) -> Tensor:
        """Posed skin, (B, V, 3)."""
        return _blend(self._weight, posed, posed.rest.skin_m + self.pose_offsets(posed.local))

    def surface(self, posed: Posed, scale: Tensor | None = None) -> Tensor:
        """Posed bone surfaces, (B, S, 3). scale: (B, 24, 3) instead of the rule's own."""
        return _blend(self._bones.weight, posed, self.rest_surface(posed.rest, scale))

    def rest_surface(self, rest: Rest, scale: Tensor | None = None) -> Tensor:
        """Bone surfaces in the rest pose, (B, S, 3). Only for a model with all its vertices."""
        scale = self.bone_scale(rest) if scale is None else scale
        return self._bones.place(rest.joints_m, rest.bone_turn, scale)

    def bone_scale(self, rest: Rest) -> Tensor:
        """(B, 24, 3): how much longer each bone is than its published surface, along its own axes."""
        return self._bones.scale(rest.joints_m, rest.skin_m)


def _blend(weight: Tensor, posed: Posed, points: Tensor) -> Tensor:
    """Linear blend skinning of rest points (B, V, 3) by weights (V, 24)."""
    shift = posed.joints_m - (posed.turn @ posed.rest.joints_m[..., None])[..., 0]
    T = torch.cat([posed.turn, shift[..., None]], -1).flatten(2)  # (B, 24, 12)
    mixed = (weight @ T).unflatten(-1, (3, 4))
    return (mixed[..., :3] @ points[..., None])[..., 0] + mixed[..., 3]


_SMALL_RAD = 0.25


def _bend(angle: Tensor) -> tuple[Tensor, Tensor]:
    """(1 - cos a) / a and sin a / a - 1, both accurate near zero, with their derivatives."""
    small = angle.abs() < _SMALL_RAD
    near = torch.where(small, angle, torch.zeros_like(angle))
    far = torch.where(small, torch.ones_like(angle), angle)
    n2 = near * near
    side = near * (1 / 2 - n2 * (1 / 24 - n2 * (1 / 720 - n2 * (1 / 40320 - n2 * (1 / 3628800 - n2 / 479001600)))))
    along = -n2 * (1 / 6 - n2 * (1 / 120 - n2 * (1 / 5040 - n2 * (1 / 362880 - n2 * (1 / 39916800 - n2 / 6227020800)))))
    return torch.where(small, side, (1 - torch.cos(far)) / far), torch.where(small, along, torch.sin(far) / far - 1)


def slides(q: Tensor, joints: Tensor) -> Tensor:
    """Displacement of each joint's centre in its parent: `sinew_take.laws.slides`, differentiable and in SKEL's axes.

    Args:
        q: (B, 46) rad.
        joints: (B or 1, 24, 3) m, rest joints.

    Returns:
        (B, 24, 3) m.
    """
    zero = torch.zeros_like(q[:, 0])
    out = [torch.stack([zero] * 3, -1)] * N_JOINTS
    width = (joints[:, _J["scapula_l"]] - joints[:, _J["scapula_r"]]).norm(dim=-1) / 4
    height = (joints[:, THORAX] - joints[:, LUMBAR]).norm(dim=-1) / 2
    quarter = np.pi / 4
    for joint in sk.JOINTS:
        if joint.law == "turn":
            continue
        first, second = q[:, joint.dofs[0]], q[:, joint.dofs[1]]
        if joint.law == "arc":
            length = (joints[:, joint.index, 1] - joints[:, joint.parent, 1]).abs()
            right, up_1 = _bend(first)
            back, up_2 = _bend(second)
            out[joint.index] = torch.stack([-length * right, length * (up_1 + up_2), -length * back], -1)
        else:
            side = -1.0 if joint.name.endswith("_l") else 1.0
            abduction, elevation = side * first, side * second
            out[joint.index] = torch.stack([
                -side * width * (torch.cos(elevation - quarter) * torch.cos(abduction) - np.cos(quarter)),
                -height * (torch.sin(elevation - quarter) + np.sin(quarter)),
                width * torch.sin(abduction)], -1)
    return torch.stack(out, 1)
