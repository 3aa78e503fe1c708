"""What a bound cloud of 100,000 splats costs: import and frame change. Prints one JSON row a line.

    <Python with bpy> tests/blender/bench_splats.py [splats]
"""

import json
import sys
import time
from pathlib import Path

import bpy  # first: Blender makes `bl_ext` itself, and the tests' loader goes inside it
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "blender"), str(ROOT / "backend"), str(ROOT / "tests")]

import takes  # noqa: E402
from conftest import load  # noqa: E402


def row(name: str, value: float, unit: str, target: str, baseline: float | None = None, baseline_name: str = "") -> None:
    ratio = None if not baseline else value / baseline
    print(json.dumps({"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio,
                      "target": target, "baseline_name": baseline_name}), flush=True)


def frame_changes(scene: bpy.types.Scene, rounds: int = 3) -> list[float]:
    """Seconds of each frame change over the scene's range, several times."""
    out = []
    for _ in range(rounds):
        for frame in range(scene.frame_start, scene.frame_end + 1):
            start = time.perf_counter()
            scene.frame_set(frame)
            out.append(time.perf_counter() - start)
    return out


def main() -> None:
    n_splats = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    scene_module, splats, plans, tags, bones = (load(f"addon.{m}") for m in (
        "scene", "scene.splats", "plan.splats", "scene.tags", "plan.bones"))
    import tempfile

    version = bpy.app.version_string
    with tempfile.TemporaryDirectory() as folder:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bare = takes.write_take(Path(folder) / "bare", n_frames=20, n_splats=0)
        full = takes.make_take(20, n_splats=n_splats)
        result = scene_module.build_take(bpy.context, bare)
        scene = bpy.context.scene
        without = frame_changes(scene)
        owner = tags.Owner(full.id, full.shot_id, "s1")
        seconds = []
        for _ in range(3):  # the first import, then two updates in place
            start = time.perf_counter()
            plan = plans.plan_splats(full.subjects[0].avatar, bones.DEFORM_NAMES)
            cloud = splats.build_avatar(plan, owner, result.armatures[0], scene.collection)
            seconds.append(time.perf_counter() - start)
        frame_changes(scene, 1)
        own = frame_changes(scene)
        label = f"{n_splats // 1000} k splats, {plan.n_influences} influences, Blender {version}"
        row(f"import, bound ({label})", seconds[0], "s", "at most 0.5")
        row(f"import again, in place ({label})", min(seconds[1:]), "s", "")
        row(f"frame change with them ({label})", 1e3 * float(np.median(own)), "ms", "at most 40",
            1e3 * float(np.median(without)), "the same scene without them")
        row(f"frame change with them, best ({label})", 1e3 * min(own), "ms", "", 1e3 * min(without),
            "the same scene without them")
        assert len(cloud.data.polygons) == n_splats


if __name__ == "__main__":
    main()
