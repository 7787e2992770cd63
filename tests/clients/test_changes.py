"""Builders of changes make the changes that the server carries out."""

from datetime import UTC, date, datetime

import pytest

from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED
from affilia.type.v1.membership_type_pb2 import MEMBERSHIP_TYPE_CHILD
from affilia_client import Client, changes, to_python
from tests.support.calls import Family


def test_built_changes_are_carried_out(family: Family, client: Client) -> None:
    made = client.changes.submit_change_request(
        group=family.key,
        requester={"role": "REQUESTER_ROLE_MEMBER", "requester_id": family.primary},
        changes=[
            changes.enroll(family.primary, family.base, "PRIMARY", first_on=date(2026, 1, 1), note="new"),
            changes.enroll(
                family.child, family.base, MEMBERSHIP_TYPE_CHILD, first_on=date(2026, 2, 1), last_on=date(2026, 8, 31)
            ),
            changes.leave(family.primary, first_on=date(2026, 3, 1), last_on=date(2026, 3, 31), reason_code="ABROAD"),
        ],
        accept_consequences=True,
    )
    assert made.change_request.verdict == VERDICT_APPROVED, made.change_request.violations
    assert [each.note for each in made.change_request.changes] == ["new", "", ""]
    assert made.change_request.changes[2].reason_code == "ABROAD"
    days = [each["days"] for each in to_python(made.group)["periods"] if each["member_id"] == family.primary]
    assert days == [(date(2026, 1, 1), date(2026, 2, 28)), (date(2026, 4, 1), None)]


def test_a_leave_of_one_module_names_it(family: Family) -> None:
    leave = changes.leave(family.primary, family.option, first_on=date(2026, 1, 1)).leave
    assert (leave.module_id, leave.days.HasField("last_on")) == (family.option, False)


def test_wrong_arguments_are_rejected(family: Family) -> None:
    with pytest.raises(ValueError, match="MEMBERSHIP_TYPE_BOSS"):
        changes.enroll(family.primary, family.base, "BOSS", first_on=date(2026, 1, 1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="without a time"):
        changes.leave(family.primary, first_on=datetime(2026, 1, 1, tzinfo=UTC))
