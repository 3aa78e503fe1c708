"""What the backend tells while it runs: one JSON object a line on stdout with `--events`.

    {"event": "started", "version": "0.1.0", "stages": ["video", ...]}
    {"event": "progress", "stage": "people", "done": 40, "total": 200, "left_s": 31.5, "fraction": 0.31}
    {"event": "note", "text": "..."}                                    something doubtful, for the user
    {"event": "finished", "takes": ["/…/take"], "report": {...}}
    {"event": "failed", "code": 3, "message": "..."}

`fraction` is of the whole run, `left_s` the whole run's time left (null while unknown); `total` may be 0 (unknown).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

STAGES = ("video", "people", "camera", "motion", "body", "avatar", "write")


@dataclass(frozen=True)
class Started:
    version: str
    stages: list[str]
    event: str = field(default="started", init=False)


@dataclass(frozen=True)
class Progress:
    stage: str
    done: int
    total: int
    left_s: float | None
    fraction: float
    event: str = field(default="progress", init=False)


@dataclass(frozen=True)
class Note:
    text: str
    event: str = field(default="note", init=False)


@dataclass(frozen=True)
class Finished:
    takes: list[str]
    report: dict
    event: str = field(default="finished", init=False)


@dataclass(frozen=True)
class Failed:
    code: int
    message: str
    event: str = field(default="failed", init=False)


Event = Started | Progress | Note | Finished | Failed
_KINDS = {"started": Started, "progress": Progress, "note": Note, "finished": Finished, "failed": Failed}


def encode(event: Event) -> str:
    """One line, without its end."""
    return json.dumps(asdict(event), ensure_ascii=True, allow_nan=False)


def decode(line: str) -> Event | None:
    """An event of one line, or None where the line is something else's (a library's print, a newer event)."""
    try:
        data = json.loads(line)
        kind = _KINDS[data.pop("event")]
        known = {k: v for k, v in data.items() if k in kind.__dataclass_fields__}
        event = kind(**known)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return event if _plausible(event) else None


def _plausible(event: Event) -> bool:
    match event:
        case Progress():
            return (isinstance(event.stage, str) and isinstance(event.fraction, (int, float))
                    and isinstance(event.done, int) and isinstance(event.total, int)
                    and isinstance(event.left_s, (int, float, type(None))))
        case Started():
            return isinstance(event.version, str) and isinstance(event.stages, list)
        case Note():
            return isinstance(event.text, str)
        case Finished():
            return isinstance(event.takes, list) and isinstance(event.report, dict)
        case Failed():
            return isinstance(event.code, int) and isinstance(event.message, str)
