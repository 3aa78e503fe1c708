"""The camera stage: what the user gives, what the people show, and what cannot be done."""

from dataclasses import replace

import numpy as np
import pytest
from walks import SIZE_PX, Filmed

from sinew.bench import metrics
from sinew.camera import solve_camera
from sinew.flow import CameraOptions
from sinew.geometry import projection
from sinew_take import free_body
from sinew_take.errors import RequestError


@pytest.fixture(scope="module")
def body():
    return free_body.load()


@pytest.fixture(scope="module")
def film(body):
    return Filmed(body, n=30)


def test_focal_length_from_the_user(film, body):
    camera, _ = solve_camera(film.shot, film.people, body, CameraOptions(focal_mm=35))
    assert camera.focal_source == "user"
    assert camera.K[0, 0, 0] == pytest.approx(projection.focal_px_of_35mm(35, SIZE_PX))
    camera, _ = solve_camera(film.shot, film.people, body, CameraOptions(fov_deg=50))
    assert np.degrees(2 * np.arctan(SIZE_PX[0] / 2 / camera.K[0, 0, 0])) == pytest.approx(50)


def test_focal_length_from_the_file(film, body):
    shot = replace(film.shot, info=replace(film.shot.info, focal_35mm=28.0))
    camera, _ = solve_camera(shot, film.people, body)
    assert camera.focal_source == "metadata"
    assert camera.K[0, 0, 0] == pytest.approx(projection.focal_px_of_35mm(28, SIZE_PX))


def test_unknown_focal_length_is_plausible_and_said(film, body):
    camera, _ = solve_camera(film.shot, film.people, body)
    assert camera.focal_source in ("people", "assumed")
    assert 0.6 < camera.K[0, 0, 0] / film.K[0, 0] < 1.6
    assert any("angle of view" in note for note in camera.notes)


def test_static_camera_of_every_frame(film, body):
    camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(kind="static"))
    assert camera.kind == "static" and len(starts) == 1
    assert camera.T_wc.shape == (30, 4, 4) and camera.K.shape == (30, 3, 3) and camera.distortion.shape == (30, 5)
    assert np.ptp(camera.T_wc, axis=0).max() == 0


def test_up_is_the_people_s(film, body):
    fov = float(np.degrees(2 * np.arctan(SIZE_PX[0] / 2 / film.K[0, 0])))
    camera, _ = solve_camera(film.shot, film.people, body, CameraOptions(fov_deg=fov))
    up = camera.T_wc[0, :3, :3] @ film.R_cw @ [0, 0, 1.0]
    assert metrics.angle_between_deg(up, np.array([0, 0, 1.0])) < 6


@pytest.mark.parametrize("height", [1.5, 1.9])
def test_scale_from_a_given_height(film, body, height):
    camera, starts = solve_camera(film.shot, film.people, body, CameraOptions(height_m=height))
    assert camera.scale_source == "height"
    assert film.model.stature(starts[0].shape) == pytest.approx(height, abs=0.02)  # m
    assert not any("--height-m" in note for note in camera.notes)


def test_assumed_scale_is_said(film, body):
    camera, _ = solve_camera(film.shot, film.people, body)
    assert camera.scale_source == "assumed"
    assert any("--height-m" in note for note in camera.notes)


@pytest.mark.parametrize("options", [CameraOptions(kind="moving"), CameraOptions(kind="rotating"),
                                     CameraOptions(kind="wobbly"), CameraOptions(focal_mm=0.1),
                                     CameraOptions(fov_deg=300), CameraOptions(height_m=17)])
def test_what_cannot_be_done_is_one_sentence(film, body, options):
    with pytest.raises(RequestError) as error:
        solve_camera(film.shot, film.people, body, options)
    assert str(error.value).count(".") <= 3 and ";" in str(error.value)
