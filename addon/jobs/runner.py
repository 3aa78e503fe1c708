"""One job per Blender: holds the running job, refuses a second, and passes on what happened."""

from __future__ import annotations

from typing import Protocol

from ...backend.sinew_take.errors import RequestError
from .state import JobState


class AnyJob(Protocol):
    """What a runner needs of a job: `process.Job` and `install.Installation` are such."""

    state: JobState

    def poll(self, deadline_s: float = ...) -> bool: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...


class Runner:
    """The job of this Blender, if any; also the look at a video, which may be replaced at any time."""

    def __init__(self) -> None:
        self.job: AnyJob | None = None
        self.look: AnyJob | None = None
        self.to_import: AnyJob | None = None
        """The job whose takes come into the scene by themselves once it is done."""

    @property
    def is_busy(self) -> bool:
        return self.job is not None and self.job.state.is_alive

    def refuse_second(self) -> None:
        """Raises RequestError while a job runs. Asked before anything is written for a new one."""
        if self.is_busy:
            raise RequestError(f"Sinew is already working on {self.job.state.title}; wait until it is done or cancel "
                               "it.")

    def start(self, job: AnyJob) -> None:
        """Take over a job that has just been started."""
        self.job = job

    def start_look(self, job: AnyJob) -> None:
        """Look at another video; the one before is dropped."""
        self.drop_look()
        self.look = job

    def drop_look(self) -> None:
        """Forget the video that was looked at."""
        if self.look is not None:
            self.look.cancel()
        self.look = None

    def poll(self, deadline_s: float = 0.02) -> bool:
        """Bring both up to date. Returns True where something changed."""
        jobs = [job for job in (self.job, self.look) if job is not None]
        return any([job.poll(deadline_s) for job in jobs])

    @property
    def is_idle(self) -> bool:
        return not any(job is not None and job.state.is_alive for job in (self.job, self.look))

    def close(self) -> None:
        """End everything and wait for it: at most about two seconds."""
        jobs = [job for job in (self.job, self.look) if job is not None]
        for job in jobs:
            job.cancel()
        for job in jobs:
            job.close()
