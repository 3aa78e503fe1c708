"""The shot's camera in Blender against the take's undistorted projection; the floor."""

from fractions import Fraction

import numpy as np
import pytest
import takes

bpy = pytest.importorskip("bpy")


def put(extension, take, rate=None, first=11, **options):
    """Camera, plate and floor of a take under a root, at a scene rate (default: the clip's)."""
    retime, shot, tags = (extension(f"addon.{m}") for m in ("plan.retime", "scene.shot", "scene.tags"))
    scene = bpy.context.scene
    source = retime.source_rate(take.meta)
    timing = retime.time_frames(take.shot["time_s"], rate or source, source, first)
    owner = tags.Owner(take.id, take.shot_id)
    root = tags.find(bpy.data.objects, "root", owner)
    if root is None:
        root = bpy.data.objects.new("root", None)
        scene.collection.objects.link(root)
        tags.mark(root, "root", owner)
    built = shot.build_shot(take, timing, owner, scene, root, scene.collection, "clip", **options)
    bpy.context.view_layer.update()
    return built, timing, root


def blender_pixels(camera, points_m):
    """World points (P, 3) through Blender's own camera matrices: (P, 2) px from the picture's upper left corner."""
    render = bpy.context.scene.render
    graph = bpy.context.evaluated_depsgraph_get()
    evaluated = camera.evaluated_get(graph)
    width, height = render.resolution_x, render.resolution_y
    projection = np.array(evaluated.calc_matrix_camera(graph, x=width, y=height, scale_x=render.pixel_aspect_x,
                                                       scale_y=render.pixel_aspect_y))
    view = np.linalg.inv(np.array(evaluated.matrix_world.normalized()))
    clip = np.concatenate([points_m, np.ones((len(points_m), 1))], 1) @ (projection @ view).T
    ndc = clip[:, :2] / clip[:, 3:]
    return np.stack([(ndc[:, 0] + 1) / 2 * width, (1 - ndc[:, 1]) / 2 * height], 1)


def undistorted(take, t, points_m):
    """The take's pinhole projection, from its arrays."""
    T_cw = np.linalg.inv(take.shot["T_wc"][t].astype(float))
    local = points_m @ T_cw[:3, :3].T + T_cw[:3, 3]
    picture = local @ take.shot["K"][t].astype(float).T
    return picture[:, :2] / picture[:, 2:]


@pytest.mark.parametrize("moving", [False, True])
def test_a_point_lands_where_the_take_says(extension, moving):
    take = takes.make_take(20, moving_camera=moving, size_px=(638, 361))
    if moving:
        take.shot["K"][:, 0, 0] *= np.linspace(1, 1.4, 20)
        take.shot["K"][:, 1, 1] *= np.linspace(1, 1.4, 20)
        take.shot["K"][:, 0, 2] += np.linspace(0, 30, 20)
    built, timing, _ = put(extension, take)
    assert (built.camera.animation_data is not None) == moving
    for t, frame in enumerate(timing.frames):
        bpy.context.scene.frame_set(int(frame))
        points = take.subjects[0].motion["joints_m"][t].astype(float)
        off = np.abs(blender_pixels(built.camera, points) - undistorted(take, t, points)).max()
        assert off < 0.1, f"frame {frame}: {off:.3f} px"


def test_root_moves_turns_and_scales_camera_and_people_together(extension):
    take = takes.make_take(4)
    built, timing, root = put(extension, take)
    root.location, root.rotation_euler, root.scale = (1.0, -2.0, 0.5), (0.1, 0.2, 1.0), (2.5, 2.5, 2.5)
    bpy.context.scene.frame_set(int(timing.frames[2]))
    points = take.subjects[0].motion["joints_m"][2].astype(float)
    matrix = np.array(root.matrix_world)
    moved = points @ matrix[:3, :3].T + matrix[:3, 3]
    assert np.abs(blender_pixels(built.camera, moved) - undistorted(take, 2, points)).max() < 0.1  # px


def test_angles_do_not_jump(extension):
    plan = extension("addon.plan.camera")
    t = np.linspace(0, 4 * np.pi, 200)
    zero, one = np.zeros_like(t), np.ones_like(t)
    T_wc = np.zeros((200, 4, 4))
    T_wc[:, 3, 3] = 1
    turn = np.stack([np.stack([np.cos(t), -np.sin(t), zero], 1), np.stack([np.sin(t), np.cos(t), zero], 1),
                     np.stack([zero, zero, one], 1)], 1)
    T_wc[:, :3, :3] = turn @ np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    location, angles = plan.blender_pose(T_wc)
    assert np.abs(np.diff(angles, axis=0)).max() < 0.1  # rad; two full circles in 200 frames
    assert np.ptp(angles[:, 2]) == pytest.approx(4 * np.pi, abs=1e-6)


def test_straight_down_and_rolled_cameras_keep_their_rotation(extension):
    plan = extension("addon.plan.camera")
    rng = np.random.default_rng(1)
    q, r = np.linalg.qr(rng.normal(size=(50, 3, 3)))
    q *= np.sign(np.linalg.det(q))[:, None, None]
    special = np.array([[[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]], [[0, 0, -1.0], [0, 1, 0], [1, 0, 0]],
                        [[1.0, 0, 0], [0, -1, 0], [0, 0, -1]], np.eye(3)])
    T_wc = np.tile(np.eye(4), (54, 1, 1))
    T_wc[:, :3, :3] = np.concatenate([q, special])
    _, angles = plan.blender_pose(T_wc)
    from mathutils import Euler

    for matrix, angle in zip(T_wc @ plan.FLIP_YZ, angles, strict=True):
        assert np.abs(np.array(Euler(angle, "XYZ").to_matrix()) - matrix[:3, :3]).max() < 1e-5


def test_a_camera_that_stops_moving_loses_its_keys_and_keeps_the_artists(extension):
    first = takes.make_take(10, moving_camera=True, take_id="one")
    built, _, _ = put(extension, first)
    camera = built.camera
    camera.data.dof.use_dof = True
    track = camera.constraints.new("LIMIT_LOCATION")
    put(extension, takes.make_take(10, take_id="two"))
    assert len([o for o in bpy.data.objects if o.type == "CAMERA"]) == 1
    assert camera.data.dof.use_dof and track.name in camera.constraints
    curves = extension("addon.scene.curves")
    assert not curves.curves_of(camera.animation_data.action, camera)
    assert np.allclose(camera.location, [0.2, -4.5, 1.3], atol=1e-4)  # m


def test_another_rate_keeps_the_cameras_speed(extension):
    take = takes.make_take(31, moving_camera=True)
    built, timing, _ = put(extension, take, Fraction(24))
    frame = float(timing.frames[20])
    bpy.context.scene.frame_set(int(frame), subframe=frame - int(frame))
    points = take.subjects[0].motion["joints_m"][20].astype(float)
    assert np.abs(blender_pixels(built.camera, points) - undistorted(take, 20, points)).max() < 0.1  # px


def test_what_the_camera_cannot_show_is_said(extension):
    built, _, _ = put(extension, takes.make_take(3, distortion=(0.1, 0, 0, 0, 0)))
    assert any("distorts" in note for note in built.notes)


def other_take(ident: str):
    take = takes.make_take(3, take_id=ident)
    take.meta["shot_id"] = ident
    return take


@pytest.mark.parametrize("what", ["start-up", "moved", "keyed", "renamed", "parented", "child", "constrained", "pictured",
                                  "marked"])
def test_the_start_up_camera_gives_way_as_long_as_nobody_has_touched_it(extension, what):
    bpy.ops.wm.read_factory_settings()
    scene = bpy.context.scene
    own, cube = scene.camera, bpy.data.objects["Cube"]
    if what == "moved":
        own.location.x += 0.1
    elif what == "keyed":
        own.data.keyframe_insert("lens", frame=1)
    elif what == "renamed":
        own.name = "Mine"
    elif what == "parented":
        own.parent = cube
    elif what == "child":
        cube.parent = own
    elif what == "constrained":
        own.constraints.new("TRACK_TO")
    elif what == "pictured":
        own.data.background_images.new()
    elif what == "marked":
        scene.timeline_markers.new("here", frame=1).camera = own
    built, _, _ = put(extension, takes.make_take(3))
    said = [note for note in built.notes if "keeps its camera" in note]
    if what == "start-up":
        assert scene.camera == built.camera and not said
    else:
        assert scene.camera == own
        assert said == [f"The scene keeps its camera {own.name}; make clip camera active to look through the solved one."]


def test_an_earlier_take_s_camera_gives_way_and_a_choice_made_later_stays(extension):
    scene = bpy.context.scene
    first, _, _ = put(extension, other_take("one"))
    assert scene.camera == first.camera
    second, _, _ = put(extension, other_take("two"))
    assert scene.camera == second.camera
    scene.camera = first.camera
    again, _, _ = put(extension, other_take("two"), is_first=False)
    assert scene.camera == first.camera
    assert not any("keeps its camera" in note for note in (*second.notes, *again.notes))
    scene.camera = None
    put(extension, other_take("two"), is_first=False)
    assert scene.camera == second.camera


def test_an_import_again_leaves_the_active_camera_alone(extension, golden):
    bpy.ops.wm.read_factory_settings()
    scene, own = extension("addon.scene"), bpy.context.scene.camera
    first = scene.build_take(bpy.context, golden(n_frames=3))
    assert bpy.context.scene.camera == first.camera
    bpy.context.scene.camera = own
    again = scene.build_take(bpy.context, golden(n_frames=3))
    assert again.is_update and bpy.context.scene.camera == own
    assert not any("keeps its camera" in note for note in again.notes)


def test_floor_lies_under_the_way_and_is_updated_in_place(extension):
    take = takes.make_take(10, n_subjects=2)
    built, _, root = put(extension, take)
    roots = np.concatenate([s.motion["root_m"] for s in take.subjects])
    corners = np.array([v.co for v in built.floor.data.vertices])
    assert np.allclose(corners[:, 2], 0)
    assert (corners[:, :2].min(0) < roots[:, :2].min(0)).all() and (corners[:, :2].max(0) > roots[:, :2].max(0)).all()
    assert built.floor.is_shadow_catcher and built.floor.parent == root
    material = bpy.data.materials.new("mine")
    built.floor.data.materials[0] = material
    later = takes.make_take(10, n_subjects=2, take_id="later")
    later.subjects[0].motion["root_m"][:, 0] += 7
    again, _, _ = put(extension, later)
    assert again.floor == built.floor and again.floor.data.materials[0] == material
    assert max(v.co.x for v in again.floor.data.vertices) > 7


def test_render_settings_say_what_they_change_once(extension):
    settings = extension("addon.scene.render_settings")
    scene = bpy.context.scene
    assert any("black" in text for text in settings.needs(scene))
    changed = settings.apply(scene)
    assert scene.cycles.transparent_max_bounces >= 64 and scene.view_settings.view_transform == "Standard"
    assert any("8 ->" in text for text in changed)
    assert settings.apply(scene) == [] and settings.needs(scene) == []
