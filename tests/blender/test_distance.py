"""A distance measured over the picture of a take: on its pixels, in its frame, into the request; every refusal."""

import sys

import numpy as np
import pytest
import takes

from sinew_take import distance as contract

bpy = pytest.importorskip("bpy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A golden take before a moving camera, with a plate; its frames are those of the source from 5 on."""
    take = takes.make_take(20, motion="walk", moving_camera=True)
    take.shot["frame"] = take.shot["frame"] + np.int32(5)
    folder = tmp_path_factory.mktemp("distance") / "take"
    takes.add_plate(take, folder.with_name("take.partial"))
    return takes.take.write(take, folder, partial=folder.with_name("take.partial"))


def build(extension, folder):
    scene = extension("addon.scene")
    return scene.build_take(bpy.context, folder, scene.BuildOptions(set_scene_rate=True))


def move_onto(extension, root, take, places, index) -> None:
    """Put the points on the pixels of two places of the take's world, as the artist would."""
    corrections, distance = extension("addon.scene.corrections"), extension("addon.scene.distance")
    pins, lens = extension("addon.plan.pins"), extension("addon.plan.lens")
    shot = {name: take.shot[name][index:index + 1].astype(float) for name in ("T_wc", "K", "distortion")}
    px = lens.project(np.array([places], float), **shot)[0]
    scene, camera = bpy.context.scene, corrections.camera_of(root)
    for point, at in zip(distance.points_of(root), px, strict=True):
        frame = corrections.frame_of(camera, scene, (640, 360), point[corrections.SCENE_FRAME])
        point.location = pins.to_camera(frame, at, 2.0)


def test_points_stand_on_the_floor_beside_the_feet_and_measure_it(extension, folder):
    distance, corrections = extension("addon.scene.distance"), extension("addon.scene.corrections")
    root = build(extension, folder).root
    scene = bpy.context.scene
    scene.frame_set(12)
    take = corrections.open_take(root)
    points = distance.place(root, scene, take)
    assert [p[corrections.FRAME] for p in points] == [11, 11] and [p.parent.type for p in points] == ["CAMERA"] * 2
    assert 0.2 < distance.solved_m(root, scene, take) < 1.2, "half a metre to each side, where the picture goes so far"
    assert distance.place(root, scene, take) == points, "not doubled"
    move_onto(extension, root, take, [[-0.4, 0.3, 0], [0.5, -0.2, 0]], 11)
    wanted = float(np.hypot(0.9, 0.5))
    assert distance.solved_m(root, scene, take) == pytest.approx(wanted, rel=1e-4)
    scene.frame_set(2)  # a camera that moved on does not take the points along
    given = distance.collect(root, scene, take, 3.0)
    assert (given.frame, given.metres) == (16, 3.0)
    assert contract.parse(given.as_text()).frame == 16
    plan = extension("addon.plan.distance")
    assert plan.solved_m(take, 11, np.array([given.first_px, given.second_px])) == pytest.approx(wanted, rel=1e-4)
    # At another picture the same button moves the measure there.
    moved = distance.place(root, scene, take)
    assert [p[corrections.FRAME] for p in moved] == [1, 1] and len(distance.points_of(root)) == 2
    build(extension, folder)
    assert distance.points_of(root) == moved, "an import leaves them"
    distance.remove(root)
    assert distance.points_of(root) == []


def test_pixels_are_those_of_the_picture_as_filmed(extension, tmp_path):
    distance, corrections = extension("addon.scene.distance"), extension("addon.scene.corrections")
    take = takes.make_take(4)
    take.shot["distortion"][:, 0] = -0.12
    partial = tmp_path / "take.partial"
    takes.add_plate(take, partial)
    (partial / "plate_undistorted").mkdir()
    for picture in sorted((partial / "plate").iterdir()):
        (partial / "plate_undistorted" / picture.name).write_bytes(picture.read_bytes())
    take.meta["plate"]["undistorted"] = {"pattern": "plate_undistorted/{:06d}.jpg", "size_px": [640, 360], "overscan": 1.0}
    root = build(extension, takes.take.write(take, tmp_path / "take", partial=partial)).root
    scene = bpy.context.scene
    opened = corrections.open_take(root)
    distance.place(root, scene, opened)
    lens = extension("addon.plan.lens")
    places = np.array([[-0.4, 0.2, 0], [0.5, -0.2, 0]], float)
    shot = {name: opened.shot[name][:1].astype(float) for name in ("T_wc", "K", "distortion")}
    move_onto_ideal(extension, root, lens.project(places[None], shot["T_wc"], shot["K"], np.zeros((1, 5)))[0])
    given = distance.collect(root, scene, opened, 1.0)
    wanted = lens.project(places[None], **shot)[0]
    assert np.abs(np.array([given.first_px, given.second_px]) - wanted).max() < 0.02  # px
    assert distance.solved_m(root, scene, opened) == pytest.approx(float(np.hypot(0.9, 0.4)), rel=1e-3)


def move_onto_ideal(extension, root, px) -> None:
    corrections, distance = extension("addon.scene.corrections"), extension("addon.scene.distance")
    pins, camera = extension("addon.plan.pins"), corrections.camera_of(root)
    for point, at in zip(distance.points_of(root), px, strict=True):
        frame = corrections.frame_of(camera, bpy.context.scene, (640, 360), point[corrections.SCENE_FRAME])
        point.location = pins.to_camera(frame, at, 2.0)


def test_what_cannot_be_measured_is_one_sentence(extension, folder):
    distance, corrections = extension("addon.scene.distance"), extension("addon.scene.corrections")
    result = build(extension, folder)
    root, scene = result.root, bpy.context.scene
    take = corrections.open_take(root)
    name = str(take.meta["source"]["name"])
    with pytest.raises(Exception, match="^No distance is measured: import a take of the clip and press Measure on the Floor"):
        distance.asked(scene, name, 2.0)
    with pytest.raises(Exception, match="^No distance is measured on this take; press Measure on the Floor, or switch"):
        distance.collect(root, scene, take, 2.0)
    first, second = distance.place(root, scene, take)
    assert distance.asked(scene, name, 2.0).metres == 2.0
    with pytest.raises(Exception, match=f"^The distance was measured on {name}, and other.mp4 is picked; pick that video"):
        distance.asked(scene, "other.mp4", 2.0)
    with pytest.raises(Exception, match="^900 m is no distance"):
        distance.collect(root, scene, take, 900.0)
    kept = second.location.copy()
    second.location = first.location
    with pytest.raises(Exception, match="The two points of the measured distance are the same"):
        distance.collect(root, scene, take, 2.0)
    second.location = kept
    second.location.x += 50
    with pytest.raises(Exception, match="of the measured distance is not in the picture, which has 640 x 360"):
        distance.collect(root, scene, take, 2.0)
    second.location = kept
    second.location.z = 1
    with pytest.raises(Exception, match="^A point of the measured distance is behind the camera; move it over the picture"):
        distance.collect(root, scene, take, 2.0)
    move_onto(extension, root, take, [[-0.4, 0.3, 0], [0.5, 9.0, 0]], int(first[corrections.FRAME]))
    far = [p.location.copy() for p in (first, second)]
    second.location = far[1]
    second.location.y += 0.3 * abs(second.location.z)
    with pytest.raises(Exception, match="is above the horizon, so it is not on the floor; move it|is not in the picture"):
        distance.collect(root, scene, take, 2.0)
    first[corrections.FRAME] = 99
    with pytest.raises(Exception, match="measured in a picture that the take does not have; measure it again"):
        distance.collect(root, scene, take, 2.0)


def test_the_button_the_request_and_undo(extension, folder):
    """As a user does it: the operator, the setting, the command line; one step back takes the points away."""
    package = extension()
    package.register()
    try:
        assert not bpy.ops.sinew.measure_distance.poll()
        root = build(extension, folder).root
        scene = bpy.context.scene
        bpy.ops.ed.undo_push(message="imported")
        scene.frame_set(7)
        assert bpy.ops.sinew.measure_distance("EXEC_DEFAULT", True) == {"FINISHED"}
        distance = extension("addon.scene.distance")
        points = distance.points_of(root)
        assert scene.sinew.use_distance and bpy.context.object == points[0]
        assert extension("addon.properties").measured_frame(root) == 7
        scene.sinew.distance_m = 2.5
        text = sys.modules[extension("operators.run").__name__]._distance(bpy.context, "golden.mp4")
        assert contract.parse(text).metres == 2.5 and contract.parse(text).frame == 11
        request = extension("addon.jobs.takes").Request(folder / "clip.mp4", distance=text)
        words = request.arguments(folder)
        assert words[words.index("--distance") + 1] == text
        scene.frame_set(1)
        assert bpy.ops.sinew.show_distance("EXEC_DEFAULT", True) == {"FINISHED"} and scene.frame_current == 7
        bpy.ops.ed.undo()  # the step of the operator that showed them
        bpy.ops.ed.undo()
        scene = bpy.context.scene
        root = next(item for item in bpy.data.objects if item.get("sinew_role") == "root")
        assert distance.points_of(root) == [] and not scene.sinew.use_distance, "one step takes points and switch back"
        assert bpy.ops.sinew.measure_distance("EXEC_DEFAULT", True) == {"FINISHED"}
        assert len(distance.points_of(root)) == 2
        assert bpy.ops.sinew.remove_distance() == {"FINISHED"}
        assert distance.points_of(root) == [] and not scene.sinew.use_distance
        assert sys.modules[extension("operators.run").__name__]._distance(bpy.context, "golden.mp4") is None
    finally:
        package.unregister()
