"""The person's outline as evidence for arms that are not seen: known distances, exact derivatives, a hidden arm."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from walks import SIZE_PX, Filmed, planted_root, pose_of

from sinew.camera import solve_camera
from sinew.flow import CameraOptions
from sinew.geometry import projection
from sinew.geometry import rotations as rot
from sinew.motion import fit, outline, solve_motion
from sinew.motion.kinematics import N_COLUMNS, pose
from sinew.motion.model import ARMS, KEYPOINT, make_model
from sinew.motion.normal import Normal
from sinew_take import free_body, laws, masks
from sinew_take import skeleton as sk

CELL = 2
GRID = (SIZE_PX[0] // CELL, SIZE_PX[1] // CELL)
UNSEEN = [KEYPOINT[f"{name}_r"] for name in ("elbow", "wrist", "pinky", "index", "thumb")]
RIGHT = [i for i, arm in enumerate(ARMS) if arm[0].endswith("_r")]
K = projection.intrinsics(1000.0, SIZE_PX)
NO_LENS = np.zeros((1, 5))


@pytest.fixture(scope="module")
def body():
    return free_body.load()


def packed(*bits):
    """Masks of frames, None where there is none."""
    return masks.pack([None if b is None else ((0, 0, *GRID), b) for b in bits], GRID)


def disk(middle_px, radius_px, lens=None):
    """(H, W) bool: where a disk of the ideal picture is seen through a lens."""
    y, x = np.mgrid[:GRID[1], :GRID[0]]
    at = (np.stack([x, y], -1) + 0.5) * CELL
    if lens is not None:
        at = projection.undistort_px(at, K, lens)
    return np.linalg.norm(at - middle_px, axis=-1) < radius_px


def track_of(*bits, **more):
    return SimpleNamespace(masks=packed(*bits), present=np.ones(len(bits), bool), overlaps=None, **more)


def outline_of(track, confidence=0.0, lens=NO_LENS):
    n = len(track.present)
    return outline.outline_of(track, np.arange(n), np.full((n, 33), confidence), np.tile(K, (n, 1, 1)),
                              np.tile(lens, (n, 1)), SIZE_PX)


@pytest.mark.parametrize("lens", [NO_LENS, np.array([[-0.2, 0.05, 0.001, -0.002, 0.0]])])
def test_distances_from_a_disk(lens):
    middle, radius = np.array([500.0, 300.0]), 120.0
    found = outline_of(track_of(disk(middle, radius, lens[0])), lens=lens)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    out = np.stack([np.cos(angle), np.sin(angle)], -1)
    for away in (-60.0, -20.0, 0.0, 20.0, 50.0):
        distance, slope = found.distance(np.zeros(1, int), (middle + (radius + away) * out)[None])
        assert np.abs(distance - away).max() < (4 if lens.any() else 2)  # px: two cells; a lens stretches a little
        assert (slope[0] * out).sum(-1).min() > 0.7
    far = np.array([[[1270.0, 700.0], [5.0, 5.0]]])
    distance, slope = found.distance(np.zeros(1, int), far)
    assert distance.min() > 30 and not slope.any()  # beyond the field nothing pulls


@pytest.mark.parametrize("k1", [-0.2, -0.3, -1.0, 0.5])
def test_a_strong_lens_leaves_finite_distances_or_none(k1):
    found = outline_of(track_of(disk(np.array([1150.0, 600.0]), 110.0)), lens=np.array([[k1, 0, 0, 0, 0.0]]))
    assert found is None or all(np.isfinite(x).all() for x in (found.field_px, found.corner_px, found.step_px))
    assert (found is None) == (k1 == -1.0)  # by which such a lens shows nothing there


def test_what_is_outside_the_picture_may_be_the_person():
    cut = outline_of(track_of(disk(np.array([0.0, 300.0]), 120.0)))
    distance, _ = cut.distance(np.zeros(1, int), np.array([[[-30.0, 300.0], [-40.0, 500.0], [60.0, 470.0]]]))
    assert distance[0, 0] < -30 and distance[0, 1] < 0 < distance[0, 2]


def test_when_an_outline_says_nothing():
    seen = disk(np.array([500.0, 300.0]), 120.0)
    assert outline_of(track_of(seen), confidence=0.9) is None  # every arm is seen
    assert outline_of(track_of(None, None)) is None
    assert outline_of(track_of(disk(np.array([500.0, 300.0]), 6.0))) is None  # a few cells
    assert outline_of(SimpleNamespace(masks={}, present=np.ones(1, bool), overlaps=None)) is None
    crossed = track_of(seen, seen, seen)
    crossed.overlaps = np.array([False, True, False])
    crossed.present[2] = False
    found = outline_of(crossed)
    assert found.row.tolist() == [0, -1, -1]
    assert found.take(np.array([1, 0])).row.tolist() == [-1, 0]
    assert found.without(np.array([True, False, False])).row.tolist() == [-1, -1, -1]


def test_only_bones_whose_ends_are_not_both_seen_are_hidden():
    track = track_of(disk(np.array([500.0, 300.0]), 120.0))
    confidence = np.full((1, 33), 0.9)
    confidence[0, KEYPOINT["wrist_l"]] = 0.2
    found = outline.outline_of(track, np.arange(1), confidence, K[None], NO_LENS, SIZE_PX)
    assert [arm[0] for arm, hidden in zip(ARMS, found.hidden[0]) if hidden] == ["ulna_l"] * 4


def test_gradient_against_differences(body):
    model = make_model(body)
    rng = np.random.default_rng(3)
    film = Filmed(body, n=3)
    view = fit.View(np.tile(film.K, (3, 1, 1)), np.tile(film.R_cw, (3, 1, 1)),
                    np.tile(-film.R_cw @ film.T_wc[0, :3, 3], (3, 1)))
    share = np.array([1.0, 0.7, 1.3])
    # A plane of distances, on which the field's interpolation is exact; the middle frame has none.
    y, x = np.mgrid[:outline.GRID, :outline.GRID] * 20.0
    plane = (0.6 * x - 0.7 * y + 100.0)[None]
    edge = outline.Outline(np.array([0, -1, 1]), np.concatenate([plane, plane + 30]), np.zeros((2, 2)),
                           np.full(2, 20.0), rng.random((2, len(ARMS))) < 0.7)
    shape = rng.normal(0, 0.5, model.n_shape)
    q = film.q + rng.normal(0, 0.1, film.q.shape)

    def cost(step, out=None):
        p = pose(model.skeleton, shape, rot.exp(step[:, :3]) @ film.pelvis, q + np.pad(step[:, 3:46], ((0, 0), (3, 0))),
                 film.root_m + step[:, 46:])
        return outline.add(edge, model, view, share, p, shape, out)

    out = Normal.empty(3, 0)
    none = np.zeros((3, N_COLUMNS))
    assert cost(none, out) == pytest.approx(cost(none)) and cost(none) > 1
    assert not out.gradient[1].any() and not out.diagonal[1].any()
    near = 1e-6 * np.abs(out.gradient).max()
    for i in range(N_COLUMNS):
        for t in (0, 2):
            step = np.zeros((3, N_COLUMNS))
            step[t, i] = 1e-5
            assert (cost(step) - cost(-step)) / 4e-5 == pytest.approx(out.gradient[t, i], abs=near)
    assert np.linalg.eigvalsh(out.diagonal).min() > -1e-9 * np.abs(out.diagonal).max()


def arm_before_the_belly(model, shape, time_s, heading):
    """Stands with the back to the camera, the right forearm before the belly, where no camera behind sees it."""
    q = np.zeros((len(time_s), 46))
    for side, sign in (("r", 1), ("l", -1)):
        q[:, sk.DOF_INDEX[f"shoulder_{side}_x"]] = sign * 1.2
        q[:, sk.DOF_INDEX[f"elbow_flexion_{side}"]] = 0.4
    q[:, sk.DOF_INDEX["elbow_flexion_r"]] = 1.7
    q[:, sk.DOF_INDEX["shoulder_r_y"]] = 0.9
    q[:, sk.DOF_INDEX["thorax_bending"]] = 0.05 * np.sin(2 * np.pi * time_s)
    pelvis = np.tile(rot.exp([0, 0, heading]), (len(q), 1, 1))
    return q, pelvis, planted_root(model, shape, pelvis, q)


def silhouettes(film, body):
    """(H, W) bool per frame: the filmed body."""
    rest = np.asarray(body.joints(film.shape), float)
    frames = np.asarray(body.joint_frames, float)
    moved = laws.skin_transforms(laws.forward_kinematics(film.q, film.root_m, rest, frames), rest, frames)
    skin, faces = np.asarray(body.vertices(film.shape), float), np.asarray(body.faces)
    out = []
    for t in range(len(film.q)):
        x = laws.skin(skin, body.skin_index, body.skin_weight, moved[t])
        px = projection.project((x - film.T_wc[t, :3, 3]) @ film.T_wc[t, :3, :3], film.K)
        picture = np.zeros(GRID[::-1], np.uint8)
        for corners in np.round(px / CELL * 16).astype(np.int32)[faces]:
            cv2.fillConvexPoly(picture, corners, 1, shift=4)
        out.append(picture > 0)
    return out


@pytest.fixture(scope="module")
def hidden_arm(body):
    film = Filmed(body, n=12, heading=np.pi, noise_px=1, motion=arm_before_the_belly)
    film.track.masks = packed(*silhouettes(film, body))
    film.track.keypoints_px[:, UNSEEN, 2] = 0.0
    # As a detector guesses an arm that it does not see: hanging out from the shoulder.
    aside = film.track.landmarks_m[:, KEYPOINT["shoulder_r"], None] + [0.2, 0.1, 0.0]
    film.track.landmarks_m[:, UNSEEN] = aside + np.linspace(0, 1, len(UNSEEN))[:, None] * [0.15, 0.2, 0.0]
    camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(
        fov_deg=float(np.degrees(2 * np.arctan(SIZE_PX[0] / 2 / film.K[0, 0]))), height_m=film.model.stature(film.shape)),
        look=False)

    def solved(weights=None):
        camera_, (motion,) = solve_motion(film.shot, film.people, camera, body, starts=starts, weights=weights)
        return camera_, motion
    return film, solved


def sticks_out_m(film, camera, motion):
    """(T,) by how much the right arm is outside the outline."""
    x = film.model.arms.positions(pose_of(film.model, motion), np.asarray(motion.shape, float))
    local = (x - camera.T_wc[:, None, :3, 3]) @ camera.T_wc[:, :3, :3]
    bits = [masks.unpack(film.track.masks, t) for t in range(len(x))]
    away = np.array([cv2.distanceTransform(1 - b.astype(np.uint8), cv2.DIST_L2, 5) for b in bits]) * CELL
    u, v = np.moveaxis(np.floor(projection.project(local, camera.K[:, None]) / CELL).astype(int), -1, 0)
    px = away[np.arange(len(x))[:, None], v, u]
    return (px * local[..., 2] / camera.K[:, None, 0, 0])[:, RIGHT].max(1)


def test_a_hidden_arm_lies_within_the_outline(hidden_arm):
    film, solved = hidden_arm
    assert sticks_out_m(film, *solved()).max() < 0.01
    assert sticks_out_m(film, *solved(fit.Weights(outline=0.0))).max() > 0.05


def test_a_shape_is_not_told_by_an_outline(hidden_arm):
    film, solved = hidden_arm
    model, free = film.model, solved(fit.Weights(outline=0.0))[1].shape
    i = sk.JOINT_INDEX

    def arm_m(shape):
        bones = np.diff(model.skeleton.rest(np.asarray(shape, float))[[i["humerus_r"], i["ulna_r"], i["hand_r"]]], axis=0)
        return np.linalg.norm(bones, axis=1).sum()
    assert arm_m(solved()[1].shape) == pytest.approx(arm_m(free), abs=0.005)


def test_seen_arms_are_as_without_an_outline(body, hidden_arm):
    film, _ = hidden_arm
    track = replace(film.track, keypoints_px=film.track.keypoints_px.copy())
    track.keypoints_px[..., 2] = 0.95
    frames = np.arange(12)
    assert outline.outline_of(track, frames, track.keypoints_px[..., 2], np.tile(film.K, (12, 1, 1)), np.zeros((12, 5)),
                              SIZE_PX) is None
