"""Who may import whom (docs/architecture.md), held by reading every import statement."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sinew_take.version import VERSION

ROOT = Path(__file__).parents[2]
OURS = {"addon", "operators", "panels", "backend"}
ENGINE = {"torch", "sinew", "cv2", "scipy", "mediapipe", "av", "numba"}
BPY = {"bpy", "bmesh", "mathutils", "bl_ext", "gpu", "bpy_extras", "addon_utils"}


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> list[str]:
    """Absolute names of everything a file imports; our own by its place in the repository ("addon.jobs.takes")."""
    package = list(path.relative_to(ROOT).parent.parts)
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[:len(package) - node.level + 1] if node.level else []
            assert not node.level or node.level <= len(package) + 1, f"{path} imports from above the repository"
            base = ".".join([*above, node.module] if node.module else above)
            prefix = ("/" if node.level else "")
            found += [f"{prefix}{base}.{alias.name}".rstrip(".") if base else f"{prefix}{alias.name}"
                      for alias in node.names]
    return found


def own(names: list[str]) -> list[str]:
    """Relative imports, as paths from the repository's root."""
    return [name[1:] for name in names if name.startswith("/")]


def tops(names: list[str]) -> set[str]:
    """Top packages of absolute imports."""
    return {name.split(".")[0] for name in names if not name.startswith("/")}


def test_the_reader_of_imports_sees_them(tmp_path):
    names = imports(ROOT / "addon" / "jobs" / "process.py")
    assert "/backend.sinew_take.events" in names and "/addon.jobs.state.JobState" in names and "os" in names


@pytest.mark.parametrize("path", files("addon", "operators", "panels"), ids=lambda p: str(p.relative_to(ROOT)))
def test_extension_imports_only_what_blender_has(path):
    names = imports(path)
    assert not tops(names) & ENGINE, "the extension never imports the engine or its packages"
    assert not tops(names) & (OURS | {"sinew_take", "bl_ext"}), "own code is imported relatively"
    allowed = {"bpy", "bmesh", "mathutils", "numpy", "__future__"} | set(sys.stdlib_module_names)
    assert tops(names) <= allowed


@pytest.mark.parametrize("path", files("addon/jobs", "addon/plan"), ids=lambda p: str(p.relative_to(ROOT)))
def test_jobs_and_plans_know_no_blender(path):
    names = imports(path)
    assert not tops(names) & BPY
    mine = path.relative_to(ROOT).parts[1]
    for name in own(names):
        assert name.startswith((f"addon.{mine}", "backend.sinew_take")), f"{path.name} may not import {name}"


@pytest.mark.parametrize("path", files("addon/scene"), ids=lambda p: str(p.relative_to(ROOT)))
def test_scene_builds_on_plans(path):
    for name in own(imports(path)):
        assert name.startswith(("addon.scene", "addon.plan", "backend.sinew_take")), f"may not import {name}"


@pytest.mark.parametrize("path", files("operators"), ids=lambda p: str(p.relative_to(ROOT)))
def test_operators_call_the_addon(path):
    for name in own(imports(path)):
        assert name.startswith(("operators", "addon", "backend.sinew_take")), f"may not import {name}"


@pytest.mark.parametrize("path", files("panels"), ids=lambda p: str(p.relative_to(ROOT)))
def test_panels_only_read_properties(path):
    names = imports(path)
    for name in own(names):
        assert name.startswith(("panels", "addon.properties")), f"may not import {name}"
    assert tops(names) <= {"bpy", "textwrap", "__future__"}


@pytest.mark.parametrize("path", files("backend/sinew_take"), ids=lambda p: str(p.relative_to(ROOT)))
def test_contract_needs_nothing_but_numpy(path):
    names = imports(path)
    assert tops(names) <= {"numpy"} | set(sys.stdlib_module_names)
    for name in own(names):
        assert name.startswith("backend.sinew_take")


@pytest.mark.parametrize("path", files("backend/sinew"), ids=lambda p: str(p.relative_to(ROOT)))
def test_engine_knows_no_blender_and_no_addon(path):
    names = imports(path)
    assert not tops(names) & (BPY | OURS)
    for name in own(names):
        assert name.startswith("backend.sinew")


def test_root_file_imports_nothing_before_register():
    tree = ast.parse((ROOT / "__init__.py").read_text())
    assert not [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]


def test_jobs_and_plans_load_no_engine_in_blenders_python():
    code = ("import sys; sys.path[:0] = sys.argv[1:]; import conftest; "
            "import importlib; [importlib.import_module('bl_ext.test.sinew.addon.' + n) for n in "
            "('jobs.process', 'jobs.install', 'jobs.look', 'jobs.runner', 'jobs.takes', 'plan', 'plan.splats')]; "
            "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'cv2', 'scipy', 'bpy', 'mediapipe'}))")
    done = subprocess.run([sys.executable, "-c", code, str(ROOT / "tests" / "addon")], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_manifest_repeats_the_version_and_asks_for_what_is_needed():
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert manifest["version"] == VERSION
    assert (manifest["id"], manifest["blender_version_min"]) == ("sinew", "4.2.0")
    assert set(manifest["permissions"]) == {"files", "network"}
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]
