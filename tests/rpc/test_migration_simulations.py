"""Simulations, choices, costs, previews and dry runs of groups that legacy tables answer for: as if aligned now."""

from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import pricing_pb2
from affilia.enrollment.v1 import change_request_pb2, enrollment_group_pb2
from affilia.enrollment.v1 import change_request_service_pb2 as pb
from affilia.premium.v1 import premium_computation_service_pb2 as premium_pb
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.pricing.v1 import cost_provider_service_pb2 as cost_pb
from affilia.pricing.v1 import insurance_cost_pb2
from affilia.pricing.v1.cost_provider_service_pb2_grpc import CostProviderServiceStub
from affilia.type.v1 import membership_type_pb2, year_month_pb2
from tests.scenarios.enrollment_messages import date
from tests.support.calls import failure_of, new_id
from tests.support.migration import CORE, DUAL_WRITE, READ_CORE, TRANSLATE, Spain, Stage
from tests.support.spanish import FLEX, FLEX_PLUS

EVERYONE = [number for number in membership_type_pb2.MembershipType.values() if number]
BASE, PLUS, OPTION = 100_00, 150_00, 10_00
LEGACY_ANSWERS = (TRANSLATE, DUAL_WRITE, READ_CORE)


@pytest.fixture
def priced(spain: Spain) -> Spain:
    """A contract with prices, whatever the age."""
    contract = spain.family.contract()
    version = contract.versions[0]
    version.pricing.age_grid.SetInParent()
    for module, amount in zip(version.modules, (BASE, PLUS, OPTION), strict=True):
        row = pricing_pb2.AgeGridRow(beneficiary_types=EVERYONE, min_age=0, monthly_minor=amount)
        module.pricing.age_grid.standard.append(row)
    spain.family.amend(contract)
    return spain


def simulate(spain: Spain, **more: Any) -> pb.SimulateChangeRequestResponse:
    """Simulates that P enrolls on DENTAL from 2026-04-01."""
    answer: pb.SimulateChangeRequestResponse = spain.family.requests.SimulateChangeRequest(simulation(spain, **more))
    return answer


def simulation(spain: Spain, **more: Any) -> pb.SimulateChangeRequestRequest:
    return pb.SimulateChangeRequestRequest(
        group=spain.key(),
        changes=[spain.family.enroll(spain.family.option, "2026-04-01")],
        requester=spain.family.primary_as_requester(),
        **more,
    )


def of(spain: Spain, periods: Any) -> list[str]:
    return spain.periods(enrollment_group_pb2.EnrollmentGroup(periods=periods))


def choices(spain: Spain, **group: Any) -> pb.ListAvailableChoicesRequest:
    named = group or {"key": spain.key()}
    return pb.ListAvailableChoicesRequest(member_id=spain.family.primary, on=date("2026-04-01"), **named)


def inquiry(spain: Spain, on: str = "2026-03-15", **named: Any) -> insurance_cost_pb2.CostInquiry:
    policy = insurance_cost_pb2.Policy(**(named or {"key": spain.key()}))
    return insurance_cost_pb2.CostInquiry(on=date(on), policy=policy)


def cost(spain: Spain, on: str = "2026-03-15", **named: Any) -> int:
    request = cost_pb.GetInsuranceCostRequest(inquiry=inquiry(spain, on, **named))
    return int(CostProviderServiceStub(spain.channel).GetInsuranceCost(request).cost.totals.overall.taxed_minor)


def preview(spain: Spain, **named: Any) -> premium_pb.PreviewPremiumsRequest:
    month = year_month_pb2.YearMonth(year=2026, month=4)
    months = year_month_pb2.MonthSpan(first=month, last=month)
    return premium_pb.PreviewPremiumsRequest(
        policy=insurance_cost_pb2.Policy(**(named or {"key": spain.key()})), months=months
    )


def owed(premiums: premium_pb.PreviewPremiumsResponse) -> list[int]:
    """Returns the amount of each entry, sorted."""
    return sorted(sum(component.owed_minor for component in entry.components) for entry in premiums.entries)


def recorded(spain: Spain) -> list[tuple[str, int]]:
    """Returns how many rows each table has that a migration or a change could add to."""
    tables = (
        *("enrollment_group", "enrollment_revision", "change_request", "member_revision", "recompute", "event"),
        *("legacy_group", "premium_stretch", "legacy_es.es_enrollment", "legacy_es.es_policy", "legacy_es.es_user"),
    )
    counts = []
    for table in tables:
        row = spain.tables.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        counts.append((table, row[0] if row else 0))
    return counts


# -------------------------------------------------------------------------------------------------- answers


def add_stale_rows(spain: Spain, stage: Stage) -> None:
    """Adds P and S, who aren't known to the core in TRANSLATE; later, S was added after an alignment."""
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    if stage == TRANSLATE:
        spain.map()
        spain.row("S", "PARTNER", FLEX_PLUS, "2025-01-01")
        return
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.row("S", "PARTNER", FLEX_PLUS, "2025-01-01")
    spain.move_to(stage)


AS_ROWS_SAY = ["P PRIMARY BASE 2024-03-01 -", "S PARTNER BASE_PLUS 2025-01-01 -"]
WITH_DENTAL = [AS_ROWS_SAY[0], "P PRIMARY DENTAL 2026-04-01 -", AS_ROWS_SAY[1]]


@pytest.mark.parametrize("stage", LEGACY_ANSWERS)
def test_stale_and_missing_groups_are_seen_as_if_aligned_and_nothing_is_stored(priced: Spain, stage: Stage) -> None:
    add_stale_rows(priced, stage)
    assert priced.periods(priced.group()) == AS_ROWS_SAY
    before = recorded(priced)
    for _ in range(2):
        simulated = simulate(priced)
        assert simulated.verdict == change_request_pb2.VERDICT_APPROVED
        assert of(priced, simulated.periods_before) == AS_ROWS_SAY
        assert of(priced, simulated.periods_after) == WITH_DENTAL
        amounts = (simulated.cost.before.overall.taxed_minor, simulated.cost.after.overall.taxed_minor)
        assert amounts == (BASE + PLUS, BASE + PLUS + OPTION)
        listed = priced.family.requests.ListAvailableChoices(choices(priced)).choices
        assert {choice.module_id: choice.cost.after.overall.taxed_minor for choice in listed} == {
            priced.family.base: BASE + PLUS,
            priced.family.plus: PLUS + PLUS,
            priced.family.option: BASE + PLUS + OPTION,
        }
        assert (cost(priced), cost(priced, "2024-06-01")) == (BASE + PLUS, BASE)
        premiums = PremiumComputationServiceStub(priced.channel).PreviewPremiums(preview(priced))
        assert owed(premiums) == [BASE, PLUS]
        assert len(premiums.additions) == 2
    assert recorded(priced) == before


def test_aligned_groups_have_the_same_answers_in_every_stage(priced: Spain) -> None:
    priced.row("P", "PRIMARY", FLEX, "2024-03-01")
    priced.row("S", "PARTNER", FLEX_PLUS, "2025-01-01")
    priced.move_to(DUAL_WRITE)
    priced.backfill()
    for stage in (TRANSLATE, DUAL_WRITE, READ_CORE, CORE):
        priced.move_to(stage)
        assert of(priced, simulate(priced).periods_after) == WITH_DENTAL
        assert cost(priced) == BASE + PLUS
        premiums = PremiumComputationServiceStub(priced.channel).PreviewPremiums(preview(priced))
        assert owed(premiums) == [BASE, PLUS]


def test_the_core_alone_answers_from_the_stage_core_on(priced: Spain) -> None:
    add_stale_rows(priced, CORE)
    assert of(priced, simulate(priced).periods_after) == WITH_DENTAL[:2]
    assert cost(priced) == BASE


def test_rules_apply_from_today_on_as_after_an_alignment(strict_spain: Spain) -> None:
    strict_spain.employ("P", "2020-01-01")
    strict_spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    strict_spain.user("C", "2001-05-20")
    strict_spain.row("C", "CHILD", FLEX, "2024-03-01")
    strict_spain.map()
    expected = ["C CHILD BASE 2024-03-01 2026-05-19", "P PRIMARY BASE 2024-03-01 -"]
    assert of(strict_spain, simulate(strict_spain).periods_before) == expected
    strict_spain.move_to(DUAL_WRITE)
    strict_spain.backfill()
    assert strict_spain.core_periods() == expected
    assert of(strict_spain, simulate(strict_spain).periods_before) == expected


def test_groups_are_found_by_ids_that_nobody_has_stored(priced: Spain) -> None:
    priced.map()
    for number, owner in enumerate("ABDE"):
        priced.row(owner, "PRIMARY", FLEX, "2024-03-01", owner=owner)
        by_id: dict[str, Any] = {"group_id": priced.group_id(owner)}
        match number:
            case 0:
                assert cost(priced, **by_id) == BASE
            case 1:
                request = pb.ListAvailableChoicesRequest(member_id=priced.member(owner), on=date("2026-04-01"), **by_id)
                assert len(priced.family.requests.ListAvailableChoices(request).choices) == 3
            case 2:
                found = PremiumComputationServiceStub(priced.channel).PreviewPremiums(preview(priced, **by_id))
                assert owed(found) == [BASE]
            case _:
                key: dict[str, Any] = {"key": priced.key(owner)}
                assert cost(priced, **key) == cost(priced, **by_id) == BASE


def test_groups_that_nobody_has_are_unknown(priced: Spain) -> None:
    priced.map()
    unknown: dict[str, Any] = {"group_id": priced.group_id()}
    costs, premiums = CostProviderServiceStub(priced.channel), PremiumComputationServiceStub(priced.channel)
    for call, request in (
        (costs.GetInsuranceCost, cost_pb.GetInsuranceCostRequest(inquiry=inquiry(priced, **unknown))),
        (premiums.PreviewPremiums, preview(priced, **unknown)),
        (priced.family.requests.ListAvailableChoices, choices(priced, **unknown)),
    ):
        assert failure_of(call, request).reason == "GROUP_UNKNOWN"


# -------------------------------------------------------------------------------------------------- blocked groups


@pytest.mark.parametrize("stage", LEGACY_ANSWERS)
def test_groups_that_cannot_be_aligned_have_no_simulations_costs_or_previews(priced: Spain, stage: Stage) -> None:
    priced.row("P", "PRIMARY", FLEX, "2024-03-01")
    row_id = priced.row("S", "PARTNER", "SPA", "2025-01-01")
    priced.row("A", "PRIMARY", FLEX, "2024-03-01", owner="A")
    priced.move_to(stage)
    assert priced.periods(priced.group()) == ["P PRIMARY BASE 2024-03-01 -"]  # reads leave the row out
    costs, premiums = CostProviderServiceStub(priced.channel), PremiumComputationServiceStub(priced.channel)
    for call, request in (
        (priced.family.requests.SimulateChangeRequest, simulation(priced)),
        (priced.family.requests.ListAvailableChoices, choices(priced)),
        (costs.GetInsuranceCost, cost_pb.GetInsuranceCostRequest(inquiry=inquiry(priced))),
        (premiums.PreviewPremiums, preview(priced)),
    ):
        failure = failure_of(call, request)
        assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LEGACY_CANNOT_HOLD")
        assert (failure.facts["cause"], failure.facts["row_id"]) == ("PRODUCT_NOT_MAPPED", str(row_id))
    batch = cost_pb.BatchGetInsuranceCostRequest(
        inquiries=[inquiry(priced), inquiry(priced, key=priced.key("A")), inquiry(priced)]
    )
    results = costs.BatchGetInsuranceCost(batch).results
    assert [result.WhichOneof("result") for result in results] == ["error", "cost", "error"]


def test_a_dry_run_shows_what_aligning_and_recomputing_would_change(priced: Spain) -> None:
    add_stale_rows(priced, DUAL_WRITE)
    before = recorded(priced)
    request = pb.RequestRecomputeRequest(request_id=new_id(), group_id=priced.group_id(), dry_run=True)
    answer = priced.family.requests.RequestRecompute(request)
    assert [each.member_id for each in answer.differences] == [priced.member("S")]
    assert recorded(priced) == before
    assert priced.core_periods() == AS_ROWS_SAY[:1]
