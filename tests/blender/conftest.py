"""Runs inside a Python with bpy: loads the extension as `bl_ext.test.sinew`, one empty file per test."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="these tests need Blender's Python module")

ROOT = Path(__file__).parents[2]
NAME = "bl_ext.test.sinew"


def load(module: str = "") -> ModuleType:
    """A module of the extension, e.g. load("addon.scene"), under the name that Blender would give it."""
    if NAME not in sys.modules:
        for parent in ("bl_ext", "bl_ext.test"):
            package = sys.modules.setdefault(parent, ModuleType(parent))
            if not hasattr(package, "__path__"):
                package.__path__ = []
        spec = importlib.util.spec_from_file_location(NAME, ROOT / "__init__.py",
                                                      submodule_search_locations=[str(ROOT)])
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[NAME] = loaded
        spec.loader.exec_module(loaded)
    return importlib.import_module(f"{NAME}.{module}" if module else NAME)


@pytest.fixture(autouse=True)
def empty_file():
    """Factory settings without objects before each test."""
    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture(scope="session")
def extension():
    """`load`: modules of the extension by their path inside it."""
    return load


@pytest.fixture(scope="session")
def golden(tmp_path_factory):
    """golden(**options) -> folder of a golden take; the same options give the same folder, never written again."""
    import takes

    base, made = tmp_path_factory.mktemp("takes"), {}

    def make(**options) -> Path:
        key = repr(sorted(options.items()))
        if key not in made:
            made[key] = takes.write_take(base / f"take{len(made)}", **options)
        return made[key]

    return make


@pytest.fixture
def read_pose(extension):
    """read_pose(armature) -> evaluated world matrices of the 24 joint bones at the current frame, (24, 4, 4)."""
    names = extension("addon.plan.bones").BONE_NAMES

    def read(armature) -> np.ndarray:
        evaluated = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        return np.array([np.array(evaluated.matrix_world @ evaluated.pose.bones[name].matrix) for name in names])

    return read


_status = pytest.StashKey[int]()


def pytest_sessionfinish(session, exitstatus):
    session.config.stash[_status] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    # bpy 4.2 as a module crashes while the interpreter tears it down where Python classes were registered, after every
    # test has run and been reported: leave before that, with pytest's own status.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(config.stash.get(_status, 1))
