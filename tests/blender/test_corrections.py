"""Corrections by hand in the scene: pins are exact, everything is saved and undone, solving again updates in place."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import takes

from sinew_take import keypoints
from sinew_take import skeleton as sk

bpy = pytest.importorskip("bpy")

BACKEND = os.environ.get("SINEW_BACKEND_PYTHON", "")
TAKE = {"n_frames": 40, "n_subjects": 2, "motion": "walk"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A golden take with a plate, never written again."""
    base = tmp_path_factory.mktemp("corrections")
    return with_plate(takes.make_take(**TAKE), base / "take")


def with_plate(take, folder: Path) -> Path:
    partial = folder.with_name(folder.name + ".partial")
    takes.add_plate(take, partial)
    return takes.take.write(take, folder, partial=partial)


def build(extension, folder, **options):
    scene = extension("addon.scene")
    return scene.build_take(bpy.context, folder, scene.BuildOptions(**{"set_scene_rate": True, **options}))


def on_screen(camera, points) -> np.ndarray:
    """World points as shares of what the camera frames, from its lower left corner, by Blender's own function."""
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    return np.array([world_to_camera_view(bpy.context.scene, camera, Vector(p))[:2] for p in points])


RENDERS = {
    "as imported": {},
    "half size": {"resolution_percentage": 33},
    "a wider render": {"resolution_x": 1000, "resolution_y": 400},
    "a taller render": {"resolution_x": 400, "resolution_y": 800},
    "anamorphic": {"pixel_aspect_x": 2.0},
}


def test_a_pin_covers_its_pixel_and_says_it(extension, folder):
    """Whatever the render's size, shape and pixels and the sensor's fit, under a root that is moved and scaled."""
    corrections, pins = extension("addon.scene.corrections"), extension("addon.plan.pins")
    result = build(extension, folder)
    scene, camera = bpy.context.scene, result.camera
    result.root.location, result.root.scale = (1, 2, 3), (2, 2, 2)
    scene.frame_set(8)
    pin = corrections.add_pin(result.root, scene, corrections.open_take(result.root), "s1", "wrist_l")
    size, usual = (640, 360), {name: getattr(scene.render, name) for case in RENDERS.values() for name in case}
    for name, case in RENDERS.items():
        for key, value in (usual | case).items():
            setattr(scene.render, key, value)
        for fit in ("HORIZONTAL", "VERTICAL", "AUTO"):
            camera.data.sensor_fit = fit
            frame = corrections.frame_of(camera, scene, size, 8)
            view = np.array([scene.render.resolution_x * scene.render.pixel_aspect_x,
                             scene.render.resolution_y * scene.render.pixel_aspect_y])
            ratio = view / size
            scale = ratio.max() if frame.method == "CROP" else ratio.min()
            for px in ((0.0, 0.0), (640.0, 360.0), (123.456, 301.25), (-40.0, 500.0)):
                pin.location = pins.to_camera(frame, np.array(px), 3.3)
                bpy.context.view_layer.update()
                off = np.abs(corrections.pixel_of(pin, result.root, scene, size) - px).max()
                assert off < 0.01, f"{name}, {fit}: {off} px"
                # Blender's own view of it, and the plate fitted into that view as the background is.
                share = on_screen(camera, [pin.matrix_world.translation])[0]
                seen = (share - 0.5) * view / scale * [1, -1] + np.array(size) / 2
                assert np.abs(seen - px).max() < 0.02, f"{name}, {fit}"


def test_a_pin_begins_where_the_joint_is_solved_to_be(extension, folder):
    corrections = extension("addon.scene.corrections")
    result = build(extension, folder)
    scene = bpy.context.scene
    scene.frame_set(20)
    take = corrections.open_take(result.root)
    pin = corrections.add_pin(result.root, scene, take, "s2", "ankle_r")
    k = sk.MEDIAPIPE_KEYPOINTS.index("ankle_r")
    wanted = keypoints.solved_px(take, take.subjects[1], 19)[k]
    assert np.abs(corrections.pixel_of(pin, result.root, scene, (640, 360)) - wanted).max() < 0.01
    assert np.abs(wanted - take.subjects[1].motion["keypoints_px"][19, k, :2]).max() < 12, "px: near the detection"
    assert corrections.add_pin(result.root, scene, take, "s2", "ankle_r") == pin, "not doubled"
    assert len(corrections.pins_of(result.root)) == 1
    (edit,) = corrections.collect(result.root, scene, take)
    assert (edit.subject, edit.frame, edit.keypoint) == ("s2", 19, "ankle_r")
    with pytest.raises(Exception, match="The person is not in the picture of this frame"):
        corrections.add_pin(result.root, scene, take, "s9", "ankle_r")


def test_a_pin_belongs_to_the_picture_on_screen(extension, folder):
    corrections, plate = extension("addon.scene.corrections"), extension("addon.scene.plate")
    result = build(extension, folder)
    scene = bpy.context.scene
    result.root[plate.OFFSET] = 5
    scene.frame_set(20)
    pin = corrections.add_pin(result.root, scene, corrections.open_take(result.root), "s1", "nose")
    assert pin[corrections.FRAME] == 14, "the plate is five frames late"
    assert pin[corrections.SCENE_FRAME] == 20


def test_a_pin_is_shown_near_its_frame_only_and_needs_no_scripts(extension, folder):
    corrections = extension("addon.scene.corrections")
    result = build(extension, folder)
    scene = bpy.context.scene
    scene.frame_set(10)
    pin = corrections.add_pin(result.root, scene, corrections.open_take(result.root), "s1", "nose")
    (driver,) = pin.animation_data.drivers
    assert driver.driver.is_simple_expression and driver.driver.is_valid
    for frame, hidden in ((8, True), (9, False), (10, False), (11, False), (12, True), (30, True)):
        scene.frame_set(frame)
        assert pin.evaluated_get(bpy.context.evaluated_depsgraph_get()).hide_viewport == hidden, frame


def test_a_pin_keeps_its_pixel_before_a_moving_and_zooming_camera(extension, tmp_path):
    corrections = extension("addon.scene.corrections")
    take = takes.make_take(**TAKE, moving_camera=True)
    take.shot["K"][:, [0, 1], [0, 1]] *= np.linspace(1, 1.5, 40, dtype=np.float32)[:, None]
    result = build(extension, with_plate(take, tmp_path / "take"))
    scene = bpy.context.scene
    scene.frame_set(30)
    opened = corrections.open_take(result.root)
    corrections.add_pin(result.root, scene, opened, "s1", "wrist_r")
    scene.frame_set(1)
    (edit,) = corrections.collect(result.root, scene, opened)
    k = sk.MEDIAPIPE_KEYPOINTS.index("wrist_r")
    assert edit.frame == 29
    # The lens is keyed in millimetres, single precision.
    assert np.abs([edit.x_px, edit.y_px] - keypoints.solved_px(opened, opened.subjects[0], 29)[k]).max() < 0.01


def test_corrections_are_saved_with_the_file(extension, folder, tmp_path):
    corrections = extension("addon.scene.corrections")
    result = build(extension, folder)
    scene = bpy.context.scene
    take = corrections.open_take(result.root)
    scene.frame_set(5)
    corrections.add_pin(result.root, scene, take, "s1", "nose").location.x += 0.1
    corrections.add_range(result.root, scene, take, "s2", 11, 15, "leg_r")
    corrections.add_range(result.root, scene, take, "s1", 20, 20, None)
    own = extension("backend.sinew_take.edits")
    wanted = corrections.collect(result.root, scene, take)
    assert wanted[1:] == [own.Flip("s2", "leg_r", 10, 15), own.Wrong("s1", 19, 20)]
    name = result.root.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"), use_scripts=False)
    root = bpy.data.objects[name]
    assert corrections.collect(root, bpy.context.scene, corrections.open_take(root)) == wanted
    rows = extension("addon.properties").corrections_of(root, "s1")
    assert [(r.label, r.first) for r in rows] == [("Pin: Nose 5", 5), ("Wrong, frame 20", 20)]
    assert extension("addon.properties").corrections_of(root, "s2")[0].label == "Flip: right leg, frames 11 to 15"


def test_what_does_not_fit_is_one_sentence(extension, folder):
    corrections = extension("addon.scene.corrections")
    result = build(extension, folder)
    scene, root = bpy.context.scene, result.root
    take = corrections.open_take(root)
    with pytest.raises(Exception, match="frames 90 to 95 hold none of the take, which covers 1 to 40; choose"):
        corrections.add_range(root, scene, take, "s1", 90, 95, None)
    corrections.add_range(root, scene, take, "s1", 5, 9, "arm_l")
    with pytest.raises(Exception, match=r"^Left arm of Person 1 is flipped over some of the same frames already; two "
                       r"flips undo each other, keep one of them\.$"):
        corrections.add_range(root, scene, take, "s1", 8, 12, "arm_l")
    with pytest.raises(Exception, match="^The last frame, 26, lies before the first, 30; give them the other way round.$"):
        corrections.add_range(root, scene, take, "s1", 30, 26, "arm_l")
    assert len(corrections.ranges_of(root)) == 1
    result.armatures[0].name = "Anna"
    scene.frame_set(20)
    pin = corrections.add_pin(root, scene, take, "s1", "wrist_l")
    place = pin.location.copy()
    pin.location.z = 1.0
    with pytest.raises(Exception, match=r"^The pin of the left wrist in frame 20 of Anna is behind the camera; move it over "
                       r"the picture or remove it\.$"):
        corrections.collect(root, scene, take)
    pin.location = place
    pin.location.x += 40.0
    with pytest.raises(Exception, match=r"^The pin of the left wrist in frame 20 of Anna is far outside the picture; move it "
                       r"over the picture or remove it\.$"):
        corrections.collect(root, scene, take)
    bpy.data.objects.remove(pin)
    corrections.remove_range(root, 0)
    assert corrections.collect(root, scene, take) == []
    root[corrections.FOLDER] = root[corrections.BASE] = "/nowhere/take"
    assert corrections.open_take(root).path == take.path == corrections.base_folder(root), "found beside its plate"
    result.camera.data.background_images.clear()
    with pytest.raises(Exception, match="folder of the take is not there any more .*import the take again"):
        corrections.open_take(root)


def test_what_solving_would_refuse_is_refused_at_the_click(extension, tmp_path):
    """A pin on a frame that is wrong, either way round, and nothing left to fill wrong frames from."""
    corrections = extension("addon.scene.corrections")
    result = build(extension, with_plate(takes.make_take(**TAKE, absent=(15, 20)), tmp_path / "take"))
    scene, root = bpy.context.scene, result.root
    take = corrections.open_take(root)
    scene.frame_set(5)
    pin = corrections.add_pin(root, scene, take, "s1", "foot_index_l")
    with pytest.raises(Exception, match="^The left big toe of Person 1 is pinned in frame 5; remove that pin or mark other "
                       r"frames\.$"):
        corrections.add_range(root, scene, take, "s1", 3, 8, None)
    corrections.add_range(root, scene, take, "s2", 3, 8, None)
    corrections.add_range(root, scene, take, "s1", 6, 8, None)
    corrections.add_range(root, scene, take, "s1", 10, 10, None)
    for frame, said in ((7, "Frames 6 to 8 of Person 1 are"), (10, "Frame 10 of Person 1 is")):
        scene.frame_set(frame)
        with pytest.raises(Exception, match=f"^{said} marked wrong; take that back or pin another frame.$"):
            corrections.add_pin(root, scene, take, "s1", "nose")
    bpy.data.objects.remove(pin)
    for first, last, all_of in ((1, 15, "1 to 15"), (21, 40, "21 to 40")):
        with pytest.raises(Exception, match=f"^Frames {all_of} of Person 1 would all be wrong, which leaves nothing to fill "
                           "them from; leave some of them, or leave the person out under People.$"):
            corrections.add_range(root, scene, take, "s1", first, last, None)
        corrections.add_range(root, scene, take, "s1", first + 1, last, None)
    with pytest.raises(Exception, match="^Frames 1 to 15 of Person 1 would all be wrong"):
        corrections.add_range(root, scene, take, "s1", 1, 1, None)


def test_frames_beyond_the_take_are_cut_off_and_that_is_said(extension, folder):
    from types import SimpleNamespace

    corrections, operators = extension("addon.scene.corrections"), extension("operators.corrections")
    result = build(extension, folder)
    bpy.context.view_layer.objects.active = result.armatures[0]
    said = []
    for first, last in ((30, 60), (-5, 1), (-5, 60), (3, 4)):
        own = SimpleNamespace(first=first, last=last, report=lambda kind, text: said.append((kind, text)))
        assert operators._OnFrames.note(own, bpy.context, "leg_l") == {"FINISHED"}
        (row,) = corrections.ranges_of(result.root)
        assert (row["first"], row["last"]) == (max(first, 1), min(last, 40))
        corrections.remove_range(result.root, 0)
    assert said == [({"INFO"}, f"The take {text} marked.") for text in (
        "ends at 40; frames 30 to 40 are", "begins at 1; frame 1 is", "covers 1 to 40; frames 1 to 40 are")]


@pytest.fixture
def corrected(extension, tmp_path):
    """A scene with a take that was solved with a pin, a flip and wrong frames; (root, scene, folder of the take without)."""
    own = extension("backend.sinew_take.edits")
    first = takes.take.write(takes.make_take(**TAKE), tmp_path / "first")
    later = takes.make_take(**TAKE, take_id="later")
    done = [own.Pin("s1", 4, "nose", 300.0, 100.0), own.Flip("s1", "arm_l", 9, 14), own.Wrong("s2", 20, 24)]
    later.meta["producer"] |= {"edits": own.as_data(done), "solved_from": takes.make_take(**TAKE).id,
                               "solved_from_folder": "../first"}
    build(extension, first)
    result = build(extension, takes.take.write(later, tmp_path / "later"))
    return result.root, bpy.context.scene, first


def test_a_take_that_corrections_start_from_is_known_to_be_one(extension, corrected):
    corrections = extension("addon.scene.corrections")
    root, scene, first = corrected
    assert corrections.is_base(first) and corrections.base_folder(root) == first
    assert not corrections.is_base(first.with_name("later"))
    bpy.data.scenes.new("Left over")
    bpy.data.scenes.remove(scene)
    assert not corrections.is_base(first)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    root = build(extension, first).root
    assert not corrections.is_base(first), "nothing is corrected here"
    corrections.add_range(root, bpy.context.scene, corrections.open_take(root), "s1", 3, 4, None)
    assert corrections.is_base(first)


def test_nothing_is_taken_back_where_the_take_without_corrections_is_gone(extension, corrected):
    corrections = extension("addon.scene.corrections")
    root, scene, first = corrected
    take = corrections.open_take(root)

    def base():
        return corrections.base_for(root, corrections.collect(root, scene, take))

    assert base() == first
    first.rename(first.with_name("elsewhere"))
    later = first.with_name("later")
    assert base() == later, "what the take follows is wanted"
    corrections.add_range(root, scene, take, "s1", 30, 31, None)
    corrections.pins_of(root)[0].location.x += 0.1
    assert base() == later, "more, and a pin moved"
    gone = (rf"^The take without corrections is not there any more \({first}\), so corrections can be added but not taken "
            r"back; undo what you took back, or import another take of the shot\.$")
    kept = corrections.ranges_of(root)
    for rows in (kept[1:], [kept[0], *kept[2:]], []):
        corrections._set_ranges(root, rows)
        with pytest.raises(Exception, match=gone):
            base()
    corrections._set_ranges(root, kept[1:])
    corrections.add_range(root, scene, take, "s1", 12, 16, "arm_l")  # another flip in place of the one before
    with pytest.raises(Exception, match=gone):
        base()
    corrections._set_ranges(root, kept)
    bpy.data.objects.remove(corrections.pins_of(root)[0])
    with pytest.raises(Exception, match=gone):
        base()
    first.with_name("elsewhere").rename(first)
    assert base() == first


def test_names_and_joints_meet(extension):
    pins = extension("addon.plan.pins")
    assert sorted(pins.ordered()) == sorted(sk.MEDIAPIPE_KEYPOINTS)
    assert pins.label("wrist_l") == "Wrist, left" and pins.label("foot_index_r") == "Big toe, right"
    assert pins.keypoint_of("ulna_r") == "elbow_r" and pins.keypoint_of("head") == "nose"
    for joint in sk.JOINT_NAMES:
        assert pins.keypoint_of(joint) in sk.MEDIAPIPE_KEYPOINTS


@pytest.mark.skipif(not BACKEND, reason="SINEW_BACKEND_PYTHON names no backend environment")
def test_solved_again_updates_in_place_and_can_start_over(extension, folder, tmp_path):
    """The backend's own command line between two imports; the artist's layer and materials stay."""
    import subprocess

    corrections, curves = extension("addon.scene.corrections"), extension("addon.scene.curves")
    jobs = extension("addon.jobs.takes")
    result = build(extension, folder)
    scene, root, armature = bpy.context.scene, result.root, result.armatures[0]
    take = corrections.open_take(root)
    scene.frame_set(20)
    pin = corrections.add_pin(root, scene, take, "s1", "wrist_l")
    pin.location += type(pin.location)((0.25, 0.2, 0))
    corrections.add_range(root, scene, take, "s1", 30, 34, None)
    layer = curves.layer_action(armature)
    armature.pose.bones["head"].keyframe_insert("rotation_euler", frame=3)
    keys = len(curves.curves_of(layer, armature))

    def solve(name):
        wanted = corrections.collect(root, scene, corrections.open_take(root))
        path = extension("backend.sinew_take.edits").write(wanted, tmp_path / f"{name}.json")
        request = jobs.Solve(corrections.base_folder(root), path)
        done = subprocess.run([BACKEND, "-m", "sinew", *request.arguments(tmp_path / name)], text=True,
                              capture_output=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]
                                                                                        / "backend")})
        assert done.returncode == 0, done.stderr
        return build(extension, tmp_path / name)

    again = solve("one")
    assert again.is_update and again.armatures == result.armatures
    assert curves.layer_action(armature) == layer and len(curves.curves_of(layer, armature)) == keys
    solved = takes.take.read(tmp_path / "one")
    scene.frame_set(20)
    bone = armature.pose.bones["hand.L"]
    bpy.context.view_layer.update()
    place = np.array((armature.matrix_world @ bone.matrix).translation)
    assert np.linalg.norm(place - solved.subjects[0].motion["joints_m"][19, sk.JOINT_INDEX["hand_l"]]) < 1e-3
    moved = np.linalg.norm(solved.subjects[0].motion["joints_m"] - take.subjects[0].motion["joints_m"], axis=-1).max(1)
    assert moved[19] > 0.05 and moved[19] > 20 * moved[:3].max()
    # The corrections are still there, and solving goes from the take without any.
    assert len(corrections.pins_of(root)) == 1 and corrections.base_folder(root) == folder
    corrections.remove_range(root, 0)
    solve("two")
    own = extension("backend.sinew_take.edits")
    assert own.parse(takes.take.read_meta(tmp_path / "two")["producer"]["edits"]) == corrections.collect(
        root, scene, corrections.open_take(root))
    # A fresh scene shows what the take was solved with, and knows where it came from.
    bpy.ops.wm.read_factory_settings(use_empty=True)
    fresh = build(extension, tmp_path / "one")
    assert corrections.base_folder(fresh.root) == folder
    opened = corrections.open_take(fresh.root)
    found = corrections.collect(fresh.root, bpy.context.scene, opened)
    wanted = own.parse(opened.meta["producer"]["edits"])
    assert found[1:] == wanted[1:] and (found[0].frame, found[0].keypoint) == (19, "wrist_l")
    assert abs(found[0].x_px - wanted[0].x_px) < 0.01 and abs(found[0].y_px - wanted[0].y_px) < 0.01


def test_no_engine_came_into_blender():
    assert not {"torch", "scipy", "sinew"} & {name.split(".")[0] for name in sys.modules}
