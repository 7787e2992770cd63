"""Translates the errors of calls to statuses. Nothing else does."""

from typing import Any, NoReturn

import structlog

from domain.errors import DomainError, TooLate
from operations.failures import described
from server.errors import STATUS, STATUS_DETAILS, Defect, status_of
from server.methods import Method
from server.rpc_types import Context

log = structlog.get_logger()


async def end_with(context: Context, error: Exception, method: Method, call_id: str) -> NoReturn:
    """Ends a failed call with the status of its error."""
    if isinstance(error, DomainError):
        await refuse(context, error)
    elif isinstance(error, TimeoutError):
        await refuse(context, TooLate())
    else:
        log.error("defect", method=method.name, **described(error))
        await refuse(context, Defect(call_id))
    raise AssertionError("gRPC did not end the call")


async def refuse(context: Context, error: DomainError) -> None:
    """Ends a call with an error's status and details."""
    status = status_of(error)
    already_set: Any = context.trailing_metadata() or ()
    await context.abort(
        STATUS[error.reason],
        status.message,
        trailing_metadata=((STATUS_DETAILS, status.SerializeToString()), *already_set),
    )
