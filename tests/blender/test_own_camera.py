"""A Blender camera of the user's own as a camera file: back and forth to a hundredth of a pixel."""

import json
from fractions import Fraction

import numpy as np
import pytest
import takes
from test_camera import blender_pixels, put

bpy = pytest.importorskip("bpy")


def a_camera(parented: bool = False):
    """An animated, zooming camera of a scene at 24 frames per second."""
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 24, 1.0
    scene.render.resolution_x, scene.render.resolution_y = 1280, 720
    data = bpy.data.cameras.new("mine")
    camera = bpy.data.objects.new("mine", data)
    scene.collection.objects.link(camera)
    data.sensor_width, data.shift_x, data.shift_y = 23.5, 0.04, -0.03
    for frame, place, turn, lens in ((1, (0, -5, 1.5), (1.5, 0.02, 0.1), 28.0), (40, (1, -4, 1.8), (1.4, -0.05, 0.4), 45.0)):
        camera.location, camera.rotation_euler, data.lens = place, turn, lens
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)
        data.keyframe_insert("lens", frame=frame)
    if parented:
        above = bpy.data.objects.new("above", None)
        scene.collection.objects.link(above)
        above.scale, above.rotation_euler = (2, 2, 2), (0, 0, 0.3)
        camera.parent = above
    return camera


@pytest.mark.parametrize("parented", [False, True])
def test_every_frame_is_the_camera_s_own_to_a_hundredth_of_a_pixel(extension, parented):
    own, lens = extension("addon.scene.own_camera"), extension("addon.plan.lens")
    camera, scene = a_camera(parented), bpy.context.scene
    scene.frame_set(7)
    data = own.sample(scene, camera, 3, 30, 1, Fraction(24), (1280, 720), True)
    assert scene.frame_current == 7 and data["frame"] == list(range(3, 33)) and data["unit_m"] == 1.0
    assert json.loads(json.dumps(data)) == data
    points = np.random.default_rng(0).uniform((-1, 0, 0), (1, 2, 2), (20, 3))
    T, K = np.array(data["T_wc"]), np.array(data["K"])
    for t in (0, 11, 29):
        scene.frame_set(1 + data["frame"][t])
        found = lens.project(points[None], T[t:t + 1], K[t:t + 1], np.zeros((1, 5)))[0]
        assert np.abs(found - blender_pixels(camera, points)).max() < 0.01  # px


def test_a_video_of_another_rate_is_sampled_at_its_own_times(extension):
    own = extension("addon.scene.own_camera")
    camera, scene = a_camera(), bpy.context.scene
    data = own.sample(scene, camera, 0, 60, 1, Fraction(48), (1280, 720), False)
    slow = own.sample(scene, camera, 0, 30, 1, Fraction(24), (1280, 720), False)
    assert np.allclose(data["T_wc"][::2], slow["T_wc"], atol=1e-6) and data["unit_m"] is None
    between = (np.array(slow["T_wc"])[4, :3, 3] + np.array(slow["T_wc"])[5, :3, 3]) / 2
    assert np.allclose(np.array(data["T_wc"])[9, :3, 3], between, atol=2e-3)  # m


def test_a_take_s_camera_comes_back_as_it_was(extension):
    own = extension("addon.scene.own_camera")
    take = takes.make_take(12, moving_camera=True, rate=Fraction(24))
    take.shot["K"][:, 0, 0] *= np.linspace(1, 1.2, 12)
    take.shot["K"][:, 1, 1] *= np.linspace(1, 1.2, 12)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 24, 1.0
    built, _, _ = put(extension, take, first=1)
    data = own.sample(scene, built.camera, 0, 12, 1, Fraction(24), (640, 360), True)
    assert np.abs(np.array(data["T_wc"]) - take.shot["T_wc"]).max() < 1e-5
    assert np.abs(np.array(data["K"]) - take.shot["K"]).max() < 0.01  # px


def test_what_is_no_camera_is_one_sentence(extension):
    own = extension("addon.scene.own_camera")
    errors = extension("backend.sinew_take.errors")
    camera, scene = a_camera(), bpy.context.scene
    with pytest.raises(errors.RequestError, match="^No camera of your own is chosen; choose one"):
        own.sample(scene, None, 0, 2, 1, Fraction(24), (1280, 720), True)
    camera.data.type = "ORTHO"
    with pytest.raises(errors.RequestError, match="^mine is no perspective camera; choose one that is.$"):
        own.sample(scene, camera, 0, 2, 1, Fraction(24), (1280, 720), True)
    camera.data.type, camera.scale = "PERSP", (1, 1, -1)
    with pytest.raises(errors.RequestError, match="mirrored or sheared by its parents' scale; apply that scale first"):
        own.sample(scene, camera, 0, 2, 1, Fraction(24), (1280, 720), True)


def test_the_options_name_the_file(extension, tmp_path):
    jobs = extension("addon.jobs.takes")
    request = jobs.Request(tmp_path / "a.mp4", camera_file=tmp_path / "camera.json")
    words = request.arguments(tmp_path / "take")
    assert words[words.index("--camera-file") + 1] == str(tmp_path / "camera.json")
    facts = type("Facts", (), {"is_known": True, "rate": (24, 1), "n_frames": 50})
    wanted = type("Settings", (), {"use_range": True, "first_frame": 40, "last_frame": 99})
    assert extension("addon.settings").wanted_frames(wanted, facts) == (40, 10)
    facts.is_known = False
    with pytest.raises(Exception, match="facts are not known yet"):
        extension("addon.settings").wanted_frames(wanted, facts)
