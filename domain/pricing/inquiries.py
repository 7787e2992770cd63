"""Inquiries about a cost: of a policy, of people on a policy, or of a quote, each with its engine parameters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.catalog.contract import Contract, ContractVersion
from domain.catalog.prices import EngineParameters
from domain.days import Day, to_day
from domain.enrollment.decisions import EnrollmentKey
from domain.errors import MemberErased, NobodyCovered, NoContractVersion, NoModules
from domain.identity import enrollment_id
from domain.members import Facts, HealthRegime
from domain.membership import MembershipType
from domain.money import Rounding
from domain.pricing.beneficiaries import QUOTE_AGES, Beneficiary, BeneficiarySpec
from domain.pricing.insurance_cost import InsuranceCost, insurance_cost
from domain.pricing.parameters import COUNTRY_PARAMETERS, NONE_GIVEN, require, resolved
from domain.pricing.pricing import PricingBasis, beneficiaries, priced_modules

POLICY_RANK = {
    MembershipType.PRIMARY: 0,
    MembershipType.PARTNER: 1,
    MembershipType.CHILD: 2,
    MembershipType.ASCENDANT: 3,
    MembershipType.PET: 4,
}
"""The order of people on a policy, before their age."""
AGE_PARAMETERS = ("age_strategy", "rounding", "default_age_child", "default_age_other", "age_normalization")


@dataclass(frozen=True, slots=True)
class Policy:
    """An enrollment group as pricing sees it. `facts` has the facts of everyone who can be priced."""

    contract: Contract
    group_id: UUID
    primary_id: UUID
    facts: Mapping[UUID, Facts]

    def facts_of(self, member_id: UUID) -> Facts:
        """Returns a member's facts. Raises MemberErased."""
        facts = self.facts.get(member_id, Facts())
        if facts.erased_on:
            raise MemberErased(member_id)
        return facts

    def regime_on(self, on: date) -> HealthRegime:
        """Returns the primary's regime, which applies to everyone on a policy; STANDARD if none is recorded."""
        return self.regime_of_day(to_day(on))

    def regime_of_day(self, day: Day) -> HealthRegime:
        """Returns the regime of a day, which can be outside the calendar."""
        facts = self.facts_of(self.primary_id)
        return next((span.regime for span in facts.health_regimes if span.days.holds(day)), HealthRegime.STANDARD)


@dataclass(frozen=True, slots=True)
class Priced:
    """A cost for a day, the people who were priced, in spec order, and the rounding that was used."""

    on: date
    cost: InsuranceCost
    specs: tuple[BeneficiarySpec, ...]
    people: tuple[Beneficiary, ...]
    rounding: Rounding


def enrolled_specs(
    policy: Policy, enrolled: Iterable[EnrollmentKey], types: Mapping[UUID, MembershipType], on: date
) -> tuple[BeneficiarySpec, ...]:
    """Returns the enrolled people in the spec order of a policy: by type, then from oldest to youngest, then by id."""
    modules: dict[UUID, list[UUID]] = {}
    for key in enrolled:
        modules.setdefault(key.member_id, []).append(key.module_id)
    regime = policy.regime_on(on)
    specs = [
        BeneficiarySpec(
            beneficiary_type=types[member_id],
            born_on=policy.facts_of(member_id).born_on,
            regime=regime,
            module_ids=tuple(module_ids),
            enrollment_ids={m: enrollment_id(policy.group_id, member_id, m) for m in module_ids},
            member_id=member_id,
        )
        for member_id, module_ids in modules.items()
    ]
    return tuple(sorted(specs, key=_policy_order))


def _policy_order(spec: BeneficiarySpec) -> tuple[int, bool, date, int]:
    born_on = spec.born_on
    member = spec.member_id.int if spec.member_id else 0
    return POLICY_RANK[spec.beneficiary_type], born_on is None, born_on or date.max, member


def price_enrolled(
    policy: Policy, specs: Sequence[BeneficiarySpec], on: date, rounding: Rounding | None = None
) -> Priced:
    """Returns the cost of a policy as enrolled. Raises CannotBePriced."""
    if not specs:
        raise NobodyCovered(policy.group_id, on)
    return _price(policy.contract, specs, on, *_policy_parameters(policy.contract, on, rounding))


def price_module(policy: Policy, specs: Sequence[BeneficiarySpec], on: date, *, has_partner: bool) -> InsuranceCost:
    """Returns the cost of one module of a policy for everybody on it. The costs of all modules add up to the policy's.

    `has_partner` says whether a partner is on any module of the policy. Raises CannotBePriced.
    """
    ages, rounding = _policy_parameters(policy.contract, on, None)
    return _price(policy.contract, specs, on, ages, rounding, has_partner=has_partner).cost


def price_on_policy(
    policy: Policy,
    specs: Sequence[BeneficiarySpec],
    primary_modules: tuple[UUID, ...],
    on: date,
    rounding: Rounding | None = None,
) -> Priced:
    """Returns the cost of people, in the order given, with the contract and regime of a policy.

    A spec without modules gets those of the policy's primary on that day. Raises CannotBePriced.
    """
    regime = policy.regime_on(on)
    placed = []
    for i, spec in enumerate(specs):
        if not (spec.module_ids or primary_modules):
            raise NoModules(i, spec.beneficiary_type, on)
        module_ids = spec.module_ids or primary_modules
        placed.append(spec._replace(module_ids=module_ids, regime=regime))
    return _price(policy.contract, placed, on, *_policy_parameters(policy.contract, on, rounding))


def price_quote(
    contract: Contract, specs: Sequence[BeneficiarySpec], on: date, rounding: Rounding | None = None
) -> Priced:
    """Returns the cost of people who don't have to be enrolled. Each spec must name modules. Raises CannotBePriced."""
    country = COUNTRY_PARAMETERS.get(contract.country_code, NONE_GIVEN)
    of_version = _version(contract, on).engine_parameters or NONE_GIVEN
    rounding = rounding or of_version.rounding or country.rounding or Rounding.ARITHMETIC
    return _price(contract, specs, on, QUOTE_AGES, rounding)


def _policy_parameters(contract: Contract, on: date, rounding: Rounding | None) -> tuple[EngineParameters, Rounding]:
    """Returns the parameters that premiums use, so that costs and premiums agree, and the rounding: the given one or,
    if there is none, theirs.
    """
    version = _version(contract, on)
    country = COUNTRY_PARAMETERS.get(contract.country_code)
    parameters = resolved(EngineParameters(rounding=rounding), version.engine_parameters, country)
    require(parameters, AGE_PARAMETERS, contract.country_code, on)
    return parameters, parameters.rounding or Rounding.ARITHMETIC


def _version(contract: Contract, on: date) -> ContractVersion:
    version = contract.version_on(to_day(on))
    if version is None:
        raise NoContractVersion(contract.contract_id, on)
    return version


def _price(
    contract: Contract,
    specs: Sequence[BeneficiarySpec],
    on: date,
    ages: EngineParameters,
    rounding: Rounding,
    *,
    has_partner: bool | None = None,
) -> Priced:
    basis = PricingBasis(_version(contract, on), contract.currency_code, on, ages, rounding)
    people = beneficiaries(basis, specs)
    found = priced_modules(basis, specs, people, has_partner=has_partner)
    return Priced(on, insurance_cost(found, contract.currency_code), tuple(specs), people, rounding)
