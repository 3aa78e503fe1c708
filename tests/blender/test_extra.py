"""What a body has beyond the 24 joints: fingers and jaw, expressions, correctives, bone surfaces."""

import extras
import numpy as np
import pytest
import takes
from test_rig import build, errors, evaluated_vertices

from sinew_take import laws

bpy = pytest.importorskip("bpy")

N_FRAMES = 24
FURTHEST_M = 1e-3


@pytest.fixture(scope="module")
def fancy(tmp_path_factory):
    """A take with fingers, jaw, expressions, corrective, bone surface and splats: folder and subject."""
    folder = extras.write_take(tmp_path_factory.mktemp("extra") / "take", n_frames=N_FRAMES, body="box", n_splats=300,
                               take_id="fancy", shot_id="one")
    return folder, takes.take.read(folder).subjects[0]


def expected_skin(subject, t: int, with_correctives: bool = True) -> np.ndarray:
    extra, rest = subject.extra, subject.body["rest_vertices_m"].astype(float)
    rest = rest + np.tensordot(extra["expression"][t], extra["expression_dirs_m"], 1)
    if with_correctives:
        rest = rest + np.tensordot(extra["corrective_weight"][t], extra["corrective_dirs_m"], 1)
    return laws.skin(rest, subject.body["skin_index"], subject.body["skin_weight"], extras.transforms(subject, t))


def furthest_m(found, wanted) -> float:
    return float(np.linalg.norm(found - wanted, axis=1).max())


def test_fingers_and_face_follow_the_take(extension, fancy):
    folder, subject = fancy
    result = build(extension, folder)
    armature, body = result.armatures[0], result.bodies[0]
    names = ["index1.R", "index2.R", "index1.L", "index2.L", "jaw"]
    rest = subject.extra["bone_rest_T"].astype(float)
    for t in (0, 5, 12, 13, 23):
        bpy.context.scene.frame_set(1 + t)
        evaluated = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        found = np.array([np.array(evaluated.pose.bones[name].matrix) for name in names])
        distance_mm, turn_deg = errors(found, extras.transforms(subject, t)[24:] @ rest)
        assert distance_mm < 0.5 and turn_deg < 0.1
        assert furthest_m(evaluated_vertices(body), expected_skin(subject, t)) < FURTHEST_M
    armature["sinew_correctives"] = False
    armature.update_tag()
    bpy.context.scene.frame_set(6)
    assert furthest_m(evaluated_vertices(body), expected_skin(subject, 5, False)) < FURTHEST_M
    bones = armature.data.bones
    assert bones["DEF-index1.L"].parent.name == "DEF-hand.L" and bones["DEF-index2.L"].use_deform
    assert not bones["index1.L"].use_deform and armature.pose.bones["jaw"].rotation_mode == "QUATERNION"
    for curve in body.data.shape_keys.animation_data.drivers:
        driver = curve.driver
        assert driver.is_valid and (driver.type == "SUM" or driver.is_simple_expression)


def test_turns_and_expressions_are_keyed_in_the_persons_own_action(extension, fancy):
    folder, subject = fancy
    armature = build(extension, folder).armatures[0]
    curves = extension("addon.scene.curves")
    action = curves.base_action(armature)
    path = 'pose.bones["index2.R"].rotation_quaternion'
    keys = np.stack([curves.read_keys(curves.find_curve(action, armature, path, k))[1] for k in range(4)], 1)
    assert len(keys) == N_FRAMES
    assert (np.sum(keys[1:] * keys[:-1], 1) > 0.5).all(), "no jump of sign between frames"
    smile = curves.find_curve(action, armature, '["expression_smile"]', 0)
    np.testing.assert_allclose(curves.read_keys(smile)[1], subject.extra["expression"][:, 0], atol=1e-6)


def test_bone_surfaces_wait_hidden_and_follow(extension, fancy, golden):
    folder, subject = fancy
    result = build(extension, folder)
    surface = next(o for o in bpy.data.objects if o.get("sinew_role") == "bone_surface")
    collection = surface.users_collection[0]
    assert collection["sinew_role"] == "collection_bones" and collection.hide_viewport and collection.hide_render
    roots = extension("addon.scene.roots")
    assert roots.show_bones(result.root, True) and not collection.hide_viewport and not collection.hide_render
    bpy.context.scene.frame_set(9)
    extra = subject.extra
    wanted = laws.skin(extra["surface_vertices_m"], extra["surface_skin_index"], extra["surface_skin_weight"],
                       extras.transforms(subject, 8))
    assert furthest_m(evaluated_vertices(surface), wanted) < FURTHEST_M
    assert not roots.show_bones(build(extension, golden(n_frames=2, seed=9)).root, True)


def test_splats_follow_extra_bones(extension, fancy):
    folder, subject = fancy
    splats = build(extension, folder).avatars[0]
    avatar, t = subject.avatar, 7
    assert avatar["skin_index"].max() >= 24
    bpy.context.scene.frame_set(1 + t)
    centers = evaluated_vertices(splats)[4 * (24 + len(extras.BONES)):].reshape(-1, 3, 3).mean(1)
    wanted = laws.skin(avatar["mean_m"], avatar["skin_index"], avatar["skin_weight"], extras.transforms(subject, t))
    assert furthest_m(centers, wanted) < FURTHEST_M


def test_another_body_of_the_same_shot_replaces_the_first_and_goes_back(extension, fancy, golden):
    folder, subject = fancy
    plain_folder = golden(n_frames=N_FRAMES, body="free", take_id="plain", shot_id="one")
    plain = takes.take.read(plain_folder).subjects[0]
    body = build(extension, plain_folder).bodies[0]
    result = build(extension, folder)
    assert result.is_update and result.bodies[0] == body
    assert [key.name for key in body.data.shape_keys.key_blocks] == ["Basis", "smile", "brow", "corrective_1"]
    bpy.context.scene.frame_set(4)
    assert furthest_m(evaluated_vertices(body), expected_skin(subject, 3)) < FURTHEST_M
    build(extension, plain_folder)
    assert body.data.shape_keys is None
    bpy.context.scene.frame_set(4)
    moves = laws.skin_transforms(plain.motion["T_wj"][3], plain.body["rest_joints_m"], plain.body["joint_frames"])
    wanted = laws.skin(plain.body["rest_vertices_m"], plain.body["skin_index"], plain.body["skin_weight"], moves)
    assert furthest_m(evaluated_vertices(body), wanted) < FURTHEST_M
