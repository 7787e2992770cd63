"""Translates the errors of calls to statuses. Nothing else does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import structlog

from domain.errors import DomainError, TooLate
from operations.failures import described
from server.errors import STATUS, STATUS_DETAILS, Defect, status_of
from server.interceptors.wrapping import Around
from server.methods import LASTING_METHODS
from server.rpc_types import Context
from server.streams import current_stream

log = structlog.get_logger()


def errors_translated(default_deadline_seconds: float) -> Around:
    """Ends failed calls with the status of their error, and applies the default deadline to calls without one.

    Long-lived streams have no default deadline, but their database reads have.
    """

    @asynccontextmanager
    async def translated(method: str, context: Context) -> AsyncIterator[None]:
        seconds, stream = _seconds_left(method, context, default_deadline_seconds), current_stream()
        try:
            if stream is None:
                async with asyncio.timeout(seconds):
                    yield
            else:
                stream.limit_to(seconds)  # a timeout around it could interrupt a response that is being sent
                yield
        except DomainError as error:
            await refuse(context, error)
        except TimeoutError:
            await refuse(context, TooLate())
        except (grpc.aio.AbortError, grpc.aio.BaseError):
            raise
        except Exception as error:
            log.error("defect", method=method, **described(error))
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
    already_set: Any = context.trailing_metadata() or ()
    await context.abort(
        STATUS[error.reason],
        status.message,
        trailing_metadata=((STATUS_DETAILS, status.SerializeToString()), *already_set),
    )
