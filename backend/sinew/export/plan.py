"""A page of the world: everybody's way and steps seen from above, the camera's way, and how high feet and pelvis are."""

from __future__ import annotations

import numpy as np

from sinew_take import skeleton as sk
from sinew_take.take import Subject, Take

COLOURS = ("#d1672b", "#1f5fa8", "#3a8a4d", "#8a4fa3", "#b03a48", "#2a8f95", "#8c6d1f", "#5b5b5b")
"""Of people, in turn."""
STANDS = 0.5
"""Contact from which a heel or toes count as standing."""
AROUND_M = 1.5
"""Scene points are shown as far round the ways."""


def page(take: Take, subjects: list[Subject]):
    """A `matplotlib.figure.Figure` of some people of a take; all lengths in metres, the world's axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8.5))
    above, heights = figure.subplots(2, 1, height_ratios=(3, 1))
    figure.subplots_adjust(0.07, 0.07, 0.98, 0.92, hspace=0.22)
    time_s = take.shot["time_s"] - take.shot["time_s"][0]
    eye = take.shot["T_wc"][:, :3, 3].astype(float)
    ways = [s.motion["root_m"].astype(float) for s in subjects]
    everything = np.concatenate([eye, *ways])
    low, high = (f(everything[:, :2], axis=0) for f in (np.nanmin, np.nanmax))
    _points(above, take.points, low - AROUND_M, high + AROUND_M)
    above.plot(eye[:, 0], eye[:, 1], color="#333333", lw=1.2, label="camera")
    _looks(above, take.shot, np.linalg.norm(high - low))
    for number, (subject, way) in enumerate(zip(subjects, ways, strict=True)):
        name, colour = subject.info.get("name", subject.id), COLOURS[number % len(COLOURS)]
        name = f" {name}" if name.startswith("_") else name  # labels that begin so are left out
        above.plot(way[:, 0], way[:, 1], color=colour, lw=1.4, label=name)
        _seconds(above, way, time_s, colour)
        feet = subject.motion["joints_m"][:, sk.CONTACT_JOINTS].astype(float)
        stands = subject.motion["contact"] > STANDS
        above.plot(*feet[stands][:, :2].T, ".", color=colour, ms=3, alpha=0.5, mew=0)
        heights.plot(time_s, way[:, 2], color=colour, lw=1.2, label=f"{name}: pelvis")
        heights.plot(time_s, feet[..., 2].min(1), color=colour, lw=0.9, ls="--", label="lowest foot joint")
    above.set_aspect("equal", adjustable="datalim")
    above.set_title("from above: ways (a dot every second), standing heels and toes, the camera at its first and last frame",
                    fontsize=9)
    above.set_xlabel("x, m", fontsize=8)
    above.set_ylabel("y, m", fontsize=8)
    heights.axhline(0, color="#999999", lw=0.8)
    heights.set_xlim(time_s[0], max(time_s[-1], time_s[0] + 1e-3))
    heights.set_title("height over the floor, m", fontsize=9)
    heights.set_xlabel("s", fontsize=8)
    for axis in (above, heights):
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.25, lw=0.5)
        for label in axis.legend(fontsize=7, loc="upper right").get_texts():
            label.set_parse_math(False)  # names hold dollar signs
    figure.suptitle(f"{take.meta['source']['name']}: the world", fontsize=12, parse_math=False)
    return figure


def _points(axis, points: dict[str, np.ndarray] | None, low: np.ndarray, high: np.ndarray) -> None:
    if points is None:
        return
    place = points["position_m"]
    near = ((place[:, :2] >= low) & (place[:, :2] <= high)).all(1)
    axis.scatter(*place[near][:, :2].T, s=2, c=np.clip(points["color"][near], 0, 1), alpha=0.6, lw=0)


def _looks(axis, shot: dict[str, np.ndarray], size_m: float) -> None:
    """Wedges of what the camera sees, as wide as its picture."""
    for t, alpha in ((0, 0.9), (-1, 0.4)):
        T, K = shot["T_wc"][t].astype(float), shot["K"][t].astype(float)
        sides = np.array([[-K[0, 2] / K[0, 0], 0, 1], [K[0, 2] / K[0, 0], 0, 1]]) @ T[:3, :3].T
        for side in sides:
            ends = T[:2, 3] + np.outer([0, 0.15 * size_m / max(np.linalg.norm(side[:2]), 1e-6)], side[:2])
            axis.plot(ends[:, 0], ends[:, 1], color="#333333", lw=0.8, alpha=alpha)


def _seconds(axis, way: np.ndarray, time_s: np.ndarray, colour: str) -> None:
    which = np.unique(np.searchsorted(time_s, np.arange(0, time_s[-1] + 1e-6)).clip(0, len(time_s) - 1))
    axis.plot(way[which, 0], way[which, 1], "o", color=colour, ms=4)
