"""What the installation can do: versions, device, providers and what they lack."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from typing import Any

from sinew_take.version import TAKE_VERSION, VERSION

PACKAGES = ("numpy", "scipy", "torch", "mediapipe", "av", "opencv-contrib-python-headless")
MODELS = ("modules/pose_detection/pose_detection.tflite", "modules/pose_landmark/pose_landmark_full.tflite")
LATER = {
    "SKEL body": "skel_models_v1.1 from skel.is.tue.mpg.de (registration, non-commercial)",
    "SMPL-X body": "SMPL-X models from smpl-x.is.tue.mpg.de (registration, non-commercial)",
    "HSMR network": "HSMR-ViTH-r1d1 checkpoint of the HSMR authors (with the SKEL files)",
    "WHAM network": "checkpoints of the WHAM authors (with the SMPL files)",
}


def examine() -> dict[str, Any]:
    """Look at the installation; never raises for what is missing, `problems` says it."""
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
            "providers": {"default": "ready" if not problems else "not ready",
                          **{k: f"not in this version; will use {v}" for k, v in LATER.items()}}}


def as_text(found: dict[str, Any]) -> str:
    lines = [f"sinew {found['version']} on Python {found['python']}, {found['platform']}",
             f"device: {found['device']}" + (f" ({found['gpu']})" if found["gpu"] else ""),
             "packages: " + ", ".join(f"{k} {v}" for k, v in found["packages"].items())]
    lines += [f"{k}: {v}" for k, v in found["providers"].items()]
    return "\n".join(lines)
