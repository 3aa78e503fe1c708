"""`python backend/tools/render_clip …` and `python -m tools.render_clip …` run the same command line."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.render_clip.cli import main  # noqa: E402

sys.exit(main())
