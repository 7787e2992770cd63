"""What a cost is asked for, and by which parameters it is answered: a policy, people on a policy, or a quote."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from domain.catalog.contract import Contract, ContractVersion
from domain.days import to_day
from domain.enrollment.decisions import EnrollmentKey
from domain.errors import MemberErased, NobodyCovered, NoContractVersion, NoModules
from domain.identity import enrollment_id
from domain.members import Facts, HealthRegime
from domain.membership import MembershipType
from domain.money import Rounding
from domain.pricing.beneficiaries import QUOTE_AGES, Beneficiary, BeneficiarySpec
from domain.pricing.costs import InsuranceCost, insurance_cost
from domain.pricing.parameters import COUNTRY_PARAMETERS, NONE_GIVEN, require, resolved
from domain.pricing.prices import EngineParameters
from domain.pricing.pricing import PricingBasis, beneficiaries, components

POLICY_RANK = {
    MembershipType.PRIMARY: 0,
    MembershipType.PARTNER: 1,
    MembershipType.CHILD: 2,
    MembershipType.ASCENDANT: 3,
    MembershipType.PET: 4,
}
"""By what people on a policy are sorted first."""
AGE_PARAMETERS = ("age_strategy", "rounding", "default_age_child", "default_age_other", "age_normalization")


@dataclass(frozen=True, slots=True)
class Policy:
    """An enrollment group as pricing sees it. `facts` are everyone's who may be priced."""

    contract: Contract
    group_id: UUID
    primary_id: UUID
    facts: Mapping[UUID, Facts]

    def facts_of(self, member_id: UUID) -> Facts:
        """Raises MemberErased."""
        facts = self.facts.get(member_id, Facts())
        if facts.erased_on:
            raise MemberErased(member_id)
        return facts

    def regime_on(self, on: date) -> HealthRegime:
        """The primary's, in which everyone on a policy is priced; STANDARD where none is recorded."""
        facts = self.facts_of(self.primary_id)
        day = to_day(on)
        return next((span.regime for span in facts.health_regimes if span.days.holds(day)), HealthRegime.STANDARD)


@dataclass(frozen=True, slots=True)
class Priced:
    """A cost for a day, and who was priced how, in spec order, with the rounding that was used."""

    on: date
    cost: InsuranceCost
    specs: tuple[BeneficiarySpec, ...]
    people: tuple[Beneficiary, ...]
    rounding: Rounding


def enrolled_specs(
    policy: Policy, enrolled: Iterable[EnrollmentKey], types: Mapping[UUID, MembershipType], on: date
) -> tuple[BeneficiarySpec, ...]:
    """Those who are on modules, in the spec order of a policy: by type, then the oldest first, then by id."""
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
    """A policy as enrolled. Raises NoContractVersion, NobodyCovered, and what keeps a price from being found."""
    if not specs:
        raise NobodyCovered(policy.group_id, on)
    return _price(policy.contract, specs, on, _policy_parameters(policy.contract, on, rounding))


def price_on_policy(
    policy: Policy,
    specs: Sequence[BeneficiarySpec],
    primary_modules: tuple[UUID, ...],
    on: date,
    rounding: Rounding | None = None,
) -> Priced:
    """People on a policy's contract and prices, in the order given; who names no modules is taken to be on those that
    the policy's primary has that day. Raises NoModules, and as `price_enrolled`."""
    regime = policy.regime_on(on)
    placed = []
    for i, spec in enumerate(specs):
        if not (spec.module_ids or primary_modules):
            raise NoModules(i, spec.beneficiary_type, on)
        module_ids = spec.module_ids or primary_modules
        placed.append(replace(spec, module_ids=module_ids, regime=regime))
    return _price(policy.contract, placed, on, _policy_parameters(policy.contract, on, rounding))


def price_quote(
    contract: Contract, specs: Sequence[BeneficiarySpec], on: date, rounding: Rounding | None = None
) -> Priced:
    """People who may be enrolled nowhere; each names modules. Raises as `price_enrolled`."""
    version = _version(contract, on)
    country = COUNTRY_PARAMETERS.get(contract.country_code, NONE_GIVEN)
    own = EngineParameters(rounding=rounding)
    last = EngineParameters(rounding=Rounding.ARITHMETIC)
    rounded = resolved(own, version.engine_parameters, country, last).rounding
    return _price(contract, specs, on, replace(QUOTE_AGES, rounding=rounded))


def _policy_parameters(contract: Contract, on: date, rounding: Rounding | None) -> EngineParameters:
    """Those that premiums are computed with, so that a cost and a premium never disagree; a given rounding wins."""
    version = _version(contract, on)
    country = COUNTRY_PARAMETERS.get(contract.country_code)
    parameters = resolved(EngineParameters(rounding=rounding), version.engine_parameters, country)
    require(parameters, AGE_PARAMETERS, contract.country_code, on)
    return parameters


def _version(contract: Contract, on: date) -> ContractVersion:
    version = contract.version_on(to_day(on))
    if version is None:
        raise NoContractVersion(contract.contract_id, on)
    return version


def _price(contract: Contract, specs: Sequence[BeneficiarySpec], on: date, parameters: EngineParameters) -> Priced:
    rounding = parameters.rounding or Rounding.ARITHMETIC
    basis = PricingBasis(_version(contract, on), contract.currency_code, on, parameters, rounding)
    people = beneficiaries(basis, specs)
    return Priced(on, insurance_cost(components(basis, specs, people)), tuple(specs), people, rounding)
