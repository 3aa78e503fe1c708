"""Bone lengths, flesh and measures of a person in the scene: rest pose, laws, skin, splats and feet follow; motion stays."""

import numpy as np
import pytest
import takes
from test_rig import build, errors, evaluated_vertices

from sinew_take import free_body, laws, measures
from sinew_take import skeleton as sk

bpy = pytest.importorskip("bpy")

TAKE = {"n_frames": 30, "motion": "walk", "body": "free", "shape": (0.6, -0.5, 0.3), "n_splats": 400}


@pytest.fixture
def registered(extension):
    """The extension with its operators and sliders, as enabled."""
    extension().register()
    yield
    extension().unregister()


@pytest.fixture
def person(extension, golden, registered):
    """A person on the free body: armature, body, splats, and the take's subject."""
    folder = golden(**TAKE)
    result = build(extension, folder)
    bpy.context.view_layer.objects.active = result.armatures[0]
    return result.armatures[0], result.bodies[0], result.avatars[0], takes.take.read(folder).subjects[0]


def coefficients(armature) -> np.ndarray:
    return np.array(armature["sinew_shape"])


def lowest_m(body) -> list[float]:
    out = []
    for frame in range(1, TAKE["n_frames"] + 1, 4):
        bpy.context.scene.frame_set(frame)
        out.append(float(evaluated_vertices(body)[:, 2].min()))
    return out


def assert_stands_on(armature, body, read_pose, subject):
    """Rest pose, joint laws and skin are those of the shape that the armature names, under the take's own coordinates."""
    free, shape = free_body.load(), coefficients(armature)
    joints, frames = free.joints(shape).astype(float), subject.body["joint_frames"].astype(float)
    for t in (0, 9, 22):
        bpy.context.scene.frame_set(1 + t)
        found = read_pose(armature)
        wanted = laws.forward_kinematics(subject.motion["q"][t].astype(float), found[0, :3, 3], joints, frames)
        distance_mm, turn_deg = errors(found, wanted)
        assert distance_mm < 0.5 and turn_deg < 0.1
        moves = laws.skin_transforms(wanted, joints, frames)
        skin = laws.skin(free.vertices(shape), subject.body["skin_index"], subject.body["skin_weight"], moves)
        assert np.linalg.norm(evaluated_vertices(body) - skin, axis=1).max() < 1e-3


def test_a_bone_grows_alone(person, read_pose, extension):
    armature, body, _, subject = person
    sliders, before, low = armature.sinew_body, coefficients(armature), lowest_m(body)
    plan = extension("addon.plan.shape")
    bones, flesh = plan.bone_lengths(before), plan.flesh(before)
    names = {"thigh": 0.46, "trunk": 0.53, "shoulder_width": 0.30}
    for name, length in names.items():
        setattr(sliders, f"bone_{name}", length)
        assert getattr(sliders, f"bone_{name}") == pytest.approx(length, abs=1e-5)
    change = plan.bone_lengths(coefficients(armature)) - bones
    for k, bone in enumerate(plan.BONES):
        assert change[k] == pytest.approx(names[bone.key] - bones[k] if bone.key in names else 0, abs=2e-5)
    np.testing.assert_allclose(plan.flesh(coefficients(armature)), flesh, atol=1e-5)
    assert_stands_on(armature, body, read_pose, subject)
    np.testing.assert_allclose(lowest_m(body), low, atol=0.004)


def test_flesh_leaves_the_bones(person, read_pose, extension):
    armature, body, splats, subject = person
    plan, low = extension("addon.plan.shape"), lowest_m(body)
    bones, mass = plan.bone_lengths(coefficients(armature)), armature["sinew_measures"][measures.NAMES.index("mass")]
    armature.sinew_body.flesh_0 += 1.5
    np.testing.assert_allclose(plan.bone_lengths(coefficients(armature)), bones, atol=2e-5)
    assert armature["sinew_measures"][measures.NAMES.index("mass")] > mass + 15
    assert_stands_on(armature, body, read_pose, subject)
    np.testing.assert_allclose(lowest_m(body), low, atol=0.004)
    heads = np.array([armature.data.bones[n].head_local for n in extension("addon.plan.bones").BONE_NAMES])
    np.testing.assert_allclose(heads, free_body.load().joints(coefficients(armature)), atol=1e-5)


def test_splats_stay_on_the_skin(person):
    from mathutils.bvhtree import BVHTree

    armature, _, splats, subject = person
    free, n = free_body.load(), len(subject.avatar["mean_m"])

    def read(name):
        flat = np.empty(3 * n, np.float32)
        splats.data.attributes[name].data.foreach_get("vector", flat)
        return flat.reshape(n, 3)

    places, axes = read("splat_center"), read("splat_axis0")
    armature.sinew_body.flesh_0 += 2.0
    armature.sinew_body.bone_thigh *= 1.1
    tree = BVHTree.FromPolygons(free.vertices(coefficients(armature)).tolist(), free.faces.tolist())
    assert max(tree.find_nearest(point)[3] for point in read("splat_center").tolist()) < 2e-4
    assert np.linalg.norm(read("splat_center") - places, axis=1).max() > 0.05
    grown = np.linalg.norm(read("splat_axis0"), axis=1) / np.linalg.norm(axes, axis=1)
    assert 1.05 < np.median(grown) < 1.5
    flat = np.empty(3 * len(splats.data.vertices), np.float32)
    splats.data.vertices.foreach_get("co", flat)
    np.testing.assert_allclose(flat.reshape(-1, 3)[-3 * n:], np.repeat(read("splat_center"), 3, axis=0), atol=1e-6)


def test_measures_are_solved_in_one_step_of_undo(person):
    armature = person[0]
    name, before, height = armature.name, coefficients(armature), armature["sinew_measures"][0]
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.sinew.set_measures("EXEC_DEFAULT", True, use_height=True, height=1.85, use_mass=True,
                                      mass=90.0) == {"FINISHED"}
    body = next(o for o in bpy.data.objects if o.get("sinew_role") == "body")
    rest = np.array([v.co for v in body.data.vertices])
    assert np.ptp(rest[:, 2]) == pytest.approx(1.85, abs=0.004)
    assert armature["sinew_measures"][5] == pytest.approx(90.0, abs=0.6)
    bpy.ops.ed.undo()
    armature = bpy.data.objects[name]
    assert armature["sinew_measures"][0] == pytest.approx(height) and (coefficients(armature) == before).all()
    body = next(o for o in bpy.data.objects if o.get("sinew_role") == "body")
    assert np.ptp(np.array([v.co for v in body.data.vertices])[:, 2]) == pytest.approx(height, abs=1e-4)
    bpy.context.view_layer.objects.active = armature
    for options, sentence in (({"use_height": True, "height": 1.8, "use_leg": True, "leg": 1.3}, "does not belong to"),
                              ({}, "No measure is ticked")):
        try:
            assert bpy.ops.sinew.set_measures(**options) == {"CANCELLED"}
        except RuntimeError as error:
            assert sentence in str(error)
    assert (coefficients(armature) == before).all()


def test_importing_again_keeps_the_body_set_by_hand(person, extension, golden, read_pose):
    armature, body, _, subject = person
    armature.sinew_body.bone_shank = 0.47
    bpy.ops.object.mode_set(mode="POSE")
    armature.sinew_body.bone_foot = 0.21
    assert armature.mode == "POSE"
    bpy.ops.object.mode_set(mode="OBJECT")
    again = build(extension, golden(**TAKE))
    assert any("body that was set by hand" in note for note in again.notes)
    assert armature.sinew_body.bone_shank == pytest.approx(0.47, abs=1e-4)
    assert_stands_on(armature, body, read_pose, subject)
    bpy.context.view_layer.objects.active = armature
    assert bpy.ops.sinew.reset_body() == {"FINISHED"}
    np.testing.assert_allclose(coefficients(armature), subject.body["shape"], atol=1e-6)
    assert_stands_on(armature, body, read_pose, subject)
    assert not any("set by hand" in note for note in build(extension, golden(**TAKE)).notes)


def test_what_cannot_be_changed_is_said(person, extension, golden):
    armature, body, _, _ = person
    problem = extension("addon.properties_body").body_problem
    before = coefficients(armature)
    body.data.vertices.add(1)
    armature.sinew_body.bone_thigh = 0.45
    assert "no longer has the body's 12488 vertices; import the take again" in armature["sinew_shape_problem"]
    assert (coefficients(armature) == before).all() and problem(armature) == ""
    other = build(extension, golden(n_frames=2, body="box", seed=4)).armatures[0]
    assert "the sliders are for sinew's own body" in problem(other).lower()
    bpy.context.view_layer.objects.active = other
    assert not bpy.ops.sinew.set_measures.poll()
    other.sinew_body.bone_thigh = 0.45  # nothing happens
    assert len(sk.DOFS) == 46 and "sinew_shape" not in other
