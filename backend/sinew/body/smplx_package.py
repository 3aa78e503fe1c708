"""The `smplx` package (PyPI), where the user has installed it: the same body evaluated by its authors' own code.

The package is not free software (Max Planck, non-commercial research), so Sinew neither needs nor installs it:
`pip install smplx==0.1.28` is the user's own choice. It never opens the user's file: what our restricted reader read is
handed over as data, for SMPL-X through a temporary .npz of plain arrays that we write, because its constructor takes
none.
"""

from __future__ import annotations

import importlib.metadata
import tempfile
from pathlib import Path

import numpy as np

from .smpl_files import SmplModel


def is_installed() -> bool:
    try:
        importlib.metadata.version("smplx")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def evaluate(model: SmplModel, betas: np.ndarray, rotations: np.ndarray, expression: np.ndarray | None = None
             ) -> tuple[np.ndarray, np.ndarray]:
    """One pose by the package.

    Args:
        model: As read by `smpl_files`.
        betas: (<= B,); of SMPL-X only the first ten may be other than 0.
        rotations: (J, 3) axis-angle against the parent, SMPL's axes, root first; hands against a flat hand.
        expression: (X,), SMPL-X only.

    Returns:
        Vertices (V, 3) and joints (J, 3), with the package's pose correctives.

    Raises:
        ImportError: The package is not installed.
    """
    import smplx
    import torch

    def row(values):
        return torch.as_tensor(np.asarray(values, np.float32)).reshape(1, -1)

    betas = model.betas(betas)
    data = {"v_template": model.template_m, "posedirs": model.pose_dirs_m, "weights": model.weight, "f": model.faces,
            "J_regressor": model.regressor.toarray(),
            "kintree_table": np.array([[0, *model.parents[1:]], range(len(model.parents))])}
    common = {"num_betas": len(betas), "gender": model.gender, "use_pca": False, "flat_hand_mean": True}
    rotations = np.asarray(rotations, float)
    with torch.no_grad():
        if model.family == "smpl":
            data["shapedirs"] = model.shape_dirs_m
            body = smplx.SMPL("", data_struct=smplx.utils.Struct(**data), num_betas=len(betas))
            out = body(betas=row(betas), global_orient=row(rotations[0]), body_pose=row(rotations[1:]))
        else:
            data |= {f"hands_{what}{side}": np.zeros(shape) for side in "lr"
                     for what, shape in (("mean", 45), ("components", (45, 45)))}
            hands = {"left_hand_pose": row(rotations[-30:-15]), "right_hand_pose": row(rotations[-15:])}
            pose = {"betas": row(betas), "global_orient": row(rotations[0]), "body_pose": row(rotations[1:22]), **hands}
            if model.family == "smplh":
                data["shapedirs"] = model.shape_dirs_m
                body = smplx.SMPLH("", data_struct=smplx.utils.Struct(**data), **common)
                out = body(**pose)
            else:
                n = model.expression_dirs_m.shape[2]
                if betas[10:].any() or n > 10:
                    raise ValueError("The package is handed at most 10 shape and 10 expression directions.")
                betas = betas[:10]
                dirs = np.zeros((*model.template_m.shape, 20))
                dirs[:, :, : len(betas)] = model.shape_dirs_m[:, :, : len(betas)]
                dirs[:, :, 10: 10 + n] = model.expression_dirs_m
                data |= {"shapedirs": dirs, "lmk_faces_idx": np.zeros(1, np.int64), "lmk_bary_coords": np.eye(3)[:1]}
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "SMPLX_NEUTRAL.npz"
                    np.savez(path, **data)
                    body = smplx.SMPLX(str(path), **{**common, "num_betas": 10}, num_expression_coeffs=10)
                face = np.zeros(10)
                if expression is not None:
                    face[: len(expression)] = expression
                pose["betas"] = row(np.pad(betas, (0, 10 - len(betas))))
                out = body(**pose, expression=row(face), jaw_pose=row(rotations[22]), leye_pose=row(rotations[23]),
                           reye_pose=row(rotations[24]))
    n_joints = len(model.parents)
    return out.vertices[0].numpy().astype(float), out.joints[0, :n_joints].numpy().astype(float)
