"""What HSMR looks at: a square around a person, sized so that the middle 192 x 256 of it hold the person's box."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from .network import CROP_PX

ASPECT = 192 / 256
MEAN = (0.485, 0.456, 0.406)
SPREAD = (0.229, 0.224, 0.225)
"""ImageNet's, of RGB 0..1."""


def square(box_px: np.ndarray) -> np.ndarray:
    """Crop of a person's box.

    Args:
        box_px: (..., 4) x0 y0 x1 y1, tight around what is seen of the person.

    Returns:
        (..., 3) centre x, y and side, px: the box enlarged to 192:256, then to the square of its longer side.
    """
    box = np.asarray(box_px, dtype=float)
    size = box[..., 2:] - box[..., :2]
    side = np.maximum(size[..., 1], size[..., 0] / ASPECT)
    return np.concatenate([(box[..., :2] + box[..., 2:]) / 2, side[..., None]], -1)


def cut(picture: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """The crop's pixels, (256, 256, 3) uint8; black outside the picture.

    Args:
        picture: (H, W, 3) uint8 RGB.
        crop: (3,) of `square`; its corners are rounded to whole pixels, as in the released pipeline.
    """
    half = crop[2] / 2
    x0, y0, x1, y1 = (int(round(float(v))) for v in (crop[0] - half, crop[1] - half, crop[0] + half, crop[1] + half))
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    height, width = picture.shape[:2]
    a, b, c, d = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    # Shrunk by area: a crop sampled from a large picture point by point would flicker.
    method = cv2.INTER_AREA if x1 - x0 > CROP_PX else cv2.INTER_LINEAR
    out = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
    if c > a and d > b:
        out[b - y0:d - y0, a - x0:c - x0] = picture[b:d, a:c]
    return cv2.resize(out, (CROP_PX, CROP_PX), interpolation=method)


def normalised(crops: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """(B, 256, 256, 3) uint8 -> (B, 3, 256, 256) float32 as the network was trained on."""
    x = torch.from_numpy(np.ascontiguousarray(crops)).to(device).permute(0, 3, 1, 2).float() / 255
    mean, spread = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (MEAN, SPREAD))
    return (x - mean) / spread
