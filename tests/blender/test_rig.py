"""The rig in Blender against the take: bones, laws, limits, curves, body mesh, updates."""

import numpy as np
import pytest
import takes

from sinew_take import laws
from sinew_take import skeleton as sk

bpy = pytest.importorskip("bpy")

N_FRAMES = 40
TAKE = {"n_frames": N_FRAMES, "n_subjects": 2}


def build(extension, folder, **options):
    scene = extension("addon.scene")
    return scene.build_take(bpy.context, folder, scene.BuildOptions(**{"set_scene_rate": True, **options}))


def errors(found: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    """Largest distance, mm, and largest turn, deg, between two stacks of matrices."""
    distance = np.linalg.norm(found[..., :3, 3] - wanted[..., :3, 3], axis=-1).max() * 1e3
    chord = np.linalg.norm(found[..., :3, :3] - wanted[..., :3, :3], axis=(-2, -1)).max()
    return float(distance), float(np.degrees(2 * np.arcsin(min(1.0, chord / np.sqrt(8)))))


def assert_follows(read_pose, armature, subject, frames, take_frames):
    for frame, t in zip(frames, take_frames, strict=True):
        bpy.context.scene.frame_set(int(np.floor(frame)), subframe=float(frame - np.floor(frame)))
        distance_mm, turn_deg = errors(read_pose(armature), subject.motion["T_wj"][t])
        assert distance_mm < 0.5 and turn_deg < 0.1, f"frame {frame}: {distance_mm:.3f} mm, {turn_deg:.3f} deg"


def evaluated_vertices(body) -> np.ndarray:
    evaluated = body.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    flat = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", flat)
    matrix = np.array(evaluated.matrix_world)
    evaluated.to_mesh_clear()
    return flat.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def skinned(subject, t: int) -> np.ndarray:
    body = subject.body
    moves = laws.skin_transforms(subject.motion["T_wj"][t], body["rest_joints_m"], body["joint_frames"])
    return laws.skin(body["rest_vertices_m"], body["skin_index"], body["skin_weight"], moves)


def pose_to(armature, extension, q: np.ndarray) -> None:
    """Set coordinates by hand on an armature without animation."""
    names = extension("addon.plan.bones").BONE_NAMES
    for dof in sk.DOFS:
        armature.pose.bones[names[dof.joint]].rotation_euler[dof.axis] = q[dof.index]
    bpy.context.view_layer.update()


def test_bones_equal_the_take_before_and_after_reload(extension, golden, read_pose, tmp_path):
    folder = golden(**TAKE)
    take = takes.take.read(folder)
    result = build(extension, folder)
    assert not result.is_update and len(result.armatures) == 2
    everything = range(1, N_FRAMES + 1), range(N_FRAMES)
    for armature, subject in zip(result.armatures, take.subjects, strict=True):
        assert_follows(read_pose, armature, subject, *everything)
    names = [a.name for a in result.armatures]
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"), use_scripts=False)
    for name, subject in zip(names, take.subjects, strict=True):
        assert_follows(read_pose, bpy.data.objects[name], subject, *everything)


def test_body_mesh_equals_the_takes_skinning(extension, golden):
    folder = golden(**TAKE)
    take = takes.take.read(folder)
    result = build(extension, folder)
    for t in (0, 7, 23, N_FRAMES - 1):
        bpy.context.scene.frame_set(1 + t)
        for body, subject in zip(result.bodies, take.subjects, strict=True):
            distance_m = np.linalg.norm(evaluated_vertices(body) - skinned(subject, t), axis=1)
            assert distance_m.max() < 1e-3
    mesh = result.bodies[0].data
    uv = np.empty(2 * len(mesh.loops), np.float32)
    mesh.uv_layers[0].data.foreach_get("uv", uv)
    np.testing.assert_allclose(uv, take.subjects[0].body["uv"].ravel(), atol=1e-6)
    regions = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", regions)
    assert len(mesh.materials) == len(np.unique(take.subjects[0].body["region"])) == regions.max() + 1
    assert all(p.use_smooth for p in mesh.polygons[:10])


def test_channels_hold_the_coordinates(extension, golden):
    folder = golden(**TAKE)
    take = takes.take.read(folder)
    armature = build(extension, folder).armatures[0]
    curves, plan = extension("addon.scene.curves"), extension("addon.plan.curves")
    action = curves.base_action(armature)
    assert len(curves.curves_of(action, armature)) == 46 + 3
    for dof in sk.DOFS:
        path, index = plan.dof_channel(dof.name)
        curve = curves.find_curve(action, armature, path, index)
        frames, values = curves.read_keys(curve)
        np.testing.assert_array_equal(frames, np.arange(1, N_FRAMES + 1))
        np.testing.assert_allclose(values, take.subjects[0].motion["q"][:, dof.index], atol=1e-6)
        assert curve.group.name == path.split('"')[1]
        point = curve.keyframe_points[3]
        assert point.interpolation == "LINEAR"
        assert point.handle_left[0] == pytest.approx(4 - 1 / 3, abs=1e-3)
        assert point.handle_right[0] == pytest.approx(4 + 1 / 3, abs=1e-3)
        assert abs(point.handle_right[1] - point.co[1]) < 1.0
    locks = {bone.name: bone.lock_rotation[:] for bone in armature.pose.bones}
    assert locks["tibia.R"] == (True, True, False) and locks["humerus.L"] == (False, False, False)
    assert all(all(bone.lock_location) for bone in armature.pose.bones if bone.name != "root")


def test_laws_need_no_python_and_are_in_place(extension, golden, read_pose):
    """Posing by hand obeys the laws: no frame change, no handler, no script."""
    folder = golden(**TAKE)
    take = takes.take.read(folder)
    armature = build(extension, folder).armatures[0]
    for curve in armature.animation_data.drivers:
        driver = curve.driver
        assert driver.is_valid, curve.data_path
        assert driver.type == "SUM" or (driver.is_simple_expression and len(driver.expression) <= 255), curve.data_path
        assert not curve.keyframe_points and not curve.modifiers
    armature.animation_data.action = None
    while armature.animation_data.nla_tracks:
        armature.animation_data.nla_tracks.remove(armature.animation_data.nla_tracks[0])
    armature.pose.bones["root"].location = (0, 0, 0)
    body = take.subjects[0].body
    rng = np.random.default_rng(3)
    for reach in (0.0, 1e-5, 5e-4, 0.3, 1.0):
        q = takes.random_q(1, rng, 1.0)[0] * reach
        pose_to(armature, extension, q)
        wanted = laws.forward_kinematics(q, body["rest_joints_m"][0].astype(float),
                                         body["rest_joints_m"].astype(float), body["joint_frames"].astype(float))
        distance_mm, turn_deg = errors(read_pose(armature), wanted)
        assert distance_mm < 0.05 and turn_deg < 0.01


def test_limits_alter_no_pose_inside_and_hold_outside(extension, golden, read_pose):
    folder = golden(**TAKE)
    body = takes.take.read(folder).subjects[0].body
    armature = build(extension, folder).armatures[0]
    armature.animation_data.action = None
    armature.animation_data.nla_tracks.remove(armature.animation_data.nla_tracks[0])
    limits = extension("addon.plan.limits")
    rest = body["rest_joints_m"].astype(float), body["joint_frames"].astype(float)
    armature.pose.bones["root"].location = (0, 0, 0)

    def expected(q):
        return laws.forward_kinematics(q, rest[0][0], *rest)

    rng = np.random.default_rng(5)
    low, high = np.where(np.isfinite(sk.LOW), sk.LOW, -7.0), np.where(np.isfinite(sk.HIGH), sk.HIGH, 7.0)
    inside = [np.where(rng.random(46) < 0.5, low, high) for _ in range(60)]
    inside += [rng.uniform(low, high) for _ in range(60)]
    for q in inside:
        pose_to(armature, extension, q)
        distance_mm, turn_deg = errors(read_pose(armature), expected(q))
        assert distance_mm < 0.5 and turn_deg < 0.1
    limited = np.arange(3, 46)
    assert [sk.JOINTS[j].name for j in limits.GUARDED] == ["humerus_r", "humerus_l"]
    assert {d.index for d in sk.DOFS if d.joint in limits.CONSTRAINED + limits.GUARDED} == set(limited)
    beyond, held = np.zeros(46), np.zeros(46)
    for table, sign in ((sk.LOW, -1), (sk.HIGH, 1)):
        beyond[limited], held[limited] = table[limited] + sign * 0.3, table[limited]
        pose_to(armature, extension, beyond)
        distance_mm, turn_deg = errors(read_pose(armature), expected(held))
        assert distance_mm < 0.5 and turn_deg < 0.1
    extension("addon.scene.limits").set_limits(armature, False)
    bpy.context.view_layer.update()
    distance_mm, turn_deg = errors(read_pose(armature), expected(beyond))
    assert distance_mm < 0.5 and turn_deg < 0.1
    knee = armature.pose.bones["tibia.L"]
    assert knee.use_ik_limit_z and knee.lock_ik_x and knee.lock_ik_y
    assert knee.ik_max_z == pytest.approx(np.radians(145), abs=1e-5)


def test_layer_above_adds_and_keys_are_clamped(extension, golden):
    folder = golden(**TAKE)
    take = takes.take.read(folder)
    armature = build(extension, folder).armatures[0]
    curves, plan = extension("addon.scene.curves"), extension("addon.plan.curves")
    assert armature.animation_data.action_blend_type == "COMBINE"
    layer = curves.layer_action(armature)
    path, index = plan.dof_channel("knee_angle_r")
    bone, t = armature.pose.bones["tibia.R"], 11
    taken = take.subjects[0].motion["q"][t, sk.DOF_INDEX["knee_angle_r"]]
    bpy.context.scene.frame_set(1 + t)
    bone.rotation_euler[index] = taken + 0.25
    assert armature.keyframe_insert(path, index=index, frame=1 + t)
    assert curves.read_keys(curves.find_curve(layer, armature, path, index))[1][0] == pytest.approx(0.25, abs=1e-4)
    bpy.context.scene.frame_set(3)
    expected = take.subjects[0].motion["q"][2, sk.DOF_INDEX["knee_angle_r"]] + 0.25
    assert bone.rotation_euler[index] == pytest.approx(expected, abs=1e-4)
    bone.rotation_euler[index] = 3.0
    armature.keyframe_insert(path, index=index, frame=3)
    clamped = extension("addon.scene.limits").clamp_keys_to_limits(armature)
    assert clamped.dofs == ("knee_angle_r",) and clamped.n_keys >= 1
    for frame in range(1, N_FRAMES + 1):
        bpy.context.scene.frame_set(frame)
        assert bone.rotation_euler[index] <= sk.HIGH[sk.DOF_INDEX["knee_angle_r"]] + 1e-5
    assert extension("addon.scene.limits").clamp_keys_to_limits(armature).n_keys == 0


def test_conventional_skeleton_follows_and_is_mirrored(extension, golden):
    folder = golden(**TAKE)
    take = takes.take.read(folder)
    armature = build(extension, folder).armatures[0]
    bones = extension("addon.plan.bones")
    deforming = [b.name for b in armature.data.bones if b.use_deform]
    assert sorted(deforming) == sorted(bones.DEFORM_NAMES)
    rest = np.array([armature.data.bones[n].matrix_local for n in bones.DEFORM_NAMES])
    subject = take.subjects[0]
    for t in (4, 31):
        bpy.context.scene.frame_set(1 + t)
        evaluated = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        found = np.array([np.array(evaluated.pose.bones[n].matrix) for n in bones.DEFORM_NAMES])
        moves = laws.skin_transforms(subject.motion["T_wj"][t].astype(float),
                                     subject.body["rest_joints_m"].astype(float),
                                     subject.body["joint_frames"].astype(float))
        distance_mm, turn_deg = errors(found, moves @ rest)
        assert distance_mm < 0.5 and turn_deg < 0.1
    data = armature.data.bones
    assert data["DEF-foot.L"].parent.name == "DEF-shin.L" and data["DEF-hand.R"].parent.name == "DEF-forearm.R"
    assert (data["DEF-thigh.L"].tail_local - data["DEF-shin.L"].head_local).length < 1e-4
    for left in (n for n in bones.DEFORM_NAMES if n.endswith(".L")):
        own, other = np.array(data[left].matrix_local), np.array(data[left[:-1] + "R"].matrix_local)
        np.testing.assert_allclose(own[:3, 1] * sk.MIRROR, other[:3, 1], atol=2e-3)
        np.testing.assert_allclose(own[:3, 0] * sk.MIRROR, -other[:3, 0], atol=2e-3)


def test_absent_frames_hide_the_person_and_have_no_keys(extension, golden, read_pose):
    folder = golden(n_frames=N_FRAMES, absent=(10, 20))
    take = takes.take.read(folder)
    result = build(extension, folder)
    armature, body = result.armatures[0], result.bodies[0]
    curves = extension("addon.scene.curves")
    action = curves.base_action(armature)
    frames, _ = curves.read_keys(curves.find_curve(action, armature, 'pose.bones["tibia.R"].rotation_euler', 2))
    assert not set(range(11, 21)) & set(frames.astype(int))
    for t in range(N_FRAMES):
        bpy.context.scene.frame_set(1 + t)
        evaluated = body.evaluated_get(bpy.context.evaluated_depsgraph_get())
        assert evaluated.hide_render == (10 <= t < 20), t
    bpy.context.scene.frame_set(15)
    distance_mm, turn_deg = errors(read_pose(armature), take.subjects[0].motion["T_wj"][9])
    assert distance_mm < 0.5 and turn_deg < 0.1, "a gap holds the last pose seen"


@pytest.mark.parametrize("options", [
    {"rate": (30000, 1001), "is_variable_rate": False}, {"rate": (25, 1), "is_variable_rate": True}])
def test_a_kept_scene_rate_gets_the_motion_at_true_times(extension, golden, read_pose, options):
    from fractions import Fraction

    folder = golden(n_frames=N_FRAMES, rate=Fraction(*options["rate"]), is_variable_rate=options["is_variable_rate"])
    take = takes.take.read(folder)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 24, 1.0
    assert extension("addon.scene").asks_for_rate(scene, take.meta)
    armature = build(extension, folder, set_scene_rate=False, first_frame=101).armatures[0]
    assert (scene.render.fps, scene.render.fps_base) == (24, 1.0)
    frames = 101 + (take.shot["time_s"] - take.shot["time_s"][0]) * 24
    assert_follows(read_pose, armature, take.subjects[0], frames[::5], range(0, N_FRAMES, 5))


def test_resampled_keys_stand_on_whole_frames(extension, golden):
    from fractions import Fraction

    folder = golden(n_frames=N_FRAMES, rate=Fraction(30000, 1001), absent=(10, 20))
    bpy.context.scene.render.fps = 24
    armature = build(extension, folder, set_scene_rate=False, is_resampled=True).armatures[0]
    curves = extension("addon.scene.curves")
    for curve in curves.curves_of(curves.base_action(armature), armature):
        frames, values = curves.read_keys(curve)
        np.testing.assert_array_equal(frames, np.round(frames))
        assert np.isfinite(values).all()


def test_scene_takes_the_clips_exact_rate(extension, golden):
    build(extension, golden(**TAKE))
    render = bpy.context.scene.render
    assert render.fps == 30 and render.fps_base == pytest.approx(1.001, abs=1e-6)
    assert (bpy.context.scene.frame_start, bpy.context.scene.frame_end) == (1, N_FRAMES)


def test_root_moves_turns_and_scales_everything(extension, golden, read_pose):
    from mathutils import Euler, Matrix

    folder = golden(**TAKE)
    take = takes.take.read(folder)
    bpy.context.scene.unit_settings.scale_length = 0.01
    result = build(extension, folder)
    assert result.root.scale[0] == pytest.approx(100)
    result.root.matrix_world = (Matrix.Translation((1, 2, 3)) @ Euler((0.1, 0.2, 0.7)).to_matrix().to_4x4()
                                @ Matrix.Scale(2.0, 4))
    bpy.context.scene.frame_set(6)
    moved = np.array(result.root.matrix_world)
    for armature, body, subject in zip(result.armatures, result.bodies, take.subjects, strict=True):
        np.testing.assert_allclose(read_pose(armature), moved @ subject.motion["T_wj"][5], atol=2e-4)
        wanted = skinned(subject, 5) @ moved[:3, :3].T + moved[:3, 3]
        np.testing.assert_allclose(evaluated_vertices(body), wanted, atol=2e-4)


def test_importing_again_keeps_the_artists_work(extension, golden, read_pose):
    first = golden(**TAKE)
    later = golden(**TAKE, shape=(0.8, -0.5), motion="walk", take_id="later", shot_id="the shot")
    first = golden(**TAKE, shot_id="the shot")
    result = build(extension, first)
    armature, body = result.armatures[0], result.bodies[0]
    counts = {k: len(getattr(bpy.data, k)) for k in ("objects", "actions", "meshes", "armatures", "materials",
                                                     "collections")}
    painted = bpy.data.materials.new("painted")
    body.material_slots[0].material = painted
    body.modifiers.new("Subsurf", "SUBSURF").levels = 0
    body.vertex_groups.new(name="mine").add([0, 1], 0.5, "REPLACE")
    constraint = armature.pose.bones["hand.R"].constraints.new("COPY_LOCATION")
    constraint.mute = True
    bpy.context.scene.frame_set(5)
    head = armature.pose.bones["head"]
    head.rotation_euler[2] += 0.2
    armature.keyframe_insert('pose.bones["head"].rotation_euler', index=2, frame=5)
    result.root.location = (4, 5, 6)
    armature.name = "hero"
    elsewhere = bpy.data.collections.new("elsewhere")
    bpy.context.scene.collection.children.link(elsewhere)
    for collection in body.users_collection:
        collection.objects.unlink(body)
    elsewhere.objects.link(body)
    armature.hide_set(True)

    again = build(extension, later)
    take = takes.take.read(later)
    assert again.is_update and again.armatures[0] == armature and again.bodies[0] == body
    counts["materials"] += 1
    counts["collections"] += 1
    assert counts == {k: len(getattr(bpy.data, k)) for k in counts}
    assert body.material_slots[0].material == painted
    assert [m.type for m in body.modifiers] == ["ARMATURE", "SUBSURF"]
    assert body.vertex_groups["mine"].weight(1) == pytest.approx(0.5)
    assert [c.type for c in armature.pose.bones["hand.R"].constraints] == ["LIMIT_ROTATION", "COPY_LOCATION"]
    assert tuple(result.root.location) == (4, 5, 6) and armature.name == "hero" and armature.hide_get()
    assert body.users_collection == (elsewhere,)
    assert armature["sinew_take_id"] == "later"
    curves = extension("addon.scene.curves")
    layer = curves.layer_action(armature)
    assert curves.read_keys(curves.curves_of(layer, armature)[0])[1][0] == pytest.approx(0.2, abs=1e-4)
    armature.animation_data.use_tweak_mode = False
    armature.animation_data.action = None
    result.root.location = (0, 0, 0)
    assert_follows(read_pose, armature, take.subjects[0], range(1, N_FRAMES + 1, 7), range(0, N_FRAMES, 7))
    bpy.context.scene.frame_set(9)
    assert np.abs(evaluated_vertices(body) - skinned(take.subjects[0], 8)).max() < 1e-3


def test_importing_the_same_take_twice_adds_nothing(extension, golden):
    folder = golden(**TAKE)
    build(extension, folder)
    counts = {k: len(getattr(bpy.data, k)) for k in ("objects", "actions", "meshes", "collections", "materials")}
    assert build(extension, folder).is_update
    assert counts == {k: len(getattr(bpy.data, k)) for k in counts}


def test_another_shot_stands_beside_the_first(extension, golden):
    build(extension, golden(**TAKE))
    other = build(extension, golden(n_frames=N_FRAMES, seed=8))
    assert not other.is_update
    assert sum(o.get("sinew_role") == "armature" for o in bpy.data.objects) == 3


def test_everything_is_marked_and_sorted(extension, golden):
    folder = golden(**TAKE)
    take = takes.take.read(folder)
    result = build(extension, folder)
    for kind in ("objects", "meshes", "armatures", "actions", "materials", "collections"):
        for block in getattr(bpy.data, kind):
            assert block.get("sinew_take_id") == take.id and block.get("sinew_role"), block
    rigs = next(c for c in bpy.data.collections if c["sinew_role"] == "collection_rigs")
    assert set(result.armatures + result.bodies) <= set(rigs.objects)
    shapes = next(c for c in bpy.data.collections if c["sinew_role"] == "collection_shapes")
    assert shapes.hide_viewport and shapes.hide_render


def test_people_move_in_time_against_the_plate_and_stay_there(extension, golden, read_pose):
    folder = golden(**TAKE)
    take = takes.take.read(folder)
    armature = build(extension, folder).armatures[0]
    curves = extension("addon.scene.curves")
    curves.offset_strip(armature, 3.5)
    assert curves.strip_offset(armature) == pytest.approx(3.5)
    frames = np.arange(5, 30, 6) + 3.5
    assert_follows(read_pose, armature, take.subjects[0], frames, range(4, 29, 6))
    assert build(extension, folder).is_update
    assert_follows(read_pose, armature, take.subjects[0], frames, range(4, 29, 6))


def test_clamping_looks_at_the_same_moment_of_both_layers(extension, golden):
    armature = build(extension, golden(**TAKE)).armatures[0]
    curves, plan = extension("addon.scene.curves"), extension("addon.plan.curves")
    curves.offset_strip(armature, 6.0)
    path, index = plan.dof_channel("elbow_flexion_l")
    bone = armature.pose.bones["ulna.L"]
    for frame, value in ((12, 0.0), (20, 2.9), (28, 0.0)):
        bpy.context.scene.frame_set(frame)
        bone.rotation_euler[index] += value
        armature.keyframe_insert(path, index=index, frame=frame)
    assert extension("addon.scene.limits").clamp_keys_to_limits(armature).n_keys
    low, high = (t[sk.DOF_INDEX["elbow_flexion_l"]] for t in (sk.LOW, sk.HIGH))
    for frame in range(7, N_FRAMES + 7):
        bpy.context.scene.frame_set(frame)
        assert low - 1e-5 <= bone.rotation_euler[index] <= high + 1e-5, frame


@pytest.mark.parametrize("how", ["excluded", "collection hidden", "object hidden", "unlinked"])
def test_update_reaches_what_is_put_away(extension, golden, read_pose, how):
    first = golden(**TAKE, shot_id="away")
    later = golden(**TAKE, shape=(1.0,), take_id="later still", shot_id="away")
    armature = build(extension, first).armatures[0]
    rigs = next(c for c in bpy.data.collections if c["sinew_role"] == "collection_rigs")
    layers = bpy.context.view_layer.layer_collection.children[0].children
    own = next(child for child in layers if child.collection == rigs)
    if how == "excluded":
        own.exclude = True
    elif how == "collection hidden":
        rigs.hide_viewport = True
    elif how == "object hidden":
        armature.hide_viewport = True
    else:
        rigs.objects.unlink(armature)
    assert build(extension, later).armatures[0] == armature
    assert armature.users_collection == (rigs,)
    assert armature.hide_viewport == (how == "object hidden") and armature.mode == "OBJECT"
    rest_m = takes.take.read(later).subjects[0].body["rest_joints_m"]
    names = extension("addon.plan.bones").BONE_NAMES
    found_m = np.array([armature.data.bones[name].head_local for name in names])
    np.testing.assert_allclose(found_m, rest_m, atol=1e-5)


def test_a_baked_person_keeps_its_bake(extension, golden):
    folder = golden(**TAKE)
    armature = build(extension, folder).armatures[0]
    data = armature.animation_data
    while data.nla_tracks:
        data.nla_tracks.remove(data.nla_tracks[0])
    baked = bpy.data.actions.new("baked")
    data.action = baked
    result = build(extension, folder)
    assert data.action == baked and [track.mute for track in data.nla_tracks] == [True]
    assert any("muted" in note for note in result.notes)


def test_deforming_bones_export_alone(extension, golden, tmp_path):
    import json
    import struct

    result = build(extension, golden(n_frames=3))
    for block in bpy.context.view_layer.objects:
        block.select_set(block in (result.armatures[0], result.bodies[0]))
    bpy.ops.export_scene.gltf(filepath=str(tmp_path / "person.glb"), use_selection=True, export_def_bones=True)
    data = (tmp_path / "person.glb").read_bytes()
    scene = json.loads(data[20:20 + struct.unpack("<I", data[12:16])[0]])
    names = {scene["nodes"][j]["name"] for j in scene["skins"][0]["joints"]}
    assert names == set(extension("addon.plan.bones").DEFORM_NAMES)


def test_a_body_with_joint_frames_of_its_own(extension, golden, read_pose):
    folder = golden(n_frames=12, tilt_frames_deg=15.0)
    take = takes.take.read(folder)
    result = build(extension, folder)
    assert_follows(read_pose, result.armatures[0], take.subjects[0], range(1, 13), range(12))
    bpy.context.scene.frame_set(6)
    assert np.linalg.norm(evaluated_vertices(result.bodies[0]) - skinned(take.subjects[0], 5), axis=1).max() < 1e-3


def test_an_import_is_one_step_of_undo(extension, golden):
    folder = golden(**TAKE)

    class Import(bpy.types.Operator):
        bl_idname, bl_label, bl_options = "wm.sinew_test_import", "Import", {"UNDO"}

        def execute(self, context):
            build(extension, folder)
            return {"FINISHED"}

    def count():
        return [len(getattr(bpy.data, k)) for k in ("objects", "actions", "meshes", "armatures", "collections")]

    bpy.utils.register_class(Import)
    try:
        bpy.ops.ed.undo_push(message="before")
        before, rate = count(), bpy.context.scene.render.fps
        bpy.ops.wm.sinew_test_import("EXEC_DEFAULT", True)
        after = count()
        bpy.ops.ed.undo()
        assert count() == before and bpy.context.scene.render.fps == rate
        bpy.ops.ed.redo()
        assert count() == after != before
    finally:
        bpy.utils.unregister_class(Import)
