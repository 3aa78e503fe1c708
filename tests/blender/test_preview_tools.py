"""`make blend` and the preview's renderer, as `make demo` runs them: separate processes, the extension from its zip."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import takes

from sinew_take import take as take_format

bpy = pytest.importorskip("bpy")

TOOLS = Path(__file__).parents[2] / "backend" / "tools"
SIZE = (160, 90)


def run(script: str, *words) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(TOOLS / script), *map(str, words)], capture_output=True, text=True,
                          timeout=240, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder, take) with walk.blend built in a folder whose name is not plain."""
    folder = tmp_path_factory.mktemp("été 'quoted' 人")
    take = takes.make_take(6, motion="walk", size_px=SIZE, n_splats=4000, body="box", absent=(4, 6))
    partial = folder / "walk.partial"
    takes.add_plate(take, partial)
    take_format.write(take, folder / "walk", partial)
    built = run("build_zip.py", "--out", folder / "zip")
    assert built.returncode == 0, built.stderr
    done = run("make_blend.py", "--zip", folder / "zip" / "sinew.zip", "--take", folder / "walk",
               "--out", folder / "walk.blend")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, take_format.read(folder / "walk")


def test_blend_holds_the_take_without_the_extension(made):
    folder, take = made
    bpy.ops.wm.open_mainfile(filepath=str(folder / "walk.blend"))
    roles = {o.get("sinew_role") for o in bpy.context.scene.objects}
    assert {"root", "armature", "body", "avatar", "camera", "floor"} <= roles
    camera = bpy.context.scene.camera
    assert camera.get("sinew_take_id") == take.id
    plate = camera.data.background_images[0].image
    assert plate.filepath.startswith("//") and Path(bpy.path.abspath(plate.filepath)).is_file()
    assert bpy.context.scene.cycles.transparent_max_bounces >= 64
    render = bpy.context.scene.render
    assert render.fps / render.fps_base == pytest.approx(30000 / 1001)
    assert not list(folder.glob("*partial*"))


def test_blend_is_not_overwritten_and_faults_are_one_sentence(made, tmp_path):
    folder, _ = made
    before = (folder / "walk.blend").stat().st_mtime_ns
    again = run("make_blend.py", "--zip", folder / "zip" / "sinew.zip", "--take", folder / "walk",
                "--out", folder / "walk.blend")
    assert again.returncode == 2 and "already exists" in again.stderr
    assert (folder / "walk.blend").stat().st_mtime_ns == before
    bad = run("make_blend.py", "--zip", folder / "zip" / "sinew.zip", "--take", tmp_path, "--out", tmp_path / "x.blend")
    assert bad.returncode == 3 and "is not a take" in bad.stderr and "Traceback" not in bad.stderr
    assert not list(tmp_path.glob("*.blend"))


def test_rendered_people_stand_where_the_take_has_them(made, tmp_path):
    folder, take = made
    done = run("render_preview.py", "--blend", folder / "walk.blend", "--out", tmp_path / "frames", "--bodies", 6,
               "--splats", 3)
    assert done.returncode == 0, done.stdout + done.stderr
    index = json.loads((tmp_path / "frames" / "frames.json").read_text())
    assert index["size_px"] == list(SIZE)
    assert np.allclose(index["time_s"]["body"], np.arange(6) * 1001 / 30000, atol=1e-6)
    assert np.allclose(index["time_s"]["splats"], np.arange(0, 6, 2) * 1001 / 30000, atol=1e-6)
    for name, numbers in (("body", range(6)), ("splats", range(3))):
        for number in numbers:
            t = number * (1 if name == "body" else 2)
            image = bpy.data.images.load(str(tmp_path / "frames" / name / f"{number:06d}.png"))
            alpha = np.array(image.pixels[:]).reshape(SIZE[1], SIZE[0], 4)[::-1, :, 3]
            bpy.data.images.remove(image)
            if not take.subjects[0].motion["present"][t]:
                assert alpha.max() == 0, f"{name} {t}: shown although absent"
                continue
            # The knees and elbows are inside the limbs, so their pixels are covered.
            joints = take.subjects[0].motion["joints_m"][t][[2, 7, 16, 21]].astype(float)
            T_cw = np.linalg.inv(take.shot["T_wc"][t].astype(float))
            local = (joints @ T_cw[:3, :3].T + T_cw[:3, 3]) @ take.shot["K"][t].astype(float).T
            px = local[:, :2] / local[:, 2:]
            inside = ((px >= 0) & (px < SIZE)).all(1)
            columns, rows = px[inside].astype(int).T
            assert inside.sum() >= 2 and alpha[rows, columns].min() > 0.5, f"{name} {t}"
            assert 0.005 < (alpha > 0.5).mean() < 0.5


def test_renderer_refuses_other_files_and_folders(made, tmp_path):
    folder, _ = made
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "empty.blend"))
    empty = run("render_preview.py", "--blend", tmp_path / "empty.blend", "--out", tmp_path / "frames")
    assert empty.returncode == 3 and "holds no take" in empty.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    other = run("render_preview.py", "--blend", folder / "walk.blend", "--out", tmp_path / "mine")
    assert other.returncode == 2 and (tmp_path / "mine" / "notes.txt").exists()
