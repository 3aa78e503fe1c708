"""From shape coefficients to the arrays of a take's body."""

from __future__ import annotations

import numpy as np

from sinew_take.free_body import FreeBody


def build_body(body: FreeBody, shape: np.ndarray) -> dict[str, np.ndarray]:
    """One person's body in the rest pose.

    Args:
        body: The free body.
        shape: Its coefficients (B,), standard deviations, as in `Motion.shape`.

    Returns:
        The arrays of `sinew_take.arrays.BODY`. `laws.skin` with them and the motion's `T_wj` gives the posed skin; the
        joints are those that the motion was solved with.

    Raises:
        ValueError: `shape` has another length than the body's, or is not finite.
    """
    shape = np.asarray(shape, np.float32)
    if not np.isfinite(shape).all():
        raise ValueError("A body's shape must be finite.")
    return {
        "rest_vertices_m": body.vertices(shape).astype(np.float32),
        "faces": body.faces,
        "uv": body.uv,
        "rest_joints_m": body.joints(shape).astype(np.float32),
        "joint_frames": body.joint_frames,
        "skin_index": body.skin_index,
        "skin_weight": body.skin_weight,
        "shape": shape,
        "region": body.region,
    }
