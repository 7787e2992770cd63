"""Checks: whether a member is covered on a day, why not, and who pays first."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.days import Day, Days, Span
from domain.eligibility.coverage import CoverageRecord, CoveredRun, Offers, record_on, records_of
from domain.membership import MembershipType


class CheckReason(StrEnum):
    """The reason for the result of a check."""

    COVERED = "COVERED"
    NO_COVERAGE = "NO_COVERAGE"
    NOT_YET_COVERED = "NOT_YET_COVERED"
    COVERAGE_ENDED = "COVERAGE_ENDED"
    MODULE_NOT_COVERED = "MODULE_NOT_COVERED"
    CAPABILITY_NOT_INCLUDED = "CAPABILITY_NOT_INCLUDED"


@dataclass(frozen=True, slots=True)
class Question:
    """A check of a member on a day, and of a module or a capability if these are set."""

    member_id: UUID
    day: Day
    module_id: UUID | None = None
    capability: str = ""


class Finding(NamedTuple):
    """The result of a check.

    `records` are those that apply, in order of payment. If only the module or capability isn't covered, they are all
    records of the day. `first_day` is the next day of coverage, `last_day` the last day before. `covering` are all
    records of the day.
    """

    reason: CheckReason
    records: Sequence[CoverageRecord]
    first_day: Day | None = None
    last_day: Day | None = None
    covering: Sequence[CoverageRecord] = ()


OffersOf = Callable[[UUID], Offers]
"""Returns the offers of a contract."""


def check(question: Question, runs: Sequence[CoveredRun], offers_of: OffersOf) -> Finding:
    """Checks a member, given all of the member's runs. Records are in order of payment, except for birthdays."""
    day = question.day
    records = [
        record
        for run in runs
        if run.days.holds(day) and (record := record_on(run, offers_of(run.key.contract_id), day))
    ]
    if not records:
        return _not_covered(day, runs)
    records.sort(key=_payment_order)
    covering = records
    if question.module_id is not None:
        on_module = [record for record in records if record.run.module_id == question.module_id]
        if not on_module:
            return Finding(CheckReason.MODULE_NOT_COVERED, records, covering=covering)
        records = on_module
    if question.capability:
        capable = [record for record in records if question.capability in record.offer.capabilities]
        if not capable:
            return Finding(CheckReason.CAPABILITY_NOT_INCLUDED, records, covering=covering)
        records = capable
    return Finding(CheckReason.COVERED, records, covering=covering)


def active_records(
    runs: Sequence[CoveredRun], offers_of: OffersOf, today_in: Callable[[str], Day]
) -> list[CoverageRecord]:
    """Returns a member's records of today, in order of payment, except for birthdays.

    Today is that of each record's contract, in its time zone; around midnight, it differs between contracts.
    """
    found = []
    for run in runs:
        offers = offers_of(run.key.contract_id)
        today = today_in(offers.contract.time_zone)
        if run.days.holds(today) and (record := record_on(run, offers, today)):
            found.append(record)
    return sorted(found, key=_payment_order)


def _not_covered(day: Day, runs: Sequence[CoveredRun]) -> Finding:
    """Returns the reason why a day isn't covered. In a gap, coverage has ended, and the next first day is returned as
    well.
    """
    first = min((run.days.start for run in runs if run.days.start > day), default=None)
    last = max((run.days.end - 1 for run in runs if run.days.end <= day), default=None)
    if last is not None:
        return Finding(CheckReason.COVERAGE_ENDED, (), first, last)
    if first is not None:
        return Finding(CheckReason.NOT_YET_COVERED, (), first)
    return Finding(CheckReason.NO_COVERAGE, ())


PAYS_FIRST = {MembershipType.PRIMARY: 0, MembershipType.PARTNER: 1}
OTHERS = 2


def _payment_order(record: CoverageRecord) -> tuple[int, Day, int, int]:
    run = record.run
    rank = PAYS_FIRST.get(run.membership_type, OTHERS)
    return rank, run.days.start, run.group_id.int, run.module_id.int


def primaries_to_compare(records: Iterable[CoverageRecord]) -> set[UUID]:
    """Returns the primaries whose birthdays decide who pays first.

    They matter if several policies cover the member as anything but primary or partner; otherwise the result is empty.
    """
    primaries = {r.run.key.primary_id for r in records if r.run.membership_type not in PAYS_FIRST}
    return primaries if len(primaries) > 1 else set()


def by_birthdays(records: Sequence[CoverageRecord], born: Mapping[UUID, date | None]) -> list[CoverageRecord]:
    """Returns records in order of payment. Among several primaries, the one with the earliest birthday in the year pays
    first, and those with an unknown birthday last.
    """

    def order(record: CoverageRecord) -> tuple[int, tuple[int, int], tuple[int, Day, int, int]]:
        rest = _payment_order(record)
        on = born.get(record.run.key.primary_id) if rest[0] == OTHERS else None
        return rest[0], (on.month, on.day) if on else UNKNOWN_BIRTHDAY, rest

    return sorted(records, key=order)


UNKNOWN_BIRTHDAY = (13, 0)


def lists_capability(capability: str, contract_ids: Iterable[UUID], offers_of: OffersOf) -> bool:
    """Returns whether any version of the contracts lists a capability.

    If none does, the code may be wrong, and the answer that a member doesn't have the capability would be misleading.
    """
    return any(capability in offers_of(contract_id).capabilities for contract_id in contract_ids)


def capable_days(
    capability: str, day: Day, runs: Iterable[CoveredRun], offers_of: OffersOf, within: Span
) -> Span | None:
    """Returns the consecutive days around a day on which some run has a capability, within a span; None if the day has
    none.
    """
    days = Days.of(
        *(
            record.days
            for run in runs
            for record in records_of(run, offers_of(run.key.contract_id), within)
            if capability in record.offer.capabilities
        )
    )
    return next((span for span in (days & Days.of(within)).spans if span.holds(day)), None)
