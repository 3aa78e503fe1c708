"""Runs one backend process: starts it in a group of its own, reads its events, and ends the whole group.

The thread that reads never touches Blender: whoever owns the job calls `poll` from the main thread.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from ...backend.sinew_take import events
from ...backend.sinew_take.errors import RequestError
from .state import JobState, Status, apply, conclude

TERMINATE_S = 1.5
"""From the request to end until the group is killed; with it, nothing is left two seconds after a cancel."""
LINGER_S = 10.0
"""A process that told its result gets this long to leave by itself."""
DRAIN_S = 0.5
"""Output that a dead process left in the pipe is waited for this long; a grandchild may hold the pipe open for ever."""
LONGEST_LINE = 1 << 20
MOST_WAITING = 10_000
"""Events kept between two polls; later ones are dropped, except the last word."""
MOST_NOISE = 4 << 20
"""Bytes of stdout that are no events and still go to the log."""
SENTENCE = "sinew: "
"""Begins the command line's last word on stderr."""

_WINDOWS = os.name == "nt"


def spawn(argv: Sequence[str], *, env: dict[str, str] | None = None, cwd: Path | None = None,
          stdin: int = subprocess.DEVNULL, stdout: int | BinaryIO = subprocess.PIPE,
          stderr: int | BinaryIO = subprocess.STDOUT) -> subprocess.Popen:
    """Start a program in a process group of its own, without a shell and without a console window.

    Raises:
        RequestError: The program is missing or cannot be run.
    """
    group: dict = {"start_new_session": True}
    if _WINDOWS:
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    try:
        return subprocess.Popen([str(part) for part in argv], env=env, cwd=cwd, stdin=stdin, stdout=stdout,
                                stderr=stderr, bufsize=0, **group)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError(f"{argv[0]} cannot be started ({reason}); repair the backend in the Sinew panel.") from None


def terminate_group(process: subprocess.Popen) -> None:
    """Ask a process and its children to end."""
    if _WINDOWS:
        if process.poll() is None:
            process.send_signal(signal.CTRL_BREAK_EVENT)
        return
    _signal_group(process, signal.SIGTERM)


def kill_group(process: subprocess.Popen) -> None:
    """End a process and whatever it started, without asking."""
    if _WINDOWS:
        # taskkill walks the tree by parent; a group has no other handle here.
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False,
                       creationflags=subprocess.CREATE_NO_WINDOW)
        return
    _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        pass


def said_on_stderr(log: Path) -> str:
    """The sentence by which the command line ended, where it came to no event ("sinew: …" in the log), or ""."""
    try:
        with open(log, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - 20_000, 0))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    said = [line for line in lines if line.startswith(SENTENCE)]
    return said[-1].removeprefix(SENTENCE).strip() if said else ""


class Job:
    """One backend process and its state.

    Args:
        argv: Program and arguments.
        title: What it works on, for the panel.
        log: File that takes stderr, and what stdout holds besides events; its folder must exist.
        env: The child's environment; None for this process's.
        wants_stdout: Keep stdout lines that are no events in `output` (for commands that print one JSON object).

    Raises:
        RequestError: The program cannot be started, or the log not be written.
    """

    def __init__(self, argv: Sequence[str], title: str, log: Path, env: dict[str, str] | None = None,
                 wants_stdout: bool = False) -> None:
        self.state = JobState(title, log)
        self.purpose = "RUN"
        """What the panel calls it: RUN, SOLVE or EXPORT."""
        self.scene = ""
        """Name of the scene that it was started from, to which a solve's result belongs."""
        self.shot = ""
        """Of a solve: the shot, by its id in that scene (`addon.scene.tags`)."""
        self.put: Callable[[str], str] = str
        """How the panel puts the backend's sentences: those on a take in a scene by the scene's names and frames."""
        self.output: list[str] = []
        self._wants_stdout = wants_stdout
        self._events: deque[events.Event] = deque()
        self._lock = threading.Lock()
        self._was_cancelled = False
        self._told_at: float | None = None
        try:
            self._log: BinaryIO = open(log, "ab", buffering=0)  # noqa: SIM115 - closed when the process has ended
        except OSError as error:
            raise RequestError(f"{log} cannot be written ({error.strerror}); choose another takes folder in the "
                               "preferences or free some space.") from None
        try:
            self._process = spawn(argv, env=env, cwd=log.parent, stdin=subprocess.PIPE, stderr=self._log)
        except RequestError:
            self._log.close()
            raise
        self._reader = threading.Thread(target=self._read, name="sinew-events", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self, deadline_s: float = 0.02) -> bool:
        """Take in what the process told, for at most `deadline_s`. Returns True where the state changed."""
        end = time.monotonic() + deadline_s
        changed = False
        while self.state.is_alive:
            with self._lock:
                event = self._events.popleft() if self._events else None
            if event is None:
                break
            apply(self.state, event)
            changed = True
            if time.monotonic() > end:
                return changed
        if not self.state.is_alive:
            return changed
        if self._told_at is None and (self.state.finished or self.state.error):
            self._told_at = time.monotonic()
        if self._told_at is not None and time.monotonic() - self._told_at > LINGER_S:
            kill_group(self._process)
        if self._process.poll() is not None:
            self._conclude()
            changed = True
        return changed

    def _conclude(self) -> None:
        """The child has ended: end what it left behind, read what is still in the pipe, settle the state."""
        kill_group(self._process)
        self._reader.join(DRAIN_S)
        with self._lock:
            rest = list(self._events)
            self._events.clear()
        for event in rest:
            apply(self.state, event)
        self._close_stdin()
        exit_code = self._process.returncode
        if self.state.finished and self._told_at is not None and exit_code < 0:
            exit_code = 0  # it had told its result, and was ended here for not leaving
        if exit_code != 0 and not self.state.error:
            self.state.error = said_on_stderr(self.state.log)
        conclude(self.state, exit_code, self._was_cancelled)
        self._log.close()

    def cancel(self) -> None:
        """Ask the process to stop, and make sure of it: returns at once, the end comes within two seconds."""
        if not self.state.is_alive or self._was_cancelled:
            return
        self._was_cancelled = True
        self.state.status = Status.CANCELLING
        self._close_stdin()
        terminate_group(self._process)
        threading.Thread(target=self._make_sure, name="sinew-cancel", daemon=True).start()

    def _make_sure(self) -> None:
        try:
            self._process.wait(TERMINATE_S)
        except subprocess.TimeoutExpired:
            pass
        kill_group(self._process)

    def wait(self, on_change: Callable[[JobState], None] = lambda state: None, timeout_s: float | None = None,
             step_s: float = 0.05) -> JobState:
        """Block until the job has ended (for scripts and tests); cancels it after `timeout_s`."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            while self.state.is_alive:
                if self.poll(step_s):
                    on_change(self.state)
                if end is not None and time.monotonic() > end:
                    self.cancel()
                time.sleep(step_s)
        except KeyboardInterrupt:
            self.close()
            raise
        return self.state

    def close(self) -> None:
        """Cancel and wait for the end: for Blender's own end and for the extension's."""
        self.cancel()
        self.wait(step_s=0.02)

    def _close_stdin(self) -> None:
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
        except OSError:  # the child may be gone already
            pass

    def _read(self) -> None:
        noise = 0
        stream = self._process.stdout
        pending = b""
        while True:
            try:
                piece = os.read(stream.fileno(), 1 << 16)
            except (OSError, ValueError):
                piece = b""
            lines = (pending + piece).split(b"\n")
            pending = lines.pop() if piece else b""
            if len(pending) > LONGEST_LINE:
                lines.append(pending)
                pending = b""
            for line in lines:
                noise = self._take_line(line, noise)
            if not piece:
                break
        stream.close()

    def _take_line(self, line: bytes, noise: int) -> int:
        text = line.decode("utf-8", "replace").strip()
        if not text:
            return noise
        event = events.decode(text) if len(text) <= LONGEST_LINE else None
        if event is not None:
            with self._lock:
                # Only the newest progress counts: a fast reporter must not fill the queue.
                if isinstance(event, events.Progress) and self._events \
                        and isinstance(self._events[-1], events.Progress):
                    self._events.pop()
                if len(self._events) < MOST_WAITING or isinstance(event, events.Finished | events.Failed):
                    self._events.append(event)
            return noise
        if noise < MOST_NOISE:
            if self._wants_stdout:
                self.output.append(text)
            try:
                self._log.write(line + b"\n")
            except (OSError, ValueError):  # full disk, or the job was settled while a grandchild still printed
                pass
        return noise + len(line)
