"""One take in several scenes of a file: each has its own, and none changes another's."""

from fractions import Fraction

import numpy as np
import pytest
import takes

bpy = pytest.importorskip("bpy")

N = 25


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two people with splats, a plate and a camera that moves, at 24 pictures a second."""
    base = tmp_path_factory.mktemp("scenes")
    take = takes.make_take(N, n_subjects=2, n_splats=300, body="box", moving_camera=True, rate=Fraction(24), absent=(3, 5))
    partial = base / "partial"
    takes.add_plate(take, partial)
    return takes.take.write(take, base / "take", partial=partial)


def build(extension, folder, tmp_path, **options):
    scene = extension("addon.scene")
    return scene.build_take(bpy.context, folder, scene.BuildOptions(plate_folder=tmp_path, **options))


def new_scene(fps: int):
    scene = bpy.data.scenes.new("Second")
    scene.render.fps = fps
    bpy.context.window.scene = scene
    return scene


def strips(extension, result) -> list:
    curves = extension("addon.scene.curves")
    return [[(s.frame_start, s.frame_end, s.scale) for track in a.animation_data.nla_tracks for s in track.strips]
            + [tuple(curves.base_action(a).frame_range)] for a in result.armatures]


def background(result) -> tuple:
    shown = result.camera.data.background_images[0]
    return shown.image, shown.image.filepath, shown.image_user.frame_duration


def test_a_second_scene_has_a_take_of_its_own(extension, folder, tmp_path):
    first_scene = bpy.context.scene
    first_scene.render.fps = 24
    first = build(extension, folder, tmp_path)
    before = strips(extension, first), background(first), (first_scene.frame_start, first_scene.frame_end)
    objects, actions = set(first_scene.objects), set(bpy.data.actions)
    assert before[0][0][0] == (1.0, N, 1.0)

    second_scene = new_scene(30)
    second = build(extension, folder, tmp_path)
    assert not second.is_update
    assert (strips(extension, first), background(first)) == before[:2]
    assert (first_scene.frame_start, first_scene.frame_end) == before[2] and set(first_scene.objects) == objects
    assert strips(extension, second)[0][0] == pytest.approx((1.0, 1 + (N - 1) * 30 / 24, 1.0))
    assert (second_scene.frame_start, second_scene.frame_end) == (1, 31)
    size = tuple(takes.take.read(folder).meta["source"]["size_px"])
    assert (second_scene.render.resolution_x, second_scene.render.resolution_y) == size
    assert second_scene.camera == second.camera != first_scene.camera == first.camera
    assert background(second)[0] != background(first)[0]
    assert not set(second_scene.objects) & objects and len(second_scene.objects) == len(objects)
    assert not set(second_scene.collection.children_recursive) & set(first_scene.collection.children_recursive)

    own = set(second_scene.objects)
    blocks = [*own, *(item.data for item in own if item.data is not None), *bpy.data.node_groups]
    for block in (b for b in blocks if b.animation_data):
        assert block.animation_data.action not in actions
        for curve in block.animation_data.drivers if block.id_type != "NODETREE" else ():
            assert {v.targets[0].id for v in curve.driver.variables} <= own, curve.data_path
    first_names = [row.armature for row in extension("addon.properties").people_of(first.root)]
    assert first_names == first.armatures


def test_each_scene_is_brought_up_to_date_alone(extension, folder, tmp_path):
    first_scene = bpy.context.scene
    first_scene.render.fps = 24
    first = build(extension, folder, tmp_path)
    new_scene(30)
    second = build(extension, folder, tmp_path)
    counts = len(bpy.data.objects), len(bpy.data.actions)
    before = strips(extension, first)
    again = build(extension, folder, tmp_path)
    assert again.is_update and again.armatures == second.armatures and again.root == second.root
    assert (len(bpy.data.objects), len(bpy.data.actions)) == counts and strips(extension, first) == before
    bpy.context.window.scene = first_scene
    first.armatures[0].hide_render = True
    again = build(extension, folder, tmp_path)
    assert again.is_update and again.armatures == first.armatures and strips(extension, first) == before
    assert (len(bpy.data.objects), len(bpy.data.actions)) == counts


def test_a_deleted_camera_is_made_anew_in_its_own_scene(extension, folder, tmp_path):
    bpy.context.scene.render.fps = 24
    first = build(extension, folder, tmp_path)
    bpy.context.view_layer.update()
    key = first.camera.animation_data.action
    new_scene(30)
    second = build(extension, folder, tmp_path)
    bpy.data.objects.remove(second.camera)
    again = build(extension, folder, tmp_path)
    assert again.camera.parent == second.root and again.camera.animation_data.action not in (None, key)
    assert np.allclose(key.frame_range, (1, N))


def test_a_removed_scene_leaves_the_take_to_the_next(extension, folder, tmp_path):
    old = bpy.context.scene
    old.render.fps = 24
    shot_id = build(extension, folder, tmp_path).root["sinew_shot_id"]
    new_scene(24)
    bpy.data.scenes.remove(old)
    assert build(extension, folder, tmp_path).root["sinew_shot_id"] == shot_id


def test_a_solve_updates_no_other_scene_than_the_one_that_asked(extension, folder, tmp_path):
    from types import SimpleNamespace

    extension("addon.registration").register() if not hasattr(bpy.types.Scene, "sinew") else None
    monitor, jobs = extension("addon.monitor"), extension("addon.jobs.state")
    asking = bpy.context.scene
    asking.render.fps = 24
    first = build(extension, folder, tmp_path)
    later = takes.make_take(N, n_subjects=2, n_splats=300, body="box", moving_camera=True, rate=Fraction(24), shape=(0.5,),
                            take_id="later")
    solved = takes.take.write(later, tmp_path / "later")
    other = new_scene(24)
    state = jobs.JobState("clip.mp4", tmp_path / "log.txt", jobs.Status.FINISHED, takes=[solved])
    runner = monitor.runner()
    runner.job = SimpleNamespace(state=state, purpose="SOLVE", scene=asking.name, shot=first.root["sinew_shot_id"])

    def in_scene() -> list[str]:
        runner.to_import = runner.job
        monitor._import_results()
        return [item["sinew_take_id"] for item in (first.root, *first.armatures)]

    try:
        assert "later" not in in_scene() and not len(other.objects)
        asking.name, other.name = "Asking", asking.name
        assert "later" not in in_scene() and not len(other.objects), "a scene of that name without the shot"
        other.name, asking.name = "Second", runner.job.scene
        bpy.context.window.scene = asking
        assert in_scene() == ["later"] * 3 and not len(other.objects)
    finally:
        runner.job = None
        extension("addon.registration").unregister()


def test_an_update_brings_in_nobody_of_another_shot(extension, folder, tmp_path):
    """A take is solved again, and another file opened, whose take is of another clip."""
    from types import SimpleNamespace

    from test_people_list import drawn

    extension("addon.registration").register() if not hasattr(bpy.types.Scene, "sinew") else None
    monitor, jobs = extension("addon.monitor"), extension("addon.jobs.state")
    panel, state = extension("panels.corrections").SINEW_PT_corrections, bpy.context.window_manager.sinew
    first = build(extension, folder, tmp_path)
    solved = takes.take.write(takes.make_take(N, n_subjects=2, take_id="later"), tmp_path / "later")
    runner = monitor.runner()
    known = jobs.JobState("clip.mp4", tmp_path / "log.txt", jobs.Status.FINISHED, notes=["A note."], takes=[solved],
                          done=31, total=1000)
    runner.job = SimpleNamespace(state=known, purpose="SOLVE", scene=bpy.context.scene.name,
                                 shot=first.root["sinew_shot_id"])

    def seen(result) -> list[str]:
        bpy.context.view_layer.objects.active = result.armatures[0]
        monitor.mirror(bpy.context.window_manager)
        return [text for text in drawn(panel) if text in ("sinew.take_in_solved", "A note.", "sinew.dismiss")]

    try:
        assert seen(first) == ["sinew.take_in_solved", "A note."] and state.detail == ""
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        other = build(extension, takes.take.write(takes.make_take(N, seed=4, take_id="other"), tmp_path / "other"), tmp_path)
        assert seen(other) == []
        there = set(bpy.data.objects)
        with pytest.raises(RuntimeError, match="That take is of another shot than this scene's; import it from the list of"):
            bpy.ops.sinew.take_in_solved(directory=str(solved))
        runner.to_import = runner.job
        monitor._import_results()
        assert set(bpy.data.objects) == there
        known.status, known.error = jobs.Status.FAILED, "It does not fit."
        assert seen(other) == []
        # In the second scene that has the shot, the job is none of its own either.
        new_scene(24)
        again = build(extension, folder, tmp_path)
        assert seen(again) == ["sinew.dismiss"]
        new_scene(24)
        assert seen(build(extension, folder, tmp_path)) == []
        # Undone, the update says nothing any more.
        known.status, known.error = jobs.Status.FINISHED, ""
        bpy.context.window.scene = again.root.users_scene[0]
        assert bpy.ops.sinew.take_in_solved(directory=str(solved)) == {"FINISHED"}
        assert seen(again) == ["A note."]
        again.root["sinew_take_folder"] = str(folder)
        assert seen(again) == []
        known.status = jobs.Status.CANCELLED
        assert seen(again) == ["sinew.dismiss"] and "Stopped; nothing was changed." in drawn(panel)
    finally:
        runner.job = None
        extension("addon.registration").unregister()
