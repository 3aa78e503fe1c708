"""Events survive the pipe; everything else on it is ignored."""

import pytest

from sinew_take import events


@pytest.mark.parametrize("event", [
    events.Started("0.1.0", ["video"]), events.Progress("people", 3, 10, None, 0.2),
    events.Note("Hidden: “ü”\nnext"), events.Finished(["/a b/täke"], {"x": [1, None]}), events.Failed(3, "No.")])
def test_round_trip(event):
    line = events.encode(event)
    assert "\n" not in line and line.isascii()
    assert events.decode(line) == event


@pytest.mark.parametrize("line", [
    "", "garbage", "{", "[1]", "null", "3", '{"event": "party"}', '{"event": "progress"}', '{"event": ["x"]}',
    '{"event": "progress", "stage": 1, "done": "x", "total": 0, "left_s": null, "fraction": 0}',
    '{"event": "finished", "takes": "no", "report": {}}'])
def test_garbage_is_no_event(line):
    assert events.decode(line) is None


def test_unknown_fields_of_a_newer_backend_are_ignored():
    assert events.decode('{"event": "note", "text": "a", "colour": "red"}') == events.Note("a")
