"""Rows of figures and how they are shown."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
"""name, value, unit, baseline, ratio; optionally suite, target (text), baseline_name."""


def row(name: str, value: float, unit: str, baseline: float | None = None, target: str = "", baseline_name: str = "") -> Row:
    """One figure; the ratio is value over baseline."""
    ratio = None if baseline in (None, 0) else value / baseline
    return {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio, "target": target,
            "baseline_name": baseline_name}


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def cells(r: Row) -> list[str]:
    base = _number(r.get("baseline"))
    if base and r.get("baseline_name"):
        base += f" ({r['baseline_name']})"
    return [r["name"], f"{_number(r['value'])} {r['unit']}".strip(), base, _number(r.get("ratio")), r.get("target") or ""]


HEAD = ["figure", "value", "baseline", "ratio", "target"]


def as_text(rows: list[Row]) -> str:
    table = [HEAD, *(cells(r) for r in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEAD))]
    return "\n".join("  " + "  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in table)


def as_markdown(rows: list[Row]) -> str:
    """The page docs/benchmarks.md."""
    from . import SUITES

    parts = ["# Benchmarks", "", "Written by `make bench` (`sinew bench --markdown`). Speed is given as a ratio within one "
             "run, because the machines differ and are noisy.", ""]
    for suite, (_, text) in SUITES.items():
        own = [r for r in rows if r.get("suite") == suite]
        if own:
            parts += [f"## {suite}: {text}", "", "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
            parts += ["| " + " | ".join(cells(r)) + " |" for r in own] + [""]
    parts += machine()
    return "\n".join(parts) + "\n"


def machine() -> list[str]:
    """Where the figures were made."""
    import datetime
    import os
    import platform

    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    cores = f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()})"
    return [f"Made on {datetime.date.today()} with {cores}, {device}, "
            f"Python {platform.python_version()}."]
