"""The stage cache: what goes in comes out, nothing executable is stored, damage is a miss."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

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
