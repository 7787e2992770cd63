"""Commitments: the minimum length of a run of enrollment that has started."""

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
    """A run that would end too early: the first committed day that it loses, and the earliest last day allowed."""

    key: EnrollmentKey
    on: Day
    earliest_last_on: date


def commitment_end(contract: Contract, key: EnrollmentKey, start: Day) -> Day | None:
    """Returns the first day after the commitment of a run that starts on `start`; None if there is no commitment.

    The length is set by the version in force on the first day of the run.
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
    """Yields, for each enrollment, the first run that has started and loses a committed day."""
    for key, days in before.items():
        for run in days.spans:
            end = commitment_end(contract, key, run.start) if run.start <= today else None
            if end is None:
                continue
            committed = Days.of(Span(run.start, min(run.end, end)))
            if lost := committed - after.get(key, NO_DAYS):
                yield Breach(key, lost.first, to_date(end - 1))
                break


def run_ended_early(contract: Contract, key: EnrollmentKey, asked: Span, before: Days, after: Days) -> Breach | None:
    """Returns the run that a bounded enroll newly ends before its commitment; None if there is none."""
    run = after.run_holding(asked.end - 1)
    if run is None or run.end != asked.end or any(known.end == run.end for known in before.spans):
        return None
    end = commitment_end(contract, key, run.start)
    return Breach(key, run.end, to_date(end - 1)) if end is not None and run.end < end else None
