"""Maps cost inquiries and costs."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from uuid import UUID

from affilia.catalog.v1 import pricing_pb2
from affilia.pricing.v1 import insurance_cost_pb2 as pb
from affilia.type.v1 import cost_pb2
from domain.enrollment.decisions import GroupKey
from domain.errors import FieldViolation, Reason, RequestMalformed
from domain.members import HealthRegime
from domain.pricing.beneficiaries import Beneficiary, BeneficiarySpec
from domain.pricing.changes import CostChange, CostOutcome
from domain.pricing.costs import Amounts, BilledEntity, ContributionType, PayerTotals
from domain.pricing.inquiries import Priced
from domain.pricing.insurance_cost import Component
from operations.costs import Inquiry
from server.mapping.contract import SERVICE_TYPES
from server.mapping.dates import date_from_proto, date_to_proto
from server.mapping.enrollment_group import key_from_proto
from server.mapping.enums import MEMBERSHIP_TYPES, EnumMapping
from server.mapping.member import HEALTH_REGIMES
from server.mapping.pricing import COLLECTION_METHODS, ROUNDING_STRATEGIES

CONTRIBUTION_TYPES = EnumMapping(pb.ContributionType.DESCRIPTOR, ContributionType)
BILLED_ENTITIES = EnumMapping(pb.BilledEntity.DESCRIPTOR, BilledEntity)


def inquiry_from_proto(inquiry: pb.CostInquiry, path: str = "inquiry") -> Inquiry:
    """Converts an inquiry found at `path`. Raises RequestMalformed for faults that involve several fields."""
    if wrong := list(_inquiry_violations(inquiry, path)):
        raise RequestMalformed(wrong)
    on = date_from_proto(inquiry.on)
    rounding = ROUNDING_STRATEGIES.given(inquiry.rounding)
    match inquiry.WhichOneof("subject"):
        case "policy":
            return Inquiry(on, rounding, group=group_from_proto(inquiry.policy))
        case "policy_quote":
            quote = inquiry.policy_quote
            return Inquiry(on, rounding, group=group_from_proto(quote.policy), specs=_specs(quote.beneficiaries))
        case _:
            contract_id = _catalog_id(inquiry.contract_quote.contract_id)
            specs = _specs(inquiry.contract_quote.beneficiaries)
            return Inquiry(on, rounding, contract_id=contract_id, specs=specs)


def _inquiry_violations(inquiry: pb.CostInquiry, path: str) -> Iterator[FieldViolation]:
    subject = inquiry.WhichOneof("subject")
    if subject == "policy":
        return
    quoted = inquiry.policy_quote if subject == "policy_quote" else inquiry.contract_quote
    for i, spec in enumerate(quoted.beneficiaries):
        module_ids = spec.module_ids
        if subject == "contract_quote" and not module_ids:
            yield _modules_violation(subject, path, i, "needs at least one item")
        if len(module_ids) > 1 and len(set(map(str.lower, module_ids))) < len(module_ids):
            yield _modules_violation(subject, path, i, "names a module twice")


def _modules_violation(subject: str | None, path: str, index: int, problem: str) -> FieldViolation:
    return FieldViolation(f"{path}.{subject}.beneficiaries[{index}].module_ids", problem)


def group_from_proto(policy: pb.Policy) -> UUID | GroupKey:
    return UUID(policy.group_id) if policy.WhichOneof("group") == "group_id" else key_from_proto(policy.key)


@lru_cache(maxsize=10_000)
def _catalog_id(text: str) -> UUID:
    """Converts the id of a contract or a module. Cached, because there are few, and quotes repeat them."""
    return UUID(text)


def _specs(specs: Iterable[pb.BeneficiarySpec]) -> tuple[BeneficiarySpec, ...]:
    return tuple(beneficiary_spec_from_proto(spec) for spec in specs)


def beneficiary_spec_from_proto(spec: pb.BeneficiarySpec) -> BeneficiarySpec:
    module_ids = tuple(map(_catalog_id, spec.module_ids))
    enrollment = UUID(spec.enrollment_id) if spec.enrollment_id else None
    return BeneficiarySpec(
        beneficiary_type=MEMBERSHIP_TYPES.from_proto(spec.beneficiary_type),
        age=spec.age if spec.HasField("age") else None,
        born_on=date_from_proto(spec.date_of_birth) if spec.HasField("date_of_birth") else None,
        regime=HEALTH_REGIMES.given(spec.regime) or HealthRegime.STANDARD,
        module_ids=module_ids,
        enrollment_id=enrollment,
    )


def insurance_cost_to_proto(priced: Priced) -> pb.InsuranceCost:
    cost, amounts = priced.cost, priced.cost.by_beneficiary()
    return pb.InsuranceCost(
        on=date_to_proto(priced.on),
        currency_code=cost.currency_code,
        components=[component_to_proto(component) for component in cost.components],
        totals=totals_to_proto(cost.totals),
        beneficiaries=[
            beneficiary_cost_to_proto(person, spec.member_id, amounts[person.spec_index])
            for person, spec in zip(priced.people, priced.specs, strict=True)
        ],
        modules=[module_cost_to_proto(module_id, amounts) for module_id, amounts in cost.by_module().items()],
        rounding=ROUNDING_STRATEGIES.to_proto(priced.rounding),
        view=pb.COST_VIEW_FULL,
    )


def beneficiary_cost_to_proto(person: Beneficiary, member_id: UUID | None, amounts: Amounts) -> pb.BeneficiaryCost:
    return pb.BeneficiaryCost(
        beneficiary_index=person.spec_index,
        beneficiary_type=MEMBERSHIP_TYPES.to_proto(person.beneficiary_type),
        priced_age=person.age,
        regime=HEALTH_REGIMES.to_proto(person.regime),
        member_id=str(member_id or ""),
        amounts=amounts_to_proto(amounts),
    )


def module_cost_to_proto(module_id: UUID, amounts: Amounts) -> pb.ModuleCost:
    return pb.ModuleCost(module_id=str(module_id), amounts=amounts_to_proto(amounts))


def component_to_proto(component: Component) -> pb.CostComponent:
    amount = component.charge
    method = amount.collection_method
    return pb.CostComponent(
        beneficiary_index=component.beneficiary_index,
        beneficiary_type=MEMBERSHIP_TYPES.to_proto(amount.beneficiary_type),
        module_id=str(amount.module_id),
        service_type=SERVICE_TYPES.to_proto(amount.service_type),
        contribution_type=CONTRIBUTION_TYPES.to_proto(amount.contribution_type),
        billed_entity=BILLED_ENTITIES.to_proto(amount.billed_entity),
        collection_method=COLLECTION_METHODS.to_proto(method) if method else pricing_pb2.COLLECTION_METHOD_UNSPECIFIED,
        enrollment_id=str(component.enrollment_id or ""),
        currency_code=amount.currency_code,
        monthly_minor=amount.monthly_minor,
    )


def amounts_to_proto(amounts: Amounts) -> cost_pb2.Amounts:
    return cost_pb2.Amounts(
        untaxed_minor=amounts.untaxed_minor, taxes_minor=amounts.taxes_minor, taxed_minor=amounts.taxed_minor
    )


def totals_to_proto(totals: PayerTotals) -> cost_pb2.CostTotals:
    return cost_pb2.CostTotals(
        overall=amounts_to_proto(totals.overall),
        company=amounts_to_proto(totals.company),
        primary=amounts_to_proto(totals.primary),
        partner=amounts_to_proto(totals.partner),
    )


def cost_change_to_proto(change: CostOutcome) -> cost_pb2.CostChange | None:
    """Returns None if there is no cost."""
    if not isinstance(change, CostChange):
        return None
    return cost_pb2.CostChange(
        on=date_to_proto(change.on),
        currency_code=change.currency_code,
        before=totals_to_proto(change.before),
        after=totals_to_proto(change.after),
        difference=totals_to_proto(change.difference),
    )


def cost_missing_reason(change: CostOutcome) -> str:
    """Returns why there is no cost; empty if there is one, or if there is no pricing data."""
    return change.value if isinstance(change, Reason) else ""
