"""The BVH that the backend writes, through Blender's own importer."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import takes

from sinew_take import skeleton as sk

bpy = pytest.importorskip("bpy")
BACKEND = os.environ.get("SINEW_BACKEND_PYTHON", "")


@pytest.mark.skipif(not BACKEND, reason="SINEW_BACKEND_PYTHON names no backend environment")
def test_blenders_importer_puts_every_joint_in_its_place(tmp_path):
    import addon_utils

    take = takes.make_take(12, motion="walk")
    folder, file = takes.take.write(take, tmp_path / "take"), tmp_path / "a.bvh"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "backend")}
    done = subprocess.run([BACKEND, "-m", "sinew", "export", str(folder), "--to", str(file)], env=env, text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    addon_utils.enable("io_anim_bvh")
    # Blender's defaults take Y up and Z backward for granted, which stands people who face +Z the way they face here.
    assert bpy.ops.import_anim.bvh(filepath=str(file), global_scale=0.01, rotate_mode="ZXY") == {"FINISHED"}
    (armature,) = [item for item in bpy.data.objects if item.type == "ARMATURE"]
    worst = 0.0
    for t in range(12):
        bpy.context.scene.frame_set(1 + t)
        bpy.context.view_layer.update()
        for j, name in enumerate(sk.JOINT_NAMES):
            head = np.array(armature.matrix_world @ armature.pose.bones[name].head)
            worst = max(worst, float(np.linalg.norm(head - take.subjects[0].motion["joints_m"][t, j])))
    assert worst < 5e-4, f"{worst * 1000:.2f} mm"
