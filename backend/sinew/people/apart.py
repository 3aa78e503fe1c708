"""Whose cells of the masks' grid are whose, where people's soft masks meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .looks import Sighting

Box = tuple[int, int, int, int]


def tell_apart(sightings: Sequence[Sighting]) -> None:
    """Turn the soft masks of one frame's people into bits: each cell goes to the person whose mask is strongest there."""
    fields = [s.soft for s in sightings]
    for i, (sighting, own) in enumerate(zip(sightings, fields)):
        sighting.mask, sighting.soft = None, None
        if own is None:
            continue
        box, soft = own
        bits = soft > 0.5
        for j, other in enumerate(fields):
            if other is None or j == i:
                continue
            for here, there in _shared(box, other[0]):
                mine, rival = soft[here], other[1][there]
                bits[here] &= (mine > rival) | ((mine == rival) & (i < j))
        sighting.mask = _tight(box, bits)


def take_the_rest(sighting: Sighting, others: Sequence[Sighting]) -> None:
    """The same for somebody found in a frame whose other people have their bits already: they keep them."""
    own, sighting.mask, sighting.soft = sighting.soft, None, None
    if own is None:
        return
    box, soft = own
    bits = soft > 0.5
    for other in others:
        if other.mask is not None:
            for here, there in _shared(box, other.mask[0]):
                bits[here] &= ~other.mask[1][there]
    sighting.mask = _tight(box, bits)


def _shared(a: Box, b: Box) -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """What two boxes share, as rows and columns within a and within b; empty where they share nothing."""
    x0, y0, x1, y1 = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    if x1 <= x0 or y1 <= y0:
        return []
    return [tuple((slice(y0 - c[1], y1 - c[1]), slice(x0 - c[0], x1 - c[0])) for c in (a, b))]


def _tight(box: Box, bits: np.ndarray) -> tuple[Box, np.ndarray] | None:
    rows, columns = np.flatnonzero(bits.any(1)), np.flatnonzero(bits.any(0))
    if not len(rows):
        return None
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return ((box[0] + int(x0), box[1] + int(y0), box[0] + int(x1), box[1] + int(y1)), bits[y0:y1, x0:x1].copy())
