"""Scenes as artists leave them: parts left out or deleted, settings of their own, other modes, linked files."""

import json
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

N = 12
SHOT = "99999999-0000-0000-0000-000000000000"
FIRST = {"n_frames": N, "body": "box", "motion": "walk", "rate": Fraction(24), "shot_id": SHOT}
LATER = {**FIRST, "take_id": "22222222-0000-0000-0000-000000000000"}
OTHER = {"n_frames": 2 * N, "body": "box", "motion": "walk", "rate": Fraction(30), "seed": 8, "size_px": (360, 640)}


@pytest.fixture(autouse=True)
def registered(extension):
    extension("addon.registration").register() if not hasattr(bpy.types.Scene, "sinew") else None
    yield
    extension("addon.registration").unregister()


@pytest.fixture
def build(extension):
    scene = extension("addon.scene")
    return lambda folder, **options: scene.build_take(bpy.context, folder, scene.BuildOptions(**options))


@pytest.fixture
def first(golden, build):
    """A take in a scene of its rate, with its person selected and active."""
    result = build(golden(**FIRST), set_scene_rate=True)
    activate(result.armatures[0])
    return result


def activate(item) -> None:
    for other in bpy.context.selected_objects:
        other.select_set(False)
    item.select_set(True)
    bpy.context.view_layer.objects.active = item


def leave_out(role: str) -> None:
    """Exclude the take's collection of a role from the view layer."""
    layers = list(bpy.context.view_layer.layer_collection.children)
    while layers:
        layer = layers.pop()
        if layer.collection.get("sinew_role") == role:
            layer.exclude = True
        layers.extend(layer.children)


def refused(operator, **options) -> str:
    """What an operator says that refuses; no traceback."""
    with pytest.raises(RuntimeError) as caught:
        operator(**options)
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


def with_role(role: str) -> list:
    return [item for item in bpy.data.objects if item.get("sinew_role") == role]


def test_a_take_that_is_left_out_of_the_view_layer_is_updated(first, golden):
    leave_out("collection_take")
    assert bpy.ops.sinew.import_take(directory=str(golden(**LATER))) == {"FINISHED"}
    assert first.armatures[0]["sinew_take_id"] == LATER["take_id"]


def test_people_that_are_left_out_leave_the_root_active(first, golden):
    leave_out("collection_rigs")
    assert bpy.ops.sinew.import_take(directory=str(golden(**LATER))) == {"FINISHED"}
    assert bpy.context.view_layer.objects.active == first.root


def test_nothing_is_put_into_a_shot_that_is_left_out(first):
    leave_out("collection_shot")
    for operator, options in ((bpy.ops.sinew.pin_joint, {"keypoint": "wrist_l"}), (bpy.ops.sinew.measure_distance, {})):
        assert "is not in this view layer; bring the shot's collection back first." in refused(operator, **options)
    assert not with_role("pin") and not with_role("distance")


def test_points_and_pins_in_a_shot_that_is_left_out_are_not_gone_to(first):
    bpy.ops.sinew.pin_joint(keypoint="wrist_l")
    activate(first.armatures[0])
    bpy.ops.sinew.measure_distance()
    leave_out("collection_shot")
    activate(first.armatures[0])
    assert "bring the shot's collection back first" in refused(bpy.ops.sinew.pin_joint, keypoint="wrist_l")
    assert "bring the shot's collection back first" in refused(bpy.ops.sinew.show_distance)


def test_a_pin_that_was_put_where_nothing_is_shown(first):
    bpy.ops.sinew.pin_joint(keypoint="wrist_l")
    pin, = with_role("pin")
    for collection in pin.users_collection:
        collection.objects.unlink(pin)
    away = bpy.data.scenes.new("Away")
    away.collection.objects.link(pin)
    activate(first.armatures[0])
    assert "is not in this view layer; bring its collection back first." in refused(bpy.ops.sinew.pin_joint,
                                                                                     keypoint="wrist_l")


def test_a_deleted_camera_is_said_by_everything_that_looks_through_it(first):
    bpy.ops.sinew.pin_joint(keypoint="wrist_l")
    activate(first.armatures[0])
    bpy.data.objects.remove(first.camera)
    said = "The shot's camera was deleted; import the take again."
    assert said in refused(bpy.ops.sinew.check_view)
    assert said in refused(bpy.ops.sinew.pin_joint, keypoint="wrist_l")
    assert said in refused(bpy.ops.sinew.measure_distance)


def test_the_check_view_can_be_hidden_without_a_camera(first, extension):
    check, corrections = extension("addon.scene.check"), extension("addon.scene.corrections")
    assert bpy.ops.sinew.check_view() == {"FINISHED"}
    bpy.data.objects.remove(first.camera)
    assert bpy.ops.sinew.check_view() == {"FINISHED"} and check.shown(corrections.owner_of(first.root)) is False


def test_motion_of_a_person_without_a_root_is_one_sentence(first, extension, monkeypatch, tmp_path):
    read_outs, errors = extension("operators.read_outs"), extension("backend.sinew_take.errors")
    monkeypatch.setattr(extension("operators.launch"), "ready_python", lambda: Path("python"))
    bpy.data.objects.remove(first.root)
    with pytest.raises(errors.RequestError, match="^The root of Person 1's take was deleted; import the take again.$"):
        read_outs.start(bpy.context, tmp_path / "none.bvh")


@pytest.mark.parametrize("where", ["another scene", "left out"])
def test_a_camera_that_blender_does_not_evaluate_is_refused(extension, where):
    own, errors = extension("addon.scene.own_camera"), extension("backend.sinew_take.errors")
    camera = bpy.data.objects.new("mine", bpy.data.cameras.new("mine"))
    scene = bpy.context.scene
    if where == "another scene":
        bpy.data.scenes.new("Other").collection.objects.link(camera)
    else:
        held = bpy.data.collections.new("held")
        scene.collection.children.link(held)
        held.objects.link(camera)
        bpy.context.view_layer.layer_collection.children["held"].exclude = True
    with pytest.raises(errors.RequestError, match="^mine is not in this scene's view layer; bring it in or switch to its"):
        own.sample(scene, camera, 0, 5, 1, Fraction(24), (640, 360), False)


@pytest.mark.parametrize("held", [None, 3, "tall", [1.7]])
def test_the_body_panel_draws_without_its_measures(golden, build, extension, held):
    armature = build(golden(n_frames=4, rate=Fraction(24)), set_scene_rate=True).armatures[0]
    assert not extension("addon.properties_body").body_problem(armature)
    del armature["sinew_measures"]
    if held is not None:
        armature["sinew_measures"] = held
    layout = MagicMock()
    extension("panels.body").SINEW_PT_body.draw(SimpleNamespace(layout=layout), SimpleNamespace(object=armature))
    assert layout.box.called == (held == [1.7])


@pytest.mark.parametrize("held", ["5", "[1]", '{"a": 1}', "null", "no JSON", '[{"kind": "split"}, 2]', '[{"edit": 1}]'])
def test_lists_on_the_root_that_were_overwritten_are_drawn(first, extension, held):
    properties = extension("addon.properties")
    first.root["sinew_corrections"] = first.root["sinew_people_edits"] = held
    assert properties.corrections_of(first.root, "s1") == []
    assert len(properties.people_edits_of(first.root)) == ("split" in held)


def test_a_row_that_is_damaged_does_not_shift_the_others(first, extension):
    properties, corrections = extension("addon.properties"), extension("addon.scene.corrections")
    subject = first.armatures[0]["sinew_subject"]
    kept = {"edit": {"kind": "wrong", "subject": subject}, "first": 2, "last": 3}
    first.root["sinew_corrections"] = json.dumps([1, kept])
    row, = properties.corrections_of(first.root, subject)
    assert row.number == 0 and len(corrections.ranges_of(first.root)) == 1


def lost(result) -> list[str]:
    return [note for note in result.notes if note.startswith("The scene had ")]


def test_settings_of_the_scene_s_own_are_told_before_they_go(golden, build):
    scene, render = bpy.context.scene, bpy.context.scene.render
    scene.frame_start, scene.frame_end = 1, 500
    render.resolution_x, render.resolution_y, render.resolution_percentage = 3840, 2160, 50
    result = build(golden(**FIRST), set_scene_rate=True)
    assert lost(result) == ["The scene had 3840x2160 at 50 % and frames 1 to 500; it has the take's picture size and frames "
                            "now, undo brings yours back."]
    assert (scene.frame_start, scene.frame_end, render.resolution_percentage) == (1, N, 100)
    assert not lost(build(golden(**LATER)))


@pytest.mark.parametrize("frames, percent, said", [
    ((1, 250), 100, None), ((1, N), 100, None), ((11, 40), 100, "frames 11 to 40; it has the take's frames now"),
    ((1, 250), 25, "1920x1080 at 25 %; it has the take's picture size now")])
def test_only_what_somebody_set_is_told(golden, build, frames, percent, said):
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = frames
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 1920, 1080, percent
    notes = lost(build(golden(**FIRST), set_scene_rate=True))
    assert notes == ([] if said is None else [f"The scene had {said}, undo brings yours back."])


def test_a_second_take_leaves_the_picture_and_widens_the_frames(first, golden, build):
    scene, render = bpy.context.scene, bpy.context.scene.render
    size = render.resolution_x, render.resolution_y
    scene.frame_end = 15
    result = build(golden(**OTHER))
    assert (render.resolution_x, render.resolution_y) == size and not lost(result)
    assert (scene.frame_start, scene.frame_end) == (1, 19)  # 24 frames at 30 per second, in a scene of 24
    scene.frame_end = 500
    build(golden(**{**OTHER, "seed": 9}))
    assert scene.frame_end == 500


@pytest.mark.parametrize("has_take", [False, True])
def test_the_scene_s_rate_is_kept_where_takes_follow_it(golden, build, extension, has_take):
    bpy.context.scene.render.fps = 24
    if has_take:
        build(golden(**FIRST))
    operator = extension("operators.takes").SINEW_OT_import_take
    asked = SimpleNamespace(directory=str(golden(**OTHER)), scene_rate="TAKE")
    context = SimpleNamespace(scene=bpy.context.scene, window_manager=MagicMock())
    operator.invoke(asked, context, None)
    assert context.window_manager.invoke_props_dialog.called and asked.scene_rate == ("KEEP" if has_take else "TAKE")
    assert any("takes already there would have to be imported again" in line for line in asked.question) == has_take


@pytest.mark.parametrize("mode", ["OBJECT", "EDIT", "SCULPT", "WEIGHT_PAINT"])
def test_an_update_leaves_the_artist_in_the_mode_of_the_work(first, golden, mode):
    mesh = bpy.data.meshes.new("work")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    work = bpy.data.objects.new("work", mesh)
    bpy.context.scene.collection.objects.link(work)
    activate(work)
    bpy.ops.object.mode_set(mode=mode)
    assert bpy.ops.sinew.take_in_solved(directory=str(golden(**LATER))) == {"FINISHED"}
    assert bpy.context.view_layer.objects.active == work and work.mode == mode
    bpy.ops.object.mode_set(mode="OBJECT")


def test_an_import_by_the_timer_waits_for_a_modal_operator(extension, monkeypatch, tmp_path):
    monitor, jobs = extension("addon.monitor"), extension("addon.jobs.state")
    state = jobs.JobState("clip.mp4", tmp_path / "log.txt", jobs.Status.FINISHED, takes=[tmp_path])
    runner = monitor.runner()
    job = SimpleNamespace(state=state, purpose="RUN", poll=lambda deadline_s: False, cancel=lambda: None, close=lambda: None)
    runner.job = runner.to_import = job
    grab, keys = (SimpleNamespace(bl_idname=name) for name in ("TRANSFORM_OT_translate", "WM_OT_show_the_keys"))
    still, busy = SimpleNamespace(modal_operators=[keys]), SimpleNamespace(modal_operators=[keys, grab])
    old = SimpleNamespace()
    manager, ops = SimpleNamespace(sinew=SimpleNamespace(is_alive=False), windows=[still, busy]), MagicMock()
    context = SimpleNamespace(window_manager=manager, temp_override=lambda **_: nullcontext())
    with monkeypatch.context() as patch:
        patch.setattr(monitor, "bpy", SimpleNamespace(types=bpy.types, context=context, ops=ops))
        assert monitor.tick() == monitor.PERIOD_S and runner.to_import is job and not ops.sinew.import_take.called
        manager.windows = [still, old]
        assert monitor.tick() is None and runner.to_import is None and ops.sinew.import_take.call_count == 1
        assert monitor.tick() is None and ops.sinew.import_take.call_count == 1
    runner.job = None


def link_people(tmp_path, override: bool):
    """The scene saved, and its take linked into an empty one. Returns the linked armature, active."""
    path = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (there, here):
        here.collections = list(there.collections)
    held = next(c for c in here.collections if c["sinew_role"] == "collection_take")
    if override:
        held.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer)
    else:
        bpy.context.scene.collection.children.link(held)
    armature = next(o for o in bpy.context.scene.objects if o.get("sinew_role") == "armature")
    assert (armature.override_library is not None) == override
    activate(armature)
    return armature


@pytest.mark.parametrize("override", [False, True])
def test_linked_people_are_corrected_in_their_own_file(first, tmp_path, override):
    link_people(tmp_path, override)
    ops = bpy.ops.sinew
    for operator in (ops.pin_joint, ops.mark_wrong, ops.measure_distance, ops.check_view, ops.clamp_keys, ops.rename_person,
                     ops.skip_person):
        assert "This person is linked from another file; correct it there." in refused(operator)


@pytest.mark.parametrize("override", [False, True])
def test_linked_people_are_exported_into_this_file(first, tmp_path, override):
    armature = link_people(tmp_path, override)
    assert bpy.ops.sinew.make_export_rig() == {"FINISHED"}
    rig, skin = with_role("export_rig")[0], with_role("export_body")[0]
    assert rig.library is None and list(rig.users_collection) == [bpy.context.scene.collection]
    assert skin.library is None and skin.override_library is None and skin.data.library is None and skin.parent == rig
    assert skin.modifiers[0].object == rig and {g.name for g in skin.vertex_groups} <= {b.name for b in rig.data.bones}
    assert rig.animation_data.action is not None and armature.name != rig.name


def test_a_camera_stays_on_the_artist_s_parent(first, golden, build):
    rig = bpy.data.objects.new("rig", None)
    bpy.context.scene.collection.objects.link(rig)
    first.camera.parent = rig
    build(golden(**LATER))
    assert first.camera.parent == rig


def test_a_camera_whose_root_was_deleted_hangs_on_the_new_one(first, golden, build):
    bpy.data.objects.remove(first.root)
    again = build(golden(**LATER))
    assert again.camera.parent == again.root and np.allclose(again.camera.matrix_parent_inverse, np.eye(4))
