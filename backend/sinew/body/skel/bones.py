"""SKEL's bone surfaces: how each bone is scaled to a shape, and where it stands in the rest pose."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sinew_take import skeleton as sk

from .model_file import N_JOINTS, SkelFile

_J = sk.JOINT_INDEX
LUMBAR, THORAX = _J["lumbar_body"], _J["thorax"]

WIDTHS = (
    # (joints, axis of the bone, axis of the body, pairs of skin vertices: the smaller ratio counts)
    (("head",), 0, 2, ((410, 384),)),
    (("head",), 1, 1, ((414, 384),)),
    (("head",), 2, 0, ((196, 3708),)),
    (("hand_r", "hand_l"), 0, 1, ((6179, 6137),)),
    (("hand_r", "hand_l"), 1, 0, ((5670, 5906),)),
    (("lumbar_body", "thorax"), 0, 2, ((3027, 3495), (3027, 3506))),
)
"""Widths that joints do not tell, from pairs of skin vertices as shaped over the template. Published facts of SKEL; the
left hand takes the right hand's vertices."""

_UNSCALED = ("toes_r", "toes_l", "head", "hand_r", "hand_l")


class Bones:
    """The bone surfaces of one file. `on` puts an array on the model's device in its precision."""

    def __init__(self, file: SkelFile, on):
        self.weight = on(file.bone_weight.toarray())
        self._rigid = on(file.bone_weight_rigid.toarray())
        self._points = on(file.bone_m)
        self._template = on(file.skin_m[sorted({v for *_, pairs in WIDTHS for pair in pairs for v in pair})])
        self._row = {v: n for n, v in enumerate(sorted({v for *_, pairs in WIDTHS for pair in pairs for v in pair}))}
        offset = file.a_pose_in_parent[:, :3, 3]
        self._length = on(np.array([np.linalg.norm(offset[self._end(j)]) if self._end(j) else 1.0
                                    for j in range(N_JOINTS)]))
        self._lumbar_height = on(abs(offset[LUMBAR, 1]))

    @staticmethod
    def _end(joint: int) -> int | None:
        """The joint whose published offset is the bone's length."""
        if sk.JOINT_NAMES[joint] in _UNSCALED:
            return None
        return sk.PARENTS.index(joint + 1 if sk.JOINT_NAMES[joint].startswith("ulna") else joint)

    def scale(self, joints: Tensor, skin: Tensor) -> Tensor:
        """(B, 24, 3): length of each bone in this shape over its published one; widths where the table has them.

        Args:
            joints: (B, 24, 3) m, rest joints.
            skin: (B, 6890, 3) m, rest skin.
        """
        along = []
        for j in range(N_JOINTS):
            end = self._end(j)
            if j == LUMBAR:
                along.append((joints[:, j, 1] - joints[:, 0, 1]).abs() / self._lumbar_height)
            elif j == THORAX:
                along.append((joints[:, THORAX] - joints[:, LUMBAR]).norm(dim=-1) / self._length[LUMBAR])
            elif end is None:
                along.append(torch.ones_like(joints[:, 0, 0]))
            else:
                along.append((joints[:, end] - joints[:, sk.PARENTS[end]]).norm(dim=-1) / self._length[j])
        out = [[a, a, a] for a in along]
        for names, bone_axis, body_axis, pairs in WIDTHS:
            ratios = [(skin[:, a, body_axis] - skin[:, b, body_axis]).abs()
                      / (self._template[self._row[a], body_axis] - self._template[self._row[b], body_axis]).abs()
                      for a, b in pairs]
            width = torch.stack(ratios).amin(0)
            for name in names:
                out[_J[name]][bone_axis] = width
        return torch.stack([torch.stack(axes, -1) for axes in out], 1)

    def place(self, joints: Tensor, turn: Tensor, scale: Tensor) -> Tensor:
        """Rest surface (B, S, 3): each bone scaled along its own axes, turned into the body and put at its joint.

        Args:
            joints: (B, 24, 3) m.
            turn: (B, 24, 3, 3) bone frame -> body axes.
            scale: (B, 24, 3).
        """
        T = torch.cat([turn * scale[..., None, :], joints[..., None]], -1).flatten(2)
        mixed = (self._rigid @ T).unflatten(-1, (3, 4))
        return (mixed[..., :3] @ self._points[..., None])[..., 0] + mixed[..., 3]
