"""Measure where MediaPipe sees its keypoints on the free body: the numbers of OFFSETS_MM in `build_free_body.py`.

Two steps, because Blender's Python has no mediapipe and the backend's has no bpy (from the folder backend/):
    <Python with bpy>   tools/measure_keypoints.py render  --work FOLDER [--pictures 144]
    <backend's Python>  tools/measure_keypoints.py compare --work FOLDER
The first poses bodies of random shapes, lights them in Workbench and keeps pose, camera and pictures; the second detects
and fits, per keypoint, one constant offset in the frame of its segment (robust least squares; left and right together).
The offsets are printed on top of those already in the asset: after a change, add them and build again.
"""

from __future__ import annotations

import argparse
import sys
from math import radians, tan
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sinew_take import free_body, laws  # noqa: E402
from sinew_take import skeleton as sk  # noqa: E402

SIZE, FOV_DEG = (480, 640), 32.0
FOCAL = SIZE[1] / 2 / tan(radians(FOV_DEG / 2))
LEAST_VISIBLE = 0.6
POSES = (
    {"shoulder_r_x": 75, "shoulder_l_x": -75, "elbow_flexion_r": 15, "elbow_flexion_l": 15},
    {"shoulder_r_x": 60, "shoulder_l_x": -50, "hip_adduction_r": -8, "hip_adduction_l": -8},
    {"shoulder_r_x": 75, "shoulder_l_x": -65, "elbow_flexion_r": 30, "elbow_flexion_l": 40, "hip_flexion_r": 30,
     "knee_angle_r": 10, "hip_flexion_l": -15, "knee_angle_l": 35},
    {"shoulder_r_x": 70, "shoulder_l_x": -20, "elbow_flexion_r": 60, "elbow_flexion_l": 20, "hip_flexion_l": 25,
     "knee_angle_l": 25, "hip_flexion_r": -10, "knee_angle_r": 5, "lumbar_extension": -10},
    {"shoulder_r_x": 50, "shoulder_l_x": -60, "elbow_flexion_r": 70, "elbow_flexion_l": 50, "hip_flexion_r": 45,
     "hip_flexion_l": 45, "knee_angle_r": 60, "knee_angle_l": 60, "lumbar_extension": -15, "ankle_angle_r": 15,
     "ankle_angle_l": 15},
    {"shoulder_r_x": 0, "shoulder_l_x": -10, "elbow_flexion_r": 10, "elbow_flexion_l": 90, "hip_adduction_r": -15,
     "hip_adduction_l": -15},
)


def scene(k: int) -> dict[str, np.ndarray]:
    """Picture k's body: vertices, transforms of the segments, keypoints (world, m), and the camera's place."""
    body, random = free_body.load(), np.random.default_rng(k)
    shape = np.zeros(body.n_shape) if k % 3 == 0 else 0.8 * random.normal(size=body.n_shape)
    q = np.zeros(46)
    for name, value in POSES[k // 8 % len(POSES)].items():
        q[sk.DOF_INDEX[name]] = radians(value)
    q[3:] += random.normal(size=43) * radians(4)
    q = np.clip(q, sk.LOW, sk.HIGH)
    q[sk.DOF_INDEX["pelvis_rotation"]] = radians(k * 45 + random.uniform(-20, 20))
    joints, frames = body.joints(shape).astype(float), body.joint_frames.astype(float)
    transforms = laws.skin_transforms(laws.forward_kinematics(q, joints[0], joints, frames), joints, frames)
    vertices = laws.skin(body.vertices(shape).astype(float), body.skin_index, body.skin_weight, transforms)
    transforms[:, 2, 3] -= vertices[:, 2].min()
    vertices[:, 2] -= vertices[:, 2].min()
    keypoints = laws.skin(body.keypoints(shape).astype(float), body.keypoint_index, body.keypoint_weight, transforms)
    camera = np.array([random.uniform(-0.2, 0.2), -random.uniform(3.5, 5), random.uniform(0.9, 1.6)])
    return {"vertices": vertices, "transforms": transforms, "keypoints": keypoints, "camera": camera}


def shift(camera: np.ndarray) -> float:
    """Vertical lens shift that keeps the body in the middle, in picture heights."""
    return float((0.85 - camera[2]) / (2 * tan(radians(FOV_DEG / 2)) * -camera[1]))


def project(points: np.ndarray, camera: np.ndarray) -> np.ndarray:
    x, y, z = (points - camera).T
    return np.stack([SIZE[0] / 2 + FOCAL * x / y, SIZE[1] / 2 - FOCAL * z / y + shift(camera) * SIZE[1]], 1)


def render(work: Path, pictures: int) -> None:
    import bpy

    body = free_body.load()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    world = bpy.context.scene
    world.render.engine = "BLENDER_WORKBENCH"
    world.render.resolution_x, world.render.resolution_y = SIZE
    world.render.film_transparent = True
    shading = world.display.shading
    shading.light, shading.color_type, shading.show_shadows, shading.show_cavity = "STUDIO", "MATERIAL", True, True
    mesh = bpy.data.meshes.new("body")
    mesh.from_pydata(body.template_m.tolist(), [], body.faces.tolist())
    mesh.polygons.foreach_set("use_smooth", [True] * len(body.faces))
    materials = [bpy.data.materials.new(name) for name in body.region_names]
    for material in materials:
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", body.region.astype(np.int32))
    world.collection.objects.link(bpy.data.objects.new("body", mesh))
    lens = bpy.data.cameras.new("camera")
    lens.sensor_fit, lens.angle_y = "VERTICAL", radians(FOV_DEG)
    camera = bpy.data.objects.new("camera", lens)
    world.collection.objects.link(camera)
    world.camera = camera
    skin = np.array([0.85, 0.65, 0.55])
    fixed = {"skin": skin, "lips": [0.8, 0.3, 0.35], "eyes": [0.95] * 3, "hair": [0.25, 0.15, 0.1]}
    for k in range(pictures):
        now, random = scene(k), np.random.default_rng(1000 + k)
        mesh.vertices.foreach_set("co", now["vertices"].astype(np.float32).ravel())
        mesh.update()
        for material in materials:
            colour = fixed.get(material.name, random.uniform(0.05, 0.9, 3))
            bare = material.name == "sleeves" and k % 4 == 1
            material.diffuse_color = (*(skin if bare else colour), 1)
        camera.location, camera.rotation_euler = now["camera"], (radians(90), 0, 0)
        lens.shift_y = shift(now["camera"])
        world.render.filepath = str(work / f"{k:03d}.png")
        bpy.ops.render.render(write_still=True)


def compare(work: Path) -> None:
    import cv2
    import mediapipe as mp

    body, names = free_body.load(), sk.MEDIAPIPE_KEYPOINTS
    rows: dict[str, list] = {}
    used = 0
    with mp.solutions.pose.Pose(static_image_mode=True, model_complexity=1) as detector:
        for path in sorted(work.glob("*.png")):
            k = int(path.stem)
            picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            backdrop = cv2.resize(np.random.default_rng(k).uniform(60, 200, (5, 4, 3)).astype(np.float32), SIZE,
                                  interpolation=cv2.INTER_CUBIC)
            alpha = picture[..., 3:] / 255
            picture = (picture[..., 2::-1] * alpha + backdrop * (1 - alpha)).clip(0, 255).astype(np.uint8)
            found = detector.process(picture).pose_landmarks
            if found is None:
                continue
            seen = np.array([(p.x * SIZE[0], p.y * SIZE[1], p.visibility) for p in found.landmark])
            now = scene(k)
            expected = project(now["keypoints"], now["camera"])
            trunk = [names.index(n) for n in ("shoulder_l", "shoulder_r", "hip_l", "hip_r")]
            off = np.linalg.norm(seen[trunk, :2] - expected[trunk], axis=1).sum()
            if off > np.linalg.norm(seen[[trunk[i] for i in (1, 0, 3, 2)], :2] - expected[trunk], axis=1).sum():
                continue  # left and right swapped
            used += 1
            metres = (now["keypoints"][:, 1] - now["camera"][1]) / FOCAL
            for i, name in enumerate(names):
                if seen[i, 2] < LEAST_VISIBLE:
                    continue
                R = np.einsum("m,mij->ij", body.keypoint_weight[i], now["transforms"][body.keypoint_index[i], :3, :3])
                side = name[-2:] if name[-2:] in ("_l", "_r") else ""
                mirror = sk.MIRROR if side == "_r" else np.ones(3)
                error_mm = 1000 * metres[i] * (seen[i, :2] - expected[i])
                rows.setdefault(name.removesuffix(side), []).append((np.stack([R[0], -R[2]]) * mirror, error_mm))
    print(f"{used} pictures; offsets in mm, left side, rest axes (x left, y back, z up)")
    for name, pairs in rows.items():
        M, y = np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])
        if name == "nose":
            M = M * [0, 1, 1]
        weight = np.ones(len(y))
        for _ in range(10):
            ridge = 2 * np.eye(3)
            offset = np.linalg.lstsq(np.vstack([M * weight[:, None], ridge]), np.r_[y * weight, 0, 0, 0], rcond=None)[0]
            weight = np.sqrt(1 / np.maximum(1, np.abs(y - M @ offset) / 20))
        print(f"{name:12s} {np.round(offset, 1)}  median error per axis {np.median(np.abs(y)):.1f} -> "
              f"{np.median(np.abs(y - M @ offset)):.1f}, {len(pairs)} sightings")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure MediaPipe's keypoints on the free body.")
    parser.add_argument("step", choices=("render", "compare"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=144)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.step == "render":
        render(arguments.work.resolve(), arguments.pictures)
    else:
        compare(arguments.work)


if __name__ == "__main__":
    main()
