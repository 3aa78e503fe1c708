"""Reports for people: what a run did, what a take holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sinew_take import skeleton
from sinew_take.take import Take, folder_size


def person_row(ident: str, motion: dict[str, np.ndarray], pixel_error: np.ndarray, box_px: np.ndarray, height_m: float
               ) -> dict[str, Any]:
    """A person's line in a take's report.

    Args:
        ident: The subject's id.
        motion: The take's arrays of the person.
        pixel_error: (T,) px, NaN where unknown.
        box_px: (N, 4) boxes of the frames that count, NaN where nobody was detected: filled frames have none of their own.
        height_m: Of the body.
    """
    present = motion["present"]
    return {"id": ident, "frames": int(present.sum()), **person_errors(pixel_error, box_px),
            "limit_violations": limit_violations(motion), "height_m": height_m}


def person_errors(pixel_error: np.ndarray, box_px: np.ndarray) -> dict[str, float | None]:
    """Mean pixel error and its share of the height of a person's boxes, as `person_row` has them; None where unknown, as is
    the share where keypoints on one line make boxes of no height."""
    if not np.isfinite(pixel_error).any():
        return {"pixel_error_px": None, "pixel_error_of_height": None}
    error, heights = float(np.nanmean(pixel_error)), box_px[:, 3] - box_px[:, 1]
    heights = heights[np.isfinite(heights)]
    height = float(np.median(heights)) if len(heights) else 0.0
    return {"pixel_error_px": round(error, 2), "pixel_error_of_height": round(error / height, 4) if height > 0 else None}


def limit_violations(motion: dict[str, np.ndarray]) -> int:
    """Frames in which a person breaks a joint's limit."""
    return int((~skeleton.within_limits(motion["q"][motion["present"]])).sum())


def as_text(takes: list[Path], report: dict[str, Any]) -> str:
    """The report of a run, a few lines."""
    lines = []
    for number, shot in enumerate(report["shots"]):
        lines += shot_lines(shot)
        lines.append(f"Take: {takes[number]} ({folder_size(takes[number]) / 1e6:.1f} MB)")
    total = sum(report["seconds"].values())
    shares = ", ".join(f"{k} {v:.1f} s" for k, v in report["seconds"].items() if v >= 0.05)
    lines.append(f"Time: {total:.1f} s ({shares})")
    return "\n".join(lines + report["notes"])


def shot_lines(shot: dict[str, Any]) -> list[str]:
    """One line per person of one shot's report. Whatever a take of another version or program does not say is left out."""
    people = shot.get("people") or []
    found, frames = len(people), shot.get("frames")
    by = f" by {shot['detector']}" if shot.get("detector") else ""
    where = "" if frames is None else f" in {frames} {'frame' if frames == 1 else 'frames'}"
    lines = [f"{found} {'person' if found == 1 else 'people'} found{where}{by}"]
    for person in people:
        said = [] if person.get("frames") is None else [f"{person['frames']} frames solved"]
        error, share = person.get("pixel_error_px"), person.get("pixel_error_of_height")
        said.append("pixel error unknown" if error is None else f"pixel error {error:.1f} px" + (
            "" if share is None else f" ({share:.2%} of the person's height)"))
        if person.get("limit_violations") is not None:
            said.append(f"limit violations {person['limit_violations']}")
        if person.get("height_m") is not None:
            said.append(f"height {person['height_m']:.2f} m")
        lines.append(f"  {person.get('id', 'somebody')}: {', '.join(said)}")
    return lines


def describe(take: Take, as_text: bool = False) -> Any:
    """Facts of a take, as a dictionary or as lines."""
    rate = take.meta["source"]["rate"]
    facts = {
        "path": str(take.path), "id": take.id, "shot_id": take.shot_id, "version": take.meta["version"],
        "source": take.meta["source"], "frames": take.n_frames,
        "time_s": [float(take.shot["time_s"][0]), float(take.shot["time_s"][-1])],
        "bytes": folder_size(take.path) if take.path else 0,
        "camera": take.meta.get("camera"), "notes": take.meta.get("notes", []), "report": take.meta.get("report"),
        "subjects": [{
            **{k: s.info.get(k) for k in ("id", "name", "body", "height_m")},
            "frames": int(s.motion["present"].sum()),
            "limit_violations": int((~skeleton.within_limits(s.motion["q"][s.motion["present"]])).sum()),
            "seen": round(float(np.mean(s.motion["source"][s.motion["present"]] == 0)), 4)
            if s.motion["present"].any() else 0.0,
            "vertices": len(s.body["rest_vertices_m"]),
            "splats": 0 if s.avatar is None else len(s.avatar["mean_m"])} for s in take.subjects]}
    if not as_text:
        return facts
    lines = [f"{facts['source']['name']}: {facts['frames']} frames at {rate[0] / rate[1]:.3f} frames/s, "
             f"{facts['bytes'] / 1e6:.1f} MB"]
    if facts["report"]:
        lines += shot_lines(facts["report"])
        if facts["report"].get("seconds"):
            lines.append("  Time: " + ", ".join(f"{k} {v:.1f} s" for k, v in facts["report"]["seconds"].items()))
    camera = facts["camera"] or {}
    if camera.get("kind"):
        lines.append("  Camera: " + ". ".join(camera[key] for key in ("kind", "reason") if camera.get(key)))
    for s in facts["subjects"]:
        lines.append(f"  {s['id']} {s['name']}: {s['seen']:.0%} of the joints seen, the rest filled or guessed; "
                     f"{s['vertices']} vertices, {s['splats']} splats")
    return "\n".join(lines + [f"  {n}" for n in facts["notes"]])
