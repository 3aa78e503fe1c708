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


def test_frames_of_several_packed_ones_are_put_together():
    rng = np.random.default_rng(5)
    first, second = (masks.pack([((t, 1, t + 5, 6), rng.random((5, 5)) < 0.5) for t in range(4)], (16, 9)) for _ in range(2))
    both = masks.gather([(first, 3), None, (second, 0), (first, 3)], first["size_px"])
    assert len(both["box"]) == 4 and {k: v.dtype for k, v in both.items()} == {k: v.dtype for k, v in first.items()}
    for t, expected in enumerate((masks.unpack(first, 3), np.zeros((9, 16), bool), masks.unpack(second, 0),
                                  masks.unpack(first, 3))):
        assert (masks.unpack(both, t) == expected).all()
    assert masks.gather([], (16, 9))["offset"].tolist() == [0]
