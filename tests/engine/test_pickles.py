"""The restricted pickle reader: what it reads, and that nothing in a file is ever executed."""

import io
import os
import pickle
import struct
import zlib
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
import scipy.sparse

from sinew.files import inert
from sinew.files.pickles import read_pickle
from sinew_take.errors import InputError


def dump(path, value, protocol=4):
    path.write_bytes(pickle.dumps(value, protocol))
    return path


class Calls:
    """An object whose pickle calls a function when it is read in the ordinary way."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_come_back(tmp_path, protocol):
    value = {"a": [1, 2.5, "x", None, True, b"bytes", 2**70], "t": (1, (2, 3)), "s": {1, 2}, "f": frozenset({3}),
             "c": 1 + 2j, "o": OrderedDict([("y", 1), ("x", [2])]), "d": defaultdict(dict, {3: {"k": 4}}),
             "b": bytearray(b"zz")}
    out = read_pickle(dump(tmp_path / "a.pkl", value, protocol))
    assert {**value, "b": bytes(value["b"])} == {**out, "b": bytes(out["b"])}
    assert list(out["o"]) == ["y", "x"]


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_come_back_bit_for_bit(tmp_path, protocol):
    rng = np.random.default_rng(0)
    fields = np.zeros(3, dtype=[("x", "<f4"), ("n", "<i8")])
    fields["x"] = [1, 2, 3]
    value = [rng.standard_normal((3, 4)), np.asfortranarray(rng.standard_normal((3, 4)).astype(np.float32)),
             np.arange(6, dtype=">i4").reshape(2, 3), np.array([], np.float64), np.zeros((0, 3)), np.array(3.5),
             np.array(["ab", "c"]), np.array([b"ab", b"c"]), np.array([True, False]), fields]
    out = read_pickle(dump(tmp_path / "a.pkl", value, protocol))
    for a, b in zip(value, out):
        assert a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
    scalars = [np.float32(1.5), np.int64(-3), np.bool_(True)]
    assert read_pickle(dump(tmp_path / "b.pkl", scalars, protocol)) == scalars
    objects = np.empty(2, object)
    objects[:] = [np.arange(3), "x"]
    out = read_pickle(dump(tmp_path / "c.pkl", objects, protocol))
    assert np.array_equal(out[0], np.arange(3)) and out[1] == "x"


@pytest.mark.parametrize("kind", ["coo", "csr", "csc"])
def test_sparse_matrices_come_back_under_any_module_path(tmp_path, kind):
    rng = np.random.default_rng(1)
    dense = np.where(rng.random((5, 7)) < .3, rng.standard_normal((5, 7)), 0)
    content = pickle.dumps(scipy.sparse.coo_matrix(dense).asformat(kind), 4)
    old = b"scipy.sparse." + kind.encode()
    new = b"scipy.sparse._" + kind.encode()
    assert new in content
    path = tmp_path / "a.pkl"
    for text in (content, content.replace(struct.pack("<B", len(new)) + new, struct.pack("<B", len(old)) + old)):
        # the one frame of protocol 4 is shorter by what was cut out
        size = struct.unpack("<Q", text[3:11])[0] - (len(content) - len(text))
        path.write_bytes(text[:3] + struct.pack("<Q", size) + text[11:])
        out = read_pickle(path)
        assert out.format == kind and np.array_equal(out.toarray(), dense)


def test_a_sparse_matrix_of_old_scipy_and_python_2(tmp_path):
    """Old files name the members shape, row, col; Python 2 wrote copy_reg._reconstructor and text for bytes."""
    state = {"_shape": (2, 3), "row": np.array([0, 1], np.int32), "col": np.array([2, 0], np.int32),
             "data": np.array([1.0, 2.0])}
    body = pickle.dumps(state, 2)[2:-1]
    stream = (b"\x80\x02ccopy_reg\n_reconstructor\ncscipy.sparse.coo\ncoo_matrix\nc__builtin__\nobject\nN\x87R"
              + body + b"b.")
    path = tmp_path / "old.pkl"
    path.write_bytes(stream)
    assert np.array_equal(read_pickle(path).toarray(), [[0, 0, 1], [2, 0, 0]])


def test_chumpy_arrays_become_their_numbers(tmp_path):
    inner = pickle.dumps({"x": np.arange(6.0).reshape(2, 3), "_dirty_vars": set()}, 2)[2:-1]
    made = b"ccopy_reg\n_reconstructor\ncchumpy.ch\nCh\nc__builtin__\nobject\nN\x87R" + inner + b"b"
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02" + made + b".")
    assert np.array_equal(read_pickle(tmp_path / "a.pkl"), np.arange(6.0).reshape(2, 3))
    picked = (b"ccopy_reg\n_reconstructor\ncchumpy.reordering\nSelect\nc__builtin__\nobject\nN\x87R}(X\x01\x00\x00\x00a"
              + made + b"X\x04\x00\x00\x00idxs" + pickle.dumps(np.array([4, 0]), 2)[2:-1] + b"ub")
    (tmp_path / "b.pkl").write_bytes(b"\x80\x02" + picked + b".")
    assert np.array_equal(read_pickle(tmp_path / "b.pkl"), [4.0, 0.0])


def test_nothing_in_a_pickle_is_executed(tmp_path):
    mark = tmp_path / "mark"
    out = read_pickle(dump(tmp_path / "a.pkl", {"x": Calls(os.system, f"touch {mark}"), "y": 1}))
    assert out["y"] == 1 and not mark.exists()
    assert isinstance(out["x"], inert.Inert) and out["x"].name == "posix.system"
    assert out["x"].args == (f"touch {mark}",)
    out = read_pickle(dump(tmp_path / "b.pkl", Calls(eval, f"open({str(mark)!r}, 'w')")))
    assert out.name == "builtins.eval" and not mark.exists()
    # a class of our own, and a name reached through another
    assert read_pickle(dump(tmp_path / "c.pkl", Calls(InputError, "x"))).name == "sinew_take.errors.InputError"
    (tmp_path / "d.pkl").write_bytes(b"\x80\x04\x8c\x0csinew.config\x8c\x0cos.path.join\x93\x8c\x01a\x85R.")
    assert read_pickle(tmp_path / "d.pkl").name == "sinew.config.os.path.join"
    # NumPy names that would run something are inert as well
    (tmp_path / "e.pkl").write_bytes(b"cnumpy.testing._private.utils\nrunstring\n(Vopen('x','w')\nVd\ntR.")
    assert isinstance(read_pickle(tmp_path / "e.pkl"), inert.Inert)


def joblib_file(array, aligned=True, order="C"):
    """A pickle as joblib.dump writes it: {"a": array, "n": 7} with the bytes between the instructions."""
    state = {"subclass": None, "shape": array.shape, "order": order, "dtype": array.dtype, "allow_mmap": True}
    if aligned:
        state["numpy_array_alignment_bytes"] = 16
    head = (b"\x80\x03}(X\x01\x00\x00\x00acjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81"
            + pickle.dumps(state, 3)[2:-1].replace(b"cnumpy\nndarray\n", b"cnumpy\nndarray\n") + b"b")
    pad = (16 - (len(head) + 1) % 16) % 16
    return (head + (bytes([pad]) + b"\xff" * pad if aligned else b"") + array.tobytes(order)
            + b"X\x01\x00\x00\x00nK\x07u.")


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("squeeze", [bytes, zlib.compress])
def test_joblib_files_are_read(tmp_path, aligned, order, squeeze):
    array = np.asarray(np.random.default_rng(2).standard_normal((3, 5)), order=order)
    (tmp_path / "a.pkl").write_bytes(squeeze(joblib_file(array, aligned, order)))
    out = read_pickle(tmp_path / "a.pkl")
    assert out["n"] == 7 and np.array_equal(out["a"], array)


def message(path):
    with pytest.raises(InputError) as caught:
        read_pickle(path)
    text = str(caught.value)
    assert text.startswith(path.name) and text.endswith(".") and "\n" not in text
    return text


def test_files_that_cannot_be_used_are_named_in_one_sentence(tmp_path):
    path = tmp_path / "body.pkl"
    whole = pickle.dumps({"v": np.arange(1000.0), "w": "x" * 300}, 4)
    assert "cannot be read (No such file or directory)" in message(path)
    path.write_bytes(b"")
    assert "is empty" in message(path)
    for end in (1, 2, 5, 40, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert "is cut short" in message(path)
    path.write_bytes(zlib.compress(whole)[:-20])
    assert "is cut short" in message(path)
    path.write_bytes(joblib_file(np.arange(100.0))[:300])
    assert "is cut short" in message(path)
    for content in (b"<html>Please log in</html>", b"version https://git-lfs.github.com/spec/v1", bytes(range(256)),
                    b"x\x9cnot zlib at all", b"\x80\x09.x"):
        path.write_bytes(content)
        assert "is not a pickle, or is damaged" in message(path)
    path.write_bytes(b"PK\x03\x04zip")
    assert "is a zip archive" in message(path)
    path.write_bytes(b"\x04\x22\x4d\x18....")
    assert "squeezed with lz4" in message(path)


def array_stream(shape, content=b"12345678"):
    return (
        b"\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01"
        + pickle.dumps(shape, 3)[2:-1] + pickle.dumps(np.dtype("f8"), 3)[2:-1] + b"\x89"
        + pickle.dumps(content, 3)[2:-1] + b"tb.")


def test_bombs_are_refused_before_memory_is_taken(tmp_path):
    path = tmp_path / "bomb.pkl"
    path.write_bytes(array_stream((1,)))
    assert read_pickle(path).shape == (1,)
    for shape in ((10**11,), (2**62, 2**62), (-1,), ("x",), (1,) * 64):
        path.write_bytes(array_stream(shape))
        assert "an array in it" in message(path)
    path.write_bytes(b"\x80\x05\x96" + struct.pack("<Q", 1 << 60) + b".")  # BYTEARRAY8
    assert "is cut short" in message(path)
    path.write_bytes(b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b".")  # BINBYTES8
    assert "is cut short" in message(path)
    path.write_bytes(b"\x80\x04r" + struct.pack("<I", 2**32 - 1) + b".")  # a memo index
    assert "is not a pickle" in message(path)
    path.write_bytes(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
    assert "nested deeper" in message(path)
    deep_key = b"}" + b")" + b"\x85" * 100_000 + b"K\x01s."
    path.write_bytes(b"\x80\x02" + deep_key)
    assert "a key that cannot be one" in message(path)
    path.write_bytes(b"\x80\x02X\x01\x00\x00\x00xQ.")
    assert "points to data in another file" in message(path)
    path.write_bytes(b"\x80\x02\x82\x01.")
    assert "private code" in message(path)
    doubled = io.BytesIO()
    doubled.write(b"\x80\x02]q\x00")  # a list of two of the list before, 60 times over
    for i in range(60):
        doubled.write(b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]))
    path.write_bytes(doubled.getvalue() + b".")
    out = read_pickle(path)
    assert len(out) == 2 and out[0] is out[1]


@pytest.mark.parametrize("state, said", [
    ({"_shape": (2, 2), "row": np.array([0, 5]), "col": np.array([0, 1]), "data": np.ones(2)}, "entry outside itself"),
    ({"_shape": (2, 2), "row": np.array([0]), "col": np.array([0, 1]), "data": np.ones(2)}, "is damaged"),
    ({"_shape": (2, 2), "data": np.ones(2)}, "lacks its entries"),
    ({"_shape": (2,), "row": np.array([0]), "col": np.array([0]), "data": np.ones(1)}, "is damaged")])
def test_damaged_sparse_matrices(tmp_path, state, said):
    stream = b"\x80\x02cscipy.sparse.coo\ncoo_matrix\n)\x81" + pickle.dumps(state, 2)[2:-1] + b"b."
    (tmp_path / "a.pkl").write_bytes(stream)
    assert said in message(tmp_path / "a.pkl")
