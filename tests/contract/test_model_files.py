"""The user's folder of model files, whatever is in it."""

from pathlib import Path

from sinew_take import model_files


def test_a_folder_that_may_be_listed_but_not_entered_holds_nothing(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    for file in ("SMPL_NEUTRAL.pkl", "locked/SMPLX_NEUTRAL.npz"):
        (tmp_path / file).write_bytes(b"here")
    own = Path.stat

    def refused(self, **how):  # as its rights would have it; an administrator enters everything
        if self.parent.name == "locked":
            raise PermissionError(13, "Permission denied")
        return own(self, **how)

    monkeypatch.setattr(Path, "stat", refused)
    found = model_files.look(tmp_path)
    assert found["smpl"].is_ready and not found["smplx"].is_ready
