"""What a page shows about a request that failed: reason, sentence, details and call id."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from affilia_client import (
    AlreadyExists,
    CallFailed,
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    Overloaded,
    PreconditionFailed,
    TooLate,
    Unauthenticated,
    Unavailable,
)
from affilia_console.tokens import SignedOut
from affilia_views.unreachable import unreachable

LOG = logging.getLogger("affilia_console")
INTERNAL = "INTERNAL"


class Refused(Exception):
    """The console itself rejects a request. Additional arguments are advice on what to do."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed request as people read it. `reason` and `call_id` are empty if no server was reached."""

    status: int
    title: str
    sentence: str
    details: Sequence[str] = ()
    reason: str = ""
    call_id: str = ""


HTTP_STATUS: dict[type[CallFailed], int] = {
    NotFound: 404,
    Invalid: 400,
    NotAllowed: 403,
    Unauthenticated: 401,
    Conflict: 409,
    AlreadyExists: 409,
    PreconditionFailed: 409,
    Overloaded: 503,
    Unavailable: 503,
    TooLate: 504,
}
TITLES = {
    404: "Not found",
    400: "The request is not valid",
    403: "Permission denied",
    401: "You are signed out",
    409: "This isn't possible in the current state",
    500: "The console could not show this page",
    503: "The server is unavailable",
    504: "The server did not answer in time",
}


def failure_of(error: CallFailed | Refused | SignedOut) -> Failure:
    """Returns what to show about an error."""
    if isinstance(error, SignedOut):
        return Failure(401, TITLES[401], str(error))
    if isinstance(error, Refused):
        sentence, *advice = map(str, error.args)
        return Failure(400, "The request can't be processed", sentence, advice)
    status = HTTP_STATUS.get(type(error), 502)
    sentence = error.message
    if isinstance(error, Unavailable) and not error.reason:
        sentence = unreachable(error.message)
    details = [
        *(f"{each.field}: {each.description}" for each in error.violations),
        *(each.description for each in error.preconditions),
        *(f"{name} = {value}" for name, value in error.facts.items()),
    ]
    if error.retry_after_seconds:
        details.append(f"Try again in {error.retry_after_seconds:g} s.")
    title = TITLES.get(status, "The server reported an error")
    return Failure(status, title, sentence, details, error.reason, error.call_id)


def fault_of(error: Exception) -> Failure:
    """Logs an unexpected error with a new call id, and returns what to show about it.

    The log has the traceback, but not the address or the form of the request, which can be personal data.
    """
    call_id = str(uuid4())
    LOG.error("unexpected error (call %s)", call_id, exc_info=error)
    sentence = "An unexpected error occurred in the console. If it occurs again, report it with the call id."
    return Failure(500, TITLES[500], sentence, (), INTERNAL, call_id)
