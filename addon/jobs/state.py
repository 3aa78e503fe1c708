"""What is known about a job, and how the backend's events change it. Plain data: no process, no clock, no Blender."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from ...backend.sinew_take import events
from ...backend.sinew_take.errors import EXIT_DONE, EXIT_STOPPED
from ...backend.sinew_take.version import VERSION

MOST_NOTES = 100
"""Notes kept: a backend gone mad must not fill Blender's memory."""


class Status(Enum):
    """Where a job stands. The first three are alive."""

    STARTING = "starting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass
class JobState:
    """One job, as a panel shows it."""

    title: str
    """What it works on: a clip's name, or "Backend"."""
    log: Path
    """Everything that the job printed besides events."""
    status: Status = Status.STARTING
    stages: list[str] = field(default_factory=list)
    stage: str = ""
    done: int = 0
    total: int = 0
    """Steps of the stage; 0 where unknown."""
    fraction: float = 0.0
    """Of the whole job, 0..1; never falls."""
    left_s: float | None = None
    """Time left for the whole job, None while unknown."""
    notes: list[str] = field(default_factory=list)
    takes: list[Path] = field(default_factory=list)
    report: dict = field(default_factory=dict)
    error: str = ""
    """One sentence: what is wrong and what to do."""
    finished: bool = False
    """The job told its result; it counts once the process has ended well."""

    @property
    def is_alive(self) -> bool:
        return self.status in (Status.STARTING, Status.RUNNING, Status.CANCELLING)


def apply(state: JobState, event: events.Event) -> None:
    """Bring a state up to date with one event."""
    if state.status is Status.STARTING:
        state.status = Status.RUNNING
    match event:
        case events.Started():
            state.stages = [str(stage) for stage in event.stages]
            if event.version != VERSION:
                state.error = (f"The backend is version {event.version} and the extension {VERSION}; "
                               "repair the backend in the Sinew panel.")
        case events.Progress():
            state.stage, state.done, state.total = event.stage, max(event.done, 0), max(event.total, 0)
            state.fraction = min(max(float(event.fraction), state.fraction), 1.0)
            state.left_s = None if event.left_s is None else max(float(event.left_s), 0.0)
        case events.Note():
            if len(state.notes) < MOST_NOTES:
                state.notes.append(event.text)
        case events.Finished():
            state.finished = True
            state.takes = [Path(str(take)) for take in event.takes]
            state.report = event.report
        case events.Failed():
            state.error = event.message or state.error


def conclude(state: JobState, exit_code: int, was_cancelled: bool) -> None:
    """Settle a state once no process of the job is left.

    Args:
        state: Changed in place.
        exit_code: Of the child; negative where a signal ended it (POSIX).
        was_cancelled: The user asked for the end.
    """
    state.left_s = None
    if exit_code == EXIT_DONE and state.finished and not state.error:
        state.status, state.fraction = Status.FINISHED, 1.0
    elif was_cancelled or exit_code == EXIT_STOPPED:
        state.status, state.error = Status.CANCELLED, ""
    else:
        state.status = Status.FAILED
        state.error = state.error or _reason(exit_code)


def _reason(exit_code: int) -> str:
    if exit_code == EXIT_DONE:
        return "The backend ended without a result; open the log, and repair the backend if this happens again."
    if exit_code in (-9, 137):
        return ("The backend was ended by the system, most likely for want of memory; close other programs or choose "
                "a shorter range, then reconstruct again.")
    how = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
    return f"The backend stopped unexpectedly ({how}); open the log, then reconstruct again to resume."
