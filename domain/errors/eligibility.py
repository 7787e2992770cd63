"""Errors about coverage, limits and applications."""

from datetime import date
from uuid import UUID

from domain.errors.base import DomainError, Reason


class AccumulatorNotInForce(DomainError):
    reason = Reason.ACCUMULATOR_NOT_IN_FORCE

    def __init__(self, code: str) -> None:
        super().__init__(f"No module of the member on the service date has a limit {code}.", code=code)


class LimitReached(DomainError):
    reason = Reason.LIMIT_REACHED

    def __init__(self, code: str, asked: int, available: int) -> None:
        super().__init__(
            f"{code}: {asked} requested, {available} left. Nothing was applied.",
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
            f"application_id {application_id} was already used with other content, or its application was reversed.",
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


class CapabilityUnknown(DomainError):
    """No version of the member's contracts lists the capability.

    It is more likely that the code is wrong than that the member lacks the benefit.
    """

    reason = Reason.CAPABILITY_UNKNOWN

    def __init__(self, code: str) -> None:
        super().__init__(
            f"No version of the member's contracts lists the capability {code}. Correct the code.", code=code
        )


class ProjectionBehind(DomainError):
    """The coverage projection has not started, or is lagging behind."""

    reason = Reason.PROJECTION_BEHIND

    def __init__(self) -> None:
        super().__init__("Eligibility is lagging behind enrollment. Retry after the delay in RetryInfo.")
