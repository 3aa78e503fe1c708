"""Results of other systems become takes. See `run.convert`."""

from .run import FORMATS, Request, Result, convert

__all__ = ["FORMATS", "Request", "Result", "convert"]
