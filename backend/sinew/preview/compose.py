"""Source | body over the dimmed source | splats: one mp4 and one PNG contact sheet."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from sinew_take import take as take_format
from sinew_take.errors import InputError, RequestError

_DIM = 0.6
_BODY_OPACITY = 0.7
"""The source shows through the body, so that a limb beside its picture is seen."""
_GAP_PX = 4
_SHEET_WIDTH_PX = 1900
_MOMENTS = 10


def compose(take_folder: str | os.PathLike, frames_folder: str | os.PathLike, out: str | os.PathLike) -> list[Path]:
    """Lay rendered frames beside the source.

    Args:
        take_folder: Of the take; its plate is the source. Without a plate the source is grey.
        frames_folder: What `render_preview.py` wrote: `frames.json` and pictures with alpha.
        out: Prefix; `<out>.png` and `<out>.mp4` are written; neither may exist.

    Returns:
        The two files.

    Raises:
        TakeError: The take cannot be read.
        InputError: The frames folder is not what it should be.
        RequestError: One of the two is there already, or the output cannot be written.
    """
    base = Path(out)
    sheet, film = (base.with_name(base.name + end) for end in (".png", ".mp4"))
    for file in (sheet, film):
        if os.path.lexists(file):
            raise RequestError(f"{file} already exists; choose another --out.")
    take = take_format.read(take_folder)
    frames = Path(frames_folder)
    times, rate, size = _read_index(frames)
    shown_at = times["body"] if "body" in times else times["splats"]

    def picture(name: str, time_s: float) -> np.ndarray | None:
        """The pass's picture nearest in time, RGBA."""
        if name not in times:
            return None
        number = int(np.abs(np.asarray(times[name]) - time_s).argmin())
        return _read(frames / name / f"{number:06d}.png", cv2.IMREAD_UNCHANGED)

    def panels(time_s: float) -> np.ndarray:
        source = _source(take, time_s, size)
        row = [source]
        body, splats = picture("body", time_s), picture("splats", time_s)
        if body is not None:
            row.append(over(body, dim(source), _BODY_OPACITY))
        if splats is not None:
            row.append(over(splats, dim(source, _DIM / 3)))
        return beside(row)

    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        _write_film(film, shown_at, panels, rate)
        moments = _moments(times.get("splats", shown_at))
        _write_png(sheet, contact_sheet([labelled(panels(t), f"{t:.2f} s") for t in moments]))
    except OSError as error:
        raise RequestError(f"The preview cannot be written to {base.parent} ({error.strerror or error}); "
                           "choose another --out or free some space.") from None
    return [sheet, film]


def _read_index(folder: Path) -> tuple[dict[str, list[float]], float, tuple[int, int]]:
    try:
        index = json.loads((folder / "frames.json").read_text(encoding="utf-8"))
        times = {name: [float(t) for t in index["time_s"][name]] for name in ("body", "splats") if index["time_s"].get(name)}
        width, height = index["size_px"]
        if not times:
            raise ValueError
        return times, float(index["rate"]), (int(width), int(height))
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder} holds no rendered preview; run backend/tools/render_preview.py first.") from None


def _read(path: Path, flags: int) -> np.ndarray:
    """A picture as RGB or RGBA uint8."""
    data = np.fromfile(path, np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    image = cv2.imdecode(data, flags) if len(data) else None
    if image is None:
        raise InputError(f"{path} is missing or damaged; render the preview again.")
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def _source(take: take_format.Take, time_s: float, size: tuple[int, int]) -> np.ndarray:
    if not take.meta.get("plate"):
        return np.full((size[1], size[0], 3), 96, np.uint8)
    times = take.shot["time_s"] - take.shot["time_s"][0]
    index = int(np.abs(times - time_s).argmin())
    plate = _read(take.path / take_format.PLATE_PATTERN.format(index), cv2.IMREAD_COLOR)
    return cv2.resize(plate, size, interpolation=cv2.INTER_AREA if size[0] < plate.shape[1] else cv2.INTER_LINEAR)


def dim(rgb: np.ndarray, share: float = _DIM) -> np.ndarray:
    """A picture made dark and a little grey, so that what lies over it stands out. (H, W, 3) uint8."""
    grey = rgb.mean(-1, keepdims=True)
    return ((rgb * 0.6 + grey * 0.4) * share).astype(np.uint8)


def over(rgba: np.ndarray, rgb: np.ndarray, opacity: float = 1.0) -> np.ndarray:
    """A picture with straight alpha over another of the same size, (H, W, 3) uint8."""
    alpha = rgba[..., 3:].astype(np.float32) * (opacity / 255)
    return (rgba[..., :3] * alpha + rgb * (1 - alpha) + 0.5).astype(np.uint8)


def beside(pictures: Sequence[np.ndarray], gap: int = _GAP_PX) -> np.ndarray:
    """Pictures of one height in a row, a dark gap between them."""
    bar = np.full((pictures[0].shape[0], gap, 3), 20, np.uint8)
    row = [pictures[0]]
    for picture in pictures[1:]:
        row += [bar, picture]
    return np.concatenate(row, 1)


def labelled(rgb: np.ndarray, text: str) -> np.ndarray:
    """A copy with a line of text in its upper left corner."""
    out = np.ascontiguousarray(rgb)
    scale = max(out.shape[0] / 700, 0.45)
    place = (8, int(26 * scale) + 6)
    for color, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(out, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, color, thickness, cv2.LINE_AA)
    return out


def contact_sheet(rows: Sequence[np.ndarray], width_px: int = _SHEET_WIDTH_PX) -> np.ndarray:
    """Strips of one size on a grid about as wide as asked and not much higher than wide. (H, W, 3) uint8."""
    height, width = rows[0].shape[:2]
    columns = 1
    while columns < len(rows) and -(-len(rows) // columns) * height > 1.2 * columns * width:
        columns += 1
    cell = (width_px - (columns - 1) * _GAP_PX * 2) // columns
    scale = min(1.0, cell / width)
    small = [cv2.resize(r, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA) for r in rows]
    small += [np.full_like(small[0], 20)] * (-len(small) % columns)
    lines = [beside(small[i:i + columns], 2 * _GAP_PX) for i in range(0, len(small), columns)]
    bar = np.full((2 * _GAP_PX, lines[0].shape[1], 3), 20, np.uint8)
    sheet = [lines[0]]
    for line in lines[1:]:
        sheet += [bar, line]
    return np.concatenate(sheet, 0)


def _moments(times: Sequence[float]) -> list[float]:
    """Moments spread over the shot, the first and last frame among them."""
    return [times[int(i)] for i in np.unique(np.linspace(0, len(times) - 1, _MOMENTS).round())]


def _write_png(path: Path, rgb: np.ndarray) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _write_film(path: Path, times: Sequence[float], panels: Callable[[float], np.ndarray], rate: float) -> None:
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / rate
    partial = path.with_name(path.name + ".partial")
    try:
        with av.open(str(partial), "w", format="mp4") as container:
            stream = container.add_stream("h264", rate=Fraction(1 / step).limit_denominator(1001))
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": "20", "preset": "veryfast"}
            for number, time_s in enumerate(times):
                rgb = panels(time_s)
                rgb = np.ascontiguousarray(rgb[:rgb.shape[0] // 2 * 2, :rgb.shape[1] // 2 * 2])
                if number == 0:
                    stream.width, stream.height = rgb.shape[1], rgb.shape[0]
                container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
            container.mux(stream.encode())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
