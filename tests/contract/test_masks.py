"""Masks packed and unpacked."""

import numpy as np

from sinew_take import masks


def test_round_trip():
    rng = np.random.default_rng(0)
    boxes = [(2, 3, 9, 12), (0, 0, 20, 15), (5, 5, 5, 5)]
    given = [((x0, y0, x1, y1), rng.random((y1 - y0, x1 - x0)) > 0.5) for x0, y0, x1, y1 in boxes] + [None]
    packed = masks.pack(given, (20, 15))
    for t, mask in enumerate(given):
        whole = np.zeros((15, 20), bool)
        if mask is not None:
            (x0, y0, x1, y1), bits = mask
            whole[y0:y1, x0:x1] = bits
        np.testing.assert_array_equal(masks.unpack(packed, t), whole)
