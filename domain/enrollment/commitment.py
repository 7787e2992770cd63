"""Commitments: how long a run of enrollment must last once it has begun (`enrollment.md`, section 4)."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

from domain.catalog.contract import Contract
from domain.days import (
    NO_DAYS,
    UNBOUNDED_START,
    BeyondTheCalendar,
    Day,
    Days,
    Span,
    add_months,
    to_date,
    to_day,
)
from domain.enrollment.decisions import EnrollmentKey


class Breach(NamedTuple):
    """A run that would end too early: the first committed day that it would not have, and the earliest last day."""

    key: EnrollmentKey
    on: Day
    earliest_last_on: date


def commitment_end(contract: Contract, key: EnrollmentKey, start: Day) -> Day | None:
    """The first day that is not committed any more, of a run that starts on `start`; None without a commitment.

    Its length is that of the version in force on the first day of the run.
    """
    if start == UNBOUNDED_START:
        return None
    version = contract.version_on(start)
    module = version.module(key.module_id) if version else None
    if module is None or module.commitment_months is None:
        return None
    try:
        return to_day(add_months(to_date(start), module.commitment_months))
    except BeyondTheCalendar:
        return to_day(date.max)


def lost_commitments(
    contract: Contract, before: Mapping[EnrollmentKey, Days], after: Mapping[EnrollmentKey, Days], today: Day
) -> Iterator[Breach]:
    """Of each enrollment the first run that has begun and loses a committed day."""
    for key, days in before.items():
        for run in days.spans:
            end = commitment_end(contract, key, run.start) if run.start <= today else None
            if end is None:
                continue
            committed = Days.of(Span(run.start, min(run.end, end)))
            if lost := committed - after.get(key, NO_DAYS):
                yield Breach(key, lost.first, to_date(end - 1))
                break


def runs_ended_early(
    contract: Contract, key: EnrollmentKey, asked: Days, before: Days, after: Days
) -> Iterator[Breach]:
    """Runs that end on the last day of a bounded enroll (`asked`), did not end there before, and should last longer."""
    ends_before = {run.end for run in before.spans}
    ends_asked = {span.end for span in asked.spans}
    for run in after.spans:
        end = commitment_end(contract, key, run.start)
        if end is not None and run.end < end and run.end in ends_asked and run.end not in ends_before:
            yield Breach(key, run.end, to_date(end - 1))
