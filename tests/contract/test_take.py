"""Takes on disk: round trip, and one sentence for each way in which a folder is not a take."""

import json
import pickle
import zipfile

import numpy as np
import pytest
import takes

from sinew_take import take as take_format
from sinew_take.errors import RequestError, TakeError


@pytest.fixture
def folder(tmp_path):
    return takes.write_take(tmp_path / "take")


def test_round_trip(folder):
    take = take_format.read(folder)
    again = take_format.read(take_format.write(take, folder.with_name("copy")))
    assert again.meta == take.meta
    for a, b in zip(take.subjects, again.subjects, strict=True):
        for name in ("motion", "body"):
            for key, array in getattr(a, name).items():
                np.testing.assert_array_equal(array, getattr(b, name)[key])
    assert not folder.with_name("copy.partial").exists()


def test_existing_take_is_never_overwritten(folder):
    take = take_format.read(folder)
    before = (folder / "take.json").read_bytes()
    with pytest.raises(RequestError, match="already exists; choose another --out"):
        take_format.write(take, folder)
    assert (folder / "take.json").read_bytes() == before


def test_what_stands_where_a_take_is_made_stays_unless_a_killed_run_left_it(folder, tmp_path):
    take, mine = take_format.read(folder), tmp_path / "new.partial"
    folder.rename(mine)
    for check in (take_format.check_free, lambda out: take_format.write(take, out)):
        with pytest.raises(RequestError, match=r"new\.partial is in the way, where the take would be made; move it or"):
            check(tmp_path / "new")
    assert take_format.read(mine).id == take.id and not (tmp_path / "new").exists()
    with pytest.raises(KeyboardInterrupt), take_format.making(tmp_path / "other") as partial:
        (partial / "shot.npz").touch()
        raise KeyboardInterrupt
    assert not partial.exists()
    with take_format.making(tmp_path / "other") as partial:
        (partial / "plate").mkdir()
        if take_format.fcntl is not None:
            with pytest.raises(RequestError, match="Another run is writing .*other.partial; wait for it or choose another"):
                take_format.write(take, tmp_path / "other")
        assert (partial / "plate").is_dir()
    # Nothing runs after a kill: the folder is still there, and the next run takes its place.
    again = take_format.write(take, tmp_path / "other")
    assert {f.name for f in again.iterdir()} == {f.name for f in mine.iterdir()} and not partial.exists()


def test_a_take_with_a_bad_byte_is_said_to_be_damaged_or_is_whole(folder):
    whole, rng = (folder / "shot.npz").read_bytes(), np.random.default_rng(0)
    said = 0
    for at in rng.integers(0, len(whole), 150):
        (folder / "shot.npz").write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1:])
        try:
            take_format.read(folder)
        except TakeError as error:
            said += 1
            assert str(error).endswith(".")
    assert said > 50


def _meta(folder, **changes):
    path = folder / "take.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _npy(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


def _header(path, text):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("time_s.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(24))


def test_newer_minor_is_read_and_its_news_ignored(folder):
    _meta(folder, version=[1, 99], news={"x": 1})
    with np.load(folder / "shot.npz") as data:
        arrays = dict(data)
    np.savez(folder / "shot.npz", **arrays, something_new=np.zeros(3))
    assert take_format.read(folder).n_frames == len(arrays["time_s"])


@pytest.mark.parametrize(("break_it", "sentence"), [
    (lambda f: (f / "take.json").unlink(), "is not a take: it has no take.json; choose a folder"),
    (lambda f: (f / "take.json").write_text("{"), "take.json in .* cannot be read; reconstruct"),
    (lambda f: (f / "take.json").write_text("[]"), "is not a take: its take.json is something else's"),
    (lambda f: _meta(f, format="other"), "is not a take: its take.json is something else's"),
    (lambda f: _meta(f, version=[2, 0]), "is a take of version 2.0 and this Sinew reads version 1; use the matching"),
    (lambda f: _meta(f, version="1"), "has no version; reconstruct"),
    (lambda f: _meta(f, laws="skel-9"), "joint laws 'skel-9' and this Sinew knows 'skel-1'"),
    (lambda f: _meta(f, subjects=[{"id": "../x"}]), "names a subject wrongly"),
    (lambda f: _meta(f, subjects=None), 'lacks "subjects"'),
    (lambda f: _meta(f, source={"rate": [30, 1]}), "does not say the name and the rate of its source; reconstruct"),
    (lambda f: _meta(f, source={"name": "a.mp4", "rate": [30, 0]}), "does not say the name and the rate of its source"),
    (lambda f: _meta(f, source={"name": "a.mp4", "rate": "30"}), "does not say the name and the rate of its source"),
    (lambda f: (f / "take.json").write_text("[" * 200_000), "take.json in .* cannot be read; reconstruct"),
    (lambda f: _npy(f / "shot.npz"), "shot.npz in .* cannot be read"),
    (lambda f: _header(f / "shot.npz", b"'''abc"), "shot.npz in .* cannot be read"),
    (lambda f: _header(f / "shot.npz", b"{'descr': '<f8', 'fortran_order': False, 'shape': ((((("),
     "shot.npz in .* cannot be read"),
    (lambda f: (f / "shot.npz").unlink(), "shot.npz is missing"),
    (lambda f: (f / "subjects/s1/motion.npz").unlink(), "motion.npz is missing"),
    (lambda f: (f / "shot.npz").write_bytes(b"PK\x03\x04 cut"), "shot.npz in .* cannot be read"),
    (lambda f: (f / "shot.npz").write_bytes((f / "shot.npz").read_bytes()[:300]), "shot.npz in .* cannot be read"),
])
def test_damage_is_one_sentence(folder, break_it, sentence):
    break_it(folder)
    with pytest.raises(TakeError, match=sentence) as caught:
        take_format.read(folder)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda a: a.pop("q"), "motion.npz lacks the array q"),
    (lambda a: a.update(q=a["q"][:, :45]), "q in .*motion.npz has the size .* instead of"),
    (lambda a: a.update(q=a["q"].astype(np.float64)), "q in .* is float64 instead of float32"),
    (lambda a: a.update(present=a["present"][:-1]), "present in .* has the size"),
])
def test_wrong_arrays_are_named(folder, change, sentence):
    path = folder / "subjects/s1/motion.npz"
    with np.load(path) as data:
        arrays = dict(data)
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(TakeError, match=sentence):
        take_format.read(folder)


class _Bomb:
    def __reduce__(self):
        return (open, (str(_Bomb.target), "w"))


def test_pickles_are_refused_and_never_run(folder, tmp_path):
    _Bomb.target = tmp_path / "ran"
    with zipfile.ZipFile(folder / "shot.npz", "w") as archive:
        header = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
        archive.writestr("time_s.npy", header + pickle.dumps(_Bomb()))
    with pytest.raises(TakeError, match="holds pickled objects, which Sinew never loads"):
        take_format.read(folder)
    assert not _Bomb.target.exists()


def test_a_solve_that_is_not_finite_is_not_written(folder):
    take = take_format.read(folder)
    take.subjects[0].motion["q"][np.flatnonzero(take.subjects[0].motion["present"])[0], 5] = np.nan
    with pytest.raises(TakeError, match="not finite in q"):
        take_format.write(take, folder.with_name("nan"))
    assert not folder.with_name("nan").exists()


def test_unwritable_place_is_said(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="cannot be written to .*; choose another --out or free some space"):
        take_format.write(take_format.read(folder), tmp_path / "file" / "take")


def test_a_name_that_is_no_text_is_written_as_far_as_it_is(folder):
    take = take_format.read(folder)
    take.meta["source"]["name"] = "se\udcffq ü"
    again = take_format.read(take_format.write(take, folder.with_name("copy")))
    assert again.meta["source"]["name"] == "se?q ü"
