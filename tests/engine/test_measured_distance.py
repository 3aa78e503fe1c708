"""True scale from a measured distance: everything grows in one piece, people are solved for it, nonsense is refused."""

from dataclasses import replace

import numpy as np
import pytest
from walks import Filmed, laws_agree

from sinew import flow
from sinew.geometry import projection
from sinew.motion import measured
from sinew_take import free_body, masks
from sinew_take.distance import Distance
from sinew_take.errors import RequestError

PLACES = np.array([[-0.9, 0.2, 0.0], [0.8, -0.4, 0.0]])
"""Two points of the floor."""
LENGTH = float(np.linalg.norm(PLACES[1] - PLACES[0]))


@pytest.fixture(scope="module")
def body():
    return free_body.load()


def orbit(n: int) -> np.ndarray:
    """(n, 4, 4) of a camera that goes round the origin, looking down by 10 degrees."""
    out = np.tile(np.eye(4), (n, 1, 1))
    tilt = np.radians(10)
    for t, a in enumerate(np.linspace(-0.2, 0.2, n)):
        turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
        ahead = turn @ [0, np.cos(tilt), -np.sin(tilt)]
        out[t, :3, :3] = np.stack([turn @ [1, 0, 0], turn @ [0, -np.sin(tilt), -np.cos(tilt)], ahead], 1)
        out[t, :3, 3] = [0, 0, 1.0] - 5 * ahead
    return out


@pytest.fixture(scope="module")
def solved(body):
    """A tall man's walk, filmed by a camera that moves, and the world as it would be solved at three quarters of its size."""
    model = Filmed(body, n=2).model
    tall = model.stature_dirs * 0.16 / (model.stature_dirs @ model.stature_dirs)
    film = Filmed(body, n=20, shape=tall, T_wc=orbit(20))
    small = 0.75
    T_wc = film.T_wc.copy()
    T_wc[:, :3, 3] *= small
    rng = np.random.default_rng(1)
    points = flow.Points(rng.uniform(-2, 2, (40, 3)), np.ones((40, 3)), np.ones(40))
    camera = flow.Camera(T_wc, np.tile(film.K, (20, 1, 1)), np.zeros((20, 5)), "moving", "user", "assumed", [], "",
                         points, np.array([0, 0, 1.0, 0.02, 0.3]), np.diag([2.0, 2.0, 2.0, 1.0]))
    dirs = film.model.stature_dirs
    shape = film.shape + dirs * (small - 1) * film.model.stature(film.shape) / (dirs @ dirs)
    arrays = {"q": film.q, "root_m": small * film.root_m, "contact": (film.soles_m[..., 2] < 0.01).astype(float)}
    motions = [flow.Motion(film.track, arrays, shape, np.full(20, 1.0))]
    return film, camera, motions


def distance_in(film, frame: int = 12, metres: float = LENGTH) -> Distance:
    T_cw = np.linalg.inv(film.T_wc[frame])
    px = projection.project(PLACES @ T_cw[:3, :3].T + T_cw[:3, 3], film.K)
    return Distance(frame, tuple(px[0]), tuple(px[1]), metres)


def test_lines_of_sight_meet_the_floor_also_through_a_lens_that_bends_them(body):
    film = Filmed(body, n=2)
    bent = np.array([-0.2, 0.03, 0.001, -0.002, 0.0])
    T_cw = np.linalg.inv(film.T_wc[0])
    local = PLACES @ T_cw[:3, :3].T + T_cw[:3, 3]
    for distortion in (np.zeros(5), bent):
        px = projection.project(local, film.K, distortion)
        np.testing.assert_allclose(measured.on_floor(px, film.T_wc[0], film.K, distortion), PLACES, atol=1e-5)  # m
    sky = measured.on_floor(np.array([[640.0, 5.0]]), film.T_wc[0], film.K, bent)
    assert np.isnan(sky).all()


def test_the_world_gets_its_true_size_in_one_piece(body, solved):
    film, camera, motions = solved
    given = distance_in(film)
    new, out, said = measured.to_measure(given, film.shot, camera, motions, body)
    length, _ = measured.solved_length(given, film.shot, new)
    assert length == pytest.approx(LENGTH, rel=1e-9)
    assert new.scale_source == "distance"
    factor = LENGTH / measured.solved_length(given, film.shot, camera)[0]
    assert factor == pytest.approx(4 / 3, rel=1e-6)
    np.testing.assert_allclose(new.T_wc, film.T_wc, atol=1e-6)
    np.testing.assert_allclose(new.points.position_m, factor * camera.points.position_m)
    np.testing.assert_allclose(new.floor, [0, 0, 1, 0.02 * factor, 0.3], rtol=1e-6)
    # The way into the user's own camera's world leads from the new world to the same place.
    at = np.r_[new.T_wc[3, :3, 3], 1]
    np.testing.assert_allclose(new.given @ at, camera.given @ np.r_[camera.T_wc[3, :3, 3], 1], atol=1e-9)
    # The person: of true height again, in the true place, and still where the picture has them.
    true = film.model.stature(film.shape)
    assert film.model.stature(out[0].shape) == pytest.approx(true, rel=0.01)
    assert np.nanmean(out[0].pixel_error) < 3  # px, of a person 400 px tall
    off = np.linalg.norm(out[0].arrays["joints_m"] - film.joints_m, axis=-1)
    assert off.mean() < 0.1, off.mean()  # m: 2 % of the distance, along the line of sight
    assert laws_agree(out[0].arrays, body, out[0].shape) < 1e-4
    assert said == [f"The scale is from the measured distance of {LENGTH:g} m: with it the first person is "
                    f"{film.model.stature(out[0].shape):.2f} m tall."]


def test_a_height_that_was_given_stays_and_is_compared(body, solved):
    film, camera, motions = solved
    for source, by in (("height", "the height given"), ("file", "the camera file's unit")):
        own = replace(camera, scale_source=source)
        new, out, said = measured.to_measure(distance_in(film), film.shot, own, motions, body)
        assert new is own and out is motions
        assert said == [f"The measured distance of {LENGTH:g} m contradicts {by}, by which it is {0.75 * LENGTH:.2f} m; the "
                        f"scale is from {by}, so leave out whichever of the two is wrong."]
        _, _, said = measured.to_measure(distance_in(film, metres=0.75 * LENGTH), film.shot, own, motions, body)
        assert said == [f"The measured distance and {by}, which fixes the scale, agree to 0 %."]


def test_points_that_are_not_on_the_floor(body, solved):
    film, camera, motions = solved
    given = replace(distance_in(film), second_px=(700.0, 20.0))
    with pytest.raises(RequestError, match="The point 700,20 of the measured distance is above the horizon, so it is not on"):
        measured.to_measure(given, film.shot, camera, motions, body)


@pytest.mark.parametrize("metres", [0.1, 150.0])
def test_a_distance_that_would_make_dwarfs_or_giants(body, solved, metres):
    film, camera, motions = solved
    with pytest.raises(RequestError, match=f"By the measured distance of {metres:g} m the first person would be .* m tall; "):
        measured.to_measure(distance_in(film, metres=metres), film.shot, camera, motions, body)


def test_what_is_doubtful_is_said(body, solved):
    film, camera, motions = solved
    given = distance_in(film)
    near = replace(given, second_px=(given.first_px[0] + 6, given.first_px[1]), metres=0.05)
    _, spread = measured.solved_length(near, film.shot, camera)
    assert spread > 0.2
    said = measured.doubts(near, film.shot, [], spread)
    assert len(said) == 1 and "fixes the scale only to" in said[0] and "choose points that are nearer" in said[0]
    # A point on somebody instead of the floor.
    there = np.zeros((72, 128), bool)
    x, y = (int(v / 10) for v in given.first_px)
    there[y - 2:y + 3, x - 2:x + 3] = True
    own = replace(motions[0].track, masks=masks.pack([((0, 0, 128, 72), there)] * 20, (128, 72)))
    assert measured.doubts(given, film.shot, [own], 0.01) == [
        "A point of the measured distance is on person_1 instead of the floor; the scale is doubtful."]
    assert measured.doubts(given, film.shot, [motions[0].track], 0.01) == []
    # A child is not refused, only named.
    _, out, said = measured.to_measure(replace(given, metres=0.6 * LENGTH), film.shot, camera, motions, body)
    assert "which is unusual; check the distance and its points." in said[0]
