"""The order of payment: each rule on its own, and the order of any number of policies."""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import combinations, pairwise, permutations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.days import UNBOUNDED_END, Day, Span, to_day
from domain.eligibility.coverage import CoverageRecord, CoveredRun, Offer
from domain.eligibility.payment_order import (
    ContractDay,
    Decision,
    Known,
    Payer,
    PaymentRule,
    compare,
    in_order,
    members_with_facts,
    order_records,
    primaries_of_children,
)
from domain.enrollment.decisions import GroupKey
from domain.members import Attribute, Employment, EmploymentStatus, Facts
from domain.membership import MembershipType
from tests.support.builders import an_id

PRIMARY, PARTNER, CHILD = MembershipType.PRIMARY, MembershipType.PARTNER, MembershipType.CHILD
ASCENDANT = MembershipType.ASCENDANT
ACTIVE, RETIRED, LEAVE = EmploymentStatus.ACTIVE, EmploymentStatus.RETIRED, EmploymentStatus.LEAVE
KID, A, B, C = an_id("kid"), an_id("a"), an_id("b"), an_id("c")
ON = date(2026, 6, 1)
BASE, OPTION = UUID(int=101), UUID(int=102)


def day(text: str) -> Day:
    return to_day(date.fromisoformat(text))


def span(first: str, last: str | None = None) -> Span:
    return Span.between(date.fromisoformat(first), date.fromisoformat(last) if last else None)


class Policies:
    """Policies that cover KID, one per primary. The order is asked for on 2026-06-01."""

    def __init__(self) -> None:
        self.runs: list[CoveredRun] = []
        self.primary_runs: dict[UUID, list[CoveredRun]] = {}
        self.facts: dict[UUID, Facts] = {}
        self.sponsors: dict[UUID, str] = {}

    def add(
        self,
        primary: UUID,
        since: str,
        membership_type: MembershipType = CHILD,
        *,
        number: int = 0,
        module: UUID = BASE,
        own: str = "",
        last: str | None = None,
        sponsor: str = "ACME",
    ) -> "Policies":
        """Adds coverage by a policy. `own` is the first day on which it covers its primary."""
        key = GroupKey(an_id(f"contract of {primary} {number}"), primary)
        group_id = UUID(int=primary.int + number)
        run = CoveredRun(group_id, key, 1, KID, module, membership_type, span(since, last))
        self.runs.append(run)
        self.sponsors[key.contract_id] = sponsor
        if own:
            its_run = run._replace(member_id=primary, membership_type=PRIMARY, days=span(own))
            self.primary_runs.setdefault(primary, []).append(its_run)
        return self

    def order(self, on: date = ON) -> list[tuple[UUID, str]]:
        """Returns the primaries in order of payment, each with the rule that decided. Asserts that the order of the
        records doesn't matter."""
        at = to_day(on)
        contracts = {contract_id: ContractDay(at, sponsor) for contract_id, sponsor in self.sponsors.items()}
        known = Known(contracts, self.primary_runs, self.facts)
        found = [order_records(some, self.runs, known) for some in permutations(self.records(at))]
        assert all(each == found[0] for each in found)
        return [
            (record.run.key.primary_id, rule.value if rule else "")
            for record, rule in zip(found[0].records, found[0].decided_by, strict=True)
        ]

    def records(self, at: Day) -> list[CoverageRecord]:
        offer = Offer(Span(1, UNBOUNDED_END), Span(1, UNBOUNDED_END), "", (), {})
        return [CoverageRecord(run, offer, run.days) for run in self.runs if run.days.holds(at)]

    def born(self, **births: str) -> "Policies":
        for name, on in births.items():
            self.facts[an_id(name)] = Facts(born_on=date.fromisoformat(on))
        return self

    def employed(self, primary: UUID, *statuses: EmploymentStatus, employer: str = "ACME") -> "Policies":
        jobs = tuple(Employment(span("2000-01-01"), employer, status, None) for status in statuses)
        self.facts[primary] = Facts(born_on=self.facts.get(primary, Facts()).born_on, employments=jobs)
        return self

    def coordinated(self, value: str, first: str = "2020-01-01", last: str | None = None) -> "Policies":
        self.facts[KID] = Facts(attributes=(Attribute(span(first, last), "COORDINATION", value),))
        return self


def parents() -> Policies:
    """Case O1: the same birthday; B's policy has covered B longer, A's policy has covered the child longer."""
    return (
        Policies()
        .add(A, "2024-01-01", own="2024-01-01")
        .add(B, "2025-01-01", own="2020-06-01")
        .born(a="1980-03-05", b="1982-03-05")
    )


def test_with_the_same_birthday_the_policy_that_has_covered_its_primary_longer_pays_first() -> None:
    assert parents().order() == [(B, ""), (A, "PRIMARY_COVERED_LONGER")]


def test_the_attribute_coordination_decides_between_two_parents() -> None:
    assert parents().coordinated(str(A)).order() == [(A, ""), (B, "COORDINATION")]
    assert parents().born(b="1982-01-01").coordinated(str(A).upper()).order() == [(A, ""), (B, "COORDINATION")]


@pytest.mark.parametrize("value", ["", "court", "no-id", str(C), str(KID)])
def test_coordination_that_names_none_of_the_primaries_is_ignored(value: str) -> None:
    assert parents().coordinated(value).order() == parents().order()


def test_coordination_counts_only_on_its_days() -> None:
    ended = parents().coordinated(str(A), last="2026-05-31")
    assert ended.order(date(2026, 5, 31)) == [(A, ""), (B, "COORDINATION")]
    assert ended.order(date(2026, 6, 1)) == [(B, ""), (A, "PRIMARY_COVERED_LONGER")]


def test_coordination_puts_all_policies_of_its_primary_first() -> None:
    three = parents().add(B, "2026-01-01", number=1, own="2026-01-01").coordinated(str(A))
    assert three.order() == [(A, ""), (B, "COORDINATION"), (B, "PRIMARY_COVERED_LONGER")]


def test_coordination_does_not_matter_to_policies_as_partner() -> None:
    found = Policies().add(A, "2020-01-01", PARTNER).add(B, "2021-01-01").coordinated(str(B)).order()
    assert found == [(A, ""), (B, "CHILD_AND_PARTNER")]


@pytest.mark.parametrize(
    ("one", "other", "first"),
    [
        ("1990-03-04", "1970-03-05", A),
        ("1970-03-05", "1990-03-04", B),
        ("1980-02-29", "1980-03-01", A),
        ("1980-02-29", "1981-02-28", B),
        ("1999-12-31", "1950-01-01", B),
    ],
)
def test_the_primary_whose_birthday_comes_first_in_the_year_pays_first(one: str, other: str, first: UUID) -> None:
    second = B if first == A else A
    assert parents().born(a=one, b=other).order() == [(first, ""), (second, "BIRTHDAY")]


def test_an_unknown_birthday_of_either_parent_leaves_the_decision_to_how_long_the_primary_is_covered() -> None:
    for known in ("a", "b"):
        found = parents()
        found.facts = {an_id(known): Facts(born_on=date(1980, 12, 31))}
        assert found.order() == [(B, ""), (A, "PRIMARY_COVERED_LONGER")]
    unknown = parents()
    unknown.facts = {}
    assert unknown.order() == [(B, ""), (A, "PRIMARY_COVERED_LONGER")]


def test_a_policy_that_does_not_cover_its_primary_pays_after_one_that_does() -> None:
    found = Policies().add(A, "2010-01-01").add(B, "2025-01-01", own="2026-05-31")
    assert found.order() == [(B, ""), (A, "PRIMARY_COVERED_LONGER")]
    neither = Policies().add(A, "2010-01-01").add(B, "2009-01-01", own="2026-06-02")
    assert neither.order() == [(B, ""), (A, "COVERED_LONGER")]


def test_as_child_and_as_partner_the_policy_that_has_covered_the_member_longer_pays_first() -> None:
    assert Policies().add(A, "2024-01-01").add(B, "2025-01-01", PARTNER).order() == [(A, ""), (B, "CHILD_AND_PARTNER")]
    assert Policies().add(A, "2024-01-01").add(B, "2023-01-01", PARTNER).order() == [(B, ""), (A, "CHILD_AND_PARTNER")]
    equal = Policies().add(A, "2024-01-01").add(B, "2024-01-01", PARTNER).employed(A, RETIRED).employed(B, ACTIVE)
    assert equal.order() == [(B, ""), (A, "ACTIVE_EMPLOYMENT")]


def test_the_own_policy_pays_before_all_others() -> None:
    found = parents().add(KID, "2026-05-01", PRIMARY).add(C, "2000-01-01", PARTNER)
    assert found.order()[0] == (KID, "")
    assert found.order()[1] == (C, "PRIMARY")


def test_active_employment_with_the_sponsor_pays_before_retirement_and_employment_elsewhere() -> None:
    def order(one: Sequence[EmploymentStatus], other: Sequence[EmploymentStatus], **how: Any) -> list[tuple[UUID, str]]:
        policies = Policies().add(A, "2020-01-01", PARTNER).add(B, "2021-01-01", PARTNER)
        return policies.employed(A, *one).employed(B, *other, **how).order()

    active_first, longer_first = [(B, ""), (A, "ACTIVE_EMPLOYMENT")], [(A, ""), (B, "COVERED_LONGER")]
    assert order([RETIRED], [ACTIVE]) == active_first
    assert order([], [ACTIVE]) == active_first
    assert order([], [ACTIVE], employer="OTHER") == longer_first
    assert order([], [RETIRED]) == longer_first
    assert order([ACTIVE], [ACTIVE]) == longer_first
    for status in (LEAVE, EmploymentStatus.SUSPENDED):
        assert order([status], [ACTIVE]) == longer_first
        assert order([RETIRED], [status]) == longer_first


def test_employment_is_that_of_the_day_and_with_the_contracts_own_sponsor() -> None:
    policies = Policies().add(A, "2020-01-01", PARTNER, sponsor="").add(B, "2021-01-01", PARTNER, sponsor="CITY")
    job = Employment(span("2000-01-01", "2026-05-31"), "CITY", ACTIVE, None)
    nameless = Employment(span("2000-01-01"), "", ACTIVE, None)
    policies.facts = {A: Facts(employments=(nameless,)), B: Facts(employments=(job,))}
    assert policies.order(date(2026, 5, 31)) == [(B, ""), (A, "ACTIVE_EMPLOYMENT")]
    assert policies.order(date(2026, 6, 1)) == [(A, ""), (B, "COVERED_LONGER")]


def test_two_own_policies_are_told_apart_by_employment_and_then_by_length_of_coverage() -> None:
    own = (
        Policies()
        .add(KID, "2022-01-01", PRIMARY, sponsor="OLD")
        .add(KID, "2024-01-01", PRIMARY, number=1, sponsor="NEW")
    )
    first, second = UUID(int=KID.int), UUID(int=KID.int + 1)
    job = (Employment(span("2024-01-01"), "NEW", ACTIVE, None),)

    def groups(facts: Facts) -> list[UUID]:
        own.facts = {KID: facts}
        at = to_day(ON)
        known = Known({c: ContractDay(at, s) for c, s in own.sponsors.items()}, {}, own.facts)
        return [record.run.group_id for record in order_records(own.records(at), own.runs, known).records]

    assert groups(Facts(employments=job)) == [second, first]
    assert groups(Facts()) == [first, second]


def test_the_run_of_covered_days_joins_modules_that_touch_and_ends_at_a_gap() -> None:
    joined = (
        Policies()
        .add(A, "2018-01-01", PARTNER, last="2021-12-31", module=OPTION)
        .add(A, "2022-01-01", PARTNER)
        .add(B, "2020-01-01", PARTNER)
    )
    assert joined.order() == [(A, ""), (B, "COVERED_LONGER")]
    gap = (
        Policies()
        .add(A, "2018-01-01", PARTNER, last="2021-12-30", module=OPTION)
        .add(A, "2022-01-01", PARTNER)
        .add(B, "2020-01-01", PARTNER)
    )
    assert gap.order() == [(B, ""), (A, "COVERED_LONGER")]


def test_the_lower_policy_id_decides_if_nothing_else_does() -> None:
    low, high = sorted((A, B))
    found = Policies().add(high, "2020-01-01", ASCENDANT).add(low, "2020-01-01", ASCENDANT).order()
    assert found == [(low, ""), (high, "POLICY_ID")]


def test_modules_of_one_policy_stay_together_in_order_of_their_ids() -> None:
    found = parents().add(A, "2026-01-01", module=OPTION).add(B, "2026-02-01", module=OPTION)
    assert found.order() == [(B, ""), (B, "SAME_POLICY"), (A, "PRIMARY_COVERED_LONGER"), (A, "SAME_POLICY")]
    at = to_day(ON)
    known = Known({c: ContractDay(at, s) for c, s in found.sponsors.items()}, found.primary_runs, found.facts)
    modules = [record.run.module_id for record in order_records(found.records(at), found.runs, known).records]
    assert modules == [BASE, OPTION] * 2


def test_a_single_policy_has_no_rule() -> None:
    assert Policies().add(A, "2020-01-01").order() == [(A, "")]
    assert Policies().order() == []


# -------------------------------------------------------------------------------------------------- what is read


def needed(policies: Policies) -> tuple[set[UUID], set[UUID]]:
    at = to_day(ON)
    contracts = {contract_id: ContractDay(at, sponsor) for contract_id, sponsor in policies.sponsors.items()}
    records = policies.records(at)
    return members_with_facts(records, contracts), primaries_of_children(records)


def test_facts_are_only_needed_if_they_can_decide() -> None:
    nobody: set[UUID] = set()
    assert needed(Policies()) == (nobody, nobody)
    assert needed(Policies().add(A, "2020-01-01").add(A, "2020-01-01", module=OPTION)) == (nobody, nobody)
    assert needed(Policies().add(KID, "2020-01-01", PRIMARY).add(A, "2020-01-01")) == (nobody, nobody)
    assert needed(Policies().add(A, "2020-01-01").add(A, "2020-01-01", number=1)) == (nobody, {A})
    assert needed(Policies().add(A, "2020-01-01").add(A, "2020-01-01", number=1, sponsor="X")) == ({A, KID}, {A})
    assert needed(parents()) == ({A, B, KID}, {A, B})
    assert needed(Policies().add(A, "2020-01-01", PARTNER).add(B, "2020-01-01")) == ({A, B, KID}, nobody)


# -------------------------------------------------------------------------------------------------- any policies

payers = st.builds(
    Payer,
    group_id=st.uuids(),
    membership_type=st.sampled_from([PRIMARY, PARTNER, CHILD, CHILD, ASCENDANT]),
    covered_since=st.integers(1, 4),
    primary_covered_since=st.sampled_from([1, 2, 3, UNBOUNDED_END]),
    birthday=st.none() | st.sampled_from([(1, 1), (2, 29), (3, 1)]),
    is_coordinated=st.booleans(),
    is_active=st.none() | st.booleans(),
)
several = st.lists(payers, max_size=6, unique_by=lambda payer: payer.group_id)


def by_the_page(one: Payer, other: Payer) -> Decision:
    """Compares two policies by the sentences of the design page, one after the other."""
    types = (one.membership_type, other.membership_type)
    if (types[0] == PRIMARY) != (types[1] == PRIMARY):
        return Decision(PaymentRule.PRIMARY, types[0] == PRIMARY)
    if types == (CHILD, CHILD):
        if one.is_coordinated and not other.is_coordinated:
            return Decision(PaymentRule.COORDINATION, True)
        if other.is_coordinated and not one.is_coordinated:
            return Decision(PaymentRule.COORDINATION, False)
        if one.birthday and other.birthday and one.birthday != other.birthday:
            return Decision(PaymentRule.BIRTHDAY, one.birthday < other.birthday)
        if one.primary_covered_since != other.primary_covered_since:
            return Decision(PaymentRule.PRIMARY_COVERED_LONGER, one.primary_covered_since < other.primary_covered_since)
    if types in ((CHILD, PARTNER), (PARTNER, CHILD)) and one.covered_since != other.covered_since:
        return Decision(PaymentRule.CHILD_AND_PARTNER, one.covered_since < other.covered_since)
    if (one.is_active, other.is_active) in ((True, False), (False, True)):
        return Decision(PaymentRule.ACTIVE_EMPLOYMENT, bool(one.is_active))
    if one.covered_since != other.covered_since:
        return Decision(PaymentRule.COVERED_LONGER, one.covered_since < other.covered_since)
    return Decision(PaymentRule.POLICY_ID, one.group_id.int < other.group_id.int)


@given(payers, payers)
def test_any_two_policies_are_compared_as_the_page_says_and_in_one_direction(one: Payer, other: Payer) -> None:
    if one.group_id == other.group_id:
        return
    assert compare(one, other) == by_the_page(one, other)
    assert compare(other, one) == Decision(compare(one, other).rule, not compare(one, other).pays_first)
    assert in_order([one, other]) == ([one, other] if by_the_page(one, other).pays_first else [other, one])


@settings(max_examples=300)
@given(several, st.randoms(use_true_random=False))
def test_the_order_is_complete_and_does_not_depend_on_the_order_of_the_policies(
    found: list[Payer], random: Any
) -> None:
    ordered = in_order(found)
    assert sorted(ordered) == sorted(found)
    shuffled = list(found)
    random.shuffle(shuffled)
    assert in_order(shuffled) == ordered
    assert in_order(reversed(found)) == ordered


@settings(max_examples=300)
@given(several)
def test_every_policy_pays_before_the_next_one_by_the_rules(found: list[Payer]) -> None:
    ordered = in_order(found)
    assert all(by_the_page(one, other).pays_first for one, other in pairwise(ordered))


@settings(max_examples=300)
@given(several)
def test_every_policy_pays_before_all_later_ones_unless_comparisons_contradict_each_other(found: list[Payer]) -> None:
    wins = {payer: sum(by_the_page(payer, other).pays_first for other in found if other != payer) for payer in found}
    if len(set(wins.values())) == len(found):  # different numbers of wins: no contradictions
        assert in_order(found) == sorted(found, key=lambda payer: -wins[payer])


@settings(max_examples=300)
@given(several)
def test_contradictions_never_change_the_order_of_own_policies_or_of_parents_with_birthdays(found: list[Payer]) -> None:
    position: Mapping[Payer, int] = {payer: n for n, payer in enumerate(in_order(found))}
    for one, other in combinations(found, 2):
        decision = by_the_page(one, other)
        if decision.rule in (PaymentRule.PRIMARY, PaymentRule.COORDINATION, PaymentRule.BIRTHDAY):
            assert (position[one] < position[other]) == decision.pays_first
