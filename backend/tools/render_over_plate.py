"""Put a cube on the solved floor beside the people of a .blend, and render it over the plate: does it stay where it is?

    python backend/tools/render_over_plate.py --blend out/walk.blend --out build/over_plate/walk
    python backend/tools/render_over_plate.py --blend out/orbit.blend --out build/over/orbit --truth orbit.npz --every 4

Writes `000000.png` … (frames of the take) into --out, by Cycles: the cube, its shadow and the people's on the floor, over
the pictures of the take. The cube covers the film, so it is put where nobody passes before it. With the truth of a
rendered clip it also says by how many pixels the cube slides over the true floor. Runs on a Python with the bpy wheel.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import bpy
import numpy as np

EDGE = 0.05
"""Share of the picture that the cube keeps clear of its edges."""
LEAST_AWAY_M = 0.55
"""Between the cube's middle and anybody's way."""


def project(points_m: np.ndarray, T_wc: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Pixels (T, N, 2) of world points (N, 3) or (T, N, 3), without distortion; NaN behind the camera."""
    points = np.broadcast_to(points_m, (len(T_wc), *np.shape(points_m)[-2:]))
    local = np.einsum("tji,tnj->tni", T_wc[:, :3, :3], points - T_wc[:, None, :3, 3])
    with np.errstate(divide="ignore", invalid="ignore"):
        xy = np.where(local[..., 2:] > 0.05, local[..., :2] / local[..., 2:], np.nan)
    return xy * K[:, None, [0, 1], [0, 1]] + K[:, None, :2, 2]


def base_of(place: np.ndarray, size: float) -> np.ndarray:
    """(4, 3) corners of the cube's base on the floor; place: (2,) m."""
    half = size / 2
    corners = ((-half, -half), (half, -half), (half, half), (-half, half))
    return np.array([[place[0] + x, place[1] + y, 0.0] for x, y in corners])


def choose_place(people_m: np.ndarray, T_wc: np.ndarray, K: np.ndarray, size_px: np.ndarray, size: float) -> np.ndarray:
    """(2,) m: where the cube stands whole in the most pictures, with nobody before it, and then nearest to somebody.

    Args:
        people_m: (P, T, 3) pelvis places of all people, NaN where they are not there.
        T_wc, K: (T, 4, 4), (T, 3, 3) of the take.
        size_px: (2,)
        size: Edge of the cube, m.
    """
    roots_m = people_m[np.isfinite(people_m).all(-1)]
    middle = np.median(roots_m[:, :2], axis=0)
    ahead, eye = T_wc[:, :3, 2], T_wc[:, :3, 3]
    depth = ((people_m - eye) * ahead).sum(-1)
    body_px = np.stack([project(p[:, None], T_wc, K)[:, 0, 0] for p in people_m])
    half_px = 0.4 * K[:, 0, 0] / depth
    best, best_score = middle, -np.inf
    for dx in np.arange(-4, 4.01, 0.25):
        for dy in np.arange(-4, 4.01, 0.25):
            place = middle + [dx, dy]
            away = np.linalg.norm(roots_m[:, :2] - place, axis=1).min()
            if away < LEAST_AWAY_M + size / 2:
                continue
            px = project(base_of(place, size), T_wc, K)
            inside = ((px > EDGE * size_px) & (px < (1 - EDGE) * size_px)).all((1, 2))
            own = ((np.r_[place, 0.0] - eye) * ahead).sum(-1)
            with np.errstate(invalid="ignore"):
                before = ((depth < own + size) & (body_px > px[..., 0].min(1) - half_px)
                          & (body_px < px[..., 0].max(1) + half_px)).any(0)
            score = inside.mean() - before.mean() - 0.05 * away
            if score > best_score:
                best, best_score = place, score
    return best


def drift_px(base_m: np.ndarray, T_wc: np.ndarray, K: np.ndarray, true_T_wc: np.ndarray, true_K: np.ndarray) -> np.ndarray:
    """(T, 4) how far the base's corners slide over the true floor, px: each against the true place that it covers at first.

    Args:
        base_m: (4, 3) in the solved world.
        T_wc, K: Of the solve.
        true_T_wc, true_K: Of the truth, whose floor is z = 0.
    """
    found = project(base_m, T_wc, K)
    first = found[0]
    ray = np.concatenate([(first - true_K[0, :2, 2]) / true_K[0, [0, 1], [0, 1]], np.ones((4, 1))], 1)
    ray = ray @ true_T_wc[0, :3, :3].T
    eye = true_T_wc[0, :3, 3]
    places = eye - ray * (eye[2] / ray[:, 2])[:, None]
    return np.linalg.norm(found - project(places, true_T_wc, true_K), axis=-1)


def add_cube(root: bpy.types.Object, place: np.ndarray, size: float) -> None:
    """A red cube on the take's floor."""
    half = size / 2
    corners = [(x, y, z) for x in (-half, half) for y in (-half, half) for z in (0.0, size)]
    mesh = bpy.data.meshes.new("cube over the plate")
    mesh.from_pydata(corners, [], [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    material = bpy.data.materials.new("cube over the plate")
    if material.node_tree is None:
        material.use_nodes = True
    shader = next(n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (0.75, 0.06, 0.04, 1.0)
    mesh.materials.append(material)
    cube = bpy.data.objects.new(mesh.name, mesh)
    bpy.context.scene.collection.objects.link(cube)
    cube.parent, cube.location = root, (*place, 0.0)


def prepare(samples: int) -> None:
    """Cycles, the picture's own colours; of the take only its floor, and people who are not seen but throw shadows."""
    scene = bpy.context.scene
    render = scene.render
    render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", samples
    scene.cycles.use_denoising = True
    render.film_transparent, render.use_persistent_data = True, True
    render.use_compositing = render.use_sequencer = False
    render.resolution_percentage = 100
    render.image_settings.file_format, render.image_settings.color_mode = "PNG", "RGBA"
    scene.view_settings.view_transform, scene.view_settings.look = "Standard", "None"
    for thing in scene.objects:
        role = thing.get("sinew_role")
        if role == "body":
            thing.visible_camera = False
        elif role in ("avatar", "points", "bones_surface", "check"):
            thing.hide_render = True


def pixels(path: Path) -> np.ndarray:
    """(H, W, 4) 0..1 as they are in the file, first row on top."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    out = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(out)
    size = image.size[1], image.size[0]
    bpy.data.images.remove(image)
    return out.reshape(*size, 4)[::-1]


def over(front: np.ndarray, plate: np.ndarray) -> np.ndarray:
    """The render (H, W, 4) over the middle of the plate (H' >= H, W' >= W, 4)."""
    height, width = front.shape[:2]
    y, x = (plate.shape[0] - height) // 2, (plate.shape[1] - width) // 2
    behind = plate[y:y + height, x:x + width]
    alpha = front[..., 3:]
    out = behind.copy()
    out[..., :3] = alpha * front[..., :3] + (1 - alpha) * behind[..., :3]
    out[..., 3] = 1.0
    return out


def save(picture: np.ndarray, path: Path) -> None:
    """Write (H, W, 4) 0..1 as a PNG."""
    image = bpy.data.images.new("over", picture.shape[1], picture.shape[0])
    image.colorspace_settings.name = "Non-Color"
    image.pixels.foreach_set(np.ascontiguousarray(picture[::-1], np.float32).ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)


def wanted_frames(text: str, n: int) -> list[int]:
    """Frames of the take: "ends" (first, middle, last), or every n-th."""
    return sorted({0, n // 2, n - 1}) if text == "ends" else list(range(0, n, max(int(text), 1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blend", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures; must not exist")
    parser.add_argument("--every", default="ends", help='every n-th frame; default "ends": the first, the middle, the last')
    parser.add_argument("--size-m", type=float, default=0.4, help="edge of the cube (default 0.4)")
    parser.add_argument("--place", help="X,Y of the cube on the take's floor, m (default: beside the people, in view)")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--truth", type=Path, help="the .npz beside a rendered clip: says how far the cube slides")
    words = parser.parse_args()
    if not words.blend.is_file():
        parser.exit(2, f"render_over_plate: {words.blend} does not exist; build it with `make blend`.\n")
    if words.out.exists():
        parser.exit(2, f"render_over_plate: {words.out} already exists; choose another --out.\n")
    bpy.ops.wm.open_mainfile(filepath=str(words.blend.resolve()))
    scene = bpy.context.scene
    root = next((o for o in scene.objects if o.get("sinew_role") == "root"), None)
    folder = None if root is None else Path(bpy.path.abspath(str(root.get("sinew_take_folder") or "")))
    meta = json.loads((folder / "take.json").read_text(encoding="utf-8")) if folder and folder.is_dir() else {}
    if not meta.get("plate"):
        parser.exit(3, f"render_over_plate: {words.blend} holds no take with its plate; reconstruct it with the plate.\n")
    with np.load(folder / "shot.npz", allow_pickle=False) as shot:
        T_wc, K = shot["T_wc"].astype(float), shot["K"].astype(float)
    roots = []
    for subject in meta["subjects"]:
        with np.load(folder / "subjects" / subject["id"] / "motion.npz", allow_pickle=False) as motion:
            roots.append(np.where(motion["present"][:, None], motion["root_m"], np.nan).astype(float))
    size_px = np.array(meta["source"]["size_px"], float)
    place = (np.array([float(v) for v in words.place.split(",")]) if words.place
             else choose_place(np.stack(roots), T_wc, K, size_px, words.size_m))
    base = base_of(place, words.size_m)
    scene.camera = next(o for o in scene.objects if o.get("sinew_role") == "camera")
    add_cube(root, place, words.size_m)
    prepare(words.samples)
    undistorted = meta["plate"].get("undistorted")
    pattern = (undistorted or meta["plate"])["pattern"]
    first = int(root.get("sinew_first_frame", scene.frame_start))
    words.out.mkdir(parents=True)
    for index in wanted_frames(words.every, len(T_wc)):
        scene.frame_set(first + index)
        path = words.out / f"{index:06d}.png"
        scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True)
        save(over(pixels(path), pixels(folder / pattern.format(index))), path)
        print(f"{path}", file=sys.stderr, flush=True)
    px = project(base, T_wc, K)
    inside = ((px > 0) & (px < size_px)).all((1, 2))
    print(f"The cube stands at {place[0]:.2f}, {place[1]:.2f} m and is in the picture in {inside.sum()} of {len(px)} frames.")
    if words.truth:
        with np.load(words.truth, allow_pickle=False) as truth:
            off = drift_px(base, T_wc, K, truth["T_wc"].astype(float), truth["K"].astype(float))
        way = np.nanmax(np.linalg.norm(px - px[0], axis=-1))
        print(f"Over the true floor it slides by {np.nanmean(off[inside]):.2f} px on average and "
              f"{np.nanmax(off[inside]):.2f} px at most, while it moves by {way:.0f} px through the picture.")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
