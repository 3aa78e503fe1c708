"""SMPL, SMPL-H and SMPL-X: model files, motion both ways, a take on the SMPL-X body. Synthetic files, no licensed data."""

import os
import pickle
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import foreign
import numpy as np
import pytest
import smpl_models
import takes

from sinew.body import carry, match, providers, smpl_files, smplx_body, smplx_motion, smplx_package
from sinew.body.smpl_joints import BODY, COUNTS, PARENTS, I
from sinew.flow import Motion, Track
from sinew.geometry import rotations as rot
from sinew.motion.kinematics import N_COLUMNS, Skeleton
from sinew_take import free_body, laws, model_files
from sinew_take import skeleton as sk
from sinew_take import take as take_format
from sinew_take.errors import InputError, RequestError

FREE = free_body.load()
u, _, vt = np.linalg.svd(FREE.joint_frames.astype(float))
FRAMES = u @ vt
LIMBS = [sk.JOINT_INDEX[n] for n in smplx_motion.CORRESPONDING.values()]


@pytest.fixture(scope="module")
def small():
    return smpl_models.content("smplx", n_vertices=300)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    smpl_models.write(folder, "smplx")
    return folder


@pytest.fixture(scope="module")
def model(models):
    return smpl_files.read(models / "SMPLX_NEUTRAL.npz", "smplx")


@pytest.fixture(scope="module")
def walk():
    with np.load(foreign.SAMPLE) as data:
        return {k: data[k] for k in data.files}


@pytest.fixture(scope="module")
def built(models, walk):
    """The sample's person on SMPL-X, absent in one frame."""
    n = len(walk["q"])
    arrays = {k: walk[k].copy() for k in ("q", "root_m", "joints_m", "T_wj")}
    arrays |= {"present": np.ones(n, bool), "confidence": np.ones((n, 24), np.float32),
               "source": np.zeros((n, 24), np.uint8), "contact": walk["contact"].astype(np.float32),
               "keypoints_px": np.zeros((n, 33, 3), np.float32)}
    arrays["present"][7] = False
    for name in ("q", "root_m", "joints_m", "T_wj", "contact", "confidence"):
        arrays[name][7] = np.nan
    motion = Motion(Track("person_1", np.ones(n, bool), None, None, None, None, {}), arrays, walk["shape"], None)
    return providers.build("smplx", FREE, motion, model_files.look(models)["smplx"])


# -- model files -----------------------------------------------------------------------------------------------------


def test_a_model_file_is_read_beside_its_pickled_parts(model):
    """The official file also holds dictionaries as pickled objects; they are never touched."""
    assert model.family == "smplx" and model.gender == "neutral"
    assert model.template_m.shape == (len(FREE.template_m), 3)
    assert model.shape_dirs_m.shape[2] == 10 and model.expression_dirs_m.shape[2] == 10
    assert model.uv.shape == (len(FREE.faces), 3, 2) and model.hands_mean.shape == (30, 3)
    assert np.allclose(model.weight.sum(1), 1)


def _broken(small, **changes):
    out = {**small, **changes}
    return {k: v for k, v in out.items() if v is not None}


@pytest.fixture(scope="module")
def small_smpl():
    return smpl_models.content("smpl", n_vertices=300)


def _bad(small, small_smpl):
    nan = small["v_template"].copy()
    nan[3, 1] = np.nan
    faces = small["f"].copy()
    faces[0, 0] = 4000
    tree = small["kintree_table"].copy()
    tree[0, 5] = 1
    again = "choose the file of the official archive."
    return {
        "missing": (_broken(small, J_regressor=None), f"x.npz lacks J_regressor, so it is no SMPL-X model; {again}"),
        "shape": (_broken(small, posedirs=small["posedirs"][..., :200]),
                  f"x.npz has posedirs of 300 x 3 x 200 instead of 300 x 3 x 486, so it is no SMPL-X model; {again}"),
        "family": (small_smpl,
                   f"x.npz is a SMPL model, not SMPL-X with its 55 joints; {again}"),
        "joints": (_broken(small, weights=small["weights"][:, :30]),
                   f"x.npz is a model of 30 joints, not SMPL-X with its 55 joints; {again}"),
        "nan": (_broken(small, v_template=nan),
                "x.npz holds numbers in v_template that are not finite; get it again from its own page."),
        "faces": (_broken(small, f=faces),
                  "x.npz has faces of vertices that are not there; get it again from its own page."),
        "tree": (_broken(small, kintree_table=tree), f"x.npz has another skeleton than SMPL-X; {again}"),
        "text": (_broken(small, shapedirs=np.array(["a"])),
                 "x.npz holds shapedirs as something other than numbers; get it again from its own page."),
        "weights": (_broken(small, weights=small["weights"] * 0),
                    "x.npz has skin weights that are negative or zero; get it again from its own page."),
        "tiny": ({**small, "weights": small["weights"][:3], "v_template": small["v_template"][:3]},
                 f"x.npz has 3 vertices, which is no body; {again}"),
    }


@pytest.mark.parametrize("case", ["missing", "shape", "family", "joints", "nan", "faces", "tree", "text", "weights", "tiny"])
def test_bad_model_files(small, small_smpl, case):
    raw, message = _bad(small, small_smpl)[case]
    with pytest.raises(InputError) as raised:
        smpl_files.check(raw, "x.npz", "smplx", "neutral")
    assert str(raised.value) == message


class _Runs:
    """A pickle that wants to make a folder when it is loaded."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path, small):
    trap = tmp_path / "trap"
    (tmp_path / "SMPLX_MALE.pkl").write_bytes(pickle.dumps({**small, "posedirs": _Runs(trap)}))
    with pytest.raises(InputError) as raised:
        smpl_files.read(tmp_path / "SMPLX_MALE.pkl", "smplx")
    assert str(raised.value) == (f"SMPLX_MALE.pkl holds posedirs as {os.mkdir.__module__}.mkdir, which is never run; get it "
                                 "again from its own page.")
    (tmp_path / "whole.pkl").write_bytes(pickle.dumps(_Runs(trap)))
    with pytest.raises(InputError) as raised:
        smpl_files.read(tmp_path / "whole.pkl", "smplx")
    assert str(raised.value).startswith(f"whole.pkl names {os.mkdir.__module__}.mkdir instead of holding a model")
    np.savez(tmp_path / "x.npz", **{**small, "posedirs": np.array([_Runs(trap)], dtype=object)})
    with pytest.raises(InputError) as raised:
        smpl_files.read(tmp_path / "x.npz", "smplx")
    assert str(raised.value) == ("x.npz holds posedirs as pickled objects, which are never loaded; get the file again from "
                                 "its own page.")
    assert not trap.exists()


def test_files_that_are_no_models(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(InputError) as raised:
        smpl_files.read(tmp_path / "a.npz", "smplx")
    assert str(raised.value) == "a.npz is no .npz archive, or is damaged; get it again from its own page."
    (tmp_path / "b.pkl").write_bytes(pickle.dumps([1, 2, 3]))
    with pytest.raises(InputError) as raised:
        smpl_files.read(tmp_path / "b.pkl", "smpl")
    assert str(raised.value) == ("b.pkl is a pickle, but not of a body model; choose the file of the official archive.")
    with pytest.raises(RequestError) as raised:
        smpl_files.load("smplh", model_files.look(tmp_path)["smplh"])
    assert str(raised.value) == model_files.look(tmp_path)["smplh"].sentence()


def test_all_families_are_read_from_their_own_layout(tmp_path):
    for family in ("smpl", "smplh"):
        path = smpl_models.write(tmp_path, family, n_vertices=300)
        found = smpl_files.load(family, model_files.look(tmp_path)[family])
        assert path.suffix == ".pkl" and found.family == family and len(found.parents) == len(PARENTS[family])
    assert {COUNTS[n] for n in (24, 52, 55)} == {"smpl", "smplh", "smplx"}


@pytest.mark.parametrize(("family", "n"), [("smpl", 6890), ("smplh", 6890), ("smplx", 10475)])
def test_parity_with_the_package(tmp_path, family, n):
    """Largest difference measured: 0.3 micrometres of the skin, 2 micrometres of the joints (float32 inside)."""
    try:
        version("smplx")
    except PackageNotFoundError:
        pytest.skip("the smplx package is not free software and not installed: pip install smplx==0.1.28")
    model = smpl_files.read(smpl_models.write(tmp_path, family, n_vertices=n), family)
    rng = np.random.default_rng(1)
    betas, turns, face = rng.normal(size=10), 0.4 * rng.normal(size=(len(model.parents), 3)), rng.normal(size=10)
    skin, joints = smplx_package.evaluate(model, betas, turns, face if family == "smplx" else None)
    local = rot.exp(turns)
    whole = _whole(local, model.parents)
    rest = model.vertices(betas) + (model.expression_dirs_m @ face if family == "smplx" else 0)
    posed = rest + model.pose_dirs_m @ (local[1:] - np.eye(3)).ravel()
    ours, places = smpl_files.forward(model, posed, model.regressor @ rest, whole)
    assert np.abs(ours - skin).max() < 5e-6 and np.abs(places - joints).max() < 5e-6  # m


def _whole(local, parents):
    out = local.copy()
    for j, up in enumerate(parents):
        if up >= 0:
            out[j] = out[up] @ local[j]
    return out


# -- motion both ways ------------------------------------------------------------------------------------------------


def test_rest_is_rest():
    rest = FREE.joints(np.zeros(FREE.n_shape)).astype(float)
    out = smplx_motion.q_to_smplx(np.zeros((1, 46)), rest[:1], rest, FRAMES, smplx_motion.generic_rest(rest))
    assert np.abs(out["poses"][0, 1:]).max() < 1e-6  # rad
    assert np.allclose(rot.exp(out["poses"][0, 0]), smplx_motion.AXES, atol=1e-6)


def _other_rest(rest):
    """The same lengths in another rest pose: arms droop, legs are spread."""
    g = np.tile(np.eye(3), (1, len(BODY), 1, 1))
    for side, k in (("l", 1), ("r", -1)):
        for name in ("hip", "knee"):
            g[0, I[f"{name}_{side}"]] = rot.exp([0, -k * 0.08, 0])
        for name in ("shoulder", "elbow", "wrist"):
            g[0, I[f"{name}_{side}"]] = rot.exp([0, k * 0.12, 0.05 * k])
    generic = smplx_motion.generic_rest(rest)
    _, place = smplx_motion.smpl_forward(smplx_motion.local_rotations(g), np.array([[0, -.3, .02]]), generic)
    return place[0] @ smplx_motion.AXES


def _there_and_back(q, root, rest, smpl_rest):
    out = smplx_motion.q_to_smplx(q, root, rest, FRAMES, smpl_rest)
    local = rot.exp(out["poses"][:, : len(BODY)])
    pelvis = out["trans"] + smpl_rest[0]
    _, place = smplx_motion.smpl_forward(local, pelvis, smpl_rest)
    joints = laws.forward_kinematics(q, root, rest, FRAMES)[..., :3, 3]
    there = np.linalg.norm(place[:, [I[a] for a in smplx_motion.CORRESPONDING]] - joints[:, LIMBS], axis=-1)
    back_q, back_root, error = smplx_motion.smplx_to_q(local, pelvis, rest, FRAMES, smpl_rest)
    back = laws.forward_kinematics(back_q, back_root, rest, FRAMES)[..., :3, 3]
    assert sk.within_limits(back_q).all()
    return there, error, np.linalg.norm(back - joints, axis=-1), np.abs(back_q - q)[:, 3:]


@pytest.mark.parametrize("other", [False, True])
def test_the_sample_goes_to_smplx_and_back(walk, other):
    q, root, rest = (walk[k].astype(float) for k in ("q", "root_m", "rest_joints_m"))
    smpl_rest = _other_rest(rest) if other else smplx_motion.generic_rest(rest)
    there, error, back, angle = _there_and_back(q[::4], root[::4], rest, smpl_rest)
    assert there.mean() < 0.001 and there.max() < 0.003  # m: limb joints of SMPL against ours
    assert error.max() < 0.002  # m: ours against where SMPL's rotations put them
    assert back.mean() < 0.001 and back.max() < 0.004  # m: every joint, there and back
    assert np.degrees(angle.mean()) < 1.0


@pytest.mark.parametrize("clip", ["run", "jump", "spin", "dance", "kick"])
def test_recorded_motions_go_to_smplx_and_back(clip):
    folder = os.environ.get("SINEW_BENCH_CLIPS")
    if not folder or not (Path(folder) / f"{clip}.npz").exists():
        pytest.skip("the rendered clips of recorded motions are not here (SINEW_BENCH_CLIPS)")
    with np.load(Path(folder) / f"{clip}.npz") as data:
        q, root, rest = (data[k].astype(float)[::6] if k != "rest_joints_m" else data[k].astype(float)
                         for k in ("q", "root_m", "rest_joints_m"))
    there, error, back, _ = _there_and_back(q, root, rest, smplx_motion.generic_rest(rest))
    assert there.mean() < 0.002 and error.mean() < 0.001 and back.mean() < 0.004  # m


def test_frames_without_a_person_stay_empty(walk):
    q, root, rest = (walk[k].astype(float) for k in ("q", "root_m", "rest_joints_m"))
    q[1] = np.nan
    out = smplx_motion.q_to_smplx(q[:3], root[:3], rest, FRAMES)
    assert np.isnan(out["poses"][1]).all() and np.isnan(out["trans"][1]).all() and np.isfinite(out["poses"][[0, 2]]).all()


def test_rotations_beyond_our_limits_are_met_as_nearly_as_they_allow():
    """A knee bent the wrong way by 40 degrees: no coordinate leaves its limits, and the error is said."""
    rest = FREE.joints(np.zeros(FREE.n_shape)).astype(float)
    smpl_rest = smplx_motion.generic_rest(rest)
    local = np.tile(np.eye(3), (1, len(BODY), 1, 1))
    local[0, 0] = smplx_motion.AXES
    local[0, I["knee_l"]] = rot.exp([-np.radians(40), 0, 0])
    q, _, error = smplx_motion.smplx_to_q(local, rest[:1], rest, FRAMES, smpl_rest)
    assert sk.within_limits(q).all() and error.max() > 0.03


def test_gradients_of_the_match():
    rng = np.random.default_rng(0)
    rest = FREE.joints(np.zeros(FREE.n_shape)).astype(float)
    skeleton = Skeleton(rest, np.zeros((1, 24, 3)), FRAMES)
    q, pelvis, root = rng.normal(size=(2, 46)) * 0.3, rot.exp(rng.normal(size=(2, 3))), rng.normal(size=(2, 3))
    targets = match.Targets(rng.normal(size=(2, 24, 3)), np.full(24, 0.3), rot.exp(rng.normal(size=(2, 24, 3)) * 0.4),
                            np.full(24, 0.7), np.full(46, 1.5))
    every = np.ones(24, bool)

    def residual(step):
        moved = q.copy()
        moved[:, 3:] += step[3:46]
        return match._equations(skeleton, rot.exp(step[:3]) @ pelvis, moved, root + step[46:], targets, q, every, every)[0]

    jacobian = match._equations(skeleton, pelvis, q, root, targets, q, every, every)[1]
    for c in range(N_COLUMNS):
        d = np.zeros(N_COLUMNS)
        d[c] = 1e-6
        numeric = (residual(d) - residual(-d)) / 2e-6
        assert np.abs(numeric - jacobian[..., c]).max() < 1e-6, c


# -- the body --------------------------------------------------------------------------------------------------------


def _skinned(built, t):
    """The take's skin at a frame, by nothing but its own arrays."""
    body, motion, extra = built.body, built.motion, built.extra
    bones = laws.skin_transforms(motion["T_wj"][t].astype(float), body["rest_joints_m"].astype(float), body["joint_frames"])
    known = {n: (laws.rest_transforms(body["rest_joints_m"].astype(float), body["joint_frames"])[j],
                 motion["T_wj"][t][j].astype(float)) for j, n in enumerate(sk.JOINT_NAMES)}
    more = []
    for e, (name, up) in enumerate(zip(built.info["extra"]["bone_names"], built.info["extra"]["parents"], strict=True)):
        rest = extra["bone_rest_T"][e].astype(float)
        w, x, y, z = extra["bone_rotation_wxyz"][t, e].astype(float)
        turn = np.eye(4)
        turn[:3, :3] = rot.exp(2 * np.arctan2(np.linalg.norm([x, y, z]), w) * np.array([x, y, z])
                               / max(np.linalg.norm([x, y, z]), 1e-12))
        up_rest, up_world = known[up]
        world = up_world @ np.linalg.inv(up_rest) @ rest @ turn
        known[name] = (rest, world)
        more.append(world @ np.linalg.inv(rest))
    points = body["rest_vertices_m"].astype(float)
    return laws.skin(points, body["skin_index"], body["skin_weight"], np.concatenate([bones, np.array(more)]))


def _model_skinned(model, built, t, with_hands):
    """The same by SMPL-X's own forward kinematics and skinning."""
    betas, joints = built.body["shape"], model.joints(built.body["shape"])
    out = smplx_motion.q_to_smplx(built.motion["q"][t:t + 1], built.motion["root_m"][t:t + 1], built.body["rest_joints_m"],
                                  FRAMES, joints)
    local = rot.exp(out["poses"][0])
    if with_hands:
        local[-30:] = rot.exp(model.hands_mean)
    return smpl_files.forward(model, model.vertices(betas), joints, _whole(local, model.parents))[0] + out["trans"][0]


def test_the_skin_follows_our_laws_as_the_model_would(built, model):
    for t in (0, 40, 80):
        off = np.linalg.norm(_skinned(built, t) - _model_skinned(model, built, t, True), axis=1)
        assert off.mean() < 0.003 and np.quantile(off, 0.95) < 0.006  # m: spine by arcs instead of joints, and rest posed


def test_fingers_turn_as_the_model_turns_them(built, model):
    """With the mean hand the fingers' skin lies where the model puts it, and far from where a flat hand would be."""
    fingers = built.body["skin_index"][np.arange(len(built.body["skin_index"])), built.body["skin_weight"].argmax(1)] > 26
    ours, hands, flat = _skinned(built, 40), _model_skinned(model, built, 40, True), _model_skinned(model, built, 40, False)
    assert fingers.sum() > 100
    assert np.linalg.norm(ours - hands, axis=1)[fingers].mean() < 0.003  # m
    assert np.linalg.norm(ours - flat, axis=1)[fingers].mean() > 0.006


def test_the_person_keeps_bones_places_and_floor(built, walk):
    present = built.motion["present"]
    assert not present[7] and np.isnan(built.motion["q"][7]).all()
    assert sk.within_limits(built.motion["q"][present]).all()
    talus = [sk.JOINT_INDEX[f"talus_{s}"] for s in "lr"]
    higher = built.body["rest_joints_m"][talus, 2] - walk["rest_joints_m"][talus, 2]
    moved = np.linalg.norm(built.motion["joints_m"][present][:, LIMBS] - walk["joints_m"][present][:, LIMBS], axis=-1)
    assert moved.mean() < 0.012 and np.abs(higher).max() < 0.01  # m
    lowest = [_skinned(built, t)[:, 2].min() for t in (0, 30, 60, 90)]
    assert np.abs(lowest).max() < 0.012  # m: soles stay on the floor
    assert built.notes[0].startswith("person_1 is on the SMPL-X body (neutral): its bones are ")


def test_expressions_and_correctives_are_the_models(built, model):
    person = smplx_body.make(model, built.body["shape"], FREE, FREE.joints(np.zeros(FREE.n_shape)).astype(float))
    # Turned into our rest pose, a displacement keeps its length where one bone alone moves the vertex.
    rigid = model.weight.max(1) > 0.999
    given = np.linalg.norm(model.expression_dirs_m[rigid][..., 2], axis=1)
    assert np.abs(np.linalg.norm(built.extra["expression_dirs_m"][2][rigid], axis=1) - given).max() < 1e-6
    assert (built.extra["expression"] == 0).all()
    t = 40
    out = smplx_motion.q_to_smplx(built.motion["q"][t:t + 1], built.motion["root_m"][t:t + 1],
                                  built.body["rest_joints_m"], FRAMES, person.pairing.smpl_m @ smplx_motion.AXES)
    out["poses"][0, -30:] = model.hands_mean
    features = (rot.exp(out["poses"][0, 1:]) - np.eye(3)).ravel()
    whole = np.einsum("vab,vb->va", person.turn, model.pose_dirs_m @ features)
    reduced = np.einsum("c,cvi->vi", built.extra["corrective_weight"][t], built.extra["corrective_dirs_m"])
    assert np.linalg.norm(whole - reduced) < 0.2 * np.linalg.norm(whole)
    assert 0.9 < built.info["model"]["correctives_share"] <= 1
    assert np.abs(built.extra["corrective_weight"]).max() <= 1 + 1e-6


def test_a_take_on_smplx_is_written_and_read(built, tmp_path):
    take = takes.make_take(n_frames=len(built.motion["present"]), n_splats=0)
    subject = take.subjects[0]
    subject.info.update(built.info, body="smplx")
    subject.body, subject.extra = built.body, built.extra
    subject.motion = {k: built.motion[k] if k in built.motion else v for k, v in subject.motion.items()}
    again = take_format.read(take_format.write(take, tmp_path / "take")).subjects[0]
    assert again.info["extra"]["bone_names"][:3] == ["jaw", "eye_l", "eye_r"]
    assert again.info["extra"]["parents"][3] == "hand_l" and len(again.info["extra"]["expression_names"]) == 10
    assert np.array_equal(again.extra["bone_rest_T"], built.extra["bone_rest_T"])
    assert int(again.body["skin_index"].max()) >= 24
    folded = providers.fold_extra_bones(built)
    assert int(folded["skin_index"].max()) < 24
    assert set(folded["skin_index"][built.body["skin_index"] >= 27]) <= {18, 23}  # fingers hang on the hands


def test_extra_arrays_that_contradict_their_names_are_refused(built, tmp_path):
    take = takes.make_take(n_frames=len(built.motion["present"]), n_splats=0)
    subject = take.subjects[0]
    subject.body, subject.extra = built.body, built.extra
    subject.info["extra"] = {**built.info["extra"], "bone_names": built.info["extra"]["bone_names"][:-1],
                             "parents": built.info["extra"]["parents"][:-1]}
    with pytest.raises(take_format.TakeError) as raised:
        take_format.validate(take)
    assert str(raised.value) == ("The take is damaged: the names in take.json and the arrays in extra.npz disagree in "
                                 "number (s1); reconstruct the clip again.")
    subject.info["extra"] = {**built.info["extra"], "parents": ["tail", *built.info["extra"]["parents"][1:]]}
    with pytest.raises(take_format.TakeError) as raised:
        take_format.validate(take)
    assert str(raised.value) == ("The take is damaged: the extra bone 'jaw' has no parent before it or a name that is taken "
                                 "(s1); reconstruct the clip again.")


def test_carrying_a_motion_to_its_own_body_changes_nothing(walk):
    q, root, rest = (walk[k].astype(float) for k in ("q", "root_m", "rest_joints_m"))
    new_q, new_root, error = carry.carry(q[:6], root[:6], rest, rest, FRAMES)
    assert np.abs(new_q - q[:6]).max() < 1e-4 and np.abs(new_root - root[:6]).max() < 1e-4 and error.max() < 1e-4
