"""The affiliation timeline: who is on what, cut wherever anything that pricing reads can change, each piece with why.

A cut that changes no price leaves no trace later on; so it is enough that none is missing (`premiums.md`, From
enrollments to entries).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from domain.catalog.contract import ContractVersion
from domain.days import BeyondTheCalendar, Day, Days, Span, birthday_on, to_date, to_day
from domain.enrollment.decisions import EnrollmentKey
from domain.errors import NoContractVersion
from domain.membership import MembershipType
from domain.pricing.beneficiaries import BeneficiarySpec, effective_birth_date
from domain.pricing.inquiries import Policy, enrolled_specs
from domain.pricing.parameters import COUNTRY_PARAMETERS, require, resolved
from domain.pricing.prices import EngineParameters

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


@dataclass(frozen=True, slots=True)
class InsuredPolicy:
    """A policy with its enrollments; `parameters` are the request's own, None where it brings none."""

    policy: Policy
    enrolled: Mapping[EnrollmentKey, Days]
    types: Mapping[UUID, MembershipType]
    parameters: EngineParameters | None = None


@dataclass(frozen=True, slots=True)
class AffiliationPiece:
    """Consecutive days on which nothing changes that pricing reads. Specs are in the order of a policy."""

    days: Span
    reasons: frozenset[PieceReason]
    specs: tuple[BeneficiarySpec, ...]
    version: ContractVersion
    parameters: EngineParameters


def affiliation(insured: InsuredPolicy, days: Span) -> Iterator[AffiliationPiece]:
    """The pieces of a span of days on which anybody is covered, in order.

    Raises NoContractVersion, EngineParameterMissing, for days on which somebody is.
    """
    cuts = _cuts(insured, days)
    starts = sorted(cuts)
    for start, end in zip(starts, [*starts[1:], days.end], strict=True):
        enrolled = [key for key, its in insured.enrolled.items() if its.holds(start)]
        if enrolled:
            on = to_date(start)
            version = insured.policy.contract.version_on(start)
            if version is None:
                raise NoContractVersion(insured.policy.contract.contract_id, on)
            specs = enrolled_specs(insured.policy, enrolled, insured.types, on)
            parameters = _parameters(insured, version, on)
            yield AffiliationPiece(Span(start, end), frozenset(cuts[start]), specs, version, parameters)


def _parameters(insured: InsuredPolicy, version: ContractVersion, on: date) -> EngineParameters:
    country = insured.policy.contract.country_code
    parameters = resolved(insured.parameters, version.engine_parameters, COUNTRY_PARAMETERS.get(country))
    require(parameters, ALL_PARAMETERS, country, on)
    return parameters


def _cuts(insured: InsuredPolicy, days: Span) -> dict[Day, set[PieceReason]]:
    """Every day within a span on which a piece starts, with all reasons."""
    cuts: dict[Day, set[PieceReason]] = {days.start: {PieceReason.RANGE_START}}
    for day, reason in _changes(insured, days):
        if days.start <= day < days.end:
            cuts.setdefault(day, set()).add(reason)
    return cuts


def _changes(insured: InsuredPolicy, days: Span) -> Iterator[tuple[Day, PieceReason]]:
    for its in insured.enrolled.values():
        for span in its.spans:
            yield span.start, PieceReason.ENROLLMENT_STARTED
            yield span.end, PieceReason.ENROLLMENT_ENDED
    facts = insured.policy.facts.get(insured.policy.primary_id)
    for regime in facts.health_regimes if facts else ():
        yield regime.days.start, PieceReason.REGIME_CHANGED
        yield regime.days.end, PieceReason.REGIME_CHANGED
    versions = [v for v in insured.policy.contract.versions if v.days.start < days.end and days.start < v.days.end]
    for version in versions:
        yield version.days.start, PieceReason.CONTRACT_VERSION
        yield version.days.end, PieceReason.CONTRACT_VERSION
        for module in version.modules:
            for discount in module.pricing.discounts if module.pricing else ():
                yield discount.days.start, PieceReason.DISCOUNT_STARTED
                yield discount.days.end, PieceReason.DISCOUNT_ENDED
    yield from _birthdays(insured, versions, days)


def _birthdays(
    insured: InsuredPolicy, versions: list[ContractVersion], days: Span
) -> Iterator[tuple[Day, PieceReason]]:
    """The days on which somebody becomes a year older, by every strategy that is used within the span."""
    country = COUNTRY_PARAMETERS.get(insured.policy.contract.country_code)
    strategies = {resolved(insured.parameters, v.engine_parameters, country).age_strategy for v in versions}
    first, last = to_date(days.start).year, to_date(days.end - 1).year
    for member_id in {key.member_id for key in insured.enrolled}:
        facts = insured.policy.facts.get(member_id)
        for strategy in strategies if facts and facts.born_on else ():
            born_on = effective_birth_date(facts.born_on, strategy)  # type: ignore[union-attr, arg-type]
            for year in range(max(first, born_on.year), last + 1):
                try:
                    yield to_day(birthday_on(born_on, year - born_on.year)), PieceReason.AGE_CHANGED
                except BeyondTheCalendar:
                    return
