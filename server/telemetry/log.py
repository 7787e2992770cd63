"""Structured log lines, with ids and reasons only.

Data that a caller sent is never logged, nor is the text of an exception, which may quote such data.
"""

import faulthandler
import logging
import sys
import threading
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

from operations.failures import described

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from server.settings import Settings


def configure(settings: "Settings", process: int | None = None) -> None:
    """Configures logging to stderr. Every line has the number of the server process, if there are several."""

    def add_process(_logger: object, _method: str, line: "EventDict") -> "EventDict":
        if process is not None:
            line.setdefault("process", process)
        return line

    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    structlog.configure(
        processors=[
            add_call_fields,
            add_process,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.log_level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", LossyStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[LibraryHandler()], force=True)
    logging.captureWarnings(True)
    sys.unraisablehook = lambda raised: _log_uncaught("exception_ignored", raised.exc_value)
    threading.excepthook = lambda raised: _log_uncaught("thread_failed", raised.exc_value)
    faulthandler.enable()  # writes the Python stacks to stderr when C code crashes


class LossyStream:
    """Writes to another stream, and drops what can't be written, for example because the disk is full.

    Otherwise, a failed log line would make its call fail.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


_call_fields: ContextVar[Mapping[str, str]] = ContextVar("call_fields")


def set_call_fields(fields: Mapping[str, str]) -> None:
    """Adds fields, such as the call's id, to all lines that the current task and those it starts log from now on."""
    _call_fields.set(fields)


def add_call_fields(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Adds the fields of the current call to a log line, as a processor of structlog."""
    for name, value in _call_fields.get({}).items():
        event.setdefault(name, value)
    return event


class LibraryHandler(logging.Handler):
    """Logs messages of libraries in our format: the library, and where an exception was raised.

    The text is left out, because it may quote a request.
    """

    def emit(self, record: logging.LogRecord) -> None:
        raised = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().log(record.levelno, "library", logger=record.name, **described(raised))


def _log_uncaught(event: str, raised: BaseException | None) -> None:
    if raised is not None:
        structlog.get_logger().error(event, **described(raised))
