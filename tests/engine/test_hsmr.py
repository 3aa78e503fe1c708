"""HSMR: parity with the public implementation, its laws, its crops, and its place in the run."""

import json

import checkpoints
import numpy as np
import pytest
import torch

from sinew import flow, prior
from sinew.motion.from_prior import as_landmarks, within_limits
from sinew.networks.hsmr import crops, run
from sinew.networks.hsmr import network as net
from sinew_take import model_files
from sinew_take import skeleton as sk
from sinew_take.errors import InputError, RequestError


@pytest.fixture(scope="module")
def weights():
    return checkpoints.hsmr_weights()


@pytest.fixture(scope="module")
def models(tmp_path_factory, weights):
    folder = tmp_path_factory.mktemp("models")
    checkpoints.write_hsmr(folder / "hsmr.ckpt", weights, callbacks={"note": 1})
    return folder


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_parity(shared, dtype):
    from sinew.bench import parity_networks

    wrong = [d for d in parity_networks.hsmr(dtype) if not d.value <= d.most]
    assert not wrong


def test_the_released_size():
    model = net.empty()
    assert sum(p.numel() for p in model.backbone.parameters()) == pytest.approx(630.9e6, rel=1e-4)
    assert sum(p.numel() for p in model.head.parameters()) == pytest.approx(39.55e6 + 157 * 1025, rel=1e-2)
    assert len(model.backbone.blocks) == net.RELEASED_DEPTH
    assert run.weight_bytes(model, torch.float32) == pytest.approx(2.68e9, rel=.01)


def test_the_outer_columns_are_not_seen(weights):
    model = net.empty(1)
    model.load_state_dict(weights, assign=True)
    x = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    other = x.clone()
    other[..., :32] += 5
    other[..., -32:] += 5
    with torch.inference_mode():
        a, b = model(x)[0], model(other)[0]
        other[..., 40] += 5
        c = model(other)[0]
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_cameras_agree_with_projection():
    """The crop's camera and the picture's put a point to the same place of the picture, up to the far camera's error."""
    camera = torch.tensor([.8, .1, -.2], dtype=torch.float64)
    box, size = torch.tensor([500.0, 300.0, 400.0], dtype=torch.float64), torch.tensor([1280.0, 720.0], dtype=torch.float64)
    point = torch.tensor([.3, -.5, 0.0], dtype=torch.float64)
    near, far = point + net.crop_translation(camera), point + net.picture_translation(camera, box, size)
    in_crop = near[:2] / near[2] * net.FOCAL_PX  # about the crop's middle, px of 256
    expected = in_crop * box[2] / 256 + box[:2]
    found = far[:2] / far[2] * net.FOCAL_PX + size / 2
    # A weak camera: both stand tens of metres away, 0.2 px of 400.
    assert (found - expected).abs().max() < .2


def test_crops_hold_the_box():
    assert crops.square(np.array([10, 20, 110, 420])).tolist() == [60, 220, 400]
    assert crops.square(np.array([0, 0, 300, 200])).tolist() == [150, 100, 400]  # wide: 300 is three quarters of 400
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[50:150, 100:200] = (255, 128, 0)
    crop = crops.cut(picture, np.array([150.0, 100.0, 200.0]))
    assert crop.shape == (256, 256, 3)
    assert crop[128, 128].tolist() == [255, 128, 0] and crop[20, 20].tolist() == [0, 0, 0]
    assert abs((crop[..., 0] > 127).mean() - .25) < .01
    corner = crops.cut(np.full((200, 300, 3), 200, np.uint8), np.array([0.0, 0.0, 200.0]))  # three quarters outside
    assert abs((corner[..., 0] > 100).mean() - .25) < .01
    assert crops.cut(picture, np.array([-900.0, 0.0, 100.0])).max() == 0
    x = crops.normalised(np.full((1, 256, 256, 3), 255, np.uint8))
    assert x[0, :, 5, 5].numpy() == pytest.approx([(1 - m) / s for m, s in zip(crops.MEAN, crops.SPREAD)], abs=1e-6)


def test_batches_and_the_mirrored_look(models):
    model, dropped = net.load(models / "hsmr.ckpt")
    assert dropped == 1 and model.head.poses_decoder.weight.dtype == torch.float16
    runner = run.Runner(model, torch.device("cpu"))
    pictures = np.random.default_rng(0).integers(0, 255, (3, 256, 256, 3), dtype=np.uint8)
    whole = runner.predict(pictures)
    runner.batch = 2
    seen = []
    parts = runner.predict(pictures, report=seen.append)
    assert seen == [2, 3]
    assert np.abs(whole.q - parts.q).max() < 1e-5 and whole.is_finite.all()
    assert np.ptp(whole.q, axis=0).max() > 1e-3  # it looks at the picture
    mirrored = runner.predict(pictures[:, :, ::-1], flip=True)
    both = runner.predict(pictures, flip=True)
    assert np.abs(sk.mirror_q(both.q) - mirrored.q).max() < 1e-9
    assert np.abs(both.camera * [1, -1, 1] - mirrored.camera).max() < 1e-9
    assert runner.predict(pictures[:0]).q.shape == (0, 46)


def test_half_precision_as_on_a_gpu(models):
    """The backbone in float16 and the head in float32, here on the processor: the same angles to a degree."""
    pictures = np.random.default_rng(0).integers(0, 255, (2, 256, 256, 3), dtype=np.uint8)
    found = [run.Runner(net.load(models / "hsmr.ckpt")[0], torch.device("cpu"), dtype).predict(pictures)
             for dtype in (torch.float32, torch.float16)]
    assert np.degrees(np.abs(found[0].q - found[1].q).max()) < 1.0 and found[1].is_finite.all()
    assert run.precision(torch.device("cuda")) == torch.float16 and run.precision(torch.device("cpu")) == torch.float32


def test_memory_is_said_beforehand_and_runs_out_gently(models):
    device = torch.device("cpu")
    released = net.empty()
    with pytest.raises(RequestError) as caught:
        run.plan(released, device, free=2_000_000_000)
    assert str(caught.value) == ("HSMR needs 2.7 GB of memory and 2.0 GB are free; close other programs, or leave it out "
                                 "with --hsmr off.")
    assert run.plan(released, device, free=10**12) == run.MOST["cpu"]
    small = run.weight_bytes(released, torch.float32) + 3 * run.crop_bytes(released, torch.float32)
    assert run.plan(released, device, free=small) == 1

    model, _ = net.load(models / "hsmr.ckpt")
    runner = run.Runner(model, device)
    look, sizes = runner._look, []

    def tight(pictures):
        sizes.append(len(pictures))
        if len(pictures) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return look(pictures)

    runner._look = tight
    found = runner.predict(np.zeros((4, 256, 256, 3), np.uint8))
    assert len(found.q) == 4 and sizes == [4, 4, 2, 2]
    runner._look = lambda pictures: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(RequestError, match="close other programs"):
        runner.predict(np.zeros((1, 256, 256, 3), np.uint8))


def test_the_network_gets_all_cores_and_gives_them_back(monkeypatch):
    from sinew.networks.threads import all_cores, cores

    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    before = torch.get_num_threads()
    with all_cores():
        assert torch.get_num_threads() == cores() == 2
    assert torch.get_num_threads() == before
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert cores() >= 1


def test_who_stands_before_the_camera():
    """pelvis_tilt = pi is a person upright who faces the camera: left to the right, up against y, face against z."""
    turn = prior.pelvis_in_camera(checkpoints.standing_q())
    assert np.abs(turn @ [1, 0, 0] - [1, 0, 0]).max() < 1e-12
    assert np.abs(turn @ [0, 0, 1] - [0, -1, 0]).max() < 1e-12
    assert np.abs(turn @ [0, -1, 0] - [0, 0, -1]).max() < 1e-12


def test_pelvis_is_that_of_the_published_body(shared):
    """Each pelvis coordinate turns the published joints as `pelvis_in_camera` says, in the body's own pelvis axes."""
    with np.load(shared / "truth/parity/skel.npz", allow_pickle=False) as data:
        q, joints = data["in_dof_poses"], data["out_dof_joints"]
        own = data["per_joint_rot"][0] @ data["apose_rel_transfo"][0, :3, :3].T
    ours = prior.pelvis_in_camera(np.zeros(46)) @ sk.BODY
    assert np.array_equal(np.round(own), np.round(ours))  # the same axes, but for the synthetic body's tilt
    still = joints[45] - joints[45, 0]  # only the left wrist is bent there
    for i in range(3):
        turn = prior.pelvis_in_camera(q[i]) @ prior.pelvis_in_camera(np.zeros(46)).T
        turn = own @ ours.T @ turn @ ours @ own.T
        assert np.abs((joints[i] - joints[i, 0]) - still @ turn.T)[:20].max() < 1e-9


def test_between_looked_at_frames():
    from sinew.prior.hsmr import _between

    q = np.full((9, 46), np.nan)
    q[0], q[4] = checkpoints.standing_q(), checkpoints.standing_q()
    q[0, 0], q[4, 0] = np.pi - .1, -np.pi + .1  # the short way is over pi
    q[4, 6] = .8
    q[8] = q[4]
    times = np.r_[np.arange(5) / 25, 3 + np.arange(4) / 25]
    filled, ok = _between(q, times, np.r_[np.ones(3, bool), False, np.ones(5, bool)])
    assert ok.tolist() == [True, True, True, False, True, False, False, False, True]
    expected = checkpoints.standing_q()
    expected[6] = .5  # halfway from .2
    assert np.abs(prior.pelvis_in_camera(filled[2]) - prior.pelvis_in_camera(expected)).max() < 1e-9
    assert np.abs(filled[2, 3:] - expected[3:]).max() < 1e-12
    wrapped = within_limits(np.where(np.arange(46) == sk.DOF_INDEX["shoulder_r_z"], np.radians(-190), 0.0)[None])
    assert wrapped[0, sk.DOF_INDEX["shoulder_r_z"]] == pytest.approx(np.radians(170))


def test_the_start_takes_the_prior_with_the_true_camera():
    """From the true pose as prior, in a crop's axes, the start is the truth: pose, turn and place, off to one side too."""
    from sinew.motion import start
    from sinew.motion.fit import View
    from sinew.motion.kinematics import pose
    from sinew.motion.model import make_model
    from sinew.prior.hsmr import _pelvis_angles
    from sinew_take import free_body

    model = make_model(free_body.load())
    rng, n = np.random.default_rng(1), 6
    q = within_limits(np.tile(checkpoints.standing_q(), (n, 1)) + rng.normal(0, .15, (n, 46)))
    view = View(np.tile([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]], (n, 1, 1)), np.tile(np.eye(3), (n, 1, 1)),
                np.zeros((n, 3)))
    shape = np.zeros(model.n_shape)
    root = np.stack([np.linspace(-1.5, 1.5, n), np.full(n, .1), np.full(n, 4.0)], -1)
    turn = prior.pelvis_in_camera(q)

    def seen(turn):
        x = model.keypoints.positions(pose(model.skeleton, shape, turn, q, root), shape)
        return x, x[..., :2] / x[..., 2:] * 900 + [640, 360]

    points, px = seen(turn)
    ray = start.ray_turn(px, np.ones(px.shape[:2]), view.K)
    in_crop = np.swapaxes(ray, 1, 2) @ turn
    said = q.copy()
    said[:, :3] = _pelvis_angles(in_crop)
    ok = np.arange(n) != 2
    track = flow.Track("person_1", np.ones(n, bool), np.concatenate([px, np.ones((n, 33, 1))], -1), np.zeros((n, 33)),
                       points - points[:, 23:25].mean(1, keepdims=True), np.zeros((n, 4)), {},
                       prior=flow.PosePrior(np.where(ok[:, None], said, 0), np.zeros(10), ok, ok, "hsmr"))
    state = start.first_state(track, np.arange(n), np.arange(n) / 30, view, model, shape, np.zeros((n, 5)))
    assert np.abs(state.pelvis - turn)[ok].max() < 1e-9
    assert np.abs(state.q - q)[ok, 3:].max() < 1e-9
    assert np.abs(state.root_m - root)[ok].max() < 1e-6
    assert np.abs(state.q - q)[2, 3:].max() > .01  # there the detector's landmarks speak
    track.landmarks_m = as_landmarks(track.prior, track.landmarks_m * .5, model)
    deep = start.landmarks_in_camera(track, view.K)
    assert np.abs(deep - (points - points[:, 23:25].mean(1, keepdims=True)))[ok].max() < 1e-6
    assert np.isfinite(deep[2]).all() and np.abs(deep[2] - points[2] + points[2, 23:25].mean(0)).max() > .1
    track.prior = None
    track.landmarks_m = points - points[:, 23:25].mean(1, keepdims=True)
    plain = start.first_state(track, np.arange(n), np.arange(n) / 30, view, model, shape, np.zeros((n, 5)))
    assert np.array_equal(plain.q[2], state.q[2]) and np.array_equal(plain.root_m[2], state.root_m[2])


def test_checkpoints_that_do_not_fit(tmp_path, weights):
    def sentence(changed):
        path = checkpoints.write_hsmr(tmp_path / "hsmr.ckpt", changed)
        with pytest.raises(InputError) as caught:
            net.load(path)
        return str(caught.value)

    assert "lacks 1 of HSMR's" in sentence({k: v for k, v in weights.items() if k != "head.cam_decoder.bias"})
    assert "holds 1 tensors that HSMR does not have (head.more)" in sentence({**weights, "head.more": torch.ones(1)})
    assert "head.cam_decoder.bias has the shape 4, and HSMR needs 3" in sentence(
        {**weights, "head.cam_decoder.bias": torch.ones(4)})
    assert "another network than HSMR" in sentence({"smpl_head.decpose.weight": torch.ones(2)})


def test_found_or_said(tmp_path, models):
    nothing, there = model_files.look(tmp_path)["hsmr"], model_files.look(models)["hsmr"]
    assert prior.checked_file("auto", nothing) is None and prior.checked_file("off", there) is None
    assert prior.checked_file("auto", there) == models / "hsmr.ckpt"
    with pytest.raises(RequestError, match=r"HSMR needs hsmr.ckpt; get it from https://\S+ .*non-commercial"):
        prior.checked_file("on", nothing)
    (tmp_path / "HSMR-ViTH-r1d1.tar.gz").write_bytes(b"")
    with pytest.raises(RequestError, match=r"HSMR-ViTH-r1d1.tar.gz is a packed archive; unpack it where it is \(tar -xf"):
        prior.checked_file("on", nothing, tmp_path)
    inside = tmp_path / "data_inputs/released_models/HSMR-ViTH-r1d1/checkpoints/hsmr.ckpt"  # as the release unpacks
    inside.parent.mkdir(parents=True)
    inside.write_bytes(b"")
    assert prior.checked_file("auto", model_files.look(tmp_path)["hsmr"]) == inside


def test_through_the_whole_run(tmp_path, tmp_path_factory, models):
    """The sample's first frames with a real network of our own weights: a take that says what it was begun from."""
    from sinew import pipeline
    from sinew.bench import SAMPLE
    from sinew.progress import StopRequest

    events = []
    cache = tmp_path_factory.getbasetemp() / "sample_cache"  # test_wham looks at the same frames

    def request(name, **more):
        return pipeline.Request(SAMPLE, tmp_path / name, end_s=.4, most_people=1, plate=False, splats=200, models=models,
                                **more)

    pipeline.reconstruct(request("with", hsmr="on", hsmr_flip=True), cache, events.append, StopRequest())
    meta = json.loads((tmp_path / "with/take.json").read_text())
    assert meta["producer"]["providers"]["pose_start"] == "hsmr"
    assert meta["producer"]["device"] == ("cuda" if torch.cuda.is_available() else "cpu")
    assert f"is taken to be {meta['subjects'][0]['height_m']:.2f} m tall" in " ".join(meta["notes"])
    assert any("HSMR guessed the poses from every frame, with mirrored crops" in n for n in meta["notes"])
    assert meta["report"]["people"][0]["limit_violations"] == 0
    fractions = [e.fraction for e in events if getattr(e, "stage", "") == "people" and hasattr(e, "fraction")]
    assert fractions == sorted(fractions) and fractions[-1] < .7  # the bar waits, and does not count the stage twice
    pipeline.reconstruct(request("without", hsmr="off"), cache, events.append, StopRequest())
    meta = json.loads((tmp_path / "without/take.json").read_text())
    assert meta["producer"]["providers"]["pose_start"] == "mediapipe"
    assert not any("HSMR" in n for n in meta["notes"])
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "hsmr.ckpt").write_bytes((models / "hsmr.ckpt").read_bytes()[:1_000_000])
    with pytest.raises(InputError, match="hsmr.ckpt is cut off"):
        pipeline.reconstruct(pipeline.Request(SAMPLE, tmp_path / "never", models=broken), cache,
                             events.append, StopRequest())
    assert not (tmp_path / "never").exists()
