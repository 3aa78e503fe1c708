"""Loads the extension without Blender, as the package `bl_ext.test.sinew`, so that its relative imports work."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
NAME = "bl_ext.test.sinew"


def _load_extension() -> None:
    for parent in ("bl_ext", "bl_ext.test"):
        if parent not in sys.modules:
            package = ModuleType(parent)
            package.__path__ = []
            sys.modules[parent] = package
    spec = importlib.util.spec_from_file_location(NAME, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)


if NAME not in sys.modules:
    _load_extension()
