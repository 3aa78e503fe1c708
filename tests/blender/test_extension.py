"""The extension as a user has it: the zip validated, built, installed, enabled, used and disabled again."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("as_user.py")
BACKEND = os.environ.get("SINEW_BACKEND_PYTHON", "")
CLIP = next((p for p in (ROOT / "docs/sample/walk.mp4", ROOT.parent / "shared/clips/tai_chi.mp4") if p.exists()),
            ROOT / "docs/sample/walk.mp4")
needs_backend = pytest.mark.skipif(not BACKEND, reason="SINEW_BACKEND_PYTHON names no backend environment")
needs_clip = pytest.mark.skipif(not CLIP.exists(), reason="the sample clip is not here")


def tool(*arguments: str) -> subprocess.CompletedProcess:
    """Blender's own extension tool."""
    path = Path(bpy.utils.resource_path("LOCAL")) / "scripts/addons_core/bl_pkg/cli/blender_ext.py"
    return subprocess.run([sys.executable, str(path), *arguments], capture_output=True, text=True)


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("zip") / "sinew.zip"
    done = tool("build", "--source-dir", str(ROOT), "--output-filepath", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    return path


@pytest.fixture
def user(package, tmp_path):
    """Run a scenario of as_user.py in a fresh user folder; returns what it found."""

    def run(scenario: str, *arguments: object, env: dict | None = None) -> dict:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_", "PYTHONPATH"))}
        done = subprocess.run(
            [sys.executable, str(SCRIPT), str(package), scenario, *(str(a) for a in arguments)], text=True,
            capture_output=True, env={**clean, "BLENDER_USER_RESOURCES": str(tmp_path / "user"), **(env or {})},
            timeout=300)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        assert lines, done.stdout[-3000:] + done.stderr[-3000:]
        return json.loads(lines[-1])

    return run


def test_source_and_zip_are_valid(package):
    for path in (ROOT, package):
        done = tool("validate", str(path))
        assert done.returncode == 0, done.stdout + done.stderr


def test_zip_holds_what_runs_and_nothing_else(package):
    names = zipfile.ZipFile(package).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops <= {"blender_manifest.toml", "__init__.py", "addon", "operators", "panels", "backend", "LICENSE",
                    "README.md", "CHANGELOG.md"}
    for needed in ("addon/registration.py", "backend/sinew/cli.py", "backend/sinew_take/take.py",
                   "backend/sinew_take/free_body.npz", "backend/requirements.txt",
                   "backend/requirements-torch.txt"):
        assert needed in names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("backend/tools", "tests", "docs"))]
    assert package.stat().st_size < 6_000_000


def test_disabling_leaves_nothing_behind(user):
    found = user("enable_twice")
    for on in found["on"]:
        assert on == found["on"][0]
        assert {"SINEW_OT_reconstruct", "SINEW_PT_takes", "SINEW_PG_state", "SINEW_UL_takes",
                "SINEW_AP_preferences"} <= set(on["classes"])
        assert on["handlers"] and on["properties"]
    for off in (*found["off"], found["last"]):
        assert not any(off.values()), off


def test_take_is_imported_saved_and_loaded(user, golden, tmp_path):
    take = golden(n_frames=6, n_subjects=2, seed=3)
    found = user("import_take", take, tmp_path / "it's “saved” 名前.blend")
    assert found["imported"] == ["FINISHED"] and found["rate"] == [30, 1.001]
    assert found["people"] == found["people after load"] == 2
    assert "is not a take" in found["refusal"] and "choose a folder that Sinew wrote" in found["refusal"]
    assert found["clamped"] == ["FINISHED"] and found["limits"] is False
    assert found.get("bounces", 128) >= 128


def test_an_ended_run_says_no_more_than_is_true(user, golden, tmp_path):
    found = user("ended_run", golden(n_frames=6, n_subjects=2, seed=3), tmp_path / "file.blend", tmp_path / "clip.mp4",
                 tmp_path / "other.mp4")
    assert found["finished"] == ["FINISHED", 1, 1, 0, ""] and found["imported"] == ["FINISHED", 1, 1, 1, ""]
    assert found["another file"] == ["FINISHED", 1, 1, 0, ""], "there the take can be imported"
    assert found["opened again"] == ["FINISHED", 1, 1, 1, ""], "here it stands already"
    assert found["put away"][:4] == ["NONE", 0, 0, 0]
    assert found["FAILED there"] == ["FAILED", 1, 0, 0, "clip.mp4 is no video."]
    assert found["CANCELLED there"][:2] == ["CANCELLED", 1]
    assert found["FAILED and another video"][:3] == found["CANCELLED and another video"][:3] == ["NONE", 0, 0]
    assert found["FINISHED and another video"] == ["FINISHED", 1, 1, 0, ""], "its take is still to be imported"


def test_takes_are_listed_and_removed(user, golden, tmp_path):
    import shutil

    root = tmp_path / "takes"
    for run in ("0001", "0002"):
        shutil.copytree(golden(n_frames=6, n_subjects=2, seed=3), root / run / "take")
    (root / "0003" / "take").mkdir(parents=True)
    found = user("take_list", root, tmp_path / "file.blend")
    assert sorted(found["listed"]) == [["0001", 2, False], ["0002", 2, False], ["0003", 0, True]]
    assert "still shows media of the take (Plate)" in found["refusal"] and found["still there"]
    assert "This file's corrections start from that take; keep it, or import another take of the shot first." in found["base"]
    assert found["chosen"]
    assert found["removed"] == ["FINISHED"] and found["gone"] and len(found["left"]) == 2


def test_model_files_are_listed_with_what_is_missing(user, tmp_path):
    (tmp_path / "mine/skel_models_v1.1").mkdir(parents=True)
    (tmp_path / "mine/skel_models_v1.1/skel_male.pkl").touch()
    found = user("model_files", tmp_path / "mine")
    assert not any(row["is_ready"] for row in found["none"].values()) and found["folder"] == str(tmp_path / "mine")
    assert [key for key, row in found["some"].items() if row["is_ready"]] == ["skel"]
    assert all(row["adds"] and "--" not in row["adds"] for row in found["none"].values())
    row = found["some"]["smplx"]
    assert row["page"] == "https://smpl-x.is.tue.mpg.de" and "non-commercial" in row["licence"]
    assert row["missing"] == "SMPLX_NEUTRAL.npz or SMPLX_MALE.npz or SMPLX_FEMALE.npz"
    assert found["asked"] == ["skel", str(tmp_path / "mine")]
    assert found["detector"] == [None, "plain"] and found["turn"] == 90
    assert found["networks"] == [[None, None]] * 2 + [["off", None]] * 4 + [["off", "on"]]
    assert found["refusal"] == row["sentence"] and "put it into the folder of model files." in row["sentence"]


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for the backend's Python is a shell script")
def test_the_heavy_model_is_fetched_by_a_click(user, tmp_path):
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    share = tmp_path / "env" / "share" / "sinew"
    python.write_text(f"#!/bin/sh\n[ \"$*\" = '-m sinew fetch' ] && mkdir -p {share} && truncate -s 27709200 "
                      f"{share}/pose_landmark_heavy.tflite\n")
    python.chmod(0o755)
    found = user("fetch_models", python)
    assert found["poll"] and "set to work offline" in found["offline"] and not found["before"]
    assert (found["fetched"], found["after"], found["status"]) == (["FINISHED"], True, "FINISHED")


def test_nothing_is_downloaded_offline(user):
    found = user("no_backend")
    assert (found["state"], found["poll"]) == ("MISSING", False)
    assert "set to work offline" in found["refusal"]


@needs_backend
def test_a_person_is_corrected_by_hand_and_exported(user, golden, tmp_path):
    take = golden(n_frames=24, motion="walk", seed=5)
    found = user("correct", BACKEND, take, tmp_path / "takes", tmp_path / "motion.mot")
    assert "There is nothing to correct yet; pin a joint, flip a limb or mark frames wrong first." in found["nothing"]
    assert found["mode"] == ["OBJECT", "pin"]
    assert found["rows"] == ["Pin: Wrist, left 10", "Flip: right arm, frames 14 to 18", "Wrong, frame 3"]
    assert found["after removal"] == ["Pin: Wrist, left 10", "Wrong, frame 3"]
    assert "The frames 300 to 301 hold none of the take, which covers 1 to 24; choose others." in found["outside"]
    assert found["solved"] == ["FINISHED"] and found["moved on"] and found["base"]
    assert found["undone"] and found["redone"], "one step of undo"
    assert found["edits"] == ["pin", "wrong"]
    assert found["back"] and found["active"]
    assert ("Frames 1 to 24 of Person 1 would all be wrong, which leaves nothing to fill them from; leave some of them, or "
            "leave the person out under People.") in found["all wrong"]
    assert "The take without corrections is not there any more" in found["lost"] and found["found again"]
    assert found["exported"] == ["FINISHED"] and (tmp_path / "motion.mot").read_text().count("endheader") == 1
    assert "motion.mot is there already; choose another name, nothing is overwritten." in found["there"]


@needs_backend
def test_who_is_left_out_goes_and_somebody_else_is_active(user, golden, tmp_path):
    take = golden(n_frames=24, n_subjects=3, motion="walk", seed=5)
    found = user("leave_out", BACKEND, take, tmp_path / "takes")
    assert found["from the root"] and found["solved"] == ["FINISHED"] and not found["waiting"]
    assert found["people"] == ["s1", "s3"] and found["active"] == "s1"
    assert "Person 2 is no longer anybody in the take and was taken out of the scene; undo brings it back." in found["said"]


@needs_backend
@needs_clip
def test_runs_are_refused_survive_a_load_and_end_with_cancel_and_disable(user, tmp_path):
    text = tmp_path / "no video.mp4"
    text.write_text("This is no video.")
    found = user("run_backend", BACKEND, text, CLIP, tmp_path / "takes")
    assert found["state"] == "READY"
    assert "no video.mp4" in found["refusal"] and found["refusal"].count(";") >= 1
    assert found["status"] == "FAILED" and found["run"] == ["log.txt", "request.json"]
    assert found["second"] is False
    assert found["after load"] == [True, "RUNNING"] and found["alive"]
    assert found["cancelled"] == "CANCELLED" and found["cancel_s"] < 2.0 and found["gone"]
    assert found["gone after disable"] and found["disable_s"] < 2.5


@needs_backend
def test_results_of_no_known_system_are_refused(user, tmp_path):
    text = tmp_path / "notes.json"
    text.write_text('{"this": "is no result"}')
    found = user("convert", BACKEND, text, tmp_path / "takes")
    assert found["poll"] and found["people"] == 0
    assert "choose a file or folder with another system's result" in found["missing"]
    assert "notes.json" in found["unknown"] and "Traceback" not in found["unknown"]
    assert found["runs"] == ["0001", "0001/log.txt", "0001/request.json"]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # A zombie only waits to be counted by whoever adopted it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:  # no /proc here, or gone this moment
        return not Path("/proc").exists()


@needs_backend
@needs_clip
def test_run_ends_when_blender_dies(user, tmp_path):
    found = user("die_with_blender", BACKEND, CLIP, tmp_path / "takes")
    assert found["alive"]
    # 1.7 s on an idle machine; a library that is being loaded can hold the run's watching thread up for longer.
    end = time.monotonic() + 10.0
    while is_running(found["pid"]):
        assert time.monotonic() < end, "the run outlived Blender"
        time.sleep(0.05)
