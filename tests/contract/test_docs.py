"""Pages that are written from the tables say what the tables say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_generated_pages_are_current():
    done = subprocess.run([sys.executable, str(ROOT / "backend/tools/make_docs.py"), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
