"""Errors that any call can return, in every area."""

from uuid import UUID

from domain.errors.base import DomainError, NotNow, Reason


class TokenInvalid(DomainError):
    reason = Reason.TOKEN_INVALID

    def __init__(self, field: str) -> None:
        super().__init__(f"The {field} was not issued by this deployment for this request.", field=field)


class TokenOfAnotherHistory(DomainError):
    reason = Reason.TOKEN_OF_ANOTHER_HISTORY

    def __init__(self) -> None:
        super().__init__(
            "The consistency_token belongs to a write that was lost when a backup was restored."
            " Retry the write with its request_id or application_id, or read without the token.",
            field="consistency_token",
        )


class RequestIdReused(DomainError):
    reason = Reason.REQUEST_ID_REUSED

    def __init__(self, request_id: UUID) -> None:
        super().__init__(f"request_id {request_id} was already used for another request.", request_id=request_id)


class EtagMismatch(DomainError):
    """The contract or member has changed since the caller read it."""

    reason = Reason.ETAG_MISMATCH

    def __init__(self, current_etag: str, **changed: UUID) -> None:
        """`changed` is the id of the contract or member, by field name. `current_etag` is empty if it doesn't exist."""
        named = ", ".join(f"{field} {value}" for field, value in changed.items())
        state = f"its etag is now {current_etag}" if current_etag else "it doesn't exist"
        super().__init__(
            f"The etag is not the current one of {named}: {state}. Read it again and retry.",
            current_etag=current_etag,
            **changed,
        )


class WriteConflict(NotNow):
    reason = Reason.WRITE_CONFLICT

    def __init__(self) -> None:
        super().__init__("Another write holds a lock that this one needs. Retry with the same request_id.")


class DatabaseUnavailable(NotNow):
    reason = Reason.DATABASE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The database is unavailable. Retry with the same request_id.")


class TooLate(DomainError):
    reason = Reason.TOO_LATE

    def __init__(self) -> None:
        super().__init__("The call took longer than its deadline. A write may have been recorded: retry it.")


class Overloaded(NotNow):
    """The server receives more calls than it can serve in time. Nothing was done for this one."""

    reason = Reason.OVERLOADED

    def __init__(self) -> None:
        super().__init__("The server is overloaded. Retry after the delay in RetryInfo.")


class ShuttingDown(DomainError):
    reason = Reason.SHUTTING_DOWN

    def __init__(self) -> None:
        super().__init__("The server is shutting down. Retry the call on another server.")
