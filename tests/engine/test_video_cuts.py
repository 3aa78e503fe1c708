"""Shot cuts: found where they are, and not where the camera or the light only moves."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from films import texture, write_film

from sinew import video
from sinew.video.cuts import CutFinder, thumb_size

SIZE = (320, 180)


def scene(seed, n, speed_px=2.0, start=0.0):
    """n pictures of a camera that pans over one scene, with a person-sized blob going the other way."""
    width = int(start + speed_px * n) + SIZE[0]
    wide = texture(seed, (width, 180), grain_px=22)
    pictures = []
    for k in range(n):
        x = int(start + speed_px * k)
        picture = wide[:, x:x + SIZE[0]].copy()
        cv2.ellipse(picture, (300 - 5 * k % 280, 110), (16, 60), 0, 0, 360, (40, 60, 90), -1)
        pictures.append(picture)
    return pictures


def transitions_of(pictures):
    finder = CutFinder()
    for picture in pictures:
        small = cv2.resize(picture, thumb_size(SIZE), interpolation=cv2.INTER_AREA)
        finder.push(cv2.cvtColor(small, cv2.COLOR_RGB2YUV))
    return finder.finish()


def cuts_of(pictures):
    """First frames after cuts; every cut must be a hard one."""
    cuts = transitions_of(pictures)
    assert all(cut.end == cut.start for cut in cuts), cuts
    return [cut.start for cut in cuts]


def flash(pictures, at, length):
    for k in range(at, at + length):
        pictures[k] = np.clip(pictures[k].astype(float) * 0.3 + 190, 0, 255).astype(np.uint8)
    return pictures


def faded(pictures):
    weights = np.abs(np.linspace(-1, 1, len(pictures)))
    return [(picture * w).astype(np.uint8) for picture, w in zip(pictures, weights, strict=True)]


def shaken(seed, n):
    rng = np.random.default_rng(seed)
    wide = texture(seed, (400, 240), grain_px=22)
    at = rng.integers(0, (24, 24), (n, 2))
    return [wide[y:y + SIZE[1], x:x + SIZE[0]] for x, y in at]


def whip(seed):
    """A camera at rest that is thrown round and rests again: up to 90 px (28 % of the width) from frame to frame."""
    wide = texture(seed, (1900, 180), grain_px=22)
    speed = np.r_[np.zeros(10), 10, 30, 60, 90, 90, 90, 60, 30, 10, np.zeros(10)]
    at = np.cumsum(speed).astype(int)
    sharp = [wide[:, x:x + SIZE[0]] for x in at]
    return [cv2.blur(p, (1 + int(v / 2), 1)) for p, v in zip(sharp, speed, strict=True)]


def zoomed(seed, n):
    wide = texture(seed, (640, 360), grain_px=22)
    out = []
    for k in range(n):
        f = 1 - 0.5 * k / n
        w, h = int(640 * f), int(360 * f)
        x, y = (640 - w) // 2, (360 - h) // 2
        out.append(cv2.resize(wide[y:y + h, x:x + w], SIZE, interpolation=cv2.INTER_AREA))
    return out


def street(n, start):
    """n pictures of a camera that goes along a wall with hedges at 1 px a frame: much of it looks alike elsewhere."""
    wide = texture(11, (600, 180), grain_px=14) // 6 + 120
    wide[100:] = texture(12, (600, 80), grain_px=14) // 8 + 60
    wide[20:100, ::90] = 70
    for x in range(40, 600, 150):
        wide[60:100, x:x + 60] = (30, 90, 30)
    pictures = [wide[:, start + k:start + k + SIZE[0]].copy() for k in range(n)]
    for k, picture in enumerate(pictures):
        cv2.ellipse(picture, (200 - 3 * k, 110), (16, 60), 0, 0, 360, (40, 60, 90), -1)
    return pictures


def test_a_jump_within_one_place_is_a_cut_unless_pictures_are_missing(tmp_path):
    pictures = street(30, 0) + street(30, 50)
    assert cuts_of(pictures) == [30]
    assert cuts_of(street(60, 0)) == []
    late = [k if k < 30 else k + 20 for k in range(60)]
    shots = [len(video.find_shots(write_film(tmp_path / name, pictures, ticks=ticks)).shots)
             for name, ticks in (("cut.mp4", None), ("late.mp4", late))]
    assert shots == [2, 1]


@pytest.mark.parametrize("speed", [0.0, 3.0, 12.0])
def test_hard_cuts_are_found_where_they_are(speed):
    lengths = [20, 9, 31, 12, 7, 25]
    pictures = [p for seed, n in enumerate(lengths) for p in scene(seed, n, speed)]
    assert cuts_of(pictures) == np.cumsum(lengths)[:-1].tolist()


def test_cuts_at_the_edges_and_a_short_piece_between_different_shots():
    pictures = scene(1, 2) + scene(2, 20) + scene(3, 3) + scene(4, 20) + scene(5, 2)
    assert cuts_of(pictures) == [2, 22, 25, 45]


@pytest.mark.parametrize("name", ["pan", "fast pan", "flash", "long flash", "fade", "shake", "whip", "zoom", "insert",
                                  "noise", "stutter", "blob"])
def test_what_is_no_cut_is_not_taken_for_one(name):
    rng = np.random.default_rng(3)
    calm = scene(1, 40)
    pictures = {
        "pan": lambda: scene(1, 60, 6.0),
        "fast pan": lambda: scene(1, 60, 30.0),
        "flash": lambda: flash(calm, 20, 1),
        "long flash": lambda: flash(calm, 20, 4),
        "fade": lambda: faded(scene(1, 50, 0.3)),
        "shake": lambda: shaken(5, 50),
        "whip": lambda: whip(6),
        "zoom": lambda: zoomed(7, 40),
        "insert": lambda: calm[:20] + scene(9, 3) + calm[23:],
        "noise": lambda: [rng.integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8) for _ in range(30)],
        "stutter": lambda: [p for p in scene(1, 30, 12.0)[::3] for _ in range(3)],
        "blob": lambda: scene(2, 40, 0.0),
    }[name]()
    assert cuts_of(pictures) == []


@pytest.mark.parametrize("speed", [0.5, 1.5, 4.0, 8.0, 16.0])
def test_pans_of_any_speed_are_one_shot(speed):
    for seed in range(4):
        assert transitions_of(scene(20 + seed, 80, speed)) == []


@pytest.mark.parametrize("length", [6, 12, 24, 40])
@pytest.mark.parametrize("speed", [0.0, 0.2])
def test_a_dissolve_is_found_and_left_out(length, speed):
    before, after = scene(11, 40 + length, speed), scene(12, 40 + length, speed)
    weights = (np.arange(length) + 1) / (length + 1)
    mixed = [cv2.addWeighted(a, 1 - w, b, w, 0) for a, b, w in zip(before[40:], after[:length], weights, strict=True)]
    (cut,) = transitions_of(before[:40] + mixed + after[length:])
    assert abs(cut.end - (40 + 0.15 * length)) <= 4
    assert abs(cut.start - (40 + 0.85 * length)) <= 4


@pytest.mark.parametrize("dark", [1, 6, 20])
def test_a_fade_through_black_parts_two_scenes_but_not_one(dark):
    def through_black(first, second):
        down, up = np.linspace(1, 0, 12), np.linspace(0, 1, 12)
        return (first[:40] + [(p * w).astype(np.uint8) for p, w in zip(first[40:], down, strict=True)]
                + [np.zeros_like(first[0])] * dark
                + [(p * w).astype(np.uint8) for p, w in zip(second[:12], up, strict=True)] + second[12:])

    (cut,) = transitions_of(through_black(scene(13, 52), scene(14, 52)))
    assert 40 <= cut.end <= 51 and 52 + dark <= cut.start <= 64 + dark
    still = scene(13, 52, 0.0)
    assert transitions_of(through_black(still, still)) == []


def test_black_at_the_ends_is_no_shot(tmp_path):
    black = [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)] * 20
    scan = video.find_shots(write_film(tmp_path / "black.mp4", black + scene(1, 30) + black))
    assert [shot.frame.tolist() for shot in scan.shots] == [list(range(20, 50))]
    assert any("2 empty pieces" in note for note in scan.notes)


def test_black_between_hard_cuts_is_no_shot(tmp_path):
    black = [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)] * 60
    path = write_film(tmp_path / "black.mp4", scene(1, 30) + black + scene(2, 30))
    scan = video.find_shots(path)
    assert [shot.frame.tolist() for shot in scan.shots] == [list(range(30)), list(range(90, 120))]
    assert any(note.startswith("60 frames between shots") for note in scan.notes)
    nothing_else = video.find_shots(write_film(tmp_path / "all.mp4", black))
    assert [shot.n_frames for shot in nothing_else.shots] == [60]


def test_real_footage_cut_together(shared):
    """Pieces of the real clips joined at 24 places, forwards, mirrored and as close-ups, give these cuts and no other."""
    pictures = {}
    for name in ("juggler", "park_two_people", "two_children", "skater_moving_camera"):
        (shot,) = video.find_shots(shared / "clips" / f"{name}.mp4", 0, 1.6).shots
        pictures[name] = [cv2.resize(p, (640, 360), interpolation=cv2.INTER_AREA) for _, p in video.frames(shot)]
    pieces = []
    for name, mirror, close in [("juggler", False, False), ("park_two_people", False, False), ("two_children", False, False),
                                ("juggler", True, False), ("skater_moving_camera", False, False),
                                ("park_two_people", False, True), ("two_children", True, False), ("juggler", False, True)]:
        whole = [p[90:270, 320:] if close else p for p in pictures[name]]
        pieces.append([p[:, ::-1] if mirror else p for p in whole])
    order = [(k * 3 % len(pieces), 8 * (k // len(pieces)), 14 + k % 9) for k in range(25)]
    joined = [pieces[i][start:start + n] for i, start, n in order]
    assert cuts_of([p for piece in joined for p in piece]) == np.cumsum([len(piece) for piece in joined])[:-1].tolist()


def test_a_range_across_cuts_gives_a_shot_each(tmp_path):
    lengths = [20, 3, 15, 22]
    path = write_film(tmp_path / "cut.mp4", [p for seed, n in enumerate(lengths) for p in scene(seed, n)], rate=25)
    scan = video.find_shots(path)
    assert [shot.frame.tolist() for shot in scan.shots] == [list(range(20)), list(range(23, 38)), list(range(38, 60))]
    assert [shot.time_s[0] for shot in scan.shots] == pytest.approx([0, 23 / 25, 38 / 25], abs=1e-9)
    assert any("3 cuts" in note for note in scan.notes)
    assert any("1 piece" in note and "3 frames" in note for note in scan.notes)
    assert scan.info.n_frames == 60
    for before, after in pairwise(scan.shots):
        _, picture = next(video.frames(after))
        _, other = next(video.frames(before))
        assert np.abs(picture.astype(int) - other).mean() > 20
    inside = video.find_shots(path, 0.92, 1.5)
    assert [shot.frame.tolist() for shot in inside.shots] == [list(range(23, 38))]


def test_a_clip_of_short_pieces_keeps_the_longest(tmp_path):
    path = write_film(tmp_path / "short.mp4", [p for seed, n in enumerate([2, 4, 3]) for p in scene(seed, n)])
    scan = video.find_shots(path)
    assert [shot.frame.tolist() for shot in scan.shots] == [[2, 3, 4, 5]]
