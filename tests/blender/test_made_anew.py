"""What was deleted and is imported again stands and hangs as after a first import; what the artist did to the rest stays."""

import json

import numpy as np
import pytest
import takes

bpy = pytest.importorskip("bpy")

N = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two people, one of them absent for a while, with splats, a plate and a camera that moves."""
    base = tmp_path_factory.mktemp("anew")
    take = takes.make_take(N, n_subjects=2, n_splats=300, body="box", absent=(3, 5), moving_camera=True)
    for subject in take.subjects:
        subject.motion["pixel_error"] = np.ones(N, np.float32)
    partial = base / "partial"
    takes.add_plate(take, partial)
    return takes.take.write(take, base / "take", partial=partial)


def build(extension, folder):
    scene = extension("addon.scene")
    return scene.build_take(bpy.context, folder, scene.BuildOptions(set_scene_rate=True))


def delete(item) -> None:
    """As the X key does."""
    bpy.context.scene.frame_set(8)
    name, item.hide_select = item.name, False
    for other in bpy.context.view_layer.objects:
        other.select_set(other == item)
    bpy.ops.object.delete()
    assert name not in bpy.data.objects


def parents() -> list:
    """Role, subject, parent's role and parent's subject of everything of ours."""
    marks = [(item, item.parent) for item in bpy.data.objects if item.get("sinew_role")]
    return sorted([item["sinew_role"], item["sinew_subject"], *(("", "") if above is None else (
        above.get("sinew_role"), above.get("sinew_subject")))] for item, above in marks)


def bends() -> list:
    """Object and armature of every Armature modifier, by role and subject."""
    return sorted([item["sinew_role"], item["sinew_subject"], m.object and m.object.get("sinew_subject")]
                  for item in bpy.data.objects for m in item.modifiers if m.type == "ARMATURE")


def dead_drivers() -> list[str]:
    """Drivers that read what is not there."""
    blocks = (*bpy.data.objects, *bpy.data.cameras, *bpy.data.node_groups, *bpy.data.shape_keys)
    return [f"{block.name}: {curve.data_path}" for block in blocks if block.animation_data
            for curve in block.animation_data.drivers for variable in curve.driver.variables
            if variable.targets[0].id is None or not curve.driver.is_valid]


def places(result) -> np.ndarray:
    """Where people, camera and floor are seen at a frame, under a root that is moved."""
    result.root.location = (3, 4, 5)
    bpy.context.scene.frame_set(8)
    graph = bpy.context.evaluated_depsgraph_get()
    items = [*result.armatures, *result.bodies, *result.avatars, result.camera, result.floor]
    return np.array([np.array(item.evaluated_get(graph).matrix_world) for item in items])


def hidden(result) -> list[bool]:
    """Whether the first person is hidden in a frame without them."""
    bpy.context.scene.frame_set(5)
    graph = bpy.context.evaluated_depsgraph_get()
    return [item.evaluated_get(graph).hide_render for item in (result.bodies[0], result.avatars[0])]


@pytest.mark.parametrize("role", ["armature", "body", "avatar", "camera", "root", "floor", "check"])
def test_what_was_deleted_is_made_anew_in_its_place(extension, folder, role):
    result = build(extension, folder)
    wanted = parents(), bends(), places(result), hidden(result)
    looks = [(body.visible_camera, splats.visible_camera) for body, splats in zip(result.bodies, result.avatars)]
    kept = result.bodies[1] if role == "body" else result.bodies[0]
    painted = bpy.data.materials.new("painted")
    kept.material_slots[0].material = painted
    kept.modifiers.new("Mine", "SUBSURF").levels = 0
    kept.name = "Anna's skin"
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end, scene.render.resolution_x = 4, 7, 333
    found = next(item for item in bpy.data.objects if item.get("sinew_role") == role and item != kept)
    if role == "check":
        found.users_collection[0].hide_viewport = False
    delete(found)

    again = build(extension, folder)
    assert again.is_update and scene.render.resolution_x == 333
    assert (parents(), bends()) == wanted[:2]
    np.testing.assert_allclose(places(again), wanted[2], atol=1e-5)
    assert hidden(again) == wanted[3] == [True, True]
    assert dead_drivers() == []
    assert [(body.visible_camera, splats.visible_camera) for body, splats in zip(again.bodies, again.avatars)] == looks
    assert kept in again.bodies and kept.name == "Anna's skin"
    assert kept.material_slots[0].material == painted and [m.name for m in kept.modifiers] == ["Armature", "Mine"]
    assert scene.camera == again.camera and len(again.camera.data.background_images) == 1
    assert all(item.users_scene for item in (again.root, again.camera, again.floor, *again.armatures, *again.avatars))
    assert extension("addon.scene.check").error_at(again.armatures[0], 8) == pytest.approx(1.0)


def test_a_person_made_anew_has_the_name_that_was_given(extension, folder):
    people = extension("addon.scene.people")
    result = build(extension, folder)
    result.root[people.PENDING] = json.dumps([{"kind": "rename", "subject": "s1", "name": "Anna"}])
    result.armatures[1].name = "Otto"
    delete(result.armatures[0])
    assert [a.name for a in build(extension, folder).armatures] == ["Anna", "Otto"]


def test_pins_follow_a_camera_made_anew(extension, folder):
    corrections = extension("addon.scene.corrections")
    result = build(extension, folder)
    scene = bpy.context.scene
    scene.frame_set(8)
    take = takes.take.read(folder)
    pin = corrections.add_pin(result.root, scene, take, take.subjects[1].id, "nose")
    extension("addon.scene.distance").place(result.root, scene, take)
    before = corrections.pixel_of(pin, result.root, scene, takes.take.read(folder).meta["source"]["size_px"])
    delete(result.camera)
    again = build(extension, folder)
    assert pin.parent == again.camera
    assert [point.parent for point in extension("addon.scene.distance").points_of(again.root)] == [again.camera] * 2
    after = corrections.pixel_of(pin, again.root, scene, takes.take.read(folder).meta["source"]["size_px"])
    np.testing.assert_allclose(after, before, atol=1e-2)


def test_a_camera_that_the_artist_animated_anew_keeps_that(extension, folder):
    camera = build(extension, folder).camera
    camera.animation_data.action = mine = bpy.data.actions.new("mine")
    build(extension, folder)
    assert camera.animation_data.action == mine


def test_what_the_artist_hung_elsewhere_stays_there(extension, folder):
    result = build(extension, folder)
    mount = bpy.data.objects.new("mount", None)
    bpy.context.scene.collection.objects.link(mount)
    result.bodies[0].parent = mount
    result.bodies[1].parent = None
    result.armatures[1].parent = None
    delete(result.armatures[0])
    again = build(extension, folder)
    assert again.bodies[0].parent == mount and again.bodies[1].parent is None and again.armatures[1].parent is None
    assert again.bodies[0].modifiers[0].object == again.armatures[0]


def test_without_its_root_nobody_is_corrected_until_the_next_import(extension, folder):
    result = build(extension, folder)
    armature = result.armatures[0]
    bpy.context.view_layer.objects.active = armature
    corrected = extension("addon.properties").corrected_person
    assert corrected(bpy.context) == armature
    bpy.data.objects.remove(result.root)
    assert corrected(bpy.context) is None
