"""The stage cache: what goes in comes out, nothing executable is stored, damage is a miss."""

import os
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import sinew_take
from sinew import cache as cache_module
from sinew import flow
from sinew.cache import Cache, files_sha256, key

TYPES = {t.__name__: t for t in (flow.VideoInfo, flow.Shot, flow.People)}


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "ü cache", TYPES)


def _shot() -> flow.Shot:
    info = flow.VideoInfo(Path("/a b/ä.mp4"), (640, 360), (640, 360), Fraction(30000, 1001), 3, 0.1, 90, Fraction(4, 3),
                          False, None)
    return flow.Shot(info, np.arange(3, dtype=np.int32), np.arange(3) / 30)


def test_round_trip_of_nested_values(cache):
    value = [_shot(), {"a": (1, 2.5, None, True)}, "text"]
    cache.put("stage", "e" * 64, value)
    shot, rest, text = cache.get("stage", "e" * 64)
    assert shot.info == value[0].info
    np.testing.assert_array_equal(shot.frame, value[0].frame)
    assert shot.frame.dtype == np.int32
    assert rest == value[1] and text == "text"


def test_through_makes_once(cache):
    made = []
    for expected in (False, True):
        value, hit = cache.through("s", key("x"), lambda: made.append(1) or [1, 2])
        assert value == [1, 2] and hit is expected
    assert made == [1]


def test_damage_is_a_miss(cache):
    cache.put("s", key("x"), [np.arange(1000)])
    path = next((cache.folder / "s").iterdir())
    path.write_bytes(path.read_bytes()[:200])
    assert cache.get("s", key("x")) is None


def test_objects_are_refused(cache):
    with pytest.raises(TypeError, match="never stored"):
        cache.put("s", key("x"), [object()])
    with pytest.raises(TypeError, match="array of objects"):
        cache.put("s", key("x"), np.array([None, {}], dtype=object))


def test_unwritable_folder_costs_only_the_reuse(tmp_path):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache", TYPES)
    assert cache.through("s", key("x"), lambda: 7) == (7, False)


def test_keys_depend_on_every_part():
    assert len({key("a", 1), key("a", 2), key("b", 1), key("a", None), key("a", 1, {"x": 1})}) == 5
    assert key("a", {"x": 1, "y": 2}) == key("a", {"y": 2, "x": 1})


def test_file_hash(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert files_sha256([tmp_path / "a"]) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_flipped_bit_anywhere_is_a_miss_or_the_value(cache):
    cache.put("s", key("x"), {"a": np.random.default_rng(0).normal(size=300), "b": np.zeros(3000)})
    path = next((cache.folder / "s").iterdir())
    whole, missed = path.read_bytes(), 0
    for at in range(0, len(whole), 41):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1:])
        missed += cache.get("s", key("x")) is None
    assert missed > 30


def test_the_codes_hash_is_of_the_code_whatever_the_folders_above_are_called(tmp_path, monkeypatch):
    package = tmp_path / "export" / "bench" / "sinew"
    (package / "motion").mkdir(parents=True)
    (package / "export").mkdir()
    monkeypatch.setattr(cache_module, "__file__", str(package / "cache.py"))
    monkeypatch.setattr(sinew_take, "__file__", str(tmp_path / "export" / "sinew_take" / "__init__.py"))
    found = []
    for file, text in (("motion/model.py", "X = 1"), ("motion/model.py", "X = 2"), ("export/bvh.py", "X = 3")):
        (package / file).write_text(text)
        found.append(cache_module.code_hash.__wrapped__())
    assert found[0] != found[1] == found[2], "exports decide nothing that is kept"


def test_an_empty_setting_is_none(monkeypatch):
    monkeypatch.setenv("SINEW_CACHE", "")
    assert cache_module.default_folder().name == "sinew"
    monkeypatch.setenv("SINEW_CACHE", "elsewhere")
    assert cache_module.default_folder() == Path("elsewhere")


def test_what_killed_runs_left_half_written_goes_after_a_day(cache):
    cache.put("s", key("x"), 1)
    old, new = (cache.folder / "s" / f"{name}.tmp" for name in ("old", "new"))
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    cache.put("s", key("y"), 2)
    assert not old.exists() and new.exists() and cache.get("s", key("x")) == 1


@pytest.mark.skipif(os.name == "nt", reason="names of Unix")
def test_files_whose_names_are_no_text_have_a_hash(tmp_path):
    files = [tmp_path / "a\udcff.png", tmp_path / "b.png"]
    for file in files:
        file.write_bytes(b"abc")
    assert files_sha256(files) != files_sha256(files[:1])
