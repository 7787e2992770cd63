"""Conditions that are aligned with the calendar, and months charged by a cut-off day, over the wire."""

from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import catalog_service_pb2, condition_pb2, contract_pb2, pricing_pb2
from affilia.premium.v1 import premium_computation_service_pb2 as pb
from tests.rpc.test_costs import priced_contract
from tests.rpc.test_premiums import entries, premiums, request
from tests.scenarios.enrollment_messages import ends
from tests.support.calls import Family, admin, failure_of, new_id

SELF = condition_pb2.SUBJECT_SELF
END_OF_MONTH = condition_pb2.CALENDAR_END_END_OF_MONTH
NEXT_MONTH = condition_pb2.CALENDAR_START_FIRST_OF_NEXT_MONTH
ALIGNED = condition_pb2.ConditionList(
    conditions=[
        condition_pb2.Condition(
            age=condition_pb2.AgeCondition(
                subject=SELF,
                min_years=18,
                max_years=26,
                lasts_until=condition_pb2.AGE_END_END_OF_YEAR,
                begins=condition_pb2.CALENDAR_START_FIRST_OF_MONTH,
            )
        ),
        condition_pb2.Condition(
            salary=condition_pb2.SalaryCondition(subject=SELF, min_minor=1, lasts_until=END_OF_MONTH)
        ),
        condition_pb2.Condition(employment=condition_pb2.EmploymentCondition(subject=SELF, lasts_until=END_OF_MONTH)),
        condition_pb2.Condition(tenure=condition_pb2.TenureCondition(subject=SELF, min_days=60, begins=NEXT_MONTH)),
        condition_pb2.Condition(residence=condition_pb2.ResidenceCondition(subject=SELF, lasts_until=END_OF_MONTH)),
        condition_pb2.Condition(
            attribute=condition_pb2.AttributeCondition(
                subject=SELF, name="site", values=["north"], lasts_until=END_OF_MONTH
            )
        ),
    ]
)


def with_rule(family: Family, condition: condition_pb2.Condition) -> contract_pb2.Contract:
    contract = family.contract()
    contract.versions[0].modules[0].rules.add(code="ALIGNED", condition=condition)
    return contract


def test_alignments_are_stored_and_read(family: Family) -> None:
    family.amend(with_rule(family, condition_pb2.Condition(any_of=ALIGNED)))
    asked = catalog_service_pb2.GetContractRequest(contract_id=family.contract_id)
    stored = family.catalog.GetContract(asked).contract.versions[0].modules[0].rules[0].condition
    assert stored.any_of == ALIGNED


def test_an_unset_alignment_is_returned_unset(family: Family) -> None:
    age = condition_pb2.AgeCondition(subject=SELF, max_years=26)
    family.amend(with_rule(family, condition_pb2.Condition(age=age)))
    asked = catalog_service_pb2.GetContractRequest(contract_id=family.contract_id)
    stored = family.catalog.GetContract(asked).contract.versions[0].modules[0].rules[0].condition.age
    assert stored == age
    assert (stored.lasts_until, stored.begins) == (
        condition_pb2.AGE_END_UNSPECIFIED,
        condition_pb2.CALENDAR_START_UNSPECIFIED,
    )


def test_an_alignment_without_its_limit_is_rejected(family: Family) -> None:
    age = condition_pb2.AgeCondition(
        subject=SELF, lasts_until=condition_pb2.AGE_END_END_OF_MONTH, begins=condition_pb2.CALENDAR_START_FIRST_OF_MONTH
    )
    contract = with_rule(family, condition_pb2.Condition(age=age))
    contract.contract_id = new_id()
    failure = failure_of(
        family.catalog.PublishContract,
        catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract),
    )
    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    path = "contract.versions[0].modules[0].rules[0].condition.age"
    assert failure.violations == {
        f"{path}.begins": "requires min_years, got FIRST_OF_MONTH",
        f"{path}.lasts_until": "requires max_years, got END_OF_MONTH",
    }


@pytest.mark.parametrize(
    ("lasts_until", "last_on"),
    [
        (condition_pb2.AGE_END_BIRTHDAY, "2041-05-31"),
        (condition_pb2.AGE_END_END_OF_MONTH, "2041-06-30"),
        (condition_pb2.AGE_END_END_OF_YEAR, "2041-12-31"),
    ],
)
def test_a_child_stays_until_the_end_of_the_birthdays_month_or_year(
    family: Family, lasts_until: Any, last_on: str
) -> None:
    age = condition_pb2.AgeCondition(subject=SELF, max_years=26, lasts_until=lasts_until)
    family.amend(with_rule(family, condition_pb2.Condition(age=age)))
    family.submit(family.enroll(family.base, "2026-01-01", child=True), requester=admin())
    (period,) = family.group().periods
    assert ends(period.days) == ["2026-01-01", last_on]


MID_MONTH = pricing_pb2.PRORATA_STRATEGY_MID_MONTH


@pytest.mark.parametrize(
    ("first", "last", "is_owed"),
    [
        ("2026-03-15", "2026-03-31", True),
        ("2026-03-16", "2026-03-31", False),
        ("2026-03-01", "2026-03-14", False),
        ("2026-03-01", "2026-03-15", True),
        ("2026-03-01", "2026-03-31", True),
    ],
)
def test_case_b1_a_month_is_owed_if_the_cut_off_day_is_covered(
    family: Family, first: str, last: str, is_owed: bool
) -> None:
    family.amend(priced_contract(family))
    family.submit(family.enroll(family.base, first, last), requester=admin())
    parameters = pricing_pb2.EngineParameters(prorata=MID_MONTH)
    premiums(family).ComputePremiums(request(family, "2026-03", "2026-03", parameters=parameters))
    (entry,) = entries(family)
    before = sum(component.monthly_minor for component in entry.components)
    assert before > 0
    assert sum(component.owed_minor for component in entry.components) == (before if is_owed else 0)


def test_another_cut_off_day_of_the_contract_issues_entries_again(family: Family) -> None:
    contract = priced_contract(family)
    contract.versions[0].engine_parameters.prorata = MID_MONTH
    family.amend(contract)
    family.submit(family.enroll(family.base, "2026-03-16", "2026-03-31"), requester=admin())
    premiums(family).ComputePremiums(request(family, "2026-03", "2026-03"))
    assert sum(c.owed_minor for e in entries(family) for c in e.components) == 0
    contract.versions[0].engine_parameters.cut_off_day = 20
    family.amend(contract)
    premiums(family).ComputePremiums(request(family, "2026-03", "2026-03"))
    owed = [sum(c.owed_minor for c in entry.components) for entry in entries(family)]
    assert [bool(each) for each in owed] == [False, False, True]


@pytest.mark.parametrize("day", [0, 29])
def test_a_cut_off_day_that_not_every_month_has_is_rejected(family: Family, day: int) -> None:
    parameters = pricing_pb2.EngineParameters(prorata=MID_MONTH, cut_off_day=day)
    failure = failure_of(premiums(family).PreviewPremiums, _preview(family, parameters))
    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert set(failure.violations) == {"parameters.cut_off_day"}


def _preview(family: Family, parameters: pricing_pb2.EngineParameters) -> pb.PreviewPremiumsRequest:
    whole = request(family, "2026-03", "2026-03")
    return pb.PreviewPremiumsRequest(policy=whole.policy, months=whole.months, parameters=parameters)
