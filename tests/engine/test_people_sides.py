"""Left and right put right, on a walker whose sides are known."""

import numpy as np
import pytest

from sinew.people import swaps
from sinew.people.crops import SWAP


def walker(n: int, rate: float, view_deg: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keypoints of a walking stick figure seen from an angle (90: from the side): points in sizes, landmarks, times.

    Depth is flattened to half and jitters by 20 mm, the picture by 0.4 % of the person's size, as a detector's does.
    """
    t = np.arange(n) / rate
    world = np.zeros((n, 33, 3))  # forward, left, up

    def put(index, forward, left, up):
        world[:, index] = np.stack(np.broadcast_arrays(forward, left, up, t)[:3], -1)

    put(0, 0.12, 0.0, 1.65)
    for left, right, forward, out, up in ((1, 4, .10, .02, 1.68), (2, 5, .10, .03, 1.68), (3, 6, .09, .04, 1.68),
                                          (7, 8, 0., .08, 1.66), (9, 10, .10, .03, 1.60)):
        put(left, forward, out, up)
        put(right, forward, -out, up)
    for side, (offset, sign) in enumerate(((0.0, 1.0), (np.pi, -1.0))):
        step = 2 * np.pi * 0.9 * t + offset
        thigh, knee, arm = 0.45 * np.sin(step), 0.3 * (1 - np.cos(step - 1.0)), -0.4 * np.sin(step)
        put(23 + side, 0.0, 0.1 * sign, 0.95)
        kx, kz = 0.43 * np.sin(thigh), 0.95 - 0.43 * np.cos(thigh)
        put(25 + side, kx, 0.1 * sign, kz)
        ax, az = kx + 0.42 * np.sin(thigh - knee), kz - 0.42 * np.cos(thigh - knee)
        put(27 + side, ax, 0.1 * sign, az)
        put(29 + side, ax - 0.05, 0.1 * sign, az - 0.05)
        put(31 + side, ax + 0.15, 0.1 * sign, az - 0.07)
        put(11 + side, 0.0, 0.19 * sign, 1.42)
        ex, ez = 0.28 * np.sin(arm), 1.42 - 0.28 * np.cos(arm)
        put(13 + side, ex, 0.2 * sign, ez)
        wx, wz = ex + 0.25 * np.sin(arm + 0.3), ez - 0.25 * np.cos(arm + 0.3)
        put(15 + side, wx, 0.2 * sign, wz)
        for hand in (17, 19, 21):
            put(hand + side, wx + 0.05, 0.2 * sign, wz - 0.05)
    a = np.radians(view_deg)
    camera = np.stack([world[..., 0] * np.sin(a) - world[..., 1] * np.cos(a), -world[..., 2],
                       -world[..., 0] * np.cos(a) - world[..., 1] * np.sin(a)], -1)
    noise = np.random.default_rng(seed)
    landmarks = camera - camera[:, 23:25].mean(1, keepdims=True) + noise.normal(0, 0.02, camera.shape)
    landmarks[..., 2] *= 0.5
    return camera[..., :2] / 1.75 + noise.normal(0, 0.004, (n, 33, 2)), landmarks, t


def spoiled(n: int, seed: int) -> np.ndarray:
    """(n, 3) which groups are exchanged: stretches of 1 to 24 frames, under half of the shot; legs with or without hips."""
    random = np.random.default_rng(seed)
    out = np.zeros((n, 3), bool)
    for group in (1, 2):
        k = 5
        while k < n - 8:
            length = int(random.integers(1, 25))
            if (out[:, group].sum() + length) < 0.45 * n:
                out[k:k + length, group] = True
                out[k:k + length, 0] |= group == 1 and random.random() < 0.5
            k += length + int(random.integers(3, 40))
    return out


@pytest.mark.parametrize("view_deg", [0, 45, 90])
@pytest.mark.parametrize("rate", [24.0, 60.0])
def test_exchanged_stretches_are_all_put_right(view_deg, rate):
    for seed in range(3):
        n = int(4 * rate)
        points, landmarks, time_s = walker(n, rate, view_deg, seed)
        wrong = spoiled(n, 100 + seed)
        assert wrong.mean() > 0.1
        seen = np.stack([swaps.exchanged(p, *w) for p, w in zip(np.concatenate([points, landmarks], -1), wrong)])
        turn = swaps.read_sides(seen[..., :2], seen[..., 2:], np.ones((n, 33)), np.ones((n, 3)), time_s)
        # Where both sides lie on each other (a wrist behind a wrist) either reading is right: the picture decides.
        right = np.stack([swaps.exchanged(p, *t) for p, t in zip(seen, turn)])
        off = np.linalg.norm(right[..., :2] - points, axis=-1)
        assert off[:, swaps.LEGS].mean(1).max() < 0.02
        assert off[:, swaps.UPPER].mean(1).max() < 0.02


def test_a_right_walk_is_left_alone():
    points, landmarks, time_s = walker(120, 30.0, 90, 7)
    assert not swaps.read_sides(points, landmarks, np.ones((120, 33)), np.ones((120, 3)), time_s).any()


def test_of_both_labellings_the_one_with_more_votes_wins():
    points, landmarks, time_s = walker(60, 30.0, 20, 3)
    votes = np.full((60, 3), 0.2)
    assert swaps.read_sides(points, landmarks, np.ones((60, 33)), votes, time_s).all()


def test_crops_of_a_frame_are_read_alike_by_majority():
    points, landmarks, _ = walker(1, 30.0, 30, 5)
    pose = np.concatenate([points[0], landmarks[0]], -1)
    poses = np.stack([pose, swaps.exchanged(pose, True, True, False), pose, swaps.exchanged(pose, False, False, True), pose,
                      swaps.exchanged(pose, False, True, False)])
    flip, votes = swaps.agree(poses, np.ones((6, 33)))
    assert flip.astype(int).tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert votes == pytest.approx([5 / 6, 4 / 6, 5 / 6])


def test_exchanging_twice_changes_nothing_and_keeps_the_middle():
    pose = np.random.default_rng(0).normal(size=(4, 33, 3))
    both = swaps.exchanged(pose, True, True, True)
    assert np.array_equal(both, pose[:, SWAP])
    assert np.array_equal(swaps.exchanged(both, True, True, True), pose)
    assert np.array_equal(swaps.exchanged(pose, True, True, False)[:, :23], pose[:, :23])
    assert SWAP[0] == 0 and np.array_equal(SWAP[SWAP], np.arange(33))


def test_one_frame_and_none():
    points, landmarks, time_s = walker(1, 30.0, 0, 1)
    assert swaps.read_sides(points, landmarks, np.ones((1, 33)), np.ones((1, 3)), time_s).shape == (1, 3)
    assert swaps.read_sides(points[:0], landmarks[:0], np.ones((0, 33)), np.ones((0, 3)), time_s[:0]).shape == (0, 3)
