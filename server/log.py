"""Log lines: structured, one per call and per happening, with ids and reasons only.

Nothing that a caller sent is ever logged, nor the text of an exception, which may quote it.
"""

import logging
import sys
import traceback
from typing import Any

import structlog

from server.settings import Settings


def configure(settings: Settings) -> None:
    """Sets up logging for the process; lines go to stderr."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.log_level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    others = logging.StreamHandler(sys.stderr)
    others.setFormatter(WithoutTexts("%(levelname)s %(name)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[others], force=True)


class WithoutTexts(logging.Formatter):
    """Log lines of libraries: who, and where an exception was raised. Never its text, which may quote a request."""

    def formatException(self, ei: Any) -> str:
        error = ei[1]
        return "" if error is None else f"{type(error).__name__} at {'; '.join(where(error))}"


def where(error: BaseException) -> list[str]:
    """Where an exception was raised, innermost first, without its text: safe to log."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames)][:12]
