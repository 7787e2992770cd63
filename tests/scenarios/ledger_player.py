"""Plays pricing cases against a running `--dev` server over gRPC only, and tells every difference.

Enrollments are made true by an admin's change requests. Steps about premiums come with the premium engine; a case that
has one is not played yet.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import grpc

from affilia.catalog.v1 import catalog_service_pb2, member_pb2, member_service_pb2
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from affilia.catalog.v1.pricing_pb2 import CollectionMethod
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2, enrollment_group_pb2
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.pricing.v1 import cost_provider_service_pb2, insurance_cost_pb2
from affilia.pricing.v1.cost_provider_service_pb2_grpc import CostProviderServiceStub
from affilia.type.v1 import cost_pb2
from tests.scenarios import enrollment_messages, ledger_messages
from tests.scenarios.enrollment_player import Mismatch, ids_like, word
from tests.support.calls import decoded

Answer = dict[str, Any]

PLAYED_STEPS = {"price", "price_policy"}


def can_be_played(case: Any) -> bool:
    """Whether every step of a case has its calls by now."""
    return all(step["op"] in PLAYED_STEPS for step in case["steps"])


@dataclass
class LedgerPlayer:
    """One case, played on ids of its own, so that any number of cases share a server."""

    case: Any
    channel: grpc.Channel
    mismatches: list[Mismatch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._catalog = CatalogServiceStub(self.channel)
        self._member_service = MemberServiceStub(self.channel)
        self._requests = ChangeRequestServiceStub(self.channel)
        self._costs = CostProviderServiceStub(self.channel)
        self._contract_id = str(uuid4())
        self._modules = ids_like({m["id"] for v in self.case["contract"]["versions"] for m in v["modules"]})
        self._members = ids_like({member["id"] for member in self.case["members"]})
        self._names = {uuid: name for name, uuid in (self._modules | self._members).items()}
        self._key = enrollment_group_pb2.GroupKey(
            contract_id=self._contract_id, primary_id=self._members[self.case["primary"]]
        )

    def play(self) -> list[Mismatch]:
        """Plays all steps; an empty list: everything came out as it should."""
        self._set_up()
        for number, (step, expected) in enumerate(zip(self.case["steps"], self.case["expected"], strict=True)):
            self._compare(number, expected, self._play(step))
        return self.mismatches

    def _play(self, step: Any) -> Answer:
        try:
            return getattr(self, f"_play_{step['op']}")(step)  # type: ignore[no-any-return]
        except grpc.RpcError as error:
            failure = decoded(error)
            return {"error": {"code": failure.code.name, "reason": failure.reason, "metadata": failure.facts}}

    def _set_up(self) -> None:
        contract = ledger_messages.contract(self.case["contract"], self._contract_id, self._modules)
        self._catalog.PublishContract(
            catalog_service_pb2.PublishContractRequest(request_id=str(uuid4()), contract=contract)
        )
        for member in self.case["members"]:
            self._store(member)
        if self.case["enrollments"]:
            self._enroll(self.case["enrollments"])

    def _store(self, member: Any) -> None:
        member_id = self._members[member["id"]]
        self._member_service.UpsertMember(
            member_service_pb2.UpsertMemberRequest(
                request_id=str(uuid4()),
                member=member_pb2.Member(member_id=member_id, kind=member_pb2.MEMBER_KIND_PERSON),
            )
        )
        if born := member["date_of_birth"]:
            birth = member_pb2.Birth(born_on=enrollment_messages.date(born))
            self._member_service.RecordFacts(
                member_service_pb2.RecordFactsRequest(request_id=str(uuid4()), member_id=member_id, birth=birth)
            )
        if member["regimes"]:
            self._record_regimes(member_id, member["regimes"])

    def _record_regimes(self, member_id: str, regimes: list[Any]) -> None:
        """Each holds until the next one begins."""
        begins = [date.fromisoformat(regime["from"]) for regime in regimes]
        ends = [str(begin - timedelta(days=1)) for begin in begins[1:]]
        items = [
            member_pb2.HealthRegimeSpan(
                days=enrollment_messages.span(regime["from"], end),
                regime=member_pb2.HealthRegime.Value(f"HEALTH_REGIME_{regime['regime']}"),
            )
            for regime, end in zip(regimes, [*ends, None], strict=True)
        ]
        self._member_service.RecordFacts(
            member_service_pb2.RecordFactsRequest(
                request_id=str(uuid4()), member_id=member_id, health_regimes=member_pb2.HealthRegimes(items=items)
            )
        )

    def _enroll(self, enrollments: list[Any]) -> None:
        changes = [
            change_request_pb2.ScopedChange(
                enroll=change_request_pb2.Enroll(
                    member_id=self._members[e["member"]],
                    membership_type=enrollment_messages.membership_types([e["beneficiary_type"]])[0],
                    module_id=self._modules[e["module"]],
                    days=enrollment_messages.span(e["start"], e["end"]),
                )
            )
            for e in enrollments
        ]
        answer = self._requests.SubmitChangeRequest(
            change_request_service_pb2.SubmitChangeRequestRequest(
                request_id=str(uuid4()),
                group=self._key,
                changes=changes,
                requester=change_request_pb2.Requester(
                    role=change_request_pb2.REQUESTER_ROLE_ADMIN, requester_id="cases", reason="a worked case"
                ),
            )
        )
        if answer.change_request.verdict != change_request_pb2.VERDICT_APPROVED:
            raise AssertionError(f"the case's enrollments were rejected: {answer.change_request.violations}")

    def _play_price(self, step: Any) -> Answer:
        specs = [ledger_messages.spec(spec, self._modules) for spec in step["specs"]]
        return self._cost(
            step,
            contract_quote=insurance_cost_pb2.ContractQuote(contract_id=self._contract_id, beneficiaries=specs),
        )

    def _play_price_policy(self, step: Any) -> Answer:
        policy = insurance_cost_pb2.Policy(key=self._key)
        if "specs" not in step:
            return self._cost(step, policy=policy)
        specs = [ledger_messages.spec(spec, self._modules) for spec in step["specs"]]
        return self._cost(step, policy_quote=insurance_cost_pb2.PolicyQuote(policy=policy, beneficiaries=specs))

    def _cost(self, step: Any, **subject: Any) -> Answer:
        inquiry = insurance_cost_pb2.CostInquiry(
            on=enrollment_messages.date(step["on"]),
            rounding=ledger_messages.rounding(step.get("rounding")),
            **subject,
        )
        request = cost_provider_service_pb2.GetInsuranceCostRequest(inquiry=inquiry)
        cost = self._costs.GetInsuranceCost(request).cost
        return {
            "components": [self._component(cost, component) for component in cost.components],
            "totals": {
                "COMPANY": _amounts(cost.totals.company),
                "PRIMARY": _amounts(cost.totals.primary),
                "PARTNER": _amounts(cost.totals.partner),
                "OVERALL": _amounts(cost.totals.overall),
                "by_beneficiary": {str(b.beneficiary_index): _amounts(b.amounts) for b in cost.beneficiaries},
                "by_module": {self._names[m.module_id]: _amounts(m.amounts) for m in cost.modules},
            },
        }

    def _component(
        self, cost: insurance_cost_pb2.InsuranceCost, component: insurance_cost_pb2.CostComponent
    ) -> list[Any]:
        module = self._names[component.module_id]
        member = cost.beneficiaries[component.beneficiary_index].member_id
        return [
            f"{self._names[member]}/{module}" if component.enrollment_id else component.beneficiary_index,
            module,
            word(insurance_cost_pb2.ContributionType, component.contribution_type, "CONTRIBUTION_TYPE_"),
            word(insurance_cost_pb2.BilledEntity, component.billed_entity, "BILLED_ENTITY_"),
            word(CollectionMethod, component.collection_method, "COLLECTION_METHOD_")
            if component.collection_method
            else None,
            enrollment_messages.membership_type_name(component.beneficiary_type),
            enrollment_messages.service_type_name(component.service_type),
            component.monthly_minor,
        ]

    def _compare(self, step: int, expected: Answer, got: Answer) -> None:
        if "error" in expected:
            wanted, given = expected["error"], got.get("error", {})
            told = {name: given.get("metadata", {}).get(name) for name in wanted.get("metadata", {})}
            if given.get("code") != wanted["code"] or told != {k: str(v) for k, v in wanted["metadata"].items()}:
                self.mismatches.append(Mismatch(step, "error", wanted, got))
            return
        for what, value in expected.items():
            if what not in ("step", "op") and got.get(what) != value:
                self.mismatches.append(Mismatch(step, what, value, got.get(what, got)))


def _amounts(amounts: cost_pb2.Amounts) -> dict[str, int]:
    return {"untaxed": amounts.untaxed_minor, "taxes": amounts.taxes_minor, "taxed": amounts.taxed_minor}
