"""Measures imports: run by a Python with bpy, prints one JSON row a line: name, value, unit, baseline, ratio, target.

    <python with bpy> tests/blender/bench_import.py [--frames 1800]

The baseline of the curves is the `keyframe_insert` loop that other add-ons run, on the same curves in the same process.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "backend")]

import bpy  # noqa: E402
import conftest  # noqa: E402
import takes  # noqa: E402

REPEATS = 5


def seconds(work, repeats: int = 1) -> float:
    """Median time of some calls, s."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def curve_seconds(armature, plans) -> float:
    """Median time to write a person's curves into a new action, s."""
    curves = conftest.load("addon.scene.curves")
    spent = []
    for _ in range(REPEATS):
        action = bpy.data.actions.new("bench")
        spent.append(seconds(lambda action=action: curves.write_action(action, armature, plans)))
        bpy.data.actions.remove(action)
    return statistics.median(spent)


def loop_seconds(armature, q, root_m) -> float:
    """Time of the usual loop: set each channel, insert its key, s."""
    from sinew_take import skeleton as sk

    names = conftest.load("addon.plan.bones").BONE_NAMES
    armature.animation_data_clear()
    root = armature.pose.bones["root"]

    def loop():
        for t in range(len(q)):
            root.location = root_m[t]
            root.keyframe_insert("location", frame=t + 1)
            for dof in sk.DOFS:
                bone = armature.pose.bones[names[dof.joint]]
                bone.rotation_euler[dof.axis] = q[t, dof.index]
                bone.keyframe_insert("rotation_euler", index=dof.axis, frame=t + 1)

    return seconds(loop)


def change_frame() -> None:
    scene = bpy.context.scene
    scene.frame_set(scene.frame_current + 1)
    bpy.context.evaluated_depsgraph_get().update()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1800)
    options = parser.parse_args()
    scene, plan = conftest.load("addon.scene"), conftest.load("addon.plan")
    with tempfile.TemporaryDirectory() as place:
        folder = takes.write_take(Path(place) / "take", n_frames=options.frames, motion="walk")
        bpy.ops.wm.read_factory_settings(use_empty=True)
        start = time.perf_counter()
        armature = scene.build_take(bpy.context, folder, scene.BuildOptions(set_scene_rate=True)).armatures[0]
        whole_s = time.perf_counter() - start
        again_s = seconds(lambda: scene.build_take(bpy.context, folder, scene.BuildOptions()))
        frame_s = seconds(change_frame, 60)
        result = takes.take.read(folder)
        plans = plan.scene_plan(result, scene.rate_of(bpy.context.scene)).subjects[0].curves
        bulk_s = curve_seconds(armature, plans)
        motion = result.subjects[0].motion
        loop_s = loop_seconds(armature, motion["q"], motion["root_m"])
    version = f"Blender {bpy.app.version_string}"
    n = options.frames
    row(f"import: curves, {n} frames x 49 ({version})", bulk_s, "s", loop_s, "keyframe_insert loop", "at most 0.15")
    row(f"import: a whole take, {n} frames, first time ({version})", whole_s, "s")
    row(f"import: the same take again ({version})", again_s, "s")
    row(f"frame change: rig and body ({version})", 1e3 * frame_s, "ms")


def row(name: str, value: float, unit: str, baseline: float | None = None, baseline_name: str = "", target: str = ""
        ) -> None:
    ratio = None if baseline is None else value / baseline
    print(json.dumps({"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio,
                      "target": target, "baseline_name": baseline_name}))


if __name__ == "__main__":
    main()
