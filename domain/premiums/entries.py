"""Premium entries: for each enrollment and month, one entry for each run of days with equal charges.

Most months are like the one before. So stretches are computed and stored: an entry of a single month, or the equal
entries of consecutive whole months. They are expanded to entries when they are read.
"""

from collections.abc import Hashable, Iterator, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from domain.catalog.prices import DEFAULT_CUT_OFF_DAY, EngineParameters, ProrataStrategy
from domain.days import Day, Span
from domain.members import HealthRegime
from domain.membership import MembershipType
from domain.money import Rounding, largest_remainder, round_ratio
from domain.premiums.affiliation import AffiliationPiece, Enrollment, InsuredPolicy, affiliation, ages, enrollments_of
from domain.premiums.months import Month, days_of_month, first_day, month_of_day
from domain.premiums.pricing_periods import AgedPrice, Basis, ContractPricing
from domain.premiums.reasons import AGED, NO_REASON, Reasons
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.costs import Charge
from domain.pricing.tariffs import Tariff, tariffs_of

THIRTY = 30


class PremiumEntry(NamedTuple):
    """The amount owed for a run of days within a month. `owed_minor` has one amount for each of `charges`, in order.

    `basis` and `reasons` explain the entry. They are ignored when entries are compared (`content`). `reasons` is empty
    if a month continues as the last one ended.
    """

    enrollment_id: UUID
    member_id: UUID
    month: Month
    days: Span
    num_days: int
    divisor: int
    charges: tuple[Charge, ...]
    owed_minor: tuple[int, ...]
    basis: Basis
    reasons: Reasons

    @property
    def content(self) -> tuple[object, ...]:
        """Equal for two entries with the same content."""
        return self[:8]


class Stretch(NamedTuple):
    """The entries of consecutive months; `first` and `last` are inclusive.

    `days`, `divisor` and `owed_minor` are None if the months are covered whole: each month then owes the monthly
    charges. Only a stretch of a single month can have them.
    """

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
        """Returns the entry of one of the months."""
        charges = self.basis.price.charges
        reasons = self.reasons if month == self.first else NO_REASON
        days, divisor, owed = self.days, self.divisor, self.owed_minor
        if days is None or divisor is None or owed is None:
            days = days_of_month(month)
            divisor = days.end - days.start
            owed = tuple(charge.monthly_minor for charge in charges)
        return PremiumEntry(
            self.enrollment_id,
            self.member_id,
            month,
            days,
            days.end - days.start,
            divisor,
            charges,
            owed,
            self.basis,
            reasons,
        )

    def entries(self) -> Iterator[PremiumEntry]:
        return (self.entry(month) for month in range(self.first, self.last + 1))


class _Run(NamedTuple):
    """Consecutive days on which an enrollment has the same price."""

    start: Day
    end: Day
    basis: Basis
    reasons: Reasons


def premium_entries(insured: InsuredPolicy, first: Month, last: Month) -> list[PremiumEntry]:
    """Returns all entries of some months, in order of enrollment, month and first day.

    Raises CannotBePriced if a price can't be determined for a day on which anybody is covered.
    """
    pricing = ContractPricing(insured.policy.contract, span_of(first, last), insured.parameters)
    found = [entry for stretch in premium_stretches(insured, pricing) for entry in stretch.entries()]
    return sorted(found, key=lambda entry: (entry.enrollment_id, entry.month, entry.days.start))


def span_of(first: Month, last: Month) -> Span:
    """Returns all days of some months; `last` is inclusive."""
    return Span(first_day(first), days_of_month(last).end)


def premium_stretches(insured: InsuredPolicy, pricing: ContractPricing) -> Iterator[Stretch]:
    """Yields the entries of the months of `pricing` as stretches: by enrollment, in order of month and first day."""
    enrollments = enrollments_of(insured)
    runs: list[list[_Run]] = [[] for _ in enrollments]
    before: _AgesBefore = (pricing.days.start, {})
    for piece in affiliation(insured, pricing, enrollments):
        before = _add_runs(runs, piece, enrollments, pricing, before)
    for enrollment, enrollment_runs in zip(enrollments, runs, strict=True):
        if enrollment_runs:
            yield from _stretches(enrollment, enrollment_runs)


_AgesBefore = tuple[Day, dict[int, int]]
"""The end of a piece, and the age at which each of its people was priced at its end, by index in spec order."""


def _add_runs(
    runs: Sequence[list[_Run]],
    piece: AffiliationPiece,
    enrollments: Sequence[Enrollment],
    pricing: ContractPricing,
    before: _AgesBefore,
) -> _AgesBefore:
    """Adds the runs of a piece: of everybody on each module, at each age. A birthday on its first day is a reason."""
    start, end, reasons, period, enrolled, regime = piece
    ages_before = before[1] if before[0] == start else {}
    ages_after: dict[int, int] = {}
    version, parameters = period.version, period.parameters
    assert version is not None and parameters.rounding is not None  # noqa: S101 (`period_on` has required them)
    tariff = tariffs_of(version).on(start, pricing.contract.currency_code, parameters.rounding)
    has_partner = any(
        enrollments[i].person.priced.beneficiary_type is MembershipType.PARTNER
        for indexes in enrolled.values()
        for i in indexes
    )
    for module, indexes in enrolled.items():
        people = [enrollments[i].person.priced for i in indexes]
        if regime is not HealthRegime.STANDARD:
            people = [person._replace(regime=regime) for person in people]
        for i, person, situation in zip(indexes, people, tariff.situations(module, people), strict=True):
            born_on = enrollments[i].person.born_on
            key = (start, end, module, person.beneficiary_type, born_on, regime, situation, has_partner)
            priced = pricing.prices.get(key)
            if priced is None:
                aged = _aged(tariff, module, person, born_on, situation, has_partner, parameters, Span(start, end))
                priced = pricing.prices[key] = tuple(aged)
            first_age = priced[0][3]
            why = reasons if ages_before.get(person.spec_index, first_age) == first_age else reasons | AGED
            ages_after[person.spec_index] = priced[-1][3]
            for day, until, basis, _ in priced:
                _add(runs[i], _Run(day, until, basis, why if day == start else AGED))
    return end, ages_after


def _aged(
    tariff: Tariff,
    module: int,
    person: Beneficiary,
    born_on: date | None,
    situation: Hashable,
    has_partner: bool,
    parameters: EngineParameters,
    days: Span,
) -> Iterator[AgedPrice]:
    """Yields the prices of a person on a module, from each birthday to the next."""
    aged = list(ages(person.beneficiary_type, born_on, parameters, days))
    ends = [*(day for day, _ in aged[1:]), days.end]
    for (day, age), until in zip(aged, ends, strict=True):
        price = tariff.price(module, person._replace(age=age), situation, day, has_partner=has_partner)
        yield AgedPrice(day, until, Basis(price, parameters), age)


def _add(runs: list[_Run], run: _Run) -> None:
    """Adds a run, or extends the last run if the price is the same object.

    A run with another basis but equal charges, such as a new version with the same prices, keeps its own basis. It has
    no reasons, because nothing that is owed changes there.
    """
    if runs and runs[-1].end == run.start:
        price, parameters = runs[-1].basis
        if price is run.basis.price and parameters is run.basis.parameters:
            runs[-1] = _Run(runs[-1].start, run.end, runs[-1].basis, runs[-1].reasons)
            return
        if price.charges == run.basis.price.charges:
            run = run._replace(reasons=NO_REASON)
    runs.append(run)


def _stretches(enrollment: Enrollment, runs: Sequence[_Run]) -> Iterator[Stretch]:
    """Yields runs cut into months: the months that a run covers whole as one stretch, the other months one by one."""
    enrolled = (enrollment.enrollment_id, enrollment.person.member_id)
    found: list[Stretch] = []
    partly: dict[Month, list[_Run]] = {}
    for run in runs:
        start, end, basis, reasons = run
        first, last = month_of_day(start), month_of_day(end - 1)
        begin, final = days_of_month(first), days_of_month(last)
        whole_from, whole_to = first + (start != begin.start), last - (end != final.end)
        if whole_from <= whole_to:
            why = reasons if whole_from == first else NO_REASON
            found.append(Stretch(*enrolled, whole_from, whole_to, None, None, None, basis, why))
        if whole_from > first:
            partly.setdefault(first, []).append(_Run(start, min(end, begin.end), basis, reasons))
        if whole_to < last and last >= whole_from:
            why = reasons if start == final.start else NO_REASON
            partly.setdefault(last, []).append(_Run(final.start, end, basis, why))
    for month, month_runs in partly.items():
        found += _month(enrolled, month, month_runs)
    if partly:
        found.sort(key=lambda stretch: (stretch.first, stretch.days or days_of_month(stretch.first)))
    yield from found


def _month(enrolled: tuple[UUID, UUID], month: Month, parts: Sequence[_Run]) -> Iterator[Stretch]:
    """Yields the stretches of a month that has several runs or isn't covered whole."""
    runs: list[_Run] = []
    for part in parts:
        if runs and runs[-1].end == part.start and runs[-1].basis.price.charges == part.basis.price.charges:
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
    """Returns the number of days of the month if all are covered or calendar days are counted, otherwise 30."""
    length = whole.end - whole.start
    covered = sum(run.end - run.start for run in runs)
    calendar = runs[0].basis.parameters.prorata == ProrataStrategy.CALENDAR_DAY_PRORATA_WITH_LARGEST_REMAINDER
    return length if calendar or covered == length else THIRTY


def _owed(runs: Sequence[_Run], whole: Span, divisor: int) -> list[list[int]]:
    """Returns what each run owes for each charge, by the prorata strategy and rounding of the first covered day."""
    parameters = runs[0].basis.parameters
    prorata, rounding = parameters.prorata, parameters.rounding or Rounding.ARITHMETIC
    monthly = [[charge.monthly_minor for charge in run.basis.price.charges] for run in runs]
    if prorata == ProrataStrategy.WHOLE_MONTH_IF_COVERED_ON_FIRST_DAY:
        return [owed if run.start == whole.start else [0] * len(owed) for run, owed in zip(runs, monthly, strict=True)]
    if prorata == ProrataStrategy.MID_MONTH:
        cut_off = whole.start + (parameters.cut_off_day or DEFAULT_CUT_OFF_DAY) - 1
        return [
            owed if run.start <= cut_off < run.end else [0] * len(owed) for run, owed in zip(runs, monthly, strict=True)
        ]
    lengths = [run.end - run.start for run in runs]
    if prorata == ProrataStrategy.THIRTY_DAY_PRORATA:
        return [
            [round_ratio(amount * length, divisor, rounding) for amount in amounts]
            for length, amounts in zip(lengths, monthly, strict=True)
        ]
    shares = [amount * length for length, amounts in zip(lengths, monthly, strict=True) for amount in amounts]
    parts = iter(largest_remainder(shares, divisor, rounding))
    return [[next(parts) for _ in amounts] for amounts in monthly]
