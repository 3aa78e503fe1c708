"""How much memory is free, so that a network that will not fit says so before it takes any."""

from __future__ import annotations

import os
from pathlib import Path

import torch

GB = 1e9


def free_bytes(device: torch.device) -> int | None:
    """Memory that can still be taken on a device; None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if os.name == "nt":
        return _windows()
    free = _linux()
    limit = _container()
    return free if limit is None else limit if free is None else min(free, limit)


def _linux() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _container() -> int | None:
    """What a container's own limit leaves."""
    folder = Path("/sys/fs/cgroup")
    try:
        most = (folder / "memory.max").read_text(encoding="ascii").strip()
        if most == "max":
            return None
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        # Files in the page cache count as used and are given back when somebody needs the memory.
        rows = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        return max(int(most) - used + int(rows.get("inactive_file", 0)) + int(rows.get("active_file", 0)), 0)
    except (OSError, ValueError):
        return None


def _windows() -> int | None:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong) for name in ("total", "free", "total_page", "free_page", "total_virtual",
                                                    "free_virtual", "free_extended")]

    status = Status()
    status.length = ctypes.sizeof(Status)
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status.free)
