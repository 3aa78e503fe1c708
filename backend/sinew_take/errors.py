"""Errors that reach a person: one sentence that says what is wrong and what to do."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_REQUEST = 2
EXIT_INPUT = 3
EXIT_STOPPED = 4
UNREADABLE = (OSError, ValueError, TypeError, EOFError, LookupError, AttributeError, ArithmeticError, AssertionError,
              RuntimeError, SyntaxError, struct.error, tokenize.TokenError, zlib.error, zipfile.BadZipFile)
"""What NumPy and PyTorch raise for bytes that are not what they should be."""


class SinewError(Exception):
    """Base of every error with a sentence for the user; `exit_code` is the command line's."""

    exit_code = EXIT_FAILED


class RequestError(SinewError):
    """The request is wrong: an option, a missing file, an output that cannot be written."""

    exit_code = EXIT_REQUEST


class InputError(SinewError):
    """The request is fine but the input cannot be used: not a video, nobody in it, damaged."""

    exit_code = EXIT_INPUT


class TakeError(InputError):
    """A folder is not a take that this version can read; the message names what and where."""


class Stopped(SinewError):
    """The user stopped the run; finished stages stay cached."""

    exit_code = EXIT_STOPPED
