"""What can be wrong with a request, in the language of the business.

Every error carries a reason that programs branch on, a sentence for people, and named facts. Which gRPC status a
reason becomes is decided once, in `server/errors.py`; nothing here knows about the wire.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID


class Reason(StrEnum):
    """The catalogue of reasons; `affilia.type.v1.ErrorReason` documents each one for callers."""

    REQUEST_MALFORMED = "REQUEST_MALFORMED"
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 (a reason, not a secret)
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
    FEED_TRIMMED = "FEED_TRIMMED"
    FEED_DIVERGED = "FEED_DIVERGED"
    CONSUMER_TOO_SLOW = "CONSUMER_TOO_SLOW"
    NO_CONTRACT_VERSION = "NO_CONTRACT_VERSION"
    MODULE_NOT_IN_VERSION = "MODULE_NOT_IN_VERSION"
    NOBODY_COVERED = "NOBODY_COVERED"
    NO_MODULES = "NO_MODULES"
    PRICE_MISSING = "PRICE_MISSING"
    ENGINE_PARAMETER_MISSING = "ENGINE_PARAMETER_MISSING"
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


class DomainError(Exception):
    """Something that a caller can understand and act on.

    `facts` are ids and numbers only, never personal data: they travel in the error's metadata and into logs.
    """

    reason: ClassVar[Reason]

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = {name: str(value) for name, value in facts.items()}


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One thing that is wrong with one field, named by its path in the request (`changes[2].enroll.days`)."""

    field: str
    description: str


class RequestMalformed(DomainError):
    """The request cannot mean anything, whatever the state; every violation is listed."""

    reason = Reason.REQUEST_MALFORMED

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        self.violations = tuple(violations)
        fields = "; ".join(f"{v.field}: {v.description}" for v in self.violations[:5])
        more = f" (and {len(self.violations) - 5} more)" if len(self.violations) > 5 else ""
        super().__init__(f"The request is malformed: {fields}{more}")


class TokenInvalid(DomainError):
    reason = Reason.TOKEN_INVALID

    def __init__(self, field: str) -> None:
        super().__init__(f"The {field} was not given out by this deployment for this request.", field=field)


class ContractUnknown(DomainError):
    reason = Reason.CONTRACT_UNKNOWN

    def __init__(self, contract_id: UUID) -> None:
        super().__init__(f"There is no contract {contract_id}.", contract_id=contract_id)


class ModuleUnknown(DomainError):
    reason = Reason.MODULE_UNKNOWN

    def __init__(self, module_id: UUID) -> None:
        super().__init__(f"There is no module {module_id} here.", module_id=module_id)


class MemberUnknown(DomainError):
    reason = Reason.MEMBER_UNKNOWN

    def __init__(self, member_id: UUID) -> None:
        super().__init__(f"There is no member {member_id}.", member_id=member_id)


class GroupUnknown(DomainError):
    reason = Reason.GROUP_UNKNOWN

    def __init__(self, **key: UUID) -> None:
        named = ", ".join(f"{name} {value}" for name, value in key.items())
        super().__init__(f"There is no enrollment group with {named}.", **key)


class RevisionUnknown(DomainError):
    reason = Reason.REVISION_UNKNOWN

    def __init__(self, group_id: UUID, revision: int | None) -> None:
        which = "at that instant" if revision is None else f"with number {revision}"
        super().__init__(f"Group {group_id} has no revision {which}.", group_id=group_id, revision=revision or "")


class ChangeRequestUnknown(DomainError):
    reason = Reason.CHANGE_REQUEST_UNKNOWN

    def __init__(self, change_request_id: UUID) -> None:
        super().__init__(f"There is no change request {change_request_id}.", change_request_id=change_request_id)


class RequestIdReused(DomainError):
    reason = Reason.REQUEST_ID_REUSED

    def __init__(self, request_id: UUID) -> None:
        super().__init__(f"Request id {request_id} was used for another request.", request_id=request_id)


class ContractExists(DomainError):
    reason = Reason.CONTRACT_EXISTS

    def __init__(self, contract_id: UUID) -> None:
        super().__init__(f"Contract {contract_id} was published before.", contract_id=contract_id)


class VersionOverlaps(DomainError):
    reason = Reason.VERSION_OVERLAPS

    def __init__(self, contract_id: UUID, first_on: object) -> None:
        super().__init__(
            f"A version from {first_on} shares days with another one of contract {contract_id}.",
            contract_id=contract_id,
            first_on=first_on,
        )


class ModuleTaken(DomainError):
    reason = Reason.MODULE_TAKEN

    def __init__(self, module_id: UUID) -> None:
        super().__init__(f"Module {module_id} belongs to another contract.", module_id=module_id)


class SlotChanged(DomainError):
    reason = Reason.SLOT_CHANGED

    def __init__(self, module_id: UUID, slot: str | None) -> None:
        where = f"in slot {slot}" if slot else "in no slot"
        super().__init__(
            f"Module {module_id} stands {where}, for ever; offer a new module.",
            module_id=module_id,
            slot=slot or "",
        )


class RevisionMismatch(DomainError):
    reason = Reason.REVISION_MISMATCH

    def __init__(self, group_id: UUID, expected: int, current: int) -> None:
        super().__init__(
            f"Group {group_id} is at revision {current}, not {expected}.",
            group_id=group_id,
            expected_revision=expected,
            current_revision=current,
        )


class EtagMismatch(DomainError):
    reason = Reason.ETAG_MISMATCH

    def __init__(self, contract_id: UUID, current_etag: str) -> None:
        super().__init__(
            f"Contract {contract_id} has moved on to etag {current_etag}.",
            contract_id=contract_id,
            current_etag=current_etag,
        )


class WriteConflict(DomainError):
    reason = Reason.WRITE_CONFLICT

    def __init__(self) -> None:
        super().__init__("Too many others wrote at the same time; repeat with the same request id.")


class NotNow(DomainError):
    """Nothing is wrong with what was asked: a little later it would be done."""


class DatabaseUnavailable(NotNow):
    reason = Reason.DATABASE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The database is away; repeat with the same request id.")


class Overloaded(NotNow):
    """More is asked for than can be done in time; nothing of this call was."""

    reason = Reason.OVERLOADED

    def __init__(self) -> None:
        super().__init__("Too much is going on; try again after the delay.")


class ShuttingDown(DomainError):
    reason = Reason.SHUTTING_DOWN

    def __init__(self) -> None:
        super().__init__("The server is shutting down; go on with another one.")


class FeedTrimmed(DomainError):
    reason = Reason.FEED_TRIMMED

    def __init__(self, oldest_resume_token: str) -> None:
        super().__init__(
            "The feed no longer keeps what follows this place; begin with a snapshot.",
            oldest_resume_token=oldest_resume_token,
        )


class FeedDiverged(DomainError):
    reason = Reason.FEED_DIVERGED

    def __init__(self) -> None:
        super().__init__("The resume token is of another history of the feed; begin with a snapshot.")


class ConsumerTooSlow(DomainError):
    reason = Reason.CONSUMER_TOO_SLOW

    def __init__(self) -> None:
        super().__init__("A message was not taken in time; resume with the last token, and read faster.")


class CannotBePriced(DomainError):
    """There is no price for what is asked, and none is guessed."""


class MemberErased(CannotBePriced):
    """Nothing can be decided or priced any more that rests on facts that were erased."""

    reason = Reason.MEMBER_ERASED

    def __init__(self, member_id: UUID) -> None:
        super().__init__(f"The facts of member {member_id} were erased.", member_id=member_id)


class MemberStillCovered(DomainError):
    reason = Reason.MEMBER_STILL_COVERED

    def __init__(self, member_id: UUID, group_id: UUID) -> None:
        super().__init__(
            f"Member {member_id} is covered in group {group_id} today or later; end that first.",
            member_id=member_id,
            group_id=group_id,
        )


class PastClosed(DomainError):
    """A change of days that were closed when somebody's facts were erased."""

    reason = Reason.MEMBER_ERASED

    def __init__(self, member_id: UUID, until: date) -> None:
        super().__init__(
            f"The facts of member {member_id} of the group were erased; its days before {until} stay as they are.",
            member_id=member_id,
            date=until,
        )


class NoContractVersion(CannotBePriced):
    reason = Reason.NO_CONTRACT_VERSION

    def __init__(self, contract_id: UUID, on: date) -> None:
        super().__init__(
            f"No version of contract {contract_id} is in force on {on}.", contract_id=contract_id, date=on, matches=0
        )


class ModuleNotInVersion(CannotBePriced):
    reason = Reason.MODULE_NOT_IN_VERSION

    def __init__(self, module_id: UUID, on: date) -> None:
        super().__init__(
            f"The contract version in force on {on} does not list module {module_id}.", module_id=module_id, date=on
        )


class NobodyCovered(CannotBePriced):
    reason = Reason.NOBODY_COVERED

    def __init__(self, group_id: UUID, on: date) -> None:
        super().__init__(f"Nobody in group {group_id} is on any module on {on}.", group_id=group_id, date=on)


class NoModules(CannotBePriced):
    reason = Reason.NO_MODULES

    def __init__(self, index: int, beneficiary_type: str, on: date) -> None:
        super().__init__(
            f"Beneficiary {index} names no modules, and the policy's primary is on none on {on}.",
            beneficiary_index=index,
            beneficiary_type=beneficiary_type,
            date=on,
        )


class PriceMissing(CannotBePriced):
    reason = Reason.PRICE_MISSING

    def __init__(self, what: str, beneficiary_type: str, module_id: UUID, age: int, on: date) -> None:
        super().__init__(
            f"Module {module_id} has {what} for a {beneficiary_type} of {age} on {on}.",
            beneficiary_type=beneficiary_type,
            module_id=module_id,
            age=age,
            date=on,
        )


class EngineParameterMissing(CannotBePriced):
    reason = Reason.ENGINE_PARAMETER_MISSING

    def __init__(self, parameter: str, country_code: str, on: date) -> None:
        super().__init__(
            f"Neither the contract version in force on {on} nor country {country_code} says the {parameter}.",
            parameter=parameter,
            country_code=country_code,
            date=on,
        )


class PremiumEntryUnknown(DomainError):
    reason = Reason.PREMIUM_ENTRY_UNKNOWN

    def __init__(self, entry_id: UUID) -> None:
        super().__init__(f"There is no premium entry {entry_id}.", entry_id=entry_id)


class AccumulatorNotInForce(DomainError):
    reason = Reason.ACCUMULATOR_NOT_IN_FORCE

    def __init__(self, code: str) -> None:
        super().__init__(f"No module that the member is on at the service date limits {code}.", code=code)


class LimitReached(DomainError):
    reason = Reason.LIMIT_REACHED

    def __init__(self, code: str, asked: int, available: int) -> None:
        super().__init__(
            f"Of {code} {available} are left, {asked} were asked for; nothing was applied.",
            code=code,
            asked=asked,
            available=available,
        )


class NotCovered(DomainError):
    reason = Reason.NOT_COVERED

    def __init__(self, member_id: UUID, group_id: UUID, on: date) -> None:
        super().__init__(
            f"Member {member_id} is not covered under policy {group_id} on {on}.",
            member_id=member_id,
            group_id=group_id,
            date=on,
        )


class ApplicationIdReused(DomainError):
    reason = Reason.APPLICATION_ID_REUSED

    def __init__(self, application_id: UUID) -> None:
        super().__init__(
            f"Application {application_id} was made before with other content, or was reversed.",
            application_id=application_id,
        )


class ApplicationUnknown(DomainError):
    reason = Reason.APPLICATION_UNKNOWN

    def __init__(self, application_id: UUID) -> None:
        super().__init__(f"There is no application {application_id}.", application_id=application_id)


class CoverageUnknown(DomainError):
    reason = Reason.COVERAGE_UNKNOWN

    def __init__(self, locator: UUID) -> None:
        super().__init__(f"There is no coverage record {locator}.", locator=locator)


class ProjectionBehind(DomainError):
    """The projection has not begun, or does not keep up."""

    reason = Reason.PROJECTION_BEHIND

    def __init__(self) -> None:
        super().__init__("Eligibility does not know the present yet; try again.")


class PremiumRunUnknown(DomainError):
    reason = Reason.PREMIUM_RUN_UNKNOWN

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"There is no premium run {run_id}.", run_id=run_id)


class PolicyNotComputed(DomainError):
    """Told of a policy in a run, never as a call's error."""

    reason = Reason.POLICY_NOT_COMPUTED

    def __init__(self, group_id: UUID) -> None:
        super().__init__(f"Computing policy {group_id} met a defect; the log says where.", group_id=group_id)


class AlreadyInvoiced(DomainError):
    reason = Reason.ALREADY_INVOICED

    def __init__(self, entry_id: UUID, invoice_id: str) -> None:
        super().__init__(
            f"A component of entry {entry_id} stands on invoice {invoice_id}; nothing was marked.",
            entry_id=entry_id,
            invoice_id=invoice_id,
        )
