"""Plays pricing and premium cases against a running `--dev` server over gRPC only, and reports every difference.

Enrollments are created through an admin's change requests.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import grpc

from affilia.catalog.v1 import catalog_service_pb2, contract_pb2, member_pb2, member_service_pb2
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from affilia.catalog.v1.pricing_pb2 import CollectionMethod
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_group_pb2,
    enrollment_query_service_pb2,
)
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from affilia.premium.v1 import premium_computation_service_pb2 as service_pb2
from affilia.premium.v1 import premium_entry_pb2
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.pricing.v1 import cost_provider_service_pb2, insurance_cost_pb2
from affilia.pricing.v1.cost_provider_service_pb2_grpc import CostProviderServiceStub
from affilia.type.v1 import cost_pb2
from tests.scenarios import enrollment_messages, ledger_messages
from tests.scenarios.enrollment_player import Mismatch, ids_like, word
from tests.support.calls import decoded
from tests.support.waiting import wait_until

Answer = dict[str, Any]


@dataclass
class LedgerPlayer:
    """One case, played with its own ids, so that any number of cases can share a server."""

    case: Any
    channel: grpc.Channel
    mismatches: list[Mismatch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._catalog = CatalogServiceStub(self.channel)
        self._member_service = MemberServiceStub(self.channel)
        self._requests = ChangeRequestServiceStub(self.channel)
        self._queries = EnrollmentQueryServiceStub(self.channel)
        self._costs = CostProviderServiceStub(self.channel)
        self._premiums = PremiumComputationServiceStub(self.channel)
        self._contract_id = str(uuid4())
        contracts = [self.case["contract"], *(s["contract"] for s in self.case["steps"] if "contract" in s)]
        self._modules = ids_like({m["id"] for c in contracts for v in c["versions"] for m in v["modules"]})
        self._members = ids_like({member["id"] for member in self.case["members"]})
        self._names = {uuid: name for name, uuid in (self._modules | self._members).items()}
        self._key = enrollment_group_pb2.GroupKey(
            contract_id=self._contract_id, primary_id=self._members[self.case["primary"]]
        )

    def play(self) -> list[Mismatch]:
        """Plays all steps, and returns all differences."""
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
        self._publish(ledger_messages.contract(self.case["contract"], self._contract_id, self._modules))
        for member in self.case["members"]:
            self._store(member)
        if self.case["enrollments"]:
            self._enroll(self.case["enrollments"])

    def _publish(self, contract: contract_pb2.Contract) -> None:
        self._catalog.PublishContract(
            catalog_service_pb2.PublishContractRequest(request_id=str(uuid4()), contract=contract)
        )

    def _store(self, member: Any) -> None:
        member_id = self._members[member["id"]]
        self._member_service.UpsertMember(
            member_service_pb2.UpsertMemberRequest(
                request_id=str(uuid4()),
                member=member_pb2.Member(member_id=member_id, kind=member_pb2.MEMBER_KIND_PERSON),
            )
        )
        if member["date_of_birth"]:
            self._record_birth(member_id, member["date_of_birth"])
        if member["regimes"]:
            self._record_regimes(member_id, member["regimes"])

    def _record_birth(self, member_id: str, born: str | None) -> None:
        birth = member_pb2.Birth(born_on=enrollment_messages.date(born) if born else None)
        self._member_service.RecordFacts(
            member_service_pb2.RecordFactsRequest(request_id=str(uuid4()), member_id=member_id, birth=birth)
        )

    def _record_regimes(self, member_id: str, regimes: list[Any]) -> None:
        """Returns spans, each of which ends where the next one starts."""
        begins = [date.fromisoformat(regime["from"]) for regime in regimes]
        ends = [str(begin - timedelta(days=1)) for begin in begins[1:]]
        items = [
            member_pb2.HealthRegimeSpan(
                days=enrollment_messages.span(regime["from"], end),
                regime=member_pb2.HealthRegime.Value(f"HEALTH_REGIME_{regime['regime']}"),
            )
            for regime, end in zip(regimes, [*ends, None], strict=False)
        ]
        self._member_service.RecordFacts(
            member_service_pb2.RecordFactsRequest(
                request_id=str(uuid4()), member_id=member_id, health_regimes=member_pb2.HealthRegimes(items=items)
            )
        )

    def _enroll(self, enrollments: list[Any]) -> None:
        """Replaces all enrollments: leaves everything, then enrolls these."""
        changes = [
            change_request_pb2.ScopedChange(
                leave=change_request_pb2.Leave(member_id=p.member_id, module_id=p.module_id, days=p.days)
            )
            for p in self._group().periods
        ]
        changes += [
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
                accept_consequences=True,
                requester=change_request_pb2.Requester(
                    role=change_request_pb2.REQUESTER_ROLE_ADMIN, requester_id="cases", reason="a worked case"
                ),
            )
        )
        if answer.change_request.verdict != change_request_pb2.VERDICT_APPROVED:
            raise AssertionError(f"the case's enrollments were rejected: {answer.change_request.violations}")

    # -------------------------------------------------------------------------------------------- changes

    def _play_set_enrollments(self, step: Any) -> Answer:
        self._enroll(step["enrollments"])
        return {}

    def _play_amend_contract(self, step: Any) -> Answer:
        current = self._catalog.GetContract(catalog_service_pb2.GetContractRequest(contract_id=self._contract_id))
        contract = ledger_messages.contract(step["contract"], self._contract_id, self._modules)
        self._catalog.AmendContract(
            catalog_service_pb2.AmendContractRequest(
                request_id=str(uuid4()),
                contract_id=self._contract_id,
                versions=contract.versions,
                etag=current.contract.etag,
            )
        )
        return self._recomputed()

    def _play_publish(self, step: Any) -> Answer:
        """Publishes a contract for this case only. Its modules are its own: a module belongs to one contract."""
        modules = ids_like(set(self._modules))
        contract = ledger_messages.contract(step["contract"], str(uuid4()), modules)
        self._publish(contract)
        return {}

    def _play_set_birthdate(self, step: Any) -> Answer:
        self._record_birth(self._members[step["member"]], step["date_of_birth"])
        return self._recomputed()

    def _play_set_regimes(self, step: Any) -> Answer:
        self._record_regimes(self._members[self.case["primary"]], step["regimes"])
        return self._recomputed()

    def _recomputed(self) -> Answer:
        """Waits until the changes have reached the enrollments."""
        if not (group_id := self._group().group_id):
            return {}
        request = change_request_service_pb2.ListRecomputesRequest(
            group_id=group_id, state=change_request_pb2.RECOMPUTE_STATE_WAITING
        )
        wait_until(lambda: not self._requests.ListRecomputes(request).recomputes, f"group {group_id} is recomputed")
        return {}

    def _group(self) -> enrollment_group_pb2.EnrollmentGroup:
        """Returns the policy; without an id if nobody has ever been enrolled."""
        request = enrollment_query_service_pb2.GetEnrollmentGroupRequest(key=self._key)
        try:
            return self._queries.GetEnrollmentGroup(request).group
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return enrollment_group_pb2.EnrollmentGroup()
            raise

    # -------------------------------------------------------------------------------------------- premiums

    def _policy(self) -> insurance_cost_pb2.Policy:
        return insurance_cost_pb2.Policy(key=self._key)

    def _play_compute(self, step: Any) -> Answer:
        given = ledger_messages.given_parameters(step, self.case)
        how: Any = {
            "policy": self._policy(),
            "months": ledger_messages.months(step["from"], step["to"]),
            "parameters": ledger_messages.parameters(given),
        }
        before = self._entries()
        preview = self._premiums.PreviewPremiums(service_pb2.PreviewPremiumsRequest(**how))
        computed = self._premiums.ComputePremiums(service_pb2.ComputePremiumsRequest(request_id=str(uuid4()), **how))
        entries = self._entries()
        self._as_previewed(preview, entries[len(before) :])
        live = [each for each in entries if not (each.cancels_entry_id or each.cancelled_by_entry_id)]
        return {
            "inserted": {"offsets": computed.offsets, "fresh": computed.entries},
            "live": [self._entry(each) for each in live],
            "net": self._net(entries),
            **self._per_debtor(entries),
            "ledger_entries": len(entries),
        }

    def _as_previewed(
        self, preview: service_pb2.PreviewPremiumsResponse, added: list[premium_entry_pb2.PremiumEntry]
    ) -> None:
        """Checks that computing adds what a preview immediately before it reports."""
        found = []
        for each in added:
            entry = premium_entry_pb2.PremiumEntry()
            entry.CopyFrom(each)
            for name in ("entry_id", "recorded_at", "actor", "cancelled_by_entry_id"):
                entry.ClearField(name)
            found.append(entry)
        found.sort(key=lambda e: (e.enrollment_id, e.month.year, e.month.month, e.version))
        if found != list(preview.additions):
            self.mismatches.append(Mismatch(-1, "preview", found, preview.additions))

    def _entries(self, live_only: bool = False) -> list[premium_entry_pb2.PremiumEntry]:
        request = service_pb2.ListPremiumEntriesRequest(policy=self._policy(), live_only=live_only, page_size=1000)
        entries: list[premium_entry_pb2.PremiumEntry] = []
        while True:
            page = self._premiums.ListPremiumEntries(request)
            entries += page.entries
            if not page.next_page_token:
                return entries
            request.page_token = page.next_page_token

    def _uninvoiced(self, step: Any) -> list[premium_entry_pb2.PremiumEntry]:
        request = service_pb2.ListUninvoicedPremiumsRequest(
            policy=self._policy(),
            debtor=premium_entry_pb2.Debtor.Value(f"DEBTOR_{step['debtor']}"),
            up_to=enrollment_messages.date(step["up_to"]),
            page_size=1000,
        )
        return list(self._premiums.ListUninvoicedPremiums(request).entries)

    def _play_list_uninvoiced(self, step: Any) -> Answer:
        entries = [
            {**self._entry(each), "for_debtor": _for_debtor(each, step["debtor"])} for each in self._uninvoiced(step)
        ]
        return {"entries": entries, "total": sum(each["for_debtor"]["total"] for each in entries)}

    def _play_mark_invoiced(self, step: Any) -> Answer:
        which = step.get("entries", "uninvoiced")
        if which == "uninvoiced":
            entries = self._uninvoiced(step)
        elif which == "all":
            debtor = premium_entry_pb2.Debtor.Value(f"DEBTOR_{step['debtor']}")
            entries = [
                each
                for each in self._entries()
                if _ends_by(each, step["up_to"]) and any(c.debtor == debtor for c in each.components)
            ]
        else:
            wanted = {tuple(place) for place in which}
            entries = [each for each in self._entries() if self._place(each) in wanted]
        ids = [each.entry_id for each in entries]
        if isinstance(which, list) and len(ids) < len(which):
            ids.append(str(uuid4()))  # an unknown id
        marked = (
            self._premiums.MarkPremiumsInvoiced(
                service_pb2.MarkPremiumsInvoicedRequest(
                    request_id=str(uuid4()),
                    entry_ids=ids,
                    debtor=premium_entry_pb2.Debtor.Value(f"DEBTOR_{step['debtor']}"),
                    invoice_id=step["invoice_id"],
                )
            )
            if ids
            else service_pb2.MarkPremiumsInvoicedResponse()
        )
        return {
            "components_marked": marked.components,
            "amount_marked": marked.amount_minor,
            "uninvoiced_net": self._per_debtor(self._entries())["uninvoiced_net"],
        }

    def _play_aggregate(self, step: Any) -> Answer:
        request = service_pb2.AggregatePremiumsRequest(
            by=[service_pb2.PremiumDimension.Value(f"PREMIUM_DIMENSION_{name.upper()}") for name in step["by"]],
            months=ledger_messages.months(step["from"], step["to"]),
            contract_ids=[self._contract_id],
        )
        sums = self._premiums.AggregatePremiums(request).sums
        return {"rows": [[*(self._value(v) for v in each.values), each.amount_minor] for each in sums]}

    def _value(self, text: str) -> Any:
        return {"true": True, "false": False}.get(text, self._names.get(text, text))

    def _place(self, each: premium_entry_pb2.PremiumEntry) -> tuple[str, str, int]:
        return self._enrollment(each), _month(each), each.version

    def _enrollment(self, each: premium_entry_pb2.PremiumEntry) -> str:
        return f"{self._names[each.member_id]}/{self._names[each.module_id]}"

    def _entry(self, each: premium_entry_pb2.PremiumEntry) -> Answer:
        hundredths = each.prorata_hundredths
        sign = "-" if hundredths < 0 else ""
        first, last = enrollment_messages.ends(each.days)
        kind = enrollment_messages.membership_type_name(each.beneficiary_type)
        service = enrollment_messages.service_type_name(each.service_type)
        return {
            "enrollment": self._enrollment(each),
            "month": _month(each),
            "period_start": first,
            "period_end": last,
            "num_days": each.num_days,
            "divisor": each.divisor,
            "version": each.version,
            "ratio": f"{sign}{abs(hundredths) // 100}.{abs(hundredths) % 100:02}",
            "components": [
                [*_kind_and_payer(c), kind, service, c.monthly_minor, c.owed_minor, c.invoice_id or None]
                for c in each.components
            ],
        }

    def _net(self, entries: list[premium_entry_pb2.PremiumEntry]) -> list[list[Any]]:
        sums: Counter[tuple[Any, ...]] = Counter()
        for each in entries:
            for c in each.components:
                sums[self._enrollment(each), _month(each), self._names[each.module_id], *_kind_and_payer(c)] += (
                    c.owed_minor
                )
        return [[*key, amount] for key, amount in sums.items() if amount]

    def _per_debtor(self, entries: list[premium_entry_pb2.PremiumEntry]) -> Answer:
        billed: Counter[str] = Counter({"COMPANY": 0, "PRIMARY": 0, "PARTNER": 0})
        unbilled: Counter[str] = Counter(billed)
        for each in entries:
            for c in each.components:
                debtor = word(premium_entry_pb2.Debtor, c.debtor, "DEBTOR_")
                billed[debtor] += c.owed_minor
                unbilled[debtor] += 0 if c.invoice_id else c.owed_minor
        return {"billed_net": dict(billed), "uninvoiced_net": dict(unbilled)}

    # -------------------------------------------------------------------------------------------- costs

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
        if "error" in expected or "error" in got:
            wanted, given = expected.get("error"), got.get("error")
            if wanted is None or given is None or not _same_error(wanted, given):
                self.mismatches.append(Mismatch(step, "error", wanted, got))
            return
        for what, value in expected.items():
            if what not in ("step", "op") and _in_order(what, got.get(what)) != _in_order(what, value):
                self.mismatches.append(Mismatch(step, what, value, got.get(what, got)))


def _same_error(wanted: Answer, given: Answer) -> bool:
    """Checks that the status code is the expected one.

    If the case's reason is a reason of the product, the facts that the case names must be equal, too. Other reasons and
    names only exist in the format of the cases.
    """
    if given["code"] != wanted["code"]:
        return False
    if given["reason"] != wanted.get("reason"):
        return True
    facts = given["metadata"]
    return all(facts[name] == str(value) for name, value in wanted.get("metadata", {}).items() if name in facts)


def _in_order(what: str, value: Any) -> Any:
    return sorted(value, key=str) if what in ("net", "entries", "live", "rows") and value is not None else value


def _kind_and_payer(component: premium_entry_pb2.PremiumComponent) -> list[Any]:
    method = component.collection_method
    return [
        word(insurance_cost_pb2.ContributionType, component.contribution_type, "CONTRIBUTION_TYPE_"),
        word(insurance_cost_pb2.BilledEntity, component.billed_entity, "BILLED_ENTITY_"),
        word(CollectionMethod, method, "COLLECTION_METHOD_") if method else None,
    ]


def _month(each: premium_entry_pb2.PremiumEntry) -> str:
    return f"{each.month.year:04}-{each.month.month:02}"


def _ends_by(each: premium_entry_pb2.PremiumEntry, up_to: str) -> bool:
    """Returns whether an entry's calendar month ends on or before a day."""
    following = date(each.month.year + each.month.month // 12, each.month.month % 12 + 1, 1)
    return str(following - timedelta(days=1)) <= up_to


def _for_debtor(each: premium_entry_pb2.PremiumEntry, debtor: str) -> Answer:
    (own,) = (d for d in each.debtors if word(premium_entry_pb2.Debtor, d.debtor, "DEBTOR_") == debtor)
    return {
        "untaxed": own.untaxed_minor,
        "taxes": own.taxes_minor,
        "total": own.total_minor,
        "total_before_prorata": own.total_before_prorata_minor,
        "by_type": {
            word(insurance_cost_pb2.ContributionType, c.contribution_type, "CONTRIBUTION_TYPE_"): c.amount_minor
            for c in own.by_contribution_type
        },
    }


def _amounts(amounts: cost_pb2.Amounts) -> dict[str, int]:
    return {"untaxed": amounts.untaxed_minor, "taxes": amounts.taxes_minor, "taxed": amounts.taxed_minor}
