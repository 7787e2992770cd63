"""The affiliation of a policy: who is on which modules, cut into pieces wherever something that pricing reads changes.

Changes come from three sources. What changes for everybody under a contract is in `pricing_periods.py`. What changes
within a policy cuts its pieces further. A birthday affects the price of one person only, so it doesn't cut pieces:
`ages` lists the ages of a person.

A cut at which no price changes has no effect on entries, so extra cuts are harmless, but a missing cut is not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from domain.catalog.prices import EngineParameters
from domain.days import BeyondTheCalendar, Day, Days, Span, birthday_on, to_date, to_day
from domain.enrollment.decisions import EnrollmentKey
from domain.errors import ModuleNotInVersion
from domain.identity import enrollment_id
from domain.members import HealthRegime
from domain.membership import MembershipType
from domain.premiums.pricing_periods import ContractPricing, PricingPeriod
from domain.premiums.reasons import ENDED, NO_REASON, REGIME, STARTED, Reasons
from domain.pricing.beneficiaries import Beneficiary, effective_birth_date, priced_age
from domain.pricing.inquiries import POLICY_RANK, Policy


@dataclass(frozen=True, slots=True)
class InsuredPolicy:
    """A policy with its enrollments. `parameters` are those of the request; None if it has none."""

    policy: Policy
    enrolled: Mapping[EnrollmentKey, Days]
    types: Mapping[UUID, MembershipType]
    parameters: EngineParameters | None = None


class Person(NamedTuple):
    """A person on a policy. `priced` has the index in spec order, no age yet, and the standard regime."""

    member_id: UUID
    born_on: date | None
    priced: Beneficiary


class Enrollment(NamedTuple):
    """The days of one person on one module."""

    person: Person
    module_id: UUID
    enrollment_id: UUID
    days: Days


class AffiliationPiece(NamedTuple):
    """Consecutive days on which nothing that pricing reads changes, except ages.

    `enrolled` maps indexes of modules to indexes of enrollments, which are in spec order.
    """

    start: Day
    end: Day
    reasons: Reasons
    period: PricingPeriod
    enrolled: Mapping[int, Sequence[int]]
    regime: HealthRegime


def enrollments_of(insured: InsuredPolicy) -> list[Enrollment]:
    """Returns all enrollments of a policy in spec order: people by type, then from oldest to youngest, then by id."""
    policy, types = insured.policy, insured.types
    modules: dict[UUID, list[EnrollmentKey]] = {}
    for key in insured.enrolled:
        modules.setdefault(key.member_id, []).append(key)
    people = []
    for member_id in modules:
        facts = policy.facts.get(member_id)
        born_on = facts.born_on if facts else None
        people.append((POLICY_RANK[types[member_id]], born_on is None, born_on or date.max, member_id.int, member_id))
    people.sort()
    found = []
    for index, (_, unknown, born_on, _, member_id) in enumerate(people):
        born = None if unknown else (born_on.year, born_on.month, born_on.day)
        priced = Beneficiary(index, types[member_id], 0, born, HealthRegime.STANDARD)
        person = Person(member_id, None if unknown else born_on, priced)
        for key in modules[member_id]:
            enrollment = enrollment_id(policy.group_id, member_id, key.module_id)
            found.append(Enrollment(person, key.module_id, enrollment, insured.enrolled[key]))
    return found


def affiliation(
    insured: InsuredPolicy, pricing: ContractPricing, enrollments: Sequence[Enrollment]
) -> Iterator[AffiliationPiece]:
    """Yields the pieces on which anybody is covered, in order.

    Raises NoContractVersion, EngineParameterMissing, ModuleNotInVersion for days on which anybody is covered.
    """
    cuts = _cuts(insured, pricing)
    starts = sorted(cuts)
    starts.append(pricing.days.end)
    for start, end in pairwise(starts):
        covered = [i for i, enrollment in enumerate(enrollments) if enrollment.days.holds(start)]
        if not covered:
            continue
        period, on = pricing.period_on(start), to_date(start)
        enrolled: dict[int, list[int]] = {}
        for i in covered:
            module = period.module_indexes.get(enrollments[i].module_id)
            if module is None:
                raise ModuleNotInVersion(enrollments[i].module_id, on)
            enrolled.setdefault(module, []).append(i)
        yield AffiliationPiece(start, end, cuts[start], period, enrolled, insured.policy.regime_on(on))


def _cuts(insured: InsuredPolicy, pricing: ContractPricing) -> dict[Day, Reasons]:
    """Returns every day on which a piece starts, with all reasons."""
    cuts = dict(pricing.cuts)
    begin, end = pricing.days
    for days in insured.enrolled.values():
        for first, after in days.spans:
            if begin <= first < end:
                cuts[first] = cuts.get(first, NO_REASON) | STARTED
            if begin <= after < end:
                cuts[after] = cuts.get(after, NO_REASON) | ENDED
    facts = insured.policy.facts.get(insured.policy.primary_id)
    for regime in facts.health_regimes if facts else ():
        for day in regime.days:
            if begin <= day < end and insured.policy.regime_of_day(day) != insured.policy.regime_of_day(day - 1):
                cuts[day] = cuts.get(day, NO_REASON) | REGIME
    return cuts


def ages(
    kind: MembershipType, born_on: date | None, parameters: EngineParameters, days: Span
) -> Iterator[tuple[Day, int]]:
    """Yields the age at which a person is priced on the first of some days, and each later day on which it changes."""
    first = to_date(days.start)
    age = priced_age(kind, born_on, first, parameters)
    yield days.start, age
    if born_on is None:
        return
    effective = effective_birth_date(born_on, parameters.age_strategy)
    for year in range(max(first.year, effective.year), to_date(days.end - 1).year + 1):
        try:
            on = birthday_on(effective, year - effective.year)
        except BeyondTheCalendar:
            return
        new = priced_age(kind, born_on, on, parameters)
        if days.start < (day := to_day(on)) < days.end and new != age:
            age = new
            yield day, age
