"""Premium entries: per enrollment and month, one for each run of days with equal components, with what is owed.

Most months are like the one before. So what is computed and kept are stretches: an entry of a single month, or equal
entries of whole months that follow each other, which are told apart only when they are read.
"""

from collections.abc import Hashable, Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from domain.days import Day, Span
from domain.members import HealthRegime
from domain.membership import MembershipType
from domain.money import Rounding, largest_remainder, round_ratio
from domain.premiums.affiliation import (
    AGED,
    NO_REASON,
    AffiliationPiece,
    Enrollment,
    InsuredPolicy,
    Reasons,
    Terms,
    affiliation,
    ages,
    enrollments_of,
    terms_of,
)
from domain.premiums.months import Month, days_of_month, first_day, month_of_day
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.costs import MonthlyAmount
from domain.pricing.prices import EngineParameters, ProrataStrategy
from domain.pricing.tariffs import Price, Tariff, tariff_on

THIRTY = 30


class Basis(NamedTuple):
    """What an amount was computed by: the price, which tells how it came about, and the engine's parameters."""

    price: Price
    parameters: EngineParameters


class PremiumEntry(NamedTuple):
    """What is owed for a run of days within a month. `owed_minor` goes with `amounts`, in order.

    `basis` and `reasons` (why the run starts; empty where a month goes on as the last one ended) explain it, and are no
    part of what it says.
    """

    enrollment_id: UUID
    member_id: UUID
    month: Month
    days: Span
    num_days: int
    divisor: int
    amounts: tuple[MonthlyAmount, ...]
    owed_minor: tuple[int, ...]
    basis: Basis
    reasons: Reasons

    @property
    def says(self) -> tuple[object, ...]:
        """All that makes two entries the same."""
        return self[:8]


class Stretch(NamedTuple):
    """Entries of consecutive months, both inclusive. `days`, `divisor` and `owed_minor` are None where the months are
    whole: each then owes the monthly amounts. Only a single month has them."""

    enrollment_id: UUID
    member_id: UUID
    first: Month
    last: Month
    days: Span | None
    divisor: int | None
    owed_minor: tuple[int, ...] | None
    basis: Basis
    reasons: Reasons

    def entry(self, month: Month) -> PremiumEntry:
        """The entry of one of its months."""
        amounts = self.basis.price.amounts
        reasons = self.reasons if month == self.first else NO_REASON
        days, divisor, owed = self.days, self.divisor, self.owed_minor
        if days is None or divisor is None or owed is None:
            days = days_of_month(month)
            divisor = days.end - days.start
            owed = tuple(amount.monthly_minor for amount in amounts)
        return PremiumEntry(
            self.enrollment_id,
            self.member_id,
            month,
            days,
            days.end - days.start,
            divisor,
            amounts,
            owed,
            self.basis,
            reasons,
        )

    def entries(self) -> Iterator[PremiumEntry]:
        return (self.entry(month) for month in range(self.first, self.last + 1))


class _Run(NamedTuple):
    """Consecutive days on which an enrollment costs the same."""

    start: Day
    end: Day
    basis: Basis
    reasons: Reasons


def premium_entries(insured: InsuredPolicy, first: Month, last: Month) -> list[PremiumEntry]:
    """Every entry of some months, in order of enrollment, month and first day.

    Raises what keeps a price from being found on a day on which somebody is covered.
    """
    terms = terms_of(insured.policy.contract, span_of(first, last), insured.parameters)
    found = [entry for stretch in premium_stretches(insured, terms) for entry in stretch.entries()]
    return sorted(found, key=lambda entry: (entry.enrollment_id, entry.month, entry.days.start))


def span_of(first: Month, last: Month) -> Span:
    """All days of some months."""
    return Span(first_day(first), days_of_month(last).end)


def premium_stretches(insured: InsuredPolicy, terms: Terms) -> Iterator[Stretch]:
    """The same for the months that the terms span, as stretches: by enrollment, in order of month and first day."""
    enrollments = enrollments_of(insured)
    runs: list[list[_Run]] = [[] for _ in enrollments]
    for piece in affiliation(insured, terms, enrollments):
        _add_runs(runs, piece, enrollments, insured.policy.contract.currency_code)
    for enrollment, its in zip(enrollments, runs, strict=True):
        if its:
            yield from _stretches(enrollment, its)


def _add_runs(
    runs: Sequence[list[_Run]], piece: AffiliationPiece, enrollments: Sequence[Enrollment], currency_code: str
) -> None:
    """Prices a piece: everybody on each module, at each age."""
    start, end, reasons, term, enrolled, regime = piece
    version, parameters = term.version, term.parameters
    assert version is not None and parameters.rounding is not None  # noqa: S101 (`Terms.on` has required them)
    tariff = tariff_on(version, currency_code, start, parameters.rounding)
    has_partner = any(
        enrollments[i].person.priced.beneficiary_type is MembershipType.PARTNER
        for its in enrolled.values()
        for i in its
    )
    for module, its in enrolled.items():
        people = [enrollments[i].person.priced for i in its]
        if regime is not HealthRegime.STANDARD:
            people = [person._replace(regime=regime) for person in people]
        for i, person, place in zip(its, people, tariff.places(module, people), strict=True):
            born_on = enrollments[i].person.born_on
            alike = (start, end, module, person.beneficiary_type, born_on, regime, place, has_partner)
            priced = term.priced.get(alike)
            if priced is None:
                aged = _aged(tariff, module, person, born_on, place, has_partner, parameters, Span(start, end))
                priced = term.priced[alike] = tuple(aged)
            for day, until, basis in priced:
                _add(runs[i], _Run(day, until, basis, reasons if day == start else AGED))


def _aged(
    tariff: Tariff,
    module: int,
    person: Beneficiary,
    born_on: date | None,
    place: Hashable,
    has_partner: bool,
    parameters: EngineParameters,
    days: Span,
) -> Iterator[tuple[Day, Day, Basis]]:
    """What somebody on a module costs, from each birthday to the next."""
    priced = [
        (day, tariff.price(module, person._replace(age=age), place, day, has_partner=has_partner))
        for day, age in ages(person.beneficiary_type, born_on, parameters, days)
    ]
    for (day, price), (until, _) in pairwise([*priced, (days.end, None)]):
        assert price is not None  # noqa: S101 (only the last one is)
        yield day, until, Basis(price, parameters)


def _add(runs: list[_Run], run: _Run) -> None:
    """Adds a run; it is one with the run before where that ends and nothing has changed."""
    if runs and runs[-1].end == run.start:
        price, parameters = runs[-1].basis
        if price is run.basis.price and parameters is run.basis.parameters:
            runs[-1] = _Run(runs[-1].start, run.end, runs[-1].basis, runs[-1].reasons)
            return
    runs.append(run)


def _stretches(enrollment: Enrollment, runs: Sequence[_Run]) -> Iterator[Stretch]:
    """Runs cut into months: those that a run covers whole, together; the others each by itself."""
    enrolled = (enrollment.enrollment_id, enrollment.person.member_id)
    found: list[Stretch] = []
    partly: dict[Month, list[_Run]] = {}
    for run in runs:
        start, end, basis, reasons = run
        first, last = month_of_day(start), month_of_day(end - 1)
        begin, final = days_of_month(first), days_of_month(last)
        whole_from, whole_to = first + (start != begin.start), last - (end != final.end)
        if whole_from <= whole_to:
            its = reasons if whole_from == first else NO_REASON
            found.append(Stretch(*enrolled, whole_from, whole_to, None, None, None, basis, its))
        if whole_from > first:
            partly.setdefault(first, []).append(_Run(start, min(end, begin.end), basis, reasons))
        if whole_to < last and last >= whole_from:
            its = reasons if start == final.start else NO_REASON
            partly.setdefault(last, []).append(_Run(final.start, end, basis, its))
    for month, its_runs in partly.items():
        found += _month(enrolled, month, its_runs)
    if partly:
        found.sort(key=lambda stretch: (stretch.first, stretch.days or days_of_month(stretch.first)))
    yield from found


def _month(enrolled: tuple[UUID, UUID], month: Month, parts: Sequence[_Run]) -> Iterator[Stretch]:
    """A month of several runs, or not covered whole."""
    runs: list[_Run] = []
    for part in parts:
        if runs and runs[-1].end == part.start and runs[-1].basis.price.amounts == part.basis.price.amounts:
            runs[-1] = runs[-1]._replace(end=part.end)
        else:
            runs.append(part)
    whole = days_of_month(month)
    if (runs[0].start, runs[0].end) == whole:
        yield Stretch(*enrolled, month, month, None, None, None, runs[0].basis, runs[0].reasons)
        return
    divisor = _divisor(runs, whole)
    for run, owed in zip(runs, _owed(runs, whole, divisor), strict=True):
        days = Span(run.start, run.end)
        yield Stretch(*enrolled, month, month, days, divisor, tuple(owed), run.basis, run.reasons)


def _divisor(runs: Sequence[_Run], whole: Span) -> int:
    """30, but the number of the month's days where all are covered, or where days of the calendar are counted."""
    length = whole.end - whole.start
    covered = sum(run.end - run.start for run in runs)
    calendar = runs[0].basis.parameters.prorata == ProrataStrategy.CALENDAR_DAY_PRORATA_WITH_LARGEST_REMAINDER
    return length if calendar or covered == length else THIRTY


def _owed(runs: Sequence[_Run], whole: Span, divisor: int) -> list[list[int]]:
    """What each run owes, by the prorata strategy and the rounding of the month's first covered day."""
    parameters = runs[0].basis.parameters
    prorata, rounding = parameters.prorata, parameters.rounding or Rounding.ARITHMETIC
    amounts = [[amount.monthly_minor for amount in run.basis.price.amounts] for run in runs]
    if prorata == ProrataStrategy.WHOLE_MONTH_IF_COVERED_ON_FIRST_DAY:
        return [its if run.start == whole.start else [0] * len(its) for run, its in zip(runs, amounts, strict=True)]
    lengths = [run.end - run.start for run in runs]
    if prorata == ProrataStrategy.THIRTY_DAY_PRORATA:
        return [
            [round_ratio(amount * length, divisor, rounding) for amount in its]
            for length, its in zip(lengths, amounts, strict=True)
        ]
    shares = [amount * length for length, its in zip(lengths, amounts, strict=True) for amount in its]
    parts = iter(largest_remainder(shares, divisor, rounding))
    return [[next(parts) for _ in its] for its in amounts]
