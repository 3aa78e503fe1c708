"""Kinematics of the skeleton with exact derivatives, vectorised over frames.

Agrees with `sinew_take.laws` (a test holds it to 1e-12). The pelvis is carried as a rotation matrix instead of its
three angles, so that no attitude of the body is singular for the fit; its derivative is by a small turn about the
world's axes.

Columns of every per-frame Jacobian, 49: 0..2 turn of the whole body about world x, y, z through the pelvis joint (rad),
3..45 the coordinates of the same index (rad), 46..48 the pelvis joint in the world (m).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sinew_take import skeleton as sk

N_COLUMNS = 49
ROOT = slice(46, 49)
_JOINT_OF = np.array([d.joint for d in sk.DOFS])
_QUARTER = np.pi / 4


def _descendants() -> np.ndarray:
    """(24, 24) bool: [j, m] where m is j or hangs below it."""
    out = np.eye(len(sk.JOINTS), dtype=bool)
    for m in range(len(sk.JOINTS)):
        j = sk.PARENTS[m]
        while j >= 0:
            out[j, m] = True
            j = sk.PARENTS[j]
    return out


BELOW = _descendants()


@dataclass(frozen=True)
class Points:
    """Points that ride on the skeleton, linear in the shape: keypoints, or any others.

    One row per (point, joint) pair with a weight: `C` rows for `K` points.
    """

    n_points: int
    point: np.ndarray
    """(C,) index of the point."""
    joint: np.ndarray
    """(C,)"""
    weight: np.ndarray
    """(C,)"""
    rest_m: np.ndarray
    """(C, 3) rest position at zero shape."""
    rest_dirs: np.ndarray
    """(B, C, 3) its change per shape coefficient."""

    @staticmethod
    def bind(rest_m: np.ndarray, rest_dirs: np.ndarray, index: np.ndarray, weight: np.ndarray) -> Points:
        """Args: rest_m (K,3), rest_dirs (B,K,3), index (K,M), weight (K,M) with rows that sum to 1."""
        point, slot = np.nonzero(np.asarray(weight) > 0)
        w = np.asarray(weight, dtype=float)[point, slot]
        total = np.bincount(point, w, len(rest_m))
        return Points(len(rest_m), point, np.asarray(index)[point, slot].astype(int), w / total[point],
                      np.asarray(rest_m, dtype=float)[point], np.asarray(rest_dirs, dtype=float)[:, point])

    def take(self, which: list[int] | np.ndarray) -> Points:
        """The same for some of the points, in the order given."""
        which = np.asarray(which)
        rows = np.concatenate([np.nonzero(self.point == k)[0] for k in which])
        new = np.concatenate([np.full((self.point == k).sum(), i) for i, k in enumerate(which)])
        return Points(len(which), new, self.joint[rows], self.weight[rows], self.rest_m[rows], self.rest_dirs[:, rows])


@dataclass(frozen=True)
class Skeleton:
    """Rest joints, linear in the shape, and their frames."""

    rest_m: np.ndarray
    """(24, 3)"""
    rest_dirs: np.ndarray
    """(B, 24, 3)"""
    frames: np.ndarray
    """(24, 3, 3)"""

    def rest(self, shape: np.ndarray) -> np.ndarray:
        return self.rest_m + np.tensordot(shape, self.rest_dirs, 1)


@dataclass
class Pose:
    """Where everything is, T frames. All in the world."""

    turn: np.ndarray
    """(T, 24, 3, 3): rest axes -> world for what rides on each joint (`T_wj · rest_T⁻¹`'s rotation)."""
    centre: np.ndarray
    """(T, 24, 3)"""
    axis: np.ndarray
    """(T, 46, 3): axis of each coordinate; the first three rows are the world's axes."""
    shift: np.ndarray
    """(T, 46, 3): movement of the joint's centre per coordinate, for the sliding joints; else 0."""
    rest: np.ndarray
    """(24, 3)"""


def _arc(angle: np.ndarray) -> tuple[np.ndarray, ...]:
    """Side and length displacement of an arc of length 1, and their derivatives by the angle."""
    small = np.abs(angle) < 1e-4
    a = np.where(small, 1.0, angle)
    s, c = np.sin(a), np.cos(a)
    side = np.where(small, angle / 2, (1 - c) / a)
    along = np.where(small, -angle**2 / 6, s / a - 1)
    d_side = np.where(small, 0.5, s / a - (1 - c) / a**2)
    d_along = np.where(small, -angle / 3, c / a - s / a**2)
    return side, along, d_side, d_along


def _lengths(rest: np.ndarray, dirs: np.ndarray | None) -> dict[int, tuple]:
    """Sliding joint -> (a, b, da (B,), db (B,)) as `laws.slide_lengths`, with derivatives by the shape."""
    i = sk.JOINT_INDEX
    across = rest[i["scapula_l"]] - rest[i["scapula_r"]]
    up = rest[i["thorax"]] - rest[i["lumbar_body"]]
    width, height = np.linalg.norm(across), np.linalg.norm(up)
    out = {}
    for joint in sk.JOINTS:
        j, p = joint.index, joint.parent
        da = db = None
        if joint.law == "arc":
            z = rest[j, 2] - rest[p, 2]
            if dirs is not None:
                da, db = np.sign(z) * (dirs[:, j, 2] - dirs[:, p, 2]), np.zeros(len(dirs))
            out[j] = (abs(z), 0.0, da, db)
        elif joint.law == "ellipsoid":
            if dirs is not None:
                da = (dirs[:, i["scapula_l"]] - dirs[:, i["scapula_r"]]) @ across / width / 4
                db = (dirs[:, i["thorax"]] - dirs[:, i["lumbar_body"]]) @ up / height / 2
            out[j] = (width / 4, height / 2, da, db)
    return out


def _slide(joint: sk.Joint, q: np.ndarray, a: float, b: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Displacement of a sliding joint in rest axes and its derivatives.

    Returns:
        move (T, 3), by the first and second coordinate (T, 3) each, and by (a, b) as (T, 2, 3).
    """
    first, second = q[:, joint.dofs[0]], q[:, joint.dofs[1]]
    by_length = np.zeros((len(q), 2, 3))
    d1, d2 = np.zeros((len(q), 3)), np.zeros((len(q), 3))
    if joint.law == "arc":
        s1, l1, ds1, dl1 = _arc(first)
        s2, l2, ds2, dl2 = _arc(second)
        by_length[:, 0, 0], by_length[:, 0, 1], by_length[:, 0, 2] = -s1, s2, l1 + l2
        d1[:, 0], d1[:, 2] = -a * ds1, a * dl1
        d2[:, 1], d2[:, 2] = a * ds2, a * dl2
    else:
        side = -1.0 if joint.name.endswith("_l") else 1.0
        ab, el = side * first, side * second - _QUARTER
        ca, sa, ce, se = np.cos(ab), np.sin(ab), np.cos(el), np.sin(el)
        by_length[:, 0, 0] = -side * (ce * ca - np.cos(_QUARTER))
        by_length[:, 0, 1] = -sa
        by_length[:, 1, 2] = -(se + np.sin(_QUARTER))
        d1[:, 0], d1[:, 1] = a * ce * sa, -side * a * ca
        d2[:, 0], d2[:, 2] = a * se * ca, -side * b * ce
    move = a * by_length[:, 0] + b * by_length[:, 1]
    return move, d1, d2, by_length


def pose(skeleton: Skeleton, shape: np.ndarray, pelvis: np.ndarray, q: np.ndarray, root_m: np.ndarray) -> Pose:
    """Forward kinematics.

    Args:
        skeleton: Rest joints over the shape.
        shape: (B,)
        pelvis: (T, 3, 3), rest axes -> world (identity: standing as in the rest pose).
        q: (T, 46) rad; the first three are not read.
        root_m: (T, 3)
    """
    n = len(q)
    rest = skeleton.rest(shape)
    frames = skeleton.frames
    lengths = _lengths(rest, None)
    turn = np.empty((n, len(sk.JOINTS), 3, 3))
    centre = np.empty((n, len(sk.JOINTS), 3))
    axis = np.zeros((n, len(sk.DOFS), 3))
    shift = np.zeros((n, len(sk.DOFS), 3))
    cos, sin = np.cos(q), np.sin(q)
    turn[:, 0], centre[:, 0] = pelvis, root_m
    axis[:, :3] = np.eye(3)
    for joint in sk.JOINTS[1:]:
        j, p = joint.index, joint.parent
        up = turn[:, p]
        offset = rest[j] - rest[p]
        if joint.law == "turn":
            centre[:, j] = centre[:, p] + up @ offset
        else:
            move, d1, d2, _ = _slide(joint, q, *lengths[j][:2])
            stacked = up @ np.stack([offset + move, d1, d2], -1)
            centre[:, j] = centre[:, p] + stacked[..., 0]
            shift[:, joint.dofs[0]], shift[:, joint.dofs[1]] = stacked[..., 1], stacked[..., 2]
        world = up @ frames[j]
        for d in reversed(joint.dofs):
            # The last coordinate turns about the parent-side axis; what stands before it is turned along.
            i = sk.DOFS[d].axis
            axis[:, d] = world[:, :, i]
            k, m = (i + 1) % 3, (i + 2) % 3
            c, s = cos[:, d, None], sin[:, d, None]
            col_k, col_m = world[:, :, k], world[:, :, m]
            new = np.empty_like(world)
            new[:, :, i], new[:, :, k], new[:, :, m] = world[:, :, i], c * col_k + s * col_m, c * col_m - s * col_k
            world = new
        turn[:, j] = world @ frames[j].T
    return Pose(turn, centre, axis, shift, rest)


class Mover:
    """Positions of some points and their Jacobians. What does not change from frame to frame is prepared once."""

    def __init__(self, skeleton: Skeleton, points: Points):
        self.skeleton, self.points = skeleton, points
        c = len(points.point)
        self._gather = np.zeros((points.n_points, c))
        self._gather[points.point, np.arange(c)] = points.weight
        # For each (point, coordinate): the share of the point that hangs below the coordinate's joint.
        rows, pairs, seen = [], [], {}
        for k in range(points.n_points):
            mine = np.nonzero(points.point == k)[0]
            for d in range(3, len(sk.DOFS)):
                part = mine[BELOW[_JOINT_OF[d], points.joint[mine]]]
                if len(part) == 0:
                    continue
                key = tuple(part)
                if key not in seen:
                    seen[key] = len(rows)
                    row = np.zeros(c)
                    row[part] = points.weight[part]
                    rows.append(row)
                pairs.append((k, d, seen[key]))
        self._part = np.array(rows).reshape(-1, c)
        self._share = self._part.sum(1)
        self._k, self._d, self._u = np.array(pairs, dtype=int).reshape(-1, 3).T

    def _rows(self, pose: Pose, shape: np.ndarray) -> np.ndarray:
        """(T, C, 3): each bound row in the world, unweighted."""
        p = self.points
        local = p.rest_m + np.tensordot(shape, p.rest_dirs, 1) - pose.rest[p.joint]
        return (pose.turn[:, p.joint] @ local[..., None])[..., 0] + pose.centre[:, p.joint]

    def positions(self, pose: Pose, shape: np.ndarray) -> np.ndarray:
        """(T, K, 3) m, world."""
        return self._gather @ self._rows(pose, shape)

    def jacobian(self, pose: Pose, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions (T, K, 3) and their derivative (T, K, 3, 49)."""
        rows = self._rows(pose, shape)
        x = self._gather @ rows
        part = self._part @ rows
        joint = _JOINT_OF[self._d]
        share = self._share[self._u][:, None]
        arm = part[:, self._u] - share * pose.centre[:, joint]
        axis = pose.axis[:, self._d]
        column = np.empty_like(arm)
        column[..., 0] = axis[..., 1] * arm[..., 2] - axis[..., 2] * arm[..., 1]
        column[..., 1] = axis[..., 2] * arm[..., 0] - axis[..., 0] * arm[..., 2]
        column[..., 2] = axis[..., 0] * arm[..., 1] - axis[..., 1] * arm[..., 0]
        column += share * pose.shift[:, self._d]
        out = np.zeros((*x.shape, N_COLUMNS))
        out[:, self._k, :, self._d] = np.swapaxes(column, 0, 1)
        from_root = x - pose.centre[:, :1]
        out[..., 1, 0], out[..., 2, 0] = -from_root[..., 2], from_root[..., 1]
        out[..., 0, 1], out[..., 2, 1] = from_root[..., 2], -from_root[..., 0]
        out[..., 0, 2], out[..., 1, 2] = -from_root[..., 1], from_root[..., 0]
        out[..., ROOT] = np.eye(3)
        return x, out

    def shape_jacobian(self, pose: Pose, q: np.ndarray) -> np.ndarray:
        """Derivative of the positions by the shape, (T, K, 3, B)."""
        skeleton, p = self.skeleton, self.points
        dirs = skeleton.rest_dirs
        lengths = _lengths(pose.rest, dirs)
        centre = np.zeros((len(q), len(sk.JOINTS), 3, len(dirs)))
        for joint in sk.JOINTS[1:]:
            j, up = joint.index, joint.parent
            offset = (dirs[:, j] - dirs[:, up]).T
            if joint.law != "turn":
                a, b, da, db = lengths[j]
                by_length = _slide(joint, q, a, b)[3]
                offset = offset + np.swapaxes(by_length, 1, 2) @ np.stack([da, db])
            centre[:, j] = centre[:, up] + pose.turn[:, up] @ offset
        local = np.moveaxis(p.rest_dirs - dirs[:, p.joint], 0, -1)
        rows = pose.turn[:, p.joint] @ local + centre[:, p.joint]
        n, c = rows.shape[:2]
        return (self._gather @ rows.reshape(n, c, -1)).reshape(n, p.n_points, 3, -1)
