"""Computes the days on which conditions hold from facts and enrollments.

A condition is first resolved for one member. The parts that depend on facts alone become a set of days; the parts that
depend on who is enrolled become a formula over predicates (`enrollments.py`). Only facts can be negated, which is
checked when a contract is published. So formulas are monotonic: adding enrollments never makes a condition false,
except through predicates over "every member", and who that is stays fixed while they are evaluated.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import ALL_DAYS, NO_DAYS, UNBOUNDED_START, Days, Span, intersection, to_day, union
from domain.enrollment.alignment import aged, beginning, lasting
from domain.enrollment.enrollments import Enrollments, Predicate, Predicates
from domain.members import Employment, Facts
from domain.rules.conditions import (
    Age,
    Alive,
    AllOf,
    AnyOf,
    Condition,
    Employed,
    EnrolledOn,
    FactLeaf,
    HasAttribute,
    Negation,
    Residence,
    SalaryRange,
    Subject,
    Tenure,
)

NOTHING_KNOWN = Facts()


@dataclass(frozen=True, slots=True)
class Formula:
    """A condition of one member that depends on who is enrolled.

    `days` computes the days on which it holds, from the values of `predicates`. On the days in `always` it holds
    regardless of the enrollments.
    """

    days: Callable[[Enrollments], Days]
    predicates: tuple[Predicate, ...]
    always: Days = NO_DAYS


@dataclass(slots=True)
class Holding:
    """Resolves the conditions of one contract for the members of one group."""

    contract: Contract
    primary_id: UUID
    facts: Mapping[UUID, Facts]
    predicates: Predicates = field(default_factory=Predicates)
    _fact_days: dict[tuple[FactLeaf, UUID], Days] = field(default_factory=dict)

    def resolve(self, condition: Condition, member_id: UUID) -> Days | Formula:
        """Returns the days on which a condition holds for a member."""
        match condition:
            case AllOf(parts):
                return _all_of([self.resolve(part, member_id) for part in parts])
            case AnyOf(parts):
                return _any_of([self.resolve(part, member_id) for part in parts])
            case Negation(inner):
                days = self.resolve(inner, member_id)
                if not isinstance(days, Days):
                    raise TypeError("a published rule negates a condition on enrollments")
                return ~days
            case EnrolledOn():
                return self._enrolled(condition, member_id)
            case leaf:
                return self._fact(leaf, member_id)

    def _fact(self, leaf: FactLeaf, member_id: UUID) -> Days | Formula:
        match leaf.subject:
            case Subject.SELF:
                return self.fact_days(leaf, member_id)
            case Subject.PRIMARY:
                return self.fact_days(leaf, self.primary_id)
            case Subject.ANY_MEMBER:
                return _formula(self.predicates.anyone_with(leaf, lambda member: self.fact_days(leaf, member)))
            case Subject.EVERY_MEMBER:
                return _formula(self.predicates.everyone_with(leaf, lambda member: self.fact_days(leaf, member)))

    def _enrolled(self, leaf: EnrolledOn, member_id: UUID) -> Formula:
        match leaf.subject:
            case Subject.SELF:
                return _formula(self.predicates.on(member_id, leaf.module_ids))
            case Subject.PRIMARY:
                return _formula(self.predicates.on(self.primary_id, leaf.module_ids))
            case Subject.ANY_MEMBER:
                return _formula(self.predicates.anyone_on(leaf.module_ids))
            case Subject.EVERY_MEMBER:
                return _formula(self.predicates.everyone_on(leaf.module_ids))

    def fact_days(self, leaf: FactLeaf, member_id: UUID) -> Days:
        """Returns the days on which a leaf is true of a member's facts."""
        key = (leaf, member_id)
        days = self._fact_days.get(key)
        if days is None:
            days = self._fact_days[key] = _true_days(leaf, self.facts.get(member_id, NOTHING_KNOWN), self.contract)
        return days

    def known_days(self, leaf: FactLeaf, member_id: UUID) -> Days:
        """Returns the days on which the fact that a leaf depends on is known for a member."""
        return _known_days(leaf, self.facts.get(member_id, NOTHING_KNOWN), self.contract)


def _formula(predicate: Predicate) -> Formula:
    return Formula(lambda enrollments: enrollments.value(predicate), (predicate,))


def _any_of(parts: list[Days | Formula]) -> Days | Formula:
    """Returns the days on which at least one part holds. Parts that are sets of days are merged only once."""
    known = union(part for part in parts if isinstance(part, Days))
    formulas = [part for part in parts if isinstance(part, Formula)]
    if not formulas:
        return known
    return Formula(
        lambda enrollments: union([known, *(formula.days(enrollments) for formula in formulas)]),
        tuple(predicate for formula in formulas for predicate in formula.predicates),
        union([known, *(formula.always for formula in formulas)]),
    )


def _all_of(parts: list[Days | Formula]) -> Days | Formula:
    """Returns the days on which every part holds. Parts that are sets of days are merged only once."""
    known = intersection(part for part in parts if isinstance(part, Days))
    formulas = [part for part in parts if isinstance(part, Formula)]
    if not formulas:
        return known
    return Formula(
        lambda enrollments: intersection([known, *(formula.days(enrollments) for formula in formulas)]),
        tuple(predicate for formula in formulas for predicate in formula.predicates),
        intersection([known, *(formula.always for formula in formulas)]),
    )


def _true_days(leaf: FactLeaf, facts: Facts, contract: Contract) -> Days:
    """Returns the days on which a leaf is true, aligned with the calendar."""
    match leaf:
        case Age():
            return aged(facts.born_on, leaf) if facts.born_on else NO_DAYS
        case SalaryRange():
            salaries = (
                employment.days
                for employment in _employments(facts, contract, leaf.same_sponsor)
                if employment.salary
                and employment.salary.currency_code == contract.currency_code
                and (leaf.min_minor is None or employment.salary.yearly_minor >= leaf.min_minor)
                and (leaf.max_minor is None or employment.salary.yearly_minor < leaf.max_minor)
            )
            return lasting(Days.of(*salaries), leaf.lasts_until)
        case Employed(_, statuses, same_sponsor):
            employments = (
                employment.days
                for employment in _employments(facts, contract, same_sponsor)
                if not statuses or employment.status in statuses
            )
            return lasting(Days.of(*employments), leaf.lasts_until)
        case Tenure(_, min_days, same_sponsor):
            return beginning(_tenure(facts, contract, min_days, same_sponsor), leaf.begins)
        case Residence(_, countries, prefixes):
            addresses = (
                address.days
                for address in facts.addresses
                if (not countries or address.country_code in countries)
                and (not prefixes or address.postal_code.startswith(prefixes))
            )
            return lasting(Days.of(*addresses), leaf.lasts_until)
        case HasAttribute(_, name, values):
            attributes = (a.days for a in facts.attributes if a.name == name and a.value in values)
            return lasting(Days.of(*attributes), leaf.lasts_until)
        case Alive():
            return _alive(facts)


def _known_days(leaf: FactLeaf, facts: Facts, contract: Contract) -> Days:
    match leaf:
        case Age():
            return _from(facts.born_on)
        case SalaryRange():
            return Days.of(
                *(
                    employment.days
                    for employment in facts.employments
                    if employment.salary and employment.salary.currency_code == contract.currency_code
                )
            )
        case Employed() | Tenure():
            return Days.of(*(employment.days for employment in facts.employments))
        case Residence():
            return Days.of(*(address.days for address in facts.addresses))
        case HasAttribute(_, name, _):
            return Days.of(*(a.days for a in facts.attributes if a.name == name))
        case Alive():
            return ALL_DAYS


def _from(born_on: date | None) -> Days:
    return Days.of(Span(to_day(born_on), ALL_DAYS.spans[0].end)) if born_on else NO_DAYS


def _alive(facts: Facts) -> Days:
    # Explanations combine dates of two states, so a death can precede the birth.
    if facts.born_on and facts.died_on and facts.died_on < facts.born_on:
        return NO_DAYS
    return Days.of(Span.between(facts.born_on, facts.died_on))


def _employments(facts: Facts, contract: Contract, same_sponsor: bool) -> Iterator[Employment]:
    """Yields all employments, or only those with the contract's sponsor."""
    for employment in facts.employments:
        if not same_sponsor or (contract.sponsor_id and employment.employer_id == contract.sponsor_id):
            yield employment


def _tenure(facts: Facts, contract: Contract, min_days: int, same_sponsor: bool) -> Days:
    """Returns each unbroken run of days with one employer, without its first `min_days` days."""
    employments = sorted(_employments(facts, contract, same_sponsor), key=lambda e: e.employer_id)
    served: list[Span] = []
    for _, of_one_employer in groupby(employments, key=lambda e: e.employer_id):
        for start, end in Days.of(*(employment.days for employment in of_one_employer)).spans:
            from_day = start if start == UNBOUNDED_START else start + min_days
            if from_day < end:
                served.append(Span(from_day, end))
    return Days.of(*served)
