"""Person masks of a take: one bit per grid cell, only each frame's box stored."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def pack(masks: list[tuple[tuple[int, int, int, int], np.ndarray] | None], size_px: tuple[int, int]
         ) -> dict[str, np.ndarray]:
    """Pack per-frame masks into the arrays of `arrays.MASKS`.

    Args:
        masks: Per frame None, or ((x0, y0, x1, y1) in grid cells, bool array (y1 - y0, x1 - x0)).
        size_px: Width and height of the grid.
    """
    boxes, chunks, offset = [], [], [0]
    for mask in masks:
        box, bits = ((0, 0, 0, 0), np.zeros((0, 0), bool)) if mask is None else mask
        packed = np.packbits(np.ascontiguousarray(bits, dtype=bool).ravel())
        boxes.append(box)
        chunks.append(packed)
        offset.append(offset[-1] + len(packed))
    return {"size_px": np.array(size_px, np.int32), "box": np.array(boxes, np.int32).reshape(-1, 4),
            "offset": np.array(offset, np.int64),
            "bits": np.concatenate(chunks) if chunks else np.zeros(0, np.uint8)}


def gather(picked: Iterable[tuple[dict[str, np.ndarray], int] | None], size_px: np.ndarray) -> dict[str, np.ndarray]:
    """Packed masks of which each frame is one of others: packed ones and a frame of them, or None; the bits stay as they are.

    Args:
        picked: Per frame.
        size_px: Width and height of the grid.
    """
    boxes, chunks = [], []
    for pick in picked:
        box, bits = (0, 0, 0, 0), np.zeros(0, np.uint8)
        if pick is not None:
            own, t = pick
            box, bits = own["box"][t], own["bits"][own["offset"][t]:own["offset"][t + 1]]
        boxes.append(box)
        chunks.append(bits)
    return {"size_px": np.array(size_px, np.int32), "box": np.array(boxes, np.int32).reshape(-1, 4),
            "offset": np.cumsum([0, *map(len, chunks)], dtype=np.int64),
            "bits": np.concatenate(chunks) if chunks else np.zeros(0, np.uint8)}


def unpack(masks: dict[str, np.ndarray], frame: int) -> np.ndarray:
    """The mask of one frame on the whole grid, bool (height, width)."""
    width, height = (int(v) for v in masks["size_px"])
    out = np.zeros((height, width), bool)
    x0, y0, x1, y1 = (int(v) for v in masks["box"][frame])
    count = max(x1 - x0, 0) * max(y1 - y0, 0)
    if count:
        bits = masks["bits"][masks["offset"][frame]:masks["offset"][frame + 1]]
        out[y0:y1, x0:x1] = np.unpackbits(bits, count=count).reshape(y1 - y0, x1 - x0).astype(bool)
    return out
