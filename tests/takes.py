"""Golden takes for tests: a known motion, placed by the joint laws, written by `sinew_take.take.write`.

Nothing here is solved from pictures, so every number of the take is known: the coordinates are chosen inside their
limits and everything else follows from them by `sinew_take.laws`. The body is the free body where its asset stands,
else boxes around the segments.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from sinew_take import laws, take
from sinew_take import skeleton as sk
from sinew_take.version import LAWS, TAKE_VERSION, VERSION

_JOINTS_R_M = {
    "pelvis": (0.0, 0.0, 0.93), "femur_r": (-0.085, 0.0, 0.87), "tibia_r": (-0.09, 0.0, 0.47),
    "talus_r": (-0.09, 0.02, 0.075), "calcn_r": (-0.095, 0.05, 0.035), "toes_r": (-0.10, -0.12, 0.02),
    "lumbar_body": (0.0, 0.01, 1.03), "thorax": (0.0, 0.015, 1.20), "head": (0.0, 0.0, 1.50),
    "scapula_r": (-0.12, 0.03, 1.42), "humerus_r": (-0.17, 0.01, 1.40), "ulna_r": (-0.45, 0.02, 1.40),
    "radius_r": (-0.455, 0.015, 1.395), "hand_r": (-0.70, 0.01, 1.39)}
_TIPS_R_M = {"head": (0.0, 0.0, 1.75), "toes_r": (-0.10, -0.18, 0.015), "hand_r": (-0.86, 0.01, 1.38)}
_KEYPOINT_SEGMENTS = {
    "shoulder": "humerus", "elbow": "ulna", "wrist": "hand", "pinky": "hand", "index": "hand", "thumb": "hand",
    "hip": "femur", "knee": "tibia", "ankle": "talus", "heel": "calcn", "foot_index": "toes"}


def _mirrored(table: dict[str, tuple]) -> dict[str, np.ndarray]:
    out = {name: np.array(point) for name, point in table.items()}
    for name, point in table.items():
        if name.endswith("_r"):
            out[name[:-2] + "_l"] = np.array(point) * sk.MIRROR
    return out


def rest_joints() -> np.ndarray:
    """Joints of a plain adult in the rest pose, (24, 3), m."""
    table = _mirrored(_JOINTS_R_M)
    return np.array([table[name] for name in sk.JOINT_NAMES])


def segment_ends(rest_joints_m: np.ndarray) -> np.ndarray:
    """The far end of each joint's segment in the rest pose, (24, 3), m."""
    tips = _mirrored(_TIPS_R_M)
    towards = {"pelvis": "lumbar_body", "lumbar_body": "thorax", "thorax": "head"}
    ends = np.empty((24, 3))
    for j, name in enumerate(sk.JOINT_NAMES):
        children = [i for i, parent in enumerate(sk.PARENTS) if parent == j]
        if name in tips:
            ends[j] = tips[name]
        else:
            child = sk.JOINT_INDEX[towards[name]] if name in towards else children[0]
            ends[j] = rest_joints_m[child]
    return ends


def box_body(rest_joints_m: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Arrays of `arrays.BODY`: one tapering tube around each segment, blended over three joints near its start."""
    joints = rest_joints() if rest_joints_m is None else rest_joints_m
    ends = segment_ends(joints)
    rings, around = 6, 8
    vertices, faces, index, weight, region = [], [], [], [], []
    for j in range(24):
        axis = ends[j] - joints[j]
        length = max(float(np.linalg.norm(axis)), 1e-3)
        axis = axis / length
        side = np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.9 else [0.0, 1.0, 0.0])
        side /= np.linalg.norm(side)
        up = np.cross(axis, side)
        radius = 0.10 if sk.JOINT_NAMES[j] in ("pelvis", "lumbar_body", "thorax", "head") else 0.04
        start = len(vertices)
        parent = max(sk.PARENTS[j], 0)
        grandparent = max(sk.PARENTS[parent], 0)
        for ring in range(rings):
            along = ring / (rings - 1)
            here = joints[j] + axis * length * along
            near = max(0.0, 0.4 - along)
            for step in range(around):
                angle = 2 * np.pi * step / around
                vertices.append(here + radius * (1 - 0.4 * along) * (np.cos(angle) * side + np.sin(angle) * up))
                index.append((j, parent, grandparent))
                weight.append((1 - near, near * 0.75, near * 0.25))
        for ring in range(rings - 1):
            for step in range(around):
                a, b = start + ring * around + step, start + ring * around + (step + 1) % around
                faces += [(a, b, b + around), (a, b + around, a + around)]
        for ring, turn in ((0, -1), (rings - 1, 1)):
            first = start + ring * around
            faces += [(first, first + s, first + s + 1)[::turn] for s in range(1, around - 1)]
        region += [j % 3] * (len(faces) - len(region))
    vertices = np.array(vertices, np.float32)
    faces = np.array(faces, np.int32)
    corner = vertices[faces]
    uv = np.stack([corner[..., 0] / 2 + 0.5, corner[..., 2] / 2], -1)
    return {"rest_vertices_m": vertices, "faces": faces, "uv": np.clip(uv, 0, 1).astype(np.float32),
            "rest_joints_m": joints.astype(np.float32), "joint_frames": sk.REST_FRAMES.astype(np.float32),
            "skin_index": np.array(index, np.int16), "skin_weight": np.array(weight, np.float32),
            "shape": np.zeros(1, np.float32), "region": np.array(region, np.uint8)}


def body_arrays(shape: Sequence[float] = (), kind: str = "auto") -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A body and its MediaPipe keypoints in the rest pose.

    Args:
        shape: First coefficients of the free body's shape, in standard deviations.
        kind: "free", "box", or "auto" (free where its asset exists).

    Returns:
        Arrays of `arrays.BODY`, and keypoints (33, 4): x, y, z in m and the joint that carries the point.
    """
    asset = Path(take.__file__).with_name("free_body.npz")
    if kind == "box" or (kind == "auto" and not asset.exists()):
        body = box_body()
        carrier = [_keypoint_joint(name) for name in sk.MEDIAPIPE_KEYPOINTS]
        points = body["rest_joints_m"][carrier] + [0.0, -0.05, 0.0]
    else:
        from sinew_take import free_body
        free = free_body.load()
        coefficients = np.zeros(len(free.shape_names))
        coefficients[: len(shape)] = shape
        body = {"rest_vertices_m": free.vertices(coefficients), "faces": free.faces, "uv": free.uv,
                "rest_joints_m": free.joints(coefficients), "joint_frames": free.joint_frames,
                "skin_index": free.skin_index, "skin_weight": free.skin_weight, "shape": coefficients,
                "region": free.region}
        types = {"faces": np.int32, "skin_index": np.int16, "region": np.uint8}
        body = {name: np.ascontiguousarray(a, types.get(name, np.float32)) for name, a in body.items()}
        points = free.keypoints(coefficients)
        carrier = [int(free.keypoint_index[k][np.argmax(free.keypoint_weight[k])]) for k in range(33)]
    return body, np.column_stack([points, carrier])


def _keypoint_joint(name: str) -> int:
    stem, _, side = name.rpartition("_")
    segment = _KEYPOINT_SEGMENTS.get(stem)
    return sk.JOINT_INDEX["head" if segment is None else f"{segment}_{side}"]


def smooth_noise(n_frames: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random curves in -1..1, (n_frames, n): three slow waves of random phase each."""
    t = np.arange(n_frames)[:, None] / 30.0
    total = np.zeros((n_frames, n))
    for hertz in (0.3, 0.7, 1.3):
        total += np.sin(2 * np.pi * (hertz * t * rng.uniform(0.8, 1.2, n) + rng.uniform(0, 1, n)))
    return total / 3


def random_q(n_frames: int, rng: np.random.Generator, reach: float = 0.98) -> np.ndarray:
    """Smooth coordinates over almost the whole range of every degree of freedom, (n_frames, 46), rad.

    The pelvis turns on past a full circle, as its coordinates are unwrapped.
    """
    wave = smooth_noise(n_frames, 46, rng) * reach
    low, high = np.where(np.isfinite(sk.LOW), sk.LOW, -0.4), np.where(np.isfinite(sk.HIGH), sk.HIGH, 0.4)
    q = (low + high) / 2 + wave * (high - low) / 2
    q[:, sk.DOF_INDEX["pelvis_rotation"]] += np.linspace(0, 2.4 * np.pi, n_frames)
    return q


def walk_q(n_frames: int, rng: np.random.Generator, rate: float = 30.0) -> np.ndarray:
    """A plain walk, arms hanging and swinging, (n_frames, 46), rad."""
    phase = 2 * np.pi * np.arange(n_frames) / rate * 0.9
    q = np.zeros((n_frames, 46))

    def put(name: str, values) -> None:
        q[:, sk.DOF_INDEX[name]] = values

    for side, shift in (("r", 0.0), ("l", np.pi)):
        swing = phase + shift
        sign = 1 if side == "r" else sk.DOFS[sk.DOF_INDEX["shoulder_l_x"]].mirror_sign
        put(f"hip_flexion_{side}", 0.1 + 0.4 * np.sin(swing))
        put(f"knee_angle_{side}", 0.55 + 0.45 * np.sin(swing - 1.3))
        put(f"ankle_angle_{side}", 0.15 * np.sin(swing + 0.5))
        put(f"shoulder_{side}_x", sign * 1.25)
        put(f"shoulder_{side}_z", -0.35 * np.sin(swing))
        put(f"elbow_flexion_{side}", 0.4 - 0.2 * np.sin(swing))
    put("pelvis_tilt", 0.03 * np.sin(2 * phase))
    put("pelvis_rotation", 0.08 * np.sin(phase))
    put("thorax_twist", 0.12 * np.sin(phase))
    q += 0.02 * smooth_noise(n_frames, 46, rng)
    return np.clip(q, sk.LOW, sk.HIGH)


def _motion(q: np.ndarray, root_m: np.ndarray, body: dict, keypoints: np.ndarray, shot: dict, present: np.ndarray
            ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Arrays of `arrays.MOTION`, and of `arrays.TRACK` as a faultless detector would give them."""
    q, root_m = q.astype(np.float32), root_m.astype(np.float32)
    T_wj = laws.forward_kinematics(q.astype(float), root_m.astype(float), body["rest_joints_m"].astype(float),
                                   body["joint_frames"].astype(float))
    moves = laws.skin_transforms(T_wj, body["rest_joints_m"].astype(float), body["joint_frames"].astype(float))
    carrier = keypoints[:, 3].astype(int)
    carried = moves[:, carrier]
    world = np.einsum("tkij,kj->tki", carried[..., :3, :3], keypoints[:, :3]) + carried[..., :3, 3]
    pixels = project(world, shot)
    n = len(q)
    motion = {
        "present": present, "q": q, "root_m": root_m, "joints_m": T_wj[..., :3, 3].astype(np.float32),
        "T_wj": T_wj.astype(np.float32), "confidence": np.full((n, 24), 0.9, np.float32),
        "source": np.zeros((n, 24), np.uint8), "contact": np.zeros((n, 4), np.float32),
        "keypoints_px": np.concatenate([pixels, np.full((n, 33, 1), 0.9)], -1).astype(np.float32)}
    for array in motion.values():
        if array.dtype == np.float32:
            array[~present] = np.nan
    turn = np.swapaxes(shot["T_wc"][:, :3, :3].astype(float), 1, 2)
    landmarks = (world - world[:, 23:25].mean(1, keepdims=True)) @ np.swapaxes(turn, 1, 2)  # 23, 24: the hips
    box = np.concatenate([pixels.min(1), pixels.max(1)], -1)
    track = {"landmarks_m": landmarks.astype(np.float32), "spread_px": np.full((n, 33), 0.5, np.float32),
             "box_px": box.astype(np.float32)}
    for array in track.values():
        array[~present] = np.nan
    return motion, {**track, "detected": present.copy()}


def project(points_w_m: np.ndarray, shot: dict[str, np.ndarray]) -> np.ndarray:
    """World points (T, K, 3) in the picture as filmed, (T, K, 2) px: OpenCV's model with the shot's distortion."""
    T_cw = np.linalg.inv(shot["T_wc"].astype(float))
    local = np.einsum("tij,tkj->tki", T_cw[:, :3, :3], points_w_m) + T_cw[:, None, :3, 3]
    x, y = local[..., 0] / local[..., 2], local[..., 1] / local[..., 2]
    k1, k2, p1, p2, k3 = (shot["distortion"][:, i, None].astype(float) for i in range(5))
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    bent = np.stack([x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                     y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y, np.ones_like(x)], -1)
    return np.einsum("tij,tkj->tki", shot["K"].astype(float), bent)[..., :2]


def _avatar(body: dict, n_splats: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    corners = body["rest_vertices_m"][body["faces"]].astype(float)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normal, axis=1)
    face = rng.choice(len(area), n_splats, p=area / area.sum())
    bary = rng.dirichlet([1.0, 1.0, 1.0], n_splats)
    heaviest = body["faces"][face, bary.argmax(1)]
    quaternion = rng.normal(size=(n_splats, 4))
    sh = np.zeros((n_splats, 4, 3))
    sh[:, 0] = (np.array([[0.8, 0.3, 0.2], [0.2, 0.6, 0.3], [0.2, 0.3, 0.8]])[face % 3] - 0.5) / 0.2821
    sh[:, 1:] = rng.normal(scale=0.05, size=(n_splats, 3, 3))
    avatar = {"mean_m": np.einsum("nc,ncx->nx", bary, corners[face]),
              "scale_m": rng.uniform(0.004, 0.012, (n_splats, 3)) * [1.0, 1.0, 0.2],
              "rotation_wxyz": quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True),
              "opacity": rng.uniform(0.6, 0.99, n_splats), "sh": sh}
    out = {name: a.astype(np.float32) for name, a in avatar.items()}
    out["skin_index"] = body["skin_index"][heaviest].astype(np.int16)
    out["skin_weight"] = body["skin_weight"][heaviest].astype(np.float32)
    out["seen"] = rng.random(n_splats) > 0.1
    return out


def _tilts(degrees: float, rng: np.random.Generator) -> np.ndarray:
    """Random turns, (24, 3, 3)."""
    u, _, vt = np.linalg.svd(np.eye(3) + np.radians(degrees) * rng.normal(size=(24, 3, 3)))
    return u @ vt


def make_take(n_frames: int = 30, *, n_subjects: int = 1, motion: str = "random", seed: int = 7,
              rate: Fraction = Fraction(30000, 1001), is_variable_rate: bool = False, body: str = "auto",
              shape: Sequence[float] = (), absent: tuple[int, int] | None = None, n_splats: int = 0,
              size_px: tuple[int, int] = (640, 360), distortion: Sequence[float] = (0, 0, 0, 0, 0),
              moving_camera: bool = False, tilt_frames_deg: float = 0.0, take_id: str | None = None,
              shot_id: str | None = None) -> take.Take:
    """A take in memory.

    Args:
        n_frames: T.
        n_subjects: People, side by side 1.2 m apart; their ids are s1, s2, …
        motion: "random" (almost the whole range of every joint) or "walk".
        seed: Of every random choice.
        rate: Frames per second.
        is_variable_rate: Frame times then deviate from the rate by up to 40 % of a frame.
        body: See `body_arrays`.
        shape: See `body_arrays`.
        absent: Half-open range of take frames in which the first subject is not present.
        n_splats: Gaussians per subject; 0 writes no avatar.
        size_px: Width and height of the picture.
        distortion: OpenCV order k1 k2 p1 p2 k3.
        moving_camera: The camera then travels and turns a little.
        tilt_frames_deg: Joint frames turned by about this much from `skeleton.REST_FRAMES`, as a body whose limbs do
            not follow the canonical T-pose has them.
        take_id: Default: made from the seed.
        shot_id: Default: made from the seed, so that two takes of one seed are of one shot.
    """
    rng = np.random.default_rng(seed)
    index = np.arange(n_frames)
    time_s = index / float(rate)
    if is_variable_rate:
        time_s = time_s + rng.uniform(0, 0.4 / float(rate), n_frames)
        time_s -= time_s[0]
    T_wc = np.tile(np.eye(4), (n_frames, 1, 1))
    T_wc[:, :3, :3] = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    T_wc[:, :3, 3] = [0.2, -4.5, 1.3]
    if moving_camera:
        yaw = 0.1 * np.sin(index / 20)
        turn = np.tile(np.eye(3), (n_frames, 1, 1))
        turn[:, 0, 0], turn[:, 0, 1] = np.cos(yaw), -np.sin(yaw)
        turn[:, 1, 0], turn[:, 1, 1] = np.sin(yaw), np.cos(yaw)
        T_wc[:, :3, :3] = turn @ T_wc[:, :3, :3]
        T_wc[:, 0, 3] += 0.01 * index
    K = np.array([[0.9 * size_px[0], 0, size_px[0] / 2 + 3], [0, 0.9 * size_px[0], size_px[1] / 2 - 2], [0, 0, 1]])
    shot = {"time_s": time_s.astype(np.float64), "frame": index.astype(np.int32), "T_wc": T_wc.astype(np.float32),
            "K": np.tile(K, (n_frames, 1, 1)).astype(np.float32),
            "distortion": np.tile(np.asarray(distortion, np.float32), (n_frames, 1))}
    body_data, keypoints = body_arrays(shape, body)
    if tilt_frames_deg:
        body_data["joint_frames"] = (_tilts(tilt_frames_deg, rng) @ body_data["joint_frames"]).astype(np.float32)
    subjects = []
    for s in range(n_subjects):
        q = random_q(n_frames, rng) if motion == "random" else walk_q(n_frames, rng, float(rate))
        q = np.clip(q, sk.LOW, sk.HIGH)
        root = np.tile(body_data["rest_joints_m"][0].astype(float) + [1.2 * s, 0, 0], (n_frames, 1))
        root[:, 0] += 0.3 * np.sin(index / 25)
        root[:, 1] -= 0.02 * index if motion == "walk" else 0.004 * index
        root[:, 2] += 0.02 * np.sin(index / 5)
        root[:, :2] -= root[0, :2] - [1.2 * s, 0]
        present = np.ones(n_frames, bool)
        if absent is not None and s == 0:
            present[absent[0]:absent[1]] = False
        info = {"id": f"s{s + 1}", "name": f"Person {s + 1}",
                "body": "default" if len(body_data["shape"]) > 1 else "box",
                "joint_names": list(sk.JOINT_NAMES), "dof_names": list(sk.DOF_NAMES),
                "keypoint_names": list(sk.MEDIAPIPE_KEYPOINTS)}
        arrays, track = _motion(q, root, body_data, keypoints, shot, present)
        avatar = _avatar(body_data, n_splats, rng) if n_splats else None
        subjects.append(take.Subject(info, arrays, {k: v.copy() for k, v in body_data.items()}, avatar,
                                     track=track))
    meta = {
        "format": take.FORMAT, "version": list(TAKE_VERSION), "laws": LAWS,
        "id": take_id or str(uuid.UUID(int=rng.integers(1 << 62).item())),
        "shot_id": shot_id or str(uuid.UUID(int=1000 + seed)),
        "source": {"name": "golden.mp4", "sha256": "0" * 64, "size_px": list(size_px),
                   "rate": [rate.numerator, rate.denominator], "rotation_deg": 0, "variable_rate": is_variable_rate},
        "producer": {"version": VERSION, "providers": {}, "device": "cpu", "settings": {}},
        "subjects": [s.info for s in subjects],
        "camera": {"kind": "moving" if moving_camera else "static", "focal_source": "user", "scale_source": "height"},
        "report": {}, "notes": []}
    return take.Take(meta, shot, subjects)


def write_take(folder: str | Path, **options) -> Path:
    """Write `make_take(**options)` at `folder`, which must not exist; returns it."""
    return take.write(make_take(**options), folder)


def add_detections(result: take.Take, seen: dict[str, tuple[int, int]] | None = None) -> None:
    """Detections as the people stage keeps them, random but for their keypoints.

    Args:
        result: Changed in place; outside the frames that somebody is seen in, nobody is in the shot.
        seen: Half-open ranges of frames by subject; default: everybody in all frames.
    """
    n = result.n_frames
    for subject in result.subjects:
        detected = np.zeros(n, bool)
        detected[slice(*(seen or {}).get(subject.id, (0, n)))] = True
        rng = np.random.default_rng(int(subject.id[1:]))
        points = subject.motion["keypoints_px"][..., :2]
        box = np.concatenate([points.min(1), points.max(1)], -1)
        subject.track = {"landmarks_m": rng.normal(size=(n, 33, 3)).astype(np.float32),
                         "spread_px": rng.random((n, 33)).astype(np.float32), "box_px": box.astype(np.float32),
                         "detected": detected}
        for array in (*subject.track.values(), *subject.motion.values()):
            if array.dtype == np.float32:
                array[~detected] = np.nan
        subject.motion["present"] = detected.copy()


def add_plate(result: take.Take, partial: Path) -> None:
    """Write the plate of a take into `partial` (for `take.write(..., partial=partial)`) and name it in the take.

    Each picture is grey, brighter with every frame, with a white square of 3 px centred on each keypoint of each
    person. Needs bpy or OpenCV for the JPEG.
    """
    width, height = result.meta["source"]["size_px"]
    result.meta["plate"] = {"pattern": take.PLATE_PATTERN, "size_px": [width, height]}
    (partial / "plate").mkdir(parents=True, exist_ok=True)
    for t in range(result.n_frames):
        picture = np.full((height, width, 3), 30 + t * 120 // max(result.n_frames, 1), np.uint8)
        for subject in result.subjects:
            for x, y, _ in subject.motion["keypoints_px"][t]:
                if np.isfinite(x) and np.isfinite(y):
                    column, row = int(np.floor(x)), int(np.floor(y))
                    picture[max(row - 1, 0):max(row + 2, 0), max(column - 1, 0):max(column + 2, 0)] = 255
        _write_jpeg(partial / take.PLATE_PATTERN.format(t), picture)


def _write_jpeg(path: Path, picture: np.ndarray) -> None:
    try:
        import cv2
    except ImportError:
        import bpy
        height, width = picture.shape[:2]
        image = bpy.data.images.new("jpeg", width, height)
        rgba = np.ones((height, width, 4), np.float32)
        rgba[..., :3] = picture[::-1] / np.float32(255)
        image.pixels.foreach_set(rgba.ravel())
        image.filepath_raw, image.file_format = str(path), "JPEG"
        image.save()
        bpy.data.images.remove(image)
    else:
        cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
