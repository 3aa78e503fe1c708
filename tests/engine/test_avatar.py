"""The avatar stage on a scene whose colours are known: a painted body turns before the camera, another passes in front."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from sinew import video
from sinew.avatar import build_avatars, colour, seed, view
from sinew.avatar.build import SH0, spread_frames
from sinew.body import build_body
from sinew.flow import Camera, Motion, Track
from sinew_take import arrays, free_body, laws, masks
from sinew_take import skeleton as sk

SIZE = (256, 320)
N_FRAMES = 9
FOCAL = 336.0
BACKGROUND = np.array([0, 255, 0], np.uint8)


def paint(points_m: np.ndarray, phase: float) -> np.ndarray:
    """Colours (N, 3) 0..255 of points of the rest pose; no green like the background's."""
    x, y, z = points_m.T
    wave = np.stack([np.sin(9 * x + phase), 0.6 * np.sin(7 * z - 5 * x + phase) - 0.4, np.sin(11 * y + 4 * z + phase)], 1)
    return 127.5 + 90 * wave


def turned(yaw_deg: float, at: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """q (46,) of a person with lowered arms who has turned about the vertical, and the pelvis' place."""
    q = np.zeros(46)
    q[sk.DOF_INDEX["pelvis_rotation"]] = np.radians(yaw_deg)
    q[sk.DOF_INDEX["shoulder_r_x"]], q[sk.DOF_INDEX["shoulder_l_x"]] = np.radians(60), np.radians(-60)
    return q, np.array(at)


class Scene:
    """Two people, a camera that looks along +Y, and pictures painted from dense points of the true surface."""

    def __init__(self, folder: Path):
        asset = free_body.load()
        self.bodies = [build_body(asset, np.zeros(asset.n_shape)), build_body(asset, np.full(asset.n_shape, 0.3))]
        self.camera = Camera(
            T_wc=np.tile(np.array([[1, 0, 0, 0], [0, 0, 1, -3.0], [0, -1, 0, 1.0], [0, 0, 0, 1.0]]), (N_FRAMES, 1, 1)),
            K=np.tile(np.array([[FOCAL, 0, SIZE[0] / 2], [0, FOCAL, SIZE[1] / 2], [0, 0, 1]]), (N_FRAMES, 1, 1)),
            distortion=np.tile([-0.05, 0, 0, 0, 0], (N_FRAMES, 1)), kind="static", focal_source="user",
            scale_source="height")
        poses = [[turned(yaw, (0, 0, 0.935)) for yaw in np.linspace(-55, 55, N_FRAMES)],
                 [turned(20, (x, -0.75, 0.935)) for x in np.linspace(-1.2, 0.9, N_FRAMES)]]
        self.T_wj = [np.stack([laws.forward_kinematics(q, root, body["rest_joints_m"].astype(float),
                                                       body["joint_frames"].astype(float)) for q, root in poses_of])
                     for body, poses_of in zip(self.bodies, poses)]
        dense = [seed.spread(b["rest_vertices_m"], b["faces"], 45_000, seed=5) for b in self.bodies]
        painted = [paint(seed.interpolate(b["rest_vertices_m"], b["faces"], s), 1.7 * k)
                   for k, (b, s) in enumerate(zip(self.bodies, dense))]
        folder.mkdir()
        owner = []
        for t in range(N_FRAMES):
            picture = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
            picture[:] = BACKGROUND
            who = np.zeros((SIZE[1], SIZE[0]), np.uint8)
            depth = np.full(SIZE[1] * SIZE[0], np.inf, np.float32)
            spots = []
            for k, (body, seeds) in enumerate(zip(self.bodies, dense)):
                placed = view.place(body, seeds, self.T_wj[k][t], self.camera.T_wc[t], self.camera.K[t],
                                    self.camera.distortion[t])
                at = np.floor(placed.px - 0.5).astype(int)
                # Each point covers the 2 x 2 pixels whose centres surround it, so that the surface closes.
                for dx in (0, 1):
                    for dy in (0, 1):
                        spot = at + (dx, dy)
                        fits = ((spot >= 0) & (spot < SIZE)).all(1) & (placed.facing > 0)
                        spots.append((spot[fits] @ (1, SIZE[0]), placed.depth_m[fits], painted[k][fits],
                                      np.full(fits.sum(), k + 1)))
            index, z, rgb, people = (np.concatenate(part) for part in zip(*spots))
            np.minimum.at(depth, index, z)
            front = z <= depth[index] + 1e-6
            picture.reshape(-1, 3)[index[front]] = np.round(rgb[front])
            who.reshape(-1)[index[front]] = people[front]
            cv2.imwrite(str(folder / f"{t:03d}.png"), picture[..., ::-1])
            owner.append(who)
        self.motions = []
        for k, T_wj in enumerate(self.T_wj):
            packed = masks.pack([((0, 0, *SIZE), cv2.morphologyEx((who == k + 1).astype(np.uint8), cv2.MORPH_CLOSE,
                                                                 np.ones((3, 3))) > 0) for who in owner], SIZE)
            track = Track(f"s{k}", *[None] * 5, masks=packed)
            self.motions.append(Motion(track, {
                "present": np.ones(N_FRAMES, bool), "T_wj": T_wj.astype(np.float32),
                "confidence": np.ones((N_FRAMES, 24), np.float32)}, np.zeros(1), np.full(N_FRAMES, 1.0)))
        self.shot = video.find_shots(folder, rate=25).shots[0]


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Scene:
    return Scene(tmp_path_factory.mktemp("avatar") / "pictures")


@pytest.fixture(scope="module")
def avatars(scene) -> list[dict]:
    calls = []
    out = build_avatars(scene.shot, scene.camera, scene.motions, scene.bodies,
                        lambda done, total: calls.append((done, total)), n_splats=12_000)
    assert calls[0] == (0, N_FRAMES + 1) and calls[-1] == (N_FRAMES + 1, N_FRAMES + 1)
    return out


def test_arrays_are_the_takes(avatars):
    for avatar in avatars:
        arrays.check("avatar.npz", avatar, arrays.AVATAR, {})
        assert abs(len(avatar["mean_m"]) / 12_000 - 1) < 0.1
        np.testing.assert_allclose(avatar["skin_weight"].sum(1), 1, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(avatar["rotation_wxyz"], axis=1), 1, atol=1e-5)
        assert all(np.isfinite(array).all() for array in avatar.values())


def test_seen_splats_have_the_true_colours(scene, avatars):
    for k, avatar in enumerate(avatars):
        seen = avatar["seen"]
        assert 0.25 < seen.mean() < 0.85
        true = paint(avatar["mean_m"][seen], 1.7 * k)
        got = (avatar["sh"][seen, 0] * SH0 + 0.5) * 255
        error = np.abs(got - true).max(1)
        assert np.median(error) < 4 and np.percentile(error, 99) < 25  # grey levels of 255
        # The green behind is at least 109 away from every painted colour.
        assert error.max() < 100


def test_the_side_that_never_faced_the_camera_is_not_seen(scene, avatars):
    body, avatar = scene.bodies[0], avatars[0]
    faced = np.zeros(len(avatar["mean_m"]), bool)
    seeds = seed.spread(body["rest_vertices_m"], body["faces"], 12_000)
    for t in range(N_FRAMES):
        placed = view.place(body, seeds, scene.T_wj[0][t], scene.camera.T_wc[t], scene.camera.K[t],
                            scene.camera.distortion[t])
        faced |= placed.facing > 0
    assert (~faced).sum() > 500
    assert not avatar["seen"][~faced].any()
    back = avatar["mean_m"][:, 1] > 0.05
    assert avatar["seen"][back].mean() < 0.15 < 0.6 < avatar["seen"][~back].mean()


def test_borrowed_colours_lie_in_the_range_of_the_seen_ones(avatars):
    for avatar in avatars:
        seen, unseen = avatar["sh"][avatar["seen"]], avatar["sh"][~avatar["seen"]]
        assert (unseen >= seen.min((0, 1)) - 1e-4).all() and (unseen <= seen.max((0, 1)) + 1e-4).all()


def test_a_person_behind_another_takes_no_colours_from_her(scene):
    """Without masks, the depth of the bodies alone must keep the person in front out."""
    bare = [Motion(SimpleNamespace(masks={}), m.arrays, m.shape, m.pixel_error) for m in scene.motions]
    behind = build_avatars(scene.shot, scene.camera, bare, scene.bodies, n_splats=6000)[0]
    true = paint(behind["mean_m"][behind["seen"]], 0.0)
    got = (behind["sh"][behind["seen"], 0] * SH0 + 0.5) * 255
    assert np.percentile(np.abs(got - true).max(1), 99) < 25


def test_nobody_in_view_gives_grey_and_unseen(scene):
    gone = [Motion(m.track, {**m.arrays, "present": np.zeros(N_FRAMES, bool)}, m.shape, m.pixel_error)
            for m in scene.motions]
    for avatar in build_avatars(scene.shot, scene.camera, gone, scene.bodies, n_splats=2000):
        assert not avatar["seen"].any()
        np.testing.assert_allclose(avatar["sh"], 0, atol=1e-5)


def test_no_people_no_avatars(scene):
    assert build_avatars(scene.shot, scene.camera, [], []) == []


def test_the_spread_is_even_and_repeats():
    body = free_body.load()
    a, b = (seed.spread(body.template_m, body.faces, 5000) for _ in range(2))
    assert (a.face == b.face).all() and (a.barycentric == b.barycentric).all()
    points = seed.interpolate(body.template_m, body.faces, a)
    from scipy.spatial import cKDTree

    anywhere = seed.spread(body.template_m, body.faces, 3000, seed=9)
    hole = cKDTree(points).query(seed.interpolate(body.template_m, body.faces, anywhere))[0]
    assert hole.max() < 1.4 * a.spacing_m


def test_splat_axes_stand_on_the_surface():
    normal = np.random.default_rng(1).normal(size=(200, 3))
    normal[0], normal[1] = (0, 0, -1), (0, 0, 1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    w, x, y, z = seed.quaternions(normal).T
    third = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], 1)
    np.testing.assert_allclose(third, normal, atol=1e-5)


def test_average_shrugs_off_outliers_and_knows_what_it_never_saw():
    rng = np.random.default_rng(3)
    samples = np.clip(rng.normal(100, 3, (20, 50, 3)), 0, 255).astype(np.uint8)
    samples[:5] = 255
    weights = np.ones((20, 50), np.float32)
    weights[:, 49] = 0
    colours, seen = colour.average(samples, weights)
    assert seen[:49].all() and not seen[49] and np.isnan(colours[49]).all()
    assert np.abs(colours[:49] - 100).max() < 8  # grey levels; a plain mean would be off by 39


def test_frames_are_spread_over_those_with_people():
    present = np.zeros(1000, bool)
    present[100:700] = True
    frames = spread_frames(present, 60)
    assert len(frames) == 60 and frames[0] == 100 and frames[-1] == 699 and np.diff(frames).max() <= 11
    assert spread_frames(present[:130], 60).tolist() == list(range(100, 130))
