"""Make the environments of a clone: the backend's, and one per Blender series (the bpy wheels). Standard library only.

    python3 backend/tools/setup_env.py backend [--again]
    python3 backend/tools/setup_env.py blender [5.0]
    python3 backend/tools/setup_env.py where backend|blender [5.0]      print the environment's Python

Pinned, cached (pip's own cache), repeatable: an environment is made anew when a pin changes and left alone otherwise.
Environments stand in build/env. The backend's also gets MediaPipe's heavy landmark model (`sinew fetch`), without which
everything works too: a try that fails is not repeated for a day, unless --again. PIP_FIND_LINKS and pip's own settings
are honoured; SINEW_PYTHON names a Python to use, SINEW_TORCH_INDEX another index for PyTorch ("" for pip's ordinary one).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / "build" / "env"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
BPY = {  # series -> (bpy, numpy, Python)
    "4.2": ("4.2.23", "1.26.4", "3.11"),
    "4.5": ("4.5.15", "1.26.4", "3.11"),
    "5.0": ("5.0.1", "1.26.4", "3.11"),
    "5.2": ("5.2.3", "2.4.6", "3.13"),
}
DEFAULT_SERIES = ("5.0", "5.2")
"""Tried in this order where no series is named: the first whose Python is on this machine."""
BACKEND_PYTHONS = ("3.11", "3.12")
SIZES = {"backend": "about 0.5 GB to download, 1.4 GB on disk", "blender": "about 0.4 GB to download, 1.2 GB on disk"}


HEAVY_MODEL = Path("share/sinew/pose_landmark_heavy.tflite")
"""In the environment; `sinew_take.model_files` has its digest, which is checked where it is fetched and where it is run."""
RETRY_S = 24 * 3600


class SetupError(Exception):
    """One sentence for the user."""


def find_python(versions: tuple[str, ...]) -> str | None:
    """A Python of one of the versions, or None. Looks at SINEW_PYTHON, this Python, PATH and pyenv."""
    candidates = [os.environ.get("SINEW_PYTHON"), sys.executable]
    for version in versions:
        candidates.append(shutil.which(f"python{version}"))
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        candidates += sorted(str(p) for p in pyenv.glob(f"{version}*/bin/python"))
    for candidate in candidates:
        if candidate and _version(candidate) in versions:
            return candidate
    return None


def _version(python: str) -> str | None:
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        out = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return out.stdout.strip()


def _inside(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _stamp(files: list[str], extra: str) -> str:
    digest = hashlib.sha256(extra.encode())
    for name in files:
        digest.update((ROOT / "backend" / name).read_bytes())
    return digest.hexdigest()


def _pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.startswith("ERROR")]
        raise SetupError(f"A package could not be installed ({(lines or ['pip failed'])[0]}); check the network "
                         "connection and the free disk space, then run the same command again.")


def _check(python: Path, module: str, remedy: str) -> None:
    done = subprocess.run([str(python), "-c", f"import {module}"], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise SetupError(f"{module} does not load ({last}); {remedy}")


def _make(name: str, python: str | None, missing: str, stamp: str, steps: list[list[str]],
          check: tuple[str, str]) -> Path:
    folder = ENVIRONMENTS / name
    marker = folder / "sinew-stamp"
    if marker.exists() and marker.read_text() == stamp and _inside(folder).exists():
        return _inside(folder)
    if python is None:
        raise SetupError(missing)
    print(f"Setting up {folder.relative_to(ROOT)} ({SIZES[name.split('-')[0]]}); this happens once.", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    for step in steps:
        _pip(_inside(folder), *step)
    _check(_inside(folder), *check)
    marker.write_text(stamp)
    return _inside(folder)


def backend() -> Path:
    """The backend's environment; returns its Python."""
    index = os.environ.get("SINEW_TORCH_INDEX")
    if index is None:
        # macOS wheels are CPU ones anyway; a local wheel folder brings its own build.
        index = "" if sys.platform == "darwin" or os.environ.get("PIP_FIND_LINKS") else TORCH_CPU_INDEX
    torch = ["-r", "backend/requirements-torch.txt"] + (["--extra-index-url", index] if index else [])
    files = ["requirements.txt", "requirements-torch.txt", "requirements-dev.txt"]
    return _make("backend", find_python(BACKEND_PYTHONS),
                 "Sinew's backend needs Python 3.11 or 3.12 with venv and none was found; install one (for example "
                 "python3.11 and python3.11-venv) or name it in SINEW_PYTHON, then run the same command again.",
                 _stamp(files, index), [
                     torch, ["-r", "backend/requirements.txt", "-r", "backend/requirements-dev.txt"],
                     ["--no-build-isolation", "-e", "backend"]],
                 ("sinew.pipeline", "install what it names, then run the same command again."))


def heavy_model(python: Path, again: bool = False, env: Mapping[str, str] = os.environ) -> None:
    """Fetch MediaPipe's heavy landmark model into the backend's environment, where it is missing. Never fails.

    Every make target comes through here, so a try that failed is remembered in the environment and not repeated for a
    day: a machine without the network would wait each time. A new environment tries at once, and so does `make setup`.

    Args:
        python: The environment's Python.
        again: Try also where a try failed within the day.
        env: For the clients' settings; one that forbids the network is obeyed, and each run says who looked.
    """
    folder = python.parent.parent
    failed = folder / "sinew-fetch-failed"
    is_forbidden = any(env.get(n, "").strip().lower() not in ("", "0", "false", "no", "off")
                       for n in ("PIP_NO_INDEX", "npm_config_offline", "NPM_CONFIG_OFFLINE"))
    is_recent = failed.exists() and time.time() - failed.stat().st_mtime < RETRY_S
    if (folder / HEAVY_MODEL).exists() or is_forbidden or (is_recent and not again):
        return
    print("Fetching MediaPipe's heavy landmark model, with which people are found more exactly (about 41 MB more to "
          "download, 102 MB where npm is missing; 28 MB on disk).", flush=True)
    done = subprocess.run([str(python), "-m", "sinew", "fetch"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        failed.unlink(missing_ok=True)
        return
    failed.touch()
    said = (done.stderr.strip().splitlines() or ["it ended without a word."])[-1].removeprefix("sinew: ")
    print(f"setup: without it the plain landmark model looks alone, and `make setup` tries again: {said}", file=sys.stderr)


def blender(series: str | None) -> Path:
    """An environment with Blender as a Python module; returns its Python."""
    if series is None:
        series = next((s for s in DEFAULT_SERIES if find_python((BPY[s][2],))), DEFAULT_SERIES[0])
    bpy, numpy, python = BPY[series]
    return _make(f"blender-{series}", find_python((python,)),
                 f"Blender {series} as a Python module needs Python {python} and none was found; install it, then run "
                 "the same command again.",
                 _stamp(["requirements-blender.txt"], bpy + numpy), [
                     ["-r", "backend/requirements-blender.txt", f"numpy=={numpy}", f"bpy=={bpy}"]],
                 ("bpy", "install the system library that it names (on a bare Debian: libx11-6 libxi6 libxfixes3 libxrender1 "
                         "libxkbcommon0 libsm6 libice6 libxxf86vm1 libegl1 libgl1), then run the same command again."))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["backend", "blender", "where"])
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--again", action="store_true", help="fetch the heavy landmark model also soon after a failure")
    arguments = parser.parse_args()
    words = [arguments.what, *arguments.rest]
    quiet = words[0] == "where"
    words = words[1:] if quiet else words
    os.chdir(ROOT)
    try:
        series = words[1] if len(words) > 1 else None
        if series is not None and series not in BPY:
            raise SetupError(f"Blender {series} is not one of the supported series {', '.join(BPY)}; name one of them.")
        python = backend() if words[0] == "backend" else blender(series)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 2
    if quiet:
        print(python)
    elif words[0] == "backend":
        heavy_model(python, arguments.again)
    return 0


if __name__ == "__main__":
    sys.exit(main())
