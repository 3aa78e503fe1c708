"""Keeping what libraries print apart from what is said: to a person at a terminal, or as events to who reads them."""

from __future__ import annotations

import faulthandler
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO


@contextmanager
def own_stdout() -> Iterator[TextIO]:
    """The true stdout; while open, whatever else is printed there goes to stderr: events must be alone."""
    # Names of files need not be text.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    sys.stdout.flush()
    os.dup2(2, 1)
    try:
        yield out
    finally:
        try:
            out.flush()
            os.dup2(out.fileno(), 1)
            out.close()
        except OSError:
            pass  # the reader is gone, and nobody is left to tell


@contextmanager
def hushed() -> Iterator[BinaryIO]:
    """While open, the file descriptors 1 and 2 lead into a file of their own; `sys.stderr` still reaches the terminal.

    MediaPipe's C++ parts log a dozen lines about graphics and tensors that help nobody, and no setting silences them.
    A crash of native code is still told, as Python's stack, on the true stderr.

    Yields:
        The file, for the log of an error that nobody foresaw.
    """
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    before, watched = sys.stderr, faulthandler.is_enabled()
    with _file() as chatter, os.fdopen(
            os.dup(2), "w", buffering=1, encoding=before.encoding or "utf-8", errors="backslashreplace") as terminal:
        try:
            if _descriptor(before) == 2:
                sys.stderr = terminal
            if not watched:
                faulthandler.enable(terminal)
            os.dup2(chatter.fileno(), 1)
            os.dup2(chatter.fileno(), 2)
            yield chatter
        finally:
            for fd, own in enumerate(kept, start=1):
                os.dup2(own, fd)
                os.close(own)
            if not watched:
                faulthandler.disable()
            sys.stderr = before


def _file() -> BinaryIO:
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return open(os.devnull, "w+b")  # no space for it, and that is for the run itself to say


def _descriptor(stream) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None  # a stream of somebody's own, such as a test's


def text_of(chatter: BinaryIO | None, most: int = 20_000) -> str:
    """The last of what was printed into a file of `hushed`."""
    if chatter is None:
        return ""
    chatter.seek(0, os.SEEK_END)
    chatter.seek(max(chatter.tell() - most, 0))
    return chatter.read().decode("utf-8", "replace")
