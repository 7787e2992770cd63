"""On which days conditions hold: facts and enrollments turned into sets of days.

A condition is first resolved for one member: what depends on facts alone becomes a constant, what depends on who is
enrolled stays a function of the enrollments. Negation reaches only facts (checked when a contract is published), so
every such function grows with the enrollments: more people enrolled never make a condition false, but for the
"every member" leaves, whose people are fixed beforehand.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import ALL_DAYS, NO_DAYS, UNBOUNDED_START, Days, Span, days_aged, intersection, to_day, union
from domain.enrollment.decisions import EnrollmentKey
from domain.members import Employment, Facts
from domain.rules.conditions import (
    Age,
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


@dataclass(slots=True)
class Enrollments:
    """Who is enrolled on what while days are being settled.

    `at_most` tells, after the first phase, on which days each member is enrolled at most; None in the first phase,
    when every "every member" leaf counts as true.
    """

    days: dict[EnrollmentKey, Days]
    at_most: Mapping[UUID, Days] | None = None
    _keys: dict[UUID, list[EnrollmentKey]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        # Keys may vanish while days are being settled, but none is ever added.
        for key in self.days:
            self._keys.setdefault(key.member_id, []).append(key)

    def on(self, member_id: UUID, module_ids: tuple[UUID, ...]) -> Days:
        """The days on which a member is on one of the modules; none named: on any."""
        if module_ids:
            return union(self.days.get(EnrollmentKey(member_id, m), NO_DAYS) for m in module_ids)
        return union(self.days.get(key, NO_DAYS) for key in self._keys.get(member_id, ()))

    def by_member(self) -> dict[UUID, Days]:
        """The days on which each member is enrolled on anything."""
        members: dict[UUID, Days] = {}
        for key, days in self.days.items():
            members[key.member_id] = members.get(key.member_id, NO_DAYS) | days
        return members


Resolved = Days | Callable[[Enrollments], Days]
"""The days on which a condition holds for one member: known, or a function of who is enrolled."""


@dataclass(slots=True)
class Holding:
    """Resolves the conditions of one contract for the members of one group."""

    contract: Contract
    primary_id: UUID
    facts: Mapping[UUID, Facts]
    _fact_days: dict[tuple[FactLeaf, UUID], Days] = field(default_factory=dict)

    def resolve(self, condition: Condition, member_id: UUID) -> Resolved:
        """The days on which a condition holds for a member."""
        match condition:
            case AllOf(parts):
                return _combine([self.resolve(part, member_id) for part in parts], intersection)
            case AnyOf(parts):
                return _combine([self.resolve(part, member_id) for part in parts], union)
            case Negation(inner):
                days = self.resolve(inner, member_id)
                if not isinstance(days, Days):
                    raise TypeError("a negation over enrollments was published")
                return ~days
            case EnrolledOn():
                return self._enrolled(condition, member_id)
            case leaf:
                return self._fact(leaf, member_id)

    def _fact(self, leaf: FactLeaf, member_id: UUID) -> Resolved:
        match leaf.subject:
            case Subject.SELF:
                return self.fact_days(leaf, member_id)
            case Subject.PRIMARY:
                return self.fact_days(leaf, self.primary_id)
            case Subject.ANY_MEMBER:
                return lambda enrollments: union(
                    days & self.fact_days(leaf, member) for member, days in enrollments.by_member().items()
                )
            case Subject.EVERY_MEMBER:
                return lambda enrollments: _for_everyone(enrollments, lambda member: self.fact_days(leaf, member))

    def _enrolled(self, leaf: EnrolledOn, member_id: UUID) -> Resolved:
        modules = leaf.module_ids
        match leaf.subject:
            case Subject.SELF:
                return lambda enrollments: enrollments.on(member_id, modules)
            case Subject.PRIMARY:
                return lambda enrollments: enrollments.on(self.primary_id, modules)
            case Subject.ANY_MEMBER:
                return lambda enrollments: union(
                    days for key, days in enrollments.days.items() if not modules or key.module_id in modules
                )
            case Subject.EVERY_MEMBER:
                return lambda enrollments: _for_everyone(enrollments, lambda member: enrollments.on(member, modules))

    def fact_days(self, leaf: FactLeaf, member_id: UUID) -> Days:
        """The days on which a leaf is true of a member's facts."""
        key = (leaf, member_id)
        days = self._fact_days.get(key)
        if days is None:
            days = self._fact_days[key] = _true_days(leaf, self.facts.get(member_id, NOTHING_KNOWN), self.contract)
        return days

    def known_days(self, leaf: FactLeaf, member_id: UUID) -> Days:
        """The days on which the fact that a leaf looks at is known of a member."""
        return _known_days(leaf, self.facts.get(member_id, NOTHING_KNOWN), self.contract)


def _combine(parts: list[Resolved], merge: Callable[[Iterator[Days]], Days]) -> Resolved:
    """All parts merged into one; constants once and for all."""
    constants = [part for part in parts if isinstance(part, Days)]
    functions = [part for part in parts if not isinstance(part, Days)]
    constant = merge(iter(constants))
    if not functions:
        return constant
    if not constants:
        return lambda enrollments: merge(function(enrollments) for function in functions)
    return lambda enrollments: merge(iter([constant, *(function(enrollments) for function in functions)]))


def _for_everyone(enrollments: Enrollments, days_of: Callable[[UUID], Days]) -> Days:
    """The days on which something is true of everyone who is enrolled at most that day."""
    if enrollments.at_most is None:
        return ALL_DAYS
    return ALL_DAYS - union(days - days_of(member) for member, days in enrollments.at_most.items())


def _true_days(leaf: FactLeaf, facts: Facts, contract: Contract) -> Days:
    match leaf:
        case Age(_, min_years, max_years):
            return days_aged(facts.born_on, min_years, max_years) if facts.born_on else NO_DAYS
        case SalaryRange():
            return Days.of(
                *(
                    employment.days
                    for employment in _employments(facts, contract, leaf.same_sponsor)
                    if employment.salary
                    and employment.salary.currency_code == contract.currency_code
                    and (leaf.min_minor is None or employment.salary.yearly_minor >= leaf.min_minor)
                    and (leaf.max_minor is None or employment.salary.yearly_minor < leaf.max_minor)
                )
            )
        case Employed(_, statuses, same_sponsor):
            return Days.of(
                *(
                    employment.days
                    for employment in _employments(facts, contract, same_sponsor)
                    if not statuses or employment.status in statuses
                )
            )
        case Tenure(_, min_days, same_sponsor):
            return _tenure(facts, contract, min_days, same_sponsor)
        case Residence(_, countries, prefixes):
            return Days.of(
                *(
                    address.days
                    for address in facts.addresses
                    if (not countries or address.country_code in countries)
                    and (not prefixes or address.postal_code.startswith(prefixes))
                )
            )
        case HasAttribute(_, name, values):
            return Days.of(*(a.days for a in facts.attributes if a.name == name and a.value in values))


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


def _from(born_on: date | None) -> Days:
    return Days.of(Span(to_day(born_on), ALL_DAYS.spans[0].end)) if born_on else NO_DAYS


def _employments(facts: Facts, contract: Contract, same_sponsor: bool) -> Iterator[Employment]:
    """All employments, or only those with the contract's sponsor."""
    for employment in facts.employments:
        if not same_sponsor or (contract.sponsor_id and employment.employer_id == contract.sponsor_id):
            yield employment


def _tenure(facts: Facts, contract: Contract, min_days: int, same_sponsor: bool) -> Days:
    """Each unbroken run with one employer, without its first `min_days` days."""
    employments = sorted(_employments(facts, contract, same_sponsor), key=lambda e: e.employer_id)
    served: list[Span] = []
    for _, of_one_employer in groupby(employments, key=lambda e: e.employer_id):
        for start, end in Days.of(*(employment.days for employment in of_one_employer)).spans:
            from_day = start if start == UNBOUNDED_START else start + min_days
            if from_day < end:
                served.append(Span(from_day, end))
    return Days.of(*served)
