"""`python -m sinew`: the command line."""

import sys

from sinew.cli import main

sys.exit(main())
