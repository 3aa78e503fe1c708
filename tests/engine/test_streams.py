"""What native libraries print is kept apart from what is said to a person."""

import os
import subprocess
import sys

from sinew import cli

CODE = """
import os, sys
from sinew import streams
print("before", file=sys.stderr)
with streams.hushed() as chatter:
    os.write(2, b"noise of a library\\n")
    os.write(1, b"and on stdout\\n")
    print("a sentence", file=sys.stderr)
    said = streams.text_of(chatter)
os.write(2, b"after\\n")
print(said, end="")
"""
CRASH = """
import ctypes, sys
from sinew import streams
with streams.hushed():
    ctypes.string_at(0)
"""
UNFORESEEN = """
import os, sys
from sinew import cli
def run(words, out):
    os.write(2, b"the library's last words\\n")
    raise KeyError("nobody foresaw this")
cli._info = run
sys.exit(cli.main(["info", "somewhere"]))
"""


def _python(code: str, **more) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, **more)


def test_only_our_sentences_reach_the_terminal():
    done = _python(CODE)
    assert done.returncode == 0
    assert done.stderr.splitlines() == ["before", "a sentence", "after"]
    assert done.stdout.splitlines() == ["noise of a library", "and on stdout"]


def test_a_crash_of_native_code_is_still_told():
    done = _python(CRASH)
    assert done.returncode != 0
    assert "string_at" in done.stderr


def test_the_log_of_an_unforeseen_error_holds_what_libraries_printed(tmp_path):
    done = _python(UNFORESEEN, env={**os.environ, "SINEW_CACHE": str(tmp_path)})
    assert done.returncode == 1
    assert "last words" not in done.stderr and "details are in" in done.stderr
    log = (tmp_path / "log.txt").read_text()
    assert "the library's last words" in log and "nobody foresaw this" in log


def test_a_key_stops_verbs_that_listen_to_nothing(monkeypatch, capfd):
    def stopped(words, out):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_info", stopped)
    assert cli.main(["info", "somewhere"]) == 4
    assert capfd.readouterr().err == "sinew: Stopped.\n"


def test_a_name_that_is_no_text_is_printed_all_the_same(monkeypatch, capfd):
    monkeypatch.setattr(cli, "_info", lambda words, out: print("se\udcffq ü", file=out))
    assert cli.main(["info", "somewhere"]) == 0
    assert capfd.readouterr().out == "se\\udcffq ü\n"
