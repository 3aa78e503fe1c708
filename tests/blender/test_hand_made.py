"""What an artist did by hand outlives an update, and does not mislead the tools."""

import numpy as np
import pytest
from test_rig import build, evaluated_vertices

bpy = pytest.importorskip("bpy")

TAKE = {"n_frames": 10, "n_subjects": 1, "motion": "walk", "seed": 3, "shot_id": "99999999-0000-0000-0000-000000000000"}
LATER = {**TAKE, "take_id": "22222222-0000-0000-0000-000000000000", "shape": (1.5, 0.5)}
KNEE = ('pose.bones["tibia.R"].rotation_euler', 2)


@pytest.fixture
def person(extension, golden):
    """Armature, body and what else a take brings."""
    result = build(extension, golden(**TAKE))
    return result.armatures[0], result.bodies[0], result


def rest(extension, armature) -> np.ndarray:
    return extension("addon.scene.armature").rest_matrices(armature, list(extension("addon.plan.bones").BONE_NAMES))


def values(extension, action, armature) -> list[float]:
    curves = extension("addon.scene.curves")
    return curves.read_keys(curves.find_curve(action, armature, *KNEE))[1].tolist()


def co(mesh) -> np.ndarray:
    return np.array([v.co for v in mesh.vertices])


@pytest.mark.parametrize("how", ["update", "measures"])
def test_bones_are_placed_the_same_with_mirroring_on(extension, golden, how):
    found = []
    for is_mirrored in (False, True):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        tilted = {"tilt_frames_deg": 8}
        armature = build(extension, golden(**TAKE, **tilted)).armatures[0]
        armature.data.use_mirror_x = is_mirrored
        if how == "update":
            build(extension, golden(**{**LATER, "tilt_frames_deg": 5}))
        else:
            extension("addon.scene.reshape").set_measures(bpy.context, armature, {"height": 1.9})
        assert armature.data.use_mirror_x == is_mirrored
        found.append(rest(extension, armature))
    assert np.abs(found[0] - found[1]).max() < 1e-6


def test_a_copy_of_the_takes_action_is_the_artists(extension, golden, person):
    curves = extension("addon.scene.curves")
    armature, *_ = person
    base = curves.base_action(armature)
    mine = base.copy()
    curves.assign(armature.animation_data, mine, armature)
    curve = curves.find_curve(mine, armature, *KNEE)
    curve.keyframe_points[3].co[1] = 1.777
    curve.update()
    build(extension, golden(**LATER))
    assert values(extension, mine, armature)[3] == pytest.approx(1.777)
    assert curves.base_action(armature) == base and curves.layer_action(armature) == mine
    assert base["sinew_take_id"] == LATER["take_id"]


@pytest.mark.skipif("slots" not in bpy.types.Action.bl_rna.properties, reason="Blender 4.4 brought slots")
def test_people_who_share_an_action_are_clamped_apart(extension, golden):
    two = build(extension, golden(**{**TAKE, "n_subjects": 2})).armatures
    curves, limits = extension("addon.scene.curves"), extension("addon.scene.limits")
    shared = bpy.data.actions.new("shared")
    bags = []
    for armature, value in zip(two, (0.0, 3.0), strict=True):
        slot = shared.slots.new("OBJECT", armature.name)
        armature.animation_data.action = shared
        armature.animation_data.action_slot = slot
        curve = curves._holder(shared, armature, True).fcurves.new(KNEE[0], index=KNEE[1])
        curve.keyframe_points.insert(5, value)
        bags.append(curve)
    assert len(shared.layers[0].strips[0].channelbags) == 2
    limits.clamp_keys_to_limits(two[1])
    assert bags[0].keyframe_points[0].co[1] == 0.0 and bags[1].keyframe_points[0].co[1] < 2.7


def test_changed_and_renamed_limits_stay(extension, golden, person):
    armature, *_ = person
    bones = armature.pose.bones
    right, left = bones["tibia.R"], bones["tibia.L"]
    limit = right.constraints["Sinew limits"]
    limit.max_z, right.ik_max_z = 2.9, 2.8
    left.constraints["Sinew limits"].name = "My knee"
    bones["humerus.R"].constraints["Sinew limits"].name = 'My "shoulder"'
    turn = armature.animation_data.drivers.find('pose.bones["limit_humerus.R"].rotation_euler', index=0)
    turn.driver.expression = "min(a, 1.0)"
    del_me = bones["femur.R"].constraints["Sinew limits"]
    bones["femur.R"].constraints.remove(del_me)
    build(extension, golden(**LATER))
    assert limit.max_z == pytest.approx(2.9) and right.ik_max_z == pytest.approx(2.8)
    assert [c.name for c in left.constraints] == ["My knee"]
    assert [c.name for c in bones["humerus.R"].constraints] == ['My "shoulder"']
    assert turn.driver.expression == "min(a, 1.0)"
    assert len(bones["femur.R"].constraints) == 1


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("with_keys", [False, True])
def test_sculpted_vertices_stay(extension, golden, person, is_old, with_keys):
    """Also on meshes of versions that did not note the take's places, and on a body set by hand."""
    armature, body, _ = person
    if with_keys:
        body.shape_key_add(name="Basis")
        body.shape_key_add(name="Smile")
        body.data.shape_keys.reference_key.data[0].co.x += 0.05
        body.data.shape_keys.key_blocks["Smile"].data[0].co.x += 0.05
    body.data.vertices[0].co.x += 0.05
    if is_old:
        body.data.attributes.remove(body.data.attributes["sinew_rest"])
    before = co(body.data)
    build(extension, golden(**TAKE))
    assert np.abs(co(body.data) - before).max() < 1e-6
    extension("addon.scene.reshape").set_measures(bpy.context, armature, {"height": 1.9})
    for _ in range(2):
        build(extension, golden(**LATER))
    hand_made = co(body.data)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    armature = build(extension, golden(**TAKE)).armatures[0]
    extension("addon.scene.reshape").set_measures(bpy.context, armature, {"height": 1.9})
    apart = hand_made - co(build(extension, golden(**LATER)).bodies[0].data)
    assert apart[0] == pytest.approx([0.05, 0, 0], abs=1e-5) and np.abs(apart[1:]).max() < 1e-5


def test_a_mesh_of_other_vertices_is_left_alone(extension, golden, person):
    import bmesh

    armature, body, _ = person
    extension("addon.scene.reshape").set_measures(bpy.context, armature, {"height": 1.9})
    edited = bmesh.new()
    edited.from_mesh(body.data)
    edited.verts.ensure_lookup_table()
    bmesh.ops.delete(edited, geom=[edited.verts[0]], context="VERTS")
    edited.to_mesh(body.data)
    edited.free()
    body.shape_key_add(name="Basis")
    body.data.uv_layers.new(name="Mine")
    body.vertex_groups.new(name="Hair").add(list(range(50)), 1.0, "REPLACE")
    before = co(body.data)
    result = build(extension, golden(**LATER))
    assert result.bodies[0] == body and np.array_equal(co(body.data), before)
    assert "Mine" in body.data.uv_layers and len(body.data.shape_keys.key_blocks) == 1
    hair = body.vertex_groups["Hair"].index
    assert sum(group.group == hair for v in body.data.vertices for group in v.groups) == 50
    notes: list[str] = []
    plan = extension("addon.plan.body").plan_body(takes_body(golden(**LATER)))
    extension("addon.scene.body").build_body(
        plan, extension("addon.scene.reshape").owner_of(armature), armature, body.users_collection[0], "x", notes=notes)
    assert len(notes) == 1 and "has other vertices than the take's and was left as it was; delete it" in notes[0]
    bpy.data.objects.remove(body)
    assert len(build(extension, golden(**LATER)).bodies[0].data.vertices) == len(before) + 1


def test_a_mesh_with_a_loose_vertex_is_left_alone(extension, golden, person):
    _, body, _ = person
    body.data.vertices.add(1)
    before = co(body.data)
    build(extension, golden(**LATER))
    assert np.array_equal(co(body.data), before)


def takes_body(folder) -> dict:
    import takes

    return takes.take.read(folder).subjects[0].body


def test_another_body_of_the_take_still_comes(extension, golden, person):
    """As long as nobody changed what the mesh is made of."""
    _, body, _ = person
    result = build(extension, golden(**{**LATER, "body": "box", "shape": ()}))
    assert result.bodies[0] == body
    assert len(body.data.vertices) == len(takes_body(golden(**{**LATER, "body": "box", "shape": ()}))["rest_vertices_m"])


@pytest.mark.parametrize("path", ["hide_render", "hide_viewport"])
def test_a_hidden_body_stays_hidden(extension, golden, person, path):
    _, body, _ = person
    setattr(body, path, True)
    for options in ({"absent": (3, 6)}, {}):
        build(extension, golden(**{**LATER, **options}))
        bpy.context.scene.frame_set(9)
        assert getattr(body, path)
        drivers = [c.data_path for c in body.animation_data.drivers] if body.animation_data else []
        other = {"hide_render", "hide_viewport"} - {path}
        assert set(drivers) == (other if options else set())


@pytest.mark.parametrize("is_old", [False, True])
def test_renamed_bones_get_their_names_back(extension, golden, read_pose, is_old):
    found = []
    for is_renamed in (False, True):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        armature = build(extension, golden(**TAKE)).armatures[0]
        bones = armature.data.bones
        n = len(bones)
        if is_renamed:
            bones["tibia.R"].name = "Knee R"
            bones["femur.R"].name = "swap"
            bones["femur.L"].name = "femur.R"
            bones["swap"].name = "femur.L"
            if is_old:
                for bone in bones:
                    del bone["sinew_bone"]
            else:
                bones["DEF-thigh.R"].name = "Upper leg"
        result = build(extension, golden(**LATER))
        assert len(bones) == n and bones["talus.R"].parent.name == "tibia.R"
        bpy.context.scene.frame_set(5)
        found.append((read_pose(armature), evaluated_vertices(result.bodies[0])))
    assert np.abs(found[0][0] - found[1][0]).max() < 1e-5
    assert np.abs(found[0][1] - found[1][1]).max() < 1e-5


@pytest.mark.parametrize("name", ["tibia.R", "DEF-thigh.R", "root"])
def test_a_missing_bone_is_said_before_anything_changes(extension, person, name):
    armature, body, _ = person
    armature.data.bones[name].name = "Mine"
    before, n = co(body.data), len(armature.data.bones)
    errors = extension("backend.sinew_take.errors")
    with pytest.raises(errors.RequestError, match=f"has no bone {name}.*; import the take again"):
        extension("addon.scene.reshape").set_measures(bpy.context, armature, {"height": 1.9})
    assert np.array_equal(co(body.data), before) and len(armature.data.bones) == n


def test_deleted_splats_leave_the_others_in_place(extension, golden):
    import bmesh

    result = build(extension, golden(**TAKE, n_splats=200))
    splats = result.avatars[0]

    def centers() -> np.ndarray:
        evaluated = splats.evaluated_get(bpy.context.evaluated_depsgraph_get())
        mesh = evaluated.to_mesh()
        out = np.array([np.mean([mesh.vertices[v].co for v in face.vertices], 0) for face in mesh.polygons])
        evaluated.to_mesh_clear()
        return out

    before = centers()
    edited = bmesh.new()
    edited.from_mesh(splats.data)
    edited.faces.ensure_lookup_table()
    bmesh.ops.delete(edited, geom=[edited.faces[0], edited.faces[70]], context="FACES_ONLY")
    edited.to_mesh(splats.data)
    edited.free()
    splats.data.update()
    kept = np.delete(np.arange(len(before)), [0, 70])
    assert np.abs(centers() - before[kept]).max() < 1e-6
    extension("addon.scene.reshape").set_measures(bpy.context, result.armatures[0], {"height": 1.9})
    mesh = splats.data
    stored = np.array([item.vector for item in mesh.attributes["splat_center"].data])
    assert np.abs(np.array([mesh.vertices[face.vertices[1]].co for face in mesh.polygons]) - stored).max() < 1e-6


def test_a_replacing_layer_is_clamped_alone(extension, person):
    armature, *_ = person
    curves, limits = extension("addon.scene.curves"), extension("addon.scene.limits")
    armature.animation_data.action_blend_type = "REPLACE"
    layer, base = curves.layer_action(armature), curves.base_action(armature)
    curve = curves._holder(layer, armature, True).fcurves.new(KNEE[0], index=KNEE[1])
    for frame, value in ((3, 2.0), (5, 9.0)):
        curve.keyframe_points.insert(frame, value)
    below = values(extension, base, armature)
    limits.clamp_keys_to_limits(armature)
    high = armature.pose.bones["tibia.R"].constraints["Sinew limits"].max_z
    assert values(extension, layer, armature) == pytest.approx([2.0, high])
    assert values(extension, base, armature) == pytest.approx(below)


@pytest.fixture
def registered(extension):
    """The extension with its operators, as enabled."""
    extension().register()
    yield
    extension().unregister()


def test_exporting_leaves_pose_mode_on(person, registered, tmp_path):
    armature, *_ = person
    bpy.context.view_layer.objects.active = armature
    armature.select_set(True)
    bpy.ops.object.mode_set(mode="POSE")
    for ending in ("glb", "fbx"):
        assert bpy.ops.sinew.export_person(filepath=str(tmp_path / f"out.{ending}")) == {"FINISHED"}
        assert bpy.context.mode == "POSE" and bpy.context.object == armature


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT", "WEIGHT_PAINT"])
def test_an_update_leaves_the_mode_of_what_is_edited(extension, golden, person, mode):
    _, body, _ = person
    mine = bpy.data.objects.new("mine", body.data.copy())
    bpy.context.scene.collection.objects.link(mine)
    for item in (mine, body):
        bpy.context.view_layer.objects.active = item
        bpy.ops.object.mode_set(mode=mode)
        build(extension, golden(**(LATER if item is mine else TAKE)))
        # What an update writes into cannot be in a mode that has a copy of it.
        assert item.mode == ("OBJECT" if item is body and mode != "WEIGHT_PAINT" else mode)
        bpy.ops.object.mode_set(mode="OBJECT")


def test_people_who_are_posed_together_stay_in_pose_mode(extension, golden):
    two = build(extension, golden(**{**TAKE, "n_subjects": 2})).armatures
    for armature in two:
        armature.select_set(True)
    bpy.context.view_layer.objects.active = two[0]
    bpy.ops.object.mode_set(mode="POSE")
    build(extension, golden(**{**LATER, "n_subjects": 2}))
    assert [armature.mode for armature in two] == ["POSE", "POSE"]
    extension("addon.scene.reshape").set_measures(bpy.context, two[1], {"height": 1.9})
    assert [armature.mode for armature in two] == ["POSE", "POSE"]
