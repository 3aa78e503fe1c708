"""The crowd's clip: so many copies, each ahead of the one before it, on pictures of one size."""

import numpy as np

from sinew.bench import crowd


def test_a_crowd_is_copies_of_one_clip_played_to_and_fro():
    pictures = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 3), np.uint8)
    empty = np.full((2, 3, 3), 200, np.uint8)
    frames = list(crowd.tiled(pictures, empty, 3, 45))
    assert len(frames) == 45 and frames[0].shape == (crowd.DOWN * 2, crowd.ACROSS * 3, 3)
    tiles = np.stack(frames)[:, ::2, ::3, 0].reshape(45, crowd.MOST)
    assert tiles[:22, 0].tolist() == [*range(20), 18, 17]
    assert (np.abs(np.diff(tiles[:, :3].astype(int), axis=0)) == 1).all()
    assert tiles[0, :3].tolist() == [0, crowd.APART, 2 * crowd.APART] and (tiles[:, 3:] == 200).all()
