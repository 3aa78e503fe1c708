"""Image sequences by name: which files a folder or a pattern means, in which order, and at which places in time."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from math import gcd
from pathlib import Path

from sinew_take.errors import InputError, RequestError

PICTURE_SUFFIXES = frozenset(
    ".png .jpg .jpeg .tif .tiff .exr .webp .bmp .dpx .tga .ppm .pgm .jp2".split())
_PATTERN = re.compile(r"%(?:0(\d+))?d|(#+)")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Series:
    """Pictures in order. `number[k]` is the place of `files[k]` in time, in frames from the first."""

    files: tuple[Path, ...]
    number: tuple[int, ...]
    notes: tuple[str, ...] = ()


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorts img2 before img10."""
    return [(0, int(part), part) if part.isdigit() and part.isascii() else (1, 0, part.casefold())
            for part in re.split(r"([0-9]+)", name) if part]


def is_pattern(path: Path) -> bool:
    """The file's name has a place for a number (`%04d` or `####`) and no such file exists."""
    return bool(_PATTERN.search(path.name)) and not path.exists()


def find_series(path: Path) -> Series:
    """The pictures of a folder or a pattern.

    Raises:
        RequestError: No folder, nothing that fits the pattern, or several series in one folder.
        InputError: A folder without pictures.
    """
    return _of_folder(path) if path.is_dir() else _of_pattern(path)


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        raise RequestError(f"There is no folder {folder}; check the path.") from None
    except OSError as error:
        raise RequestError(f"The folder {folder} cannot be read ({error.strerror}); check its permissions.") from None


def _of_pattern(path: Path) -> Series:
    places = list(_PATTERN.finditer(path.name))
    if len(places) > 1:
        raise RequestError(f"The pattern {path.name} has more than one place for a number; "
                           "keep one, as in shot_%04d.png or shot_####.png.")
    place = places[0]
    width = len(place[2]) if place[2] else int(place[1] or 1)
    fits = re.compile(re.escape(path.name[:place.start()]) + rf"(\d{{{width},}})" + re.escape(path.name[place.end():]),
                      re.ASCII)
    found = sorted((int(match[1]), name) for name in _names(path.parent) if (match := fits.fullmatch(name)))
    if not found:
        raise RequestError(f"No file fits the pattern {path.name} in {path.parent}; "
                           "check the name and the number of digits.")
    return _placed(path.parent, found)


def _of_folder(folder: Path) -> Series:
    names = [name for name in _names(folder) if Path(name).suffix.lower() in PICTURE_SUFFIXES]
    if not names:
        raise InputError(f"The folder {folder} holds no pictures; "
                         "name a video, or a folder with one picture per frame.")
    groups: dict[str, list[tuple[int, str]]] = {}
    loose: list[str] = []
    for name in names:
        runs = list(_NUMBER.finditer(Path(name).stem))
        if runs and name[runs[-1].start():runs[-1].end()].isascii():
            start, end = runs[-1].span()
            groups.setdefault(f"{name[:start]}#{name[end:]}".casefold(), []).append((int(name[start:end]), name))
        else:
            loose.append(name)
    notes: list[str] = []
    large = [group for group in groups.values() if len(group) > 1]
    if len(large) > 1:
        shown = ", ".join(sorted(min(group)[1] for group in large)[:3])
        raise RequestError(f"The folder {folder} holds several series of pictures (such as {shown}); "
                           "name one by its pattern, as in shot_####.png.")
    if not large:
        ordered = sorted(names, key=natural_key)
        return Series(tuple(folder / name for name in ordered), tuple(range(len(ordered))))
    left_out = sorted(set(names) - {name for _, name in large[0]}, key=natural_key)
    if left_out:
        notes.append(f"{len(left_out)} pictures in the folder that are not part of the series were left out, "
                     f"{left_out[0]} first.")
    return _placed(folder, sorted(large[0]), notes)


def _placed(folder: Path, found: list[tuple[int, str]], notes: list[str] | None = None) -> Series:
    notes = list(notes or [])
    numbers = [number for number, _ in found]
    if len(set(numbers)) != len(numbers):
        twice = next(name for (a, name), (b, _) in zip(found[1:], found, strict=False) if a == b)
        raise RequestError(f"Two pictures carry the same number in {folder} ({twice} is one); keep one of them.")
    files = tuple(folder / name for _, name in found)
    step = gcd(*(b - a for a, b in zip(numbers, numbers[1:], strict=False))) or 1
    places = [(number - numbers[0]) // step for number in numbers]
    missing = places[-1] + 1 - len(places)
    if missing > len(places):
        notes.append("The pictures' numbers do not count frames (most are missing between the first and the last), "
                     "so they were taken as consecutive.")
        return Series(files, tuple(range(len(files))), tuple(notes))
    if missing:
        after = next(name for (_, name), a, b in zip(found, places, places[1:], strict=False) if b - a > 1)
        notes.append(f"{missing} of {places[-1] + 1} pictures are missing in the numbering, first after {after}; "
                     "the others keep their places in time.")
    return Series(files, tuple(places), tuple(notes))
