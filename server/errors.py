"""Errors on the wire: the status of each reason, and the details that programs act on."""

from collections.abc import Iterable

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from domain.errors import DomainError, FieldViolation, Reason, RequestMalformed

DOMAIN = "affilia"
STATUS_DETAILS = "grpc-status-details-bin"

MAX_MESSAGE_BYTES = 400
MAX_VIOLATION_BYTES = 3600
"""An error is sent in trailers, which clients limit to 8 KiB: beyond that, they report RESOURCE_EXHAUSTED instead of
the error. The message is sent twice, once percent-encoded (up to three bytes for one), and details can be in base64
(four bytes for three)."""

STATUS: dict[Reason, StatusCode] = {
    Reason.REQUEST_MALFORMED: StatusCode.INVALID_ARGUMENT,
    Reason.TOKEN_INVALID: StatusCode.INVALID_ARGUMENT,
    Reason.TOKEN_OF_ANOTHER_HISTORY: StatusCode.FAILED_PRECONDITION,
    Reason.CONTRACT_UNKNOWN: StatusCode.NOT_FOUND,
    Reason.MODULE_UNKNOWN: StatusCode.NOT_FOUND,
    Reason.MEMBER_UNKNOWN: StatusCode.NOT_FOUND,
    Reason.GROUP_UNKNOWN: StatusCode.NOT_FOUND,
    Reason.REVISION_UNKNOWN: StatusCode.NOT_FOUND,
    Reason.CHANGE_REQUEST_UNKNOWN: StatusCode.NOT_FOUND,
    Reason.REQUEST_ID_REUSED: StatusCode.ALREADY_EXISTS,
    Reason.CONTRACT_EXISTS: StatusCode.ALREADY_EXISTS,
    Reason.VERSION_OVERLAPS: StatusCode.ALREADY_EXISTS,
    Reason.MODULE_TAKEN: StatusCode.ALREADY_EXISTS,
    Reason.SLOT_CHANGED: StatusCode.FAILED_PRECONDITION,
    Reason.REVISION_MISMATCH: StatusCode.ABORTED,
    Reason.ETAG_MISMATCH: StatusCode.ABORTED,
    Reason.WRITE_CONFLICT: StatusCode.ABORTED,
    Reason.DATABASE_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Reason.FEED_BEHIND: StatusCode.UNAVAILABLE,
    Reason.SHUTTING_DOWN: StatusCode.UNAVAILABLE,
    Reason.OVERLOADED: StatusCode.RESOURCE_EXHAUSTED,
    Reason.TOO_LATE: StatusCode.DEADLINE_EXCEEDED,
    Reason.DEFECT: StatusCode.INTERNAL,
    Reason.FEED_TRIMMED: StatusCode.OUT_OF_RANGE,
    Reason.FEED_DIVERGED: StatusCode.FAILED_PRECONDITION,
    Reason.CONSUMER_TOO_SLOW: StatusCode.RESOURCE_EXHAUSTED,
    Reason.NO_CONTRACT_VERSION: StatusCode.FAILED_PRECONDITION,
    Reason.MODULE_NOT_IN_VERSION: StatusCode.FAILED_PRECONDITION,
    Reason.NOBODY_COVERED: StatusCode.FAILED_PRECONDITION,
    Reason.NO_MODULES: StatusCode.FAILED_PRECONDITION,
    Reason.PRICE_MISSING: StatusCode.FAILED_PRECONDITION,
    Reason.AMOUNT_TOO_LARGE: StatusCode.FAILED_PRECONDITION,
    Reason.ENGINE_PARAMETER_MISSING: StatusCode.FAILED_PRECONDITION,
    Reason.PREMIUM_ENTRY_UNKNOWN: StatusCode.NOT_FOUND,
    Reason.PREMIUM_RUN_UNKNOWN: StatusCode.NOT_FOUND,
    Reason.POLICY_NOT_COMPUTED: StatusCode.INTERNAL,
    Reason.ACCUMULATOR_NOT_IN_FORCE: StatusCode.FAILED_PRECONDITION,
    Reason.LIMIT_REACHED: StatusCode.FAILED_PRECONDITION,
    Reason.NOT_COVERED: StatusCode.FAILED_PRECONDITION,
    Reason.APPLICATION_ID_REUSED: StatusCode.ALREADY_EXISTS,
    Reason.APPLICATION_UNKNOWN: StatusCode.NOT_FOUND,
    Reason.COVERAGE_UNKNOWN: StatusCode.NOT_FOUND,
    Reason.PROJECTION_BEHIND: StatusCode.UNAVAILABLE,
    Reason.ALREADY_INVOICED: StatusCode.FAILED_PRECONDITION,
    Reason.UNAUTHENTICATED: StatusCode.UNAUTHENTICATED,
    Reason.NOT_ALLOWED: StatusCode.PERMISSION_DENIED,
    Reason.METHOD_UNKNOWN: StatusCode.UNIMPLEMENTED,
    Reason.MEMBER_STILL_COVERED: StatusCode.FAILED_PRECONDITION,
    Reason.MEMBER_ERASED: StatusCode.FAILED_PRECONDITION,
    Reason.PERIODS_IN_USE: StatusCode.FAILED_PRECONDITION,
    Reason.IDENTIFIER_TAKEN: StatusCode.ALREADY_EXISTS,
    Reason.CAPABILITY_UNKNOWN: StatusCode.INVALID_ARGUMENT,
    Reason.RECOMPUTE_UNKNOWN: StatusCode.NOT_FOUND,
    Reason.NOT_REVERTIBLE: StatusCode.FAILED_PRECONDITION,
    Reason.MEMBER_NOT_IN_GROUP: StatusCode.FAILED_PRECONDITION,
    Reason.MERGE_NOT_POSSIBLE: StatusCode.FAILED_PRECONDITION,
    Reason.MEMBER_MERGED: StatusCode.FAILED_PRECONDITION,
    Reason.MIGRATION_STAGE: StatusCode.FAILED_PRECONDITION,
    Reason.NO_LEGACY_SOURCE: StatusCode.FAILED_PRECONDITION,
    Reason.LEGACY_HAS_NO_HISTORY: StatusCode.FAILED_PRECONDITION,
    Reason.LEGACY_CANNOT_HOLD: StatusCode.FAILED_PRECONDITION,
    Reason.LEGACY_CONTRACT_UNKNOWN: StatusCode.NOT_FOUND,
    Reason.LEGACY_CONTRACT_MAPPED: StatusCode.ALREADY_EXISTS,
    Reason.STAGE_NOT_ADJACENT: StatusCode.FAILED_PRECONDITION,
    Reason.STAGE_MISMATCH: StatusCode.ABORTED,
    Reason.MIGRATION_NOT_READY: StatusCode.FAILED_PRECONDITION,
}

RETRY_AFTER_SECONDS: dict[Reason, float] = {
    Reason.WRITE_CONFLICT: 0.1,
    Reason.DATABASE_UNAVAILABLE: 1.0,
    Reason.FEED_BEHIND: 1.0,
    Reason.PROJECTION_BEHIND: 0.2,
    Reason.SHUTTING_DOWN: 0.1,
    Reason.OVERLOADED: 0.5,
    Reason.CONSUMER_TOO_SLOW: 0.5,
}


class Unauthenticated(DomainError):
    """The credentials are missing or invalid. The sentence says what is wrong with them, never their content."""

    reason = Reason.UNAUTHENTICATED


class NotAllowed(DomainError):
    """The caller is not allowed to do this. The response is the same whether or not the requested object exists."""

    reason = Reason.NOT_ALLOWED

    def __init__(self, scope: str = "") -> None:
        """`scope` is the scope that a service lacks."""
        needs = f"It needs the scope {scope}." if scope else "Its role doesn't allow this method with these ids."
        super().__init__(f"The caller is not allowed to do this. {needs}", **({"scope": scope} if scope else {}))


class TooManyOfCaller(DomainError):
    """The caller has reached a limit that applies to each caller."""

    reason = Reason.OVERLOADED

    def __init__(self, what: str, maximum: int) -> None:
        super().__init__(
            f"The caller has {maximum} open {what}, which is the maximum. End some of them, then retry.",
            max=str(maximum),
        )


class TooManyHealthWatches(DomainError):
    reason = Reason.OVERLOADED

    def __init__(self) -> None:
        super().__init__("Too many health watches are open. Retry after the delay in RetryInfo, or call Check.")


class MethodUnknown(DomainError):
    reason = Reason.METHOD_UNKNOWN

    def __init__(self) -> None:
        super().__init__("This listener does not serve this method.")


class Defect(DomainError):
    """A defect in the server. The caller only receives the id under which the defect is logged."""

    reason = Reason.DEFECT

    def __init__(self, call_id: str) -> None:
        super().__init__("Internal server error. The server's log has the details under call_id.", call_id=call_id)


def status_of(error: DomainError) -> status_pb2.Status:
    """Returns the status of an error with its details: ErrorInfo, and BadRequest and RetryInfo where they apply."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.facts)
    details: list[Message] = [info]
    if isinstance(error, RequestMalformed):
        details.append(_bad_request(error.violations))
    if error.reason in RETRY_AFTER_SECONDS:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(RETRY_AFTER_SECONDS[error.reason] * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    code: int = STATUS[error.reason].value[0]
    message = _shortened(error.message, MAX_MESSAGE_BYTES)
    return status_pb2.Status(code=code, message=message, details=[_packed(detail) for detail in details])


def _bad_request(violations: Iterable[FieldViolation]) -> error_details_pb2.BadRequest:
    """Returns as many violations as fit. If there are more, the last one says so."""
    bad_request, size = error_details_pb2.BadRequest(), 0
    for violation in violations:
        field = _shortened(violation.field, MAX_MESSAGE_BYTES)
        wire = error_details_pb2.BadRequest.FieldViolation(
            field=field, description=_shortened(violation.description, MAX_MESSAGE_BYTES)
        )
        size += wire.ByteSize() + 4
        if size > MAX_VIOLATION_BYTES:
            listed = len(bad_request.field_violations)
            bad_request.field_violations.add(
                field=field, description=f"there are more violations; only the first {listed} are listed"
            )
            break
        bad_request.field_violations.append(wire)
    return bad_request


def _shortened(text: str, max_bytes: int) -> str:
    encoded = text.encode()
    return text if len(encoded) <= max_bytes else encoded[: max_bytes - 3].decode(errors="ignore") + "..."


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
