"""Parity with the public implementations: the largest difference per output, float64 and float32, beside the tolerance.

SKEL, its gradients, the 44 keypoints, the pose representation and SKELify's objective are here; the networks have a
module of their own. The fixtures (../shared/truth/parity) were made by running the public code on synthetic bodies.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse
import torch

from sinew.body.skel import representation
from sinew.body.skel.forward import Skel
from sinew.body.skel.keypoints import keypoint_matrix
from sinew.body.skel.model_file import SkelFile, check_skel

from . import SHARED, need
from .skelify_published import PHASES, TERMS, Limits, Objective
from .tables import Row, row

FOLDER = SHARED / "truth" / "parity"
CASES = ("zero", "shape", "dof", "equal", "unequal", "edge")


def fixture(name: str) -> dict[str, np.ndarray]:
    """Arrays of a fixture; raises `Unavailable` where it is missing."""
    with np.load(need(FOLDER / name, "The parity fixture"), allow_pickle=False) as data:
        return {k: data[k] for k in data.files}


def matrix(data: dict[str, np.ndarray], name: str) -> scipy.sparse.coo_matrix:
    """A sparse matrix of a fixture."""
    return scipy.sparse.coo_matrix((data[f"{name}_data"], (data[f"{name}_row"], data[f"{name}_col"])),
                                   shape=tuple(data[f"{name}_shape"]))


def skel_content(data: dict[str, np.ndarray]) -> dict:
    """The fixture's synthetic body as the official file holds it: a table of arrays and sparse matrices."""
    out = {k: v for k, v in data.items() if not k.startswith(("in_", "out_")) and k != "seed"}
    for key in [k[:-4] for k in out if k.endswith("_row")]:
        out[key] = matrix(data, key)
        for part in ("row", "col", "data", "shape"):
            del out[f"{key}_{part}"]
    return {k: v.tolist() if v.dtype.kind == "U" else v for k, v in out.items()}


def skel_file() -> SkelFile:
    """The fixture's synthetic body, checked as a file is."""
    return check_skel(skel_content(fixture("skel.npz")), "skel.npz")


def most(got, want, relative: bool = False) -> float:
    """Largest difference; relative to the largest wanted number where asked."""
    got = got.detach().double().cpu().numpy() if isinstance(got, torch.Tensor) else np.asarray(got, np.float64)
    if got.shape != np.shape(want):
        raise ValueError(f"{got.shape} against {np.shape(want)}")
    difference = float(np.abs(got - want).max())
    return difference / float(np.abs(want).max()) if relative else difference


def turns(got: torch.Tensor, want: np.ndarray) -> float:
    """Largest difference of angles, modulo whole turns, rad."""
    d = got.detach().double().numpy() - want
    return float(np.abs((d + np.pi) % (2 * np.pi) - np.pi).max())


Difference = tuple[str, float, float]
"""What, the largest difference, and what it may be."""


def skel(dtype: torch.dtype) -> list[Difference]:
    """Every case of skel.npz: per output, the largest difference over the cases."""
    data, file = fixture("skel.npz"), skel_file()
    model = Skel(file, dtype)
    double = dtype == torch.float64
    found: dict[str, tuple[float, float]] = {}

    def note(name: str, value: float, limit: float) -> None:
        found[name] = (max(value, found.get(name, (0.0, 0.0))[0]), limit)

    for case in CASES:
        given = {n: torch.as_tensor(data[f"in_{case}_{n}"], dtype=dtype) for n in ("poses", "betas", "trans")}
        rest = model.rest(given["betas"])
        posed = model.pose(given["poses"], rest, given["trans"])
        skin, surface = model.skin(posed), model.surface(posed)
        got = {"joints": posed.joints_m, "joints_ori": posed.orientation, "joints_tpose": rest.joints_m,
               "bone_scale": model.bone_scale(rest), "skin_verts": skin[:, data["in_skin_idx"]],
               "skel_verts": surface[:, data["in_skel_idx"]], "skin_mean": skin.mean(1),
               "skin_std": skin.std(1, unbiased=False), "skel_mean": surface.mean(1),
               "skel_std": surface.std(1, unbiased=False)}
        if case == "unequal":
            got["pose_offsets"] = model.pose_offsets(posed.local)[:, data["in_skin_idx"]]
        limit = 1e-10 if double else 2e-5 if case == "edge" else 5e-6
        for name, value in got.items():
            suffix = " (edge)" if case == "edge" else ""
            note(f"SKEL {name}{suffix}", most(value, data[f"out_{case}_{name}"]), limit)
    return [(name, *pair) for name, pair in found.items()]


def gradients(dtype: torch.dtype) -> list[Difference]:
    """Derivatives of joints and skin, relative to the largest entry; three samples, one at exactly zero.

    Those of the skin are compared as the public code gives them, and the exact ones are listed beside: in the public code
    the ankle still receives the gradient of a pose corrective that the subtalar joint's overwrites.
    """
    data, file = fixture("skel.npz"), skel_file()
    limit = 1e-10 if dtype == torch.float64 else 5e-5
    weights = [torch.as_tensor(data[f"in_grad_{n}"], dtype=dtype) for n in ("weights", "skin_weights")]
    out = []
    for published in (True, False):
        model = Skel(file, dtype, published_gradient=published)
        worst = dict.fromkeys(("poses", "betas", "skin_poses", "skin_betas"), 0.0)
        for n in range(len(data["in_grad_poses"])):
            q, betas = (torch.as_tensor(data[f"in_grad_{k}"][n:n + 1], dtype=dtype).requires_grad_()
                        for k in ("poses", "betas"))
            posed = model.pose(q, model.rest(betas))
            sums = ((posed.joints_m * weights[0]).sum(), (model.skin(posed)[:, data["in_skin_idx"]] * weights[1]).sum())
            for start, total in zip(("", "skin_"), sums):
                for key, g in zip(("poses", "betas"), torch.autograd.grad(total, (q, betas), retain_graph=True)):
                    want = data[f"out_grad_{start}{key}"][n]
                    worst[start + key] = max(worst[start + key], most(g[0], want, relative=True))
        if published:
            out += [(f"SKEL gradient {k}", v, limit) for k, v in worst.items()]
        else:
            out += [(f"SKEL exact gradient {k} (the public one is not)", v, np.inf)
                    for k, v in worst.items() if k.startswith("skin")]
    return out


def keypoints(dtype: torch.dtype) -> list[Difference]:
    """The 44 keypoints and SMPL's joints of four poses; the representation, both ways."""
    data = fixture("hsmr.npz")
    double = dtype == torch.float64
    limit = 1e-10 if double else 5e-6
    joints = matrix(data, "J_regressor_SKEL_mix_MALE")
    regress = keypoint_matrix(joints, matrix(data, "SMPL_to_J19"))
    model = Skel(skel_file(), dtype)
    given = {n: torch.as_tensor(data[f"in_{n}"], dtype=dtype)
             for n in ("wrapper_poses", "wrapper_betas", "q", "rep_free")}
    skin = model.skin(model.pose(given["wrapper_poses"], model.rest(given["wrapper_betas"])))
    dense = [torch.as_tensor(m.toarray(), dtype=dtype) for m in (regress, joints)]
    rep = representation.q_to_rep(given["q"])
    angle = 1e-10 if double else 3e-5
    return [("keypoint matrix", float(abs(regress - matrix(data, "kp44")).max()), 1e-7),
            ("keypoints 44", most(dense[0] @ skin, data["out_wrapper_joints44"]), limit),
            ("SMPL joints 24", most(dense[1] @ skin, data["out_wrapper_joints24"]), limit),
            ("representation of q", most(rep, data["out_rep"]), angle),
            ("representation, q back", turns(representation.rep_to_q(rep), data["out_q_back"]), angle),
            ("representation, free numbers", turns(representation.rep_to_q(given["rep_free"]), data["out_q_free"]), angle)]


def objective_of(data: dict[str, np.ndarray], dtype: torch.dtype, published_gradient: bool = False) -> Objective:
    """SKELify's published objective on the fixture's two problems."""
    regress = keypoint_matrix(matrix(data, "J_regressor_SKEL_mix_MALE"), matrix(data, "SMPL_to_J19"))
    used = np.unique(regress.indices)
    model = Skel(skel_file(), dtype, vertices=used, published_gradient=published_gradient)
    limits = Limits(data["limit_qid"], data["limit_low"], data["limit_up"])
    return Objective(model, torch.as_tensor(regress[:, used].toarray(), dtype=dtype),
                     torch.as_tensor(data["in_fit_kp2d"], dtype=dtype), limits)


def skelify(dtype: torch.dtype) -> list[Difference]:
    """Loss terms and gradients of the published objective, relative to the largest entry."""
    data = fixture("hsmr.npz")
    objective = objective_of(data, dtype, published_gradient=True)
    limit = 1e-9 if dtype == torch.float64 else 1e-5
    q, betas, cam_t = (torch.as_tensor(data[f"in_loss_{n}"], dtype=dtype).requires_grad_()
                       for n in ("poses", "betas", "cam_t"))
    points = objective.keypoints_m(q, betas)
    out = [("SKELify projected keypoints", most(objective.project(points, cam_t), data["out_loss_kp2d"]), limit),
           ("SKELify depth guess", most(objective.depth_guess(points), data["out_loss_cam_z_guess"], True), limit),
           ("SKELify torso in the picture", most(objective.size_2d, data["out_loss_kp2d_scale"], True), limit)]
    worst = dict.fromkeys([*TERMS, "poses", "betas", "cam_t"], 0.0)
    for phase in range(len(PHASES)):
        terms = objective.terms(phase, q, betas, cam_t)
        for n, name in enumerate(TERMS):
            want = data["out_loss_terms"][:, phase, n]
            if (name in terms) == bool(np.isnan(want).any()):
                raise ValueError(f"Phase {PHASES[phase]} has not the published terms.")
            if name in terms:
                worst[name] = max(worst[name], most(terms[name], want, relative=True))
        grads = torch.autograd.grad(terms["weighted_sum"].sum(), (q, betas, cam_t), retain_graph=True)
        for name, g in zip(("poses", "betas", "cam_t"), grads):
            worst[name] = max(worst[name], most(g, data[f"out_loss_grad_{name}"][:, phase], relative=True))
    return out + [(f"SKELify {'gradient ' if k not in TERMS else ''}{k}", v, limit) for k, v in worst.items()]


def differences(dtype: torch.dtype) -> list[Difference]:
    """All of this module's, in one precision."""
    return skel(dtype) + gradients(dtype) + keypoints(dtype) + skelify(dtype)


def run(say: Callable[[str], None]) -> list[Row]:
    """Bodies here, networks from their own module."""
    rows = []
    for dtype in (torch.float64, torch.float32):
        name = str(dtype).removeprefix("torch.")
        say(f"  {name} …")
        for what, value, limit in differences(dtype):
            target = f"at most {limit:.0e}" if np.isfinite(limit) else "for information"
            rows.append(row(f"{what}, {name}", value, "", target=target))
    from . import parity_networks

    say("  networks …")
    return rows + parity_networks.rows()
