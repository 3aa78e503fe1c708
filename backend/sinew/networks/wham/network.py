"""WHAM (Shin et al. 2024): keypoints, picture features and the camera's turning to a motion in the world, with contacts.

Written from the published facts. 6D rotations are the first two rows of the matrix. The body is the user's SMPL.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ...files.checkpoints import read_checkpoint
from ..load import strictly
from .recurrent import N_KEYPOINTS, Integrator, MotionDecoder, MotionEncoder, TrajectoryDecoder, TrajectoryRefiner
from .smpl import SmplPoints

CONTACT_FROM = 0.5
"""Contacts are told without a sigmoid; above this the foot stands."""
CROP_PX = 224
NORMAL_RATE = 30
"""Frames a second of the training; velocities are metres a frame at this rate."""
HIPS = (11, 12)
"""Joints of WHAM's 31 whose middle is the body's origin."""


def from_6d(r: torch.Tensor) -> torch.Tensor:
    """(..., 6) first two rows, any length and angle -> (..., 3, 3)."""
    a, b = r[..., :3], r[..., 3:]
    x = torch.nn.functional.normalize(a, dim=-1)
    y = torch.nn.functional.normalize(b - (x * b).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], -2)


def to_6d(R: torch.Tensor) -> torch.Tensor:
    """(..., 3, 3) -> (..., 6)"""
    return R[..., :2, :].flatten(-2)


def roll_out(roots: torch.Tensor, velocity: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """roots (B, F+1, 6), velocity (B, F, 3) in the axes of the frame before -> turns (B, F, 3, 3), places (B, F, 3)."""
    R = from_6d(roots)
    return R[:, 1:], torch.cumsum((R[:, :-1] @ velocity[..., None])[..., 0], 1)


def picture_translation(camera: torch.Tensor, box: torch.Tensor, size_px: torch.Tensor,
                        focal_px: torch.Tensor) -> torch.Tensor:
    """Weak camera of the crop to the body's place in the picture's camera.

    Args:
        camera: (B, F, 3) s, tx, ty.
        box: (B, F, 3) centre x, y px and side / 200 px.
        size_px: (B, 2).
        focal_px: (B, F).
    """
    s, tx, ty = camera.unbind(-1)
    side = box[..., 2] * 200
    x = tx + 2 * (box[..., 0] - size_px[:, None, 0] / 2) / (s * side)
    y = ty + 2 * (box[..., 1] - size_px[:, None, 1] / 2) / (s * side)
    return torch.stack([x, y, 2 * focal_px / (s * side)], -1)


class Network(nn.Module):
    """The recurrent parts; the body is handed to `run`."""

    def __init__(self) -> None:
        super().__init__()
        self.mask_embedding = nn.Parameter(torch.empty(1, 1, N_KEYPOINTS, 2))
        self.motion_encoder = MotionEncoder()
        self.trajectory_decoder = TrajectoryDecoder()
        self.integrator = Integrator()
        self.motion_decoder = MotionDecoder()
        self.trajectory_refiner = TrajectoryRefiner()


def empty() -> Network:
    """A network without weights (meta device)."""
    with torch.device("meta"):
        return Network().eval().requires_grad_(False)


def load(path: Path) -> tuple[Network, int]:
    """Load a released checkpoint strictly; returns the network and the number of the body's tensors left out.

    Raises:
        RequestError, InputError: One sentence each.
    """
    network = empty()
    return network, strictly(network, read_checkpoint(path), ("smpl.",), "WHAM", Path(path))


@torch.inference_mode()
def run(network: Network, body: SmplPoints, keypoints: torch.Tensor, hidden: torch.Tensor, first_points: torch.Tensor,
        first_pose: torch.Tensor, first_root: torch.Tensor, camera_turning: torch.Tensor, K: torch.Tensor,
        box: torch.Tensor, size_px: torch.Tensor, features: torch.Tensor | None = None,
        y_up: bool = False) -> dict[str, torch.Tensor]:
    """One pass over clips of F frames at 30 frames a second.

    Args:
        network: With weights.
        body: SMPL with the maps "joints" (31) and "feet" (4).
        keypoints: (B, F, 37) COCO keypoints in the crop, -1..1, x and y interleaved, then the crop's centre and side.
        hidden: (B, F, 17) True where a keypoint is not seen.
        first_points: (B, 1, 88) keypoints in space at the first frame, hips' middle at the origin, then `keypoints[0]`.
        first_pose: (B, 1, 24, 6).
        first_root: (B, 1, 6) turn of the body in the world before the first frame.
        camera_turning: (B, F, 6) of the camera from frame to frame, 6D less the identity's, times the frame rate.
        K: (B, F, 3, 3) px.
        box: (B, F, 3) centre px and side / 200.
        size_px: (B, 2).
        features: (B, F, 1024) of the picture (HMR 2's token); None leaves the integrator out.
        y_up: Turn the world by half a turn about x at the end.

    Returns:
        By name, see `docs/sources.md`: kp3d_nn, poses_root_r6d, vel_root, pose, betas, cam, contact, poses_root_cam,
        poses_body, trans_cam, joints, vertices, feet, poses_root_r6d_refined, vel_root_refined, poses_root_world,
        trans_world, motion_context.
    """
    b, f = keypoints.shape[:2]
    points = torch.where(hidden[..., None], network.mask_embedding, keypoints[..., :2 * N_KEYPOINTS].unflatten(-1, (-1, 2)))
    x = torch.cat([points.flatten(2), keypoints[..., 2 * N_KEYPOINTS:]], -1)
    kp3d, seen = network.motion_encoder(x, first_points)
    roots, velocity = network.trajectory_decoder(seen, first_root, camera_turning)
    context = seen if features is None else network.integrator(seen, features)
    pose, betas, camera, contact = network.motion_decoder(context, first_pose)

    turns = from_6d(pose.view(b * f, 24, 6))
    shown = _centred(body(turns, betas.flatten(0, 1)))
    place = picture_translation(camera, box, size_px, K[..., 0, 0])
    velocity_kept = _still_feet(body, turns, betas, roots, velocity, contact)
    feet = _feet_in_world(shown["feet"].view(b, f, 4, 3), turns[:, 0].view(b, f, 3, 3), roots, velocity)
    moved = torch.diff(feet, dim=1, prepend=feet[:, :1]) * NORMAL_RATE
    d_root, d_velocity = network.trajectory_refiner(seen, (moved * contact[..., None]).flatten(2), roots[:, 1:],
                                                    velocity_kept)
    refined = torch.cat([roots[:, :1], roots[:, 1:] + d_root], 1)
    velocity_refined = velocity_kept + d_velocity
    R_world, world = roll_out(refined, velocity_refined)
    if y_up:
        over = torch.tensor([1.0, -1.0, -1.0], dtype=world.dtype)
        R_world, world = over[:, None] * R_world, over * world
    return {"kp3d_nn": kp3d.unflatten(-1, (-1, 3)), "motion_context": seen, "poses_root_r6d": roots,
            "vel_root": velocity, "pose": pose, "betas": betas, "cam": camera, "contact": contact,
            "poses_root_cam": turns[:, :1], "poses_body": turns[:, 1:], "trans_cam": place.flatten(0, 1),
            "joints": shown["joints"], "vertices": shown["vertices"], "feet": feet, "poses_root_r6d_refined": refined,
            "vel_root_refined": velocity_refined, "poses_root_world": R_world, "trans_world": world}


def _centred(points: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    middle = points["joints"][:, list(HIPS)].mean(1, keepdim=True)
    return {k: v - middle for k, v in points.items()}


def _still_feet(body: SmplPoints, turns: torch.Tensor, betas: torch.Tensor, roots: torch.Tensor, velocity: torch.Tensor,
                contact: torch.Tensor) -> torch.Tensor:
    """The velocity (B, F, 3) less the mean sliding of the feet that stand."""
    b, f = velocity.shape[:2]
    R = from_6d(roots)[:, 1:]
    world = torch.cat([R.reshape(-1, 1, 3, 3), turns[:, 1:]], 1)
    feet = _centred(body(world, betas.flatten(0, 1)))["feet"].view(b, f, 4, 3)
    moving = (R @ velocity[..., None])[..., 0]
    slide = torch.diff(feet, dim=1) + moving[:, 1:, None]
    slide = torch.cat([torch.zeros_like(slide[:, :1]), slide], 1) * (contact > CONTACT_FROM)[..., None]
    moving = moving - slide.sum(2) / ((slide != 0).sum(2).to(slide.dtype) + 1e-4)
    return (R.mT @ moving[..., None])[..., 0]


def _feet_in_world(feet: torch.Tensor, R_camera: torch.Tensor, roots: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
    """Feet about the hips in camera axes, (B, F, 4, 3), at their places in the world."""
    R_world, place = roll_out(roots, velocity)
    to_world = R_world @ R_camera.mT
    return (to_world[:, :, None] @ feet[..., None])[..., 0] + place[:, :, None]
