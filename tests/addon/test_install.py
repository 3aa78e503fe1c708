"""Setting the backend up, for real: an environment from a tiny package set built here and served from a folder."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from bl_ext.test.sinew.addon import words
from bl_ext.test.sinew.addon.jobs import install
from bl_ext.test.sinew.addon.jobs.install import BackendStatus, Installation, Place, Setup
from bl_ext.test.sinew.addon.jobs.state import Status
from bl_ext.test.sinew.backend.sinew_take.errors import RequestError
from bl_ext.test.sinew.backend.sinew_take.version import VERSION

NOWHERE = Path("no-such-python")


def write_wheel(folder: Path, name: str, version: str) -> None:
    """A real wheel of one module that knows its version."""
    info = f"{name}-{version}.dist-info"
    files = {f"{name}.py": f"VERSION = {version!r}\n",
             f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: sinew-tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        record = []
        for path, text in files.items():
            wheel.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(text)}")
        wheel.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]) + "\n")


def write_pins(source: Path, version: str) -> None:
    source.mkdir(exist_ok=True)
    (source / "requirements-torch.txt").write_text(f"# a comment\ntinytorch=={version}\n")
    (source / "requirements.txt").write_text("tinypkg==1.0\n")


@pytest.fixture(scope="module")
def python() -> Path:
    found = install.find_python(None, NOWHERE, os.environ)
    if found is None:
        pytest.skip("no Python 3.11 or 3.12 with venv here")
    return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    """The folder that serves the packages."""
    folder = tmp_path_factory.mktemp("shop")
    for name, version in (("tinytorch", "1.0"), ("tinytorch", "2.0"), ("tinypkg", "1.0")):
        write_wheel(folder, name, version)
    return folder


def make(root: Path, shop: Path, python: Path, version: str = "1.0",
         verify: tuple[str, ...] = ("-c", "import tinytorch, tinypkg; print(tinytorch.VERSION)"),
         models: tuple[str, ...] | None = None) -> tuple[Setup, Installation]:
    """Start a set-up in `root`; `models` stands for the fetching of the heavy landmark model, else offline."""
    source = root / "extension"
    source.mkdir(parents=True, exist_ok=True)
    write_pins(source, version)
    setup = Setup(Place(root / "private"), source, python, Path(sys.executable), offline=models is None, verify=verify,
                  models=models or ("-c", "raise SystemExit('never offline')"))
    return setup, Installation(setup, {**os.environ, "PIP_FIND_LINKS": str(shop), "PIP_NO_INDEX": "1"})


@pytest.fixture(scope="module")
def made(tmp_path_factory, shop, python):
    """A finished set-up, in a folder with an awkward name, and what it told on the way."""
    root = tmp_path_factory.mktemp("it's a “place” 名前")
    setup, job = make(root, shop, python)
    seen = []
    state = job.wait(lambda s: seen.append((s.stage, s.fraction)))
    return setup, state, seen


@pytest.fixture
def copy(made, tmp_path) -> Setup:
    """The finished set-up in a private folder of the test's own."""
    setup = made[0]
    shutil.copytree(setup.place.root, tmp_path / "private", symlinks=True)
    shutil.copytree(setup.source, tmp_path / "extension")
    return Setup(Place(tmp_path / "private"), tmp_path / "extension", setup.python, setup.installer_python,
                 offline=True, verify=setup.verify)


def status(setup: Setup) -> BackendStatus:
    return install.inspect(setup.place, setup.source).status


def imported_version(setup: Setup) -> str:
    return subprocess.run([install.environment_python(setup.place.backend), "-c",
                           "import tinytorch; print(tinytorch.VERSION)"], capture_output=True, text=True).stdout.strip()


def test_setup_makes_a_working_environment(made):
    setup, state, seen = made
    assert (state.status, state.error, state.fraction) == (Status.FINISHED, "", 1.0)
    assert imported_version(setup) == "1.0"
    assert not setup.place.partial.exists()
    assert [f for _, f in seen] == sorted(f for _, f in seen)
    assert [s for n, (s, _) in enumerate(seen) if n == 0 or seen[n - 1][0] != s] == [
        "environment", "torch", "packages", "check", "check"][:len({s for s, _ in seen})]
    stamp = json.loads((setup.place.backend / install.STAMP).read_text())
    assert stamp["version"] == VERSION
    assert abs(stamp["size"] - install.folder_size(setup.place.backend)) < 1000  # bytes: the stamp itself
    found = install.inspect(setup.place, setup.source)
    assert found.status is BackendStatus.READY and found.python.exists()


def test_log_holds_every_command(made):
    log = made[0].place.log.read_text()
    assert log.count("\n$ ") == 4 and "-m venv" in log and "--no-deps -r" in log and "\n1.0\n" in log


def test_nothing_is_there_before(tmp_path):
    write_pins(tmp_path, "1.0")
    assert install.inspect(Place(tmp_path / "private"), tmp_path).status is BackendStatus.MISSING


def test_pins_of_another_version_ask_for_repair_and_repair_works(copy, shop):
    write_pins(copy.source, "2.0")
    (copy.place.partial / "bin").mkdir(parents=True)
    (copy.place.partial / "left by a set-up that was cut off").touch()
    found = install.inspect(copy.place, copy.source)
    assert found.status is BackendStatus.OTHER_VERSION and "repair" in found.text and found.python is None
    state = Installation(copy, {**os.environ, "PIP_FIND_LINKS": str(shop)}).wait()
    assert state.status is Status.FINISHED
    assert (status(copy), imported_version(copy)) == (BackendStatus.READY, "2.0")
    assert not copy.place.old.exists() and not any(copy.place.backend.glob("left*"))


def test_comments_in_the_pins_change_nothing(copy):
    text = (copy.source / "requirements.txt").read_text()
    (copy.source / "requirements.txt").write_text("# another comment\n\n" + text)
    assert status(copy) is BackendStatus.READY


def test_failed_repair_keeps_the_old_environment(copy, shop):
    write_pins(copy.source, "3.0")  # nobody sells it
    state = Installation(copy, {**os.environ, "PIP_FIND_LINKS": str(shop)}).wait()
    assert state.status is Status.FAILED
    assert "tinytorch==3.0" in state.error and state.error.endswith("repair the backend.")
    assert imported_version(copy) == "1.0"


def test_environment_that_does_not_work_is_never_put_in_place(tmp_path, shop, python):
    setup, job = make(tmp_path, shop, python, verify=("-c", "raise SystemExit('the model is missing')"))
    state = job.wait()
    assert state.status is Status.FAILED and "the model is missing" in state.error
    assert status(setup) is BackendStatus.PARTIAL


def test_cancel_ends_within_two_seconds(tmp_path, shop, python):
    setup, job = make(tmp_path, shop, python, verify=("-c", "import time; time.sleep(600)"))
    while not (job.poll() and job.state.stage == "environment"):
        time.sleep(0.02)
    time.sleep(0.3)
    begin = time.monotonic()
    job.cancel()
    job.wait(step_s=0.02)
    assert time.monotonic() - begin < 2.0
    assert (job.state.status, status(setup)) == (Status.CANCELLED, BackendStatus.PARTIAL)


PUT = ("-c", "import sys, pathlib, tempfile; f = pathlib.Path(sys.prefix, 'share', 'sinew'); f.mkdir(parents=True); "
             "(f / 'model').write_text(tempfile.gettempdir())")


def test_the_heavy_model_is_a_step_of_the_set_up(tmp_path, shop, python):
    setup, job = make(tmp_path, shop, python, models=PUT)
    stages = []
    state = job.wait(lambda s: stages.append(s.stage), step_s=0.005)
    assert (state.status, state.notes, stages[-2]) == (Status.FINISHED, [], "models")
    put = setup.place.backend / "share/sinew/model"
    assert Path(put.read_text()) == setup.place.partial / "tmp" and not setup.place.partial.exists()
    assert "never fetched" not in setup.place.log.read_text()


def test_without_the_heavy_model_the_backend_is_ready_and_it_is_said(tmp_path, shop, python):
    setup, job = make(tmp_path, shop, python, models=(
        "-c", "import sys; print('sinew: The registry is away; wait.', file=sys.stderr); sys.exit(1)"))
    state = job.wait()
    said = ("The heavy landmark model could not be fetched (The registry is away; wait); the plain one looks alone until "
            "Model Files fetches the other.")
    assert (state.status, state.error, state.notes) == (Status.FINISHED, "", [said])
    assert status(setup) is BackendStatus.READY and said in setup.place.log.read_text()
    # Later, by itself: the environment is not made again.
    before = (setup.place.backend / install.STAMP).stat().st_mtime_ns
    python = install.environment_python(setup.place.backend)
    again = Installation(replace(setup, models=PUT, only_models=python), os.environ).wait()
    assert (again.status, (setup.place.backend / install.STAMP).stat().st_mtime_ns) == (Status.FINISHED, before)
    assert (setup.place.backend / "share/sinew/model").exists() and not setup.place.partial.exists()
    again = Installation(replace(setup, models=("-c", "1/0"), only_models=python), os.environ).wait()
    assert again.status is Status.FAILED and again.error.startswith("The heavy landmark model could not be fetched (Zero")
    assert status(setup) is BackendStatus.READY


def test_offline_the_heavy_model_is_left_out_and_said(made):
    assert "Offline: the heavy landmark model was not fetched." in made[0].place.log.read_text()
    assert made[1].notes == []


@pytest.mark.parametrize("damage", ["stamp", "python", "garbage"])
def test_damage_is_seen(copy, damage):
    if damage == "stamp":
        (copy.place.backend / install.STAMP).unlink()
    elif damage == "python":
        install.environment_python(copy.place.backend).unlink()
    else:
        (copy.place.backend / install.STAMP).write_text("[1")
    found = install.inspect(copy.place, copy.source)
    assert found.status is BackendStatus.BROKEN and "repair" in found.text


def test_remove_leaves_takes(copy):
    (copy.place.root / "takes" / "0001").mkdir(parents=True)
    copy.place.cache.mkdir()
    install.remove(copy.place)
    assert status(copy) is BackendStatus.MISSING
    assert {p.name for p in copy.place.root.iterdir()} == {"takes", "setup.txt"}


def test_own_environment_is_used(tmp_path):
    write_pins(tmp_path, "1.0")
    found = install.inspect(Place(tmp_path / "private"), tmp_path, Path(sys.executable))
    assert (found.status, found.python) == (BackendStatus.READY, Path(sys.executable))
    found = install.inspect(Place(tmp_path / "private"), tmp_path, tmp_path / "gone")
    assert found.status is BackendStatus.BROKEN and "preferences" in found.text


def test_named_python_is_refused_where_it_does_not_fit(tmp_path):
    with pytest.raises(RequestError, match="is not a Python"):
        install.find_python(tmp_path / "gone", NOWHERE, os.environ)
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\necho 3 9\n")
    old.chmod(0o755)
    if os.name != "nt":
        with pytest.raises(RequestError, match="Python 3.9 and the backend needs 3.11 or 3.12"):
            install.find_python(old, NOWHERE, os.environ)


def test_blenders_own_python_is_never_chosen(python, tmp_path):
    path = str(tmp_path)
    (tmp_path / "python3.11").symlink_to(python)
    assert install.find_python(None, NOWHERE, {"PATH": path, "HOME": path}) is not None
    assert install.find_python(None, python, {"PATH": path, "HOME": path}) is None


def test_account_says_what_where_and_how_large(made):
    setup = Setup(Place(Path("private")), made[0].source, None, Path(sys.executable))
    text = "\n".join(install.account(setup, {"PATH": ""}))
    for part in ("fetched by it", f"{install.DOWNLOAD_MB} MB to download", "GB on disk", "In private", setup.torch_index):
        assert part in text
    offline = Setup(setup.place, setup.source, Path("py"), Path(sys.executable), offline=True)
    lines = install.account(offline, {})
    assert "nothing from the network" in "\n".join(lines)
    assert any(line.startswith("Without MediaPipe's heavy landmark model") for line in lines)
    assert "about 102 MB, most of it an npm for the moment, more to download, 28 MB on disk" in text
    shown = words.lines(next(line for line in text.splitlines() if "102 MB" in line), 594)
    assert len(shown) == 2 and shown[0].startswith("MediaPipe") and shown[1].endswith("28 MB on disk (Apache-2.0)")


def test_the_size_of_the_heavy_model_depends_on_npm(tmp_path):
    (tmp_path / "npm").touch(0o755)
    assert "about 41 MB more to download, 28 MB on disk" in install.models_account(False, {"PATH": str(tmp_path)})


def test_indexes_and_folders_of_packages_are_honoured(made):
    place, source = Place(Path("private")), made[0].source
    setup = Setup(place, source, None, Path(sys.executable))
    assert install.torch_arguments(setup, {})[-2:] == ["--extra-index-url", install.CPU_INDEX]
    assert "--no-deps" in install.torch_arguments(setup, {})
    assert "--extra-index-url" not in install.torch_arguments(setup, {"PIP_FIND_LINKS": "x"})
    cuda = Setup(place, source, None, Path(sys.executable), torch_index="https://example.org/whl/cu128")
    assert "--no-deps" not in install.torch_arguments(cuda, {})
    env = install.pip_environment({"UV_FIND_LINKS": "x", "PYTHONPATH": "y"}, True, Path("tmp"))
    assert (env["PIP_FIND_LINKS"], env["PIP_NO_INDEX"], "PYTHONPATH" in env) == ("x", "1", False)


def test_backend_runs_the_extensions_own_source(made):
    env = install.backend_environment(Path("ext/backend"), Path("cache"), {"PYTHONHOME": "z", "PATH": "p"})
    assert (env["PYTHONPATH"], env["SINEW_CACHE"], env["PATH"]) == (str(Path("ext/backend")), "cache", "p")
    assert "PYTHONHOME" not in env
