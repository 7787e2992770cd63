"""Plays premium cases against the domain alone, with a ledger in memory.

It can play every step of a case, including those with enrollments that no sequence of calls can create.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from domain.catalog.prices import EngineParameters
from domain.days import Days, Span
from domain.enrollment.decisions import EnrollmentKey
from domain.errors import AlreadyInvoiced, CannotBePriced
from domain.identity import enrollment_id
from domain.members import Facts, HealthRegime, HealthRegimeSpan
from domain.membership import MembershipType
from domain.premiums.affiliation import InsuredPolicy
from domain.premiums.entries import premium_entries
from domain.premiums.invoicing import Debtor, LedgerEntry, debtor_of, marked, uninvoiced
from domain.premiums.ledger import ratio_hundredths, reconciled
from domain.premiums.months import Month, days_of_month, first_day, month_of
from domain.pricing.costs import ContributionType
from domain.pricing.inquiries import Policy
from server.mapping.contract import contract_from_proto
from server.mapping.pricing import engine_parameters_from_proto
from tests.scenarios import ledger_messages
from tests.scenarios.enrollment_player import Mismatch, ids_like

Answer = dict[str, Any]
GROUP = UUID(int=1)
PLAYED = {
    "compute",
    "set_enrollments",
    "amend_contract",
    "set_birthdate",
    "set_regimes",
    "mark_invoiced",
    "list_uninvoiced",
}


@dataclass
class PremiumsInProcess:
    """One case."""

    case: Any
    ledger: dict[UUID, LedgerEntry] = field(default_factory=dict)
    mismatches: list[Mismatch] = field(default_factory=list)

    def __post_init__(self) -> None:
        contracts = [self.case["contract"], *(s["contract"] for s in self.case["steps"] if "contract" in s)]
        self._modules = ids_like({m["id"] for c in contracts for v in c["versions"] for m in v["modules"]})
        self._members = {name: UUID(text) for name, text in ids_like({m["id"] for m in self.case["members"]}).items()}
        self._contract = self.case["contract"]
        self._enrollments = self.case["enrollments"]
        self._facts = {self._members[m["id"]]: _facts(m) for m in self.case["members"]}
        self._names = {
            enrollment_id(GROUP, member, UUID(module)): f"{name}/{module_name}"
            for name, member in self._members.items()
            for module_name, module in self._modules.items()
        }

    def play(self) -> list[Mismatch]:
        """Plays all known steps, and returns all differences."""
        for number, (step, expected) in enumerate(zip(self.case["steps"], self.case["expected"], strict=True)):
            if step["op"] in PLAYED:
                self._compare(number, expected, getattr(self, f"_play_{step['op']}")(step))
        return self.mismatches

    # -------------------------------------------------------------------------------------------- changes

    def _play_set_enrollments(self, step: Any) -> Answer:
        self._enrollments = step["enrollments"]
        return {}

    def _play_amend_contract(self, step: Any) -> Answer:
        self._contract = step["contract"]
        return {}

    def _play_set_birthdate(self, step: Any) -> Answer:
        member, born = self._members[step["member"]], step["date_of_birth"]
        self._facts[member] = replace(self._facts[member], born_on=date.fromisoformat(born) if born else None)
        return {}

    def _play_set_regimes(self, step: Any) -> Answer:
        primary = self._members[self.case["primary"]]
        self._facts[primary] = replace(self._facts[primary], health_regimes=_regimes(step["regimes"]))
        return {}

    # -------------------------------------------------------------------------------------------- requests

    def _play_compute(self, step: Any) -> Answer:
        first, last = (month_of(date.fromisoformat(f"{step[name]}-01")) for name in ("from", "to"))
        parameters = ledger_messages.parameters(ledger_messages.given_parameters(step, self.case))
        try:
            fresh = premium_entries(
                self._insured(engine_parameters_from_proto(parameters) if parameters else None), first, last
            )
        except CannotBePriced as error:
            return {"error": {"code": "FAILED_PRECONDITION", "reason": error.reason.value, "metadata": error.facts}}
        live = [e for e in self.ledger.values() if e.is_live and first <= e.entry.month <= last]
        versions: dict[tuple[UUID, Month], int] = {}
        for each in self.ledger.values():
            key = (each.entry.enrollment_id, each.entry.month)
            versions[key] = max(versions.get(key, 0), each.version)
        added = reconciled(dict(enumerate(each.entry for each in live)), fresh, versions)
        for new in added:
            [entry] = new.entries()
            key_of = UUID(int=len(self.ledger) + 1)
            cancels = live[new.cancels].entry_id if new.cancels is not None else None
            if cancels is not None:
                self.ledger[cancels] = replace(self.ledger[cancels], cancelled_by=key_of)
            nothing = (None,) * len(entry.charges)
            self.ledger[key_of] = LedgerEntry(key_of, entry, new.version, cancels, None, nothing)
        offsets = sum(new.cancels is not None for new in added)
        return {
            "inserted": {"offsets": offsets, "fresh": len(added) - offsets},
            "live": self._live(),
            "net": self._net(),
            **self._per_debtor(),
            "ledger_entries": len(self.ledger),
        }

    def _play_list_uninvoiced(self, step: Any) -> Answer:
        debtor = Debtor(step["debtor"])
        listed = uninvoiced(self.ledger.values(), debtor, date.fromisoformat(step["up_to"]))
        entries = [{**self._reported(each), "for_debtor": self._for_debtor(each, debtor)} for each in listed]
        return {
            "entries": sorted(entries, key=lambda e: (e["enrollment"], e["month"], e["version"])),
            "total": sum(each["for_debtor"]["total"] for each in entries),
        }

    def _play_mark_invoiced(self, step: Any) -> Answer:
        debtor, up_to = Debtor(step["debtor"]), date.fromisoformat(step["up_to"])
        which = step.get("entries", "uninvoiced")
        if which == "uninvoiced":
            entries = uninvoiced(self.ledger.values(), debtor, up_to)
        elif which == "all":
            due = [e for e in self.ledger.values() if days_of_month(e.entry.month).end <= up_to.toordinal() + 1]
            entries = [each for each in due if each.charges_of(debtor)]
        else:
            wanted = {tuple(each) for each in which}
            entries = [each for each in self.ledger.values() if self._identity(each) in wanted]
            if len(entries) < len(wanted):
                return {"error": {"code": "NOT_FOUND"}}
        try:
            changed, count, total = marked(entries, debtor, step["invoice_id"])
        except AlreadyInvoiced:
            return {"error": {"code": "FAILED_PRECONDITION"}}
        self.ledger |= {each.entry_id: each for each in changed}
        return {
            "components_marked": count,
            "amount_marked": total,
            "uninvoiced_net": self._per_debtor()["uninvoiced_net"],
        }

    # -------------------------------------------------------------------------------------------- results

    def _insured(self, parameters: EngineParameters | None) -> InsuredPolicy:
        contract = contract_from_proto(ledger_messages.contract(self._contract, str(GROUP), self._modules))
        policy = Policy(contract, GROUP, self._members[self.case["primary"]], self._facts)
        enrolled: dict[EnrollmentKey, Days] = {}
        types: dict[UUID, MembershipType] = {}
        for e in self._enrollments:
            key = EnrollmentKey(self._members[e["member"]], UUID(self._modules[e["module"]]))
            end = date.fromisoformat(e["end"]) if e["end"] else None
            days = Days.of(Span.between(date.fromisoformat(e["start"]), end))
            enrolled[key] = enrolled[key] | days if key in enrolled else days
            types[key.member_id] = MembershipType(e["beneficiary_type"])
        return InsuredPolicy(policy, enrolled, types, parameters)

    def _identity(self, each: LedgerEntry) -> tuple[str, str, int]:
        return self._names[each.entry.enrollment_id], _month(each.entry.month), each.version

    def _reported(self, each: LedgerEntry) -> Answer:
        entry = each.entry
        whole = days_of_month(entry.month)
        hundredths = ratio_hundredths(entry, whole.end - whole.start)
        sign = "-" if hundredths < 0 else ""
        return {
            "enrollment": self._names[entry.enrollment_id],
            "month": _month(entry.month),
            "period_start": str(date.fromordinal(entry.days.start)),
            "period_end": str(date.fromordinal(entry.days.end - 1)),
            "num_days": entry.num_days,
            "divisor": entry.divisor,
            "version": each.version,
            "ratio": f"{sign}{abs(hundredths) // 100}.{abs(hundredths) % 100:02}",
            "components": [
                [
                    a.contribution_type.value,
                    a.billed_entity.value,
                    a.collection_method.value if a.collection_method else None,
                    a.beneficiary_type.value,
                    a.service_type.value,
                    a.monthly_minor,
                    owed,
                    invoice,
                ]
                for a, owed, invoice in zip(entry.charges, entry.owed_minor, each.invoices, strict=True)
            ],
        }

    def _for_debtor(self, each: LedgerEntry, debtor: Debtor) -> Answer:
        places = each.charges_of(debtor)
        owed, amounts = each.entry.owed_minor, each.entry.charges
        by_type: Counter[str] = Counter()
        for i in places:
            by_type[amounts[i].contribution_type.value] += owed[i]
        taxes = by_type[ContributionType.TAXES.value]
        total = sum(owed[i] for i in places)
        before = sum(amounts[i].monthly_minor for i in places)
        return {
            "untaxed": total - taxes,
            "taxes": taxes,
            "total": total,
            "total_before_prorata": before,
            "by_type": {kind: amount for kind, amount in by_type.items() if kind in by_type},
        }

    def _live(self) -> list[Answer]:
        reported = [self._reported(e) for e in self.ledger.values() if e.is_live]
        return sorted(reported, key=lambda e: (e["enrollment"], e["period_start"]))

    def _net(self) -> list[list[Any]]:
        sums: Counter[tuple[Any, ...]] = Counter()
        for each in self.ledger.values():
            name = self._names[each.entry.enrollment_id]
            for a, owed in zip(each.entry.charges, each.entry.owed_minor, strict=True):
                method = a.collection_method.value if a.collection_method else None
                key = (name, _month(each.entry.month), name.split("/")[1], a.contribution_type.value)
                sums[*key, a.billed_entity.value, method] += owed
        return sorted(([*key, amount] for key, amount in sums.items() if amount), key=str)

    def _per_debtor(self) -> Answer:
        billed: Counter[str] = Counter({debtor.value: 0 for debtor in Debtor})
        open_: Counter[str] = Counter(billed)
        for each in self.ledger.values():
            for a, owed, invoice in zip(each.entry.charges, each.entry.owed_minor, each.invoices, strict=True):
                billed[debtor_of(a).value] += owed
                open_[debtor_of(a).value] += owed if invoice is None else 0
        return {"billed_net": dict(billed), "uninvoiced_net": dict(open_)}

    def _compare(self, step: int, expected: Answer, got: Answer) -> None:
        if "error" in expected or "error" in got:
            wanted, given = expected.get("error"), got.get("error")
            if wanted is None or given is None or wanted["code"] != given["code"]:
                self.mismatches.append(Mismatch(step, "error", wanted, given))
            return
        for what, value in expected.items():
            if what not in ("step", "op") and _in_order(what, got.get(what)) != _in_order(what, value):
                self.mismatches.append(Mismatch(step, what, value, got.get(what)))


def _in_order(what: str, value: Any) -> Any:
    if what in ("net", "entries", "live") and value is not None:
        return sorted(value, key=str)
    return value


def _month(month: Month) -> str:
    return str(date.fromordinal(first_day(month)))[:7]


def _facts(member: Any) -> Facts:
    born = member["date_of_birth"]
    return Facts(date.fromisoformat(born) if born else None, health_regimes=_regimes(member["regimes"]))


def _regimes(regimes: list[Any]) -> tuple[HealthRegimeSpan, ...]:
    begins = [date.fromisoformat(regime["from"]) for regime in regimes]
    ends = [begin - timedelta(days=1) for begin in begins[1:]]
    return tuple(
        HealthRegimeSpan(Span.between(begin, end), HealthRegime(regime["regime"]))
        for regime, begin, end in zip(regimes, begins, [*ends, None], strict=False)
    )
