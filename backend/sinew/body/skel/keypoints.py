"""The 44 keypoints that HSMR and SKELify use: OpenPose's body 25, then 19 more, linear in the skin's vertices.

Published facts of HSMR (Xia et al. 2025) and of the keypoint set that it takes over from SPIN and 4D-Humans. The two
regressors are the user's own files (`J_regressor_SKEL_mix_MALE`, `SMPL_to_J19`).
"""

from __future__ import annotations

import numpy as np
import scipy.sparse

BODY_25 = (
    ("vertex", 332), ("joint", 12), ("joint", 17), ("joint", 19), ("joint", 21), ("joint", 16), ("joint", 18),
    ("joint", 20), ("joint", 0), ("joint", 2), ("joint", 5), ("joint", 8), ("joint", 1), ("joint", 4), ("joint", 7),
    ("vertex", 6260), ("vertex", 2800), ("vertex", 4071), ("vertex", 583), ("vertex", 3216), ("vertex", 3226),
    ("vertex", 3387), ("vertex", 6617), ("vertex", 6624), ("vertex", 6787))
"""Where each keypoint of body 25 comes from: a skin vertex, or a joint in SMPL's order."""
N_KEYPOINTS = 44
TORSO = ((5, 12), (2, 9))
"""Left shoulder to left hip, right shoulder to right hip: the lengths that stand for a person's size."""


def keypoint_matrix(smpl_joints_of_skin, more_of_skin) -> scipy.sparse.csr_matrix:
    """(44, 6890): keypoints = matrix @ skin.

    Args:
        smpl_joints_of_skin: (24, 6890) regressor of the joints in SMPL's order.
        more_of_skin: (19, 6890) regressor of the other keypoints.

    Raises:
        ValueError: A regressor has another size.
    """
    joints, more = scipy.sparse.csr_matrix(smpl_joints_of_skin), scipy.sparse.csr_matrix(more_of_skin)
    if joints.shape != (24, 6890) or more.shape != (19, 6890):
        raise ValueError(f"The regressors are {joints.shape} and {more.shape} instead of (24, 6890) and (19, 6890).")
    rows = []
    for kind, index in BODY_25:
        if kind == "joint":
            rows.append(joints[[index]])
        else:
            rows.append(scipy.sparse.csr_matrix((np.ones(1), ([0], [index])), shape=(1, joints.shape[1])))
    return scipy.sparse.vstack([*rows, more]).tocsr()
