"""Checkpoints: what they hold is read, what they would run is not, and what is wrong is one sentence."""

import collections
import os
import pickle
import tarfile
import zipfile
from argparse import Namespace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sinew.files.checkpoints import read_checkpoint
from sinew.networks.load import strictly
from sinew_take.errors import InputError, RequestError


class Callback:
    """Stands for a class of a training framework."""

    def __init__(self):
        self.best = torch.ones(2)


class Command:
    """Would write a file when unpickled."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.fixture
def small():
    return {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.zeros(2)}


def test_tensors_of_every_layout(tmp_path, small):
    for content in (small, {"state_dict": small, "epoch": 1}, {"model": collections.OrderedDict(small), "lr": .1}):
        torch.save(content, tmp_path / "c.pt")
        found = read_checkpoint(tmp_path / "c.pt")
        assert list(found) == list(small)
        assert torch.equal(found["a.weight"], small["a.weight"])
    torch.save(small, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(read_checkpoint(tmp_path / "old.pt")["a.weight"], small["a.weight"])


def test_leftovers_of_a_framework_are_inert(tmp_path, small, monkeypatch):
    left = {"callbacks": {"early": Callback()}, "hyper_parameters": Namespace(lr=1, more=SimpleNamespace(a=1)),
            "score": np.float64(.5), "kinds": collections.defaultdict(list, a=[1]), "path": tmp_path,
            "array": np.arange(3), "dtype": torch.float16}
    torch.save({"state_dict": small, **left}, tmp_path / "c.ckpt")
    monkeypatch.setattr(Callback, "__new__", lambda cls, *a: pytest.fail("a class of the file was made"))
    assert list(read_checkpoint(tmp_path / "c.ckpt")) == list(small)
    with pytest.raises(pickle.UnpicklingError):  # the stand-ins were for that one file
        torch.load(tmp_path / "c.ckpt", weights_only=True)


@pytest.mark.parametrize("call", ["exec", "eval", "system", "open"])
def test_a_checkpoint_that_runs_code_runs_nothing(tmp_path, small, call):
    mark = tmp_path / "ran"
    text = f"open({str(mark)!r}, 'w').close()"
    command = {"exec": Command(exec, text), "eval": Command(eval, text), "system": Command(os.system, f"touch {mark}"),
               "open": Command(open, str(mark), "w")}[call]
    torch.save({"state_dict": small, "callbacks": command}, tmp_path / "c.ckpt")
    try:
        assert list(read_checkpoint(tmp_path / "c.ckpt")) == list(small)
        assert call != "system"
    except InputError as error:
        assert "tries to run code" in str(error) and "system" in str(error)
    assert not mark.exists()
    torch.save({"state_dict": small, "callbacks": command}, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match="old-format|tries to run code"):
        read_checkpoint(tmp_path / "old.ckpt")
    assert not mark.exists()


def test_sentences_for_what_is_no_checkpoint(tmp_path, small):
    def sentence(name, kind=InputError):
        with pytest.raises(kind) as caught:
            read_checkpoint(tmp_path / name)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "cannot be read" in sentence("none.ckpt", RequestError)
    (tmp_path / "empty.ckpt").write_bytes(b"")
    assert sentence("empty.ckpt") == "empty.ckpt is no PyTorch checkpoint; choose the file that its authors released."
    (tmp_path / "text.ckpt").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "is no PyTorch checkpoint" in sentence("text.ckpt")
    torch.save(small, tmp_path / "whole.ckpt")
    whole = (tmp_path / "whole.ckpt").read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(whole[:len(whole) * 2 // 3])
    assert "is cut off" in sentence("cut.ckpt")
    torch.save(small, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    old = (tmp_path / "old.ckpt").read_bytes()
    (tmp_path / "oldcut.ckpt").write_bytes(old[:len(old) // 2])
    assert "is damaged" in sentence("oldcut.ckpt")
    with zipfile.ZipFile(tmp_path / "other.ckpt", "w") as file:
        file.writestr("readme.txt", "no checkpoint")
    assert "damaged or no PyTorch checkpoint" in sentence("other.ckpt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    assert "holds no weights" in sentence("list.ckpt")
    with tarfile.open(tmp_path / "release.tar.gz", "w:gz") as file:
        file.add(tmp_path / "whole.ckpt", "released_models/hsmr.ckpt")
    assert "packed archive; unpack it" in sentence("release.tar.gz")
    with tarfile.open(tmp_path / "plain.pth.tar", "w") as file:
        file.add(tmp_path / "whole.ckpt", "hsmr.ckpt")
    assert "packed archive; unpack it" in sentence("plain.pth.tar")


def test_strict_loading(tmp_path, small):
    path = tmp_path / "c.ckpt"

    def module():
        with torch.device("meta"):
            return torch.nn.ModuleDict({"a": torch.nn.Linear(3, 2), "b": torch.nn.Linear(2, 2)})

    def sentence(weights):
        with pytest.raises(InputError) as caught:
            strictly(module(), weights, ("body.",), "Net", path)
        return str(caught.value)

    whole = {**small, "b.weight": torch.ones(2, 2), "b.bias": torch.ones(2), "body.faces": torch.ones(1)}
    loaded = module()
    assert strictly(loaded, whole, ("body.",), "Net", path) == 1
    assert torch.equal(loaded["a"].weight, small["a.weight"])
    missing = {k: v for k, v in whole.items() if k != "b.bias"}
    assert "lacks 1 of Net's 4 tensors (b.bias)" in sentence(missing)
    assert "holds 1 tensors that Net does not have (c.more)" in sentence({**whole, "c.more": torch.ones(1)})
    assert "b.weight has the shape 2x3, and Net needs 2x2" in sentence({**whole, "b.weight": torch.ones(2, 3)})
    other = {f"layer{i}": torch.ones(1) for i in range(5)}
    assert "another network than Net (its keys are layer0, layer1, layer2, …)" in sentence(other)
    assert "holds torch.int64, no weights" in sentence({**whole, "b.bias": torch.ones(2, dtype=torch.long)})
