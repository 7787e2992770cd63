"""The exceptions that failed calls raise, with status, reason and details.

All are subclasses of CallFailed, one for each status that callers distinguish. `affilia/type/v1/error_reason.proto`
documents the reasons and how to handle each.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

STATUS_DETAILS = "grpc-status-details-bin"
CALL_ID = "x-request-id"


class FieldViolation(NamedTuple):
    """An error in one field of the request."""

    field: str
    description: str


class PreconditionViolation(NamedTuple):
    """A condition that isn't met: its kind, what it applies to, and how to meet it."""

    kind: str
    subject: str
    description: str


@dataclass(eq=False)
class CallFailed(Exception):
    """A failed call. `reason` is empty if the connection failed rather than the server.

    `call_id` identifies the call in the server's log. It is empty if no server was reached.
    """

    code: grpc.StatusCode
    reason: str
    message: str
    facts: dict[str, str] = field(default_factory=dict)
    retry_after_seconds: float = 0.0
    violations: tuple[FieldViolation, ...] = ()
    preconditions: tuple[PreconditionViolation, ...] = ()
    call_id: str = ""

    def __str__(self) -> str:
        status = f"{self.code.name}/{self.reason}" if self.reason else self.code.name
        details = [f"{each.field}: {each.description}" for each in self.violations]
        details = [each for each in details if each not in self.message]  # the message already lists as many as fit
        details += [f"{each.kind} of {each.subject}: {each.description}" for each in self.preconditions]
        call = f" (call {self.call_id})" if self.call_id else ""
        return "; ".join([f"{status}: {self.message}", *details]) + call

    def __reduce__(self) -> tuple[Any, ...]:
        # By default, an exception is pickled without its keyword arguments.
        fields = (self.code, self.reason, self.message, self.facts, self.retry_after_seconds)
        return type(self), (*fields, self.violations, self.preconditions, self.call_id)


class Invalid(CallFailed):
    """INVALID_ARGUMENT. The request is malformed; see `violations`. Don't retry it."""


class NotFound(CallFailed):
    """NOT_FOUND. Nothing has this id."""


class AlreadyExists(CallFailed):
    """ALREADY_EXISTS. The id is already used for something else."""


class PreconditionFailed(CallFailed):
    """FAILED_PRECONDITION. The call isn't possible in the current state."""


class Conflict(CallFailed):
    """ABORTED. A concurrent change was faster. Read the current state and decide again."""


class OutOfRange(CallFailed):
    """OUT_OF_RANGE. The requested data is no longer retained."""


class Unauthenticated(CallFailed):
    """UNAUTHENTICATED. The credentials are missing or invalid."""


class NotAllowed(CallFailed):
    """PERMISSION_DENIED. The caller is not allowed to do this."""


class Overloaded(CallFailed):
    """RESOURCE_EXHAUSTED. A limit was exceeded. Retry after `retry_after_seconds`, if it is set."""


class Unavailable(CallFailed):
    """UNAVAILABLE. The server, or something that it depends on, is unavailable."""


class TooLate(CallFailed):
    """DEADLINE_EXCEEDED. A write may have succeeded. Retry it with the same request_id."""


class Cancelled(CallFailed):
    """CANCELLED by the server, or because the client was closed."""


class NotSupported(CallFailed):
    """UNIMPLEMENTED. The server doesn't have this call: it is older, or serves it on another address."""


class Defect(CallFailed):
    """INTERNAL, UNKNOWN or DATA_LOSS. A bug in the server or in a proxy. Report it with the `call_id`."""


BY_CODE: dict[grpc.StatusCode, type[CallFailed]] = {
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.UNKNOWN: Defect,
    grpc.StatusCode.INVALID_ARGUMENT: Invalid,
    grpc.StatusCode.DEADLINE_EXCEEDED: TooLate,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowed,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionFailed,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRange,
    grpc.StatusCode.UNIMPLEMENTED: NotSupported,
    grpc.StatusCode.INTERNAL: Defect,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DATA_LOSS: Defect,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
}


def call_failed(error: Any) -> CallFailed:
    """Converts a `grpc.RpcError` or `grpc.aio.AioRpcError` to a CallFailed."""
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    bad_request, unmet = error_details_pb2.BadRequest(), error_details_pb2.PreconditionFailure()
    call_id = ""
    for name, value in error.trailing_metadata() or ():
        if name == STATUS_DETAILS:
            for detail in _details(value):
                for known in (info, retry, bad_request, unmet):
                    detail.Unpack(known)
        elif name == CALL_ID:
            call_id = str(value)
    code = error.code()
    return BY_CODE.get(code, CallFailed)(
        code,
        info.reason,
        error.details() or "",
        dict(info.metadata),
        retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9,
        tuple(FieldViolation(each.field, each.description) for each in bad_request.field_violations),
        tuple(PreconditionViolation(each.type, each.subject, each.description) for each in unmet.violations),
        call_id,
    )


def _details(value: Any) -> Iterable[Any]:
    try:
        details: Iterable[Any] = status_pb2.Status.FromString(value).details
        return details
    except DecodeError:
        return ()  # added by a proxy in another format
