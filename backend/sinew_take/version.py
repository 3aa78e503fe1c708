"""Versions that both halves of Sinew must agree on."""

VERSION = "0.1.0"
"""Release of the extension and of the backend; `blender_manifest.toml` repeats it (a test compares them)."""

TAKE_VERSION = (1, 0)
"""(major, minor) of the take format. Another major is refused; a newer minor is read, its news ignored."""

LAWS = "skel-1"
"""Joint laws by which `q` and `root_m` give `T_wj` and `joints_m` (see `laws.py`)."""
