"""Premiums of followed contracts over the wire: they follow what their amounts depend on, and nothing else."""

from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affilia.catalog.v1 import member_pb2, member_service_pb2, pricing_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1 import premium_entry_pb2
from affilia.type.v1.membership_type_pb2 import MEMBERSHIP_TYPE_CHILD as CHILD
from affilia.type.v1.membership_type_pb2 import MEMBERSHIP_TYPE_PARTNER as PARTNER
from tests.rpc.test_costs import EVERYONE, priced_contract
from tests.rpc.test_premiums import compute, entries, owed, policy, premiums
from tests.scenarios.enrollment_messages import span
from tests.scenarios.ledger_messages import months
from tests.support.calls import Family, admin, decoded, new_id
from tests.support.command_line import typed
from tests.support.waiting import wait_until

JANUARY, FEBRUARY, JUNE = (2026, 1), (2026, 2), (2026, 6)


def with_prices(family: Family, *grid: tuple[int, int | None, int], **more: int) -> Any:
    """Returns the contract with an age grid on base, given as (first age, last age, amount), without a tax."""
    contract = priced_contract(family)
    for version in contract.versions:
        for module in version.modules:
            module.pricing.CopyFrom(pricing_pb2.ModulePricing())
            rows = grid if module.module_id == family.base else [(0, None, more.get("other", 700))]
            for low, high, minor in rows:
                module.pricing.age_grid.standard.add(
                    beneficiary_types=EVERYONE, min_age=low, max_age=high, monthly_minor=minor
                )
    return contract


def priced_by_type(family: Family) -> Any:
    """Returns the contract with 60.00 for children and 100.00 for everyone else on base."""
    contract = with_prices(family)
    for module in contract.versions[0].modules:
        if module.module_id == family.base:
            others = [each for each in EVERYONE if each != CHILD]
            module.pricing.age_grid.standard.add(beneficiary_types=[CHILD], monthly_minor=6_000)
            module.pricing.age_grid.standard.add(beneficiary_types=others, monthly_minor=10_000)
    return contract


@pytest.fixture
def family(server_channel: grpc.Channel) -> Family:
    """The primary, born in 1990, is on base from January 2026 on: 100.00 a month below the age of 40, then 150.00."""
    family = Family(server_channel).set_up()
    family.born(family.primary, "1990-01-01")
    family.amend(with_prices(family, (0, 39, 10_000), (40, None, 15_000)))
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    return family


def follow(family: Family, on: bool = True) -> None:
    premiums(family).SetPremiumFollowing(pb.SetPremiumFollowingRequest(contract_id=family.contract_id, following=on))


def record(family: Family, **facts: Any) -> None:
    request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=family.primary, **facts)
    family.members.RecordFacts(request)


def listed(family: Family, **owner: Any) -> Any:
    owner = owner or {"policy": policy(family)}
    return premiums(family).ListPremiumEntries(pb.ListPremiumEntriesRequest(page_size=1000, **owner))


def stale_from(family: Family) -> tuple[int, int] | None:
    """Returns the month that the list and the preview of a policy report."""
    before = listed(family)
    request = pb.PreviewPremiumsRequest(policy=policy(family), months=months("2026-01", "2026-01"))
    preview = premiums(family).PreviewPremiums(request)
    answer = listed(family)
    if before.stale_from == answer.stale_from:  # the follower didn't compute the policy in between
        assert answer.HasField("stale_from") == preview.HasField("stale_from")
        assert answer.stale_from == preview.stale_from
    return (answer.stale_from.year, answer.stale_from.month) if answer.HasField("stale_from") else None


def ledger(family: Family) -> dict[int, int]:
    """Returns what is owed per month, by the month's number."""
    by_month: dict[int, list[premium_entry_pb2.PremiumEntry]] = {}
    for entry in entries(family):
        by_month.setdefault(entry.month.month, []).append(entry)
    return {month: owed(found) for month, found in by_month.items()}


def expect(family: Family, amounts: dict[int, int]) -> None:
    """Waits until the ledger has these amounts and nothing is stale, and compares it with a fresh computation."""
    wait_until(lambda: ledger(family) == amounts and stale_from(family) is None, f"the ledger has {amounts}")
    last = max(amounts)
    request = pb.PreviewPremiumsRequest(policy=policy(family), months=months("2026-01", f"2026-{last:02}"))
    assert not premiums(family).PreviewPremiums(request).additions


def test_a_corrected_birth_date_changes_the_ledger(family: Family) -> None:
    compute(family, "2026-01", "2026-02")
    follow(family)
    family.born(family.primary, "1980-01-01")
    expect(family, {1: 15_000, 2: 15_000})


def test_without_following_the_stale_month_is_reported_until_it_is_computed(family: Family) -> None:
    compute(family, "2026-01", "2026-06")
    assert stale_from(family) is None
    family.born(family.primary, "1980-01-01")
    assert stale_from(family) == JANUARY
    of_contract = listed(family, contract_id=family.contract_id)
    assert (of_contract.stale_from.month, of_contract.stale_policies) == (1, 1)
    compute(family, "2026-01", "2026-01")
    assert stale_from(family) == FEBRUARY
    compute(family, "2026-03", "2026-06")
    assert stale_from(family) == FEBRUARY
    compute(family, "2026-02", "2026-02")
    assert stale_from(family) == (2026, 3)  # only the first stale month is stored, so later ones stay stale
    compute(family, "2026-03", "2026-06")
    assert stale_from(family) is None
    assert listed(family, contract_id=family.contract_id).stale_policies == 0


def test_turning_following_on_recomputes_what_is_stale(family: Family) -> None:
    compute(family, "2026-01", "2026-02")
    family.born(family.primary, "1980-01-01")
    follow(family)
    expect(family, {1: 15_000, 2: 15_000})


def test_a_policy_without_computed_months_is_not_stale(family: Family) -> None:
    family.born(family.primary, "1980-01-01")
    family.amend(with_prices(family, (0, None, 12_300)))
    assert stale_from(family) is None
    compute(family, "2026-01", "2026-01")
    assert stale_from(family) is None


def test_an_amended_price_of_one_module_makes_only_policies_on_it_stale(family: Family) -> None:
    compute(family, "2026-01", "2026-02")
    family.amend(with_prices(family, (0, 39, 10_000), (40, None, 15_000), other=900))
    assert stale_from(family) is None
    family.amend(with_prices(family, (0, 39, 11_000), (40, None, 15_000), other=900))
    assert stale_from(family) == JANUARY
    follow(family)
    expect(family, {1: 11_000, 2: 11_000})


def test_discounts_and_taxes_change_the_ledger_from_their_first_day(family: Family) -> None:
    compute(family, "2026-01", "2026-08")
    contract = with_prices(family, (0, None, 10_000))
    family.amend(contract)
    follow(family)
    expect(family, dict.fromkeys(range(1, 9), 10_000))
    follow(family, on=False)
    base = next(m for m in contract.versions[0].modules if m.module_id == family.base)
    base.pricing.discounts.add(
        discount_id="summer", percent_bp=1_000, beneficiary_types=EVERYONE, days=span("2026-06-01", "2026-07-31")
    )
    family.amend(contract)
    assert stale_from(family) == JUNE
    follow(family)
    expect(family, dict.fromkeys(range(1, 9), 10_000) | {6: 9_000, 7: 9_000})
    base.pricing.taxes.add(code="T", rate_bp=1_000, base=pricing_pb2.TAX_BASE_NET, beneficiary_types=EVERYONE)
    family.amend(contract)
    expect(family, dict.fromkeys(range(1, 9), 11_000) | {6: 9_900, 7: 9_900})


def test_an_amended_engine_parameter_changes_the_ledger(family: Family) -> None:
    family.submit(family.leave("2026-06-16"), requester=admin())
    compute(family, "2026-05", "2026-06")
    assert ledger(family) == {5: 10_000, 6: 5_000}
    contract = with_prices(family, (0, 39, 10_000), (40, None, 15_000))
    contract.versions[0].engine_parameters.prorata = pricing_pb2.PRORATA_STRATEGY_MID_MONTH
    family.amend(contract)
    assert stale_from(family) == (2026, 5)
    follow(family)
    wait_until(lambda: ledger(family) == {5: 10_000, 6: 10_000} and stale_from(family) is None, "June is owed whole")


def test_changes_of_limits_and_names_make_nothing_stale(family: Family) -> None:
    compute(family, "2026-01", "2026-02")
    contract = with_prices(family, (0, 39, 10_000), (40, None, 15_000))
    contract.display_name = "Renamed"
    contract.versions[0].modules[0].display_name = "Renamed"
    contract.versions[0].max_backdating_days = 99
    family.amend(contract)
    assert stale_from(family) is None


def test_only_the_days_that_change_make_months_stale(family: Family) -> None:
    compute(family, "2026-01", "2026-08")
    family.submit(family.leave("2026-06-16"), requester=admin())
    assert stale_from(family) == JUNE
    follow(family)
    expect(family, dict.fromkeys(range(1, 6), 10_000) | {6: 5_000, 7: 0, 8: 0})


def test_addresses_make_nothing_stale_and_regimes_only_the_primarys_policies(family: Family) -> None:
    compute(family, "2026-01", "2026-08")
    record(
        family,
        addresses=member_pb2.Addresses(items=[member_pb2.Address(days=span("2026-01-01", None), country_code="FR")]),
    )
    assert stale_from(family) is None
    regime = member_pb2.HealthRegimeSpan(days=span("2026-06-10", None), regime=member_pb2.HEALTH_REGIME_ALSACE_MOSELLE)
    record(family, health_regimes=member_pb2.HealthRegimes(items=[regime]))
    assert stale_from(family) == JUNE


def test_a_failure_is_not_retried_before_the_next_change_and_then_fixed(family: Family) -> None:
    compute(family, "2026-01", "2026-02")
    follow(family)
    contract = with_prices(family, (0, 39, 10_000))
    family.amend(contract)
    family.born(family.primary, "1980-01-01")
    asked = pb.ListPremiumFailuresRequest(contract_id=family.contract_id)
    wait_until(lambda: len(premiums(family).ListPremiumFailures(asked).failures) == 1, "the failure is listed")
    assert listed(family).stale_from.month == 1
    family.amend(with_prices(family, (0, None, 13_000)))
    expect(family, {1: 13_000, 2: 13_000})
    assert not premiums(family).ListPremiumFailures(asked).failures


def test_a_corrected_membership_type_changes_the_ledger(family: Family) -> None:
    child = family.enroll(family.base, "2026-01-01", child=True)
    family.submit(child, requester=admin())
    family.amend(priced_by_type(family))
    compute(family, "2026-01", "2026-02")
    follow(family)
    before = ledger(family)
    correction = change_request_pb2.CorrectMembershipType(member_id=family.child, membership_type=PARTNER)
    changed = change_request_pb2.ScopedChange(correct_membership_type=correction)
    corrected = family.submit(changed, requester=admin()).change_request.change_request_id
    expect(family, {month: amount + 4_000 for month, amount in before.items()})
    undo = change_request_pb2.ScopedChange(revert=change_request_pb2.Revert(change_request_id=corrected))
    family.submit(undo, requester=admin())
    expect(family, before)


def test_a_merge_changes_the_ledger(family: Family) -> None:
    double = new_id()
    family.store(double)
    family.born(double, "1975-01-01")
    family.amend(with_prices(family, (0, 39, 10_000), (40, None, 15_000)))
    joining = family.enroll(family.base, "2026-01-01", child=True)
    doubled = family.enroll(family.base, "2026-01-01", child=True)
    doubled.enroll.member_id = double
    family.submit(joining, doubled, requester=admin())
    compute(family, "2026-01", "2026-02")
    follow(family)
    before = ledger(family)
    family.members.MergeMembers(
        member_service_pb2.MergeMembersRequest(
            request_id=new_id(),
            from_member_id=double,
            into_member_id=family.child,
            reason="one person",
            keep=member_service_pb2.KEPT_FACTS_FROM,
        ),
        timeout=60,
    )
    # One record at 100.00 and one at 150.00 become one at 150.00.
    expect(family, {month: amount - 10_000 for month, amount in before.items()})


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Draws changes of a family and its contract, in order."""
    step = st.one_of(
        st.tuples(st.just("born"), st.booleans(), st.sampled_from(["1975-05-05", "1990-01-01", "2010-07-15", None])),
        st.tuples(st.just("price"), st.sampled_from([9_000, 12_000]), st.sampled_from([30, 40, 45])),
        st.tuples(st.just("leave"), st.sampled_from(["2026-02-10", "2026-04-01"]), st.none()),
        st.tuples(st.just("enroll"), st.sampled_from(["2026-01-15", "2026-03-01"]), st.booleans()),
        st.tuples(st.just("correct"), st.sampled_from([CHILD, PARTNER]), st.none()),
        st.tuples(st.just("revert"), st.none(), st.none()),
    )
    return draw(st.lists(step, min_size=3, max_size=8))


@settings(max_examples=8, deadline=None)
@given(stories())
def test_once_nothing_is_stale_the_ledger_equals_a_fresh_computation(
    server_channel: grpc.Channel, story: list[tuple[Any, ...]]
) -> None:
    family = Family(server_channel).set_up()
    family.amend(with_prices(family, (0, 39, 10_000), (40, None, 15_000)))
    approved = []

    def submit(*changes: change_request_pb2.ScopedChange) -> None:
        try:
            answer = family.submit(*changes, requester=admin(), accept_consequences=True).change_request
        except grpc.RpcError as error:
            assert decoded(error).reason == "NOT_REVERTIBLE"  # the request was reverted by an earlier step
            return
        if answer.verdict == change_request_pb2.VERDICT_APPROVED:
            approved.append(answer.change_request_id)

    submit(family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-01-01", child=True))
    compute(family, "2026-01", "2026-05")
    follow(family)
    for kind, first, second in story:
        match kind:
            case "born":
                family.born(family.child if first else family.primary, second)
            case "price":
                family.amend(with_prices(family, (0, second - 1, first), (second, None, 15_000)))
            case "leave":
                submit(family.leave(first))
            case "enroll":
                submit(family.enroll(family.option if second else family.plus, first))
            case "correct":
                correction = change_request_pb2.CorrectMembershipType(member_id=family.child, membership_type=first)
                submit(change_request_pb2.ScopedChange(correct_membership_type=correction))
            case _:
                undone = change_request_pb2.Revert(change_request_id=approved[-1])
                submit(change_request_pb2.ScopedChange(revert=undone))
    recomputes = change_request_service_pb2.ListRecomputesRequest(group_id=family.group().group_id)
    wait_until(lambda: not family.requests.ListRecomputes(recomputes).waiting_count, "no recompute waits")
    wait_until(lambda: stale_from(family) is None, "nothing is stale")
    request = pb.PreviewPremiumsRequest(policy=policy(family), months=months("2026-01", "2026-05"))
    assert not premiums(family).PreviewPremiums(request).additions


def test_the_command_line_says_from_when_amounts_may_be_outdated(server_address: str, family: Family) -> None:
    compute(family, "2026-01", "2026-02")
    policy_id = family.group().group_id
    outdated = "Amounts from 2026-01 on may be outdated."
    assert outdated not in typed(server_address, "premiums", "list", policy_id).out
    family.born(family.primary, "1980-01-01")
    assert outdated in typed(server_address, "premiums", "list", policy_id).out
