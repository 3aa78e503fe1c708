"""Synthetic SKEL model files in the official layout, made from the free body: no licensed data.

The skin is the free body's, coarsened to the official number of vertices; the bones are boxes. Bone frames are turned on
purpose against the body, as OpenSim's are, so that nothing passes by chance.
"""

from __future__ import annotations

import pickle
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse

from sinew.geometry import rotations as rot
from sinew_take import free_body
from sinew_take import skeleton as sk

N_SKIN = 6890
TO_SKEL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Rest axes -> SKEL's (x left, y up, z forward)."""
_J = sk.JOINT_INDEX


@lru_cache(maxsize=2)
def content(gender: str = "male") -> dict:
    """The table of one file; the female one is smaller and narrower in the shoulders."""
    rng = np.random.default_rng(7)
    body = free_body.load()
    shape = np.zeros(body.n_shape)
    if gender == "female":
        shape[list(body.shape_names).index("shoulder_width")] = -1.5
        shape[list(body.shape_names).index("thigh")] = -1.0
    which, faces = _coarse(body.vertices(shape), body.faces)
    joints = body.joints(shape).astype(float) @ TO_SKEL.T
    skin = body.vertices(shape)[which].astype(float) @ TO_SKEL.T
    order = _order(skin, joints)
    which, skin = which[order], skin[order]
    new = np.empty(N_SKIN, int)
    new[order] = np.arange(N_SKIN)
    faces = new[faces]
    # Ten directions: two of the flesh, then the lengths of the parts but the foot.
    chosen = [1, 2, *range(12, 20)]
    dirs = np.stack([body.shape_dirs[b][which].astype(float) @ TO_SKEL.T for b in chosen], -1)
    joint_dirs = np.stack([body.joint_dirs[b].astype(float) @ TO_SKEL.T for b in chosen], -1)
    weight = np.zeros((N_SKIN, 24))
    np.add.at(weight, (np.arange(N_SKIN)[:, None], body.skin_index[which]), body.skin_weight[which])
    pose_dirs = np.zeros((N_SKIN, 3, 207))
    pose_dirs[rng.choice(N_SKIN, 300, replace=False)] = 0.004 * rng.standard_normal((300, 3, 207))
    # Bone frames: the published base, turned a little against the parent in OpenSim's pose.
    base = TO_SKEL @ sk.REST_FRAMES @ np.swapaxes(sk.PUBLISHED_AXES, 1, 2)
    relative = rot.exp(0.2 * rng.standard_normal((24, 3)))
    rest_turn = base @ relative
    in_parent = np.tile(np.eye(4), (24, 1, 1))
    in_parent[:, :3, :3] = relative
    for j in range(1, 24):
        p = sk.PARENTS[j]
        in_parent[j, :3, 3] = 1.03 * rest_turn[p].T @ (joints[j] - joints[p])
    whole = in_parent.copy()
    for j in range(1, 24):
        whole[j] = whole[sk.PARENTS[j]] @ in_parent[j]
    bones, bone_faces, bone_of = _boxes(joints, in_parent[:, :3, 3])
    rigid = np.eye(24)[bone_of]
    soft = rigid.copy()
    lumbar = bone_of == _J["lumbar_body"]
    soft[lumbar] = 0.7 * np.eye(24)[_J["lumbar_body"]] + 0.3 * np.eye(24)[0]
    regressor = _regressor(skin, joints, dirs, joint_dirs)
    coo = scipy.sparse.coo_matrix
    return {
        "version": "1.1.1", "bone_names": list(sk.JOINT_NAMES), "joints_name": list(sk.JOINT_NAMES),
        "pose_params_name": list(sk.DOF_NAMES), "skin_template_v": skin, "skin_template_f": faces.astype(np.uint32),
        "skel_template_v": bones, "skel_template_f": bone_faces, "shapedirs": dirs, "posedirs": pose_dirs,
        "per_joint_rot": rest_turn, "apose_rel_transfo": in_parent, "apose_transfo": whole, "tpose_transfo": whole,
        "osim_kintree_table": np.array([sk.PARENTS, range(24)]), "parameter_mapping": np.array([range(46), range(46)]),
        "J_regressor": coo(regressor), "J_regressor_osim": coo(regressor), "skin_weights": coo(weight),
        "skel_weights": coo(soft), "skel_weights_rigid": coo(rigid)}


def write(folder: Path, gender: str = "male", **changed) -> Path:
    """Write a file under its official name; `changed` replaces keys, None takes them away."""
    table = {k: v for k, v in {**content(gender), **changed}.items() if v is not None}
    path = Path(folder) / f"skel_{gender}.pkl"
    path.write_bytes(pickle.dumps(table, 4))
    return path


def _coarse(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertex clustering: the vertices kept, N_SKIN of them (the last repeated), and the faces over them."""
    for size in np.arange(0.004, 0.05, 0.001):
        _, first, cluster = np.unique(np.floor(vertices / size).astype(int), axis=0, return_index=True,
                                      return_inverse=True)
        if len(first) <= N_SKIN:
            break
    new = cluster.reshape(-1)[faces]
    new = new[(new[:, 0] != new[:, 1]) & (new[:, 1] != new[:, 2]) & (new[:, 2] != new[:, 0])]
    return np.concatenate([first, np.full(N_SKIN - len(first), first[-1])]), new


def _order(skin: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """An order of the vertices in which those that the model knows by number lie where they should."""
    head, thorax, hand = joints[_J["head"]], joints[_J["thorax"]], joints[_J["hand_r"]]
    wanted = {410: head + [0, .05, .2], 384: head + [0, 0, -.2], 414: head + [0, .3, 0], 196: head + [.2, .08, 0],
              3708: head + [-.2, .08, 0], 3027: thorax + [0, .1, -.3], 3495: thorax + [.02, .1, .3],
              3506: thorax + [-.02, .1, .3], 6179: hand + [-.1, .1, 0], 6137: hand + [-.1, -.1, 0], 5670: hand,
              5906: hand + [-.3, 0, 0], 332: head + [0, .1, .2], 6260: head + [-.03, .12, .2], 2800: head + [.03, .12, .2],
              4071: head + [-.2, .1, 0], 583: head + [.2, .1, 0]}
    for side, (toe, little, heel) in (("l", (3216, 3226, 3387)), ("r", (6617, 6624, 6787))):
        toes, calcn = joints[_J[f"toes_{side}"]], joints[_J[f"calcn_{side}"]]
        out = 0.05 if side == "l" else -0.05
        wanted |= {toe: toes + [-out, 0, .1], little: toes + [out, 0, .1], heel: calcn + [0, -.05, -.1]}
    order = np.full(N_SKIN, -1)
    taken: set[int] = set()
    for number, point in wanted.items():
        for found in np.linalg.norm(skin - point, axis=1).argsort():
            if found not in taken:
                break
        order[number] = found
        taken.add(int(found))
    order[order < 0] = [v for v in range(N_SKIN) if v not in taken]
    return order


def _regressor(skin: np.ndarray, joints: np.ndarray, dirs: np.ndarray, joint_dirs: np.ndarray) -> np.ndarray:
    """(24, V) rows over the 60 nearest vertices that give the joints and how they move with the shape."""
    out = np.zeros((24, len(skin)))
    for j in range(24):
        near = np.linalg.norm(skin - joints[j], axis=1).argsort()[:60]
        rows = np.concatenate([skin[near].T, *np.moveaxis(dirs[near], 0, -1).transpose(1, 0, 2), 10 * np.ones((1, 60))])
        right = np.concatenate([joints[j], *joint_dirs[j].T, [10.0]])
        damped = np.concatenate([rows, 1e-3 * np.eye(60)])
        w = np.linalg.lstsq(damped, np.concatenate([right, np.full(60, 1e-3 / 60)]), rcond=None)[0]
        out[j, near] = w / w.sum()
    return out


def _boxes(joints: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A box along each bone, in the bone's own frame: vertices, triangles, bone of each vertex."""
    vertices, faces, bone = [], [], []
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    for j in range(24):
        end = offset[sk.PARENTS.index(j)] if j in sk.PARENTS else np.array([0.0, 0.1, 0.0])
        along = end / np.linalg.norm(end)
        side = np.cross(along, np.eye(3)[np.abs(along).argmin()])
        side *= 0.012 / np.linalg.norm(side)
        up = np.cross(along, side)
        start = 8 * j
        vertices += [a * end + b * side + c * up for a in (0.05, 0.95) for b in (-1, 1) for c in (-1, 1)]
        faces += [(start + q[a], start + q[b], start + q[c]) for q in quads for a, b, c in ((0, 1, 2), (0, 2, 3))]
        bone += [j] * 8
    return np.array(vertices), np.array(faces), np.array(bone)
