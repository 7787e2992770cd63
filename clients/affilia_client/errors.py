"""What a failed call says, for programs: its status, its reason, and the facts beside it.

There is a class for every status that callers tell apart; all are CallFailed. Reasons and what to do about each stand
in `affilia/type/v1/error_reason.proto`.
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
    """What is wrong with one field of the request."""

    field: str
    description: str


class PreconditionViolation(NamedTuple):
    """A condition that does not hold: which kind, of what, and how it could be met."""

    kind: str
    subject: str
    description: str


@dataclass(eq=False)
class CallFailed(Exception):
    """A call that failed. `reason` is empty where the failure is the connection's, not the server's.

    `call_id` finds the call in the server's log; empty where no server was reached.
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
        what = f"{self.code.name}/{self.reason}" if self.reason else self.code.name
        told = [f"{each.field}: {each.description}" for each in self.violations]
        told = [each for each in told if each not in self.message]  # the server's message lists them, too, if they fit
        told += [f"{each.kind} of {each.subject}: {each.description}" for each in self.preconditions]
        where = f" (call {self.call_id})" if self.call_id else ""
        return "; ".join([f"{what}: {self.message}", *told]) + where

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled with the arguments that they were raised with, which leaves out those given by name.
        fields = (self.code, self.reason, self.message, self.facts, self.retry_after_seconds)
        return type(self), (*fields, self.violations, self.preconditions, self.call_id)


class Invalid(CallFailed):
    """INVALID_ARGUMENT. The request is malformed: `violations` says where. Repeating does not help."""


class NotFound(CallFailed):
    """NOT_FOUND. There is nothing with this id."""


class AlreadyExists(CallFailed):
    """ALREADY_EXISTS. The id was used for something else."""


class PreconditionFailed(CallFailed):
    """FAILED_PRECONDITION. Not possible as things are."""


class Conflict(CallFailed):
    """ABORTED. Somebody else was quicker: read again and decide anew."""


class OutOfRange(CallFailed):
    """OUT_OF_RANGE. What was asked for is not kept any more."""


class Unauthenticated(CallFailed):
    """UNAUTHENTICATED. No credentials, or not good ones."""


class NotAllowed(CallFailed):
    """PERMISSION_DENIED. The caller may not do this."""


class Overloaded(CallFailed):
    """RESOURCE_EXHAUSTED. Over a limit; worth repeating after `retry_after_seconds`, if that is said."""


class Unavailable(CallFailed):
    """UNAVAILABLE. The server, or what it needs, is away."""


class TooLate(CallFailed):
    """DEADLINE_EXCEEDED. A write may have been done: repeat it with the same request_id."""


class Cancelled(CallFailed):
    """CANCELLED, and not by the caller."""


class NotSupported(CallFailed):
    """UNIMPLEMENTED. The server does not know the call: it is older, or has this service on another address."""


class Defect(CallFailed):
    """INTERNAL, UNKNOWN or DATA_LOSS. A fault of the server, or of what stands between; `call_id` finds it."""


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
    """Decodes what gRPC raised: a `grpc.RpcError` or `grpc.aio.AioRpcError`."""
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
        return ()  # a proxy's, not ours
