"""Checks: whether a member is covered on a day, and why not."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.days import Day, Days, Span
from domain.eligibility.coverage import CoverageRecord, CoveredRun, Offers, record_on, records_of
from domain.eligibility.payment_order import PaymentRule


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
    """A check of a member on a day, and of a module or a capability if these are set.

    Without a day, the coverage under each contract is checked on the contract's today.
    """

    member_id: UUID
    day: Day | None
    module_id: UUID | None = None
    capability: str = ""


class Finding(NamedTuple):
    """The result of a check.

    `records` are those that apply. If only the module or capability isn't covered, they are all records of the day.
    `first_day` is the next day of coverage, `last_day` the last day before. `covering` are all records of the day.

    `check` returns records in no particular order; `operations/payment_order.py` puts them in order of payment and sets
    `decided_by`, the rule that put each record after the previous one (None for the first).
    """

    reason: CheckReason
    records: Sequence[CoverageRecord]
    first_day: Day | None = None
    last_day: Day | None = None
    covering: Sequence[CoverageRecord] = ()
    decided_by: Sequence[PaymentRule | None] = ()


OffersOf = Callable[[UUID], Offers]
"""Returns the offers of a contract."""
DayOf = Callable[[UUID], Day]
"""Returns the day to check under a contract."""
TodayIn = Callable[[str], Day]
"""Returns the current day in a time zone, given by its IANA name."""


def day_under(day: Day | None, offers_of: OffersOf, today_in: TodayIn) -> DayOf:
    """Returns the day to check under each contract: the given one or, if there is none, the contract's today."""
    if day is not None:
        return lambda contract_id: day
    return lambda contract_id: today_in(offers_of(contract_id).contract.time_zone)


def with_day(question: Question, runs: Iterable[CoveredRun], day_of: DayOf, otherwise: Day) -> Question:
    """Returns a question with its day: the common today of all contracts that have ever covered the member, if they
    have one. Around midnight, it differs between time zones, and the question stays without a day.

    For a member who was never covered, the day is `otherwise`.
    """
    if question.day is not None:
        return question
    days = {day_of(contract_id) for contract_id in {run.key.contract_id for run in runs}} or {otherwise}
    return replace(question, day=days.pop()) if len(days) == 1 else question


def check(question: Question, runs: Sequence[CoveredRun], offers_of: OffersOf, day_of: DayOf) -> Finding:
    """Checks a member, given all of the member's runs, on the day that `day_of` returns for each contract."""
    days = [day_of(run.key.contract_id) for run in runs]
    records = [
        record
        for run, day in zip(runs, days, strict=True)
        if run.days.holds(day) and (record := record_on(run, offers_of(run.key.contract_id), day))
    ]
    if not records:
        return _not_covered(runs, days)
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


def _not_covered(runs: Sequence[CoveredRun], days: Sequence[Day]) -> Finding:
    """Returns the reason why a member isn't covered on the day for each run. In a gap, coverage has ended, and the next
    first day is returned as well.
    """
    dated = list(zip(runs, days, strict=True))
    first = min((run.days.start for run, day in dated if run.days.start > day), default=None)
    last = max((run.days.end - 1 for run, day in dated if run.days.end <= day), default=None)
    if last is not None:
        return Finding(CheckReason.COVERAGE_ENDED, (), first, last)
    if first is not None:
        return Finding(CheckReason.NOT_YET_COVERED, (), first)
    return Finding(CheckReason.NO_COVERAGE, ())


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
