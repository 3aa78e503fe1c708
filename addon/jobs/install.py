"""Sets up the backend: a Python environment of its own in the extension's private folder. No Blender, no engine.

    <private>/backend/           the environment, with sinew.json: what it was made from
              backend.partial/   one being made; renamed when it is complete and checked
              python/, uv/       a Python fetched by uv, where the machine has none that fits
              cache/             finished stages of runs
              setup.txt          log of the last set-up

The environment holds MediaPipe's heavy landmark model too (share/sinew), where it could be fetched.

The engine's source is not copied: runs get the extension's own `backend` folder on their path, so that the two halves
cannot drift. What can differ is the environment's packages; `sinew.json` holds a digest of their list.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ...backend.sinew_take import model_files
from ...backend.sinew_take.errors import RequestError, SinewError, Stopped
from ...backend.sinew_take.version import VERSION
from .process import TERMINATE_S, kill_group, spawn, terminate_group
from .state import JobState, Status

PYTHONS = ((3, 11), (3, 12))
"""Minor versions that the backend's packages exist for."""
UV_PYTHON = "3.11"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""PyTorch's own wheel index, CPU builds; "…/cu128" and the like hold the CUDA builds."""
DOWNLOAD_MB = 442
DISK_MB = 1690
"""CPU build, Linux x86-64, Python 3.11, measured 2026-11: the pinned wheels, and the environment made from them."""
UV_MB = 17
"""Download of uv 0.13 for Linux x86-64, measured 2026-11; the Python that it fetches comes on top."""
VERIFY = ("-m", "sinew", "doctor", "--json")
MODELS = ("-m", "sinew", "fetch")
STAMP = "sinew.json"

_OWN_PYTHON = "install Python 3.11 or 3.12 yourself, then repair the backend"
_STEP_SHARE = {"python": 0.02, "environment": 0.05, "torch": 0.42, "packages": 0.38, "check": 0.08, "models": 0.05}
STEP_TEXT = {
    "python": "Fetching Python",
    "environment": "Making the environment",
    "torch": "Installing PyTorch",
    "packages": "Installing packages",
    "check": "Checking the backend",
    "models": "Fetching the heavy landmark model",
}


class BackendStatus(Enum):
    """What stands in the private folder."""

    MISSING = "missing"
    PARTIAL = "partial"
    """A set-up was cut off."""
    BROKEN = "broken"
    OTHER_VERSION = "other version"
    READY = "ready"


@dataclass(frozen=True)
class Backend:
    """The backend as found: `python` runs it where `status` is READY."""

    status: BackendStatus
    python: Path | None
    text: str
    """One sentence for the panel."""
    size: int = 0
    """Bytes, as measured when it was made; 0 for an environment of the user's own."""


@dataclass(frozen=True)
class Place:
    """Where things lie in the extension's private folder."""

    root: Path

    @property
    def backend(self) -> Path:
        return self.root / "backend"

    @property
    def partial(self) -> Path:
        return self.root / "backend.partial"

    @property
    def old(self) -> Path:
        return self.root / "backend.old"

    @property
    def uv(self) -> Path:
        return self.root / "uv"

    @property
    def pythons(self) -> Path:
        return self.root / "python"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def log(self) -> Path:
        return self.root / "setup.txt"


@dataclass(frozen=True)
class Setup:
    """Everything that decides a set-up."""

    place: Place
    source: Path
    """The extension's `backend` folder."""
    python: Path | None
    """A Python 3.11 or 3.12 to build on; None has uv fetch one."""
    installer_python: Path
    """Runs pip to get uv where none is found: Blender's own."""
    torch_index: str = CPU_INDEX
    """PyTorch's wheel index; empty for pip's own settings."""
    offline: bool = False
    verify: tuple[str, ...] = VERIFY
    models: tuple[str, ...] = MODELS
    only_models: Path | None = None
    """The Python of a finished environment that lacks nothing but the model; nothing else is touched then."""

    @property
    def requirements(self) -> tuple[Path, Path]:
        """Pins of PyTorch and its needs, and of everything else."""
        return self.source / "requirements-torch.txt", self.source / "requirements.txt"


def environment_python(folder: Path) -> Path:
    """The Python of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def environment_prefix(python: Path) -> Path:
    """The folder of an environment, by its Python."""
    return python.parent.parent if python.parent.name in ("bin", "Scripts") else python.parent


def backend_environment(source: Path, cache: Path, base: Mapping[str, str]) -> dict[str, str]:
    """Variables of a backend process: the extension's own source, and nothing of the user's Python set-up."""
    env = {key: value for key, value in base.items() if key not in ("PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")}
    env.update(PYTHONPATH=str(source), PYTHONNOUSERSITE="1", PYTHONUTF8="1", PYTHONUNBUFFERED="1",
               PYTHONPYCACHEPREFIX=str(cache / "pycache"), SINEW_CACHE=str(cache))
    return env


def digest(requirements: Iterable[Path]) -> str:
    """What decides the packages of an environment: the pins, without comments.

    Raises:
        RequestError: A list is missing from the extension.
    """
    return hashlib.sha256("\n".join(pin for path in requirements for pin in pins(path)).encode()).hexdigest()[:16]


def pins(path: Path) -> list[str]:
    """Requirement lines of a file, sorted, without comments.

    Raises:
        RequestError: The file is missing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        raise RequestError(f"{path} is missing; install the Sinew extension again.") from None
    return sorted(line.split("#")[0].strip() for line in lines if line.split("#")[0].strip())


def inspect(place: Place, source: Path, own_python: Path | None = None) -> Backend:
    """Find the backend by its files alone; nothing is started.

    Args:
        place: The private folder.
        source: The extension's `backend` folder.
        own_python: The Python of an environment of the user's own, which then counts instead.
    """
    if own_python is not None:
        if own_python.is_file():
            return Backend(BackendStatus.READY, own_python, f"Your own environment: {own_python}")
        return Backend(BackendStatus.BROKEN, None, f"{own_python} is no Python; correct the path in Sinew's "
                                                   "preferences or clear it.")
    python = environment_python(place.backend)
    if not place.backend.exists():
        if place.partial.exists():
            return Backend(BackendStatus.PARTIAL, None, "The set-up was cut off; repair the backend to go on.")
        return Backend(BackendStatus.MISSING, None, "The backend is not set up yet.")
    try:
        stamp = json.loads((place.backend / STAMP).read_text(encoding="utf-8"))
        made_from, version, size = str(stamp["digest"]), str(stamp["version"]), int(stamp["size"])
    except (OSError, ValueError, KeyError, TypeError):
        return Backend(BackendStatus.BROKEN, None, "The backend is half installed; repair it.")
    if not python.exists():  # the Python it was built on may have been removed
        return Backend(BackendStatus.BROKEN, None, "The Python that the backend was built on is gone; repair the "
                                                   "backend.")
    if made_from != digest((source / "requirements-torch.txt", source / "requirements.txt")):
        return Backend(BackendStatus.OTHER_VERSION, None,
                       f"The backend belongs to Sinew {version} and this is {VERSION}; repair it.", size)
    return Backend(BackendStatus.READY, python, f"Backend {version} is set up.", size)


def find_python(named: Path | None, avoid: Path, env: Mapping[str, str]) -> Path | None:
    """A Python 3.11 or 3.12 that can make environments, or None.

    Args:
        named: The user's choice; taken or refused, never passed over.
        avoid: Blender's own Python, on which the backend never runs.
        env: For PATH and the home folder.

    Raises:
        RequestError: The named Python does not fit.
    """
    if named is not None:
        version = _python_version([str(named)])
        if version is None:
            raise RequestError(f"{named} is not a Python that can make environments (it needs the modules venv and "
                               "ensurepip); name another in Sinew's preferences.")
        if version[:2] not in PYTHONS:
            raise RequestError(f"{named} is Python {version[0]}.{version[1]} and the backend needs 3.11 or 3.12; name "
                               "another in Sinew's preferences.")
        return named
    for command in _candidates(env):
        path = Path(command[0])
        if path.exists() and avoid.exists() and os.path.samefile(path, avoid):
            continue
        if (_python_version(command) or (0, 0))[:2] in PYTHONS:
            return _executable(command)
    return None


def _candidates(env: Mapping[str, str]) -> list[list[str]]:
    names = [f"python{major}.{minor}" for major, minor in PYTHONS] + ["python3", "python"]
    commands = [[found] for name in names if (found := shutil.which(name, path=env.get("PATH")))]
    if os.name == "nt" and (launcher := shutil.which("py", path=env.get("PATH"))):
        commands += [[launcher, f"-{major}.{minor}"] for major, minor in PYTHONS]
    # Blender started from a desktop has a short PATH.
    home = Path(env.get("HOME") or env.get("USERPROFILE") or ".")
    for folder in (Path("/opt/homebrew/bin"), Path("/usr/local/bin"), home / ".local/bin"):
        commands += [[str(folder / name)] for name in names[:2] if (folder / name).exists()]
    for major, minor in PYTHONS:
        for folder in (home / ".pyenv/versions", home / ".local/share/uv/python"):
            commands += [[str(p)] for p in sorted(folder.glob(f"*{major}.{minor}.*/bin/python{major}.{minor}"))]
        framework = Path(f"/Library/Frameworks/Python.framework/Versions/{major}.{minor}/bin/python{major}.{minor}")
        commands += [[str(framework)]] if framework.exists() else []
    return commands


def _ask_python(command: list[str], code: str) -> str | None:
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    try:
        done = subprocess.run([*command, "-I", "-c", code], capture_output=True, text=True, timeout=10, check=False,
                              stdin=subprocess.DEVNULL, env=env)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _python_version(command: list[str]) -> tuple[int, int] | None:
    answer = _ask_python(command, "import sys, venv, ensurepip; print(*sys.version_info[:2])")
    try:
        major, minor = (answer or "").split()
        return int(major), int(minor)
    except ValueError:
        return None


def _executable(command: list[str]) -> Path:
    return Path(_ask_python(command, "import sys; print(sys.executable)") or command[0])


def account(setup: Setup, env: Mapping[str, str]) -> list[str]:
    """What a set-up would do, before it does anything: what, where, how large.

    Args:
        setup: The set-up asked about.
        env: For pip's settings.

    Raises:
        RequestError: The package lists are missing from the extension.
    """
    torch, others = (pins(path) for path in setup.requirements)
    torch_version = next((pin.split("==")[1] for pin in torch if pin.startswith("torch==")), "")
    lines = []
    if setup.python is not None:
        lines.append(f"An environment on {setup.python}")
    else:
        lines.append(f"uv ({UV_MB} MB), a Python {UV_PYTHON} fetched by it, and an environment on that")
    lines.append(f"PyTorch {torch_version} and {len(torch) + len(others) - 1} packages at pinned versions")
    is_local = setup.offline or has_local_packages(env)
    if is_cuda(setup.torch_index) and not is_local:
        lines.append("CUDA build of PyTorch: several times larger than the CPU build's "
                     f"{DOWNLOAD_MB} MB of downloads")
    else:
        lines.append(f"About {DOWNLOAD_MB} MB to download, {DISK_MB / 1000:.1f} GB on disk")
    lines.append(models_account(setup.offline, env))
    lines.append(f"In {setup.place.root}")
    if setup.offline:
        lines.append("Only from folders on this machine, nothing from the network")
    elif is_local:
        lines.append("From your folder of packages first, then from your pip index")
    else:
        lines.append(f"PyTorch from {setup.torch_index or 'your pip index'}, the rest from your pip index")
    return lines


def models_account(offline: bool, env: Mapping[str, str]) -> str:
    """What fetching the heavy landmark model means, in a line."""
    if offline:
        return "Without MediaPipe's heavy landmark model, which comes from the network; the plain one finds people too"
    size = f"{model_files.HEAVY_MB} MB"
    if not shutil.which("npm", path=env.get("PATH")):
        size = f"{model_files.HEAVY_MB + model_files.NPM_MB} MB, most of it an npm for the moment,"
    return f"MediaPipe's heavy landmark model: about {size} more to download, 28 MB on disk (Apache-2.0)"


def is_cuda(index: str) -> bool:
    """Whether a PyTorch index holds CUDA builds."""
    return index.rstrip("/").rpartition("/")[2].startswith("cu")


def has_local_packages(env: Mapping[str, str]) -> bool:
    """Whether the user's environment tells pip to install without the network."""
    return bool(env.get("PIP_FIND_LINKS") or env.get("UV_FIND_LINKS"))


def pip_environment(base: Mapping[str, str], offline: bool, temporary: Path) -> dict[str, str]:
    """Variables for pip and uv: the user's own pip settings stay, foreign Python settings go."""
    env = {key: value for key, value in base.items() if not key.startswith("PYTHON") and key != "VIRTUAL_ENV"}
    env.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PYTHONUTF8="1", PYTHONUNBUFFERED="1",
               PYTHONNOUSERSITE="1", TMPDIR=str(temporary), TEMP=str(temporary), TMP=str(temporary))
    if "PIP_FIND_LINKS" not in env and "UV_FIND_LINKS" in env:
        env["PIP_FIND_LINKS"] = env["UV_FIND_LINKS"]
    if "UV_FIND_LINKS" not in env and "PIP_FIND_LINKS" in env:
        env["UV_FIND_LINKS"] = env["PIP_FIND_LINKS"]
    if offline:
        env.update(PIP_NO_INDEX="1", UV_OFFLINE="1", UV_NO_INDEX="1")
    return env


def torch_arguments(setup: Setup, env: Mapping[str, str]) -> list[str]:
    """What pip is told for PyTorch. A build of its own index ("2.13.0+cpu") wins over the ordinary one of that version.

    A CUDA build needs its NVIDIA packages, which only that index knows; everything else comes without dependencies.
    """
    torch, others = setup.requirements
    is_local = setup.offline or has_local_packages(env) or not setup.torch_index
    index = [] if is_local else ["--extra-index-url", setup.torch_index]
    if is_cuda(setup.torch_index) and not is_local:
        return ["-r", str(torch), "-c", str(others), *index]
    return ["--no-deps", "-r", str(torch), *index]


def remove(place: Place) -> None:
    """Remove the environment, the fetched Python and the cached stages. Takes stay.

    Raises:
        RequestError: The system refuses.
    """
    for folder in (place.partial, place.old, place.backend, place.uv, place.pythons, place.cache):
        _remove_folder(folder)


def clear_cache(place: Place) -> int:
    """Remove the finished stages of runs. Returns the bytes freed.

    Raises:
        RequestError: The system refuses.
    """
    freed = folder_size(place.cache) if place.cache.exists() else 0
    _remove_folder(place.cache)
    return freed


def _remove_folder(folder: Path) -> None:
    if not folder.exists():
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise RequestError(f"{folder} cannot be removed ({error.strerror or error}); close what uses it and try "
                           "again.") from None


def folder_size(folder: Path) -> int:
    """Bytes in a folder; links are not followed."""
    return sum(os.lstat(os.path.join(base, name)).st_size for base, _, names in os.walk(folder) for name in names)


@dataclass(frozen=True)
class _Step:
    stage: str
    text: str = ""
    part: float = 0.0
    """Of the stage, 0..1."""


class Installation:
    """A set-up at work, in a thread that never touches Blender. Same use as `process.Job`: poll, cancel, close."""

    def __init__(self, setup: Setup, base_env: Mapping[str, str]) -> None:
        self._setup = setup
        self._env = pip_environment(base_env, setup.offline, setup.place.partial / "tmp")
        self._base_env = base_env
        self._steps: deque[_Step] = deque(maxlen=100)
        self._lacks = ""
        self._stop = threading.Event()
        self._child: subprocess.Popen | None = None
        self._lock = threading.Lock()
        self._error: SinewError | None = None
        setup.place.root.mkdir(parents=True, exist_ok=True)
        self.state = JobState("the backend's set-up", setup.place.log, Status.RUNNING, list(STEP_TEXT))
        self._log = open(setup.place.log, "wb", buffering=0)  # noqa: SIM115 - closed by the thread
        self._thread = threading.Thread(target=self._work, name="sinew-setup", daemon=True)
        self._thread.start()

    def poll(self, deadline_s: float = 0.02) -> bool:
        """Bring `state` up to date. Returns True where it changed."""
        if not self.state.is_alive:
            return False
        ended = not self._thread.is_alive()
        changed = False
        while self._steps:
            step = self._steps.popleft()
            order = list(_STEP_SHARE)
            before = sum(_STEP_SHARE[name] for name in order[:order.index(step.stage)])
            self.state.stage = step.stage
            self.state.notes = [step.text] if step.text else []
            self.state.fraction = max(self.state.fraction, before + step.part * _STEP_SHARE[step.stage])
            changed = True
        if not ended:
            return changed
        if self._error is None:
            self.state.status, self.state.fraction = Status.FINISHED, 1.0
            self.state.notes = [self._lacks] if self._lacks else []
        elif isinstance(self._error, Stopped):
            self.state.status = Status.CANCELLED
        else:
            self.state.status, self.state.error = Status.FAILED, str(self._error)
        return True

    def cancel(self) -> None:
        """Stop; what is half made is removed by the next set-up."""
        if not self.state.is_alive:
            return
        self.state.status = Status.CANCELLING
        with self._lock:
            self._stop.set()
            child = self._child
        if child is not None:
            terminate_group(child)
            threading.Thread(target=_make_sure, args=(child,), daemon=True).start()

    def wait(self, on_change: Callable[[JobState], None] = lambda state: None, step_s: float = 0.1) -> JobState:
        """Block until the end (for scripts and tests)."""
        while self.state.is_alive:
            if self.poll():
                on_change(self.state)
            time.sleep(step_s)
        return self.state

    def close(self) -> None:
        """Cancel and wait for the end."""
        self.cancel()
        self.wait(step_s=0.02)

    def _work(self) -> None:
        try:
            self._install()
        except SinewError as error:
            self._error = error
        except OSError as error:
            self._error = RequestError(f"The backend cannot be written to {self._setup.place.root} "
                                       f"({error.strerror or error}); free some space and repair the backend.")
        finally:
            self._log.close()

    def _install(self) -> None:
        setup, place = self._setup, self._setup.place
        if setup.only_models is not None:
            (place.partial / "tmp").mkdir(parents=True, exist_ok=True)
            try:
                self._fetch_models(setup.only_models)
            finally:
                shutil.rmtree(place.partial, ignore_errors=True)
            return
        made_from = digest(setup.requirements)
        _remove_folder(place.partial)
        _remove_folder(place.old)
        (place.partial / "tmp").mkdir(parents=True)
        _check_space(place.root)
        base = setup.python or self._fetch_python()
        self._tell("environment")
        self._run([base, "-I", "-m", "venv", "--copies" if os.name == "nt" else "--symlinks", place.partial],
                  "The environment cannot be made")
        python = environment_python(place.partial)
        pip = [python, "-I", "-m", "pip", "install", "--only-binary", ":all:"]
        torch, others = setup.requirements
        self._pip("torch", [*pip, *torch_arguments(setup, self._env)], len(pins(torch)))
        self._pip("packages", [*pip, "--no-deps", "-r", others], len(pins(others)))
        self._tell("check")
        self._run([python, *setup.verify], "The backend was installed but does not work",
                  backend_environment(setup.source, place.cache, self._base_env))
        if setup.offline:
            self._log.write(b"\nOffline: the heavy landmark model was not fetched.\n")
        else:
            try:
                self._fetch_models(python)
            except RequestError as error:  # the backend works without; the panel says so, and a later try is a click
                self._lacks = str(error)
                self._log.write(f"\n{self._lacks}\n".encode())
        shutil.rmtree(place.partial / "tmp", ignore_errors=True)
        stamp = {"version": VERSION, "digest": made_from, "size": folder_size(place.partial), "python": str(base),
                 "torch_index": setup.torch_index}
        (place.partial / STAMP).write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
        with self._lock:
            if self._stop.is_set():
                raise Stopped("The set-up was stopped.")
        # The old environment goes only when the new one is whole.
        if place.backend.exists():
            os.rename(place.backend, place.old)
        os.rename(place.partial, place.backend)
        shutil.rmtree(place.old, ignore_errors=True)

    def _fetch_models(self, python: Path) -> None:
        """The heavy landmark model into an environment.

        Raises:
            Stopped: The user cancelled.
            RequestError: It could not be fetched.
        """
        self._tell("models")
        env = backend_environment(self._setup.source, self._setup.place.cache, self._base_env)
        env.update({name: self._env[name] for name in ("TMPDIR", "TEMP", "TMP")})
        self._run([python, *self._setup.models], "The heavy landmark model could not be fetched", env,
                  advice="the plain one looks alone until Model Files fetches the other")
        self._tell("models", part=1.0)

    def _fetch_python(self) -> Path:
        """A Python by uv, itself fetched with Blender's pip where the machine has none."""
        place = self._setup.place
        self._tell("python")
        uv = shutil.which("uv", path=self._env.get("PATH"))
        if uv is None:
            # In an environment of its own: Blender's Python is never changed.
            _remove_folder(place.uv)
            self._run([self._setup.installer_python, "-I", "-m", "venv", place.uv],
                      "Blender's Python cannot make environments", advice=_OWN_PYTHON)
            self._run([environment_python(place.uv), "-I", "-m", "pip", "install", "--only-binary", ":all:", "uv"],
                      "uv cannot be installed", advice=_OWN_PYTHON)
            uv = environment_python(place.uv).with_name("uv.exe" if os.name == "nt" else "uv")
        self._tell("python", f"Python {UV_PYTHON}", 0.5)
        env = {**self._env, "UV_PYTHON_INSTALL_DIR": str(place.pythons), "UV_NO_CONFIG": "1"}
        self._run([uv, "python", "install", UV_PYTHON, "--no-bin"],
                  f"uv cannot fetch Python {UV_PYTHON}", env, advice=_OWN_PYTHON)
        tail = "python.exe" if os.name == "nt" else f"bin/python{UV_PYTHON}"
        found = sorted(place.pythons.glob(f"*{UV_PYTHON}*/{tail}"))
        if not found:
            raise RequestError(f"uv fetched no Python; {_OWN_PYTHON}.")
        return found[-1]

    def _pip(self, stage: str, argv: list, n_packages: int) -> None:
        """Run pip and follow it package by package."""
        seen = 0
        self._tell(stage)

        def follow(line: str) -> None:
            nonlocal seen
            if found := re.match(r"(?:Collecting|Processing) ([^ =<>!~(]+)", line):
                seen += 1
                self._tell(stage, f"{_package(found[1])} ({min(seen, n_packages)} of {n_packages})",
                           0.8 * min(seen / (n_packages + 1), 1.0))
            elif found := re.match(r"\s*Downloading (\S+?)-\S* \(([\d.]+ [kMG]?B)\)", line):
                self._tell(stage, f"{_package(found[1])}, {found[2]} ({min(seen, n_packages)} of {n_packages})",
                           0.8 * min(seen / (n_packages + 1), 1.0))
            elif line.startswith("Installing collected packages"):
                self._tell(stage, "Unpacking", 0.85)

        self._run(argv, "A package cannot be installed", follow=follow)
        self._tell(stage, part=1.0)

    def _tell(self, stage: str, text: str = "", part: float = 0.0) -> None:
        self._steps.append(_Step(stage, text, part))

    def _run(self, argv: list, what: str, env: dict[str, str] | None = None,
             follow: Callable[[str], None] = lambda line: None,
             advice: str = "open the log, then repair the backend") -> None:
        """Run one program to its end, its output in the log.

        Raises:
            Stopped: The user cancelled.
            RequestError: It failed; the sentence holds its last line that tells a reason.
        """
        self._log.write(("\n$ " + " ".join(str(part) for part in argv) + "\n").encode())
        with self._lock:
            if self._stop.is_set():
                raise Stopped("The set-up was stopped.")
            child = self._child = spawn([str(part) for part in argv], env=env or self._env)
        last = said = ""
        for raw in child.stdout:
            self._log.write(raw)
            line = raw.decode("utf-8", "replace").rstrip()
            follow(line)
            last = line or last
            said = line if line.startswith(("ERROR:", "error:", "Error:")) else said
        exit_code = child.wait()
        child.stdout.close()
        with self._lock:
            self._child = None
            if self._stop.is_set():
                raise Stopped("The set-up was stopped.")
        if exit_code != 0:
            reason = re.sub(r"^(ERROR|error|Error|sinew):\s*", "", said or last)[:200].rstrip(".")
            raise RequestError(f"{what} ({reason or f'exit code {exit_code}'}); {advice}.")


def _package(name: str) -> str:
    """The package in pip's words for it: a requirement, or a path or address of a wheel."""
    return re.split(r"[/\\]", name)[-1].split("-")[0]


def _make_sure(child: subprocess.Popen) -> None:
    try:
        child.wait(TERMINATE_S)
    except subprocess.TimeoutExpired:
        pass
    kill_group(child)


def _check_space(root: Path) -> None:
    free_mb = shutil.disk_usage(root).free // 1_000_000
    if free_mb < DISK_MB:
        raise RequestError(f"The disk of {root} has {free_mb} MB free and the backend needs {DISK_MB} MB; free some "
                           "space.")


def blender_python() -> Path:
    """The Python that runs this process: Blender's own inside Blender."""
    return Path(sys.executable)
