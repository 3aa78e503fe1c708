"""What the installation can do: versions, device, providers and what they lack."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from pathlib import Path
from typing import Any

from sinew_take import model_files
from sinew_take.version import TAKE_VERSION, VERSION

PACKAGES = ("numpy", "scipy", "torch", "mediapipe", "ai-edge-litert", "av", "opencv-contrib-python-headless")
MODELS = ("modules/pose_detection/pose_detection.tflite", "modules/pose_landmark/pose_landmark_full.tflite")


def examine(models: Path | None = None) -> dict[str, Any]:
    """Look at the installation; never raises for what is missing, `problems` says it.

    Args:
        models: The user's folder of model files, if there is one. What is not in it is no problem: the default path
            needs none of them.
    """
    problems = []
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(f"{name} is not installed")
    device, gpu = "cpu", None
    if "torch" in versions:
        try:
            import torch

            if torch.cuda.is_available():
                device, gpu = "cuda", torch.cuda.get_device_name(0)
        except (ImportError, OSError) as error:
            problems.append(f"torch does not load ({error})")
    try:
        files = importlib.metadata.distribution("mediapipe")
        missing = [m for m in MODELS if not files.locate_file(f"mediapipe/{m}").exists()]
        problems += [f"mediapipe lacks its model {m}" for m in missing]
    except importlib.metadata.PackageNotFoundError:
        pass
    for module in ("sinew.pipeline",):
        try:
            __import__(module)
        except ImportError as error:
            problems.append(f"{module} does not load ({error})")
    return {"ready": not problems, "problems": problems, "version": VERSION, "take_version": list(TAKE_VERSION),
            "python": platform.python_version(), "executable": sys.executable, "platform": platform.platform(),
            "device": device, "gpu": gpu, "packages": versions,
            "providers": {"default": "ready" if not problems else "not ready", "detector": _detector(models)},
            "models": {"folder": None if models is None else str(models),
                       "folder_exists": models is not None and models.is_dir(),
                       "sets": [_set(_checked(found)) for found in model_files.look(
                           models, fetched=model_files.fetched_folder(Path(sys.prefix))).values()]}}


def _detector(models: Path | None) -> str:
    """Who looks at people where nothing is said."""
    try:
        from sinew.people import choose_detector
    except ImportError:
        return "not ready"  # `problems` says why
    return choose_detector("auto", models).name


def _checked(found: model_files.Found) -> model_files.Found:
    """A file of which only one very version will do is read here, which `model_files.look` does not."""
    of = {f.key: f for f in found.set.needed + found.set.optional}
    wrong = [k for k, p in found.paths.items() if of[k].sha256 and not of[k].is_at(p)]
    if not wrong:
        return found
    paths = {k: p for k, p in found.paths.items() if k not in wrong}
    return model_files.Found(found.set, paths, found.missing + tuple(of[k].names[0] for k in wrong),
                             found.others + tuple(found.paths[k] for k in wrong))


def _set(found: model_files.Found) -> dict[str, Any]:
    one = found.set
    return {"key": one.key, "title": one.title, "adds": one.adds, "page": one.page, "licence": one.licence,
            "ready": found.is_ready, "files": {k: str(p) for k, p in found.paths.items()},
            "missing": list(found.missing), "sentence": None if found.is_ready else found.sentence()}


def as_text(found: dict[str, Any]) -> str:
    lines = [f"sinew {found['version']} on Python {found['python']}, {found['platform']}",
             f"device: {found['device']}" + (f" ({found['gpu']})" if found["gpu"] else ""),
             "packages: " + ", ".join(f"{k} {v}" for k, v in found["packages"].items())]
    lines += [f"{k}: {v}" for k, v in found["providers"].items()]
    models = found["models"]
    where = "none named (--models FOLDER or SINEW_MODELS)" if models["folder"] is None else models["folder"]
    lines.append(f"your model files, none of them needed by default: {where}"
                 + ("" if models["folder"] is None or models["folder_exists"] else ", which is not there"))
    for one in models["sets"]:
        state = f"ready ({', '.join(one['files'].values())})" if one["ready"] else one["sentence"]
        lines.append(f"  {one['title']}, for {one['adds']}: {state}"
                     + (f" [{one['licence']}]" if one["ready"] else ""))
    return "\n".join(lines)
