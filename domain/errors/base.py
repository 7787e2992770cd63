"""The table of reasons, and the classes that all errors are built from."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar


class Reason(StrEnum):
    """All reasons. `affilia.type.v1.ErrorReason` documents each one for callers."""

    REQUEST_MALFORMED = "REQUEST_MALFORMED"
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 (a reason, not a secret)
    TOKEN_OF_ANOTHER_HISTORY = "TOKEN_OF_ANOTHER_HISTORY"  # noqa: S105 (a reason, not a secret)
    CONTRACT_UNKNOWN = "CONTRACT_UNKNOWN"
    MODULE_UNKNOWN = "MODULE_UNKNOWN"
    MEMBER_UNKNOWN = "MEMBER_UNKNOWN"
    GROUP_UNKNOWN = "GROUP_UNKNOWN"
    REVISION_UNKNOWN = "REVISION_UNKNOWN"
    CHANGE_REQUEST_UNKNOWN = "CHANGE_REQUEST_UNKNOWN"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    CONTRACT_EXISTS = "CONTRACT_EXISTS"
    VERSION_OVERLAPS = "VERSION_OVERLAPS"
    MODULE_TAKEN = "MODULE_TAKEN"
    SLOT_CHANGED = "SLOT_CHANGED"
    REVISION_MISMATCH = "REVISION_MISMATCH"
    ETAG_MISMATCH = "ETAG_MISMATCH"
    WRITE_CONFLICT = "WRITE_CONFLICT"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    OVERLOADED = "OVERLOADED"
    TOO_LATE = "TOO_LATE"
    DEFECT = "DEFECT"
    FEED_BEHIND = "FEED_BEHIND"
    FEED_TRIMMED = "FEED_TRIMMED"
    FEED_DIVERGED = "FEED_DIVERGED"
    CONSUMER_TOO_SLOW = "CONSUMER_TOO_SLOW"
    NO_CONTRACT_VERSION = "NO_CONTRACT_VERSION"
    MODULE_NOT_IN_VERSION = "MODULE_NOT_IN_VERSION"
    NOBODY_COVERED = "NOBODY_COVERED"
    NO_MODULES = "NO_MODULES"
    PRICE_MISSING = "PRICE_MISSING"
    ENGINE_PARAMETER_MISSING = "ENGINE_PARAMETER_MISSING"
    AMOUNT_TOO_LARGE = "AMOUNT_TOO_LARGE"
    PREMIUM_ENTRY_UNKNOWN = "PREMIUM_ENTRY_UNKNOWN"
    ALREADY_INVOICED = "ALREADY_INVOICED"
    PREMIUM_RUN_UNKNOWN = "PREMIUM_RUN_UNKNOWN"
    POLICY_NOT_COMPUTED = "POLICY_NOT_COMPUTED"
    ACCUMULATOR_NOT_IN_FORCE = "ACCUMULATOR_NOT_IN_FORCE"
    LIMIT_REACHED = "LIMIT_REACHED"
    NOT_COVERED = "NOT_COVERED"
    APPLICATION_ID_REUSED = "APPLICATION_ID_REUSED"
    APPLICATION_UNKNOWN = "APPLICATION_UNKNOWN"
    COVERAGE_UNKNOWN = "COVERAGE_UNKNOWN"
    PROJECTION_BEHIND = "PROJECTION_BEHIND"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    NOT_ALLOWED = "NOT_ALLOWED"
    METHOD_UNKNOWN = "METHOD_UNKNOWN"
    MEMBER_STILL_COVERED = "MEMBER_STILL_COVERED"
    MEMBER_ERASED = "MEMBER_ERASED"
    PERIODS_IN_USE = "PERIODS_IN_USE"
    IDENTIFIER_TAKEN = "IDENTIFIER_TAKEN"
    CAPABILITY_UNKNOWN = "CAPABILITY_UNKNOWN"
    RECOMPUTE_UNKNOWN = "RECOMPUTE_UNKNOWN"
    NOT_REVERTIBLE = "NOT_REVERTIBLE"
    MEMBER_NOT_IN_GROUP = "MEMBER_NOT_IN_GROUP"
    MERGE_NOT_POSSIBLE = "MERGE_NOT_POSSIBLE"
    MEMBER_MERGED = "MEMBER_MERGED"
    MIGRATION_STAGE = "MIGRATION_STAGE"
    NO_LEGACY_SOURCE = "NO_LEGACY_SOURCE"
    LEGACY_HAS_NO_HISTORY = "LEGACY_HAS_NO_HISTORY"
    LEGACY_CANNOT_HOLD = "LEGACY_CANNOT_HOLD"
    LEGACY_CONTRACT_UNKNOWN = "LEGACY_CONTRACT_UNKNOWN"
    LEGACY_CONTRACT_MAPPED = "LEGACY_CONTRACT_MAPPED"
    STAGE_NOT_ADJACENT = "STAGE_NOT_ADJACENT"
    STAGE_MISMATCH = "STAGE_MISMATCH"
    MIGRATION_NOT_READY = "MIGRATION_NOT_READY"


class DomainError(Exception):
    """An error that a caller can understand and act on.

    `facts` are sent in the error's metadata. They are ids and numbers, never personal data, except for identifiers that
    the caller has just sent.
    """

    reason: ClassVar[Reason]

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = {name: str(value) for name, value in facts.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        # Unpickling an exception calls its class with the message alone, which most subclasses don't accept.
        return _copied, (type(self), self.args), self.__dict__


def _copied(kind: type[DomainError], args: tuple[Any, ...]) -> DomainError:
    """Returns an error that only has its message; unpickling then sets its other attributes."""
    return kind.__new__(kind, *args)


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A problem with one field, named by its path in the request (`changes[2].enroll.days`)."""

    field: str
    description: str


class RequestMalformed(DomainError):
    """The request is malformed, regardless of the stored state. Lists every violation."""

    reason = Reason.REQUEST_MALFORMED

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        self.violations = tuple(violations)
        fields = "; ".join(f"{v.field}: {v.description}" for v in self.violations[:5])
        more = f" (and {len(self.violations) - 5} more)" if len(self.violations) > 5 else ""
        super().__init__(f"The request is malformed: {fields}{more}")


class NotNow(DomainError):
    """The request is valid and can succeed when it is retried shortly."""


class CannotBePriced(DomainError):
    """The request can't be priced; prices are never guessed."""
