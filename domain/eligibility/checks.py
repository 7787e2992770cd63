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
    """Why somebody is covered, or is not."""

    COVERED = "COVERED"
    NO_COVERAGE = "NO_COVERAGE"
    NOT_YET_COVERED = "NOT_YET_COVERED"
    COVERAGE_ENDED = "COVERAGE_ENDED"
    MODULE_NOT_COVERED = "MODULE_NOT_COVERED"
    CAPABILITY_NOT_INCLUDED = "CAPABILITY_NOT_INCLUDED"


@dataclass(frozen=True, slots=True)
class Question:
    """Whether a member is covered on a day; on a module, with a capability, where these are named."""

    member_id: UUID
    day: Day
    module_id: UUID | None = None
    capability: str = ""


class Finding(NamedTuple):
    """The answer. `records` are those that apply, in order of payment; all of the day where it is not COVERED for want
    of a module or capability. `first_day`: from when on the member is covered; `last_day`: until when it was so.
    `covering` are all records of the day."""

    reason: CheckReason
    records: Sequence[CoverageRecord]
    first_day: Day | None = None
    last_day: Day | None = None
    covering: Sequence[CoverageRecord] = ()


OffersOf = Callable[[UUID], Offers]
"""The offers of a contract."""


def check(question: Question, runs: Sequence[CoveredRun], offers_of: OffersOf) -> Finding:
    """Judges a question by all runs of its member. Records are in order of payment but for birthdays."""
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


def _not_covered(day: Day, runs: Sequence[CoveredRun]) -> Finding:
    """In a gap coverage has ended, and the next first day is told as well."""
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
    """Whose birthdays decide who pays first: the primaries of several policies that cover as anything but primary or
    partner; none where that is not the question."""
    primaries = {r.run.key.primary_id for r in records if r.run.membership_type not in PAYS_FIRST}
    return primaries if len(primaries) > 1 else set()


def by_birthdays(records: Sequence[CoverageRecord], born: Mapping[UUID, date | None]) -> list[CoverageRecord]:
    """Records in full order of payment: between several primaries the one whose birthday comes first in the year;
    those whose is unknown come last."""

    def order(record: CoverageRecord) -> tuple[int, tuple[int, int], tuple[int, Day, int, int]]:
        rest = _payment_order(record)
        on = born.get(record.run.key.primary_id) if rest[0] == OTHERS else None
        return rest[0], (on.month, on.day) if on else UNKNOWN_BIRTHDAY, rest

    return sorted(records, key=order)


UNKNOWN_BIRTHDAY = (13, 0)


def capable_days(
    capability: str, day: Day, runs: Iterable[CoveredRun], offers_of: OffersOf, within: Span
) -> Span | None:
    """The consecutive days around one on which some run has a capability, as far as within a span; None: not on it."""
    days = Days.of(
        *(
            record.days
            for run in runs
            for record in records_of(run, offers_of(run.key.contract_id), within)
            if capability in record.offer.capabilities
        )
    )
    return next((span for span in (days & Days.of(within)).spans if span.holds(day)), None)
