"""Fixtures for every part of the suite."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [p for p in (str(ROOT / "backend"), str(ROOT / "tests")) if p not in sys.path]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The founders' folder of clips and truth beside the checkout; tests that need it skip elsewhere."""
    folder = ROOT.parent / "shared"
    if not (folder / "truth").is_dir():
        pytest.skip("../shared with its clips and truth is not here")
    return folder


@pytest.fixture
def rest() -> np.ndarray:
    """Joints of a plain adult in the rest pose, (24, 3), m."""
    import takes

    return takes.rest_joints()
