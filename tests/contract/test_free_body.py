"""The free body's asset: sizes, symmetry, rest pose, lengths, plausible proportions, skin, regions, damage."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sinew_take import free_body, laws
from sinew_take import skeleton as sk
from sinew_take.errors import RequestError

BODY = free_body.load()
J = {name: i for i, name in enumerate(sk.JOINT_NAMES)}
MM = 1e-3


def shapes(n: int, seed: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, BODY.n_shape)).astype(np.float32)


def length(joints: np.ndarray, a: str, b: str) -> float:
    return float(np.linalg.norm(joints[J[b]] - joints[J[a]]))


def test_sizes_and_file():
    assert 18 <= BODY.n_shape <= 26 and len(BODY.shape_names) == BODY.n_shape
    assert free_body.ASSET.stat().st_size < 1.5e6
    assert BODY.faces.min() == 0 and BODY.faces.max() == len(BODY.template_m) - 1
    assert len(np.unique(BODY.faces)) == len(BODY.template_m)
    assert BODY.uv.min() >= 0 and BODY.uv.max() <= 1
    assert BODY.region.max() < len(BODY.region_names) and len(np.unique(BODY.region)) == len(BODY.region_names)
    np.testing.assert_array_equal(BODY.joint_frames, sk.REST_FRAMES.astype(np.float32))


def test_it_loads_fast_and_without_torch():
    code = ("import sys, time; import numpy; t = time.perf_counter(); from sinew_take import free_body; free_body.load();"
            "print(time.perf_counter() - t); assert not {'torch', 'scipy', 'cv2'} & set(sys.modules)")
    out = subprocess.run([sys.executable, "-c", code], cwd=Path(free_body.__file__).parents[1], capture_output=True,
                         text=True, check=True)
    assert float(out.stdout) < 1.0  # 0.04 s on a free core


@pytest.mark.parametrize("shape", [np.zeros(BODY.n_shape, np.float32), *shapes(3)])
def test_left_mirrors_right(shape):
    swap = [J[free_body._other_side(name)] for name in sk.JOINT_NAMES]
    joints, vertices, keypoints = BODY.joints(shape), BODY.vertices(shape), BODY.keypoints(shape)
    np.testing.assert_allclose(joints[swap] * sk.MIRROR, joints, atol=0.01 * MM)
    np.testing.assert_allclose(vertices[BODY.mirror] * sk.MIRROR, vertices, atol=0.01 * MM)
    other = [sk.MEDIAPIPE_KEYPOINTS.index(free_body._other_side(name)) for name in sk.MEDIAPIPE_KEYPOINTS]
    np.testing.assert_allclose(keypoints[other] * sk.MIRROR, keypoints, atol=0.01 * MM)


def test_skin_weights_mirror_and_sum_to_one():
    np.testing.assert_allclose(BODY.skin_weight.sum(1), 1, atol=1e-6)
    dense = np.zeros((len(BODY.template_m), 24))
    np.add.at(dense, (np.arange(len(dense))[:, None], BODY.skin_index), BODY.skin_weight)
    swap = [J[free_body._other_side(name)] for name in sk.JOINT_NAMES]
    np.testing.assert_allclose(dense[BODY.mirror][:, swap], dense, atol=0.01)
    assert (dense.sum(0) > 0).all()


@pytest.mark.parametrize("shape", [np.zeros(BODY.n_shape, np.float32), *shapes(4)])
def test_the_rest_pose_is_the_canonical_one(shape):
    """T-pose: arms along X at one height, legs straight down, feet forward, soles on the floor."""
    joints, vertices = BODY.joints(shape), BODY.vertices(shape)
    for side in "lr":
        leg = joints[[J[f"{n}_{side}"] for n in ("femur", "tibia", "talus")]]
        assert np.ptp(leg[:, :2], axis=0).max() < 0.5 * MM
        arm = joints[[J[f"{n}_{side}"] for n in ("humerus", "ulna", "hand")]]
        assert np.ptp(arm[:, 1:], axis=0).max() < 0.5 * MM
        toes = joints[J[f"toes_{side}"]] - joints[J[f"talus_{side}"]]
        assert toes[1] < -0.08 and abs(toes[0]) < 0.02
    middle = [j for j, name in enumerate(sk.JOINT_NAMES) if name[-2:] not in ("_l", "_r")]
    assert np.abs(joints[middle, 0]).max() < 0.01 * MM
    assert abs(vertices[:, 2].min()) < 8 * MM  # the mean of the soles is at 0; toes may dip under it
    assert vertices[:, 0].max() > joints[J["hand_l"], 0] + 0.1


def test_turning_the_forearm_leaves_the_wrist():
    q = np.zeros(46)
    q[sk.DOF_INDEX["pro_sup_r"]] = q[sk.DOF_INDEX["pro_sup_l"]] = np.radians(80)
    rest = BODY.joints_m.astype(float)
    T = laws.forward_kinematics(q, rest[0], rest, BODY.joint_frames.astype(float))
    for hand in ("hand_r", "hand_l"):
        np.testing.assert_allclose(T[J[hand], :3, 3], rest[J[hand]], atol=1 * MM)


def test_proportions_of_the_mean_adult():
    """Within 8 % of published means over stature (de Leva 1996; Drillis and Contini 1966 for forearm and heights)."""
    stature = float(np.ptp(BODY.template_m[:, 2]))
    assert 1.62 < stature < 1.75
    joints = BODY.joints_m
    published = {("femur_l", "tibia_l"): 0.2275, ("tibia_l", "talus_l"): 0.2529, ("humerus_l", "ulna_l"): 0.1602,
                 ("ulna_l", "hand_l"): 0.146}
    for (a, b), share in published.items():
        assert abs(length(joints, a, b) / stature / share - 1) < 0.08, (a, b, length(joints, a, b) / stature)
    assert abs(joints[J["femur_l"], 2] / stature / 0.53 - 1) < 0.05
    assert abs(2 * BODY.template_m[:, 0].max() / stature - 1.03) < 0.04  # arm span


@pytest.mark.parametrize(("name", "a", "b", "sd"), [
    ("thigh", "femur_l", "tibia_l", 0.045), ("shank", "tibia_l", "talus_l", 0.045),
    ("upper_arm", "humerus_l", "ulna_l", 0.045), ("forearm", "ulna_l", "hand_l", 0.045),
    ("shoulder_width", "humerus_l", "humerus_r", 0.06), ("hip_width", "femur_l", "femur_r", 0.08)])
def test_a_length_component_changes_its_length_only(name, a, b, sd):
    shape = np.zeros(BODY.n_shape, np.float32)
    shape[BODY.shape_names.index(name)] = 1
    before, after = BODY.joints_m, BODY.joints(shape)
    assert abs(length(after, a, b) / length(before, a, b) - 1 - sd) < 1e-3
    for x, y in (("femur_l", "tibia_l"), ("tibia_l", "talus_l"), ("humerus_l", "ulna_l"), ("ulna_l", "hand_l"),
                 ("humerus_l", "humerus_r"), ("femur_l", "femur_r")):
        if (x, y) != (a, b):
            assert abs(length(after, x, y) - length(before, x, y)) < 0.1 * MM


def test_length_components_move_the_skin_with_the_joints():
    """Skin beyond the segment moves as the joint at its end does."""
    x, z = np.abs(BODY.template_m[:, 0]), BODY.template_m[:, 2]
    left = BODY.template_m[:, 0] > 0
    beyond = {("thigh", "femur_l"): z > 0.95, ("shank", "tibia_l"): z > 0.56, ("forearm", "hand_l"): left & (x > 0.75),
              ("upper_arm", "ulna_l"): left & (x > 0.50), ("shoulder_width", "humerus_l"): left & (x > 0.30)}
    for (name, joint), where in beyond.items():
        k = BODY.shape_names.index(name)
        off = np.linalg.norm(BODY.shape_dirs[k, where] - BODY.joint_dirs[k, J[joint]], axis=1)
        assert where.sum() > 100 and off.max() < 1 * MM, name


def test_the_shape_space_explains_people():
    """Error on bodies that it was not built from, written by the build step."""
    fit = BODY.meta["held_out"]["all"]
    assert fit["adult"]["mean_mm"] < 1.5 and fit["adult"]["p95_mm"] < 5
    assert fit["child"]["mean_mm"] < 3 and fit["old"]["mean_mm"] < 2.5


def test_the_joints_determine_a_shape_well_enough():
    """No two components move the joints alike: of 21, at least 12 move them by more than 3 mm per deviation."""
    values = np.linalg.svd(BODY.joint_dirs.reshape(BODY.n_shape, -1), compute_uv=False)
    assert (values > 3 * MM).sum() >= 12


def test_keypoints_lie_on_their_body():
    """Near the anatomical place; the measured offsets of the detector are at most 4 cm."""
    keypoints = dict(zip(sk.MEDIAPIPE_KEYPOINTS, BODY.keypoint_m))
    for name in ("nose", "eye_l", "mouth_l", "heel_l", "foot_index_l", "ear_l"):
        assert np.linalg.norm(BODY.template_m - keypoints[name], axis=1).min() < 35 * MM, name
    for name, joint in {"shoulder_l": "humerus_l", "elbow_l": "ulna_l", "wrist_l": "hand_l", "knee_l": "tibia_l",
                        "hip_l": "femur_l", "ankle_l": "talus_l"}.items():
        assert np.linalg.norm(keypoints[name] - BODY.joints_m[J[joint]]) < 35 * MM, name
    assert keypoints["nose"][1] < keypoints["eye_l"][1] < keypoints["ear_l"][1]
    assert keypoints["eye_inner_l"][0] < keypoints["eye_l"][0] < keypoints["eye_outer_l"][0] < keypoints["ear_l"][0]
    assert keypoints["thumb_l"][1] < keypoints["pinky_l"][1]  # palms down: thumbs forward
    assert keypoints["foot_index_l"][1] < -0.13 < 0.02 < keypoints["heel_l"][1]
    assert keypoints["foot_index_l"][2] < 0.05 and keypoints["heel_l"][2] < 0.05
    np.testing.assert_allclose(BODY.keypoint_weight.sum(1), 1)


def test_faces_point_outwards_and_regions_are_where_they_belong():
    triangle = BODY.template_m[BODY.faces]
    volume = np.einsum("fi,fi->", triangle[:, 0], np.cross(triangle[:, 1], triangle[:, 2])) / 6
    assert 0.04 < volume < 0.12  # m3
    centre = triangle.mean(1)
    region = {name: centre[BODY.region == i] for i, name in enumerate(BODY.region_names)}
    assert region["shoes"][:, 2].max() < 0.15
    assert region["hair"][:, 2].min() > 1.4
    assert region["top"][:, 2].min() > region["shins"][:, 2].max()
    assert np.abs(region["eyes"][:, 0]).max() < 0.06


@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "other"])
def test_a_damaged_asset_is_one_sentence(tmp_path, monkeypatch, damage):
    path = tmp_path / "free_body.npz"
    if damage == "cut":
        path.write_bytes(free_body.ASSET.read_bytes()[:100_000])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "other":
        np.savez(path, something=np.zeros(3))
    monkeypatch.setattr(free_body, "ASSET", path)
    free_body.load.cache_clear()
    try:
        with pytest.raises(RequestError, match="missing or damaged; install"):
            free_body.load()
    finally:
        monkeypatch.undo()
        free_body.load.cache_clear()


def test_a_shape_of_another_length_is_refused():
    with pytest.raises(ValueError, match="coefficients"):
        BODY.joints(np.zeros(3))


def test_posing_keeps_volume():
    """Linear blend skinning loses volume at bends; for everyday poses less than 10 %."""
    def volume(vertices):
        t = vertices[BODY.faces]
        return np.einsum("fi,fi->", t[:, 0], np.cross(t[:, 1], t[:, 2])) / 6

    rest = BODY.joints_m.astype(float)
    frames = BODY.joint_frames.astype(float)
    walk = {"hip_flexion_r": 35, "knee_angle_r": 15, "hip_flexion_l": -20, "knee_angle_l": 40, "elbow_flexion_r": 40,
            "elbow_flexion_l": 40, "shoulder_r_x": 70, "shoulder_l_x": -70}
    sit = {"hip_flexion_r": 90, "hip_flexion_l": 90, "knee_angle_r": 90, "knee_angle_l": 90, "shoulder_r_x": 70,
           "shoulder_l_x": -70, "elbow_flexion_r": 90, "elbow_flexion_l": 90, "lumbar_twist": 30, "thorax_twist": 30}
    for pose in (walk, sit):
        q = np.zeros(46)
        for name, degrees in pose.items():
            q[sk.DOF_INDEX[name]] = np.radians(degrees)
        A = laws.skin_transforms(laws.forward_kinematics(q, rest[0], rest, frames), rest, frames)
        posed = laws.skin(BODY.template_m.astype(float), BODY.skin_index, BODY.skin_weight, A)
        assert abs(volume(posed) / volume(BODY.template_m.astype(float)) - 1) < 0.10


def test_loading_is_cached_and_quick():
    free_body.load.cache_clear()
    begin = time.perf_counter()
    assert free_body.load() is free_body.load()
    assert time.perf_counter() - begin < 1.0
