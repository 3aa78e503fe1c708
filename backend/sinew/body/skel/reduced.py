"""Keypoints of SKEL with exact derivatives, without its vertices: NumPy, float64, a millisecond a pose.

A keypoint is a weighted sum of skinned vertices, and skinning is linear in the vertices; so for every keypoint and joint
the vertices can be summed once, over template, shape directions and pose correctives. What remains is kinematics. This
is exact, not an approximation: a test holds it to SKEL's own forward model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sinew.geometry import rotations as rot
from sinew.motion.kinematics import BELOW, Skeleton, pose
from sinew_take import skeleton as sk

from .forward import TO_REST, bone_starts_and_ends, driver_of, joint_frame_parts
from .model_file import N_JOINTS, N_SHAPE, SkelFile

_J = sk.JOINT_INDEX
_JOINT_OF = np.array([d.joint for d in sk.DOFS])
TURN, ANGLES, ROOT, SHAPE = slice(0, 3), slice(3, 46), slice(46, 49), slice(49, 59)
"""Columns of a Jacobian: small turn of the whole body about the world's axes through the pelvis joint, coordinates,
pelvis joint in the world, shape."""
N_COLUMNS = 59
_DRIVEN = tuple((smpl, driver_of(smpl)) for smpl in range(1, 24) if driver_of(smpl) is not None)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products of (..., 3); several times faster than NumPy's for a few dozen."""
    return a[..., [1, 2, 0]] * b[..., [2, 0, 1]] - a[..., [2, 0, 1]] * b[..., [1, 2, 0]]


def _down_the_tree(own: np.ndarray) -> np.ndarray:
    """Sum over each joint and its ancestors, (24, ...)."""
    return (BELOW.T.astype(float) @ own.reshape(N_JOINTS, -1)).reshape(own.shape)


@dataclass(frozen=True)
class State:
    """One pose and shape. The world is whatever `pelvis` maps into, such as the camera's axes."""

    pelvis: np.ndarray
    """(3, 3): rest axes -> world."""
    q: np.ndarray
    """(46,) rad; the first three are not read."""
    root_m: np.ndarray
    """(3,) pelvis joint in the world."""
    betas: np.ndarray
    """(10,)"""

    def moved(self, step: np.ndarray) -> State:
        """After a step in the columns of a Jacobian."""
        q = self.q.copy()
        q[3:] += step[ANGLES]
        return State(rot.exp(step[TURN][None])[0] @ self.pelvis, q, self.root_m + step[ROOT], self.betas + step[SHAPE])


class ReducedSkel:
    """Keypoints that are linear in the skin.

    Args:
        file: The model.
        regress: (K, 6890) sparse: keypoints = regress @ skin.
    """

    def __init__(self, file: SkelFile, regress):
        regress, weight = regress.tocsr(), file.skin_weight
        # One row per keypoint and joint that share a vertex.
        rows, point, joint = [], [], []
        for k in range(regress.shape[0]):
            own = regress[k]
            shares = weight[own.indices].multiply(own.data[:, None]).tocsc()
            for j in np.unique(shares.indices if shares.format == "csr" else shares.nonzero()[1]):
                column = shares[:, [j]].toarray()[:, 0]
                used = np.nonzero(column)[0]
                v, w = own.indices[used], column[used]
                rows.append((w.sum(), w @ file.skin_m[v], np.tensordot(w, file.shape_dirs_m[v], 1),
                             np.tensordot(w, file.pose_dirs_m[v], 1)))
                point.append(k)
                joint.append(j)
        self.n_points = regress.shape[0]
        self._joint = np.array(joint)
        self._weight = np.array([r[0] for r in rows])
        self._base = np.array([r[1] for r in rows]) @ TO_REST.T
        self._by_shape = np.einsum("xy,cyb->cxb", TO_REST, np.array([r[2] for r in rows]))
        self._by_pose = np.einsum("xy,cyf->cxf", TO_REST, np.array([r[3] for r in rows]))
        # (n, 3 C, 9): what the turn of each driving joint does to every row; its coordinates, three slots a joint.
        self._by_driver = np.stack([self._by_pose[:, :, 9 * (s - 1):9 * s].reshape(-1, 9) for s, _ in _DRIVEN])
        slots = [(3 * n + i, d) for n, (_, j) in enumerate(_DRIVEN) for i, d in enumerate(sk.JOINTS[j].dofs)]
        self._slots, self._driven_dofs = np.array([s for s in slots if s[1] >= 3]).T
        self._feature = [(slice(9 * (s - 1), 9 * s), j) for s, j in _DRIVEN]
        c = len(rows)
        gather = np.zeros((self.n_points, c))
        gather[np.array(point), np.arange(c)] = 1
        self._gather = gather
        self._below = np.concatenate([gather * BELOW[j][self._joint] for j in range(N_JOINTS)])  # (24 K, C)
        self._share = (self._below @ self._weight).reshape(N_JOINTS, self.n_points)
        joints = file.joints_of_skin
        self._rest = (joints @ file.skin_m) @ TO_REST.T
        self._rest_dirs = np.einsum("xy,jyb->jxb", TO_REST, np.stack(
            [joints @ file.shape_dirs_m[:, :, b] for b in range(N_SHAPE)], -1))
        turn, to_joint, published, bent = joint_frame_parts(file)
        self._frame_right = turn @ to_joint
        self._bent = bent
        self._of = published[bent] @ TO_REST.T
        self._of /= np.linalg.norm(self._of, axis=1, keepdims=True)
        self._start, self._end = bone_starts_and_ends()

    # --- shape -----------------------------------------------------------------------------------------------------
    def rest_joints(self, betas: np.ndarray) -> np.ndarray:
        """(24, 3) m, rest axes."""
        return self._rest + self._rest_dirs @ betas

    def frames(self, rest_m: np.ndarray, derivative: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
        """Joint frames (24,3,3) in rest axes, and their turning per shape coefficient (24, 10, 3) in rest axes."""
        bone = rest_m[self._end] - rest_m[self._start]
        length = np.linalg.norm(bone, axis=1)
        to = bone / length[:, None]
        w, cos = _cross(self._of, to), (self._of * to).sum(1)
        K = rot.cross_matrix(w)
        least = np.tile(np.eye(3), (N_JOINTS, 1, 1))
        least[self._bent] += K + K @ K / (1 + cos)[:, None, None]
        out = least @ TO_REST @ self._frame_right
        if not derivative:
            return out, None
        d_bone = self._rest_dirs[self._end] - self._rest_dirs[self._start]  # (n, 3, B)
        d_to = (d_bone - to[:, :, None] * np.einsum("nx,nxb->nb", to, d_bone)[:, None]) / length[:, None, None]
        d_to = np.swapaxes(d_to, 1, 2)  # (n, B, 3)
        dw, dcos = _cross(self._of[:, None], d_to), (self._of[:, None] * d_to).sum(-1)
        dK, K = rot.cross_matrix(dw), K[:, None]
        denominator = (1 + cos)[:, None, None, None]
        d_least = dK + (dK @ K + K @ dK) / denominator - K @ K * dcos[..., None, None] / denominator**2
        spin = d_least @ np.swapaxes(least[self._bent], 1, 2)[:, None]
        turning = np.zeros((N_JOINTS, N_SHAPE, 3))
        turning[self._bent] = np.stack([spin[..., 2, 1], spin[..., 0, 2], spin[..., 1, 0]], -1)
        return out, turning

    def _place(self, state: State, derivative: bool):
        rest = self.rest_joints(state.betas)
        frames, turning = self.frames(rest, derivative)
        skeleton = Skeleton(rest, np.zeros((1, N_JOINTS, 3)), frames)
        placed = pose(skeleton, np.zeros(1), state.pelvis[None], state.q[None], state.root_m[None])
        turn, centre = placed.turn[0], placed.centre[0]
        parents = np.array([0, *sk.PARENTS[1:]])
        local = np.swapaxes(turn[parents], 1, 2) @ turn
        # The pelvis' own turn has no corrective; its coordinates belong to the pose as a whole.
        flat = (TO_REST.T @ local @ TO_REST - np.eye(3)).reshape(N_JOINTS, 9)
        feature = np.zeros(207)
        for part, j in self._feature:
            feature[part] = flat[j]
        points = self._base + self._by_shape @ state.betas + self._by_pose @ feature
        arm = (turn[self._joint] @ (points - self._weight[:, None] * rest[self._joint])[..., None])[..., 0]
        rows = arm + self._weight[:, None] * centre[self._joint]
        return rest, turning, placed, turn, centre, parents, local, arm, rows

    def keypoints(self, state: State) -> np.ndarray:
        """(K, 3) m, world."""
        return self._gather @ self._place(state, False)[-1]

    def jacobian(self, state: State) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints (K, 3) and their derivative (K, 3, 59)."""
        rest, turning, placed, turn, centre, parents, local, arm, rows = self._place(state, True)
        x = self._gather @ rows
        out = np.zeros((self.n_points, 3, N_COLUMNS))
        # Coordinates: what hangs below turns about the axis, and slides.
        joint = _JOINT_OF[3:]
        part = (self._below @ rows).reshape(N_JOINTS, self.n_points, 3)
        share = self._share[joint][..., None]
        axis = placed.axis[0, 3:]
        column = _cross(axis[:, None], part[joint] - share * centre[joint][:, None])
        column += share * placed.shift[0, 3:, None]
        out[..., ANGLES] = np.moveaxis(column, 0, -1)
        # and each joint's own turn moves the skin by its corrective.
        C = TO_REST
        axis_local = np.einsum("dyx,dy->dx", turn[parents[joint]], axis)
        flat_turn = (C.T @ (rot.cross_matrix(axis_local) @ local[joint]) @ C).reshape(len(joint), 9)
        n, c = len(self._by_driver), len(rows)
        by_slot = np.zeros((3 * n, 9))
        by_slot[self._slots] = flat_turn[self._driven_dofs - 3]
        moved = self._by_driver @ np.swapaxes(by_slot.reshape(n, 3, 9), 1, 2)  # (n, 3 C, 3)
        moved = np.moveaxis(moved.reshape(n, c, 3, 3), 0, 2).reshape(c, 3, 3 * n)
        moved = (turn[self._joint] @ moved).reshape(c, -1)
        out[..., self._driven_dofs] += (self._gather @ moved).reshape(self.n_points, 3, 3 * n)[..., self._slots]
        # The whole body.
        total = self._share[0][:, None]  # 1 up to the weights' own rounding
        out[..., TURN] = -rot.cross_matrix(x - total * state.root_m)
        out[..., ROOT] = np.eye(3) * total[..., None]
        out[..., SHAPE] = self._by_shape_coefficients(rest, turning, turn, centre, parents, local, arm)
        return x, out

    def _by_shape_coefficients(self, rest, turning, turn, centre, parents, local, arm) -> np.ndarray:
        """(K, 3, 10): the rest joints move, the frames and with them everything below turn, the skin changes."""
        dirs = np.swapaxes(self._rest_dirs, 1, 2)  # (24, B, 3)
        offset = rest - rest[parents]
        reach = centre - centre[parents]
        move = np.einsum("jyx,jy->jx", turn[parents], reach) - offset
        d_offset = dirs - dirs[parents] + move[:, None] * self._relative_lengths(rest, dirs)
        # local = F T F^T and F turns by w: the local turn changes by (1 - local) w on its left.
        w_local = turning - np.einsum("jxy,jby->jbx", local, turning)
        w_world = np.einsum("jxy,jby->jbx", turn[parents], w_local)
        d_offset = np.einsum("jxy,jby->jbx", turn[parents], d_offset)
        w_world[0] = 0
        spin = _down_the_tree(w_world)
        d_centre = _down_the_tree(_cross(spin[parents], reach[:, None]) + d_offset)
        C = TO_REST
        d_local = (C.T @ (rot.cross_matrix(w_local) @ local[:, None]) @ C).reshape(N_JOINTS, N_SHAPE, 9)
        feature = np.zeros((207, N_SHAPE))
        for part, j in self._feature:
            feature[part] = d_local[j].T
        d_points = self._by_shape + self._by_pose @ feature - self._weight[:, None, None] * self._rest_dirs[self._joint]
        d_rows = turn[self._joint] @ d_points
        d_rows += np.swapaxes(_cross(spin[self._joint], arm[:, None]), 1, 2)
        d_rows += self._weight[:, None, None] * np.swapaxes(d_centre[self._joint], 1, 2)
        c = len(d_rows)
        return (self._gather @ d_rows.reshape(c, -1)).reshape(self.n_points, 3, N_SHAPE)

    def _relative_lengths(self, rest: np.ndarray, dirs: np.ndarray) -> np.ndarray:
        """(24, 10, 3): relative change of each joint's slide per shape coefficient and component. Slides are
        proportional to an arc's length, or to the shoulders' width (across) and the trunk's height (up)."""
        out = np.zeros((N_JOINTS, N_SHAPE, 3))

        def relative(a: int, b: int) -> np.ndarray:
            d = rest[a] - rest[b]
            return (dirs[a] - dirs[b]) @ d / (d @ d)

        width = relative(_J["scapula_l"], _J["scapula_r"])
        height = relative(_J["thorax"], _J["lumbar_body"])
        for joint in sk.JOINTS:
            if joint.law == "arc":
                d = rest[joint.index, 2] - rest[joint.parent, 2]
                out[joint.index] = ((dirs[joint.index, :, 2] - dirs[joint.parent, :, 2]) / d)[:, None]
            elif joint.law == "ellipsoid":
                out[joint.index] = np.stack([width, width, height], -1)
        return out
