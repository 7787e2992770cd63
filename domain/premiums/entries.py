"""Premium entries: per enrollment and month, one for each run of days with equal components, with what is owed."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from domain.catalog.contract import ServiceType
from domain.days import Day, Span, to_date
from domain.membership import MembershipType
from domain.money import Rounding, largest_remainder, round_ratio
from domain.premiums.affiliation import AffiliationPiece, InsuredPolicy, affiliation
from domain.premiums.months import Month, days_of_month, first_day, month_of
from domain.pricing.costs import BilledEntity, Component, ContributionType
from domain.pricing.prices import CollectionMethod, ProrataStrategy
from domain.pricing.pricing import PricingBasis, beneficiaries, components

THIRTY = 30


class MonthlyAmount(NamedTuple):
    """What one payer is billed for one thing a month; equal ones are the same price."""

    contribution_type: ContributionType
    billed_entity: BilledEntity
    collection_method: CollectionMethod | None
    beneficiary_type: MembershipType
    service_type: ServiceType
    module_id: UUID
    currency_code: str
    monthly_minor: int


class PremiumEntry(NamedTuple):
    """What is owed for a run of days within a month. `owed_minor` goes with `amounts`, in order."""

    enrollment_id: UUID
    member_id: UUID
    month: Month
    days: Span
    num_days: int
    divisor: int
    amounts: tuple[MonthlyAmount, ...]
    owed_minor: tuple[int, ...]


class _Enrollment(NamedTuple):
    enrollment_id: UUID
    member_id: UUID


class _Run(NamedTuple):
    """Consecutive days on which an enrollment costs the same."""

    start: Day
    end: Day
    amounts: tuple[MonthlyAmount, ...]
    prorata: ProrataStrategy
    rounding: Rounding


def premium_entries(insured: InsuredPolicy, first: Month, last: Month) -> list[PremiumEntry]:
    """Every entry of some months, in order of enrollment, month and first day.

    Raises what keeps a price from being found on a day on which somebody is covered.
    """
    span = Span(first_day(first), days_of_month(last).end)
    runs: dict[_Enrollment, list[_Run]] = {}
    for piece in affiliation(insured, span):
        for enrollment, amounts in _priced(insured, piece):
            runs.setdefault(enrollment, []).append(_run(piece, amounts))
    return [entry for enrollment in sorted(runs) for entry in _entries(enrollment, _joined(runs[enrollment]))]


def _run(piece: AffiliationPiece, amounts: tuple[MonthlyAmount, ...]) -> _Run:
    prorata, rounding = piece.parameters.prorata, piece.parameters.rounding
    assert prorata is not None and rounding is not None  # noqa: S101 (the timeline requires them)
    return _Run(piece.days.start, piece.days.end, amounts, prorata, rounding)


def _priced(insured: InsuredPolicy, piece: AffiliationPiece) -> Iterator[tuple[_Enrollment, tuple[MonthlyAmount, ...]]]:
    """Each enrollment with its monthly amounts, priced on the piece's first day."""
    on, rounding = to_date(piece.days.start), piece.parameters.rounding or Rounding.ARITHMETIC
    basis = PricingBasis(piece.version, insured.policy.contract.currency_code, on, piece.parameters, rounding)
    found = components(basis, piece.specs, beneficiaries(basis, piece.specs))
    for (index, enrollment_id), its in groupby(found, key=lambda c: (c.beneficiary_index, c.enrollment_id)):
        member_id = piece.specs[index].member_id
        assert enrollment_id and member_id  # noqa: S101 (everybody on a policy is enrolled)
        yield _Enrollment(enrollment_id, member_id), tuple(_monthly(component) for component in its)


def _monthly(component: Component) -> MonthlyAmount:
    return MonthlyAmount(
        component.contribution_type,
        component.billed_entity,
        component.collection_method,
        component.beneficiary_type,
        component.service_type,
        component.module_id,
        component.currency_code,
        component.monthly_minor,
    )


def _joined(runs: Sequence[_Run]) -> list[list[_Run]]:
    """Runs cut into months, neighbours with equal amounts made one; by month, in order."""
    months: dict[Month, list[_Run]] = {}
    for run in runs:
        for month in range(month_of(to_date(run.start)), month_of(to_date(run.end - 1)) + 1):
            whole = days_of_month(month)
            start, end = max(run.start, whole.start), min(run.end, whole.end)
            its = months.setdefault(month, [])
            if its and its[-1].end == start and its[-1].amounts == run.amounts:
                its[-1] = its[-1]._replace(end=end)
            else:
                its.append(run._replace(start=start, end=end))
    return [months[month] for month in sorted(months)]


def _entries(enrollment: _Enrollment, months: list[list[_Run]]) -> Iterator[PremiumEntry]:
    for runs in months:
        month = month_of(to_date(runs[0].start))
        whole = days_of_month(month)
        divisor = _divisor(runs, whole)
        for run, owed in zip(runs, _owed(runs, whole, divisor), strict=True):
            num_days = run.end - run.start
            yield PremiumEntry(
                *enrollment, month, Span(run.start, run.end), num_days, divisor, run.amounts, tuple(owed)
            )


def _divisor(runs: Sequence[_Run], whole: Span) -> int:
    """30, but the number of the month's days where all are covered, or where days of the calendar are counted."""
    length = whole.end - whole.start
    covered = sum(run.end - run.start for run in runs)
    calendar = runs[0].prorata == ProrataStrategy.CALENDAR_DAY_PRORATA_WITH_LARGEST_REMAINDER
    return length if calendar or covered == length else THIRTY


def _owed(runs: Sequence[_Run], whole: Span, divisor: int) -> list[list[int]]:
    """What each run owes, by the prorata strategy and the rounding of the month's first covered day."""
    if (runs[0].start, runs[0].end) == whole:
        return [[amount.monthly_minor for amount in runs[0].amounts]]
    prorata, rounding = runs[0].prorata, runs[0].rounding
    if prorata == ProrataStrategy.WHOLE_MONTH_IF_COVERED_ON_FIRST_DAY:
        return [[amount.monthly_minor if run.start == whole.start else 0 for amount in run.amounts] for run in runs]
    if prorata == ProrataStrategy.THIRTY_DAY_PRORATA:
        return [
            [round_ratio(amount.monthly_minor * (run.end - run.start), divisor, rounding) for amount in run.amounts]
            for run in runs
        ]
    shares = [Fraction(amount.monthly_minor * (run.end - run.start), divisor) for run in runs for amount in run.amounts]
    parts = iter(largest_remainder(shares, rounding))
    return [[next(parts) for _ in run.amounts] for run in runs]
