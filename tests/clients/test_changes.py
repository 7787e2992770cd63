"""Builders of changes make the changes that the server carries out."""

from datetime import UTC, date, datetime

import pytest

from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED, ScopedChange
from affilia.type.v1.membership_type_pb2 import MEMBERSHIP_TYPE_CHILD
from affilia_client import Client, changes, to_python
from tests.support.calls import Family, admin


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


def test_a_request_is_reverted_and_the_revert_is_reverted(family: Family, client: Client) -> None:
    def submit(change: ScopedChange) -> str:
        made = client.changes.submit_change_request(group=family.key, requester=admin(), changes=[change])
        assert made.change_request.verdict == VERDICT_APPROVED, made.change_request.violations
        return made.change_request.change_request_id

    def last_on() -> date | None:
        group = client.enrollment.get_enrollment_group(key=family.key).group
        return max(to_python(group)["periods"], key=lambda period: period["days"][0])["days"][1]  # type: ignore[no-any-return]

    submit(changes.enroll(family.primary, family.base, "PRIMARY", first_on=date(2026, 1, 1)))
    ended = submit(changes.leave(family.primary, first_on=date(2026, 6, 1)))
    reverted = submit(changes.revert(ended, reason_code="WRONG_PERSON", note="meant a namesake"))
    assert last_on() is None
    (stored,) = client.changes.get_change_request(change_request_id=reverted).change_request.changes
    assert (stored.revert.change_request_id, stored.reason_code, stored.note) == (
        ended,
        "WRONG_PERSON",
        "meant a namesake",
    )
    submit(changes.revert(reverted))
    assert last_on() == date(2026, 5, 31)


def test_a_membership_type_is_corrected(family: Family, client: Client) -> None:
    made = client.changes.submit_change_request(
        group=family.key,
        requester=admin(),
        changes=[
            changes.enroll(family.primary, family.base, "PRIMARY", first_on=date(2026, 1, 1)),
            changes.enroll(family.child, family.base, "PARTNER", first_on=date(2026, 1, 1)),
            changes.correct_membership_type(family.child, "CHILD"),
        ],
    )
    assert made.change_request.verdict == VERDICT_APPROVED, made.change_request.violations
    types = {period.member_id: period.membership_type for period in made.group.periods}
    assert types[family.child] == MEMBERSHIP_TYPE_CHILD
    same = changes.correct_membership_type(family.child, MEMBERSHIP_TYPE_CHILD)
    assert same == changes.correct_membership_type(family.child, "CHILD")


def test_wrong_arguments_are_rejected(family: Family) -> None:
    with pytest.raises(ValueError, match="MEMBERSHIP_TYPE_BOSS"):
        changes.enroll(family.primary, family.base, "BOSS", first_on=date(2026, 1, 1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="MEMBERSHIP_TYPE_BOSS"):
        changes.correct_membership_type(family.child, "BOSS")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="without a time"):
        changes.leave(family.primary, first_on=datetime(2026, 1, 1, tzinfo=UTC))
