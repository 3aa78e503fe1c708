"""Start the backend from an operator, and follow what it does."""

import os
from collections.abc import Callable
from pathlib import Path

import bpy

from ..addon import monitor
from ..addon.jobs import install, takes
from ..addon.jobs.process import Job
from ..addon.jobs.state import Status
from ..addon.preferences import backend_source, private_place, takes_folder
from ..backend.sinew_take.errors import RequestError


def is_idle(operator: type, context) -> bool:
    """For polls: nothing runs; otherwise the operator says so."""
    if context.window_manager.sinew.is_alive:
        operator.poll_message_set("Sinew is at work; wait until it is done or cancel it")
        return False
    return True


def can_run(operator: type, context) -> bool:
    """For polls: nothing runs, and the backend is set up; otherwise the operator says why not."""
    if not is_idle(operator, context):
        return False
    if context.window_manager.sinew.backend != "READY":
        operator.poll_message_set("The backend is not ready; set it up first")
        return False
    return True


def ready_python() -> Path:
    """The backend's Python, for a job that may start now.

    Raises:
        RequestError: A second job, or no backend.
    """
    monitor.runner().refuse_second()
    found = monitor.backend()
    if found.status is not install.BackendStatus.READY:
        raise RequestError(found.text)
    return found.python


def start_job(python: Path, arguments: list[str], title: str, log: Path, purpose: str,
              write_down: Callable[[list[str]], None] | None = None) -> Job:
    """Start the backend.

    Args:
        python: From `ready_python`.
        arguments: After `python -m sinew`.
        title: What it works on, for the panel.
        log: In a folder that exists.
        purpose: One of `Job.purpose`.
        write_down: Receives the whole command line before it runs.

    Raises:
        RequestError: It cannot be started, or the log not be written.
    """
    argv = [str(python), "-m", "sinew", *arguments, "--log", str(log), "--parent-pid", str(os.getpid())]
    if write_down is not None:
        write_down(argv)
    job = Job(argv, title, log, install.backend_environment(backend_source(), private_place().cache, os.environ))
    job.purpose, job.scene = purpose, bpy.context.scene.name
    monitor.runner().start(job)
    return job


def start_run(python: Path, make: Callable[[Path], takes.Request | takes.Conversion | takes.Solve], title: str,
              purpose: str = "RUN") -> Job:
    """Start the backend on something that becomes a take, in a new numbered run.

    Args:
        python, title, purpose: As in `start_job`.
        make: (the run's folder) -> what is asked; may put files there.

    Raises:
        RequestError: A folder that cannot be written, a backend that does not start; and what `make` raises.
    """
    run = takes.new_run(takes_folder())
    request = make(run)
    return start_job(python, request.arguments(run / takes.TAKE), title, run / takes.LOG, purpose,
                     lambda argv: takes.write_request(run, request, argv))


def follow(operator: bpy.types.Operator, job) -> set[str]:
    """Wait for a job that a script started, or leave it to the timer."""
    if not operator.wait:
        monitor.settle()
        monitor.watch()
        return {"FINISHED"}
    known = job.wait()
    monitor.settle()
    if known.status is Status.FINISHED:
        return {"FINISHED"}
    said = bpy.context.window_manager.sinew.error
    operator.report({"ERROR"}, said or "It was stopped; start it again to go on.")
    return {"CANCELLED"}
