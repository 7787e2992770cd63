"""The ledger is always correct about the past: invariants of the ledger, checked with the slow model."""

from collections import Counter
from dataclasses import replace
from datetime import date
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.catalog.contract import Contract
from domain.catalog.prices import (
    AgeGridPrice,
    AgeGridRow,
    AgeNormalization,
    AgeStrategy,
    CollectionMethod,
    Discount,
    EngineParameters,
    ModulePricing,
    Participation,
    ProrataStrategy,
    Scheme,
    Tax,
    TaxBase,
    VersionPricing,
)
from domain.days import Days, Span
from domain.enrollment.decisions import EnrollmentKey
from domain.members import Facts
from domain.membership import MembershipType
from domain.money import Rounding
from domain.premiums.affiliation import InsuredPolicy
from domain.premiums.entries import PremiumEntry, premium_entries, premium_stretches, span_of
from domain.premiums.invoicing import Debtor, LedgerEntry, debtor_of, marked, uninvoiced
from domain.premiums.ledger import LedgerRow, reconciled, reconciled_rows
from domain.premiums.months import Month, days_of_month, month_of
from domain.premiums.pricing_periods import ContractPricing
from domain.pricing.inquiries import Policy
from tests.domain.premium_model import owed_by_days
from tests.support.builders import a_contract, a_module, a_version

PRIMARY, CHILD = UUID(int=11), UUID(int=12)
GROUP = UUID(int=99)
TYPES = {PRIMARY: MembershipType.PRIMARY, CHILD: MembershipType.CHILD}
EVERYONE = tuple(MembershipType)
FIRST, LAST = month_of(date(2026, 1, 1)), month_of(date(2026, 6, 1))
FIRST_ON, LAST_ON = date(2026, 1, 1), date(2026, 6, 30)

days_in_range = st.dates(date(2025, 12, 15), date(2026, 7, 15))
spans = st.tuples(days_in_range, days_in_range).map(lambda d: Span.between(min(d), max(d)))
several_days = st.lists(spans, max_size=2).map(lambda found: Days.of(*found))
parameters = st.builds(
    EngineParameters,
    st.sampled_from(AgeStrategy),
    st.sampled_from(Rounding),
    st.sampled_from(ProrataStrategy),
    st.just(17),
    st.just(25),
    st.sampled_from(AgeNormalization),
    st.none() | st.integers(1, 28),
)


@st.composite
def modules_pricing(draw: st.DrawFn) -> ModulePricing:
    payer = draw(st.sampled_from([MembershipType.PRIMARY, MembershipType.PARTNER]))
    method = draw(st.sampled_from(CollectionMethod))
    step = draw(st.integers(0, 300))
    rows = tuple(AgeGridRow(EVERYONE, age, age if age < 20 else None, 1_000 + age * step) for age in range(21))
    return ModulePricing(
        AgeGridPrice(rows),
        draw(st.none() | st.integers(1, 2)),
        (),
        (),
        (Participation((), draw(st.integers(0, 10_000)), None, None, payer, method),),
        tuple(Discount("D", 1_500, None, (), span) for span in draw(st.lists(spans, max_size=1))),
        tuple(Tax("T", rate, TaxBase.NET, ()) for rate in draw(st.lists(st.integers(0, 3_000), max_size=1))),
    )


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Draws two consecutive versions with the same two modules and different prices."""
    change = draw(st.dates(date(2026, 1, 2), date(2026, 6, 29)))
    halves = (Span.between(date(2020, 1, 1), change), Span(change.toordinal() + 1, Span.between(change, None).end))
    versions = [
        a_version(
            *(a_module(name, pricing=draw(modules_pricing())) for name in ("base", "option")),
            days=days,
            pricing=VersionPricing(Scheme.AGE_GRID),
            engine_parameters=draw(parameters),
        )
        for days in halves
    ]
    return a_contract(*versions)


def _id(row: int, month: Month) -> UUID:
    return UUID(int=row << 32 | month)


def _content(entry: PremiumEntry, cancels: int | None) -> tuple[object, ...]:
    return entry.content, cancels is None


class PremiumLedger(RuleBasedStateMachine):
    """A policy whose contract, enrollments and facts change repeatedly, computed and invoiced at any time."""

    @initialize(contract=contracts(), born=st.dates(date(2010, 1, 1), date(2024, 12, 31)))
    def begin(self, contract: Contract, born: date) -> None:
        self.contract = contract
        self.facts = {PRIMARY: Facts(date(1980, 5, 5)), CHILD: Facts(born)}
        self.enrolled: dict[EnrollmentKey, Days] = {}
        self.rows: dict[int, LedgerRow] = {}
        self.ledger: dict[UUID, LedgerEntry] = {}
        self.computed: set[Month] = set()
        self.invoiced: Counter[str] = Counter()

    def insured(self) -> InsuredPolicy:
        return InsuredPolicy(Policy(self.contract, GROUP, PRIMARY, self.facts), self.enrolled, TYPES)

    @rule(who=st.sampled_from([PRIMARY, CHILD]), module=st.integers(0, 1), days=several_days)
    def enroll(self, who: UUID, module: int, days: Days) -> None:
        key = EnrollmentKey(who, self.contract.versions[0].modules[module].module_id)
        self.enrolled = {**self.enrolled, key: days}
        self.computed.clear()

    @rule(contract=contracts())
    def amend(self, contract: Contract) -> None:
        self.contract = contract
        self.computed.clear()

    @rule(born=st.none() | st.dates(date(2010, 1, 1), date(2024, 12, 31)))
    def correct_birth(self, born: date | None) -> None:
        self.facts = {**self.facts, CHILD: Facts(born)}
        self.computed.clear()

    @rule(first=st.integers(FIRST, LAST), length=st.integers(0, 5))
    def compute(self, first: Month, length: int) -> None:
        last = min(LAST, first + length)
        self._compute(first, last)
        self.computed |= set(range(first, last + 1))
        before = len(self.ledger)
        self._compute(first, last)
        assert len(self.ledger) == before  # (2) computing again without a change writes nothing

    def _compute(self, first: Month, last: Month) -> None:
        """Computes row by row, as the product does, and checks that computing entry by entry gives the same."""
        rows = {key: row for key, row in self.rows.items() if row.stretch.first <= last and row.stretch.last >= first}
        pricing = ContractPricing(self.contract, span_of(first, last))
        added = reconciled_rows(rows, list(premium_stretches(self.insured(), pricing)), first, last)
        by_entry = self._reconciled_by_entry(first, last)
        for row in added:
            key = len(self.rows) + 1
            self.rows[key] = row
            for entry in row.entries():
                self._add(key, row, entry)
        assert by_entry == Counter(
            (_content(entry, row.cancels), row.version) for row in added for entry in row.entries()
        )
        places = [(e.entry.enrollment_id, e.entry.month, e.version) for e in self.ledger.values()]
        assert len(set(places)) == len(places)

    def _add(self, key: int, row: LedgerRow, entry: PremiumEntry) -> None:
        nothing = (None,) * len(entry.charges)
        entry_id, cancels = _id(key, entry.month), None
        if row.cancels is not None:
            cancels = _id(row.cancels, entry.month)
            cancelled = self.ledger[cancels].entry
            assert entry.owed_minor == tuple(-owed for owed in cancelled.owed_minor)
            assert entry.num_days == -cancelled.num_days
            assert self.ledger[cancels].is_live  # never cancelled twice, and no offset is cancelled
            self.ledger[cancels] = replace(self.ledger[cancels], cancelled_by=entry_id)
        self.ledger[entry_id] = LedgerEntry(entry_id, entry, row.version, cancels, None, nothing)

    def _reconciled_by_entry(self, first: Month, last: Month) -> "Counter[tuple[object, int]]":
        live = [each.entry for each in self.ledger.values() if each.is_live and first <= each.entry.month <= last]
        versions: dict[tuple[UUID, Month], int] = {}
        for each in self.ledger.values():
            key = (each.entry.enrollment_id, each.entry.month)
            versions[key] = max(versions.get(key, 0), each.version)
        added = reconciled(dict(enumerate(live)), premium_entries(self.insured(), first, last), versions)
        return Counter((_content(entry, row.cancels), row.version) for row in added for entry in row.entries())

    @rule(debtor=st.sampled_from(Debtor), up_to=st.dates(FIRST_ON, LAST_ON), number=st.integers(1, 9))
    def invoice(self, debtor: Debtor, up_to: date, number: int) -> None:
        invoice_id = f"I{len(self.invoiced)}-{number}"
        changed, _, amount = marked(uninvoiced(self.ledger.values(), debtor, up_to), debtor, invoice_id)
        self.ledger |= {each.entry_id: each for each in changed}
        self.invoiced[invoice_id] += amount
        # What isn't invoiced of these months adds up to 0.
        due = [each for each in self.ledger.values() if days_of_month(each.entry.month).end <= up_to.toordinal() + 1]
        left = [e.entry.owed_minor[i] for e in due for i in e.charges_of(debtor) if e.invoices[i] is None]
        assert sum(left) == 0

    @invariant()
    def what_was_computed_is_what_is_owed(self) -> None:
        """The ledger adds up to the result of a single computation now, regardless of what happened before."""
        if not getattr(self, "computed", None):
            return
        owed = owed_by_days(self.insured(), FIRST_ON, LAST_ON)
        expected = {key: sums for key, sums in owed.items() if key[1] in self.computed}
        net: dict[tuple[UUID, Month], Counter[tuple[object, ...]]] = {}
        for each in self.ledger.values():
            if each.entry.month in self.computed:
                sums = net.setdefault((each.entry.enrollment_id, each.entry.month), Counter())
                for a, minor in zip(each.entry.charges, each.entry.owed_minor, strict=True):
                    sums[a.contribution_type, a.billed_entity, a.collection_method] += minor
        assert _without_zeros(net) == _without_zeros(expected)

    @invariant()
    def what_was_invoiced_stays_invoiced(self) -> None:
        """The total of every invoice stays the same."""
        now: Counter[str] = Counter()
        for each in getattr(self, "ledger", {}).values():
            for i, invoice_id in enumerate(each.invoices):
                if invoice_id is not None:
                    now[invoice_id] += each.entry.owed_minor[i]
        assert {k: v for k, v in now.items() if v} == {k: v for k, v in getattr(self, "invoiced", {}).items() if v}

    @invariant()
    def no_debtor_is_forgotten(self) -> None:
        """For every debtor, the amount owed is the invoiced plus the uninvoiced amount."""
        for debtor in Debtor:
            total = invoiced = open_ = 0
            for each in getattr(self, "ledger", {}).values():
                for a, minor, invoice_id in zip(each.entry.charges, each.entry.owed_minor, each.invoices, strict=True):
                    if debtor_of(a) == debtor:
                        total += minor
                        invoiced += minor if invoice_id else 0
                        open_ += 0 if invoice_id else minor
            assert total == invoiced + open_


def _without_zeros(
    sums: dict[tuple[UUID, Month], "Counter[tuple[object, ...]]"],
) -> dict[tuple[UUID, Month], dict[tuple[object, ...], int]]:
    """Removes sums of 0. Negative sums stay, because a discount is negative."""
    plain = {
        key: {kind: amount for kind, amount in amounts_by_kind.items() if amount}
        for key, amounts_by_kind in sums.items()
    }
    return {key: amounts_by_kind for key, amounts_by_kind in plain.items() if amounts_by_kind}


PremiumLedger.TestCase.settings = settings(max_examples=150, stateful_step_count=15, deadline=None)
TestPremiumLedger = PremiumLedger.TestCase
