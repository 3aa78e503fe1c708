"""The list of people, their pictures, and edits of who is who: noted, taken back, followed by the next import."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import takes

bpy = pytest.importorskip("bpy")

N = 20


@pytest.fixture
def world(extension, tmp_path):
    """A take of three people in the scene; world(**options) -> (root, take)."""
    from sinew_take import take as take_format

    extension("addon.registration").register() if not hasattr(bpy.types.Scene, "sinew") else None
    scene = extension("addon.scene")

    def put(take):
        partial = tmp_path / f"{take.id[:8]}.partial"
        takes.add_plate(take, partial)
        folder = take_format.write(take, tmp_path / take.id[:8], partial=partial)
        result = scene.build_take(bpy.context, folder, scene.BuildOptions(first_frame=1, set_scene_rate=True))
        return result, take_format.read(folder)

    yield put
    extension("addon.registration").unregister()


def choose(result, number):
    bpy.context.view_layer.objects.active = result.armatures[number]


def three(**options):
    return takes.make_take(N, n_subjects=3, **options)


def test_the_list_tells_who_is_there_with_a_picture(extension, world):
    take = three(absent=(5, 10))
    result, _ = world(take)
    rows = extension("addon.properties").people_of(result.root)
    assert [r.armature.name for r in rows] == ["Person 1", "Person 2", "Person 3"]
    assert [r.frames for r in rows] == ["15 of 20 frames", "20 of 20 frames", "20 of 20 frames"]
    assert all(r.confidence == pytest.approx(0.9, abs=1e-3) for r in rows)
    pictures = []
    for row in rows:
        preview = row.armature.preview
        assert tuple(preview.image_size) == (128, 128)
        pixels = np.empty(128 * 128 * 4, np.float32)
        preview.image_pixels_float.foreach_get(pixels)
        pictures.append(pixels.reshape(128, 128, 4))
        assert (pictures[-1][..., :3].min(-1) > 0.9).mean() > 0.003, "the white squares on the keypoints are in it"
    assert not np.array_equal(pictures[0], pictures[1])


def test_people_of_whose_confidence_nobody_spoke_have_none(extension, world):
    take = three()
    take.subjects[1].motion["confidence"][:] = np.nan
    take.subjects[2].motion["confidence"][:, 3:] = np.nan
    result, _ = world(take)
    sure = [row.confidence for row in extension("addon.properties").people_of(result.root)]
    assert sure == [pytest.approx(0.9, abs=1e-3), None, pytest.approx(0.9, abs=1e-3)]


def test_a_file_is_loaded_where_the_extension_has_no_preferences(extension, world):
    monitor, preferences = extension("addon.monitor"), extension("addon.preferences")
    assert not preferences.has_preferences() and monitor.after_load in bpy.app.handlers.load_post
    bpy.context.window_manager.sinew.imported.add().text = "an earlier file's"
    monitor.after_load()
    assert not len(bpy.context.window_manager.sinew.imported)


def test_edits_are_noted_checked_and_taken_back(extension, world):
    result, _ = world(three())
    properties = extension("addon.properties")
    choose(result, 0)
    bpy.context.scene.frame_set(11)
    assert bpy.ops.sinew.swap_person(other="s2") == {"FINISHED"}
    assert bpy.ops.sinew.split_person() == {"FINISHED"}
    choose(result, 2)
    assert bpy.ops.sinew.skip_person() == {"FINISHED"}
    kept = json.loads(result.root["sinew_people_edits"])
    assert kept == [{"kind": "swap", "subject": "s1", "other": "s2", "frame": 10},
                    {"kind": "split", "subject": "s1", "frame": 10}, {"kind": "skip", "subject": "s3"}]
    assert len(properties.people_edits_of(result.root)) == 3
    choose(result, 1)
    with pytest.raises(RuntimeError, match="s2 and s1 are both seen in 10 frames"):
        bpy.ops.sinew.merge_person(other="s1")
    bpy.context.scene.frame_set(1)
    with pytest.raises(RuntimeError, match="s2 is not seen before frame 0, so nothing would stay; choose a later frame"):
        bpy.ops.sinew.split_person()
    assert bpy.ops.sinew.remove_people_edit(number=0) == {"FINISHED"}
    assert [e["kind"] for e in json.loads(result.root["sinew_people_edits"])] == ["split", "skip"]
    assert bpy.ops.sinew.rename_person(name="Anna") == {"FINISHED"}
    assert result.armatures[1].name == "Anna"


def test_the_import_that_follows_them_moves_corrections_and_takes_out_who_is_gone(extension, world):
    people_edits = extension("backend.sinew_take.people_edits")
    from sinew_take import take as take_format

    first = three(take_id="aaaaaaaa-0000")
    result, take = world(first)
    corrections, people = extension("addon.scene.corrections"), extension("addon.scene.people")
    early = corrections.add_pin(result.root, bpy.context.scene, take, "s1", "wrist_l")
    bpy.context.scene.frame_set(16)
    pin = corrections.add_pin(result.root, bpy.context.scene, take, "s1", "wrist_l")
    corrections.add_range(result.root, bpy.context.scene, take, "s1", 5, 14, None)
    people.add_edit(result.root, people_edits.Swap("s1", "s2", 10))
    people.add_edit(result.root, people_edits.Skip("s3"))
    later = three(take_id="bbbbbbbb-0000")
    del later.subjects[2], later.meta["subjects"][2]
    later.meta["producer"] |= {"solved_from": first.id, "people_edits": [
        {"kind": "swap", "subject": "s1", "other": "s2", "frame": 10}, {"kind": "skip", "subject": "s3"}]}
    assert take_format.read(corrections.base_folder(result.root)).id == first.id
    result, _ = world(later)
    assert (early["sinew_subject"], pin["sinew_subject"]) == ("s1", "s2")
    assert [(r["edit"]["subject"], r["edit"]["start"], r["edit"]["end"]) for r in corrections.ranges_of(result.root)] == [
        ("s1", 4, 10), ("s2", 10, 14)]
    assert not [o for o in bpy.data.objects if o.get("sinew_subject") == "s3"]
    assert people.pending(result.root) == [] and any("Person 3" in note for note in result.notes)
    assert take_format.read(corrections.base_folder(result.root)).id == later.id


def test_an_import_of_something_else_leaves_waiting_edits_alone(extension, world):
    people_edits = extension("backend.sinew_take.people_edits")

    result, _ = world(three(take_id="aaaaaaaa-0000"))
    people = extension("addon.scene.people")
    people.add_edit(result.root, people_edits.Skip("s3"))
    result, _ = world(three(take_id="cccccccc-0000"))
    assert people.pending(result.root) == [people_edits.Skip("s3")]
    assert len(extension("addon.properties").people_of(result.root)) == 3


def test_check_view_and_worst_frame_as_operators(extension, world):
    take = three()
    for k, subject in enumerate(take.subjects):
        error = np.ones(N, np.float32)
        error[[4, 15]] = (5 + k, 9 - k)
        subject.motion["pixel_error"] = error
    result, _ = world(take)
    choose(result, 0)
    seen = []
    for _ in range(3):
        bpy.ops.sinew.worst_frame()
        seen.append(bpy.context.scene.frame_current)
    assert seen[:2] == [16, 5]
    check, tags = extension("addon.scene.check"), extension("addon.scene.tags")
    owner = tags.Owner(take.id, take.shot_id)
    assert bpy.ops.sinew.check_view() == {"FINISHED"} and check.shown(owner) is True
    assert bpy.ops.sinew.check_view() == {"FINISHED"} and check.shown(owner) is False
    assert bpy.ops.sinew.remove_check() == {"FINISHED"}
    with pytest.raises(RuntimeError, match="taken out of the file; import the take again"):
        bpy.ops.sinew.check_view()


@pytest.mark.skipif(not os.environ.get("SINEW_BACKEND_PYTHON"), reason="SINEW_BACKEND_PYTHON names no backend environment")
def test_people_solved_again_come_back_in_place(extension, world, tmp_path):
    """The backend's own command line between two imports: a rename, and somebody left out."""
    people_edits = extension("backend.sinew_take.people_edits")
    result, _ = world(three(motion="walk"))
    people, corrections = extension("addon.scene.people"), extension("addon.scene.corrections")
    people.add_edit(result.root, people_edits.Rename("s2", "Anna"))
    people.add_edit(result.root, people_edits.Skip("s1"))
    edits = extension("backend.sinew_take.edits").write(people.pending(result.root), tmp_path / "edits.json")
    request = extension("addon.jobs.takes").Solve(corrections.base_folder(result.root), edits)
    root = Path(__file__).parents[2]
    done = subprocess.run([os.environ["SINEW_BACKEND_PYTHON"], "-m", "sinew", *request.arguments(tmp_path / "again")],
                          env={**os.environ, "PYTHONPATH": str(root / "backend")}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
    scene = extension("addon.scene")
    kept = result.armatures[1]
    after = scene.build_take(bpy.context, tmp_path / "again", scene.BuildOptions(set_frame_range=False))
    assert after.is_update and after.armatures[0] == kept and len(after.armatures) == 2
    assert people.pending(after.root) == []
    assert sorted(o["sinew_subject"] for o in bpy.data.objects if o.get("sinew_role") == "armature") == ["s2", "s3"]
