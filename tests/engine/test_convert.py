"""Other systems' results in layouts made by ourselves: converted against the known motion, and refused where they are bad."""

import json
import os
import pickle
import zipfile
from fractions import Fraction
from pathlib import Path

import foreign
import numpy as np
import pytest
import smpl_models

from sinew import convert
from sinew.convert import files, gvhmr, keypoints, phalp, points, prompthmr, sam3dbody, tram, wham
from sinew.flow import CameraOptions, Shot, VideoInfo
from sinew.geometry import rotations as rot
from sinew.motion.model import DEPTH_BIAS_M
from sinew.progress import StopRequest
from sinew_take import skeleton as sk
from sinew_take import take as take_format
from sinew_take.errors import InputError, RequestError

LIMBS = [sk.JOINT_INDEX[f"{n}_{s}"] for s in "lr" for n in ("femur", "tibia", "talus", "toes", "humerus", "ulna", "hand")]


@pytest.fixture(scope="module")
def smpl():
    return foreign.truth(None, "smpl")


@pytest.fixture(scope="module")
def smplx():
    return foreign.truth(None, "smplx")


def run(path: Path, out: Path, **options) -> tuple[take_format.Take, list]:
    told = []
    result = convert.convert(convert.Request(path, out, **options), told.append, StopRequest())
    return take_format.read(result.take), told


def joints(take, subject=0) -> np.ndarray:
    return take.subjects[subject].motion["joints_m"].astype(float)


def pixels(joints_m, T_wc, K) -> np.ndarray:
    camera = np.einsum("tji,tkj->tki", T_wc[:, :3, :3], joints_m - T_wc[:, None, :3, 3])
    flat = np.einsum("tij,tkj->tki", K, camera)
    return flat[..., :2] / flat[..., 2:]


def off_mm(take, truth) -> float:
    return 1e3 * np.linalg.norm(joints(take)[:, LIMBS] - truth.joints_m[:, LIMBS], axis=-1).mean()


def off_px(take, truth) -> float:
    ours = pixels(joints(take), take.shot["T_wc"].astype(float), take.shot["K"].astype(float))
    return np.linalg.norm(ours - pixels(truth.joints_m, truth.T_wc, truth.K), axis=-1)[:, LIMBS].mean()


# -- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["smpl", "smplh", "smplx"])
def test_amass(tmp_path, family):
    truth = foreign.truth(None, family)
    take, told = run(foreign.write_amass(tmp_path / "a.npz", truth), tmp_path / "take")
    subject = take.subjects[0]
    assert off_mm(take, truth) < 3
    assert sk.within_limits(subject.motion["q"]).all()
    assert take.meta["source"]["rate"] == [12, 1] and np.allclose(np.diff(take.shot["time_s"]), 1 / 12)
    assert subject.info["body"] == "default" and subject.avatar is None
    assert np.isnan(subject.motion["confidence"]).all() and (subject.motion["source"] == 0).all()
    # A foot stands where the sample's stands, told from the soles alone.
    with np.load(foreign.SAMPLE) as data:
        agree = (subject.motion["contact"] > 0.5) == data["contact"][::2]
    assert agree.mean() > 0.75
    assert any("AMASS's result has no camera" in note for note in take.meta["notes"])
    assert any("limb joints lie" in note and "mm" in note for note in take.meta["notes"])
    assert told[0].stages == ["video", "camera", "motion", "body", "write"] and told[-1].takes == [str(tmp_path / "take")]


def test_wham_puts_two_people_into_one_world(tmp_path, smpl):
    take, _ = run(foreign.write_wham(tmp_path / "wham_output.pkl", smpl, 2), tmp_path / "take", rate="12")
    assert off_mm(take, smpl) < 3
    # The second walks 0.8 m to the first one's right in the camera, whatever their own worlds said.
    apart = np.linalg.norm(joints(take, 1) - joints(take, 0), axis=-1)
    assert np.abs(apart - 0.8).max() < 0.005  # m
    assert np.abs(take.shot["T_wc"][0, :3, :3] - smpl.T_wc[0, :3, :3]).max() < 1e-3


def test_gvhmr_keeps_its_camera(tmp_path, smplx):
    take, _ = run(foreign.write_gvhmr(tmp_path / "hmr4d_results.pt", smplx), tmp_path / "take", rate="12")
    assert off_mm(take, smplx) < 3 and off_px(take, smplx) < 0.3
    assert take.meta["camera"]["focal_source"] == "GVHMR"
    assert take.meta["source"]["size_px"] == list(smplx.size_px)


def test_gvhmr_counts_thirty_frames_a_second(tmp_path, smplx):
    take, _ = run(foreign.write_gvhmr(tmp_path / "r.pt", smplx), tmp_path / "take")
    assert take.meta["source"]["rate"] == [30, 1]


def test_prompthmr(tmp_path, smplx):
    take, _ = run(foreign.write_prompthmr(tmp_path / "results.pkl", smplx), tmp_path / "take", rate="12")
    assert off_mm(take, smplx) < 3 and off_px(take, smplx) < 0.3


def test_tram_reads_tensors_inside_numpy_files(tmp_path, smpl):
    take, _ = run(foreign.write_tram(tmp_path / "tram", smpl), tmp_path / "take", rate="12")
    assert off_px(take, smpl) < 0.3
    assert off_mm(take, smpl) < 30  # the camera's tilt is not in the result and comes from the people
    alone, _ = run(tmp_path / "tram" / "hps" / "hps_track_0.npy", tmp_path / "alone", rate="12", size="640x360")
    assert "There is no camera.npy beside TRAM's track: the camera is taken to stand still." in alone.meta["notes"]


def test_4d_humans_comes_nearer_with_the_lens(tmp_path, smpl):
    path = foreign.write_phalp(tmp_path / "demo.pkl", smpl)
    fov = float(np.degrees(2 * np.arctan(smpl.size_px[0] / 2 / smpl.K[0, 0, 0])))
    take, _ = run(path, tmp_path / "take", rate="12", camera=convert.run.flow.CameraOptions(fov_deg=fov))
    assert off_px(take, smpl) < 0.5 and off_mm(take, smpl) < 30
    # Without the true lens people stand farther or nearer, but where they are in the picture stays.
    assumed, _ = run(path, tmp_path / "assumed", rate="12")
    assert off_px(assumed, smpl) < 1.5


def test_with_the_model_the_take_has_its_body_and_fingers(tmp_path):
    model = smpl_models.write(tmp_path / "models", "smplx")
    truth = foreign.truth(model, "smplx", 6)
    truth.poses[:, 25] = [0, 0, 0.5]  # the left index finger's first joint
    take, _ = run(foreign.write_amass(tmp_path / "a.npz", truth), tmp_path / "take", models=tmp_path / "models")
    subject = take.subjects[0]
    assert off_mm(take, truth) < 5
    assert subject.info["body"] == "smplx" and len(subject.body["rest_vertices_m"]) == 12488
    bent = subject.info["extra"]["bone_names"].index("index1_l")
    angle = 2 * np.arccos(np.clip(np.abs(subject.extra["bone_rotation_wxyz"][..., 0]), 0, 1))
    assert np.allclose(angle[:, bent], 0.5, atol=1e-3) and np.abs(np.delete(angle, bent, 1)).max() < 1e-3
    assert any("own shape on the SMPL-X model (neutral)" in note for note in take.meta["notes"])


def test_frames_without_a_person_are_empty(tmp_path, smpl):
    path = foreign.write_wham(tmp_path / "w.pkl", smpl)
    content = pickle.loads(path.read_bytes())
    keep = np.r_[0:10, 20:48]
    content[0] = {k: v[keep] for k, v in content[0].items()}
    path.write_bytes(pickle.dumps(content))
    take, _ = run(path, tmp_path / "take", rate="12")
    present = take.subjects[0].motion["present"]
    assert take.n_frames == 48 and not present[10:20].any() and present[keep].all()
    assert np.isnan(take.subjects[0].motion["q"][10:20]).all()


# -- keypoints -------------------------------------------------------------------------------------------------------


def test_openpose_is_solved_by_our_fit(tmp_path, smpl):
    folder = foreign.write_openpose(tmp_path / "json", smpl)
    for late in sorted(folder.iterdir())[24:]:
        late.unlink()
    take, _ = run(folder, tmp_path / "take", rate="12", size="640x360")
    ours, truth = joints(take), smpl.joints_m[:24]
    rooted = np.linalg.norm((ours - ours[:, :1] - truth + truth[:, :1])[:, LIMBS], axis=-1)
    assert rooted.mean() < 0.085  # m; 57 mm measured, flat keypoints and an assumed lens
    flat = pixels(ours, take.shot["T_wc"].astype(float), take.shot["K"].astype(float))
    assert np.linalg.norm(flat - pixels(truth, smpl.T_wc[:24], smpl.K[:24]), axis=-1)[:, LIMBS].mean() < 4  # px
    assert take.meta["producer"]["providers"] == {"people": "OpenPose", "camera": "sinew", "motion": "sinew",
                                                  "body": "default"}
    assert take.subjects[0].track is not None and take.subjects[0].masks is not None
    assert any(note.startswith("OpenPose gives flat keypoints") for note in take.meta["notes"])


@pytest.mark.parametrize("write", ["coco", "mmpose"])
def test_keypoint_lists_hold_what_was_written(tmp_path, smpl, write):
    path = getattr(foreign, f"write_{write}")(tmp_path / "k.json", smpl)
    found = keypoints.read(files.read_any(path), path.name)
    assert [s.frame for s in found.seen] == list(range(48))
    for name in ("nose", "wrist_l", "knee_r"):
        k = sk.MEDIAPIPE_KEYPOINTS.index(name)
        assert np.allclose([s.px[k, :2] for s in found.seen], smpl.keypoints_px[:, k], atol=1e-6)
    k = sk.MEDIAPIPE_KEYPOINTS.index("heel_l")
    assert all((s.px[k, 2] > 0) == (write == "mmpose") for s in found.seen)


def test_every_known_order_names_each_keypoint_once():
    for n, order in points.ORDERS.items():
        assert set(order) <= set(sk.MEDIAPIPE_KEYPOINTS) and len(set(order.values())) == len(order)
        assert max(order.values()) < n
        assert all(f"{name[:-1]}{'l' if name[-1] == 'r' else 'r'}" in order for name in order if name[-2:] in ("_l", "_r"))


def test_sam_3d_body_keeps_its_depth(tmp_path, smpl):
    path = foreign.write_sam3dbody(tmp_path / "sam.npy", smpl)
    found = sam3dbody.read(files.read_any(path), path.name)
    with np.load(foreign.SAMPLE) as data:
        solid = data["keypoints_m"][::2].astype(float)
    camera = np.einsum("tji,tkj->tki", smpl.T_wc[:, :3, :3], solid - smpl.T_wc[:, None, :3, 3])
    hips = [sk.MEDIAPIPE_KEYPOINTS.index(f"hip_{s}") for s in "lr"]
    known = [sk.MEDIAPIPE_KEYPOINTS.index(n) for n in points.ORDERS[70]]
    people = points.tracks_of(found, np.arange(48), smpl.size_px)
    assert len(people.tracks) == 1
    from sinew.motion.start import landmarks_in_camera

    given = landmarks_in_camera(people.tracks[0], np.tile(smpl.K[0], (48, 1, 1)))[:, known]
    truth = (camera - camera[:, hips].mean(1, keepdims=True))[:, known]
    assert np.linalg.norm(given - truth, axis=-1).max() < 0.01  # m: what the fit is given is what the system said


def test_people_are_linked_over_time(smpl):
    """Two people who cross, without numbers of their own."""
    seen = []
    for t in range(20):
        for shift in (12.0 * t, 260.0 - 12.0 * t + 3):
            px = np.zeros((33, 3))
            px[:, :2] = smpl.keypoints_px[10] + [shift, 90.0 * (shift == 12.0 * t)]
            px[:, 2] = 0.9
            seen.append(points.Seen(t, px))
    tracks = points.link(seen)
    assert sorted(len(t) for t in tracks) == [20, 20]
    assert all(np.ptp([s.px[0, 1] for s in t]) < 1 for t in tracks)


def test_exchanged_numbers_of_two_people_are_followed_by_place():
    def seen(frame: int, x_px: float, ident: int) -> points.Seen:
        px = np.concatenate([np.random.default_rng(0).uniform(0, 100, (33, 2)) + [x_px, 50], np.full((33, 1), 0.9)], 1)
        return points.Seen(frame, px, ident)

    found = [s for t in range(10) for s in (seen(t, 100 + 2 * t, int(t >= 6)), seen(t, 500 - 2 * t, int(t < 6)))]
    tracks, exchanged = points.unexchanged(points.link(found))
    assert exchanged == [6] and [len(t) for t in tracks] == [10, 10]
    assert np.ptp([s.px[0, 0] for s in tracks[0]]) < 20 and np.ptp([s.px[0, 0] for s in tracks[1]]) < 20
    # One who jumps alone, and two who jump after a gap, keep their numbers.
    alone = [s for t in range(10) for s in (seen(t, 100 if t < 6 else 400, 0), seen(t, 700, 1))]
    gap = [s for s in found if s.frame not in (5, 6)]
    assert points.unexchanged(points.link(alone))[1] == [] and points.unexchanged(points.link(gap))[1] == []
    frames = np.arange(10)
    notes = points.tracks_of(points.Detections("COCO keypoints", found), frames, (640, 360)).notes
    assert notes == ["COCO keypoints: the numbers of two people are exchanged from frame 6 on; everybody was followed by "
                     "their place."]


def test_a_keypoint_beyond_any_picture_is_none():
    far = np.full((17, 3), [50.0, 60.0, 0.9])
    far[0, 0], far[1, 1], far[2, 2], far[3, 0] = 1e30, -1e9, np.nan, -np.inf
    px = points.ours(far)
    assert [px[points.K[n], 2] for n in ("nose", "eye_l", "eye_r", "ear_l", "ear_r")] == [0, 0, 0, 0, 0.9]


def test_the_first_depth_bends_knees_forward(smpl):
    """A knee seen bent leads towards where the body faces; a turned body shows in the depth of its shoulders."""
    px = np.concatenate([smpl.keypoints_px, np.full((48, 33, 1), 0.9)], -1)
    lifted = points.lift(px, np.ones(48, bool))
    assert np.isfinite(lifted).all()
    solid = np.load(foreign.SAMPLE)["keypoints_m"][::2].astype(float)
    camera = np.einsum("tji,tkj->tki", smpl.T_wc[:, :3, :3], solid - smpl.T_wc[:, None, :3, 3])
    hips = [sk.MEDIAPIPE_KEYPOINTS.index(f"hip_{s}") for s in "lr"]
    left, right = (sk.MEDIAPIPE_KEYPOINTS.index(f"shoulder_{s}") for s in "lr")
    given = lifted - [0, 0, 1] * DEPTH_BIAS_M[:, None]
    truth = camera - camera[:, hips].mean(1, keepdims=True)
    turned = np.abs(truth[:, left, 2] - truth[:, right, 2]) > 0.1
    same = np.sign(given[:, left, 2] - given[:, right, 2]) == np.sign(truth[:, left, 2] - truth[:, right, 2])
    assert turned.sum() > 10 and same[turned].mean() > 0.9
    assert np.linalg.norm(given - truth, axis=-1).mean() < 0.16  # m


# -- bad input -------------------------------------------------------------------------------------------------------


class _Runs:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def _npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def _pkl(path, content):
    path.write_bytes(pickle.dumps(content))
    return path


def _json(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def _bytes(path, content):
    path.write_bytes(content)
    return path


def _amass(d, **changes):
    content = {"poses": np.zeros((5, 156)), "trans": np.zeros((5, 3)), "betas": np.zeros(16), "mocap_framerate": 60.0}
    content |= changes
    return _npz(d / "a.npz", **{k: v for k, v in content.items() if v is not None})


def _wham(d, **changes):
    person = {"pose": np.zeros((5, 72)), "trans": np.zeros((5, 3)), "pose_world": np.zeros((5, 72)),
              "trans_world": np.zeros((5, 3)), "betas": np.zeros((5, 10)), "frame_ids": np.arange(5)} | changes
    return _pkl(d / "w.pkl", {0: {k: v for k, v in person.items() if v is not None}})


def _openpose(d, people, name="x_000000000000_keypoints.json"):
    (d / "op").mkdir(exist_ok=True)
    for i in range(3):
        _json(d / "op" / f"x_{i:012d}_keypoints.json", {"version": 1.3, "people": people})
    if name:
        _json(d / "op" / name, {"version": 1.3, "people": people})
    return d / "op"


def _phalp(d, **changes):
    frame = {"time": 0, "tid": [1], "tracked_ids": [1], "camera": [np.zeros(3)], "size": [[480, 640]],
             "smpl": [{"global_orient": np.eye(3)[None], "body_pose": np.tile(np.eye(3), (23, 1, 1)), "betas": np.zeros(10)}]}
    frame |= changes
    return _pkl(d / "p.pkl", {f"{i}.jpg": {**frame, "time": i} for i in range(3)})


def _tram(d, **changes):
    track = {"pred_rotmat": np.tile(np.eye(3), (4, 24, 1, 1)), "pred_shape": np.zeros((4, 10)),
             "pred_trans": np.zeros((4, 1, 3)), "frame": np.arange(4)} | changes
    (d / "t" / "hps").mkdir(parents=True)
    np.save(d / "t" / "hps" / "hps_track_0.npy", {k: v for k, v in track.items() if v is not None})
    return d / "t"


def _prompt(d, lens=None, **changes):
    person = {"frames": np.arange(4), "smplx_world": {"pose": np.zeros((4, 165)), "shape": np.zeros((4, 10)),
                                                      "trans": np.zeros((4, 3))}} | changes
    camera = {} if lens is None else {"Rwc": np.tile(np.eye(3), (4, 1, 1)), "Twc": np.zeros((4, 3)), "img_focal": lens[0],
                                      "img_center": np.array(lens[1])}
    return _pkl(d / "r.pkl", {"camera": {}, "camera_world": camera, "people": {"1": person}})


def _raw(path, header, data=bytes(24)):
    """An .npy of that header; an .npz of one such array."""
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data
    if path.suffix == ".npy":
        return _bytes(path, content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("poses.npy", content)
    return path


def _locked(d):
    """An archive that says of itself that its members are encrypted."""
    content = bytearray(_amass(d).read_bytes())
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        content[at + 8] |= 1
        at = content.find(b"PK\x01\x02", at + 4)
    return _bytes(d / "a.npz", bytes(content))


def _flipped(d):
    path = d / "a.npz"
    np.savez_compressed(path, poses=np.zeros((12, 156)), trans=np.zeros((12, 3)))
    content = bytearray(path.read_bytes())
    at = content.find(b"poses.npy") + 60
    content[at:at + 10] = bytes(b ^ 0x5A for b in content[at:at + 10])
    return _bytes(path, bytes(content))


def _npy_as(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    return path


def _shared(d, depth=40):
    part = [0.0]
    for _ in range(depth - 5):
        part = [part, part]
    return _pkl(d / "a.pkl", {"poses": part, "trans": 1})


def _torch(d, make):
    import torch

    torch.save({"poses": make(torch), "trans": torch.zeros(3, 3)}, d / "a.pt")
    return d / "a.pt"


def _lens(d, focal=1000.0, centre=(960.0, 540.0)):
    K = np.array([[focal, 0, centre[0]], [0, abs(focal), centre[1]], [0, 0, 1]])
    part = {"body_pose": np.zeros((5, 63)), "global_orient": np.zeros((5, 3)), "transl": np.zeros((5, 3)),
            "betas": np.zeros((5, 10))}
    return _pkl(d / "g.pkl", {"smpl_params_global": part, "smpl_params_incam": part, "K_fullimg": np.tile(K, (5, 1, 1))})


def _sam(d, content):
    return _pkl(d / "s.pkl", content)


def _long(d):
    return _wham(d, frame_ids=np.arange(5) + 10**7)


FIFTY = [0.0] * 50
SAM = {"pred_keypoints_2d": np.zeros((70, 2)), "pred_keypoints_3d": np.zeros((70, 3)), "pred_cam_t": np.zeros(3)}
BAD = {
    "nothing there": (lambda d: d / "no.npz", {}, RequestError, "There is no result at {d}/no.npz; check the path."),
    "another ending": (lambda d: _json(d / "a.fbx", "x"), {}, InputError,
                       "a.fbx has the ending .fbx, which no known system writes; give a .npz, .npy, .pkl, .pt or .json file, "
                       "OpenPose's folder or TRAM's."),
    "not an npz": (lambda d: _json(d / "a.npz", "x"), {}, InputError,
                   "a.npz is no .npz archive, or is damaged; write the result again."),
    "not an npy": (lambda d: _json(d / "a.npy", "x"), {}, InputError,
                   "a.npy is no .npy file, or is damaged; write the result again."),
    "not a torch file": (lambda d: _json(d / "a.pt", "xxxxxxxxxxxx"), {}, InputError, None),
    "not JSON": (lambda d: _json(d / "a.json", "{"), {}, InputError,
                 "a.json is no JSON file, or is damaged; write the result again."),
    "JSON without end": (lambda d: _json(d / "a.json", "[" * 100000), {}, InputError,
                         "a.json is no JSON file, or is damaged; write the result again."),
    "an npy of another name": (lambda d: _npy_as(d / "a.npz"), {}, InputError,
                               "a.npz is no .npz archive, or is damaged; write the result again."),
    "an npz of another name": (lambda d: _amass(d).rename(d / "a.npy"), {}, InputError,
                               "a.npy is an .npz archive; give it under that ending."),
    "a locked archive": (_locked, {}, InputError, "a.npz is no .npz archive, or is damaged; write the result again."),
    "flipped bits": (_flipped, {}, InputError, "a.npz is no .npz archive, or is damaged; write the result again."),
    "a header without end": (lambda d: _raw(d / "a.npy", b"'''abc"), {}, InputError,
                             "a.npy is no .npy file, or is damaged; write the result again."),
    "a header of brackets": (lambda d: _raw(d / "a.npz", b"{'descr': '<f8', 'shape': (((((("), {}, InputError,
                             "a.npz is no .npz archive, or is damaged; write the result again."),
    "a header of everything": (
        lambda d: _raw(d / "a.npy", b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,)}" % 10**15), {}, InputError,
        "a.npy does not fit into memory; convert a shorter range."),
    "one part shared everywhere": (_shared, {}, InputError,
                                   "a.pkl has more than 50000000 parts, which no result has; write it again as arrays."),
    "a torch file cut short": (lambda d: _bytes(d / "a.pt", b"\x80\x02J\x01"), {}, InputError,
                               "a.pt is no PyTorch file, or is damaged; write the result again."),
    "a sparse tensor": (lambda d: _torch(d, lambda torch: torch.eye(3).to_sparse()), {}, InputError,
                        "a.pt holds a tensor that is no plain table of numbers; save it as a plain tensor."),
    "a conjugated tensor": (lambda d: _torch(d, lambda torch: torch.zeros(3, dtype=torch.complex64).conj()), {}, InputError,
                            "a.pt holds a tensor that is no plain table of numbers; save it as a plain tensor."),
    "a pickle cut short": (lambda d: _bytes(d / "a.pkl", pickle.dumps({1: "two"})[:-3]), {}, InputError,
                           "a.pkl is cut short; copy or download it again."),
    "an empty folder": (lambda d: (d / "e").mkdir() or d / "e", {}, InputError,
                        "The folder e holds neither OpenPose's .json files nor TRAM's hps_track files; give the folder that "
                        "the system wrote."),
    "an unknown npz": (lambda d: _npz(d / "a.npz", faces=np.zeros(3), verts=np.zeros(3)), {}, InputError,
                       "The layout of a.npz is unknown (the keys faces, verts); known are the results of AMASS, WHAM, "
                       "4D-Humans, GVHMR, PromptHMR, TRAM, SAM 3D Body, OpenPose, COCO keypoints."),
    "an unknown pickle": (lambda d: _pkl(d / "a.pkl", [1, 2]), {}, InputError,
                          "The layout of a.pkl is unknown (a list of 2); known are the results of AMASS, WHAM, 4D-Humans, "
                          "GVHMR, PromptHMR, TRAM, SAM 3D Body, OpenPose, COCO keypoints."),
    "another format than named": (lambda d: _amass(d), {"format": "wham"}, InputError,
                                  "a.npz has not the layout of WHAM (the keys poses, trans, betas, mocap_framerate); choose "
                                  "another --format or leave it out."),
    "no such format": (lambda d: _amass(d), {"format": "fbx"}, RequestError,
                       "There is no format 'fbx'; choose one of auto, amass, wham, 4dhumans, gvhmr, prompthmr, tram, "
                       "sam3dbody, openpose, coco."),
    "no rate": (lambda d: _amass(d, mocap_framerate=None), {}, RequestError,
                "AMASS's results do not say their frame rate; give --rate, such as 30, or the clip with --video."),
    "a rate of nonsense": (lambda d: _amass(d, mocap_framerate=0.0), {}, InputError,
                           "a.npz says 0 frames a second, which no recording has; give the right one as mocap_framerate."),
    "a wished rate of nonsense": (lambda d: _amass(d), {"rate": "fast"}, RequestError,
                                  "The rate 'fast' is not a number of frames a second; give one such as 25, 29.97 or "
                                  "30000/1001."),
    "a size of nonsense": (lambda d: _amass(d), {"size": "big"}, RequestError,
                           "--size big is no picture's size; write it as 1920x1080."),
    "a size in raised digits": (lambda d: _amass(d), {"size": "²x1080"}, RequestError,
                                "--size ²x1080 is no picture's size; write it as 1920x1080."),
    "a size of many digits": (lambda d: _amass(d), {"size": "9" * 5000 + "x9"}, RequestError,
                              f"--size {'9' * 40}… is no picture's size; write it as 1920x1080."),
    "a lens of no width": (lambda d: _amass(d), {"camera": CameraOptions(fov_deg=0.0)}, RequestError,
                           "--fov-deg 0 is not a horizontal field of view; give degrees between 1 and 170."),
    "a lens of no length": (lambda d: _amass(d), {"camera": CameraOptions(focal_mm=-5.0)}, RequestError,
                            "--focal-mm -5 is not a lens's 35 mm equivalent; give millimetres between 4 and 2000."),
    "a height of nothing": (lambda d: _amass(d), {"camera": CameraOptions(height_m=float("nan"))}, RequestError,
                            "--height-m nan is not a person's height; give metres between 0.4 and 2.6."),
    "GVHMR behind its lens": (lambda d: _lens(d, -1000.0), {}, InputError,
                              "g.pkl, K_fullimg, has a focal length of -1000 pixels, which no lens has; write the result "
                              "again."),
    "GVHMR without a picture": (lambda d: _lens(d, centre=(0.0, 0.0)), {"size": "1920x1080"}, InputError,
                                "g.pkl, K_fullimg, is about a picture of 0 x 0 pixels, which no camera makes; write the "
                                "result again."),
    "GVHMR of a picture without end": (lambda d: _lens(d, centre=(1e30, 540.0)), {}, InputError,
                                       "g.pkl, K_fullimg, is about a picture of 2e+30 x 1080 pixels, which no camera makes; "
                                       "write the result again."),
    "PromptHMR without a lens": (lambda d: _prompt(d, lens=(0.0, (960.0, 540.0))), {"rate": "30"}, InputError,
                                 "r.pkl, camera, has a focal length of 0 pixels, which no lens has; write the result again."),
    "4D-Humans without a picture": (lambda d: _phalp(d, size=[[0, 0]]), {"rate": "30"}, InputError,
                                    "p.pkl is about a picture of 0 x 0 pixels, which no camera makes; write the result "
                                    "again."),
    "SAM 3D Body behind its lens": (
        lambda d: _sam(d, [[SAM | {"focal_length": -1.0}]] * 2), {"rate": "30", "size": "64x64"}, InputError,
        "s.pkl, frame 0, has a focal length of -1 pixels, which no lens has; write the result again."),
    "SAM 3D Body with one number twice": (
        lambda d: _sam(d, {"a_1": [SAM], "b_1": [SAM | {"pred_cam_t": np.ones(3)}], "c_2": [SAM]}),
        {"rate": "30", "size": "64x64"}, InputError,
        "s.pkl holds nobody who is seen with enough keypoints in two frames; convert a result in which a person is seen "
        "whole."),
    "SAM 3D Body of three lengths": (
        lambda d: _sam(d, {"pred_keypoints_2d": np.zeros((5, 70, 2)), "pred_keypoints_3d": np.zeros((5, 70, 3)),
                           "pred_cam_t": np.zeros((3, 3))}), {"rate": "30", "size": "64x64"}, InputError,
        "s.pkl looks like a result of SAM 3D Body, but something in it is of another kind than the known layout has; write "
        "the result again with the system's own demo."),
    "SAM 3D Body with rows of its own": (
        lambda d: _sam(d, SAM | {"pred_keypoints_2d": [[1, 2], [3]]}), {"rate": "30"}, InputError,
        "s.pkl looks like a result of SAM 3D Body, but something in it is of another kind than the known layout has; write "
        "the result again with the system's own demo."),
    "nobody wished": (lambda d: _amass(d), {"most_people": 0}, RequestError, "--people 0 keeps nobody; give 1 or more."),
    "no folder of models": (lambda d: _amass(d), {"models": Path("nowhere")}, RequestError,
                            "There is no folder of model files at nowhere; choose the folder that holds them, or leave it "
                            "out."),
    "AMASS of another size": (lambda d: _amass(d, poses=np.zeros((5, 100))), {}, InputError,
                              "a.npz has poses of 5 x 100 instead of frames x 72 (SMPL), 156 (SMPL-H) or 165 (SMPL-X); this "
                              "is not the AMASS layout."),
    "AMASS with fewer places": (lambda d: _amass(d, trans=np.zeros((4, 3))), {}, InputError,
                                "a.npz has trans of 4 x 3 instead of 5 x 3; this is not the layout that is known of this "
                                "system."),
    "AMASS with NaN": (lambda d: _amass(d, trans=np.full((5, 3), np.nan)), {}, InputError,
                       "a.npz has numbers in trans that are not finite; leave out the frames that failed and write the "
                       "result again."),
    "AMASS of no frames": (lambda d: _amass(d, poses=np.zeros((0, 156)), trans=np.zeros((0, 3))), {}, InputError,
                           "a.npz has no frames; convert a result in which somebody was found."),
    "AMASS too long": (lambda d: _amass(d, poses=np.zeros((100001, 72), np.float32), trans=np.zeros((100001, 3))), {},
                       InputError, "a.npz has 100001 frames, more than the 100000 that one take can hold; convert a shorter "
                                   "range."),
    "AMASS out of space": (lambda d: _amass(d, trans=np.full((5, 3), 1e6)), {}, InputError,
                           "a.npz places the body 1e+06 m from the origin; write the result again in metres."),
    "AMASS without a shape": (lambda d: _amass(d, betas=np.full(16, 900.0)), {}, InputError,
                              "a.npz has shape coefficients of 900, which are no body's; write the result again."),
    "text for poses": (lambda d: _amass(d, trans=np.array(["a", "b"])), {}, InputError,
                       "a.npz holds trans as something other than numbers; write the result again."),
    "WHAM without its camera": (lambda d: _wham(d, trans=None), {"rate": "30"}, InputError,
                                "w.pkl, person 0, lacks trans; write the result again with the system's own demo."),
    "WHAM of another size": (lambda d: _wham(d, pose_world=np.zeros((5, 66))), {"rate": "30"}, InputError,
                             "w.pkl, person 0, has pose_world of 5 x 66 instead of any x 72; this is not the layout that is "
                             "known of this system."),
    "WHAM with fewer frame numbers": (lambda d: _wham(d, frame_ids=np.arange(4)), {"rate": "30"}, InputError,
                                      "w.pkl, person 0, names 4 frames but holds poses for 5; write the result again."),
    "WHAM going back": (lambda d: _wham(d, frame_ids=np.array([0, 2, 1, 3, 4])), {"rate": "30"}, InputError,
                        "w.pkl, person 0, has frame numbers that do not count upwards; write the result again."),
    "an impossible frame": (_long, {"rate": "30"}, InputError,
                            "w.pkl, person 0, names the frame 10000004, beyond the 100000 that one take can hold; convert a "
                            "shorter range."),
    "WHAM with words for frames": (lambda d: _wham(d, frame_ids="all of them"), {"rate": "30"}, InputError,
                                   "w.pkl looks like a result of WHAM, but something in it is of another kind than the known "
                                   "layout has; write the result again with the system's own demo."),
    "4D-Humans with words for people": (lambda d: _phalp(d, tid=["me"]), {"rate": "30"}, InputError,
                                        "p.pkl looks like a result of 4D-Humans, but something in it is of another kind than "
                                        "the known layout has; write the result again with the system's own demo."),
    "COCO with an endless number": (lambda d: _json(d / "c.json", [{"image_id": "9" * 5000, "keypoints": [9] * 51}]),
                                    {"rate": "30"}, InputError,
                                    "c.json looks like a result of a keypoint detector, but something in it is of another "
                                    "kind than the known layout has; write the result again with the system's own demo."),
    "GVHMR of two lengths": (lambda d: _gvhmr(d, 5, 4), {}, InputError,
                             "g.pt has 5 frames in the world but 4 in the camera; write the result again."),
    "4D-Humans with another body": (lambda d: _phalp(d, smpl=[{"global_orient": np.eye(3)[None], "betas": np.zeros(10),
                                                               "body_pose": np.tile(np.eye(3), (21, 1, 1))}]),
                                    {"rate": "30"}, InputError,
                                    "p.pkl, person 1, has 1 + 21 rotations instead of 1 + 23; this is not the layout that is "
                                    "known of 4D-Humans."),
    "4D-Humans without a size": (lambda d: _phalp(d, size=[]), {"rate": "30"}, InputError,
                                 "p.pkl does not say the size of its pictures; write the result again with 4D-Humans' demo."),
    "4D-Humans with nobody": (lambda d: _phalp(d, tid=[], smpl=[], camera=[], tracked_ids=[]), {"rate": "30"}, InputError,
                              "p.pkl holds nobody; convert a result in which somebody was found."),
    "4D-Humans at odds": (lambda d: _phalp(d, tid=[1, 2]), {"rate": "30"}, InputError,
                          "p.pkl has a frame with 2 people but 1 poses; write the result again."),
    "TRAM with no rotations": (lambda d: _tram(d, pred_rotmat=np.ones((4, 24, 3, 3))), {"rate": "30"}, InputError,
                               "hps_track_0.npy, has matrices that are no rotations; this is not the layout that is known of "
                               "this system."),
    "TRAM without places": (lambda d: _tram(d, pred_trans=None), {"rate": "30"}, InputError,
                            "hps_track_0.npy, lacks pred_trans; write the result again with the system's own demo."),
    "PromptHMR unfinished": (lambda d: _prompt(d, smplx_world=None), {"rate": "30"}, InputError,
                             "r.pkl, person 1, lacks smplx_world; let PromptHMR finish its world step and write the result "
                             "again."),
    "OpenPose, one file": (lambda d: _json(d / "one.json", {"version": 1.3, "people": []}), {"rate": "30"}, InputError,
                           "one.json is one frame of OpenPose; give the folder that holds the files of all frames."),
    "OpenPose with nobody": (lambda d: _openpose(d, []), {"rate": "30"}, InputError,
                             "op holds nobody; convert a result in which somebody was found."),
    "OpenPose of another order": (lambda d: _openpose(d, [{"pose_keypoints_2d": FIFTY}]), {"rate": "30"}, InputError,
                                  "Frame 0 of op has keypoints of 50 numbers; known are x, y and confidence of 17, 18, 25, "
                                  "26, 70, 133 keypoints, so write the result again with one of these."),
    "OpenPose without points": (lambda d: _openpose(d, [{"person_id": [-1]}]), {"rate": "30"}, InputError,
                                "Frame 0 of op has a person without pose_keypoints_2d; write the result again with "
                                "OpenPose's --write_json."),
    "OpenPose, files without number": (lambda d: _openpose(d, [], "notes.json"), {"rate": "30"}, InputError,
                                       "The folder op holds .json files without a frame number, such as notes.json; give "
                                       "OpenPose's folder."),
    "keypoints without a size": (lambda d: _openpose(d, [{"pose_keypoints_2d": [5.0] * 75}]), {"rate": "30"}, RequestError,
                                 "OpenPose's results do not say the size of the picture; give --size, such as 1920x1080, or "
                                 "the clip with --video."),
    "keypoints without anybody whole": (lambda d: _openpose(d, [{"pose_keypoints_2d": [0.0] * 75}]),
                                        {"rate": "30", "size": "640x480"}, InputError,
                                        "op holds nobody who is seen with enough keypoints in two frames; convert a result "
                                        "in which a person is seen whole."),
    "COCO of pictures without numbers": (lambda d: _json(d / "c.json", [{"image_id": "a.jpg", "keypoints": [0] * 51}]),
                                         {"rate": "30"}, InputError,
                                         "c.json names a picture 'a.jpg' without a number, so its place in time is unknown; "
                                         "number the pictures."),
    "COCO across ages": (lambda d: _json(d / "c.json", [{"image_id": i, "keypoints": [9] * 51} for i in (0, 10**7)]),
                         {"rate": "30"}, InputError,
                         "c.json spans 10000001 frames, more than the 100000 that one take can hold; convert a shorter "
                         "range."),
    "MMPose without scores": (lambda d: _json(d / "m.json", {"instance_info": [{"instances": [{"keypoints": []}]}]}),
                              {"rate": "30"}, InputError,
                              "m.json has a person without keypoints and keypoint_scores; this is not MMPose's layout."),
    "SAM 3D Body of one picture": (lambda d: _pkl(d / "s.pkl", [[SAM]]),
                                   {"rate": "30"}, InputError,
                                   "s.pkl holds a single picture; a take needs the people of two frames or more in one "
                                   "file."),
    "SAM 3D Body with everything on one spot": (lambda d: _pkl(d / "s.pkl", [[SAM], [SAM]]), {"rate": "30", "size": "64x64"},
                                                InputError,
                                                "s.pkl holds nobody who is seen with enough keypoints in two frames; convert "
                                                "a result in which a person is seen whole."),
}


def _gvhmr(d, n, m):
    import torch

    def part(k):
        return {"body_pose": torch.zeros(k, 63), "global_orient": torch.zeros(k, 3), "transl": torch.zeros(k, 3),
                "betas": torch.zeros(k, 10)}

    torch.save({"smpl_params_global": part(n), "smpl_params_incam": part(m)}, d / "g.pt")
    return d / "g.pt"


@pytest.mark.parametrize("case", BAD)
def test_bad_results_cost_one_sentence_and_write_nothing(tmp_path, case):
    make, options, kind, message = BAD[case]
    path = make(tmp_path)
    there = sorted(p for p in tmp_path.rglob("*"))
    with pytest.raises(kind) as raised:
        convert.convert(convert.Request(path, tmp_path / "take", **options), lambda event: None, StopRequest())
    if message is not None:
        assert str(raised.value) == message.replace("{d}", str(tmp_path))
    assert str(raised.value).endswith(".") and "\n" not in str(raised.value)
    assert sorted(p for p in tmp_path.rglob("*")) == there


def test_nothing_of_a_result_is_run(tmp_path):
    trap = tmp_path / "trap"
    made = f"{os.mkdir.__module__}.mkdir"
    cases = {
        _pkl(tmp_path / "a.pkl", _Runs(trap)):
            f"a.pkl names {made} instead of holding a result, and nothing of it was run; get it from its authors.",
        _wham(tmp_path, trans=_Runs(trap)): f"w.pkl, person 0, holds trans as {made}, which is never run; save it as plain "
                                            "arrays.",
        _npz(tmp_path / "b.npz", poses=np.array([_Runs(trap)], dtype=object), trans=np.zeros((1, 3))):
            f"b.npz (poses) names {made} instead of holding a result, and nothing of it was run; get it from its authors.",
    }
    np.save(tmp_path / "c.npy", np.array([_Runs(trap)], dtype=object), allow_pickle=True)
    cases[tmp_path / "c.npy"] = (f"c.npy names {made} instead of holding a result, and nothing of it was run; get it from "
                                 "its authors.")
    import torch

    torch.save({"smpl_params_global": _Runs(trap), "smpl_params_incam": {}}, tmp_path / "d.pt")
    cases[tmp_path / "d.pt"] = ("d.pt holds more than tensors, and nothing of it was run; save its content as plain tensors.")
    for path, message in cases.items():
        with pytest.raises(InputError) as raised:
            convert.convert(convert.Request(path, tmp_path / "take", rate="30"), lambda event: None, StopRequest())
        assert str(raised.value) == message
    assert not trap.exists() and not (tmp_path / "take").exists()


def test_what_stands_at_the_output_stays(tmp_path):
    (tmp_path / "take").mkdir()
    (tmp_path / "take" / "mine.txt").write_text("precious")
    with pytest.raises(RequestError) as raised:
        convert.convert(convert.Request(_amass(tmp_path), tmp_path / "take"), lambda event: None, StopRequest())
    assert str(raised.value) == f"{tmp_path}/take already exists; choose another --out, takes are never overwritten."
    assert (tmp_path / "take" / "mine.txt").read_text() == "precious"


def test_no_layout_is_taken_for_another(tmp_path, smpl, smplx):
    """Every layout is recognised by its own reader and by no other."""
    written = {"amass": foreign.write_amass(tmp_path / "a.npz", smplx), "wham": foreign.write_wham(tmp_path / "w.pkl", smpl),
               "gvhmr": foreign.write_gvhmr(tmp_path / "g.pt", smplx), "tram": foreign.write_tram(tmp_path / "t", smpl),
               "prompthmr": foreign.write_prompthmr(tmp_path / "p.pkl", smplx),
               "4dhumans": foreign.write_phalp(tmp_path / "h.pkl", smpl),
               "sam3dbody": foreign.write_sam3dbody(tmp_path / "s.npy", smpl),
               "openpose": foreign.write_openpose(tmp_path / "o", smpl),
               "coco": foreign.write_coco(tmp_path / "c.json", smpl)}
    readers = {k: v for k, v in convert.run.READERS.items() if k != "coco"}
    for system, path in written.items():
        content = files.read_any(path)
        by = [k for k, reader in readers.items() if reader.recognises(content)]
        assert by == [system if system != "coco" else "openpose"]


def test_the_readers_name_their_sources():
    for module in (wham, gvhmr, prompthmr, tram, phalp, sam3dbody, keypoints):
        assert "Source" in module.__doc__


def test_rotations_survive_their_checks():
    R = rot.exp(np.random.default_rng(0).normal(size=(4, 24, 3)))
    assert np.allclose(convert.tram.checked_rotations(R, "x"), R)


def test_a_systems_own_rate_counts_from_the_clips_first_picture(tmp_path, monkeypatch):
    """Four pictures of another shot, left out, before those of a clip of 25 a second; GVHMR counts 30 a second."""
    frame = np.arange(4, 64)
    info = VideoInfo(tmp_path / "c.mp4", (640, 360), (640, 360), Fraction(25), 64, 2.56, 0, Fraction(1), False, None)
    info.path.write_bytes(b"a clip")
    scan = type("Scan", (), {"shots": [Shot(info, frame.astype(np.int32), frame / 25)]})
    monkeypatch.setattr(convert.run.video, "probe", lambda *given: info)
    monkeypatch.setattr(convert.run.video, "find_shots", lambda *given, **more: scan)
    request = convert.Request(tmp_path / "r.pt", tmp_path / "take", video=info.path)
    shot, counted, _ = convert.run._filmed(request, None, 0, 75, 30.0, lambda done, total: None)
    np.testing.assert_array_equal(counted, np.round(shot.time_s * 30))
    assert counted[0] == 5 and shot.frame[0] == 4


def test_keypoints_on_one_line_have_no_height_to_measure_by(tmp_path):
    row = [[100.0 + 30 * k, 300.0, 0.9] for k in range(17)]
    path = _json(tmp_path / "flat.json", [{"image_id": f, "category_id": 1, "score": 1.0, "keypoints": np.ravel(
        np.add(row, [f, 0, 0])).tolist()} for f in range(6)])
    take, _ = run(path, tmp_path / "take", rate="30", size="1920x1080")
    assert [one["pixel_error_of_height"] for one in take.meta["report"]["people"]] == [None]


def test_shared_parts_stay_shared():
    array = np.zeros(3)
    part = {"a": [array]}
    turned = files.plain([part, part, (1, part)], "a.pkl")
    assert turned[0] is turned[1] is turned[2][1] and turned[0]["a"][0] is array
