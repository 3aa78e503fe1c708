"""What rests on the floor beside the soles: knees, hands, elbows, the seat, somebody who lies."""

import numpy as np
import pytest
from walks import SIZE_PX, Filmed, pose_of

from sinew.camera import solve_camera
from sinew.flow import Camera, CameraOptions
from sinew.geometry import rotations as rot
from sinew.motion import contact, fit, solve_motion, subject
from sinew.motion.kinematics import pose
from sinew.motion.model import PARTS, make_model
from sinew_take import free_body
from sinew_take import skeleton as sk

PART = {name: i for i, name in enumerate(PARTS)}
KNEES = [PART["tibia_r"], PART["tibia_l"]]


@pytest.fixture(scope="module")
def body():
    return free_body.load()


def on_the_floor(model, shape, pelvis, q):
    """Root (T, 3), m, that puts the lowest part on the floor."""
    p = pose(model.skeleton, shape, pelvis, q, np.zeros((len(q), 3)))
    root = np.zeros((len(q), 3))
    root[:, 2] = -(model.parts.positions(p, shape)[..., 2] - model.parts_radius_m).min(1)
    return root


def kneeling(model, shape, time_s, heading):
    """On both knees, upright; trunk and arms move."""
    q, phase = np.zeros((len(time_s), 46)), 2 * np.pi * time_s
    for side, sign in (("r", 1), ("l", -1)):
        q[:, sk.DOF_INDEX[f"knee_angle_{side}"]] = np.radians(95)
        q[:, sk.DOF_INDEX[f"ankle_angle_{side}"]] = np.radians(-30)
        q[:, sk.DOF_INDEX[f"shoulder_{side}_x"]] = sign * (1.1 + 0.2 * np.sin(phase))
        q[:, sk.DOF_INDEX[f"elbow_flexion_{side}"]] = 0.6 + 0.4 * np.cos(phase)
    q[:, sk.DOF_INDEX["lumbar_bending"]] = 0.15 * np.sin(phase)
    pelvis = np.tile(rot.exp([0, 0, heading]), (len(q), 1, 1))
    return q, pelvis, on_the_floor(model, shape, pelvis, q)


def parts_m(model, motion):
    """(T, P) height of the skin under each part, and where each part is (T, P, 3)."""
    x = model.parts.positions(pose_of(model, motion), np.asarray(motion.shape, dtype=float))
    return x[..., 2] - model.parts_radius_m, x


def test_parts_are_inside_the_body(body):
    model = make_model(body)
    assert model.parts_radius_m.min() > 0.01 and model.parts_radius_m.max() < 0.12  # m: a wrist's, a hip's


def test_knees_of_somebody_who_kneels_stay_on_the_floor(body):
    film = Filmed(body, n=40, heading=0.9, noise_px=2, motion=kneeling)
    camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(
        fov_deg=float(np.degrees(2 * np.arctan(SIZE_PX[0] / 2 / film.K[0, 0]))), height_m=film.model.stature(film.shape)),
        look=False)
    _, (motion,) = solve_motion(film.shot, film.people, camera, body, starts=starts)
    height, x = parts_m(film.model, motion)
    assert np.abs(height[:, KNEES]).max() < 0.02  # m
    assert height.min() > -0.015
    assert np.linalg.norm(np.diff(x[:, KNEES], axis=0), axis=-1).mean() < 0.001  # m a frame
    assert not any("floor" in note for note in motion.notes)


def test_who_stands_has_nothing_but_soles_on_the_floor(body):
    film = Filmed(body, n=4)
    state = fit.State(film.pelvis, film.q, film.root_m, film.shape)
    joined = np.array([False, True, True, True])
    seen = np.ones((4, len(PARTS)), dtype=bool)
    eye = film.T_wc[:, :3, 3]
    assert subject.resting(film.model, state, film.time_s, joined, eye, seen) is None
    q, pelvis, root = kneeling(film.model, film.shape, np.zeros(4), 0.3)
    state = fit.State(pelvis, q, root, film.shape)
    rests = subject.resting(film.model, state, film.time_s, joined, eye, seen)
    assert rests[:, KNEES].min() > 0.9 and rests[:, [PART["head"], PART["pelvis"], PART["hand_r"]]].max() < 0.01
    seen[:, KNEES] = False  # what is hidden is where the fit put it
    assert subject.resting(film.model, state, film.time_s, joined, eye, seen)[:, KNEES].max() == 0


def test_a_part_is_seen_where_its_keypoints_are(body):
    film = Filmed(body, n=3)
    film.track.keypoints_px[1, sk.MEDIAPIPE_KEYPOINTS.index("ear_l"), 2] = 0.1
    seen = subject.parts_seen(film.track, np.arange(3))
    assert seen.shape == (3, len(PARTS)) and not seen[1, PART["head"]] and seen.sum() == seen.size - 1


def lying(model, shape, time_s, heading):
    """On the back along the line of sight, one leg drawn up and let down again: no sole ever stands."""
    q = np.zeros((len(time_s), 46))
    swing = 0.5 - 0.5 * np.cos(2 * np.pi * time_s)
    q[:, sk.DOF_INDEX["hip_flexion_r"]] = 0.9 * swing
    for side, sign in (("r", 1), ("l", -1)):
        q[:, sk.DOF_INDEX[f"shoulder_{side}_x"]] = sign * 1.2
        q[:, sk.DOF_INDEX[f"ankle_angle_{side}"]] = np.radians(-25)
    pelvis = np.tile(rot.exp([0, 0, heading]) @ rot.exp([-np.pi / 2, 0, 0]), (len(q), 1, 1))
    return q, pelvis, on_the_floor(model, shape, pelvis, q)


def test_the_points_floor_is_the_floor_of_whoever_does_not_stand(body):
    """A camera that moves past somebody who lies; no foot stands, and the points' floor is 45 cm over theirs."""
    n = 40
    T = np.tile(np.eye(4), (n, 1, 1))
    tilt = np.radians(20)
    T[:, :3, :3] = np.array([[1.0, 0, 0], [0, -np.sin(tilt), np.cos(tilt)], [0, -np.cos(tilt), -np.sin(tilt)]])
    T[:, :3, 3] = np.stack([np.linspace(-0.5, 0.5, n), np.full(n, -4.5), np.full(n, 1.7)], 1)
    film = Filmed(body, n=n, heading=1.2, T_wc=T, motion=lying)
    camera = Camera(T, np.tile(film.K, (n, 1, 1)), np.zeros((n, 5)), "moving", "user", "assumed",
                    floor=np.array([0, 0, 1.0, 0.45, 0.5]))
    camera, (motion,) = solve_motion(film.shot, film.people, camera, body)
    assert camera.floor[3] == pytest.approx(0, abs=0.03)  # m
    height, _ = parts_m(film.model, motion)
    assert height.min() > -0.06 and height.min(1).max() < 0.05  # m: neither sunk nor floating


def test_a_crouch_that_seems_to_stand_lower_is_not_the_floor():
    """Seen wrongly in depth, somebody who rolls over the floor seems to touch it lower than where they get up."""
    height = np.r_[np.full(7, -1.38), np.full(5, -1.56)]
    level = contact.levels(height, np.full(12, 0.4))
    assert level.max() == 1

    def floor(afoot, shown=None):
        place = np.stack([np.zeros(12), np.zeros(12), height], 1)
        return contact.floor_of(level, contact.Stances(place, np.full(12, 0.4), afoot), height, shown)

    on_feet = np.r_[np.full(7, 0.9), np.full(5, 0.1)]
    assert floor(on_feet) == floor(on_feet, shown=-1.5) == 1
    # Who is hardly on their feet: the level on the floor that the points show, and where they show none the lower one.
    assert floor(np.full(12, 0.1)) == 0 and floor(np.full(12, 0.1), shown=-1.40) == 1


def test_a_level_hardly_lower_than_the_shown_floor_is_no_step():
    """Somebody on their feet throughout, of whom a fifth of the stances seem to be lower."""
    def floor(lower, shown=None):
        height = np.r_[np.full(12, -1.4), np.full(4, -1.4 - lower)]
        place = np.stack([np.zeros(16), np.zeros(16), height], 1)
        level = np.repeat([1, 0], [12, 4])
        return contact.floor_of(level, contact.Stances(place, np.full(16, 0.4), np.ones(16)), height, shown)

    assert floor(0.13) == 0  # nothing tells
    assert floor(0.13, shown=-1.41) == 1
    assert floor(0.18, shown=-1.41) == 0  # a step down
    assert floor(0.13, shown=-1.47) == 0  # between both: it says nothing


def test_a_walk_over_steps_stands_on_the_lowest_however_high_the_points_floor_was_scaled():
    """The way's scale comes from the same feet, so that half of them on steps lift the floor that is shown."""
    height = np.r_[np.full(9, -1.60), np.full(4, -1.46), np.full(4, -1.31)]
    place = np.stack([np.zeros(17), np.zeros(17), height], 1)
    level = np.repeat([0, 1, 2], [9, 4, 4])
    assert contact.floor_of(level, contact.Stances(place, np.full(17, 0.4), np.ones(17)), height, -1.49) == 0
