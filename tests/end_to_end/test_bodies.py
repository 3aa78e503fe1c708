"""`sinew reconstruct --body skel` on the sample clip with a synthetic model file in the official layout."""

from pathlib import Path

import numpy as np
import pytest
import skel_files

from sinew import cli
from sinew_take import laws, take
from sinew_take.errors import EXIT_DONE, EXIT_INPUT, EXIT_REQUEST

SAMPLE = Path(__file__).parents[2] / "docs" / "sample" / "walk.mp4"


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """run(models, *more) -> exit code, what was said on stderr, folder of the take."""
    monkeypatch.setenv("SINEW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sinew.progress.StopRequest.watch", lambda self, parent: None)

    def start(models, *more):
        out = tmp_path / "take"
        words = ["reconstruct", str(SAMPLE), "--out", str(out), "--end", "0.3", "--no-plate", "--splats", "500",
                 "--body", "skel", "--models", str(models), *more]
        code = cli.main(words)
        return code, capfd.readouterr().err, out

    return start


def test_a_take_on_skel(run, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    skel_files.write(models, "female")
    code, said, out = run(models)
    assert code == EXIT_DONE, said
    subject = take.read(out).subjects[0]
    assert subject.info["body"] == "skel" and subject.info["model"]["gender"] == "female"
    assert subject.body["rest_vertices_m"].shape == (6890, 3) and len(subject.extra["surface_vertices_m"]) == 192
    there = subject.motion["present"]
    T = laws.forward_kinematics(subject.motion["q"].astype(float), subject.motion["root_m"].astype(float),
                                subject.body["rest_joints_m"].astype(float), subject.body["joint_frames"].astype(float))
    assert np.abs(T[there] - subject.motion["T_wj"][there]).max() < 1e-5
    assert len(subject.avatar["mean_m"]) > 100 and subject.avatar["skin_index"].max() < 24


def test_bad_model_files_are_said_before_anything_is_computed(run, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "skel_male.pkl").write_bytes(b"<html>Please sign in</html>")
    code, said, out = run(models)
    assert code == EXIT_INPUT and "skel_male.pkl is not a pickle, or is damaged; get it again" in said
    skel_files.write(models, version="1.0.0")
    code, said, out = run(models)
    assert code == EXIT_INPUT and "skel_male.pkl is SKEL 1.0.0, but 1.1.1 is needed" in said
    code, said, out = run(models, "--gender", "female")
    assert code == EXIT_REQUEST and "There is no female model of SKEL 1.1.1 among the model files, only male" in said
    assert not out.exists() and not list(tmp_path.glob("cache/**/*.npz")) and not list(tmp_path.glob("take*"))
