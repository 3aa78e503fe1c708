"""What the artist copies, moves and changes in a scene does not confuse the next import or the corrections."""

from fractions import Fraction

import numpy as np
import pytest
import takes

bpy = pytest.importorskip("bpy")

N = 20


def made(folder, take_id: str = "take", rate=Fraction(30)):
    take = takes.make_take(N, n_subjects=2, body="box", rate=rate, take_id=take_id)
    partial = folder.with_name(folder.name + "-partial")
    takes.add_plate(take, partial)
    return takes.take.write(take, folder, partial=partial)


def build(extension, folder, **options):
    scene = extension("addon.scene")
    return scene.build_take(bpy.context, folder, scene.BuildOptions(**options))


def copy_of(item, name: str):
    """As Shift+D makes it, then renamed so that it comes first by name."""
    out = item.copy()
    if item.data is not None:
        out.data = item.data.copy()
    out.name = name
    item.users_collection[0].objects.link(out)
    return out


def test_an_update_is_not_for_the_artist_s_copies(extension, tmp_path):
    first = build(extension, made(tmp_path / "one"), set_scene_rate=True)
    double, camera = copy_of(first.armatures[0], "A double"), copy_of(first.camera, "Alt wide")
    camera.location = (5, 5, 5)
    listed = [row.armature for row in extension("addon.properties").people_of(first.root)]
    assert listed == first.armatures
    again = build(extension, made(tmp_path / "two", "two"), set_scene_rate=True)
    assert again.is_update and again.armatures == first.armatures and again.camera == first.camera
    assert tuple(camera.location) == (5, 5, 5) and double["sinew_take_id"] == camera["sinew_take_id"] == "take"
    assert [m.object for m in again.bodies[0].modifiers if m.type == "ARMATURE"] == [first.armatures[0]]


def test_corrections_are_about_the_picture_on_screen(extension, tmp_path):
    """At another rate, and after the scene's rate was changed by hand: keys and plate stay where the import put them."""
    corrections, plate = extension("addon.scene.corrections"), extension("addon.plan.plate")
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 24, 1.0
    root = build(extension, made(tmp_path / "take")).root
    take = corrections.open_take(root)
    timing = corrections.timing_of(root, scene, take)
    shown = plate.nearest_pictures(timing.frames, *timing.range)
    assert len(np.unique(np.diff(shown))) > 1, "some pictures are left out"
    for fps in (24, 30):
        scene.render.fps = fps
        for frame in range(timing.range[0], timing.range[1] + 1):
            scene.frame_set(frame)
            index = corrections.picture_here(root, scene, take)
            assert index == shown[frame - timing.range[0]]
            seen = corrections.first_shown(root, timing, index)
            assert seen == frame or (seen < frame and shown[seen - timing.range[0]] == index)


def test_a_take_that_was_moved_with_its_file_is_found_by_its_plate(extension, tmp_path):
    (tmp_path / "proj").mkdir()
    build(extension, made(tmp_path / "proj" / "take"), set_scene_rate=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "proj" / "shot.blend"), check_existing=False)
    (tmp_path / "proj").rename(tmp_path / "elsewhere")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "elsewhere" / "shot.blend"), use_scripts=False)
    corrections = extension("addon.scene.corrections")
    root = next(item for item in bpy.data.objects if item.get("sinew_role") == "root")
    assert corrections.open_take(root).path == corrections.base_folder(root) == tmp_path / "elsewhere" / "take"
