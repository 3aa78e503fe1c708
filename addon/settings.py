"""From the panel's settings to a request."""

from __future__ import annotations

from fractions import Fraction
from math import degrees
from pathlib import Path

from ..backend.sinew_take import model_files
from ..backend.sinew_take.errors import RequestError
from .jobs.look import frames_to_seconds
from .jobs.takes import Request
from .preferences import chosen_path


def request(settings, facts, device: str, models: Path | None) -> Request:
    """What `sinew reconstruct` is asked for.

    Args:
        settings: `properties.SINEW_PG_settings`.
        facts: `properties.SINEW_PG_facts` of the same video.
        device: auto, cpu or cuda.
        models: The user's folder of model files.

    Raises:
        RequestError: No video, a range that does not fit it, or a body whose model files are not there.
    """
    video = chosen_path(settings.video)
    if video is None:
        raise RequestError("No video is picked; pick one in the Sinew panel.")
    found = model_files.look(models)
    if settings.body != "default" and not found[settings.body].is_ready:
        raise RequestError(found[settings.body].sentence())
    start_s = end_s = None
    if settings.use_range:
        if not facts.is_known or facts.rate[0] < 1:
            raise RequestError("The video's facts are not known yet, so the range has no meaning; wait a moment or "
                               "switch the range off.")
        if settings.last_frame <= settings.first_frame:
            raise RequestError(f"The range {settings.first_frame} to {settings.last_frame} holds no two frames; choose "
                               "a last frame after the first.")
        if settings.first_frame >= facts.n_frames:
            raise RequestError(f"The range begins at frame {settings.first_frame} and the video has {facts.n_frames}; "
                               "choose an earlier first frame.")
        start_s, end_s = frames_to_seconds(settings.first_frame, settings.last_frame, Fraction(*facts.rate))
    return Request(
        video=video, start_s=start_s, end_s=end_s,
        people=settings.people if settings.use_people else None,
        height_m=settings.height_m if settings.use_height else None,
        camera=settings.camera,
        focal_mm=settings.focal_mm if settings.lens == "MM" else None,
        fov_deg=degrees(settings.fov) if settings.lens == "FOV" else None,
        camera_file=_camera_file(settings),
        body=settings.body, models=models, device=device,
        rate=settings.rate if facts.is_sequence else None, turn_deg=int(settings.turn),
        hsmr=("auto" if settings.use_hsmr else "off") if found["hsmr"].is_ready else None,
        wham=("on" if settings.use_wham else "off") if found["wham"].is_ready and found["smpl"].is_ready else None,
        detector=None if settings.use_heavy else "plain")


def _camera_file(settings) -> Path | None:
    """The file of a camera that was solved elsewhere, where the user has named one."""
    if settings.own_camera != "FILE":
        return None
    path = chosen_path(settings.own_file)
    if path is None or not path.exists():
        raise RequestError("The file of your own camera is not there; choose a COLMAP model's folder or a camera file, or "
                           "let Sinew solve the camera.")
    return path


def wanted_frames(settings, facts) -> tuple[int, int]:
    """First frame of the video that is asked for, and how many.

    Raises:
        RequestError: The video's facts are not known yet.
    """
    if not facts.is_known or facts.rate[0] < 1 or facts.n_frames < 1:
        raise RequestError("The video's facts are not known yet, so your camera cannot be laid over it; wait a moment.")
    if not settings.use_range:
        return 0, facts.n_frames
    last = min(settings.last_frame, facts.n_frames - 1)
    return settings.first_frame, max(last - settings.first_frame + 1, 1)
