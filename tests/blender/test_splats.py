"""Gaussian clouds bound to the armature: centres, turns, outlines, updates, pictures."""

import numpy as np
import pytest
import takes

from sinew_take import laws
from sinew_take import skeleton as sk
from sinew_take import take as take_format

bpy = pytest.importorskip("bpy")

TAKE = {"n_frames": 12, "n_splats": 1500, "body": "box"}


def build(extension, folder, **options):
    scene = extension("addon.scene")
    return scene.build_take(bpy.context, folder, scene.BuildOptions(**{"set_scene_rate": True, **options}))


def triangles(splats) -> np.ndarray:
    """Evaluated triangles in the world, (N, 3, 3), m."""
    evaluated = splats.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    points = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", points)
    corner = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corner)
    matrix = np.array(evaluated.matrix_world)
    evaluated.to_mesh_clear()
    return (points.reshape(-1, 3)[corner] @ matrix[:3, :3].T + matrix[:3, 3]).reshape(-1, 3, 3)


def set_input(splats, label, value) -> None:
    """An input of the Geometry Nodes modifier by its name; 5.2 keeps them elsewhere than before."""
    modifier = next(m for m in splats.modifiers if m.type == "NODES")
    socket = next(i for i in modifier.node_group.interface.items_tree if i.name == label)
    if hasattr(modifier, "properties"):
        getattr(modifier.properties.inputs, socket.identifier).value = value
    else:
        modifier[socket.identifier] = value
    splats.update_tag()
    bpy.context.view_layer.update()


def moves_of(subject, q, root_m) -> np.ndarray:
    body = subject.body
    T_wj = laws.forward_kinematics(np.asarray(q, float), np.asarray(root_m, float), body["rest_joints_m"].astype(float),
                                   body["joint_frames"].astype(float))
    return laws.skin_transforms(T_wj, body["rest_joints_m"].astype(float), body["joint_frames"].astype(float))


def one_bone(folder):
    """A golden take whose splats follow one joint each."""
    made = takes.make_take(**TAKE)
    avatar = made.subjects[0].avatar
    avatar["skin_weight"][:] = np.eye(avatar["skin_weight"].shape[1], dtype=np.float32)[0]
    return take_format.write(made, folder)


def edit_curves(extension, armature, subject, t, change: dict[str, float]) -> np.ndarray:
    """Add to keyed coordinates at take frame t as an artist does; returns the new coordinates."""
    curves, plan = extension("addon.scene.curves"), extension("addon.plan.curves")
    action = curves.base_action(armature)
    q = subject.motion["q"][t].astype(float).copy()
    for name, by in change.items():
        path, index = plan.dof_channel(name)
        by_key = np.zeros(len(subject.motion["q"]))
        by_key[t] = by
        curves.shift_keys(curves.find_curve(action, armature, path, index), by_key)
        q[sk.DOF_INDEX[name]] += by
    return q


def test_centres_follow_an_edited_curve(extension, golden):
    folder = golden(**TAKE)
    take = take_format.read(folder)
    result = build(extension, folder)
    subject, avatar = take.subjects[0], take.subjects[0].avatar
    t = 5
    # Against the middle of the range, so that no limit acts.
    change = {n: -0.3 * np.sign(subject.motion["q"][t, sk.DOF_INDEX[n]] or 1)
              for n in ("hip_flexion_r", "lumbar_extension", "shoulder_l_x")}
    frame = bpy.context.scene.frame_start + t
    bpy.context.scene.frame_set(frame)
    before = triangles(result.avatars[0]).mean(1)
    q = edit_curves(extension, result.armatures[0], subject, t, change)
    bpy.context.scene.frame_set(frame + 1)
    bpy.context.scene.frame_set(frame)
    wanted = laws.skin(avatar["mean_m"].astype(float), avatar["skin_index"], avatar["skin_weight"],
                       moves_of(subject, q, subject.motion["root_m"][t]))
    found = triangles(result.avatars[0]).mean(1)
    assert np.linalg.norm(found - before, axis=1).max() > 0.05  # m: the edit shows
    assert np.linalg.norm(found - wanted, axis=1).max() < 1e-3  # m


def test_centres_follow_every_frame_and_the_root(extension, golden):
    folder = golden(**TAKE)
    take = take_format.read(folder)
    result = build(extension, folder)
    result.root.location, result.root.rotation_euler, result.root.scale = (1, 2, 0.3), (0.2, 0.1, 0.9), (2, 2, 2)
    subject, avatar = take.subjects[0], take.subjects[0].avatar
    for t in range(0, take.n_frames, 4):
        bpy.context.scene.frame_set(bpy.context.scene.frame_start + t)
        matrix = np.array(result.root.matrix_world)
        wanted = laws.skin(avatar["mean_m"].astype(float), avatar["skin_index"], avatar["skin_weight"],
                           moves_of(subject, subject.motion["q"][t], subject.motion["root_m"][t]))
        wanted = wanted @ matrix[:3, :3].T + matrix[:3, 3]
        assert np.linalg.norm(triangles(result.avatars[0]).mean(1) - wanted, axis=1).max() < 2e-3  # m, at scale 2


def test_splats_turn_with_their_bone(extension, tmp_path):
    folder = one_bone(tmp_path / "take")
    take = take_format.read(folder)
    result = build(extension, folder)
    subject, avatar = take.subjects[0], take.subjects[0].avatar
    t = 7
    bpy.context.scene.frame_set(bpy.context.scene.frame_start + t)
    moves = moves_of(subject, subject.motion["q"][t], subject.motion["root_m"][t])[avatar["skin_index"][:, 0]]
    axes = extension("addon.plan.splats").splat_axes(avatar["scale_m"], avatar["rotation_wxyz"]).astype(float)
    wanted = np.einsum("nij,nkj->nki", moves[:, :3, :3], axes)
    corner = triangles(result.avatars[0])
    # Corners stand at 3 (-sqrt 3, -1), 3 (sqrt 3, -1) and 3 (0, 2) of the two long axes.
    found = np.stack([(corner[:, 1] - corner[:, 0]) / (6 * np.sqrt(3)), (corner[:, 2] - corner.mean(1)) / 6], 1)
    for k in (0, 1):
        cosine = (found[:, k] * wanted[:, k]).sum(-1) / np.linalg.norm(found[:, k], axis=-1) \
            / np.linalg.norm(wanted[:, k], axis=-1)
        assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 0.5  # deg
        ratio = np.linalg.norm(found[:, k], axis=-1) / np.linalg.norm(wanted[:, k], axis=-1)
        assert np.abs(ratio - 1).max() < 5e-3


def test_facing_the_camera_is_the_projected_covariance(extension, golden):
    folder = golden(**TAKE)
    take = take_format.read(folder)
    result = build(extension, folder)
    splats = result.avatars[0]
    camera = bpy.data.objects.new("eye", bpy.data.cameras.new("eye"))
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera
    camera.location, camera.rotation_euler = (1.5, -3.0, 1.8), (1.3, 0.2, 0.4)
    set_input(splats, "Face Camera in Viewport", True)
    subject, avatar = take.subjects[0], take.subjects[0].avatar
    t = 3
    bpy.context.scene.frame_set(bpy.context.scene.frame_start + t)
    moves = moves_of(subject, subject.motion["q"][t], subject.motion["root_m"][t])
    blended = np.einsum("nm,nmij->nij", avatar["skin_weight"], moves[avatar["skin_index"]][..., :3, :3])
    axes = extension("addon.plan.splats").splat_axes(avatar["scale_m"], avatar["rotation_wxyz"]).astype(float)
    axes = np.einsum("nij,nkj->nki", blended, axes)
    covariance = np.einsum("nki,nkj->nij", axes, axes)
    corner = triangles(splats)
    centre = corner.mean(1)
    ray = np.array(camera.location) - centre
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    across = np.eye(3) - ray[:, :, None] * ray[:, None]
    wanted = across @ covariance @ across
    arms = (corner - centre[:, None]) / 3
    found = np.einsum("nki,nkj->nij", arms, arms) / 6  # the corners' own second moment is 6 per axis
    error = np.abs(found - wanted).max((1, 2)) / np.trace(wanted, axis1=1, axis2=2)
    assert error.max() < 0.01


def test_seen_colour_and_opacity_are_attributes(extension, golden):
    folder = golden(**TAKE)
    take = take_format.read(folder)
    result = build(extension, folder)
    mesh, avatar = result.avatars[0].data, take.subjects[0].avatar
    n = len(avatar["mean_m"])
    seen, opacity = np.empty(n, bool), np.empty(n, np.float32)
    mesh.attributes["splat_seen"].data.foreach_get("value", seen)
    mesh.attributes["splat_opacity"].data.foreach_get("value", opacity)
    assert (seen == avatar["seen"]).all() and np.abs(opacity - avatar["opacity"]).max() < 1e-6
    color = np.empty(4 * len(mesh.vertices), np.float32)
    mesh.attributes["splat_color"].data.foreach_get("color_srgb", color)
    wanted = np.clip(0.5 + 0.28209479 * avatar["sh"][:, 0], 0, 1)
    assert np.abs(color.reshape(-1, 4)[-3 * n::3, :3] - wanted).max() < 1.5 / 255
    assert not mesh.validate()
    assert any("direction of view" in note for note in result.notes)


def test_update_keeps_the_artists_material_and_modifiers(extension, golden):
    result = build(extension, golden(**TAKE, take_id="first"))
    splats = result.avatars[0]
    mine = bpy.data.materials.new("mine")
    splats.data.materials[0] = mine
    splats.modifiers.new("mine", "SOLIDIFY")
    set_input(splats, "Face Camera in Viewport", True)
    meshes, groups = len(bpy.data.meshes), len(bpy.data.node_groups)
    later = build(extension, golden(**{**TAKE, "n_splats": 700}, take_id="later"))
    assert later.is_update and later.avatars[0] == splats
    assert len(splats.data.polygons) == 700 and splats.data.materials[0] == mine
    assert [m.type for m in splats.modifiers] == ["ARMATURE", "NODES", "SOLIDIFY"]
    assert (len(bpy.data.meshes), len(bpy.data.node_groups)) == (meshes, groups)
    modifier = splats.modifiers[1]
    socket = next(i for i in modifier.node_group.interface.items_tree if i.name == "Face Camera in Viewport")
    kept = (getattr(modifier.properties.inputs, socket.identifier).value if hasattr(modifier, "properties")
            else modifier[socket.identifier])
    assert kept


def test_renders_show_splats_or_mesh_not_both(extension, golden):
    splats = extension("addon.scene.splats")
    result = build(extension, golden(**TAKE))
    cloud, body = result.avatars[0], result.bodies[0]
    assert cloud.visible_camera and not body.visible_camera and body.visible_shadow and not cloud.visible_shadow
    splats.show_in_renders(cloud, body, with_splats=False)
    build(extension, golden(**TAKE))
    assert body.visible_camera and not cloud.visible_camera  # the artist's choice stays


def test_broken_splats_are_left_out_and_said(extension):
    plan = extension("addon.plan.splats")
    avatar = takes.make_take(**TAKE).subjects[0].avatar
    avatar["mean_m"][3] = np.nan
    avatar["skin_weight"][5] = 0
    made = plan.plan_splats(avatar, [f"b{j}" for j in range(24)])
    assert made.n_splats == TAKE["n_splats"] - 2 and "2 of 1500" in made.notes[0]
    assert np.abs(made.skin_weight.sum(1) - 1).max() < 1e-6
    assert plan.plan_splats(None, []) is None


@pytest.mark.parametrize("mark", [0.0, 1.0])
def test_cycles_picture_shows_the_footages_colour(extension, mark):
    """One large opaque never-seen splat fills the middle of the picture with its own colour, or tinted on demand."""
    plan, splats, tags, settings = (extension(f"addon.{m}") for m in (
        "plan.splats", "scene.splats", "scene.tags", "scene.render_settings"))
    scene = bpy.context.scene
    armature = bpy.data.objects.new("a", bpy.data.armatures.new("a"))
    scene.collection.objects.link(armature)
    avatar = {"mean_m": np.zeros((1, 3)), "scale_m": np.full((1, 3), 2.0), "rotation_wxyz": np.array([[1.0, 0, 0, 0]]),
              "opacity": np.ones(1), "sh": ((np.array([[[200, 100, 40]]]) / 255) - 0.5) / 0.28209479,
              "skin_index": np.zeros((1, 1), np.int16), "skin_weight": np.ones((1, 1)), "seen": np.zeros(1, bool)}
    made = plan.plan_splats(avatar, ["b"] * 1)
    cloud = splats.build_avatar(made, tags.Owner("t", "s", "p"), armature, scene.collection)
    cloud.modifiers["Armature"].object = None
    cloud.data.materials[0].node_tree.nodes["Mark Unseen"].outputs[0].default_value = mark
    camera = bpy.data.objects.new("eye", bpy.data.cameras.new("eye"))
    scene.collection.objects.link(camera)
    camera.location, camera.rotation_euler = (0, -4, 0), (np.pi / 2, 0, 0)
    scene.camera = camera
    settings.apply(scene)
    scene.render.engine, scene.cycles.samples = "CYCLES", 4
    scene.render.resolution_x = scene.render.resolution_y = 9
    scene.render.image_settings.file_format = "PNG"
    path = bpy.app.tempdir + "splat.png"
    scene.render.filepath = path
    bpy.ops.render.render(write_still=True)
    picture = bpy.data.images.load(path)
    middle = np.array(picture.pixels[:]).reshape(9, 9, 4)[4, 4] * 255
    assert middle[3] > 250
    close = np.abs(middle[:3] - [200, 100, 40]).max() < 4
    assert close if mark == 0 else not close
