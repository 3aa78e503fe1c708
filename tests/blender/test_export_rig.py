"""The skeleton that leaves Blender: names, following, baking, and files read back."""

from fractions import Fraction

import extras
import numpy as np
import pytest
import takes
from test_rig import build

from sinew_take import laws

bpy = pytest.importorskip("bpy")

TAKE = {"n_frames": 16, "motion": "walk", "body": "box", "rate": Fraction(30)}
"""Whole frames a second: Blender's FBX importer reads the file's times with the scene's fps alone, without its base."""
SAME_MM = 1.0


@pytest.fixture
def registered(extension):
    """The extension with its operators, as enabled."""
    extension().register()
    yield
    extension().unregister()


def heads_by_laws(extension, folder) -> dict[str, np.ndarray]:
    """Where the conventional bones begin at every frame, by the take alone: name -> (T, 3), m."""
    bones, subject = extension("addon.plan.bones"), takes.take.read(folder).subjects[0]
    rest = subject.body["rest_joints_m"].astype(float)
    tips = bones.segment_tips(subject.body["rest_vertices_m"], subject.body["skin_index"],
                              subject.body["skin_weight"], rest)
    places, _ = bones.conventional_bones(rest, tips)
    moves = laws.skin_transforms(subject.motion["T_wj"].astype(float), rest, subject.body["joint_frames"].astype(float))
    return {name: (moves[:, j] @ places[j])[:, :3, 3] for j, name in enumerate(bones.DEFORM_NAMES)}


def assert_heads(rig, names: dict[str, str], wanted: dict[str, np.ndarray], at=(1, 7, 16)) -> None:
    """rig's bones, named `names` (of the deforming ones), begin where the take says."""
    for frame in at:
        bpy.context.scene.frame_set(frame)
        evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        for source, name in names.items():
            found = np.array(evaluated.matrix_world @ evaluated.pose.bones[name].head)
            distance_mm = np.linalg.norm(found - wanted[source][frame - 1]) * 1e3
            assert distance_mm < SAME_MM, f"{name} at frame {frame}: {distance_mm:.2f} mm"


def names_of(extension, armature, preset: str) -> dict[str, str]:
    plan = extension("addon.plan.export").plan_export(extension("addon.scene.export_rig")._deforming(armature), preset)
    return {bone.source: bone.name for bone in plan.bones if bone.source}


@pytest.mark.parametrize("preset, some", [
    ("SINEW", {"hips", "thigh.L", "ankle.R", "forearm_twist.L", "hand.R"}),
    ("RIGIFY", {"spine", "spine.006", "upper_arm.L", "shin.R"}),
    ("MIXAMO", {"mixamorig:Hips", "mixamorig:LeftUpLeg", "mixamorig:RightForeArm", "mixamorig:LeftToeBase"}),
    ("UNREAL", {"root", "pelvis", "thigh_l", "lowerarm_twist_01_r", "ball_l", "clavicle_r"})])
def test_names_follow_and_bake(extension, golden, preset, some):
    folder = golden(**TAKE)
    result = build(extension, folder)
    armature, body, export = result.armatures[0], result.bodies[0], extension("addon.scene.export_rig")
    made = export.make_rig(bpy.context, armature, preset)
    names, wanted = names_of(extension, armature, preset), heads_by_laws(extension, folder)
    found = {bone.name for bone in made.rig.data.bones}
    assert some <= found and len(found) == len(names) + (preset == "UNREAL")
    assert_heads(made.rig, names, wanted)
    assert {g.name for g in made.skin.vertex_groups} == set(names.values())
    total = [sum(g.weight for g in v.groups) for v in made.skin.data.vertices]
    np.testing.assert_allclose(total, 1.0, atol=1e-4)
    assert {g.name for g in body.vertex_groups} == set(extension("addon.plan.bones").DEFORM_NAMES)
    made.remove()
    made = export.make_rig(bpy.context, armature, preset, will_bake=True)
    export.bake(bpy.context, armature, made, 1, TAKE["n_frames"])
    bpy.data.objects.remove(armature)  # nothing hangs on it any more
    assert not any(pose.constraints for pose in made.rig.pose.bones)
    assert_heads(made.rig, names, wanted)


@pytest.mark.parametrize("extension_, preset", [(".fbx", "MIXAMO"), (".glb", "UNREAL"), (".usdc", "SINEW")])
def test_files_hold_the_joints(extension, registered, golden, tmp_path, extension_, preset):
    folder = golden(**TAKE)
    armature = build(extension, folder).armatures[0]
    names, wanted = names_of(extension, armature, preset), heads_by_laws(extension, folder)
    bpy.context.view_layer.objects.active = armature
    armature.select_set(True)
    kinds = ("objects", "armatures", "meshes", "actions")
    before = {kind: len(getattr(bpy.data, kind)) for kind in kinds}
    path = tmp_path / f"person{extension_}"
    assert bpy.ops.sinew.export_person(filepath=str(path), preset=preset) == {"FINISHED"}
    assert before == {kind: len(getattr(bpy.data, kind)) for kind in kinds}
    assert bpy.context.view_layer.objects.active == armature and bpy.context.scene.frame_current == 1
    rate = bpy.context.scene.render.fps, bpy.context.scene.render.fps_base
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = rate
    if extension_ == ".fbx":
        bpy.ops.import_scene.fbx(filepath=str(path), anim_offset=0.0)  # Blender's own default is a frame later
    elif extension_ == ".glb":
        bpy.ops.import_scene.gltf(filepath=str(path))
    else:
        bpy.ops.wm.usd_import(filepath=str(path))
        names = {source: name.replace(".", "_") for source, name in names.items()}
    rig = next(o for o in bpy.data.objects if o.type == "ARMATURE")
    assert set(names.values()) <= {bone.name for bone in rig.data.bones}
    assert_heads(rig, names, wanted)


def test_fingers_and_expressions_go_along(extension, tmp_path):
    folder = extras.write_take(tmp_path / "take", n_frames=8, body="box")
    result = build(extension, folder)
    armature, body, export = result.armatures[0], result.bodies[0], extension("addon.scene.export_rig")
    made = export.make_rig(bpy.context, armature, "UNREAL")
    assert made.rig.data.bones["index_02_l"].parent.name == "index_01_l"
    assert made.rig.data.bones["index_01_l"].parent.name == "hand_l"
    export.bake(bpy.context, armature, made, 1, 8)
    keys = made.skin.data.shape_keys
    assert not keys.animation_data.drivers
    weight = takes.take.read(folder).subjects[0].extra["expression"]
    for frame in (2, 7):
        bpy.context.scene.frame_set(frame)
        assert keys.key_blocks["smile"].value == pytest.approx(weight[frame - 1, 0], abs=1e-5)
        assert body.data.shape_keys.key_blocks["smile"].value == pytest.approx(weight[frame - 1, 0], abs=1e-5)


def test_bad_paths_are_refused(extension, registered, golden, tmp_path):
    armature = build(extension, golden(**TAKE)).armatures[0]
    bpy.context.view_layer.objects.active = armature
    for path, sentence in ((tmp_path / "person.obj", "has no ending that is known"),
                           (tmp_path / "nowhere" / "person.fbx", "cannot be written")):
        with pytest.raises(RuntimeError, match=sentence):
            bpy.ops.sinew.export_person(filepath=str(path))
    assert not any(o.get("sinew_role") == "export_rig" for o in bpy.data.objects)
