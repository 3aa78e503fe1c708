"""One page per person: every joint angle over time, its limits, what was filled or guessed, and the feet's contacts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sinew_take import skeleton as sk
from sinew_take.take import Subject, Take

from . import plan

COLUMNS = 5
RIGHT, LEFT, CENTRE = "#1f5fa8", "#d1672b", "#333333"
OUTSIDE, FILLED, GUESSED = "#f3d3d3", "#e9e9e9", "#f7e3b5"
_CONTACTS = ("L heel", "L toe", "R heel", "R toe")


def panels() -> list[tuple[str, int | None, int | None]]:
    """Title, coordinate of the right side or middle, coordinate of the left side (None in the middle)."""
    out = []
    for dof in sk.DOFS:
        if dof.name.endswith("_l") or dof.name.startswith("shoulder_l"):
            continue
        if dof.name.endswith("_r") or dof.name.startswith("shoulder_r"):
            left = dof.name[:-2] + "_l" if dof.name.endswith("_r") else dof.name.replace("shoulder_r", "shoulder_l")
            out.append((dof.name.removesuffix("_r").replace("shoulder_r", "shoulder"), dof.index, sk.DOF_INDEX[left]))
        else:
            out.append((dof.name, dof.index, None))
    return out


def plot(take: Take, subjects: list[Subject], file: Path, check: Callable[[], None] = lambda: None) -> None:
    """Draw a page per person and one of the world into a `.pdf`, or the page of one person into a `.png` or `.svg`.
    `check` is called between steps and may raise."""
    from matplotlib.backends.backend_pdf import PdfPages

    if file.suffix.lower() == ".pdf":
        with PdfPages(file) as pages:
            for subject in subjects:
                figure = page(take, subject)
                check()
                pages.savefig(figure)
                check()
            pages.savefig(plan.page(take, subjects))
    else:
        page(take, subjects[0]).savefig(file, dpi=110)


def page(take: Take, subject: Subject):
    """A `matplotlib.figure.Figure` of one person."""
    from matplotlib.figure import Figure

    time_s = take.shot["time_s"] - take.shot["time_s"][0]
    shown = panels()
    n_rows = -(-(len(shown) + 1) // COLUMNS)
    width, height = 3.3 * COLUMNS, 1.75 * n_rows + 0.9
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(n_rows, COLUMNS, sharex=True)
    # Set by hand: finding a layout takes ten times as long as drawing it.
    figure.subplots_adjust(0.45 / width, 0.75 / height, 1 - 0.1 / width, 1 - 0.6 / height, wspace=0.16, hspace=0.28)
    degrees = np.degrees(subject.motion["q"].astype(float))
    for axis, (title, first, left) in zip(axes.flat, shown, strict=False):
        _panel(axis, time_s, degrees, subject.motion["source"], title, first, left)
    _contacts(axes.flat[len(shown)], time_s, subject)
    for axis in list(axes.flat)[len(shown) + 1:]:
        axis.set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel("s", fontsize=7)
    _legend(figure)
    source = take.meta["source"]["name"]
    figure.suptitle(f"{subject.info.get('name', subject.id)}, {source}: joint angles in degrees", fontsize=12,
                    parse_math=False)  # names hold dollar signs
    return figure


def _panel(axis, time_s: np.ndarray, degrees: np.ndarray, source: np.ndarray, title: str, first: int, left: int | None
           ) -> None:
    dof = sk.DOFS[first]
    # The left side is drawn as if mirrored, so that both share their limits and their meaning.
    lines = [(degrees[:, first], RIGHT if left is not None else CENTRE, "-")]
    if left is not None:
        lines.append((degrees[:, left] * sk.DOFS[left].mirror_sign, LEFT, "--"))
    values = np.concatenate([v for v, *_ in lines])
    low, high = np.nanmin(values, initial=np.inf), np.nanmax(values, initial=-np.inf)
    if not np.isfinite(low):
        low, high = -1.0, 1.0
    room = max((high - low) * 0.12, 4.0)
    low, high = low - room, high + room
    for edge, from_, to in ((np.degrees(dof.low), low, np.degrees(dof.low)),
                            (np.degrees(dof.high), np.degrees(dof.high), high)):
        if np.isfinite(edge) and low < edge < high:
            axis.axhspan(from_, to, color=OUTSIDE, lw=0)
    joints = [sk.DOFS[d].joint for d in (first, left) if d is not None]
    worst = np.where(source[:, joints] > 2, 2, source[:, joints]).max(1)
    worst = np.where(np.isnan(degrees[:, first]), 0, worst)
    for code, colour in ((1, FILLED), (2, GUESSED)):
        _spans(axis, time_s, worst == code, colour)
    for value, colour, style in lines:
        axis.plot(time_s, value, style, color=colour, lw=1.1)
    axis.set_ylim(low, high)
    axis.set_xlim(time_s[0], max(time_s[-1], time_s[0] + 1e-3))
    axis.set_title(title.replace("_", " "), fontsize=8, pad=2)
    axis.tick_params(labelsize=6, length=2)
    axis.grid(alpha=0.25, lw=0.5)


def _spans(axis, time_s: np.ndarray, on: np.ndarray, colour: str) -> None:
    edge = np.diff(np.r_[0, on.astype(int), 0])
    half = np.median(np.diff(time_s)) / 2 if len(time_s) > 1 else 0.02
    for a, b in zip(np.flatnonzero(edge == 1), np.flatnonzero(edge == -1) - 1, strict=True):
        axis.axvspan(time_s[a] - half, time_s[b] + half, color=colour, lw=0, zorder=0)


def _contacts(axis, time_s: np.ndarray, subject: Subject) -> None:
    chance = np.nan_to_num(subject.motion["contact"].astype(float))
    half = np.median(np.diff(time_s)) / 2 if len(time_s) > 1 else 0.02
    axis.imshow(chance.T, aspect="auto", cmap="Greys", vmin=0, vmax=1, interpolation="nearest",
                extent=(time_s[0] - half, time_s[-1] + half, 3.5, -0.5))
    axis.set_yticks(range(4), _CONTACTS, fontsize=6)
    axis.tick_params(labelsize=6, length=2)
    axis.set_title("contacts", fontsize=8, pad=2)


def _legend(figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure.legend(handles=[
        Line2D([], [], color=RIGHT, label="right"), Line2D([], [], color=LEFT, ls="--", label="left, mirrored"),
        Line2D([], [], color=CENTRE, label="middle"), Patch(color=OUTSIDE, label="outside the limits"),
        Patch(color=FILLED, label="filled between, on either side"), Patch(color=GUESSED, label="guessed")],
        loc="lower center", ncols=6, fontsize=8, frameon=False)
