"""Errors of calls become statuses here, and nowhere else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import psycopg
import structlog

from domain.errors import DomainError
from server.errors import STATUS, STATUS_DETAILS, Defect, TooLate, status_of
from server.interceptors.methods import LASTING_METHODS
from server.interceptors.telemetry import CALL_ID
from server.interceptors.wrapping import Around
from server.log import where
from server.rpc_types import Context

log = structlog.get_logger()


def errors_translated(default_deadline_seconds: float) -> Around:
    """Ends calls with the status of their error, and those that bring no deadline after the default one.

    Streams may last; their reads have deadlines of their own.
    """

    @asynccontextmanager
    async def translated(method: str, context: Context) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_seconds_left(method, context, default_deadline_seconds)):
                yield
        except DomainError as error:
            await refuse(context, error)
        except (TimeoutError, psycopg.errors.QueryCanceled):
            await refuse(context, TooLate())
        except (grpc.aio.AbortError, grpc.aio.BaseError):
            raise
        except Exception as error:
            log.error("defect", method=method, error=type(error).__name__, where=where(error))
            await refuse(context, Defect(_call_id()))

    return translated


def _seconds_left(method: str, context: Context, default: float) -> float | None:
    left = context.time_remaining()
    if left is not None:
        return left
    return None if method.endswith(LASTING_METHODS) else default


def _call_id() -> str:
    bound: dict[str, Any] = structlog.contextvars.get_contextvars()
    return str(bound.get("call_id", ""))


async def refuse(context: Context, error: DomainError) -> None:
    """Ends a call with an error's status and details."""
    status = status_of(error)
    await context.abort(
        STATUS[error.reason],
        status.message,
        trailing_metadata=((STATUS_DETAILS, status.SerializeToString()), (CALL_ID, _call_id())),
    )
