"""The motion stage on walks with known coordinates, and on input that is hardly any."""

import numpy as np
import pytest
from walks import SIZE_PX, Filmed, laws_agree

from sinew.bench import metrics
from sinew.camera import solve_camera
from sinew.flow import CameraOptions, People
from sinew.geometry import projection
from sinew.motion import fit, solve_motion
from sinew_take import arrays as spec
from sinew_take import free_body
from sinew_take import skeleton as sk
from sinew_take.errors import InputError, Stopped

LIMBS = [sk.JOINT_INDEX[n] for n in metrics.LIMB_JOINTS]
SHAPE = np.r_[0.5, -0.5, np.zeros(19)]


@pytest.fixture(scope="module")
def body():
    return free_body.load()


def solve(film, body, people=None, **options):
    people = people or film.people
    options.setdefault("fov_deg", float(np.degrees(2 * np.arctan(SIZE_PX[0] / 2 / film.K[0, 0]))))
    camera, starts = solve_camera(film.shot, people, body, CameraOptions(**options), look=False)
    return solve_motion(film.shot, people, camera, body, starts=starts)


def check_motion(motion, n):
    """What every motion must keep, however bad the input."""
    a = motion.arrays
    sizes = {"T": n}
    spec.check("motion", a, spec.MOTION, sizes)
    present = a["present"]
    for name in ("q", "root_m", "joints_m", "T_wj", "confidence", "contact"):
        assert np.isfinite(a[name][present]).all(), name
        assert np.isnan(a[name][~present]).all(), name
    assert sk.within_limits(a["q"], 0.0).all()
    assert (a["confidence"][present] >= 0).all() and (a["confidence"][present] <= 1).all()
    assert set(np.unique(a["source"])) <= {0, 1, 2}


@pytest.fixture(scope="module")
def walk(body):
    film = Filmed(body, n=60, shape=SHAPE[:body.n_shape])
    camera, motions = solve(film, body, height_m=film.model.stature(film.shape))
    return film, camera, motions[0]


def test_a_height_that_the_body_cannot_have_is_said(body):
    film = Filmed(body, n=20)
    for height, is_said in ((0.4, True), (1.9, False)):
        camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(fov_deg=58, height_m=height), look=False)
        camera, _ = solve_motion(film.shot, film.people, camera, body, starts=starts, height_m=height)
        said = [note for note in camera.notes if note.startswith(
            f"person_1 was said to be {height:.2f} m tall, which this body cannot be; it came out 0.")]
        assert len(said) == is_said


def test_a_known_walk_is_recovered(walk):
    film, camera, motion = walk
    a = motion.arrays
    check_motion(motion, 60)
    joints, truth = a["joints_m"][:, LIMBS], film.joints_m[:, LIMBS]
    assert metrics.pa_mpjpe(joints, truth) < 0.025  # m
    assert metrics.world_mpjpe(joints, truth) < 0.06  # m
    assert abs(film.model.stature(motion.shape) - film.model.stature(film.shape)) < 0.03  # m
    assert np.nanmean(motion.pixel_error) < 4.0  # px, of a person 400 px tall
    names = ("knee_angle_r", "knee_angle_l", "elbow_flexion_r", "elbow_flexion_l", "hip_flexion_r", "hip_flexion_l")
    columns = [sk.DOF_INDEX[n] for n in names]
    assert metrics.angle_rmse_deg(a["q"][:, columns], film.q[:, columns]).max() < 12
    up = camera.T_wc[0, :3, :3] @ film.R_cw @ [0, 0, 1.0]
    assert metrics.angle_between_deg(up, np.array([0, 0, 1.0])) < 4


def test_joints_follow_from_the_coordinates(walk, body):
    _, _, motion = walk
    assert laws_agree(motion.arrays, body, motion.shape) < 1e-6  # m


def test_world_is_the_take_s(walk):
    film, camera, motion = walk
    a = motion.arrays
    assert np.abs(a["root_m"][0, :2]).max() < 1e-5  # origin under the first pelvis
    ahead = camera.T_wc[0, :3, 2]
    assert abs(ahead[0]) < 1e-6 and ahead[1] > 0
    assert np.array_equal(camera.T_wc[0], camera.T_wc[-1])
    # Planted feet stand on the floor and still.
    soles = a["joints_m"][:, [sk.JOINT_INDEX[n] for n in ("calcn_l", "toes_l", "calcn_r", "toes_r")]]
    slide = metrics.planted_slide(soles, a["contact"])
    assert len(slide) > 20
    assert np.percentile(slide, 95) < 0.010  # m a frame
    planted = a["contact"] > 0.5
    rest = np.asarray(free_body.load().joints(motion.shape))[[sk.JOINT_INDEX[n] for n in
                                                              ("calcn_l", "toes_l", "calcn_r", "toes_r")], 2]
    assert abs(np.median((soles[..., 2] - rest)[planted])) < 0.03  # m


def test_contacts_are_the_walk_s(walk):
    film, _, motion = walk
    speed = np.linalg.norm(np.gradient(film.soles_m, film.time_s, axis=0), axis=-1)
    down = (speed < 0.15) & (film.soles_m[..., 2] < 0.02)
    chance = motion.arrays["contact"]
    assert down.sum() > 20
    assert chance[down].mean() > 0.7
    assert chance[speed > 1.0].mean() < 0.1


def test_short_gaps_are_filled_and_marked_long_ones_are_not(body):
    film = Filmed(body, n=80)
    film.hide(slice(20, 25))
    film.hide(slice(40, 60))
    _, (motion,) = solve(film, body)
    a = motion.arrays
    check_motion(motion, 80)
    assert a["present"][:40].all() and not a["present"][40:60].any() and a["present"][60:].all()
    assert (a["source"][20:25] == 1).all() and (a["source"][10:20] == 0).mean() > 0.95
    assert (a["confidence"][20:25] == 0).all()
    truth = film.joints_m
    assert metrics.pa_mpjpe(a["joints_m"][20:25][:, LIMBS], truth[20:25][:, LIMBS]) < 0.06  # m
    assert any("5 frame(s)" in note for note in motion.notes)


def test_brief_people_and_feet_out_of_view_are_said(body):
    film = Filmed(body, n=12)
    film.hide(slice(5, 12))
    feet = [i for i, name in enumerate(sk.MEDIAPIPE_KEYPOINTS) if name.startswith(("ankle", "heel", "foot"))]
    film.track.keypoints_px[:5, feet, 2] = 0.05
    _, (motion,) = solve(film, body)
    assert motion.notes == [
        "person_1: seen in only 5 frame(s); size and place are guesses.",
        "person_1: the feet are not in view; where they stand, the floor and the height over it are guesses."]
    _, (motion,) = solve(Filmed(body, n=12), body)
    assert motion.notes == []


def test_variable_rate_gives_the_same_motion(body):
    rng = np.random.default_rng(2)
    film = Filmed(body, time_s=np.cumsum(rng.uniform(.02, .05, 50)))
    _, (motion,) = solve(film, body)
    check_motion(motion, 50)
    assert metrics.pa_mpjpe(motion.arrays["joints_m"][:, LIMBS], film.joints_m[:, LIMBS]) < 0.03  # m


def test_a_take_longer_than_one_piece_is_one_motion(body, monkeypatch):
    from sinew.motion import solve as module

    monkeypatch.setattr(module, "CHUNK", 40)
    monkeypatch.setattr(module, "AHEAD", 8)
    monkeypatch.setattr(module, "SHAPE_WINDOWS", 3)
    monkeypatch.setattr(module, "SHAPE_WINDOW", 20)
    film = Filmed(body, n=110, noise_px=2)
    _, (motion,) = solve(film, body)
    a = motion.arrays
    check_motion(motion, 110)
    assert metrics.pa_mpjpe(a["joints_m"][:, LIMBS], film.joints_m[:, LIMBS]) < 0.04  # m
    acceleration = np.linalg.norm(np.diff(a["joints_m"][:, LIMBS].astype(float), 2, axis=0), axis=-1).mean(1) * 900
    seams = [t for s in (40, 80) for t in (s - 2, s - 1, s)]
    assert acceleration[seams].max() < 3 * np.percentile(acceleration, 90)  # no jump where pieces meet


def test_two_people_on_one_floor(body):
    near, far = Filmed(body, n=40, distance_m=4.0), Filmed(body, n=40, distance_m=6.0, heading=-1.5)
    # The same camera for both: moved along the line of sight by where they walk, both look down by ten degrees.
    far.track.id = "person_2"
    _, motions = solve(near, body, People([near.track, far.track]))
    assert [m.track.id for m in motions] == ["person_1", "person_2"]
    for m in motions:
        check_motion(m, 40)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_very_few_frames(body, n):
    film = Filmed(body, n=n)
    _, (motion,) = solve(film, body)
    check_motion(motion, n)
    assert metrics.pa_mpjpe(motion.arrays["joints_m"][:, LIMBS], film.joints_m[:, LIMBS]) < 0.06  # m


def test_a_person_in_three_frames_of_many(body):
    film = Filmed(body, n=40)
    film.hide(np.r_[0:18, 21:40])
    _, (motion,) = solve(film, body)
    check_motion(motion, 40)
    assert motion.arrays["present"].sum() == 3


def test_missing_keypoints_do_no_harm(body):
    film = Filmed(body, n=30)
    film.track.keypoints_px[5:15, 25:] = np.nan  # knees and feet
    film.track.keypoints_px[:, 15, 2] = 0.0
    film.track.landmarks_m[20:22] = np.nan
    film.track.keypoints_px[25] = np.inf
    _, (motion,) = solve(film, body)
    check_motion(motion, 30)
    assert (motion.arrays["source"][:, sk.JOINT_INDEX["hand_l"]] == 2).all()


def test_wild_keypoints_end_and_stay_inside_the_limits(body):
    film = Filmed(body, n=20)
    rng = np.random.default_rng(8)
    film.track.keypoints_px[..., :2] += rng.normal(0, 150, (20, 33, 2))
    film.track.landmarks_m[:] = rng.normal(0, .5, (20, 33, 3))
    try:
        _, motions = solve(film, body)
    except InputError as error:
        assert "person" in str(error)
    else:
        for motion in motions:
            check_motion(motion, 20)


@pytest.mark.parametrize("spoil", ["confidence", "nan", "absent", "one spot"])
def test_nothing_usable_is_said(body, spoil):
    film = Filmed(body, n=10)
    if spoil == "confidence":
        film.track.keypoints_px[..., 2] = 0
    elif spoil == "nan":
        film.track.keypoints_px[:] = np.nan
    elif spoil == "absent":
        film.track.present[:] = False
    else:
        film.track.keypoints_px[..., :2] = 300.0
    with pytest.raises(InputError, match="Nobody is seen clearly"):
        solve(film, body)


def test_progress_is_told_and_stops(body):
    film = Filmed(body, n=20)
    camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(), look=False)
    told = []
    solve_motion(film.shot, film.people, camera, body, lambda done, total: told.append((done, total)), starts=starts)
    assert told[-1][0] == told[-1][1] and len(told) > 5
    assert all(a[0] <= b[0] for a, b in zip(told, told[1:]))

    def stop(done, total):
        if done > 2:
            raise Stopped("stopped")

    with pytest.raises(Stopped):
        solve_motion(film.shot, film.people, camera, body, stop, starts=starts)


def test_projection_of_the_take_meets_the_keypoints(walk):
    film, camera, motion = walk
    hand = motion.arrays["joints_m"][:, sk.JOINT_INDEX["hand_r"]]
    T_cw = np.linalg.inv(camera.T_wc[0])
    px = projection.project(hand @ T_cw[:3, :3].T + T_cw[:3, 3], camera.K[0])
    seen = film.track.keypoints_px[:, sk.MEDIAPIPE_KEYPOINTS.index("wrist_r"), :2]
    assert np.linalg.norm(px - seen, axis=-1).mean() < 15  # px: the wrist's keypoint lies near the hand's joint


def test_two_people_exchanged_halfway_end_inside_the_limits(body):
    """A tracker's worst mistake: from the middle on each track is the other person. No NaN, no endless solve."""
    here, there = Filmed(body, n=16), Filmed(body, n=16, heading=-1.2)
    there.track.keypoints_px[..., 0] += 300
    there.track.box_px[:, [0, 2]] += 300
    for name in ("keypoints_px", "landmarks_m", "box_px"):
        a, b = getattr(here.track, name), getattr(there.track, name)
        a[8:], b[8:] = b[8:].copy(), a[8:].copy()
    there.track.id = "person_2"
    _, motions = solve(here, body, People([here.track, there.track]))
    for motion in motions:
        check_motion(motion, 16)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_keypoints_that_are_no_numbers_count_as_unseen(body, value):
    film = Filmed(body, n=12)
    film.track.keypoints_px[3:6, 13:17, :2] = value
    film.track.keypoints_px[7] = value
    film.track.landmarks_m[9, 25] = value
    film.track.spread_px[2] = value
    _, (motion,) = solve(film, body)
    check_motion(motion, 12)
    assert motion.arrays["present"].all() and motion.arrays["source"][7].min() >= 1


@pytest.mark.parametrize("change", [{"smooth": 1e-4}, {"robust_px": 1e6}, {"dead_zone_px": 0.0},
                                    {"depth_sigma_m": 1e6}, {"rest": 1e-4}, {"ground": 0.0}, {"lively": 0.0}])
def test_every_part_of_the_fit_can_be_switched_off(body, change):
    """As the ablation does: what is left still ends, inside the limits."""
    film = Filmed(body, n=8, noise_px=3)
    camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(fov_deg=58), look=False)
    usual = solve_motion(film.shot, film.people, camera, body, starts=starts)[1][0]
    motion = solve_motion(film.shot, film.people, camera, body, starts=starts, weights=fit.Weights(**change))[1][0]
    check_motion(motion, 8)
    assert np.abs(motion.arrays["q"] - usual.arrays["q"]).max() > 1e-5  # rad: the part was at work
