"""The list of takes and what a take says of itself; the Reconstruct panel's lengths and its end; the Rename dialog."""

import json
import os
import time
from types import SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy")

WHEN = 1_700_000_000
LONG = "A camera that only turns explains the background to within 0.31 px."
NOTE = "No height was given: the first person is taken to be 1.75 m tall; give --height-m or --distance for true scale."


@pytest.fixture(autouse=True)
def registered(extension):
    extension().register()
    yield
    extension().unregister()


class Drawn(list):
    """A layout that notes what is drawn: texts, operators and properties."""

    def __getattr__(self, name):
        if name in ("box", "row", "column"):
            return lambda **options: self
        if name in ("label", "operator", "prop", "template_list"):
            return self._note
        raise AttributeError(name)

    def _note(self, *names, text="", **options):
        self.extend([*map(str, names), text])
        return SimpleNamespace()


def drawn(panel, width=20000) -> Drawn:
    """What a panel draws in a sidebar so many pixels wide."""
    layout = Drawn()
    panel.draw(SimpleNamespace(layout=layout), context(width))
    return layout


def context(width=20000):
    return SimpleNamespace(window_manager=bpy.context.window_manager, scene=bpy.context.scene,
                           preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),
                           region=SimpleNamespace(width=width))


def list_take(extension, folder, **meta):
    """A row of the list, as `monitor.refresh` makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "take.json").write_text(json.dumps({
        "format": "sinew-take", "version": [1, 0], "laws": "skel-1", "id": "a", "shot_id": "b", "subjects": [{"id": "s1"}],
        "source": {"name": "walk.mp4", "rate": [24, 1]}, "report": {"frames": 16}, **meta}))
    os.utime(folder / "take.json", (WHEN, WHEN))
    state = bpy.context.window_manager.sinew
    row = state.takes.add()
    extension("addon.monitor").mirror_take(row, extension("addon.jobs.takes").describe(folder))
    state.take_index = len(state.takes) - 1
    return row


@pytest.mark.parametrize("name, value, text", [("height_m", 1.68, "1.68 m"), ("height_m", 1.755, "1.755 m"),
                                               ("distance_m", 12.34, "12.34 m")])
def test_a_length_reads_as_it_was_typed(extension, name, value, text):
    rna = type(bpy.context.scene.sinew).bl_rna.properties[name]
    assert bpy.utils.units.to_string("METRIC", "LENGTH", value, precision=rna.precision) == text


def test_a_take_says_its_frames_and_its_camera(extension, tmp_path):
    panel = extension("panels.takes").SINEW_PT_takes
    list_take(extension, tmp_path / "0001" / "take", camera={"kind": "rotating", "reason": LONG})
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(WHEN))
    assert {"1 person, 16 frames", when, f"Camera: rotating. {LONG}"} <= set(drawn(panel))
    own = {"kind": "given", "reason": "The camera is the user's own, from camera.json."}
    list_take(extension, tmp_path / "0002" / "take", camera=own)
    assert "Camera: Your own, from the scene." in drawn(panel)
    assert max(len(text) for text in drawn(panel, 200) if "Camera" in text or "scene" in text) < 25
    list_take(extension, tmp_path / "0003" / "take", report=None)
    assert "1 person" in drawn(panel) and not any("Camera" in text for text in drawn(panel))


def test_doubts_stay_with_the_take(extension, tmp_path):
    panel = extension("panels.takes").SINEW_PT_take_notes
    assert not panel.poll(context()), "no take"
    list_take(extension, tmp_path / "0001" / "take")
    assert not panel.poll(context()), "no doubts"
    list_take(extension, tmp_path / "0002" / "take", notes=[NOTE])
    assert panel.poll(context())
    assert NOTE.replace("--height-m or --distance", "Height or Distance") in drawn(panel)
    assert panel.bl_parent_id == "SINEW_PT_takes" and "DEFAULT_CLOSED" in panel.bl_options


def test_the_finished_sentence_is_wrapped_not_cut(extension, tmp_path):
    layout, state = Drawn(), bpy.context.window_manager.sinew
    state.title = "skater_moving_long_name.mp4"
    state.results.add().text = str(tmp_path)
    extension("panels.reconstruct")._results(layout, context(300), state)
    lines = layout[:layout.index("sinew.dismiss")]
    assert len(lines) == 2 and " ".join(lines) == "skater_moving_long_name.mp4 is reconstructed"


def test_a_new_name_can_be_typed_at_once(extension):
    active = []
    row = SimpleNamespace(prop=lambda owner, name: active.append((name, getattr(row, "activate_init", False))))
    dialog = SimpleNamespace(layout=SimpleNamespace(row=lambda: row))
    extension("operators.who").SINEW_OT_rename_person.draw(dialog, None)
    assert active == [("name", True)]


def test_the_take_that_stands_in_the_scene_is_said(extension, golden):
    panel, scene = extension("panels.takes").SINEW_PT_takes, extension("addon.scene")
    folder = golden(n_frames=6)
    row = bpy.context.window_manager.sinew.takes.add()
    extension("addon.monitor").mirror_take(row, extension("addon.jobs.takes").describe(folder))
    bpy.context.window_manager.sinew.take_index = len(bpy.context.window_manager.sinew.takes) - 1
    assert "In this scene" not in drawn(panel)
    scene.build_take(bpy.context, folder, scene.BuildOptions(set_scene_rate=True))
    assert "In this scene" in drawn(panel)
