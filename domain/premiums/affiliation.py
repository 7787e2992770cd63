"""The affiliation timeline: who is on what, cut wherever anything that pricing reads can change, each piece with why.

It comes in three parts. What changes for everybody under a contract (versions, discounts, parameters) is worked out
once for all its policies: `Terms`. What changes within a policy cuts its pieces further. Birthdays concern one person
alone, so that nobody else is priced again: `ages`.

A cut that changes no price leaves no trace later on; so it is enough that none is missing (`premiums.md`, From
enrollments to entries).
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from domain.catalog.contract import Contract, ContractVersion
from domain.days import BeyondTheCalendar, Day, Days, Span, birthday_on, to_date, to_day
from domain.enrollment.decisions import EnrollmentKey
from domain.errors import ModuleNotInVersion, NoContractVersion
from domain.identity import enrollment_id
from domain.members import HealthRegime
from domain.membership import MembershipType
from domain.pricing.beneficiaries import Beneficiary, effective_birth_date, priced_age
from domain.pricing.inquiries import POLICY_RANK, Policy
from domain.pricing.parameters import COUNTRY_PARAMETERS, require, resolved
from domain.pricing.prices import EngineParameters
from domain.pricing.tariffs import discount_bounds

ALL_PARAMETERS = (
    "age_strategy",
    "rounding",
    "prorata",
    "default_age_child",
    "default_age_other",
    "age_normalization",
)


class PieceReason(StrEnum):
    """Why a piece starts where it does."""

    RANGE_START = "RANGE_START"
    ENROLLMENT_STARTED = "ENROLLMENT_STARTED"
    ENROLLMENT_ENDED = "ENROLLMENT_ENDED"
    AGE_CHANGED = "AGE_CHANGED"
    CONTRACT_VERSION = "CONTRACT_VERSION"
    DISCOUNT_STARTED = "DISCOUNT_STARTED"
    DISCOUNT_ENDED = "DISCOUNT_ENDED"
    REGIME_CHANGED = "REGIME_CHANGED"


Reasons = frozenset[PieceReason]


class Term(NamedTuple):
    """Consecutive days on which a contract asks the same of everybody. `version` None: there is none.

    `places` are those of the version's modules; `parameters` may lack what nobody gives. `priced` remembers what people
    cost who are alike in everything that pricing reads, so that it is worked out once for all policies.
    """

    start: Day
    version: ContractVersion | None
    parameters: EngineParameters
    places: Mapping[UUID, int]
    priced: dict[Any, Any]


@dataclass(frozen=True, slots=True)
class Terms:
    """A contract over a span of days. `cuts` are the days on which a term starts, with why, in order."""

    contract: Contract
    days: Span
    terms: Sequence[Term]
    cuts: Mapping[Day, Reasons]

    @property
    def is_full(self) -> bool:
        """Whether so much is remembered that it should be forgotten."""
        return sum(len(term.priced) for term in self.terms) > MOST_PRICED

    def on(self, day: Day) -> Term:
        """The term of a day of the span, with a version and all parameters. Raises NoContractVersion,
        EngineParameterMissing."""
        term = self.terms[bisect_right(self.terms, day, key=lambda each: each.start) - 1]
        if term.version is None:
            raise NoContractVersion(self.contract.contract_id, to_date(day))
        require(term.parameters, ALL_PARAMETERS, self.contract.country_code, to_date(day))
        return term


def terms_of(contract: Contract, days: Span, own: EngineParameters | None = None) -> Terms:
    """A contract's terms; `own` are the parameters of the request, which win."""
    cuts: dict[Day, set[PieceReason]] = {days.start: {PieceReason.RANGE_START}}
    for day, reason in _changes_for_all(contract, days):
        if days.start <= day < days.end:
            cuts.setdefault(day, set()).add(reason)
    country = COUNTRY_PARAMETERS.get(contract.country_code)
    terms: list[Term] = []
    for day in sorted(cuts):
        version = contract.version_on(day)
        places = {module.module_id: i for i, module in enumerate(version.modules)} if version else {}
        parameters = resolved(own, version.engine_parameters if version else None, country)
        if terms and terms[-1].parameters == parameters:
            parameters = terms[-1].parameters  # one object, so that runs that share it are known to
        terms.append(Term(day, version, parameters, places, {}))
    return Terms(contract, days, terms, {day: frozenset(cuts[day]) for day in sorted(cuts)})


class TermsBook:
    """Remembers the terms that were worked out last; a contract that was amended is another object."""

    def __init__(self) -> None:
        self._known: dict[tuple[UUID, Span, EngineParameters | None], Terms] = {}

    def of(self, contract: Contract, days: Span, own: EngineParameters | None) -> Terms:
        key = (contract.contract_id, days, own)
        known = self._known.pop(key, None)
        if known is None or known.contract is not contract or known.is_full:
            known = terms_of(contract, days, own)
        self._known[key] = known
        if len(self._known) > MOST_TERMS:
            self._known.pop(next(iter(self._known)))
        return known


MOST_TERMS, MOST_PRICED = 100, 50_000


def _changes_for_all(contract: Contract, days: Span) -> Iterator[tuple[Day, PieceReason]]:
    for version in contract.versions:
        if version.days.start < days.end and days.start < version.days.end:
            yield version.days.start, PieceReason.CONTRACT_VERSION
            yield version.days.end, PieceReason.CONTRACT_VERSION
            if discount_bounds(version):
                for module in version.modules:
                    for discount in module.pricing.discounts if module.pricing else ():
                        yield discount.days.start, PieceReason.DISCOUNT_STARTED
                        yield discount.days.end, PieceReason.DISCOUNT_ENDED


@dataclass(frozen=True, slots=True)
class InsuredPolicy:
    """A policy with its enrollments; `parameters` are the request's own, None where it brings none."""

    policy: Policy
    enrolled: Mapping[EnrollmentKey, Days]
    types: Mapping[UUID, MembershipType]
    parameters: EngineParameters | None = None


class Person(NamedTuple):
    """Somebody on a policy. `priced` is the person in spec order, without an age, in the standard regime."""

    member_id: UUID
    born_on: date | None
    priced: Beneficiary


class Enrollment(NamedTuple):
    """Somebody on a module, on some days."""

    person: Person
    module_id: UUID
    enrollment_id: UUID
    days: Days


class AffiliationPiece(NamedTuple):
    """Consecutive days on which nothing changes that pricing reads, but ages.

    `enrolled` are places of enrollments (in spec order) by places of modules.
    """

    start: Day
    end: Day
    reasons: Reasons
    term: Term
    enrolled: Mapping[int, Sequence[int]]
    regime: HealthRegime


def enrollments_of(insured: InsuredPolicy) -> list[Enrollment]:
    """Everybody's, in the spec order of a policy: by type, then the oldest first, then by id."""
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
            its_id = enrollment_id(policy.group_id, member_id, key.module_id)
            found.append(Enrollment(person, key.module_id, its_id, insured.enrolled[key]))
    return found


def affiliation(insured: InsuredPolicy, terms: Terms, enrollments: Sequence[Enrollment]) -> Iterator[AffiliationPiece]:
    """The pieces on which anybody is covered, in order.

    Raises NoContractVersion, EngineParameterMissing, ModuleNotInVersion, for days on which somebody is.
    """
    cuts = _cuts(insured, terms)
    starts = sorted(cuts)
    starts.append(terms.days.end)
    for start, end in pairwise(starts):
        covered = [i for i, enrollment in enumerate(enrollments) if enrollment.days.holds(start)]
        if not covered:
            continue
        term, on = terms.on(start), to_date(start)
        places: dict[int, list[int]] = {}
        for i in covered:
            place = term.places.get(enrollments[i].module_id)
            if place is None:
                raise ModuleNotInVersion(enrollments[i].module_id, on)
            places.setdefault(place, []).append(i)
        yield AffiliationPiece(start, end, cuts[start], term, places, insured.policy.regime_on(on))


def _cuts(insured: InsuredPolicy, terms: Terms) -> dict[Day, Reasons]:
    """Every day on which a piece starts, with all reasons."""
    cuts = dict(terms.cuts)
    begin, end = terms.days
    for its in insured.enrolled.values():
        for first, after in its.spans:
            if begin <= first < end:
                cuts[first] = cuts.get(first, NO_REASON) | STARTED
            if begin <= after < end:
                cuts[after] = cuts.get(after, NO_REASON) | ENDED
    facts = insured.policy.facts.get(insured.policy.primary_id)
    for regime in facts.health_regimes if facts else ():
        for day in regime.days:
            if begin <= day < end:
                cuts[day] = cuts.get(day, NO_REASON) | REGIME
    return cuts


NO_REASON: Reasons = frozenset()
STARTED = frozenset({PieceReason.ENROLLMENT_STARTED})
ENDED = frozenset({PieceReason.ENROLLMENT_ENDED})
REGIME = frozenset({PieceReason.REGIME_CHANGED})
AGED = frozenset({PieceReason.AGE_CHANGED})


def ages(
    kind: MembershipType, born_on: date | None, parameters: EngineParameters, days: Span
) -> Iterator[tuple[Day, int]]:
    """At what age somebody is priced on the first of some days, and from when on at another, in order."""
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
