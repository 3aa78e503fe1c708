"""WHAM: parity with the public implementation, what it is given, and how its contacts are heard."""

import json

import checkpoints
import numpy as np
import pytest
import smpl_models
import torch

from sinew.files.checkpoints import read_checkpoint
from sinew.geometry import rotations as rot
from sinew.motion import contact
from sinew.networks.wham import inputs, provider
from sinew.networks.wham import network as net
from sinew.networks.wham.smpl import SmplPoints
from sinew_take import model_files
from sinew_take.errors import InputError, RequestError


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_parity(shared, dtype):
    from sinew.bench import parity_networks

    wrong = [d for d in parity_networks.wham(dtype) if not d.value <= d.most]
    assert not wrong


def test_size():
    """42.0 million numbers, as published, beside the mask's."""
    assert sum(p.numel() for p in net.empty().parameters()) == pytest.approx(42.0e6, rel=.01)


def test_six_numbers():
    R = torch.from_numpy(rot.exp(np.random.default_rng(0).normal(size=(9, 3))))
    assert (net.from_6d(net.to_6d(R)) - R).abs().max() < 1e-12
    six = net.to_6d(R)
    leaning = torch.cat([six[:, :3] * 3, six[:, 3:] * .5 + six[:, :3]], -1)
    assert (net.from_6d(leaning) - R).abs().max() < 1e-12


def test_a_path_rolled_out():
    """Walking a circle: a constant turn and a constant velocity along the body's own axis close it."""
    n = 36
    turns = rot.exp(np.stack([np.zeros(n + 1), np.arange(n + 1) * 2 * np.pi / n, np.zeros(n + 1)], -1))
    R, place = net.roll_out(net.to_6d(torch.from_numpy(turns))[None], torch.tensor([[[0, 0, .1]] * n], dtype=torch.float64))
    assert place[0, -1].abs().max() < 1e-9
    assert np.abs(R[0].numpy() - turns[1:]).max() < 1e-9
    assert place[0].norm(dim=-1).max() == pytest.approx(.1 / np.sin(np.pi / n), rel=1e-2)


def test_standing_feet_take_the_sliding_away():
    """A rigid body carried along: where all feet stand, the velocity becomes zero; where none does, it stays."""
    class Stiff:
        def __call__(self, turns, betas):
            feet = torch.tensor([[.1, -1, 0], [.1, -1, .2], [-.1, -1, 0], [-.1, -1, .2]], dtype=torch.float64)
            return {"feet": (turns[:, 0] @ feet.T).mT, "joints": torch.zeros(len(turns), 31, 3, dtype=torch.float64)}

    n = 6
    turns = torch.eye(3, dtype=torch.float64).expand(n, 24, 3, 3)
    roots = net.to_6d(torch.eye(3, dtype=torch.float64)).expand(1, n + 1, 6)
    velocity = torch.tensor([[[.01, 0, .02]] * n], dtype=torch.float64)
    for level, share in ((0.9, 0.0), (0.1, 1.0)):
        held = net._still_feet(Stiff(), turns, torch.zeros(1, n, 10, dtype=torch.float64), roots, velocity,
                               torch.full((1, n, 4), level, dtype=torch.float64))
        assert (held[0, 0] - velocity[0, 0]).abs().max() < 1e-12  # the first frame has nothing to slide from
        assert (held[0, 1:] - share * velocity[0, 1:]).abs().max() < 1e-6


def test_a_zero_among_the_features_switches_the_residual_off():
    part = net.Network().integrator.eval()
    context, features = torch.randn(2, 3, 563), torch.randn(2, 3, 1024)
    features[1, 2, 5] = 0
    with torch.inference_mode():
        bare = part(context, features) - context
        other = part(context + 0, features)
    assert not torch.allclose(other[0], bare[0])
    changed = torch.nn.functional.linear(torch.relu(part.layer2(torch.relu(part.layer1(torch.cat([context, features], -1))))),
                                         part.layer3.weight, part.layer3.bias)
    assert torch.allclose(other[1], changed[1], atol=1e-6)
    assert torch.allclose(other[0], changed[0] + context[0], atol=1e-6)


def test_small_smpl_is_the_whole_one():
    """Vertices asked for stand where the full formula puts all of them; maps are the same linear sums."""
    data = smpl_models.content("smpl")
    rng = np.random.default_rng(2)
    v = len(data["v_template"])
    some = np.array([5, 700, 31, v - 1])
    sums = np.zeros((2, v))
    sums[0, [3, 4]] = .5
    sums[1, 100] = 1
    body = SmplPoints(data, {"two": sums}, some, torch.float64)
    betas, turns = rng.normal(size=(3, 10)), rot.exp(rng.normal(0, .5, (3, 24, 3)))
    got = body(torch.from_numpy(turns), torch.from_numpy(betas))
    parents = data["kintree_table"][0].astype(np.int64)
    for k in range(3):
        shaped = data["v_template"] + data["shapedirs"][..., :10] @ betas[k]
        joints = np.asarray(data["J_regressor"] @ shaped)
        whole = np.tile(np.eye(4), (24, 1, 1))
        for m in range(24):
            local = np.eye(4)
            local[:3, :3] = turns[k, m]
            local[:3, 3] = joints[m] - (joints[parents[m]] if m else 0)
            whole[m] = whole[parents[m]] @ local if m else local
        skin = np.einsum("vj,jab->vab", np.asarray(data["weights"]), whole)
        bent = shaped + data["posedirs"] @ (turns[k, 1:] - np.eye(3)).ravel()
        back = np.einsum("vj,jab,jb->va", np.asarray(data["weights"]), whole[:, :3, :3], joints)
        expected = np.einsum("vab,vb->va", skin[:, :3, :3], bent) + skin[:, :3, 3] - back
        assert np.abs(got["vertices"][k].numpy() - expected[some]).max() < 1e-12
        assert np.abs(got["two"][k].numpy() - sums @ expected).max() < 1e-12


def test_what_the_network_is_given():
    """A still person filmed by a camera that turns by a degree a frame at 60 frames a second, one second."""
    n, size = 61, (1280, 720)
    time_s = np.arange(n) / 60
    points = np.full((n, 33, 3), np.nan)
    rng = np.random.default_rng(0)
    points[:] = np.concatenate([rng.uniform([400, 100], [600, 600], (33, 2)), np.full((33, 1), .9)], -1)
    points[20, :] = np.nan
    points[:, inputs._WHICH[9], 2] = .1
    T_wc = np.tile(np.eye(4), (n, 1, 1))
    T_wc[:, :3, :3] = rot.exp(np.stack([np.zeros(n), np.radians(np.arange(n)), np.zeros(n)], -1))
    given = inputs.prepare(time_s, points, T_wc, np.tile(np.eye(3), (n, 1, 1)), size)
    assert given.keypoints.shape == (31, 37) and given.hidden[:, 9].all() and given.hidden.sum() == 31
    assert np.allclose(given.camera_turning, given.camera_turning[0])
    turn = given.camera_turning[0].reshape(2, 3) / 30 + np.eye(3)[:2]
    # World to camera from frame t to t + 1 and back: two degrees at 30 frames a second, seen from the first.
    assert np.allclose(turn, rot.exp(np.radians([[0, 2.0, 0]]))[0, :2], atol=1e-9)
    seen = points[0, inputs._WHICH][[i for i in range(17) if i != 9], :2]
    low, high = seen.min(0), seen.max(0)
    side = 1.2 * (high - low).max()
    assert given.box[5] == pytest.approx([*(low + high) / 2, side / 200])
    assert given.keypoints[5, :2] == pytest.approx((points[0, 0, :2] - (low + high) / 2) / side * 2)
    assert given.keypoints[5, 34:] == pytest.approx([*(((low + high) - size) / 1280), side / 1280])
    assert inputs.prepare(time_s, np.full_like(points, np.nan), T_wc, np.tile(np.eye(3), (n, 1, 1)), size) is None


def test_feet_by_where_they_are():
    places = np.array([[.1, -1, .15], [.1, -1, -.05], [-.1, -1, .15], [-.1, -1, -.05]])
    assert provider.order_of_feet(places).tolist() == [1, 0, 3, 2]
    assert provider.order_of_feet(places[[3, 0, 1, 2]]).tolist() == [2, 1, 0, 3]


def test_evidence_is_heard_at_equal_weight():
    chance = np.array([[.9, .1, .5, .99]])
    assert contact.with_evidence(chance, None) is chance
    heard = contact.with_evidence(chance, np.array([[.1, np.nan, .9, 1.0]]))
    assert heard[0, 0] == pytest.approx(.5) and heard[0, 1] == .1
    assert heard[0, 2] == pytest.approx(.75) and heard[0, 3] == pytest.approx(.98, abs=1e-6)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The user's folder, made by ourselves: a random WHAM and the regressors, with a framework's leftovers."""
    folder = tmp_path_factory.mktemp("wham")
    weights = checkpoints.drawn({k: tuple(v.shape) for k, v in net.empty().state_dict().items()}, .03)
    weights["motion_decoder.regressor.declayer0.bias"] = net.to_6d(torch.eye(3)).repeat(24)
    weights["motion_decoder.regressor.declayer2.bias"] = torch.tensor([1.0, 0, 0])
    weights["motion_decoder.regressor.declayer3.bias"] = torch.tensor([.9, .8, .2, .1])
    weights["trajectory_decoder.regressor.declayer1.bias"] = net.to_6d(torch.eye(3))
    torch.save({"epoch": 1, "model": {**weights, "smpl.faces_tensor": torch.zeros(3)}, "best": np.float32(1)},
               folder / "wham_vit_bedlam_w_3dpw.pth.tar")
    return folder


@pytest.fixture(scope="module")
def whole(files):
    """The same folder with a synthetic SMPL and regressors for it."""
    smpl_models.write(files, "smpl")
    data = smpl_models.content("smpl")
    template = np.asarray(data["v_template"])
    joints, feet = np.zeros((31, len(template))), np.zeros((4, len(template)))
    for row, place in enumerate(np.asarray(data["J_regressor"] @ template)):
        joints[row, np.linalg.norm(template - place, axis=1).argmin()] = 1
    joints[24:] = joints[0]
    joints[11:13] = 0  # the hips, where COCO has them
    for row, joint in ((11, 1), (12, 2)):
        joints[row, np.linalg.norm(template - data["J_regressor"][joint] @ template, axis=1).argmin()] = 1
    for row, (side, front) in enumerate(((-1, 0), (1, 1), (1, 0), (-1, 1))):
        low = template[:, 1] < template[:, 1].min() + .06
        mine = np.nonzero(low & (np.sign(template[:, 0]) == side))[0]
        feet[row, mine[template[mine, 2].argmax() if front else template[mine, 2].argmin()]] = 1
    np.save(files / "J_regressor_wham.npy", joints)
    np.save(files / "J_regressor_feet.npy", feet.astype(np.float32))
    return files


def test_evidence_of_a_track(whole):
    """Through the user's files: contacts in the take's order at the shot's own times, nothing where nobody is."""
    found = model_files.look(whole)
    wham = provider.load(found["wham"], found["smpl"])
    assert wham.feet.tolist() == [2, 1, 0, 3]
    n = 50
    time_s = np.arange(n) / 25
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform([400, 100], [600, 600], (33, 2)), np.full((33, 1), .9)], -1)
    points = np.tile(points, (n, 1, 1))
    points[:5] = np.nan
    pose = np.tile(np.eye(3), (24, 1, 1))
    pose[0] = np.diag([1.0, -1, -1])  # facing the camera
    K = np.tile([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]], (n, 1, 1))
    said = provider.evidence(wham, time_s, points, np.tile(np.eye(4), (n, 1, 1)), K, (1280, 720), pose)
    assert said.contact.shape == (n, 4) and said.velocity_m_s.shape == (n, 3) and said.pose.shape == (n, 24, 3, 3)
    assert np.isnan(said.contact[:5]).all() and np.isnan(said.pose[:5]).all() and np.isfinite(said.contact[5:]).all()
    assert (said.contact[5:] >= 0).all() and (said.contact[5:] <= 1).all()
    raw = np.array([.9, .8, .2, .1])[wham.feet]  # the read-out's bias, to which random weights add a little
    assert np.abs(said.contact[5:].mean(0) - raw).max() < .3
    R = said.pose[10:]
    assert np.abs(R @ np.swapaxes(R, -1, -2) - np.eye(3)).max() < 1e-5
    assert provider.evidence(wham, time_s, points * np.nan, np.tile(np.eye(4), (n, 1, 1)), K, (1280, 720), pose) is None


def test_first_pose_faces_the_camera():
    """Our own start of a person who faces the camera is SMPL's half turn about x, arms aside."""
    from sinew import flow
    from sinew.motion.kinematics import pose
    from sinew.motion.model import make_model
    from sinew.prior import pelvis_in_camera
    from sinew.prior.wham import first_pose
    from sinew_take import free_body

    asset = free_body.load()
    model = make_model(asset)
    q = checkpoints.standing_q()[None]
    shape = np.zeros(model.n_shape)
    x = model.keypoints.positions(pose(model.skeleton, shape, pelvis_in_camera(q), q, np.array([[0, 0, 4.0]])), shape)
    px = x[..., :2] / x[..., 2:] * 900 + [640, 360]
    points = np.concatenate([px, np.ones((1, 33, 1))], -1)
    track = flow.Track("person_1", np.ones(1, bool), points, np.zeros((1, 33)), x - x[:, 23:25].mean(1, keepdims=True),
                       np.zeros((1, 4)), {})
    world = np.eye(4)
    world[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]  # the camera looks along +Y, Z up
    camera = flow.Camera(world[None], np.array([[[900.0, 0, 640], [0, 900, 360], [0, 0, 1]]]), np.zeros((1, 5)), "static",
                         "user", "height")
    turns = first_pose(track, camera, asset)
    assert np.abs(turns @ np.swapaxes(turns, 1, 2) - np.eye(3)).max() < 1e-9
    angle = np.degrees(np.arccos(np.clip((np.trace(turns[0].T @ np.diag([1.0, -1, -1])) - 1) / 2, -1, 1)))
    assert angle < 12


def test_through_the_whole_run(tmp_path, tmp_path_factory, whole):
    """The sample's first frames, with WHAM heard: the take says so, and the run without the files says what is missing."""
    from sinew import pipeline
    from sinew.bench import SAMPLE
    from sinew.progress import StopRequest

    def request(name, models):
        return pipeline.Request(SAMPLE, tmp_path / name, end_s=.4, most_people=1, plate=False, splats=200, models=models,
                                wham="on")

    cache = tmp_path_factory.getbasetemp() / "sample_cache"  # test_hsmr looks at the same frames
    pipeline.reconstruct(request("take", whole), cache, lambda event: None, StopRequest())
    meta = json.loads((tmp_path / "take/take.json").read_text())
    assert meta["producer"]["providers"]["contact"] == "sinew, wham"
    assert any("its path, pose and shape were not used" in note for note in meta["notes"])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RequestError, match="WHAM as evidence needs"):
        pipeline.reconstruct(request("never", empty), cache, lambda event: None, StopRequest())
    assert not (tmp_path / "never").exists()


def test_checkpoint(files, tmp_path):
    path = files / "wham_vit_bedlam_w_3dpw.pth.tar"
    network, dropped = net.load(path)
    assert dropped == 1 and network.mask_embedding.shape == (1, 1, 17, 2)
    weights = read_checkpoint(path)
    del weights["integrator.layer1.bias"]
    torch.save({"model": weights}, tmp_path / "wham.pth.tar")
    with pytest.raises(InputError, match="lacks 1 of WHAM's 83 tensors \\(integrator.layer1.bias\\)"):
        net.load(tmp_path / "wham.pth.tar")


def test_sentences(tmp_path):
    found = model_files.look(tmp_path)
    with pytest.raises(RequestError, match=r"WHAM as evidence needs wham_vit_bedlam_w_3dpw.pth.tar, J_regressor_wham.npy, "
                                           r"J_regressor_feet.npy; get them from https://\S+ .* model files"):
        provider.load(found["wham"], found["smpl"])
    np.save(tmp_path / "a.npy", np.zeros((4, 10)))
    with pytest.raises(InputError, match="a.npy holds 4x10 numbers, and WHAM needs 4x6890"):
        provider.regressor(tmp_path / "a.npy", 4, 6890)
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="b.npy is no array file"):
        provider.regressor(tmp_path / "b.npy", 4, 6890)
