"""What a bound cloud of 100,000 splats costs: import and frame change. Prints one JSON row a line.

    <Python with bpy> tests/blender/bench_splats.py [splats]
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
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


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock, and of the processor over all threads: on a busy machine only the second says much."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def frame_changes(scene: bpy.types.Scene, rounds: int = 3) -> np.ndarray:
    """Median seconds of a frame change over the scene's range: clock, processor."""
    frames = list(range(scene.frame_start, scene.frame_end + 1)) * rounds
    return np.median([timed(lambda f=frame: scene.frame_set(f)) for frame in frames], axis=0)


def main() -> None:
    n_splats = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    scene_module, splats, plans, tags, bones = (load(f"addon.{m}") for m in (
        "scene", "scene.splats", "plan.splats", "scene.tags", "plan.bones"))
    version = bpy.app.version_string
    with tempfile.TemporaryDirectory() as folder:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bare = takes.write_take(Path(folder) / "bare", n_frames=20, n_splats=0)
        full = takes.make_take(20, n_splats=n_splats)
        result = scene_module.build_take(bpy.context, bare)
        scene = bpy.context.scene
        without = frame_changes(scene)
        owner = tags.Owner(full.id, full.shot_id, "s1")
        clouds = []

        def bring() -> None:
            plan = plans.plan_splats(full.subjects[0].avatar, bones.DEFORM_NAMES)
            clouds.append(splats.build_avatar(plan, owner, result.armatures[0], scene.collection))

        first, again = timed(bring), timed(bring)
        cloud = clouds[-1]
        frame_changes(scene, 1)
        own = frame_changes(scene)
        label = f"{n_splats // 1000} k splats, Blender {version}"
        row(f"import, bound ({label})", first[0], "s", "at most 0.5")
        row(f"import, bound: processor time ({label})", first[1], "s", "")
        row(f"import again, in place ({label})", again[0], "s", "")
        row(f"frame change with them ({label})", 1e3 * own[0], "ms", "at most 40", 1e3 * without[0],
            "the same scene without them")
        row(f"frame change with them: processor time, all threads ({label})", 1e3 * own[1], "ms", "", 1e3 * without[1],
            "the same scene without them")
        assert len(cloud.data.polygons) == n_splats


if __name__ == "__main__":
    main()
