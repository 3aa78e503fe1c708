"""One picture's pose and shape by second order, and the published optimiser that it is compared with."""

import numpy as np
import pytest
import skel_files
import torch

from sinew.bench import parity, skelify, skelify_published
from sinew.body.skel import one_picture
from sinew.body.skel.forward import Skel
from sinew.body.skel.keypoints import keypoint_matrix
from sinew.body.skel.model_file import check_skel
from sinew.body.skel.reduced import N_COLUMNS, ReducedSkel
from sinew_take import skeleton as sk

FOCAL = skelify_published.FOCAL


@pytest.fixture(scope="module")
def body():
    """The synthetic body, its 44 keypoints and the reduced model of them."""
    table = skel_files.content()
    file = check_skel(table, "skel_male.pkl")
    rng = np.random.default_rng(0)
    joints = table["J_regressor"].toarray()
    more = joints[rng.integers(0, 24, 19)]
    regress = keypoint_matrix(joints, more)
    return file, regress, ReducedSkel(file, regress)


def draw(rng, model, n_hidden=4, noise=0.004):
    """A problem like the fixture's second: a pose inside the limits facing the camera or away, noisy keypoints, varied
    confidence, some not seen."""
    low, high = (np.where(np.isfinite(v), v, 0.0) for v in (sk.LOW, sk.HIGH))
    q = low + (high - low) * rng.beta(2, 2, 46)
    q[:3] = np.pi + 0.3 * rng.standard_normal(), 0.2 * rng.standard_normal(), rng.uniform(-np.pi, np.pi)
    truth = one_picture.state_of(model, q, 0.7 * rng.standard_normal(10), np.array([0.0, 0.1, rng.uniform(40, 50)]))
    x = model.keypoints(truth)
    seen = FOCAL * x[:, :2] / x[:, 2:]
    confidence = rng.uniform(0.3, 1.0, len(x))
    confidence[rng.choice(len(x), n_hidden, replace=False)] = 0
    return truth, np.column_stack([seen + noise * rng.standard_normal(seen.shape), confidence])


def begin(model):
    """An upright body in front of a y-down camera, as SKELify starts from."""
    q = np.zeros(46)
    q[0] = np.pi
    return one_picture.state_of(model, q, np.zeros(10), np.array([0.0, 0.0, 43.4]))


def test_reduced_keypoints_are_those_of_the_whole_model(body):
    file, regress, model = body
    rng = np.random.default_rng(1)
    whole = Skel(file, torch.float64)
    for _ in range(3):
        q, betas, trans = rng.uniform(-0.6, 0.6, 46), rng.standard_normal(10), rng.standard_normal(3)
        posed = whole.pose(torch.as_tensor(q[None]), whole.rest(torch.as_tensor(betas[None])), torch.as_tensor(trans[None]))
        state = one_picture.state_of(model, q, betas, trans)
        assert np.abs(model.keypoints(state) - regress @ whole.skin(posed)[0].numpy()).max() < 1e-8
        back = one_picture.coordinates(model, state)
        for value, wanted in zip(back, (q, betas, trans)):
            assert np.abs(value - wanted).max() < 1e-9


def test_jacobian_is_exact(body):
    """Central differences over all 59 columns: turn, coordinates, place, shape."""
    model = body[2]
    rng = np.random.default_rng(2)
    q = np.concatenate([[2.8, 0.2, 0.5], rng.uniform(-0.7, 0.7, 43)])
    state = one_picture.state_of(model, q, rng.standard_normal(10), np.array([0.1, 0.2, 3.0]))
    x, jacobian = model.jacobian(state)
    assert np.abs(x - model.keypoints(state)).max() < 1e-12
    step = 1e-5
    numeric = np.stack([(model.keypoints(state.moved(step * d)) - model.keypoints(state.moved(-step * d))) / (2 * step)
                        for d in np.eye(N_COLUMNS)], -1)
    assert np.abs(jacobian - numeric).max() < 1e-8


def test_random_pictures_end_well(body):
    """Six problems with noise of 1 px of 256: every one finite, inside the limits, within two spreads of the noise, and
    with at most a few hundred evaluations."""
    model = body[2]
    rng = np.random.default_rng(3)
    for _ in range(6):
        truth, seen = draw(rng, model)
        outcome = one_picture.fit(model, one_picture.Picture(seen, FOCAL), begin(model))
        q, betas, cam_t = one_picture.coordinates(model, outcome.state)
        assert np.isfinite(np.concatenate([q, betas, cam_t])).all()
        assert (q[3:] >= sk.LOW[3:] - 1e-9).all() and (q[3:] <= sk.HIGH[3:] + 1e-9).all()
        x = model.keypoints(outcome.state)
        error = skelify_published.error_2d((FOCAL * x[:, :2] / x[:, 2:])[None], seen[None])[0]
        assert error < 4 * 2 * 0.004**2
        assert outcome.evaluations <= 4 * (one_picture.MOST_ROUNDS + one_picture.TRIAL_ROUNDS + 3)


@pytest.mark.parametrize("kind", ["nothing", "two", "nan", "huge", "one place"])
def test_bad_pictures_end_finite(body, kind):
    model = body[2]
    seen = np.zeros((44, 3))
    seen[:, 2] = 1
    if kind == "nothing":
        seen[:, 2] = 0
    elif kind == "two":
        seen[2:, 2] = 0
        seen[:2, :2] = 0.1
    elif kind == "nan":
        seen[:] = np.nan
    elif kind == "huge":
        seen[:, :2] = np.random.default_rng(0).standard_normal((44, 2)) * 1e6
    outcome = one_picture.fit(model, one_picture.Picture(seen, FOCAL), begin(model))
    q, betas, cam_t = one_picture.coordinates(model, outcome.state)
    assert np.isfinite(np.concatenate([q, betas, cam_t])).all()


def test_less_error_than_skelify_in_fewer_evaluations(shared):
    """The two problems of the fixture, judged by the full forward model."""
    data = parity.fixture("hsmr.npz")
    model = skelify.model_of(data)
    for n in range(2):
        outcome, result, _ = skelify.ours(model, data, n)
        error, off = skelify.judge(data, n, *result)
        assert error <= data["out_fit_kp2d_err"][n] / 10
        assert off < data["out_fit_joint_err_mm"][n]
        assert outcome.evaluations < data["out_fit_evals"][n].sum() / 4


def test_our_copy_of_skelify_does_what_the_public_code_did(shared):
    """Its first phase on the first problem ends at the recorded loss. (All five: `sinew bench fit`, error to 4 digits.)"""
    data = parity.fixture("hsmr.npz")
    objective = parity.objective_of({**data, "in_fit_kp2d": data["in_fit_kp2d"][:1]}, torch.float32, published_gradient=True)
    start = [torch.as_tensor(data[f"in_fit_init_{k}"][:1]) for k in ("poses", "betas", "cam_t")]
    q, betas, cam_t, _ = skelify_published.run_phase(objective, 0, *start)
    assert torch.equal(q[:, 3:], start[0][:, 3:]) and torch.equal(betas, start[1])
    loss = float(objective.terms(0, q, betas, cam_t)["weighted_sum"])
    assert loss == pytest.approx(float(data["out_fit_final_loss"][0, 0]), rel=1e-3)
