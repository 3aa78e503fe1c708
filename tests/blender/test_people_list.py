"""The list of people, their pictures, and edits of who is who: noted, taken back, followed by the next import."""

import json
import os
import re
import subprocess
from pathlib import Path
from types import FunctionType, SimpleNamespace

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


def refusal(sentence):
    return pytest.raises(RuntimeError, match=f"^Error: {re.escape(sentence)}$")


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
    assert kept == [{"kind": "swap", "subject": "s1", "other": "s2", "frame": 10, "at": 11},
                    {"kind": "split", "subject": "s1", "frame": 10, "at": 11}, {"kind": "skip", "subject": "s3"}]
    assert properties.people_edits_of(result.root) == [
        "Frame 11: Person 1 and Person 2 swap", "Frame 11: Person 1 is somebody else",
        "Leave out Person 3"]
    choose(result, 1)
    with refusal("Person 2 and Person 1 are both seen in 10 frames (the first is 1), so they are two people; split or swap "
                 "them first."):
        bpy.ops.sinew.merge_person(other="s1")
    with refusal("Person 3 is left out or merged by a change of the list; take that one back first."):
        bpy.ops.sinew.swap_person(other="s3")
    bpy.context.scene.frame_set(1)
    with refusal("Person 2 is not seen before frame 1, so nothing would stay; choose a later frame."):
        bpy.ops.sinew.split_person()
    bpy.context.scene.frame_set(40)
    with refusal("Frame 40 is outside the take, which covers 1 to 20; go to one of its frames."):
        bpy.ops.sinew.split_person()
    assert bpy.ops.sinew.remove_people_edit(number=0) == {"FINISHED"}
    assert [e["kind"] for e in json.loads(result.root["sinew_people_edits"])] == ["split", "skip"]
    assert bpy.ops.sinew.rename_person(name="Anna") == {"FINISHED"}
    assert result.armatures[1].name == "Anna"


def test_frames_and_names_are_the_scenes(extension, world):
    """At another rate, with the plate later than the people, and beside another object of the same name."""
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Person 2", None))
    result, _ = world(three(absent=(5, 10)))
    scene, root = bpy.context.scene, result.root
    root["sinew_scene_rate"] = [2.0 * scene.render.fps, scene.render.fps_base]
    root["sinew_plate_offset"] = 3
    choose(result, 1)
    scene.frame_set(17)
    with refusal("Person 1 is not in the shot at frame 16; choose a frame in which both are."):
        bpy.ops.sinew.swap_person(other="s1")
    scene.frame_set(25)
    bpy.ops.sinew.swap_person(other="s1")
    assert json.loads(root["sinew_people_edits"])[0]["frame"] == 10
    assert extension("addon.properties").people_edits_of(root) == ["Frame 24: Person 2.001 and Person 1 swap"]


def clicked(operator):
    """An operator after its invoke: `done` and what it `said`, or the values with which its dialog has opened.

    Blender itself opens dialogs in a window only.
    """
    own = {name: value for name, value in vars(operator).items() if isinstance(value, FunctionType) or name == "is_from_here"}
    seen = type("Clicked", tuple(base for base in operator.__bases__ if base is not bpy.types.Operator), own)()
    seen.report = lambda kind, text: setattr(seen, "said", text)
    context = SimpleNamespace(object=bpy.context.object, scene=bpy.context.scene, window_manager=SimpleNamespace(
        invoke_props_dialog=lambda asked, width: {"RUNNING_MODAL"}))
    seen.done = seen.invoke(context, None)
    return seen


def test_a_dialog_opens_only_where_somebody_would_do(extension, world):
    take = three()
    takes.add_detections(take, {"s2": (0, 8), "s3": (12, N)})
    take.subjects[1].motion["present"][8:] = False
    result, _ = world(take)
    who = extension("operators.who")
    choose(result, 0)
    merge = clicked(who.SINEW_OT_merge_person)
    assert merge.done == {"CANCELLED"} and merge.said.startswith("Person 1 and Person 2 are both seen in 8 frames")
    with pytest.raises(RuntimeError, match="Person 1 and Person 2 are both seen in 8 frames"):
        bpy.ops.sinew.merge_person("INVOKE_DEFAULT")
    bpy.context.scene.frame_set(15)
    swap = clicked(who.SINEW_OT_swap_person)
    assert (swap.done, swap.other) == ({"RUNNING_MODAL"}, "s3")
    choose(result, 2)
    merge = clicked(who.SINEW_OT_merge_person)
    assert (merge.done, merge.other) == ({"RUNNING_MODAL"}, "s2")


def test_who_is_alone_is_neither_merged_nor_swapped(extension, world):
    result, _ = world(takes.make_take(N))
    choose(result, 0)
    assert not bpy.ops.sinew.merge_person.poll() and not bpy.ops.sinew.swap_person.poll()
    assert bpy.ops.sinew.split_person.poll()
    with pytest.raises(RuntimeError, match="There is nobody else in this take"):
        bpy.ops.sinew.merge_person()


def test_a_name_is_the_takes_own_and_comes_back(extension, world):
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Person 1", None))
    result, _ = world(three())
    armature, listed = result.armatures[0], extension("addon.properties").people_edits_of
    who = extension("operators.who")
    choose(result, 0)
    assert armature.name == "Person 1.001"
    assert clicked(who.SINEW_OT_rename_person).name == "Person 1"
    assert bpy.ops.sinew.rename_person(name=" Person 1 ") == {"CANCELLED"} and listed(result.root) == []
    with refusal("Somebody else of the take is called Person 2 already; give another name."):
        bpy.ops.sinew.rename_person(name="Person 2")
    bpy.ops.sinew.rename_person(name="Anna")
    assert listed(result.root) == ["Person 1 is Anna"] and clicked(who.SINEW_OT_rename_person).name == "Anna"
    bpy.ops.sinew.rename_person(name="Anna  Lena")
    assert listed(result.root) == ["Person 1 is Anna Lena"] and armature.name == "Anna Lena"
    bpy.ops.sinew.remove_people_edit(number=0)
    assert listed(result.root) == [] and armature.name == "Person 1.001"
    bpy.ops.sinew.rename_person(name="Anna")
    bpy.ops.sinew.rename_person(name="Person 1")
    assert listed(result.root) == [] and armature.name == "Person 1.001"
    bpy.ops.sinew.rename_person(name="Anna")
    armature.name = "Own"
    bpy.ops.sinew.remove_people_edit(number=0)
    assert armature.name == "Own"


def test_the_list_is_worked_on_with_whatever_of_the_shot_is_active(extension, world):
    result, take = world(three())
    people_edits, corrections = extension("backend.sinew_take.people_edits"), extension("addon.scene.corrections")
    pin = corrections.add_pin(result.root, bpy.context.scene, take, "s1", "nose")
    bpy.context.window_manager.sinew.backend = "READY"
    for item in (result.root, result.camera, pin, result.armatures[0]):
        extension("addon.scene.people").add_edit(result.root, bpy.context.scene, people_edits.Skip("s3"))
        bpy.context.view_layer.objects.active = item
        assert bpy.ops.sinew.solve_people.poll(), item
        assert bpy.ops.sinew.remove_people_edit(number=0) == {"FINISHED"} and "sinew_people_edits" not in result.root


@pytest.mark.parametrize("chosen", ["armature", "body", "pin"])
def test_who_is_gone_leaves_somebody_of_the_take_active(extension, world, chosen):
    people_edits = extension("backend.sinew_take.people_edits")
    result, take = world(three(take_id="aaaaaaaa-0000"))
    scene, corrections = bpy.context.scene, extension("addon.scene.corrections")
    extension("addon.scene.people").add_edit(result.root, scene, people_edits.Skip("s2"))
    item = {"armature": result.armatures[1], "body": next(o for o in result.armatures[1].children if o.type == "MESH"),
            "pin": corrections.add_pin(result.root, scene, take, "s2", "nose")}[chosen]
    bpy.context.view_layer.objects.active = item
    item.select_set(True)
    if chosen == "armature":
        bpy.ops.object.mode_set(mode="POSE")
    later = three(take_id="bbbbbbbb-0000")
    del later.subjects[1], later.meta["subjects"][1]
    later.meta["producer"] |= {"solved_from": take.id, "people_edits": [{"kind": "skip", "subject": "s2"}]}
    base = Path(take.path)
    partial = base.with_name("later.partial")
    takes.add_plate(later, partial)
    folder = takes.take.write(later, base.with_name("later"), partial=partial)
    assert bpy.ops.sinew.take_in_solved(directory=str(folder)) == {"FINISHED"}
    active = bpy.context.view_layer.objects.active
    assert active == result.armatures[0] and active.select_get() and bpy.context.mode == "OBJECT"
    said = [line.text for line in bpy.context.window_manager.sinew.said]
    assert any(line.startswith("Person 2 is no longer anybody in the take") for line in said)
    assert any(said[0] in text for text in drawn(extension("panels.people").SINEW_PT_who, status="FINISHED"))


class Drawn(list):
    """A layout that notes what is drawn: texts, operators and bars."""

    def __getattr__(self, name):
        if name in ("box", "row", "column"):
            return lambda **options: self
        if name in ("label", "operator", "progress", "prop", "template_icon"):
            return self._note
        raise AttributeError(name)

    def _note(self, *names, text="", **options):
        self.extend([*map(str, names), text])
        return SimpleNamespace()


def drawn(panel, **state):
    """What a panel draws with the job in a state."""
    known = bpy.context.window_manager.sinew
    known.kind = "SOLVE"
    for name, value in state.items():
        setattr(known, name, value)
    layout = Drawn()
    own = SimpleNamespace(layout=layout)
    for name, part in vars(panel).items():
        if isinstance(part, FunctionType) and name.startswith("_"):
            setattr(own, name, part.__get__(own))
    context = SimpleNamespace(object=bpy.context.object, window_manager=bpy.context.window_manager,
                              preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),
                              region=SimpleNamespace(width=20000))
    panel.draw(own, context)
    return layout


def test_a_solve_of_people_shows_its_way_and_its_end(extension, world):
    people_edits = extension("backend.sinew_take.people_edits")
    result, _ = world(three())
    extension("addon.scene.people").add_edit(result.root, bpy.context.scene, people_edits.Skip("s2"))
    panel = extension("panels.people").SINEW_PT_who
    bpy.context.view_layer.objects.active = result.root
    alive = drawn(panel, status="RUNNING", is_alive=True, fraction=0.25, stage="Solving the motion",
                  shot=result.root["sinew_shot_id"])
    assert {"25%", "Solving the motion", "sinew.cancel_job"} <= set(alive) and "sinew.solve_people" not in alive
    # Its result would not know of another edit.
    bpy.context.view_layer.objects.active = result.armatures[0]
    changes = [getattr(bpy.ops.sinew, f"{name}_person") for name in ("rename", "skip", "merge", "split", "swap")]
    assert not any(change.poll() for change in (*changes, bpy.ops.sinew.remove_people_edit))
    failed = drawn(panel, status="FAILED", is_alive=False, error="It does not fit.")
    assert {"It does not fit.", "sinew.solve_people"} <= set(failed) and "sinew.cancel_job" not in failed
    assert all(change.poll() for change in (*changes, bpy.ops.sinew.remove_people_edit))
    stopped = drawn(panel, status="CANCELLED", error="")
    assert {"Stopped; nothing was changed.", "sinew.dismiss", "sinew.solve_people"} <= set(stopped)
    for status in ("FAILED", "CANCELLED"):
        other = drawn(panel, status=status, error="It does not fit.", shot="another")
        assert "sinew.solve_people" in other and "sinew.dismiss" not in other
    other = drawn(panel, status="RUNNING", is_alive=True, title="other.mp4")
    assert {"other.mp4", "sinew.cancel_job"} <= set(other), "whose it is"
    known = bpy.context.window_manager.sinew
    known.is_alive, known.status = False, "NONE"


def test_what_an_update_had_to_say_goes_when_it_is_undone(extension, world):
    result, _ = world(three())
    state, said_of = bpy.context.window_manager.sinew, extension("addon.properties").said_of
    state.kind = "SOLVE"
    extension("addon.monitor").note_import(result.root["sinew_take_folder"], ["Person 2 is gone."])
    assert said_of(result.root, state) == ["Person 2 is gone."]
    result.root["sinew_take_folder"] = "/the/take/before"
    assert said_of(result.root, state) == []


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
    people.add_edit(result.root, bpy.context.scene, people_edits.Swap("s1", "s2", 10))
    people.add_edit(result.root, bpy.context.scene, people_edits.Skip("s3"))
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
    assert any("press Solve Again under Corrections" in note for note in result.notes)
    assert take_format.read(corrections.base_folder(result.root)).id == later.id


def test_an_import_of_something_else_leaves_waiting_edits_alone(extension, world):
    people_edits = extension("backend.sinew_take.people_edits")

    result, _ = world(three(take_id="aaaaaaaa-0000"))
    people = extension("addon.scene.people")
    people.add_edit(result.root, bpy.context.scene, people_edits.Skip("s3"))
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
    people.add_edit(result.root, bpy.context.scene, people_edits.Rename("s2", "Anna"))
    people.add_edit(result.root, bpy.context.scene, people_edits.Skip("s1"))
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
