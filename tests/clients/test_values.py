"""Days, instants and amounts are converted in messages of any depth, in both directions."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from affilia.catalog.v1.contract_pb2 import Contract
from affilia.catalog.v1.member_pb2 import Employments
from affilia.catalog.v1.member_service_pb2 import RecordFactsRequest
from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED, Requester, ScopedChange
from affilia.enrollment.v1.change_request_service_pb2 import ListChangeRequestsRequest
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentPeriod
from affilia.premium.v1.premium_entry_pb2 import PremiumEntry
from affilia.type.v1.year_month_pb2 import MonthSpan, YearMonth
from affilia_client import Client, Money, from_python, to_python
from affilia_client.testing import Affilia
from tests.conftest import ROOT
from tests.support.calls import Family

if TYPE_CHECKING:
    from affilia_client.services import EmploymentFields

SAMPLE_CONTRACTS = sorted((ROOT / "samples").glob("*/contract.json"))


@pytest.mark.parametrize("path", SAMPLE_CONTRACTS, ids=lambda path: path.parent.name)
def test_contracts_survive_a_round_trip(path: Path) -> None:
    contract = json_format.Parse(path.read_text(), Contract())
    values = to_python(contract)
    assert from_python(Contract, values) == contract
    assert isinstance(values["versions"][0]["days"][0], date)
    amounts = list(of_type(values, Money))
    assert {each.currency_code for each in amounts} == ({contract.currency_code} if amounts else set())
    assert not [name for name, value in named(values) if name.endswith("_minor") and isinstance(value, int)]


def named(values: Any) -> list[tuple[str, Any]]:
    if isinstance(values, dict):
        return [pair for name, value in values.items() for pair in ((name, value), *named(value))]
    return [pair for each in values for pair in named(each)] if isinstance(values, list) else []


def of_type(values: Any, kind: type) -> list[Any]:
    return [item for _, value in named(values) for item in (value if isinstance(value, list) else [value])
            if isinstance(item, kind)]  # fmt: skip


@given(
    st.none() | st.dates(),
    st.none() | st.dates(),
    st.datetimes(timezones=st.just(UTC)),
    st.integers(-(10**15), 10**15),
    st.sampled_from(["EUR", "JPY", "KWD"]),
)
def test_values_survive_a_round_trip(
    first: date | None, last: date | None, instant: datetime, minor: int, currency: str
) -> None:
    period = from_python(EnrollmentPeriod, {"days": (first, last)})
    assert to_python(period)["days"] == (first, last)
    request = from_python(ListChangeRequestsRequest, {"recorded_from": instant})
    assert to_python(request)["recorded_from"] == instant
    entry = PremiumEntry(currency_code=currency)
    entry.components.add(owed_minor=minor)
    values = to_python(entry)
    money = values["components"][0]["owed_minor"]
    assert money.currency_code == currency
    assert from_python(PremiumEntry, values) == entry
    values["components"][0]["owed_minor"] = money.amount
    assert from_python(PremiumEntry, values) == entry


def test_months_are_their_first_days() -> None:
    months = MonthSpan(first=YearMonth(year=2026, month=1), last=YearMonth(year=2026, month=12))
    assert to_python(months) == (date(2026, 1, 1), date(2026, 12, 1))
    assert from_python(PremiumEntry, {"month": date(2026, 3, 1)}).month == YearMonth(year=2026, month=3)


def test_unset_fields_are_none_and_enums_have_names() -> None:
    values = to_python(Requester())
    assert values == {"role": "REQUESTER_ROLE_UNSPECIFIED", "requester_id": "", "reason": ""}
    change = to_python(ScopedChange(note="n"))
    assert (change["enroll"], change["leave"], change["note"]) == (None, None, "n")
    newer = Requester.FromString(b"\x08\x4d")  # field 1, a varint: role 77 of a newer server
    assert to_python(newer)["role"] == 77


def test_amounts_without_a_currency_stay_minor_units() -> None:
    entry = PremiumEntry()
    entry.components.add(owed_minor=1234)
    assert to_python(entry)["components"][0]["owed_minor"] == 1234
    assert to_python(entry, "EUR")["components"][0]["owed_minor"] == Money(Decimal("12.34"), "EUR")


WRONG: list[tuple[type[Message], dict[str, Any], type[Exception], str]] = [
    (ScopedChange, {"enroll": {"modul_id": ""}}, TypeError, "ScopedChange.enroll has no field 'modul_id'"),
    (ScopedChange, {"enroll": {"days": "2026"}}, TypeError, "ScopedChange.enroll.days must be a tuple of first and"),
    (ScopedChange, {"enroll": {"days": (datetime(2026, 1, 1, tzinfo=UTC), None)}}, ValueError,
     "ScopedChange.enroll.days: must be a date without a time"),
    (ScopedChange, {"enroll": 1}, TypeError, "ScopedChange.enroll must be a Enroll or a mapping of its fields"),
    (ListChangeRequestsRequest, {"recorded_from": datetime(2026, 1, 1)}, ValueError, "recorded_from: .* no time zone"),  # noqa: DTZ001
    (ListChangeRequestsRequest, {"recorded_from": "2026-01-01"}, TypeError, "recorded_from must be a datetime"),
    (PremiumEntry, {"month": date(2026, 3, 2)}, ValueError, "PremiumEntry.month: a month is given by its first day"),
    (PremiumEntry, {"month": datetime(2026, 3, 1, tzinfo=UTC)}, ValueError, "must be a date without a time"),
    (PremiumEntry, {"components": {}}, TypeError, "PremiumEntry.components must be a list"),
    (PremiumEntry, {"components": [{}, {"owed_minor": Decimal("1")}]}, ValueError,
     r"PremiumEntry.components\[1\].owed_minor: pass Money\(amount, currency_code\)"),
    (PremiumEntry, {"currency_code": "EUR", "components": [{"owed_minor": Decimal("0.001")}]}, ValueError,
     "more digits than the currency"),
    (PremiumEntry, {"currency_code": "EUR", "components": [{"owed_minor": Money(Decimal(1), "USD")}]}, ValueError,
     "the amount is in USD, but currency_code is EUR"),
    (PremiumEntry, {"components": [{"owed_minor": 1.5}]}, TypeError, "PremiumEntry.components"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "error", "text"), WRONG)
def test_wrong_values_are_rejected_with_the_path_of_the_field(
    kind: type[Message], values: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        from_python(kind, values)


def enroll(family: Family) -> dict[str, Any]:
    """Returns the fields of a change request without any message."""
    first = {"member_id": family.primary, "membership_type": "MEMBERSHIP_TYPE_PRIMARY", "module_id": family.base}
    return {
        "group": {"contract_id": family.contract_id, "primary_id": family.primary},
        "requester": {"role": "REQUESTER_ROLE_MEMBER", "requester_id": family.primary},
        "changes": [{"enroll": {**first, "days": (date(2026, 1, 1), date(2026, 12, 31))}, "note": "new"}],
    }


EMPLOYMENT: "EmploymentFields" = {
    "days": (date(2020, 1, 1), None),
    "employer_id": "ACME",
    "status": "EMPLOYMENT_STATUS_ACTIVE",
    "salary": {"yearly_minor": Decimal("42000.50"), "currency_code": "EUR"},
}


def test_calls_take_nested_values(family: Family, client: Client) -> None:
    made = client.changes.submit_change_request(**enroll(family))
    assert made.change_request.verdict == VERDICT_APPROVED
    (period,) = to_python(made.group)["periods"]
    assert (period["days"], period["module_id"]) == ((date(2026, 1, 1), date(2026, 12, 31)), family.base)
    client.members.record_facts(
        member_id=family.primary,
        employments={"items": [EMPLOYMENT]},
    )
    facts = to_python(client.members.get_member(member_id=family.primary).facts)
    assert next(of_type(facts, Money).__iter__()) == Money(Decimal("42000.50"), "EUR")
    check: Callable[..., Any] = client.eligibility.check_eligibility
    assert check(check={"member_id": family.primary, "date": date(2026, 5, 1)}).covered


def test_async_calls_take_nested_values(family: Family, affilia: Affilia) -> None:
    async def story() -> None:
        async with affilia.async_client() as client:
            made = await client.changes.submit_change_request(**enroll(family))
            assert made.change_request.verdict == VERDICT_APPROVED
            groups = [
                to_python(group)
                async for group in client.enrollment.all_enrollment_groups(
                    member_id=family.primary, touching=(date(2026, 2, 1), date(2026, 2, 1))
                )
            ]
            assert [group["key"]["primary_id"] for group in groups] == [family.primary]

    asyncio.run(story())


def test_errors_of_calls_name_the_method_and_the_field(family: Family, client: Client) -> None:
    wrong: Any = {"items": [{"salery": {}}]}
    with pytest.raises(TypeError, match=r"record_facts\(\) employments.items\[0\] has no field 'salery'"):
        client.members.record_facts(member_id=family.primary, employments=wrong)


def test_a_message_can_be_mixed_with_values(family: Family) -> None:
    employments = from_python(Employments, {"items": [EMPLOYMENT]})
    request = from_python(RecordFactsRequest, {"member_id": family.primary, "employments": employments})
    assert request.employments == employments
