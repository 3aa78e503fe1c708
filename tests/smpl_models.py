"""Synthetic SMPL-family model files in the official layout, made from the free body: no licensed data.

Their rest pose differs from ours on purpose (arms droop, legs are spread), as the real models' does.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import scipy.sparse

from sinew.body import smplx_motion
from sinew.body.smpl_joints import AXES, BODY, NAMES, PARENTS, I
from sinew.geometry import rotations as rot
from sinew_take import free_body
from sinew_take import skeleton as sk

_TO_SMPL = {"pelvis": "pelvis", "femur": "hip", "tibia": "knee", "talus": "ankle", "calcn": "ankle", "toes": "foot",
            "lumbar_body": "spine1", "thorax": "spine3", "head": "head", "scapula": "collar", "humerus": "shoulder",
            "ulna": "elbow", "radius": "elbow", "hand": "wrist"}


def content(family: str = "smplx", n_vertices: int | None = None, n_betas: int = 10, seed: int = 0,
            with_uv: bool = True) -> dict[str, np.ndarray]:
    """Arrays of one model file.

    Args:
        family: "smpl", "smplh" or "smplx".
        n_vertices: Of the surface; default that of the free body. Surplus vertices are dropped from the end together
            with their faces.
        n_betas: Shape directions.
        seed: Of expressions and correctives.
    """
    body, rng = free_body.load(), np.random.default_rng(seed)
    zero = np.zeros(body.n_shape)
    names = NAMES[family]
    rest = body.joints(zero).astype(float)
    joints = np.zeros((len(names), 3))
    joints[: len(BODY)] = smplx_motion.generic_rest(rest) @ AXES.T
    for j, name in enumerate(names[len(BODY):], len(BODY)):
        side = -1.0 if name.endswith("_r") else 1.0
        if name == "jaw":
            joints[j] = joints[I["head"]] + [0, -0.03, 0.0]
        elif name.startswith("eye"):
            joints[j] = joints[I["head"]] + [side * 0.03, -0.08, 0.06]
        else:
            wrist = joints[I[f"wrist_{name[-1]}"]]
            finger = name[:-3] if name[-3].isdigit() else "hand"
            place = {"index": -.03, "middle": -.01, "ring": .01, "pinky": .03, "thumb": -.04, "hand": 0.0}[finger]
            number = int(name[-3]) if name[-3].isdigit() else 1
            joints[j] = wrist + [side * (0.05 + 0.03 * number), place, 0.0]
    vertices = body.vertices(zero).astype(float)
    weight = np.zeros((len(vertices), len(names)))
    to = np.array([I[_name(n)] for n in sk.JOINT_NAMES])
    for m in range(body.skin_index.shape[1]):
        np.add.at(weight, (np.arange(len(vertices)), to[body.skin_index[:, m]]), body.skin_weight[:, m])
    for side in ("l", "r"):  # vertices beyond a finger joint follow it
        wrist = I[f"wrist_{side}"]
        fingers = [j for j, n in enumerate(names) if j >= len(BODY) and n.endswith(f"_{side}") and not n.startswith("eye")]
        if fingers:
            mine = np.nonzero(weight[:, wrist] > 0.5)[0]
            near = np.linalg.norm(vertices[mine, None] - joints[fingers][None], axis=-1)
            beyond = np.abs(vertices[mine, 0]) > np.abs(joints[fingers][:, 0]).min()
            to_finger = np.array(fingers)[near.argmin(1)]
            share = weight[mine, wrist] * 0.9 * beyond
            weight[mine, to_finger] += share
            weight[mine, wrist] -= share
    dirs = np.moveaxis(body.shape_dirs[:n_betas].astype(float), 0, -1)  # (V, 3, B) in rest axes
    regressor = _regressor(vertices, joints)
    # Into another rest pose, in SMPL's axes.
    g = np.tile(np.eye(3), (len(names), 1, 1))
    for s, k in (("l", 1), ("r", -1)):
        for n in ("hip", "knee", "ankle", "foot"):
            g[I[f"{n}_{s}"]] = rot.exp([0, -k * 0.06 * (n in ("hip", "knee")), 0])
        for n in ("shoulder", "elbow", "wrist"):
            g[I[f"{n}_{s}"]] = rot.exp([0, k * 0.10, 0.05 * k])
    parents = PARENTS[family]
    for j in range(len(BODY), len(names)):
        g[j] = g[parents[j]]
    place = joints.copy()
    for j, up in enumerate(parents):
        if up >= 0:
            place[j] = place[up] + g[up] @ (joints[j] - joints[up])
    blended = np.einsum("vj,jab->vab", weight, g)
    vertices = np.einsum("vab,vb->va", blended, vertices) + weight @ (place - np.einsum("jab,jb->ja", g, joints))
    dirs = np.einsum("vab,vbn->van", blended, dirs)
    regressor = _regressor(vertices, place)
    origin = np.array([0.0, 0.0, 1.2])
    vertices = (vertices - origin) @ AXES
    dirs = np.einsum("ba,vbn->van", AXES, dirs)
    faces, uv = body.faces.astype(np.uint32), body.uv
    if family == "smplx":
        expression = np.zeros((len(vertices), 3, 10))
        head = weight[:, I["head"]] > 0.5
        expression[head] = 0.004 * rng.normal(size=(1, 3, 10)) * np.sin(40 * vertices[head, 1])[:, None, None]
        full = np.zeros((len(vertices), 3, 20))
        full[:, :, :n_betas], full[:, :, 10:] = dirs, expression
        dirs = full
    n_features = 9 * (len(names) - 1)
    # Smooth correctives that live near the joint they belong to.
    amount = np.repeat(weight[:, 1:], 9, axis=1) * 0.01
    pose_dirs = amount[:, None, :] * rng.normal(size=(1, 3, n_features))
    if n_vertices is not None:
        keep = n_vertices
        extra = keep - len(vertices)
        if extra > 0:
            pick = rng.integers(0, len(vertices), extra)
            vertices, dirs, pose_dirs, weight = (np.concatenate([a, a[pick]]) for a in (vertices, dirs, pose_dirs, weight))
            regressor = np.concatenate([regressor, np.zeros((len(regressor), extra))], 1)
        else:
            vertices, dirs, pose_dirs, weight = (a[:keep] for a in (vertices, dirs, pose_dirs, weight))
            inside = (faces < keep).all(1)
            faces, uv = faces[inside], uv[inside]
            regressor = _regressor(vertices, (place - origin) @ AXES)
    tree = np.array([[2**32 - 1, *parents[1:]], range(len(names))], np.uint32)
    out = {"v_template": vertices, "shapedirs": dirs, "posedirs": pose_dirs, "J_regressor": regressor, "weights": weight,
           "f": faces, "kintree_table": tree}
    if family != "smpl":
        out |= {"hands_meanl": 0.2 * rng.normal(size=45), "hands_meanr": 0.2 * rng.normal(size=45)}
    if with_uv and family == "smplx":
        out |= {"vt": uv.reshape(-1, 2), "ft": np.arange(3 * len(faces), dtype=np.uint32).reshape(-1, 3)}
    return out


def write(folder: Path, family: str = "smplx", gender: str = "neutral", **options) -> Path:
    """Write a model file under its official name; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    data = content(family, **options)
    name = f"{family.upper()}_{gender.upper()}"
    if family == "smplx":
        path = folder / f"{name}.npz"
        # The real file also holds dictionaries as pickled objects, which must not be in the way.
        np.savez(path, **{k: v.astype(np.float32) if v.dtype == float else v for k, v in data.items()},
                 joint2num=np.array({"Pelvis": 0}, dtype=object))
        return path
    data["J_regressor"] = scipy.sparse.csc_matrix(data["J_regressor"])
    path = folder / f"{name}.pkl"
    path.write_bytes(pickle.dumps(data, protocol=2))
    return path


def _name(ours: str) -> str:
    base, side = (ours[:-2], ours[-2:]) if ours[-2:] in ("_l", "_r") else (ours, "")
    return _TO_SMPL[base] + side


def _regressor(vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(J, V) with few weights a row, each row summing to 1 and giving its joint exactly."""
    out = np.zeros((len(joints), len(vertices)))
    for j, joint in enumerate(joints):
        near = np.argsort(np.linalg.norm(vertices - joint, axis=1))[:60]
        a = np.vstack([vertices[near].T, np.ones(len(near))])
        out[j, near] = np.linalg.lstsq(a, np.r_[joint, 1.0], rcond=None)[0]
    return out
