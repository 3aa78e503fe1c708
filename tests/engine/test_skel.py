"""SKEL: parity with the public code, its place in our laws, its file, and a take on it."""

import numpy as np
import pytest
import scipy.sparse
import skel_files
import takes
import torch

from sinew import flow
from sinew.bench import parity
from sinew.body import providers
from sinew.body.skel import representation
from sinew.body.skel.forward import TO_REST, Skel
from sinew.body.skel.model_file import check_skel, read_skel
from sinew.body.skel.person import few, fit_betas, measure
from sinew_take import free_body, laws, model_files
from sinew_take import skeleton as sk
from sinew_take import take as take_format
from sinew_take.errors import InputError, RequestError


@pytest.fixture(scope="module")
def file():
    return check_skel(skel_files.content(), "skel_male.pkl")


def random_q(rng, n, reach=1.0):
    low, high = (np.where(np.isfinite(v), v, s * np.pi) for v, s in ((sk.LOW, -1), (sk.HIGH, 1)))
    return rng.uniform(low, high, (n, 46)) * reach


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_parity_with_the_public_code(shared, dtype):
    found = parity.differences(dtype)
    assert len(found) > 40
    assert [(name, value) for name, value, limit in found if not value <= limit] == []


def test_joints_and_frames_are_those_of_the_one_skeleton(file):
    """Given SKEL's rest joints and frames, the take's laws place every joint where SKEL does, and turn it the same."""
    rng = np.random.default_rng(3)
    model = Skel(file, torch.float64)
    q, betas, trans = random_q(rng, 20), rng.standard_normal((20, 10)), rng.standard_normal((20, 3))
    rest = model.rest(torch.as_tensor(betas))
    posed = model.pose(torch.as_tensor(q), rest, torch.as_tensor(trans))
    for n in range(20):
        joints = rest.joints_m[n].numpy() @ TO_REST.T
        frames = TO_REST @ rest.frames[n].numpy()
        T = laws.forward_kinematics(q[n], joints[0] + TO_REST @ trans[n], joints, frames)
        # SKEL turns elbow and forearm by 1e-9 less; see forward._turn_scale.
        assert np.abs(T[:, :3, 3] - posed.joints_m[n].numpy() @ TO_REST.T).max() < 2e-8
        turn = T[:, :3, :3] @ np.swapaxes(frames, -1, -2)
        assert np.abs(turn - TO_REST @ posed.turn[n].numpy() @ TO_REST.T).max() < 2e-8


def test_published_axes_are_those_of_skel():
    """Axes and order as SKEL publishes them, in OpenSim's axes; the left foot alone is not the right one's mirror there."""
    x, y, z = np.eye(3)
    wanted = {"pelvis": (z, x, y), "femur_r": (z, x, y), "femur_l": (z, -x, -y), "tibia_r": (-z,), "tibia_l": (-z,),
              "lumbar_body": (x, z, y), "thorax": (x, z, y), "head": (x, z, y), "scapula_r": (y, -z, -x),
              "scapula_l": (y, z, x), "humerus_r": (x, y, z), "humerus_l": (x, y, z), "hand_r": (x, -z), "hand_l": (-x, -z),
              "ulna_r": ([.0494, .0366, .9981],), "ulna_l": ([-.0494, -.0366, .9981],),
              "radius_r": ([-.01716, .99267, -.11967],), "radius_l": ([.01716, -.99267, -.11967],)}
    for name, axes in wanted.items():
        joint = sk.JOINTS[sk.JOINT_INDEX[name]]
        for axis, dof in zip(axes, joint.dofs, strict=True):
            assert np.allclose(sk.PUBLISHED_AXES[joint.index][:, sk.DOFS[dof].axis], axis, atol=3e-5)


@pytest.mark.parametrize("at_zero", [True, False])
def test_gradients_are_exact(file, at_zero):
    """Central differences in float64, over skin, bones and joints; finite at the zero pose and in the series branch."""
    rng = np.random.default_rng(4)
    which = rng.choice(6890, 40, replace=False)
    model = Skel(file, torch.float64, vertices=which)
    q = torch.zeros(1, 46, dtype=torch.float64) if at_zero else torch.as_tensor(random_q(rng, 1, 0.8))
    betas = torch.zeros(1, 10, dtype=torch.float64) if at_zero else torch.as_tensor(rng.standard_normal((1, 10)))
    weight = torch.as_tensor(rng.standard_normal((40, 3)))
    joints = torch.as_tensor(rng.standard_normal((24, 3)))

    def value(q, betas):
        posed = model.pose(q, model.rest(betas))
        return (model.skin(posed) * weight).sum() + (posed.joints_m * joints).sum()

    q.requires_grad_()
    betas.requires_grad_()
    got = torch.autograd.grad(value(q, betas), (q, betas))
    step = 1e-6
    for n, (v, g) in enumerate(zip((q, betas), got)):
        assert torch.isfinite(g).all()
        numeric = torch.zeros_like(g)
        for i in range(v.shape[1]):
            d = torch.zeros_like(v)
            d[0, i] = step
            pair = [(q + s * d, betas) if n == 0 else (q, betas + s * d) for s in (1, -1)]
            with torch.no_grad():
                numeric[0, i] = (value(*pair[0]) - value(*pair[1])) / (2 * step)
        assert (g - numeric).abs().max() < 1e-7 * max(1.0, float(numeric.abs().max()))


def test_float32_and_batches_agree_with_float64(file):
    rng = np.random.default_rng(5)
    q, betas = random_q(rng, 5), rng.standard_normal((5, 10))
    out = []
    for dtype in (torch.float64, torch.float32):
        model = Skel(file, dtype)
        posed = model.pose(torch.as_tensor(q, dtype=dtype), model.rest(torch.as_tensor(betas, dtype=dtype)))
        out.append((model.skin(posed).double(), model.surface(posed).double()))
    assert (out[0][0] - out[1][0]).abs().max() < 5e-6 and (out[0][1] - out[1][1]).abs().max() < 5e-6
    model = Skel(file, torch.float64)
    one = model.pose(torch.as_tensor(q), model.rest(torch.as_tensor(betas[:1])))  # one shape for the whole batch
    each = model.pose(torch.as_tensor(q), model.rest(torch.as_tensor(np.repeat(betas[:1], 5, 0))))
    assert (model.skin(one) - model.skin(each)).abs().max() < 1e-12
    assert (model.surface(one) - model.surface(each)).abs().max() < 1e-12


def test_representation_goes_there_and_back():
    rng = np.random.default_rng(6)
    q = torch.as_tensor(random_q(rng, 200, 0.95))
    for d in sk.DOFS:  # the middle angle of a ball joint is unique within a quarter turn
        if len(sk.JOINTS[d.joint].dofs) == 3 and sk.JOINTS[d.joint].dofs[1] == d.index:
            q[:, d.index] = q[:, d.index].clamp(-1.5, 1.5)
    rep = representation.q_to_rep(q)
    assert rep.shape == (200, 24, 6)
    assert (representation.rep_to_q(rep) - q).abs().max() < 1e-12
    noisy = representation.rep_to_q(rep + 0.3 * torch.randn(rep.shape, dtype=rep.dtype, generator=torch.manual_seed(0)))
    assert torch.isfinite(noisy).all()
    rep = rep.requires_grad_()
    representation.rep_to_q(rep).sum().backward()
    assert torch.isfinite(rep.grad).all()


# --- the file --------------------------------------------------------------------------------------------------------
def test_a_file_is_read_and_checked(tmp_path):
    file = read_skel(skel_files.write(tmp_path))
    assert file.skin_m.shape == (6890, 3) and file.shape_dirs_m.shape == (6890, 3, 10)


@pytest.mark.parametrize("changed, said", [
    ({"version": "1.0"}, "is SKEL 1.0, but 1.1.1 is needed"),
    ({"version": None}, "it names no version"),
    ({"posedirs": None}, "lacks posedirs, which SKEL 1.1.1 has"),
    ({"posedirs": np.zeros((6890, 3, 200))}, "has the size 6890 x 3 x 200 in posedirs instead of 6890 x 3 x 207"),
    ({"skin_template_v": np.full((6890, 3), np.nan)}, "has numbers in skin_template_v that are not finite"),
    ({"skin_weights": np.zeros((6890, 24))}, "has weights in skin_weights that do not sum to 1"),
    ({"J_regressor_osim": "text"}, "has no array in J_regressor_osim"),
    ({"joints_name": ["pelvis"] * 24}, "has other names in joints_name"),
    ({"osim_kintree_table": np.zeros((2, 24))}, "has another tree of joints in osim_kintree_table"),
    ({"skin_template_f": np.full((5, 3), 7000)}, "has a triangle in skin_template_f that names a vertex which is not there"),
    ({"shapedirs": np.zeros((6890, 3, 4))}, "has 4 shape coefficients in shapedirs instead of 10"),
    ({"skel_weights": np.zeros((7, 24))}, "in skel_weights instead of"),
])
def test_what_is_wrong_with_a_file_is_said(changed, said):
    table = {k: v for k, v in {**skel_files.content(), **changed}.items() if v is not None}
    with pytest.raises(InputError) as caught:
        check_skel(table, "skel_male.pkl")
    text = str(caught.value)
    assert said in text and text.startswith("skel_male.pkl") and text.endswith("get it again from https://skel.is.tue.mpg.de.")


def test_something_else_is_not_skel():
    with pytest.raises(InputError, match="is not a SKEL model file"):
        check_skel([1, 2], "skel_male.pkl")


# --- a person on it --------------------------------------------------------------------------------------------------
def solved(n=8):
    """A person as the motion stage leaves it, on the free body, absent in the first frame."""
    rng = np.random.default_rng(8)
    free = free_body.load()
    shape = 0.6 * rng.standard_normal(free.n_shape)
    low, high = (np.where(np.isfinite(v), v, s * 0.4) for v, s in ((sk.LOW, -1), (sk.HIGH, 1)))
    ends = rng.uniform(low, high, (2, 46)) * 0.5
    q = np.linspace(ends[0], ends[1], n)
    rest = free.joints(shape).astype(float)
    root = rest[0] + np.linspace([0, 0, 0], [0.3, -0.2, 0.0], n)
    T_wj = laws.forward_kinematics(q, root, rest, free.joint_frames.astype(float))
    present = np.ones(n, bool)
    present[0] = False

    def hold(value):
        return np.where(present.reshape(-1, *[1] * (value.ndim - 1)), value, np.nan).astype(np.float32)

    arrays = {"present": present, "q": hold(q), "root_m": hold(root), "joints_m": hold(T_wj[..., :3, 3]),
              "T_wj": hold(T_wj), "confidence": np.ones((n, 24), np.float32), "source": np.zeros((n, 24), np.uint8),
              "contact": np.zeros((n, 4), np.float32), "keypoints_px": hold(np.ones((n, 33, 3)))}
    track = flow.Track("person_1", present, arrays["keypoints_px"], np.zeros((n, 33)), np.zeros((n, 33, 3)),
                       np.zeros((n, 4)), {})
    return free, flow.Motion(track, arrays, shape, np.zeros(n))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for gender in ("male", "female"):
        skel_files.write(folder, gender)
    return folder


@pytest.fixture(scope="module")
def built(models):
    free, motion = solved()
    found = providers.require("skel", models, "male")
    return free, motion, providers.build("skel", free, motion, found, "male")


def test_a_person_keeps_bones_height_and_the_places_of_the_limbs(built):
    """The synthetic file has eight of the free body's own lengths and two of its directions of flesh."""
    free, motion, made = built
    there = motion.arrays["present"]
    height = np.ptp(free.vertices(motion.shape)[:, 2])
    assert abs(np.ptp(made.body["rest_vertices_m"][:, 2]) - height) < 0.02
    limbs = [sk.JOINT_INDEX[f"{n}_{s}"] for s in "lr" for n in ("femur", "tibia", "talus", "humerus", "ulna", "hand")]
    off = np.linalg.norm(made.motion["joints_m"] - motion.arrays["joints_m"], axis=-1)[there][:, limbs]
    assert off.mean() < 0.006 and off.max() < 0.03
    assert np.isnan(made.motion["q"][~there]).all() and sk.within_limits(made.motion["q"]).all()
    assert made.body["rest_vertices_m"][:, 2].min() == pytest.approx(0, abs=1e-6)
    assert made.notes and made.notes[0].startswith("person_1 is on the SKEL body (male): bone lengths are ")


def test_flesh_and_bones_are_told_apart(file):
    """A person made of the file's own directions is found again: coefficients within 0.25, bones and radii within 1.5 mm;
    and the measures do not depend on how fine the surface is."""
    free = free_body.load()
    shape = np.zeros(free.n_shape)
    shape[[1, 2, 12, 14, 18]] = 1.2, -0.8, 1.0, -1.0, 0.7
    wanted = measure(free, shape)
    got = fit_betas(file, wanted)
    expected = np.zeros(10)
    expected[[0, 1, 2, 4, 8]] = 1.2, -0.8, 1.0, -1.0, 0.7
    assert np.abs(got.betas - expected).max() < 0.25
    assert got.bones_off_m < 0.0015 and got.radii_off_m < 0.0015
    mean = measure(free, np.zeros(free.n_shape))
    assert np.abs(fit_betas(file, mean).betas).max() < 0.1
    assert wanted.radii_m[0] - mean.radii_m[0] > 0.01  # the thigh is thicker


def test_the_takes_arrays_give_skel_back(built, models):
    """Skin, correctives and bone surfaces from the arrays alone, against SKEL's own forward model, mm."""
    _, _, made = built
    model = Skel(read_skel(models / "skel_male.pkl"), torch.float64)
    rest = model.rest(torch.as_tensor(made.body["shape"].astype(float))[None])
    body = {k: v.astype(float) if v.dtype.kind == "f" else v for k, v in made.body.items()}
    for n in (2, 7):
        posed = model.pose(torch.as_tensor(made.motion["q"][n:n + 1].astype(float)), rest)
        shift = made.motion["root_m"][n] - TO_REST @ posed.joints_m[0, 0].numpy()
        move = laws.skin_transforms(made.motion["T_wj"][n].astype(float), body["rest_joints_m"], body["joint_frames"])
        corrected = body["rest_vertices_m"] + np.tensordot(made.extra["corrective_weight"][n],
                                                           made.extra["corrective_dirs_m"], 1)
        skin = laws.skin(corrected, body["skin_index"], body["skin_weight"], move)
        assert np.abs(skin - shift - model.skin(posed)[0].numpy() @ TO_REST.T).max() < 1e-5
        bones = laws.skin(made.extra["surface_vertices_m"].astype(float), made.extra["surface_skin_index"],
                          made.extra["surface_skin_weight"].astype(float), move)
        assert np.abs(bones - shift - model.surface(posed)[0].numpy() @ TO_REST.T).max() < 1e-5
    assert made.info["model"]["correctives_share"] > 0.999  # the motion is a straight line: few components hold it
    assert not made.extra["corrective_weight"][0].any()


def test_a_take_on_skel_is_written_and_read_back(built, tmp_path):
    _, _, made = built
    golden = takes.make_take(len(made.motion["present"]))
    subject = golden.subjects[0]
    info = {**subject.info, "body": "skel", **made.info}
    golden.meta["subjects"] = [info]
    golden.subjects[:] = [take_format.Subject(info, made.motion, made.body, None, extra=made.extra)]
    take_format.write(golden, tmp_path / "take")
    read = take_format.read(tmp_path / "take").subjects[0]
    assert read.info["body"] == "skel" and read.info["model"]["gender"] == "male"
    for name, array in {**made.body, **made.extra}.items():
        assert np.array_equal({**read.body, **read.extra}[name], array)
    T = laws.forward_kinematics(read.motion["q"].astype(float), read.motion["root_m"].astype(float),
                                read.body["rest_joints_m"].astype(float), read.body["joint_frames"].astype(float))
    there = read.motion["present"]
    assert np.abs(T[there] - read.motion["T_wj"][there]).max() < 5e-6


def test_the_better_fitting_file_is_taken_unless_one_is_asked_for(models):
    free, motion = solved()
    found = providers.require("skel", models)
    wanted = measure(free, motion.shape)
    cost = {g: fit_betas(read_skel(models / f"skel_{g}.pkl"), wanted).cost for g in ("male", "female")}
    free_choice = providers.build("skel", free, motion, found)
    assert free_choice.info["model"]["gender"] == min(cost, key=cost.get)
    asked = providers.build("skel", free, motion, found, max(cost, key=cost.get))
    assert asked.info["model"]["gender"] == max(cost, key=cost.get)


def test_what_is_missing_is_said_before_the_run(tmp_path, models):
    with pytest.raises(RequestError) as caught:
        providers.require("skel", tmp_path)
    assert str(caught.value) == model_files.look(tmp_path)["skel"].sentence()
    assert "skel_male.pkl or skel_female.pkl" in str(caught.value) and "https://skel.is.tue.mpg.de" in str(caught.value)
    with pytest.raises(RequestError, match=r"no neutral model of SKEL 1.1.1 .*, only male, female; choose"):
        providers.require("skel", models, "neutral")


def test_few_weights_sum_to_one():
    rng = np.random.default_rng(9)
    dense = np.where(rng.random((50, 24)) < 0.6, rng.random((50, 24)), 0)
    dense[:, 0] += 0.1
    index, weight = few(scipy.sparse.csr_matrix(dense))
    assert index.shape[1] == 8 and np.allclose(weight.sum(1), 1, atol=1e-6)
    assert (weight >= 0).all() and (np.diff(weight, axis=1) <= 1e-7).all()
