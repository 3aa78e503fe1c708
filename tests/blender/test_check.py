"""The check view and the scene's points: everything lies in the camera's view where the take says."""

import numpy as np
import pytest
import takes
from test_camera import blender_pixels

bpy = pytest.importorskip("bpy")

N = 12


def a_take(points: int = 0, **options):
    """A turning, travelling and zooming camera over two people, with pixel errors of known values."""
    take = takes.make_take(N, n_subjects=2, moving_camera=True, size_px=(640, 362), **options)
    zoom = np.linspace(1, 1.3, N)
    take.shot["K"][:, 0, 0] *= zoom
    take.shot["K"][:, 1, 1] *= zoom
    for k, subject in enumerate(take.subjects):
        subject.motion["pixel_error"] = (1.0 + np.arange(N) % 5 + k).astype(np.float32)
    if points:
        rng = np.random.default_rng(1)
        take.points = {"position_m": rng.uniform((-2, -1, 0), (2, 3, 2), (points, 3)).astype(np.float32),
                       "color": rng.random((points, 3)).astype(np.float32),
                       "confidence": np.linspace(0, 1, points).astype(np.float32)}
    return take


@pytest.fixture
def imported(extension, tmp_path):
    """imported(take) -> the result of importing it at its own rate, first frame 5."""
    from sinew_take import take as take_format

    scene = extension("addon.scene")

    def run(take, with_plate=False, **options):
        partial = None
        if with_plate:
            takes.add_plate(take, partial := tmp_path / "partial")
        folder = take_format.write(take, tmp_path / take.id[:8], partial=partial)
        return scene.build_take(bpy.context, folder, scene.BuildOptions(first_frame=5, set_scene_rate=True, **options))

    return run


def drawn(item) -> dict[str, np.ndarray]:
    """Middles of the dots that are shown now, by material: world places (N, 3)."""
    graph = bpy.context.evaluated_depsgraph_get()
    out: dict[str, list] = {}
    for instance in graph.object_instances:
        if instance.is_instance and instance.parent and instance.parent.original == item:
            name = next(m.name for m in instance.object.data.materials if m is not None).split(".")[0]
            out.setdefault(name, []).append(np.array(instance.matrix_world.translation))
    return {name: np.array(places) for name, places in out.items()}


def show(extension, take):
    check, tags = extension("addon.scene.check"), extension("addon.scene.tags")
    owner = tags.Owner(take.id, take.shot_id)
    check.show(owner, True)
    bpy.context.view_layer.update()
    return check, owner


def checks():
    return [o for o in bpy.data.objects if o.get("sinew_role") == "check"]


def test_points_of_the_scene_land_within_a_pixel_on_all_frames(extension, imported):
    take = a_take(points=200)
    result = imported(take)
    lens = extension("addon.plan.lens")
    item = result.points
    stored = np.array([item.matrix_world @ v.co for v in item.data.vertices])
    wanted = lens.project(np.tile(take.points["position_m"], (N, 1, 1)), take.shot["T_wc"], take.shot["K"],
                          take.shot["distortion"])
    for t in range(N):
        bpy.context.scene.frame_set(5 + t)
        off = np.abs(blender_pixels(result.camera, stored) - wanted[t])
        ahead = np.isfinite(wanted[t]).all(1)
        assert ahead.sum() > 100 and off[ahead].max() < 0.1  # px; 1 px is asked for
    colour = np.zeros(800, np.float32)
    item.data.color_attributes["point_color"].data.foreach_get("color_srgb", colour)
    colour = colour.reshape(-1, 4)
    assert np.abs(colour[:, :3] - take.points["color"]).max() < 0.01
    assert item.hide_render and item.parent == result.root


def test_detected_and_solved_keypoints_stand_in_the_picture_where_they_are(extension, imported):
    take = a_take()
    result = imported(take)
    assert drawn(checks()[0]) == {}, "hidden at first"
    show(extension, take)
    lens, plan = extension("addon.plan.lens"), extension("addon.plan.check")
    for item, subject in zip(checks(), take.subjects):
        solved = lens.project(plan.solved_keypoints(subject), take.shot["T_wc"], take.shot["K"],
                              take.shot["distortion"])
        for t in (0, 4, N - 1):
            bpy.context.scene.frame_set(5 + t)
            bpy.context.view_layer.update()
            found = drawn(item)
            for name, wanted in (("Check detected", subject.motion["keypoints_px"][t, :, :2]), ("Check solved", solved[t])):
                got = blender_pixels(result.camera, found[name])
                assert len(got) == 33
                off = np.linalg.norm(got[:, None] - wanted[None], axis=-1).min(1)
                assert off.max() < 0.1, f"{name}, frame {t}: {off.max():.2f} px"
        # At the first frame the zoom is 1: the golden picture was made from this body's keypoints.
        off = np.linalg.norm(solved[0] - subject.motion["keypoints_px"][0, :, :2], axis=-1)
        assert np.median(off) < 0.01 and off.max() < 12  # px; the take's points hang on one joint, the body's on two


def test_the_plate_s_offset_moves_the_points_with_it(extension, imported):
    take = a_take()
    result = imported(take, with_plate=True)
    show(extension, take)
    item = checks()[0]

    def in_camera(frame: int) -> np.ndarray:
        bpy.context.scene.frame_set(frame)
        bpy.context.view_layer.update()
        to_camera = np.linalg.inv(np.array(result.camera.matrix_world))
        return drawn(item)["Check detected"] @ to_camera[:3, :3].T + to_camera[:3, 3]

    before = in_camera(5)
    result.root["sinew_plate_offset"] = 3
    result.root.update_tag()
    bpy.context.view_layer.update()  # as a window does before the frame changes
    assert np.allclose(in_camera(8), before, atol=1e-5)  # m
    assert not np.allclose(in_camera(9), before, atol=1e-3)


def test_pixel_errors_are_a_curve_and_the_worst_frames_are_found(extension, imported):
    take = a_take()
    result = imported(take)
    check, plan = extension("addon.scene.check"), extension("addon.plan.check")
    for armature, subject in zip(result.armatures, take.subjects):
        frames, values = check.error_of(armature)
        assert np.allclose(frames, 5 + np.arange(N)) and np.allclose(values, subject.motion["pixel_error"])
        bpy.context.scene.frame_set(9)
        assert armature.data["sinew_pixel_error"] == pytest.approx(float(subject.motion["pixel_error"][4]))
        assert check.error_at(armature, 9.4) == pytest.approx(float(subject.motion["pixel_error"][4]))
        assert check.error_at(armature, 4.2) is None and check.error_at(armature, 5 + N) is None
    assert plan.peaks(np.arange(6), np.array([1, 5, 4, 1, 3, 9]), 2).tolist() == [5, 1, 3]


def test_no_pixel_error_is_named_where_nothing_was_detected(extension, imported):
    take = a_take()
    take.subjects[0].motion["pixel_error"][3:7] = np.nan
    armature, check = imported(take).armatures[0], extension("addon.scene.check")
    assert check.error_at(armature, 5 + 2) == pytest.approx(float(take.subjects[0].motion["pixel_error"][2]))
    assert [check.error_at(armature, 5 + t) for t in range(3, 7)] == [None] * 4
    said = extension("addon.properties").pixel_error_of
    assert said(armature, 5 + 4) == "nothing detected in this frame"
    assert said(armature, 5 + 2).endswith(" px off in this frame")
    bpy.context.scene.frame_set(5 + 4)
    assert armature.data["sinew_pixel_error"] > 0  # the curve itself goes on


def test_a_later_take_brings_it_up_to_date_and_it_can_be_taken_out(extension, imported):
    first = a_take(points=20, take_id="aaaaaaaa-1")
    imported(first)
    later = a_take(take_id="bbbbbbbb-2")
    later.subjects.pop()
    later.meta["subjects"].pop()
    del later.subjects[0].motion["pixel_error"]
    result = imported(later)
    assert len(checks()) == 1 and result.points is None
    assert not [o for o in bpy.data.objects if o.get("sinew_role") == "points"]
    assert extension("addon.scene.check").error_of(result.armatures[0]) is None
    check, owner = show(extension, later)
    assert check.shown(owner)
    check.remove(owner)
    assert not checks() and check.shown(owner) is None
    assert not [g for g in bpy.data.node_groups if g.get("sinew_role") == "check_nodes"]


def test_lens_both_ways(extension):
    """Blender's own matrices against `intrinsics`, for every fit, shift and pixel aspect."""
    lens = extension("addon.plan.lens")
    data = bpy.data.cameras.new("camera")
    camera = bpy.data.objects.new("camera", data)
    bpy.context.scene.collection.objects.link(camera)
    camera.location, camera.rotation_euler, camera.scale = (0.4, -3, 1.2), (1.3, 0.1, 0.2), (2, 2, 2)
    render = bpy.context.scene.render
    points = np.random.default_rng(0).uniform((-1, 0, 0), (1, 2, 2), (20, 3))
    for size in ((1920, 1080), (1080, 1920), (500, 500)):
        for fit in ("AUTO", "HORIZONTAL", "VERTICAL"):
            for aspect in (1.0, 1.5, 0.8):
                render.resolution_x, render.resolution_y = size
                render.pixel_aspect_x, render.pixel_aspect_y = max(aspect, 1.0), max(1.0 / aspect, 1.0)
                data.sensor_fit, data.sensor_width, data.sensor_height = fit, 32.0, 20.0
                data.lens, data.shift_x, data.shift_y = 41.0, 0.13, -0.07
                bpy.context.view_layer.update()
                K = lens.intrinsics(lens.BlenderLens(data.lens, (32.0, 20.0), fit, (0.13, -0.07)), size, aspect)
                T_wc = lens.opencv_pose(np.array(camera.matrix_world))
                ours = lens.project(points[None], T_wc[None], K[None], np.zeros((1, 5)))[0]
                off = np.abs(ours - blender_pixels(camera, points)).max()
                assert off < 0.01, f"{size} {fit} {aspect}: {off:.4f} px"


def test_distortion_comes_off_again(extension):
    lens = extension("addon.plan.lens")
    rng = np.random.default_rng(3)
    K = np.tile([[700.0, 0, 320], [0, 700, 180], [0, 0, 1]], (4, 1, 1))
    bent = np.tile([-0.18, 0.05, 0.001, -0.002, 0.01], (4, 1))
    px = rng.uniform((0, 0), (640, 360), (4, 50, 2))
    ideal = lens.ideal_px(px, K, bent)
    back = lens.distorted((ideal - [320, 180]) / 700, bent[:, None]) * 700 + [320, 180]
    assert np.abs(back - px).max() < 1e-3 and np.abs(ideal - px).max() > 3  # px


def test_a_lens_that_bends_shows_the_plate_without_that_and_everything_on_it(extension, tmp_path):
    """Plate, check points and pins lie on the undistorted plate; pins are told as filmed."""
    from sinew_take import take as take_format

    bent = (-0.2, 0.05, 0.001, -0.001, 0.0)
    take = takes.make_take(N, size_px=(640, 360), distortion=bent)
    takes.add_plate(take, partial := tmp_path / "partial")
    (partial / "plate_undistorted").mkdir()
    for t in range(N):
        (partial / f"plate_undistorted/{t:06d}.jpg").write_bytes((partial / f"plate/{t:06d}.jpg").read_bytes())
    take.meta["plate"]["undistorted"] = {"pattern": "plate_undistorted/{:06d}.jpg", "size_px": [704, 396],
                                         "overscan": 1.1}
    folder = take_format.write(take, tmp_path / "take", partial=partial)
    scene, corrections = extension("addon.scene"), extension("addon.scene.corrections")
    result = scene.build_take(bpy.context, folder, scene.BuildOptions(first_frame=1, set_scene_rate=True))
    background = result.camera.data.background_images[0]
    assert background.scale == pytest.approx(1.1) and "plate_undistorted" in background.image.filepath
    assert any("without distortion" in note for note in result.notes)
    show(extension, take)
    bpy.context.scene.frame_set(4)
    bpy.context.view_layer.update()
    wanted = extension("addon.plan.lens").project(
        extension("addon.plan.check").solved_keypoints(take.subjects[0]), take.shot["T_wc"], take.shot["K"],
        np.zeros((N, 5)))[3]
    got = blender_pixels(result.camera, drawn(checks()[0])["Check detected"])
    off = np.linalg.norm(got[:, None] - wanted[None], axis=-1).min(1)
    assert np.median(off) < 0.05  # px; some of the take's points hang on another joint than the body's
    opened = take_format.read(folder)
    corrections.add_pin(result.root, bpy.context.scene, opened, "s1", "nose")
    (pin,) = corrections.collect(result.root, bpy.context.scene, opened)
    filmed = take.subjects[0].motion["keypoints_px"][3, 0, :2]
    assert abs(pin.x_px - filmed[0]) < 1 and abs(pin.y_px - filmed[1]) < 1  # px
