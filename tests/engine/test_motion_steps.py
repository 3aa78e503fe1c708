"""Steps, boxes and legs in the air: what stands on something that is not the floor is held there, and bends no floor."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tools.render_clip import cameras, clip

from sinew.flow import Camera, People, Shot, Track, VideoInfo
from sinew.motion import contact, solve_motion
from sinew.motion.model import DEPTH_BIAS_M, HIPS
from sinew_take import free_body

SIZE_PX = (640, 360)


def stances(height):
    """Of somebody on their feet, on these heights."""
    n = len(height)
    return contact.Stances(np.stack([np.zeros(n), np.zeros(n), height], 1), np.full(n, 0.45), np.ones(n))


def test_levels_are_as_few_as_the_heights_need():
    rng = np.random.default_rng(1)
    floor = rng.normal(0, 0.03, 12)
    assert contact.levels(floor, np.full(12, 0.45)).max() == 0
    steps = np.r_[floor, rng.normal(0.3, 0.03, 6), rng.normal(0.6, 0.03, 4)]
    level = contact.levels(steps, np.full(22, 0.45))
    assert level.tolist() == [0] * 12 + [1] * 6 + [2] * 4
    assert contact.floor_of(level, stances(steps), steps) == 0
    # Nor does it matter where a moving camera's points seem to show one: its scale came from these feet.
    assert contact.floor_of(level, stances(steps), steps, shown=0.25) == 0
    # One stance of many below all others is an error, not the floor.
    odd = np.r_[-0.5, floor]
    level = contact.levels(odd, np.full(13, 0.45))
    assert contact.floor_of(level, stances(odd), odd) == 1
    assert contact.levels(np.zeros(0), np.zeros(0)).tolist() == []


def test_what_stands_higher_than_the_floor():
    n = 30
    time_s, joined = np.arange(n) / 30, np.r_[False, np.ones(n - 1, bool)]
    soles = np.zeros((n, 4, 3))
    soles[:, 2:, 2] = 0.3
    pelvis = np.tile([0, 0, 1.2], (n, 1))
    still, seen = np.ones((n, 4)), np.ones((n, 4), bool)
    # The right foot up beside the standing left one: a leg held up, until the left one leaves.
    assert not contact.raised(still, soles, pelvis, time_s, joined, seen).any()
    still[12:, :2] = 0
    found = contact.raised(still, soles, pelvis, time_s, joined, seen)
    assert found[:, 2:].all() and not found[:, :2].any()
    # For a moment at the top of a jump, in a handstand, or on the floor: no.
    short = np.where((np.arange(n) >= 12)[:, None] & (np.arange(n) < 17)[:, None], [0, 0, 1.0, 1.0], 0.0)
    assert not contact.raised(short, soles, pelvis, time_s, joined, seen).any()
    assert not contact.raised(still, soles, pelvis - [0, 0, 1.0], time_s, joined, seen).any()
    assert not contact.raised(still, soles * 0.2, pelvis, time_s, joined, seen).any()
    # A foot that is hidden is where the fit put it, which shows no step.
    seen[14:, 2:] = False
    assert not contact.raised(still, soles, pelvis, time_s, joined, seen).any()


@pytest.fixture(scope="module")
def climbed():
    """Somebody walks over steps before a standing camera, as a faultless detector sees it, and the solve of it."""
    body = free_body.load()
    spec = clip.Spec((clip.Person(path="steps", heading_deg=80, body=0),), clip.Lens(height_m=1.5, fill=0.6), "street",
                     Fraction(15), 4.2, SIZE_PX)
    made = clip.make(spec, body)
    truth = {name: value.astype(float) for name, value in clip.truth(made).items()}
    n, T_wc, K = len(made.time_s), truth["T_wc"], truth["K"]
    local = np.einsum("tji,tkj->tki", T_wc[:, :3, :3], truth["keypoints_m"] - T_wc[:, None, :3, 3])
    px = cameras.project(truth["keypoints_m"], T_wc, K)
    landmarks = local - local[:, list(HIPS)].mean(1, keepdims=True)
    landmarks[..., 2] = 0.7 * landmarks[..., 2] + DEPTH_BIAS_M
    track = Track("person_1", np.ones(n, bool), np.concatenate([px, np.full((n, 33, 1), 0.95)], -1), np.zeros((n, 33)),
                  landmarks, np.concatenate([px.min(1), px.max(1)], -1), {})
    info = VideoInfo(Path("steps.mp4"), SIZE_PX, SIZE_PX, Fraction(15), n, 4.2, 0, Fraction(1), False, None)
    shot = Shot(info, np.arange(n, dtype=np.int32), made.time_s)
    camera = Camera(T_wc, K, np.zeros((n, 5)), "static", "user", "height")
    from sinew.motion.start import Start

    height = float(np.ptp(made.actors[0].rest_vertices_m[:, 2]))
    solved, (motion,) = solve_motion(shot, People([track]), camera, body, starts=[Start(truth["shape"])], height_m=height)
    return truth, solved, motion


def test_feet_stay_on_the_steps_and_the_floor_stays_level(climbed):
    from sinew.bench import metrics, world

    truth, camera, motion = climbed
    soles = world.soles_m(motion)
    on, ground = truth["contact"] > 0.5, truth["ground_m"]
    for high in (0.0, 0.15, 0.30):
        where = on & (np.abs(ground - high) < 0.01)
        off = soles[..., 2][where] - high
        assert np.median(np.abs(off)) < 0.05, f"{high} m: {np.median(off)} m"
    up = np.mean([metrics.angle_between_deg(a, b) for a, b in zip(camera.T_wc[:, 2, :3], truth["T_wc"][:, 2, :3])])
    assert up < 6  # degrees; with the steps taken for one tilted floor: 8
    slide = metrics.planted_slide(soles, truth["contact"])
    assert np.nanmean(slide) < 0.005  # m a frame
    raised = on & (ground > 0.02)
    assert (motion.arrays["contact"][raised] > 0.5).mean() > 0.7, "contacts on the steps are told"


def test_a_runner_s_foot_stands_at_a_higher_speed_than_a_slow_mover_s():
    at_rest, swinging = np.full(60, 0.1), np.linspace(0, 1, 60)
    assert contact.slow_of(np.concatenate([at_rest, swinging])) == 0.30  # m/s
    assert contact.slow_of(np.concatenate([at_rest, 2.5 * swinging])) == pytest.approx(2.5 * 0.9 / 6, rel=0.03)
    assert contact.slow_of(np.concatenate([at_rest, 6 * swinging])) == 0.50
    assert contact.slow_of(np.full((3, 4), np.inf)) == 0.30
    chance = contact.standing(np.concatenate([[0.45], 6 * swinging]))
    assert chance[0] > 0.5 > contact.standing(np.concatenate([[0.45], swinging]))[0]
